#include <featlib/window/moments.hpp>

#include "window/central.hpp"

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

template <std::size_t powers>
Central central(std::uint64_t count, const std::array<ExactSum, powers>& sums) {
  // The least unit of the first powers serves all: 64 floor(k e / 64) >= 64 k floor(e / 64).
  Central out{count, std::min(0, sums[0].exponent()), {}};
  for (std::size_t k = 0; k < powers; ++k) out.s[k] = to_integer(sums[k], static_cast<int>(k + 1) * out.unit);
  return out;
}

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
Aggregated PowerSums<powers>::variance(int ddof, int scale) const { return central(count_, sums_).variance(ddof, scale); }

template <int powers>
Aggregated PowerSums<powers>::deviation(int ddof, int scale) const { return central(count_, sums_).deviation(ddof, scale); }

template <int powers>
Aggregated PowerSums<powers>::skewness(int ddof) const requires(powers >= 3) { return central(count_, sums_).skewness(ddof); }

template <int powers>
Aggregated PowerSums<powers>::kurtosis(int ddof) const requires(powers >= 4) { return central(count_, sums_).kurtosis(ddof); }

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
