"""Scores of scikit-learn estimators equal scikit-learn's own, bit for bit, on rows made to hurt."""
import json
import math

import numpy as np
import pytest

import featlib as fl

sklearn = pytest.importorskip("sklearn")

from sklearn import ensemble, tree  # noqa: E402

import threadpoolctl  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of scikit-learn wait for each other by spinning: on a shared machine a fit of a tenth of a second takes half a minute."""
    with threadpoolctl.threadpool_limits(1):
        yield


COLUMNS = 6
SPECIAL = [0.0, -0.0, 1e-40, -1e-40, 5e-324, 3.4028235e38, -3e38, 2.5, 3.0, np.nan, np.inf, -np.inf]


def assert_same_bits(ours, theirs):
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype == np.float64
    wrong = ours.view(np.uint64) != np.ascontiguousarray(theirs).view(np.uint64)
    assert not wrong.any(), f"{wrong.sum()} of {wrong.size} differ: {ours[wrong][:3]} {theirs[wrong][:3]}"


def training_table(seed, rows=800, missing=0.06):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, COLUMNS))
    X[:, 4] = rng.integers(0, 9, rows)
    X[:, 5] = rng.integers(0, 40, rows) * 3
    X = X.astype(np.float32).astype(np.float64)
    X[rng.random(X.shape) < missing] = np.nan
    known = np.nan_to_num(X)
    signal = known[:, 0] * known[:, 1] + known[:, 2] + (known[:, 4] % 3 == 1) - (known[:, 5] % 7 > 3) + 0.3 * rng.normal(size=rows)
    return rng, X, signal


def document_of(estimator):
    from featlib._trainers import sklearn_json

    return json.loads(sklearn_json(estimator))


def hurting_rows(rng, estimator, rows=2000, special=SPECIAL):
    """Values on thresholds, one unit either side in both number types, doubles that round onto a float, and SPECIAL."""
    H = rng.normal(size=(rows, COLUMNS))
    H[:, 4] = rng.integers(-2, 12, rows)
    H[:, 5] = rng.integers(-2, 45, rows) * 3
    trees = document_of(estimator)["trees"]
    edges = np.array([t for one in trees for t, left in zip(one["threshold"], one["left"]) if left >= 0 and math.isfinite(t)])
    single = edges.astype(np.float32)
    choices = [
        edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf), single.astype(float),
        np.nextafter(single, np.float32(np.inf)).astype(float), np.nextafter(single, np.float32(-np.inf)).astype(float),
        np.nextafter(single.astype(float), np.inf), np.nextafter(single.astype(float), -np.inf),
    ]
    for values in choices:
        at = rng.random(H.shape) < 0.06
        H[at] = rng.choice(values, at.sum())
    at = rng.random(H.shape) < 0.08
    H[at] = rng.choice(np.array(special), at.sum())
    return H


def theirs_unguarded(method, X):
    """scikit-learn refuses infinities; its trees do not."""
    with sklearn.config_context(assume_finite=True), np.errstate(all="ignore"):
        return np.asarray(method(X))


def leaves_of(estimator, X):
    with np.errstate(over="ignore"):
        single = X.astype(np.float32)
    members = np.ravel(getattr(estimator, "estimators_", [estimator]))
    columns = getattr(estimator, "estimators_features_", [slice(None)] * len(members))
    return np.stack([member.tree_.apply(np.ascontiguousarray(single[:, c])) for member, c in zip(members, columns)], axis=1)


LABELS = {
    "real": lambda s: s,
    "two": lambda s: (s > 0).astype(int),
    "names": lambda s: np.where(s > 0, "yes", "no"),
    "five": lambda s: np.digitize(s, [-1, 0, 0.7, 2]),
    "eleven": lambda s: np.digitize(s, np.linspace(-2, 2, 10)),
    "targets": lambda s: np.stack([s, -s, s * s], axis=1),
    "positive": lambda s: np.abs(s) + 0.1,
}

AVERAGED = [
    (tree.DecisionTreeClassifier, "two", {"max_depth": 6}),
    (tree.DecisionTreeClassifier, "five", {}),
    (tree.DecisionTreeRegressor, "real", {"max_leaf_nodes": 40}),
    (tree.DecisionTreeRegressor, "targets", {"max_depth": 5}),
    (tree.ExtraTreeClassifier, "names", {"max_depth": 6}),
    (tree.ExtraTreeRegressor, "real", {}),
    (ensemble.RandomForestClassifier, "two", {"n_estimators": 23, "max_depth": 7}),
    (ensemble.RandomForestClassifier, "eleven", {"n_estimators": 7}),
    (ensemble.RandomForestClassifier, "five", {"n_estimators": 9, "class_weight": "balanced", "criterion": "entropy"}),
    (ensemble.RandomForestRegressor, "real", {"n_estimators": 21}),
    (ensemble.RandomForestRegressor, "targets", {"n_estimators": 5, "max_depth": 6}),
    (ensemble.RandomForestRegressor, "positive", {"n_estimators": 5, "criterion": "poisson"}),
    (ensemble.ExtraTreesClassifier, "five", {"n_estimators": 11, "max_depth": 8}),
    (ensemble.ExtraTreesRegressor, "real", {"n_estimators": 11, "bootstrap": True}),
]


@pytest.mark.parametrize("kind, label, parameters", AVERAGED, ids=lambda v: getattr(v, "__name__", str(v)))
def test_trees_and_forests_predict_as_scikit_learn_does(kind, label, parameters):
    rng, X, signal = training_table(3)
    estimator = kind(random_state=1, **parameters).fit(X, LABELS[label](signal))
    model = fl.Ensemble.from_sklearn(estimator)
    H = hurting_rows(rng, estimator)
    for rows in (X, H, H[:1], H.astype(np.float32, casting="same_kind")):
        if hasattr(estimator, "classes_"):
            theirs = theirs_unguarded(estimator.predict_proba, rows)
            theirs = theirs[:, 1] if len(estimator.classes_) == 2 else theirs
        else:
            theirs = theirs_unguarded(estimator.predict, rows)
        assert_same_bits(model.predict(rows), theirs)
        assert_same_bits(model.margin(rows), theirs)
        assert (model.leaves(rows) == leaves_of(estimator, rows)).all()
    assert (model.leaves(X) == estimator.apply(X).reshape(len(X), -1)).all()


BOOSTED = [
    (ensemble.GradientBoostingClassifier, "two", {}),
    (ensemble.GradientBoostingClassifier, "two", {"loss": "exponential", "learning_rate": 0.37}),
    (ensemble.GradientBoostingClassifier, "names", {"init": "zero"}),
    (ensemble.GradientBoostingClassifier, "five", {"n_estimators": 7}),
    (ensemble.GradientBoostingClassifier, "eleven", {"n_estimators": 4}),
    (ensemble.GradientBoostingRegressor, "real", {}),
    (ensemble.GradientBoostingRegressor, "real", {"loss": "huber", "learning_rate": 1.0}),
    (ensemble.GradientBoostingRegressor, "real", {"loss": "quantile", "alpha": 0.8, "subsample": 0.6}),
    (ensemble.GradientBoostingRegressor, "real", {"loss": "absolute_error", "init": "zero"}),
]


def softmax(raw, add):
    """scikit-learn's with the C library's exp: NumPy has one of its own where there is AVX-512."""
    out = np.empty(raw.shape)
    for i, row in enumerate(raw):
        terms = np.array([math.exp(x) for x in row - row.max()])
        out[i] = terms / add(terms)
    return out


@pytest.mark.parametrize("kind, label, parameters", BOOSTED, ids=lambda v: getattr(v, "__name__", str(v)))
def test_gradient_boosting_scores_as_scikit_learn_does(kind, label, parameters):
    rng, X, signal = training_table(4, missing=0)
    estimator = kind(random_state=1, **({"n_estimators": 19, "max_depth": 4} | parameters)).fit(X, LABELS[label](signal))
    model = fl.Ensemble.from_sklearn(estimator)
    H = hurting_rows(rng, estimator)
    with np.errstate(over="ignore"):
        H = H.astype(np.float32).astype(np.float64)[~np.isnan(H).any(axis=1)]
    for rows in (X, H, H[:1]):
        if not hasattr(estimator, "classes_"):
            raw = theirs_unguarded(estimator.predict, rows)
            assert_same_bits(model.predict(rows), raw)
        else:
            raw = theirs_unguarded(estimator.decision_function, rows)
            theirs = theirs_unguarded(estimator.predict_proba, rows)
            if raw.ndim == 1:
                assert_same_bits(model.predict(rows), theirs[:, 1])
            else:
                assert_same_bits(model.predict(rows), softmax(raw, np.sum))
                np.testing.assert_allclose(model.predict(rows), theirs, rtol=1e-14)
        assert_same_bits(model.margin(rows), raw)
        assert (model.leaves(rows) == theirs_unguarded(estimator.apply, rows).reshape(len(rows), -1)).all()


HISTOGRAM = [
    (ensemble.HistGradientBoostingClassifier, "two", {}),
    (ensemble.HistGradientBoostingClassifier, "five", {"max_iter": 7}),
    (ensemble.HistGradientBoostingClassifier, "eleven", {"max_iter": 4}),
    (ensemble.HistGradientBoostingRegressor, "real", {}),
    (ensemble.HistGradientBoostingRegressor, "real", {"loss": "absolute_error", "max_bins": 63}),
    (ensemble.HistGradientBoostingRegressor, "real", {"loss": "quantile", "quantile": 0.3}),
    (ensemble.HistGradientBoostingRegressor, "positive", {"loss": "gamma"}),
    (ensemble.HistGradientBoostingRegressor, "positive", {"loss": "poisson"}),
]


def walk(document, row):
    """scikit-learn's own nodes have no apply."""
    known = {one["feature"]: set(one["numbers"]) for one in document["categories"]}
    for one in document["trees"]:
        sets = dict(zip(one["category_nodes"], one["category_left"]))
        at = 0
        while one["left"][at] >= 0:
            x = row[one["feature"][at]]
            if at in sets:
                left = x in sets[at] or (x not in known[one["feature"][at]] and one["missing_left"][at])
            else:
                left = one["missing_left"][at] if math.isnan(x) else x <= one["threshold"][at]
            at = one["left" if left else "right"][at]
        yield at


