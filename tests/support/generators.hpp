/// Random contracts, histories and decisions that collide on purpose.
///
///     const Case c = make_case(7);       // the same case for the same seed, on every machine
///     c.text                             // the contract, as the file's text
///     c.rows[s], c.decisions             // rows by Source::fields, requests by Contract::request()
///
/// Instants come from the contract's own window edges and one microsecond either side of them, keys and payloads from tiny
/// pools: equal times, copies, late rows and labels, and rows exactly on a bound are met in nearly every case.
#pragma once

#include "support/aggregates.hpp"
#include "support/tables.hpp"

#include <featlib/contract/contract.hpp>
#include <featlib/core/time.hpp>
#include <featlib/events/batch.hpp>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace featlib::testing {

using Values = std::vector<Value>;

/// A decision: its instant (null and impossible ones are met in tables) and the request's fields.
struct Ask {
  std::optional<Instant> as_of;
  Values request;
};

/// A version of a key as a table carries it: a whole row, or of a retraction the key and its clock alone.
struct Amendment {
  Correction correction = Correction::retract;
  Values row;
  Value known_at;              ///< where the source has no available_time of its own
  std::int64_t version = 0;
};

struct Case {
  std::uint64_t seed;
  std::string text;
  Contract contract;
  std::vector<std::vector<Values>> rows;
  std::vector<std::vector<Values>> labels;   ///< by source: what comes by key
  std::vector<std::vector<Amendment>> amendments;   ///< by source: what corrects rows
  std::vector<Ask> decisions;
  std::vector<Instant> instants;             ///< where decisions stand
  std::map<std::string, Instant> complete_from;
};

inline constexpr Instant monday = 1'600'041'600 * second;   // 2020-09-14T00:00:00Z

namespace detail {

class ContractMaker {
 public:
  ContractMaker(Random& random, int least, int most) : random_(random), least_(least), most_(most) {}

  Json make() {
    windows_ = two_of({"10us", "1h", "1d", "3d"});
    offsets_ = two_of({"0s", "0s", "1us", "1h", "1d", "2d"});
    label_delay_ = random_.pick<std::string>({"1us", "1h", "1d"});
    entities_["card"] = {{"key", "card_id"}, {"type", random_.pick<std::string>({"string", "int64", "bool"})}};
    if (random_.percent(40)) {
      if (random_.percent(50)) entities_["shop"] = {{"key", "shop_id"}, {"type", "string"}};
      else entities_["shop"] = {{"key", {"shop_id", "till"}}, {"type", {"string", "int64"}}};
    }
    sources_["events"] = source(true);
    if (random_.percent(40)) sources_["other"] = source(random_.percent(60));
    if (random_.percent(40)) unite();

    Json contract = {{"featlib", 1}, {"name", "generated"}, {"version", "1.0.0"}, {"owner", "tests@example.com"}};
    for (const auto& [name, column] : sources_["events"]["columns"].items())
      if (name != "event_id" && !AggregateMaker::gated(column)) request_[name] = column;
    request_["word"] = {{"type", "string"}};
    const bool request_of = random_.percent(65);
    Json features = Json::object();
    for (int i = 0, n = least_ + random_.below(most_ - least_ + 1); i < n; ++i) features["a" + std::to_string(i)] = aggregate();
    features["word"] = {{"from", "request.word"}, {"type", "category"}, {"vocabulary", {"a", "b"}}};
    features["spelled"] = {{"from", "request.word"}};
    for (const auto& [name, column] : request_.items())
      if (random_.percent(25)) features["r_" + name] = {{"from", "request." + name}};
    if (numbers_.size() >= 2) {
      features["ratio"] = {{"expr", random_.pick(numbers_) + " / " + random_.pick(numbers_)}};
      features["either"] = {{"expr", "coalesce(" + random_.pick(numbers_) + " * 0.5, -1.0)"}, {"fallback", 0.0}};
    }
    for (auto& [name, source] : sources_.items()) {
      Duration need = 0;
      bool bounded = false;               // a decay over the whole retention needs an end to it
      for (const auto& feature : features) {
        const std::string from = feature.value("from", "");
        if (from != name && !(from == "all" && is_member(name))) continue;
        need = std::max(need, AggregateMaker::reach(feature));
        bounded = bounded || (feature["aggregate"].get<std::string>().starts_with("decay") && feature.contains("lifetime"));
      }
      need = std::max<Duration>(need, hour);
      if (source.contains("union")) {      // keeps what its members do, or less
        if (random_.percent(40)) source["retention"] = format_duration(need);
        continue;
      }
      const std::vector<Duration> kept{need, need, need + 1, need + day};
      source["retention"] = !bounded && random_.percent(15) ? "forever" : format_duration(random_.pick(kept));
    }
    contract["entities"] = entities_;
    contract["sources"] = sources_;
    if (request_of) contract["request_of"] = "events";
    contract["request"] = request_;
    contract["features"] = features;
    return contract;
  }

