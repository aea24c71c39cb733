"""Scores of LightGBM models equal LightGBM's own, bit for bit, on rows made to hurt.

FEATLIB_LIGHTGBM_ROWS sets the rows a kind of model is compared on: a million take about ten minutes.
"""
import os
import re
from pathlib import Path

import numpy as np
import pytest

import featlib as fl

lgb = pytest.importorskip("lightgbm")

ROWS = int(os.environ.get("FEATLIB_LIGHTGBM_ROWS", 3000))
NUMBERS, CODES = 6, {6: 40, 7: 700}  # columns of numbers, then categories
TINY = float(np.float32(1e-35))      # kZeroThreshold
MODELS = Path(__file__).parents[2] / "../shared/data/tree_models"


def beside(values):
    values = np.asarray(values, dtype=float)
    return np.concatenate([values, np.nextafter(values, np.inf), np.nextafter(values, -np.inf)])


NUMBERS_THAT_HURT = np.concatenate([
    beside([TINY, -TINY, 1e-35, -1e-35, 0.0]), [-0.0, 1e-40, -1e-40, 2.3e-308, 1e-300, -1e-300], beside([1e300, -1e300]),
    [np.inf, -np.inf, np.nan, 1.7e308, -1.7e308],
])  # fmt: skip
CODES_THAT_HURT = np.concatenate([
    beside([-1, 0, 1, 31, 32, 39, 40, 63, 64, 699, 700, 2.0**24, 2.0**31, -(2.0**31), 2.0**32, 2.0**63]),
    [-0.0, -0.5, 0.3, 38.7, 2.0**31 - 1, 1e10, 1e300, -1e300, np.inf, -np.inf, np.nan, 5e-324, -1e-36],
])  # fmt: skip


def bits(values):
    values = np.asarray(values)
    assert values.dtype == np.float64
    return values.view(np.uint64)


def assert_same_bits(ours, theirs):
    assert ours.shape == theirs.shape
    wrong = bits(ours) != bits(theirs)
    assert not wrong.any(), f"{wrong.sum()} of {wrong.size} differ: {ours[wrong][:3]} {theirs[wrong][:3]}"


