"""Assertions for the tests of those who use featlib: pytest shows the feature, the row and both values.

    from featlib.testing import assert_no_skew, assert_parity

    def test_serving_equals_training():
        assert_parity(contract, decisions, {"transactions": rows}, as_of="as_of")
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from featlib.frames import TableLike

if TYPE_CHECKING:
    from featlib import Contract

__all__ = ["assert_no_skew", "assert_parity", "bits"]


def assert_no_skew(left: TableLike, right: TableLike, *, key: str | Sequence[str]) -> None:
    """Fail unless both tables hold the same rows with the same bits; the message is the table of what differs."""
    from featlib.skew import skew

    report = skew(left, right, key=key)
    if not report.ok:
        raise AssertionError(f"\n{report.to_text()}")


def assert_parity(contract: Contract, decisions: TableLike, sources: dict[str, Any], *, as_of: str | tuple[str, str]) -> None:
    """Fail unless `replay` equals `reference`, the slow definition, in every bit of every value and in every status."""
    import featlib as fl

    fast = fl.replay(contract, decisions, sources, as_of=as_of)
    slow = fl.reference(contract, decisions, sources, as_of=as_of)
    fast_values, slow_values = fast.to_numpy(), slow.to_numpy()
    lines = []
    for feature in contract.features:
        left, right = fast_values[feature], slow_values[feature]
        left_status, right_status = np.asarray(fast.status(feature)), np.asarray(slow.status(feature))
        differs = (bits(left) != bits(right)) | (left_status != right_status)
        if differs.any():
            row = int(np.argmax(differs))
            lines.append(
                f"`{feature}` differs in {differs.sum():,} of {differs.size:,} rows; first at row {row}: "
                f"replay {left[row]!r} (status {left_status[row]}), reference {right[row]!r} (status {right_status[row]})"
            )
    if lines:
        raise AssertionError("replay and reference differ\n" + "\n".join(lines))


def bits(values: Any) -> np.ndarray:
    """`values` so that `==` compares their bits: floats as unsigned integers, every NaN the same, all else unchanged."""
    values = np.ascontiguousarray(values)
    if values.dtype.kind != "f":
        return values
    one_nan = np.where(np.isnan(values), values.dtype.type(np.nan), values)
    return one_nan.view(f"u{values.dtype.itemsize}")
