"""The HTML shape all pages share: one file, no script, nothing from elsewhere, light and dark, readable in print."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

__all__ = ["figure", "page", "section", "table", "text", "tiles"]

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --paper: #ffffff; --card: #f5f7f9;
  --one: #1f6feb; --two: #c2410c; --three: #7c5cbf; --good: #157347; --bad: #b42318; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa6b5; --line: #343c47; --paper: #12161c;
  --card: #1a2028; --one: #6ea8fe; --two: #fb923c; --three: #b79cf0; --good: #4ade80; --bad: #ff7b72; --warn: #f0b429; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; }
p { max-width: 46rem; margin: .5rem 0; }
.lead { color: var(--soft); font-size: 1.05rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: .8rem; margin: 1.4rem 0; padding: 0; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .9rem 1rem; }
.tiles dt { color: var(--soft); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.7rem; font-weight: 650; font-variant-numeric: tabular-nums; line-height: 1.3; }
.tiles dd.note { font-size: .85rem; font-weight: 400; color: var(--soft); }
.good { color: var(--good); } .bad { color: var(--bad); }
/* What is wider than the screen scrolls, and a shadow at the edge says so. */
.wide { overflow-x: auto; background:
  linear-gradient(to right, var(--paper) 40%, transparent) left / 2.5rem 100%, linear-gradient(to left, var(--paper) 40%, transparent) right / 2.5rem 100%,
  linear-gradient(to right, var(--line), transparent) left / 1rem 100%, linear-gradient(to left, var(--line), transparent) right / 1rem 100%;
  background-repeat: no-repeat; background-attachment: local, local, scroll, scroll; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .94rem; margin: .6rem 0; }
th, td { text-align: left; padding: .38rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
td.number, th.number { text-align: right; }
figure { margin: 1rem 0; } figcaption { color: var(--soft); font-size: .9rem; }
svg { display: block; width: 100%; min-width: 34rem; height: auto; color: var(--soft); font: 12px system-ui, sans-serif; }
code { font: .92em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--card); padding: .1em .3em; border-radius: .25em; }
.verdict { font-weight: 650; padding: .1rem .5rem; border: 1px solid currentColor; border-radius: 1rem; }
.verdict.pass { color: var(--good); } .verdict.fail { color: var(--bad); } .verdict.warn, .verdict.inconclusive { color: var(--warn); }
@media (max-width: 40rem) { body { padding: 1.5rem 1rem 3rem; } h1 { font-size: 1.5rem; } table { font-size: .85rem; }
  th, td { padding: .35rem .4rem; } td:first-child { min-width: 8rem; } .tiles { grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); } .tiles dd { font-size: 1.25rem; } }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; border-top: 1px solid var(--line); padding-top: .8rem; }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } .wide { overflow: visible; background: none; } figure, table { break-inside: avoid; } }
"""

NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+(e[-+]?\d+)?( ?(%|s|ms|us))?|", re.IGNORECASE)


def text(value: object) -> str:
    """`value` as text inside HTML."""
    return html.escape(str(value))


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; columns that hold only numbers stand to the right. All cells are text."""
    texts = [[str(cell) for cell in row] for row in rows]
    numeric = [bool(texts) and all(NUMBER.fullmatch(row[i]) for row in texts) for i in range(len(headers))]

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' scope=col' if tag == 'th' else ''}{' class=number' if number else ''}>{_breakable(cell)}</{tag}>"
            for cell, number in zip(row, numeric)
        )

    head = f"<thead><tr>{cells('th', headers)}</tr></thead>" if any(headers) else ""
    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in texts)
    return f'<div class="wide"><table>{head}<tbody>\n{body}\n</tbody></table></div>'


def _breakable(cell: str) -> str:
    """A long name may break after an underscore, and there alone."""
    return text(cell).replace("_", "_<wbr>")


def tiles(items: Iterable[tuple[str, str, str, bool | None]]) -> str:
    """Big numbers: (label, value, note, good), `good` coloured only when it is not None."""
    boxes = [
        f"<div><dt>{text(label)}</dt><dd{_tone(good)}>{text(value)}</dd><dd class=\"note\">{text(note)}</dd></div>"
        for label, value, note, good in items
    ]
    return f'<dl class="tiles">{"".join(boxes)}</dl>'


def _tone(good: bool | None) -> str:
    return "" if good is None else f' class="{"good" if good else "bad"}"'


def figure(svg: str, caption: str) -> str:
    """A drawing with its caption."""
    return f"<figure><div class=\"wide\">{svg}</div><figcaption>{text(caption)}</figcaption></figure>"


def section(title: str, *parts: str) -> str:
    """A heading and what stands under it."""
    return f"<section><h2>{text(title)}</h2>{''.join(parts)}</section>"


def page(title: str, parts: Iterable[str], lead: str = "", footer: str = "Made by featlib.") -> str:
    """The whole file."""
    body = "\n".join(parts)
    lead = f'<p class="lead">{text(lead)}</p>' if lead else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<header><h1>{text(title)}</h1>{lead}</header>
{body}
</main>
<footer>{text(footer)}</footer>
</body>
</html>
"""
