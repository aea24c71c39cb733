#include <featlib/contract/contract.hpp>

#include <featlib/core/fingerprint.hpp>

#include "keys.hpp"
#include "yaml.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

namespace featlib {

using contract::Class;
using contract::In;
using contract::Key;
using yaml::Node;
using yaml::Place;
using Json = nlohmann::ordered_json;   // features keep the order of the file; hashes sort their keys

namespace {

constexpr std::size_t most_inputs = 64;                 // of one expression: readers keep them on the stack
constexpr std::int64_t most_rows = 1'000'000'000;
constexpr std::int64_t most_lag = 100'000;
constexpr std::size_t most_vocabulary = 1'000'000;
constexpr std::uintmax_t most_vocabulary_bytes = 64 << 20;

struct Checks {
  std::vector<std::pair<std::string, double>> values;
};

}  // namespace

struct Contract::Data {
  std::string name, version, owner, description;
  std::vector<std::string> tags;
  std::vector<Entity> entities;
  std::vector<Source> sources;
  int request_of = -1;
  std::vector<Field> request;
  std::size_t declared_request = 0;                     ///< the first of `request` were declared; the rest are keys, dedup, sequences
  std::vector<Feature> features;
  std::vector<Checks> checks;                           ///< by feature
  std::vector<int> order, inputs;
  bool inputs_declared = false;
  std::vector<Failure> warnings;
};

namespace {

template <class T>
int index_of(const std::vector<T>& all, std::string_view name) {
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].name == name) return static_cast<int>(i);
  return -1;
}

template <class T>
std::string_view nearest_of(const std::vector<T>& all, std::string_view name) {
  std::vector<std::string_view> names;
  for (const T& one : all) names.push_back(one.name);
  return contract::nearest(name, names);
}

std::string did_you_mean(std::string_view near) { return near.empty() ? "" : fmt::format("did you mean `{}`?", near); }

bool is_identifier(std::string_view name) {
  if (name.empty() || name.size() > 200) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (i > 0 && c >= '0' && c <= '9'))) return false;
  }
  return true;
}

bool is_reserved(std::string_view name) {
  return name == "as_of" || name == "request" || name == "known_at" || name.ends_with("__status") || name.ends_with("__known_at");
}

bool is_semver(std::string_view text) {
  int part = 0;
  std::size_t at = 0;
  for (; part < 3; ++part) {
    const std::size_t from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    if (at == from || at - from > 9 || (at - from > 1 && text[from] == '0')) return false;
    if (part < 2 && (at >= text.size() || text[at++] != '.')) return false;
  }
  return at == text.size() || text[at] == '-' || text[at] == '+';
}

std::optional<Type> parse_type(std::string_view text) {
  for (const Type type : {Type::boolean, Type::int64, Type::float64, Type::decimal, Type::string, Type::category, Type::timestamp})
    if (to_string(type) == text) return type;
  return std::nullopt;
}

std::optional<Bounds> parse_bounds(std::string_view text) {
  for (const Bounds bounds : {Bounds::closed_open, Bounds::open_closed, Bounds::closed_closed, Bounds::open_open})
    if (to_string(bounds) == text) return bounds;
  return std::nullopt;
}

struct AggregateName {
  std::string_view name;
  std::optional<AggregateKind> kind;                    ///< none: in the language, not in this version
};
constexpr AggregateName aggregate_names[] = {
    {"count", AggregateKind::count}, {"count_if", AggregateKind::count_if}, {"sum", AggregateKind::sum}, {"mean", AggregateKind::mean},
    {"min", AggregateKind::min}, {"max", AggregateKind::max}, {"std", AggregateKind::std}, {"var", AggregateKind::var},
    {"first", AggregateKind::first}, {"last", AggregateKind::last}, {"lag", AggregateKind::lag}, {"count_distinct", AggregateKind::count_distinct},
    {"time_since_last", AggregateKind::time_since_last},
    {"last_k", {}}, {"quantile", {}}, {"median", {}}, {"mode", {}}, {"top_k", {}}, {"share", {}}, {"ratio", {}}, {"time_since_first", {}}, {"mean_gap", {}},
    {"decay_sum", {}}, {"decay_mean", {}}, {"trend", {}}, {"skew", {}}, {"kurtosis", {}}, {"entropy", {}}, {"range", {}}, {"seen_before", {}}, {"as_of", {}}};

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t\n");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\n") - from + 1);
}

/// Reads the tree into a contract; collects every failure it can find before it gives up.
class Loader {
 public:
  Loader(const Node& root, std::filesystem::path base, std::string name) : root_(root), base_(std::move(base)), name_(std::move(name)) {}

  Result<std::shared_ptr<const Contract::Data>> load() {
    if (!open(root_, In::top) && root_.kind != Node::Kind::map) return failed();
    header();
    read_defaults();
    each(root_, "entities", [&](const Node& key, const Node& node) { entity(key, node); });
    each(root_, "sources", [&](const Node& key, const Node& node) { source(key, node); });
    request();
    if (!failures_.empty() && data_->sources.empty() && root_.find("sources")) return failed();
    each(root_, "features", [&](const Node& key, const Node& node) { feature(key, node); });
    bind_expressions();
    model();
    if (!failures_.empty()) return failed();
    warn();
    return std::shared_ptr<const Contract::Data>(data_);
  }

 private:
  // Failures ---------------------------------------------------------------------------------------------------------

  void fail(ErrorCode code, Place place, std::string message, std::string help = {}) {
    failures_.push_back({code, name_, place.line, place.column, std::move(message), std::move(help)});
  }
  Error failed() {
    std::stable_sort(failures_.begin(), failures_.end(), [](const Failure& a, const Failure& b) { return std::pair(a.line, a.column) < std::pair(b.line, b.column); });
    return Error(std::move(failures_));
  }

  // Typed reads ------------------------------------------------------------------------------------------------------

  /// A map whose required keys are there; unknown ones are reported and passed over.
  bool open(const Node& node, In in, std::string_view what = {}) {
    const std::string where = what.empty() ? std::string(contract::to_string(in)) : std::string(what);
    if (node.kind != Node::Kind::map) {
      fail(ErrorCode::wrong_type, node.place, fmt::format("{} is no map of keys", where));
      return false;
    }
    bool ok = true;
    for (const auto& [key, value] : node.members) {
      if (contract::find_key(in, key.text)) continue;
      std::vector<std::string_view> names;
      for (const Key& known : contract::keys())
        if (known.in == in) names.push_back(known.name);
      fail(ErrorCode::unknown_key, key.place, fmt::format("{} has no key `{}`", where, key.text), did_you_mean(contract::nearest(key.text, names)));
    }
    for (const Key& known : contract::keys())
      if (known.in == in && known.required && !node.find(known.name)) {
        fail(ErrorCode::missing_key, node.place, fmt::format("{} lacks `{}`", where, known.name));
        ok = false;
      }
    return ok;
  }

  template <class Visit>
  void each(const Node& parent, std::string_view key, Visit&& visit) {
    const Node* node = parent.find(key);
    if (!node || node->kind == Node::Kind::null) return;
    if (node->kind != Node::Kind::map) {
      fail(ErrorCode::wrong_type, node->place, fmt::format("`{}` is no map of names", key));
      return;
    }
    for (const auto& [name, value] : node->members) visit(name, value);
  }

  bool is_scalar(const Node& node, std::string_view key, std::string_view expected) {
    if (node.kind == Node::Kind::scalar) return true;
    fail(ErrorCode::wrong_type, node.place, fmt::format("`{}` is {}; expected {}", key, node.kind == Node::Kind::null ? "empty" : "a collection", expected));
    return false;
  }
  std::optional<std::string> text(const Node& map, std::string_view key) {
    const Node* node = map.find(key);
    if (!node || !is_scalar(*node, key, "text")) return std::nullopt;
    return node->text;
  }
  std::optional<bool> boolean(const Node& map, std::string_view key) {
    const Node* node = map.find(key);
    if (!node || !is_scalar(*node, key, "true or false")) return std::nullopt;
    if (!node->quoted && (node->text == "true" || node->text == "false")) return node->text == "true";
    fail(ErrorCode::wrong_type, node->place, fmt::format("`{}` is \"{}\"; expected true or false", key, node->text));
    return std::nullopt;
  }
  static std::optional<double> to_number(const Node& node) {
    if (node.kind != Node::Kind::scalar || node.quoted) return std::nullopt;
    double out = 0;
    const char* begin = node.text.data() + (node.text.starts_with('+') ? 1 : 0);
    const char* end = node.text.data() + node.text.size();
    const auto [at, error] = std::from_chars(begin, end, out);
    if (error != std::errc() || at != end || !std::isfinite(out)) return std::nullopt;
    return out + 0.0;
  }
  std::optional<double> number(const Node& node, std::string_view key) {
    if (const auto out = to_number(node)) return out;
    fail(ErrorCode::wrong_type, node.place, fmt::format("`{}` is \"{}\"; expected a number", key, node.text));
    return std::nullopt;
  }
  std::optional<std::int64_t> integer(const Node& map, std::string_view key, std::int64_t least, std::int64_t most) {
    const Node* node = map.find(key);
    if (!node || !is_scalar(*node, key, "a whole number")) return std::nullopt;
    std::int64_t out = 0;
    const char* end = node->text.data() + node->text.size();
    const auto [at, error] = std::from_chars(node->text.data(), end, out);
    if (node->quoted || error != std::errc() || at != end) {
      fail(ErrorCode::wrong_type, node->place, fmt::format("`{}` is \"{}\"; expected a whole number", key, node->text));
      return std::nullopt;
    }
    if (out < least || out > most) {
      fail(ErrorCode::bad_value, node->place, fmt::format("`{}` is {}; expected {} to {}", key, out, least, most));
      return std::nullopt;
    }
    return out;
  }
  std::optional<Duration> duration(const Node& map, std::string_view key) {
    const Node* node = map.find(key);
    if (!node || !is_scalar(*node, key, "a duration")) return std::nullopt;
    if (const auto out = parse_duration(node->text)) return out;
    fail(ErrorCode::bad_duration, node->place, fmt::format("`{}` is \"{}\"; expected a number with us, ms, s, m, h or d", key, node->text), "e.g. 7d");
    return std::nullopt;
  }
  std::vector<std::string> texts(const Node& node, std::string_view key) {
    std::vector<std::string> out;
    const std::vector<Node> one{node};
    for (const Node& item : node.kind == Node::Kind::sequence ? node.items : one)
      if (is_scalar(item, key, "text")) out.push_back(item.text);
    return out;
  }
  /// A key's own place, for rules about what stands there.
  static Place place(const Node& map, std::string_view key) {
    const Node* node = map.find(key);
    return node ? node->place : map.place;
  }
  bool named(const Node& key, std::string_view what) {
    if (!is_identifier(key.text)) fail(ErrorCode::bad_name, key.place, fmt::format("`{}` is no name of {}: letters, digits and _ only", key.text, what));
    else if (is_reserved(key.text)) fail(ErrorCode::bad_name, key.place, fmt::format("`{}` is a name of featlib's own", key.text), "choose another");
    else return true;
    return false;
  }
  std::string zone(const Node& map, std::string_view key, const std::string& otherwise) {
    const auto given = text(map, key);
    if (!given) return otherwise;
    if (!TimeZone::find(*given)) fail(ErrorCode::bad_value, place(map, key), fmt::format("`{}` is \"{}\", no zone of the time-zone database", key, *given), "e.g. Europe/Berlin");
    return *given;
  }

