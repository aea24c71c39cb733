"""What the oracle says, case by case, computed by hand. The file reads as the rules of visibility, order, values and status."""

import math
import random
from fractions import Fraction

import pytest

import generators
import oracle
import oracle_aggregates
import rounding
from featlib.testing import _features
from featlib.testing._spelling import aggregate, expression
from oracle import CLIPPED, ERROR, FALLBACK, HISTORY_INCOMPLETE, INSUFFICIENT_HISTORY, NULL, OK, UNSEEN

T = 1_600_041_600_000_000  # Monday 2020-09-14T00:00:00Z
DAY = 86_400_000_000

X = ("ref", "x")


def contract(features, **source):
    """One card, one source `events`; `request_of` is taken out of the source's keys."""
    request_of = source.pop("request_of", None)
    columns = {
        "id": {"type": "string"},
        "x": {"type": "float64"},
        "n": {"type": "int64"},
        "money": {"type": "decimal", "scale": 2},
        "tag": {"type": "string"},
        "flag": {"type": "bool"},
        "label": {"type": "bool", "available_after": "5us"},
    }
    events = {"entity": "card", "event_time": "t", "dedup": "id", "retention": "100us", "columns": columns} | source
    top = {"request_of": request_of} if request_of else {}
    request = {c: f for c, f in columns.items() if c not in ("label", "id")}
    return top | {
        "entities": {"card": {"key": "card", "type": "string"}},
        "sources": {"events": events},
        "request": request,
        "features": features,
    }


def row(t, x=None, **cells):
    return {"card": "c", "t": T + t, "x": x} | cells


def ask(feature, rows, decision=None, complete_from=None, features=None, **source):
    """(value, status) of one feature at T + 0 unless the decision says otherwise."""
    if "aggregate" in feature:  # a window of None is none at all
        feature = {key: value for key, value in ({"from": "events", "window": "10us"} | feature).items() if value is not None}
    decision = {"card": "c", "as_of": T} | (decision or {})
    asked = contract((features or {}) | {"asked": feature}, **source)
    return oracle.evaluate(asked, [decision], {"events": rows}, complete_from)[0]["asked"]


def count(rows, decision=None, feature=None, **source):
    value, status = ask({"aggregate": "count()"} | (feature or {}), rows, decision, **source)
    assert status == OK
    return value


# --- the window ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bounds", "seen"), [("[)", [-10, -5]), ("(]", [-5, 0]), ("[]", [-10, -5, 0]), ("()", [-5])])
def test_bounds_say_which_ends_of_the_window_are_inside(bounds, seen):
    for t in (-11, -10, -5, 0, 1):
        rows = [row(t, available=T - 50)]
        assert count(rows, feature={"bounds": bounds}, available_time="available") == (t in seen), t


def test_an_event_at_the_as_of_instant_is_outside_by_default():
    assert count([row(0), row(-1)]) == 1


def test_an_offset_moves_both_ends():
    assert [count([row(t)], feature={"offset": "3us"}) for t in (-14, -13, -4, -3)] == [0, 1, 1, 0]


def test_bounds_may_come_from_the_defaults():
    asked = contract({"f": {"from": "events", "aggregate": "count()", "window": "10us"}}) | {"defaults": {"bounds": "[]"}}
    assert oracle.evaluate(asked, [{"card": "c", "as_of": T}], {"events": [row(0), row(-10)]}) == [{"f": (2, OK)}]


def test_lifetime_sees_all_that_retention_keeps_and_not_the_head():
    lifetime = {"aggregate": "count()", "lifetime": True}
    rows = [row(-101), row(-100), row(-1), row(0)]
    features = {"f": {"from": "events"} | lifetime}
    decisions = [{"card": "c", "as_of": T}]
    assert oracle.evaluate(contract(features), decisions, {"events": rows}) == [{"f": (2, OK)}]
    assert oracle.evaluate(contract(features, retention="forever"), decisions, {"events": rows}) == [{"f": (3, OK)}]


def test_last_n_takes_rows_after_where_and_before_nulls_are_skipped():
    rows = [row(-4, 1.0), row(-3, 2.0), row(-2, None), row(-1, 100.0)]
    small = expression(("or", ("<", X, ("lit", 50.0)), ("is null", X)))
    assert ask({"aggregate": "sum(x)", "last": 2, "where": small}, rows) == (2.0, OK)


def test_last_n_stays_inside_the_window():
    assert count([row(-11), row(-2), row(-1)], feature={"last": 3}) == 2


