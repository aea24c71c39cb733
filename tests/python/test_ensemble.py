"""Scores of XGBoost models equal XGBoost's own, bit for bit, on rows made to hurt."""
import json
import threading

import numpy as np
import pytest

import featlib as fl

xgb = pytest.importorskip("xgboost")

VERSION = tuple(map(int, xgb.__version__.split(".")[:2]))
COLUMNS = 6
SUBNORMAL = np.float32(1e-40)


def bits(values):
    values = np.asarray(values)
    assert values.dtype == np.float32
    return values.view(np.uint32)


def assert_same_bits(ours, theirs):
    assert ours.shape == theirs.shape
    wrong = bits(ours) != bits(theirs)
    assert not wrong.any(), f"{wrong.sum()} of {wrong.size} differ: {ours[wrong][:3]} {theirs[wrong][:3]}"


def training_table(seed, rows=1200):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, COLUMNS)).astype(np.float32)
    X[rng.random(X.shape) < 0.06] = np.nan
    known = np.nan_to_num(X)
    return rng, X, known[:, 0] * known[:, 1] + known[:, 2] + 0.3 * rng.normal(size=rows)


def thresholds(booster):
    found = []

    def walk(value):
        if isinstance(value, dict):
            found.extend(value.get("split_conditions", []))
            value = value.values()
        if isinstance(value, (dict, list)) or hasattr(value, "__iter__") and not isinstance(value, str):
            for item in value:
                if isinstance(item, (dict, list)):
                    walk(item)

    walk(json.loads(booster.save_raw("json")))
    found = np.array(found, dtype=np.float32)
    return found[np.isfinite(found)]


def hurting_rows(rng, booster, rows=2000, infinities=False):
    """Values on thresholds, one unit either side, signed zeros, subnormals, huge values, NaN."""
    H = rng.normal(size=(rows, COLUMNS)).astype(np.float32)
    edges = thresholds(booster)
    for edge in (lambda v: v, lambda v: np.nextafter(v, np.float32(np.inf)), lambda v: np.nextafter(v, np.float32(-np.inf))):
        at = rng.random(H.shape) < 0.2
        H[at] = edge(rng.choice(edges, at.sum()))
    special = [0.0, -0.0, SUBNORMAL, -SUBNORMAL, 3e38, -3e38, np.nan] + [np.inf, -np.inf] * infinities
    at = rng.random(H.shape) < 0.08
    H[at] = rng.choice(np.array(special, dtype=np.float32), at.sum())
    return H


def both_formats(booster):
    return [fl.Ensemble.from_bytes(booster.save_raw(form)) for form in ("json", "ubj")]


OBJECTIVES = [
    ("binary:logistic", "binary", {}),
    ("binary:logistic", "binary", {"base_score": 0.013}),
    ("binary:logistic", "binary", {"num_parallel_tree": 3, "subsample": 0.5}),
    ("binary:logitraw", "binary", {}),
    ("binary:hinge", "binary", {}),
    ("reg:squarederror", "real", {}),
    ("reg:squarederror", "real", {"grow_policy": "lossguide", "max_leaves": 60, "max_depth": 0}),
    ("reg:squaredlogerror", "positive", {}),
    ("reg:logistic", "binary", {}),
    ("reg:pseudohubererror", "real", {}),
    ("reg:absoluteerror", "real", {}),
    ("count:poisson", "count", {}),
    ("reg:gamma", "positive", {}),
    ("reg:tweedie", "count", {}),
    ("rank:pairwise", "binary", {}),
    ("rank:ndcg", "binary", {}),
    ("rank:map", "binary", {}),
    ("multi:softmax", "classes", {"num_class": 4}),
    ("multi:softprob", "classes", {"num_class": 4}),
    ("survival:cox", "positive", {}),
    ("survival:aft", "positive", {}),
    ("reg:squarederror", "targets", {}),
    ("binary:logistic", "labels", {}),
] + [("reg:quantileerror", "real", {"quantile_alpha": [0.1, 0.5, 0.9]})] * (VERSION >= (2, 0)) + [
    ("reg:expectileerror", "real", {"expectile_alpha": [0.1, 0.5, 0.9]})
] * (VERSION >= (3, 3))


