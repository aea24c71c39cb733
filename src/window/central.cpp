#include "window/central.hpp"

#include "window/powers.hpp"
#include "window/spread.hpp"

namespace featlib {
namespace {

/// n (n - ddof) 10^(2 scale).
Integer divisor(std::uint64_t n, int ddof, int scale) {
  const Integer unit = power_of_ten(scale);
  return Integer(n) * (n - static_cast<std::uint64_t>(ddof)) * unit * unit;
}

}  // namespace

Aggregated Central::variance(int ddof, int scale) const {
  if (n <= static_cast<std::uint64_t>(ddof)) return Aggregated::none(Cause::null);
  return Aggregated::of(round_ratio(second(), divisor(n, ddof, scale), 2 * unit));
}

Aggregated Central::deviation(int ddof, int scale) const {
  if (n <= static_cast<std::uint64_t>(ddof)) return Aggregated::none(Cause::null);
  return Aggregated::of(round_root(second(), divisor(n, ddof, scale), 2 * unit));
}

Aggregated Central::skewness(int ddof) const {
  if (n == 0 || (ddof == 1 && n < 3)) return Aggregated::none(Cause::null);
  const Integer m2 = second(), m3 = third();
  if (m2 == 0) return Aggregated::none(Cause::null);
  // A root is taken of a square: g1^2 = M3^2 / M2^3, and the sign is M3's. Units cancel, so neither scale nor unit is left.
  Integer numerator = m3 * m3, denominator = m2 * m2 * m2;
  if (ddof == 1) {
    numerator *= Integer(n) * (n - 1);
    denominator *= Integer(n - 2) * (n - 2);
  }
  const double magnitude = *round_root(numerator, denominator, 0);   // at most sqrt(n)
  return Aggregated::of((m3 < 0 ? -magnitude : magnitude) + 0.0);
}

Aggregated Central::kurtosis(int ddof) const {
  if (n == 0 || (ddof == 1 && n < 4)) return Aggregated::none(Cause::null);
  const Integer m2 = second();
  if (m2 == 0) return Aggregated::none(Cause::null);
  const Integer square = m2 * m2, excess = fourth() - 3 * square;
  if (ddof == 0) return Aggregated::of(round_ratio(excess, square, 0));
  return Aggregated::of(round_ratio((n - 1) * ((n + 1) * excess + 6 * square), Integer(n - 2) * (n - 3) * square, 0));
}

Aggregated moment(const Aggregate& a, std::uint64_t n, int unit, int128 sum, const std::uint64_t* words) {
  const bool root = a.kind == AggregateKind::std;
  if ((root || a.kind == AggregateKind::var) && n > static_cast<std::uint64_t>(a.ddof))
    if (const auto value = propose({n, unit, sum, words, a.ddof, a.argument_scale}, root)) return Aggregated::of(*value);

  Central exact{n, unit, {to_integer(sum)}};
  for (int k = 2; k <= powers_of(a.kind); ++k) {
    exact.s[static_cast<std::size_t>(k) - 1] = to_integer(std::span(words, powers::words_of(k)));
    words += powers::words_of(k);
  }
  switch (a.kind) {
    case AggregateKind::var: return exact.variance(a.ddof, a.argument_scale);
    case AggregateKind::skew: return exact.skewness(a.ddof);
    case AggregateKind::kurtosis: return exact.kurtosis(a.ddof);
    default: return exact.deviation(a.ddof, a.argument_scale);
  }
}

}  // namespace featlib
