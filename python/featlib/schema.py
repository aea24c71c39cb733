"""The JSON Schema (draft 2020-12) of the contract file, for editors, catalogues and forms."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

__all__ = ["contract_schema"]


def contract_schema() -> dict[str, Any]:
    """Every key of a contract: what it holds, its meaning, its default and, as `x-fingerprint`, the narrowest fingerprint it changes.

    A new dict each time. It accepts whatever `Contract.load` accepts and refuses what can be seen without the rest of the file;
    only `Contract.load` says whether a contract holds together.
    """
    schema: dict[str, Any] = json.loads((files("featlib") / "contract.schema.json").read_text(encoding="utf-8"))
    return schema