def train(rng, X, signal, objective, label, parameters, rounds=21):
    rows = len(X)
    y = {
        "binary": signal > 0,
        "real": signal,
        "positive": np.abs(signal) + 0.1,
        "count": rng.poisson(np.exp(np.clip(signal, -2, 2))),
        "classes": np.digitize(signal, [-1, 0, 1]),
        "targets": np.stack([signal, -signal, signal * signal], axis=1),
        "labels": np.stack([signal > 0, signal > 1], axis=1),
    }[label]
    data = xgb.DMatrix(X, np.asarray(y, dtype=float))
    if objective == "survival:aft":
        data.set_float_info("label_lower_bound", y)
        data.set_float_info("label_upper_bound", y)
    if objective.startswith("rank"):
        data.set_group([50] * (rows // 50))
    return xgb.train({"objective": objective, "max_depth": 5, "tree_method": "hist", "nthread": 2} | parameters, data, rounds)


@pytest.mark.parametrize("objective, label, parameters", OBJECTIVES, ids=lambda v: str(v) if v else "")
def test_margins_predictions_and_leaves_have_xgboosts_bits(objective, label, parameters):
    rng, X, signal = training_table(3)
    booster = train(rng, X, signal, objective, label, parameters)
    H = hurting_rows(rng, booster)
    data = xgb.DMatrix(H)
    for model in both_formats(booster):
        assert_same_bits(model.margin(H), booster.predict(data, output_margin=True))
        assert_same_bits(model.predict(H), booster.predict(data))
        assert (model.leaves(H) == booster.predict(data, pred_leaf=True).reshape(len(H), -1)).all()
        assert model.objective == objective


def test_infinities_compare_as_inplace_predict_compares_them():
    rng, X, signal = training_table(4)
    booster = train(rng, X, signal, "binary:logistic", "binary", {})
    H = hurting_rows(rng, booster, infinities=True)
    assert np.isinf(H).any()
    for model in both_formats(booster):
        assert_same_bits(model.predict(H), booster.inplace_predict(H))
        assert_same_bits(model.margin(H), booster.inplace_predict(H, predict_type="margin"))


def test_float64_is_rounded_once_also_across_a_threshold():
    rng, X, signal = training_table(5)
    booster = train(rng, X, signal, "binary:logistic", "binary", {})
    H = hurting_rows(rng, booster).astype(np.float64)
    H = np.where(np.abs(H) < 1e30, H * (1 + rng.normal(size=H.shape) * 1e-8), H)
    for model in both_formats(booster):
        assert_same_bits(model.predict(H), booster.inplace_predict(H))
        assert_same_bits(model.predict(H), model.predict(H.astype(np.float32)))


@pytest.mark.parametrize("categories, one_hot", [(3, 100), (40, 1), (700, 1), (700, 1000)])
def test_numeric_category_codes(categories, one_hot):
    rng = np.random.default_rng(6)
    X = np.stack([rng.integers(0, categories, 2000), rng.normal(size=2000)], axis=1).astype(np.float32)
    X[rng.random(X.shape) < 0.05] = np.nan
    effect = rng.normal(size=categories)
    y = effect[np.nan_to_num(X[:, 0]).astype(int)] + np.nan_to_num(X[:, 1]) > 0
    data = xgb.DMatrix(X, y, feature_types=["c", "q"])
    booster = xgb.train({"objective": "binary:logistic", "tree_method": "hist", "max_cat_to_onehot": one_hot}, data, 12)
    H = X.copy()
    odd = np.array([-1, -0.5, -0.0, 0.3, 1.9, 31, 32, 33, 63, 64, 1e6, 16777215, 16777216, 3e9, 3e38, np.inf, -np.inf, np.nan], dtype=np.float32)
    at = rng.random(len(H)) < 0.4
    H[at, 0] = rng.choice(odd, at.sum())
    for model in both_formats(booster):
        assert_same_bits(model.predict(H), booster.inplace_predict(H))


@pytest.mark.parametrize("parameters", [{}, {"normalize_type": "forest"}, {"objective": "multi:softprob", "num_class": 4}])
def test_dart_weights_as_the_dmatrix_path_applies_them(parameters):
    rng, X, signal = training_table(7)
    parameters = {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.4} | parameters
    booster = train(rng, X, signal, parameters["objective"], "classes" if "num_class" in parameters else "binary", parameters)
    H = hurting_rows(rng, booster)
    for model in both_formats(booster):
        assert_same_bits(model.margin(H), booster.predict(xgb.DMatrix(H), output_margin=True))


def test_pruned_trees_keep_their_node_numbers():
    rng, X, signal = training_table(8)
    booster = train(rng, X, signal, "reg:squarederror", "real", {})
    data = xgb.DMatrix(X, signal)
    pruned = xgb.train({"process_type": "update", "updater": "prune", "gamma": 2.0, "verbosity": 0}, data, 21, xgb_model=booster)
    trees = json.loads(pruned.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    assert any(tree["tree_param"]["num_deleted"] != "0" for tree in trees)
    for model in both_formats(pruned):
        assert_same_bits(model.margin(X), pruned.predict(data, output_margin=True))
        assert (model.leaves(X) == pruned.predict(data, pred_leaf=True)).all()


@pytest.mark.skipif(VERSION < (3, 2), reason="older XGBoost refuses base_score 0 and 1")
@pytest.mark.parametrize("label", [0, 1])
def test_a_table_of_one_label_has_a_clamped_base_margin(label):
    _, X, _ = training_table(9)
    booster = xgb.train({"objective": "binary:logistic"}, xgb.DMatrix(X, np.full(len(X), label)), 3)
    for model in both_formats(booster):
        assert_same_bits(model.predict(X), booster.predict(xgb.DMatrix(X)))


def test_decimal_numbers_are_read_as_xgboost_reads_them():
    """Leaves with short, long, tiny and extreme spellings; a tree and an output for each, so that no sum hides one."""
    rng = np.random.default_rng(10)
    data = xgb.DMatrix(np.array([[0.0], [1.0]]), [0.0, 1.0])
    document = json.loads(xgb.train({"max_depth": 0, "max_leaves": 1, "base_score": 0.0, "tree_method": "hist"}, data, 1).save_raw("json"))
    values = rng.integers(0, 2**32, 1000, dtype=np.uint32).view(np.float32)
    values = np.concatenate([values[np.isfinite(values)], rng.normal(size=200).astype(np.float32), rng.integers(1, 2**23, 200, dtype=np.uint32).view(np.float32)])
    spellings = [form(v) for v in values for form in ("{:.8E}".format, "{:.9E}".format, "{:.17E}".format)]
    spellings += ["1.40129846E-45", "1.1754942E-38", "1.17549435E-38", "3.4028235E38", "-0E0", "0E0", "1.00000006", "16777217.0", "0.1"]

    learner = document["learner"]
    model = learner["gradient_booster"]["model"]
    leaf = dict(model["trees"][0], split_conditions=["LEAF"])
    assert leaf["left_children"] == [-1]
    model["trees"] = [dict(leaf, id=i) for i in range(len(spellings))]
    model["tree_info"] = list(range(len(spellings)))
    model["iteration_indptr"] = [0, len(spellings)]
    model["gbtree_model_param"]["num_trees"] = str(len(spellings))
    learner["learner_model_param"]["num_target"] = str(len(spellings))
    learner["learner_model_param"]["base_score"] = "0E0"
    pieces = json.dumps(document).split('"LEAF"')
    text = "".join(piece + spelling for piece, spelling in zip(pieces, spellings + [""])).encode()

    theirs = xgb.Booster()
    theirs.load_model(bytearray(text))
    row = np.zeros((1, 1), dtype=np.float32)
    assert_same_bits(fl.Ensemble.from_bytes(text).margin(row), theirs.predict(xgb.DMatrix(row), output_margin=True))


def test_from_xgboost_takes_a_booster_and_an_estimator():
    rng, X, signal = training_table(11)
    booster = train(rng, X, signal, "binary:logistic", "binary", {})
    assert_same_bits(fl.Ensemble.from_xgboost(booster).predict(X), booster.predict(xgb.DMatrix(X)))

    class Estimator:
        def get_booster(self):
            return booster

    assert fl.Ensemble.from_xgboost(Estimator()).fingerprint == fl.Ensemble.from_xgboost(booster).fingerprint


def test_a_file_is_read_by_content(tmp_path):
    rng, X, signal = training_table(12)
    booster = train(rng, X, signal, "binary:logistic", "binary", {})
    for form in ("json", "ubj"):
        path = tmp_path / f"{form}.model"
        path.write_bytes(booster.save_raw(form))
        model = fl.Ensemble.load(path)
        assert model.format == f"xgboost-{form}"
        assert (model.features, model.outputs, model.trees) == (COLUMNS, 1, 21)
        assert_same_bits(model.predict(X), booster.predict(xgb.DMatrix(X)))
    with pytest.raises(fl.ModelError, match="model-format"):
        fl.Ensemble.from_bytes(b"forest\nversion=v4\n")


def test_feature_names_come_from_the_file():
    _, X, signal = training_table(13)
    names = ["amount", "größe", 'a "quoted" name', "tab\tname", "back\\slash", "x5"]
    booster = xgb.train({"objective": "reg:squarederror"}, xgb.DMatrix(X, signal, feature_names=names), 2)
    for model in both_formats(booster):
        assert model.feature_names == names


def test_threads_and_layouts_do_not_change_a_bit():
    rng, X, signal = training_table(14)
    booster = train(rng, X, signal, "multi:softprob", "classes", {"num_class": 4})
    model = fl.Ensemble.from_xgboost(booster)
    expected = model.margin(X)
    for threads in (0, 2, 7, 5000):
        assert_same_bits(model.margin(X, threads=threads), expected)
        assert (model.leaves(X, threads=threads) == model.leaves(X)).all()
    assert_same_bits(model.margin(np.asfortranarray(X)), expected)
    assert_same_bits(model.margin(np.repeat(X, 2, axis=0)[::2]), expected)
    assert_same_bits(np.concatenate([model.margin(X[i : i + 1]) for i in range(50)]), expected[:50])
    assert model.margin(X[:0]).shape == (0, 4)


def test_many_python_threads_share_one_model():
    rng, X, signal = training_table(15)
    model = fl.Ensemble.from_xgboost(train(rng, X, signal, "binary:logistic", "binary", {}))
    expected, wrong = model.margin(X), []

    def work():
        for _ in range(20):
            wrong.append(int((bits(model.margin(X)) != bits(expected)).sum()))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == [0] * 80


def test_wrong_inputs_are_refused_with_the_shape_that_was_expected():
    rng, X, signal = training_table(16)
    model = fl.Ensemble.from_xgboost(train(rng, X, signal, "binary:logistic", "binary", {}))
    X = np.nan_to_num(X)
    for wrong in (X.astype(np.int64), X.astype(np.int32), X.astype(np.float16), X > 0, X.astype(object), X.astype(">f4"), X[:, :5], X[0], X[None]):
        with pytest.raises(fl.ModelError, match="model-inputs"):
            model.margin(wrong)
    with pytest.raises(fl.ModelError, match=r"expected \(rows, 6\)"):
        model.predict(X[:, :5])
    with pytest.raises(TypeError):
        model.margin(X.tolist())
    with pytest.raises(TypeError):
        model.margin(X, 2)
    with pytest.raises(ValueError):
        model.margin(X, threads=-1)


def test_a_table_with_a_matrix_is_taken_as_its_matrix():
    rng, X, signal = training_table(17)
    model = fl.Ensemble.from_xgboost(train(rng, X, signal, "binary:logistic", "binary", {}))

    class Table:
        def matrix(self):
            return X

    assert_same_bits(model.predict(Table()), model.predict(X))


def test_what_cannot_be_scored_exactly_is_refused():
    _, X, signal = training_table(18)
    linear = xgb.train({"booster": "gblinear"}, xgb.DMatrix(np.nan_to_num(X), signal), 2)
    with pytest.raises(fl.ModelError, match="model-unsupported.*gblinear"):
        fl.Ensemble.from_xgboost(linear)


@pytest.mark.skipif(VERSION < (2, 0), reason="vector leaves came with 2.0")
@pytest.mark.parametrize("objective", ["reg:squarederror", "binary:logistic", "multi:softprob", "reg:quantileerror"])
def test_trees_whose_leaves_are_vectors(objective):
    rng, X, signal = training_table(27)
    y, parameters = np.stack([signal, -signal, rng.normal(size=len(X))], axis=1), {}
    if objective == "binary:logistic":
        y = y > 0
    elif objective == "multi:softprob":
        y, parameters = rng.integers(0, 3, len(X)), {"num_class": 3}
    elif objective == "reg:quantileerror":
        y, parameters = signal, {"quantile_alpha": [0.1, 0.5, 0.9]}
    parameters |= {"objective": objective, "multi_strategy": "multi_output_tree", "tree_method": "hist", "max_depth": 5}
    booster = xgb.train(parameters, xgb.DMatrix(X, y), 8)
    for form in ("json", "ubj"):
        model = fl.Ensemble.from_bytes(booster.save_raw(form))
        assert (model.trees, model.outputs) == (8, 3)
        assert_same_bits(model.margin(X), booster.predict(xgb.DMatrix(X), output_margin=True))
        assert_same_bits(model.predict(X), booster.predict(xgb.DMatrix(X)))
        assert (model.leaves(X) == booster.predict(xgb.DMatrix(X), pred_leaf=True)).all()


def vector_model():
    rng, X, signal = training_table(28)
    booster = xgb.train({"multi_strategy": "multi_output_tree", "tree_method": "hist", "max_depth": 3}, xgb.DMatrix(X, np.stack([signal, -signal], axis=1)), 3)
    return X, booster, json.loads(booster.save_raw("json"))


def trees_of(model):
    return model["learner"]["gradient_booster"]["model"]["trees"]


@pytest.mark.skipif(VERSION < (3, 2), reason="leaf_weights came with 3.2")
def test_vectors_by_node_as_they_were_before_3_2_mean_the_same():
    X, booster, model = vector_model()
    for tree in trees_of(model):
        leaves = tree.pop("leaf_weights")
        for node, left in enumerate(tree["left_children"]):
            if left == -1:
                leaf = tree["right_children"][node]
                tree["right_children"][node] = -1
                tree["base_weights"][2 * node : 2 * node + 2] = leaves[2 * leaf : 2 * leaf + 2]
    assert_same_bits(fl.Ensemble.from_bytes(json.dumps(model).encode()).margin(X), booster.predict(xgb.DMatrix(X), output_margin=True))


@pytest.mark.skipif(VERSION < (3, 2), reason="leaf_weights came with 3.2")
@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda tree: tree["leaf_weights"].pop(), "values in `leaf_weights`"),
        (lambda tree: tree["leaf_weights"].__delitem__(slice(0, 2)), "values in `leaf_weights`"),
        (lambda tree: tree.pop("leaf_weights") and tree["base_weights"].pop(), "values in `base_weights`"),
        (lambda tree: tree["tree_param"].update(size_leaf_vector="3"), "leaves of 3 values for 2 outputs"),
        (lambda tree: tree["right_children"].__setitem__(tree["left_children"].index(-1), len(tree["left_children"]) - 1), "leaf [0-9]+ of"),
    ],
)
def test_vectors_that_do_not_fit_their_tree_are_refused(damage, found):
    _, _, model = vector_model()
    damage(trees_of(model)[1])
    with pytest.raises(fl.ModelError, match=f"model-corrupt.*tree 1: .*{found}"):
        fl.Ensemble.from_bytes(json.dumps(model).encode())


