"""What every check of featlib answers with, and how it is shown: text, JSON, JUnit, SARIF, GitHub annotations, HTML."""

from featlib.reports.report import Check, Report, Verdict

__all__ = ["Check", "Report", "Verdict"]
