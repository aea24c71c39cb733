"""Everything the demo found out, and how a terminal shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from featlib.demo.embed import Embedded
from featlib.demo.published import SCORES, Comparison
from featlib.reports.formats import align

__all__ = ["Result"]


@dataclass
class Result:
    """The numbers of one run. A count of bits that is not 0 makes it a failure."""

    origin: str
    rows: int
    comparisons: list[Comparison] = field(default_factory=list)
    has_published: bool = False
    train: tuple[int, int] = (0, 0)
    test: tuple[int, int] = (0, 0)
    scores: dict[str, float] = field(default_factory=dict)
    curve: tuple[np.ndarray, np.ndarray] = (np.empty(0), np.empty(0))
    margins: int = 0
    margin_bits: int = 0
    served: int = 0
    served_bits: int = 0
    events: int = 0
    replayed: int = 0
    replayed_bits: int = 0
    embedded: Embedded | None = None
    outcomes: dict[str, list[int]] = field(default_factory=dict)
    days: list[str] = field(default_factory=list)
    times: list[tuple[str, float, str]] = field(default_factory=list)
    page: str = ""

    @property
    def wrong(self) -> int:
        """Feature values that are not what another source says they must be."""
        return sum(comparison.wrong for comparison in self.comparisons)

    @property
    def ok(self) -> bool:
        """No value is wrong and no bit differs anywhere."""
        bits = self.wrong + self.margin_bits + self.served_bits + self.replayed_bits
        return bits == 0 and (self.embedded is None or self.embedded.ok)

    def checks(self) -> list[tuple[str, str, int, str]]:
        """(what was compared, with what, how many values, what came out) for each promise."""
        checked = sum(comparison.values for comparison in self.comparisons)
        sources = "published columns and exact means" if self.has_published else "exact means"
        return [
            ("replayed features", sources, checked, f"{self.wrong:,} wrong"),
            ("margins", "XGBoost's own", self.margins, f"{self.margin_bits:,} bits differ"),
            ("served features and statuses", "the replayed ones", self.served, f"{self.served_bits:,} bits differ"),
            ("logged decisions", "recomputed from the log", self.replayed, f"{self.replayed_bits:,} bits differ"),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The numbers for machines."""
        return {
            "ok": self.ok,
            "data": self.origin,
            "rows": self.rows,
            "train": {"rows": self.train[0], "frauds": self.train[1]},
            "test": {"rows": self.test[0], "frauds": self.test[1]},
            "scores": self.scores,
            "published_scores": SCORES,
            "features": [vars(comparison) for comparison in self.comparisons],
            "margins": {"compared": self.margins, "bits_that_differ": self.margin_bits},
            "served": {"values": self.served, "bits_that_differ": self.served_bits, "events": self.events},
            "replayed_decisions": {"decisions": self.replayed, "bits_that_differ": self.replayed_bits},
            "cpp_example": vars(self.embedded) if self.embedded else None,
            "seconds": {name: seconds for name, seconds, _ in self.times},
            "page": self.page,
        }

    def to_text(self) -> str:
        """The end of a run: scores beside the published ones, then what was compared."""
        scores = [[name, f"{value:.4f}", f"{SCORES[name]:.3f}"] for name, value in self.scores.items()]
        checks = [[what, other, f"{values:,}", found] for what, other, values, found in self.checks()]
        lines = [
            align(["Test week", "this run", "handbook"], scores),
            "",
            align(["Compared", "with", "values", "result"], checks),
        ]
        if not self.has_published:
            lines.insert(1, "Simulated transactions: the handbook's numbers are a landmark, not a target.")
        if self.embedded:
            lines.append(f"C++ example: {self.embedded.line}")
        lines += ["", f"The page: {self.page}"]
        return "\n".join(lines) + "\n"