def test_named_categories_are_the_codes_of_the_training_table():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(19)
    colours, sizes = ["red", "green", "blue"], [3, 7, 11]
    frame = pandas.DataFrame({
        "colour": pandas.Categorical(rng.choice(colours, 300), colours),
        "x": rng.normal(size=300),
        "size": pandas.Categorical(rng.choice(sizes, 300), sizes),
    })
    y = 2 * (frame["colour"] == "green") + frame["x"] - 3 * (frame["size"] == 11)
    booster = xgb.train({"tree_method": "hist"}, xgb.DMatrix(frame, y, enable_categorical=True), 5)
    X = frame.assign(colour=frame["colour"].cat.codes, size=frame["size"].cat.codes).to_numpy(dtype=np.float32)
    for form in ("json", "ubj"):
        model = fl.Ensemble.from_bytes(booster.save_raw(form))
        assert_same_bits(model.predict(X), booster.predict(xgb.DMatrix(frame, enable_categorical=True)))
        assert model.categories == ({"colour": colours, "size": ["3", "7", "11"]} if VERSION >= (3, 1) else {})


@pytest.mark.skipif(VERSION < (3, 1), reason="XGBoost keeps names from 3.1 on")
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda enc: enc[0]["offsets"].__setitem__(1, 99), "a category's name goes from 0 to 99 of"),
        (lambda enc: enc[0]["offsets"].__setitem__(1, -1), "a category's name goes from 0 to -1 of"),
        (lambda enc: enc[0]["values"].__setitem__(0, -1), "no UTF-8"),
        (lambda enc: enc.pop(), "categories of 1 columns for 2 features"),
    ],
)
def test_names_of_categories_that_make_no_sense_are_refused(change, found):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"colour": pandas.Categorical(["red", "green"] * 50), "x": np.arange(100.0)})
    model = json.loads(xgb.train({"tree_method": "hist"}, xgb.DMatrix(frame, frame["x"], enable_categorical=True), 1).save_raw("json"))
    change(model["learner"]["gradient_booster"]["model"]["cats"]["enc"])
    with pytest.raises(fl.ModelError, match=found):
        fl.Ensemble.from_bytes(json.dumps(model).encode())
