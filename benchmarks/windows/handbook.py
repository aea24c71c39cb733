"""The handbook's 12 window features: customer count and mean over 1/7/30 d, terminal count and fraud rate over 1/7/30 d delayed by 7 d.

Every peer in the form its own experts use; all give 12 columns in memory. Same-second rows of a customer are peers of each
other in SQL and pandas, where the publication (and the contract) orders them: a few counts differ by one.
"""

import pathlib

import numpy as np

WINDOWS = (1, 7, 30)
DELAY = 7
DAY_S = 86_400

CONTRACT = pathlib.Path(__file__).parents[2] / "python/featlib/demo/handbook.yaml"


def featlib(raw, threads):
    import featlib as fl

    contract = fl.Contract.load(str(CONTRACT))
    return lambda: fl.replay(contract, raw, {"transactions": raw}, as_of="TX_EPOCH_S", threads=threads)


def polars_over(raw):
    """`rolling_*_by(...).over(key)` on rows sorted by time; delayed windows as differences of two windows."""
    import polars as pl

    def run():
        frame = (
            pl.from_arrow(raw)
            .lazy()
            .with_columns(ts=pl.from_epoch("TX_EPOCH_S", time_unit="s"), one=pl.lit(1.0), fraud=pl.col("TX_FRAUD").cast(pl.Float64))
            .sort("ts")
        )
        columns = []
        for d in WINDOWS:
            columns.append(pl.col("one").rolling_sum_by("ts", f"{d}d").over("CUSTOMER_ID").alias(f"customer_count_{d}"))
            columns.append(pl.col("TX_AMOUNT").rolling_mean_by("ts", f"{d}d").over("CUSTOMER_ID").alias(f"customer_mean_{d}"))
        for d in (DELAY, *(DELAY + w for w in WINDOWS)):
            columns.append(pl.col("one").rolling_sum_by("ts", f"{d}d").over("TERMINAL_ID").alias(f"rows_{d}"))
            columns.append(pl.col("fraud").rolling_sum_by("ts", f"{d}d").over("TERMINAL_ID").alias(f"frauds_{d}"))
        counts = [(pl.col(f"rows_{d + DELAY}") - pl.col(f"rows_{DELAY}")).alias(f"terminal_count_{d}") for d in WINDOWS]
        rates = [
            ((pl.col(f"frauds_{d + DELAY}") - pl.col(f"frauds_{DELAY}")) / (pl.col(f"rows_{d + DELAY}") - pl.col(f"rows_{DELAY}")))
            .fill_nan(0)
            .alias(f"terminal_rate_{d}")
            for d in WINDOWS
        ]
        return frame.with_columns(columns).with_columns(counts + rates).collect()

    return run


