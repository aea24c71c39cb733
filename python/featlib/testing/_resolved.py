"""What a contract's resolved form says about the columns of its tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featlib import Contract

Resolved = dict[str, Any]


def resolved(contract: Contract) -> Resolved:
    return json.loads(contract.resolved_json())


def members(contract: Resolved) -> Iterator[str]:
    """The sources that rows are given for; a union has none of its own."""
    return (name for name, spec in contract["sources"].items() if "union" not in spec)


def key_columns(contract: Resolved, source: str) -> dict[str, str]:
    """Key column of a source -> the entity's own name for it."""
    spec = contract["sources"][source]
    names: dict[str, str] = {}
    for entity in spec["entities"]:
        own = contract["entities"][entity]["key"]
        names |= dict(zip(spec.get("keys", {}).get(entity, own), own, strict=True))
    return names


def key_types(contract: Resolved) -> dict[str, str]:
    """An entity's own name of a key column -> its type."""
    types: dict[str, str] = {}
    for entity in contract["entities"].values():
        types |= zip(entity["key"], entity["type"], strict=True)
    return types


def sequence_columns(contract: Resolved, source: str) -> list[str]:
    return sorted(set(contract["sources"][source].get("sequence", {}).values()))


def gated_columns(contract: Resolved, source: str) -> list[str]:
    """Columns that become known later than their row."""
    columns = contract["sources"][source]["columns"]
    return [name for name, field in columns.items() if "available_after" in field or "available_at" in field]


def dedup_type(contract: Resolved, source: str) -> str:
    spec = contract["sources"][source]
    keys = {column: key_types(contract)[own] for column, own in key_columns(contract, source).items()}
    declared = spec["columns"].get(spec["dedup"], {"type": keys.get(spec["dedup"], "string")})
    return declared["type"]


def source_types(contract: Resolved, source: str) -> dict[str, str]:
    """Column of a source -> its type; clocks are timestamps."""
    spec, keys = contract["sources"][source], key_types(contract)
    types = {spec[clock]["column"]: "timestamp" for clock in ("event_time", "available_time") if clock in spec}
    types |= {column: keys[own] for column, own in key_columns(contract, source).items()}
    types |= dict.fromkeys(sequence_columns(contract, source), "int64")
    types |= {field["available_at"]: "timestamp" for field in spec["columns"].values() if "available_at" in field}
    if "dedup" in spec:
        types[spec["dedup"]] = dedup_type(contract, source)
    return types | {name: field["type"] for name, field in spec["columns"].items()}


def request_types(contract: Resolved) -> dict[str, str]:
    """Column -> type of everything a request carries besides its instant."""
    types = key_types(contract) | {name: field["type"] for name, field in contract.get("request", {}).items()}
    if "request_of" in contract:
        source = contract["request_of"]
        types[contract["sources"][source]["dedup"]] = dedup_type(contract, source)
        types |= dict.fromkeys(sequence_columns(contract, source), "int64")
    return types
