"""Random features over a source: every aggregate over columns that suit it, in windows of every kind."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

from featlib.testing._spelling import Tree, aggregate, duration, expression

Spec = dict[str, Any]  # a part of a contract as the file has it

WINDOWS = ["10us", "1h", "1d", "3d"]
OFFSETS = ["0s", "0s", "1us", "1h", "1d", "2d"]
BOUNDS = ["[)", "(]", "[]", "()"]
GAPS = ["1us", "1h", "1d"]
ORIGINS = ["2020-09-14T00:00:00Z", "2020-09-13T23:30:00.000001Z", "1999-12-31T23:59:59.999999Z", "2050-01-01T00:00:00Z"]
UNITS = ["us", "ms", "seconds", "minutes", "hours", "days"]

COLUMNS: dict[str, Spec] = {
    "x": {"type": "float64"},
    "y": {"type": "float64", "nan": "null"},
    "n": {"type": "int64"},
    "money": {"type": "decimal", "scale": 2},
    "tag": {"type": "string"},
    "flag": {"type": "bool"},
    "seen": {"type": "timestamp", "unit": "us"},
}
LITERALS: dict[str, list[Any]] = {"float64": [0.0, 0.1, 1.0, 1e308], "int64": [0, 1, 7, 2**53 + 1], "decimal": [0, 0.01, 12.34], "string": ["", "a", "é", "it's"]}

ORDERED = ["first", "last", "lag", "last_k"]
OF_ANY = [*ORDERED, "as_of", "count_distinct", "min", "max", "mode", "top_k", "entropy", "share", "share", "seen_before"]
SPREADS = ["std", "var", "skew", "skew", "kurtosis", "kurtosis"]
OF_SUMMABLE = ["sum", "sum", "mean", "mean", *SPREADS, "trend", "trend", "decay_sum", "decay_mean"]
OF_NUMBERS = ["quantile", "quantile", "median", "range"]
OF_ROWS = ["count", "time_since_last", "time_since_first", "mean_gap"]


def reach(feature: Spec) -> int:
    """How far back a feature looks, in microseconds."""
    lengths = {key: duration(feature.get(key, "0us")) for key in ("window", "offset", "max_length", "gap", "max_age")}
    lengths["bucket"] = lengths["window"] if feature.get("bucket") == "complete" else 0
    kind, _, parameter = feature["aggregate"].tree
    if kind.startswith("decay") and not any(key in feature for key in ("window", "max_length", "lifetime")):
        lengths["window"] = 64 * duration(parameter)
    return sum(lengths.values())


class AggregateFeatures:
    """The part of a contract's builder that writes features over a source."""

    rng: random.Random
    sources: Spec
    request: Spec
    request_of: str | None
    windows: list[str]
    offsets: list[str]
    label_delay: str
    types: dict[int, str]  # id of a feature -> type of its output, where other features may read it

    def _aggregate_feature(self) -> Spec:
        rng = self.rng
        source = rng.choice(list(self.sources))
        spec = self.sources[source]
        entities = spec.get("entities") or [spec["entity"]]
        feature: Spec = {"from": source}
        if len(entities) > 1:
            feature["by"] = rng.choice(entities)
        read: list[str] = []
        kind, argument, parameter, out_type = self._call(source, read)
        if kind in SPREADS and rng.random() < 0.5:
            feature["ddof"] = rng.choice([0, 1])
        if kind in ORDERED and rng.random() < 0.3:
            feature["nulls"] = "keep"
        if rng.random() < 0.3:
            feature["where"] = expression(self._row_condition(source, read))
        reads_labels = any("available_after" in spec["columns"][c] for c in read)
        includes = source in ("events", "all") and not any(self._gated(source, c) for c in read)
        includes = includes and (self.request_of or "event_id" not in read) and rng.random() < 0.25

        offset = "0s" if includes else rng.choice(self.offsets)
        if reads_labels and duration(offset) < duration(self.label_delay):
            offset = rng.choice([self.label_delay, "2d"])
        if offset != "0s":
            feature["offset"] = offset
        self._window(feature, kind, includes)
        if kind.startswith("decay"):
            # At most 1000 half-lives fit; the longest retention of a lifetime is some 9 days.
            parameter = "1d" if "lifetime" in feature else rng.choice(["1h", "1d", "90m"])
        feature["aggregate"] = aggregate(kind, argument, parameter)
        if rng.random() < 0.4:
            feature["min_rows"] = rng.randint(1, 3)
        if out_type == "string" and rng.random() < 0.25:
            out_type = "category"
            feature |= {"type": "category", "vocabulary": ["b", "a", "é", '["a"]', '["b"]', "[1]", "[0,1]"]}
        self._maybe_fallback(feature, out_type)
        self.types[id(feature)] = out_type
        return feature

    def _window(self, feature: Spec, kind: str, includes: bool) -> None:
        rng = self.rng
        bounds = BOUNDS
        shape = rng.random()
        if kind == "as_of" and rng.random() < 0.4:
            if shape < 0.6:
                feature["max_age"] = rng.choice(self.windows)
        elif shape < 0.42:
            feature["window"] = rng.choice(self.windows)
        elif shape < 0.55:
            feature["last"] = rng.randint(1, 6)
        elif shape < 0.65:
            feature["lifetime"] = True
        elif shape < 0.83:
            bounds = ["[)"] if not includes and rng.random() < 0.5 else ["[)", "[]"]
            feature |= {"bucket": "complete" if len(bounds) == 1 else "current", "window": rng.choice(self.windows)}
            if rng.random() < 0.5:
                feature["origin"] = rng.choice(ORIGINS)
        else:
            feature |= {"gap": rng.choice(GAPS), "max_length": rng.choice([*self.windows, "3d"])}
        if ("window" in feature or "gap" in feature) and rng.random() < 0.2:
            feature["last"] = rng.randint(1, 5)
        if includes:
            feature["include_request"] = True
            feature["bounds"] = rng.choice([b for b in bounds if b[1] == "]"])
        elif rng.random() < 0.7 or "bucket" in feature:  # the default bounds might not suit a bucket
            feature["bounds"] = rng.choice(bounds)

    def _call(self, source: str, read: list[str]) -> tuple[str, Tree | None, Any, str]:
        """(kind, argument, parameter, output type); notes the columns read."""
        rng = self.rng
        columns = self.sources[source]["columns"]
        if rng.random() < 0.15:
            kind = rng.choice(OF_ROWS)
            return kind, None, None if kind == "count" else rng.choice(UNITS), "int64" if kind == "count" else "float64"
        if rng.random() < 0.08:
            return "count_if", self._row_condition(source, read), None, "int64"
        floats = [c for c in columns if columns[c]["type"] == "float64"]
        if floats and rng.random() < 0.15:
            column = rng.choice(floats)
            read.append(column)
            reference = ("ref", column)
            argument = rng.choice(
                [
                    ("abs", reference),
                    ("coalesce", reference, ("lit", 0.5)),
                    ("case", [((">", reference, ("lit", 0.0)), reference)], ("lit", 1.0)),
                ]
            )
            kinds = ["sum", "mean", "max", "last", "std", "median", "mode", "entropy", "kurtosis", "trend", "decay_mean"]
            return rng.choice(kinds), argument, None, "float64"
        labels = [c for c in columns if self._gated(source, c)]
        column = rng.choice(labels if labels and rng.random() < 0.4 else list(columns))
        read.append(column)
        type_of = columns[column]["type"]
        kinds = list(OF_ANY)
        if type_of in ("float64", "int64", "decimal", "bool"):
            kinds += OF_SUMMABLE
        if type_of in ("float64", "int64", "decimal"):
            kinds += OF_NUMBERS
        kind = rng.choice(kinds)
        asked = column in self.request or (self.request_of and column == "event_id" and source == self.request_of)
        if kind == "seen_before" and not asked:
            kind = "share"
        if kind == "share" and not asked and type_of == "timestamp":
            kind = "mode"
        return kind, ("ref", column), self._parameter(kind, type_of, asked), self._output(kind, type_of)

    def _parameter(self, kind: str, type_of: str, asked: Any) -> Any:
        rng = self.rng
        if kind == "lag":
            return rng.randint(0, 2)
        if kind in ("last_k", "top_k"):
            return rng.choice([1, 2, 3, 1000])
        if kind == "quantile":
            p = rng.choice(["0", "1", "0.5", "0.25", "0.3", "0.1", "0.999999999", "1.000"])
            return p, rng.choice(["linear", "lower", "higher", "nearest", "midpoint"])
        if kind == "trend":
            return rng.choice([None, *UNITS])
        if kind == "share" and type_of != "timestamp" and (not asked or rng.random() < 0.5):
            literals: dict[str, list[Any]] = LITERALS | {"bool": [True, False], "decimal": [Fraction(0), Fraction("0.01"), Fraction("12.34")]}
            return "lit", rng.choice(literals[type_of])
        return None

    @staticmethod
    def _output(kind: str, column_type: str) -> str:
        if kind == "count_distinct" or (kind == "sum" and column_type in ("int64", "bool")):
            return "int64"
        if kind in ("last_k", "top_k"):
            return "string"
        if kind == "seen_before":
            return "bool"
        if kind in OF_SUMMABLE or kind in OF_NUMBERS or kind in ("entropy", "share") or column_type == "decimal":
            return "float64"
        return column_type

    def _row_condition(self, source: str, read: list[str], depth: int = 2) -> Tree:
        rng = self.rng
        columns = self.sources[source]["columns"]
        if depth and rng.random() < 0.35:
            operator = rng.choice(["and", "or", "not"])
            operands = [self._row_condition(source, read, depth - 1) for _ in range(1 if operator == "not" else 2)]
            return (operator, *operands)
        column = rng.choice(list(columns))
        read.append(column)
        reference, kind = ("ref", column), columns[column]["type"]
        if kind == "bool" and rng.random() < 0.8:
            return rng.choice([reference, ("=", reference, ("lit", True)), ("!=", reference, ("lit", False))])
        if kind not in LITERALS or rng.random() < 0.15:
            return (rng.choice(["is null", "is not null"]), reference)
        return (rng.choice(["=", "!=", "<", "<=", ">", ">="]), reference, ("lit", rng.choice(LITERALS[kind])))

    def _gated(self, source: str, column: str) -> bool:
        field = self.sources[source]["columns"][column]
        return "available_after" in field or "available_at" in field

    def _maybe_fallback(self, feature: Spec, out_type: str) -> None:
        fallbacks: dict[str, list[Any]] = {"int64": [0, -7], "float64": [0.0, -0.0, -1.5, 999.0], "string": ["", "none"], "bool": [False, True]}
        if out_type in fallbacks and self.rng.random() < 0.3:
            feature["fallback"] = self.rng.choice(fallbacks[out_type])
