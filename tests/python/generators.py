"""Random contracts, histories and decisions that collide on purpose, good and bad: featlib.testing's, for the oracle.

    case = generators.triple(random.Random(7))
    case.text        the contract as the file's text (JSON, which is YAML)
    case.contract    the same as a dict, for oracle.evaluate; case.resolved with defaults filled in
    case.sources, case.decisions, case.complete_from
"""

import dataclasses
import json
import math
import os
import random
from functools import cached_property

import featlib as fl
import oracle
from featlib.testing._contracts import RandomContract
from featlib.testing._histories import DAY, HOUR, Pools, random_decision, random_sources, source_table, decision_table
from featlib.testing._resolved import gated_columns, resolved


@dataclasses.dataclass
class Triple:
    contract: dict
    sources: dict
    decisions: list
    complete_from: dict
    pools: Pools

    @property
    def text(self):
        return json.dumps(self.contract, ensure_ascii=False, indent=1)

    @cached_property
    def resolved(self):
        return resolved(fl.Contract.parse(self.text))


def seeds(share):
    """The seeds of one test, `share` of all: FEATLIB_TRIPLES (2000) in total from FEATLIB_SEED (0) on."""
    first = int(os.environ.get("FEATLIB_SEED", "0"))
    return range(first, first + max(1, round(share * int(os.environ.get("FEATLIB_TRIPLES", "2000")))))


def known_at(contract, source, row):
    """When serving knows a well-formed row that arrives in time."""
    spec = contract["sources"][source]
    if row.get("known_at") is not None:
        return row["known_at"]
    return row["arrived"] if "available_time" in spec else row["happened"] + oracle.duration(spec.get("delay", "0s"))


def readable(contract, source, row):
    """Whether a row is accepted: both clocks are instants, and no value is NaN where that is refused."""
    if row.get("correction") and (row["correction"] == "undo" or row["event_id"] is None):
        return False
    if row.get("correction") == "retract":  # its key and one clock are enough
        return True
    clocks = [row["happened"]] + ([row["arrived"]] if "available_time" in contract["sources"][source] else [])
    if any(t is None or not oracle.EARLIEST <= t < oracle.LATEST for t in clocks):
        return False
    return not _has_bad_float(contract["sources"][source]["columns"], row)


def _has_bad_float(fields, values):
    return any(
        values.get(name) is not None and not math.isfinite(values[name])
        for name, field in fields.items()
        if field["type"] == "float64" and field.get("nan") != "null"
    )


def label_known_at(contract, source, row, column):
    """The stamp of a gated cell that came with its row; NEVER where its clock is null."""
    if row.get(column + "__known_at") is not None:
        return row[column + "__known_at"]
    field = contract["sources"][source]["columns"][column]
    if "available_after" in field:
        return max(known_at(contract, source, row), row["happened"] + oracle.duration(field["available_after"]))
    clock = row[field["available_at"]]
    return oracle.NEVER if clock is None else max(known_at(contract, source, row), clock)


def _as_history(rng, contract, name, rows):
    """Stamps as an exporting scorer might have given them: never before the row's own, sometimes later."""
    for row in rows:
        if not readable(contract, name, row):
            continue
        known = known_at(contract, name, row)
        told = rng.random() < 0.8 or row.get("correction") == "retract"
        row["known_at"] = known + rng.choice([0, 0, 1, HOUR]) if told else None
        for column in gated_columns(contract, name):
            late = known_at(contract, name, row) + rng.choice([0, 1, HOUR, DAY])
            row[column + "__known_at"] = late if rng.random() < 0.6 else None


def answerable(contract, decision):
    """Whether a decision is one that serving answers rather than a bad row of a table."""
    as_of = decision["as_of"]
    good_time = as_of is not None and oracle.EARLIEST <= as_of < oracle.LATEST
    return good_time and not _has_bad_float(contract.get("request", {}), decision)


def triple(rng: random.Random, history=False, corrected=False, ties=False) -> Triple:
    """One case. `history`: the sources look exported, with known_at and label stamps. `corrected`: some rows correct others."""
    contract = RandomContract(rng).as_dict()
    full = resolved(fl.Contract.parse(json.dumps(contract, ensure_ascii=False)))
    pools = Pools(rng, full)
    sources = random_sources(full, pools, most=36, corrected=corrected, ties=ties, bad=True)
    if history:
        for name, rows in sources.items():
            _as_history(rng, contract, name, rows)
    decisions = [random_decision(full, pools, sources, bad=True) for _ in range(rng.randint(3, 10))]
    complete_from = {}
    if rng.random() < 0.25:
        name = rng.choice(list(sources))
        complete_from[name] = rng.choice(pools.event_time) + rng.choice([0, 1])
    return Triple(contract, sources, decisions, complete_from, pools)
