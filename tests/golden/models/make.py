"""Makes the model files of this folder and what XGBoost itself says of them: run once with each XGBoost version.

NAME.json or NAME.ubj is the model; NAME.txt has a line for each row, in hexadecimal floats:
features | margins | predictions | leaf of each tree. The files are small so that tests can damage them thousands of times.
"""
import pathlib
import re

import numpy as np
import xgboost as xgb

here = pathlib.Path(__file__).parent
major, minor = map(int, xgb.__version__.split(".")[:2])
rng = np.random.default_rng(7)
rows, columns = 400, 4
X = rng.normal(size=(rows, columns)).astype(np.float32)
X[:, 3] = rng.integers(0, 40, rows)
X[rng.random(X.shape) < 0.1] = np.nan
signal = np.nan_to_num(X[:, 0] * X[:, 1]) + np.isin(X[:, 3], [1, 5, 7, 30, 33]) + 0.3 * rng.normal(size=rows)
binary = (signal > 0.3).astype(int)
types = ["q", "q", "q", "c"]


def hexes(values):
    return " ".join("nan" if np.isnan(v) else re.sub(r"\.?0+p", "p", float(v).hex()) for v in np.ravel(values))


def write(name, ext, label, parameters, rounds=4):
    parameters = {"max_depth": 3, "tree_method": "hist", "seed": 1} | parameters
    booster = xgb.train(parameters, xgb.DMatrix(X, label, feature_types=types), rounds)
    name = f"xgb_{major}_{minor}_{name}"
    booster.save_model(here / f"{name}.{ext}")
    test = X[:24].copy()
    thresholds = np.array(re.findall(r"\[f[0-2]<([-+.0-9eE]+)\]", "".join(booster.get_dump())), dtype=np.float32)
    for i, edge in enumerate((lambda v: v, lambda v: np.nextafter(v, np.float32(np.inf)), lambda v: np.nextafter(v, np.float32(-np.inf)))):
        test[i::4, :3] = edge(rng.choice(thresholds, test[i::4, :3].shape))
    test[3, :3], test[7, :3], test[11] = 0.0, -0.0, np.nan
    data = xgb.DMatrix(test, feature_types=types)
    margin, prediction = booster.predict(data, output_margin=True), booster.predict(data)
    leaves = booster.predict(data, pred_leaf=True).astype(int)
    lines = [" | ".join((hexes(test[i]), hexes(margin[i]), hexes(prediction[i]), " ".join(map(str, leaves[i])))) for i in range(len(test))]
    (here / f"{name}.txt").write_text("\n".join(lines) + "\n")


if (major, minor) == (1, 7):
    write("categories", "json", binary, {"objective": "binary:logistic", "max_cat_to_onehot": 1})  # NaN tokens
    write("dart", "ubj", binary, {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.5})
if (major, minor) == (3, 2):
    write("categories", "ubj", binary, {"objective": "binary:logistic", "max_cat_to_onehot": 1})
    write("softprob", "json", np.digitize(signal, [0, 0.6]), {"objective": "multi:softprob", "num_class": 3, "max_depth": 2}, 2)
if (major, minor) == (3, 4):
    write("quantile", "ubj", signal, {"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.8], "max_depth": 2}, 2)
    write("dart", "json", signal, {"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.5, "max_depth": 2})
