// Exact prefix sums of an entity's values: a window's sum is a difference, whatever it holds.
//
// Source: research of sliding sums; see Kulisch for the fixed point. A double is an integer times a power of two; in a unit
// small enough for every value of a piece of the table the sums are integers of 128 bits. Cents and the like need 80 to 100.
#pragma once

#include <featlib/core/exact.hpp>
#include <featlib/core/pages.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace featlib::replaying {

/// Which units hold some doubles: from the last bit of the finest to the first bit of the largest.
class Exponents {
 public:
  /// A finite double's bits.
  void add(std::uint64_t bits) noexcept {
    const std::uint64_t magnitude = bits << 1;   // without its sign; zero is in any unit
    least_ = std::min(least_, magnitude == 0 ? least_ : std::max<std::uint64_t>(magnitude >> 53, 1));
    most_ = std::max(most_, magnitude >> 53);
  }
  void merge(const Exponents& other) noexcept {
    least_ = std::min(least_, other.least_);
    most_ = std::max(most_, other.most_);
  }
  /// 2^unit() divides every value.
  int unit() const noexcept { return static_cast<int>(least_ == none ? 1 : least_) - 1075; }
  /// Whether sums of `n` of the values fit 128 bits in that unit: 53 bits of significand, the span of exponents, the rows, the sign.
  bool fit(std::size_t n) const noexcept { return least_ == none || 53 + static_cast<int>(most_ - std::min(most_, least_)) + static_cast<int>(std::bit_width(n)) < 128; }

 private:
  static constexpr std::uint64_t none = 4096;
  std::uint64_t least_ = none, most_ = 0;   ///< exponent fields, those of subnormals as 1
};

/// A double in units of 2^unit, which divides it.
inline int128 in_unit(double value, int unit) noexcept {
  const Decomposed parts = decompose(value);
  return parts.significand == 0 ? 0 : static_cast<int128>(static_cast<uint128>(static_cast<int128>(parts.significand)) << (parts.exponent - unit));
}

/// Sums of the values before each position; `Sum` holds them all.
template <class Sum>
class PrefixSums {
 public:
  template <class Addend>
  void build(std::span<const std::uint64_t> values, Addend&& addend) {
    if (sums_.size() < values.size() + 1) sums_.resize(values.size() + values.size() / 2 + 1);
    Sum sum = 0;
    sums_[0] = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sums_[i + 1] = sum += addend(values[i]);
  }
  Sum between(std::uint32_t first, std::uint32_t last) const noexcept { return sums_[last] - sums_[first]; }

 private:
  PagedVector<Sum> sums_;
};

}  // namespace featlib::replaying
