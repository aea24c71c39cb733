/// featlib._core: one call a stage, in the order of the data.
#include "common.hpp"

#include <featlib/core/arithmetic.hpp>
#include <featlib/core/time.hpp>
#include <featlib/version.hpp>

namespace py = pybind11;

void bind_ensemble(py::module_& module);

namespace featlib::python {
void bind_contract(py::module_& module);
void bind_window(py::module_& module);
void bind_scorer(py::module_& module);
void bind_monitor(py::module_& module);
}  // namespace featlib::python

PYBIND11_MODULE(_core, module) {
  using namespace featlib::python;
  module.doc() = "featlib's C++ core. Use `import featlib`.";
  module.attr("__version__") = FEATLIB_VERSION;
  bind_errors(module);
  bind_contract(module);
  bind_window(module);
  bind_ensemble(module);
  bind_scorer(module);
  bind_monitor(module);
  module.def("arithmetic_digest", &featlib::arithmetic_digest, "SHA-256 of a fixed computation: equal wherever featlib computes the same bits.");
  module.def("time_zone_version", [] { return std::string(featlib::time_zone_version()); }, "Version of the time-zone database compiled in.");
}
