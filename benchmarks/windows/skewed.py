"""Two double columns x {sum, mean, min, max, count} x six windows of hot and cold entities: 60 features a decision.

Events strictly before the decision: `[t - w, t)`. Peers get decisions as rows of nulls among the events, the usual way to ask
an engine of rolling windows for instants of one's own; all keep only the decisions' rows.
"""

import featlib as fl
import pyarrow as pa

WINDOWS = {"1h": 3600, "6h": 6 * 3600, "1d": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400, "90d": 90 * 86_400}
AGGREGATES = ("sum", "mean", "min", "max", "count")


def contract():
    features = "\n".join(
        f"  {aggregate}_{column}_{window}: {{description: .., from: events, aggregate: {aggregate}({'' if aggregate == 'count' else column}), window: {window}}}"
        for window in WINDOWS
        for column in ("a", "b")
        for aggregate in AGGREGATES
    )
    return fl.Contract.parse(f"""
featlib: 1
name: skewed
version: 1.0.0
owner: benchmarks@example.com
entities: {{entity: {{key: entity_id, type: int64}}}}
sources:
  events:
    entity: entity
    event_time: {{column: ts, unit: us}}
    delay: 0s
    retention: 90d
    columns: {{a: {{type: float64}}, b: {{type: float64}}}}
features:
{features}
""")


def featlib(events, decisions, threads):
    spec = contract()
    return lambda: fl.replay(spec, decisions, {"events": events}, as_of=("as_of", "us"), threads=threads)


def _rows_among(events, decisions):
    """Events and decisions in one table, `asked` telling them apart."""
    nulls = pa.nulls(decisions.num_rows, pa.float64())
    asked = pa.table({"entity_id": decisions["entity_id"], "ts": decisions["as_of"], "a": nulls, "b": nulls, "asked": pa.array([True] * decisions.num_rows)})
    return pa.concat_tables([events.append_column("asked", pa.array([False] * events.num_rows)), asked])


def polars_over(events, decisions, one_window_at_a_time):
    import polars as pl

    def run():
        frame = pl.from_arrow(_rows_among(events, decisions)).with_columns(at=pl.from_epoch("ts", time_unit="us")).sort("at")
        frame = frame.with_columns(one_a=pl.when("asked").then(None).otherwise(1.0))

        def columns(window):
            for c in ("a", "b"):
                for aggregate in ("sum", "mean", "min", "max"):
                    rolling = getattr(pl.col(c), f"rolling_{aggregate}_by")("at", window, closed="left", min_samples=1)
                    yield rolling.over("entity_id").alias(f"{aggregate}_{c}_{window}")
                yield pl.col("one_a").rolling_sum_by("at", window, closed="left", min_samples=1).over("entity_id").alias(f"count_{c}_{window}")

        if not one_window_at_a_time:
            return frame.lazy().with_columns([c for w in WINDOWS for c in columns(w)]).filter("asked").collect()
        return pl.concat([frame.lazy().select("asked", *columns(w)).filter("asked").drop("asked").collect() for w in WINDOWS], how="horizontal")

    return run


def duckdb_range(events, decisions):
    import duckdb

    connection = duckdb.connect()
    connection.execute("set threads = 2")
    connection.register("rows", _rows_among(events, decisions))
    named = [f"w{w} as (partition by entity_id order by ts range between {s * 10**6} preceding and 1 preceding)" for w, s in WINDOWS.items()]
    select = [f"{'avg' if a == 'mean' else a}({c}) over w{w} as {a}_{c}_{w}" for w in WINDOWS for c in ("a", "b") for a in AGGREGATES]
    query = f"select * exclude (asked) from (select asked, {', '.join(select)} from rows window {', '.join(named)}) where asked"
    return lambda: connection.sql(query).to_arrow_table()