def test_where_takes_only_rows_on_which_it_is_true_not_null():
    rows = [row(-3, 1.0), row(-2, None), row(-1, 3.0)]
    assert count(rows, feature={"where": expression((">", X, ("lit", 2)))}) == 1
    assert count(rows, feature={"where": expression(("not", (">", X, ("lit", 2))))}) == 1


# --- visibility ---------------------------------------------------------------------------------------------------------


def test_a_row_is_visible_from_the_instant_it_is_known():
    rows = [row(-5, available=T - 2)]
    assert [count(rows, {"as_of": T + t}, available_time="available") for t in (-3, -2)] == [0, 1]


def test_a_row_known_before_it_happens_still_waits_for_the_head():
    rows = [row(0, available=T - 5)]
    assert [count(rows, {"as_of": T + t}, available_time="available") for t in (-1, 0, 1)] == [0, 0, 1]


def test_delay_stands_in_for_available_time():
    assert [count([row(-5)], {"as_of": T + t}, delay="2us") for t in (-4, -3)] == [0, 1]


def test_an_exported_known_at_outranks_the_producers_clock():
    rows = [row(-5, known_at=T), row(-4, known_at=None)]
    assert [count(rows, {"as_of": T + t}) for t in (-1, 0)] == [1, 2]


def test_a_row_older_than_its_retention_when_it_becomes_known_is_refused():
    on_time, expired = row(-100, available=T), row(-101, available=T)
    feature = {"from": "events", "aggregate": "count()", "lifetime": True}
    asked = contract({"f": feature}, available_time="available")
    assert oracle.evaluate(asked, [{"card": "c", "as_of": T}], {"events": [on_time, expired]}) == [{"f": (1, OK)}]


def test_rows_of_other_keys_and_of_null_keys_are_on_other_timelines():
    assert count([row(-1, card="d"), row(-1, card=None), row(-1)]) == 1


def test_a_composite_key_is_not_its_concatenation():
    asked = contract({"f": {"from": "events", "aggregate": "count()", "window": "10us"}})
    asked["entities"] = {"card": {"key": ["a", "b"], "type": ["string", "string"]}}
    rows = [{"t": T - 1, "a": "12", "b": "3"}]
    decisions = [{"as_of": T, "a": "1", "b": "23"}, {"as_of": T, "a": "12", "b": "3"}]
    assert [answer["f"][0] for answer in oracle.evaluate(asked, decisions, {"events": rows})] == [0, 1]


@pytest.mark.parametrize("clock", [None, 5, oracle.LATEST])
def test_a_row_without_a_sane_clock_is_refused(clock):
    assert count([{"card": "c", "t": clock}]) == 0
    assert count([row(-1, available=clock)], available_time="available") == 0


# --- request_of ---------------------------------------------------------------------------------------------------------

CLOSED = {"bounds": "[]"}


def test_the_decided_row_is_in_none_of_the_decisions_windows_whenever_it_happened():
    rows = [row(0, id="a"), row(-3, id="a"), row(-3, id="b"), row(-3, id=None)]
    assert count(rows, {"id": "a"}, CLOSED, request_of="events") == 2
    assert count(rows, {"id": None}, CLOSED, request_of="events") == 3
    assert count(rows, {"id": "a"}, CLOSED) == 4  # the bounds alone decide without request_of


def test_a_row_at_the_as_of_instant_needs_a_lower_sequence():
    rows = [row(0, id="b", seq=seq) for seq in (None, 1, 2, 3)]
    for row_id, each in enumerate(rows):
        each["id"] = str(row_id)
    seen = {seq: count(rows, {"id": "r", "seq": seq}, CLOSED, request_of="events", sequence="seq") for seq in (None, 1, 2, 9)}
    assert seen == {None: 0, 1: 1, 2: 2, 9: 4}


def test_a_row_at_the_as_of_instant_is_hidden_on_an_entity_without_a_sequence():
    rows = [row(0, id="b", seq=1)]
    assert count(rows, {"id": "r", "seq": 2}, CLOSED, request_of="events", sequence={"other": "seq"}) == 0
    assert count(rows, {"id": "r", "seq": 2}, CLOSED, request_of="events", sequence={"card": "seq"}) == 1


