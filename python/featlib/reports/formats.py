"""A `Report` as text, JSON, JUnit, SARIF, GitHub annotations or HTML."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from featlib.reports import page
from featlib.reports.report import Check, Report, plain

__all__ = ["RENDERERS", "html_fragment", "show"]

COLOURS = {"pass": "32", "warn": "33", "fail": "31", "inconclusive": "36", "dim": "2", "bold": "1"}
WORDS = {"fail": "error", "warn": "warning", "inconclusive": "note", "pass": "ok"}


def paint(text: str, style: str, colour: bool) -> str:
    """`text` in an ANSI style, or as it is."""
    return f"\x1b[{COLOURS[style]}m{text}\x1b[0m" if colour else text


def show(value: Any) -> str:
    """A value as people read it, floats with every digit that matters (shortest text that gives the same double)."""
    value = plain(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return str(value)


def align(headers: list[str], rows: list[list[str]]) -> str:
    """A plain table; columns of numbers to the right."""
    columns = list(zip(headers, *rows))
    widths = [max(map(len, column)) for column in columns]
    right = [all(re.fullmatch(r"[-+\d,.e%]*", cell) for cell in column[1:]) for column in columns]

    def line(cells: list[str]) -> str:
        fitted = [cell.rjust(width) if side else cell.ljust(width) for cell, width, side in zip(cells, widths, right)]
        return "  ".join(fitted).rstrip()

    return "\n".join(line(cells) for cells in [headers, *rows])


def place(check: Check) -> str:
    """`path:line:column`, as far as known."""
    return ":".join(str(part) for part in (check.path, check.line, check.column) if part)


def text(report: Report, colour: bool = False) -> str:
    """Compiler-style lines for checks of files, a table for checks of data, then the verdict."""
    lines: list[str] = []
    shown = [check for check in report.checks if report.list_all or check.verdict != "pass"]
    if report.columns:
        if shown:
            headers = ["name", *report.columns]
            rows = [[check.name, *(show(check.data.get(key)) for key in report.columns)] for check in shown]
            lines += [align(headers, rows), ""]
    else:
        for check in shown:
            word = WORDS[check.verdict] + (f"[{check.code}]" if check.code else "")
            where = place(check) or check.name
            lines.append(f"{paint(word, check.verdict, colour)} {where}: {check.message}")
            if check.help:
                lines.append(f"  help: {check.help}")
    facts = ", ".join(f"{name} {show(value)}" for name, value in report.facts.items())
    verdict = paint(report.verdict, report.verdict, colour)
    lines.append(f"{report.title}: {verdict}" + (f" ({facts})" if facts else ""))
    return "\n".join(lines) + "\n"


def to_json(report: Report) -> str:
    """One JSON object."""
    return json.dumps(plain(report.to_dict()), indent=2, ensure_ascii=False) + "\n"


def junit(report: Report) -> str:
    """One test case a check; `warn` passes with its message in system-out, `inconclusive` is skipped."""
    count = {verdict: sum(check.verdict == verdict for check in report.checks) for verdict in WORDS}
    head = (
        f"<testsuite name={quoteattr('featlib.' + report.kind)} tests=\"{len(report.checks)}\" "
        f"failures=\"{count['fail']}\" skipped=\"{count['inconclusive']}\" errors=\"0\">"
    )
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", head]
    for check in report.checks:
        opening = f"  <testcase classname={_attribute('featlib.' + report.kind)} name={_attribute(check.name)}"
        detail = _xml("\n".join(part for part in (place(check), check.message, check.help) if part))
        if check.verdict == "fail":
            inner = f"<failure type={_attribute(check.code or report.kind)} message={_attribute(check.message)}>{detail}</failure>"
        elif check.verdict == "inconclusive":
            inner = f"<skipped message={_attribute(check.message)}/>"
        elif check.verdict == "warn":
            inner = f"<system-out>{detail}</system-out>"
        else:
            lines.append(opening + "/>")
            continue
        lines.append(f"{opening}>{inner}</testcase>")
    return "\n".join([*lines, "</testsuite>", "</testsuites>"]) + "\n"


def _xml(value: str) -> str:
    # XML 1.0 has no way to write most control characters, not even escaped.
    return escape(re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", value))


def _attribute(value: str) -> str:
    return quoteattr(re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", value))


def sarif(report: Report) -> str:
    """SARIF 2.1.0 with one result a check that did not pass."""
    levels = {"fail": "error", "warn": "warning", "inconclusive": "note"}
    results = []
    for check in report.checks:
        if check.verdict == "pass":
            continue
        result: dict[str, Any] = {
            "ruleId": check.code or report.kind,
            "level": levels[check.verdict],
            "message": {"text": "\n".join(part for part in (check.message or check.name, check.help) if part)},
        }
        if check.path:
            location: dict[str, Any] = {"artifactLocation": {"uri": check.path.replace("\\", "/")}}
            if check.line:
                location["region"] = {"startLine": check.line, **({"startColumn": check.column} if check.column else {})}
            result["locations"] = [{"physicalLocation": location}]
        results.append(result)
    rules = [{"id": rule} for rule in sorted({result["ruleId"] for result in results})]
    driver = {"name": f"featlib {report.kind}", "rules": rules}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(plain(log), indent=2, ensure_ascii=False) + "\n"


def github(report: Report) -> str:
    """Workflow commands. https://docs.github.com/actions/reference/workflow-commands-for-github-actions"""
    commands = {"fail": "error", "warn": "warning", "inconclusive": "notice"}

    def data(value: str) -> str:
        return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    def property_(value: Any) -> str:
        return data(str(value)).replace(":", "%3A").replace(",", "%2C")

    lines = []
    for check in report.checks:
        if check.verdict == "pass":
            continue
        title = f"featlib {report.kind}" + (f" {check.code}" if check.code else "")
        properties = {"file": check.path, "line": check.line, "col": check.column, "title": title}
        written = ",".join(f"{key}={property_(value)}" for key, value in properties.items() if value)
        message = "\n".join(part for part in (check.message or check.name, check.help) if part)
        lines.append(f"::{commands[check.verdict]} {written}::{data(message)}")
    return "\n".join([*lines, f"{report.title}: {report.verdict}"]) + "\n"


def html_fragment(report: Report) -> str:
    """Facts and checks, without the page around them: what a notebook shows."""
    parts = [f'<p><span class="verdict {report.verdict}">{report.verdict}</span> {page.text(report.title)}</p>']
    if report.facts:
        parts.append(page.table(["", ""], [[name, show(value)] for name, value in report.facts.items()]))
    if report.checks:
        headers = ["check", "verdict", *(report.columns or ("code", "message", "help"))]
        rows = []
        for check in report.checks:
            row = check.as_row()
            # In a row that passed an absent value means nothing to show; in one that failed it is the null that was found.
            said = {key for key, value in row.items() if value is not None or check.verdict != "pass"}
            cells = [show(row[key]) if key in said else "" for key in headers[2:]]
            name = check.name if report.columns else place(check) or check.name
            rows.append([name, check.verdict, *cells])
        parts.append(page.table(headers, rows))
    return "\n".join(parts)


def html(report: Report) -> str:
    """One self-contained page."""
    return page.page(report.title, [html_fragment(report)])


RENDERERS = {"text": text, "json": to_json, "junit": junit, "sarif": sarif, "github": github, "html": html}
