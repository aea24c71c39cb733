// Central moments of exact power sums, and what is made of them (window/moments.hpp says how), rounded once.
#pragma once

#include <featlib/contract/contract.hpp>
#include <featlib/window/aggregated.hpp>

#include "rounding.hpp"

#include <array>

namespace featlib {

/// How many power sums an aggregate takes; 1 where it is none of the moments.
constexpr int powers_of(AggregateKind kind) {
  switch (kind) {
    case AggregateKind::std: case AggregateKind::var: return 2;
    case AggregateKind::skew: return 3;
    case AggregateKind::kurtosis: return 4;
    default: return 1;
  }
}

/// n, and S(k) as integers in units of 2^(unit k).
struct Central {
  std::uint64_t n;
  int unit;
  std::array<Integer, 4> s;           ///< those that are asked for

  Aggregated variance(int ddof, int scale) const;
  Aggregated deviation(int ddof, int scale) const;
  Aggregated skewness(int ddof) const;
  Aggregated kurtosis(int ddof) const;

 private:
  Integer second() const { return n * s[1] - s[0] * s[0]; }
  Integer third() const { return Integer(n) * n * s[2] - 3 * n * s[0] * s[1] + 2 * s[0] * s[0] * s[0]; }
  Integer fourth() const {
    const Integer square = s[0] * s[0], pairs = Integer(n) * n;
    return pairs * n * s[3] - 4 * pairs * s[0] * s[2] + 6 * n * square * s[1] - 3 * square * square;
  }
};

/// std, var, skew or kurtosis of n values: of S(1), and the words of the others (window/powers.hpp).
Aggregated moment(const Aggregate& aggregate, std::uint64_t n, int unit, int128 sum, const std::uint64_t* words);

}  // namespace featlib
