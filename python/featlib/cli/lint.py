"""Check contracts: everything that is wrong, with its place and the remedy.

A contract that cannot be served or replayed as written fails; what is allowed but worth a look is a warning.

Examples:
  featlib lint card_risk.yaml
  featlib lint contracts/*.yaml --format github
  featlib lint card_risk.yaml --format sarif -o lint.sarif
"""

from __future__ import annotations

import argparse
from pathlib import Path

from featlib.cli.output import CommandError, add_options, check_of, finish
from featlib.reports.report import Check, Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """CONTRACT..."""
    parser.add_argument("contracts", nargs="+", metavar="CONTRACT", help="a contract file (YAML or JSON)")
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """1 when any contract does not load."""
    import featlib as fl

    checks: list[Check] = []
    for path in args.contracts:
        if not Path(path).is_file():
            raise CommandError(f"{path}: no such file")
        try:
            contract = fl.Contract.load(path)
        except fl.ContractError as error:
            checks += [check_of(failure) for failure in error.failures]
        else:
            message = f"{len(contract.features)} features, version {contract.version}"
            checks.append(Check(path, "pass", message, path=path))
            checks += [check_of(warning, "warn") for warning in contract.warnings]
    failed = sum(check.verdict == "fail" for check in checks)
    warned = sum(check.verdict == "warn" for check in checks)
    facts = {"contracts": len(args.contracts), "errors": failed, "warnings": warned}
    return finish(Report("lint", "lint", checks, facts), args)