@pytest.mark.parametrize("categories", [None, [4, 5], [5]], ids=str)
@pytest.mark.parametrize("kind, label, parameters", HISTOGRAM, ids=lambda v: getattr(v, "__name__", str(v)))
def test_hist_gradient_boosting_scores_as_scikit_learn_does(kind, label, parameters, categories):
    rng, X, signal = training_table(5)
    estimator = kind(random_state=1, **({"max_iter": 19, "categorical_features": categories} | parameters)).fit(X, LABELS[label](signal))
    model = fl.Ensemble.from_sklearn(estimator)
    H = hurting_rows(rng, estimator, special=SPECIAL + [-1.0, -0.5, 0.5, 2.9999999999999996, 256.0, 257.0, 2.0**31, 2.0**32 + 3, 1e300])
    document = document_of(estimator)
    for rows in (X, H):
        if hasattr(estimator, "classes_"):
            raw, theirs = theirs_unguarded(estimator.decision_function, rows), theirs_unguarded(estimator.predict_proba, rows)
            if raw.ndim == 1:
                assert_same_bits(model.predict(rows), theirs[:, 1])
            else:
                assert_same_bits(model.predict(rows), softmax(raw, sum))
                np.testing.assert_allclose(model.predict(rows), theirs, rtol=1e-14)
        else:
            raw, theirs = theirs_unguarded(lambda x: estimator._raw_predict(x).ravel(), rows), theirs_unguarded(estimator.predict, rows)
            if label == "positive":
                assert_same_bits(model.predict(rows), np.array([math.exp(x) for x in raw]))
                np.testing.assert_allclose(model.predict(rows), theirs, rtol=1e-15)
            else:
                assert_same_bits(model.predict(rows), theirs)
        assert_same_bits(model.margin(rows), raw)
    assert [list(walk(document, row)) for row in H[:200]] == model.leaves(H[:200]).tolist()


