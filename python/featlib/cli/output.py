"""What all verbs share: `--format`, `-o`, `--quiet`, and how an answer leaves the program."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from featlib.cli.progress import colour_wanted
from featlib.reports.report import Check, Report, Verdict, plain

__all__ = ["COULD_NOT_RUN", "FAILED", "FORMATS", "PASSED", "CommandError", "add_options", "check_of", "emit", "emit_json", "finish"]

FORMATS = ("text", "json", "junit", "sarif", "github", "html")
PASSED, FAILED, COULD_NOT_RUN = 0, 1, 2


class CommandError(Exception):
    """The command cannot run as it was given; the message says why, and what would help."""


def add_options(parser: argparse.ArgumentParser, formats: tuple[str, ...] = FORMATS, output: str = "write the answer there") -> None:
    """The options every verb has."""
    parser.add_argument("--format", choices=formats, default="text", help="how to answer (default: text)")
    parser.add_argument("-o", "--output", metavar="FILE", help=output)
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, and no text when all is well")


def emit(text: str, args: argparse.Namespace) -> None:
    """Write the answer to `-o`, else to stdout."""
    if args.output:
        Path(args.output).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


def emit_json(value: Any, args: argparse.Namespace) -> None:
    """Write one JSON value."""
    emit(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n", args)


def finish(report: Report, args: argparse.Namespace) -> int:
    """Write a report in the wanted format; the exit code is its verdict."""
    if args.format != "text":
        emit(report.render(args.format), args)
    elif not (args.quiet and report.verdict == "pass"):
        emit(report.to_text(colour=not args.output and colour_wanted(sys.stdout)), args)
    return PASSED if report.ok else FAILED


def check_of(failure: Any, verdict: Verdict = "fail") -> Check:
    """One entry of `featlib.Error.failures` as a check of a report."""
    place = ":".join(str(part) for part in (failure.path, failure.line, failure.column) if part)
    return Check(
        name=place or failure.code,
        verdict=verdict,
        message=failure.message,
        code=failure.code,
        help=failure.help,
        path=failure.path,
        line=failure.line,
        column=failure.column,
    )
