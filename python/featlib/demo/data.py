"""The demo's transactions: a file that was named, the handbook's own where they lie beside the checkout, else simulated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featlib.cli.tables import read_table
from featlib.datasets import card_transactions

__all__ = ["Transactions", "find_handbook", "load"]

HANDBOOK = Path("shared/data/handbook/raw.parquet")
# Enough for the windows of the training week (30 days after a delay of 7), and not more.
QUICK = {"start": "2018-06-16", "days": 60, "scale": 0.05}


@dataclass(frozen=True)
class Transactions:
    """Columns as NumPy arrays, one row a payment, in order of TRANSACTION_ID; where they come from, in words."""

    columns: dict[str, np.ndarray]
    origin: str
    published: dict[str, np.ndarray] | None = None

    @property
    def rows(self) -> int:
        """How many payments there are."""
        return len(self.columns["TRANSACTION_ID"])


def find_handbook() -> Path | None:
    """The handbook's raw table, in `shared/data/handbook` of a folder at or above the current one or this package's."""
    for base in (Path.cwd() / "x", Path(__file__).resolve()):
        for folder in base.parents:
            if (folder / HANDBOOK).is_file():
                return folder / HANDBOOK
    return None


def load(data: str | None = None, *, quick: bool = False, scale: float | None = None, seed: int = 2018) -> Transactions:
    """The transactions to show. `scale` and `quick` ask for simulated ones."""
    path = Path(data) if data else None if quick or scale is not None else find_handbook()
    if path is None:
        size: dict[str, Any] = QUICK if quick else {}
        columns = card_transactions(**(size | ({"scale": scale} if scale is not None else {})), seed=seed)
        return Transactions(columns, f"simulated with seed {seed}")
    columns = _columns(path)
    beside = path.with_name("transformed.parquet")
    published = _columns(beside) if beside.is_file() else None
    if published is not None and not np.array_equal(published["TRANSACTION_ID"], columns["TRANSACTION_ID"]):
        published = None  # features of other rows say nothing about these
    return Transactions(columns, "/".join(path.resolve().parts[-2:]), published)


def _columns(path: Path) -> dict[str, np.ndarray]:
    table = read_table(str(path))
    return {name: table[name].to_numpy() for name in table.column_names}
