// Correctly rounded elementary functions: the same bits on every CPU, compiler and libm.
//
// Two steps, after Ziv ("Fast evaluation of elementary mathematical functions with correctly rounded last bit", ACM
// TOMS 17(3), 1991). The quick step computes with pairs of doubles and settles the value when every number within its
// error rounds to the same double: all but about one in 30,000. Otherwise reference:: computes with 320 bits of integer
// arithmetic and rounds once. The quick step can be slow but not wrong, so even libm may guess for it (log, asin start
// from libm and are corrected).
//
// Why 320 bits: results of double arguments that are not exact stay away from the midpoints between doubles. For
// functions of one argument the hardest cases need under 120 bits (Lefevre and Muller, "Worst Cases for Correct
// Rounding of the Elementary Functions in Double Precision", ARITH-15, 2001); for pow there is no such table, 2^128
// random arguments would need about 190. Exact results and exact midpoints, which no precision decides, are found first
// (exact_power). 2^(n / d) is irrational for 0 < n < d, so it is neither; its reference looks whether 320 bits have
// decided, and takes 1472 where they have not.
//
// Cost, ns a call, quick / reference (2026-11, GCC 12 -O2, one shared x86-64 core): exp 220 / 18,000, log 290 / 26,000,
// log1p 300 / 27,000, sin 210 / 11,000, cos 210 / 15,000, asin 360 / 51,000, pow 510 / 49,000, exp2 110 / 39,000.
//
// A table-driven implementation (CORE-MATH is one) would be faster and equally exact; it may replace this file when
// that matters, and no bit changes.

#include <featlib/contract/expression.hpp>

#include <boost/math/constants/constants.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace featlib::pinned {

// ---- the reference ----

namespace {

namespace mp = boost::multiprecision;
template <unsigned bits>
using Binary = mp::number<mp::cpp_bin_float<bits, mp::digit_base_2, void, std::int64_t>, mp::et_off>;

using Precise = Binary<320>;
// Reduces the largest double by pi/2: 1024 bits in front of the point, 62 cancelled in the worst case, 320 left, and
// room.
using Reduction = Binary<1472>;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// convert_to<double>() of Boost rounds to nearest even, into subnormals too; tests hold it to that.
double rounded(const Precise& value) {
  const double out = value.convert_to<double>();
  return std::isfinite(out) ? out + 0.0 : nan;  // + 0.0 turns -0.0 into 0.0
}

// x - k * pi/2 with |result| <= pi/4 (and a little), and k mod 4.
struct Reduced {
  Precise angle;
  int quadrant;
};

Reduced reduce(double x) {
  if (std::fabs(x) < 0.75) return {Precise(x), 0};
  static const Reduction half_pi = boost::math::constants::half_pi<Reduction>();
  const Reduction wide = x;
  const Reduction turns = mp::floor(wide / half_pi + Reduction(0.5));
  const Reduction quarter = turns - 4 * mp::floor(turns / 4);
  return {Precise(wide - turns * half_pi), quarter.convert_to<int>()};
}

Precise sine_of_quadrant(const Precise& angle, int quadrant) {
  const Precise magnitude = quadrant % 2 == 0 ? mp::sin(angle) : mp::cos(angle);
  return quadrant >= 2 ? Precise(-magnitude) : magnitude;
}

// log(1 + x) for |x| < 2^-20, where 1 + x would cancel: the series, until a term no longer counts.
Precise small_log1p(const Precise& x) {
  Precise sum = 0, power = x;
  for (int k = 1; k <= 17; ++k, power *= -x) sum += power / k;
  return sum;
}

Precise wide_log(double x) {
  const double distance = x - 1.0;  // exact near 1
  return std::fabs(distance) < 0x1p-20 ? small_log1p(Precise(distance)) : mp::log(Precise(x));
}

Precise wide_exp(const Precise& x) { return mp::exp(x); }

constexpr double exp_overflows = 710.0, exp_vanishes = -746.0;  // beyond DBL_MAX; below half of the smallest subnormal

// The odd integer m and the exponent e of a positive double x = m * 2^e.
struct Odd {
  std::uint64_t m;
  int e;
};

Odd odd_part(double x) {
  int exponent = 0;
  auto m = static_cast<std::uint64_t>(std::ldexp(std::frexp(x, &exponent), 53));
  exponent -= 53;
  for (; m % 2 == 0; m /= 2) ++exponent;
  return {m, exponent};
}

// x^y for x > 0 where it has at most 64 significant bits, so is exact or could be a midpoint. With x = m 2^e, m odd: m
// = 1 gives 2^(ey); otherwise y must be a positive k / 2^n, m and 2^e perfect 2^n-th powers, and k small.
std::optional<Precise> exact_power(double x, double y) {
  auto [m, e] = odd_part(x);
  if (m == 1) {
    const double exponent = e * y;
    if (std::fabs(exponent) > 1100 || exponent != std::floor(exponent) || std::fma(e, y, -exponent) != 0.0)
      return std::nullopt;
    return mp::ldexp(Precise(1), static_cast<int>(exponent));
  }
  if (y < 0x1p-6 || y > 64) return std::nullopt;  // 3^64 has 102 bits, and no m < 2^53 is a 64th power
  while (y != std::floor(y)) {
    const auto root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(m)) + 0.5);  // m < 2^53: at most one off
    if (root * root != m || e % 2 != 0) return std::nullopt;
    m = root;
    e /= 2;
    y *= 2;
  }
  std::uint64_t power = 1;
  const int k = static_cast<int>(y);
  for (int i = 0; i < k; ++i)
    if (__builtin_mul_overflow(power, m, &power)) return std::nullopt;
  return mp::ldexp(Precise(power), e * k);
}

}  // namespace