 private:
  std::vector<std::string> two_of(std::vector<std::string> from) { return {random_.pick(from), random_.pick(from)}; }

  std::vector<std::string> entities_of(const Json& source) {
    std::vector<std::string> out;
    for (const auto& e : source["entities"]) out.push_back(e);
    return out;
  }

  Json source(bool dedup) {
    Json out;
    out["entities"] = Json::array({"card"});
    if (entities_.contains("shop")) {
      if (random_.percent(60)) out["entities"].push_back("shop");
      else if (random_.percent(30)) out["entities"] = Json::array({"shop"});
    }
    const std::string first = out["entities"][0];
    if (random_.percent(20) && first == "card") out["keys"] = {{"card", "raw_card"}};
    out["event_time"] = {{"column", "happened"}, {"unit", "us"}};
    if (random_.percent(60)) out["available_time"] = {{"column", "arrived"}, {"unit", "us"}};
    else if (random_.percent(50)) out["delay"] = random_.pick<std::string>({"1us", "1h", "1d"});
    if (random_.percent(50)) {
      if (random_.percent(50)) out["sequence"] = {{first, "seq"}};
      else out["sequence"] = "seq";
    }
    static const Json all = {{"x", {{"type", "float64"}}}, {"y", {{"type", "float64"}, {"nan", "null"}}}, {"n", {{"type", "int64"}}},
                             {"money", {{"type", "decimal"}, {"scale", 2}}}, {"tag", {{"type", "string"}}}, {"flag", {{"type", "bool"}}},
                             {"seen", {{"type", "timestamp"}, {"unit", "us"}}}};
    Json columns = Json::object();
    for (const auto& [name, column] : all.items())
      if (random_.percent(50)) columns[name] = column;
    if (columns.empty()) columns["n"] = all["n"];
    if (dedup) {
      out["dedup"] = "event_id";
      columns["event_id"] = {{"type", random_.pick<std::string>({"string", "int64"})}};
    }
    if (random_.percent(60)) {
      const std::string type = random_.pick<std::string>({"bool", "int64", "float64", "string"});
      columns["label"] = {{"type", type}, {"available_after", label_delay_}};
    }
    if (random_.percent(30)) {
      columns["checked"] = {{"type", "timestamp"}, {"unit", "us"}};
      columns["verdict"] = {{"type", "float64"}, {"nan", "null"}, {"available_at", "checked"}};
    }
    out["columns"] = columns;
    return out;
  }

  bool is_member(const std::string& name) {
    if (!sources_.contains("all")) return false;
    const auto& members = sources_["all"]["union"];
    return std::find(members.begin(), members.end(), name) != members.end();
  }