def test_include_request_adds_the_request_as_the_last_row():
    rows = [row(-2, 1.0), row(-1, 2.0)]
    request = {"x": 10.0}
    included = CLOSED | {"include_request": True}
    assert ask({"aggregate": "sum(x)"} | included, rows, request) == (13.0, OK)
    assert ask({"aggregate": "last(x)"} | included, rows, request) == (10.0, OK)
    assert ask({"aggregate": "lag(x, 1)"} | included, rows, request) == (2.0, OK)
    assert ask({"aggregate": "sum(x)", "last": 2} | included, rows, request) == (12.0, OK)
    assert ask({"aggregate": "count()", "min_rows": 3} | included, rows, request) == (3, OK)
    assert ask({"aggregate": "time_since_last(days)"} | included, rows, request) == (0.0, OK)
    assert ask({"aggregate": "count()", "where": expression(("<", X, ("lit", 5)))} | included, rows, request) == (2, OK)


# --- labels -------------------------------------------------------------------------------------------------------------


def test_a_label_reads_as_null_until_its_delay_has_passed_and_its_row_stays():
    rows = [row(-10, label=True)]
    assert ask({"aggregate": "mean(label)"}, rows, {"as_of": T - 6}) == (None, NULL)
    assert ask({"aggregate": "mean(label)"}, rows, {"as_of": T - 5}) == (1.0, OK)
    assert count(rows, {"as_of": T - 6}) == 1


def test_a_label_is_never_known_before_its_row():
    rows = [row(-10, label=True, available=T - 1)]
    assert ask({"aggregate": "sum(label)"}, rows, {"as_of": T - 2}, available_time="available") == (None, NULL)
    assert ask({"aggregate": "sum(label)"}, rows, {"as_of": T - 1}, available_time="available") == (1, OK)


def test_available_at_names_the_column_that_holds_the_labels_clock():
    asked = contract({"f": {"from": "events", "aggregate": "sum(v)", "window": "20us"}})
    asked["sources"]["events"]["columns"] |= {
        "at": {"type": "timestamp", "unit": "us"},
        "v": {"type": "int64", "available_at": "at"},
    }
    rows = [row(-9, at=T - 4, v=1), row(-9, at=None, v=10), row(-9, at=T - 20, v=100)]
    decisions = [{"card": "c", "as_of": T + t} for t in (-8, -5, -4)]
    assert [a["f"][0] for a in oracle.evaluate(asked, decisions, {"events": rows})] == [100, 100, 101]


def test_an_exported_stamp_of_a_label_outranks_its_delay():
    rows = [row(-10, label=True, label__known_at=T - 2)]
    assert [ask({"aggregate": "sum(label)"}, rows, {"as_of": T + t}) for t in (-3, -2)] == [(None, NULL), (1, OK)]


def test_of_the_labels_given_by_copies_the_one_known_first_counts():
    first = row(-10, 1.0, id="a", label=None)
    late = row(-10, 2.0, id="a", label=True, known_at=T - 3)
    later = row(-10, 2.0, id="a", label=False, known_at=T - 2)
    both = {"aggregate": "last(label)"}
    assert ask({"aggregate": "sum(x)"}, [late, later, first]) == (1.0, OK)
    assert ask(both, [later, first, late], {"as_of": T - 3}) == (True, OK)
    assert ask(both, [later, late, first], {"as_of": T - 1}) == (True, OK)
    assert ask(both, [later, late, first], {"as_of": T - 4}) == (None, NULL)


def test_labels_known_at_the_same_instant_are_settled_by_value():
    rows = [row(-10, id="a", label=True), row(-10, id="a", label=False)]
    assert ask({"aggregate": "last(label)"}, rows) == (False, OK)


# --- copies and order ---------------------------------------------------------------------------------------------------


def test_copies_have_equal_key_and_event_time_and_the_first_known_counts():
    known_late, known_early = row(-5, 1.0, id="a", known_at=T - 1), row(-5, 2.0, id="a", known_at=T - 2)
    assert ask({"aggregate": "sum(x)"}, [known_late, known_early]) == (2.0, OK)


def test_copies_known_at_the_same_instant_are_settled_by_content_null_first():
    assert ask({"aggregate": "max(x)"}, [row(-5, 2.0, id="a"), row(-5, 1.0, id="a")]) == (1.0, OK)
    assert ask({"aggregate": "max(x)"}, [row(-5, 2.0, id="a"), row(-5, None, id="a")]) == (None, NULL)


