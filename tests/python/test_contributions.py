"""Contributions and reasons as a user meets them; their definitions are in tests/cpp/contributions_test.cpp."""

import json

import numpy as np
import pytest
import xgboost as xgb

import featlib as fl


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2000, 6)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = np.nan_to_num(x[:, 0] - x[:, 1] * x[:, 2]) > 0
    booster = xgb.train({"objective": "binary:logistic", "max_depth": 5}, xgb.DMatrix(x, y), 40)
    return booster, fl.Ensemble.from_xgboost(booster), x[:200]


def test_both_modes_agree_with_xgboost_and_sum_to_the_margin(trained):
    booster, model, x = trained
    theirs = booster.predict(xgb.DMatrix(x), pred_contribs=True)  # 3.2 has another algorithm, and other last digits
    exact, double = model.contributions(x), model.contributions(x, mode="double")
    assert exact.dtype == np.float32 and double.dtype == np.float64
    assert exact.shape == double.shape == theirs.shape == (200, 7)
    np.testing.assert_allclose(exact, theirs, atol=2e-5)
    np.testing.assert_allclose(double, theirs, atol=2e-5)

    leaf = {(t, n): v for t, tree in enumerate(json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]) for n, v in enumerate(tree["split_conditions"])}
    base = np.float32(double[0, -1] - sum(expected(tree) for tree in booster.get_dump(dump_format="json", with_stats=True)))
    sums = [float(base) + sum(float(np.float32(leaf[t, n])) for t, n in enumerate(row)) for row in model.leaves(x)]
    np.testing.assert_allclose(double.sum(axis=1) - sums, (double.sum(axis=1) - sums)[0], atol=1e-12)


def expected(tree):
    def mean(node):
        if "leaf" in node:
            return node["leaf"]
        return sum(mean(child) * child["cover"] for child in node["children"]) / node["cover"]

    return mean(json.loads(tree))


def test_against_a_background_they_sum_to_the_difference(trained):
    _, model, x = trained
    given = model.contributions(x[:20], background=x[100:130])
    np.testing.assert_allclose(given[:, :-1].sum(axis=1), model.margin(x[:20]) - model.margin(x[100:130]).mean(dtype=np.float64), atol=1e-5)
    same = model.contributions(x[:1], background=x[:1])
    assert (same[0, :-1] == 0).all()


def test_threads_and_outputs(trained):
    _, model, x = trained
    assert (model.contributions(x, threads=2).view(np.uint32) == model.contributions(x).view(np.uint32)).all()
    classes = xgb.train({"objective": "multi:softprob", "num_class": 3}, xgb.DMatrix(x, np.arange(200) % 3), 5)
    several = fl.Ensemble.from_xgboost(classes).contributions(x)
    assert several.shape == (200, 3, 7)
    np.testing.assert_allclose(several, classes.predict(xgb.DMatrix(x), pred_contribs=True), atol=2e-5)


def test_what_cannot_be_is_said(trained):
    _, model, x = trained
    with pytest.raises(fl.Error, match="no mode `fast`"):
        model.contributions(x, mode="fast")
    with pytest.raises(fl.Error, match="background"):
        model.contributions(x, mode="exact", background=x)
    with pytest.raises(fl.ModelError, match="no rows"):
        model.contributions(x, background=x[:0])
    with pytest.raises(fl.ModelError, match="shape"):
        model.contributions(x, background=x[:, :5])


CONTRACT = """
featlib: 1
name: reasons
version: 1.0.0
owner: tests@example.com
entities: {card: {key: card_id, type: string}}
sources:
  payments: {entity: card, event_time: {column: at, unit: us}, retention: 1d, columns: {amount: {type: float64}}}
request: {a: {type: float64}, b: {type: float64}, c: {type: float64}, d: {type: float64}}
features:
  a: {from: request.a, reason: Spends more than usual}
  b: {from: request.b, reason: Spends more than usual}
  c: {from: request.c, reason: New to this merchant}
  d: {from: request.d}
"""

POLICY = """
featlib_policy: 1
name: strict
version: 1.0.0
segments: [{default: {review: 0.5, block: 0.9}}]
"""


def test_reasons_are_the_texts_that_speak_against_a_request(trained):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(3000, 4)).astype(np.float32)
    booster = xgb.train({"objective": "binary:logistic", "max_depth": 4}, xgb.DMatrix(x, x @ [2, 1, 1.5, 1] > 0, feature_names=list("abcd")), 30)
    model = fl.Ensemble.from_xgboost(booster)
    scorer = fl.Scorer(fl.Bundle(contract=fl.Contract.parse(CONTRACT), model=model, policy=POLICY))
    outcomes = set()
    for row in x[:100]:
        decision = scorer.decide({"card_id": "k", **dict(zip("abcd", map(float, row), strict=True))}, as_of=1_600_000_000_000_000)
        outcomes.add(decision.outcome)
        given = model.contributions(row.reshape(1, -1))[0].astype(float)
        texts = {"Spends more than usual": given[0] + given[1], "New to this merchant": given[2], "d": given[3]}
        against = sorted(((t, v) for t, v in texts.items() if v > 0), key=lambda tv: -tv[1]) if decision.outcome != "approve" else []
        assert [(r["text"], r["contribution"]) for r in decision.reasons] == against
        assert all(r["features"] == ["a", "b"] for r in decision.reasons if r["text"].startswith("Spends"))
    assert outcomes == {"approve", "review", "block"}
