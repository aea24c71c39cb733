#include "common.hpp"

#include <featlib/core/arrow_export.hpp>

#include <fmt/format.h>

#include <array>

namespace featlib::python {
namespace {

std::array<PyObject*, 8> exceptions{};   // by Stage; live as long as the interpreter
PyObject* base_exception = nullptr;

void raise(const Error& error) {
  py::list failures;
  for (const Failure& f : error.failures()) failures.append(py::cast(f));
  const py::object type = py::reinterpret_borrow<py::object>(exceptions[static_cast<std::size_t>(error.stage())]);
  py::object instance = type(error.what());
  instance.attr("failures") = failures;
  PyErr_SetObject(type.ptr(), instance.ptr());
}

}  // namespace

void bind_errors(py::module_& module) {
  py::class_<Failure>(module, "Failure", "One thing that is wrong: code, path, line, column, message, help.")
      .def_property_readonly("code", [](const Failure& f) { return std::string(to_string(f.code)); })
      .def_readonly("path", &Failure::path)
      .def_readonly("line", &Failure::line)
      .def_readonly("column", &Failure::column)
      .def_readonly("message", &Failure::message)
      .def_readonly("help", &Failure::help)
      .def("__str__", &Failure::text)
      .def("__repr__", [](const Failure& f) { return fmt::format("<Failure {}>", f.text()); });

  const auto add = [&](const char* name, const char* doc, PyObject* base) {
    const std::string full = std::string("featlib.") + name;
    PyObject* type = PyErr_NewExceptionWithDoc(full.c_str(), doc, base, nullptr);
    if (!type) throw py::error_already_set();
    module.add_object(name, py::reinterpret_borrow<py::object>(type));
    return type;
  };
  base_exception = add("Error", "What featlib refuses with; `.failures` lists what is wrong.", PyExc_Exception);
  py::handle(base_exception).attr("failures") = py::tuple();   // of an error that was raised by hand
  const std::array<std::pair<const char*, const char*>, 8> stages{{{"ContractError", "A contract that does not hold."},
                                                                   {"DataError", "A table, row or request that cannot be read."},
                                                                   {"ModelError", "A model that cannot be scored exactly."},
                                                                   {"BundleError", "A bundle that was altered or does not fit together."},
                                                                   {"PolicyError", "A policy that does not hold."},
                                                                   {"StateError", "A snapshot that cannot be restored."},
                                                                   {"LogError", "A decision log that cannot be read or written."},
                                                                   {"UsageError", "A call that cannot mean anything."}}};
  for (std::size_t s = 0; s < stages.size(); ++s) exceptions[s] = add(stages[s].first, stages[s].second, base_exception);
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Error& error) {
      raise(error);
    }
  });
}

namespace {

/// A NumPy column as an Arrow one: the array's own memory where its form allows.
struct Made {
  std::string format;
  std::vector<const void*> buffers;
  std::shared_ptr<const void> keep_alive;
};

/// Holds a Python object from threads that do not hold the lock.
std::shared_ptr<const void> held(py::object object) {
  PyObject* raw = object.release().ptr();
  return std::shared_ptr<const void>(raw, [](const void* p) {
    const py::gil_scoped_acquire lock;
    Py_DECREF(static_cast<PyObject*>(const_cast<void*>(p)));
  });
}

struct Texts {
  std::vector<std::int64_t> offsets{0};
  std::string bytes;
  std::vector<std::uint8_t> valid;
  std::vector<std::uint64_t> values;

