"""Ensembles beside their trainers and other engines, in one run: the same models, the same rows, one thread each.

    make bench-ensembles
    make bench-ensembles BENCH="300x6"       # some models

featlib, XGBoost, LightGBM and what tl2cgen and lleaves compile are called through C as a service would (all but featlib through ctypes,
which costs them some half a microsecond a call), the others through Python, which is what they offer. A ratio is the peer's time
over featlib's. The compilers are left out beyond 300 x 6, where they take minutes; featlib loads such a model in milliseconds.
"""

import ctypes
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import catboost
import daal4py
import lightgbm as lgb
import lleaves
import numpy as np
import onnxmltools
import onnxruntime
import tl2cgen
import treelite
import xgboost as xgb
from onnxmltools.convert.common.data_types import FloatTensorType

ROOT = Path(__file__).resolve().parents[2]
FEATURES, ROWS = 28, 20_000
NEWER = ROOT / ".venv-bench-ensembles" / "xgboost-3.4.1" / "xgboost" / "lib" / "libxgboost.so"


def p50(call, calls=1500, warm=100):
    """Median microseconds of call(i)."""
    for i in range(warm):
        call(i)
    times = []
    for i in range(calls):
        start = time.perf_counter()
        call(i)
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)


def rows_a_second(call, rows, repeats=3):
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return rows / min(times)


class XgboostC:
    """Through the C API, with one proxy matrix for all calls."""

    def __init__(self, library, model):
        self.c = ctypes.CDLL(str(library))
        self.c.XGBGetLastError.restype = ctypes.c_char_p
        self.booster, self.proxy = ctypes.c_void_p(), ctypes.c_void_p()
        self.check(self.c.XGBoosterCreate(None, ctypes.c_uint64(0), ctypes.byref(self.booster)))
        self.check(self.c.XGBoosterLoadModel(self.booster, str(model).encode()))
        self.check(self.c.XGBoosterSetParam(self.booster, b"nthread", b"1"))
        self.check(self.c.XGProxyDMatrixCreate(ctypes.byref(self.proxy)))
        self.shape, self.dimensions, self.result = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64(), ctypes.POINTER(ctypes.c_float)()

    def check(self, code):
        if code:
            raise RuntimeError(self.c.XGBGetLastError().decode())

    def interface(self, rows):
        return json.dumps({"data": [rows.ctypes.data, True], "shape": list(rows.shape), "typestr": "<f4", "version": 3}).encode()

    def margin(self, interface):
        how = b'{"type": 1, "training": false, "iteration_begin": 0, "iteration_end": 0, "strict_shape": false, "cache_id": 0, "missing": NaN}'
        self.check(self.c.XGBoosterPredictFromDense(self.booster, interface, how, self.proxy, ctypes.byref(self.shape), ctypes.byref(self.dimensions), ctypes.byref(self.result)))

    def contributions(self, interface):
        matrix = ctypes.c_void_p()
        self.check(self.c.XGDMatrixCreateFromDense(interface, b'{"missing": NaN, "nthread": 1}', ctypes.byref(matrix)))
        how = b'{"type": 2, "training": false, "iteration_begin": 0, "iteration_end": 0, "strict_shape": false}'
        self.check(self.c.XGBoosterPredictFromDMatrix(self.booster, matrix, how, ctypes.byref(self.shape), ctypes.byref(self.dimensions), ctypes.byref(self.result)))
        self.c.XGDMatrixFree(matrix)


class LightgbmC:
    """The single-row fast API; batches through PredictForMat."""

    def __init__(self, model):
        self.c = ctypes.CDLL(str(Path(lgb.__file__).parent / "lib" / "lib_lightgbm.so"))
        self.booster, self.config, count = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
        assert self.c.LGBM_BoosterCreateFromModelfile(str(model).encode(), ctypes.byref(count), ctypes.byref(self.booster)) == 0
        raw, double = 1, 1
        assert self.c.LGBM_BoosterPredictForMatSingleRowFastInit(self.booster, raw, 0, -1, double, FEATURES, b"num_threads=1", ctypes.byref(self.config)) == 0
        self.length, self.out = ctypes.c_int64(), (ctypes.c_double * ROWS)()

    def one(self, pointer):
        self.c.LGBM_BoosterPredictForMatSingleRowFast(self.config, pointer, ctypes.byref(self.length), self.out)

    def many(self, rows):
        self.c.LGBM_BoosterPredictForMat(self.booster, rows.ctypes.data_as(ctypes.c_void_p), 1, len(rows), FEATURES, 1, 1, 0, -1, b"num_threads=1", ctypes.byref(self.length), self.out)


