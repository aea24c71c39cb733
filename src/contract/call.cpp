#include "call.hpp"

#include "literal.hpp"
#include "names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace featlib::contract {
namespace {

std::string quantile_text(const Aggregate& a) {
  int digits = 0;
  while (power_of_ten(digits) < a.p_denominator) ++digits;
  return fmt::format("{}, {}", to_text(Literal(a.p_numerator), Type::decimal, digits), to_string(a.interpolation));
}

std::string unit_text(Duration unit) {
  return std::string(std::find_if(unit_names().begin(), unit_names().end(), [&](const UnitName& u) { return u.unit == unit; })->name);
}

/// What stands behind the column.
std::string own_arguments(const Aggregate& a) {
  switch (a.kind) {
    case AggregateKind::lag: case AggregateKind::last_k: case AggregateKind::top_k: return fmt::format("{}", a.k);
    case AggregateKind::quantile: return quantile_text(a);
    case AggregateKind::share: return a.literal ? to_text(*a.literal, a.argument_type, a.argument_scale) : "";
    case AggregateKind::decay_sum: case AggregateKind::decay_mean: return format_duration(a.half_life);
    case AggregateKind::time_since_last: case AggregateKind::time_since_first: case AggregateKind::mean_gap: case AggregateKind::trend: return unit_text(a.time_unit);
    default: return "";
  }
}

}  // namespace

Call parse_call(std::string_view text) {
  Call out;
  const auto open = text.find('(');
  out.name = trimmed(text.substr(0, open));
  const auto close = text.find_last_not_of(" \t\n");
  out.closed = open != std::string_view::npos && text[close] == ')';
  if (!out.closed || trimmed(text.substr(open + 1, close - open - 1)).empty()) return out;
  std::size_t from = open + 1;
  const auto cut = [&](std::size_t at) {
    while (from < at && (text[from] == ' ' || text[from] == '\t' || text[from] == '\n')) ++from;
    out.arguments.push_back({trimmed(text.substr(from, at - from)), from});
    from = at + 1;
  };
  int depth = 0;
  char quote = 0;
  for (std::size_t i = from; i < close; ++i) {
    const char c = text[i];
    if (quote) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') quote = c;
    else if (c == '(') ++depth;
    else if (c == ')') --depth;
    else if (c == ',' && depth == 0) cut(i);
  }
  cut(close);
  return out;
}

std::string to_text(const Aggregate& a) {
  const std::string column = a.argument ? a.argument->canonical() : "", own = own_arguments(a);
  return fmt::format("{}({}{}{})", to_string(a.kind), column, column.empty() || own.empty() ? "" : ", ", own);
}

}  // namespace featlib::contract
