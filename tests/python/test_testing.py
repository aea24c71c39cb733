"""The assertions that users call in their own tests."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import featlib as fl
from featlib.cli.doctor import SELF_TEST
from featlib.testing import _serving, assert_no_skew, assert_parity, bits
from featlib.testing._resolved import members, resolved
from featlib.testing.strategies import contracts, histories
from pages import ROOT

DAY = 86_400_000_000


@pytest.fixture
def payments():
    return {
        "id": np.arange(30),
        "card_id": np.array([f"c{i % 3}" for i in range(30)]),
        "at": 1_600_000_000 + 600 * np.arange(30),
        "amount": np.arange(30) / 7,
    }


def test_no_skew_is_silent_and_skew_shows_the_table():
    left = {"id": np.arange(3), "mean": np.array([1.0, 2.0, 3.0])}
    right = {"id": np.arange(3), "mean": np.array([1.0, 2.5, 3.0])}
    assert_no_skew(left, left, key="id")
    with pytest.raises(AssertionError, match=r"(?s)mean.* 2 .* 2\.5 "):
        assert_no_skew(left, right, key="id")


def test_replay_equals_the_reference_and_the_scorer(payments):
    contract = fl.Contract.parse(SELF_TEST)
    assert_parity(contract, payments, {"payments": payments}, as_of=("at", "s"))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "UTC", "text"])
def test_instants_of_every_kind_are_served_alike(payments, unit):
    contract = fl.Contract.parse(SELF_TEST)
    seconds = payments["at"]
    if unit == "text":
        decisions = payments | {"at": [f"{datetime.datetime.fromtimestamp(s, datetime.UTC):%Y-%m-%dT%H:%M:%SZ}" for s in seconds]}
        assert_parity(contract, decisions, {"payments": payments}, as_of="at")
    elif unit == "UTC":
        naive = pa.table({name: column for name, column in payments.items() if name != "at"} | {"at": seconds.astype("datetime64[s]")})
        assert_parity(contract, naive, {"payments": payments}, as_of=("at", "UTC"))
    else:
        per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
        assert_parity(contract, payments | {"at": seconds * per}, {"payments": payments}, as_of=("at", unit))


def test_a_path_that_differs_is_named_with_its_row(payments, monkeypatch):
    contract = fl.Contract.parse(SELF_TEST)
    other = payments | {"amount": payments["amount"] + 1}
    reference, serve = fl.reference, _serving.serve
    with monkeypatch.context() as patch:
        patch.setattr(fl, "reference", lambda c, d, s, **k: reference(c, d, {"payments": other}, **k))
        with pytest.raises(AssertionError, match=r"`mean_1h` differs in \d+ of 30 rows; first at row \d+: replay .*, reference "):
            assert_parity(contract, payments, {"payments": payments}, as_of=("at", "s"))
    monkeypatch.setattr(_serving, "serve", lambda c, d, s, *rest: serve(c, d, {"payments": other}, *rest))
    with pytest.raises(AssertionError, match=r"`mean_1h` differs in \d+ of 30 rows; first at row \d+: replay .*, scorer "):
        assert_parity(contract, payments, {"payments": payments}, as_of=("at", "s"))


# --- strategies ---------------------------------------------------------------------------------------------------------

QUIET = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

# What the generator of contracts does not write: other units, zones, names, scales, shared and composite keys, texts in conditions.
UNUSUAL = """
featlib: 1
name: unusual
version: 1.0.0
owner: tests@example.com
entities:
  account: {key: account, type: int64}
  pair: {key: [account, merchant], type: [int64, string]}
sources:
  orders:
    entities: [account, pair]
    keys: {pair: [account, shop name]}
    event_time: {column: ordered, unit: ns}
    available_time: {column: stored, tz: Europe/Berlin}
    dedup: order no
    sequence: {pair: seq}
    retention: 30d
    columns:
      paid: {type: decimal, scale: 0}
      weight: {type: decimal, scale: 4}
      state: {type: string}
      disputed: {type: bool, available_at: told}
request_of: orders
request: {paid: {type: decimal, scale: 0}}
features:
  approved_7d: {from: orders, by: pair, aggregate: count(), where: "state = 'it''s paid' and weight > 12.5", window: 7d}
  weight_1d: {from: orders, by: account, aggregate: mean(weight), window: 1d, bounds: "(]"}
  disputed_30d: {from: orders, by: account, aggregate: sum(disputed), window: 29d, offset: 1d}
  usual: {expr: "coalesce(request.paid / weight_1d, 1)"}
"""


@QUIET
@given(st.data())
def test_any_contract_and_any_history_of_it_have_parity(data):
    contract = data.draw(contracts())
    history = data.draw(histories(contract))
    assert_parity(contract, history.decisions, history.sources, as_of=history.as_of)


@pytest.mark.parametrize("path", [ROOT / "examples" / "card_risk.yaml", None], ids=["card_risk", "unusual"])
def test_histories_suit_contracts_that_people_wrote(path):
    contract = fl.Contract.load(path) if path else fl.Contract.parse(UNUSUAL)

    @QUIET
    @given(histories(contract))
    def run(history):
        assert set(history.sources) == set(members(resolved(contract)))
        assert_parity(contract, history.decisions, history.sources, as_of=history.as_of)
        report = fl.replay(contract, history.decisions, history.sources, as_of=history.as_of).report
        assert all(set(part["refused"]) <= {"expired"} for part in report.values())  # good rows, some of them a retention late

    run()


def _ages(history):
    """Microseconds from each row's event to each decision."""
    ordered = [t.value // 1000 for t in history.sources["orders"].column("ordered").to_pandas() if t.value > 0]
    return {d.value // 1000 - t for d in history.decisions.column("as_of").to_pandas() for t in ordered}


@pytest.mark.parametrize(
    "met",
    [
        lambda h: 7 * DAY in _ages(h),
        lambda h: 7 * DAY + 1 in _ages(h),
        lambda h: 0 in _ages(h),
        lambda h: "it's paid" in h.sources["orders"].column("state").to_pylist(),
        lambda h: "replace" in (h.sources["orders"].to_pydict().get("correction") or []),
        lambda h: len(set(h.sources["orders"].column("order no").to_pylist())) < len(h.sources["orders"]) - 2,
    ],
    ids=["edge", "past the edge", "now", "its text", "correction", "copies"],
)
def test_histories_reach_the_edges(met):
    find(histories(fl.Contract.parse(UNUSUAL)), met, settings=settings(QUIET, max_examples=500, phases=[Phase.generate], database=None))


def test_a_history_shrinks_and_shows_its_rows():
    drawn = histories(fl.Contract.parse(UNUSUAL), corrections=False, max_rows=4, max_decisions=3)
    history = find(drawn, lambda h: len(h.sources["orders"]) > 0, settings=settings(QUIET, database=None))
    assert len(history.sources["orders"]) == len(history.decisions) == 1
    assert "orders:" in repr(history) and "'account'" in repr(history) and "decisions:" in repr(history)


def test_bits_tell_zeros_apart_and_no_nans():
    odd_nan = np.uint64(0xFFF8000000000123).view(np.float64)
    assert bits(np.array([0.0]))[0] != bits(np.array([-0.0]))[0]
    assert bits(np.array([np.nan]))[0] == bits(np.array([odd_nan]))[0]
    assert bits(np.array([1, 2])).tolist() == [1, 2]