  /// A source of the same entities that says most things as `events` does, and some otherwise.
  Json alike() {
    Json out = sources_["events"], columns = out["columns"];
    if (random_.percent(50)) out["event_time"]["column"] = "at";
    if (random_.percent(50)) out.erase("keys");
    if (random_.percent(40)) {
      out.erase("available_time");
      out["delay"] = random_.pick<std::string>({"0s", "1us", "1h"});
    } else if (out.contains("available_time") && random_.percent(50)) {
      out["available_time"]["column"] = "came";
    }
    if (random_.percent(40)) out.erase("sequence");
    else if (random_.percent(50)) out["sequence"] = "turn";
    if (random_.percent(60)) {             // the key: none, or another by name and type
      columns.erase("event_id");
      out.erase("dedup");
      if (random_.percent(70)) {
        out["dedup"] = "number";
        columns["number"] = {{"type", random_.pick<std::string>({"string", "int64"})}};
      }
    }
    std::vector<std::string> names;
    for (const auto& [name, column] : columns.items())
      if (name != "event_id" && name != "number" && name != "checked" && name != "verdict") names.push_back(name);
    if (names.size() > 1 && random_.percent(40)) columns.erase(random_.pick(names));
    out["columns"] = columns;
    return out;
  }

  /// `all`, of `events` and one or two sources like it; `seen_as_` keeps what it has of theirs.
  void unite() {
    std::vector<std::string> members{"events", "more"};
    if (random_.percent(30)) members.push_back("rest");
    for (const std::string& name : members)
      if (name != "events") sources_[name] = alike();
    random_.shuffle(members);
    seen_as_ = {{"entities", sources_["events"]["entities"]}, {"columns", Json::object()}};
    for (const auto& column : sources_["events"]["columns"].items())   // Clang 14 captures no structured binding
      if (std::all_of(members.begin(), members.end(), [&](const std::string& m) { return sources_[m]["columns"].value(column.key(), Json()) == column.value(); }))
        seen_as_["columns"][column.key()] = column.value();
    if (!seen_as_["columns"].empty()) sources_["all"] = {{"union", members}};
  }

  Json aggregate() {
    std::vector<std::string> names;
    for (const auto& [name, source] : sources_.items()) names.push_back(name);
    const std::string from = random_.pick(names);
    Json out = {{"from", from}};
    const Json& source = from == "all" ? seen_as_ : sources_[from];
    const auto entities = entities_of(source);
    if (entities.size() > 1) out["by"] = random_.pick(entities);
    AggregateMaker maker(random_, source["columns"], request_, label_delay_, windows_, offsets_);
    maker.fill(out, from == "events" || from == "all");
    if (maker.type() == "float64" || maker.type() == "int64") numbers_.push_back("a" + std::to_string(aggregates_));
    ++aggregates_;
    return out;
  }

  Random& random_;
  int least_, most_;
  Json entities_ = Json::object(), sources_ = Json::object(), request_ = Json::object(), seen_as_;
  std::vector<std::string> windows_, offsets_, numbers_;
  std::string label_delay_;
  int aggregates_ = 0;
};

/// Values of one contract, from pools as small as collisions need.
class ValueMaker {
 public:
  ValueMaker(Random& random, const Contract& contract) : random_(random) {
    static const std::vector<std::vector<double>> flavours{
        {0.1, 0.2, 0.3, 12.34, -12.34, 99.99}, {1e308, -1e308, 1.7976931348623157e308, -1e292}, {5e-324, -5e-324, 0.0, 2.2250738585072014e-308},
        {0x1p53, 0x1p53 + 2, 0x1p53 - 1, 1.0, -1.0, 0.5}, {1e16, -1e16, 1.0, 1e-16, -1.0}, {0.0, -0.0, 1.0, 3.0}};
    reals_ = random_.pick(flavours);
    if (random_.percent(30)) { const auto& more = random_.pick(flavours); reals_.insert(reals_.end(), more.begin(), more.end()); }

    for (const Duration d : {Duration{0}, Duration{1}, hour, hour + 1, day, 3 * day, 30 * day})
      if (as_of.size() < 2 || random_.percent(60)) as_of.push_back(monday + d);
    std::vector<Duration> back{0, 1};                       // the edges of windows,
    std::vector<std::pair<Duration, Duration>> windows;     // and the windows, (offset, width): rows stand inside too
    for (const Feature& f : contract.features()) {
      if (f.kind != FeatureKind::aggregate) continue;
      const Aggregate& a = f.aggregate;
      back.push_back(a.offset);
      if (a.window) back.push_back(a.offset + *a.window);
      windows.emplace_back(a.offset, a.gap ? 2 * *a.gap : a.window.value_or(2 * day));
      if (a.gap) for (int i = 1; i <= 3; ++i) back.push_back(a.offset + i * *a.gap);
      if (a.bucket) {
        const Duration into = ((as_of[0] - a.offset - a.origin) % *a.window + *a.window) % *a.window;
        back.push_back(a.offset + into);
        back.push_back(a.offset + into + *a.window);
      }
    }
    for (const Source& s : contract.sources())
      if (s.retention) back.push_back(*s.retention);
    for (int i = 0, n = 4 + random_.below(12); i < n; ++i)
      event_time.push_back(random_.pick(as_of) - inside_or_edge(windows, back) + random_.below(3) - 1);
  }

