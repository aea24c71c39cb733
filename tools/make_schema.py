#!/usr/bin/env python3
"""Writes schema/contract.schema.json and the tables of keys and codes in docs/contract.md.

    python3 tools/make_schema.py            # rewrites both
    python3 tools/make_schema.py --check    # fails when one of them is not what this script writes

Which keys there are, which are required and which fingerprint each changes stands in src/contract/keys.cpp and nowhere else;
here stands what a key means, for people and editors. The schema accepts whatever the library accepts (`name: 404` is text) and
refuses what an editor can see; what needs the whole file, such as a window beyond its retention, is `featlib lint`'s.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "src/contract/keys.cpp"
CODES = ROOT / "include/featlib/core/error_codes.def"
SCHEMA = ROOT / "schema/contract.schema.json"
PAGE = ROOT / "docs/contract.md"

KEY = re.compile(r'\{In::(\w+), "(\w+)", Holds::\w+, (true|false), (\w+), "((?:[^"\\]|\\.)*)"\}')


class Holds(NamedTuple):
    """What a key may hold: in words, and as a schema."""

    words: str
    schema: dict


class Meaning(NamedTuple):
    """What the table of keys does not say. A default is a value, or words in parentheses."""

    holds: Holds
    default: object
    text: str
    errors: str = ""


def one_of(*words):
    return Holds(", ".join(f"`{word}`" for word in words[:-1]) + f" or `{words[-1]}`", {"enum": list(words)})


def whole(least, most):
    return Holds(f"{least:,} to {most:,}", {"type": "integer", "minimum": least, "maximum": most})


def names_of(value, words):
    """A map whose names are the author's."""
    return Holds(words, {"type": ["object", "null"], "propertyNames": {"pattern": NAME}, "additionalProperties": value})


def ref(name):
    return {"$ref": f"#/$defs/{name}"}


NAME = "^[A-Za-z_][A-Za-z0-9_]{0,199}$"
TYPES = ("bool", "int64", "float64", "decimal", "string", "category", "timestamp")
SOURCE = {"if": {"required": ["union"]}, "then": ref("union_source"), "else": ref("source")}
KEY_TYPES = {"enum": ["int64", "string", "bool", "uuid", "bytes"]}

TEXT = Holds("text", ref("text"))
TEXTS = Holds("list of texts", ref("texts"))
DURATION = Holds("duration", ref("duration"))
RETENTION = Holds("duration or `forever`", {"anyOf": [{"const": "forever"}, ref("duration")]})
NUMBER = Holds("number", {"type": "number"})
SHARE = Holds("0 to 1", {"type": "number", "minimum": 0, "maximum": 1})
TRUE = Holds("true or false", {"type": "boolean"})
CLOCK = Holds("column, or a map", {"anyOf": [ref("text"), ref("time_column")]})
BOUNDS = one_of("[)", "(]", "[]", "()")
COLUMNS = Holds("map of columns", {"type": ["object", "null"], "propertyNames": {"minLength": 1}, "additionalProperties": ref("column")})
ZONE = Holds("IANA zone", {"type": "string", "examples": ["UTC", "Europe/Berlin", "America/New_York"]})
TIME_UNIT = one_of("s", "ms", "us", "ns")
NAN = Holds("`reject` or `null`", {"enum": ["reject", "null", None]})

