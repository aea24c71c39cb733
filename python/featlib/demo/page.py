"""The demo's result as one HTML file."""

from __future__ import annotations

import numpy as np

from featlib.demo.published import SCORES
from featlib.demo.result import Result
from featlib.reports import svg
from featlib.reports.page import figure, page, section, table, text, tiles

__all__ = ["render"]

CURVE_POINTS = 400


def render(result: Result) -> str:
    """The page: what was shown, the scores, two plots, every comparison and the time it took."""
    verdict = "Every bit is the same." if result.ok else "Something differs."
    lead = f"{verdict} One contract computed the training table and answered the requests of the test week."
    return page("featlib demo: one number, in training and in serving", [
        _tiles(result),
        _model(result),
        _decisions(result),
        _comparisons(result),
        _features(result),
        _times(result),
    ], lead=lead, footer=f"featlib demo. Data: {result.origin}, {result.rows:,} transactions.")


def _bits(count: int) -> str:
    return "1 bit differs" if count == 1 else f"{count:,} bits differ"


def _tiles(result: Result) -> str:
    served = ("Serving and training", _bits(result.served_bits), f"{result.served:,} values and statuses", not result.served_bits)
    logged = ("Logged and recomputed", _bits(result.replayed_bits), f"{result.replayed:,} decisions", not result.replayed_bits)
    margins = ("Margins and XGBoost's", _bits(result.margin_bits), f"{result.margins:,} margins", not result.margin_bits)
    average_precision = result.scores["Average precision"]
    note = f"the handbook has {SCORES['Average precision']:.3f}" if result.has_published else "on simulated data"
    return tiles([served, logged, margins, ("Average precision", f"{average_precision:.3f}", note, None)])


def _model(result: Result) -> str:
    rows = [[name, f"{value:.4f}", f"{SCORES[name]:.3f}"] for name, value in result.scores.items()]
    recall, precision = _thinned(result.curve)
    plot = svg.lines(
        [("this run", recall, precision)],
        title="Precision against recall in the test week",
        x_label="recall",
        y_label="precision",
        levels=[(f"the handbook's average precision, {SCORES['Average precision']:.3f}", SCORES["Average precision"])],
    )
    split = (
        f"XGBoost, 100 trees of depth 6, trained on {result.train[0]:,} transactions of 25 to 31 July 2018 "
        f"({result.train[1]:,} frauds) and tested on {result.test[0]:,} of 8 to 14 August 2018 ({result.test[1]:,} frauds), "
        "without customers already known as defrauded."
    )
    caution = "" if result.has_published else "<p>These are simulated transactions: the handbook's numbers are a landmark, not a target.</p>"
    return section(
        "The model",
        f"<p>{text(split)}</p>{caution}",
        table(["Measure", "this run", "handbook"], rows),
        "<p>Card precision@100: of the 100 cards with the highest scores of a day, the share with a fraud; the mean of the days.</p>",
        figure(plot, "Each point is a threshold of the score; the area under the curve is the average precision."),
    )


def _thinned(curve: tuple[np.ndarray, np.ndarray]) -> tuple[list[float], list[float]]:
    """Enough points of (precision, recall) to draw; a page needs no 58,264 of them."""
    precision, recall = curve
    keep = np.unique(np.searchsorted(recall, np.linspace(0, recall[-1], CURVE_POINTS)).clip(0, recall.size - 1))
    return recall[keep].tolist(), precision[keep].tolist()


def _decisions(result: Result) -> str:
    flagged = [(name, counts) for name, counts in result.outcomes.items() if name != "approve"]
    plot = svg.bars(result.days, flagged, title="Transactions reviewed and blocked per day", x_label="day of the test week, UTC", y_label="transactions")
    total = {name: sum(counts) for name, counts in result.outcomes.items()}
    counts = ", ".join(f"{name} {count:,}" for name, count in total.items())
    return section("The decisions", figure(plot, f"Decisions of the test week: {counts}. Approved transactions are not drawn."))


def _comparisons(result: Result) -> str:
    rows = [[what, other, f"{values:,}", found] for what, other, values, found in result.checks()]
    embedded = f"<p>C++ example: {text(result.embedded.line)}</p>" if result.embedded else ""
    return section("What was compared", table(["What", "With", "Values", "Result"], rows), embedded)


def _features(result: Result) -> str:
    rows = [
        [comparison.feature, comparison.rule, f"{comparison.values:,}", f"{comparison.wrong:,}", f"{comparison.largest:.3g}"]
        for comparison in result.comparisons
    ]
    note = (
        "<p>featlib's means are the exact ones, rounded once. The handbook's were computed with running sums, whose drift "
        "is the difference shown where a tolerance is given. Differences are absolute, in the feature's own unit.</p>"
    )
    return section("The features", note, table(["Feature", "Must be", "Values", "Wrong", "Largest difference"], rows))


def _times(result: Result) -> str:
    rows = [[name, f"{seconds:.2f} s", note] for name, seconds, note in result.times]
    return section("The time it took", table(["Step", "Time", "What"], rows))
