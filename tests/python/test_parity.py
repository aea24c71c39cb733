"""One number: oracle = reference = replay = scorer, in every bit of every value and status.

Each test walks its share of FEATLIB_TRIPLES random cases. A failure prints the seed, the contract and the first difference;
FEATLIB_SEED=<seed> FEATLIB_TRIPLES=1 reruns that case alone.
"""

import random

import pyarrow as pa
import pytest

import featlib as fl
import generators
import oracle
from featlib.testing._resolved import gated_columns

GRACE = "400d"  # longer than any generated history: no decision is too old


# --- one shape for all answers: a list over decisions of {feature: (value, status)} ---------------------------------------


def answers(contract, table):
    """What a FeatureTable says."""
    arrow = pa.table(table)
    columns = []
    for name in contract["features"]:
        column = arrow.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        columns.append(list(zip(column.to_pylist(), table.status(name).tolist(), strict=True)))
    names = list(contract["features"])
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def answer(contract, vector):
    """What a scorer's feature vector says."""
    return {name: (vector.values[name], vector.status[name]) for name in contract["features"]}


def bits(value):
    return (type(value), value.hex() if isinstance(value, float) else value)


def first_difference(left, right):
    """None, or where two lists of answers differ first, for people."""
    if len(left) != len(right):
        return f"{len(left)} rows against {len(right)}"
    for i, (one, other) in enumerate(zip(left, right, strict=True)):
        for name in one:
            (a, a_status), (b, b_status) = one[name], other[name]
            if bits(a) != bits(b) or a_status != b_status:
                shown = [f"{v!r} {v.hex() if isinstance(v, float) else ''} status {s:#04x}" for v, s in (one[name], other[name])]
                return f"feature {name}, decision {i}:\n  left  {shown[0]}\n  right {shown[1]}"
    return None


def assert_same(seed, case, left, right, what):
    difference = first_difference(left, right)
    if difference:
        lines = [f"seed {seed}, {what}", difference, f"complete_from {case.complete_from}"]
        for name, rows in (case.sources | {"decisions": case.decisions}).items():
            lines += [f"{name}:"] + [f"  {i}: {row}" for i, row in enumerate(rows)]
        pytest.fail("\n".join([*lines, case.text]), pytrace=False)


# --- the ways to compute ------------------------------------------------------------------------------------------------


def offline(how, case, decisions, sources, **options):
    tables = {
        name: rows if isinstance(rows, pa.Table) else generators.source_table(case.resolved, name, rows)
        for name, rows in sources.items()
    }
    table = how(
        fl.Contract.parse(case.text),
        generators.decision_table(case.resolved, decisions),
        tables,
        as_of=("as_of", "us"),
        complete_from=case.complete_from or None,
        **options,
    )
    return answers(case.contract, table)


def new_scorer(case, **options):
    bundle = fl.Bundle(contract=fl.Contract.parse(case.text))
    return bundle, fl.Scorer(bundle, grace=GRACE, complete_from=case.complete_from or "always", **options)


def decide(case, scorer, decision):
    request = {name: value for name, value in decision.items() if name != "as_of"}
    return answer(case.contract, scorer.features(request, as_of=decision["as_of"]))


def is_own(case, name, row, decision):
    """Whether a row is the one that a decision is about: hidden from it, so it may arrive before or after."""
    return case.contract.get("request_of") == name and row["event_id"] is not None and row["event_id"] == decision["event_id"]


def observe(case, scorer, name, row):
    """A row as it arrives; a correction as a table carries it, which says when it was known and in what order."""
    corrects = row.get("correction")
    scorer.observe(name, generators.source_table(case.resolved, name, [row]) if corrects else row)


def correct(case, scorer, name, row, clock=True):
    """A correction as a service makes it: numbered, and without its clock also timed, by the scorer."""
    by_column = "available_time" in case.contract["sources"][name]
    retracts = row["correction"] == "retract"
    known_at = row["arrived" if by_column else "known_at"] if clock and (retracts or not by_column) else None
    if retracts:
        scorer.retract(name, row["event_id"], available_time=known_at)
    else:
        scorer.replace(name, row, available_time=known_at)


def correctable(case, name, row):
    """Whether a service would make this correction; only a table can hold the others."""
    return bool(row.get("correction")) and generators.readable(case.contract, name, row)