def duckdb_range(raw):
    """RANGE frames, one named window each."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("set threads = 2")
    connection.register("raw", raw)
    select, named = ["TRANSACTION_ID"], []
    for d in WINDOWS:
        named.append(f"c{d} as (partition by CUSTOMER_ID order by TX_EPOCH_S range between {d * DAY_S - 1} preceding and current row)")
        named.append(f"t{d} as (partition by TERMINAL_ID order by TX_EPOCH_S range between {(d + DELAY) * DAY_S - 1} preceding and {DELAY * DAY_S} preceding)")
        select += [f"count(*) over c{d} as customer_count_{d}", f"avg(TX_AMOUNT) over c{d} as customer_mean_{d}"]
        select += [f"count(*) over t{d} as terminal_count_{d}", f"coalesce(avg(TX_FRAUD) over t{d}, 0) as terminal_rate_{d}"]
    query = f"select {', '.join(select)} from raw window {', '.join(named)}"
    return lambda: connection.sql(query).to_arrow_table()


def spark_range(raw, spark):
    """`Window.rangeBetween` over a cached frame; the result is computed and thrown away, none of it is collected."""
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    frame = spark.createDataFrame(raw.select(["TRANSACTION_ID", "TX_EPOCH_S", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD"]).to_pandas()).cache()
    frame.count()

    def run():
        customer, terminal = Window.partitionBy("CUSTOMER_ID").orderBy("TX_EPOCH_S"), Window.partitionBy("TERMINAL_ID").orderBy("TX_EPOCH_S")
        columns = {}
        for d in WINDOWS:
            c, t = customer.rangeBetween(-d * DAY_S + 1, 0), terminal.rangeBetween(-(d + DELAY) * DAY_S + 1, -DELAY * DAY_S)
            columns[f"customer_count_{d}"], columns[f"customer_mean_{d}"] = f.count("*").over(c), f.avg("TX_AMOUNT").over(c)
            columns[f"terminal_count_{d}"], columns[f"terminal_rate_{d}"] = f.count("*").over(t), f.coalesce(f.avg("TX_FRAUD").over(t), f.lit(0.0))
        frame.withColumns(columns).write.format("noop").mode("overwrite").save()

    return run


def pandas_rolling(raw):
    """`groupby.rolling(w, on=ts)` count and mean; delayed windows as differences of two windows."""
    import pandas as pd

    frame = raw.to_pandas()
    frame["ts"] = pd.to_datetime(frame["TX_EPOCH_S"], unit="s")

    def run():
        out = {}
        by_customer = frame.sort_values(["CUSTOMER_ID", "ts"], kind="stable")
        for d in WINDOWS:
            rolling = by_customer.groupby("CUSTOMER_ID").rolling(f"{d}D", on="ts")["TX_AMOUNT"]
            out[f"customer_count_{d}"], out[f"customer_mean_{d}"] = rolling.count().to_numpy(), rolling.mean().to_numpy()
        by_terminal = frame.sort_values(["TERMINAL_ID", "ts"], kind="stable")
        rows, frauds = {}, {}
        for d in (DELAY, *(DELAY + w for w in WINDOWS)):
            rolling = by_terminal.groupby("TERMINAL_ID").rolling(f"{d}D", on="ts")["TX_FRAUD"]
            rows[d], frauds[d] = rolling.count().to_numpy(), rolling.sum().to_numpy()
        for d in WINDOWS:
            out[f"terminal_count_{d}"] = rows[d + DELAY] - rows[DELAY]
            with np.errstate(invalid="ignore"):
                out[f"terminal_rate_{d}"] = np.nan_to_num((frauds[d + DELAY] - frauds[DELAY]) / out[f"terminal_count_{d}"])
        order_c, order_t = by_customer.index.to_numpy(), by_terminal.index.to_numpy()
        for name, values in out.items():  # back to the order of the table
            placed = np.empty_like(values)
            placed[order_c if name.startswith("customer") else order_t] = values
            out[name] = placed
        return pd.DataFrame(out)

    return run


NAMES = {f"{kind}_{d}": name.format(d=d) for d in WINDOWS for kind, name in {
    "customer_count": "CUSTOMER_ID_NB_TX_{d}DAY_WINDOW",
    "customer_mean": "CUSTOMER_ID_AVG_AMOUNT_{d}DAY_WINDOW",
    "terminal_count": "TERMINAL_ID_NB_TX_{d}DAY_WINDOW",
    "terminal_rate": "TERMINAL_ID_RISK_{d}DAY_WINDOW",
}.items()}


def difference(ours, peer, ids):
    """How a peer's columns differ from ours: cells of counts, and the largest relative difference of means and rates."""
    order, peer_order = np.argsort(ids(ours), kind="stable"), np.argsort(ids(peer), kind="stable")
    counts, largest = 0, 0.0
    for name, our_name in NAMES.items():
        a, b = np.asarray(ours[our_name], dtype=float)[order], np.asarray(peer[name], dtype=float)[peer_order]
        if "count" in name:
            counts += int((a != b).sum())
        else:
            close = np.abs(a - b) / np.maximum(np.abs(a), 1e-300)
            largest = max(largest, float(np.quantile(np.where(a == b, 0, close), 0.999)))
    return f"{counts} count cells differ, 99.9 % of means and rates within {largest:.0e}"
