/// Quantiles: where one lies among values in order, and the value there, rounded once.
///
/// With h = (n - 1) p, p the decimal number that was written: `linear` is lower + (h - floor(h)) (upper - lower), type 7 of
/// Hyndman and Fan, "Sample quantiles in statistical packages" (1996), the default of R, NumPy and pandas. `nearest` goes to
/// the even index where both are equally near, as NumPy's does.
#pragma once

#include <featlib/contract/contract.hpp>
#include <featlib/window/aggregated.hpp>

namespace featlib {

/// Between the value at `lower` and the next one: numerator / denominator of the way. At 0 the next one is not looked at.
struct QuantileRank {
  std::uint64_t lower;
  std::int64_t numerator;
  std::int64_t denominator;
};

/// Of n > 0 values; p = p_numerator / p_denominator in [0, 1].
QuantileRank quantile_rank(std::uint64_t n, std::int64_t p_numerator, std::int64_t p_denominator, Interpolation interpolation) noexcept;

/// The value there. float64; integers stand for value / 10^scale.
Aggregated quantile_between(double lower, double upper, const QuantileRank& rank);
Aggregated quantile_between(std::int64_t lower, std::int64_t upper, const QuantileRank& rank, int scale);

}  // namespace featlib
