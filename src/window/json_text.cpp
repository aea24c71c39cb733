#include "window/json_text.hpp"

#include <featlib/core/time.hpp>

#include <fmt/format.h>

#include <bit>
#include <charconv>

namespace featlib {

void append_json(std::string& out, double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;   // d.ddde+xx, the shortest
  std::string_view text(buffer, end);
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const auto e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), end, exponent);
  std::string digits(1, text[0]);
  if (e > 2) digits += text.substr(2, e - 2);
  const int n = static_cast<int>(digits.size()), point = exponent + 1;       // 0.digits * 10^point
  if (point > 21 || point < -5) {
    out += digits[0];
    if (n > 1) fmt::format_to(std::back_inserter(out), ".{}", digits.substr(1));
    fmt::format_to(std::back_inserter(out), "e{:+}", exponent);
  } else if (point <= 0) {
    fmt::format_to(std::back_inserter(out), "0.{}{}", std::string(static_cast<std::size_t>(-point), '0'), digits);
  } else if (point >= n) {
    fmt::format_to(std::back_inserter(out), "{}{}", digits, std::string(static_cast<std::size_t>(point - n), '0'));
  } else {
    fmt::format_to(std::back_inserter(out), "{}.{}", digits.substr(0, static_cast<std::size_t>(point)), digits.substr(static_cast<std::size_t>(point)));
  }
}

void append_json_decimal(std::string& out, std::int64_t value, int scale) {
  const std::uint64_t magnitude = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  std::string digits = fmt::format("{:0{}}", magnitude, scale + 1);
  while (scale > 0 && digits.back() == '0') {
    digits.pop_back();
    --scale;
  }
  if (scale > 0) digits.insert(digits.size() - static_cast<std::size_t>(scale), 1, '.');
  if (value < 0) out += '-';
  out += digits;
}

void append_json(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        else out += c;
    }
  }
  out += '"';
}

void append_json(std::string& out, Type type, int scale, std::uint64_t bits, std::string_view text) {
  switch (type) {
    case Type::boolean: out += bits ? "true" : "false"; return;
    case Type::int64: append_json_decimal(out, static_cast<std::int64_t>(bits), 0); return;
    case Type::decimal: append_json_decimal(out, static_cast<std::int64_t>(bits), scale); return;
    case Type::float64: append_json(out, std::bit_cast<double>(bits)); return;
    case Type::timestamp: append_json(out, std::string_view(format_instant(static_cast<Instant>(bits)))); return;
    case Type::string: case Type::category: append_json(out, text); return;
  }
}

}  // namespace featlib