def test_content_compares_columns_by_name_then_keys():
    # flag stands before x: false < true although 2.0 > 1.0
    assert ask({"aggregate": "sum(x)"}, [row(-5, 1.0, id="a", flag=True), row(-5, 2.0, id="a", flag=False)]) == (2.0, OK)
    # equal cells: the copy on card "b" stands before the one on "c"
    assert count([row(-5, id="a"), row(-5, id="a", card="b")]) == 0


def test_labels_are_no_part_of_the_content():
    rows = [row(-9, 2.0, id="a", label=False), row(-9, 1.0, id="a", label=True)]
    assert ask({"aggregate": "sum(x)"}, rows) == (1.0, OK)


def test_text_compares_by_its_utf8_bytes():
    # U+FF5E comes before U+1F600 in UTF-8 (and after it in UTF-16)
    rows = [row(-5, tag="\U0001f600", id="a"), row(-5, tag="\uff5e", id="a")]
    assert ask({"aggregate": "last(tag)"}, rows) == ("\uff5e", OK)


def test_a_null_key_is_never_a_copy_and_another_event_time_is_another_row():
    assert count([row(-5, id=None), row(-5, id=None)]) == 2
    assert count([row(-5, id="a"), row(-4, id="a")]) == 2


def test_rows_are_ordered_by_time_then_sequence_then_key_then_content_nulls_first():
    def last(*rows):
        answers = {ask({"aggregate": "last(x)"}, order, sequence="seq") for order in (list(rows), list(reversed(rows)))}
        ((value, status),) = answers
        return value

    assert last(row(-2, 1.0, seq=9), row(-1, 2.0, seq=1)) == 2.0
    assert last(row(-1, 1.0, seq=2), row(-1, 2.0, seq=1)) == 1.0
    assert last(row(-1, 1.0, seq=1), row(-1, 2.0, seq=None)) == 1.0
    assert last(row(-1, 1.0, id="b"), row(-1, 2.0, id="a")) == 1.0
    assert last(row(-1, 1.0, id="a"), row(-1, 2.0, id=None)) == 1.0
    assert last(row(-1, 1.0), row(-1, 2.0)) == 2.0


# --- values -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("count()", 5),
        ("sum(x)", 6.0),
        ("mean(x)", 1.5),
        ("min(x)", 0.0),
        ("max(x)", 3.0),
        ("first(x)", 1.0),
        ("last(x)", 3.0),
        ("lag(x, 0)", 3.0),
        ("lag(x, 1)", 0.0),
        ("lag(x, 3)", 1.0),
        ("lag(x, 4)", None),
        ("count_distinct(x)", 4),
        ("var(x)", 5 / 3),
        ("std(x)", math.sqrt(5 / 3)),
        ("sum(n)", 10),
        ("sum(flag)", 2),
        ("mean(flag)", 0.5),
        ("sum(money)", 0.6),
        ("max(money)", 0.3),
        ("min(tag)", "a"),
        ("time_since_last(seconds)", 1e-6),
    ],
)
def test_aggregates_skip_nulls_and_keep_their_columns_type(spelling, expected):
    rows = [
        row(-5, 1.0, n=1, flag=True, money="0.10", tag="b"),
        row(-4, None, n=2),
        row(-3, 2.0, n=3, flag=True, money="0.20", tag="a"),
        row(-2, 0.0, n=4, flag=False),
        row(-1, 3.0, flag=False, money="0.30"),
    ]
    value, status = ask({"aggregate": spelling}, rows)
    assert (value, type(value), status) == (expected, type(expected), NULL if expected is None else OK)


def test_nulls_keep_makes_null_a_value_of_first_last_and_lag():
    rows = [row(-3, None), row(-2, 2.0), row(-1, None)]
    keep = {"nulls": "keep"}
    assert ask({"aggregate": "last(x)"} | keep, rows) == (None, NULL)
    assert ask({"aggregate": "lag(x, 1)"} | keep, rows) == (2.0, OK)
    assert ask({"aggregate": "last(x)", "min_rows": 3} | keep, rows) == (None, NULL)
    assert ask({"aggregate": "last(x)", "min_rows": 2}, rows) == (None, INSUFFICIENT_HISTORY)


def test_counts_of_nothing_are_zero_and_everything_else_of_nothing_is_null():
    positive = aggregate("count_if", (">", X, ("lit", 0)))
    for spelling in ("count()", positive, "count_distinct(x)"):
        assert ask({"aggregate": spelling}, []) == (0, OK)
    for spelling in ("sum(x)", "sum(n)", "mean(x)", "min(x)", "std(x)", "last(x)", "time_since_last(days)"):
        assert ask({"aggregate": spelling}, []) == (None, NULL)


