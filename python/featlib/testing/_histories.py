"""Random rows and decisions for any contract, which collide on purpose.

Times come from a tiny pool made of the contract's own window edges, one microsecond either side of them, so that bounds,
retention, equal times and lateness are met in nearly every case. Keys, labels and payloads come from tiny pools as well, with
the texts and numbers that the contract itself names among them. Instants are integers of microseconds, decimals are text, null
is None.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from featlib.testing._resolved import (
    Resolved,
    dedup_type,
    gated_columns,
    key_columns,
    key_types,
    members,
    request_types,
    sequence_columns,
    source_types,
)
from featlib.testing._spelling import duration, microseconds

Row = dict[str, Any]

HOUR, DAY = 3_600_000_000, 86_400_000_000
MONDAY = 1_600_041_600_000_000  # 2020-09-14T00:00:00Z
LATEST = 4_102_444_800_000_000  # 2100-01-01, where instants end

# Each flavour is hard in its own way; a case draws from two of them.
FLOATS = [
    [0.1, 0.2, 0.3, 12.34, -12.34, 99.99, 0.01],
    [1e308, -1e308, 1.7976931348623157e308, 8.98846567431158e307, -1e292],
    [5e-324, -5e-324, 0.0, 1e-308, 2.2250738585072014e-308, 2.225073858507201e-308],
    [2.0**53, 2.0**53 + 2, 2.0**53 - 1, 1.0, -1.0, 0.5],
    [1e16, -1e16, 1.0, 1e-16, -1.0],
    [0.0, -0.0, 1.0, 3.0],
]
INTS = [0, 1, -1, 2, 7, 2**53 + 1, 2**62, 2**63 - 1, -(2**63)]
CENTS = [0, 1, -1, 10, 1234, 1999, 2**63 - 1, -(2**63)]  # in units of the last digit
STRINGS = ["", "a", "b", "A", "é", "日本", "\U0001f600", "\uff5e"]
KEYS: dict[str, list[Any]] = {"string": ["", "c1", "é"], "int64": [0, 1, 2**63 - 1], "bool": [False, True]}
DEDUP = ["k1", "k2", "k3", "", "é", "k6", "k7"]


class Pools:
    """The few values that one case draws from."""

    def __init__(self, rng: random.Random, contract: Resolved) -> None:
        self.rng = rng
        base = MONDAY + rng.randint(0, 6) * DAY + rng.choice([0, 0, 7 * HOUR + 1])
        self.as_of = sorted({base + rng.choice([0, 0, 1, -1, HOUR, DAY, 2 * DAY]) for _ in range(4)})
        edges, inside = self._distances(contract)
        pool = [*([edges] * 2), *([inside] * 3 if inside else [])]
        back = [rng.choice(rng.choice(pool)) for _ in range(14)]  # edges of windows, and rows inside them
        times = [rng.choice(self.as_of) - b + rng.choice([0, 0, 0, 1, -1, -HOUR]) for b in back]
        self.event_time = times + self.as_of[:1]
        self.delays = [0, 0, 0, 1, -1, HOUR, -HOUR, DAY, *edges]
        self.keys = {name: KEYS[kind][: rng.randint(1, 3)] for name, kind in key_types(contract).items()}
        self.floats = sum(rng.sample(FLOATS, 2), []) + _numbers_of(contract)
        self.strings = STRINGS + _texts_of(contract)

    def _distances(self, contract: Resolved) -> tuple[list[int], list[int]]:
        """How far windows and retentions reach back, and distances inside of them."""
        spans, inside = {0}, set()
        for feature in contract["features"].values():
            if feature.get("from") not in contract["sources"]:
                continue
            offset = duration(feature.get("offset", "0s"))
            gap = duration(feature.get("gap", "0s"))
            width = next((duration(feature[key]) for key in ("window", "max_length") if key in feature), 2 * DAY)
            spans |= {offset, offset + width, *(offset + i * gap for i in (1, 2, 3))}
            if "bucket" in feature:
                into = (self.as_of[0] - offset - microseconds(feature["origin"])) % width
                spans |= {offset + into, offset + into + width}
            inside |= {offset + (2 * gap or width) * i // 8 for i in range(1, 8)}
        for source in contract["sources"].values():
            if source.get("retention", "forever") != "forever":
                spans.add(duration(source["retention"]))
        return sorted(spans), sorted(inside)

    def arrival(self, event_time: int) -> int:
        """Mostly soon after the event, sometimes before it, sometimes exactly when a decision is made."""
        if self.rng.random() < 0.5:
            return event_time + self.rng.choice(self.delays)
        return self.rng.choice(self.as_of) + self.rng.choice([0, 0, 1, -1])

    def key(self, own: str) -> Any:
        """A value of an entity's key column, now and then null."""
        return None if self.rng.random() < 0.04 else self.rng.choice(self.keys[own])

    def dedup_key(self, kind: str) -> Any:
        i = self.rng.randrange(len(DEDUP))
        return {"string": DEDUP[i], "int64": i, "bool": bool(i % 2)}[kind]

    def sequence(self) -> int | None:
        return self.rng.choice([None, 1, 2, 3])

    def value(self, field: Row) -> Any:
        rng, kind = self.rng, field["type"]
        if rng.random() < 0.15:
            return None
        if kind == "float64":
            return rng.choice(self.floats)
        if kind == "timestamp":
            return rng.choice(self.as_of) + rng.choice([0, 1, -1, -HOUR])
        if kind == "int64":
            return rng.choice(INTS[:5] if rng.random() < 0.8 else INTS)
        if kind == "decimal":
            return _decimal(rng.choice(CENTS[:6] if rng.random() < 0.8 else CENTS), field["scale"])
        return rng.choice(self.strings if kind == "string" else [False, True])


