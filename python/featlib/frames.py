"""Feature tables as other libraries' tables. Each is imported only when asked for."""


class _Stream:
    """Gives a table's stream with options to whoever speaks the Arrow PyCapsule protocol."""

    def __init__(self, table, options):
        self._table, self._options = table, options

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.stream(**self._options)


def _needs(package):
    try:
        return __import__(package)
    except ImportError as error:
        raise ImportError(f"this needs {package}: pip install {package}") from error


def to_arrow(table, *, status=False, category_text=False):
    return _needs("pyarrow").table(_Stream(table, {"status": status, "category_text": category_text}))


def to_pandas(table, *, status=False, category_text=False):
    return to_arrow(table, status=status, category_text=category_text).to_pandas()


def to_polars(table, *, status=False, category_text=False):
    return _needs("polars").DataFrame(_Stream(table, {"status": status, "category_text": category_text}))
