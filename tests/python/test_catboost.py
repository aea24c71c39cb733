"""Scores of CatBoost models equal CatBoost's own, bit for bit, on rows made to hurt."""
import json

import numpy as np
import pytest

import featlib as fl

cb = pytest.importorskip("catboost")

COLUMNS = 6
SPECIAL = np.array([0.0, -0.0, 1e-40, -1e-40, 1e-45, 3.4028235e38, -3e38, np.nan, np.inf, -np.inf], dtype=np.float32)


def assert_same_bits(ours, theirs):
    theirs = np.ascontiguousarray(theirs, dtype=np.float64)
    assert ours.dtype == np.float64
    assert ours.shape == theirs.shape
    wrong = ours.view(np.uint64) != theirs.view(np.uint64)
    assert not wrong.any(), f"{wrong.sum()} of {wrong.size} differ: {ours[wrong][:3]} {theirs[wrong][:3]}"


def training_table(seed, rows=700, missing=0.06):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, COLUMNS)).astype(np.float32)
    X[rng.random(X.shape) < missing] = np.nan
    known = np.nan_to_num(X)
    return rng, X, known[:, 0] * known[:, 1] + known[:, 2] - (known[:, 3] > 0.5) + 0.3 * rng.normal(size=rows)


def borders(model):
    return np.concatenate([np.asarray(b, dtype=np.float32) for b in model.get_borders().values()] + [np.zeros(1, np.float32)])


def hurting_rows(rng, model, rows=3000):
    """Values on borders, one unit either side, doubles that round onto a border, and SPECIAL."""
    H = rng.normal(size=(rows, COLUMNS))
    edges = borders(model)
    up, down = np.float32(np.inf), np.float32(-np.inf)
    with np.errstate(over="ignore"):  # where values are missing, the first or last border is the largest float
        beside = [np.nextafter(edges, up), np.nextafter(edges, down)]
    for values in (edges, *beside, np.nextafter(edges.astype(float), np.inf), np.nextafter(edges.astype(float), -np.inf)):
        at = rng.random(H.shape) < 0.12
        H[at] = rng.choice(values, at.sum())
    at = rng.random(H.shape) < 0.1
    H[at] = rng.choice(SPECIAL, at.sum())
    return H


LABELS = {
    "two": lambda s: (s > 0).astype(int),
    "names": lambda s: np.where(s > 0, "yes", "no"),
    "four": lambda s: np.digitize(s, [-1, 0, 1]),
    "odd": lambda s: np.digitize(s, [-1, 0, 1]) * 2 + 3,
    "real": lambda s: s,
    "positive": lambda s: np.abs(s),
    "targets": lambda s: np.stack([s, -s, s * s], axis=1),
    "labels": lambda s: np.stack([s > 0, s > 1], axis=1).astype(int),
}

MODELS = [
    ("Logloss", "two", {}),
    ("Logloss", "names", {"depth": 1}),
    ("Logloss", "two", {"depth": 10, "iterations": 5}),
    ("Logloss", "two", {"nan_mode": "Max"}),
    ("Logloss", "two", {"grow_policy": "Lossguide", "max_leaves": 9}),
    ("Logloss", "two", {"grow_policy": "Depthwise", "nan_mode": "Max"}),
    ("CrossEntropy", "two", {"boost_from_average": True}),
    ("MultiClass", "four", {}),
    ("MultiClass", "odd", {"grow_policy": "Lossguide", "max_leaves": 7}),
    ("MultiClassOneVsAll", "four", {}),
    ("MultiLogloss", "labels", {}),
    ("RMSE", "real", {}),
    ("RMSE", "real", {"border_count": 1}),
    ("RMSE", "real", {"grow_policy": "Depthwise", "iterations": 40, "border_count": 700, "rows": 3000}),
    ("MAE", "real", {}),
    ("Quantile:alpha=0.7", "real", {}),
    ("Poisson", "positive", {}),
    ("Tweedie:variance_power=1.5", "positive", {}),
    ("MultiRMSE", "targets", {}),
]


def trained(loss, label, parameters, missing=0.06):
    parameters = dict(parameters)
    rng, X, signal = training_table(7, rows=parameters.pop("rows", 700), missing=missing)
    parameters = {"iterations": 23, "depth": 5, "random_seed": 1, "thread_count": 1, "verbose": 0, "allow_writing_files": False} | parameters
    return rng, X, cb.CatBoost({"loss_function": loss} | parameters).fit(X, LABELS[label](signal))


def forms(model, tmp_path):
    """cbm and JSON, each beside what CatBoost makes of that file: its reader of JSON takes some numbers for others a unit off."""
    path = str(tmp_path / "model.json")
    model.save_model(path, format="json")
    return [(fl.Ensemble.from_catboost(model), model), (fl.Ensemble.load(path), cb.CatBoost().load_model(path, format="json"))]


def probability(model, loss, rows):
    kind = loss.partition(":")[0]
    if kind in ("Logloss", "CrossEntropy"):
        return model.predict(rows, prediction_type="Probability")[:, 1]
    if kind in ("MultiClass", "MultiClassOneVsAll", "MultiLogloss"):
        return model.predict(rows, prediction_type="Probability")
    return model.predict(rows, prediction_type="Exponent" if kind in ("Poisson", "Tweedie") else "RawFormulaVal")


