"""Runs the C++ example on the exported stream, where one has been built."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["VARIABLE", "Embedded", "run"]

VARIABLE = "FEATLIB_CPP_EXAMPLE"
TIMEOUT_S = 300


@dataclass(frozen=True)
class Embedded:
    """How it ended: `ok` when the program found no differing bit, and its last line."""

    ok: bool
    line: str


def run(program: str | None, folder: Path, bundle: Path) -> Embedded | None:
    """`PROGRAM BUNDLE STREAM EXPECTED`; None when no program is named by the option or the environment.

    The program exits with 0 when every decision has the expected bits; its last line of output says so to people.
    """
    program = program or os.environ.get(VARIABLE)
    if not program:
        return None
    command = [program, str(bundle), str(folder / "stream.bin"), str(folder / "expected.bin")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    line = lines[-1] if lines else f"exit code {done.returncode}"
    return Embedded(done.returncode == 0, re.sub(r"(?<![\w./])\d{4,}(?![\w./])", lambda number: f"{int(number[0]):,}", line))
