#include "reader.hpp"

#include "names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace featlib::contract {
namespace {

bool is_identifier(std::string_view name) {
  if (name.empty() || name.size() > 200) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (i > 0 && c >= '0' && c <= '9'))) return false;
  }
  return true;
}

}  // namespace

bool is_reserved(std::string_view name) {
  return name == "as_of" || name == "request" || name == "known_at" || name.ends_with("__status") || name.ends_with("__known_at");
}

constexpr std::size_t most_failures = 100;

void Reader::fail(ErrorCode code, Place place, std::string message, std::string help) {
  if (help.empty() && code == ErrorCode::bad_expression) help = "e.g. amount > 100 and country in ('DE', 'FR')";
  if (failures_.size() == most_failures) ++unlisted_;  // a hostile file has one a byte
  else failures_.push_back({code, name_, place.line, place.column, std::move(message), std::move(help)});
}

Error Reader::failed() {
  std::stable_sort(failures_.begin(), failures_.end(), [](const Failure& a, const Failure& b) { return std::pair(a.line, a.column) < std::pair(b.line, b.column); });
  if (unlisted_ > 0) {
    Failure last = failures_.back();
    last.message = fmt::format("and {} more mistakes from here on", unlisted_);
    last.help = "mend the ones above first";
    failures_.push_back(std::move(last));
  }
  return Error(std::move(failures_));
}

bool Reader::open(const Node& node, In in, std::string_view what) {
  const std::string where = what.empty() ? std::string(to_string(in)) : std::string(what);
  if (node.kind != Node::Kind::map) {
    fail(ErrorCode::wrong_type, node.place, fmt::format("{} is no map of keys", where), "key: value, one a line");
    return false;
  }
  bool ok = true;
  for (const auto& [key, value] : node.members) {
    if (find_key(in, key.text)) continue;
    std::vector<std::string_view> names;
    for (const Key& known : keys())
      if (known.in == in) names.push_back(known.name);
    fail(ErrorCode::unknown_key, key.place, fmt::format("{} has no key `{}`", where, key.text), did_you_mean(key.text, names));
  }
  for (const Key& known : keys())
    if (known.in == in && known.required && !node.find(known.name)) {
      fail(ErrorCode::missing_key, node.place, fmt::format("{} lacks `{}`", where, known.name), example(known.name));
      ok = false;
    }
  return ok;
}

bool Reader::is_scalar(const Node& node, std::string_view key, std::string_view expected) {
  if (node.kind == Node::Kind::scalar) return true;
  fail(ErrorCode::wrong_type, node.place, fmt::format("`{}` is {}; expected {}", key, node.kind == Node::Kind::null ? "empty" : "a collection", expected), example(key));
  return false;
}

std::optional<std::string> Reader::text(const Node& map, std::string_view key) {
  const Node* node = map.find(key);
  if (!node || !is_scalar(*node, key, "text")) return std::nullopt;
  return node->text;
}

std::optional<bool> Reader::boolean(const Node& map, std::string_view key) {
  const Node* node = map.find(key);
  if (!node || !is_scalar(*node, key, "true or false")) return std::nullopt;
  if (!node->quoted && (node->text == "true" || node->text == "false")) return node->text == "true";
  fail(ErrorCode::wrong_type, node->place, fmt::format("`{}` is \"{}\"; expected true or false", key, node->text), "true or false, without quotes");
  return std::nullopt;
}

std::optional<double> Reader::to_number(const Node& node) {
  if (node.kind != Node::Kind::scalar || node.quoted) return std::nullopt;
  double out = 0;
  const char* begin = node.text.data() + (node.text.starts_with('+') ? 1 : 0);
  const char* end = node.text.data() + node.text.size();
  const auto [at, error] = std::from_chars(begin, end, out);
  if (error != std::errc() || at != end || !std::isfinite(out)) return std::nullopt;
  return out + 0.0;
}

std::optional<double> Reader::number(const Node& node, std::string_view key) {
  if (const auto out = to_number(node)) return out;
  if (is_scalar(node, key, "a number")) fail(ErrorCode::wrong_type, node.place, fmt::format("`{}` is \"{}\"; expected a number", key, node.text), "a finite number, without quotes");
  return std::nullopt;
}

std::optional<std::int64_t> Reader::integer(const Node& map, std::string_view key, std::int64_t least, std::int64_t most) {
  const Node* node = map.find(key);
  if (!node || !is_scalar(*node, key, "a whole number")) return std::nullopt;
  std::int64_t out = 0;
  const char* end = node->text.data() + node->text.size();
  const auto [at, error] = std::from_chars(node->text.data(), end, out);
  if (node->quoted || error != std::errc() || at != end) {
    fail(ErrorCode::wrong_type, node->place, fmt::format("`{}` is \"{}\"; expected a whole number", key, node->text), "digits, without quotes");
    return std::nullopt;
  }
  if (out < least || out > most) {
    fail(ErrorCode::bad_value, node->place, fmt::format("`{}` is {}; expected {} to {}", key, out, least, most), example(key));
    return std::nullopt;
  }
  return out;
}

std::optional<Duration> Reader::duration(const Node& map, std::string_view key) {
  const Node* node = map.find(key);
  if (!node || !is_scalar(*node, key, "a duration")) return std::nullopt;
  const auto out = parse_duration(node->text);
  if (out && *out <= most_duration) return out;
  if (out) fail(ErrorCode::bad_value, node->place, fmt::format("`{}` is {}; expected at most {}", key, node->text, format_duration(most_duration)), example(key));
  else fail(ErrorCode::bad_duration, node->place, fmt::format("`{}` is \"{}\"; expected a number with us, ms, s, m, h or d", key, node->text), "e.g. 7d");
  return std::nullopt;
}

std::vector<std::string> Reader::texts(const Node& node, std::string_view key) {
  std::vector<std::string> out;
  const std::vector<Node> one{node};
  for (const Node& item : node.kind == Node::Kind::sequence ? node.items : one)
    if (is_scalar(item, key, "text")) out.push_back(item.text);
  return out;
}

Place Reader::place(const Node& map, std::string_view key) {
  const Node* node = map.find(key);
  return node ? node->place : map.place;
}

Place Reader::within(const Node& scalar, std::size_t offset) { return {scalar.place.line, scalar.place.column + static_cast<int>(offset) + scalar.quoted}; }

bool Reader::named(const Node& key, std::string_view what) {
  if (!is_identifier(key.text)) fail(ErrorCode::bad_name, key.place, fmt::format("`{}` is no name of {}: letters, digits and _ only", key.text, what), "at most 200 of them, no digit first");
  else if (is_reserved(key.text)) fail(ErrorCode::bad_name, key.place, fmt::format("`{}` is a name of featlib's own", key.text), "choose another");
  else return true;
  return false;
}

std::string Reader::zone(const Node& map, std::string_view key, const std::string& otherwise) {
  const auto given = text(map, key);
  if (!given) return otherwise;
  if (TimeZone::find(*given)) return *given;
  fail(ErrorCode::bad_value, place(map, key), fmt::format("`{}` is \"{}\", no zone of the time-zone database", key, *given), "e.g. Europe/Berlin");
  return otherwise;   // a zone that exists: expressions are bound all the same, to find their mistakes too
}

}  // namespace featlib::contract
