"""Compute a contract's features for past decisions: a training table without the future in it.

The output holds the decision columns, the features, and a status byte for every value in `<feature>__status`.

Examples:
  featlib replay card_risk.yaml --decisions decisions.parquet --source transactions=tx.parquet \\
      --source payments=pay.csv --as-of as_of -o training.parquet
  featlib replay card_risk.yaml --decisions d.csv --source transactions=tx.csv --as-of epoch:s -o training.csv
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from featlib.cli.output import PASSED, CommandError, add_options, emit_json
from featlib.cli.progress import Progress
from featlib.cli.tables import read_table, require_pyarrow, source_types, write_table

UNITS = ("s", "ms", "us", "ns")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """CONTRACT --decisions F --source NAME=F --as-of COLUMN -o OUT"""
    parser.add_argument("contract", metavar="CONTRACT", help="a contract file (YAML or JSON)")
    parser.add_argument("--decisions", required=True, metavar="FILE", help="one row a decision; - is standard input")
    parser.add_argument("--source", action="append", default=[], metavar="NAME=FILE", help="the rows of a source; repeat it")
    parser.add_argument(
        "--as-of",
        required=True,
        metavar="COLUMN[:UNIT]",
        help="the decisions' clock; UNIT (s, ms, us, ns) where it holds plain integers",
    )
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="default: all cores; the values do not depend on it")
    add_options(parser, formats=("text", "json"), output="the table: .parquet, .csv or .arrow; - is an Arrow stream (required)")


def run(args: argparse.Namespace) -> int:
    """Read, replay, write; the summary goes to stderr (text) or stdout (json)."""
    import featlib as fl

    if not args.output:
        raise CommandError("replay needs -o FILE, for example -o training.parquet")
    if args.output == "-" and args.format == "json":
        raise CommandError("-o - fills stdout with the table: choose a file, or --format text")
    progress = Progress(quiet=args.quiet)
    contract = fl.Contract.load(args.contract)
    with progress.step("read"):
        decisions = read_table(args.decisions, source_types(contract))
        sources = {name: read_table(path, source_types(contract, name)) for name, path in map(_source, args.source)}
    with progress.step("replay") as step:
        table = fl.replay(contract, decisions, sources, as_of=_as_of(args.as_of), threads=args.threads, progress=step.update)
        step.note = f"{decisions.num_rows:,} rows x {len(contract.features)} features"
    with progress.step("write") as step:
        write_table(with_status(table, contract.features), args.output)
        step.note = args.output
    if args.format == "json":
        args.output = None
        emit_json({"rows": decisions.num_rows, "features": list(contract.features), "report": table.report}, args)
    elif table.report and not args.quiet:
        for name, value in table.report.items():
            print(f"  {name}: {value}", file=sys.stderr)
    return PASSED


def with_status(table: Any, features: Any) -> Any:
    """The feature table with a `<feature>__status` column for every feature: files always carry them."""
    pa = require_pyarrow()
    whole = pa.table(table)
    for name in features:
        if f"{name}__status" not in whole.column_names:
            whole = whole.append_column(f"{name}__status", pa.array(table.status(name), type=pa.uint8()))
    return whole


def _source(text: str) -> tuple[str, str]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise CommandError(f"--source {text}: expected NAME=FILE, for example --source transactions=tx.parquet")
    return name, path


def _as_of(text: str) -> str | tuple[str, str]:
    column, separator, unit = text.rpartition(":")
    if not separator:
        return text
    if unit not in UNITS:
        raise CommandError(f"--as-of {text}: `{unit}` is no unit; expected one of {', '.join(UNITS)}")
    return column, unit
