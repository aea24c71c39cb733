"""Progress on stderr: one living line on a terminal, one line a finished step elsewhere, nothing when quiet."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

__all__ = ["Progress", "Step", "colour_wanted"]

REFRESH_S = 0.1
BAR = 24


def colour_wanted(stream: TextIO) -> bool:
    """Colour only on a terminal, and never under NO_COLOR (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@dataclass
class Step:
    """One step under way: `note` is shown when it ends; call `update` as often as you like."""

    name: str
    progress: Progress
    note: str = ""
    seconds: float = 0.0
    _drawn: float = field(default=0.0, repr=False)

    def update(self, done: float, total: float) -> None:
        """So much of so much is done."""
        now = time.monotonic()
        if self.progress.live and total and now - self._drawn > REFRESH_S:
            self._drawn = now
            share = done / total
            filled = int(BAR * share)
            self.progress.draw(f"{self.name:<12} [{'#' * filled}{'.' * (BAR - filled)}] {int(100 * share):3d} %")


class Progress:
    """Times steps and shows them; `steps` is what happened so far."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self.stream = stream or sys.stderr
        self.quiet = quiet
        self.live = not quiet and self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.steps: list[Step] = []

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a block of code under a name."""
        step = Step(name, self)
        if self.live:
            self.draw(f"{name:<12} ...")
        started = time.monotonic()
        try:
            yield step
        except BaseException:
            if self.live:
                print(file=self.stream)
            raise
        step.seconds = time.monotonic() - started
        self.steps.append(step)
        if self.live:
            self.draw("")
        self.say(f"{name:<12} {step.seconds:7.2f} s  {step.note}".rstrip())

    def say(self, line: str) -> None:
        """A line that stays."""
        if not self.quiet:
            print(line, file=self.stream, flush=True)

    def draw(self, line: str) -> None:
        """A line that the next one replaces."""
        print(f"\r\x1b[K{line}", end="", file=self.stream, flush=True)
