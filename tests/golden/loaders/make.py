"""Makes the model files of this folder and what CatBoost and scikit-learn say of them.

NAME.cbm or NAME.json is the model; NAME.txt has a line for each row, in hexadecimal floats: features | margins | leaf of each tree.
The files are small so that tests can damage them thousands of times.
"""
import pathlib
import re

import catboost
import numpy as np
from sklearn import ensemble

import featlib as fl
from featlib._trainers import sklearn_json

here = pathlib.Path(__file__).parent
rng = np.random.default_rng(7)
rows, columns = 400, 4
X = rng.normal(size=(rows, columns)).astype(np.float32)
X[:, 3] = rng.integers(0, 12, rows)
X[rng.random(X.shape) < 0.1] = np.nan
known = np.nan_to_num(X)
signal = known[:, 0] * known[:, 1] + np.isin(known[:, 3], [1, 5, 7]) + 0.3 * rng.normal(size=rows)
binary, three = (signal > 0.3).astype(int), np.digitize(signal, [0, 0.6])


def hexes(values):
    return " ".join("nan" if np.isnan(v) else re.sub(r"\.?0+p", "p", float(v).hex()) for v in np.ravel(values))


def write(path, margin, leaves):
    edges = np.array([float(v) for v in re.findall(r"-?[0-9]+\.[0-9]{5,}", path.read_text())] if path.suffix == ".json" else [0.0])
    test = X[:24].copy()
    for i, edge in enumerate((lambda v: v, lambda v: np.nextafter(v, np.float32(np.inf)), lambda v: np.nextafter(v, np.float32(-np.inf)))):
        test[i::4, :3] = edge(rng.choice(edges.astype(np.float32), test[i::4, :3].shape))
    test[:, 3] = rng.integers(-1, 13, 24)
    test[3, :3], test[7, :3], test[11, :3] = 0.0, -0.0, np.nan
    lines = [" | ".join((hexes(row), hexes(m), " ".join(str(int(leaf)) for leaf in np.ravel(l)))) for row, m, l in zip(test, margin(test), leaves(test))]
    path.with_suffix(".txt").write_text("\n".join(lines) + "\n")


def catboost_model(name, forms, label, categorical=False, **parameters):
    parameters = {"iterations": 4, "depth": 3, "random_seed": 1, "verbose": 0, "thread_count": 1, "allow_writing_files": False, "one_hot_max_size": 20} | parameters

    def table(values):
        if not categorical:
            return values
        out = values.astype(object)
        out[:, 3] = np.nan_to_num(values[:, 3], nan=-1).astype(int)
        return out

    model = catboost.CatBoost(parameters).fit(table(X), label, cat_features=[3] if categorical else None)
    for form in forms:
        path = here / f"catboost_{name}.{form}"
        model.save_model(str(path), format=form)
        reader = model if form == "cbm" else catboost.CatBoost().load_model(str(path), format="json")
        write(path, lambda test: model.predict(table(test), prediction_type="RawFormulaVal"), lambda test: reader.calc_leaf_indexes(table(test)))


def sklearn_model(name, estimator, data, label, margin, leaves):
    estimator.fit(data, label)
    path = here / f"sklearn_{name}.json"
    path.write_bytes(sklearn_json(estimator))
    write(path, lambda test: margin(estimator, test), lambda test: leaves(estimator, test))


catboost_model("symmetric", ["json"], binary, loss_function="Logloss")
catboost_model("one_hot", ["cbm"], binary, categorical=True, loss_function="Logloss")
catboost_model("leafwise", ["cbm"], signal, loss_function="RMSE", grow_policy="Lossguide", max_leaves=6)
catboost_model("multiclass", ["json"], three, loss_function="MultiClass", grow_policy="Depthwise", iterations=2)
sklearn_model(
    "forest", ensemble.RandomForestClassifier(3, max_depth=3, random_state=1), X, three,
    lambda e, test: e.predict_proba(test), lambda e, test: e.apply(test),
)
sklearn_model(
    "histogram", ensemble.HistGradientBoostingClassifier(max_iter=3, max_depth=3, categorical_features=[3], random_state=1), X, binary,
    lambda e, test: e.decision_function(test), lambda e, test: fl.Ensemble.from_sklearn(e).leaves(test),  # scikit-learn has no apply here
)
sklearn_model(
    "isolation", ensemble.IsolationForest(n_estimators=3, max_samples=30, max_features=3, random_state=1), X, None,
    lambda e, test: fl.Ensemble.from_sklearn(e).margin(test),  # not kept by scikit-learn; test_sklearn.py checks it
    lambda e, test: np.stack([m.tree_.apply(np.ascontiguousarray(test[:, c])) for m, c in zip(e.estimators_, e.estimators_features_)], axis=1),
)