@pytest.mark.parametrize("loss, label, parameters", MODELS, ids=str)
def test_scores_equal_catboosts_bit_for_bit(loss, label, parameters, tmp_path):
    rng, X, model = trained(loss, label, parameters)
    H = hurting_rows(rng, model)
    for ours, theirs in forms(model, tmp_path):
        assert ours.objective == loss.partition(":")[0]
        for rows in (X, H, H.astype(np.float32), H[:1], H[:150]):
            assert_same_bits(ours.margin(rows), theirs.predict(rows, prediction_type="RawFormulaVal"))
            assert_same_bits(ours.predict(rows), probability(theirs, loss, rows))
            assert (ours.leaves(rows) == theirs.calc_leaf_indexes(rows)).all()


@pytest.mark.parametrize("scale, bias", [(1.0, 0.25), (0.37, 0.0), (-1.7, 3.3), (1.0, 0.0)])
def test_scale_and_bias_are_applied_as_catboost_does(scale, bias, tmp_path):
    rng, X, model = trained("RMSE", "real", {"boost_from_average": False})
    model.set_scale_and_bias(scale, bias)
    H = hurting_rows(rng, model)
    for ours, theirs in forms(model, tmp_path):
        assert_same_bits(ours.margin(H), theirs.predict(H))


@pytest.mark.parametrize("treatment", ["AsIs", "AsFalse", "AsTrue"])
@pytest.mark.parametrize("has_nans", [True, False])
def test_missing_values_go_where_the_model_says(treatment, has_nans, tmp_path):
    rng, X, model = trained("Logloss", "two", {})
    model.save_model(str(tmp_path / "model.json"), format="json")
    document = json.loads((tmp_path / "model.json").read_text())
    for feature in document["features_info"]["float_features"]:
        feature["nan_value_treatment"], feature["has_nans"] = treatment, has_nans
    (tmp_path / "model.json").write_text(json.dumps(document))
    theirs = cb.CatBoost().load_model(str(tmp_path / "model.json"), format="json")
    H = hurting_rows(rng, model)
    assert (fl.Ensemble.load(tmp_path / "model.json").leaves(H) == theirs.calc_leaf_indexes(H)).all()
    theirs.save_model(str(tmp_path / "again.cbm"))
    assert_same_bits(fl.Ensemble.load(tmp_path / "again.cbm").margin(H), theirs.predict(H))


# One of each number of digits: the hash has cases by length. Powers of two fit float32 whatever their size.
CODES = np.array([0, 1, 2, 3, 4, 7, 12, 345, 9999, 12345, 1234567, 12345678, 16777215, -1, -2, -12, -345, -1234567, -16777215, 2**35, 2**52, -(2**52)])


def mixed(H, codes):
    table = np.empty((len(H), COLUMNS), dtype=object)
    table[:, : COLUMNS - 1] = H[:, : COLUMNS - 1]
    table[:, COLUMNS - 1] = codes
    return table


@pytest.mark.parametrize("policy", ["SymmetricTree", "Lossguide"])
def test_one_hot_categories_are_found_by_their_hash(policy, tmp_path):
    rng, X, signal = training_table(8)
    codes = rng.choice(CODES, len(X))
    y = (signal + 2 * (codes % 3 == 1) - (codes < 0) > 0).astype(int)
    model = cb.CatBoost({"loss_function": "Logloss", "iterations": 20, "depth": 4, "one_hot_max_size": 30, "grow_policy": policy, "verbose": 0, "thread_count": 1, "allow_writing_files": False})
    model.fit(mixed(X, codes), y, cat_features=[COLUMNS - 1])
    H = hurting_rows(rng, model)
    asked = np.where(rng.random(len(H)) < 0.8, rng.choice(CODES, len(H)), rng.integers(-(2**24) + 1, 2**24, len(H)))
    (binary, _), (text, _) = forms(model, tmp_path)
    rows = np.column_stack([H[:, : COLUMNS - 1], asked.astype(float)])
    margin = model.predict(mixed(H, asked), prediction_type="RawFormulaVal")
    assert_same_bits(binary.margin(rows), margin)
    assert (binary.leaves(rows) == model.calc_leaf_indexes(mixed(H, asked))).all()
    np.testing.assert_allclose(text.margin(rows), margin, rtol=1e-13, atol=1e-13)  # CatBoost itself does not find its categories in a JSON again


def test_counters_of_categories_are_refused(tmp_path):
    rng, X, signal = training_table(9)
    model = cb.CatBoost({"loss_function": "Logloss", "iterations": 5, "one_hot_max_size": 1, "verbose": 0, "thread_count": 1, "allow_writing_files": False})
    codes = rng.integers(0, 9, len(X))
    model.fit(mixed(X, codes), (signal + 3 * (codes % 2) > 1).astype(int), cat_features=[COLUMNS - 1])
    with pytest.raises(fl.ModelError, match="counters of categories"):
        fl.Ensemble.from_catboost(model)
    model.save_model(str(tmp_path / "model.json"), format="json", pool=cb.Pool(mixed(X, codes), cat_features=[COLUMNS - 1]))
    with pytest.raises(fl.ModelError, match="counters of categories"):
        fl.Ensemble.load(tmp_path / "model.json")


def test_text_features_are_refused():
    rng, X, signal = training_table(9)
    words = np.array([" ".join(rng.choice(["red", "green", "blue", "old", "new"], 4)) for _ in X])
    model = cb.CatBoost({"loss_function": "Logloss", "iterations": 5, "verbose": 0, "thread_count": 1, "allow_writing_files": False})
    table = np.column_stack([signal.astype(object), words.astype(object)])
    model.fit(table, (signal + np.char.count(words, "red") > 1).astype(int), text_features=[1])
    with pytest.raises(fl.ModelError, match="text and embedding"):
        fl.Ensemble.from_catboost(model)
