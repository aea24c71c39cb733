#include "reference/rational.hpp"

#include <boost/multiprecision/cpp_bin_float.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

namespace featlib::definition {

using Integer = boost::multiprecision::cpp_int;

/// The double as a rational; 2^1024 stands for infinity, as rounding sees it.
Rational exactly(double x) {
  if (std::isinf(x)) return x > 0 ? Rational(Integer(1) << 1024) : -Rational(Integer(1) << 1024);
  int exponent = 0;
  const double significand = std::frexp(x, &exponent);
  const Rational whole(static_cast<std::int64_t>(std::ldexp(significand, 53)));
  exponent -= 53;
  return exponent >= 0 ? whole * Rational(Integer(1) << exponent) : whole / Rational(Integer(1) << -exponent);
}

namespace {

/// Doubles as integers in the same order, and back.
std::int64_t rank_of(double x) {
  const auto bits = std::bit_cast<std::int64_t>(x);
  return bits < 0 ? std::numeric_limits<std::int64_t>::min() - bits : bits;
}
double at_rank(std::int64_t rank) { return std::bit_cast<double>(rank < 0 ? std::numeric_limits<std::int64_t>::min() - rank : rank); }

/// The nearest double, ties to even, by halving; a good guess makes it short. `compare(r)` orders r against the exact value.
template <class Compare>
std::optional<double> nearest(double guess, Compare&& compare) {
  const double infinity = std::numeric_limits<double>::infinity();
  std::int64_t low = rank_of(-infinity), high = rank_of(infinity);
  const auto narrow = [&](std::int64_t rank) {
    if (rank > low && rank < high) (compare(exactly(at_rank(rank))) <= 0 ? low : high) = rank;
  };
  narrow(rank_of(guess) - 1);
  narrow(rank_of(guess) + 2);
  while (low + 1 < high) narrow(std::midpoint(low, high));
  const auto side = compare((exactly(at_rank(low)) + exactly(at_rank(high))) / 2);
  const double out = at_rank(side > 0 ? low : side < 0 ? high : low % 2 == 0 ? low : high);
  if (std::isinf(out)) return std::nullopt;
  return out + 0.0;
}

double guess_of(const Rational& x) {
  using Float = boost::multiprecision::cpp_bin_float_100;
  const double guess = static_cast<double>(Float(numerator(x)) / Float(denominator(x)));
  const double largest = std::numeric_limits<double>::max();
  return std::clamp(guess, -largest, largest);
}

}  // namespace

std::optional<double> rounded(const Rational& x) {
  return nearest(guess_of(x), [&](const Rational& r) { return r.compare(x); });
}

std::optional<double> rounded_root(const Rational& x) {
  return nearest(std::sqrt(guess_of(x)), [&](const Rational& r) { return r < 0 ? -1 : Rational(r * r).compare(x); });
}

}  // namespace featlib::definition