def test_count_if_counts_true_and_min_rows_counts_not_null():
    positive = aggregate("count_if", (">", X, ("lit", 0)))
    rows = [row(-3, 1.0), row(-2, None), row(-1, -1.0)]
    assert ask({"aggregate": positive, "min_rows": 2}, rows) == (1, OK)
    assert ask({"aggregate": positive, "min_rows": 3}, rows) == (None, INSUFFICIENT_HISTORY)


def test_ddof_says_how_many_values_a_spread_needs():
    assert ask({"aggregate": "std(x)"}, [row(-1, 1.0)]) == (None, NULL)
    assert ask({"aggregate": "std(x)", "ddof": 0}, [row(-1, 1.0)]) == (0.0, OK)
    assert ask({"aggregate": "var(x)", "ddof": 0}, [row(-1, 1.0), row(-2, 3.0)]) == (1.0, OK)


def test_time_since_last_looks_at_rows_not_at_cells():
    assert ask({"aggregate": "time_since_last(seconds)"}, [row(-7, 1.0), row(-3, None)]) == (3e-6, OK)


def test_negative_zero_is_zero_on_input_and_on_output():
    for spelling in ("last(x)", "sum(x)", "mean(x)", "min(x)"):
        value, _ = ask({"aggregate": spelling}, [row(-1, -0.0)])
        assert math.copysign(1, value) == 1
    assert ask({"aggregate": "count_distinct(x)"}, [row(-1, -0.0), row(-2, 0.0)]) == (1, OK)
    tiny = [row(-1, -5e-324), row(-2, 0.0), row(-3, 0.0)]
    assert math.copysign(1, ask({"aggregate": "mean(x)"}, tiny)[0]) == 1  # underflows to zero from below


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_refuse_the_row_or_read_as_null(bad):
    rows = [row(-2, 1.0), row(-1, bad)]
    assert count(rows) == 1
    asked = contract({"f": {"from": "events", "aggregate": "count()", "window": "10us"}})
    asked["sources"]["events"]["columns"]["x"] = {"type": "float64", "nan": "null"}
    assert oracle.evaluate(asked, [{"card": "c", "as_of": T}], {"events": rows}) == [{"f": (2, OK)}]


# --- status -------------------------------------------------------------------------------------------------------------


def test_min_rows_and_fallback_tell_too_little_from_nothing_from_a_true_zero():
    zero = {"aggregate": "mean(x)", "fallback": 0.0}
    assert ask(zero, [row(-1, 0.0)]) == (0.0, OK)
    assert ask(zero, []) == (0.0, NULL | FALLBACK)
    assert ask(zero | {"min_rows": 2}, [row(-1, 0.0), row(-2, None)]) == (0.0, INSUFFICIENT_HISTORY | FALLBACK)


def test_error_comes_before_incomplete_comes_before_insufficient():
    overflowing = {"aggregate": "sum(n)", "min_rows": 3}
    rows, complete_from = [row(-1, n=2**63 - 1), row(-2, n=1)], {"events": T}
    assert ask(overflowing, rows, complete_from=complete_from) == (None, ERROR)
    assert ask(overflowing, rows[:1], complete_from=complete_from) == (None, HISTORY_INCOMPLETE)
    assert ask(overflowing, rows[:1]) == (None, INSUFFICIENT_HISTORY)


def test_min_rows_applies_to_counts():
    assert ask({"aggregate": "count()", "min_rows": 2}, [row(-1)]) == (None, INSUFFICIENT_HISTORY)
    assert ask({"aggregate": "count()", "min_rows": 1}, [row(-1)]) == (1, OK)


def test_a_window_that_begins_before_the_history_is_incomplete():
    for tail, status in ((T - 10, OK), (T - 9, HISTORY_INCOMPLETE)):
        assert ask({"aggregate": "count()", "fallback": -1}, [], complete_from={"events": tail}) == (
            (0, OK) if status == OK else (-1, HISTORY_INCOMPLETE | FALLBACK)
        )
    assert ask({"aggregate": "count()", "offset": "1us"}, [], complete_from={"events": T - 10}) == (None, HISTORY_INCOMPLETE)


