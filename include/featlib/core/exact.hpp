/// Exact sums of doubles and integers, rounded once. Everything the windows compute in arithmetic ends here.
///
///     ExactSum sum;
///     sum.add(1e308);
///     sum.add(0.1);
///     sum.remove(1e308);
///     sum.value();                    // 0.1, and so it is in any order
///
/// A double is an integer times a power of two, so a sum of doubles is an integer too. ExactSum keeps it as one, in as
/// many 64-bit words as the values have needed: two for amounts of money, thirty-four for the whole double range. How
/// many cannot be seen in any result. So sums do not depend on order, batches, threads, eviction or merging.
///
/// Source: the idea is Kulisch's long accumulator; see also Neal, "Fast exact summation using small and large
/// superaccumulators" (2015). Differs: no fixed range. Word boundaries stand at multiples of 2^64, so that the sum grows
/// at either end by whole words and nothing is ever shifted. An int128 in a unit chosen by the data, moving to 34 words
/// where it did not fit, took the same 7 ns for add and remove (GCC 12 -O2) and needed two of everything.
#pragma once

#include <boost/container/small_vector.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>

namespace featlib {

using int128 = __int128;
using uint128 = unsigned __int128;

/// A finite double as `significand * 2^exponent`, the significand below 2^53 in magnitude.
struct Decomposed {
  std::int64_t significand;
  int exponent;
};
inline Decomposed decompose(double value) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const int field = static_cast<int>((bits >> 52) & 0x7ff);
  auto significand = static_cast<std::int64_t>(bits & ((std::uint64_t{1} << 52) - 1));
  if (field) significand |= std::int64_t{1} << 52;
  return {bits >> 63 ? -significand : significand, (field ? field : 1) - 1075};
}

/// 10^scale for scale 0..18.
std::int64_t power_of_ten(int scale) noexcept;

/// The correctly rounded (to nearest, ties to even) double of `numerator * 2^exponent / denominator`; nothing when it leaves the
/// double range. `denominator` > 0.
std::optional<double> round_quotient(int128 numerator, std::uint64_t denominator, int exponent) noexcept;

/// numerator / (denominator * 10^scale), rounded once.
std::optional<double> integer_quotient(int128 numerator, std::uint64_t denominator, int scale);

/// A positive integer below 2^256, least significant word first: what products of significands need.
using Magnitude = std::array<std::uint64_t, 4>;

/// Sum of integers times powers of two, with exact removal and merging.
///
/// Shape: one double, int128 or Magnitude a call. Empty: the sum is 0.
/// Laws:  an empty sum is the identity of merge(); merge is concatenation; remove() undoes add(), in any order.
class ExactSum {
 public:
  void add(double value) {
    const Decomposed parts = decompose(value);
    add_scaled(parts.significand, parts.exponent);
  }
  void remove(double value) {
    const Decomposed parts = decompose(value);
    add_scaled(-parts.significand, parts.exponent);
  }
  /// Adds count * 2^exponent.
  void add_scaled(int128 count, int exponent);
  /// Adds magnitude * 2^exponent, or takes it away.
  void add_scaled(const Magnitude& magnitude, int exponent, bool negative);
  void merge(const ExactSum& other);
  /// Takes another sum away: what is left of a prefix.
  void subtract(const ExactSum& other);

  /// The sum divided by `denominator` (> 0), rounded once; nothing when it leaves the double range.
  std::optional<double> quotient(std::uint64_t denominator) const;
  std::optional<double> value() const { return quotient(1); }

  /// The sum is the two's complement integer of words(), least significant first, times 2^exponent().
  std::span<const std::uint64_t> words() const noexcept { return {words_.data(), words_.size()}; }
  int exponent() const noexcept { return 64 * base_; }

 private:
  void add_words(int base, std::span<const std::uint64_t> addend, bool negative);

  int base_ = 0;                                                   ///< words_[0] counts multiples of 2^(64 base_)
  boost::container::small_vector<std::uint64_t, 3> words_;         // none: 0
};

}  // namespace featlib