MEANINGS = {
    "top": {
        "featlib": Meaning(Holds("1", {"const": 1}), None, "Version of this language.", "bad-value"),
        "name": Meaning(TEXT, None, "Name of the contract; models and records carry it."),
        "version": Meaning(
            Holds("major.minor.patch", {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})([-+].*)?$"}),
            None,
            "Version of the contract, raised with every change of it.",
            "bad-value",
        ),
        "owner": Meaning(Holds("text", {"allOf": [ref("text")], "pattern": r"\S"}), None, "Who is asked when it breaks.", "bad-value"),
        "description": Meaning(TEXT, "", "What the contract is for."),
        "tags": Meaning(TEXTS, [], "Labels for catalogues."),
        "entities": Meaning(names_of(ref("entity"), "map of entities"), {}, "What features are about: a card, a terminal, a card at a merchant.", "bad-name"),
        "sources": Meaning(names_of(SOURCE, "map of sources"), {}, "Streams of events that features read.", "bad-name"),
        "request_of": Meaning(
            TEXT,
            "(none)",
            "Source that the request becomes a row of. The request carries that source's `dedup` and `sequence` columns, and the row with its key is in none of its own windows.",
            "unknown-name",
        ),
        "request": Meaning(COLUMNS, {}, "Fields of a request beside the entities' keys and `as_of`; each is described as a column.", "bad-name, bad-value"),
        "defaults": Meaning(Holds("map", ref("defaults")), {}, "Values for all features and columns that do not say otherwise."),
        "features": Meaning(names_of(ref("feature"), "map of features"), None, "The outputs, in the order they are given.", "bad-name, cycle"),
        "model": Meaning(Holds("map", ref("model")), "(all features)", "What the model is fed."),
    },
    "entity": {
        "key": Meaning(TEXTS, None, "Key column, or list of up to 16 of them for a composite key, as the request names them.", "bad-value"),
        "type": Meaning(
            Holds("`int64`, `string`, `bool`, `uuid` or `bytes`, or a list", {"anyOf": [KEY_TYPES, {"type": "array", "items": KEY_TYPES}]}),
            None,
            "Type of the key; a list has one for each column. Floats are no keys.",
            "bad-value",
        ),
        "description": Meaning(TEXT, "", "What one such thing is."),
    },
    "source": {
        "entity": Meaning(TEXT, "(see `entities`)", "Short for a list of one entity.", "unknown-name, conflicting-keys"),
        "entities": Meaning(TEXTS, None, "Entities whose timelines the rows belong to; one of `entity` and `entities` is required.", "unknown-name, bad-value"),
        "keys": Meaning(
            Holds("map of entity to columns", {"type": "object", "additionalProperties": ref("texts")}),
            "(the entity's)",
            "Key columns of an entity that have other names in this source: `{card: pan}`.",
            "unknown-name, bad-value",
        ),
        "event_time": Meaning(CLOCK, None, "When a row happened. The map form says unit and zone of the column, see below.", "bad-value"),
        "available_time": Meaning(CLOCK, "(`event_time` + `delay`)", "When serving could first see the row.", "conflicting-keys"),
        "delay": Meaning(DURATION, "0s", "How long after `event_time` serving sees a row. Left out together with `available_time`, it is assumed, and `featlib lint` says so.", "bad-duration"),
        "sequence": Meaning(
            Holds("column, or map of entity to column", {"anyOf": [ref("text"), {"type": "object", "additionalProperties": ref("text")}]}),
            "(none)",
            "Orders rows of one entity at the same instant; an int64 or a timestamp, nulls first.",
            "wrong-type, unknown-name",
        ),
        "dedup": Meaning(TEXT, "(none)", "Key column by which a row that comes twice is one: equal key and equal `event_time` make a copy.", "wrong-type"),
        "retention": Meaning(
            RETENTION,
            None,
            "How far back serving keeps rows. Training sees no more than that either.",
            "bad-duration, window-exceeds-retention",
        ),
        "columns": Meaning(COLUMNS, {}, "Columns that features read. All are checked in training and serving, read or not.", "bad-name"),
        "description": Meaning(TEXT, "", "Where the rows come from."),
    },
    "union_source": {
        "union": Meaning(TEXTS, None, "Sources whose rows this one is made of, two or more; rows alike in all that orders rows are in this order.", "unknown-name, bad-value"),
        "retention": Meaning(RETENTION, "(the least of its members')", "How far back its features look.", "bad-duration, bad-value"),
        "description": Meaning(TEXT, "", "Where the rows come from."),
    },
    "column": {
        "type": Meaning(one_of(*TYPES), None, "Exact widening is accepted (int32 to int64, float32 to float64), nothing is cast.", "bad-value"),
        "scale": Meaning(whole(0, 18), "(required by decimals)", "Digits behind the point; 2 stores cents.", "missing-key, conflicting-keys"),
        "unit": Meaning(TEXT, "", "What the number counts: EUR, km. Of a timestamp: `s`, `ms`, `us` or `ns` for plain integers, and then it changes values.", "bad-value"),
        "tz": Meaning(ZONE, "(none)", "Zone of naive timestamps; without one they are refused.", "bad-value, conflicting-keys"),
        "floor": Meaning(TRUE, False, "Times finer than a microsecond are floored, not refused. Timestamps only.", "conflicting-keys"),
        "round": Meaning(TRUE, False, "Doubles that are no whole number of the smallest unit are rounded half to even, not refused. Decimals only.", "conflicting-keys"),
        "nan": Meaning(NAN, "reject", "NaN and infinity refuse the row, or read as null. float64 and decimal only.", "bad-value, conflicting-keys"),
        "any_year": Meaning(TRUE, False, "Instants outside 1971 to 2099 are meant, and no mistaken unit. Timestamps only.", "conflicting-keys"),
        "available_after": Meaning(DURATION, "(with its row)", "The cell is known so long after `event_time`: a label. Features that read it need at least that `offset`.", "bad-duration, label-too-young"),
        "available_at": Meaning(TEXT, "(with its row)", "Column that holds the instant at which the cell is known.", "conflicting-keys"),
        "description": Meaning(TEXT, "", "What the column holds."),
    },
    "time_column": {
        "column": Meaning(TEXT, None, "The column."),
        "unit": Meaning(TIME_UNIT, "(none)", "Unit of plain integers; without one they are refused.", "bad-value"),
        "tz": Meaning(ZONE, "(none)", "Zone of naive timestamps; without one they are refused.", "bad-value"),
        "floor": Meaning(TRUE, False, "Times finer than a microsecond are floored, not refused."),
        "any_year": Meaning(TRUE, False, "Instants outside 1971 to 2099 are meant."),
    },
    "feature": {
        "description": Meaning(TEXT, "", "What it means to the next person on call; `featlib lint` asks for it."),
        "owner": Meaning(TEXT, "(the contract's)", "Who is asked about this feature."),
        "tags": Meaning(TEXTS, [], "Labels for catalogues."),
        "from": Meaning(TEXT, "(see the kinds)", "Source whose rows are aggregated, or `request.field`.", "unknown-name, conflicting-keys"),
        "by": Meaning(TEXT, "(the only one)", "Entity whose timeline is read, where the source has several.", "missing-key, unknown-name"),
        "aggregate": Meaning(
            Holds("call", {"type": "string", "pattern": r"^\s*[a-z_]+\s*\([\s\S]*\)\s*$", "examples": ["count()", "mean(column)", "sum(column)", "count_distinct(column)", "last(column)", "time_since_last(days)"]}),
            "(see the kinds)",
            "What is made of the rows, over a column or an expression of columns: [windows](window.md) lists all.",
            "unknown-aggregate, bad-expression",
        ),
        "where": Meaning(TEXT, "(all rows)", "Condition on the columns of a row; a row for which it is null does not count.", "bad-expression"),
        "window": Meaning(DURATION, "(required by most)", "Length of the window. `last`, `lifetime`, a session, a lookup and a decaying aggregate do without.", "bad-duration, bad-value, window-exceeds-retention"),
        "offset": Meaning(DURATION, "0s", "How long before the decision the window ends.", "bad-duration, label-too-young"),
        "bounds": Meaning(BOUNDS, "[)", "Which ends of the window belong to it, the older one first. In quotes. A bucket has its first instant.", "bad-value"),
        "last": Meaning(whole(1, 1_000_000_000), "(all rows)", "Only the last so many rows of the window, after `where`, before nulls are skipped.", "bad-value"),
        "lifetime": Meaning(TRUE, False, "The window reaches as far as the retention.", "conflicting-keys"),
        "bucket": Meaning(one_of("current", "complete"), "(sliding)", "Tumbling windows of the width `window`: the one that the decision is in, or the one before.", "bad-value, missing-key, conflicting-keys"),
        "origin": Meaning(TEXT, "(1970-01-01T00:00:00Z)", "RFC 3339 instant at which a bucket begins.", "bad-value, conflicting-keys"),
        "gap": Meaning(DURATION, "(no session)", "Session instead of `window`: back from the decision to the first longer gap.", "bad-duration, missing-key, conflicting-keys"),
        "max_length": Meaning(DURATION, "(required by `gap`)", "No session is longer.", "bad-duration, missing-key, window-exceeds-retention"),
        "max_age": Meaning(DURATION, "(any age)", "Of as_of and last: an older row is no answer.", "bad-duration, conflicting-keys"),
        "include_request": Meaning(TRUE, False, "The request itself is the last row, from its fields of the same names. Needs a closed head and no offset.", "conflicting-keys, unknown-name"),
        "nulls": Meaning(one_of("skip", "keep"), "skip", "Whether first, last, lag and last_k count nulls.", "bad-value, conflicting-keys"),
        "ddof": Meaning(whole(0, 1), 1, "Degrees of freedom that std, var, skew and kurtosis take off.", "bad-value, conflicting-keys"),
        "min_rows": Meaning(whole(0, 1_000_000_000), 0, "Fewer rows (for `count()` and times) or non-null values are null, with status `insufficient_history`.", "bad-value"),
        "fallback": Meaning(TEXT, "(null)", "Stands where the value is null, of the feature's own type; the status says so, and expressions read null.", "wrong-type"),
        "model_missing": Meaning(NUMBER, "(NaN)", "What the model is fed for null, e.g. 999. Records, drift and skew see the null.", "wrong-type"),
        "expr": Meaning(TEXT, "(see the kinds)", "Expression of `request.field`, other features and `as_of`.", "bad-expression, unknown-name, cycle"),
        "type": Meaning(one_of(*TYPES), "(the value's own)", "Output type: `category` of a text, `int64` or `bool` of an `expr`, which is float64 otherwise.", "bad-value"),
        "vocabulary": Meaning(
            Holds(
                "list of texts, or `{file: path}`",
                {"anyOf": [ref("texts"), {"type": "object", "properties": {"file": ref("text")}, "required": ["file"], "additionalProperties": False}]},
            ),
            "(required by categories)",
            "Values of a category, coded 0, 1, ... in this order; others are -1. A file has one value a line and lies beside the contract.",
            "missing-key, bad-value, conflicting-keys",
        ),
        "tz": Meaning(ZONE, "UTC", "Zone of calendar functions such as `hour()`.", "bad-value"),
        "range": Meaning(
            Holds("[low, high], null for open", {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 2, "maxItems": 2}),
            "(none)",
            "Where values are expected; it checks and never changes one.",
            "wrong-type, bad-value",
        ),
        "unit": Meaning(TEXT, "", "What the number counts."),
        "reason": Meaning(TEXT, "", "Text for a customer when this feature speaks against them."),
        "checks": Meaning(Holds("map", ref("checks")), {}, "Limits for monitoring."),
    },
    "defaults": {
        "bounds": Meaning(BOUNDS, "[)", "For aggregates.", "bad-value"),
        "min_rows": Meaning(whole(0, 1_000_000_000), 0, "For aggregates.", "bad-value"),
        "model_missing": Meaning(NUMBER, "(NaN)", "For all features.", "wrong-type"),
        "nan": Meaning(NAN, "reject", "For columns and request fields.", "bad-value"),
        "tz": Meaning(ZONE, "(none; UTC for features)", "For timestamps and calendar functions.", "bad-value"),
    },
    "model": {
        "inputs": Meaning(TEXTS, None, "Features that the model is fed, in the order of its columns; none is a string.", "unknown-name, bad-value, wrong-type"),
    },
    "checks": {
        "psi": Meaning(Holds("number", {"type": "number", "minimum": 0}), "(none)", "Largest population stability index against the baseline.", "bad-value"),
        "null_rate": Meaning(SHARE, "(none)", "Largest share of nulls.", "bad-value"),
        "distribution_match": Meaning(SHARE, "(none)", "Limit for the comparison of the distribution with the baseline's.", "bad-value"),
        "coverage_rows": Meaning(SHARE, "(none)", "Smallest share of rows whose value is in the vocabulary.", "bad-value"),
        "coverage_values": Meaning(SHARE, "(none)", "Smallest share of different values that are in the vocabulary.", "bad-value"),
    },
}  # fmt: skip

