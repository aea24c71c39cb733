/// What every bind_<stage> shares: tables in, tables out, errors, Python values as raw cells.
#pragma once

#include <featlib/core/arrow.hpp>
#include <featlib/core/result.hpp>
#include <featlib/core/table.hpp>
#include <featlib/events/convert.hpp>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <functional>
#include <map>
#include <string>

namespace featlib::python {

namespace py = pybind11;

/// featlib.Error and its subclasses; Error becomes the one of its stage, with `.failures`.
void bind_errors(py::module_& module);

/// Anything with __arrow_c_stream__ or __arrow_c_array__, or a dict of arrays.
Table to_table(const py::object& data, const std::string& name);

/// A dict of sources by name.
std::map<std::string, Table> to_tables(const py::dict& sources);

/// A capsule "arrow_array_stream" filled by `fill`.
py::capsule to_stream(const std::function<void(ArrowArrayStream*)>& fill);

/// A Python scalar as it arrived. Texts borrow from `value`, or from `storage` when there is nothing to borrow from.
Raw to_raw(py::handle value, std::string& storage);

/// An instant given as int microseconds or an aware datetime.
Instant to_instant(py::handle value, const char* what);

/// "1h", int microseconds or a timedelta.
Duration to_duration(py::handle value, const char* what);

/// value().or raise, without the lock while working.
template <class T>
T unwrap(Result<T> result) {
  return std::move(result).value();
}

}  // namespace featlib::python
