"""Hypothesis strategies: contracts, and histories for a contract, that meet at every edge. Needs `hypothesis` and `pyarrow`.

    from hypothesis import given
    from featlib.testing import assert_parity
    from featlib.testing.strategies import histories

    @given(histories(contract))
    def test_serving_equals_training(history):
        assert_parity(contract, history.decisions, history.sources, as_of=history.as_of)
"""

from __future__ import annotations

import dataclasses
import json
import random
from typing import Any

import pyarrow as pa
from hypothesis import note
from hypothesis import strategies as st

import featlib as fl
from featlib.testing._contracts import RandomContract
from featlib.testing._histories import Pools, decision_table, random_decision, random_sources, source_table
from featlib.testing._resolved import resolved

__all__ = ["History", "contracts", "histories"]

# Draws of this generator are Hypothesis's own, so a failing case shrinks.
_RANDOM = st.randoms(use_true_random=False)


@dataclasses.dataclass(frozen=True, eq=False)
class History:
    """Tables by source and a table of decisions, to be given to `replay`, `assert_parity` or a scorer.

    `as_of` is the decisions' column of the instant. Clocks are Arrow timestamps in UTC, decimals text.
    """

    sources: dict[str, pa.Table]
    decisions: pa.Table
    as_of: str = "as_of"

    def __repr__(self) -> str:
        tables = {**self.sources, "decisions": self.decisions}
        return "History(\n" + "".join(f"  {name}:\n" + "".join(f"    {row}\n" for row in table.to_pylist()) for name, table in tables.items()) + ")"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # Hypothesis would list the fields of a dataclass
        printer.text(repr(self))


@st.composite
def contracts(draw: st.DrawFn) -> fl.Contract:
    """Contracts of one to four sources and a dozen features: every aggregate, window, bound and clock, unions and chains.

    The text is shown with a failing case.
    """
    text = json.dumps(RandomContract(draw(_RANDOM)).as_dict(), ensure_ascii=False, indent=1)
    note(text)
    return fl.Contract.parse(text)


@st.composite
def histories(draw: st.DrawFn, contract: fl.Contract, *, max_rows: int = 12, max_decisions: int = 5, corrections: bool = True) -> History:
    """Rows and decisions for any contract, good ones, whose instants and values collide.

    Instants lie on the edges of the contract's own windows and one microsecond beside them; keys, labels and values come from
    tiny pools, with the texts and numbers that the contract names among them; rows come late, twice, with one another's keys,
    and (`corrections`) are replaced and retracted. At most `max_rows` rows a source before corrections, 1 to `max_decisions` decisions.
    """
    rng: random.Random = draw(_RANDOM)
    full = resolved(contract)
    pools = Pools(rng, full)
    rows = random_sources(full, pools, most=max_rows, corrected=corrections and rng.random() < 0.3)
    decisions = [random_decision(full, pools, rows) for _ in range(rng.randint(1, max_decisions))]
    return History({name: source_table(full, name, of) for name, of in rows.items()}, decision_table(full, decisions))