def test_without_a_window_the_tail_is_the_retention():
    last = {"f": {"from": "events", "aggregate": "count()", "last": 1}}
    decisions = [{"card": "c", "as_of": T}]
    for complete_from, retention, status in (
        (T - 100, "100us", OK),
        (T - 99, "100us", HISTORY_INCOMPLETE),
        (T - 10**12, "forever", HISTORY_INCOMPLETE),
    ):
        answer = oracle.evaluate(contract(last, retention=retention), decisions, {"events": []}, {"events": complete_from})
        assert answer[0]["f"][1] == status


def test_a_decision_without_the_entitys_key_is_null_on_that_entity():
    assert ask({"aggregate": "count()"}, [row(-1)], {"card": None}) == (None, NULL)
    assert ask({"aggregate": "count()", "fallback": 7}, [row(-1)], {"card": None}) == (7, NULL | FALLBACK)


def test_a_bad_decision_row_is_an_error_everywhere_without_fallback():
    with_fallback = {"aggregate": "count()", "fallback": 7}
    for bad in ({"as_of": None}, {"as_of": 5}, {"x": math.nan}):
        assert ask(with_fallback, [], bad) == (None, ERROR)


def test_categories_have_their_own_code_for_unseen():
    category = {"from": "request.tag", "type": "category", "vocabulary": ["food", "", "NO"]}
    assert ask(category, [], {"tag": ""}) == (1, OK)
    assert ask(category, [], {"tag": "no"}) == (-1, UNSEEN)
    assert ask(category, [], {"tag": None}) == (None, NULL)


def test_a_request_field_is_itself_and_a_decimal_its_value():
    assert ask({"from": "request.money"}, [], {"money": "12.34"}) == (12.34, OK)
    assert ask({"from": "request.n"}, [], {"n": 2**63 - 1}) == (2**63 - 1, OK)
    assert ask({"from": "request.flag", "fallback": False}, []) == (False, NULL | FALLBACK)


# --- expressions --------------------------------------------------------------------------------------------------------


def derived(tree, request=None, features=None, **feature):
    return ask({"expr": expression(tree)} | feature, [], request, features=features)


NOTHING, ZERO, ONE = ("lit", None), ("lit", 0), ("lit", 1)
DIVISION_BY_ZERO = ("/", ONE, ZERO)


def test_division_by_zero_and_overflow_are_errors_and_null_operands_are_not():
    assert derived(DIVISION_BY_ZERO) == (None, ERROR)
    assert derived(("*", ("lit", 1e308), ("lit", 10))) == (None, ERROR)
    assert derived(("/", ("ref", "request.x"), ZERO)) == (None, NULL)
    assert derived(DIVISION_BY_ZERO, fallback=2.5) == (2.5, ERROR | FALLBACK)


def test_every_node_rounds_its_rounded_inputs():
    # 0.1 + 0.2 rounds up to 0.30000000000000004, and only then is 0.3 taken away
    assert derived(("-", ("+", ("lit", 0.1), ("lit", 0.2)), ("lit", 0.3))) == (2.0**-54, OK)


def test_three_valued_logic():
    null, true, false = ("=", NOTHING, ONE), ("=", ONE, ONE), ("=", ONE, ZERO)
    assert derived(("and", null, false)) == (False, OK)
    assert derived(("and", null, true)) == (None, NULL)
    assert derived(("or", null, true)) == (True, OK)
    assert derived(("or", null, false)) == (None, NULL)
    assert derived(("not", null)) == (None, NULL)
    assert derived(("is null", null)) == (True, OK)


def test_case_coalesce_and_clip():
    x = ("ref", "request.x")
    case = ("case", [((">", x, ONE), ("lit", 10)), ((">", x, ZERO), ("lit", 5))], ("lit", -1))
    assert [derived(case, {"x": v})[0] for v in (2.0, 0.5, -3.0, None)] == [10.0, 5.0, -1.0, -1.0]
    assert derived(("coalesce", x, ("lit", 4.0))) == (4.0, OK)
    clip = ("clip", x, ZERO, ONE)
    assert [derived(clip, {"x": v}) for v in (0.5, 1.0, 7.0, -1.0)] == [(0.5, OK), (1.0, OK), (1.0, CLIPPED), (0.0, CLIPPED)]
    assert derived(clip) == (None, NULL)


def test_an_input_that_is_a_fallback_reads_as_null_unless_asked_for():
    features = {"mean_x": {"from": "events", "aggregate": "mean(x)", "window": "10us", "fallback": 3.0}}
    assert derived(("+", ("ref", "mean_x"), ONE), features=features) == (None, NULL)
    assert derived(("+", ("with_fallback", "mean_x"), ONE), features=features) == (4.0, OK)