def table(seed, rows=1500):
    """Columns with NaN (0, 1), without (2), whole numbers with many zeros (3), with a step at zero (4), small (5), categories."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, NUMBERS + len(CODES)))
    X[:, :2][rng.random((rows, 2)) < 0.1] = np.nan
    X[:, 3] = rng.poisson(0.7, rows)
    X[:, 4] = np.where(rng.random(rows) < 0.3, 0.0, X[:, 4])
    X[:, 5] *= 1e-35
    effect = 0
    for column, codes in CODES.items():
        X[:, column] = rng.integers(0, codes, rows) ** 2 // codes
        effect = effect + rng.normal(size=codes)[X[:, column].astype(int)]
        X[rng.random(rows) < 0.05, column] = np.nan
    known = np.nan_to_num(X)
    signal = known[:, 0] * known[:, 1] + known[:, 2] + known[:, 3] * known[:, 4] + np.sign(known[:, 5]) + effect
    return rng, X, signal + 0.3 * rng.normal(size=rows)


def train(rng, X, signal, parameters, rounds=20, **options):
    objective = parameters.get("objective", "regression")
    y = {
        "binary": signal > 0, "cross_entropy": 1 / (1 + np.exp(-signal)), "cross_entropy_lambda": 1 / (1 + np.exp(-signal)),
        "multiclass": np.digitize(signal, [-1, 0, 1]), "multiclassova": np.digitize(signal, [-1, 0, 1]),
        "lambdarank": np.digitize(signal, [-1, 0, 1]), "rank_xendcg": np.digitize(signal, [-1, 0, 1]),
        "gamma": np.abs(signal) + 0.1, "poisson": np.abs(np.round(signal)), "tweedie": np.maximum(signal, 0),
    }.get(objective, signal)  # fmt: skip
    group = [50] * (len(X) // 50) if "rank" in str(objective) else None
    data = lgb.Dataset(X, np.asarray(y, dtype=float), group=group, categorical_feature=list(CODES))
    fixed = {"verbose": -1, "num_threads": 1, "seed": 5, "min_data_per_group": 5, "cat_smooth": 1, "min_data_in_leaf": 5}
    return lgb.train(fixed | {"objective": objective} | parameters, data, rounds, **options)


def thresholds(booster):
    """Of numeric splits, by feature."""
    found = [[0.0] for _ in range(booster.num_feature())]
    text = booster.model_to_string()
    rows = [re.findall(rf"^{key}=(.+)$", text, re.MULTILINE) for key in ("split_feature", "threshold", "decision_type")]
    for features, values, kinds in zip(*rows, strict=True):
        for feature, value, kind in zip(features.split(), values.split(), kinds.split(), strict=True):
            if int(kind) % 2 == 0:
                found[int(feature)].append(float(value))
    return [np.array(values) for values in found]


def hurting_rows(rng, X, booster, rows=ROWS):
    H = X[rng.integers(0, len(X), rows)]
    for column, edges in enumerate(thresholds(booster)[:NUMBERS]):
        at = rng.random(rows) < 0.45
        H[at, column] = rng.choice(beside(edges), at.sum())
        at = rng.random(rows) < 0.15
        H[at, column] = rng.choice(edges, at.sum()) * (1 + rng.normal(size=at.sum()) * 1e-9)  # as a float32 it would be the threshold
        at = rng.random(rows) < 0.2
        H[at, column] = rng.choice(NUMBERS_THAT_HURT, at.sum())
    for column in CODES:
        at = rng.random(rows) < 0.4
        H[at, column] = rng.choice(CODES_THAT_HURT, at.sum())
    return H


def assert_same_model(booster, H, threads=1):
    model = fl.Ensemble.from_lightgbm(booster)
    assert model.format == "lightgbm-text"
    for first in range(0, len(H), 100_000):
        rows = H[first : first + 100_000]
        assert_same_bits(model.margin(rows), booster.predict(rows, raw_score=True, num_threads=threads))
        assert_same_bits(model.predict(rows), booster.predict(rows, num_threads=threads))
        leaves = booster.predict(rows, pred_leaf=True, num_threads=threads)
        assert (model.leaves(rows) == leaves.reshape(len(rows), -1)).all()
    return model


KINDS = [
    {"objective": "binary"},
    {"objective": "binary", "sigmoid": 1.64},  # LightGBM does not read it as the nearest double
    {"objective": "binary", "sigmoid": 2.3e-05},
    {"objective": "binary", "zero_as_missing": True},
    {"objective": "binary", "use_missing": False},
    {"objective": "binary", "boosting": "dart", "drop_rate": 0.5},
    {"objective": "binary", "boosting": "rf", "bagging_fraction": 0.6, "bagging_freq": 1},
    {"objective": "binary", "data_sample_strategy": "goss"},
    {"objective": "regression"},
    {"objective": "regression", "reg_sqrt": True},
    {"objective": "regression", "boosting": "rf", "bagging_fraction": 0.6, "bagging_freq": 1},
    {"objective": "regression", "num_leaves": 2},
    {"objective": "regression", "num_leaves": 200, "max_bin": 1000, "max_cat_threshold": 500},
    {"objective": "regression", "max_cat_to_onehot": 1000},
    {"objective": "regression", "extra_trees": True, "boost_from_average": False},
    {"objective": "regression_l1"},
    {"objective": "regression_l1", "reg_sqrt": True},
    {"objective": "huber"},
    {"objective": "fair", "reg_sqrt": True},
    {"objective": "quantile", "alpha": 0.8},
    {"objective": "mape"},
    {"objective": "poisson"},
    {"objective": "gamma"},
    {"objective": "tweedie"},
    {"objective": "multiclass", "num_class": 4},
    {"objective": "multiclass", "num_class": 4, "zero_as_missing": True},
    {"objective": "multiclass", "num_class": 4, "boosting": "rf", "bagging_fraction": 0.6, "bagging_freq": 1},
    {"objective": "multiclassova", "num_class": 4, "sigmoid": 1.3},
    {"objective": "cross_entropy"},
    {"objective": "cross_entropy_lambda"},
    {"objective": "lambdarank"},
    {"objective": "rank_xendcg"},
]


@pytest.mark.parametrize("parameters", KINDS, ids=lambda p: ",".join(str(value) for value in p.values()))
def test_margins_predictions_and_leaves_have_lightgbms_bits(parameters):
    rng, X, signal = table(3)
    booster = train(rng, X, signal, parameters)
    model = assert_same_model(booster, hurting_rows(rng, X, booster))
    assert model.objective == parameters["objective"]
    assert (model.features, model.outputs) == (NUMBERS + len(CODES), parameters.get("num_class", 1))


def test_a_custom_objective_predicts_its_margins():
    rng, X, signal = table(4)
    booster = train(rng, X, signal, {"objective": lambda margin, data: (margin - data.get_label(), np.ones(len(margin)))})
    model = assert_same_model(booster, hurting_rows(rng, X, booster))
    assert model.objective == "custom"


@pytest.mark.parametrize("classes", [1, 3])
def test_trees_of_one_leaf(classes):
    rng, X, _ = table(5)
    data = lgb.Dataset(X, np.zeros(len(X)))
    objective = {"objective": "regression"} if classes == 1 else {"objective": "multiclass", "num_class": classes}
    booster = lgb.train(objective | {"verbose": -1, "min_data_in_leaf": 2000}, data, 3)
    assert_same_model(booster, X)


def test_float32_rows_are_widened():
    rng, X, signal = table(6)
    booster = train(rng, X, signal, {"objective": "binary"})
    with np.errstate(over="ignore"):
        H = hurting_rows(rng, X, booster).astype(np.float32)
    assert_same_model(booster, H)


def test_trees_up_to_the_best_iteration_are_taken():
    rng, X, signal = table(7)
    booster = train(rng, X, signal, {})
    booster.best_iteration = 7
    assert assert_same_model(booster, X).trees == 7


def test_training_that_goes_on_with_other_missing_values():
    """The first trees know no NaN, the later ones do: what NaN means is each node's own."""
    rng, X, signal = table(8)
    whole = np.nan_to_num(X)
    first = train(rng, whole, signal, {}, 10)
    booster = train(rng, X, signal, {}, 10, init_model=first)
    kinds = {int(kind) >> 2 for kinds in re.findall("^decision_type=(.+)$", booster.model_to_string(), re.MULTILINE) for kind in kinds.split()}
    assert {0, 2} <= kinds
    assert_same_model(booster, hurting_rows(rng, X, booster))


