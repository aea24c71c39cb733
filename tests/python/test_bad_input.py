"""Bad input is refused with its place and a remedy, or its row is counted; nothing crashes and nothing is half-written."""

import datetime

import numpy as np
import pytest

import featlib as fl

CONTRACT = """\
featlib: 1
name: payments
version: 1.0.0
owner: team@example.com
entities: {card: {key: card_id, type: string}}
sources:
  payments:
    entity: card
    event_time: {column: at, unit: s}
    dedup: id
    retention: 30d
    columns:
      id: {type: int64}
      amount: {type: float64}
      is_fraud: {type: bool, available_after: 7d}
features:
  mean: {description: Mean amount., from: payments, aggregate: mean(amount), window: 7d}
  risk: {description: Late fraud share., from: payments, aggregate: mean(is_fraud), window: 7d, offset: 7d}
  twice: {description: Twice the mean., expr: mean * 2}
model: {inputs: [mean, risk, twice]}
"""
NOW = 1_600_000_000


def table(**changes):
    rows = {
        "id": np.arange(3),
        "at": NOW + np.arange(3),
        "card_id": np.array(["a", "a", "b"]),
        "amount": np.array([1.0, 2.0, 3.0]),
        "is_fraud": np.array([False, True, False]),
    }
    rows.update(changes)
    return {name: column for name, column in rows.items() if column is not None}


DECISIONS = {"card_id": np.array(["a", "b"]), "at": np.array([NOW + 100, NOW + 100])}


def replay(source, decisions=DECISIONS):
    return fl.replay(fl.Contract.parse(CONTRACT), decisions, {"payments": source}, as_of="at")


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "said"),
    [
        ("window: 7d}", "windw: 7d}", "unknown-key", 17, "window"),
        ("type: bool,", "type: boole,", "bad-value", 15, "bool"),
        ("window: 7d}", "window: 7 fortnights}", "bad-duration", 17, "7 fortnights"),
        ("retention: 30d", "retention: 5d", "window-exceeds-retention", 17, "serving keeps 5d"),
        ("available_after: 7d", "available_after: 8d", "label-too-young", 18, "8d"),
        ("expr: mean * 2", "expr: twice * 2", "cycle", 19, "circle"),
        ("mean(amount)", "mean(amont)", "unknown-name", 17, "amount"),
        ("retention: 30d", "retention: [30d]", "wrong-type", 11, "retention"),
    ],
)
def test_a_contract_is_refused_with_place_and_remedy(old, new, code, line, said):
    assert old in CONTRACT
    with pytest.raises(fl.ContractError) as refused:
        fl.Contract.parse(CONTRACT.replace(old, new, 1), name="payments.yaml")
    failure = next(f for f in refused.value.failures if f.code == code)
    assert (failure.path, failure.line) == ("payments.yaml", line) and failure.column > 0
    assert said in failure.message + failure.help


@pytest.mark.parametrize(
    ("changes", "code", "column"),
    [
        ({"amount": None}, "missing-column", "amount"),
        ({"amount": np.array(["1", "2", "3"])}, "wrong-column-type", "amount"),
        ({"amount": np.array([1, 2, 3])}, "wrong-column-type", "amount"),
        ({"id": np.array([1.0, 2.0, 3.0])}, "wrong-column-type", "id"),
        ({"at": np.array(["2020-09-13T00:00:00"] * 3, dtype="datetime64[s]")}, "missing-time-unit", "at"),
        ({"amount": np.array([1.0, 2.0])}, "bad-table", "rows"),
    ],
)
def test_a_table_is_refused_and_the_column_named(changes, code, column):
    with pytest.raises(fl.DataError) as refused:
        replay(table(**changes))
    assert refused.value.failures[0].code == code and column in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"amount": np.array([1.0, np.nan, 3.0])}, "NaN or infinity"),
        ({"amount": np.array([1.0, np.inf, 3.0])}, "NaN or infinity"),
        ({"at": np.array([NOW, NOW * 1000, NOW])}, "instant outside 1971..2099"),
        ({"at": np.array([NOW, None, NOW], dtype=object)}, "null clock"),
        ({"is_fraud": np.array([0, 2, 1])}, "inexact value"),
    ],
)
def test_a_bad_row_is_refused_counted_and_listed(changes, why):
    report = replay(table(**changes)).report["payments"]
    assert report["accepted"] == 2 and report["refused"] == {why: 1}
    assert report["first_refused"][0]["row"] == 1


def test_a_null_key_leaves_its_timeline_and_is_counted():
    result = replay(table(card_id=np.array([None, "a", "b"], dtype=object)))
    assert result.report["payments"]["null_keys"] == 1
    assert result.to_numpy()["mean"].tolist() == [2.0, 3.0]


