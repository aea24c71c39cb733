#include "loader.hpp"

#include "literal.hpp"
#include "names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace featlib::contract {
namespace {

constexpr std::int64_t most_lag = 100'000, most_listed = 1'000;
constexpr int most_quantile_digits = 9;

/// Aggregates of rows, whatever their columns hold: they take no column.
bool by_rows(AggregateKind kind) {
  return kind == AggregateKind::count || kind == AggregateKind::time_since_last || kind == AggregateKind::time_since_first || kind == AggregateKind::mean_gap;
}

std::string value_of(Type type, int scale) {
  switch (type) {
    case Type::boolean: return "true or false";
    case Type::int64: return "a whole number";
    case Type::float64: return "a number";
    case Type::decimal: return fmt::format("a number with at most {} digits behind the point", scale);
    case Type::string: case Type::category: return "text in quotes";
    case Type::timestamp: break;
  }
  return "nothing: a timestamp is compared with the request alone";
}

}  // namespace

std::optional<Type> Loader::call(const Node& node, const Source& source, Feature& out) {
  Aggregate& a = out.aggregate;
  const Node& at = *node.find("aggregate");
  const std::string given = text(node, "aggregate").value_or("");
  const Call call = parse_call(given);
  const auto known = std::find_if(aggregate_names().begin(), aggregate_names().end(), [&](const AggregateName& n) { return n.name == call.name; });
  if (known == aggregate_names().end()) {
    fail(ErrorCode::unknown_aggregate, at.place, fmt::format("no aggregate `{}`", call.name), call.name == "ratio" ? "share(column)" : did_you_mean(call.name, aggregate_names()));
    return std::nullopt;
  }
  a.kind = known->kind;
  if (!call.closed) {
    fail(ErrorCode::bad_expression, at.place, fmt::format("`{}` is no call", given), std::string(known->form));
    return std::nullopt;
  }
  if (call.arguments.size() < known->least || call.arguments.size() > known->most) {
    fail(ErrorCode::bad_expression, at.place, fmt::format("`{}`: expected {}", given, known->form), a.kind == AggregateKind::count ? "count_if(column is not null) counts values" : "arguments stand between commas");
    return std::nullopt;
  }
  a.keep_nulls = known->name == "as_of";
  if (a.kind == AggregateKind::count) return Type::int64;
  if (by_rows(a.kind)) return unit(at, call.arguments[0], a) ? std::optional(Type::float64) : std::nullopt;
  a.argument = row_expression(std::string(call.arguments[0].text), at, call.arguments[0].offset, source, out, a.argument_fields);
  if (!a.argument) return std::nullopt;
  const auto type = typed_argument(at, source, a, call.arguments[0].text);
  return type && own_arguments(at, source, call, a) ? type : std::nullopt;
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
  const auto refuse = [&](std::string_view expected) {
    const bool of_numbers = a.kind == AggregateKind::quantile || a.kind == AggregateKind::range;
    fail(ErrorCode::bad_expression, at.place, fmt::format("{} of a {}; expected {}", to_string(a.kind), to_string(type), expected),
         of_numbers ? "e.g. a column of type int64, float64 or decimal" : fmt::format("a comparison is one: {}(country = 'DE')", to_string(a.kind)));
    return std::nullopt;
  };
  if (is_text(type) && !a.argument_is_column) return refuse("a column, or an expression that is a number or a condition");
  const bool number = type == Type::int64 || type == Type::float64 || type == Type::decimal, summable = number || type == Type::boolean;
  switch (a.kind) {
    case AggregateKind::count_if:
      if (type != Type::boolean) return refuse("a condition");
      return Type::int64;
    case AggregateKind::count_distinct: return Type::int64;
    case AggregateKind::sum:
      if (!summable) return refuse("a number or a bool");
      return type == Type::int64 || type == Type::boolean ? Type::int64 : Type::float64;
    case AggregateKind::mean: case AggregateKind::std: case AggregateKind::var: case AggregateKind::skew: case AggregateKind::kurtosis:
    case AggregateKind::decay_sum: case AggregateKind::decay_mean: case AggregateKind::trend:
      if (!summable) return refuse("a number or a bool");
      return Type::float64;
    case AggregateKind::quantile: case AggregateKind::range:
      if (!number) return refuse("a number");
      return Type::float64;
    case AggregateKind::share: case AggregateKind::entropy: return Type::float64;
    case AggregateKind::seen_before: return Type::boolean;
    case AggregateKind::last_k: case AggregateKind::top_k: return Type::string;
    default:
      if (type == Type::decimal) return Type::float64;
      return is_text(type) ? Type::string : type;
  }
}

