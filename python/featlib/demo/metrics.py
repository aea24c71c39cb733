"""The handbook's three measures of a ranking (chapter 4), and the curve behind one of them."""

from __future__ import annotations

import numpy as np

__all__ = ["average_precision", "card_precision", "precision_recall", "roc_auc"]


def roc_auc(label: np.ndarray, score: np.ndarray) -> float:
    """The chance that a fraud scores above a genuine payment, ties counted half."""
    distinct, group = np.unique(score, return_inverse=True)
    genuine = np.bincount(group[label == 0], minlength=distinct.size)
    fraud = np.bincount(group[label == 1], minlength=distinct.size)
    below = np.cumsum(genuine) - genuine
    return float(np.sum(fraud * (below + genuine / 2)) / (genuine.sum() * fraud.sum()))


def precision_recall(label: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall at every distinct threshold, from the highest score down."""
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(label[order])
    last_of_tie = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])
    return found[last_of_tie] / (last_of_tie + 1), found[last_of_tie] / max(found[-1], 1)


def average_precision(label: np.ndarray, score: np.ndarray) -> float:
    """Precision, averaged over the recall it is reached at."""
    precision, recall = precision_recall(label, score)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def card_precision(day: np.ndarray, card: np.ndarray, label: np.ndarray, score: np.ndarray, k: int = 100) -> float:
    """Of the `k` cards a day with the highest score, the share that was defrauded, averaged over the days.

    A card found on one day is not looked at again on a later one.
    """
    found = np.empty(0, dtype=card.dtype)
    shares = []
    for today in np.unique(day):
        rows = (day == today) & ~np.isin(card, found)
        cards, group = np.unique(card[rows], return_inverse=True)
        best = np.full(cards.size, -np.inf)
        np.maximum.at(best, group, score[rows])
        defrauded = np.bincount(group, weights=label[rows], minlength=cards.size) > 0
        top = np.argsort(-best, kind="stable")[:k]
        shares.append(defrauded[top].sum() / k)
        found = np.union1d(found, cards[top][defrauded[top]])
    return float(np.mean(shares))
