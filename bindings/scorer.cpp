#include "common.hpp"

#include <featlib/scorer.hpp>

#include <fmt/format.h>
#include <pybind11/stl/filesystem.h>

namespace featlib::python {
namespace {

/// A served vector for Python: values and statuses by name. It keeps the bundle, not the scorer with its state and its log.
struct Vector {
  Bundle bundle;
  ServedFeatures features;
};

py::object to_python(const Contract& contract, const ServedFeatures& served, std::size_t f) {
  const FeatureValue value = served.values[f];
  if (value.is_null()) return py::none();
  const Feature& spec = contract.features()[f];
  switch (spec.type) {
    case Type::float64: return py::float_(value.real());
    case Type::boolean: return py::bool_(value.integer() != 0);
    case Type::string: return py::str(served.texts[f]);
    default: return py::int_(value.integer());
  }
}

py::dict values_of(const Contract& contract, const ServedFeatures& features) {
  py::dict out;
  for (std::size_t f = 0; f < features.values.size(); ++f) out[py::str(contract.features()[f].name)] = to_python(contract, features, f);
  return out;
}

py::dict statuses_of(const Contract& contract, const ServedFeatures& features) {
  py::dict out;
  for (std::size_t f = 0; f < features.values.size(); ++f) out[py::str(contract.features()[f].name)] = static_cast<int>(features.values[f].status);
  return out;
}

struct ServedDecision {
  Bundle bundle;
  Decision decision;
};

/// The scorer and the Python names of its fields, made once.
class PyScorer {
 public:
  PyScorer(std::unique_ptr<Scorer> scorer, std::shared_ptr<DecisionLog> log) : scorer(std::move(scorer)), log(std::move(log)) {
    for (const Source& source : this->scorer->contract().sources()) {
      auto& names = source_names_.emplace_back();
      for (const Field& field : source.fields) names.push_back(interned(field.name));
    }
    for (const Field& field : this->scorer->contract().request()) request_names_.push_back(interned(field.name));
  }

  std::unique_ptr<Scorer> scorer;
  std::shared_ptr<DecisionLog> log;   // none: nullptr

  int source_index(const std::string& name) const {
    if (auto refused = scorer->contract().refuses_rows(name)) throw Error({std::move(*refused)});
    return scorer->contract().find_source(name);
  }

  py::object observe(const std::string& name, const py::object& rows) {
    const int source = source_index(name);
    if (!py::isinstance<py::dict>(rows) || holds_arrays(py::reinterpret_borrow<py::dict>(rows))) {
      const Table table = to_table(rows, name);
      const py::gil_scoped_release unlocked;
      const RowReport report = unwrap(scorer->with_state([&](State& state) { return state.observe_table(source, table); }));
      const py::gil_scoped_acquire locked;
      return py::int_(report.accepted);
    }
    return py::int_(observe_one(source, rows));
  }

  bool replace(const std::string& name, const py::dict& row, std::optional<Instant> available_time) {
    const int source_index = this->source_index(name);
    const Source& source = source_at(source_index);
    scorer->require_correctable(source_index, true, available_time);
    const Given given = read_row(source_index, row);
    if (const auto failure = missing_fields(source, given.fields(), source.name, true)) throw Error({*failure});
    require_key(source, given.raws[static_cast<std::size_t>(source.dedup_field)]);
    return with_row(source_index, given, [&](State& state, std::span<const Slot> slots) { return state.replace(source_index, slots, {available_time, {}, {}}); });
  }

  bool retract(const std::string& name, const py::handle& key, std::optional<Instant> available_time) {
    const int source_index = this->source_index(name);
    const Source& source = source_at(source_index);
    scorer->require_correctable(source_index, false, available_time);
    const auto field = static_cast<std::size_t>(source.dedup_field);
    Given given{std::vector<Raw>(source.fields.size()), std::vector<std::string>(source.fields.size()), nullptr};
    given.raws[field] = to_raw(key, given.storage[field]);
    require_key(source, given.raws[field]);
    return with_row(source_index, given, [&](State& state, std::span<const Slot> slots) { return state.retract(source_index, slots[field], {available_time, {}, {}}); });
  }

