"""Random contracts: every aggregate, window, bound and clock, over sources that say things in every way there is."""

from __future__ import annotations

import random

from featlib.testing._features import BOUNDS, COLUMNS, OFFSETS, WINDOWS, AggregateFeatures, Spec, reach
from featlib.testing._histories import DAY, HOUR, STRINGS
from featlib.testing._spelling import Tree, duration, expression


class RandomContract(AggregateFeatures):
    """Builds one contract; `rng` is the only source of chance."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.entities: Spec = {"card": {"key": "card_id", "type": rng.choice(["string", "int64", "bool"])}}
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

    def as_dict(self) -> Spec:
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

    def _source(self, dedup: bool) -> Spec:
        rng = self.rng
        entities = rng.sample(list(self.entities), rng.randint(1, len(self.entities)))
        source: Spec = {"entities": entities} if len(entities) > 1 or rng.random() < 0.5 else {"entity": entities[0]}
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

    def _unite(self) -> None:
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

    def _alike(self) -> Spec:
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

    # Retention follows the features, so that the largest window often just fits.
    def _retentions(self) -> None:
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

    # --- features over the request and over other features

    def _request_features(self) -> None:
        for name, field in self.request.items():
            if self.rng.random() < 0.3:
                feature: Spec = {"from": f"request.{name}"}
                out_type = "float64" if field["type"] == "decimal" else field["type"]
                if out_type == "string" and self.rng.random() < 0.7:
                    feature |= {"type": "category", "vocabulary": self.rng.sample(STRINGS, 3)}
                else:
                    self._maybe_fallback(feature, out_type)
                    self.types[id(feature)] = out_type
                self._insert(f"r_{name}", feature)

    def _insert(self, name: str, feature: Spec) -> None:
        """Anywhere in the file: a feature may read one that is written below it."""
        items = list(self.features.items())
        items.insert(self.rng.randint(0, len(items)), (name, feature))
        self.features = dict(items)

    def _expression_feature(self) -> Spec:
        rng = self.rng
        shape = rng.choice(["number", "number", "number", "bool", "clip", "int", "int of bool"])
        feature: Spec = {}
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

    def _arithmetic(self, depth: int) -> Tree:
        operator = self.rng.choice(["+", "-", "*", "/", "neg"])
        return (operator, *[self._number(depth - 1) for _ in range(1 if operator == "neg" else 2)])

    def _number(self, depth: int) -> Tree:
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

    def _float(self, depth: int) -> Tree:
        """A number whose type is float64: where int64 and float64 meet in one result, the tree alone does not say its type."""
        tree = self._number(depth)
        return tree if tree[0] not in ("lit", "ref", "with_fallback", "weekday", "hour") else ("*", tree, ("lit", 1))

    def _number_leaf(self) -> Tree:
        rng = self.rng
        leaves = [("lit", rng.choice([0, 1, 2.5, 0.1, 3])), (rng.choice(["weekday", "hour"]),)]
        leaves += [("ref", f"request.{n}") for n, f in self.request.items() if f["type"] in ("float64", "int64", "decimal")]
        for name, feature in self.features.items():
            if self.types.get(id(feature)) in ("float64", "int64"):
                leaves += [("ref", name)] * 2
                if "fallback" in feature:
                    leaves.append(("with_fallback", name))
        return rng.choice(leaves)

    def _condition(self, depth: int) -> Tree:
        rng = self.rng
        if depth > 0 and rng.random() < 0.4:
            operator = rng.choice(["and", "or", "not"])
            return (operator, *[self._condition(depth - 1) for _ in range(1 if operator == "not" else 2)])
        if rng.random() < 0.2:
            return (rng.choice(["is null", "is not null"]), self._number(depth - 1))
        return (rng.choice(["=", "!=", "<", "<=", ">", ">="]), self._number(depth - 1), self._number(depth - 1))