  // Header -----------------------------------------------------------------------------------------------------------

  void header() {
    if (integer(root_, "featlib", 1, 1)) {}
    data_->name = text(root_, "name").value_or("");
    data_->version = text(root_, "version").value_or("");
    data_->owner = text(root_, "owner").value_or("");
    data_->description = text(root_, "description").value_or("");
    if (const Node* tags = root_.find("tags")) data_->tags = texts(*tags, "tags");
    if (root_.find("version") && !is_semver(data_->version))
      fail(ErrorCode::bad_value, place(root_, "version"), fmt::format("`version` is \"{}\"; expected major.minor.patch", data_->version), "e.g. 1.0.0");
    if (root_.find("owner") && trimmed(data_->owner).empty()) fail(ErrorCode::bad_value, place(root_, "owner"), "`owner` is empty", "name who is asked when it breaks");
  }

  void read_defaults() {
    const Node* node = root_.find("defaults");
    if (!node || !open(*node, In::defaults)) return;
    if (const auto b = text(*node, "bounds")) default_bounds_ = bounds(*node, *b);
    default_min_rows_ = integer(*node, "min_rows", 0, most_rows).value_or(0);
    if (const Node* n = node->find("model_missing")) default_model_missing_ = number(*n, "model_missing");
    if (const auto policy = nan(*node)) default_nan_ = *policy;
    default_tz_ = zone(*node, "tz", "");
  }

  Bounds bounds(const Node& map, const std::string& given) {
    if (const auto out = parse_bounds(given)) return *out;
    fail(ErrorCode::bad_value, place(map, "bounds"), fmt::format("`bounds` is \"{}\"; expected \"[)\", \"(]\", \"[]\" or \"()\"", given));
    return Bounds::closed_open;
  }

  std::optional<NanPolicy> nan(const Node& map) {
    const auto given = text(map, "nan");
    if (!given) {
      const Node* node = map.find("nan");
      return node && node->kind == Node::Kind::null ? std::optional(NanPolicy::null) : std::nullopt;
    }
    if (*given == "reject") return NanPolicy::reject;
    if (*given == "null") return NanPolicy::null;
    fail(ErrorCode::bad_value, place(map, "nan"), fmt::format("`nan` is \"{}\"; expected reject or null", *given));
    return std::nullopt;
  }

  // Entities and sources ---------------------------------------------------------------------------------------------

  void entity(const Node& key, const Node& node) {
    if (!named(key, "an entity") || !open(node, In::entity, fmt::format("entity `{}`", key.text))) return;
    Entity out;
    out.name = key.text;
    out.key = texts(*node.find("key"), "key");
    out.description = text(node, "description").value_or("");
    std::vector<std::string> types = texts(*node.find("type"), "type");
    if (types.size() == 1 && out.key.size() > 1) types.resize(out.key.size(), types[0]);
    if (out.key.empty() || out.key.size() > 16 || types.size() != out.key.size()) {
      fail(ErrorCode::bad_value, place(node, "key"), fmt::format("entity `{}` has {} key columns and {} types", out.name, out.key.size(), types.size()));
      return;
    }
    for (const std::string& name : types) {
      const auto type = name == "uuid" || name == "bytes" ? std::optional(Type::string) : parse_type(name);
      if (!type || (*type != Type::int64 && *type != Type::string && *type != Type::boolean)) {
        fail(ErrorCode::bad_value, place(node, "type"), fmt::format("a key of type \"{}\"; expected int64, string, uuid or bool", name), "floats are no keys");
        return;
      }
      out.types.push_back(*type);
    }
    data_->entities.push_back(std::move(out));
  }

  Field field(const Node& key, const Node& node) {
    Field out;
    out.name = key.text;
    out.nan = default_nan_;
    if (!open(node, In::column, fmt::format("column `{}`", key.text))) return out;
    const std::string type = text(node, "type").value_or("");
    if (const auto parsed = parse_type(type)) {
      out.type = *parsed;
    } else {
      std::vector<std::string_view> names;
      for (const Type t : {Type::boolean, Type::int64, Type::float64, Type::decimal, Type::string, Type::category, Type::timestamp}) names.push_back(to_string(t));
      fail(ErrorCode::bad_value, place(node, "type"), fmt::format("\"{}\" is no type; expected bool, int64, float64, decimal, string, category or timestamp", type),
           did_you_mean(contract::nearest(type, names)));
    }
    if (node.find("scale") && out.type != Type::decimal) fail(ErrorCode::conflicting_keys, place(node, "scale"), "`scale` belongs to decimals");
    if (out.type == Type::decimal && !node.find("scale")) fail(ErrorCode::missing_key, node.place, fmt::format("decimal `{}` lacks `scale`", out.name), "scale: 2 for cents");
    out.scale = static_cast<int>(integer(node, "scale", 0, 18).value_or(0));
    const auto unit = text(node, "unit");
    if (unit && out.type == Type::timestamp) {
      out.time_unit = parse_time_unit(*unit);
      if (!out.time_unit) fail(ErrorCode::bad_value, place(node, "unit"), fmt::format("time unit \"{}\"; expected s, ms, us or ns", *unit));
    } else {
      out.unit = unit.value_or("");
    }
    for (const std::string_view name : {"tz", "floor", "any_year"})
      if (node.find(name) && out.type != Type::timestamp) fail(ErrorCode::conflicting_keys, place(node, name), fmt::format("`{}` belongs to timestamps", name));
    if (out.type == Type::timestamp) out.tz = zone(node, "tz", default_tz_);
    out.floor = boolean(node, "floor").value_or(false);
    out.any_year = boolean(node, "any_year").value_or(false);
    if (node.find("round") && out.type != Type::decimal) fail(ErrorCode::conflicting_keys, place(node, "round"), "`round` belongs to decimals");
    out.round = boolean(node, "round").value_or(false);
    if (node.find("nan") && out.type != Type::float64 && out.type != Type::decimal) fail(ErrorCode::conflicting_keys, place(node, "nan"), "`nan` belongs to float64 and decimal");
    if (const auto policy = nan(node)) out.nan = *policy;
    out.available_after = duration(node, "available_after");
    out.available_at = text(node, "available_at").value_or("");
    if (out.available_after && !out.available_at.empty()) fail(ErrorCode::conflicting_keys, place(node, "available_at"), "`available_after` and `available_at` exclude each other");
    out.description = text(node, "description").value_or("");
    return out;
  }

  /// Index of a column in a source; added when nobody declared it.
  int place_field(Source& source, Field field, Place at) {
    const int known = source.find_field(field.name);
    if (known < 0) {
      source.fields.push_back(std::move(field));
      return static_cast<int>(source.fields.size()) - 1;
    }
    const Field& declared = source.fields[static_cast<std::size_t>(known)];
    const bool alike = declared.type == field.type || (declared.type == Type::category && field.type == Type::string);
    if (!field.any_key && !alike)
      fail(ErrorCode::wrong_type, at, fmt::format("column `{}` is declared `{}`; here it is a {}", field.name, to_string(declared.type), to_string(field.type)));
    return known;
  }

  int time_field(Source& source, const Node& map, std::string_view key) {
    const Node* node = map.find(key);
    Field out;
    out.type = Type::timestamp;
    out.tz = default_tz_;
    if (node->kind != Node::Kind::map) {
      if (!is_scalar(*node, key, "a column")) return 0;
      out.name = node->text;
      return place_field(source, std::move(out), node->place);
    }
    if (!open(*node, In::time_column, fmt::format("`{}`", key))) return 0;
    out.name = text(*node, "column").value_or("");
    if (const auto unit = text(*node, "unit")) {
      out.time_unit = parse_time_unit(*unit);
      if (!out.time_unit) fail(ErrorCode::bad_value, place(*node, "unit"), fmt::format("time unit \"{}\"; expected s, ms, us or ns", *unit));
    }
    out.tz = zone(*node, "tz", default_tz_);
    out.floor = boolean(*node, "floor").value_or(false);
    out.any_year = boolean(*node, "any_year").value_or(false);
    const Field full = out;
    const int at = place_field(source, std::move(out), node->place);
    Field& placed = source.fields[static_cast<std::size_t>(at)];
    if (placed.type == Type::timestamp) {   // the full form says more than the column's own declaration
      const std::string description = placed.description;
      if (full.time_unit) placed.time_unit = full.time_unit;
      if (!full.tz.empty()) placed.tz = full.tz;
      placed.floor = placed.floor || full.floor;
      placed.any_year = placed.any_year || full.any_year;
    }
    return at;
  }

