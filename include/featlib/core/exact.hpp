/// Exact sums of doubles and integers, rounded once. Everything the windows compute in arithmetic ends here.
///
/// A double is an integer times a power of two, so a sum of doubles is an integer too: ExactSum keeps it as one, in
/// 128 bits while that is enough and over the whole double range when it is not. Which of the two holds a sum cannot
/// be seen in any result: both are exact. So sums do not depend on order, batches, threads, eviction or merging.
///
/// Source: the idea is Kulisch's long accumulator; see also Neal, "Fast exact summation using small and large
/// superaccumulators" (2015). Differs: values are kept in a power-of-two unit chosen by the data, 16 bytes for money.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>

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

/// Sum of finite doubles, with exact removal and merging.
class ExactSum {
 public:
  ExactSum() = default;
  ExactSum(const ExactSum& other);
  ExactSum& operator=(const ExactSum& other);
  ExactSum(ExactSum&&) noexcept = default;
  ExactSum& operator=(ExactSum&&) noexcept = default;

  void add(double value) { add(value, +1); }
  void remove(double value) { add(value, -1); }
  /// Adds count * 2^unit, unit >= -1074.
  void add_scaled(int128 count, int unit);
  void merge(const ExactSum& other);

  /// The sum divided by `denominator` (> 0), rounded once; nothing when it leaves the double range.
  std::optional<double> quotient(std::uint64_t denominator) const;
  std::optional<double> value() const { return quotient(1); }

  /// Unit of the narrow form, and whether the sum has moved to the wide one. For tests.
  bool is_wide() const noexcept { return wide_ != nullptr; }

  /// 2^-1074 * the words, two's complement, least significant first: the whole double range and 64 bits of head room.
  static constexpr int words = 34;
  using Words = std::array<std::uint64_t, words>;
  Words to_words() const;

 private:
  void add(double value, int sign);
  void widen();

  int128 narrow_ = 0;
  int unit_ = 0;                     ///< narrow_ counts multiples of 2^unit_
  bool empty_ = true;
  std::unique_ptr<Words> wide_;
};

/// n, sum and sum of squares of finite doubles: what variance needs, exactly.
class ExactMoments {
 public:
  void add(double value);
  std::uint64_t count() const noexcept { return count_; }
  /// Variance with the given ddof, or its root: one rounding of the exact quotient. Nothing for count <= ddof or out of range.
  std::optional<double> variance(int ddof) const;
  std::optional<double> deviation(int ddof) const;

 private:
  std::optional<double> finish(int ddof, bool root) const;

  std::uint64_t count_ = 0;
  ExactSum sum_;
  // Squares of significands are products of integers, in units of 2^-2148: FMA or Dekker pairs are not exact at the ends of the range.
  static constexpr int square_words = 68;
  std::array<std::uint64_t, square_words> squares_{};
};

/// The same for integers that stand for value / 10^scale (bool, int64, decimal).
class IntegerMoments {
 public:
  void add(std::int64_t value) noexcept {
    ++count_;
    sum_ += value;
    const auto magnitude = static_cast<uint128>(value < 0 ? -static_cast<int128>(value) : static_cast<int128>(value));
    const uint128 square = magnitude * magnitude;
    squares_low_ += square;
    squares_high_ += squares_low_ < square;
  }
  std::uint64_t count() const noexcept { return count_; }
  int128 sum() const noexcept { return sum_; }
  std::optional<double> variance(int ddof, int scale) const;
  std::optional<double> deviation(int ddof, int scale) const;

 private:
  std::optional<double> finish(int ddof, int scale, bool root) const;

  std::uint64_t count_ = 0;
  int128 sum_ = 0;
  uint128 squares_low_ = 0;
  std::uint64_t squares_high_ = 0;
};

}  // namespace featlib