# What editors can see of how keys go together.
TOGETHER = {
    "source": {
        "oneOf": [{"required": ["entity"]}, {"required": ["entities"]}],
        "not": {"required": ["available_time", "delay"]},
    },
    "column": {
        "not": {"required": ["available_after", "available_at"]},
        "if": {"required": ["type"], "properties": {"type": {"const": "decimal"}}},
        "then": {"required": ["scale"]},
        "else": {"properties": {"scale": False, "round": False}},
    },
    "feature": {
        "oneOf": [
            {"title": "An aggregate of a source's rows", "required": ["from", "aggregate"], "properties": {"expr": False}},
            {"title": "A field of the request", "required": ["from"], "properties": {"from": {"pattern": "^request\\."}, "expr": False}},
            {"title": "An expression of the request and other features", "required": ["expr"], "properties": {"from": False, "aggregate": False}},
        ],
        "dependentRequired": {
            key: ["aggregate"]
            for key in ("by", "where", "window", "offset", "bounds", "last", "lifetime", "bucket", "max_age", "include_request", "nulls", "ddof", "min_rows")
        }
        | {"origin": ["bucket"], "gap": ["aggregate", "max_length"], "max_length": ["gap"]},
        "if": {"required": ["type"], "properties": {"type": {"const": "category"}}},
        "then": {"required": ["vocabulary"]},
        "else": {"properties": {"vocabulary": False}},
    },
}