namespace reference {

double exp(double x) {
  if (std::isnan(x) || x > exp_overflows) return nan;
  if (x < exp_vanishes) return 0.0;
  if (std::fabs(x) < 0x1p-60) return 1.0;
  return rounded(wide_exp(Precise(x)));
}

double log(double x) {
  if (!(x > 0.0) || std::isinf(x)) return nan;
  return rounded(wide_log(x));
}

double log1p(double x) {
  if (!(x > -1.0) || std::isinf(x)) return nan;
  if (std::fabs(x) < 0x1p-20) return rounded(small_log1p(Precise(x)));
  return rounded(mp::log(Precise(1) + Precise(x)));  // 1 + x is exact, or x so large that 320 bits are enough
}

double pow(double x, double y) {
  if (!std::isfinite(x) || !std::isfinite(y)) return nan;
  if (y == 0.0) return 1.0;
  if (x == 0.0) return y > 0.0 ? 0.0 : nan;
  const bool whole = y == std::floor(y);
  if (x < 0.0 && !whole) return nan;
  const bool negative = x < 0.0 && std::fmod(y, 2.0) != 0.0;
  x = std::fabs(x);

  Precise magnitude;
  if (const auto exact = exact_power(x, y)) {
    magnitude = *exact;
  } else {
    const Precise exponent = Precise(y) * wide_log(x);
    if (exponent > exp_overflows) return nan;
    if (exponent < exp_vanishes) return 0.0;
    magnitude = wide_exp(exponent);
  }
  return rounded(negative ? Precise(-magnitude) : magnitude);
}

double sin(double x) {
  if (!std::isfinite(x)) return nan;
  if (std::fabs(x) < 0x1p-200) return x + 0.0;  // x - x^3/6 rounds to x
  const Reduced r = reduce(x);
  return rounded(sine_of_quadrant(r.angle, r.quadrant));
}

double cos(double x) {
  if (!std::isfinite(x)) return nan;
  if (std::fabs(x) < 0x1p-60) return 1.0;
  const Reduced r = reduce(x);
  return rounded(sine_of_quadrant(r.angle, (r.quadrant + 1) % 4));
}

double asin(double x) {
  if (!(std::fabs(x) <= 1.0)) return nan;
  if (std::fabs(x) < 0x1p-200) return x + 0.0;
  return rounded(mp::asin(Precise(x)));
}

double exp2(std::int64_t numerator, std::int64_t denominator) {
  if (numerator == 0) return 1.0;
  const auto between = [&]<class Number>(const Number& slack) {
    const Number value = mp::exp(Number(numerator) / denominator * boost::math::constants::ln_two<Number>());
    const auto from = Number(value * (1 - slack)).template convert_to<double>(), to = Number(value * (1 + slack)).template convert_to<double>();
    return from == to ? from : nan;
  };
  const double value = between(mp::ldexp(Precise(1), -300));
  return std::isnan(value) ? between(mp::ldexp(Reduction(1), -1400)) : value;
}

}  // namespace reference