  /// Converts a request dict. Fields it lacks are an error, or null when `partial`.
  Refusal request(const py::dict& given, bool partial, std::vector<Slot>& slots) {
    const auto& fields = scorer->contract().request();
    slots.assign(fields.size(), {});
    std::vector<Raw> raws(fields.size());
    std::vector<std::string> storage(fields.size());
    std::string missing;
    for (std::size_t f = 0; f < fields.size(); ++f) {
      PyObject* value = PyDict_GetItemWithError(given.ptr(), request_names_[f].ptr());
      if (value) raws[f] = to_raw(value, storage[f]);
      else if (!partial) missing += fmt::format("{}`{}`", missing.empty() ? "" : ", ", fields[f].name);
    }
    if (!missing.empty()) throw Error(ErrorCode::missing_column, fmt::format("the request lacks {}", missing), "name every field; an unknown value is None, said explicitly", "request");
    Refusal refused = Refusal::none;
    std::optional<std::size_t> mistyped;
    scorer->with_state([&](State& state) {
      for (std::size_t f = 0; f < fields.size(); ++f) {
        const Refusal why = convert(fields[f], raws[f], state.pool(), slots[f]);
        if (why == Refusal::wrong_type) mistyped = f;
        if (why != Refusal::none && refused == Refusal::none) refused = why;
      }
    });
    if (mistyped) throw wrong_type(fields[*mistyped], "request");
    return refused;
  }

 private:
  static py::str interned(const std::string& name) {
    return py::reinterpret_steal<py::str>(PyUnicode_InternFromString(name.c_str()));
  }

  static bool holds_arrays(const py::dict& rows) {
    for (const auto& [name, value] : rows)
      if (py::isinstance<py::array>(value) || py::isinstance<py::list>(value)) return true;
    return false;
  }

  static void require_key(const Source& source, const Raw& key) {
    if (key.kind == Raw::Kind::null)
      throw Error(ErrorCode::bad_row, fmt::format("`{}` is null: a correction needs the key of what it corrects", source.fields[static_cast<std::size_t>(source.dedup_field)].name),
                  "rows without a key cannot be corrected", source.name);
  }

  static Error wrong_type(const Field& field, const std::string& where) {
    return Error(ErrorCode::bad_row, fmt::format("`{}` is not a {}", field.name, to_string(field.type)),
                 field.type == Type::float64 ? "floats are written 12.0, never 12" : "send the declared type; nothing is cast", where);
  }

  const Source& source_at(int source) const { return scorer->contract().sources()[static_cast<std::size_t>(source)]; }

  /// A row dict's values by Source::fields, and which of them are there.
  struct Given {
    std::vector<Raw> raws;
    std::vector<std::string> storage;
    std::unique_ptr<bool[]> present;
    std::span<const bool> fields() const { return {present.get(), raws.size()}; }
  };

  Given read_row(int source, const py::handle& row) const {
    const auto& names = source_names_[static_cast<std::size_t>(source)];
    Given out{std::vector<Raw>(names.size()), std::vector<std::string>(names.size()), std::make_unique<bool[]>(names.size())};
    for (std::size_t f = 0; f < names.size(); ++f) {
      PyObject* value = PyDict_GetItemWithError(row.ptr(), names[f].ptr());
      out.present[f] = value != nullptr;
      if (value) out.raws[f] = to_raw(value, out.storage[f]);
    }
    return out;
  }

  /// Converts a row under the scorer's lock and uses it; false when it was refused. Throws for a value of a wrong type.
  template <class Use>
  bool with_row(int source_index, const Given& given, Use&& use) {
    const Source& source = source_at(source_index);
    std::optional<std::size_t> mistyped;
    const Refusal refusal = scorer->with_state([&](State& state) {
      std::vector<Slot> slots(given.raws.size());
      for (std::size_t f = 0; f < slots.size(); ++f) {
        const Refusal why = convert(source.fields[f], given.raws[f], state.pool(), slots[f]);
        if (why == Refusal::none) continue;
        if (why == Refusal::wrong_type) mistyped = f;
        state.refuse_slots(source_index, slots, why);
        return why;
      }
      return use(state, slots);
    });
    if (mistyped) throw wrong_type(source.fields[*mistyped], source.name);
    return refusal == Refusal::none;
  }