  void source(const Node& key, const Node& node) {
    if (!named(key, "a source")) return;
    if (const Node* given = node.find("union")) fail(ErrorCode::unsupported, given->place, "`union` is not in this version", "give the rows as one table");
    if (!open(node, In::source, fmt::format("source `{}`", key.text))) return;
    Source out;
    out.name = key.text;
    out.description = text(node, "description").value_or("");
    each(node, "columns", [&](const Node& name, const Node& spec) {
      if (name.text.empty() || is_reserved(name.text)) { named(name, "a column"); return; }
      out.columns.push_back(static_cast<int>(out.fields.size()));
      out.fields.push_back(field(name, spec));
    });
    out.event_time_field = time_field(out, node, "event_time");
    if (node.find("available_time")) {
      out.available_time_field = time_field(out, node, "available_time");
      if (node.find("delay")) fail(ErrorCode::conflicting_keys, place(node, "delay"), "`available_time` and `delay` exclude each other");
    } else {
      out.availability_assumed = !node.find("delay");
      out.delay = duration(node, "delay").value_or(0);
    }
    const std::string retention = text(node, "retention").value_or("");
    if (retention != "forever") {
      out.retention = duration(node, "retention");
      if (out.retention && *out.retention == 0) fail(ErrorCode::bad_value, place(node, "retention"), "a retention of nothing");
    }
    entities_of(node, out);
    if (const auto dedup = text(node, "dedup")) {
      Field column;
      column.name = *dedup;
      column.any_key = true;
      out.dedup_field = place_field(out, std::move(column), place(node, "dedup"));
      const Field& placed = out.fields[static_cast<std::size_t>(out.dedup_field)];
      if (placed.type == Type::float64 || placed.gated()) fail(ErrorCode::wrong_type, place(node, "dedup"), fmt::format("`{}` cannot be a key", *dedup), "keys are int64, string or bool");
    }
    sequence_of(node, out);
    for (std::size_t f = 0; f < out.fields.size(); ++f) {
      if (out.fields[f].available_at.empty()) continue;
      Field clock;
      clock.name = out.fields[f].available_at;
      clock.type = Type::timestamp;
      clock.tz = default_tz_;
      place_field(out, std::move(clock), node.place);
    }
    source_places_.push_back(place(node, "retention"));
    data_->sources.push_back(std::move(out));
  }

  void entities_of(const Node& node, Source& out) {
    if (node.find("entity") && node.find("entities")) fail(ErrorCode::conflicting_keys, place(node, "entities"), "`entity` is short for `entities`; give one of them");
    const Node* given = node.find("entity") ? node.find("entity") : node.find("entities");
    if (!given) {
      fail(ErrorCode::missing_key, node.place, fmt::format("source `{}` lacks `entity`", out.name));
      return;
    }
    const Node* renamed = node.find("keys");
    if (renamed && renamed->kind != Node::Kind::map) fail(ErrorCode::wrong_type, renamed->place, "`keys` maps an entity to its columns here");
    for (const std::string& name : texts(*given, "entities")) {
      const int e = index_of(data_->entities, name);
      if (e < 0) {
        fail(ErrorCode::unknown_name, given->place, fmt::format("source `{}` names entity `{}`, which is not declared", out.name, name), did_you_mean(nearest_of(data_->entities, name)));
        continue;
      }
      const Entity& entity = data_->entities[static_cast<std::size_t>(e)];
      if (std::any_of(out.entities.begin(), out.entities.end(), [&](const SourceEntity& s) { return s.entity == e; })) {
        fail(ErrorCode::bad_value, given->place, fmt::format("entity `{}` stands twice", name));
        continue;
      }
      SourceEntity link;
      link.entity = e;
      std::vector<std::string> columns = entity.key;
      if (const Node* own = renamed && renamed->kind == Node::Kind::map ? renamed->find(name) : nullptr) columns = texts(*own, "keys");
      if (columns.size() != entity.key.size()) {
        fail(ErrorCode::bad_value, given->place, fmt::format("entity `{}` has {} key columns, `keys` names {}", name, entity.key.size(), columns.size()));
        continue;
      }
      for (std::size_t k = 0; k < columns.size(); ++k) {
        Field column;
        column.name = columns[k];
        column.type = entity.types[k];
        link.key_fields.push_back(place_field(out, std::move(column), given->place));
        if (out.fields[static_cast<std::size_t>(link.key_fields.back())].gated()) fail(ErrorCode::bad_value, given->place, fmt::format("key column `{}` is known later than its row", columns[k]));
      }
      out.entities.push_back(std::move(link));
    }
    if (renamed && renamed->kind == Node::Kind::map)
      for (const auto& [name, columns] : renamed->members)
        if (std::none_of(out.entities.begin(), out.entities.end(), [&](const SourceEntity& s) { return data_->entities[static_cast<std::size_t>(s.entity)].name == name.text; }))
          fail(ErrorCode::unknown_name, name.place, fmt::format("`keys` names `{}`, which is no entity of this source", name.text));
  }

  void sequence_of(const Node& node, Source& out) {
    const Node* given = node.find("sequence");
    if (!given) return;
    const auto use = [&](SourceEntity& link, const Node& column) {
      if (!is_scalar(column, "sequence", "a column")) return;
      Field field;
      field.name = column.text;
      field.type = Type::int64;
      const int known = out.find_field(column.text);
      if (known >= 0 && out.fields[static_cast<std::size_t>(known)].type == Type::timestamp) field.type = Type::timestamp;
      link.sequence_field = place_field(out, std::move(field), column.place);
      if (out.fields[static_cast<std::size_t>(link.sequence_field)].gated()) fail(ErrorCode::bad_value, column.place, "a sequence that is known later than its row");
    };
    if (given->kind != Node::Kind::map) {
      for (SourceEntity& link : out.entities) use(link, *given);
      return;
    }
    for (const auto& [name, column] : given->members) {
      const auto link = std::find_if(out.entities.begin(), out.entities.end(),
                                     [&](const SourceEntity& s) { return data_->entities[static_cast<std::size_t>(s.entity)].name == name.text; });
      if (link == out.entities.end()) fail(ErrorCode::unknown_name, name.place, fmt::format("`sequence` names `{}`, which is no entity of this source", name.text));
      else use(*link, column);
    }
  }

  // Request ----------------------------------------------------------------------------------------------------------

  void request() {
    each(root_, "request", [&](const Node& key, const Node& node) {
      if (key.text.empty() || is_reserved(key.text)) { named(key, "a request field"); return; }
      Field out = field(key, node);
      if (out.gated()) fail(ErrorCode::bad_value, node.place, fmt::format("request field `{}` cannot be known later than the request", out.name));
      data_->request.push_back(std::move(out));
    });
    data_->declared_request = data_->request.size();
    const auto append = [&](Field field, Place at) {
      const int known = index_of(data_->request, field.name);
      if (known < 0) {
        field.available_after.reset();
        field.available_at.clear();
        data_->request.push_back(std::move(field));
      } else if (data_->request[static_cast<std::size_t>(known)].type != field.type && !field.any_key) {
        fail(ErrorCode::wrong_type, at, fmt::format("request field `{}` is `{}`; as a key or sequence it is {}", field.name, to_string(data_->request[static_cast<std::size_t>(known)].type), to_string(field.type)));
      }
    };
    for (const Entity& entity : data_->entities)
      for (std::size_t k = 0; k < entity.key.size(); ++k) {
        Field field;
        field.name = entity.key[k];
        field.type = entity.types[k];
        append(std::move(field), place(root_, "request"));
      }
    const auto of = text(root_, "request_of");
    if (!of) return;
    data_->request_of = index_of(data_->sources, *of);
    if (data_->request_of < 0) {
      fail(ErrorCode::unknown_name, place(root_, "request_of"), fmt::format("`request_of` names `{}`, which is no source", *of), did_you_mean(nearest_of(data_->sources, *of)));
      return;
    }
    const Source& source = data_->sources[static_cast<std::size_t>(data_->request_of)];
    if (source.dedup_field >= 0) append(source.fields[static_cast<std::size_t>(source.dedup_field)], place(root_, "request_of"));
    for (const SourceEntity& link : source.entities)
      if (link.sequence_field >= 0) append(source.fields[static_cast<std::size_t>(link.sequence_field)], place(root_, "request_of"));
  }

  // Features ---------------------------------------------------------------------------------------------------------

