"""Random contracts, histories and decisions that collide on purpose.

    case = generators.triple(random.Random(7))
    case.text        the contract as the file's text (JSON, which is YAML)
    case.contract    the same as a dict, for oracle.evaluate
    case.sources, case.decisions, case.complete_from

Times come from a tiny pool made of the contract's own window edges, one microsecond either side of them, so that bounds,
retention, equal times and lateness are met in nearly every case. Keys, labels and payloads come from tiny pools as well.
Instants are integers of microseconds, decimals are text, null is None.
"""

import dataclasses
import json
import math
import os
import random

import pyarrow as pa

import oracle
from aggregate_generators import BOUNDS, COLUMNS, OFFSETS, WINDOWS, AggregateFeatures, reach
from spelling import aggregate, expression  # noqa: F401  (aggregate: for tests)

SECOND = 10**6
HOUR, DAY = 3600 * SECOND, 86400 * SECOND
MONDAY = 1_600_041_600 * SECOND  # 2020-09-14T00:00:00Z

# Each flavour is hard in its own way; a column draws from one or two of them.
FLOATS = [
    [0.1, 0.2, 0.3, 12.34, -12.34, 99.99, 0.01],
    [1e308, -1e308, 1.7976931348623157e308, 8.98846567431158e307, -1e292],
    [5e-324, -5e-324, 0.0, 1e-308, 2.2250738585072014e-308, 2.225073858507201e-308],
    [2.0**53, 2.0**53 + 2, 2.0**53 - 1, 1.0, -1.0, 0.5],
    [1e16, -1e16, 1.0, 1e-16, -1.0],
    [0.0, -0.0, 1.0, 3.0],
]
INTS = [0, 1, -1, 2, 7, 2**53 + 1, 2**62, 2**63 - 1, -(2**63)]
DECIMALS = ["0.00", "0.01", "-0.01", "0.10", "12.34", "19.99", "92233720368547758.07", "-92233720368547758.08"]
STRINGS = ["", "a", "b", "A", "é", "日本", "\U0001f600", "\uff5e"]


@dataclasses.dataclass
class Triple:
    contract: dict
    sources: dict
    decisions: list
    complete_from: dict
    pools: "Pools"

    @property
    def text(self):
        return json.dumps(self.contract, ensure_ascii=False, indent=1)


def seeds(share):
    """The seeds of one test, `share` of all: FEATLIB_TRIPLES (2000) in total from FEATLIB_SEED (0) on."""
    first = int(os.environ.get("FEATLIB_SEED", "0"))
    return range(first, first + max(1, round(share * int(os.environ.get("FEATLIB_TRIPLES", "2000")))))


# --- one contract -------------------------------------------------------------------------------------------------------