def in_time(rng, case, decisions):
    """Actions as a service meets them: rows before the decisions that may see them, a decided row on either side of its own."""
    rows = [(name, row) for name, rows in case.sources.items() for row in rows]
    rng.shuffle(rows)
    by_service = rng.random() < 0.5
    if by_service:  # then the order of arrival is the order of corrections known at one instant
        order = sorted((r for r in rows if correctable(case, *r)), key=lambda r: (generators.known_at(case.contract, *r), r[1]["version"]))
        rows = [order.pop(0) if correctable(case, *r) else r for r in rows]
    late = [r for r in rows if generators.readable(case.contract, *r)]
    actions = [("observe", r) for r in rows if not generators.readable(case.contract, *r)]
    for i, decision in sorted(enumerate(decisions), key=lambda d: (d[1]["as_of"], rng.random())):
        waiting = []
        for name, row in late:
            due = generators.known_at(case.contract, name, row) <= decision["as_of"]
            corrects = by_service and correctable(case, name, row)
            if due and (corrects or not (is_own(case, name, row, decision) and rng.random() < 0.5)):
                actions.append(("correct" if corrects else "observe", (name, row)))
            else:
                waiting.append((name, row))
        late = waiting
        actions.append(("decide", i))
    return actions + [("observe", r) for r in late]


def play(case, scorer, decisions, actions):
    """Carries actions out; the answers in the order of `decisions`."""
    given = [None] * len(decisions)
    for action, what in actions:
        if action == "observe":
            observe(case, scorer, *what)
        elif action.startswith("correct"):
            correct(case, scorer, *what, clock=action == "correct")
        else:
            given[what] = decide(case, scorer, decisions[what])
    return given


def answerable(case):
    """Serving refuses a bad request; only a table can hold one."""
    return [decision for decision in case.decisions if generators.answerable(case.contract, decision)]


# --- the laws -----------------------------------------------------------------------------------------------------------


def test_oracle_reference_and_replay_give_the_same_bits():
    for seed in generators.seeds(0.5):
        rng = random.Random(seed)
        case = generators.triple(rng, history=seed % 4 == 0, corrected=seed % 3 == 0, ties=True)
        expected = oracle.evaluate(case.contract, case.decisions, case.sources, case.complete_from)
        assert_same(seed, case, expected, offline(fl.reference, case, case.decisions, case.sources), "oracle = reference")
        replayed = offline(fl.replay, case, case.decisions, case.sources, threads=1)
        assert_same(seed, case, expected, replayed, "oracle = replay on one thread")

        order = rng.sample(range(len(case.decisions)), len(case.decisions))
        shuffled = {name: rng.sample(rows, len(rows)) for name, rows in case.sources.items()}
        replayed = offline(fl.replay, case, [case.decisions[i] for i in order], shuffled, threads=2)
        assert_same(seed, case, [expected[i] for i in order], replayed, f"oracle = replay of shuffled rows, {order}")


def test_a_scorer_fed_before_it_decides_equals_replay():
    for seed in generators.seeds(0.2):
        rng = random.Random(seed)
        case = generators.triple(rng, corrected=seed % 3 == 0)
        decisions = answerable(case)
        expected = offline(fl.replay, case, decisions, case.sources)

        rows = [("observe", (name, row)) for name, rows in case.sources.items() for row in rows]
        actions = rng.sample(rows, len(rows)) + [("decide", i) for i in rng.sample(range(len(decisions)), len(decisions))]
        _, scorer = new_scorer(case)
        assert_same(seed, case, expected, play(case, scorer, decisions, actions), "replay = scorer fed first")

        actions = in_time(rng, case, decisions)
        _, scorer = new_scorer(case)
        given = play(case, scorer, decisions, actions)
        # A correction may wait in vain for a row that comes a retention later; a table does not forget it.
        if not any(source["unmatched"] for source in scorer.stats()["sources"].values()):
            assert_same(seed, case, expected, given, f"replay = scorer in time\n{actions}")


def test_a_table_observed_at_once_equals_its_rows_observed_one_by_one():
    for seed in generators.seeds(0.05):
        case = generators.triple(random.Random(seed), corrected=seed % 3 == 0, ties=True)
        decisions = answerable(case)
        _, scorer = new_scorer(case)
        for name, rows in case.sources.items():
            scorer.observe(name, generators.source_table(case.resolved, name, rows))
        expected = offline(fl.replay, case, decisions, case.sources)
        assert_same(seed, case, expected, [decide(case, scorer, d) for d in decisions], "replay = scorer fed tables")


