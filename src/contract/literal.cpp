#include "literal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace featlib::contract {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

template <class T>
std::optional<T> number(std::string_view text) {
  T out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

std::optional<std::string> unquoted(std::string_view text) {
  if (text.size() < 2 || (text[0] != '\'' && text[0] != '"')) return std::nullopt;
  const char quote = text[0];
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] != quote) out += text[i];
    else if (i + 1 == text.size()) return out;
    else if (text[++i] != quote) return std::nullopt;
    else out += quote;
  }
  return std::nullopt;
}

}  // namespace

std::int64_t power_of_ten(int exponent) {
  std::int64_t out = 1;
  for (int i = 0; i < exponent; ++i) out *= 10;
  return out;
}

std::optional<Decimal> parse_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto point = text.find('.');
  std::string digits(text.substr(0, point));
  std::string_view behind = point == std::string_view::npos ? "" : text.substr(point + 1);
  if (digits.empty() || (point != std::string_view::npos && behind.empty())) return std::nullopt;
  while (behind.ends_with('0')) behind.remove_suffix(1);
  digits += behind;
  if (digits.size() > 18 || !std::all_of(digits.begin(), digits.end(), is_digit)) return std::nullopt;
  const std::int64_t value = *number<std::int64_t>(digits);
  return Decimal{negative ? -value : value, static_cast<int>(behind.size())};
}

std::optional<Literal> parse_literal(std::string_view text, Type type, int scale) {
  switch (type) {
    case Type::boolean:
      if (text == "true" || text == "false") return Literal(std::int64_t{text == "true"});
      return std::nullopt;
    case Type::int64:
      if (const auto out = number<std::int64_t>(text)) return Literal(*out);
      return std::nullopt;
    case Type::float64:
      if (const auto out = number<double>(text); out && std::isfinite(*out)) return Literal(*out + 0.0);
      return std::nullopt;
    case Type::decimal: {
      const auto out = parse_decimal(text);
      std::int64_t units = 0;
      if (!out || out->digits > scale || __builtin_mul_overflow(out->number, power_of_ten(scale - out->digits), &units)) return std::nullopt;
      return Literal(units);
    }
    case Type::string: case Type::category:
      if (auto out = unquoted(text)) return Literal(std::move(*out));
      return std::nullopt;
    case Type::timestamp: return std::nullopt;
  }
  return std::nullopt;
}

std::string to_text(const Literal& literal, Type type, int scale) {
  if (const auto* text = std::get_if<std::string>(&literal)) {
    std::string out = "'";
    for (const char c : *text) out += c == '\'' ? std::string("''") : std::string(1, c);
    return out + "'";
  }
  if (const auto* real = std::get_if<double>(&literal)) return fmt::format("{}", *real);
  const std::int64_t value = std::get<std::int64_t>(literal);
  if (type == Type::boolean) return value ? "true" : "false";
  if (type != Type::decimal) return fmt::format("{}", value);
  std::int64_t units = value;
  for (; scale > 0 && units % 10 == 0; --scale) units /= 10;   // as few digits as parse_decimal() was given
  if (scale == 0) return fmt::format("{}", units);
  const std::int64_t one = power_of_ten(scale);
  return fmt::format("{}{}.{:0{}}", units < 0 ? "-" : "", std::abs(units / one), std::abs(units % one), scale);
}

}  // namespace featlib::contract
