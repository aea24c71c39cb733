"""Windows beside peers, in one process on the same tables. `make bench-windows` runs it in an environment of its own.

    python benchmarks/windows [--case handbook|skewed|as-of] [--events N] [--runs 5] [--peers polars,duckdb,spark,pandas] [--data FILE]
"""

import argparse
import os

os.environ.setdefault("POLARS_MAX_THREADS", "2")

import data  # noqa: E402
import as_of_join  # noqa: E402
import handbook  # noqa: E402
import skewed  # noqa: E402
from measure import measure, report  # noqa: E402

THREADS = 2
ALL_PEERS = ("polars", "duckdb", "spark", "pandas")


def spark_session():
    import warnings

    warnings.filterwarnings("ignore", category=FutureWarning)  # of pandas 3, at every call
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{THREADS}]").appName("featlib-bench").config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.driver.memory", "8g").config("spark.sql.shuffle.partitions", "4").config("spark.log.level", "ERROR")
    return builder.config("spark.sql.execution.arrow.pyspark.enabled", "true").getOrCreate()


def run_handbook(options):
    import pyarrow as pa

    what, raw = data.handbook(options.data)
    print(f"Handbook: {what}, {raw.num_rows:,} rows, 12 window features (featlib gives all 14)", flush=True)
    ours = measure("featlib", handbook.featlib(raw, THREADS), options.runs)
    output_mb = pa.table(ours.result).select(list(handbook.NAMES.values())).nbytes / 2**20
    measured, remarks = [ours], [f"featlib's peak includes its output: {output_mb:.0f} MB for the 12 columns alone"]
    table = pa.table(ours.result)

    def ids(t):
        return t["TRANSACTION_ID"].to_numpy()

    def compare(m, frame):
        remarks.append(f"{m.name} against featlib: {handbook.difference(table, frame, ids)}")

    if "polars" in options.peers:
        measured.append(measure("Polars rolling_*_by.over", handbook.polars_over(raw), options.runs))
        compare(measured[-1], measured[-1].result)
    if "duckdb" in options.peers:
        measured.append(measure("DuckDB RANGE", handbook.duckdb_range(raw), options.runs))
        compare(measured[-1], measured[-1].result)
    if "spark" in options.peers:
        spark = spark_session()
        measured.append(measure("Spark rangeBetween", handbook.spark_range(raw, spark), options.runs))
        spark.stop()
        remarks.append("Spark's memory is its JVM's, not seen here")
    if "pandas" in options.peers:
        measured.append(measure("pandas groupby.rolling", handbook.pandas_rolling(raw), options.runs))
        compare(measured[-1], measured[-1].result.assign(TRANSACTION_ID=raw["TRANSACTION_ID"].to_numpy()))
    report("Handbook, 12 window features", measured, remarks)


def run_skewed(options):
    events, decisions = data.skewed(options.events)
    print(f"Skewed: {events.num_rows:,} events, 200,000 entities (Zipf 1.1), {decisions.num_rows:,} decisions, 60 features", flush=True)
    measured = [measure("featlib", skewed.featlib(events, decisions, THREADS), options.runs)]
    remarks = []
    one = measure("featlib, 1 thread", skewed.featlib(events, decisions, 1), options.runs)
    measured.append(one)
    if options.events >= 10_000_000:
        small = data.skewed(options.events // 10)
        tenth = measure(f"featlib, {small[0].num_rows:,} events", skewed.featlib(*small, THREADS), options.runs)
        remarks.append(f"ten times the events cost {min(measured[0].seconds) / min(tenth.seconds):.1f}x the time")
    remarks.append(f"two threads are {min(one.seconds) / min(measured[0].seconds):.2f}x one")
    peers = []
    if "polars" in options.peers:
        name = "Polars, a window at a time"
        peers.append(measure(name, skewed.polars_over(events, decisions, True), options.peer_runs))
        if options.events <= 2_000_000:
            peers.append(measure("Polars, all at once", skewed.polars_over(events, decisions, False), options.peer_runs))
    if "duckdb" in options.peers and options.events <= 2_000_000:
        peers.append(measure("DuckDB RANGE", skewed.duckdb_range(events, decisions), 1))
    for m in measured + peers:
        m.result = None
    report(f"Skewed, {events.num_rows:,} events, 60 features", [measured[0], *peers] if peers else measured, remarks)


def run_as_of(options):
    history, decisions = data.as_of_join()
    print(f"Point-in-time join: {decisions.num_rows:,} rows, history of {history.num_rows:,}", flush=True)
    measured = [measure("featlib", as_of_join.featlib(history, decisions, THREADS), options.runs)]
    if "polars" in options.peers:
        measured.append(measure("Polars join_asof", as_of_join.polars_asof(history, decisions), options.runs))
    if "duckdb" in options.peers:
        measured.append(measure("DuckDB ASOF", as_of_join.duckdb_asof(history, decisions), options.runs))
    if "pandas" in options.peers:
        measured.append(measure("pandas merge_asof", as_of_join.pandas_asof(history, decisions), options.runs))
    report("Point-in-time join, 17,000 rows", measured, [])


CASES = {"handbook": run_handbook, "skewed": run_skewed, "as-of": run_as_of}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--data", default="../shared/data/handbook/raw.parquet", help="the handbook's transactions; simulated when absent")
    parser.add_argument("--events", type=int, default=2_000_000, help="events of the skewed case (20000000 for the published figures)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peer-runs", type=int, default=5, help="runs of the skewed case's peers, minutes each")
    parser.add_argument("--peers", type=lambda text: [p for p in text.split(",") if p], default=list(ALL_PEERS), help="which, by commas; empty for none")
    options = parser.parse_args()
    for name in options.case or CASES:
        CASES[name](options)


if __name__ == "__main__":
    main()
