"""Temporian's published moving windows, each as a featlib contract: the cases of google/temporian's operator tests (Apache-2.0).

A window is `(t - w, t]`, asked for at the sampling's instants, or at the events' own. A length that varies from instant to
instant becomes one feature a length. A product is one of lags. An empty sum is 0 there: the contract says so with a fallback; NaN is null.
The cases stand beside the checkout (FEATLIB_ORACLES, default ../shared/oracles) and are skipped where they do not.
"""

import json
import math
import os
import pathlib

import pyarrow as pa
import pytest

import featlib as fl

ORACLES = pathlib.Path(os.environ.get("FEATLIB_ORACLES", pathlib.Path(__file__).parents[2] / "../shared/oracles"))
FILE = ORACLES / "temporian_oracle.jsonl"

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"{FILE} is not here")

AGGREGATES = {
    "moving_sum": {"aggregate": "sum(value)", "fallback": 0.0},
    "moving_count": {"aggregate": "count()"},
    "moving_min": {"aggregate": "min(value)"},
    "moving_max": {"aggregate": "max(value)"},
    "moving_standard_deviation": {"aggregate": "std(value)", "ddof": 0},
}


def cases():
    if not FILE.exists():
        return []
    read = [json.loads(line) for line in FILE.read_text().splitlines()]
    return [case for case in read if case["result"]["op"].startswith("moving_") and "op" not in case["result"]["on"]]


def number(raw):
    """A number; None for NaN."""
    value = float(raw)
    return None if math.isnan(value) else value


def microseconds(seconds):
    return round(seconds * 10**6)


def key(table, index, row):
    return "|".join(str(table["features"][k][row]) for k in index)


def lengths_of(result, asked):
    """The window's length in seconds at each instant asked for; None is one without end."""
    length = result["kw"].get("window_length", result["args"][0] if result["args"] else None)
    if isinstance(length, dict):
        (values,) = (v for k, v in length["features"].items() if k not in length["indexes"])
        lengths = [number(v) or 0 for v in values]
    else:
        lengths = [math.inf if length is None else float(length)] * len(asked["timestamps"])
    return [None if math.isinf(seconds) else seconds for seconds in lengths]


def computed(case):
    """By feature of the case, a list over the instants asked for."""
    result = case["result"]
    events = result["on"]
    index = events["indexes"]
    length = result["kw"].get("window_length", result["args"][0] if result["args"] else None)
    sampling = result["kw"].get("sampling") or (result["args"][1] if len(result["args"]) > 1 else None)
    asked = sampling or (length if isinstance(length, dict) else events)
    lengths = lengths_of(result, asked)

    features, feature_of = {}, {}
    for seconds in dict.fromkeys(lengths):
        window = {"lifetime": True} if seconds is None else {"window": f"{max(1, microseconds(seconds))}us"}
        name = feature_of[seconds] = f"w_{len(feature_of)}"
        spec = {"description": "x", "from": "events"} | window
        if result["op"] == "moving_product":  # of the rows themselves: there is no such aggregate
            rows = [f"{name}_{k}" for k in range(len(events["timestamps"]))]
            features |= {row: spec | {"aggregate": f"lag(value, {k})"} for k, row in enumerate(rows)}
            product = " * ".join(f"coalesce({row}, 1)" for row in rows)
            features[name] = {"expr": f"case when {rows[0]} is not null then {product} end", "type": "float64"}
        else:
            features[name] = spec | AGGREGATES[result["op"]]
    clock = {"column": "at", "unit": "us", "any_year": True}
    contract = fl.Contract.parse(json.dumps({
        "featlib": 1, "name": "case", "version": "1.0.0", "owner": "tests@example.com",
        "entities": {"e": {"key": "entity_id", "type": "string"}},
        "sources": {"events": {"entity": "e", "event_time": clock, "delay": "0s", "retention": "forever", "columns": {"value": {"type": "float64"}}}},
        "defaults": {"bounds": "(]"},
        "features": features,
    }))  # fmt: skip

    n = len(events["timestamps"])
    decisions = pa.table({
        "entity_id": [key(asked, index, i) for i in range(len(asked["timestamps"]))],
        "at": pa.array([microseconds(t) for t in asked["timestamps"]], pa.int64()),
    })  # fmt: skip
    out = []
    for column in [k for k in events["features"] if k not in index] or [None]:
        rows = pa.table({
            "entity_id": pa.array([key(events, index, i) for i in range(n)], pa.string()),
            "at": pa.array([microseconds(t) for t in events["timestamps"]], pa.int64()),
            "value": pa.array([number(v) for v in events["features"][column]] if column else [1.0] * n, pa.float64()),
        })  # fmt: skip
        table = pa.table(fl.replay(contract, decisions, {"events": rows}, as_of=("at", "us")))
        # A window of length 0 or less holds nothing.
        empty = {"moving_sum": 0.0, "moving_count": 0}.get(result["op"])
        out.append([empty if s is not None and s <= 0 else table[feature_of[s]][i].as_py() for i, s in enumerate(lengths)])
    return out


def same(ours, theirs):
    if ours is None or theirs is None:
        return ours is theirs
    return abs(ours - theirs) <= 1e-4 * max(1, abs(theirs))


# Temporian's product stays NaN where a NaN stood at the start of its events, also once the window has left it: (0, 19] over
# 10, 11, 12, 13 is published as NaN. featlib skips nulls and says 17160.
STICKY_NAN = {"test_moving_product.py::test_with_variable_winlen_diff_sampling[0]", "test_moving_product.py::test_with_variable_winlen_same_sampling[0]"}


def name_of(case):
    return case["test"].rpartition("/")[2]


@pytest.mark.parametrize("case", cases(), ids=name_of)
def test_temporian_says_the_same(case):
    result = case["result"]
    expected = [v for k, v in case["expected"]["features"].items() if k not in result["on"]["indexes"]]
    differing = []
    for ours, theirs in zip(computed(case), expected, strict=True):
        theirs = [number(v) for v in theirs]
        differing += [(i, a, b) for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if not same(a, b)]
    if name_of(case) in STICKY_NAN:
        assert differing and all(b is None for _, _, b in differing), "it agrees now: take it off the list"
    else:
        assert not differing, "(instant, featlib, Temporian)"


def test_all_moving_windows_are_here():
    assert len(cases()) == 35
