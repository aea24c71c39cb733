/// Exponential decay with half-life h: every row weighs 2^((t - as_of) / h), without landmark or order.
///
/// With floor division as_of = Q h + R and t = q h + r, and m(x) the correctly rounded 2^(x / h):
///   decay_sum  = sum of v m(r) 2^(q - Q), divided by m(R)
///   decay_mean = sum of v w / sum of w with w = m(r) 2^(q - Q)
/// exactly in m, rounded once. So a row's part does not depend on when the question is asked, and sums can be kept.
///
/// Source: Cormode, Shkapenyuk, Srivastava and Xu, "Forward decay" (ICDE 2009): weigh by the row's own time, divide when
/// asked. Differs: the exponent is split, so nothing overflows and no landmark has to move; and the sums are exact.
#pragma once

#include <featlib/core/exact.hpp>
#include <featlib/core/time.hpp>
#include <featlib/window/aggregated.hpp>

#include <boost/container/small_vector.hpp>

namespace featlib {

/// An exact sum whose values may lie any distance apart: only the places that hold something take room, so that 1 + 2^-1000000
/// is two digits. Slower than ExactSum, which takes all places in between.
///
/// The digits count multiples of 2^(64 place) and lie in [-2^63, 2^63): one and only one such form for each sum, and its sign
/// is that of the first digit.
class SparseSum {
 public:
  /// Adds count * 2^exponent.
  void add(int128 count, std::int64_t exponent);
  /// Adds other * factor * 2^exponent, |factor| < 2^62.
  void add(const SparseSum& other, std::int64_t factor, std::int64_t exponent);

  int sign() const noexcept { return digits_.empty() ? 0 : digits_.back().value < 0 ? -1 : 1; }
  bool operator==(const SparseSum&) const = default;

  /// numerator / denominator, rounded once; nothing when it leaves the double range. `denominator` > 0.
  static std::optional<double> ratio(const SparseSum& numerator, const SparseSum& denominator);

 private:
  struct Digit {
    std::int64_t place;
    std::int64_t value;
    bool operator==(const Digit&) const = default;
  };
  struct Leading;

  void add_digit(std::int64_t place, int128 value);
  Leading leading() const;

  boost::container::small_vector<Digit, 3> digits_;   ///< by place, none of value 0
};

/// Decayed sum and mean of doubles, or of integers that stand for value / 10^scale.
///
/// Shape: an instant and a finite double or int64 a row. Unit: the values'. Empty: null.
/// Error: a result beyond the double range.
/// Laws:  empty is the identity of merge(), merge() is concatenation, remove() undoes add(). One half-life for all.
class DecaySums {
 public:
  explicit DecaySums(Duration half_life) noexcept : half_life_(half_life) {}

  void add(Instant at, double value) { put(at, decompose(value), false); }
  void add(Instant at, std::int64_t value) { put(at, {value, 0}, false); }
  void remove(Instant at, double value) { put(at, decompose(value), true); }
  void remove(Instant at, std::int64_t value) { put(at, {value, 0}, true); }
  void merge(const DecaySums& other);

  std::uint64_t count() const noexcept { return count_; }
  Aggregated sum(Instant as_of, int scale = 0) const;
  /// Does not depend on as_of: all weights have it in common.
  Aggregated mean(int scale = 0) const;

 private:
  void put(Instant at, Decomposed value, bool removed);

  Duration half_life_;
  std::uint64_t count_ = 0;
  SparseSum values_, weights_;
};

}  // namespace featlib
