"""Two plots, drawn as inline SVG in the page's own colours: lines over numbers, stacked bars over labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from featlib.reports.page import text

__all__ = ["bars", "lines"]

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 34, 44
COLOURS = ("var(--one)", "var(--two)", "var(--three)")


def lines(
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    levels: Sequence[tuple[str, float]] = (),
) -> str:
    """Curves on the unit square: (name, x, y) each, and dashed horizontal levels to compare with."""
    def point(x: float, y: float) -> str:
        return f"{LEFT + x * (WIDTH - LEFT - RIGHT):.1f},{HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM):.1f}"

    body = _y_axis(1.0, 5, lambda value: f"{value:.1f}", y_label)
    for tick in range(6):
        x, _ = point(tick / 5, 0).split(",")
        body.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle" fill="currentColor">{tick / 5:.1f}</text>')
    body.append(_x_label(x_label))
    for colour, (_, xs, ys) in zip(COLOURS, series):
        points = " ".join(point(x, y) for x, y in zip(xs, ys))
        body.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    for colour, (_, level) in zip(COLOURS[len(series) :], levels):
        (x1, y1), (x2, y2) = (point(x, level).split(",") for x in (0, 1))
        body.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="1.5" stroke-dasharray="6 4"/>')
    body += _legend([name for name, *_ in series] + [name for name, _ in levels])
    return _drawing(title, body)


def bars(labels: Sequence[str], series: Sequence[tuple[str, Sequence[float]]], *, title: str, x_label: str, y_label: str) -> str:
    """Stacked bars: one bar a label, one colour a series."""
    top, ticks = _round_up(max((sum(values) for values in zip(*(values for _, values in series))), default=0))
    step = (WIDTH - LEFT - RIGHT) / max(len(labels), 1)
    body = _y_axis(top, ticks, lambda value: f"{value:,.0f}", y_label)
    floor = [float(HEIGHT - BOTTOM)] * len(labels)
    for colour, (name, values) in zip(COLOURS, series):
        for i, value in enumerate(values):
            height = value / top * (HEIGHT - TOP - BOTTOM)
            floor[i] -= height
            body.append(
                f'<rect x="{LEFT + (i + 0.15) * step:.1f}" y="{floor[i]:.1f}" width="{step * 0.7:.1f}" height="{height:.1f}" '
                f'fill="{colour}"><title>{text(labels[i])}, {text(name)}: {value:,}</title></rect>'
            )
    for i, label in enumerate(labels):
        x = LEFT + (i + 0.5) * step
        body.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle" fill="currentColor">{text(label)}</text>')
    body.append(_x_label(x_label))
    body += _legend([name for name, _ in series])
    return _drawing(title, body)


def _round_up(top: float) -> tuple[int, int]:
    """A round end of the axis at or above `top`, and into how many steps to divide it."""
    step = next(base * 10**power for power in range(16) for base in (1, 2, 5) if base * 10**power * 5 >= top)
    ticks = max(math.ceil(top / step), 1)
    return step * ticks, ticks


def _y_axis(top: float, ticks: int, format_value: Callable[[float], str], label: str) -> list[str]:
    body = []
    for tick in range(ticks + 1):
        y = HEIGHT - BOTTOM - tick / ticks * (HEIGHT - TOP - BOTTOM)
        body.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="var(--line)"/>')
        value = text(format_value(tick / ticks * top))
        body.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="currentColor">{value}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    body.append(f'<text transform="translate(14,{middle:.0f}) rotate(-90)" text-anchor="middle" fill="currentColor">{text(label)}</text>')
    return body


def _x_label(label: str) -> str:
    x = (LEFT + WIDTH - RIGHT) / 2
    return f'<text x="{x:.0f}" y="{HEIGHT - 8}" text-anchor="middle" fill="currentColor">{text(label)}</text>'


def _legend(names: Sequence[str]) -> list[str]:
    body, x = [], LEFT
    for colour, name in zip(COLOURS, names):
        body.append(f'<rect x="{x:.0f}" y="10" width="12" height="12" rx="2" fill="{colour}"/>')
        body.append(f'<text x="{x + 18:.0f}" y="20" fill="currentColor">{text(name)}</text>')
        x += 18 + 7 * len(name) + 24
    return body


def _drawing(title: str, body: list[str]) -> str:
    inside = "\n".join(body)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(title)}"><title>{text(title)}</title>\n{inside}\n</svg>'