  void feature(const Node& key, const Node& node) {
    if (!named(key, "a feature")) return;
    const std::string what = fmt::format("feature `{}`", key.text);
    for (const std::string_view later : {"bucket", "origin", "gap", "max_length", "max_age"})
      if (node.find(later)) fail(ErrorCode::unsupported, place(node, later), fmt::format("`{}` is not in this version", later), "sliding, offset, row-count and lifetime windows are");
    if (!open(node, In::feature, what)) return;
    Feature out;
    out.name = key.text;
    out.line = key.place.line;
    out.description = text(node, "description").value_or("");
    out.owner = text(node, "owner").value_or("");
    out.unit = text(node, "unit").value_or("");
    out.reason = text(node, "reason").value_or("");
    if (const Node* tags = node.find("tags")) out.tags = texts(*tags, "tags");
    out.tz = zone(node, "tz", default_tz_.empty() ? "UTC" : default_tz_);
    out.min_rows = default_min_rows_;
    out.model_missing = default_model_missing_;
    if (const Node* n = node.find("model_missing")) out.model_missing = number(*n, "model_missing");

    const auto from = text(node, "from");
    const bool aggregates = node.find("aggregate") != nullptr, expression = node.find("expr") != nullptr;
    if (expression + aggregates + (from && from->starts_with("request.")) != 1) {
      fail(ErrorCode::conflicting_keys, key.place, fmt::format("{} needs exactly one of `aggregate` (with `from`), `from: request.field` and `expr`", what));
      return;
    }
    std::optional<Type> natural;
    if (aggregates) natural = aggregate(node, out, what);
    else if (expression) natural = parse_expression(node, out);
    else natural = from_request(node, out, *from);
    if (!aggregates) {
      for (const std::string_view only : {"by", "where", "window", "offset", "bounds", "last", "lifetime", "include_request", "nulls", "ddof", "min_rows"})
        if (node.find(only)) fail(ErrorCode::conflicting_keys, place(node, only), fmt::format("`{}` belongs to aggregates", only));
    }
    vocabulary(node, out);
    pending_.push_back({&node, natural});
    data_->checks.push_back(checks(node));
    if (const Node* range = node.find("range")) {
      if (range->kind != Node::Kind::sequence || range->items.size() != 2) {
        fail(ErrorCode::wrong_type, range->place, "`range` is [low, high]");
      } else {
        out.range_low = range->items[0].kind == Node::Kind::null ? std::nullopt : number(range->items[0], "range");
        out.range_high = range->items[1].kind == Node::Kind::null ? std::nullopt : number(range->items[1], "range");
        if (out.range_low && out.range_high && *out.range_low > *out.range_high) fail(ErrorCode::bad_value, range->place, "`range` is [low, high], and low is above high");
      }
    }
    data_->features.push_back(std::move(out));
  }

  Checks checks(const Node& node) {
    Checks out;
    const Node* given = node.find("checks");
    if (!given || !open(*given, In::checks)) return out;
    for (const auto& [name, value] : given->members)
      if (const auto limit = number(value, name.text)) {
        if (*limit < 0 || (name.text != "psi" && *limit > 1)) fail(ErrorCode::bad_value, value.place, fmt::format("`{}` is {}; expected 0 to 1", name.text, *limit));
        out.values.emplace_back(name.text, *limit);
      }
    return out;
  }

  /// Parses and types a row expression; the fields it reads.
  std::optional<Expression> row_expression(const std::string& text, const Node& at, std::size_t offset, const Source& source, const Feature& feature, std::vector<int>& fields) {
    const auto place_at = [&](int within) { return Place{at.place.line, at.place.column + static_cast<int>(offset) + within + at.quoted}; };
    auto parsed = Expression::parse(text);
    if (!parsed.value) {
      fail(parsed.failure.code, place_at(parsed.failure.offset), parsed.failure.message, parsed.failure.help);
      return std::nullopt;
    }
    bool refused = false;
    for (const ExpressionInput& input : parsed.value->inputs()) {
      const int f = source.find_field(input.name);
      fields.push_back(f);
      if (f >= 0 && !input.with_fallback) continue;
      refused = true;
      if (input.name.starts_with("request."))
        fail(ErrorCode::unsupported, place_at(input.offset), "rows compared with the request are not in this version", "compare in an `expr` feature");
      else if (f < 0)
        fail(ErrorCode::unknown_name, place_at(input.offset), fmt::format("source `{}` has no column `{}`", source.name, input.name), did_you_mean(nearest_of(source.fields, input.name)));
      else
        fail(ErrorCode::bad_expression, place_at(input.offset), "with_fallback() reads features, not columns");
    }
    if (refused) return std::nullopt;
    if (fields.size() > most_inputs) {
      fail(ErrorCode::bad_expression, at.place, fmt::format("more than {} columns in one expression", most_inputs));
      return std::nullopt;
    }
    const auto resolve = [&](const ExpressionInput& input) -> std::optional<Variable> { return variable(source.fields[static_cast<std::size_t>(source.find_field(input.name))]); };
    auto bound = parsed.value->bind(resolve, *TimeZone::find(feature.tz));
    if (!bound.value) {
      fail(bound.failure.code, place_at(bound.failure.offset), bound.failure.message, bound.failure.help);
      return std::nullopt;
    }
    return std::move(*bound.value);
  }

  static Variable variable(const Field& field) {
    if (field.type == Type::decimal) return {Type::float64};
    if (field.type == Type::category) return {Type::string};
    return {field.type};
  }

  std::optional<Type> aggregate(const Node& node, Feature& out, const std::string& what) {
    out.kind = FeatureKind::aggregate;
    Aggregate& a = out.aggregate;
    const std::string from = text(node, "from").value_or("");
    a.source = index_of(data_->sources, from);
    if (a.source < 0) {
      fail(ErrorCode::unknown_name, place(node, "from"), from.empty() ? fmt::format("{} lacks `from`", what) : fmt::format("{} reads `{}`, which is no source", what, from),
           did_you_mean(nearest_of(data_->sources, from)));
      return std::nullopt;
    }
    const Source& source = data_->sources[static_cast<std::size_t>(a.source)];
    const std::size_t before = failures_.size();
    by(node, source, a, what);
    span(node, source, a, what);
    if (const auto rows = integer(node, "min_rows", 0, most_rows)) out.min_rows = *rows;
    a.include_request = boolean(node, "include_request").value_or(false);
    const auto type = call(node, source, out);
    if (const auto where = text(node, "where")) {
      a.where = row_expression(*where, *node.find("where"), 0, source, out, a.where_fields);
      if (a.where && a.where->type() != Type::boolean) fail(ErrorCode::bad_expression, place(node, "where"), "`where` is no condition", "compare something: amount > 100");
    }
    const bool ordered = a.kind == AggregateKind::first || a.kind == AggregateKind::last || a.kind == AggregateKind::lag;
    if (const auto nulls = text(node, "nulls")) {
      if (!ordered) fail(ErrorCode::conflicting_keys, place(node, "nulls"), "`nulls` belongs to first, last and lag");
      if (*nulls != "keep" && *nulls != "skip") fail(ErrorCode::bad_value, place(node, "nulls"), fmt::format("`nulls` is \"{}\"; expected keep or skip", *nulls));
      a.keep_nulls = *nulls == "keep";
    }
    if (const auto ddof = integer(node, "ddof", 0, 1)) {
      if (a.kind != AggregateKind::std && a.kind != AggregateKind::var) fail(ErrorCode::conflicting_keys, place(node, "ddof"), "`ddof` belongs to std and var");
      a.ddof = static_cast<int>(*ddof);
    }
    if (failures_.size() == before) {
      gated(node, source, a, what);
      if (a.include_request) with_request(node, source, a, what);
    }
    return failures_.size() == before ? type : std::nullopt;
  }

  void by(const Node& node, const Source& source, Aggregate& a, const std::string& what) {
    const auto by = text(node, "by");
    if (!by) {
      if (source.entities.size() > 1) {
        std::string names;
        for (const SourceEntity& link : source.entities) names += fmt::format("{}{}", names.empty() ? "" : " or ", data_->entities[static_cast<std::size_t>(link.entity)].name);
        fail(ErrorCode::missing_key, node.place, fmt::format("{} lacks `by`: `{}` has several entities", what, source.name), fmt::format("by: {}", names));
      }
      return;
    }
    for (std::size_t e = 0; e < source.entities.size(); ++e)
      if (data_->entities[static_cast<std::size_t>(source.entities[e].entity)].name == *by) {
        a.source_entity = static_cast<int>(e);
        return;
      }
    fail(ErrorCode::unknown_name, place(node, "by"), fmt::format("{} is by `{}`, which is no entity of `{}`", what, *by, source.name), did_you_mean(nearest_of(data_->entities, *by)));
  }

  void span(const Node& node, const Source& source, Aggregate& a, const std::string& what) {
    a.bounds = default_bounds_;
    if (const auto given = text(node, "bounds")) a.bounds = bounds(node, *given);
    a.window = duration(node, "window");
    a.offset = duration(node, "offset").value_or(0);
    a.last = integer(node, "last", 1, most_rows);
    a.lifetime = boolean(node, "lifetime").value_or(false);
    if (a.window && *a.window == 0) fail(ErrorCode::bad_value, place(node, "window"), "a window of nothing");
    if (a.lifetime && node.find("window")) fail(ErrorCode::conflicting_keys, place(node, "lifetime"), "`window` and `lifetime` exclude each other");
    if (!node.find("window") && !a.lifetime && !node.find("last"))
      fail(ErrorCode::missing_key, node.place, fmt::format("{} lacks `window` (or `last`, or `lifetime: true`)", what));
    if (!source.retention) return;
    const Place retention = source_places_[static_cast<std::size_t>(a.source)];
    const Duration window = a.window.value_or(0);
    if (window > *source.retention || a.offset > *source.retention - window)
      fail(ErrorCode::window_exceeds_retention, place(node, a.window ? "window" : "offset"),
           fmt::format("{} needs {}{} of `{}`, serving keeps {} (line {})", what, format_duration(window), a.offset ? fmt::format(" + {}", format_duration(a.offset)) : "", source.name,
                       format_duration(*source.retention), retention.line),
           "lower the window, or raise `retention` where the store really keeps it");
  }

