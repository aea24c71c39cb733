"""The `featlib` command: one thin file a verb. Exit code 0 passed, 1 a check failed, 2 could not run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from featlib.cli import demo, doctor, explain, lint, replay, score, show, skew
from featlib.cli.output import COULD_NOT_RUN, CommandError
from featlib.cli.tables import MissingPackage

__all__ = ["main"]

VERBS = (lint, show, replay, score, skew, explain, doctor, demo)

EPILOG = """\
examples:
  featlib lint contracts/card_risk.yaml
  featlib replay card_risk.yaml --decisions decisions.parquet --source transactions=tx.parquet --as-of as_of -o training.parquet
  featlib skew served.parquet training.parquet --key txn_id
  featlib demo

`featlib VERB --help` explains a verb. Exit codes: 0 passed, 1 a check failed, 2 could not run.
"""


def parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    root = argparse.ArgumentParser(
        prog="featlib",
        description="Feature contracts, point-in-time windows and tree-ensemble scoring: one number in training and serving.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="store_true", help="print the version")
    verbs = root.add_subparsers(title="verbs", metavar="VERB")
    for verb in VERBS:
        name = verb.__name__.rpartition(".")[2]
        summary, _, rest = (verb.__doc__ or "").partition("\n")
        description, _, examples = (summary + "\n" + rest).partition("Examples:")
        own = verbs.add_parser(
            name,
            help=summary,
            description=description.strip(),
            epilog="examples:" + examples.rstrip() if examples else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.add_arguments(own)
        own.set_defaults(run=verb.run)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what went wrong is text on stderr, never a traceback."""
    root = parser()
    args = root.parse_args(argv)
    if args.version:
        from featlib import __version__

        print(f"featlib {__version__}")
        return 0
    if not hasattr(args, "run"):
        root.print_help()
        return COULD_NOT_RUN
    try:
        return _guarded(args)
    except BrokenPipeError:
        # The reader has enough (`featlib show ... | head`). Python would complain once more while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT_RUN


def _guarded(args: argparse.Namespace) -> int:
    from featlib import Error

    try:
        return args.run(args)
    except Error as error:
        message = str(error)
    except (CommandError, MissingPackage) as error:
        message = f"error: {error}"
    except BrokenPipeError:
        raise
    except OSError as error:
        message = f"error: {error.filename}: {error.strerror}" if error.filename else f"error: {error}"
    print(message, file=sys.stderr)
    return COULD_NOT_RUN