// ---- the quick step ----

namespace {

// An unevaluated sum, |low| <= ulp(high) / 2. Dekker (1971), Knuth TAOCP 4.2.2; Joldes, Muller and Popescu, "Tight and
// rigorous error bounds for basic building blocks of double-word arithmetic", ACM TOMS 44(2), 2017: a few 2^-105 an
// operation.
struct Two {
  double high = 1.0, low = 0.0;
  Two() = default;
  Two(double value) : high(value), low(0.0) {}
  Two(double large, double small) : high(large), low(small) {}
};

Two ordered_sum(double large, double small) {
  const double sum = large + small;
  return {sum, small - (sum - large)};
}

Two exact_sum(double a, double b) {
  const double sum = a + b, from_b = sum - a;
  return {sum, (a - (sum - from_b)) + (b - from_b)};
}

Two exact_product(double a, double b) {
  const double product = a * b;
  return {product, std::fma(a, b, -product)};
}

Two operator+(Two a, Two b) {
  const Two high = exact_sum(a.high, b.high), low = exact_sum(a.low, b.low);
  const Two sum = ordered_sum(high.high, high.low + low.high);
  return ordered_sum(sum.high, sum.low + low.low);
}

Two operator-(Two a) { return {-a.high, -a.low}; }
Two operator-(Two a, Two b) { return a + -b; }

Two operator*(Two a, Two b) {
  const Two product = exact_product(a.high, b.high);
  return ordered_sum(product.high, product.low + (a.high * b.low + a.low * b.high));
}

Two operator/(Two a, Two b) {
  const double first = a.high / b.high;
  const Two rest = a - b * first;
  const double second = rest.high / b.high;
  return ordered_sum(first, second) + (rest - b * second).high / b.high;
}

const Two undecided{nan, nan};

// Relative error granted to every quick value. Worst measured against the reference, 40,000 random arguments each: pow
// 2^-82, log and log1p 2^-89, exp 2^-96, the others 2^-102; exp2 by its terms, 2^-74.
constexpr double granted = 0x1p-68;

// The double that all of value (1 +- granted) round to, or NaN.
double settled(Two value) {
  const double slack = std::fabs(value.high) * granted;
  const double from = value.high + (value.low - slack), to = value.high + (value.low + slack);
  return from == to ? from + 0.0 : nan;
}

// Far from overflow and from subnormal parts.
bool ordinary(double x) { return std::fabs(x) > 0x1p-100 && std::fabs(x) < 0x1p+100; }

// log(2) and pi/2 in parts so short that a product with the whole numbers used here is exact in all but the last.
constexpr double log2_parts[] = {0x1.62e42fefa3p-1, 0x1.3de6af278ep-42, 0x1.9cc01f97b57ap-83};
constexpr double half_pi_parts[] = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2ep-69, 0x1.b839a252049c1p-104};
const Two log2_pair{0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};
const Two half_pi_pair{0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};

constexpr double quick_exp_limit = 600.0;

// c[0] + c[1] x + c[2] x^2 + ...; terms from `plain` on are so small beside the first that one double is enough for
// them.
template <std::size_t terms>
Two series(const std::array<Two, terms>& c, std::size_t plain, Two x) {
  double tail = 0.0;
  for (std::size_t i = terms; i-- > plain;) tail = c[i].high + tail * x.high;
  Two sum = tail;
  for (std::size_t i = plain; i-- > 0;) sum = c[i] + sum * x;
  return sum;
}