  /// `mean(amount)`: the aggregate and its argument.
  std::optional<Type> call(const Node& node, const Source& source, Feature& out) {
    Aggregate& a = out.aggregate;
    const Node& at = *node.find("aggregate");
    const std::string given = text(node, "aggregate").value_or("");
    const auto open = given.find('(');
    const std::string_view name = trimmed(std::string_view(given).substr(0, std::min(open, given.size())));
    const auto known = std::find_if(std::begin(aggregate_names), std::end(aggregate_names), [&](const AggregateName& n) { return n.name == name; });
    if (known == std::end(aggregate_names)) {
      std::vector<std::string_view> names;
      for (const AggregateName& n : aggregate_names)
        if (n.kind) names.push_back(n.name);
      fail(ErrorCode::unknown_aggregate, at.place, fmt::format("no aggregate `{}`", name), did_you_mean(contract::nearest(name, names)));
      return std::nullopt;
    }
    if (!known->kind) {
      fail(ErrorCode::unsupported, at.place, fmt::format("aggregate `{}` is not in this version", name), "count, count_if, sum, mean, min, max, std, var, first, last, lag, count_distinct and time_since_last are");
      return std::nullopt;
    }
    a.kind = *known->kind;
    if (open == std::string::npos || !trimmed(given).ends_with(')')) {
      fail(ErrorCode::bad_expression, at.place, fmt::format("`{}` is no call", given), fmt::format("{}(...)", name));
      return std::nullopt;
    }
    std::string_view argument = std::string_view(given).substr(open + 1);
    argument = argument.substr(0, argument.rfind(')'));
    if (a.kind == AggregateKind::count || a.kind == AggregateKind::time_since_last) return without_column(at, argument, a);
    if (a.kind == AggregateKind::lag) {
      const auto comma = argument.rfind(',');
      const std::string_view k = comma == std::string_view::npos ? "" : trimmed(argument.substr(comma + 1));
      const auto [end, error] = std::from_chars(k.data(), k.data() + k.size(), a.k);
      if (k.empty() || error != std::errc() || end != k.data() + k.size() || a.k < 0 || a.k > most_lag) {
        fail(ErrorCode::bad_expression, at.place, fmt::format("`{}`: expected lag(column, k) with k from 0 to {}", given, most_lag));
        return std::nullopt;
      }
      argument = argument.substr(0, comma);
    }
    if (trimmed(argument).empty()) {
      fail(ErrorCode::bad_expression, at.place, fmt::format("`{}` lacks a column", given), fmt::format("{}(column)", name));
      return std::nullopt;
    }
    a.argument = row_expression(std::string(argument), at, open + 1, source, out, a.argument_fields);
    if (!a.argument) return std::nullopt;
    return typed_argument(at, source, a, trimmed(argument));
  }

  std::optional<Type> without_column(const Node& at, std::string_view argument, Aggregate& a) {
    argument = trimmed(argument);
    if (a.kind == AggregateKind::count) {
      if (argument.empty()) return Type::int64;
      fail(ErrorCode::bad_expression, at.place, "count() counts rows and takes nothing", "count_if(column is not null) counts values");
      return std::nullopt;
    }
    static const std::map<std::string_view, Duration> units{{"us", 1}, {"ms", millisecond}, {"s", second}, {"seconds", second}, {"m", minute}, {"minutes", minute},
                                                           {"h", hour}, {"hours", hour}, {"d", day}, {"days", day}};
    const auto unit = units.find(argument);
    if (unit == units.end()) {
      fail(ErrorCode::bad_expression, at.place, fmt::format("time_since_last({}): expected us, ms, seconds, minutes, hours or days", argument));
      return std::nullopt;
    }
    a.time_unit = unit->second;
    return Type::float64;
  }

  std::optional<Type> typed_argument(const Node& at, const Source& source, Aggregate& a, std::string_view argument) {
    a.argument_type = a.argument->type();
    if (a.argument_fields.size() == 1 && argument == source.fields[static_cast<std::size_t>(a.argument_fields[0])].name) {
      const Field& column = source.fields[static_cast<std::size_t>(a.argument_fields[0])];
      a.argument_is_column = true;
      a.argument_type = column.any_key ? Type::string : column.type;
      a.argument_scale = column.scale;
      if (column.any_key) fail(ErrorCode::bad_expression, at.place, fmt::format("key `{}` has no declared type", column.name), "declare it under `columns`");
    }
    const Type type = a.argument_type;
    const bool text = type == Type::string || type == Type::category;
    const auto refuse = [&](std::string_view expected) {
      fail(ErrorCode::bad_expression, at.place, fmt::format("{} of a {}; expected {}", to_string(a.kind), to_string(type), expected));
      return std::nullopt;
    };
    if (text && !a.argument_is_column) return refuse("a column, or an expression that is a number or a condition");
    switch (a.kind) {
      case AggregateKind::count_if:
        if (type != Type::boolean) return refuse("a condition");
        return Type::int64;
      case AggregateKind::count_distinct: return Type::int64;
      case AggregateKind::sum:
        if (text || type == Type::timestamp) return refuse("a number or a bool");
        return type == Type::int64 || type == Type::boolean ? Type::int64 : Type::float64;
      case AggregateKind::mean: case AggregateKind::std: case AggregateKind::var:
        if (text || type == Type::timestamp) return refuse("a number or a bool");
        return Type::float64;
      default:
        if (type == Type::decimal) return Type::float64;
        return text ? Type::string : type;
    }
  }

  void gated(const Node& node, const Source& source, const Aggregate& a, const std::string& what) {
    std::vector<int> fields = a.argument_fields;
    fields.insert(fields.end(), a.where_fields.begin(), a.where_fields.end());
    for (const int f : fields) {
      const Field& field = source.fields[static_cast<std::size_t>(f)];
      if (field.available_after && a.offset < *field.available_after) {
        fail(ErrorCode::label_too_young, place(node, node.find("offset") ? "offset" : "aggregate"),
             fmt::format("{} reads `{}` up to {} before the decision, it is known {} after its row", what, field.name, format_duration(a.offset), format_duration(*field.available_after)),
             fmt::format("offset: {}", format_duration(*field.available_after)));
        return;
      }
    }
  }

  void with_request(const Node& node, const Source& source, const Aggregate& a, const std::string& what) {
    const Place at = place(node, "include_request");
    if (a.offset != 0) fail(ErrorCode::conflicting_keys, at, fmt::format("{} includes the request, but ends {} before it", what, format_duration(a.offset)), "offset: 0s");
    if (!head_closed(a.bounds)) fail(ErrorCode::conflicting_keys, at, fmt::format("{} includes the request, but its bounds \"{}\" leave it out", what, to_string(a.bounds)), "bounds: \"(]\"");
    std::vector<int> fields = a.argument_fields;
    fields.insert(fields.end(), a.where_fields.begin(), a.where_fields.end());
    for (const int f : fields) {
      const Field& field = source.fields[static_cast<std::size_t>(f)];
      const int r = index_of(data_->request, field.name);
      if (field.gated()) fail(ErrorCode::label_too_young, at, fmt::format("{} includes the request, whose `{}` is not known yet", what, field.name));
      else if (r < 0) fail(ErrorCode::unknown_name, at, fmt::format("{} includes the request, which lacks `{}`", what, field.name), "declare it under `request`");
      else if (data_->request[static_cast<std::size_t>(r)].type != field.type || data_->request[static_cast<std::size_t>(r)].scale != field.scale)
        fail(ErrorCode::wrong_type, at, fmt::format("`{}` is of another type in the request than in `{}`", field.name, source.name));
    }
  }

  std::optional<Type> from_request(const Node& node, Feature& out, const std::string& from) {
    out.kind = FeatureKind::request;
    const std::string name = from.substr(std::string_view("request.").size());
    out.request_field = index_of(data_->request, name);
    if (out.request_field < 0) {
      fail(ErrorCode::unknown_name, place(node, "from"), fmt::format("the request has no field `{}`", name), did_you_mean(nearest_of(data_->request, name)));
      return std::nullopt;
    }
    const Field& field = data_->request[static_cast<std::size_t>(out.request_field)];
    if (field.any_key) {
      fail(ErrorCode::wrong_type, place(node, "from"), fmt::format("request field `{}` has no declared type", name), "declare it under `request`");
      return std::nullopt;
    }
    if (field.type == Type::decimal) return Type::float64;
    return field.type == Type::category ? Type::string : field.type;
  }

  std::optional<Type> parse_expression(const Node& node, Feature& out) {
    out.kind = FeatureKind::expression;
    const auto given = text(node, "expr");
    if (!given) return std::nullopt;
    auto parsed = Expression::parse(*given);
    if (!parsed.value) {
      const Node& at = *node.find("expr");
      fail(parsed.failure.code, {at.place.line, at.place.column + parsed.failure.offset + at.quoted}, parsed.failure.message, parsed.failure.help);
      return std::nullopt;
    }
    out.expression = std::move(*parsed.value);
    return std::nullopt;   // typed once the features it reads are
  }

  void vocabulary(const Node& node, Feature& out) {
    const Node* given = node.find("vocabulary");
    if (!given) return;
    if (given->kind == Node::Kind::map) {
      const auto file = text(*given, "file");
      if (!file || given->members.size() != 1) {
        fail(ErrorCode::bad_value, given->place, "`vocabulary` is a list of values, or {file: path}");
        return;
      }
      const std::filesystem::path path(*file);
      if (path.is_absolute() || std::any_of(path.begin(), path.end(), [](const auto& part) { return part == ".."; })) {
        fail(ErrorCode::bad_value, place(*given, "file"), fmt::format("vocabulary file \"{}\" lies outside the contract's folder", *file));
        return;
      }
      std::error_code error;
      const auto size = std::filesystem::file_size(base_ / path, error);
      std::ifstream in(base_ / path, std::ios::binary);
      if (error || !in || size > most_vocabulary_bytes) {
        fail(ErrorCode::bad_value, place(*given, "file"), fmt::format("vocabulary file \"{}\" {}", *file, error || !in ? "cannot be read" : "is too large"), "it is looked up beside the contract; one value a line");
        return;
      }
      for (std::string line; std::getline(in, line);) {
        if (line.ends_with('\r')) line.pop_back();
        out.vocabulary.push_back(std::move(line));
      }
    } else {
      out.vocabulary = texts(*given, "vocabulary");
    }
    std::set<std::string_view> seen;
    for (const std::string& value : out.vocabulary)
      if (!seen.insert(value).second) {
        fail(ErrorCode::bad_value, given->place, fmt::format("vocabulary value \"{}\" stands twice", value));
        break;
      }
    if (out.vocabulary.size() > most_vocabulary) fail(ErrorCode::bad_value, given->place, fmt::format("a vocabulary of {} values; at most {}", out.vocabulary.size(), most_vocabulary));
  }