@pytest.mark.parametrize("parameters", [{}, {"max_features": 3}, {"max_samples": 7}, {"max_features": 0.5, "bootstrap": True}], ids=str)
def test_isolation_forests_score_samples_as_scikit_learn_does(parameters):
    rng, X, _ = training_table(6)
    estimator = ensemble.IsolationForest(n_estimators=30, random_state=1, **parameters).fit(X)
    model = fl.Ensemble.from_sklearn(estimator)
    H = hurting_rows(rng, estimator)
    for rows in (X, H):
        single = theirs_unguarded(lambda x: x.astype(np.float32), rows)
        leaves = leaves_of(estimator, rows)
        depths = np.zeros(len(rows))
        for i, leaf in enumerate(leaves.T):
            depths += estimator._decision_path_lengths[i][leaf] + estimator._average_path_length_per_tree[i][leaf] - 1.0
        margin = depths / (30 * ensemble._iforest._average_path_length([estimator._max_samples]))
        assert_same_bits(model.margin(rows), margin)
        assert_same_bits(model.predict(rows), np.array([-math.pow(2.0, -m) for m in margin]))
        np.testing.assert_allclose(model.predict(rows), theirs_unguarded(estimator.score_samples, single), rtol=1e-15)
        assert (model.leaves(rows) == leaves).all()


