/// Random aggregate features: every aggregate over columns that suit it, in windows of every kind.
#pragma once

#include "support/random.hpp"

#include <featlib/core/time.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace featlib::testing {

using Json = nlohmann::ordered_json;

class AggregateMaker {
 public:
  /// `columns` of the source, and the request's fields.
  AggregateMaker(Random& random, const Json& columns, const Json& request, const std::string& label_delay, const std::vector<std::string>& windows,
                 const std::vector<std::string>& offsets)
      : random_(random), columns_(columns), request_(request), label_delay_(label_delay), windows_(windows), offsets_(offsets) {}

  static bool gated(const Json& column) { return column.contains("available_after") || column.contains("available_at"); }

  /// How far back a feature looks.
  static Duration reach(const Json& feature) {
    const auto of = [&](const char* key) { return *parse_duration(feature.value(key, "0s")); };
    Duration out = of("window") + of("offset") + of("max_length") + of("gap") + of("max_age");
    if (feature.value("bucket", "") == "complete") out += of("window");
    const std::string call = feature["aggregate"];
    const bool windowless = out == of("offset") && !feature.contains("lifetime");
    if (call.starts_with("decay") && windowless) out += 64 * *parse_duration(half_life(call));
    return out;
  }

  /// Puts the aggregate and its window into a feature. `includable`: the request has the source's columns.
  void fill(Json& out, bool includable) {
    call(out);
    if (random_.percent(30)) out["where"] = condition();
    bool labels = false, any_gate = false;
    for (const std::string& c : read_) {
      labels = labels || columns_[c].contains("available_after");
      any_gate = any_gate || gated(columns_[c]);
    }
    const bool reads_key = std::find(read_.begin(), read_.end(), "event_id") != read_.end();
    const bool includes = includable && !any_gate && !reads_key && random_.percent(25);
    std::string offset = includes ? "0s" : random_.pick(offsets_);
    if (labels && *parse_duration(offset) < *parse_duration(label_delay_)) offset = random_.percent(60) ? label_delay_ : "2d";
    if (offset != "0s") out["offset"] = offset;
    window(out, includes);
    if (random_.percent(40)) out["min_rows"] = 1 + random_.below(3);
    if (type_ == "string" && random_.percent(25)) {
      out["type"] = type_ = "category";
      out["vocabulary"] = {"b", "a", "[\"a\"]", "[\"b\"]", "[1]"};
    }
    if (random_.percent(30)) {
      if (type_ == "int64") out["fallback"] = -7;
      else if (type_ == "float64") out["fallback"] = 0.5;
      else if (type_ == "string") out["fallback"] = "none";
      else if (type_ == "bool") out["fallback"] = true;
    }
  }

  /// Of the feature that was filled.
  const std::string& type() const { return type_; }

 private:
  static std::string half_life(const std::string& call) {
    const auto from = call.rfind(", ") + 2;
    return call.substr(from, call.size() - 1 - from);
  }

  void call(Json& out) {
    static const std::vector<std::string> of_rows{"count", "time_since_last", "time_since_first", "mean_gap"},
        of_numbers{"sum", "mean", "std", "var", "skew", "skew", "kurtosis", "kurtosis", "trend", "trend", "decay_sum", "decay_mean", "quantile", "median", "range"},
        of_any{"min", "max", "first", "last", "lag", "as_of", "last_k", "count_distinct", "mode", "top_k", "entropy", "share", "seen_before"};
    const int group = random_.below(100);
    if (group < 12) return call_of_rows(out, random_.pick(of_rows));
    if (group < 18) {
      out["aggregate"] = "count_if(" + condition() + ")";
      type_ = "int64";
      return;
    }
    const bool numeric = group < 60;
    const std::string kind = random_.pick(numeric ? of_numbers : of_any);
    const bool strict = kind == "quantile" || kind == "median" || kind == "range";
    std::vector<std::string> candidates;
    for (const auto& [name, column] : columns_.items()) {
      const std::string t = column["type"];
      if (numeric && (t == "string" || t == "timestamp" || (strict && t == "bool"))) continue;
      candidates.push_back(name);
      if (gated(column)) candidates.insert(candidates.end(), 2, name);   // labels are the hard part
    }
    if (candidates.empty()) return call_of_rows(out, "count");
    call_of_column(out, kind, random_.pick(candidates), numeric);
  }

  void call_of_rows(Json& out, const std::string& kind) {
    out["aggregate"] = kind + "(" + (kind == "count" ? "" : unit()) + ")";
    type_ = kind == "count" ? "int64" : "float64";
  }

