#include "loader.hpp"

#include "names.hpp"

#include <fmt/format.h>

#include <initializer_list>

namespace featlib::contract {
namespace {

constexpr Instant earliest_origin = -2'208'988'800 * second;   // 1900

bool is_decay(AggregateKind kind) { return kind == AggregateKind::decay_sum || kind == AggregateKind::decay_mean; }

/// What the window needs kept, as the terms of a sum.
std::vector<Duration> reach(const Aggregate& a) {
  std::vector<Duration> out;
  if (a.window) out.push_back(*a.window);
  if (a.bucket == Bucket::complete) out.push_back(*a.window);   // the bucket before the one that just began
  if (a.gap) out.push_back(*a.gap);
  if (a.offset) out.push_back(a.offset);
  return out;
}

Duration total(const std::vector<Duration>& terms) {
  Duration out = 0;
  for (const Duration term : terms) out += term;                // each at most most_duration: no overflow
  return out;
}

}  // namespace

void Loader::window(const Node& node, const Source& source, Aggregate& a, const std::string& what) {
  const std::size_t before = failures();
  a.bounds = default_bounds_;
  if (const auto given = text(node, "bounds")) a.bounds = bounds(node, *given);
  a.offset = duration(node, "offset").value_or(0);
  a.last = integer(node, "last", 1, most_rows);
  a.lifetime = boolean(node, "lifetime").value_or(false);
  exclude(node, a.lifetime ? "lifetime" : "", {"window", "bucket", "gap", "max_length", "max_age"});
  exclude(node, node.find("gap") ? "gap" : "max_length", {"window", "bucket", "max_age"});
  exclude(node, "max_age", {"window", "bucket"});
  if (node.find("bucket")) bucket(node, a, what);
  else if (node.find("origin")) fail(ErrorCode::conflicting_keys, place(node, "origin"), "`origin` belongs to `bucket`", "leave it out, or give `bucket`");
  if (node.find("gap") || node.find("max_length")) session(node, a, what);
  else if (node.find("max_age")) max_age(node, a);
  else a.window = width(node, "window");
  if (!node.find("window") && !node.find("max_length") && !node.find("gap") && !node.find("max_age") && !a.lifetime) default_window(node, a, what);
  if (failures() == before) within_retention(node, source, a, what);
}

void Loader::exclude(const Node& node, std::string_view key, std::initializer_list<std::string_view> others) {
  if (!node.find(key)) return;
  for (const std::string_view other : others)
    if (node.find(other)) fail(ErrorCode::conflicting_keys, place(node, key), fmt::format("`{}` and `{}` exclude each other", other, key), "keep one of them");
}

std::optional<Duration> Loader::width(const Node& node, std::string_view key) {
  const auto out = duration(node, key);
  if (out && *out == 0) fail(ErrorCode::bad_value, place(node, key), key == "window" ? "a window of nothing" : fmt::format("a `{}` of nothing", key), example(key));
  return out;
}

void Loader::bucket(const Node& node, Aggregate& a, const std::string& what) {
  const std::string given = text(node, "bucket").value_or("");
  a.bucket = parse_bucket(given);
  if (!a.bucket) {
    constexpr std::string_view names[] = {"current", "complete"};
    fail(ErrorCode::bad_value, place(node, "bucket"), fmt::format("`bucket` is \"{}\"; expected current or complete", given), did_you_mean(given, std::span<const std::string_view>(names)));
    return;
  }
  if (!node.find("window")) fail(ErrorCode::missing_key, node.place, fmt::format("{} lacks `window`, the width of its buckets", what), example("window"));
  if (const auto origin = text(node, "origin")) {
    const auto instant = parse_instant(*origin, nullptr, false);
    if (instant && *instant >= earliest_origin && *instant < latest_instant) a.origin = *instant;
    else fail(ErrorCode::bad_value, place(node, "origin"), fmt::format("`origin` is \"{}\"; expected an RFC 3339 instant from 1900 to 2099", *origin), example("origin"));
  }
  const bool complete = a.bucket == Bucket::complete;
  if (a.bounds == Bounds::closed_open || (a.bounds == Bounds::closed_closed && !complete)) return;
  const std::string_view expected = complete ? "\"[)\"" : "\"[)\" or \"[]\"";
  if (node.find("bounds")) fail(ErrorCode::bad_value, place(node, "bounds"), fmt::format("{} is a {} bucket with bounds \"{}\"; expected {}", what, given, to_string(a.bounds), expected), "a bucket has its first instant; a complete one ends before the next");
  else fail(ErrorCode::conflicting_keys, place(node, "bucket"), fmt::format("the default bounds \"{}\" do not fit {}, a {} bucket; expected {}", to_string(a.bounds), what, given, expected), "bounds: \"[)\"");
}

void Loader::session(const Node& node, Aggregate& a, const std::string& what) {
  a.gap = width(node, "gap");
  a.window = width(node, "max_length");
  if (!node.find("gap")) fail(ErrorCode::missing_key, node.place, fmt::format("{} lacks `gap`: a session ends at the first longer one", what), example("gap"));
  if (!node.find("max_length")) fail(ErrorCode::missing_key, node.place, fmt::format("{} lacks `max_length`: a session is cut there", what), example("max_length"));
}

void Loader::max_age(const Node& node, Aggregate& a) {
  if (a.kind != AggregateKind::last) fail(ErrorCode::conflicting_keys, place(node, "max_age"), "`max_age` belongs to as_of and last", "other aggregates have a `window`");
  a.window = width(node, "max_age");
}

void Loader::default_window(const Node& node, Aggregate& a, const std::string& what) {
  if (a.bucket || node.find("bucket")) return;
  if (is_decay(a.kind)) a.window = default_half_lives * a.half_life;
  else if (a.last) return;
  else if (a.kind == AggregateKind::last && a.keep_nulls) a.lifetime = true;   // as_of(x), the call that keeps nulls unasked
  else fail(ErrorCode::missing_key, node.place, fmt::format("{} lacks `window` (or `last`, or `lifetime: true`)", what), example("window"));
}

void Loader::within_retention(const Node& node, const Source& source, const Aggregate& a, const std::string& what) {
  const std::vector<Duration> terms = reach(a);
  const Duration needed = total(terms);
  Place at = place(node, "aggregate");
  for (const std::string_view key : {"offset", "max_age", "max_length", "window"})
    if (node.find(key)) at = place(node, key);
  if (source.retention && needed > *source.retention) {
    std::string sum;
    for (const Duration term : terms) sum += fmt::format("{}{}", sum.empty() ? "" : " + ", format_duration(term));
    fail(ErrorCode::window_exceeds_retention, at,
         fmt::format("{} needs {} of `{}`, serving keeps {} (line {})", what, sum, source.name, format_duration(*source.retention), source_places_[static_cast<std::size_t>(a.source)].line),
         "lower the window, or raise `retention` where the store really keeps it");
  }
  if (!is_decay(a.kind) || a.half_life == 0) return;
  const auto oldest = a.window ? std::optional(needed) : source.retention;
  if (!oldest || (*oldest - 1) / most_half_lives >= a.half_life)
    fail(ErrorCode::bad_value, at, fmt::format("{} looks back {}, more than {} half-lives of {}", what, oldest ? format_duration(*oldest) : "forever", most_half_lives, format_duration(a.half_life)),
         fmt::format("window: {}", format_duration(default_half_lives * a.half_life)));
}

}  // namespace featlib::contract