def test_a_scorer_restored_from_a_snapshot_goes_on_as_if_it_had_never_stopped():
    for seed in generators.seeds(0.15):
        rng = random.Random(seed)
        case = generators.triple(rng, corrected=seed % 3 == 0)
        decisions = answerable(case)
        # Out of time on purpose: what was already answered must survive as well, and labels that wait for their rows.
        actions = any_order(rng, case, decisions)
        cut = rng.randint(len(actions) // 4, len(actions))
        bundle, scorer = new_scorer(case)
        expected = play(case, scorer, decisions, actions)

        _, scorer = new_scorer(case)
        before = play(case, scorer, decisions, actions[:cut])
        scorer = fl.Scorer.restore(bundle, scorer.snapshot())
        after = play(case, scorer, decisions, actions[cut:])
        given = [b if a is None else a for a, b in zip(after, before, strict=True)]
        assert_same(seed, case, expected, given, f"uninterrupted = restored after {cut} of\n{actions}")


def test_scorers_of_parts_merge_into_one_that_saw_everything():
    for seed in generators.seeds(0.05):
        rng = random.Random(seed)
        case = generators.triple(rng, corrected=seed % 3 == 0)
        decisions = answerable(case)
        parts = [new_scorer(case)[1] for _ in range(3)]
        for name, rows in case.sources.items():
            shares = [[], [], []]
            for row in rows:
                rng.choice(shares).append(row)
            for part, share in zip(parts, shares, strict=True):
                if share:
                    part.observe(name, generators.source_table(case.resolved, name, share))
        rng.shuffle(parts)
        merged, *others = parts
        for other in others:
            merged.merge(other)
        expected = offline(fl.replay, case, decisions, case.sources)
        assert_same(seed, case, expected, [decide(case, merged, d) for d in decisions], "replay = merged scorers")


def labels_by_key(rng, case):
    """Labels that come by themselves, for keys of which the table holds one event time."""
    for name in case.sources:
        spec = case.contract["sources"][name]
        gated = gated_columns(case.resolved, name)
        if "dedup" not in spec or not gated:
            continue
        times = {}
        for row in case.sources[name]:
            times.setdefault(row["event_id"], set()).add(row["happened"])
        for key in [k for k, happened in times.items() if k is not None and len(happened) == 1]:
            column = rng.choice(gated)
            label = {"event_id": key, column: case.pools.value(spec["columns"][column])}
            if "available_time" in spec:
                label["arrived"] = rng.choice(case.pools.as_of) + rng.choice([0, 1, -1])
            if "available_at" in spec["columns"][column]:
                label["checked"] = rng.choice(case.pools.as_of)
            yield name, label


def any_order(rng, case, decisions):
    """Rows, labels and decisions without regard to any clock; decisions at instants already answered, again."""
    rows = [(name, row) for name, rows in case.sources.items() for row in rows]
    how = ["observe", "correct", "correct without clock"]
    actions = [(rng.choice(how) if correctable(case, *row) else "observe", row) for row in rows]
    actions += [("observe", label) for label in labels_by_key(rng, case)]
    actions += [("decide", i) for i in range(len(decisions))]
    rng.shuffle(actions)
    return actions


def exported_rows(table):
    """An exported history as the oracle reads it."""
    for i, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(pa.int64()))
    return table.to_pylist()


def test_in_any_arrival_order_the_answers_given_equal_a_replay_of_the_exported_history():
    for seed in generators.seeds(0.2):
        rng = random.Random(seed)
        case = generators.triple(rng, corrected=seed % 3 == 0)
        decisions = answerable(case)
        actions = any_order(rng, case, decisions)
        _, scorer = new_scorer(case, history="memory:" if seed % 2 else None)
        given = play(case, scorer, decisions, actions)

        exported = {name: pa.table(scorer.export_history(name)) for name in case.sources}
        said = "\n".join(f"{name} exported:\n{table.to_pylist()}" for name, table in exported.items())
        replayed = offline(fl.replay, case, decisions, exported)
        assert_same(seed, case, given, replayed, f"given = replay of the export\n{actions}\n{said}")
        histories = {name: exported_rows(table) for name, table in exported.items()}
        expected = oracle.evaluate(case.contract, decisions, histories, case.complete_from)
        assert_same(seed, case, given, expected, f"given = oracle on the export\n{actions}\n{said}")
