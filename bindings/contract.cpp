#include "common.hpp"

#include <featlib/contract/contract.hpp>

#include <fmt/format.h>
#include <pybind11/stl/filesystem.h>

namespace featlib::python {

namespace {

FingerprintKind fingerprint_kind(const std::string& kind) {
  if (kind == "semantic") return FingerprintKind::semantic;
  if (kind == "policy") return FingerprintKind::policy;
  if (kind == "document") return FingerprintKind::document;
  throw Error(ErrorCode::bad_argument, fmt::format("no fingerprint of kind `{}`", kind), "semantic, policy or document");
}

}  // namespace

void bind_contract(py::module_& module) {
  py::class_<Contract>(module, "Contract", "What every feature means. Read from YAML or JSON; always valid once built.")
      .def_static("load", [](const std::filesystem::path& path) { return unwrap(Contract::load(path)); }, py::arg("path"),
                  "Reads a contract file. Raises ContractError with every failure: code, path, line, column, message, help.")
      .def_static("parse", [](const std::string& text, const std::filesystem::path& base, const std::string& name) { return unwrap(Contract::parse(text, base, name)); },
                  py::arg("text"), py::kw_only(), py::arg("base") = std::filesystem::path(), py::arg("name") = "<text>",
                  "Reads a contract from text; vocabulary files are looked up in `base`.")
      .def_property_readonly("name", &Contract::name)
      .def_property_readonly("version", &Contract::version)
      .def_property_readonly("owner", &Contract::owner)
      .def_property_readonly("description", &Contract::description)
      .def_property_readonly("features",
                             [](const Contract& c) {
                               std::vector<std::string> names;
                               for (const Feature& f : c.features()) names.push_back(f.name);
                               return names;
                             },
                             "Feature names, in file order.")
      .def_property_readonly("inputs",
                             [](const Contract& c) {
                               std::vector<std::string> names;
                               for (const int f : c.inputs()) names.push_back(c.features()[static_cast<std::size_t>(f)].name);
                               return names;
                             },
                             "The model's inputs, in their order.")
      .def_property_readonly("sources",
                             [](const Contract& c) {
                               std::vector<std::string> names;
                               for (const Source& s : c.sources())
                                 if (!s.is_union()) names.push_back(s.name);
                               return names;
                             },
                             "The sources whose rows are given; a union is made of theirs.")
      .def_property_readonly("warnings", &Contract::warnings, "What is allowed but worth a look.")
      .def("fingerprint", [](const Contract& c, const std::string& kind) { return c.fingerprint(fingerprint_kind(kind)); }, py::arg("kind") = "semantic",
           "SHA-256 of the resolved contract, as 64 hex digits. kind: semantic (all that changes a value), policy (and checks), document (everything).")
      .def("feature_fingerprint",
           [](const Contract& c, const std::string& feature) {
             const int f = c.find_feature(feature);
             if (f < 0) throw Error(ErrorCode::unknown_name, fmt::format("no feature `{}`", feature));
             return c.feature_fingerprint(f);
           },
           py::arg("feature"), "Semantic fingerprint of one feature and all it reads.")
      .def("resolved_json", &Contract::resolved_json, "The resolved contract: defaults filled in, bounds written out, vocabularies inlined.")
      .def("describe", &Contract::describe, "The contract for people.")
      .def("__repr__", [](const Contract& c) { return fmt::format("<Contract {} {}: {} features>", c.name(), c.version(), c.features().size()); });
}

}  // namespace featlib::python