  void mark(std::size_t i, bool is_valid) {
    if (i % 8 == 0) valid.push_back(0);
    if (is_valid) valid.back() |= static_cast<std::uint8_t>(1 << (i % 8));
  }
};

[[noreturn]] void refuse(const std::string& table, const std::string& column, const std::string& what) {
  throw Error(ErrorCode::bad_table, fmt::format("column `{}`: {}", column, what), {}, table);
}

/// Objects: None is null; all others of one kind.
Made from_objects(const py::array& array, const std::string& table, const std::string& column) {
  auto made = std::make_shared<Texts>();
  Raw::Kind kind = Raw::Kind::null;
  bool zoned = false;
  const auto n = static_cast<std::size_t>(array.shape(0));
  const py::list items = array.attr("tolist")();
  std::string storage;
  std::vector<std::uint8_t> bits((n + 7) / 8, 0);
  for (std::size_t i = 0; i < n; ++i) {
    const Raw raw = to_raw(items[i], storage);
    made->mark(i, raw.kind != Raw::Kind::null);
    if (raw.kind != Raw::Kind::null) {
      if (kind == Raw::Kind::null) { kind = raw.kind; zoned = raw.zoned; }
      if (raw.kind != kind || raw.zoned != zoned) refuse(table, column, "its values are of several types");
    }
    std::uint64_t value = static_cast<std::uint64_t>(raw.integer);
    if (raw.kind == Raw::Kind::real) value = std::bit_cast<std::uint64_t>(raw.real);
    if (raw.kind == Raw::Kind::timestamp) {
      const auto instant = featlib::to_instant(raw.integer, raw.unit, false);
      if (!instant) refuse(table, column, "a time finer than a microsecond");
      value = static_cast<std::uint64_t>(*instant);
    }
    if (raw.kind == Raw::Kind::boolean && raw.integer) bits[i / 8] |= static_cast<std::uint8_t>(1 << (i % 8));
    made->values.push_back(value);
    made->bytes += raw.text;
    made->offsets.push_back(static_cast<std::int64_t>(made->bytes.size()));
  }
  switch (kind) {
    case Raw::Kind::null: return {"n", {}, made};
    case Raw::Kind::text: return {"U", {made->valid.data(), made->offsets.data(), made->bytes.data()}, made};
    case Raw::Kind::boolean: {
      auto both = std::make_shared<std::pair<std::shared_ptr<Texts>, std::vector<std::uint8_t>>>(made, std::move(bits));
      return {"b", {made->valid.data(), both->second.data()}, both};
    }
    case Raw::Kind::real: return {"g", {made->valid.data(), made->values.data()}, made};
    case Raw::Kind::timestamp: return {zoned ? "tsu:UTC" : "tsu:", {made->valid.data(), made->values.data()}, made};
    default: return {kind == Raw::Kind::unsigned64 ? "L" : "l", {made->valid.data(), made->values.data()}, made};
  }
}

Made from_numpy(py::array array, const std::string& table, const std::string& column) {
  if (array.ndim() != 1) refuse(table, column, fmt::format("an array of {} dimensions; expected one", array.ndim()));
  const char kind = array.dtype().kind();
  const auto size = array.itemsize();
  if (kind == 'O' || kind == 'U' || kind == 'T') return from_objects(array, table, column);
  array = py::array::ensure(array, py::array::c_style);
  const auto n = static_cast<std::size_t>(array.shape(0));
  if (kind == 'b') {
    auto bits = std::make_shared<std::vector<std::uint8_t>>((n + 7) / 8, 0);
    const auto* values = static_cast<const std::uint8_t*>(array.data());
    for (std::size_t i = 0; i < n; ++i)
      if (values[i]) (*bits)[i / 8] |= static_cast<std::uint8_t>(1 << (i % 8));
    return {"b", {nullptr, bits->data()}, bits};
  }
  if (kind == 'M') {
    const std::string unit = py::str(array.dtype().attr("str"));   // e.g. <M8[us]
    const auto open = unit.find('[');
    const std::string name = open == std::string::npos ? "" : unit.substr(open + 1, unit.size() - open - 2);
    const auto parsed = parse_time_unit(name);
    if (!parsed) refuse(table, column, fmt::format("datetime64[{}]; expected s, ms, us or ns", name));
    auto valid = std::make_shared<Texts>();
    const auto* values = static_cast<const std::int64_t*>(array.data());
    for (std::size_t i = 0; i < n; ++i) valid->mark(i, values[i] != std::numeric_limits<std::int64_t>::min());
    const void* data = array.data();
    auto both = std::make_shared<std::pair<std::shared_ptr<Texts>, std::shared_ptr<const void>>>(valid, held(array));
    return {fmt::format("ts{}:", "smun"[static_cast<int>(*parsed)]), {valid->valid.data(), data}, both};
  }
  static const std::map<std::pair<char, py::ssize_t>, const char*> formats{{{'i', 1}, "c"}, {{'i', 2}, "s"}, {{'i', 4}, "i"}, {{'i', 8}, "l"},
                                                                          {{'u', 1}, "C"}, {{'u', 2}, "S"}, {{'u', 4}, "I"}, {{'u', 8}, "L"},
                                                                          {{'f', 4}, "f"}, {{'f', 8}, "g"}};
  const auto found = formats.find({kind, size});
  if (found == formats.end()) refuse(table, column, fmt::format("dtype {} is not supported", std::string(py::str(py::object(array.dtype())))));
  const void* data = array.data();
  return {found->second, {nullptr, data}, held(array)};
}

Table from_dict(const py::dict& data, const std::string& name) {
  std::vector<ArrowColumn> columns;
  std::vector<ArrowPiece> pieces;
  std::int64_t rows = -1;
  for (const auto& [key, value] : data) {
    if (!py::isinstance<py::str>(key)) throw Error(ErrorCode::bad_table, "a column name is no string", {}, name);
    const std::string column = py::cast<std::string>(key);
    const py::array array = py::array::ensure(value);
    if (!array) { PyErr_Clear(); refuse(name, column, "not an array"); }
    Made made = from_numpy(array, name, column);
    const std::int64_t n = array.shape(0);
    if (rows >= 0 && n != rows) refuse(name, column, fmt::format("{} rows where others have {}", n, rows));
    rows = n;
    columns.push_back({column, made.format, nullptr});
    pieces.push_back({n, 0, made.format == "n" ? n : -1, std::move(made.buffers), nullptr, std::move(made.keep_alive)});
  }
  ArrowOwner<ArrowSchema> schema;
  ArrowOwner<ArrowArray> batch;
  make_arrow_batch(columns, pieces, std::max<std::int64_t>(rows, 0), {}, schema.get(), batch.get());
  std::vector<ArrowOwner<ArrowArray>> batches;
  batches.push_back(std::move(batch));
  return unwrap(Table::from_batches(std::move(schema), std::move(batches), name));
}

}  // namespace

