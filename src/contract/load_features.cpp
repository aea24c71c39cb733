#include "loader.hpp"

#include "names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>

namespace featlib::contract {
namespace {

constexpr std::size_t most_vocabulary = 1'000'000;
constexpr std::uintmax_t most_vocabulary_bytes = 64 << 20;

}  // namespace

void Loader::feature(const Node& key, const Node& node) {
  if (!named(key, "a feature")) return;
  const std::string what = fmt::format("feature `{}`", key.text);
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
  out.model_missing = default_model_missing_;
  if (const Node* n = node.find("model_missing")) out.model_missing = number(*n, "model_missing");

  const auto from = text(node, "from");
  const bool aggregates = node.find("aggregate") != nullptr, expression = node.find("expr") != nullptr;
  if (expression + aggregates + (from && from->starts_with("request.")) != 1) {
    fail(ErrorCode::conflicting_keys, key.place, fmt::format("{} needs exactly one of `aggregate` (with `from`), `from: request.field` and `expr`", what), "what a feature comes from is one thing");
    return;
  }
  std::optional<Type> natural;
  if (aggregates) natural = aggregate(node, out, what);
  else if (expression) natural = parse_expression(node, out);
  else natural = from_request(node, out, *from);
  if (!aggregates) {
    if (expression && from) fail(ErrorCode::conflicting_keys, place(node, "from"), "`from` belongs to aggregates", "leave it out: an `expr` names what it reads");
    for (const std::string_view only : {"by", "where", "window", "offset", "bounds", "last", "lifetime", "bucket", "origin", "gap", "max_length", "max_age", "include_request", "nulls", "ddof", "min_rows"})
      if (node.find(only)) fail(ErrorCode::conflicting_keys, place(node, only), fmt::format("`{}` belongs to aggregates", only), "leave it out, or give `aggregate`");
  }
  vocabulary(node, out);
  pending_.push_back({&node, natural});
  data_->checks.push_back(checks(node));
  if (const Node* range = node.find("range")) {
    if (range->kind != Node::Kind::sequence || range->items.size() != 2) {
      fail(ErrorCode::wrong_type, range->place, "`range` is [low, high]", example("range"));
    } else {
      out.range_low = range->items[0].kind == Node::Kind::null ? std::nullopt : number(range->items[0], "range");
      out.range_high = range->items[1].kind == Node::Kind::null ? std::nullopt : number(range->items[1], "range");
      if (out.range_low && out.range_high && *out.range_low > *out.range_high) fail(ErrorCode::bad_value, range->place, "`range` is [low, high], and low is above high", example("range"));
    }
  }
  data_->features.push_back(std::move(out));
}

Checks Loader::checks(const Node& node) {
  Checks out;
  const Node* given = node.find("checks");
  if (!given || !open(*given, In::checks)) return out;
  for (const auto& [name, value] : given->members)
    if (const auto limit = number(value, name.text)) {
      if (*limit < 0 || (name.text != "psi" && *limit > 1)) fail(ErrorCode::bad_value, value.place, fmt::format("`{}` is {}; expected 0 to 1", name.text, *limit), example(name.text));
      out.values.emplace_back(name.text, *limit);
    }
  return out;
}

std::optional<Type> Loader::from_request(const Node& node, Feature& out, const std::string& from) {
  out.kind = FeatureKind::request;
  const std::string name = from.substr(std::string_view("request.").size());
  out.request_field = index_of(data_->request, name);
  if (out.request_field < 0) {
    fail(ErrorCode::unknown_name, place(node, "from"), fmt::format("the request has no field `{}`", name), did_you_mean(name, data_->request));
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

void Loader::vocabulary(const Node& node, Feature& out) {
  const Node* given = node.find("vocabulary");
  if (!given) return;
  if (given->kind == Node::Kind::map) {
    const auto file = text(*given, "file");
    if (!file || given->members.size() != 1) {
      fail(ErrorCode::bad_value, given->place, "`vocabulary` is a list of values, or {file: path}", example("vocabulary"));
      return;
    }
    const std::filesystem::path path(*file);
    if (path.is_absolute() || std::any_of(path.begin(), path.end(), [](const auto& part) { return part == ".."; })) {
      fail(ErrorCode::bad_value, place(*given, "file"), fmt::format("vocabulary file \"{}\" lies outside the contract's folder", *file), "keep it beside the contract");
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
      fail(ErrorCode::bad_value, given->place, fmt::format("vocabulary value \"{}\" stands twice", value), "a value has one code: name it once");
      break;
    }
  if (out.vocabulary.size() > most_vocabulary) fail(ErrorCode::bad_value, given->place, fmt::format("a vocabulary of {} values; at most {}", out.vocabulary.size(), most_vocabulary), "group the rare values before");
}

void Loader::finish_type(const Node& node, Feature& feature, std::optional<Type> natural) {
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
  if (feature.type != Type::category && node.find("vocabulary")) fail(ErrorCode::conflicting_keys, place(node, "vocabulary"), "`vocabulary` belongs to `type: category`", "type: category, or no vocabulary");
  if (const Node* fallback = node.find("fallback")) read_fallback(*fallback, feature);
}

void Loader::read_fallback(const Node& node, Feature& feature) {
  const auto wrong = [&](std::string_view expected) {
    fail(ErrorCode::wrong_type, node.place, fmt::format("`fallback` is \"{}\"; feature `{}` is a {}: expected {}", node.text, feature.name, to_string(feature.type), expected), "a value the feature itself could have");
  };
  if (!is_scalar(node, "fallback", "one value")) return;
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

}  // namespace featlib::contract
