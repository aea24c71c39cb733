"""The handbook's split of chapter 3: a week to train on, a week of delay, a week to test on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

__all__ = ["DAY_S", "DELAY_DAYS", "TEST_END_S", "TEST_START_S", "WEEK_DAYS", "Split", "split"]

DAY_S = 86_400
WEEK_DAYS = 7
DELAY_DAYS = 7


def _epoch_s(year: int, month: int, day: int) -> int:
    return int(dt.datetime(year, month, day, tzinfo=dt.UTC).timestamp())


TRAIN_START_S = _epoch_s(2018, 7, 25)
TEST_START_S = TRAIN_START_S + (WEEK_DAYS + DELAY_DAYS) * DAY_S
TEST_END_S = TEST_START_S + WEEK_DAYS * DAY_S


@dataclass(frozen=True)
class Split:
    """Row masks, and the test day (0..6) of every row."""

    train: np.ndarray
    test: np.ndarray
    day: np.ndarray


def split(raw: dict[str, np.ndarray]) -> Split:
    """Train 2018-07-25..31; test 2018-08-08..14 without the customers known as defrauded by then.

    Known on a test day are the customers with a fraud in the training week, and those with one in the delay week at
    least a whole delay before that day.
    """
    day = (raw["TX_EPOCH_S"] - TRAIN_START_S) // DAY_S
    fraud, customer = raw["TX_FRAUD"] == 1, raw["CUSTOMER_ID"]
    train = (day >= 0) & (day < WEEK_DAYS)
    test = np.zeros(day.size, dtype=bool)
    for test_day in range(WEEK_DAYS + DELAY_DAYS, 2 * WEEK_DAYS + DELAY_DAYS):
        known = customer[fraud & (day >= 0) & (day < test_day - DELAY_DAYS)]
        test |= (day == test_day) & ~np.isin(customer, known)
    return Split(train, test, day - (WEEK_DAYS + DELAY_DAYS))
