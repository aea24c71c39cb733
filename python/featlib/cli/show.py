"""Show a contract as the library understands it, with every default written out.

Examples:
  featlib show card_risk.yaml
  featlib show card_risk.yaml --format json | jq .features
"""

from __future__ import annotations

import argparse
import json

from featlib.cli.output import PASSED, add_options, emit, emit_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """CONTRACT"""
    parser.add_argument("contract", metavar="CONTRACT", help="a contract file (YAML or JSON)")
    add_options(parser, formats=("text", "json"))


def run(args: argparse.Namespace) -> int:
    """Text is for people, JSON is the resolved contract with its fingerprints."""
    import featlib as fl

    contract = fl.Contract.load(args.contract)
    if args.format == "json":
        fingerprints = {kind: contract.fingerprint(kind=kind) for kind in ("semantic", "policy", "document")}
        emit_json({**json.loads(contract.resolved_json()), "fingerprints": fingerprints}, args)
    else:
        emit(contract.describe().rstrip("\n") + "\n", args)
    return PASSED
