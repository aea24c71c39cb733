/// Rational arithmetic for tests, and doubles that are hard to sum.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <vector>

namespace featlib::testing {

using Rational = boost::multiprecision::cpp_rational;
using Integer = boost::multiprecision::cpp_int;

inline constexpr double largest = std::numeric_limits<double>::max();
inline constexpr double least = std::numeric_limits<double>::denorm_min();

inline std::uint64_t bits(double x) { return std::bit_cast<std::uint64_t>(x); }

inline Rational exactly(double x) {
  int exponent = 0;
  const double significand = std::frexp(x, &exponent);
  const Rational whole(static_cast<std::int64_t>(std::ldexp(significand, 53)));
  exponent -= 53;
  return exponent >= 0 ? whole * Rational(Integer(1) << exponent) : whole / Rational(Integer(1) << -exponent);
}

/// Doubles >= 0 and their bit patterns are in the same order, so the nearest one is found by halving. `compare(r)` orders the exact value against r.
template <class Compare>
std::optional<double> nearest(Compare&& compare) {
  std::uint64_t low = 0, high = bits(std::numeric_limits<double>::infinity());
  while (low + 1 < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    (compare(exactly(std::bit_cast<double>(middle))) >= 0 ? low : high) = middle;
  }
  const Rational a = exactly(std::bit_cast<double>(low));
  const Rational b = high == bits(std::numeric_limits<double>::infinity()) ? Rational(Integer(1) << 1024) : exactly(std::bit_cast<double>(high));
  const int side = compare((a + b) / 2);
  const std::uint64_t out = side < 0 ? low : side > 0 ? high : (low & 1) ? high : low;
  const double x = std::bit_cast<double>(out);
  return std::isinf(x) ? std::nullopt : std::optional(x);
}

inline std::optional<double> rounded(const Rational& x) {
  const Rational magnitude = abs(x);
  const auto out = nearest([&](const Rational& r) { return magnitude.compare(r); });
  return !out ? out : x < 0 && *out != 0 ? -*out : *out;
}

inline std::optional<double> rounded_root(const Rational& x) {
  return nearest([&](const Rational& r) { return x.compare(Rational(r * r)); });
}

inline bool same(std::optional<double> a, std::optional<double> b) { return a.has_value() == b.has_value() && (!a || bits(*a) == bits(*b)); }

/// Sets of doubles, each hard in its own way.
inline const std::vector<std::vector<double>> hard{
    {0.1, 0.2, 0.3, -0.6},
    {1e308, 1e-308, -1e308},
    {largest, largest, -largest, least},
    {largest, largest * 0x1p-54},                              // half a unit above the largest: a tie that leaves the range
    {largest, 0x1p969},
    {0x1p53, 1.0, 1.0, -0x1p53},
    {0x1p53 - 1, 0x1p53, 0x1p53 + 2, 0.5, 0.5},
    {0x1p53, 1.0},                                             // a tie that goes down to even
    {0x1p53 + 2, 1.0},                                         // and one that goes up
    {0x1p53, 1.0, least},                                      // just above a tie
    {0x1p53 + 2, 1.0, -least},
    {least, least, least},
    {-least, 0x1p-1022, -0x1p-1022},
    {0x1p-1022, -least},
    {0.0, -0.0},
    {},
    {-0.0},
    {1e16, 1.0, -1e16},
    {12.34, 99.99, -0.01, 19.99}};

/// Up to 20 finite doubles, most of them from one flavour.
inline std::vector<double> draw(std::mt19937_64& random) {
  std::vector<double> out;
  const auto& flavour = hard[random() % hard.size()];
  for (std::size_t n = random() % 20; out.size() < n;) {
    if (!flavour.empty() && random() % 3) {
      out.push_back(flavour[random() % flavour.size()] * (random() % 4 ? 1.0 : -1.0));
      continue;
    }
    const double x = std::bit_cast<double>(random());
    if (std::isfinite(x)) out.push_back(x);
  }
  return out;
}

}  // namespace featlib::testing
