// Correctly rounded elementary functions from integer arithmetic: the same bits on every CPU, compiler and libm.
//
// Each value is computed with `precise` bits and rounded once. Results of double arguments that are not exact stay away from the
// midpoints between doubles: for the functions of one argument the hardest known cases need under 120 bits (Lefevre and
// Muller, "Worst Cases for Correct Rounding of the Elementary Functions in Double Precision", ARITH-15, 2001); for
// pow no such table exists, and 2^128 random arguments would need about 190. We carry 320. The exact results and exact midpoints, which
// no precision decides, are found first.

#include <featlib/contract/expression.hpp>

#include <boost/math/constants/constants.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>

#include <cmath>
#include <limits>
#include <optional>

namespace featlib::pinned {

namespace {

namespace mp = boost::multiprecision;
template <unsigned bits>
using Binary = mp::number<mp::cpp_bin_float<bits, mp::digit_base_2, void, std::int64_t>, mp::et_off>;

using Precise = Binary<320>;
// Reduces the largest double by pi/2: 1024 bits in front of the point, 62 cancelled in the worst case, 320 left, and room.
using Reduction = Binary<1472>;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// to_double() of Boost rounds to nearest even, into subnormals too; tests hold it to that.
double rounded(const Precise& value) {
  const double out = value.convert_to<double>();
  return std::isfinite(out) ? out + 0.0 : nan;   // + 0.0 turns -0.0 into 0.0
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
  const double distance = x - 1.0;   // exact near 1
  return std::fabs(distance) < 0x1p-20 ? small_log1p(Precise(distance)) : mp::log(Precise(x));
}

Precise wide_exp(const Precise& x) { return mp::exp(x); }

constexpr double exp_overflows = 710.0, exp_vanishes = -746.0;   // beyond DBL_MAX; below half of the smallest subnormal

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

// x^y for x > 0 where it has at most 64 significant bits, so is exact or could be a midpoint. With x = m 2^e, m odd: m = 1 gives
// 2^(ey); otherwise y must be a positive k / 2^n, m and 2^e perfect 2^n-th powers, and k small.
std::optional<Precise> exact_power(double x, double y) {
  auto [m, e] = odd_part(x);
  if (m == 1) {
    const double exponent = e * y;
    if (std::fabs(exponent) > 1100 || exponent != std::floor(exponent) || std::fma(e, y, -exponent) != 0.0) return std::nullopt;
    return mp::ldexp(Precise(1), static_cast<int>(exponent));
  }
  if (y < 0x1p-6 || y > 64) return std::nullopt;   // 3^64 has 102 bits, and no m < 2^53 is a 64th power
  while (y != std::floor(y)) {
    const auto root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(m)) + 0.5);   // m < 2^53: at most one off
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
  return rounded(mp::log(Precise(1) + Precise(x)));   // 1 + x is exact, or x so large that 320 bits are enough
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
  if (std::fabs(x) < 0x1p-200) return x + 0.0;   // x - x^3/6 rounds to x
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

}  // namespace featlib::pinned