  std::int64_t observe_one(int source_index, const py::object& row) {
    const Source& source = source_at(source_index);
    Given given = read_row(source_index, row);
    const auto& [raws, storage, present] = given;
    // With a clock and nothing to say it is a row that lacks columns, not a label.
    if (present[static_cast<std::size_t>(source.event_time_field)])
      for (std::size_t f = 0; f < raws.size(); ++f)
        if (source.fields[f].gated() && raws[f].kind == Raw::Kind::null) present[f] = false;
    if (const auto failure = missing_fields(source, given.fields(), source.name)) throw Error({*failure});
    const py::str word{std::string(correction_column)};
    if (source.find_field(correction_column) < 0 && row.contains(word) && py::bool_(row[word]))
      throw Error(ErrorCode::bad_row, "a row that corrects is no row to observe", "replace(source, row) or retract(source, key); or give a table", source.name);
    return with_row(source_index, given, [&](State& state, std::span<const Slot> slots) {
      return is_label(source, given.fields()) ? state.observe_label(source_index, slots) : state.observe_slots(source_index, slots);
    });
  }

  std::vector<std::vector<py::str>> source_names_;
  std::vector<py::str> request_names_;
};

std::optional<Instant> optional_instant(const py::object& instant, const char* what = "as_of") {
  if (instant.is_none()) return std::nullopt;
  return to_instant(instant, what);
}

/// "sqlite:PATH"; a bare path is one too.
std::shared_ptr<DecisionLog> open_at(const std::string& location) {
  return unwrap(open_log(location.find(':') == std::string::npos ? "sqlite:" + location : location));
}

std::shared_ptr<DecisionLog> to_log(const py::object& log) {
  if (log.is_none()) return nullptr;
  return open_at(py::cast<std::string>(log));
}

std::unique_ptr<PyScorer> make_scorer(const Bundle& bundle, const std::string& state, const py::object& log, const py::object& history, const py::object& grace,
                                      const py::object& complete_from) {
  StateOptions options = unwrap(open_state(state));
  options.grace = to_duration(grace, "grace");
  if (!history.is_none()) {
    if (py::cast<std::string>(history) != "memory:")
      throw Error(ErrorCode::bad_argument, fmt::format("no history sink at `{}`", py::cast<std::string>(history)), "this version keeps history in memory: \"memory:\"");
    options.keep_history = true;
  }
  if (py::isinstance<py::dict>(complete_from)) {
    for (const auto& [source, instant] : py::reinterpret_borrow<py::dict>(complete_from)) {
      options.complete_from[py::cast<std::string>(source)] = to_instant(instant, "complete_from");
    }
  } else if (!py::isinstance<py::str>(complete_from) || py::cast<std::string>(complete_from) != "always") {
    for (const Source& source : bundle.contract().sources())
      if (!source.is_union()) options.complete_from[source.name] = to_instant(complete_from, "complete_from");
  }
  auto opened = to_log(log);
  return std::make_unique<PyScorer>(std::make_unique<Scorer>(bundle, std::move(options), opened), opened);
}

py::object from_json(const std::string& text) { return py::module_::import("json").attr("loads")(text); }

py::bytes to_bytes(const std::vector<std::byte>& bytes) { return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size()); }

std::span<const std::byte> bytes_of(const py::bytes& bytes) {
  const std::string_view view = bytes;
  return std::as_bytes(std::span(view.data(), view.size()));
}

py::object to_python(const LoggedValue& value) {
  return std::visit(
      [](const auto& v) -> py::object {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>) return py::none();
        else return py::cast(v);
      },
      value);
}

