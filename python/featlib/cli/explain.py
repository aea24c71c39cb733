"""Explain one logged decision: what came in, every value with its status, the score, the thresholds, the versions.

Examples:
  featlib explain decisions.db 1024577
  featlib explain decisions.db 1024577 --format json
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from featlib.cli.output import PASSED, CommandError, add_options, emit, emit_json
from featlib.reports.formats import align, show
from featlib.reports.page import page, section, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """LOG ID"""
    parser.add_argument("log", metavar="LOG", help="a decision log: the SQLite file a scorer writes")
    parser.add_argument("request_id", metavar="ID", help="the request_id of the decision")
    add_options(parser, formats=("text", "json", "html"))


def run(args: argparse.Namespace) -> int:
    """Reads the log, changes nothing."""
    import featlib as fl

    if not Path(args.log).is_file():
        raise CommandError(f"{args.log}: no such file")
    record = fl.DecisionLog(args.log).record(args.request_id)
    if record is None:
        raise CommandError(f"{args.log} has no decision `{args.request_id}`")
    if args.format == "json":
        emit_json(record, args)
    elif args.format == "html":
        title = f"Decision {args.request_id}"
        emit(page(title, [section(name, table(headers, rows)) for name, headers, rows in tables(record)]), args)
    else:
        emit("\n".join(f"{name}\n{_indented(align(headers, rows))}\n" for name, headers, rows in tables(record)), args)
    return PASSED


def tables(record: Mapping[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    """The record as (title, headers, rows): single facts first, values beside their status, then what else it holds."""
    single = [[name, show(value)] for name, value in record.items() if not isinstance(value, dict)]
    parts = [("decision", ["", ""], single)]
    status = record.get("status", {})
    for name, group in record.items():
        if not isinstance(group, dict) or name == "status":
            continue
        if name == "features":
            rows = [[key, show(value), show(status.get(key, ""))] for key, value in group.items()]
            parts.append((name, ["feature", "value", "status"], rows))
        else:
            parts.append((name, ["", ""], [[key, show(value)] for key, value in group.items()]))
    return parts


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines() if line.strip())