  std::vector<Instant> as_of, event_time;

  Value key(Type type) {
    if (random_.percent(4)) return null_value;
    static const std::vector<std::string> texts{"c1", "1"};
    if (type == Type::string || type == Type::category) return random_.pick(texts);
    return std::int64_t{random_.below(2)};
  }

  Value payload(const Field& field) {
    if (random_.percent(15)) return null_value;
    static const std::vector<std::int64_t> integers{0, 1, -1, 2, 7, (std::int64_t{1} << 53) + 1, std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::max(),
                                                    std::numeric_limits<std::int64_t>::min()};
    static const std::vector<std::int64_t> units{0, 1, -1, 10, 1234, 1999, std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()};
    static const std::vector<std::string> texts{"", "a", "b", "A", "\xc3\xa9", "\xe6\x97\xa5"};
    switch (field.type) {
      case Type::boolean: return std::int64_t{random_.below(2)};
      case Type::int64: return random_.pick(integers);
      case Type::decimal: return random_.pick(units);
      case Type::float64: return random_.percent(3) ? std::numeric_limits<double>::quiet_NaN() : random_.pick(reals_);
      case Type::timestamp: return random_.pick(event_time);
      default: return random_.pick(texts);
    }
  }

  Value dedup(const Field& field) {
    if (random_.percent(10)) return null_value;
    const int k = random_.below(6);
    if (field.type == Type::string) return "e" + std::to_string(k);
    return std::int64_t{k};
  }

  Value sequence() { return random_.percent(20) ? null_value : Value(std::int64_t{1 + random_.below(3)}); }

  Instant arrival(Instant happened) {
    const int how = random_.below(100);
    if (how < 45) return happened;
    if (how < 60) return happened + random_.pick<Duration>({1, hour, day});
    return random_.pick(as_of) + random_.below(3) - 1;
  }

  Values row(const Contract& contract, const Source& source) {
    Values out(source.fields.size());
    for (std::size_t f = 0; f < out.size(); ++f) {
      const Field& field = source.fields[f];
      const int at = static_cast<int>(f);
      bool is_key = false, is_sequence = false;
      for (const SourceEntity& link : source.entities) {
        for (std::size_t k = 0; k < link.key_fields.size(); ++k)
          if (link.key_fields[k] == at) {
            is_key = true;
            out[f] = key(contract.entities()[static_cast<std::size_t>(link.entity)].types[k]);
          }
        is_sequence = is_sequence || link.sequence_field == at;
      }
      if (is_key) continue;
      if (is_sequence) out[f] = sequence();
      else if (at == source.dedup_field) out[f] = dedup(field);
      else if (at == source.event_time_field) out[f] = random_.pick(event_time);
      else if (at != source.available_time_field) out[f] = payload(field);
    }
    if (source.available_time_field >= 0)
      out[static_cast<std::size_t>(source.available_time_field)] = arrival(std::get<std::int64_t>(out[static_cast<std::size_t>(source.event_time_field)]));
    return out;
  }

