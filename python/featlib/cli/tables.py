"""Tables on the command line: Parquet, CSV and Arrow files by their content, `-` for standard input. Needs pyarrow."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["MissingPackage", "read_table", "require_pyarrow", "source_types", "write_table"]

PARQUET, ARROW_FILE, ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"


class MissingPackage(Exception):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs {package}, which is not installed\n  help: pip install 'featlib[{extra}]'")


def require_pyarrow() -> Any:
    """The pyarrow module with its readers and writers, or a friendly refusal."""
    try:
        import pyarrow
        import pyarrow.csv
        import pyarrow.ipc
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise MissingPackage("pyarrow", "cli") from None
    return pyarrow


def read_table(path: str, types: dict[str, str] | None = None) -> Any:
    """The table in a file as a `pyarrow.Table`.

    `types` maps columns to contract types. CSV has none of its own, and guessing turns the key "007" into 7: a column
    the contract knows is read as the contract says, only the others are guessed.
    """
    pa = require_pyarrow()
    data = sys.stdin.buffer.read() if path == "-" else None
    source = io.BytesIO(data) if data is not None else path
    head = data[:6] if data is not None else _head(path)
    if head.startswith(PARQUET):
        # ParquetFile and not read_table, which would add columns from the names of folders.
        return pa.parquet.ParquetFile(source).read()
    if head.startswith(ARROW_FILE):
        with pa.ipc.open_file(source) as reader:
            return reader.read_all()
    if head.startswith(ARROW_STREAM):
        with pa.ipc.open_stream(source) as reader:
            return reader.read_all()
    return _read_csv(pa, source, types or {})


def _head(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(6)


def _read_csv(pa: Any, source: Any, types: dict[str, str]) -> Any:
    # decimal stays text: the library parses it exactly, a double in between would round it first.
    arrow_types = {
        "string": pa.string(),
        "category": pa.string(),
        "decimal": pa.string(),
        "timestamp": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
    }
    known = {name: arrow_types[kind] for name, kind in types.items() if kind in arrow_types}
    options = pa.csv.ConvertOptions(column_types=known, strings_can_be_null=True, quoted_strings_can_be_null=False)
    return pa.csv.read_csv(source, convert_options=options)


def source_types(contract: Any, source: str | None = None) -> dict[str, str]:
    """Column types a CSV file of `source` has by contract; without `source`, those of a table of decisions."""
    resolved = json.loads(contract.resolved_json())
    types: dict[str, str] = {}
    for entity in resolved.get("entities", {}).values():
        types.update(zip(entity["key"], entity["type"]))
    named = source or resolved.get("request_of")
    sources = resolved.get("sources", {})
    columns = [sources[named].get("columns", {})] if named in sources else []
    if source is None:
        columns.append(resolved.get("request", {}))
    for group in columns:
        types.update({name: column["type"] for name, column in group.items()})
    return types


def write_table(table: Any, path: str) -> None:
    """Write what has `__arrow_c_stream__` by the ending of the path: .parquet, .csv, else an Arrow file; `-` is an Arrow stream."""
    pa = require_pyarrow()
    table = pa.table(table)
    suffix = Path(path).suffix.lower()
    if path == "-":
        with pa.ipc.new_stream(sys.stdout.buffer, table.schema) as writer:
            writer.write_table(table)
    elif suffix == ".parquet":
        pa.parquet.write_table(table, path)
    elif suffix == ".csv":
        pa.csv.write_csv(table, path)
    else:
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
