#include <featlib/ensemble/ensemble.hpp>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <algorithm>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace py = pybind11;
using namespace py::literals;

namespace {

using featlib::Ensemble;
using featlib::Error;
using featlib::ErrorCode;
using featlib::Verification;

template <class V>
using Rows = py::array_t<V, py::array::c_style>;

/// X in the model's number type. A C-ordered array of it is used in place; another float type is rounded or widened once,
/// as the trainers do; other layouts are copied. Integers are refused: a large one would lose digits without a word.
template <class V>
Rows<V> rows_of(const Ensemble& model, py::object x) {
  if (py::hasattr(x, "matrix")) x = std::is_same_v<V, float> ? x.attr("matrix")() : x.attr("matrix")("dtype"_a = "float64");
  if (!py::isinstance<py::array>(x)) throw py::type_error("X must be a NumPy array or have .matrix()");
  const auto array = py::reinterpret_borrow<py::array>(x);
  if (!py::isinstance<py::array_t<float>>(array) && !py::isinstance<py::array_t<double>>(array))
    throw Error(ErrorCode::model_inputs,
                "X is " + std::string(py::str(array.dtype())) + "; expected float32 or float64",
                "convert it with X.astype(\"float32\")");
  if (array.ndim() != 2 || static_cast<std::size_t>(array.shape(1)) != model.features())
    throw Error(
        ErrorCode::model_inputs,
        "X has shape " + std::string(py::str(array.attr("shape"))) + "; expected (rows, " +
            std::to_string(model.features()) + ")",
        array.ndim() == 1 ? "one row is X.reshape(1, -1)" : "the columns are the model's features, in its order");
  return py::array_t<V, py::array::c_style | py::array::forcecast>(array);
}

/// Calls work(first row, rows) on `threads` threads, without the GIL.
template <class Work>
void in_parallel(std::size_t rows, int threads, Work&& work) {
  if (threads < 0) throw py::value_error("threads must be 0 (all cores) or more");
  const std::size_t wanted =
      threads > 0 ? static_cast<std::size_t>(threads) : std::max(1u, std::thread::hardware_concurrency());
  const std::size_t parts = std::max<std::size_t>(1, std::min(wanted, rows));
  const py::gil_scoped_release release;
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < parts; ++i)
    others.emplace_back([&, i] { work(rows * i / parts, rows * (i + 1) / parts - rows * i / parts); });
  work(0, rows / parts);
}

template <class V>
using Scores = void (Ensemble::*)(std::span<const V>, std::size_t, std::span<V>) const noexcept;

/// (rows,) for one value a row, else (rows, width): the trainers' own shapes.
template <class V>
py::array score_as(const Ensemble& model, Scores<V> scores, const py::object& x, std::size_t width, int threads) {
  const Rows<V> rows = rows_of<V>(model, x);
  const auto n = static_cast<std::size_t>(rows.shape(0));
  py::array_t<V> out = width == 1 ? py::array_t<V>(static_cast<py::ssize_t>(n)) : py::array_t<V>({n, width});
  const V* from = rows.data();
  V* to = out.mutable_data();
  in_parallel(n, threads, [&](std::size_t first, std::size_t count) {
    (model.*scores)({from + first * model.features(), count * model.features()}, count,
                    {to + first * width, count * width});
  });
  return out;
}

py::array margin(const Ensemble& model, const py::object& x, int threads) {
  return model.float64() ? score_as<double>(model, &Ensemble::margin, x, model.outputs(), threads)
                         : score_as<float>(model, &Ensemble::margin, x, model.outputs(), threads);
}

py::array predict(const Ensemble& model, const py::object& x, int threads) {
  return model.float64() ? score_as<double>(model, &Ensemble::predict, x, model.prediction_width(), threads)
                         : score_as<float>(model, &Ensemble::predict, x, model.prediction_width(), threads);
}

template <class V>
py::array leaves_as(const Ensemble& model, const py::object& x, int threads) {
  const Rows<V> rows = rows_of<V>(model, x);
  const auto n = static_cast<std::size_t>(rows.shape(0));
  const std::size_t width = model.trees();
  py::array_t<std::int32_t> out({n, width});
  const V* from = rows.data();
  std::int32_t* to = out.mutable_data();
  in_parallel(n, threads, [&](std::size_t first, std::size_t count) {
    model.leaves({from + first * model.features(), count * model.features()}, count,
                 {to + first * width, count * width});
  });
  return out;
}

py::array leaves(const Ensemble& model, const py::object& x, int threads) {
  return model.float64() ? leaves_as<double>(model, x, threads) : leaves_as<float>(model, x, threads);
}