  void call_of_column(Json& out, const std::string& kind, const std::string& column, bool numeric) {
    const std::string t = columns_[column]["type"];
    read_.push_back(column);
    std::string argument = column, rest;
    bool bare = true;
    static const std::map<std::string, std::vector<std::string>> expressions{{"float64", {"abs(X)", "coalesce(X, 0.5)", "1.0 / X"}}, {"int64", {"coalesce(X, 7)", "max(X, 0)"}},
                                                                              {"bool", {"not X", "X is null"}}};
    if (const auto found = expressions.find(t); found != expressions.end() && random_.percent(20)) {
      argument = random_.pick(found->second);
      argument.replace(argument.find('X'), 1, column);
      bare = false;
    }
    type_ = numeric || t == "decimal" ? "float64" : t;
    if (kind == "sum" && (t == "int64" || t == "bool")) type_ = "int64";
    std::string name = kind;
    if (kind == "lag") rest = ", " + std::to_string(random_.below(3));
    if (kind == "last_k" || kind == "top_k") rest = ", " + random_.pick<std::string>({"1", "2", "3", "1000"}), type_ = "string";
    if (kind == "count_distinct") type_ = "int64";
    if (kind == "entropy") type_ = "float64";
    if (kind == "quantile") {
      rest = ", " + random_.pick<std::string>({"0", "1", "0.5", "0.25", "0.3", "0.1", "0.999999999"});
      if (random_.percent(60)) rest += ", " + random_.pick<std::string>({"linear", "lower", "higher", "nearest", "midpoint"});
    }
    if (kind == "trend" && random_.percent(60)) rest = ", " + unit();
    if (kind.starts_with("decay")) rest = ", " + random_.pick<std::string>({"1h", "1d", "90m", "5s"});
    if (kind == "share" || kind == "seen_before") {
      const bool known = bare && request_.contains(column);
      const std::string value = literal(t);
      const bool seen = known && (kind == "seen_before" || random_.percent(50) || value.empty());
      name = !seen && value.empty() ? "entropy" : seen ? kind : "share";
      if (name == "share" && !seen) rest = ", " + value;
      type_ = name == "seen_before" ? "bool" : "float64";
    }
    out["aggregate"] = name + "(" + argument + rest + ")";
    if ((kind == "std" || kind == "var" || kind == "skew" || kind == "kurtosis") && random_.percent(50)) out["ddof"] = random_.below(2);
    if ((kind == "first" || kind == "last" || kind == "lag" || kind == "last_k") && random_.percent(35)) out["nulls"] = "keep";
  }

  void window(Json& out, bool includes) {
    const std::string call = out["aggregate"];
    const bool decays = call.starts_with("decay");
    std::vector<std::string> bounds{"[)", "(]", "[]", "()"};
    const int kind = random_.below(100);
    if (kind < 45) {
      out["window"] = random_.pick(windows_);
      if (random_.percent(20)) out["last"] = 1 + random_.below(5);
    } else if (kind < 57) {
      out["last"] = 1 + random_.below(6);
    } else if (kind < 66) {
      out["lifetime"] = true;
    } else if (kind < 82) {
      const bool complete = !includes && random_.percent(50);
      out["bucket"] = complete ? "complete" : "current";
      out["window"] = random_.pick(windows_);
      if (random_.percent(50)) out["origin"] = random_.pick<std::string>({"2020-09-14T00:00:00Z", "2020-09-13T23:30:00.000001Z", "1999-12-31T23:59:59.999999Z", "2050-01-01T00:00:00Z"});
      bounds = complete ? std::vector<std::string>{"[)"} : std::vector<std::string>{"[)", "[]"};
      if (random_.percent(20)) out["last"] = 1 + random_.below(3);
    } else if (kind < 97) {
      out["gap"] = random_.pick<std::string>({"1us", "1h", "1d"});
      out["max_length"] = random_.pick<std::string>({windows_[0], windows_[1], "3d"});
      if (random_.percent(15)) out["last"] = 1 + random_.below(3);
    } else if (call.starts_with("as_of") || call.starts_with("last(")) {
      out["max_age"] = random_.pick(windows_);
    } else {
      out["window"] = "3d";
    }
    // At most 1000 half-lives: the longest reach here is 3d + 3d + 2d, that of lifetime the longest retention.
    if (decays && half_life(call) == "5s" && reach(out) > 1000 * *parse_duration("5s")) out["aggregate"] = call.substr(0, call.rfind(", ")) + ", 1h)";
    if (decays && out.contains("lifetime")) out["aggregate"] = call.substr(0, call.rfind(", ")) + ", 1d)";
    if (includes) {
      out["include_request"] = true;
      std::erase_if(bounds, [](const std::string& b) { return b.back() == ')'; });
      out["bounds"] = random_.pick(bounds);
    } else if (random_.percent(75)) {
      out["bounds"] = random_.pick(bounds);
    }
  }

  std::string unit() { return random_.pick<std::string>({"us", "seconds", "minutes", "hours", "days"}); }

  /// A value as the contract spells it; nothing where none may be written.
  std::string literal(const std::string& type) {
    static const std::map<std::string, std::vector<std::string>> literals{{"float64", {"0.0", "0.1", "1e308"}}, {"int64", {"0", "7", "9007199254740993"}},
                                                                          {"decimal", {"0", "0.01", "12.34"}}, {"string", {"''", "'a'", "'\xc3\xa9'", "'nobody'"}}, {"bool", {"true", "false"}}};
    const auto found = literals.find(type);
    return found == literals.end() ? "" : random_.pick(found->second);
  }

  std::string condition() {
    const std::string first = comparison();
    return random_.percent(25) ? first + random_.pick<std::string>({" and ", " or "}) + comparison() : first;
  }

  std::string comparison() {
    std::vector<std::string> names;
    for (const auto& [name, column] : columns_.items()) names.push_back(name);
    const std::string c = random_.pick(names);
    read_.push_back(c);
    const std::string type = columns_[c]["type"];
    if (type == "bool" && random_.percent(70)) return c;
    const std::string value = literal(type);
    if (value.empty() || type == "bool" || random_.percent(20)) return c + (random_.percent(50) ? " is null" : " is not null");
    return c + " " + random_.pick<std::string>({"=", "!=", "<", "<=", ">", ">="}) + " " + value;
  }

  Random& random_;
  const Json& columns_;
  const Json& request_;
  const std::string& label_delay_;
  const std::vector<std::string>&windows_, &offsets_;
  std::vector<std::string> read_;
  std::string type_ = "float64";
};

}  // namespace featlib::testing