  // Derived features -------------------------------------------------------------------------------------------------

  void bind_expressions() {
    const std::size_t n = data_->features.size();
    std::vector<int> state(n, 0);                       // 0 new, 1 open, 2 done
    std::vector<int> path;
    for (std::size_t f = 0; f < n; ++f) visit(static_cast<int>(f), state, path);
  }

  void visit(int f, std::vector<int>& state, std::vector<int>& path) {
    const auto at = static_cast<std::size_t>(f);
    if (state[at] == 2) return;
    Feature& feature = data_->features[at];
    const Node& node = *pending_[at].node;
    if (state[at] == 1) {
      std::string circle;
      for (auto step = std::find(path.begin(), path.end(), f); step != path.end(); ++step) circle += fmt::format("{} -> ", data_->features[static_cast<std::size_t>(*step)].name);
      fail(ErrorCode::cycle, place(node, "expr"), fmt::format("features refer to each other in a circle: {}{}", circle, feature.name), "break it: a value cannot come from itself");
      return;
    }
    if (path.size() > 1000) {
      fail(ErrorCode::bad_expression, place(node, "expr"), "more than 1000 features read each other in a chain");
      state[at] = 2;
      return;
    }
    state[at] = 1;
    path.push_back(f);
    if (feature.expression)
      for (const ExpressionInput& input : feature.expression->inputs())
        if (const int other = index_of(data_->features, input.name); other >= 0) visit(other, state, path);
    path.pop_back();
    state[at] = 2;
    if (feature.expression) pending_[at].natural = bind_feature(node, feature);
    if (feature.kind != FeatureKind::expression || feature.expression) finish_type(node, feature, pending_[at].natural);
    data_->order.push_back(f);
  }

  std::optional<Type> bind_feature(const Node& node, Feature& feature) {
    const Node& at = *node.find("expr");
    const auto place_at = [&](int within) { return Place{at.place.line, at.place.column + within + at.quoted}; };
    bool refused = false;
    if (feature.expression->inputs().size() > most_inputs) {
      fail(ErrorCode::bad_expression, at.place, fmt::format("more than {} inputs in one expression", most_inputs));
      return std::nullopt;
    }
    std::map<std::string, Type> types;
    for (const ExpressionInput& input : feature.expression->inputs()) {
      FeatureInput out;
      out.with_fallback = input.with_fallback;
      if (input.name == "as_of") {
        out.kind = FeatureInput::Kind::as_of;
        types[input.name] = Type::timestamp;
      } else if (input.name.starts_with("request.")) {
        const std::string name = input.name.substr(8);
        out.kind = FeatureInput::Kind::request;
        out.index = index_of(data_->request, name);
        if (out.index < 0) {
          fail(ErrorCode::unknown_name, place_at(input.offset), fmt::format("the request has no field `{}`", name), did_you_mean(nearest_of(data_->request, name)));
          refused = true;
        } else if (data_->request[static_cast<std::size_t>(out.index)].any_key) {
          fail(ErrorCode::bad_expression, place_at(input.offset), fmt::format("request field `{}` has no declared type", name), "declare it under `request`");
          refused = true;
        } else {
          types[input.name] = variable(data_->request[static_cast<std::size_t>(out.index)]).type;
        }
      } else {
        out.kind = FeatureInput::Kind::feature;
        out.index = index_of(data_->features, input.name);
        if (out.index < 0) {
          const bool of_request = index_of(data_->request, input.name) >= 0;
          fail(ErrorCode::unknown_name, place_at(input.offset), fmt::format("no feature `{}`", input.name),
               of_request ? fmt::format("the request's field is written request.{}", input.name) : did_you_mean(nearest_of(data_->features, input.name)));
          refused = true;
        } else if (data_->features[static_cast<std::size_t>(out.index)].type == Type::category) {
          fail(ErrorCode::bad_expression, place_at(input.offset), fmt::format("`{}` is a category", input.name), "read the text it comes from: request.field");
          refused = true;
        } else {
          types[input.name] = data_->features[static_cast<std::size_t>(out.index)].type;
        }
      }
      feature.inputs.push_back(out);
    }
    if (refused) return std::nullopt;
    auto bound = feature.expression->bind([&](const ExpressionInput& input) -> std::optional<Variable> { return Variable{types.at(input.name)}; }, *TimeZone::find(feature.tz));
    if (!bound.value) {
      fail(bound.failure.code, place_at(bound.failure.offset), bound.failure.message, bound.failure.help);
      return std::nullopt;
    }
    feature.expression = std::move(*bound.value);
    return feature.expression->type();
  }

  /// The output type: natural, or the declared one where that is possible; then what depends on it.
  void finish_type(const Node& node, Feature& feature, std::optional<Type> natural) {
    if (!natural) return;
    const bool expression = feature.kind == FeatureKind::expression;
    const bool text = *natural == Type::string;
    feature.type = expression && *natural != Type::timestamp && !text ? Type::float64 : *natural;
    if (const auto given = this->text(node, "type")) {
      feature.type_declared = true;
      const auto declared = parse_type(*given);
      const bool number = *natural == Type::float64 || *natural == Type::int64 || *natural == Type::boolean;
      const bool possible = declared && (*declared == feature.type || (*declared == Type::category && text) ||
                                         (expression && number && (*declared == Type::int64 || *declared == Type::boolean || *declared == Type::float64)));
      if (!possible) {
        fail(ErrorCode::bad_value, place(node, "type"), fmt::format("`type` is \"{}\", the feature is a {}", *given, to_string(feature.type)), "nothing is cast; `type: category` takes text, `type: int64` a whole number of an expr");
        return;
      }
      feature.type = *declared;
    } else if (expression && text) {
      fail(ErrorCode::missing_key, place(node, "expr"), "an `expr` that is text lacks `type`", "type: category with a `vocabulary`, or type: string");
    }
    if (feature.type == Type::category && !node.find("vocabulary")) fail(ErrorCode::missing_key, node.place, fmt::format("category `{}` lacks `vocabulary`", feature.name), "a list of values, or {file: path}");
    if (feature.type != Type::category && node.find("vocabulary")) fail(ErrorCode::conflicting_keys, place(node, "vocabulary"), "`vocabulary` belongs to `type: category`");
    if (const Node* fallback = node.find("fallback")) read_fallback(*fallback, feature);
  }

  void read_fallback(const Node& node, Feature& feature) {
    const auto wrong = [&](std::string_view expected) {
      fail(ErrorCode::wrong_type, node.place, fmt::format("`fallback` is \"{}\"; feature `{}` is a {}: expected {}", node.text, feature.name, to_string(feature.type), expected));
    };
    if (node.kind != Node::Kind::scalar) return wrong("one value");
    switch (feature.type) {
      case Type::float64:
        if (const auto value = to_number(node)) feature.fallback = Cell::of(*value);
        else wrong("a number");
        break;
      case Type::int64: {
        std::int64_t value = 0;
        const char* end = node.text.data() + node.text.size();
        const auto [at, error] = std::from_chars(node.text.data(), end, value);
        if (!node.quoted && error == std::errc() && at == end) feature.fallback = Cell::of(value);
        else wrong("a whole number");
        break;
      }
      case Type::boolean:
        if (!node.quoted && (node.text == "true" || node.text == "false")) feature.fallback = Cell::of(node.text == "true");
        else wrong("true or false");
        break;
      case Type::category: {
        const auto found = std::find(feature.vocabulary.begin(), feature.vocabulary.end(), node.text);
        if (found == feature.vocabulary.end()) return wrong("a value of its vocabulary");
        feature.fallback = Cell::of(static_cast<std::int64_t>(found - feature.vocabulary.begin()));
        feature.fallback_text = node.text;
        break;
      }
      case Type::string:
        feature.fallback_text = node.text;
        feature.fallback = Cell::of(std::string_view{});
        break;
      default: wrong("no fallback: times have none");
    }
  }

  // Model ------------------------------------------------------------------------------------------------------------

  void model() {
    const Node* node = root_.find("model");
    if (!node) {
      for (std::size_t f = 0; f < data_->features.size(); ++f) data_->inputs.push_back(static_cast<int>(f));
      return;
    }
    if (!open(*node, In::model)) return;
    data_->inputs_declared = true;
    const Node& inputs = *node->find("inputs");
    for (const Node& item : inputs.kind == Node::Kind::sequence ? inputs.items : std::vector<Node>{inputs}) {
      const int f = index_of(data_->features, item.text);
      if (f < 0) fail(ErrorCode::unknown_name, item.place, fmt::format("`inputs` names `{}`, which is no feature", item.text), did_you_mean(nearest_of(data_->features, item.text)));
      else if (std::find(data_->inputs.begin(), data_->inputs.end(), f) != data_->inputs.end()) fail(ErrorCode::bad_value, item.place, fmt::format("input `{}` stands twice", item.text));
      else if (data_->features[static_cast<std::size_t>(f)].type == Type::string) fail(ErrorCode::wrong_type, item.place, fmt::format("input `{}` is text", item.text), "type: category with a `vocabulary`");
      else data_->inputs.push_back(f);
    }
  }

