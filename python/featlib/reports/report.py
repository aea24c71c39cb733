"""`Report`: the one shape of an answer. Verbs and functions differ in what they check, not in how they say it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Check", "Report", "Verdict"]

Verdict = Literal["pass", "warn", "fail", "inconclusive"]

SEVERITY: tuple[Verdict, ...] = ("pass", "inconclusive", "warn", "fail")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: a feature, a file, a limit; and what was found."""

    name: str
    verdict: Verdict = "pass"
    message: str = ""
    code: str = ""
    help: str = ""
    path: str = ""
    line: int = 0
    column: int = 0
    data: dict[str, Any] = field(default_factory=dict)

    def as_row(self) -> dict[str, Any]:
        """The check as one flat row; places and codes only where there are any."""
        optional = {key: getattr(self, key) for key in ("code", "path", "line", "column", "help")}
        return {
            "name": self.name,
            "verdict": self.verdict,
            "message": self.message,
            **{key: value for key, value in optional.items() if value},
            **self.data,
        }


@dataclass(frozen=True)
class Report:
    """The answer to one question.

    `checks` holds everything looked at, worst first where an order helps; `facts` the few numbers that belong on top;
    `columns` names the entries of `Check.data` worth a column in a table; `list_all` shows what passed as well.
    """

    kind: str
    title: str
    checks: list[Check] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    list_all: bool = False

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the checks; a report without checks passes."""
        return max((check.verdict for check in self.checks), key=SEVERITY.index, default="pass")

    @property
    def ok(self) -> bool:
        """True unless a check failed."""
        return self.verdict != "fail"

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The failed checks as rows: a table for pandas, Polars or a `for`."""
        return [check.as_row() for check in self.checks if check.verdict == "fail"]

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "kind": self.kind,
            "title": self.title,
            "verdict": self.verdict,
            "ok": self.ok,
            "facts": self.facts,
            "checks": [check.as_row() for check in self.checks],
        }

    def to_text(self, colour: bool = False) -> str:
        """For a terminal."""
        return self.render("text", colour=colour)

    def to_json(self) -> str:
        """One JSON object; numbers that JSON lacks are strings ("NaN", "Infinity", "-Infinity")."""
        return self.render("json")

    def to_junit(self) -> str:
        """JUnit XML: one test case a check."""
        return self.render("junit")

    def to_sarif(self) -> str:
        """SARIF 2.1.0, for code-scanning views."""
        return self.render("sarif")

    def to_github(self) -> str:
        """GitHub workflow commands: annotations on the lines that failed."""
        return self.render("github")

    def to_html(self) -> str:
        """One self-contained page."""
        return self.render("html")

    def render(self, format: str, **options: Any) -> str:
        """The report in any of the formats."""
        from featlib.reports import formats

        return formats.RENDERERS[format](self, **options)

    def _repr_html_(self) -> str:
        from featlib.reports import formats

        return formats.html_fragment(self)

    def __repr__(self) -> str:
        return self.to_text()


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: NumPy scalars become Python's, bytes text, what is not finite a string."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    elif hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