/// (rows, features + 1), or (rows, outputs, features + 1).
template <class V, class Explain>
py::array contributions_as(const Ensemble& model, const Rows<V>& rows, int threads, Explain&& explain) {
  const auto n = static_cast<std::size_t>(rows.shape(0));
  const std::size_t width = model.features() + 1, line = model.outputs() * width;
  py::array_t<V> out = model.outputs() == 1 ? py::array_t<V>({n, width}) : py::array_t<V>({n, model.outputs(), width});
  const V* from = rows.data();
  V* to = out.mutable_data();
  std::mutex failing;
  std::exception_ptr failed;
  in_parallel(n, threads, [&](std::size_t first, std::size_t count) {
    try {
      explain(std::span<const V>(from + first * model.features(), count * model.features()), count, std::span<V>(to + first * line, count * line));
    } catch (...) {
      const std::lock_guard lock(failing);
      failed = std::current_exception();
    }
  });
  if (failed) std::rethrow_exception(failed);
  return out;
}

py::array contributions(const Ensemble& model, const py::object& x, std::optional<std::string> mode, const py::object& background, int threads) {
  if (mode && *mode != "exact" && *mode != "double")
    throw Error(ErrorCode::bad_argument, "no mode `" + *mode + "`", "\"exact\", XGBoost's own float32, or \"double\"");
  if (!background.is_none()) {
    if (mode == "exact") throw Error(ErrorCode::bad_argument, "contributions against a background are double", "leave `mode` out");
    const Rows<double> others = rows_of<double>(model, background);
    return contributions_as<double>(model, rows_of<double>(model, x), threads, [&](auto rows, std::size_t n, auto out) {
      model.contributions(rows, n, {others.data(), static_cast<std::size_t>(others.size())}, static_cast<std::size_t>(others.shape(0)), out);
    });
  }
  const auto plain = [&](auto rows, std::size_t n, auto out) { model.contributions(rows, n, out); };
  if (mode.value_or(model.float64() ? "double" : "exact") == "exact") return contributions_as<float>(model, rows_of<float>(model, x), threads, plain);
  return contributions_as<double>(model, rows_of<double>(model, x), threads, plain);
}

Ensemble from_bytes(const py::buffer& data, std::string name) {
  const py::buffer_info info = data.request();
  if (info.ndim != 1 || (info.shape[0] > 0 && info.strides[0] != info.itemsize))
    throw py::type_error("a flat buffer of bytes is needed");
  const auto size = static_cast<std::size_t>(info.size * info.itemsize);
  const py::gil_scoped_release release;
  return Ensemble::parse({static_cast<const std::byte*>(info.ptr), size}, std::move(name)).value();
}

/// The library of the installed xgboost package, found without importing it; else whatever the loader finds.
std::string library_of(const std::optional<std::string>& library) {
  if (library) return *library;
  const py::object spec = py::module_::import("importlib.util").attr("find_spec")("xgboost");
  if (spec.is_none()) return "libxgboost.so";
  const auto folder = py::cast<std::string>(spec.attr("submodule_search_locations").attr("__getitem__")(0));
  return folder + "/lib/libxgboost.so";
}

Ensemble load(const std::filesystem::path& path, const std::string& backend, const std::optional<std::string>& library) {
  if (backend != "native" && backend != "xgboost" && backend != "auto")
    throw Error(ErrorCode::bad_argument, "no backend `" + backend + "`", "\"native\", \"xgboost\", or \"auto\": native where the model is supported");
  if (backend == "native") {
    const py::gil_scoped_release release;
    return Ensemble::load(path).value();
  }
  auto native = Ensemble::load(path);
  if (!native && native.error().failures().front().code == ErrorCode::io_failed) return native.value();
  if (native && backend == "auto") return native.value();
  const py::bytes data = py::module_::import("pathlib").attr("Path")(path).attr("read_bytes")();
  const auto bytes = static_cast<std::string_view>(data);
  return Ensemble::by_xgboost(std::as_bytes(std::span(bytes)), library_of(library), path.string()).value();
}

py::dict verify(const Ensemble& model, const py::object& x, const std::optional<std::string>& library) {
  const Rows<float> rows = rows_of<float>(model, x);
  const std::string from = library_of(library);
  Verification report;
  {
    const py::gil_scoped_release release;
    report = model.verify({rows.data(), static_cast<std::size_t>(rows.size())}, static_cast<std::size_t>(rows.shape(0)), from);
  }
  py::dict out;
  out["backend"] = report.backend;
  out["values"] = report.values;
  out["differing"] = report.differing;
  out["first"] = report.first;
  return out;
}

Ensemble from_xgboost(py::object booster) {
  if (py::hasattr(booster, "get_booster")) booster = booster.attr("get_booster")();
  return from_bytes(booster.attr("save_raw")("ubj"), "<booster>");
}

/// A trainer's object as bytes: what attributes it has is Python's business.
Ensemble from_trainer(const char* writer, const py::object& trained) {
  return from_bytes(py::module_::import("featlib._trainers").attr(writer)(trained), "<" + std::string(py::str(py::type::of(trained).attr("__name__"))) + ">");
}

Ensemble from_lightgbm(py::object booster) {
  if (py::hasattr(booster, "booster_")) booster = booster.attr("booster_");
  return from_bytes(booster.attr("model_to_string")().attr("encode")(), "<booster>");
}

}  // namespace

