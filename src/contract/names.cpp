#include "names.hpp"

#include <fmt/format.h>

namespace featlib::contract {
namespace {

constexpr AggregateName aggregates[] = {
    {"count", AggregateKind::count}, {"count_if", AggregateKind::count_if}, {"sum", AggregateKind::sum}, {"mean", AggregateKind::mean},
    {"min", AggregateKind::min}, {"max", AggregateKind::max}, {"std", AggregateKind::std}, {"var", AggregateKind::var},
    {"first", AggregateKind::first}, {"last", AggregateKind::last}, {"lag", AggregateKind::lag}, {"count_distinct", AggregateKind::count_distinct},
    {"time_since_last", AggregateKind::time_since_last},
    {"last_k", {}}, {"quantile", {}}, {"median", {}}, {"mode", {}}, {"top_k", {}}, {"share", {}}, {"ratio", {}}, {"time_since_first", {}}, {"mean_gap", {}},
    {"decay_sum", {}}, {"decay_mean", {}}, {"trend", {}}, {"skew", {}}, {"kurtosis", {}}, {"entropy", {}}, {"range", {}}, {"seen_before", {}}, {"as_of", {}}};

}  // namespace

std::span<const AggregateName> aggregate_names() { return aggregates; }

std::string did_you_mean(std::string_view name, std::span<const std::string_view> among) {
  constexpr std::size_t most = 40;
  if (const std::string_view near = nearest(name, among); !near.empty()) return fmt::format("did you mean `{}`?", near);
  if (among.empty()) return "none is declared";
  return fmt::format("one of {}{}", fmt::join(among.first(std::min(most, among.size())), ", "), among.size() > most ? ", ..." : "");
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
