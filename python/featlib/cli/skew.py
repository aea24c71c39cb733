"""Compare two feature tables exactly, row by row: bits and status, no tolerance.

Rows are paired by key. The feature with the most differing rows comes first, with the first row that differs, both
values, and their distance in units in the last place (ULP).

Examples:
  featlib skew served.parquet training.parquet --key txn_id
  featlib skew left.csv right.csv --key card_id,as_of --format junit -o skew.xml
"""

from __future__ import annotations

import argparse
from pathlib import Path

from featlib.cli.output import CommandError, add_options, finish
from featlib.cli.tables import read_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """LEFT RIGHT --key K"""
    parser.add_argument("left", metavar="LEFT", help="Parquet, CSV or Arrow; - is standard input")
    parser.add_argument("right", metavar="RIGHT", help="the other table")
    parser.add_argument("--key", required=True, metavar="COLUMN[,COLUMN]", help="the columns that pair the rows")
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """1 when anything differs."""
    import featlib as fl

    if args.left == args.right == "-":
        raise CommandError("only one of the tables can be standard input")
    keys = args.key.split(",")
    left, right = read_table(args.left), read_table(args.right)
    for path, table in ((args.left, left), (args.right, right)):
        if lacking := [key for key in keys if key not in table.column_names]:
            raise CommandError(f"{path} has no column `{lacking[0]}`\n  help: it has {', '.join(table.column_names)}")
    title = f"{Path(args.left).name} and {Path(args.right).name}"
    return finish(fl.skew(left, right, key=keys, title=title), args)
