"""Show a contract as the library understands it, with every default written out.

Examples:
  featlib show card_risk.yaml
  featlib show card_risk.yaml --format json | jq .features
  featlib show --schema -o contract.schema.json
"""

from __future__ import annotations

import argparse
import json

from featlib.cli.output import PASSED, CommandError, add_options, emit, emit_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """CONTRACT"""
    parser.add_argument("contract", metavar="CONTRACT", nargs="?", help="a contract file (YAML or JSON)")
    parser.add_argument("--schema", action="store_true", help="show the JSON Schema of contract files instead, for editors")
    add_options(parser, formats=("text", "json"))


def run(args: argparse.Namespace) -> int:
    """Text is for people, JSON is the resolved contract with its fingerprints."""
    import featlib as fl

    if args.schema == bool(args.contract):
        raise CommandError("give a CONTRACT, or --schema for what all contracts may hold")
    if args.schema:
        emit_json(fl.contract_schema(), args)
        return PASSED
    contract = fl.Contract.load(args.contract)
    if args.format == "json":
        fingerprints = {kind: contract.fingerprint(kind=kind) for kind in ("semantic", "policy", "document")}
        emit_json({**json.loads(contract.resolved_json()), "fingerprints": fingerprints}, args)
    else:
        emit(contract.describe().rstrip("\n") + "\n", args)
    return PASSED