Table to_table(const py::object& data, const std::string& name) {
  if (py::isinstance<py::dict>(data)) return from_dict(py::reinterpret_borrow<py::dict>(data), name);
  if (py::hasattr(data, "__arrow_c_stream__")) {
    const py::capsule capsule = data.attr("__arrow_c_stream__")();
    auto* stream = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_array_stream"));
    if (!stream) throw py::error_already_set();
    return unwrap(Table::from_stream(stream, name));
  }
  if (py::hasattr(data, "__arrow_c_array__")) {
    const py::tuple both = data.attr("__arrow_c_array__")();
    auto* schema = static_cast<ArrowSchema*>(PyCapsule_GetPointer(py::object(both[0]).ptr(), "arrow_schema"));
    auto* array = schema ? static_cast<ArrowArray*>(PyCapsule_GetPointer(py::object(both[1]).ptr(), "arrow_array")) : nullptr;
    if (!array) throw py::error_already_set();
    std::vector<ArrowOwner<ArrowArray>> batches;
    batches.emplace_back(array);
    return unwrap(Table::from_batches(ArrowOwner<ArrowSchema>(schema), std::move(batches), name));
  }
  throw Error(ErrorCode::bad_table, fmt::format("`{}` is no table", std::string(py::str(py::type::of(data).attr("__name__")))),
              "give anything with __arrow_c_stream__ (pyarrow, Polars, DuckDB, pandas >= 2.2) or a dict of arrays", name);
}

std::map<std::string, Table> to_tables(const py::dict& sources) {
  std::map<std::string, Table> out;
  for (const auto& [name, table] : sources) {
    const auto key = py::cast<std::string>(name);
    out.emplace(key, to_table(py::reinterpret_borrow<py::object>(table), key));
  }
  return out;
}

py::capsule to_stream(const std::function<void(ArrowArrayStream*)>& fill) {
  auto stream = std::make_unique<ArrowArrayStream>();
  *stream = ArrowArrayStream{};
  fill(stream.get());
  return py::capsule(stream.release(), "arrow_array_stream", [](PyObject* capsule) {
    auto* s = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule, "arrow_array_stream"));
    if (s->release) s->release(s);
    delete s;
  });
}

namespace {

struct DateTime {
  py::object type, delta, epoch_naive, epoch_utc, microsecond, decimal, uuid;
  DateTime() {
    const py::module_ module = py::module_::import("datetime");
    type = module.attr("datetime");
    delta = module.attr("timedelta");
    epoch_naive = type(1970, 1, 1);
    epoch_utc = type(1970, 1, 1, py::arg("tzinfo") = module.attr("timezone").attr("utc"));
    microsecond = delta(py::arg("microseconds") = 1);
    decimal = py::module_::import("decimal").attr("Decimal");
    uuid = py::module_::import("uuid").attr("UUID");
  }
};

const DateTime& date_time() {
  static auto* known = new DateTime;   // Python objects are not destroyed after the interpreter
  return *known;
}

}  // namespace

