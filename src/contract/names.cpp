#include "names.hpp"

#include <fmt/format.h>

namespace featlib::contract {
namespace {

using Kind = AggregateKind;

constexpr AggregateName aggregates[] = {
    {"count", Kind::count, 0, 0, "count()"},
    {"count_if", Kind::count_if, 1, 1, "count_if(condition)"},
    {"count_distinct", Kind::count_distinct, 1, 1, "count_distinct(column)"},
    {"sum", Kind::sum, 1, 1, "sum(column)"},
    {"mean", Kind::mean, 1, 1, "mean(column)"},
    {"min", Kind::min, 1, 1, "min(column)"},
    {"max", Kind::max, 1, 1, "max(column)"},
    {"range", Kind::range, 1, 1, "range(column)"},
    {"std", Kind::std, 1, 1, "std(column)"},
    {"var", Kind::var, 1, 1, "var(column)"},
    {"skew", Kind::skew, 1, 1, "skew(column)"},
    {"kurtosis", Kind::kurtosis, 1, 1, "kurtosis(column)"},
    {"quantile", Kind::quantile, 2, 3, "quantile(column, p) or quantile(column, p, interpolation)"},
    {"median", Kind::quantile, 1, 1, "median(column)"},
    {"first", Kind::first, 1, 1, "first(column)"},
    {"last", Kind::last, 1, 1, "last(column)"},
    {"as_of", Kind::last, 1, 1, "as_of(column)"},
    {"lag", Kind::lag, 2, 2, "lag(column, k)"},
    {"last_k", Kind::last_k, 2, 2, "last_k(column, k)"},
    {"mode", Kind::mode, 1, 1, "mode(column)"},
    {"top_k", Kind::top_k, 2, 2, "top_k(column, k)"},
    {"share", Kind::share, 1, 2, "share(column) of the request's value, or share(column, value)"},
    {"seen_before", Kind::seen_before, 1, 1, "seen_before(column)"},
    {"entropy", Kind::entropy, 1, 1, "entropy(column)"},
    {"time_since_last", Kind::time_since_last, 1, 1, "time_since_last(unit)"},
    {"time_since_first", Kind::time_since_first, 1, 1, "time_since_first(unit)"},
    {"mean_gap", Kind::mean_gap, 1, 1, "mean_gap(unit)"},
    {"decay_sum", Kind::decay_sum, 2, 2, "decay_sum(column, half-life)"},
    {"decay_mean", Kind::decay_mean, 2, 2, "decay_mean(column, half-life)"},
    {"trend", Kind::trend, 1, 2, "trend(column) a day, or trend(column, unit)"}};

constexpr UnitName units[] = {{"us", "us", 1}, {"ms", "ms", millisecond}, {"seconds", "s", second}, {"minutes", "m", minute}, {"hours", "h", hour}, {"days", "d", day}};

template <class Enum, std::size_t n>
std::optional<Enum> one_of(std::string_view text, const Enum (&all)[n]) {
  for (const Enum value : all)
    if (to_string(value) == text) return value;
  return std::nullopt;
}

}  // namespace

std::span<const AggregateName> aggregate_names() { return aggregates; }

std::string did_you_mean(std::string_view name, std::span<const std::string_view> among) {
  constexpr std::size_t most = 40;
  if (const std::string_view near = nearest(name, among); !near.empty()) return fmt::format("did you mean `{}`?", near);
  if (among.empty()) return "none is declared";
  return fmt::format("one of {}{}", fmt::join(among.first(std::min(most, among.size())), ", "), among.size() > most ? ", ..." : "");
}

bool has_ddof(Kind kind) { return kind == Kind::std || kind == Kind::var || kind == Kind::skew || kind == Kind::kurtosis; }

std::span<const UnitName> unit_names() { return units; }

std::optional<Type> parse_type(std::string_view text) {
  return one_of(text, {Type::boolean, Type::int64, Type::float64, Type::decimal, Type::string, Type::category, Type::timestamp});
}

std::optional<Bounds> parse_bounds(std::string_view text) {
  return one_of(text, {Bounds::closed_open, Bounds::open_closed, Bounds::closed_closed, Bounds::open_open});
}

std::optional<Bucket> parse_bucket(std::string_view text) { return one_of(text, {Bucket::current, Bucket::complete}); }

std::optional<Interpolation> parse_interpolation(std::string_view text) {
  return one_of(text, {Interpolation::linear, Interpolation::lower, Interpolation::higher, Interpolation::nearest, Interpolation::midpoint});
}

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t\n");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\n") - from + 1);
}

}  // namespace featlib::contract

namespace featlib {

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
  for (const contract::AggregateName& name : contract::aggregate_names())
    if (name.kind == kind) return name.name;
  return "";
}

}  // namespace featlib