  /// A row that may be one of `before` again with a few other values: a copy, or one that nearly ties.
  Values next_row(const Contract& contract, const Source& source, const std::vector<Values>& before) {
    Values fresh = row(contract, source);
    if (!before.empty() && random_.percent(35)) {
      Values again = random_.pick(before);
      for (int i = 0, k = 1 + random_.below(3); i < k; ++i) {
        const auto f = static_cast<std::size_t>(random_.below(static_cast<int>(fresh.size())));
        if (static_cast<int>(f) == source.dedup_field || (static_cast<int>(f) == source.event_time_field && random_.percent(80))) continue;
        again[f] = fresh[f];
      }
      fresh = again;
    }
    if (random_.percent(3)) fresh[static_cast<std::size_t>(source.event_time_field)] = random_.percent(50) ? null_value : Value(std::int64_t{5});
    return fresh;
  }

  std::vector<Values> rows(const Contract& contract, const Source& source) {
    std::vector<Values> out;
    const int n = random_.percent(5) ? 0 : 1 + random_.below(40);
    while (static_cast<int>(out.size()) < n) out.push_back(next_row(contract, source, out));
    return out;
  }

  /// A label by key: the key, some gated cells with their clocks, perhaps the row's event_time and when the label came.
  Values label(const Source& source, const std::vector<Values>& rows) {
    Values out(source.fields.size());
    const auto key_field = static_cast<std::size_t>(source.dedup_field);
    out[key_field] = dedup(source.fields[key_field]);
    if (!rows.empty() && random_.percent(70)) {
      const Values& row = random_.pick(rows);
      out[key_field] = row[key_field];
      if (random_.percent(30)) out[static_cast<std::size_t>(source.event_time_field)] = row[static_cast<std::size_t>(source.event_time_field)];
    }
    for (std::size_t f = 0; f < out.size(); ++f) {
      if (!source.fields[f].gated() || random_.percent(30)) continue;
      out[f] = payload(source.fields[f]);
      if (const auto* x = std::get_if<double>(&out[f]); x && *x != *x) out[f] = 1.0;
      if (!source.fields[f].available_at.empty() && random_.percent(90))
        out[static_cast<std::size_t>(source.find_field(source.fields[f].available_at))] = random_.pick(as_of) + random_.below(3) - 1;
    }
    if (source.available_time_field >= 0 && random_.percent(60)) out[static_cast<std::size_t>(source.available_time_field)] = random_.pick(as_of) + random_.below(3) - 1;
    return out;
  }

  /// A version of a key, mostly of one that has a row: few instants and numbers, so that some tie.
  Amendment amendment(const Contract& contract, const Source& source, const std::vector<Values>& rows) {
    Amendment out{Correction::replace, row(contract, source), null_value, random_.below(3)};
    const auto key_field = static_cast<std::size_t>(source.dedup_field), clock = static_cast<std::size_t>(source.event_time_field);
    if (!rows.empty() && random_.percent(85)) {
      const Values fresh = out.row;
      out.row = random_.pick(rows);
      for (int i = 0, k = random_.below(4); i < k; ++i) {
        const auto f = static_cast<std::size_t>(random_.below(static_cast<int>(fresh.size())));
        if (f != key_field) out.row[f] = fresh[f];
      }
      if (random_.percent(30)) out.row[clock] = random_.pick(event_time);
    }
    if (random_.percent(40)) {
      out.correction = Correction::retract;
      Values alone(out.row.size());
      alone[key_field] = out.row[key_field];
      out.row = alone;
    }
    const Value known = random_.pick(as_of) + random_.below(3) - 1 - (random_.percent(20) ? hour : 0);
    if (source.available_time_field >= 0) out.row[static_cast<std::size_t>(source.available_time_field)] = known;
    else out.known_at = known;
    return out;
  }

  /// One source of which rows may be missing.
  std::map<std::string, Instant> complete_from(const std::vector<Source>& sources) {
    const Source& source = random_.pick(sources);
    if (source.is_union()) return {};
    return {{source.name, random_.pick(event_time) + random_.below(2)}};
  }

