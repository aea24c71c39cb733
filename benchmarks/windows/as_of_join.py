"""Feast's slow case: 17,000 rows look up what a slowly changing table said at their instant."""

import featlib as fl

CONTRACT = """
featlib: 1
name: lookup
version: 1.0.0
owner: benchmarks@example.com
entities: {entity: {key: entity_id, type: int64}}
sources:
  history:
    entity: entity
    event_time: {column: ts, unit: us}
    delay: 0s
    retention: forever
    columns: {a: {type: float64}, b: {type: float64}}
defaults: {bounds: "[]"}
features:
  a: {description: Value of the table at the instant., from: history, aggregate: last(a), lifetime: true, nulls: keep}
  b: {description: Value of the table at the instant., from: history, aggregate: last(b), lifetime: true, nulls: keep}
"""


def featlib(history, decisions, threads):
    contract = fl.Contract.parse(CONTRACT)
    return lambda: fl.replay(contract, decisions, {"history": history}, as_of=("as_of", "us"), threads=threads)


def polars_asof(history, decisions):
    import polars as pl

    def run():
        left = pl.from_arrow(decisions).with_row_index("row").sort("as_of")
        right = pl.from_arrow(history).sort("ts")
        return left.join_asof(right, left_on="as_of", right_on="ts", by="entity_id").sort("row")

    return run


def duckdb_asof(history, decisions):
    import duckdb

    connection = duckdb.connect()
    connection.execute("set threads = 2")
    connection.register("history", history)
    connection.register("decisions", decisions)
    query = "select d.*, h.a, h.b from decisions d asof left join history h on d.entity_id = h.entity_id and d.as_of >= h.ts"
    return lambda: connection.sql(query).to_arrow_table()


def pandas_asof(history, decisions):
    import pandas as pd

    left, right = decisions.to_pandas(), history.to_pandas()
    return lambda: pd.merge_asof(left.sort_values("as_of"), right.sort_values("ts"), left_on="as_of", right_on="ts", by="entity_id").sort_index()
