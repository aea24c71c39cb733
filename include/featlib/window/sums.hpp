/// Sum and mean: one rounding of the exact result, whatever was added, removed or merged before.
///
///     RealSum spent;
///     spent.add(12.34);
///     spent.add(0.01);
///     spent.remove(12.34);
///     spent.mean();                   // 0.01
#pragma once

#include <featlib/core/exact.hpp>
#include <featlib/window/aggregated.hpp>

namespace featlib {

/// Sum and mean of doubles.
///
/// Shape: one finite double a row. Unit: the values'. Empty: null.
/// Error: a result beyond the double range.
class RealSum {
 public:
  void add(double value) { ++count_; sum_.add(value); }
  void remove(double value) { --count_; sum_.remove(value); }
  void merge(const RealSum& other) { count_ += other.count_; sum_.merge(other.sum_); }

  std::uint64_t count() const noexcept { return count_; }
  Aggregated sum() const { return divided(1); }
  Aggregated mean() const { return divided(count_); }

 private:
  Aggregated divided(std::uint64_t by) const { return count_ == 0 ? Aggregated::none(Cause::null) : Aggregated::of(sum_.quotient(by)); }

  std::uint64_t count_ = 0;
  ExactSum sum_;
};

/// Sum and mean of integers; a decimal's value is integer / 10^scale, and the division is part of the one rounding.
///
/// Shape: one int64 a row. Unit: the values'. Empty: null.
/// Error: an integer sum that leaves int64.
class WholeSum {
 public:
  void add(std::int64_t value) noexcept { ++count_; sum_ += value; }
  void remove(std::int64_t value) noexcept { --count_; sum_ -= value; }
  void merge(const WholeSum& other) noexcept { count_ += other.count_; sum_ += other.sum_; }

  std::uint64_t count() const noexcept { return count_; }
  /// int64.
  Aggregated sum() const;
  /// float64.
  Aggregated decimal_sum(int scale) const { return divided(1, scale); }
  Aggregated mean(int scale) const { return divided(count_, scale); }

 private:
  Aggregated divided(std::uint64_t by, int scale) const {
    return count_ == 0 ? Aggregated::none(Cause::null) : Aggregated::of(integer_quotient(sum_, by, scale));
  }

  std::uint64_t count_ = 0;
  int128 sum_ = 0;
};

}  // namespace featlib