Raw to_raw(py::handle value, std::string& storage) {
  Raw raw;
  PyObject* p = value.ptr();
  if (value.is_none()) return raw;
  if (PyBool_Check(p)) {
    raw.kind = Raw::Kind::boolean;
    raw.integer = p == Py_True;
    return raw;
  }
  if (PyUnicode_Check(p)) {
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(p, &size);
    raw.kind = Raw::Kind::text;
    if (text) {
      raw.text = {text, static_cast<std::size_t>(size)};
    } else {
      PyErr_Clear();
      raw.text = "\xff";   // lone surrogates have no UTF-8: refused where text is checked
    }
    return raw;
  }
  if (PyFloat_Check(p)) {
    raw.kind = Raw::Kind::real;
    raw.real = PyFloat_AS_DOUBLE(p);
    return raw;
  }
  if (PyIndex_Check(p)) {
    const py::object whole = py::reinterpret_steal<py::object>(PyNumber_Index(p));
    if (!whole) throw py::error_already_set();
    int overflow = 0;
    raw.kind = Raw::Kind::integer;
    raw.integer = PyLong_AsLongLongAndOverflow(whole.ptr(), &overflow);
    if (overflow) {
      raw.kind = Raw::Kind::unsigned64;   // too large for any type: refused as inexact
      raw.integer = -1;
    }
    return raw;
  }
  const DateTime& dt = date_time();
  if (py::isinstance(value, dt.type)) {
    raw.kind = Raw::Kind::timestamp;
    raw.zoned = !value.attr("tzinfo").is_none();
    if (py::hasattr(value, "nanosecond") && py::hasattr(value, "value")) {   // pandas.Timestamp
      raw.unit = TimeUnit::nanosecond;
      const py::object ns = value.attr("as_unit")("ns").attr("value");
      raw.integer = py::cast<std::int64_t>(ns);
      if (py::cast<bool>(value.attr("__ne__")(value))) return Raw{};
      return raw;
    }
    raw.integer = py::cast<std::int64_t>((value - (raw.zoned ? dt.epoch_utc : dt.epoch_naive)).attr("__floordiv__")(dt.microsecond));
    return raw;
  }
  if (py::isinstance(value, dt.decimal) || py::isinstance(value, dt.uuid)) {
    storage = py::isinstance(value, dt.decimal) ? py::cast<std::string>(py::str("{:f}").format(value)) : py::cast<std::string>(py::str(value));
    raw.kind = Raw::Kind::text;
    raw.text = storage;
    return raw;
  }
  const std::string type = py::cast<std::string>(py::type::of(value).attr("__name__"));
  if (type == "NaTType" || type == "NAType") return raw;
  if (py::hasattr(value, "dtype") && py::hasattr(value, "item")) return to_raw(value.attr("item")(), storage);   // NumPy scalars
  throw Error(ErrorCode::bad_row, fmt::format("a value of type `{}`", type), "values are None, bool, int, float, str, Decimal, UUID or datetime");
}

Instant to_instant(py::handle value, const char* what) {
  std::string storage;
  const Raw raw = to_raw(value, storage);
  if (raw.kind == Raw::Kind::integer) return raw.integer;
  if (raw.kind == Raw::Kind::timestamp && raw.zoned)
    if (const auto instant = featlib::to_instant(raw.integer, raw.unit, false)) return *instant;
  throw Error(ErrorCode::bad_argument, fmt::format("`{}` is neither int microseconds nor a datetime with a time zone", what),
              "pass int microseconds since 1970, or datetime(..., tzinfo=timezone.utc)");
}

Duration to_duration(py::handle value, const char* what) {
  if (py::isinstance<py::str>(value)) {
    if (const auto parsed = parse_duration(py::cast<std::string>(value))) return *parsed;
  } else if (PyLong_Check(value.ptr())) {
    return py::cast<std::int64_t>(value);
  } else if (py::isinstance(value, date_time().delta)) {
    return py::cast<std::int64_t>(value.attr("__floordiv__")(date_time().microsecond));
  }
  throw Error(ErrorCode::bad_duration, fmt::format("`{}` is no duration", what), "e.g. \"1h\", or int microseconds");
}

}  // namespace featlib::python
