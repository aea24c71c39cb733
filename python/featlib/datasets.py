"""Data to try featlib with, made by a seed and needing nothing but NumPy.

    raw = featlib.datasets.card_transactions(scale=0.01, seed=7)
    raw["TX_AMOUNT"].mean()

`card_transactions` simulates card traffic as the Fraud Detection Handbook describes it (chapter 3, "Transaction data
simulator"): who pays where, how much and how often, and three ways in which fraud happens. It has the columns of the
handbook's data, not its rows: the seed, the order of the draws and the code are our own.
"""

from __future__ import annotations

import numpy as np

__all__ = ["card_transactions"]

DAY_S = 86_400

HANDBOOK_CUSTOMERS = 5_000
HANDBOOK_TERMINALS = 10_000
RADIUS = 5.0  # a customer uses the terminals within this distance; 10,000 terminals lie on a square of side 100

LARGE_AMOUNT_CENTS = 220_00  # scenario 1: every larger amount is a fraud
TERMINAL_DAYS = 28  # scenario 2: two terminals a day are taken over for so long
TERMINALS_A_DAY = 2
CUSTOMER_DAYS = 14  # scenario 3: three customers a day lose their card data for so long
CUSTOMERS_A_DAY = 3
CUSTOMER_SHARE = 1 / 3  # ... and this share of their payments is somebody else's,
CUSTOMER_FACTOR = 5  # ... five times as large


def card_transactions(
    *,
    customers: int | None = None,
    terminals: int | None = None,
    start: str = "2018-04-01",
    days: int = 183,
    scale: float = 1.0,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Simulated card transactions as a dict of NumPy arrays, one row a payment, in time order.

    `scale` multiplies the handbook's 5,000 customers and 10,000 terminals (about 1.75 million rows in 183 days);
    `customers` and `terminals` set them directly. The same arguments give the same rows.

    | Column | Meaning |
    |---|---|
    | TRANSACTION_ID | 0, 1, 2, ... in time order |
    | TX_EPOCH_S | whole seconds since 1970, UTC |
    | CUSTOMER_ID, TERMINAL_ID | who paid, and where |
    | TX_AMOUNT | the nearest double of a whole number of cents |
    | TX_FRAUD | 1 for a fraud |
    | TX_FRAUD_SCENARIO | 0 none, 1 large amount, 2 terminal, 3 customer; the last that applies |
    | ORACLE_CUSTOMER_SEQ | 0, 1, 2, ... among the rows of its customer: the order of payments in one second |
    """
    customers = round(HANDBOOK_CUSTOMERS * scale) if customers is None else customers
    terminals = round(HANDBOOK_TERMINALS * scale) if terminals is None else terminals
    if min(customers, terminals, days) < 1:
        raise ValueError("card_transactions needs at least one customer, one terminal and one day")
    first_s = int(np.datetime64(start, "s").astype(np.int64))
    rng = np.random.default_rng(seed)

    within, offsets = _terminals_in_reach(rng, customers, terminals)
    mean_cents = rng.uniform(500, 10_000, customers)
    daily_rate = rng.uniform(0, 4, customers)
    daily_rate[np.diff(offsets) == 0] = 0  # no terminal in reach: no payments

    counts = rng.poisson(daily_rate[:, None], (customers, days))
    customer, day = (np.repeat(axis.ravel(), counts.ravel()) for axis in np.indices(counts.shape))

    # Payments gather around noon; what falls outside the day did not happen.
    second = rng.normal(DAY_S / 2, 20_000, customer.size).astype(np.int64)
    happened = (second > 0) & (second < DAY_S)
    customer, day, second = customer[happened], day[happened], second[happened]

    mean = mean_cents[customer]
    cents = rng.normal(mean, mean / 2)
    cents = np.rint(np.where(cents < 0, rng.uniform(0, 2 * mean), cents)).astype(np.int64)
    choice = (rng.random(customer.size) * np.diff(offsets)[customer]).astype(np.int64)
    terminal = within[offsets[customer] + choice]

    scenario = np.where(cents > LARGE_AMOUNT_CENTS, 1, 0).astype(np.int8)
    taken_over = _spells(rng, terminals, days, TERMINALS_A_DAY * terminals / HANDBOOK_TERMINALS, TERMINAL_DAYS)
    scenario[taken_over[terminal, day]] = 2
    stolen = _spells(rng, customers, days, CUSTOMERS_A_DAY * customers / HANDBOOK_CUSTOMERS, CUSTOMER_DAYS)
    strangers = stolen[customer, day] & (rng.random(customer.size) < CUSTOMER_SHARE)
    scenario[strangers] = 3
    cents[strangers] *= CUSTOMER_FACTOR

    epoch = first_s + day * DAY_S + second
    order = np.argsort(epoch, kind="stable")
    customer = customer[order]
    scenario = scenario[order]
    return {
        "TRANSACTION_ID": np.arange(order.size, dtype=np.int64),
        "TX_EPOCH_S": epoch[order],
        "CUSTOMER_ID": customer,
        "TERMINAL_ID": terminal[order],
        "TX_AMOUNT": cents[order] / 100.0,
        "TX_FRAUD": (scenario > 0).astype(np.int8),
        "TX_FRAUD_SCENARIO": scenario,
        "ORACLE_CUSTOMER_SEQ": _count_within(customer),
    }


def _terminals_in_reach(rng: np.random.Generator, customers: int, terminals: int) -> tuple[np.ndarray, np.ndarray]:
    """The terminals near each customer: those of customer i are `within[offsets[i]:offsets[i + 1]]`."""
    side = float(np.sqrt(terminals))  # the handbook's density at every scale, so reach does not depend on it
    home = rng.uniform(0, side, (customers, 2))
    place = rng.uniform(0, side, (terminals, 2))
    near = [
        np.flatnonzero(np.square(place - point).sum(axis=1) < RADIUS * RADIUS)
        for point in home
    ]
    return np.concatenate(near), np.concatenate([[0], np.cumsum([len(found) for found in near])])


def _spells(rng: np.random.Generator, members: int, days: int, starts_a_day: float, length: int) -> np.ndarray:
    """A (members, days) table of who is compromised when: so many random spells, their starts spread evenly over the days."""
    inside = np.zeros((members, days), dtype=bool)
    spells = round(starts_a_day * days)
    for member, first in zip(rng.integers(members, size=spells), np.arange(spells) * days // max(spells, 1)):
        inside[member, first : first + length] = True
    return inside


def _count_within(group: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... inside each group, in row order."""
    order = np.argsort(group, kind="stable")
    grouped = group[order]
    first = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]]) if group.size else np.empty(0, np.int64)
    sizes = np.diff(np.r_[first, group.size])
    counted = np.empty(group.size, dtype=np.int64)
    counted[order] = np.arange(group.size) - np.repeat(first, sizes)
    return counted