def test_a_bad_decision_keeps_its_place():
    result = replay(table(), {"card_id": np.array(["a", "b"]), "at": np.array([None, NOW + 100], dtype=object)})
    assert result.status("mean").tolist() == [6, 0]


def test_an_empty_source_and_no_decisions_are_valid():
    assert np.isnan(replay({name: column[:0] for name, column in table().items()}).to_numpy()["mean"]).all()
    assert len(replay(table(), {name: column[:0] for name, column in DECISIONS.items()})) == 0


def test_a_scorer_counts_what_it_refuses_and_raises_what_cannot_be_a_row():
    scorer = fl.Scorer(fl.Bundle(contract=fl.Contract.parse(CONTRACT)))
    row = {"id": 1, "at": NOW, "card_id": "a", "amount": 1.0, "is_fraud": None}
    assert scorer.observe("payments", row | {"amount": float("nan")}) == 0
    with pytest.raises(fl.DataError, match="amount"):
        scorer.observe("payments", row | {"amount": "1.0"})
    with pytest.raises(fl.DataError, match="`amount`"):
        scorer.observe("payments", {k: v for k, v in row.items() if k != "amount"})
    with pytest.raises(fl.DataError, match="no source"):
        scorer.observe("payment", row)
    stats = scorer.stats()["sources"]["payments"]
    assert stats["observed"] == 0 and stats["refused"]["NaN or infinity"] == 1


def test_an_as_of_too_old_or_in_the_future_is_refused():
    scorer = fl.Scorer(fl.Bundle(contract=fl.Contract.parse(CONTRACT)), grace="1h")
    hour = 3_600_000_000
    scorer.features({"card_id": "a"}, as_of=NOW * 1_000_000)
    scorer.features({"card_id": "a"}, as_of=NOW * 1_000_000 - hour)
    with pytest.raises(fl.DataError, match="as-of-too-old"):
        scorer.features({"card_id": "a"}, as_of=NOW * 1_000_000 - hour - 1)
    with pytest.raises(fl.DataError, match="as-of-in-future"):
        scorer.features({"card_id": "a"}, as_of=4_000_000_000 * 1_000_000)


@pytest.mark.parametrize("grace", [-1, -datetime.timedelta(microseconds=1), "-1h", "soon"])
def test_a_grace_is_a_duration(grace):
    with pytest.raises(fl.Error, match="grace"):
        fl.Scorer(fl.Bundle(contract=fl.Contract.parse(CONTRACT)), grace=grace)


def model(names):
    import xgboost as xgb

    x = np.random.default_rng(0).normal(size=(50, len(names))).astype(np.float32)
    return fl.Ensemble.from_xgboost(xgb.train({"max_depth": 2}, xgb.DMatrix(x, x[:, 0], feature_names=names), 2))


def test_a_model_with_other_inputs_is_refused():
    contract = fl.Contract.parse(CONTRACT)
    fl.Bundle(contract=contract, model=model(["mean", "risk", "twice"]))
    for names in (["mean", "twice", "risk"], ["mean", "risk"]):
        with pytest.raises(fl.Error, match="risk|3|2"):
            fl.Bundle(contract=contract, model=model(names))


def test_an_altered_bundle_is_refused_and_the_part_named(tmp_path):
    bundle = fl.Bundle(contract=fl.Contract.parse(CONTRACT), model=model(["mean", "risk", "twice"]))
    data = bundle.to_bytes()
    assert fl.Bundle.from_bytes(data).fingerprint == bundle.fingerprint
    rng = np.random.default_rng(1)
    for at in rng.choice(len(data), 200, replace=False):
        broken = bytearray(data)
        broken[at] ^= 1 << int(rng.integers(8))
        with pytest.raises(fl.BundleError):
            fl.Bundle.from_bytes(bytes(broken))
        with pytest.raises(fl.BundleError):
            fl.Bundle.from_bytes(data[:at])
    at = data.index(b"mean(amount)")
    with pytest.raises(fl.BundleError, match="contract"):
        fl.Bundle.from_bytes(data[:at] + b"mean(amoump)" + data[at + 12 :])


def test_a_damaged_snapshot_is_refused():
    bundle = fl.Bundle(contract=fl.Contract.parse(CONTRACT))
    scorer = fl.Scorer(bundle)
    scorer.observe("payments", table())
    blob = scorer.snapshot()
    assert fl.Scorer.restore(bundle, blob).stats() == scorer.stats()
    for at in range(0, len(blob), 7):
        with pytest.raises(fl.StateError):
            fl.Scorer.restore(bundle, blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :])
