"""Corrections by key: bitemporal scenarios worked out by hand, and what a caller is told.

The scenarios mean what Chronon tests of entities with mutations (airbnb/chronon, spark/src/test/.../MutationsTest.scala): a
decision sees the values as they were known at its own instant, whatever became of them afterwards. The tables are our own.
"""

import json

import pyarrow as pa
import pytest

import featlib as fl
import oracle

HOUR = 3_600_000_000
DAY = 24 * HOUR
MONDAY = 1_600_041_600_000_000  # 2020-09-14T00:00:00Z

CONTRACT = {
    "featlib": 1,
    "name": "ratings",
    "version": "1.0.0",
    "owner": "tests@example.com",
    "entities": {"listing": {"key": "listing", "type": "int64"}},
    "sources": {
        "ratings": {
            "entity": "listing",
            "event_time": {"column": "at", "unit": "us"},
            "available_time": {"column": "known", "unit": "us"},
            "dedup": "id",
            "retention": "90d",
            "columns": {"id": {"type": "string"}, "stars": {"type": "int64"}},
        }
    },
    "features": {
        "mean": {"from": "ratings", "aggregate": "mean(stars)", "window": "30d"},
        "newest": {"from": "ratings", "aggregate": "last(stars)", "window": "30d"},
        "mean_4d": {"from": "ratings", "aggregate": "mean(stars)", "window": "4d"},
    },
}
CONTRACT_OBJECT = fl.Contract.parse(json.dumps(CONTRACT))


def rating(name, listing, at, stars, known=None, **more):
    """A rating given at an hour after Monday, known then unless said otherwise."""
    return {"id": name, "listing": listing, "at": at, "stars": stars, "known": at if known is None else known} | more


def replaced(known, name, listing, at, stars):
    return rating(name, listing, at, stars, known, correction="replace")


def retracted(known, name):
    return {"id": name, "listing": None, "at": None, "stars": None, "known": known, "correction": "retract"}


def in_microseconds(rows):
    return [row | {clock: None if row[clock] is None else MONDAY + round(row[clock] * HOUR) for clock in ("at", "known")} for row in rows]


def as_table(rows):
    types = {"id": pa.string(), "listing": pa.int64(), "at": pa.int64(), "stars": pa.int64(), "known": pa.int64(), "correction": pa.string()}
    return pa.table({column: pa.array([row.get(column) for row in rows], kind) for column, kind in types.items()})


def told(scorer, row):
    """A row as it comes to a service."""
    if row.get("correction") == "retract":
        scorer.retract("ratings", row["id"], available_time=row["known"])
    elif row.get("correction") == "replace":
        scorer.replace("ratings", row)
    else:
        scorer.observe("ratings", row)


def every_path(feature, rows, asked):
    """The feature for each (listing, hour) of `asked`, by every path; they must agree."""
    rows = in_microseconds(rows)
    decisions = [{"listing": listing, "as_of": MONDAY + round(hour * HOUR)} for listing, hour in asked]
    expected = [answer[feature][0] for answer in oracle.evaluate(CONTRACT, decisions, {"ratings": rows})]

    table = pa.table({"listing": [d["listing"] for d in decisions], "as_of": [d["as_of"] for d in decisions]})
    for how in (fl.reference, fl.replay):
        got = how(CONTRACT_OBJECT, table, {"ratings": as_table(rows)}, as_of=("as_of", "us"))
        assert pa.table(got).column(feature).to_pylist() == expected, how

    bundle = fl.Bundle(contract=CONTRACT_OBJECT)
    in_time = fl.Scorer(bundle)
    waiting, got = sorted(rows, key=lambda row: row["known"]), {}
    for i in sorted(range(len(decisions)), key=lambda i: decisions[i]["as_of"]):
        while waiting and waiting[0]["known"] <= decisions[i]["as_of"]:
            told(in_time, waiting.pop(0))
        got[i] = in_time.features({"listing": decisions[i]["listing"]}, as_of=decisions[i]["as_of"]).values[feature]
    assert [got[i] for i in range(len(decisions))] == expected, "scorer in time"

    # All is known, then decisions go back in time.
    backwards = fl.Scorer(bundle, grace="400d")
    for row in rows:
        told(backwards, row)
    for i in sorted(range(len(decisions)), key=lambda i: -decisions[i]["as_of"]):
        value = backwards.features({"listing": decisions[i]["listing"]}, as_of=decisions[i]["as_of"]).values[feature]
        assert value == expected[i], "scorer, backwards in time"
    return expected


# ---- the seven scenarios -------------------------------------------------------------------------------------------------


