#include "loader.hpp"

#include "names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace featlib::contract {
namespace {

constexpr std::int64_t most_lag = 100'000;

}  // namespace

std::optional<Type> Loader::call(const Node& node, const Source& source, Feature& out) {
  Aggregate& a = out.aggregate;
  const Node& at = *node.find("aggregate");
  const std::string given = text(node, "aggregate").value_or("");
  const auto open = given.find('(');
  const std::string_view name = trimmed(std::string_view(given).substr(0, std::min(open, given.size())));
  const auto known = std::find_if(aggregate_names().begin(), aggregate_names().end(), [&](const AggregateName& n) { return n.name == name; });
  if (known == aggregate_names().end()) {
    std::vector<std::string_view> names;
    for (const AggregateName& n : aggregate_names())
      if (n.kind) names.push_back(n.name);
    fail(ErrorCode::unknown_aggregate, at.place, fmt::format("no aggregate `{}`", name), did_you_mean(name, names));
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
      fail(ErrorCode::bad_expression, at.place, fmt::format("`{}`: expected lag(column, k) with k from 0 to {}", given, most_lag), "lag(column, 1) is the last value but one");
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

std::optional<Type> Loader::without_column(const Node& at, std::string_view argument, Aggregate& a) {
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
    fail(ErrorCode::bad_expression, at.place, fmt::format("time_since_last({}): expected us, ms, seconds, minutes, hours or days", argument), "time_since_last(days)");
    return std::nullopt;
  }
  a.time_unit = unit->second;
  return Type::float64;
}

std::optional<Type> Loader::typed_argument(const Node& at, const Source& source, Aggregate& a, std::string_view argument) {
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
    fail(ErrorCode::bad_expression, at.place, fmt::format("{} of a {}; expected {}", to_string(a.kind), to_string(type), expected), fmt::format("a comparison is one: {}(country = 'DE')", to_string(a.kind)));
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

}  // namespace featlib::contract