class Tl2cgenC:
    """Compiled by GCC; rows of 4 bytes a value, of which -1 is missing."""

    def __init__(self, tree, folder):
        library = str(folder / "tl2cgen.so")
        tl2cgen.export_lib(tree, toolchain="gcc", libpath=library, params={"parallel_comp": 8}, nthread=2)
        self.c, self.predictor, self.out = ctypes.CDLL(library), tl2cgen.Predictor(library, nthread=1), (ctypes.c_float * 1)()

    def peer(self, x):
        values = np.where(np.isnan(x), np.int32(-1), x.view(np.int32))
        single = [values[i].ctypes.data_as(ctypes.c_void_p) for i in range(500)]
        matrix = tl2cgen.DMatrix(x)
        return ("tl2cgen C, compiled", p50(lambda i: self.c.predict(single[i % 500], 1, self.out)), rows_a_second(lambda: self.predictor.predict(matrix, pred_margin=True), ROWS), None)


def onnx_peer(booster, x):
    """Probabilities: it has no margins."""
    model = onnxmltools.convert_xgboost(booster, initial_types=[("X", FloatTensorType([None, FEATURES]))])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    run = lambda rows: session.run(["probabilities"], {"X": rows})  # noqa: E731
    return ("ONNX Runtime, Python", p50(lambda i: run(x[i : i + 1]), 500), rows_a_second(lambda: run(x), ROWS), None)


def lleaves_peer(path, x):
    """Compiled by LLVM."""
    model = lleaves.Model(model_file=str(path))
    model.compile(raw_score=True)
    compiled, number = model._c_entry_func, ctypes.POINTER(ctypes.c_double)
    single, out = [x[i].ctypes.data_as(number) for i in range(500)], np.zeros(1).ctypes.data_as(number)
    return ("lleaves C, compiled", p50(lambda i: compiled(single[i % 500], out, 0, 1)), rows_a_second(lambda: model.predict(x, n_jobs=1), ROWS), None)


def compiles(trees, depth):
    return trees * 2**depth <= 300 * 2**6


def featlib(model, rows):
    program = ROOT / "build" / "release" / "benchmarks" / "ensemble_rows"
    return json.loads(subprocess.run([program, model, rows], check=True, capture_output=True, text=True).stdout)


def show(title, ours, peers):
    print(f"\n{title}: load {ours['load_ms']:.0f} ms, one row p99 {ours['p99']:.2f} us, beside another caller p50 {ours['p50_two']:.2f} p99 {ours['p99_two']:.2f}")
    print(f"  {'':34}{'one row us':>11}{'x':>7}{'rows/s':>12}{'x':>7}{'contributions us':>18}{'x':>7}")
    for name, one, batch, given in [("featlib", ours["p50"], ours["rows_s"], ours["contributions"] or None), *peers]:
        cells = [f"{one:11.2f}{one / ours['p50']:7.1f}{batch:12,.0f}{ours['rows_s'] / batch:7.1f}"]
        cells.append(f"{given:18.0f}{given / ours['contributions']:7.1f}" if given else "")
        print(f"  {name:34}{''.join(cells)}", flush=True)


def table(rng):
    x = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] + x[:, 2] + rng.normal(size=ROWS) > 0).astype(int)
    x[rng.random(x.shape) < 0.05] = np.nan
    return np.ascontiguousarray(x), y