  Ask ask(const Contract& contract, const std::vector<std::vector<Values>>& rows) {
    Ask out{random_.pick(as_of), Values(contract.request().size())};
    const auto field_at = [&](std::string_view name) { return static_cast<std::size_t>(contract.find_request(name)); };
    for (std::size_t f = 0; f < out.request.size(); ++f) out.request[f] = payload(contract.request()[f]);
    for (const Entity& entity : contract.entities())
      for (std::size_t k = 0; k < entity.key.size(); ++k) out.request[field_at(entity.key[k])] = key(entity.types[k]);
    if (contract.request_of() >= 0) {
      const auto s = static_cast<std::size_t>(contract.request_of());
      const Source& source = contract.sources()[s];
      const auto dedup_field = static_cast<std::size_t>(source.dedup_field);
      const std::size_t key_at = field_at(source.fields[dedup_field].name);
      out.request[key_at] = dedup(source.fields[dedup_field]);
      for (const SourceEntity& link : source.entities)
        if (link.sequence_field >= 0) out.request[field_at(source.fields[static_cast<std::size_t>(link.sequence_field)].name)] = sequence();
      if (!rows[s].empty() && random_.percent(50)) {   // decided when it happened, as a service does
        const Values& row = random_.pick(rows[s]);
        out.request[key_at] = row[dedup_field];
        if (const auto* happened = std::get_if<std::int64_t>(&row[static_cast<std::size_t>(source.event_time_field)]); happened && *happened > earliest_instant)
          out.as_of = *happened;
      }
    }
    if (random_.percent(2)) out.as_of = random_.percent(50) ? std::nullopt : std::optional<Instant>(5);
    return out;
  }

 private:
  Duration inside_or_edge(const std::vector<std::pair<Duration, Duration>>& windows, const std::vector<Duration>& edges) {
    if (windows.empty() || random_.percent(40)) return random_.pick(edges);
    const auto& [offset, width] = random_.pick(windows);
    return offset + width * (1 + random_.below(7)) / 8;
  }

  Random& random_;
  std::vector<double> reals_;
};

}  // namespace detail

/// A contract without rows and decisions, with `least` to `most` features that aggregate.
/// Throws what the contract loader says should the generator write a contract that does not hold.
inline Case make_contract(Random& random, std::uint64_t seed, int least, int most) {
  const std::string text = detail::ContractMaker(random, least, most).make().dump(1);
  auto parsed = Contract::parse(text, {}, "seed " + std::to_string(seed));
  if (!parsed) throw std::runtime_error(std::string(parsed.error().what()) + "\n" + text);
  const std::size_t sources = parsed.value().sources().size();
  return {seed, text, parsed.value(), std::vector<std::vector<Values>>(sources), std::vector<std::vector<Values>>(sources), std::vector<std::vector<Amendment>>(sources), {}, {}, {}};
}

/// Whether labels may come by key.
inline bool takes_labels(const Source& source) {
  return source.dedup_field >= 0 && std::any_of(source.fields.begin(), source.fields.end(), [](const Field& f) { return f.gated(); });
}

/// The same case for the same seed, on every machine.
inline Case make_case(std::uint64_t seed) {
  Random random(seed);
  Case out = make_contract(random, seed, 5, 8);
  detail::ValueMaker values(random, out.contract);
  const auto& sources = out.contract.sources();
  for (std::size_t s = 0; s < sources.size(); ++s) {
    if (sources[s].is_union()) continue;
    out.rows[s] = values.rows(out.contract, sources[s]);
    for (int i = 0, n = takes_labels(sources[s]) ? random.below(5) : 0; i < n; ++i) out.labels[s].push_back(values.label(sources[s], out.rows[s]));
    for (int i = 0, n = sources[s].dedup_field >= 0 && seed % 3 == 0 ? random.below(8) : 0; i < n; ++i)
      out.amendments[s].push_back(values.amendment(out.contract, sources[s], out.rows[s]));
  }
  for (int i = 0, n = random.percent(3) ? 0 : 3 + random.below(8); i < n; ++i) out.decisions.push_back(values.ask(out.contract, out.rows));
  if (random.percent(20)) out.complete_from = values.complete_from(sources);
  out.instants = values.as_of;
  return out;
}

