/// Variance, skewness, kurtosis and trend from exact power sums, rounded once.
///
///     PowerSums<2> squares;
///     squares.add(1e9); squares.add(1e9 + 1); squares.add(1e9 + 2);
///     squares.variance(1);            // 1.0, where E[x^2] - E[x]^2 in doubles gives 0 or 128
///
/// With n values, S(k) = sum of x^k, and integers throughout:
///   M2 = n S(2) - S(1)^2,  M3 = n^2 S(3) - 3 n S(1) S(2) + 2 S(1)^3,
///   M4 = n^3 S(4) - 4 n^2 S(1) S(3) + 6 n S(1)^2 S(2) - 3 S(1)^4
/// are n^2, n^3 and n^4 times the central moments. Nothing cancels, because nothing was rounded.
///
/// Source: Joanes and Gill, "Comparing measures of sample skewness and kurtosis" (1998) for G1 and G2, which are what
/// pandas, SAS and Excel call skewness and kurtosis. Differs from streaming updates (Pebay 2008): removal is exact.
#pragma once

#include <featlib/core/exact.hpp>
#include <featlib/core/time.hpp>
#include <featlib/window/aggregated.hpp>

#include <array>

namespace featlib {

/// n and the sums of x, x^2, ... of doubles, or of integers that stand for value / 10^scale.
///
/// Shape: one finite double or one int64 a row, never both in one accumulator.
/// Laws:  empty is the identity of merge(), merge() is concatenation, remove() undoes add().
template <int powers>
class PowerSums {
  static_assert(powers >= 2 && powers <= 4);

 public:
  void add(double value) { put(decompose(value), false); }
  void add(std::int64_t value) { put({value, 0}, false); }
  void remove(double value) { put(decompose(value), true); }
  void remove(std::int64_t value) { put({value, 0}, true); }
  void merge(const PowerSums& other);

  std::uint64_t count() const noexcept { return count_; }

  /// M2 / (n (n - ddof)). Unit: the square of the values'. Null for n <= ddof.
  Aggregated variance(int ddof, int scale = 0) const;
  /// The root of the exact variance, not of the rounded one. Unit: the values'.
  Aggregated deviation(int ddof, int scale = 0) const;
  /// ddof 0: g1 = M3 / M2^(3/2). ddof 1: G1 = g1 sqrt(n (n - 1)) / (n - 2), null for n < 3. A pure number; null without variance.
  Aggregated skewness(int ddof) const requires(powers >= 3);
  /// Excess. ddof 0: g2 = M4 / M2^2 - 3. ddof 1: G2 = (n - 1) ((n + 1) g2 + 6) / ((n - 2) (n - 3)), null for n < 4. A pure number; null
  /// without variance.
  Aggregated kurtosis(int ddof) const requires(powers >= 4);

 private:
  void put(Decomposed value, bool removed);

  std::uint64_t count_ = 0;
  std::array<ExactSum, powers> sums_;
};

extern template class PowerSums<2>;
extern template class PowerSums<3>;
extern template class PowerSums<4>;

/// Least-squares slope of values against time: (n Stx - St Sx) / (n Stt - St^2).
///
/// Shape: an instant and a finite double or int64 a row. Unit: the values' per `unit`.
/// Empty: null for n < 2 and where all times are equal.
/// Laws:  as PowerSums. Times are exact integers, so no origin has to be chosen and none can matter.
class TrendSums {
 public:
  void add(Instant at, double value) { put(at, decompose(value), false); }
  void add(Instant at, std::int64_t value) { put(at, {value, 0}, false); }
  void remove(Instant at, double value) { put(at, decompose(value), true); }
  void remove(Instant at, std::int64_t value) { put(at, {value, 0}, true); }
  void merge(const TrendSums& other);

  std::uint64_t count() const noexcept { return count_; }
  Aggregated slope(Duration unit, int scale = 0) const;

 private:
  void put(Instant at, Decomposed value, bool removed);

  std::uint64_t count_ = 0;
  int128 times_ = 0;
  ExactSum squares_, values_, products_;
};

}  // namespace featlib