def test_gradient_boosting_asks_for_no_missing_value_and_sends_it_right():
    rng, X, signal = training_table(4, missing=0)
    estimator = ensemble.GradientBoostingRegressor(n_estimators=9, random_state=1).fit(X, signal)
    H = hurting_rows(rng, estimator)
    assert np.isnan(H).any()
    assert_same_bits(fl.Ensemble.from_sklearn(estimator).margin(H), theirs_unguarded(estimator.predict, H))


def test_a_leaf_of_negative_zero_is_negative_zero_in_a_tree_and_zero_in_a_sum():
    X, y = np.array([[0.0], [1.0]]), np.array([-0.0, 1.0])
    for estimator in (tree.DecisionTreeRegressor().fit(X, y), ensemble.RandomForestRegressor(2, bootstrap=False).fit(X, y)):
        document = document_of(estimator)
        for one in document["trees"]:
            one["values"] = [[-0.0 if value == 0 else value for value in one["values"][0]]]
        for member in getattr(estimator, "estimators_", [estimator]):
            values = member.tree_.value
            values[values == 0] = -0.0
        assert_same_bits(fl.Ensemble.from_bytes(json.dumps(document).encode()).predict(X), estimator.predict(X))


def test_what_cannot_be_scored_is_refused():
    rng, X, signal = training_table(7, missing=0)
    two = np.stack([signal > 0, signal > 1], axis=1).astype(int)
    for estimator, told in (
        (ensemble.AdaBoostClassifier(n_estimators=2).fit(X, signal > 0), "AdaBoostClassifier"),
        (ensemble.RandomForestClassifier(2).fit(X, two), "2 targets"),
        (ensemble.GradientBoostingRegressor(n_estimators=2, init=tree.DecisionTreeRegressor()).fit(X, signal), "DecisionTreeRegressor"),
        (ensemble.HistGradientBoostingRegressor(max_iter=2, categorical_features=[4]).fit(X * 1.5, signal), "category is 1.5"),
        (ensemble.IsolationForest(n_estimators=2, max_samples=1).fit(X), "one sample"),
    ):
        with pytest.raises(fl.ModelError, match=told):
            fl.Ensemble.from_sklearn(estimator)
    with pytest.raises(TypeError, match="fitted"):
        fl.Ensemble.from_sklearn(tree.DecisionTreeClassifier())
    with pytest.raises(TypeError, match="fitted"):
        fl.Ensemble.from_sklearn(object())
