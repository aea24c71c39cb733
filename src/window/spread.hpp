// Variance and deviation of exact power sums, most of them without long integers.
#pragma once

#include <featlib/core/exact.hpp>

#include <optional>

namespace featlib {

/// S(1) and S(2) of n values (window/powers.hpp), in units of 2^unit; values in units of 10^-scale.
struct Spread {
  std::uint64_t n;
  int unit;
  int128 sum;
  const std::uint64_t* squares;       ///< four words
  int ddof;
  int scale;
};

/// The variance, or its `root`, rounded to nearest, where floating point proves it: 99 of 100. n > ddof.
std::optional<double> propose(const Spread& spread, bool root) noexcept;

}  // namespace featlib
