"""What a scorer answers when rows reach it as they became known, and decisions at their own instants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import featlib as fl
from featlib.testing._resolved import members, request_types, resolved
from featlib.testing._spelling import MICROSECONDS, microseconds

if TYPE_CHECKING:
    from featlib.frames import TableLike

GRACE = "36500d"  # rows are given once, before any decision could be too old for them


def serve(
    contract: fl.Contract, decisions: pa.Table, sources: dict[str, TableLike], as_of: str | tuple[str, str], complete_from: Any
) -> dict[int, fl.FeatureVector]:
    """Decision -> the vector served; decisions without an instant that a service would answer are left out."""
    bundle = fl.Bundle(contract=contract)
    options: dict[str, Any] = {"grace": GRACE, "complete_from": complete_from or "always"}
    everything = fl.Scorer(bundle, **options)
    for name, rows in sources.items():
        everything.observe(name, rows)
    arriving = []
    for name in members(resolved(contract)):
        history = pa.table(everything.export_history(name)).sort_by("known_at")
        arriving.append((name, history, history["known_at"].cast(pa.int64()).to_numpy()))

    scorer = fl.Scorer(bundle, **options)
    known = dict.fromkeys(contract.sources, 0)
    fields = [name for name in request_types(resolved(contract)) if name in decisions.column_names]
    requests = decisions.select(fields).to_pylist()
    answers = {}
    for now, i in sorted((t, i) for i, t in enumerate(_instants(decisions, as_of)) if t is not None):
        for name, history, known_at in arriving:
            first, known[name] = known[name], int(np.searchsorted(known_at, now, side="right"))
            if known[name] > first:
                scorer.observe(name, history.slice(first, known[name] - first))
        try:
            answers[i] = scorer.features(requests[i], as_of=now)
        except fl.DataError:  # a table holds requests that a service refuses; replay gives them the status error
            continue
    return answers


def _instants(decisions: pa.Table, as_of: str | tuple[str, str]) -> list[int | None]:
    """Microseconds since 1970 of every decision, None where it has none."""
    name, said = (as_of, "") if isinstance(as_of, str) else as_of
    column = decisions[name]
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return [None if text is None else microseconds(text) for text in column.to_pylist()]
    if pa.types.is_timestamp(column.type):
        if column.type.tz is None and said not in ("", *MICROSECONDS, "ns"):
            column = pc.assume_timezone(column, said)
        return pc.floor_temporal(column, unit="microsecond").cast(pa.timestamp("us", column.type.tz)).cast(pa.int64()).to_pylist()
    per = 1 if said == "ns" else 1000 * MICROSECONDS[said]
    return [None if t is None else int(t) * per // 1000 for t in column.to_pylist()]