def _decimal(units: int, scale: int) -> str:
    digits = f"{abs(units):0{scale + 1}}"
    whole, part = digits[: len(digits) - scale], digits[len(digits) - scale :]
    return ("-" if units < 0 else "") + (f"{whole}.{part}" if scale else whole)


def _spelled_in(contract: Resolved) -> Iterator[str]:
    for feature in contract["features"].values():
        yield from (feature[key] for key in ("where", "expr", "aggregate") if key in feature)


def _texts_of(contract: Resolved) -> list[str]:
    texts = [t.replace("''", "'") for spelled in _spelled_in(contract) for t in re.findall(r"'((?:[^']|'')*)'", spelled)]
    vocabularies = [feature.get("vocabulary", []) for feature in contract["features"].values()]
    return list(dict.fromkeys(texts + sum((v[:3] for v in vocabularies), [])))


def _numbers_of(contract: Resolved) -> list[float]:
    found = (n for spelled in _spelled_in(contract) for n in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", spelled))
    return list(dict.fromkeys(float(number) for number in found))


# --- rows ---------------------------------------------------------------------------------------------------------------


def random_row(contract: Resolved, pools: Pools, name: str, bad: bool = False) -> Row:
    """A new row of a source. `bad`: now and then one that must be refused."""
    rng, spec = pools.rng, contract["sources"][name]
    row = {column: pools.value(field) for column, field in spec["columns"].items()}
    row |= {column: pools.key(own) for column, own in key_columns(contract, name).items()}
    row |= {column: pools.sequence() for column in sequence_columns(contract, name)}
    for field in spec["columns"].values():
        if "available_at" in field and field["available_at"] not in spec["columns"]:
            row[field["available_at"]] = pools.value({"type": "timestamp"})
    if "dedup" in spec:
        row[spec["dedup"]] = None if rng.random() < 0.15 else pools.dedup_key(dedup_type(contract, name))
    event_time = spec["event_time"]["column"]
    row[event_time] = rng.choice(pools.event_time)
    clocks = [event_time]
    if "available_time" in spec:
        clocks.append(spec["available_time"]["column"])
        row[clocks[1]] = pools.arrival(row[event_time])
    if bad and rng.random() < 0.04:
        row[rng.choice(clocks)] = rng.choice([None, 5, LATEST])
    return _spoilt(rng, row, spec["columns"]) if bad else row


def _spoilt(rng: random.Random, row: Row, fields: Row) -> Row:
    """A row, now and then with a float64 that is no number."""
    for name, field in fields.items():
        if field["type"] == "float64" and rng.random() < 0.02:
            row[name] = rng.choice([float("nan"), float("inf")])
    return row


def _again(contract: Resolved, pools: Pools, name: str, original: Row, bad: bool) -> Row:
    """A row once more with other values: a copy where its key is not null, else a row that nearly ties with it."""
    rng, spec, fresh = pools.rng, contract["sources"][name], random_row(contract, pools, name, bad)
    event_time = spec["event_time"]["column"]
    late = [spec["available_time"]["column"]] if "available_time" in spec else []
    late += gated_columns(contract, name)
    fixed = (spec.get("dedup"), event_time)
    changing = late if late and rng.random() < 0.4 else [c for c in fresh if c not in fixed]
    row = original | {c: fresh[c] for c in rng.sample(changing, rng.randint(1, min(3, len(changing))))}
    if rng.random() < 0.2:
        row[event_time] = fresh[event_time]
    return row


def random_rows(contract: Resolved, pools: Pools, name: str, most: int, bad: bool = False) -> list[Row]:
    rng = pools.rng
    rows: list[Row] = []
    for _ in range(0 if rng.random() < 0.05 else rng.randint(1, most)):
        again = rows and rng.random() < 0.3
        rows.append(_again(contract, pools, name, rng.choice(rows), bad) if again else random_row(contract, pools, name, bad))
    return rows


def corrections(contract: Resolved, pools: Pools, name: str, rows: list[Row], ties: bool = False, bad: bool = False) -> Iterator[Row]:
    """Versions of keys, mostly of rows that are there; each says when it became known. `ties`: several may share a version."""
    rng, spec = pools.rng, contract["sources"][name]
    key = spec["dedup"]
    clock = spec["available_time"]["column"] if "available_time" in spec else "known_at"
    keyed = [row for row in rows if row[key] is not None]
    for i in range(rng.randint(1, 6)):
        original = rng.choice(keyed) if keyed and rng.random() < 0.85 else random_row(contract, pools, name, bad)
        if original[key] is None and not bad:
            continue
        row = _again(contract, pools, name, original, bad) | {"correction": "replace"}
        if rng.random() < 0.3:  # a replacement may move its row
            row[spec["event_time"]["column"]] = rng.choice(pools.event_time)
        if rng.random() < 0.4:
            row = dict.fromkeys(row) | {"correction": "retract"}
        if bad and rng.random() < 0.03:
            row["correction"] = "undo"
        row |= {key: original[key], "version": rng.choice([None, 0, 1]) if ties else i}
        yield row | {clock: rng.choice(pools.as_of) + rng.choice([0, 0, 0, 1, -1, -HOUR])}


def random_sources(contract: Resolved, pools: Pools, *, most: int, corrected: bool, ties: bool = False, bad: bool = False) -> dict[str, list[Row]]:
    """Rows of every source that is no union; `corrected`: some of them correct others."""
    sources = {name: random_rows(contract, pools, name, most, bad) for name in members(contract)}
    for name, rows in sources.items():
        if corrected and "dedup" in contract["sources"][name]:
            rows += list(corrections(contract, pools, name, rows, ties, bad))
    return sources


# --- decisions ----------------------------------------------------------------------------------------------------------


def random_decision(contract: Resolved, pools: Pools, sources: dict[str, list[Row]], bad: bool = False) -> Row:
    rng, request = pools.rng, contract.get("request", {})
    decision = {name: pools.value(field) for name, field in request.items()}
    decision |= {own: pools.key(own) for own in key_types(contract)}
    decision["as_of"] = rng.choice(pools.as_of)
    if "request_of" in contract:
        source = contract["request_of"]
        spec = contract["sources"][source]
        key = spec["dedup"]
        decision[key] = None if rng.random() < 0.1 else pools.dedup_key(dedup_type(contract, source))
        decision |= {column: pools.sequence() for column in sequence_columns(contract, source)}
        times = (row[spec["event_time"]["column"]] for row in sources[source] if row[key] == decision[key] and row[key] is not None)
        same = [t for t in times if t is not None and (bad or 0 < t < LATEST)]
        if same and rng.random() < 0.5:  # decided when it happened, as a service does
            decision["as_of"] = rng.choice(same)
    if bad and rng.random() < 0.03:
        decision["as_of"] = rng.choice([None, 5])
    return _spoilt(rng, decision, request) if bad else decision


# --- Arrow --------------------------------------------------------------------------------------------------------------

_INSTANT = pa.timestamp("us", "UTC")
_ARROW = {"bool": pa.bool_(), "int64": pa.int64(), "float64": pa.float64(), "decimal": pa.string(), "string": pa.string()}


def _table(types: dict[str, str], rows: list[Row]) -> pa.Table:
    return pa.table({name: pa.array([row.get(name) for row in rows], _ARROW.get(kind, _INSTANT)) for name, kind in types.items()})


def source_table(contract: Resolved, name: str, rows: list[Row]) -> pa.Table:
    types = source_types(contract, name)
    if any("correction" in row for row in rows):
        types |= {"correction": "string", "version": "int64"}
    stamps = {c for row in rows for c in row if c.endswith("known_at")}
    return _table(types | dict.fromkeys(sorted(stamps), "timestamp"), rows)


def decision_table(contract: Resolved, decisions: list[Row]) -> pa.Table:
    return _table(request_types(contract) | {"as_of": "timestamp"}, decisions)
