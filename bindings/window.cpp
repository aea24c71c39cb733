#include "common.hpp"

#include <featlib/vector/reference.hpp>
#include <featlib/vector/replay.hpp>

#include <fmt/format.h>

namespace featlib::python {
namespace {

/// as_of="column", or ("column", "s") with a unit or a time zone.
AsOf to_as_of(const py::object& as_of) {
  if (py::isinstance<py::str>(as_of)) return {py::cast<std::string>(as_of), std::nullopt, {}};
  const auto both = py::cast<std::pair<std::string, std::string>>(as_of);
  if (const auto unit = parse_time_unit(both.second)) return {both.first, unit, {}};
  if (TimeZone::find(both.second)) return {both.first, std::nullopt, both.second};
  throw Error(ErrorCode::bad_argument, fmt::format("as_of: `{}` is neither a unit (s, ms, us, ns) nor a time zone", both.second));
}

std::map<std::string, Instant> to_complete_from(const py::object& given, const Contract& contract) {
  std::map<std::string, Instant> out;
  if (given.is_none() || (py::isinstance<py::str>(given) && py::cast<std::string>(given) == "always")) return out;
  if (py::isinstance<py::dict>(given)) {
    for (const auto& [source, instant] : py::reinterpret_borrow<py::dict>(given)) out[py::cast<std::string>(source)] = to_instant(instant, "complete_from");
  } else {
    for (const Source& source : contract.sources())
      if (!source.is_union()) out[source.name] = to_instant(given, "complete_from");
  }
  return out;
}

template <class Compute>
FeatureTable run(Compute compute, const Contract& contract, const py::object& decisions, const py::dict& sources, const py::object& as_of, int threads,
                 const py::object& progress, const py::object& complete_from) {
  ReplayOptions options;
  options.as_of = to_as_of(as_of);
  options.threads = threads;
  options.complete_from = to_complete_from(complete_from, contract);
  if (!progress.is_none())
    options.progress = [&](double share) {
      const py::gil_scoped_acquire lock;
      progress(share, 1.0);
    };
  const Table asked = to_table(decisions, "decisions");
  const std::map<std::string, Table> tables = to_tables(sources);
  const py::gil_scoped_release unlocked;
  return unwrap(compute(contract, asked, tables, options));
}

std::size_t feature_index(const FeatureTable& table, const std::string& name) {
  const int f = table.contract().find_feature(name);
  if (f < 0) throw Error(ErrorCode::unknown_name, fmt::format("the table has no feature `{}`", name));
  return static_cast<std::size_t>(f);
}

template <class T, class Get>
py::array filled(std::size_t rows, Get&& get) {
  py::array_t<T> out(static_cast<py::ssize_t>(rows));
  T* data = out.mutable_data();
  for (std::size_t r = 0; r < rows; ++r) data[r] = get(r);
  return out;
}

/// A feature as NumPy: its own type, or float64 with NaN where integers have nulls.
py::object to_numpy(const FeatureTable& table, std::size_t f) {
  const Feature& spec = table.contract().features()[f];
  const FeatureColumn& column = table.column(static_cast<int>(f));
  const std::size_t n = table.rows();
  bool nulls = false;
  for (std::size_t r = 0; r < n; ++r) nulls = nulls || column[r].is_null();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  if (spec.type == Type::float64) return filled<double>(n, [&](std::size_t r) { return column[r].is_null() ? nan : column[r].real(); });
  if (spec.type == Type::string) {
    py::list values;
    for (std::size_t r = 0; r < n; ++r)
      values.append(column[r].is_null() ? py::object(py::none()) : py::object(py::str(std::string(table.text(static_cast<int>(f), column[r])))));
    return py::module_::import("numpy").attr("array")(values, py::arg("dtype") = "object");
  }
  if (spec.type == Type::timestamp)
    return filled<std::int64_t>(n, [&](std::size_t r) { return column[r].is_null() ? std::numeric_limits<std::int64_t>::min() : column[r].integer(); })
        .attr("view")("datetime64[us]");
  if (nulls) return filled<double>(n, [&](std::size_t r) { return column[r].is_null() ? nan : static_cast<double>(column[r].integer()); });
  if (spec.type == Type::category) return filled<std::int32_t>(n, [&](std::size_t r) { return static_cast<std::int32_t>(column[r].integer()); });
  if (spec.type == Type::boolean) return filled<bool>(n, [&](std::size_t r) { return column[r].bits != 0; });
  return filled<std::int64_t>(n, [&](std::size_t r) { return column[r].integer(); });
}

py::dict to_dict(const RowReport& report) {
  py::dict refused;
  for (const auto& [why, n] : report.refused) refused[py::str(std::string(to_string(why)))] = n;
  py::list first;
  for (const RefusedRow& row : report.first_refused)
    first.append(py::dict(py::arg("row") = row.row, py::arg("column") = row.column, py::arg("why") = std::string(to_string(row.why))));
  return py::dict(py::arg("rows") = report.rows, py::arg("accepted") = report.accepted, py::arg("duplicates") = report.duplicates,
                  py::arg("corrections") = report.corrections, py::arg("moved_keys") = report.moved_keys, py::arg("null_keys") = report.null_keys, py::arg("refused") = refused, py::arg("first_refused") = first);
}

}  // namespace

void bind_window(py::module_& module) {
  const auto frames = [](const char* name) {
    return [name](const py::object& table, bool status, bool category_text) {
      return py::module_::import("featlib.frames").attr(name)(table, py::arg("status") = status, py::arg("category_text") = category_text);
    };
  };
  py::class_<FeatureTable>(module, "FeatureTable", "The caller's decisions in the caller's order, then the features, with a status byte each.")
      .def("__arrow_c_stream__",
           [](const FeatureTable& t, const py::object&) { return to_stream([&](ArrowArrayStream* s) { t.export_stream(s, false, false); }); },
           py::arg("requested_schema") = py::none(), "The Arrow C stream of decision columns, then features (category: int32 codes).")
      .def("stream",
           [](const FeatureTable& t, bool status, bool category_text) { return to_stream([&](ArrowArrayStream* s) { t.export_stream(s, status, category_text); }); },
           py::kw_only(), py::arg("status") = false, py::arg("category_text") = false,
           "The same as a capsule, with `<feature>__status` columns, or categories as text, if asked.")
      .def("to_arrow", frames("to_arrow"), py::kw_only(), py::arg("status") = false, py::arg("category_text") = false,
           "A pyarrow.Table. status=True adds `<feature>__status`; category_text=True gives texts for codes.")
      .def("to_pandas", frames("to_pandas"), py::kw_only(), py::arg("status") = false, py::arg("category_text") = false,
           "A pandas.DataFrame; the options of to_arrow.")
      .def("to_polars", frames("to_polars"), py::kw_only(), py::arg("status") = false, py::arg("category_text") = false,
           "A polars.DataFrame; the options of to_arrow.")
      .def("to_numpy",
           [](const FeatureTable& t) {
             py::dict out;
             for (std::size_t f = 0; f < t.contract().features().size(); ++f) out[py::str(t.contract().features()[f].name)] = to_numpy(t, f);
             return out;
           },
           "Features by name, each an array of `rows` values; null is NaN (NaT, None).")
      .def("matrix",
           [](const FeatureTable& t, const py::object& dtype) -> py::object {
             const auto wanted = dtype.is_none() ? py::dtype::of<float>() : py::dtype::from_args(dtype);
             const bool narrow = wanted.is(py::dtype::of<float>());
             if (!narrow && !wanted.is(py::dtype::of<double>()))
               throw Error(ErrorCode::bad_argument, fmt::format("a matrix of {}", std::string(py::str(py::object(wanted)))), "float32 or float64");
             const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(t.rows()), static_cast<py::ssize_t>(t.contract().inputs().size())};
             const auto size = static_cast<std::size_t>(shape[0] * shape[1]);
             if (narrow) {
               py::array_t<float> out(shape);
               float* data = out.mutable_data();
               const py::gil_scoped_release unlocked;
               t.matrix(std::span<float>(data, size));
               return out;
             }
             py::array_t<double> out(shape);
             double* data = out.mutable_data();
             const py::gil_scoped_release unlocked;
             t.matrix(std::span<double>(data, size));
             return out;
           },
           py::kw_only(), py::arg("dtype") = py::none(), "The model's input: rows x inputs, row-major float32 (or float64), `model_missing` (default NaN) where null.")
      .def("status",
           [](const FeatureTable& t, const std::string& feature) {
             const FeatureColumn& column = t.column(static_cast<int>(feature_index(t, feature)));
             return filled<std::uint8_t>(t.rows(), [&](std::size_t r) { return column.status[r]; });
           },
           py::arg("feature"), "One status byte a row: the cause in the low four bits, 0x80 where the fallback stands.")
      .def_property_readonly("report",
                             [](const FeatureTable& t) {
                               py::dict out;
                               for (const auto& [name, report] : t.reports) out[py::str(name)] = to_dict(report);
                               return out;
                             },
                             "By source (and \"decisions\"): rows given, accepted, duplicates, null keys, refused by reason, the first refused.")
      .def_property_readonly("out_of_range",
                             [](const FeatureTable& t) {
                               py::dict out;
                               const auto counts = t.out_of_range();
                               for (std::size_t f = 0; f < counts.size(); ++f)
                                 if (counts[f]) out[py::str(t.contract().features()[f].name)] = counts[f];
                               return out;
                             },
                             "Values outside a feature's `range`, by feature; nothing was changed.")
      .def_property_readonly("contract", &FeatureTable::contract)
      .def("__len__", &FeatureTable::rows)
      .def("__repr__", [](const FeatureTable& t) {
        return fmt::format("<FeatureTable {} rows x {} features of {}>", t.rows(), t.contract().features().size(), t.contract().name());
      });