def test_an_input_that_is_an_error_reads_as_null():
    features = {"quotient": {"expr": expression(DIVISION_BY_ZERO)}}
    assert derived(("+", ("ref", "quotient"), ONE), features=features) == (None, NULL)


def test_type_int64_takes_whole_numbers_and_bools():
    assert derived(("*", ("lit", 0.5), ("lit", 4)), type="int64") == (2, OK)
    assert derived(("*", ("lit", 0.5), ("lit", 3)), type="int64") == (None, ERROR)
    assert derived((">", ONE, ZERO), type="int64") == (1, OK)
    assert derived(("*", ("lit", 2.0**62), ("lit", 2)), type="int64") == (None, ERROR)


def test_weekday_starts_on_monday_and_hours_are_utc():
    sunday_night = {"as_of": T - 1}
    assert (derived(("weekday",)), derived(("hour",))) == ((0.0, OK), (0.0, OK))
    assert (derived(("weekday",), sunday_night), derived(("hour",), sunday_night)) == ((6.0, OK), (23.0, OK))


# --- numbers at the edges -----------------------------------------------------------------------------------------------


def of_values(spelling, *values, **feature):
    return ask({"aggregate": spelling} | feature, [row(-1, v) for v in values])


def test_a_sum_beyond_the_double_range_is_an_error_but_its_mean_is_not():
    assert of_values("sum(x)", 1e308, 1e308) == (None, ERROR)
    assert of_values("mean(x)", 1e308, 1e308) == (1e308, OK)
    assert of_values("sum(x)", 1e308, 1e308, -1e308) == (1e308, OK)  # no partial sum overflows
    assert of_values("var(x)", 1e308, -1e308) == (None, ERROR)
    assert of_values("std(x)", 1e308, -1e308) == (rounded_root(2 * Fraction(1e308) ** 2), OK)


def test_the_largest_double_rounds_where_ieee_says():
    largest = 1.7976931348623157e308
    half_step = 2.0**969
    assert of_values("sum(x)", largest, half_step) == (largest, OK)
    assert of_values("sum(x)", largest, half_step, half_step) == (None, ERROR)  # the tie above the range


def test_sums_round_once_ties_to_even():
    assert of_values("sum(x)", 2.0**53, 1.0) == (2.0**53, OK)
    assert of_values("sum(x)", 2.0**53, 1.0, 1.0) == (2.0**53 + 2, OK)
    assert of_values("sum(x)", 2.0**53 + 2, 1.0) == (2.0**53 + 4, OK)
    assert of_values("sum(x)", 1e16, 1.0, -1e16) == (1.0, OK)
    assert of_values("sum(x)", 2.0**53, 1.0, 5e-324) == (2.0**53 + 2, OK)  # the last bit breaks the tie


def test_subnormal_means_round_to_even():
    least = 5e-324
    assert of_values("mean(x)", least, 0.0) == (0.0, OK)  # 0.5 of the least: tie to zero
    assert of_values("mean(x)", 3 * least, 0.0) == (2 * least, OK)  # 1.5: tie to 2
    assert of_values("mean(x)", least, least, 0.0) == (least, OK)


def test_integer_sums_leave_int64_as_errors():
    def sum_of(*values):
        return ask({"aggregate": "sum(n)"}, [row(-1, n=v) for v in values])

    assert sum_of(2**63 - 1, 1) == (None, ERROR)
    assert sum_of(2**63 - 1, 1, -1) == (2**63 - 1, OK)
    assert sum_of(-(2**63), -1) == (None, ERROR)
    assert ask({"aggregate": "mean(n)"}, [row(-1, n=2**63 - 1), row(-1, n=2**63 - 1)]) == (2.0**63, OK)


def test_a_decimal_mean_is_one_division_not_two():
    amounts = ["0.01"] * 2 + ["0.02"]
    value, _ = ask({"aggregate": "mean(money)"}, [row(-1, money=m) for m in amounts])
    assert value == 4 / 300  # the sum 0.04 in floats, over 3, is another double
    assert ask({"aggregate": "sum(money)"}, [row(-1, money="0.10")] * 3) == (0.3, OK)
    assert ask({"aggregate": "var(money)"}, [row(-1, money="0.10"), row(-1, money="0.20")]) == (0.005, OK)