// c[0] = 1, c[i] = c[i - 1] / divisor(i).
template <std::size_t terms>
std::array<Two, terms> coefficients(auto divisor) {
  std::array<Two, terms> c;
  for (std::size_t i = 1; i < terms; ++i) c[i] = c[i - 1] / divisor(static_cast<double>(i));
  return c;
}

Two quick_exp(Two x) {
  static const auto c = coefficients<11>([](double i) { return i; });
  const double k = std::floor(x.high * 0x1.71547652b82fep+0 + 0.5);
  Two r = x;
  for (const double part : log2_parts) r = r - exact_product(k, part);
  Two power = series(c, 5, Two(r.high * 0x1p-8, r.low * 0x1p-8));  // |r| < 2^-9: the terms left out begin at 2^-127
  for (int i = 0; i < 8; ++i) power = power * power;
  return {std::ldexp(power.high, static_cast<int>(k)), std::ldexp(power.low, static_cast<int>(k))};
}

// 2^x for 0 <= x <= 1: 2^(i / 32) from a table, and of the rest, below 2^-6, the series of e^(x log 2). Its first two terms
// are pairs; the third is below 2^-22, so doubles from there on cost 2^-74. The terms left out begin at 2^-97.
Two quick_exp2(Two x) {
  static const auto powers = [] {
    std::array<Two, 33> table;
    for (int i = 0; i <= 32; ++i) table[static_cast<std::size_t>(i)] = quick_exp(log2_pair * (i / 32.0));
    return table;
  }();
  const double i = std::floor(x.high * 32.0 + 0.5);
  const Two z = (x - i / 32.0) * log2_pair;
  constexpr double reciprocals[] = {1 / 3628800.0, 1 / 362880.0, 1 / 40320.0, 1 / 5040.0, 1 / 720.0, 1 / 120.0, 1 / 24.0, 1 / 6.0};
  double tail = 0.0;
  for (const double reciprocal : reciprocals) tail = tail * z.high + reciprocal;
  const Two square = z * z;
  const Two series = (z + square * 0.5) + tail * square.high * z.high;
  const Two& power = powers[static_cast<std::size_t>(i)];
  return power + power * series;
}

// log((1 + s) / (1 - s)) for |s| <= 2^-8.
Two quick_two_atanh(Two s) {
  static const auto c = [] {
    std::array<Two, 7> odd;
    for (std::size_t i = 0; i < odd.size(); ++i) odd[i] = Two(2.0) / (2.0 * static_cast<double>(i) + 1.0);
    return odd;
  }();
  return s * series(c, 4, s * s);
}

constexpr double near_one = 0x1p-7;

Two quick_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < 0x1.6a09e667f3bcdp-1) {  // into [sqrt(1/2), sqrt(2)), so that nothing cancels
    m *= 2.0;
    --exponent;
  }
  Two sum = 0.0;
  if (std::fabs(m - 1.0) < near_one) {
    sum = quick_two_atanh(Two(m - 1.0) / exact_sum(m, 1.0));
  } else {
    const double guess = std::log(m);
    const Two d = Two(m) * quick_exp(-guess) - 1.0;
    if (!(std::fabs(d.high) < 0x1p-40)) return undecided;
    sum = Two(guess) + (d - d * d * 0.5);
  }
  for (int i = 2; i >= 0; --i) sum = sum + exact_product(exponent, log2_parts[i]);
  return sum;
}

Two quick_log1p(double x) {
  if (std::fabs(x) < near_one) return quick_two_atanh(Two(x) / exact_sum(2.0, x));
  const Two sum = exact_sum(1.0, x);
  return quick_log(sum.high) + sum.low / sum.high;
}

