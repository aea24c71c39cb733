"""The test week as a service sees it: payments and, seven days after each, its label, one event at a time.

The same stream is written for programs in other languages. `stream.bin` is a sequence of little-endian records of 50
bytes, without a header, in the order of arrival:

    u8   kind         0 observe: a row of `transactions`; 1 label: TX_FRAUD of a row seen before; 2 decide: a request
    i64  transaction  TRANSACTION_ID
    i64  epoch_s      when it happens: the payment's second; for a label the second it arrives
    i64  customer     CUSTOMER_ID
    i64  terminal     TERMINAL_ID
    f64  amount       TX_AMOUNT
    i64  sequence     ORACLE_CUSTOMER_SEQ
    u8   label        0, 1, or 255 where it is not known

`expected.bin` holds for each decide, in the same order, one record: 15 times (f64 value, u8 status) in the order of
the contract's features, NaN (0x7ff8000000000000) where the value is null, then the f32 margin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featlib.demo.protocol import DAY_S, DELAY_DAYS, TEST_END_S, TEST_START_S

__all__ = ["DECIDE", "EVENT", "LABEL", "OBSERVE", "Served", "build", "differing_bits", "expected_dtype", "serve", "write"]

EVENT = np.dtype([
    ("kind", "u1"),
    ("transaction", "<i8"),
    ("epoch_s", "<i8"),
    ("customer", "<i8"),
    ("terminal", "<i8"),
    ("amount", "<f8"),
    ("sequence", "<i8"),
    ("label", "u1"),
])
OBSERVE, LABEL, DECIDE = 0, 1, 2
UNKNOWN = 255
HISTORY_DAYS = 48  # the contract keeps 40 days; the rest shows that older rows change nothing
PROGRESS_EVERY = 2_000


@dataclass
class Served:
    """What the scorer answered, one row a decision."""

    values: np.ndarray
    status: np.ndarray
    margin: np.ndarray
    outcome: list[str]


def build(raw: dict[str, np.ndarray], decided: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(history, live): what was seen before the test week, and what arrives in it.

    `decided` marks the rows to be decided. At one instant labels come first, then the payments in their customer's
    order, each decided before it is observed.
    """
    delay_s = DELAY_DAYS * DAY_S
    epoch = raw["TX_EPOCH_S"]
    past = (epoch >= TEST_START_S - HISTORY_DAYS * DAY_S) & (epoch < TEST_START_S)
    week = (epoch >= TEST_START_S) & (epoch < TEST_END_S)
    maturing = (epoch >= TEST_START_S - delay_s) & (epoch < TEST_END_S - delay_s)

    history = _events(raw, past, OBSERVE)
    history["label"] = np.where(epoch[past] < TEST_START_S - delay_s, raw["TX_FRAUD"][past], UNKNOWN)
    labels = _events(raw, maturing, LABEL)
    labels["epoch_s"] += delay_s
    labels["label"] = raw["TX_FRAUD"][maturing]
    live = np.concatenate([labels, _events(raw, week & decided, DECIDE), _events(raw, week, OBSERVE)])
    # lexsort: the last key counts most. DECIDE > OBSERVE, so minus the kind puts a decision before its own row.
    order = np.lexsort((
        -live["kind"].astype(np.int8),
        live["transaction"],
        live["sequence"],
        live["kind"] != LABEL,
        live["epoch_s"],
    ))
    return history, live[order]


def _events(raw: dict[str, np.ndarray], rows: np.ndarray, kind: int) -> np.ndarray:
    events = np.zeros(np.count_nonzero(rows), dtype=EVENT)
    events["kind"] = kind
    events["transaction"] = raw["TRANSACTION_ID"][rows]
    events["epoch_s"] = raw["TX_EPOCH_S"][rows]
    events["customer"] = raw["CUSTOMER_ID"][rows]
    events["terminal"] = raw["TERMINAL_ID"][rows]
    events["amount"] = raw["TX_AMOUNT"][rows]
    events["sequence"] = raw["ORACLE_CUSTOMER_SEQ"][rows]
    events["label"] = UNKNOWN
    return events


def history_table(history: np.ndarray) -> Any:
    """The history as one Arrow table; a label that is not known yet is null."""
    import pyarrow as pa

    return pa.table({
        "TRANSACTION_ID": history["transaction"].copy(),
        "TX_EPOCH_S": history["epoch_s"].copy(),
        "CUSTOMER_ID": history["customer"].copy(),
        "TERMINAL_ID": history["terminal"].copy(),
        "TX_AMOUNT": history["amount"].copy(),
        "ORACLE_CUSTOMER_SEQ": history["sequence"].copy(),
        "TX_FRAUD": pa.array(history["label"] == 1, mask=history["label"] == UNKNOWN),
    })


def serve(
    scorer: Any,
    history: np.ndarray,
    live: np.ndarray,
    features: list[str],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Served:
    """Show the scorer the history at once and the week event by event; collect its decisions."""
    scorer.observe("transactions", history_table(history))
    decisions = int(np.count_nonzero(live["kind"] == DECIDE))
    served = Served(
        np.empty((decisions, len(features))),
        np.empty((decisions, len(features)), dtype=np.uint8),
        np.empty(decisions, dtype=np.float32),
        [],
    )
    observe, decide = scorer.observe, scorer.decide
    events = live.tolist()  # Python's own ints and floats: the loop converts nothing
    for i, (kind, transaction, epoch_s, customer, terminal, amount, sequence, label) in enumerate(events):
        if kind == LABEL:
            observe("transactions", {"TRANSACTION_ID": transaction, "TX_FRAUD": label == 1})
            continue
        row = {
            "TRANSACTION_ID": transaction,
            "CUSTOMER_ID": customer,
            "TERMINAL_ID": terminal,
            "TX_AMOUNT": amount,
            "ORACLE_CUSTOMER_SEQ": sequence,
        }
        if kind == DECIDE:
            decision = decide(row, as_of=epoch_s * 1_000_000, request_id=str(transaction))
            at = len(served.outcome)
            values, status = decision.features, decision.status
            served.values[at] = [values[name] for name in features]  # None becomes NaN
            served.status[at] = [status[name] for name in features]
            served.margin[at] = decision.margin
            served.outcome.append(decision.outcome)
        else:
            observe("transactions", row | {"TX_EPOCH_S": epoch_s, "TX_FRAUD": None})
        if i % PROGRESS_EVERY == 0:
            progress(i, len(events))
    return served


def differing_bits(left: np.ndarray, right: np.ndarray) -> int:
    """How many bits of two arrays of one type and shape differ; every NaN is the same NaN."""
    pair = []
    for array in (left, right):
        if array.dtype.kind == "f":
            array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
        pair.append(np.ascontiguousarray(array).view(np.uint8))
    return int(np.unpackbits(pair[0] ^ pair[1]).sum())


def expected_dtype(features: int) -> np.dtype:
    """One record of `expected.bin`."""
    return np.dtype([("features", [("value", "<f8"), ("status", "u1")], (features,)), ("margin", "<f4")])


def write(folder: Path, history: np.ndarray, live: np.ndarray, values: np.ndarray, status: np.ndarray, margin: np.ndarray) -> None:
    """`stream.bin` and `expected.bin`: the stream for other programs, and what they must answer."""
    expected = np.empty(len(values), dtype=expected_dtype(values.shape[1]))
    expected["features"]["value"] = np.where(np.isnan(values), np.nan, values)
    expected["features"]["status"] = status
    expected["margin"] = margin
    (folder / "stream.bin").write_bytes(history.tobytes() + live.tobytes())
    (folder / "expected.bin").write_bytes(expected.tobytes())
