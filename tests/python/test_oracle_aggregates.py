"""What the oracle says of every aggregate and window, by hand and by NumPy and pandas where they say the same."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from featlib.testing._spelling import aggregate, expression
from oracle import INSUFFICIENT_HISTORY, NULL, OK
from rounding import exp2, log
from test_oracle import DAY, X, T, ask, row

N, MONEY, TAG, FLAG = ("ref", "n"), ("ref", "money"), ("ref", "tag"), ("ref", "flag")
HOUR = 3_600_000_000
LONG = {"retention": "30d"}

ROWS = [
    row(-9, 2.0, n=1, money="12.30", tag="b", flag=True),
    row(-7, None, n=5, tag="a", flag=False),
    row(-4, 10.5, n=2, money="0.07", tag="a", flag=True),
    row(-2, 2.0, n=2, money="-5.00", tag='"\n', flag=None),
]


def of(kind, argument=X, parameter=None, rows=ROWS, decision=None, source=None, **feature):
    return ask({"aggregate": aggregate(kind, argument, parameter)} | feature, rows, decision, **(source or {}))


@pytest.mark.parametrize(
    ("kind", "argument", "parameter", "expected"),
    [
        ("range", X, None, 8.5),
        ("range", MONEY, None, 17.3),
        ("mode", X, None, 2.0),
        ("mode", N, None, 2),
        ("mode", TAG, None, "a"),
        ("mode", MONEY, None, -5.0),  # all tie: the smallest
        ("mode", FLAG, None, True),
        ("last_k", X, 2, "[10.5,2]"),
        ("last_k", N, 9, "[1,5,2,2]"),
        ("last_k", MONEY, 3, "[12.3,0.07,-5]"),
        ("last_k", TAG, 2, '["a","\\"\\n"]'),
        ("last_k", FLAG, 3, "[true,false,true]"),
        ("top_k", X, 1, "[2]"),
        ("top_k", N, 3, "[2,1,5]"),
        ("top_k", TAG, 2, '["a","\\"\\n"]'),
        ("share", N, ("lit", 2), 0.5),
        ("share", FLAG, ("lit", True), 2 / 3),
        ("share", MONEY, ("lit", Fraction("0.07")), 1 / 3),
        ("share", TAG, ("lit", "nobody"), 0.0),
        ("time_since_first", None, "us", 9.0),
        ("time_since_last", None, "ms", 0.002),
        ("mean_gap", None, "us", 7 / 3),
        ("trend", N, "us", Fraction(-1, 29)),  # (n Stx - St Sx) / (n Stt - St^2) = (4 * -56 + 22 * 10) / (4 * 150 - 484)
        ("median", N, None, 2.0),
        ("quantile", N, ("0.5", "higher"), 2.0),
        ("as_of", X, None, 2.0),
    ],
)
def test_by_hand(kind, argument, parameter, expected):
    value = float(expected) if isinstance(expected, Fraction) else expected
    assert of(kind, argument, parameter) == (value, OK)


def test_entropy_is_of_rounded_logarithms():
    assert of("entropy", TAG) == ((4 * log(4) - 2 * log(2)) / 4, OK)
    assert of("entropy", N, rows=ROWS[:1]) == (0.0, OK)
    assert of("entropy", TAG)[0] == pytest.approx(-sum(p * math.log(p) for p in (0.25, 0.5, 0.25)))


def test_numbers_in_text_are_written_as_rfc_8785_does():
    values = [1e21, 123456789012345680000.0, 1e-6, 1e-7, 0.1, -0.0, 5e-324, 1.5e300, -2.5]
    rows = [row(i - 9, x) for i, x in enumerate(values)]
    assert of("last_k", X, 9, rows)[0] == "[1e+21,123456789012345680000,0.000001,1e-7,0.1,0,5e-324,1.5e+300,-2.5]"


def test_instants_in_text_are_rfc_3339():
    instants = {"columns": {"seen": {"type": "timestamp", "unit": "us"}}}
    rows = [row(-1, seen=T), row(-2, seen=T + 5), row(-3, seen=T + 120_000)]
    expected = '["2020-09-14T00:00:00.120Z","2020-09-14T00:00:00.000005Z","2020-09-14T00:00:00Z"]'
    assert of("last_k", ("ref", "seen"), 3, rows, source=instants) == (expected, OK)


def test_share_and_seen_before_ask_the_request():
    assert of("share", TAG, decision={"tag": "a"}) == (0.5, OK)
    assert of("share", TAG, decision={"tag": "c"}) == (0.0, OK)
    assert of("seen_before", MONEY, decision={"money": "0.07"}) == (True, OK)
    assert of("seen_before", MONEY, decision={"money": "0.08"}) == (False, OK)
    for kind in ("share", "seen_before"):
        assert of(kind, TAG, decision={"tag": None}) == (None, NULL)
        assert of(kind, TAG, rows=[], decision={"tag": "a"}) == (None, NULL)
        assert of(kind, TAG, decision={"tag": None}, min_rows=5) == (None, INSUFFICIENT_HISTORY)


@pytest.mark.parametrize("values", [[1, 2, 3, 4, 10], [0.1, -5.0, 2.5, 2.5, 7.75, 1e3], [1, 1, 1, 2]])
def test_skewness_and_kurtosis_are_those_of_pandas(values):
    rows = [row(-9 + i, float(v)) for i, v in enumerate(values)]
    assert of("skew", rows=rows)[0] == pytest.approx(pd.Series(values).skew(), rel=1e-12)
    assert of("kurtosis", rows=rows)[0] == pytest.approx(pd.Series(values).kurt(), rel=1e-12)
    centred = np.array(values) - np.mean(values)
    assert of("skew", rows=rows, ddof=0)[0] == pytest.approx(np.mean(centred**3) / np.mean(centred**2) ** 1.5, rel=1e-12)
    assert of("kurtosis", rows=rows, ddof=0)[0] == pytest.approx(np.mean(centred**4) / np.mean(centred**2) ** 2 - 3, rel=1e-12)


def test_moments_need_values_and_variance():
    rows = [row(-4, 1.0), row(-3, 2.0), row(-2, 4.0)]
    assert of("skew", rows=rows[:2]) == (None, NULL)
    assert of("skew", rows=rows[:2], ddof=0) == (0.0, OK)
    assert of("kurtosis", rows=rows) == (None, NULL)
    assert of("kurtosis", rows=rows[:2], ddof=0) == (-2.0, OK)
    for ddof in (0, 1):
        same = [row(-i, 0.1) for i in range(1, 9)]
        assert of("skew", rows=same, ddof=ddof) == (None, NULL)
        assert of("kurtosis", rows=same, ddof=ddof) == (None, NULL)


@pytest.mark.parametrize("p", ["0", "0.1", "0.25", "0.5", "0.75", "0.999", "1"])
@pytest.mark.parametrize("method", ["linear", "lower", "higher", "nearest", "midpoint"])
def test_quantiles_are_those_of_numpy(p, method):
    for values in ([3.0], [1.0, 2.0], [5.0, 1.0, 2.0, 8.0, 8.0], [0.5, 4.0, 4.0, 1.0, 9.0, 16.0]):
        rows = [row(-9 + i, v) for i, v in enumerate(values)]
        assert of("quantile", X, (p, method), rows)[0] == pytest.approx(np.quantile(values, float(p), method=method), rel=1e-12)


def test_a_quantiles_p_is_the_number_that_was_written():
    # 0.1 as a double lies above 0.1: with it, floor(10 h) of 11 values would still be 1, and `lower` the same; 0.3 lies below.
    rows = [row(-12 + i, float(i)) for i in range(11)]
    assert of("quantile", X, ("0.3", "lower"), rows, window="20us") == (3.0, OK)
    assert of("quantile", X, ("0.3", "higher"), rows, window="20us") == (3.0, OK)


def test_a_trend_is_a_line_fitted_to_time():
    rows = [row(-3 * DAY, 1.0), row(-2 * DAY, 5.0), row(-1 * DAY, 3.0)]
    assert of("trend", rows=rows, window="9d", source=LONG) == (1.0, OK)  # a day, unless it says otherwise
    assert of("trend", parameter="hours", rows=rows, window="9d", source=LONG) == (1 / 24, OK)
    assert of("trend", rows=rows[:1], window="9d", source=LONG) == (None, NULL)
    assert of("trend", rows=[row(-DAY, 1.0), row(-DAY, 2.0)], window="9d", source=LONG) == (None, NULL)


def test_decay_halves_every_half_life():
    rows = [row(-2 * HOUR, 8.0), row(-HOUR, 1.0)]
    assert of("decay_sum", parameter="1h", rows=rows, window=None, source=LONG) == (2.5, OK)  # 64 half-lives unless it says otherwise
    assert of("decay_mean", parameter="1h", rows=rows, window=None, source=LONG) == (2.5 / 0.75, OK)
    assert of("decay_sum", parameter="1h", rows=rows, window="90m", source=LONG) == (0.5, OK)
    assert of("decay_sum", parameter="1h", rows=[row(-65 * HOUR, 8.0)], window=None, source=LONG) == (None, NULL)


def test_decay_takes_the_rounded_power_of_the_place_in_a_half_life():
    half_life = 7 * HOUR
    ours = of("decay_sum", parameter="7h", rows=[row(-3 * HOUR, 1.0)], window=None, source=LONG)[0]
    then, now = (T - 3 * HOUR) % half_life, T % half_life
    periods = (T - 3 * HOUR) // half_life - T // half_life
    assert ours == float(Fraction(exp2(then, half_life)) * Fraction(2) ** periods / Fraction(exp2(now, half_life)))
    assert ours == pytest.approx(2 ** (-3 / 7), rel=1e-15)


def test_the_power_of_two_is_the_nearest_double():
    for d in range(2, 40):
        for n in range(1, d):
            c = Fraction(exp2(n, d))
            half = Fraction(1, 2**53)
            assert (c - half) ** d < 2**n < (c + half) ** d


BUCKET = {"aggregate": "count()", "window": "1h"}


def test_a_current_bucket_begins_at_a_multiple_of_its_width_and_ends_at_the_decision():
    rows = [row(-HOUR - 1), row(-HOUR), row(-1), row(0)]
    assert ask(BUCKET | {"bucket": "current"}, rows, {"as_of": T - 1}, **LONG) == (1, OK)
    assert ask(BUCKET | {"bucket": "current"}, rows, {"as_of": T}, **LONG) == (0, OK)
    assert ask(BUCKET | {"bucket": "current", "bounds": "[]"}, rows, {"as_of": T}, **LONG) == (1, OK)
    assert ask(BUCKET | {"bucket": "current", "offset": "1us"}, rows, {"as_of": T}, **LONG) == (1, OK)


def test_a_complete_bucket_is_the_one_before():
    rows = [row(-HOUR - 1), row(-HOUR), row(-1), row(0)]
    assert ask(BUCKET | {"bucket": "complete"}, rows, {"as_of": T}, **LONG) == (2, OK)
    assert ask(BUCKET | {"bucket": "complete"}, rows, {"as_of": T - 1}, **LONG) == (1, OK)


def test_an_origin_moves_the_buckets():
    rows = [row(-HOUR // 2), row(-HOUR // 2 - 1)]
    half_past = {"bucket": "current", "origin": "2030-01-01T00:30:00Z"}
    assert ask(BUCKET | half_past, rows, **LONG) == (1, OK)
    assert ask(BUCKET | half_past | {"bucket": "complete"}, rows, **LONG) == (1, OK)


SESSION = {"aggregate": "count()", "window": None, "gap": "3us", "max_length": "9us"}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([-1, -4, -7], 3),
        ([-3, -6], 2),  # a distance of the gap goes on
        ([-4, -5], 0),  # nothing within the gap of the head
        ([-1, -5, -6], 1),
        ([-1, -4, -7, -9, -10], 4),  # cut at max_length
        ([], 0),
    ],
)
def test_a_session_runs_back_from_the_head_while_gaps_are_short(times, expected):
    assert ask(SESSION, [row(t) for t in times]) == (expected, OK)


def test_a_session_is_made_of_visible_rows_before_where():
    where = {"where": expression((">", X, ("lit", 1.0)))}
    assert ask(SESSION | where, [row(-2, 5.0), row(-4, 0.0), row(-7, 9.0)]) == (2, OK)
    rows = [row(-2, id="a"), row(-4, id="b"), row(-7, id="c")]
    assert ask(SESSION, rows, {"id": "b"}, request_of="events") == (1, OK)  # its own row does not bridge the gap
    assert ask(SESSION | {"bounds": "(]", "max_length": "7us"}, rows) == (2, OK)
    assert ask(SESSION | {"bounds": "[]", "max_length": "7us"}, rows) == (3, OK)


def test_as_of_looks_up_the_last_cell_null_or_not():
    rows = [row(-90, 1.0), row(-5, None)]
    assert of("as_of", rows=rows, window=None) == (None, NULL)
    assert of("as_of", rows=rows[:1], window=None) == (1.0, OK)
    assert of("as_of", rows=rows[:1], window=None, max_age="90us") == (1.0, OK)
    assert of("as_of", rows=rows[:1], window=None, max_age="89us") == (None, NULL)