class _Contract(AggregateFeatures):
    """Builds one contract; `rng` is the only source of chance."""

    def __init__(self, rng):
        self.rng = rng
        self.entities = {"card": {"key": "card_id", "type": rng.choice(["string", "int64", "bool"])}}
        if rng.random() < 0.4:
            self.entities["shop"] = rng.choice(
                [{"key": "shop_id", "type": "string"}, {"key": ["shop_id", "till"], "type": ["string", "int64"]}]
            )
        self.windows = rng.sample(WINDOWS, 2)
        self.offsets = rng.sample(OFFSETS, 2)
        self.label_delay = rng.choice(["1us", "1h", "1d"])
        self.sources = {"events": self._source(dedup=True)}
        if rng.random() < 0.4:
            self.sources["other"] = self._source(dedup=rng.random() < 0.5)
        if rng.random() < 0.35:
            self._unite()
        self.request_of = "events" if rng.random() < 0.6 else None
        self.request = {
            name: field
            for name, field in self.sources["events"]["columns"].items()
            if name != "event_id" and not self._gated("events", name)
        }
        if rng.random() < 0.5:
            self.request["kind"] = {"type": "string"}
        self.features = {}
        self.types = {}  # id of a feature -> type of its output, where other features may read it
        for i in range(rng.randint(5, 8)):
            self.features[f"a{i}"] = self._aggregate_feature()
        self._request_features()
        for i in range(rng.randint(0, 3)):
            self._insert(f"e{i}", self._expression_feature())
        self._retentions()

    def as_dict(self):
        contract = {"featlib": 1, "name": "generated", "version": "1.0.0", "owner": "tests@example.com"}
        sources = {
            name: {k: v for k, v in spec.items() if "union" not in spec or k in ("union", "retention")}
            for name, spec in self.sources.items()
        }
        contract |= {"entities": self.entities, "sources": sources}
        if self.request_of:
            contract["request_of"] = self.request_of
        if self.request:
            contract["request"] = self.request
        if self.rng.random() < 0.3:
            # Bounds of features that were drawn without their own; include_request ones always write theirs.
            contract["defaults"] = {"bounds": self.rng.choice(BOUNDS)}
        return contract | {"features": self.features}

    def _source(self, dedup):
        rng = self.rng
        entities = rng.sample(list(self.entities), rng.randint(1, len(self.entities)))
        source = {"entities": entities} if len(entities) > 1 or rng.random() < 0.5 else {"entity": entities[0]}
        if rng.random() < 0.2:
            keys = self.entities[entities[0]]["key"]
            source["keys"] = {entities[0]: [f"raw_{k}" for k in keys] if isinstance(keys, list) else f"raw_{keys}"}
        source["event_time"] = {"column": "happened", "unit": "us"}
        clock = rng.random()
        if clock < 0.6:
            source["available_time"] = {"column": "arrived", "unit": "us"}
        elif clock < 0.8:
            source["delay"] = rng.choice(["1us", "1h", "1d"])
        if rng.random() < 0.4:
            source["sequence"] = {entities[0]: "seq"} if rng.random() < 0.5 else "seq"
        columns = {name: COLUMNS[name] for name in rng.sample(list(COLUMNS), rng.randint(1, 4))}
        if dedup:
            source["dedup"] = "event_id"
            columns["event_id"] = {"type": rng.choice(["string", "int64"])}
        if rng.random() < 0.5:
            columns["label"] = {"type": rng.choice(["bool", "int64"]), "available_after": self.label_delay}
        if rng.random() < 0.2:
            columns["checked"] = {"type": "timestamp", "unit": "us"}
            columns["verdict"] = {"type": "float64", "nan": "null", "available_at": "checked"}
        return source | {"columns": columns}

    def _unite(self):
        """`all`, of `events` and one or two sources that say most things alike; its columns and entities are for drawing features."""
        rng = self.rng
        members = ["events", "more", "rest"][: rng.choice([2, 2, 3])]
        for name in members[1:]:
            self.sources[name] = self._alike()
        rng.shuffle(members)
        specs = [self.sources[name] for name in members]
        columns = {c: f for c, f in specs[0]["columns"].items() if all(s["columns"].get(c) == f for s in specs)}
        if columns:
            entities = specs[0].get("entities") or [specs[0]["entity"]]
            self.sources["all"] = {"union": members, "entities": entities, "columns": columns}

    def _alike(self):
        rng = self.rng
        source = self.sources["events"] | {"columns": dict(self.sources["events"]["columns"])}
        columns = source["columns"]
        if rng.random() < 0.5:
            source.pop("keys", None)
        if rng.random() < 0.4:
            source.pop("available_time", None)
            source["delay"] = rng.choice(["0s", "1us", "1h"])
        if rng.random() < 0.4:
            source.pop("sequence", None)
        key = rng.random()
        if key < 0.3:
            del source["dedup"], columns["event_id"]
        elif key < 0.6:  # texts here, numbers there
            columns["event_id"] = {"type": "int64" if columns["event_id"]["type"] == "string" else "string"}
        spare = [c for c in columns if c not in ("event_id", "checked", "verdict")]
        if len(spare) > 1 and rng.random() < 0.4:
            del columns[rng.choice(spare)]
        return source

    def _gated(self, source, column):
        field = self.sources[source]["columns"][column]
        return "available_after" in field or "available_at" in field

    # Retention follows the features, so that the largest window often just fits.
    def _retentions(self):
        for name, source in self.sources.items():
            names = [name] + ["all"] * (name in self.sources.get("all", {}).get("union", []))
            readers = [f for f in self.features.values() if f.get("from") in names]
            need = max((reach(f) for f in readers), default=HOUR) or 1
            if "union" in source:  # keeps what its members do, or less
                if readers and self.rng.random() < 0.4:
                    source["retention"] = f"{need}us"
                continue
            # A decay over the whole retention needs an end to it.
            bounded = any(f["aggregate"].tree[0].startswith("decay") and "lifetime" in f for f in readers)
            last = f"{need}us" if bounded else "forever"
            source["retention"] = self.rng.choice([f"{need}us", f"{need}us", f"{need + 1}us", f"{need + DAY}us", last])

    def _maybe_fallback(self, feature, out_type):
        fallbacks = {"int64": [0, -7], "float64": [0.0, -0.0, -1.5, 999.0], "string": ["", "none"], "bool": [False, True]}
        if out_type in fallbacks and self.rng.random() < 0.3:
            feature["fallback"] = self.rng.choice(fallbacks[out_type])

    # --- features over the request and over other features

    def _request_features(self):
        for name, field in self.request.items():
            if self.rng.random() < 0.3:
                feature = {"from": f"request.{name}"}
                out_type = "float64" if field["type"] == "decimal" else field["type"]
                if out_type == "string" and self.rng.random() < 0.7:
                    feature |= {"type": "category", "vocabulary": self.rng.sample(STRINGS, 3)}
                else:
                    self._maybe_fallback(feature, out_type)
                    self.types[id(feature)] = out_type
                self._insert(f"r_{name}", feature)

    def _insert(self, name, feature):
        """Anywhere in the file: a feature may read one that is written below it."""
        items = list(self.features.items())
        items.insert(self.rng.randint(0, len(items)), (name, feature))
        self.features = dict(items)

    def _expression_feature(self):
        rng = self.rng
        shape = rng.choice(["number", "number", "number", "bool", "clip", "int", "int of bool"])
        feature = {}
        if shape == "bool":
            tree, out_type = self._condition(2), "bool"
            feature["type"] = "bool"  # without it a condition is shown as 0.0 or 1.0
        elif shape == "int of bool":
            tree, out_type = self._condition(2), "int64"
            feature["type"] = "int64"
        elif shape == "int":
            tree, out_type = rng.choice([("floor", self._float(1)), self._arithmetic(1)]), "int64"
            feature["type"] = "int64"
        elif shape == "clip":
            tree, out_type = ("clip", self._arithmetic(1), ("lit", -1.5), ("lit", rng.choice([0.5, 100.0]))), "float64"
        else:
            tree, out_type = self._arithmetic(2), "float64"
        feature["expr"] = expression(tree)
        self._maybe_fallback(feature, out_type)
        self.types[id(feature)] = out_type
        return feature

    def _arithmetic(self, depth):
        operator = self.rng.choice(["+", "-", "*", "/", "neg"])
        return (operator, *[self._number(depth - 1) for _ in range(1 if operator == "neg" else 2)])

    def _number(self, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.3:
            return self._number_leaf()
        choice = rng.random()
        if choice < 0.5:
            return self._arithmetic(depth)
        if choice < 0.6:
            return ("case", [(self._condition(depth - 1), self._float(depth - 1))], self._float(depth - 1))
        if choice < 0.7:
            return ("coalesce", self._float(depth - 1), self._float(depth - 1))
        if choice < 0.85:
            return (rng.choice(["min", "max"]), self._float(depth - 1), self._float(depth - 1))
        return (rng.choice(["abs", "floor"]), self._float(depth - 1))

    def _float(self, depth):
        """A number whose type is float64: where int64 and float64 meet in one result, the tree alone does not say its type."""
        tree = self._number(depth)
        return tree if tree[0] not in ("lit", "ref", "with_fallback", "weekday", "hour") else ("*", tree, ("lit", 1))

    def _number_leaf(self):
        rng = self.rng
        leaves = [("lit", rng.choice([0, 1, 2.5, 0.1, 3])), (rng.choice(["weekday", "hour"]),)]
        leaves += [("ref", f"request.{n}") for n, f in self.request.items() if f["type"] in ("float64", "int64", "decimal")]
        for name, feature in self.features.items():
            if self.types.get(id(feature)) in ("float64", "int64"):
                leaves += [("ref", name)] * 2
                if "fallback" in feature:
                    leaves.append(("with_fallback", name))
        return rng.choice(leaves)

    def _condition(self, depth):
        rng = self.rng
        if depth > 0 and rng.random() < 0.4:
            operator = rng.choice(["and", "or", "not"])
            return (operator, *[self._condition(depth - 1) for _ in range(1 if operator == "not" else 2)])
        if rng.random() < 0.2:
            return (rng.choice(["is null", "is not null"]), self._number(depth - 1))
        return (rng.choice(["=", "!=", "<", "<=", ">", ">="]), self._number(depth - 1), self._number(depth - 1))


# --- rows and decisions -------------------------------------------------------------------------------------------------


class Pools:
    """The few values that one case draws from."""

    def __init__(self, rng, contract):
        self.rng = rng
        base = MONDAY + rng.randint(0, 6) * DAY + rng.choice([0, 0, 7 * HOUR + 1])
        self.as_of = sorted({base + rng.choice([0, 0, 1, -1, HOUR, DAY, 2 * DAY]) for _ in range(4)})
        spans, inside = {0}, set()
        for feature in contract["features"].values():
            if feature.get("from") not in contract["sources"]:
                continue
            offset = oracle.duration(feature.get("offset", "0s"))
            gap = oracle.duration(feature.get("gap", "0s"))
            width = next((oracle.duration(feature[key]) for key in ("window", "max_length", "max_age") if key in feature), 2 * DAY)
            spans |= {offset, offset + width, *(offset + i * gap for i in (1, 2, 3))}
            if "bucket" in feature:
                into = (self.as_of[0] - offset - oracle.microseconds(feature.get("origin", "1970-01-01T00:00:00Z"))) % width
                spans |= {offset + into, offset + into + width}
            inside |= {offset + (2 * gap or width) * i // 8 for i in range(1, 8)}
        for source in contract["sources"].values():
            if source.get("retention", "forever") != "forever":
                spans.add(oracle.duration(source["retention"]))
        spans = sorted(spans)
        pool = [*([spans] * 2), *([sorted(inside)] * 3 if inside else [])]
        back = [rng.choice(rng.choice(pool)) for _ in range(14)]  # edges of windows, and rows inside them
        edges = [rng.choice(self.as_of) - b + rng.choice([0, 0, 0, 1, -1, -HOUR]) for b in back]
        self.event_time = edges + self.as_of[:1]
        self.delays = [0, 0, 0, 1, -1, HOUR, -HOUR, DAY, *spans]
        self.card = {"string": ["", "c1", "é"], "int64": [0, 1, 2**63 - 1], "bool": [False, True]}[
            contract["entities"]["card"]["type"]
        ][: rng.randint(1, 3)]
        self.dedup = ["k1", "k2", "k3", "", "é", "k6", "k7"]
        self.floats = sum(rng.sample(FLOATS, 2), [])

    def arrival(self, event_time):
        """Mostly soon after the event, sometimes before it, sometimes exactly when a decision is made."""
        if self.rng.random() < 0.5:
            return event_time + self.rng.choice(self.delays)
        return self.rng.choice(self.as_of) + self.rng.choice([0, 0, 1, -1])

    def key(self, column):
        """The value of an entity's key column, now and then null."""
        if self.rng.random() < 0.04:
            return None
        if column.endswith("card_id"):
            return self.rng.choice(self.card)
        return self.rng.choice([1, 2] if column.endswith("till") else ["s1", "1"])

    def dedup_key(self, kind):
        key = self.rng.choice(self.dedup)
        return key if kind == "string" else self.dedup.index(key)

    def value(self, field):
        rng, kind = self.rng, field["type"]
        if rng.random() < 0.15:
            return None
        if kind == "float64":
            return rng.choice([float("nan"), float("inf")]) if rng.random() < 0.02 else rng.choice(self.floats)
        if kind == "timestamp":
            return rng.choice(self.as_of) + rng.choice([0, 1, -1, -HOUR])
        pools = {"int64": INTS[:5] if rng.random() < 0.8 else INTS, "decimal": DECIMALS[:6] if rng.random() < 0.8 else DECIMALS}
        return rng.choice(pools.get(kind) or {"string": STRINGS, "bool": [False, True]}[kind])


def key_columns(contract, source):
    """entity -> the source's own names of its key columns."""
    spec = contract["sources"][source]
    names = {e: spec.get("keys", {}).get(e, contract["entities"][e]["key"]) for e in spec.get("entities") or [spec["entity"]]}
    return {e: n if isinstance(n, list) else [n] for e, n in names.items()}


def sequence_columns(contract, source):
    sequence = contract["sources"][source].get("sequence", {})
    return sorted(set(sequence.values())) if isinstance(sequence, dict) else [sequence]


def random_row(rng, contract, pools, name):
    """A new row of a source, good or bad."""
    spec = contract["sources"][name]
    row = {c: pools.key(c) for columns in key_columns(contract, name).values() for c in columns}
    row |= {column: pools.value(field) for column, field in spec["columns"].items()}
    row |= {column: rng.choice([None, 1, 2, 3]) for column in sequence_columns(contract, name)}
    if "dedup" in spec:
        null = rng.random() < 0.15
        row["event_id"] = None if null else pools.dedup_key(spec["columns"]["event_id"]["type"])
    row["happened"] = rng.choice(pools.event_time)
    if "available_time" in spec:
        row["arrived"] = pools.arrival(row["happened"])
    if rng.random() < 0.04:
        column = rng.choice([c for c in ("happened", "arrived") if c in row])
        row[column] = rng.choice([None, 5, oracle.LATEST])
    return row


def _again(rng, contract, pools, name, original):
    """A row once more with other values: a copy where its key is not null, else a row that nearly ties with it."""
    fresh = random_row(rng, contract, pools, name)
    labels = [c for c in ("arrived", *gated_columns(contract, name)) if c in fresh]
    changing = labels if labels and rng.random() < 0.4 else [c for c in fresh if c not in ("event_id", "happened")]
    row = original | {c: fresh[c] for c in rng.sample(changing, rng.randint(1, min(3, len(changing))))}
    if rng.random() < 0.2:
        row["happened"] = fresh["happened"]
    return row


def _rows(rng, contract, pools, name):
    rows = []
    for _ in range(0 if rng.random() < 0.05 else rng.randint(1, 36)):
        again = rows and rng.random() < 0.3
        rows.append(_again(rng, contract, pools, name, rng.choice(rows)) if again else random_row(rng, contract, pools, name))
    return rows


def corrections(rng, contract, pools, name, rows, ties=False):
    """Versions of keys, mostly of rows that are there; each says when it became known. `ties`: several may share a version."""
    clock = "arrived" if "available_time" in contract["sources"][name] else "known_at"
    keyed = [row for row in rows if row["event_id"] is not None]
    for i in range(rng.randint(1, 6)):
        original = rng.choice(keyed) if keyed and rng.random() < 0.85 else random_row(rng, contract, pools, name)
        row = _again(rng, contract, pools, name, original) | {"correction": "replace"}
        if rng.random() < 0.3:  # a replacement may move its row
            row["happened"] = rng.choice(pools.event_time)
        if rng.random() < 0.4:
            row = dict.fromkeys(row) | {"correction": "retract"}
        if rng.random() < 0.03:
            row["correction"] = "undo"
        row |= {"event_id": original["event_id"], "version": rng.choice([None, 0, 1]) if ties else i}
        yield row | {clock: rng.choice(pools.as_of) + rng.choice([0, 0, 0, 1, -1, -HOUR])}


def known_at(contract, source, row):
    """When serving knows a well-formed row that arrives in time."""
    spec = contract["sources"][source]
    if row.get("known_at") is not None:
        return row["known_at"]
    return row["arrived"] if "available_time" in spec else row["happened"] + oracle.duration(spec.get("delay", "0s"))


def readable(contract, source, row):
    """Whether a row is accepted: both clocks are instants, and no value is NaN where that is refused."""
    if row.get("correction") and (row["correction"] == "undo" or row["event_id"] is None):
        return False
    if row.get("correction") == "retract":  # its key and one clock are enough
        return True
    clocks = [row["happened"]] + ([row["arrived"]] if "available_time" in contract["sources"][source] else [])
    if any(t is None or not oracle.EARLIEST <= t < oracle.LATEST for t in clocks):
        return False
    return not _has_bad_float(contract["sources"][source]["columns"], row)


def _has_bad_float(fields, values):
    return any(
        values.get(name) is not None and not math.isfinite(values[name])
        for name, field in fields.items()
        if field["type"] == "float64" and field.get("nan") != "null"
    )


def label_known_at(contract, source, row, column):
    """The stamp of a gated cell that came with its row; NEVER where its clock is null."""
    if row.get(column + "__known_at") is not None:
        return row[column + "__known_at"]
    field = contract["sources"][source]["columns"][column]
    if "available_after" in field:
        return max(known_at(contract, source, row), row["happened"] + oracle.duration(field["available_after"]))
    clock = row[field["available_at"]]
    return oracle.NEVER if clock is None else max(known_at(contract, source, row), clock)


def gated_columns(contract, source):
    columns = contract["sources"][source]["columns"]
    return [name for name, field in columns.items() if "available_after" in field or "available_at" in field]


def _as_history(rng, contract, name, rows):
    """Stamps as an exporting scorer might have given them: never before the row's own, sometimes later."""
    for row in rows:
        if not readable(contract, name, row):
            continue
        known = known_at(contract, name, row)
        told = rng.random() < 0.8 or row.get("correction") == "retract"
        row["known_at"] = known + rng.choice([0, 0, 1, HOUR]) if told else None
        for column in gated_columns(contract, name):
            late = known_at(contract, name, row) + rng.choice([0, 1, HOUR, DAY])
            row[column + "__known_at"] = late if rng.random() < 0.6 else None


def request_columns(contract):
    """Column -> type of everything a request carries besides `as_of`."""
    types = {}
    for entity in contract["entities"].values():
        types |= dict(zip(*[[v] if isinstance(v, str) else v for v in (entity["key"], entity["type"])], strict=True))
    types |= {name: field["type"] for name, field in contract.get("request", {}).items()}
    if "request_of" in contract:
        source = contract["request_of"]
        types["event_id"] = contract["sources"][source]["columns"]["event_id"]["type"]
        types |= dict.fromkeys(sequence_columns(contract, source), "int64")
    return types


def _decision(rng, contract, pools, rows):
    decision = {c: pools.key(c) for c in request_columns(contract) if c in ("card_id", "shop_id", "till")}
    decision |= {name: pools.value(field) for name, field in contract.get("request", {}).items()}
    decision["as_of"] = rng.choice(pools.as_of) if rng.random() < 0.97 else rng.choice([None, 5])
    if "request_of" in contract:
        source = contract["request_of"]
        kind = contract["sources"][source]["columns"]["event_id"]["type"]
        decision["event_id"] = None if rng.random() < 0.1 else pools.dedup_key(kind)
        decision |= {column: rng.choice([None, 1, 2, 3]) for column in sequence_columns(contract, source)}
        same = [row for row in rows if row["event_id"] == decision["event_id"] and row["event_id"] is not None]
        if same and rng.random() < 0.5:  # decided when it happened, as a service does
            decision["as_of"] = rng.choice(same)["happened"]
    return decision


def answerable(contract, decision):
    """Whether a decision is one that serving answers rather than a bad row of a table."""
    as_of = decision["as_of"]
    good_time = as_of is not None and oracle.EARLIEST <= as_of < oracle.LATEST
    return good_time and not _has_bad_float(contract.get("request", {}), decision)


def triple(rng: random.Random, history=False, corrected=False, ties=False) -> Triple:
    """One case. `history`: the sources look exported, with known_at and label stamps. `corrected`: some rows correct others."""
    contract = _Contract(rng).as_dict()
    pools = Pools(rng, contract)
    sources = {name: _rows(rng, contract, pools, name) for name, spec in contract["sources"].items() if "union" not in spec}
    for name, rows in sources.items():
        if corrected and "dedup" in contract["sources"][name]:
            rows += corrections(rng, contract, pools, name, rows, ties)
    if history:
        for name, rows in sources.items():
            _as_history(rng, contract, name, rows)
    decisions = [_decision(rng, contract, pools, sources["events"]) for _ in range(rng.randint(3, 10))]
    complete_from = {}
    if rng.random() < 0.25:
        name = rng.choice(list(sources))
        complete_from[name] = rng.choice(pools.event_time) + rng.choice([0, 1])
    return Triple(contract, sources, decisions, complete_from, pools)


# --- Arrow --------------------------------------------------------------------------------------------------------------

_ARROW = {
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "decimal": pa.string(),
    "string": pa.string(),
    "timestamp": pa.int64(),
}


def source_table(contract, name, rows):
    spec = contract["sources"][name]
    types = {"happened": pa.int64()}
    if "available_time" in spec:
        types["arrived"] = pa.int64()
    for entity, columns in key_columns(contract, name).items():
        key_types = contract["entities"][entity]["type"]
        types |= {c: _ARROW[t] for c, t in zip(columns, [key_types] if isinstance(key_types, str) else key_types, strict=True)}
    types |= dict.fromkeys(sequence_columns(contract, name), pa.int64())
    types |= {c: _ARROW[f["type"]] for c, f in spec["columns"].items()}
    if any("correction" in row for row in rows):
        types |= {"correction": pa.string(), "version": pa.int64()}
    stamps = {c for row in rows for c in row if c.endswith("known_at")}
    types |= dict.fromkeys(sorted(stamps), pa.timestamp("us", "UTC"))
    return pa.table({c: pa.array([row.get(c) for row in rows], t) for c, t in types.items()})


def decision_table(contract, decisions):
    types = {c: _ARROW[t] for c, t in request_columns(contract).items()} | {"as_of": pa.int64()}
    return pa.table({c: pa.array([d.get(c) for d in decisions], t) for c, t in types.items()})