  const auto define = [&](const char* name, auto compute, const char* doc) {
    module.def(
        name,
        [compute](const Contract& contract, const py::object& decisions, const py::dict& sources, const py::object& as_of, int threads,
                  const py::object& progress, const py::object& complete_from) {
          return run(compute, contract, decisions, sources, as_of, threads, progress, complete_from);
        },
        py::arg("contract"), py::arg("decisions"), py::arg("sources"), py::kw_only(), py::arg("as_of") = "as_of", py::arg("threads") = 0,
        py::arg("progress") = py::none(), py::arg("complete_from") = py::none(), doc);
  };
  define("replay", featlib::replay,
         "The features of every decision as serving would have given them at its own instant.\n\n"
         "decisions, sources: tables (anything with __arrow_c_stream__, or dicts of NumPy arrays). as_of: the column of `decisions`, or (column, unit or tz).\n"
         "threads: 0 is one a core. progress: called with (done, total). complete_from: instant, or one by source, before which history may be missing.\n"
         "Returns a FeatureTable in the order of `decisions`. Raises DataError for missing or mistyped columns; bad rows are counted in `.report`.");
  define("reference", featlib::reference, "The definition itself: same arguments and result as replay(), one filter over all rows for every value. Slow, and the judge of all else.");
}

}  // namespace featlib::python
