"""No time travel: adding, deleting or changing what is not known at t changes no bit of any value at t.

Replay is compared with replay, so this holds or fails whatever the values mean.
"""

import random

import featlib as fl
import generators
from featlib.testing._histories import corrections, random_row
from featlib.testing._resolved import gated_columns
from test_parity import assert_same, offline


def is_hidden(contract, name, row, t):
    """Whether no decision up to t may see the row: refused, not yet known, or not yet happened."""
    if not generators.readable(contract, name, row):
        return True
    if row.get("correction"):  # once known it hides what it corrects, whenever its own row happens
        return generators.known_at(contract, name, row) > t
    return row["happened"] > t or generators.known_at(contract, name, row) > t


def hidden_row(rng, case, name, t, original=None):
    """A new row that is hidden at t; a copy of `original` with other values where one is given."""
    while True:
        row = random_row(case.resolved, case.pools, name, bad=True)
        if original is not None and "event_id" in row and rng.random() < 0.7:
            row |= {"event_id": original["event_id"], "happened": original["happened"]}
        if is_hidden(case.contract, name, row, t):
            return row


def perturbed(rng, case, name, t, corrected):
    """The rows of a source with another future, other labels that are not yet known at t, and if `corrected` other corrections."""
    columns = case.contract["sources"][name]["columns"]
    rows = []
    for row in case.sources[name]:
        if not is_hidden(case.contract, name, row, t):
            unknown = [
                column
                for column in gated_columns(case.resolved, name)
                if row.get("correction") != "retract"
                and generators.label_known_at(case.contract, name, row, column) > t
            ]
            rows.append(row | {column: case.pools.value(columns[column]) for column in unknown})
        else:
            fate = rng.choice(["keep", "delete", "change"])
            if fate != "delete":
                rows.append(row if fate == "keep" else hidden_row(rng, case, name, t))
    for _ in range(rng.randint(1, 5)):
        original = rng.choice(case.sources[name]) if case.sources[name] else None
        rows.append(hidden_row(rng, case, name, t, original))
    if corrected and "dedup" in case.contract["sources"][name]:
        more = corrections(case.resolved, case.pools, name, case.sources[name], ties=True, bad=True)
        rows += [row for row in more if is_hidden(case.contract, name, row, t)]
    rng.shuffle(rows)
    return rows


def test_what_is_not_known_at_t_changes_no_bit_at_t():
    for seed in generators.seeds(0.2):
        rng = random.Random(seed)
        corrected = seed % 2 == 0
        case = generators.triple(rng, corrected=corrected, ties=True)
        instants = [d["as_of"] for d in case.decisions if generators.answerable(case.contract, d)]
        if not instants:
            continue
        t = rng.choice(instants)
        asked = [d for d in case.decisions if d["as_of"] is None or d["as_of"] <= t]
        other = {name: perturbed(rng, case, name, t, corrected) for name in case.sources}
        before = offline(fl.replay, case, asked, case.sources)
        assert_same(seed, case, before, offline(fl.replay, case, asked, other), f"unperturbed = perturbed after {t}\n{other}")
