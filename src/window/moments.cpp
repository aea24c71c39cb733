#include <featlib/window/moments.hpp>

#include "rounding.hpp"

namespace featlib {
namespace {

std::uint64_t magnitude_of(std::int64_t v) noexcept { return v < 0 ? 0 - static_cast<std::uint64_t>(v) : static_cast<std::uint64_t>(v); }

Magnitude product(uint128 a, uint128 b) noexcept {
  const std::uint64_t parts[4] = {static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(a >> 64), static_cast<std::uint64_t>(b), static_cast<std::uint64_t>(b >> 64)};
  const uint128 low = static_cast<uint128>(parts[0]) * parts[2], high = static_cast<uint128>(parts[1]) * parts[3];
  const uint128 left = static_cast<uint128>(parts[0]) * parts[3], right = static_cast<uint128>(parts[1]) * parts[2];
  const uint128 middle = (low >> 64) + static_cast<std::uint64_t>(left) + static_cast<std::uint64_t>(right);
  const uint128 top = high + (left >> 64) + (right >> 64) + (middle >> 64);
  return {static_cast<std::uint64_t>(low), static_cast<std::uint64_t>(middle), static_cast<std::uint64_t>(top), static_cast<std::uint64_t>(top >> 64)};
}

Integer scale_factor(int scale) { return Integer(power_of_ten(scale)); }

/// The power sums as integers in units of 2^(unit k), and the moments made of them.
struct Moments {
  Integer n;
  int unit;
  std::array<Integer, 4> s;

  template <std::size_t powers>
  // The least unit of the first powers serves all: 64 floor(k e / 64) >= 64 k floor(e / 64).
  Moments(std::uint64_t count, const std::array<ExactSum, powers>& sums) : n(count), unit(std::min(0, sums[0].exponent())) {
    for (int k = 1; k <= static_cast<int>(powers); ++k) s[static_cast<std::size_t>(k) - 1] = to_integer(sums[static_cast<std::size_t>(k) - 1], k * unit);
  }

  Integer second() const { return n * s[1] - s[0] * s[0]; }
  Integer third() const { return n * n * s[2] - 3 * n * s[0] * s[1] + 2 * s[0] * s[0] * s[0]; }
  Integer fourth() const {
    const Integer square = s[0] * s[0];
    return n * n * n * s[3] - 4 * n * n * s[0] * s[2] + 6 * n * square * s[1] - 3 * square * square;
  }
};

}  // namespace

template <int powers>
void PowerSums<powers>::put(Decomposed value, bool removed) {
  removed ? --count_ : ++count_;
  // |significand| <= 2^63: its square fits 126 bits, its fourth power 252.
  const std::uint64_t first = magnitude_of(value.significand);
  const auto second = static_cast<uint128>(first) * first;
  const bool negative = (value.significand < 0) != removed;
  sums_[0].add_scaled(removed ? -static_cast<int128>(value.significand) : value.significand, value.exponent);
  sums_[1].add_scaled(removed ? -static_cast<int128>(second) : static_cast<int128>(second), 2 * value.exponent);
  if constexpr (powers >= 3) sums_[2].add_scaled(product(second, first), 3 * value.exponent, negative);
  if constexpr (powers >= 4) sums_[3].add_scaled(product(second, second), 4 * value.exponent, removed);
}

template <int powers>
void PowerSums<powers>::merge(const PowerSums& other) {
  count_ += other.count_;
  for (std::size_t k = 0; k < sums_.size(); ++k) sums_[k].merge(other.sums_[k]);
}

template <int powers>
Aggregated PowerSums<powers>::variance(int ddof, int scale) const {
  if (count_ <= static_cast<std::uint64_t>(ddof)) return Aggregated::none(Cause::null);
  const Moments m(count_, sums_);
  return Aggregated::of(round_ratio(m.second(), m.n * (m.n - ddof) * scale_factor(scale) * scale_factor(scale), 2 * m.unit));
}

template <int powers>
Aggregated PowerSums<powers>::deviation(int ddof, int scale) const {
  if (count_ <= static_cast<std::uint64_t>(ddof)) return Aggregated::none(Cause::null);
  const Moments m(count_, sums_);
  return Aggregated::of(round_root(m.second(), m.n * (m.n - ddof) * scale_factor(scale) * scale_factor(scale), 2 * m.unit));
}

template <int powers>
Aggregated PowerSums<powers>::skewness(int ddof) const requires(powers >= 3) {
  if (count_ == 0 || (ddof == 1 && count_ < 3)) return Aggregated::none(Cause::null);
  const Moments m(count_, sums_);
  const Integer second = m.second(), third = m.third();
  if (second == 0) return Aggregated::none(Cause::null);
  // A root is taken of a square: g1^2 = M3^2 / M2^3, and the sign is M3's. Units cancel, so neither scale nor unit is left.
  Integer numerator = third * third, denominator = second * second * second;
  if (ddof == 1) {
    numerator *= m.n * (m.n - 1);
    denominator *= (m.n - 2) * (m.n - 2);
  }
  const double magnitude = *round_root(numerator, denominator, 0);   // at most sqrt(n)
  return Aggregated::of((third < 0 ? -magnitude : magnitude) + 0.0);
}

template <int powers>
Aggregated PowerSums<powers>::kurtosis(int ddof) const requires(powers >= 4) {
  if (count_ == 0 || (ddof == 1 && count_ < 4)) return Aggregated::none(Cause::null);
  const Moments m(count_, sums_);
  const Integer second = m.second();
  if (second == 0) return Aggregated::none(Cause::null);
  const Integer square = second * second, excess = m.fourth() - 3 * square;
  if (ddof == 0) return Aggregated::of(round_ratio(excess, square, 0));
  return Aggregated::of(round_ratio((m.n - 1) * ((m.n + 1) * excess + 6 * square), (m.n - 2) * (m.n - 3) * square, 0));
}

template class PowerSums<2>;
template class PowerSums<3>;
template class PowerSums<4>;

void TrendSums::put(Instant at, Decomposed value, bool removed) {
  const int sign = removed ? -1 : 1;
  removed ? --count_ : ++count_;
  times_ += sign * static_cast<int128>(at);
  squares_.add_scaled(sign * static_cast<int128>(at) * at, 0);
  values_.add_scaled(sign * static_cast<int128>(value.significand), value.exponent);
  products_.add_scaled(sign * static_cast<int128>(value.significand) * at, value.exponent);
}

void TrendSums::merge(const TrendSums& other) {
  count_ += other.count_;
  times_ += other.times_;
  squares_.merge(other.squares_);
  values_.merge(other.values_);
  products_.merge(other.products_);
}

Aggregated TrendSums::slope(Duration unit, int scale) const {
  if (count_ < 2) return Aggregated::none(Cause::null);
  const Integer n = count_, times = to_integer(times_);
  const Integer spread = n * to_integer(squares_, 0) - times * times;
  if (spread == 0) return Aggregated::none(Cause::null);
  const int exponent = std::min({0, values_.exponent(), products_.exponent()});
  const Integer slope = n * to_integer(products_, exponent) - times * to_integer(values_, exponent);
  return Aggregated::of(round_ratio(slope * unit, spread * scale_factor(scale), exponent));
}

}  // namespace featlib