bool Loader::own_arguments(const Node& at, const Source& source, const Call& call, Aggregate& a) {
  const auto& arguments = call.arguments;
  switch (a.kind) {
    case AggregateKind::lag: return whole(at, arguments[1], 0, most_lag, a.k);
    case AggregateKind::last_k: case AggregateKind::top_k: return whole(at, arguments[1], 1, most_listed, a.k);
    case AggregateKind::quantile: return quantile(at, arguments, a);
    case AggregateKind::decay_sum: case AggregateKind::decay_mean: return half_life(at, arguments[1], a);
    case AggregateKind::trend: return arguments.size() == 1 || unit(at, arguments[1], a);
    case AggregateKind::share: return arguments.size() == 1 ? compared(at, source, a) : literal(at, arguments[1], a);
    case AggregateKind::seen_before: return compared(at, source, a);
    default: return true;
  }
}

bool Loader::refuse(const Node& at, const Argument& argument, std::string_view expected, std::string help) {
  fail(ErrorCode::bad_expression, within(at, argument.offset), fmt::format("`{}` in `{}`; expected {}", argument.text, at.text, expected), std::move(help));
  return false;
}

bool Loader::whole(const Node& at, const Argument& argument, std::int64_t least, std::int64_t most, std::int64_t& out) {
  const char* end = argument.text.data() + argument.text.size();
  const auto [read, error] = std::from_chars(argument.text.data(), end, out);
  return (error == std::errc() && read == end && out >= least && out <= most) || refuse(at, argument, fmt::format("a k from {} to {}", least, most), "e.g. 3");
}

bool Loader::unit(const Node& at, const Argument& argument, Aggregate& a) {
  const auto found = std::find_if(unit_names().begin(), unit_names().end(), [&](const UnitName& u) { return u.name == argument.text || u.letter == argument.text; });
  if (found == unit_names().end()) return refuse(at, argument, "us, ms, seconds, minutes, hours or days", did_you_mean(argument.text, unit_names()));
  a.time_unit = found->unit;
  return true;
}

bool Loader::quantile(const Node& at, const std::vector<Argument>& arguments, Aggregate& a) {
  if (arguments.size() == 1) {                          // median
    a.p_numerator = 5;
    a.p_denominator = 10;
    return true;
  }
  const auto p = parse_decimal(arguments[1].text);
  if (!p || p->digits > most_quantile_digits || p->number < 0 || p->number > power_of_ten(p->digits))
    return refuse(at, arguments[1], fmt::format("a p from 0 to 1 with at most {} digits", most_quantile_digits), "e.g. 0.95");
  a.p_numerator = p->number;
  a.p_denominator = power_of_ten(p->digits);
  if (arguments.size() == 2) return true;
  const auto interpolation = parse_interpolation(arguments[2].text);
  if (!interpolation) {
    constexpr std::string_view names[] = {"linear", "lower", "higher", "nearest", "midpoint"};
    return refuse(at, arguments[2], "linear, lower, higher, nearest or midpoint", did_you_mean(arguments[2].text, std::span<const std::string_view>(names)));
  }
  a.interpolation = *interpolation;
  return true;
}

bool Loader::half_life(const Node& at, const Argument& argument, Aggregate& a) {
  const auto given = parse_duration(argument.text);
  if (!given || *given == 0 || *given > most_duration / default_half_lives)
    return refuse(at, argument, fmt::format("a half-life up to {}", format_duration(most_duration / default_half_lives)), "e.g. 12h");
  a.half_life = *given;
  return true;
}

bool Loader::literal(const Node& at, const Argument& argument, Aggregate& a) {
  a.literal = parse_literal(argument.text, a.argument_type, a.argument_scale);
  return a.literal || refuse(at, argument, value_of(a.argument_type, a.argument_scale), "nothing is cast: a value is written as its column holds it");
}

bool Loader::compared(const Node& at, const Source& source, Aggregate& a) {
  const std::string_view kind = to_string(a.kind);
  if (!a.argument_is_column) {
    fail(ErrorCode::bad_expression, at.place, fmt::format("{} compares a column with the request's field of the same name; `{}` is an expression", kind, a.argument->canonical()),
         a.kind == AggregateKind::share ? "share(expression, value)" : "declare the expression as a column of both");
    return false;
  }
  const Field& column = source.fields[static_cast<std::size_t>(a.argument_fields[0])];
  a.compared_request = index_of(data_->request, column.name);
  if (a.compared_request < 0) {
    fail(ErrorCode::unknown_name, at.place, fmt::format("{} compares `{}` with the request, which has no such field", kind, column.name),
         a.kind == AggregateKind::share ? fmt::format("declare it under `request`, or give the value: share({}, ...)", column.name) : "declare it under `request`");
    return false;
  }
  const Field& field = data_->request[static_cast<std::size_t>(a.compared_request)];
  if (!field.any_key && ((is_text(field.type) && is_text(column.type)) || (field.type == column.type && field.scale == column.scale))) return true;
  fail(ErrorCode::wrong_type, at.place, fmt::format("`{}` is of another type in the request than in `{}`", column.name, source.name), "declare both alike");
  return false;
}

}  // namespace featlib::contract
