"""Run the whole story once: train by replay, serve event by event, compare every bit, and write a page about it.

The data are a file you name, else the Fraud Detection Handbook's where they lie beside the checkout
(../shared/data/handbook/raw.parquet), else simulated. Trains the handbook's XGBoost model, serves its test week, and
exits with 1 if a single bit differs anywhere.

Examples:
  featlib demo
  featlib demo --quick
  featlib demo --data raw.parquet -o out --cpp-example build/release/examples/cpp_embed
"""

from __future__ import annotations

import argparse

from featlib.cli.output import FAILED, PASSED, emit_json
from featlib.cli.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the data come from, and where the results go."""
    parser.add_argument("--data", metavar="FILE", help="transactions with the handbook's columns: Parquet, CSV or Arrow")
    parser.add_argument("--quick", action="store_true", help="a small simulation: seconds, for CI")
    parser.add_argument("--scale", type=float, metavar="X", help="simulate X times the handbook's customers and terminals")
    parser.add_argument("--seed", type=int, default=2018, help="of the simulation (default: 2018)")
    parser.add_argument("--cpp-example", metavar="PROGRAM", help="the built C++ example (or set FEATLIB_CPP_EXAMPLE)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to answer (default: text)")
    parser.add_argument("-o", "--output", default="featlib-demo", metavar="FOLDER", help="for page, bundle, log and stream (default: featlib-demo)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress; only the path of the page")


def run(args: argparse.Namespace) -> int:
    """1 when a bit differs."""
    from featlib import demo

    result = demo.run(
        data_file=args.data,
        quick=args.quick,
        scale=args.scale,
        seed=args.seed,
        output=args.output,
        cpp_example=args.cpp_example,
        progress=Progress(quiet=args.quiet),
    )
    if args.format == "json":
        args.output = None
        emit_json(result.to_dict(), args)
    else:
        print(result.page if args.quiet and result.ok else result.to_text().rstrip("\n"))
    return PASSED if result.ok else FAILED
