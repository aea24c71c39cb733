#include "resolved.hpp"

#include "call.hpp"
#include "names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace featlib::contract {
namespace {

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
      const Aggregate& a = member.aggregate;
      const Source& s = data_.sources[static_cast<std::size_t>(a.source)];
      if (a.compared_request >= 0) reads(a.compared_request);
      if (a.include_request)
        for (const std::vector<int>* fields : {&a.argument_fields, &a.where_fields})
          for (const int f : *fields) reads(index_of(data_.request, s.fields[static_cast<std::size_t>(f)].name));
      add_source(out, member.aggregate.source);
      for (const UnionMember& m : s.members) add_source(out, m.source);
    }
    out["feature"] = data_.features[static_cast<std::size_t>(feature)].name;
    out["time_zones"] = std::string(time_zone_version());
    return out;
  }

 private:
  void add_source(Json& out, int index) const {
    const Source& s = data_.sources[static_cast<std::size_t>(index)];
    out["sources"][s.name] = source(s);
    for (const SourceEntity& link : s.entities) out["entities"][data_.entities[static_cast<std::size_t>(link.entity)].name] = entity(data_.entities[static_cast<std::size_t>(link.entity)]);
    if (data_.request_of == index) out["request_of"] = s.name;
  }

  void put(Json& out, In in, std::string_view key, Json value) const {
    if (most_ && static_cast<int>(find_key(in, key)->fingerprint) > static_cast<int>(*most_)) return;
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

  Json union_source(const Source& s) const {
    Json out = Json::object(), members = Json::array();
    for (const UnionMember& m : s.members) members.push_back(data_.sources[static_cast<std::size_t>(m.source)].name);
    put(out, In::union_source, "union", members);
    put(out, In::union_source, "retention", s.retention ? duration(*s.retention) : Json("forever"));
    if (!s.description.empty()) put(out, In::union_source, "description", s.description);
    return out;
  }

  Json source(const Source& s) const {
    if (s.is_union()) return union_source(s);
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
    put(out, In::feature, "aggregate", to_text(a));
    if (a.where) put(out, In::feature, "where", a.where->canonical());
    if (a.gap) put(out, In::feature, "gap", duration(*a.gap));
    if (a.window) put(out, In::feature, a.gap ? "max_length" : "window", duration(*a.window));
    if (a.bucket) {
      put(out, In::feature, "bucket", std::string(to_string(*a.bucket)));
      put(out, In::feature, "origin", most_ ? Json(a.origin) : Json(format_instant(a.origin)));
    }
    put(out, In::feature, "offset", duration(a.offset));
    put(out, In::feature, "bounds", std::string(to_string(a.bounds)));
    if (a.last) put(out, In::feature, "last", *a.last);
    if (a.lifetime) put(out, In::feature, "lifetime", true);
    if (a.include_request) put(out, In::feature, "include_request", true);
    if (a.keep_nulls) put(out, In::feature, "nulls", "keep");
    if (has_ddof(a.kind)) put(out, In::feature, "ddof", a.ddof);
    put(out, In::feature, "min_rows", f.min_rows);
  }

  const Contract::Data& data_;
  std::optional<Class> most_;                           ///< none: for reading again
};

}  // namespace

Json resolved(const Contract::Data& data, std::optional<Class> most) { return Writer(data, most).whole(); }

Json resolved(const Contract::Data& data, int feature) { return Writer(data, Class::semantic).closure(feature); }

}  // namespace featlib::contract