/// The column a producer would send for a field.
inline TestColumn column_of(const Field& field, std::string name, Values values) {
  const bool text_key = field.any_key && std::any_of(values.begin(), values.end(), [](const Value& v) { return std::holds_alternative<std::string>(v); });
  const char* format = "l";
  if (field.any_key) {
    format = text_key ? "U" : "l";
  } else {
    switch (field.type) {
      case Type::boolean: format = "b"; break;
      case Type::float64: format = "g"; break;
      case Type::string: case Type::category: format = "U"; break;
      case Type::decimal:
        format = "U";
        for (Value& v : values)
          if (const auto* units = std::get_if<std::int64_t>(&v)) v = decimal_text(*units, field.scale);
        break;
      case Type::timestamp: format = field.time_unit ? "l" : "tsu:UTC"; break;
      case Type::int64: break;
    }
  }
  return {std::move(name), format, std::move(values)};
}

inline Table source_table(const Source& source, const std::vector<Values>& rows, std::size_t rows_per_batch = 0, const std::vector<Amendment>& amendments = {}) {
  std::vector<TestColumn> columns;
  for (std::size_t f = 0; f < source.fields.size(); ++f) {
    Values values;
    for (const Amendment& a : amendments) values.push_back(a.row[f]);
    for (const Values& row : rows) values.push_back(row[f]);
    columns.push_back(column_of(source.fields[f], source.fields[f].name, std::move(values)));
  }
  if (!amendments.empty()) {
    const std::size_t all = amendments.size() + rows.size();
    Values known(all), words(all), versions(all);
    for (std::size_t i = 0; i < amendments.size(); ++i) {
      known[i] = amendments[i].known_at;
      words[i] = std::string(to_string(amendments[i].correction));
      versions[i] = amendments[i].version;
    }
    for (std::size_t i = amendments.size(); i < all; i += 2) words[i] = std::string();   // null and "" both mean the row itself
    columns.push_back({std::string(known_at_column), "tsu:UTC", known});
    columns.push_back({std::string(correction_column), "U", words});
    columns.push_back({std::string(version_column), "l", versions});
  }
  return make_table(source.name, columns, rows_per_batch);
}

inline Table decision_table(const Contract& contract, const std::vector<Ask>& asks, std::size_t rows_per_batch = 0) {
  std::vector<TestColumn> columns;
  for (std::size_t f = 0; f < contract.request().size(); ++f) {
    Values values;
    for (const Ask& ask : asks) values.push_back(ask.request[f]);
    columns.push_back(column_of(contract.request()[f], contract.request()[f].name, std::move(values)));
  }
  Values as_of;
  for (const Ask& ask : asks) as_of.push_back(ask.as_of ? Value(*ask.as_of) : null_value);
  columns.push_back({"as_of", "l", std::move(as_of)});
  return make_table("decisions", columns, rows_per_batch);
}

inline Cell cell_of(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return Cell::of(*integer);
  if (const auto* real = std::get_if<double>(&value)) return Cell::of(*real);
  if (const auto* text = std::get_if<std::string>(&value)) return Cell::of(std::string_view(*text));
  return Cell::null();
}

/// FEATLIB_SEED, or 0.
inline std::uint64_t first_seed() {
  const char* text = std::getenv("FEATLIB_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 0;
}

/// FEATLIB_TRIPLES, or `otherwise`, less under a sanitizer.
inline std::uint64_t triples(std::uint64_t otherwise) {
  const char* text = std::getenv("FEATLIB_TRIPLES");
  if (text) return std::strtoull(text, nullptr, 10);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return otherwise / 8;
#else
  return otherwise;
#endif
}

}  // namespace featlib::testing