def test_zero_missing_in_some_trees_only_is_refused():
    rng, X, signal = table(9)
    first = train(rng, X, signal, {"zero_as_missing": True}, 3)
    booster = train(rng, X, signal, {}, 3, init_model=first)
    with pytest.raises(fl.ModelError, match="model-unsupported.*zero is missing in some splits"):
        fl.Ensemble.from_lightgbm(booster)


def test_linear_trees_are_refused():
    rng, X, signal = table(10)
    booster = train(rng, X, signal, {"linear_tree": True, "linear_lambda": 0.1}, 3)
    with pytest.raises(fl.ModelError, match="model-unsupported.*linear models"):
        fl.Ensemble.from_lightgbm(booster)


def test_a_file_is_read_by_content(tmp_path):
    rng, X, signal = table(11)
    booster = train(rng, X, signal, {"objective": "binary"})
    path = tmp_path / "model.anything"
    booster.save_model(path)
    model = fl.Ensemble.load(path)
    assert model.feature_names == [f"Column_{i}" for i in range(X.shape[1])]
    assert (model.format, model.trees) == ("lightgbm-text", 20)
    assert_same_bits(model.predict(X), booster.predict(X))
    assert fl.Ensemble.from_lightgbm(booster).fingerprint == model.fingerprint


def test_an_estimator_is_its_booster():
    _, X, signal = table(12)
    estimator = lgb.LGBMRegressor(n_estimators=5, verbose=-1, n_jobs=1).fit(X, signal)
    assert_same_bits(fl.Ensemble.from_lightgbm(estimator).predict(X), estimator.booster_.predict(X))


@pytest.mark.skipif(not MODELS.exists(), reason="no public models beside the repository")
def test_the_public_models():
    for path in sorted(MODELS.glob("lgb_*.txt")):
        booster = lgb.Booster(model_file=path)
        rng = np.random.default_rng(13)
        H = np.stack([rng.choice(np.concatenate([beside(values), NUMBERS_THAT_HURT]), ROWS) for values in thresholds(booster)], axis=1)
        assert_same_model(booster, H)


# ---- named categories, bundles, scorers -----------------------------------------------------------------------------

CONTRACT = """
featlib: 1
name: shop
version: 1.0.0
owner: you@example.com
entities: {card: {key: card_id, type: string}}
sources: {payments: {entity: card, event_time: paid_at, delay: 0s, retention: 30d, columns: {amount: {type: float64}}}}
request: {amount: {type: float64}, shop: {type: string}, size: {type: string}}
features:
  amount: {from: request.amount}
  shop: {from: request.shop, type: category, vocabulary: [fuel, food, "größe"]}
  size: {from: request.size, type: category, vocabulary: [S, M, L]}
"""