def xgboost_case(trees, depth, x, y, folder):
    booster = xgb.train({"objective": "binary:logistic", "max_depth": depth, "eta": 0.1, "tree_method": "hist"}, xgb.DMatrix(x, y), trees)
    path = folder / "model.ubj"
    booster.save_model(path)
    peers = []
    libraries = {f"XGBoost {xgb.__version__} C, proxy reused": Path(xgb.__file__).parent / "lib" / "libxgboost.so", "XGBoost 3.4.1 C, proxy reused": NEWER}
    for name, library in libraries.items():
        if not library.exists():
            continue
        c = XgboostC(library, path)
        single = [c.interface(x[i : i + 1]) for i in range(500)]
        every = c.interface(x)
        peers.append((name, p50(lambda i: c.margin(single[i % 500])), rows_a_second(lambda: c.margin(every), ROWS), p50(lambda i: c.contributions(single[i % 500]), 60, 5)))
    booster.set_param({"nthread": 1})
    peers.append(("XGBoost Python, inplace_predict", p50(lambda i: booster.inplace_predict(x[i : i + 1], predict_type="margin"), 500), rows_a_second(lambda: booster.inplace_predict(x, predict_type="margin"), ROWS), None))
    daal4py.daalinit(1)
    daal = daal4py.mb.convert_model(booster)
    peers.append(("oneDAL, daal4py", p50(lambda i: daal.predict(x[i : i + 1]), 500), rows_a_second(lambda: daal.predict(x), ROWS), None))
    tree = treelite.frontend.from_xgboost(booster)
    peers.append(("treelite GTIL", p50(lambda i: treelite.gtil.predict(tree, x[i : i + 1], nthread=1, pred_margin=True), 200), rows_a_second(lambda: treelite.gtil.predict(tree, x, nthread=1, pred_margin=True), ROWS, 1), None))
    peers.append(onnx_peer(booster, x))
    if compiles(trees, depth):
        peers.append(Tl2cgenC(tree, folder).peer(x))
    return path, peers


def lightgbm_case(trees, depth, x, y, folder):
    booster = lgb.train({"objective": "binary", "num_leaves": 2**depth, "max_depth": depth, "verbose": -1, "num_threads": 2}, lgb.Dataset(x.astype(float), y), trees)
    path = folder / "model.txt"
    booster.save_model(path)
    c, wide = LightgbmC(path), x.astype(float)
    single = [wide[i].ctypes.data_as(ctypes.c_void_p) for i in range(500)]
    peers = [("LightGBM C, single-row fast", p50(lambda i: c.one(single[i % 500])), rows_a_second(lambda: c.many(wide), ROWS), None)]
    if compiles(trees, depth):
        peers.append(lleaves_peer(path, wide))
    return path, peers


def catboost_case(trees, depth, x, y, folder):
    model = catboost.CatBoost({"loss_function": "Logloss", "iterations": trees, "depth": depth, "verbose": 0, "thread_count": 2, "allow_writing_files": False}).fit(x, y)
    path = folder / "model.cbm"
    model.save_model(str(path))
    many = lambda: model.predict(x, prediction_type="RawFormulaVal", thread_count=1)  # noqa: E731
    return path, [("CatBoost Python", p50(lambda i: model.predict(x[i : i + 1], prediction_type="RawFormulaVal", thread_count=1), 500), rows_a_second(many, ROWS), None)]


CASES = [("XGBoost", xgboost_case, 50, 6), ("XGBoost", xgboost_case, 300, 6), ("XGBoost", xgboost_case, 1000, 8),
         ("LightGBM", lightgbm_case, 300, 6), ("LightGBM", lightgbm_case, 1000, 8), ("CatBoost", catboost_case, 300, 6), ("CatBoost", catboost_case, 1000, 8)]  # fmt: skip


def main(wanted):
    x, y = table(np.random.default_rng(1))
    for trainer, case, trees, depth in CASES:
        title = f"{trainer} {trees}x{depth}"
        if wanted and not any(word in title for word in wanted):
            continue
        print(f"{title}: training", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            x.tofile(folder / "rows.f32")
            path, peers = case(trees, depth, x, y, folder)
            show(title, featlib(path, folder / "rows.f32"), peers)


if __name__ == "__main__":
    main(sys.argv[1:])