def rounded_root(exact):
    """The nearest double by search: its neighbours' midpoints, squared, enclose the argument."""
    root = math.sqrt(exact.numerator / exact.denominator) if exact < Fraction(10) ** 300 else math.isqrt(int(exact)) / 1
    while True:
        below, above = math.nextafter(root, 0.0), math.nextafter(root, math.inf)
        if exact < ((Fraction(below) + Fraction(root)) / 2) ** 2:
            root = below
        elif exact > ((Fraction(root) + Fraction(above)) / 2) ** 2:
            root = above
        else:
            return root


def test_std_is_the_root_of_the_exact_quotient():
    rng = random.Random(1)
    for _ in range(300):
        exact = Fraction(rng.randint(1, 10**30), rng.randint(1, 10 ** rng.randint(1, 40)))
        assert rounding.rounded_sqrt(exact) == rounded_root(exact), exact


def test_roots_know_which_side_of_a_tie_they_are_on():
    # Above 2^53 doubles are two apart, so every odd integer is a tie.
    for base, even in ((Fraction(2**53 + 1), 2.0**53), (Fraction(2**53 + 3), 2.0**53 + 4)):
        assert rounding.rounded_sqrt(base**2) == even
    nudge = Fraction(1, 10**60)
    assert rounding.rounded_sqrt(Fraction(2**53 + 1) ** 2 + nudge) == 2.0**53 + 2
    assert rounding.rounded_sqrt(Fraction(2**53 + 3) ** 2 - nudge) == 2.0**53 + 2
    assert rounding.rounded_sqrt(Fraction(5e-324) ** 2) == 5e-324
    assert rounding.rounded_sqrt(Fraction(1, 2) ** 2150) == 0.0  # half of the least subnormal: tie to zero
    assert rounding.rounded_sqrt(Fraction(1, 2) ** 2149) == 5e-324


# --- the generator ------------------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_case_again():
    for seed in range(20):
        one, two = (generators.triple(random.Random(seed)) for _ in range(2))
        assert one.text == two.text
        assert repr((one.sources, one.decisions, one.complete_from)) == repr((two.sources, two.decisions, two.complete_from))


def window_of(feature):
    for key in ("bucket", "gap", "max_age", "window", "lifetime", "last"):
        if key in feature and not (key == "last" and feature["aggregate"].tree[0].startswith("decay")):
            return {"bucket": feature.get("bucket"), "last": "row count"}.get(key, key)
    return "lifetime" if feature["aggregate"].tree[0] == "as_of" else "64 half-lives"


def test_generated_cases_meet_every_aggregate_in_every_window_and_every_option_and_status():
    statuses, options, valued = set(), set(), {}
    for seed in range(2000):
        case = generators.triple(random.Random(seed), history=seed % 4 == 0)
        answers = oracle.evaluate(case.contract, case.decisions, case.sources, case.complete_from)
        for answer in answers:
            statuses |= {status for _, status in answer.values()}
        for name, feature in case.contract["features"].items():
            options |= set(feature)
            if "aggregate" in feature:
                what = (feature["aggregate"].tree[0], window_of(feature))
                valued[what] = valued.get(what, False) or any(answer[name][1] == OK for answer in answers)
    assert {status & 0x0F for status in statuses} == {0, 1, 2, 3, 4, 5, 6}
    assert {status & 0x0F for status in statuses if status & FALLBACK} == {1, 2, 3, 6}
    assert options >= set("by where window offset bounds last lifetime include_request nulls ddof min_rows fallback expr".split())
    kinds = {*_features.OF_ANY, *_features.OF_SUMMABLE, *_features.OF_NUMBERS, *oracle_aggregates.BY_ROWS, "count_if"}
    windows = ["window", "row count", "lifetime", "current", "complete", "gap"]
    expected = {(kind, window) for kind in kinds for window in windows} | {("as_of", "max_age")}
    expected |= {(kind, "64 half-lives") for kind in ("decay_sum", "decay_mean")}
    expected -= {(kind, "row count") for kind in ("decay_sum", "decay_mean")}
    assert {what for what, met in valued.items() if met} >= expected


def test_a_generated_row_order_changes_nothing():
    for seed in range(150):
        rng = random.Random(seed)
        case = generators.triple(rng, history=seed % 2 == 0)
        expected = oracle.evaluate(case.contract, case.decisions, case.sources)
        shuffled = {name: rng.sample(rows, len(rows)) for name, rows in case.sources.items()}
        assert oracle.evaluate(case.contract, case.decisions, shuffled) == expected, seed
