"""The assertions that users call in their own tests."""

import numpy as np
import pytest

import featlib as fl
from featlib.cli.doctor import SELF_TEST
from featlib.testing import assert_no_skew, assert_parity, bits


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


def test_replay_equals_the_reference(payments):
    contract = fl.Contract.parse(SELF_TEST)
    assert_parity(contract, payments, {"payments": payments}, as_of=("at", "s"))


def test_a_path_that_differs_is_named_with_its_row(payments, monkeypatch):
    contract = fl.Contract.parse(SELF_TEST)
    other = payments | {"amount": payments["amount"] + 1}
    reference = fl.reference
    monkeypatch.setattr(fl, "reference", lambda c, d, s, **k: reference(c, d, {"payments": other}, **k))
    with pytest.raises(AssertionError, match=r"`mean_1h` differs in \d+ of 30 rows; first at row \d+"):
        assert_parity(contract, payments, {"payments": payments}, as_of=("at", "s"))


def test_bits_tell_zeros_apart_and_no_nans():
    odd_nan = np.uint64(0xFFF8000000000123).view(np.float64)
    assert bits(np.array([0.0]))[0] != bits(np.array([-0.0]))[0]
    assert bits(np.array([np.nan]))[0] == bits(np.array([odd_nan]))[0]
    assert bits(np.array([1, 2])).tolist() == [1, 2]
