/// A JSON number as RapidJSON reads it unless asked for full precision: digits gathered in an integer, then in a double, and one
/// multiplication or division by a power of ten. Often a unit off, and what CatBoost's own reader makes of its files.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace featlib::detail {

/// `token` is a JSON number within the range of a double (Tencent/rapidjson, include/rapidjson/reader.h, ParseNumber; internal/strtod.h).
inline double rapid_number(std::string_view token) noexcept {
  const bool minus = token.starts_with('-');
  std::size_t at = minus ? 1 : 0;
  const auto digit = [&] { return at < token.size() && token[at] >= '0' && token[at] <= '9'; };
  const auto next = [&] { return static_cast<unsigned>(token[at++] - '0'); };

  // Whole digits: in 64 bits while they fit (one less for the sign), then in a double.
  const std::uint64_t most = minus ? 922337203685477580u : 1844674407370955161u, last = minus ? 8 : 5;
  std::uint64_t whole = 0;
  double value = 0;
  bool real = false;
  int significant = 0, power = 0;
  for (bool first = true; digit(); first = false) {
    const unsigned d = next();
    if (real) { value = value * 10 + d; continue; }
    if (whole > most || (whole == most && d > last)) {
      real = true;
      value = static_cast<double>(whole) * 10 + d;
      continue;
    }
    whole = whole * 10 + d;
    significant += !first;   // RapidJSON counts the digits after the first
  }

  if (at < token.size() && token[at] == '.') {
    ++at;
    if (!real) {
      for (; digit() && whole <= 0x1FFFFFFFFFFFFF; --power) {
        whole = whole * 10 + next();
        significant += whole != 0;
      }
      value = static_cast<double>(whole);
      real = true;
    }
    while (digit()) {
      const unsigned d = next();
      if (significant >= 17) continue;
      value = value * 10.0 + d;
      --power;
      significant += value > 0;
    }
  }
  if (!real) value = static_cast<double>(whole);

  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    ++at;
    const bool down = token[at] == '-';
    if (token[at] == '-' || token[at] == '+') ++at;
    int exponent = 0;
    while (digit()) exponent = std::min(exponent * 10 + static_cast<int>(next()), 100'000);
    power += down ? -exponent : exponent;
  }

  static const std::array<double, 309> tens = [] {
    std::array<double, 309> out;
    for (std::size_t n = 0; n < out.size(); ++n) {
      const std::string text = "1e" + std::to_string(n);
      std::from_chars(text.data(), text.data() + text.size(), out[n]);
    }
    return out;
  }();
  const auto ten = [](int n) { return tens[static_cast<std::size_t>(std::min(n, 308))]; };
  const auto scaled = [&](double x, int n) { return n < -308 ? 0.0 : n >= 0 ? x * ten(n) : x / ten(-n); };
  value = power < -308 ? scaled(scaled(value, -308), power + 308) : scaled(value, power);
  return minus ? -value : value;
}

}  // namespace featlib::detail
