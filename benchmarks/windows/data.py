"""The tables of the cases, as Arrow in memory."""

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAY_US = 86_400 * 10**6
START_US = 1_700_000_000 * 10**6


def handbook(path):
    """The Fraud Detection Handbook's transactions, or simulated ones of the same shape. Returns (what, table)."""
    if path and pathlib.Path(path).exists():
        return f"the handbook's transactions ({path})", pq.read_table(path)
    from featlib import datasets

    return "transactions simulated by featlib.datasets", pa.table(datasets.card_transactions(seed=1))


def skewed(events, entities=200_000, days=180, exponent=1.1, seed=3):
    """Events of Zipf-distributed entities, in time order, and a tenth as many decisions in the second half. Returns (events, decisions)."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, entities + 1) ** exponent
    cumulative = np.cumsum(weights / weights.sum())

    def draw(n):
        return np.searchsorted(cumulative, rng.random(n)).clip(max=entities - 1)

    at = np.sort(rng.integers(0, days * DAY_US, events)) + START_US
    table = pa.table(
        {
            "entity_id": draw(events),
            "ts": at,
            "a": np.round(rng.lognormal(3, 1, events), 2),
            "b": np.round(rng.normal(0, 50, events), 2),
        }
    )
    n = events // 10
    asked = np.sort(rng.integers(days * DAY_US // 2, days * DAY_US, n)) + START_US
    return table, pa.table({"entity_id": draw(n), "as_of": asked})


def as_of_join(rows=17_000, history=1_000_000, entities=17_000, seed=4):
    """A slowly changing table and the rows that look it up: Feast's point-in-time join. Returns (history, decisions)."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.integers(0, 90 * DAY_US, history)) + START_US
    table = pa.table({"entity_id": rng.integers(0, entities, history), "ts": at, "a": rng.normal(size=history), "b": rng.normal(size=history)})
    asked = rng.integers(30 * DAY_US, 90 * DAY_US, rows) + START_US
    return table, pa.table({"entity_id": rng.permutation(entities)[:rows], "as_of": asked})