SHARED = {
    "text": {"type": ["string", "number", "boolean"], "description": "Text; quotes are needed only where YAML needs them."},
    "texts": {"anyOf": [ref("text"), {"type": "array", "items": ref("text")}]},
    "duration": {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(us|ms|s|m|h|d)$", "description": "A number with us, ms, s, m, h or d: 90m, 7d.", "examples": ["1h", "24h", "7d", "30d"]},
}

PLACES = {
    "top": "A featlib contract: what every feature of a model means.",
    "entity": "A thing features are about.",
    "source": "A stream of events.",
    "union_source": "A source made of the rows of others.",
    "column": "A column of a source, or a field of the request.",
    "time_column": "A clock of a source, in full.",
    "feature": "One output: an aggregate of a source's rows, a field of the request, or an expression.",
    "defaults": "Values for all features and columns that do not say otherwise.",
    "model": "What the model is fed.",
    "checks": "Limits for monitoring.",
}


def read_table():
    """The rows of the C++ table: place -> key -> (required, class, example)."""
    found = {}
    for place, name, required, fingerprint, example in KEY.findall(TABLE.read_text()):
        found.setdefault(place, {})[name] = (required == "true", fingerprint, example.replace('\\"', '"'))
    for place in found.keys() | MEANINGS.keys():
        if lacking := found.get(place, {}).keys() ^ MEANINGS.get(place, {}).keys():
            raise SystemExit(f"tools/make_schema.py and {TABLE.relative_to(ROOT)} differ in keys of {place}: {', '.join(sorted(lacking))}")
    return {place: found[place] for place in PLACES}


def schema_of(place, rows):
    properties = {}
    for name, (_, fingerprint, example) in rows.items():
        meaning = MEANINGS[place][name]
        said = isinstance(meaning.default, str) and meaning.default.startswith("(")
        default = {} if meaning.default is None or said else {"default": meaning.default}
        text = f"{meaning.text}\nFor example `{name}: {example}`."
        properties[name] = {"description": text, **meaning.holds.schema, **default, "x-fingerprint": fingerprint}
    required = [name for name, (needed, *_) in rows.items() if needed]
    return {
        "type": "object",
        "description": PLACES[place],
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
        **TOGETHER.get(place, {}),
    }


def render_schema(table):
    places = {place: schema_of(place, rows) for place, rows in table.items()}
    whole_file = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:featlib:contract:1",
        "title": "featlib contract",
        **places.pop("top"),
        "$defs": {**places, **SHARED},
    }
    return json.dumps(whole_file, indent=2, ensure_ascii=False) + "\n"


