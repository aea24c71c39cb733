"""The simulated card transactions: seeded, in time order, and of the handbook's shape."""

import numpy as np
import pytest

from featlib.datasets import DAY_S, card_transactions

COLUMNS = [
    "TRANSACTION_ID", "TX_EPOCH_S", "CUSTOMER_ID", "TERMINAL_ID",
    "TX_AMOUNT", "TX_FRAUD", "TX_FRAUD_SCENARIO", "ORACLE_CUSTOMER_SEQ",
]  # fmt: skip


@pytest.fixture(scope="module")
def raw():
    return card_transactions(scale=0.02, seed=3)


def test_the_columns_are_the_handbooks(raw):
    assert list(raw) == COLUMNS
    assert len({len(column) for column in raw.values()}) == 1


def test_one_seed_gives_one_table_and_another_seed_another(raw):
    again, other = card_transactions(scale=0.02, seed=3), card_transactions(scale=0.02, seed=4)
    assert all(np.array_equal(raw[name], again[name]) for name in COLUMNS)
    assert not np.array_equal(raw["TX_AMOUNT"], other["TX_AMOUNT"])


def test_ids_and_seconds_rise_from_the_first_day_to_the_last(raw):
    assert np.array_equal(raw["TRANSACTION_ID"], np.arange(raw["TRANSACTION_ID"].size))
    assert np.all(np.diff(raw["TX_EPOCH_S"]) >= 0)
    first = np.datetime64("2018-04-01", "s").astype(np.int64)
    assert first <= raw["TX_EPOCH_S"][0] < first + DAY_S
    assert first + 182 * DAY_S <= raw["TX_EPOCH_S"][-1] < first + 183 * DAY_S


def test_the_sequence_counts_each_customers_rows_in_order(raw):
    for customer in np.unique(raw["CUSTOMER_ID"])[:20]:
        own = raw["ORACLE_CUSTOMER_SEQ"][raw["CUSTOMER_ID"] == customer]
        assert np.array_equal(own, np.arange(own.size))


def test_amounts_are_the_nearest_doubles_of_whole_cents(raw):
    assert np.array_equal(raw["TX_AMOUNT"], np.rint(raw["TX_AMOUNT"] * 100) / 100)
    assert raw["TX_AMOUNT"].min() >= 0


def test_every_large_amount_is_a_fraud_and_every_fraud_has_its_scenario(raw):
    assert np.all(raw["TX_FRAUD"][raw["TX_AMOUNT"] > 220] == 1)
    assert np.array_equal(raw["TX_FRAUD"] == 1, raw["TX_FRAUD_SCENARIO"] > 0)
    assert set(np.unique(raw["TX_FRAUD_SCENARIO"])) == {0, 1, 2, 3}


def test_a_compromised_terminal_is_so_for_28_days_at_a_stretch():
    raw = card_transactions(customers=400, terminals=60, days=40, seed=1)
    taken = raw["TX_FRAUD_SCENARIO"] == 2
    day = (raw["TX_EPOCH_S"] - raw["TX_EPOCH_S"][0] // DAY_S * DAY_S) // DAY_S
    for terminal in np.unique(raw["TERMINAL_ID"][taken]):
        here = raw["TERMINAL_ID"] == terminal
        first = day[here & taken].min()
        inside = here & (day >= first) & (day < first + 28)
        assert np.all(raw["TX_FRAUD_SCENARIO"][inside] >= 2)


def test_the_rates_are_about_the_handbooks(raw):
    assert 0.004 < raw["TX_FRAUD"].mean() < 0.016  # handbook: 0.0084
    assert 40 < raw["TX_AMOUNT"].mean() < 70  # handbook: 53.6
    assert 28_000 < raw["TX_AMOUNT"].size < 43_000  # handbook: 1,754,155 / 50 = 35,083


@pytest.mark.parametrize("wrong", [{"customers": 0}, {"terminals": 0}, {"days": 0}, {"scale": 0.0}])
def test_an_empty_world_is_refused(wrong):
    with pytest.raises(ValueError, match="at least one"):
        card_transactions(**wrong)