def named_categories(ordered=False):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(20)
    shop = rng.choice(["fuel", "food", "größe"], 600)
    size = rng.choice(["S", "M", "L"], 600)
    frame = pandas.DataFrame({
        "amount": rng.normal(size=600) * 100,
        "shop": pandas.Categorical(shop, ["fuel", "food", "größe"]),
        "size": pandas.Categorical(size, ["S", "M", "L"], ordered=ordered),
    })
    y = frame["amount"] / 100 + (shop == "food") - 2 * (size == "M")
    parameters = {"verbose": -1, "num_threads": 1, "min_data_per_group": 5, "cat_smooth": 1, "objective": "binary"}
    return frame, lgb.train(parameters, lgb.Dataset(frame, y > 0), 10)


def codes_of(frame):
    X = frame.assign(shop=frame["shop"].cat.codes, size=frame["size"].cat.codes).to_numpy(dtype=float)
    return np.where(X == -1, np.nan, X)


def test_a_scorer_gives_what_lightgbm_gives_for_the_named_categories():
    pandas, rng = pytest.importorskip("pandas"), np.random.default_rng(22)
    frame, booster = named_categories()
    edges = beside(thresholds(booster)[0])
    at_edges = pandas.DataFrame({"amount": edges, "shop": rng.choice(["fuel", "food"], len(edges)), "size": rng.choice(["S", "M"], len(edges))})
    others = pandas.DataFrame({"amount": [1.5, 0.1, np.nan], "shop": ["unseen", None, "food"], "size": ["M", "XL", None]})
    frame = pandas.concat([frame, at_edges, others])
    for column in ("shop", "size"):
        frame[column] = pandas.Categorical(frame[column])  # in another order, and with more of them
    theirs, margins = booster.predict(frame), booster.predict(frame, raw_score=True)

    model = fl.Ensemble.from_lightgbm(booster)
    assert model.categories == {"shop": ["fuel", "food", "größe"], "size": ["S", "M", "L"]}
    bundle = fl.Bundle(contract=fl.Contract.parse(CONTRACT), model=model)
    scorer = fl.Scorer(bundle)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    decisions = [scorer.decide({"card_id": "c"} | row, as_of=1_600_000_000_000_000) for row in rows]
    assert_same_bits(np.array([decision.score for decision in decisions]), theirs)
    assert_same_bits(np.array([decision.margin for decision in decisions]), margins)
    assert np.unique(theirs).size > 20


def test_a_table_of_features_is_scored_in_float64(tmp_path):
    frame, booster = named_categories()
    fl.Bundle(contract=fl.Contract.parse(CONTRACT), model=fl.Ensemble.from_lightgbm(booster)).save(tmp_path / "shop.flb")
    model = fl.Bundle.load(tmp_path / "shop.flb").model
    X = codes_of(frame)

    class Table:
        def matrix(self, *, dtype="float32"):
            return X.astype(dtype)

    assert (X.astype(np.float32) != X).any()
    edges = thresholds(booster)[0]
    X[: len(edges), 0] = np.nextafter(edges, np.inf)[: len(X)]
    assert_same_bits(model.predict(Table()), booster.predict(X))


@pytest.mark.parametrize("change", [("[fuel, food, ", "[food, fuel, "), (', "größe"]', "]"), ("[S, M, L]", "[S, M, L, XL]"), ("request.size, type: category, vocabulary: [S, M, L]", "request.amount")])
def test_a_contract_with_other_codes_than_the_models_is_refused(change):
    _, booster = named_categories()
    contract = CONTRACT.replace(*change)
    assert contract != CONTRACT
    with pytest.raises(fl.ModelError, match="model-inputs.*has not the codes of the 3 categories"):
        fl.Bundle(contract=fl.Contract.parse(contract), model=fl.Ensemble.from_lightgbm(booster))


def test_tables_of_categories_that_may_be_anyones_are_refused():
    _, booster = named_categories(ordered=True)  # to LightGBM `size` is a number then
    with pytest.raises(fl.ModelError, match="model-unsupported.*2 tables of categories for 1 categorical features"):
        fl.Ensemble.from_lightgbm(booster)


def test_categories_that_are_their_own_codes_have_no_names():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(21)
    codes = rng.integers(0, 5, 600)
    frame = pandas.DataFrame({"code": pandas.Categorical(codes, range(5)), "x": rng.normal(size=600)})
    booster = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(frame, codes % 2 + frame["x"]), 5)
    model = fl.Ensemble.from_lightgbm(booster)
    assert model.categories == {}
    assert_same_bits(model.predict(np.stack([codes, frame["x"]], axis=1)), booster.predict(frame))
