"""Tables in and tables out: what counts as one, and feature tables as other libraries' own.

No dataframe library is imported before it is asked for.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from featlib import FeatureTable

__all__ = ["ArrowArray", "ArrowStream", "TableLike", "to_arrow", "to_pandas", "to_polars"]


class ArrowStream(Protocol):
    """A table by the Arrow PyCapsule protocol: pyarrow, Polars, DuckDB, pandas >= 2.2, and featlib's own."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> object: ...


class ArrowArray(Protocol):
    """One batch of a table by the same protocol: pyarrow.RecordBatch."""

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[object, object]: ...


# The third form is a dict of columns: one-dimensional NumPy arrays, or lists, of one length.
TableLike: TypeAlias = ArrowStream | ArrowArray | dict[str, Any]


class _Stream:
    """Gives a table's stream with options to whoever speaks the Arrow PyCapsule protocol."""

    def __init__(self, table: FeatureTable, status: bool, category_text: bool) -> None:
        self._table, self._status, self._category_text = table, status, category_text

    def __arrow_c_stream__(self, requested_schema: Any = None) -> object:
        return self._table.stream(status=self._status, category_text=self._category_text)


def _needs(package: str) -> ModuleType:
    try:
        return __import__(package)
    except ImportError as error:
        raise ImportError(f"this needs {package}: pip install {package}") from error


def to_arrow(table: FeatureTable, *, status: bool = False, category_text: bool = False) -> pyarrow.Table:
    """What `FeatureTable.to_arrow` gives."""
    return _needs("pyarrow").table(_Stream(table, status, category_text))


def to_pandas(table: FeatureTable, *, status: bool = False, category_text: bool = False) -> pandas.DataFrame:
    """What `FeatureTable.to_pandas` gives."""
    return to_arrow(table, status=status, category_text=category_text).to_pandas()


def to_polars(table: FeatureTable, *, status: bool = False, category_text: bool = False) -> polars.DataFrame:
    """What `FeatureTable.to_polars` gives."""
    return _needs("polars").DataFrame(_Stream(table, status, category_text))
