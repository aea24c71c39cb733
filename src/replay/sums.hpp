// Exact prefix sums of an entity's values: a window's sum is a difference, whatever it holds.
//
// Source: research of sliding sums; see Kulisch for the fixed point. A double is an integer times a power of two; in a unit
// small enough for every value of a piece of the table the sums are integers of 128 bits. Cents and the like need 80 to 100.
#pragma once

#include <featlib/core/exact.hpp>
#include <featlib/core/pages.hpp>

#include "window/powers.hpp"

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
  /// Whether sums of `n` of the values fit 128 bits in that unit, the rows and the sign included, and those of their powers their words.
  bool fit(std::size_t n, int powers) const noexcept { return bits() + static_cast<int>(std::bit_width(n)) < 128 && (powers == 1 || bits() <= powers::most_bits(powers)); }

 private:
  /// Of the greatest value: 53 of significand, and the span of exponents.
  int bits() const noexcept { return least_ == none ? 0 : 53 + static_cast<int>(most_ - std::min(most_, least_)); }

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

inline uint128 magnitude(int128 value) noexcept { return value < 0 ? -static_cast<uint128>(value) : static_cast<uint128>(value); }

/// Sums of the values' powers before each position, in words (window/powers.hpp).
class PowerPrefixes {
 public:
  template <class Value>
  void build(int powers, std::span<const std::uint64_t> values, Value&& value) {
    powers_ = powers;
    words_ = powers::words(powers);
    if (sums_.size() < (values.size() + 1) * words_) sums_.resize((values.size() + values.size() / 2 + 1) * words_);
    std::fill_n(sums_.data(), words_, 0);
    std::uint64_t* sum = sums_.data();
    for (const std::uint64_t bits : values) {
      std::copy_n(sum, words_, sum + words_);
      sum += words_;
      const int128 x = value(bits);
      powers::add(sum, powers, magnitude(x), x < 0);
    }
  }
  void between(std::uint32_t first, std::uint32_t last, std::uint64_t* out) const noexcept {
    std::copy_n(sums_.data() + last * words_, words_, out);
    powers::merge(out, powers_, sums_.data() + first * words_, true);
  }

 private:
  int powers_ = 1;
  std::size_t words_ = 0;
  PagedVector<std::uint64_t> sums_;
};

}  // namespace featlib::replaying