def test_simplest_new_values_come_during_the_day():
    rows = [rating("a", 1, -100, 4), rating("b", 1, -90, 5), rating("c", 2, -80, 3), rating("d", 1, 2, 1)]
    rows += [rating("early", 2, 10, 5, known=2.5)]  # known before it happens: it counts once it happened
    asked = [(1, 1), (1, 2.5), (2, 3), (2, 10.5)]
    assert every_path("mean", rows, asked) == [4.5, 10 / 3, 3.0, 4.0]
    assert every_path("newest", rows, asked) == [5, 1, 3, 5]


def test_a_value_is_updated_between_two_decisions():
    rows = [rating("a", 1, -100, 4), rating("b", 1, -90, 5), rating("c", 2, -80, 3), replaced(2, "b", 1, -90, 2)]
    assert every_path("mean", rows, [(1, 1), (1, 2.5), (2, 2.5)]) == [4.5, 3.0, 3.0]
    assert every_path("newest", rows, [(1, 1), (1, 2.5)]) == [5, 2]


def test_a_key_is_updated_the_row_moves_to_another_entity():
    rows = [rating("a", 1, -100, 4), rating("b", 1, -90, 5), rating("c", 2, -80, 3)]
    rows += [replaced(0.5, "b", 2, -92, 5), rating("d", 2, 10, 3)]
    asked = [(1, 0.4), (2, 0.4), (1, 1), (2, 2.5), (2, 23)]
    assert every_path("mean", rows, asked) == [4.5, 3.0, 4.0, 4.0, 11 / 3]


def test_decisions_of_an_earlier_instant_than_the_day_they_are_asked_see_that_instant():
    # Inserted at 5.75, updated at 7; asked about the day before, between others, in no order.
    rows = [rating("a", 2, -100, 3), rating("b", 2, -90, 3), rating("c", 2, 5.75, 4), replaced(7, "c", 2, 5.75, 6)]
    asked = [(2, 47), (2, 4.5), (2, 8.5), (2, 6.5)]
    assert every_path("mean", rows, asked) == [4.0, 3.0, 4.0, 10 / 3]
    assert every_path("newest", rows, asked) == [6, 3, 6, 4]


def test_a_window_leaves_rows_behind_while_others_are_corrected():
    rows = [rating("a", 2, -92, 3), rating("b", 2, -68, 4), rating("c", 2, 5.75, 2), replaced(7, "c", 2, 5.75, 5), rating("d", 2, 34, 4)]
    asked = [(2, 1.5), (2, 4.5), (2, 6.5), (2, 8.5), (2, 33), (2, 47)]
    # a leaves at 4, b at 28; c is 2 until 7, then 5; d comes at 34
    assert every_path("mean_4d", rows, asked) == [3.5, 4.0, 3.0, 4.5, 5.0, 4.5]


def test_a_window_leaves_rows_behind_when_nothing_is_corrected():
    rows = [rating("a", 2, -92, 3), rating("b", 2, -68, 4), rating("c", 2, 5.75, 5), rating("other", 1, 24.5, 5)]
    assert every_path("mean_4d", rows, [(2, 25), (2, 47)]) == [4.5, 5.0]


def test_nothing_is_known_but_what_came_and_was_corrected_that_day():
    rows = [rating("other", 1, -90, 4), rating("a", 2, 0.5, 5), rating("b", 2, 4.5, 2), replaced(12.5, "b", 2, 4.5, 4)]
    asked = [(2, 0.1), (2, 1.1), (2, 5), (2, 23)]
    assert every_path("mean", rows, asked) == [None, 5.0, 3.5, 4.5]


def test_an_event_is_visible_then_corrected_then_deleted():
    rows = [rating("a", 1, 0, 4), rating("b", 1, 1, 2), replaced(10, "b", 1, 1, 5), retracted(20, "b")]
    assert every_path("mean", rows, [(1, 5), (1, 15), (1, 25)]) == [3.0, 4.5, 4.0]
    assert every_path("newest", rows, [(1, 5), (1, 15), (1, 25)]) == [2, 5, 4]


def test_a_correction_of_a_correction_and_a_key_that_comes_back():
    rows = [rating("a", 1, 0, 1), replaced(10, "a", 1, 0, 2), retracted(20, "a"), replaced(30, "a", 1, 0, 3), rating("a", 1, 0, 9, known=40)]
    assert every_path("mean", rows, [(1, 5), (1, 15), (1, 25), (1, 35), (1, 45)]) == [1.0, 2.0, None, 3.0, 3.0]