// For |x| <= 0.8; the terms left out begin at 2^-102.
Two quick_sine(Two x) {
  static const auto c = coefficients<14>([](double i) { return -2.0 * i * (2.0 * i + 1.0); });
  return x * series(c, 8, x * x);
}

Two quick_cosine(Two x) {
  static const auto c = coefficients<15>([](double i) { return -2.0 * i * (2.0 * i - 1.0); });
  return series(c, 8, x * x);
}

// The sine of x + quadrants * pi/2.
Two quick_sine_of_quadrant(double x, int quadrants) {
  if (std::fabs(x) > 0x1p+20) return undecided;
  const double k = std::floor(x * 0x1.45f306dc9c883p-1 + 0.5);
  Two angle = x;
  for (const double part : half_pi_parts) angle = angle - exact_product(k, part);
  if (k != 0.0 && std::fabs(angle.high) < 0x1p-20) return undecided;  // cancelled too much
  const int quadrant = (static_cast<int>(k) + quadrants) & 3;
  const Two magnitude = quadrant % 2 == 0 ? quick_sine(angle) : quick_cosine(angle);
  return quadrant >= 2 ? -magnitude : magnitude;
}

Two quick_asin_of_half(Two x) {  // |x| <= 1/2: one Newton step in full precision
  const double guess = std::asin(x.high);
  const Two rest = x - quick_sine(guess);
  if (!(std::fabs(rest.high) <= std::fabs(x.high) * 0x1p-40)) return undecided;
  return Two(guess) + (rest + rest * rest * (0.5 * guess)) / quick_cosine(guess);
}

Two quick_asin(double x) {
  if (std::fabs(x) <= 0.5) return quick_asin_of_half(x);
  const double half = (1.0 - std::fabs(x)) / 2.0, root = std::sqrt(half);  // (1 - |x|) / 2 is exact
  if (root == 0.0) return undecided;
  const Two angle =
      half_pi_pair - Two(2.0) * quick_asin_of_half(ordered_sum(root, std::fma(-root, root, half) / (2.0 * root)));
  return x < 0.0 ? -angle : angle;
}

template <double (*reference_function)(double)>
double decide(bool in_reach, double x, auto quick) {
  const double value = in_reach ? settled(quick()) : nan;
  return std::isnan(value) ? reference_function(x) : value;
}

}  // namespace

double exp(double x) {
  return decide<reference::exp>(ordinary(x) && std::fabs(x) < quick_exp_limit, x, [x] { return quick_exp(x); });
}
double log(double x) {
  return decide<reference::log>(ordinary(x) && x > 0.0, x, [x] { return quick_log(x); });
}
double log1p(double x) {
  return decide<reference::log1p>(ordinary(x) && x > -1.0, x, [x] { return quick_log1p(x); });
}
double sin(double x) {
  return decide<reference::sin>(ordinary(x), x, [x] { return quick_sine_of_quadrant(x, 0); });
}
double cos(double x) {
  return decide<reference::cos>(ordinary(x), x, [x] { return quick_sine_of_quadrant(x, 1); });
}
double asin(double x) {
  return decide<reference::asin>(ordinary(x) && std::fabs(x) <= 1.0, x, [x] { return quick_asin(x); });
}

double exp2(std::int64_t numerator, std::int64_t denominator) {
  const auto exactly = [](std::int64_t n) { return exact_sum(static_cast<double>(n >> 32) * 0x1p+32, static_cast<double>(n & 0xffffffff)); };
  const double value = settled(quick_exp2(exactly(numerator) / exactly(denominator)));
  return std::isnan(value) ? reference::exp2(numerator, denominator) : value;
}

double pow(double x, double y) {
  if (ordinary(x) && ordinary(y) && x > 0.0) {
    const Two exponent = quick_log(x) * y;
    // An exact midpoint is never settled, and an exact result is what it settles to.
    const double value = std::fabs(exponent.high) < quick_exp_limit ? settled(quick_exp(exponent)) : nan;
    if (!std::isnan(value)) return value;
  }
  return reference::pow(x, y);
}

}  // namespace featlib::pinned