  void warn() {
    const auto add = [&](int line, std::string message, std::string help) {
      data_->warnings.push_back({ErrorCode::missing_key, name_, line, 1, std::move(message), std::move(help)});
    };
    for (std::size_t s = 0; s < data_->sources.size(); ++s)
      if (data_->sources[s].availability_assumed)
        add(source_places_[s].line, fmt::format("source `{}`: rows are assumed to be known when they happen", data_->sources[s].name), "declare `available_time` or `delay` (delay: 0s says it on purpose)");
    for (const Feature& feature : data_->features)
      if (feature.description.empty()) add(feature.line, fmt::format("feature `{}` has no description", feature.name), "say what it means to the next person on call");
  }

  struct Pending {
    const Node* node;
    std::optional<Type> natural;
  };

  const Node& root_;
  std::filesystem::path base_;
  std::string name_;
  std::shared_ptr<Contract::Data> data_ = std::make_shared<Contract::Data>();
  std::vector<Failure> failures_;
  std::vector<Pending> pending_;                        ///< by feature
  std::vector<Place> source_places_;                    ///< by source: its retention
  Bounds default_bounds_ = Bounds::closed_open;
  std::int64_t default_min_rows_ = 0;
  std::optional<double> default_model_missing_;
  NanPolicy default_nan_ = NanPolicy::reject;
  std::string default_tz_;
};

// The resolved form ----------------------------------------------------------------------------------------------------

/// Writes the contract as JSON: to be read again, or to be hashed with the keys of some classes only.
class Writer {
 public:
  Writer(const Contract::Data& data, std::optional<Class> most) : data_(data), most_(most) {}

  Json whole() const {
    Json out = Json::object();
    put(out, In::top, "featlib", 1);
    put(out, In::top, "name", data_.name);
    put(out, In::top, "version", data_.version);
    put(out, In::top, "owner", data_.owner);
    if (!data_.description.empty()) put(out, In::top, "description", data_.description);
    if (!data_.tags.empty()) put(out, In::top, "tags", data_.tags);
    Json entities = Json::object(), sources = Json::object(), request = Json::object(), features = Json::object();
    for (const Entity& e : data_.entities) entities[e.name] = entity(e);
    for (const Source& s : data_.sources) sources[s.name] = source(s);
    for (std::size_t f = 0; f < data_.declared_request; ++f) request[data_.request[f].name] = column(data_.request[f]);
    for (std::size_t f = 0; f < data_.features.size(); ++f) features[data_.features[f].name] = feature(static_cast<int>(f));
    if (!entities.empty()) put(out, In::top, "entities", entities);
    if (!sources.empty()) put(out, In::top, "sources", sources);
    if (!request.empty()) put(out, In::top, "request", request);
    if (data_.request_of >= 0) put(out, In::top, "request_of", data_.sources[static_cast<std::size_t>(data_.request_of)].name);
    put(out, In::top, "features", features);
    Json inputs = Json::array();
    for (const int f : data_.inputs) inputs.push_back(data_.features[static_cast<std::size_t>(f)].name);
    const bool has_text = std::any_of(data_.inputs.begin(), data_.inputs.end(), [&](int f) { return data_.features[static_cast<std::size_t>(f)].type == Type::string; });
    // Without `model:` text features may stand among the inputs; then file order says it, and only the hash needs the list.
    if (most_ || !has_text) put(out, In::top, "model", Json{{"inputs", inputs}});
    if (most_) out["time_zones"] = std::string(time_zone_version());
    return out;
  }

  /// A feature with all that its value depends on.
  Json closure(int feature) const {
    std::set<int> members;
    const std::function<void(int)> add = [&](int f) {
      if (!members.insert(f).second) return;
      for (const FeatureInput& i : data_.features[static_cast<std::size_t>(f)].inputs)
        if (i.kind == FeatureInput::Kind::feature) add(i.index);
    };
    add(feature);
    Json out = Json::object();
    for (const int f : members) {
      const Feature& member = data_.features[static_cast<std::size_t>(f)];
      out["features"][member.name] = this->feature(f);
      const auto reads = [&](int r) { out["request"][data_.request[static_cast<std::size_t>(r)].name] = column(data_.request[static_cast<std::size_t>(r)]); };
      if (member.kind == FeatureKind::request) reads(member.request_field);
      for (const FeatureInput& i : member.inputs)
        if (i.kind == FeatureInput::Kind::request) reads(i.index);
      if (member.kind != FeatureKind::aggregate) continue;
      const Source& s = data_.sources[static_cast<std::size_t>(member.aggregate.source)];
      out["sources"][s.name] = source(s);
      for (const SourceEntity& link : s.entities) out["entities"][data_.entities[static_cast<std::size_t>(link.entity)].name] = entity(data_.entities[static_cast<std::size_t>(link.entity)]);
      if (data_.request_of == member.aggregate.source) out["request_of"] = s.name;
    }
    out["feature"] = data_.features[static_cast<std::size_t>(feature)].name;
    out["time_zones"] = std::string(time_zone_version());
    return out;
  }

 private:
  void put(Json& out, In in, std::string_view key, Json value) const {
    if (most_ && static_cast<int>(contract::find_key(in, key)->fingerprint) > static_cast<int>(*most_)) return;
    out[std::string(key)] = std::move(value);
  }
  Json duration(Duration d) const { return most_ ? Json(d) : Json(format_duration(d)); }
  Json number(double x) const { return most_ ? Json(fmt::format("{}", x)) : Json(x); }

  Json entity(const Entity& e) const {
    Json out = Json::object(), types = Json::array();
    for (const Type type : e.types) types.push_back(std::string(to_string(type)));
    put(out, In::entity, "key", e.key);
    put(out, In::entity, "type", types);
    if (!e.description.empty()) put(out, In::entity, "description", e.description);
    return out;
  }

  Json column(const Field& f) const {
    Json out = Json::object();
    put(out, In::column, "type", f.any_key ? "key" : std::string(to_string(f.type)));
    if (f.type == Type::decimal) put(out, In::column, "scale", f.scale);
    if (f.time_unit) out["unit"] = std::string(to_string(*f.time_unit));   // a time unit changes values, a label does not
    else if (!f.unit.empty()) put(out, In::column, "unit", f.unit);
    if (!f.tz.empty()) put(out, In::column, "tz", f.tz);
    if (f.floor) put(out, In::column, "floor", true);
    if (f.any_year) put(out, In::column, "any_year", true);
    if (f.round) put(out, In::column, "round", true);
    if (f.type == Type::float64 || f.type == Type::decimal) put(out, In::column, "nan", f.nan == NanPolicy::reject ? "reject" : "null");
    if (f.available_after) put(out, In::column, "available_after", duration(*f.available_after));
    if (!f.available_at.empty()) put(out, In::column, "available_at", f.available_at);
    if (!f.description.empty()) put(out, In::column, "description", f.description);
    return out;
  }

  Json clock(const Field& f) const {
    Json out{{"column", f.name}};
    if (f.time_unit) out["unit"] = std::string(to_string(*f.time_unit));
    if (!f.tz.empty()) out["tz"] = f.tz;
    if (f.floor) out["floor"] = true;
    if (f.any_year) out["any_year"] = true;
    return out;
  }

  Json source(const Source& s) const {
    Json out = Json::object(), entities = Json::array(), keys = Json::object(), sequence = Json::object(), columns = Json::object();
    for (const SourceEntity& link : s.entities) {
      const Entity& e = data_.entities[static_cast<std::size_t>(link.entity)];
      entities.push_back(e.name);
      Json names = Json::array();
      for (const int f : link.key_fields) names.push_back(s.fields[static_cast<std::size_t>(f)].name);
      if (names != Json(e.key)) keys[e.name] = names;
      if (link.sequence_field >= 0) sequence[e.name] = s.fields[static_cast<std::size_t>(link.sequence_field)].name;
    }
    if (most_) std::sort(entities.begin(), entities.end());
    for (const int f : s.columns) columns[s.fields[static_cast<std::size_t>(f)].name] = column(s.fields[static_cast<std::size_t>(f)]);
    put(out, In::source, "entities", entities);
    if (!keys.empty()) put(out, In::source, "keys", keys);
    put(out, In::source, "event_time", clock(s.fields[static_cast<std::size_t>(s.event_time_field)]));
    if (s.available_time_field >= 0) put(out, In::source, "available_time", clock(s.fields[static_cast<std::size_t>(s.available_time_field)]));
    else if (most_ || !s.availability_assumed) put(out, In::source, "delay", duration(s.delay));
    if (!sequence.empty()) put(out, In::source, "sequence", sequence);
    if (s.dedup_field >= 0) put(out, In::source, "dedup", s.fields[static_cast<std::size_t>(s.dedup_field)].name);
    put(out, In::source, "retention", s.retention ? duration(*s.retention) : Json("forever"));
    if (!columns.empty()) put(out, In::source, "columns", columns);
    if (!s.description.empty()) put(out, In::source, "description", s.description);
    return out;
  }

  Json fallback(const Feature& f) const {
    switch (f.type) {
      case Type::float64: return number(f.fallback->real);
      case Type::boolean: return f.fallback->integer != 0;
      case Type::string: case Type::category: return f.fallback_text;
      default: return f.fallback->integer;
    }
  }