/// A record by name, with the contract of its own bundle.
py::dict describe(DecisionLog& log, const Record& record) {
  const Versions versions = unwrap(log.versions(record.bundle));
  const Bundle bundle = unwrap(Bundle::parse(unwrap(log.bundle_bytes(record.bundle)), record.bundle));
  const Contract& contract = bundle.contract();
  py::dict request, features, status;
  for (std::size_t f = 0; f < record.inputs.size() && f < contract.request().size(); ++f) {
    const Field& field = contract.request()[f];
    const auto* unit = std::get_if<std::int64_t>(&record.inputs[f]);
    request[py::str(field.name)] = field.type == Type::decimal && unit ? py::object(py::float_(decimal_value(*unit, field.scale))) : to_python(record.inputs[f]);
  }
  for (std::size_t f = 0; f < record.features.size() && f < contract.features().size(); ++f) {
    features[py::str(contract.features()[f].name)] = to_python(record.features[f].value);
    status[py::str(contract.features()[f].name)] = static_cast<int>(record.features[f].status);
  }
  py::dict out;
  out["request_id"] = record.request_id;
  out["as_of"] = format_instant(record.as_of);
  out["decided_at"] = format_instant(record.decided_at);
  out["decision"] = std::string(to_string(record.outcome));
  out["mode"] = std::string(to_string(record.mode));
  out["risk_score"] = std::isnan(record.score) ? py::object(py::none()) : py::object(py::float_(record.score));
  out["margin"] = std::isnan(record.margin) ? py::object(py::none()) : py::object(py::float_(record.margin));
  out["model_version"] = versions.model_version;
  out["feature_schema_version"] = versions.feature_schema_version;
  out["policy_version"] = versions.policy_version;
  out["bundle"] = record.bundle;
  if (bundle.policy() && record.segment >= 0 && record.segment < static_cast<int>(bundle.policy()->segments().size())) {
    const Segment& segment = bundle.policy()->segments()[static_cast<std::size_t>(record.segment)];
    out["threshold"] = py::dict(py::arg("when") = segment.when.empty() ? std::string("default") : segment.when, py::arg("review") = segment.review, py::arg("block") = segment.block);
  }
  if (bundle.policy() && record.rule >= 0 && record.rule < static_cast<int>(bundle.policy()->rules().size()))
    out["rule"] = bundle.policy()->rules()[static_cast<std::size_t>(record.rule)].name;
  out["request"] = request;
  out["features"] = features;
  out["status"] = status;
  return out;
}

struct PyLog {
  std::shared_ptr<DecisionLog> log;
};

}  // namespace