def default_in_words(default, required):
    if required:
        return "required"
    if default in (None, "", [], {}):
        return ""
    if isinstance(default, str) and default.startswith("("):
        return default[1:-1]
    return f"`{json.dumps(default)}`" if not isinstance(default, str) else f"`{default}`"


def render_rows(place, rows):
    lines = ["| Key | Holds | Default | Meaning | Fingerprint | Errors |", "|---|---|---|---|---|---|"]
    for name, (required, fingerprint, _) in rows.items():
        meaning = MEANINGS[place][name]
        default = default_in_words(meaning.default, required)
        errors = ", ".join(f"`{code}`" for code in meaning.errors.split(", ") if code)
        lines.append(f"| `{name}` | {meaning.holds.words} | {default} | {meaning.text} | {fingerprint} | {errors} |")
    return "\n".join(lines)


def render_codes():
    codes = re.findall(r'FEATLIB_ERROR\(\w+, "([^"]+)", contract, "([^"]+)"\)', CODES.read_text())
    return "\n".join(["| Code | Meaning |", "|---|---|"] + [f"| `{code}` | {meaning} |" for code, meaning in codes])


def render_page(table):
    """The page as it stands, with its tables written again."""

    def again(match):
        first, place, last = match.groups()
        return f"{first}\n{render_rows(place, table[place]) if place else render_codes()}\n{last}"

    return re.sub(r"(<!-- (?:keys of (\w+)|codes):[^\n]*-->)\n(?:.*?\n)??(<!-- end -->)", again, PAGE.read_text(), flags=re.DOTALL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    table = read_table()
    wrong = []
    for path, text in ((SCHEMA, render_schema(table)), (PAGE, render_page(table))):
        if check and (not path.exists() or path.read_text() != text):
            wrong.append(f"{path.relative_to(ROOT)} is not what tools/make_schema.py writes: run it")
        elif not check:
            path.write_text(text)
    print("\n".join(wrong) or f"{sum(map(len, table.values()))} keys")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
