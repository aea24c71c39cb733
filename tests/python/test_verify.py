"""Models beside XGBoost's own library, and on it."""

import numpy as np
import pytest
import xgboost as xgb

import featlib as fl


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(500, 5)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


@pytest.mark.parametrize("params", [{"objective": "binary:logistic"}, {"objective": "multi:softprob", "num_class": 3}, {"objective": "multi:softmax", "num_class": 3}])
def test_a_model_is_verified_against_the_installed_library(rows, params):
    booster = xgb.train(params, xgb.DMatrix(rows, np.arange(500) % 2), 7)
    model = fl.Ensemble.from_xgboost(booster)
    report = model.verify(rows)
    assert model.backend == "native" and report["backend"] == f"xgboost {xgb.__version__}"
    width = model.predict(rows).size + model.margin(rows).size + model.leaves(rows).size
    assert report == {"backend": report["backend"], "values": width, "differing": 0, "first": ""}


def test_a_model_that_is_not_supported_runs_on_xgboost_and_says_so(rows, tmp_path):
    x, path = np.nan_to_num(rows), tmp_path / "linear.json"
    booster = xgb.train({"booster": "gblinear", "objective": "reg:squarederror"}, xgb.DMatrix(x, x[:, 0]), 10)
    booster.save_model(path)
    with pytest.raises(fl.ModelError, match="gblinear"):
        fl.Ensemble.load(path)
    model = fl.Ensemble.load(path, backend="auto")
    assert model.backend == f"xgboost {xgb.__version__}" and (model.features, model.outputs, model.trees) == (5, 1, 0)
    assert (model.predict(x).view(np.uint32) == booster.predict(xgb.DMatrix(x)).view(np.uint32)).all()
    with pytest.raises(fl.ModelError, match="gblinear"):
        model.contributions(x)


def test_auto_is_native_where_it_can_be(rows, tmp_path):
    path = tmp_path / "model.ubj"
    xgb.train({}, xgb.DMatrix(rows, np.arange(500) % 2), 3).save_model(path)
    assert fl.Ensemble.load(path, backend="auto").backend == "native"
    theirs = fl.Ensemble.load(path, backend="xgboost")
    assert theirs.backend.startswith("xgboost ")
    assert (theirs.margin(rows).view(np.uint32) == fl.Ensemble.load(path).margin(rows).view(np.uint32)).all()


def test_what_cannot_be_is_said(rows, tmp_path):
    path = tmp_path / "model.ubj"
    xgb.train({}, xgb.DMatrix(rows, np.arange(500) % 2), 3).save_model(path)
    model = fl.Ensemble.load(path)
    with pytest.raises(fl.UsageError, match="no XGBoost library"):
        model.verify(rows, library="/nowhere/libxgboost.so")
    with pytest.raises(fl.UsageError, match="no backend `gpu`"):
        fl.Ensemble.load(path, backend="gpu")
    with pytest.raises(fl.UsageError):
        fl.Ensemble.load(tmp_path / "none.ubj", backend="auto")
    path.write_bytes(b"no model")
    with pytest.raises(fl.ModelError, match="refuses the model"):
        fl.Ensemble.load(path, backend="xgboost")
