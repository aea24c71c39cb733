"""Assertions for the tests of those who use featlib: pytest shows the feature, the row and both values.

    from featlib.testing import assert_no_skew, assert_parity

    def test_serving_equals_training():
        assert_parity(contract, decisions, {"transactions": rows}, as_of="as_of")

`featlib.testing.strategies` draws contracts, and histories for yours, with Hypothesis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from featlib.frames import TableLike

if TYPE_CHECKING:
    from featlib import Contract, FeatureTable

__all__ = ["assert_no_skew", "assert_parity", "bits"]


def assert_no_skew(left: TableLike, right: TableLike, *, key: str | Sequence[str]) -> None:
    """Fail unless both tables hold the same rows with the same bits; the message is the table of what differs."""
    from featlib.skew import skew

    report = skew(left, right, key=key)
    if not report.ok:
        raise AssertionError(f"\n{report.to_text()}")


def assert_parity(
    contract: Contract, decisions: TableLike, sources: dict[str, Any], *, as_of: str | tuple[str, str] = "as_of", complete_from: Any = None
) -> None:
    """Fail unless training, serving and the definition give the same bits of every value and the same status.

    `replay` (training) is compared with `reference`, the slow definition, and with a `Scorer` to which each row came when it
    became known and each decision at its own instant. The arguments are those of `replay`. Takes decisions x rows steps and a
    Python call a decision: thousands of each, not millions. Raises AssertionError with the first difference of each feature,
    DataError as `replay` does; needs pyarrow.
    """
    import featlib as fl
    from featlib.frames import _needs
    from featlib.testing._serving import serve

    table = _needs("pyarrow").table(decisions)
    replayed = fl.replay(contract, table, sources, as_of=as_of, complete_from=complete_from)
    defined = fl.reference(contract, table, sources, as_of=as_of, complete_from=complete_from)
    served = serve(contract, table, sources, as_of, complete_from)
    lines = []
    for feature in contract.features:
        training, definition = _cells(replayed, feature), _cells(defined, feature)
        serving = {i: (vector.values[feature], int(vector.status[feature])) for i, vector in served.items()}
        for path, other in (("reference", dict(enumerate(definition))), ("scorer", serving)):
            differing = [i for i in other if _cell_bits(training[i]) != _cell_bits(other[i])]
            if differing:
                row = differing[0]
                lines.append(
                    f"`{feature}` differs in {len(differing):,} of {len(other):,} rows; first at row {row}: "
                    f"replay {_shown(training[row])}, {path} {_shown(other[row])}"
                )
    if lines:
        raise AssertionError("training, serving and the definition differ\n" + "\n".join(lines))


_Cell = tuple[Any, int]  # value and status


def _cells(table: FeatureTable, feature: str) -> list[_Cell]:
    import pyarrow as pa

    column = pa.table(table).column(feature)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())  # as a scorer gives it
    return list(zip(column.to_pylist(), table.status(feature).tolist(), strict=True))


def _cell_bits(cell: _Cell) -> tuple[type, Any, int]:
    value, status = cell
    return type(value), value.hex() if isinstance(value, float) else value, status


def _shown(cell: _Cell) -> str:
    value, status = cell
    return f"{value!r} (status {status})"


def bits(values: Any) -> np.ndarray:
    """`values` so that `==` compares their bits: floats as unsigned integers, every NaN the same, all else unchanged."""
    values = np.ascontiguousarray(values)
    if values.dtype.kind != "f":
        return values
    one_nan = np.where(np.isnan(values), values.dtype.type(np.nan), values)
    return one_nan.view(f"u{values.dtype.itemsize}")