void bind_ensemble(py::module_& m) {
  py::class_<Ensemble>(m, "Ensemble", R"(A trained tree ensemble; scores are the trainer's own, bit for bit.

Immutable and safe to use from many threads. X is a float32 or float64 array of shape (rows, features), or anything
with .matrix() that gives one; NaN is missing; it is rounded once to what the trainer compares in (float32 for XGBoost);
integer arrays are refused.)")
      .def_static("load", &load, "path"_a, py::kw_only(), "backend"_a = "native", "library"_a = py::none(),
                  "Read a model file; its content decides the format (XGBoost JSON or UBJSON, LightGBM text, CatBoost cbm or JSON, featlib's JSON of scikit-learn).\n\n"
                  "backend: \"native\"; \"xgboost\" runs it on XGBoost's own library (`library`, or the installed package's); "
                  "\"auto\" is native where the model is supported.")
      .def_static(
          "from_bytes", [](const py::buffer& data) { return from_bytes(data, "<bytes>"); }, "data"_a,
          "Read a model from bytes.")
      .def_static(
          "from_xgboost", &from_xgboost, "booster"_a,
          "Take over an xgboost.Booster, or a fitted XGBModel (all its trees, also those after best_iteration).")
      .def_static(
          "from_catboost", [](const py::object& model) { return from_trainer("catboost_cbm", model); }, "model"_a,
          "Take over a fitted catboost.CatBoost, Classifier, Regressor or Ranker.")
      .def_static(
          "from_sklearn", [](const py::object& estimator) { return from_trainer("sklearn_json", estimator); }, "estimator"_a,
          "Take over a fitted scikit-learn tree, forest, (Hist)GradientBoosting or IsolationForest.")
      .def_static(
          "from_lightgbm", &from_lightgbm, "booster"_a,
          "Take over a lightgbm.Booster, or a fitted LGBMModel: the trees its predict uses, up to best_iteration.")
      .def("margin", &margin, "X"_a, py::kw_only(), "threads"_a = 1,
           "Base margin plus leaves, in the trainer's number type (XGBoost's float32): (rows,) for one output, else (rows, "
           "outputs). threads=0 uses all cores.")
      .def("predict", &predict, "X"_a, py::kw_only(), "threads"_a = 1,
           "The margin through the objective's transform, in the shape and number type of the trainer's own predict: "
           "(rows,) or (rows, outputs).")
      .def("leaves", &leaves, "X"_a, py::kw_only(), "threads"_a = 1,
           "The leaf each tree ends in, as the trainer numbers nodes: int32 (rows, trees).")
      .def("verify", &verify, "X"_a, py::kw_only(), "library"_a = py::none(),
           "Compare margins, predictions and leaf numbers with XGBoost's own library, in bits: {backend, values, differing, first}.")
      .def("contributions", &contributions, "X"_a, py::kw_only(), "mode"_a = py::none(), "background"_a = py::none(), "threads"_a = 1,
           "What each feature gives to the margin, and last the expected margin: (rows, features + 1), or (rows, outputs, features + 1).\n\n"
           "mode: \"exact\" is XGBoost's own pred_contribs (3.3 and later) bit for bit, in float32; \"double\" sums to the margin within 1e-12; "
           "None is exact for XGBoost's models. background: rows to compare with, for interventional values in double.")
      .def_property_readonly("features", &Ensemble::features, "Columns of X.")
      .def_property_readonly("outputs", &Ensemble::outputs,
                             "Margins a row: 1, or one for each class, target or quantile.")
      .def_property_readonly("trees", &Ensemble::trees)
      .def_property_readonly("feature_names", &Ensemble::feature_names, "Names in the file; empty when it has none.")
      .def_property_readonly(
          "categories",
          [](const Ensemble& self) {
            std::map<std::string, std::vector<std::string>> out;
            for (std::size_t i = 0; i < self.categories().size(); ++i)
              if (!self.categories()[i].empty()) out.emplace(self.feature_names().empty() ? "f" + std::to_string(i) : self.feature_names()[i], self.categories()[i]);
            return out;
          },
          "By feature (f0, f1, ... where the file has no names), the texts whose codes 0, 1, ... it was trained on.")
      .def_property_readonly("objective", &Ensemble::objective, "\"binary:logistic\", as the trainer spells it.")
      .def_property_readonly("backend", &Ensemble::backend, "\"native\", or the library that runs it: \"xgboost 3.4.1\".")
      .def_property_readonly("format", &Ensemble::format, "\"xgboost-json\", \"xgboost-ubj\", \"lightgbm-text\" or the like.")
      .def_property_readonly("fingerprint", &Ensemble::fingerprint, "SHA-256 of the file, 64 hex digits.")
      .def("__repr__", [](const Ensemble& self) {
        return "<Ensemble " + std::string(self.objective()) + ", " + std::to_string(self.trees()) + " trees, " +
               std::to_string(self.features()) + " features>";
      });
}
