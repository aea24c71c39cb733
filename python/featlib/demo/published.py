"""Are the features right? Two answers that do not come from featlib: the handbook's columns, and rational arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from featlib.demo.protocol import DAY_S

__all__ = ["MEAN_TOLERANCE", "SCORES", "Comparison", "against_exact", "against_published"]

# Test AUC, average precision and card precision@100 of XGBoost in the handbook's chapter 3.
SCORES = {"AUC ROC": 0.862, "Average precision": 0.639, "Card precision@100": 0.273}

# The publication kept one running double a window, which drifts: up to 1.99e-12 from the exact mean.
MEAN_TOLERANCE = 2e-12
MEANS = {days: f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW" for days in (1, 7, 30)}
# Amounts are whole multiples of 2^-SHIFT, so that their sums are exact in Python's integers.
SHIFT = 80


@dataclass(frozen=True)
class Comparison:
    """One feature beside another source of it."""

    feature: str
    rule: str
    values: int
    wrong: int
    largest: float


def against_published(values: dict[str, np.ndarray], published: dict[str, np.ndarray]) -> list[Comparison]:
    """Counts, flags and rates must be the published ones exactly, means within the publication's own drift."""
    compared = []
    for feature, theirs in published.items():
        if feature == "TRANSACTION_ID":
            continue
        distance = np.abs(values[feature] - theirs)
        tolerance = MEAN_TOLERANCE if feature in MEANS.values() else 0.0
        wrong = int(np.count_nonzero(~(distance <= tolerance)))
        rule = f"within {tolerance:g}" if tolerance else "equal"
        compared.append(Comparison(feature, rule, theirs.size, wrong, float(distance.max())))
    return compared


def against_exact(values: dict[str, np.ndarray], raw: dict[str, np.ndarray], every: int = 8) -> list[Comparison]:
    """Means of every so-manieth customer, bit for bit the exact mean rounded once."""
    rows = np.flatnonzero(raw["CUSTOMER_ID"] % every == 0)
    rows = rows[np.lexsort((raw["ORACLE_CUSTOMER_SEQ"][rows], raw["CUSTOMER_ID"][rows]))]
    customers = np.split(rows, np.flatnonzero(np.diff(raw["CUSTOMER_ID"][rows])) + 1)
    compared = []
    for days, feature in MEANS.items():
        exact = np.array([
            mean
            for own in customers
            for mean in _exact_means(raw["TX_EPOCH_S"][own], raw["TX_AMOUNT"][own], days * DAY_S)
        ])
        ours = values[feature][rows]
        wrong = int(np.count_nonzero(ours.view(np.uint64) != exact.view(np.uint64)))
        largest = float(np.abs(ours - exact).max(initial=0.0))
        compared.append(Comparison(feature, "equal to the exact mean", rows.size, wrong, largest))
    return compared


def _exact_means(epoch: np.ndarray, amount: np.ndarray, window_s: int) -> list[float]:
    """For each row of one customer in order: the mean of the rows in (t - window, t] up to itself, rounded once."""
    sums = [0, *accumulate(int(math.ldexp(value, SHIFT)) for value in amount.tolist())]
    first = np.searchsorted(epoch, epoch - window_s, side="right").tolist()
    # int / int rounds correctly in Python, however long the integers are.
    return [(sums[i + 1] - sums[start]) / ((i + 1 - start) << SHIFT) for i, start in enumerate(first)]