  Json feature(int index) const {
    const Feature& f = data_.features[static_cast<std::size_t>(index)];
    Json out = Json::object();
    if (f.kind == FeatureKind::aggregate) aggregate(f, out);
    else if (f.kind == FeatureKind::request) put(out, In::feature, "from", "request." + data_.request[static_cast<std::size_t>(f.request_field)].name);
    else put(out, In::feature, "expr", f.expression->canonical());
    if (most_ || f.type_declared) put(out, In::feature, "type", std::string(to_string(f.type)));
    if (f.kind != FeatureKind::request) put(out, In::feature, "tz", f.tz);
    if (f.type == Type::category) put(out, In::feature, "vocabulary", f.vocabulary);
    if (f.fallback) put(out, In::feature, "fallback", fallback(f));
    if (f.model_missing) put(out, In::feature, "model_missing", number(*f.model_missing));
    if (f.range_low || f.range_high) {
      Json range = Json::array();
      for (const auto& end : {f.range_low, f.range_high}) range.push_back(end ? number(*end) : Json());
      put(out, In::feature, "range", range);
    }
    Json checks = Json::object();
    for (const auto& [name, value] : data_.checks[static_cast<std::size_t>(index)].values) checks[name] = number(value);
    if (!checks.empty()) put(out, In::feature, "checks", checks);
    if (!f.description.empty()) put(out, In::feature, "description", f.description);
    if (!f.owner.empty()) put(out, In::feature, "owner", f.owner);
    if (!f.unit.empty()) put(out, In::feature, "unit", f.unit);
    if (!f.reason.empty()) put(out, In::feature, "reason", f.reason);
    if (!f.tags.empty()) put(out, In::feature, "tags", f.tags);
    return out;
  }

  void aggregate(const Feature& f, Json& out) const {
    const Aggregate& a = f.aggregate;
    const Source& s = data_.sources[static_cast<std::size_t>(a.source)];
    put(out, In::feature, "from", s.name);
    put(out, In::feature, "by", data_.entities[static_cast<std::size_t>(s.entities[static_cast<std::size_t>(a.source_entity)].entity)].name);
    put(out, In::feature, "aggregate", call_text(a));
    if (a.where) put(out, In::feature, "where", a.where->canonical());
    if (a.window) put(out, In::feature, "window", duration(*a.window));
    put(out, In::feature, "offset", duration(a.offset));
    put(out, In::feature, "bounds", std::string(to_string(a.bounds)));
    if (a.last) put(out, In::feature, "last", *a.last);
    if (a.lifetime) put(out, In::feature, "lifetime", true);
    if (a.include_request) put(out, In::feature, "include_request", true);
    if (a.keep_nulls) put(out, In::feature, "nulls", "keep");
    if (a.kind == AggregateKind::std || a.kind == AggregateKind::var) put(out, In::feature, "ddof", a.ddof);
    put(out, In::feature, "min_rows", f.min_rows);
  }

  static std::string call_text(const Aggregate& a) {
    if (a.kind == AggregateKind::count) return "count()";
    if (a.kind == AggregateKind::time_since_last) {
      const std::map<Duration, std::string_view> units{{1, "us"}, {millisecond, "ms"}, {second, "seconds"}, {minute, "minutes"}, {hour, "hours"}, {day, "days"}};
      return fmt::format("time_since_last({})", units.at(a.time_unit));
    }
    if (a.kind == AggregateKind::lag) return fmt::format("lag({}, {})", a.argument->canonical(), a.k);
    return fmt::format("{}({})", to_string(a.kind), a.argument->canonical());
  }

  const Contract::Data& data_;
  std::optional<Class> most_;                           ///< none: for reading again
};

/// RFC 8785: keys in order (they are ASCII identifiers), no space, numbers already integers or text.
std::string canonical_hash(const Json& json) { return sha256_hex(nlohmann::json::parse(json.dump()).dump()); }

std::string interval(const Feature& f) {
  const Aggregate& a = f.aggregate;
  std::string out;
  if (a.last) out += fmt::format("last {} of ", *a.last);
  const std::string_view bounds = to_string(a.bounds);
  const auto back = [](Duration d) { return d ? fmt::format("t-{}", format_duration(d)) : std::string("t"); };
  return out + fmt::format("{}{}, {}{}", a.window ? bounds[0] : '[', a.window ? back(a.offset + *a.window) : "retention", back(a.offset), bounds[1]);
}

}  // namespace

std::string_view to_string(Bounds bounds) {
  constexpr std::string_view names[] = {"[)", "(]", "[]", "()"};
  return names[static_cast<int>(bounds)];
}

std::string_view to_string(Interpolation interpolation) {
  constexpr std::string_view names[] = {"linear", "lower", "higher", "nearest", "midpoint"};
  return names[static_cast<int>(interpolation)];
}

std::string_view to_string(Bucket bucket) { return bucket == Bucket::current ? "current" : "complete"; }

std::string_view to_string(AggregateKind kind) {
  for (const AggregateName& name : aggregate_names)
    if (name.kind == kind) return name.name;
  return "";
}

int Source::find_field(std::string_view field) const { return index_of(fields, field); }

Result<Contract> Contract::load(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  std::error_code error;
  if (std::filesystem::is_directory(path, error) || !in || !(text << in.rdbuf()))
    return Error(ErrorCode::io_failed, "the contract cannot be read", "check the path", path.string());
  return parse(text.str(), path.parent_path(), path.string());
}

Result<Contract> Contract::parse(std::string_view text, const std::filesystem::path& base, std::string name) {
  auto root = yaml::parse(text, name);
  if (!root) return root.error();
  auto data = Loader(root.value(), base, std::move(name)).load();
  if (!data) return data.error();
  return Contract(std::move(data).value());
}

const std::string& Contract::name() const { return data_->name; }
const std::string& Contract::version() const { return data_->version; }
const std::string& Contract::owner() const { return data_->owner; }
const std::string& Contract::description() const { return data_->description; }
const std::vector<Entity>& Contract::entities() const { return data_->entities; }
const std::vector<Source>& Contract::sources() const { return data_->sources; }
int Contract::request_of() const { return data_->request_of; }
const std::vector<Field>& Contract::request() const { return data_->request; }
const std::vector<Feature>& Contract::features() const { return data_->features; }
const std::vector<int>& Contract::evaluation_order() const { return data_->order; }
const std::vector<int>& Contract::inputs() const { return data_->inputs; }
int Contract::find_source(std::string_view source) const { return index_of(data_->sources, source); }
int Contract::find_feature(std::string_view feature) const { return index_of(data_->features, feature); }
int Contract::find_request(std::string_view field) const { return index_of(data_->request, field); }
const std::vector<Failure>& Contract::warnings() const { return data_->warnings; }

std::string Contract::fingerprint(FingerprintKind kind) const {
  return canonical_hash(Writer(*data_, static_cast<Class>(kind)).whole());
}

std::string Contract::feature_fingerprint(int feature) const {
  return canonical_hash(Writer(*data_, Class::semantic).closure(feature));
}

std::string Contract::resolved_json() const { return Writer(*data_, std::nullopt).whole().dump(2); }

std::string Contract::describe() const {
  std::string out = fmt::format("{} {}\n{}\nowner {}\n", name(), version(), description(), owner());
  for (const Source& s : sources()) {
    const auto& field = [&](int f) -> const std::string& { return s.fields[static_cast<std::size_t>(f)].name; };
    out += fmt::format("\nsource {}\n  happened    {}\n  available   {}\n  retention   {}\n", s.name, field(s.event_time_field),
                       s.available_time_field >= 0 ? field(s.available_time_field)
                                                   : fmt::format("{}{}{}", field(s.event_time_field), s.delay ? " + " + format_duration(s.delay) : "", s.availability_assumed ? "   (assumed)" : ""),
                       s.retention ? format_duration(*s.retention) : "forever");
    if (s.dedup_field >= 0) out += fmt::format("  dedup       {}\n", field(s.dedup_field));
    for (const SourceEntity& link : s.entities) {
      std::string keys;
      for (const int f : link.key_fields) keys += (keys.empty() ? "" : ", ") + field(f);
      out += fmt::format("  entity      {} by {}{}\n", entities()[static_cast<std::size_t>(link.entity)].name, keys,
                         link.sequence_field >= 0 ? fmt::format(", ties by {}", field(link.sequence_field)) : "");
    }
    for (const int f : s.columns) {
      const Field& c = s.fields[static_cast<std::size_t>(f)];
      out += fmt::format("  {:<12}{}{}{}\n", c.name, to_string(c.type), c.type == Type::decimal ? fmt::format("({})", c.scale) : "",
                         c.available_after ? fmt::format(", known {} after", format_duration(*c.available_after)) : c.gated() ? ", known at " + c.available_at : "");
    }
  }
  out += "\nrequest\n";
  for (const Field& f : request()) out += fmt::format("  {:<12}{}\n", f.name, f.any_key ? "key" : to_string(f.type));
  std::size_t width = 8;
  for (const Feature& f : features()) width = std::max(width, f.name.size());
  out += "\nfeatures\n";
  for (const Feature& f : features()) {
    std::string what;
    if (f.kind == FeatureKind::request) what = "request." + request()[static_cast<std::size_t>(f.request_field)].name;
    else if (f.kind == FeatureKind::expression) what = f.expression->canonical();
    else {
      const Source& s = sources()[static_cast<std::size_t>(f.aggregate.source)];
      what = fmt::format("{}{} of {} by {} over {}{}", to_string(f.aggregate.kind), f.aggregate.argument ? "(" + f.aggregate.argument->canonical() + ")" : "()", s.name,
                         entities()[static_cast<std::size_t>(s.entities[static_cast<std::size_t>(f.aggregate.source_entity)].entity)].name, interval(f),
                         f.aggregate.include_request ? " with the request" : "");
      if (f.aggregate.where) what += " where " + f.aggregate.where->canonical();
    }
    if (f.min_rows > 0) what += fmt::format(", at least {} rows", f.min_rows);
    if (f.fallback) what += ", with a fallback";
    out += fmt::format("  {:<{}}  {:<9} {}\n", f.name, width, to_string(f.type), what);
  }
  out += fmt::format("\nfingerprints\n  semantic  {}\n  policy    {}\n  document  {}\n", fingerprint(FingerprintKind::semantic), fingerprint(FingerprintKind::policy),
                     fingerprint(FingerprintKind::document));
  return out;
}

}  // namespace featlib
