#include <featlib/window/quantile.hpp>

#include <featlib/core/exact.hpp>

namespace featlib {

QuantileRank quantile_rank(std::uint64_t n, std::int64_t p_numerator, std::int64_t p_denominator, Interpolation interpolation) noexcept {
  const uint128 h = static_cast<uint128>(n - 1) * static_cast<std::uint64_t>(p_numerator);
  const auto lower = static_cast<std::uint64_t>(h / static_cast<std::uint64_t>(p_denominator));
  const auto rest = static_cast<std::int64_t>(h % static_cast<std::uint64_t>(p_denominator));
  switch (interpolation) {
    case Interpolation::linear: return {lower, rest, p_denominator};
    case Interpolation::lower: return {lower, 0, 1};
    case Interpolation::higher: return {lower + (rest > 0), 0, 1};
    case Interpolation::midpoint: return {lower, rest > 0, 2};
    case Interpolation::nearest: break;
  }
  const std::int64_t twice = 2 * rest;
  return {lower + (twice > p_denominator || (twice == p_denominator && lower % 2 == 1)), 0, 1};
}

Aggregated quantile_between(double lower, double upper, const QuantileRank& rank) {
  const Decomposed l = decompose(lower), u = decompose(upper);
  ExactSum sum;
  sum.add_scaled(static_cast<int128>(l.significand) * (rank.denominator - rank.numerator), l.exponent);
  sum.add_scaled(static_cast<int128>(u.significand) * rank.numerator, u.exponent);
  return Aggregated::of(sum.quotient(static_cast<std::uint64_t>(rank.denominator)));
}

Aggregated quantile_between(std::int64_t lower, std::int64_t upper, const QuantileRank& rank, int scale) {
  const int128 sum = static_cast<int128>(lower) * (rank.denominator - rank.numerator) + static_cast<int128>(upper) * rank.numerator;
  return Aggregated::of(integer_quotient(sum, static_cast<std::uint64_t>(rank.denominator), scale));
}

}  // namespace featlib