# ---- what a caller is told -------------------------------------------------------------------------------------------------


def scorer_of(**source):
    contract = CONTRACT | {"sources": {"ratings": {k: v for k, v in (CONTRACT["sources"]["ratings"] | source).items() if v is not None}}}
    return fl.Scorer(fl.Bundle(contract=fl.Contract.parse(json.dumps(contract))))


def refusal(call, *arguments, **options):
    with pytest.raises(fl.Error) as refused:
        call(*arguments, **options)
    return refused.value.failures[0]


ROW = {"id": "a", "listing": 1, "at": MONDAY, "stars": 5, "known": MONDAY}


def test_a_source_that_cannot_be_corrected_says_why():
    for call, argument in (("retract", "a"), ("replace", ROW)):
        failure = refusal(getattr(scorer_of(dedup=None), call), "ratings", argument)
        assert failure.code == "bad-row" and "no `dedup` key" in failure.message and "dedup" in failure.help
        declared = {"id": {"type": "string"}, "stars": {"type": "int64"}, "version": {"type": "int64"}}
        failure = refusal(getattr(scorer_of(columns=declared), call), "ratings", argument)
        assert failure.code == "bad-row" and "`version`" in failure.message
        failure = refusal(getattr(scorer_of(), call), "rating", argument)
        assert failure.code == "unknown-source"


def test_a_correction_needs_its_key():
    for call, argument in (("retract", None), ("replace", ROW | {"id": None})):
        failure = refusal(getattr(scorer_of(), call), "ratings", argument)
        assert failure.code == "bad-row" and "`id` is null" in failure.message and failure.path == "ratings"
    assert refusal(scorer_of().retract, "ratings", 7).message == "`id` is not a string"


def test_a_replacement_is_a_whole_row():
    failure = refusal(scorer_of().replace, "ratings", {"id": "a", "at": MONDAY, "known": MONDAY, "stars": 5})
    assert failure.code == "missing-column" and "`listing`" in failure.message
    labelled = {"id": {"type": "string"}, "stars": {"type": "int64", "available_after": "1d"}}
    contract = CONTRACT | {"sources": {"ratings": CONTRACT["sources"]["ratings"] | {"columns": labelled}}, "features": {}}
    scorer = fl.Scorer(fl.Bundle(contract=fl.Contract.parse(json.dumps(contract))))
    failure = refusal(scorer.replace, "ratings", {"id": "a", "stars": 5})  # a label by key corrects nothing
    assert failure.code == "missing-column"


def test_the_clock_of_a_correction_is_said_once_and_is_an_instant():
    failure = refusal(scorer_of().replace, "ratings", ROW, available_time=MONDAY)
    assert failure.code == "bad-argument" and "`known`" in failure.help
    assert refusal(scorer_of().retract, "ratings", "a", available_time=1_600_041_600).code == "bad-argument"
    assert scorer_of(available_time=None).replace("ratings", ROW, available_time=MONDAY)


def test_a_row_that_corrects_is_not_observed_as_a_row():
    failure = refusal(scorer_of().observe, "ratings", ROW | {"correction": "retract"})
    assert failure.code == "bad-row" and "retract(source, key)" in failure.help
    assert scorer_of().observe("ratings", ROW | {"correction": None}) == 1


def test_stats_count_corrections_and_refused_ones():
    scorer = scorer_of()
    assert scorer.observe("ratings", ROW)
    assert scorer.observe("ratings", ROW | {"at": MONDAY + 1})
    assert scorer.replace("ratings", ROW | {"stars": 3})
    assert scorer.retract("ratings", "a")
    assert not scorer.replace("ratings", ROW | {"at": None})
    stats = scorer.stats()["sources"]["ratings"]
    assert (stats["replaced"], stats["retracted"], stats["moved_keys"]) == (1, 1, 1)
    assert stats["refused"] == {"null clock": 1}


def test_an_exported_history_goes_on_in_another_scorer():
    scorer = scorer_of()
    for row in in_microseconds([rating("a", 1, 0, 4), rating("b", 1, 1, 2), replaced(10, "b", 1, 1, 5), retracted(20, "a")]):
        told(scorer, row)
    history = scorer.export_history("ratings")
    assert set(pa.table(history).column("correction").to_pylist()) == {None, "replace", "retract"}
    other = scorer_of()
    assert other.observe("ratings", history) == 4
    for hour, mean in ((5, 3.0), (15, 4.5), (25, 5.0)):
        assert other.features({"listing": 1}, as_of=MONDAY + hour * HOUR).values["mean"] == mean
