"""What trainers keep in memory, as the bytes that Ensemble.from_bytes reads. Nothing here computes a number of a model."""

from __future__ import annotations

import json
import pathlib
import tempfile
from typing import Any

import numpy as np


def catboost_cbm(model: Any) -> bytes:
    """A fitted CatBoost model in CatBoost's own format."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.cbm"
        model.save_model(str(path), format="cbm")
        return path.read_bytes()


def sklearn_json(estimator: Any) -> bytes:
    """A fitted scikit-learn estimator as the JSON of docs/formats.md; what it cannot say is refused when it is read."""
    name = type(estimator).__name__
    out: dict[str, Any] = {"featlib_sklearn": 1, "estimator": name}
    if not hasattr(estimator, "n_features_in_"):
        raise TypeError(f"from_sklearn takes a fitted scikit-learn estimator, not `{name}`")
    out["features"] = int(estimator.n_features_in_)
    if hasattr(estimator, "feature_names_in_"):
        out["feature_names"] = [str(column) for column in estimator.feature_names_in_]
    write = _WRITERS.get(name)
    if write is not None:
        write(estimator, out)
    return json.dumps(out, separators=(",", ":")).encode()


def _nodes(tree: Any) -> dict[str, Any]:
    """The arrays that sklearn.tree's trees have; `values` are the caller's."""
    return {
        "left": tree.children_left.tolist(),
        "right": tree.children_right.tolist(),
        "feature": tree.feature.tolist(),
        "threshold": tree.threshold.tolist(),
        "missing_left": np.asarray(tree.missing_go_to_left).tolist(),
    }


def _trees(estimator: Any, out: dict[str, Any]) -> None:
    out["outputs"] = int(estimator.n_outputs_)
    classifier = hasattr(estimator, "classes_")
    if classifier:
        out["classes"] = int(np.max(estimator.n_classes_))
    members = getattr(estimator, "estimators_", [estimator])
    if classifier and out["outputs"] > 1:
        members = []
    # value: (nodes, outputs, classes); regressors have one class, the classifiers here one output
    out["trees"] = [
        _nodes(member.tree_) | {"values": (member.tree_.value[:, 0, :] if classifier else member.tree_.value[:, :, 0]).T.tolist()}
        for member in members
    ]


def _boosting(estimator: Any, out: dict[str, Any]) -> None:
    if hasattr(estimator, "classes_"):
        out["classes"] = len(estimator.classes_)
    init = estimator.init_
    out["loss"] = estimator.loss
    out["init"] = init if isinstance(init, str) else type(init).__name__
    if getattr(init, "strategy", None) in ("stratified", "uniform"):
        out["init"] = f"{init.strategy} {out['init']}"
    out["learning_rate"] = float(estimator.learning_rate)
    # Where every row starts; scikit-learn computes it from a row it does not look at.
    out["base"] = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), dtype=np.float32))[0].tolist()
    out["trees"] = [
        _nodes(member.tree_) | {"output": k, "values": [member.tree_.value[:, 0, 0].tolist()]}
        for stage in estimator.estimators_
        for k, member in enumerate(stage)
    ]


def _histogram(estimator: Any, out: dict[str, Any]) -> None:
    if hasattr(estimator, "classes_"):
        out["classes"] = len(estimator.classes_)
    out["loss"] = estimator.loss
    out["base"] = np.ravel(estimator._baseline_prediction).tolist()
    # Categorical columns come first in the table that trees see, as codes: places in the encoder's list.
    categorical = np.zeros(estimator.n_features_in_, dtype=bool)
    lists: list[Any] = []
    if estimator.is_categorical_ is not None:
        categorical = np.asarray(estimator.is_categorical_)
        lists = [np.asarray(values) for values in estimator._preprocessor.named_transformers_["encoder"].categories_]
        lists = [values[values == values] for values in lists]  # NaN is missing
    column = np.concatenate([np.flatnonzero(categorical), np.flatnonzero(~categorical)])
    out["categories"] = [
        {"feature": int(feature)} | ({"numbers": values.tolist()} if values.dtype.kind in "fiub" else {})
        for feature, values in zip(column, lists)
    ]
    out["trees"] = [
        _histogram_tree(member, column, lists) | {"output": k}
        for stage in estimator._predictors
        for k, member in enumerate(stage)
    ]


def _histogram_tree(predictor: Any, column: Any, lists: list[Any]) -> dict[str, Any]:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"] != 0
    category_nodes = np.flatnonzero((nodes["is_categorical"] != 0) & ~leaf)
    lefts = []
    for node in nodes[category_nodes]:
        words = predictor.raw_left_cat_bitsets[node["bitset_idx"]]
        codes = [code for code in range(32 * len(words)) if int(words[code // 32]) >> (code % 32) & 1]
        lefts.append(lists[node["feature_idx"]][codes].tolist())
    return {
        "left": np.where(leaf, -1, nodes["left"].astype(np.int64)).tolist(),
        "right": np.where(leaf, -1, nodes["right"].astype(np.int64)).tolist(),
        "feature": np.where(leaf, -1, column[np.where(leaf, 0, nodes["feature_idx"])]).tolist(),
        "threshold": nodes["num_threshold"].tolist(),
        "missing_left": nodes["missing_go_to_left"].tolist(),
        "values": [nodes["value"].tolist()],
        "category_nodes": category_nodes.tolist(),
        "category_left": lefts,
    }


def _isolation(estimator: Any, out: dict[str, Any]) -> None:
    from sklearn.ensemble._iforest import _average_path_length

    out["average_path_length"] = float(_average_path_length([estimator._max_samples])[0])
    out["trees"] = []
    for member, columns, depth, rest in zip(
        estimator.estimators_, estimator.estimators_features_, estimator._decision_path_lengths, estimator._average_path_length_per_tree
    ):
        nodes = _nodes(member.tree_)
        inner = member.tree_.children_left >= 0
        nodes["feature"] = np.where(inner, columns[np.where(inner, member.tree_.feature, 0)], -1).tolist()
        out["trees"].append(nodes | {"values": [depth.tolist(), rest.tolist()]})


_WRITERS = {
    "DecisionTreeClassifier": _trees,
    "DecisionTreeRegressor": _trees,
    "ExtraTreeClassifier": _trees,
    "ExtraTreeRegressor": _trees,
    "RandomForestClassifier": _trees,
    "RandomForestRegressor": _trees,
    "ExtraTreesClassifier": _trees,
    "ExtraTreesRegressor": _trees,
    "GradientBoostingClassifier": _boosting,
    "GradientBoostingRegressor": _boosting,
    "HistGradientBoostingClassifier": _histogram,
    "HistGradientBoostingRegressor": _histogram,
    "IsolationForest": _isolation,
}