void bind_scorer(py::module_& module) {
  py::class_<Bundle>(module, "Bundle", "Contract, model, policy and metadata in one file; every part hashed, refused when altered.")
      .def(py::init([](const Contract& contract, const std::optional<Ensemble>& model, const std::optional<std::string>& policy, const py::object& metadata) {
             const std::string json = metadata.is_none() ? "{}" : py::cast<std::string>(py::module_::import("json").attr("dumps")(metadata));
             return unwrap(Bundle::make(contract, model, policy ? std::optional<std::string_view>(*policy) : std::nullopt, json));
           }),
           py::kw_only(), py::arg("contract"), py::arg("model") = py::none(), py::arg("policy") = py::none(), py::arg("metadata") = py::none(),
           "policy: the text of a policy file. metadata: a dict that JSON can hold. Raises when the parts do not belong together.")
      .def("save", [](const Bundle& b, const std::filesystem::path& path) { unwrap(b.save(path)); }, py::arg("path"), "Writes the file whole or not at all.")
      .def_static("load", [](const std::filesystem::path& path) { return unwrap(Bundle::load(path)); }, py::arg("path"), "Raises BundleError naming the part that was altered.")
      .def_static("from_bytes", [](const py::bytes& bytes) { return unwrap(Bundle::parse(bytes_of(bytes))); }, py::arg("data"))
      .def("to_bytes", [](const Bundle& b) { return to_bytes(b.bytes()); })
      .def_property_readonly("contract", &Bundle::contract)
      .def_property_readonly("model", &Bundle::model)
      .def_property_readonly("policy", [](const Bundle& b) -> std::optional<std::string> { return b.policy() ? std::optional(b.policy()->text()) : std::nullopt; })
      .def_property_readonly("metadata",
                             [](const Bundle& b) {
                               py::dict out;
                               for (const auto& [key, text] : b.metadata()) out[py::str(key)] = from_json(text);
                               return out;
                             })
      .def_property_readonly("fingerprint", &Bundle::fingerprint)
      .def_property_readonly("model_version", &Bundle::model_version)
      .def_property_readonly("feature_schema_version", &Bundle::feature_schema_version)
      .def("__repr__", [](const Bundle& b) { return fmt::format("<Bundle {} of {} {}, model {}>", b.fingerprint().substr(0, 12), b.contract().name(), b.contract().version(), b.model_version()); });

  py::class_<Table>(module, "Table", "Rows of named columns behind the Arrow C stream protocol.")
      .def("__arrow_c_stream__",
           [](const Table& t, const py::object&) { return to_stream([&](ArrowArrayStream* out) { t.export_stream(out); }); }, py::arg("requested_schema") = py::none())
      .def_property_readonly("metadata", [](const Table& t) { return t.metadata(); }, "The schema's key-value metadata.")
      .def_property_readonly("column_names",
                             [](const Table& t) {
                               std::vector<std::string> names;
                               for (int c = 0; c < t.columns(); ++c) names.push_back(t.column_name(c));
                               return names;
                             })
      .def("__len__", &Table::rows)
      .def("__repr__", [](const Table& t) { return fmt::format("<Table {}: {} rows x {} columns>", t.name(), t.rows(), t.columns()); });

  py::class_<Vector>(module, "FeatureVector", "One served row: `.values` and `.status` by feature name; null is None.")
      .def_property_readonly("values", [](const Vector& v) { return values_of(v.bundle.contract(), v.features); })
      .def_property_readonly("status", [](const Vector& v) { return statuses_of(v.bundle.contract(), v.features); });

  py::class_<ServedDecision>(module, "Decision", "What was decided, and why.")
      .def_property_readonly("outcome", [](const ServedDecision& d) { return std::string(to_string(d.decision.outcome)); }, "approve, review, block, or none without a policy.")
      .def_property_readonly("score", [](const ServedDecision& d) -> std::optional<double> { return std::isnan(d.decision.score) ? std::nullopt : std::optional(d.decision.score); })
      .def_property_readonly("margin", [](const ServedDecision& d) -> std::optional<double> { return std::isnan(d.decision.margin) ? std::nullopt : std::optional(d.decision.margin); })
      .def_property_readonly("features", [](const ServedDecision& d) { return values_of(d.bundle.contract(), d.decision.features); })
      .def_property_readonly("status", [](const ServedDecision& d) { return statuses_of(d.bundle.contract(), d.decision.features); })
      .def_property_readonly("mode", [](const ServedDecision& d) { return std::string(to_string(d.decision.mode)); }, "normal, or why not: rule, no_model, no_score, no_policy, bad_request.")
      .def_property_readonly("reasons", [](const ServedDecision& d) {
             py::list out;
             for (const Reason& reason : reasons(d.bundle, d.decision)) {
               py::list names;
               for (const int f : reason.features) names.append(d.bundle.contract().features()[static_cast<std::size_t>(f)].name);
               py::dict entry;
               entry["text"] = reason.text;
               entry["contribution"] = reason.contribution;
               entry["features"] = names;
               out.append(entry);
             }
             return out;
           }, "What spoke against the request, most first, at most four; computed when asked for.")
      .def_property_readonly("request_id", [](const ServedDecision& d) { return d.decision.request_id; })
      .def_property_readonly("as_of", [](const ServedDecision& d) { return d.decision.as_of; }, "Microseconds since 1970, UTC.")
      .def_property_readonly("model_version", [](const ServedDecision& d) { return d.bundle.model_version(); })
      .def_property_readonly("feature_schema_version", [](const ServedDecision& d) { return d.bundle.feature_schema_version(); })
      .def("__repr__", [](const ServedDecision& d) { return fmt::format("<Decision {} score={} mode={}>", to_string(d.decision.outcome), d.decision.score, to_string(d.decision.mode)); });

  py::class_<PyScorer>(module, "Scorer", "Events in; features, score, decision and record out. Safe to share between threads.")
      .def(py::init(&make_scorer), py::arg("bundle"), py::kw_only(), py::arg("state") = "memory:", py::arg("log") = py::none(), py::arg("history") = py::none(),
           py::arg("grace") = "1h", py::arg("complete_from") = "always",
           "log: \"sqlite:PATH\". history: \"memory:\" keeps rows that leave the state, so that the export is whole. grace: how far behind the latest\n"
           "answered instant a decision may lie. complete_from: instant (or one by source) before which history may be missing.")
      .def("observe", &PyScorer::observe, py::arg("source"), py::arg("rows"),
           "A row (dict), many rows (a table), or labels by key ({dedup key, gated column}). Returns how many were accepted; the others are counted in stats().")
      .def("replace",
           [](PyScorer& self, const std::string& source, const py::dict& row, const py::object& available_time) {
             return self.replace(source, row, optional_instant(available_time, "available_time"));
           },
           py::arg("source"), py::arg("row"), py::kw_only(), py::arg("available_time") = py::none(),
           "From when it is known on exactly this row counts of its key. available_time: when that is, where rows have no such column;\n"
           "None: now, the latest of the frontier and what the key holds. Returns whether it was taken; if not it is counted in stats().")
      .def("retract",
           [](PyScorer& self, const std::string& source, const py::object& key, const py::object& available_time) {
             return self.retract(source, key, optional_instant(available_time, "available_time"));
           },
           py::arg("source"), py::arg("key"), py::kw_only(), py::arg("available_time") = py::none(),
           "From when it is known on no row of the key counts; a replace brings one back. available_time as for replace.")
      .def("decide",
           [](PyScorer& self, const py::dict& request, const py::object& as_of, const std::string& request_id) {
             const auto instant = optional_instant(as_of);
             std::vector<Slot> slots;
             const Refusal refused = self.request(request, false, slots);
             const py::gil_scoped_release unlocked;
             return ServedDecision{self.scorer->bundle(), self.scorer->decide_slots(slots, refused, instant, request_id)};
           },
           py::arg("request"), py::kw_only(), py::arg("as_of") = py::none(), py::arg("request_id") = "",
           "as_of: int microseconds or an aware datetime; None is the clock. Raises DataError for missing or mistyped fields and for an as_of too old or in the future.")
      .def("features",
           [](PyScorer& self, const py::dict& request, const py::object& as_of) {
             const auto instant = optional_instant(as_of);
             std::vector<Slot> slots;
             const Refusal refused = self.request(request, true, slots);
             const py::gil_scoped_release unlocked;
             return Vector{self.scorer->bundle(), self.scorer->features_of_slots(slots, refused, instant)};
           },
           py::arg("request"), py::kw_only(), py::arg("as_of") = py::none(), "The vector alone; fields not given are null. The instant counts as answered.")
      .def("advance", [](PyScorer& self, const py::object& as_of) { self.scorer->advance(to_instant(as_of, "as_of")); }, py::arg("as_of"),
           "Tells how far time has come without deciding.")
      .def("flush",
           [](PyScorer& self) {
             const py::gil_scoped_release unlocked;
             if (self.log) unwrap(self.log->flush());
           },
           "Returns when every decision so far is in the log on disk; without a log at once. The end of a scorer flushes too.")
      .def("export_history",
           [](PyScorer& self, const std::string& source) {
             const int s = self.source_index(source);
             const py::capsule stream = to_stream([&](ArrowArrayStream* out) { self.scorer->export_history(s, out); });
             auto* raw = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(stream.ptr(), "arrow_array_stream"));
             return unwrap(Table::from_stream(raw, source));
           },
           py::arg("source"), "A table of the source's rows with known_at: what replay needs to repeat the served values.")
      .def("snapshot", [](PyScorer& self) { return to_bytes(self.scorer->snapshot()); }, "Everything the scorer holds, as bytes.")
      .def("merge",
           [](PyScorer& self, const PyScorer& other) {
             const py::gil_scoped_release unlocked;
             unwrap(self.scorer->merge(*other.scorer));
           },
           py::arg("other"), "Takes over what another scorer of the same contract holds. Raises StateError where an answer given would change.")
      .def_static("restore",
                  [](const Bundle& bundle, const py::bytes& blob, const py::object& log) {
                    auto opened = to_log(log);
                    return std::make_unique<PyScorer>(unwrap(Scorer::restore(bundle, bytes_of(blob), opened)), opened);
                  },
                  py::arg("bundle"), py::arg("blob"), py::kw_only(), py::arg("log") = py::none(), "Raises StateError on another contract or a damaged blob.")
      .def("stats",
           [](const PyScorer& self) {
             py::dict sources;
             for (std::size_t s = 0; s < self.scorer->contract().sources().size(); ++s) {
               if (self.scorer->contract().sources()[s].is_union()) continue;   // counted at its members
               const SourceCounters c = self.scorer->counters(static_cast<int>(s));
               py::dict refused;
               for (const auto& [why, n] : c.refused) refused[py::str(std::string(to_string(why)))] = n;
               sources[py::str(self.scorer->contract().sources()[s].name)] =
                   py::dict(py::arg("observed") = c.observed, py::arg("labels") = c.labels, py::arg("replaced") = c.replaced, py::arg("retracted") = c.retracted,
                            py::arg("duplicates") = c.duplicates, py::arg("moved_keys") = c.moved_keys, py::arg("observed_late") = c.observed_late,
                            py::arg("unmatched") = c.unmatched, py::arg("null_keys") = c.null_keys, py::arg("evicted") = c.evicted,
                            py::arg("held") = self.scorer->rows_held(static_cast<int>(s)), py::arg("refused") = refused);
             }
             const Instant frontier = self.scorer->frontier();
             return py::dict(py::arg("sources") = sources, py::arg("decisions") = self.scorer->decisions(),
                             py::arg("frontier") = frontier == always ? py::object(py::none()) : py::object(py::int_(frontier)));
           },
           "Counters by source, decisions answered, and the frontier in microseconds.")
      .def_property_readonly("bundle", [](const PyScorer& self) { return self.scorer->bundle(); });

  py::class_<PyLog>(module, "DecisionLog", "The records of a log, by name.")
      .def(py::init([](const std::string& location) { return PyLog{open_at(location)}; }), py::arg("location"), "location: \"sqlite:PATH\", or the path alone.")
      .def("record",
           [](PyLog& self, const std::string& request_id) -> py::object {
             std::optional<Record> found;
             LogFilter filter;
             filter.request_id = request_id;
             unwrap(self.log->iterate(filter, [&](const Record& record) { found = record; return true; }));
             return found ? py::object(describe(*self.log, *found)) : py::object(py::none());
           },
           py::arg("request_id"), "The latest record of a request as a dict, or None.")
      .def("__len__", [](PyLog& self) { return unwrap(self.log->count()); });

  module.def(
      "replay_decisions",
      [](const std::string& location, const py::dict& sources, int threads) {
        const auto log = open_at(location);
        const std::map<std::string, Table> tables = to_tables(sources);
        ReplayOptions options;
        options.threads = threads;
        DecisionReplay report;
        {
          const py::gil_scoped_release unlocked;
          report = unwrap(featlib::replay_decisions(*log, tables, options));
        }
        py::list first;
        for (const DecisionDifference& d : report.first)
          first.append(py::dict(py::arg("request_id") = d.request_id, py::arg("what") = d.what, py::arg("was") = d.was, py::arg("is") = d.is));
        return py::dict(py::arg("decisions") = report.decisions, py::arg("values") = report.values, py::arg("differing_decisions") = report.differing_decisions,
                        py::arg("differing_bits") = report.differing_bits, py::arg("first") = first);
      },
      py::arg("log"), py::arg("sources"), py::kw_only(), py::arg("threads") = 0,
      "Recomputes every logged decision from history and compares bits. log: \"sqlite:PATH\". Returns a dict: decisions, values, differing_decisions, differing_bits, first.");
}

}  // namespace featlib::python
