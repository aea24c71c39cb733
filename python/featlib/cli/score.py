"""Score a table of features with a bundle's model.

The table holds the model's inputs, as `featlib replay` writes them; the output adds `margin` and `score`.

Examples:
  featlib score fraud.flb training.parquet -o scored.parquet
  featlib replay card_risk.yaml ... -o - | featlib score fraud.flb - -o scored.csv
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from featlib.cli.output import PASSED, CommandError, add_options, emit_json
from featlib.cli.progress import Progress
from featlib.cli.tables import read_table, write_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """BUNDLE TABLE -o OUT"""
    parser.add_argument("bundle", metavar="BUNDLE", help="a file of `Bundle.save`")
    parser.add_argument("table", metavar="TABLE", help="Parquet, CSV or Arrow; - is standard input")
    add_options(parser, formats=("text", "json"), output="the table: .parquet, .csv or .arrow; - is an Arrow stream (required)")


def run(args: argparse.Namespace) -> int:
    """Read, score, write."""
    import featlib as fl

    if not args.output:
        raise CommandError("score needs -o FILE, for example -o scored.parquet")
    if args.output == "-" and args.format == "json":
        raise CommandError("-o - fills stdout with the table: choose a file, or --format text")
    progress = Progress(quiet=args.quiet)
    bundle = fl.Bundle.load(args.bundle)
    model = bundle.model
    if model is None:
        raise CommandError(f"{args.bundle} has no model, so there is nothing to score with")
    table = read_table(args.table)
    with progress.step("score") as step:
        matrix = model_matrix(table, bundle.contract)
        margin = np.asarray(model.margin(matrix))
        score = np.asarray(model.predict(matrix))
        step.note = f"{table.num_rows:,} rows"
    if margin.ndim != 1:
        raise CommandError("this model gives several margins a row; the command scores models with one")
    write_table(table.append_column("margin", [margin]).append_column("score", [score]), args.output)
    if args.format == "json":
        rows = {"rows": table.num_rows, "table": args.output}
        args.output = None
        emit_json(rows, args)
    return PASSED


def model_matrix(table: Any, contract: Any) -> np.ndarray:
    """The model's inputs in their order, nulls as the contract's `model_missing` (NaN where it has none)."""
    features = json.loads(contract.resolved_json())["features"]
    matrix = np.empty((table.num_rows, len(contract.inputs)))
    for i, name in enumerate(contract.inputs):
        if name not in table.column_names:
            raise CommandError(f"the table lacks `{name}`, which the model reads\n  help: write the table with featlib replay")
        column = table[name].combine_chunks()
        missing = features[name].get("model_missing")
        filled = column.to_numpy(zero_copy_only=False).astype(np.float64)
        filled[column.is_null().to_numpy(zero_copy_only=False)] = np.nan if missing is None else float(missing)
        matrix[:, i] = filled
    return matrix.astype(np.float32)
