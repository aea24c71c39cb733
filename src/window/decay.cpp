#include <featlib/window/decay.hpp>

#include <featlib/contract/expression.hpp>

#include "rounding.hpp"

#include <algorithm>

namespace featlib {
namespace {

/// t = periods * half_life + rest, 0 <= rest < half_life.
struct Split {
  std::int64_t periods;
  Duration rest;
};
Split split(Instant at, Duration half_life) noexcept {
  const std::int64_t periods = at / half_life - (at % half_life < 0);
  return {periods, at - periods * half_life};
}

}  // namespace

void SparseSum::add_digit(std::int64_t place, int128 value) {
  auto at = std::lower_bound(digits_.begin(), digits_.end(), place, [](const Digit& d, std::int64_t p) { return d.place < p; });
  while (value != 0) {
    if (at == digits_.end() || at->place != place) at = digits_.insert(at, {place, 0});
    const int128 total = at->value + value;
    at->value = static_cast<std::int64_t>(total);
    value = (total - at->value) >> 64;
    at = at->value == 0 ? digits_.erase(at) : at + 1;
    ++place;
  }
}

void SparseSum::add(int128 count, std::int64_t exponent) {
  const std::int64_t place = exponent >> 6;
  const int shift = static_cast<int>(exponent & 63);
  const auto low = static_cast<std::uint64_t>(count);
  add_digit(place, static_cast<int128>(static_cast<uint128>(low) << shift & ~std::uint64_t{0}));
  add_digit(place + 1, ((count >> 64) << shift) + static_cast<int128>(static_cast<uint128>(low) << shift >> 64));
}

void SparseSum::add(const SparseSum& other, std::int64_t factor, std::int64_t exponent) {
  const auto digits = other.digits_;   // other may be this sum
  for (const Digit& digit : digits) add(static_cast<int128>(digit.value) * factor, 64 * digit.place + exponent);
}

/// |sum| lies in [magnitude - 2, magnitude + 2] * 2^exponent, and 2^126 <= magnitude < 2^127.
struct SparseSum::Leading {
  uint128 magnitude;
  std::int64_t exponent;
};

SparseSum::Leading SparseSum::leading() const {
  // Three places from the first digit on, |first| >= 1: at least 2^126 of their unit. What lies below is less than one.
  const std::int64_t place = digits_.back().place - 2;
  Integer sum = 0;
  for (auto digit = digits_.rbegin(); digit != digits_.rend() && digit->place >= place; ++digit) sum += Integer(digit->value) << static_cast<unsigned>(64 * (digit->place - place));
  if (sum < 0) sum = -sum;
  const auto shift = static_cast<int>(msb(sum)) - 126;
  return {static_cast<uint128>(sum >> shift), 64 * place + shift};
}

std::optional<double> SparseSum::ratio(const SparseSum& numerator, const SparseSum& denominator) {
  if (numerator.sign() == 0) return 0.0;
  const bool negative = numerator.sign() < 0;
  const Leading n = numerator.leading(), d = denominator.leading();
  // 64 bits of the denominator: the quotient has 63 or 64, and is off by less than 8 in the last.
  const auto quotient = static_cast<std::uint64_t>(n.magnitude / static_cast<std::uint64_t>(d.magnitude >> 63));
  const std::int64_t exponent = std::clamp<std::int64_t>(n.exponent - d.exponent - 63, -3000, 3000);
  const auto low = round_bits(quotient - 8, static_cast<int>(exponent), true, false);
  const auto high = quotient > ~std::uint64_t{0} - 8 ? round_bits(std::uint64_t{1} << 63, static_cast<int>(exponent) + 1, true, false)
                                                     : round_bits(quotient + 8, static_cast<int>(exponent), true, false);
  if (!low) return std::nullopt;
  if (high && *low == *high) return negative ? -*low + 0.0 : *low;

  // A boundary lies between them, halfway: numerator against boundary * denominator says on which side the value is.
  const Decomposed below = decompose(*low), above = high ? decompose(*high) : Decomposed{std::int64_t{1} << 53, below.exponent};
  const std::int64_t halfway = below.significand + (above.significand << (above.exponent - below.exponent));
  SparseSum difference;
  difference.add(numerator, negative ? -1 : 1, 0);
  difference.add(denominator, -halfway, below.exponent - 1);
  const bool up = difference.sign() > 0 || (difference.sign() == 0 && below.significand % 2 != 0);
  if (up && !high) return std::nullopt;
  return (negative ? -(up ? *high : *low) : up ? *high : *low) + 0.0;
}

void DecaySums::put(Instant at, Decomposed value, bool removed) {
  removed ? --count_ : ++count_;
  const Split time = split(at, half_life_);
  const Decomposed weight = decompose(pinned::exp2(time.rest, half_life_));
  const int128 sign = removed ? -1 : 1;
  values_.add(sign * value.significand * weight.significand, time.periods + value.exponent + weight.exponent);
  weights_.add(sign * weight.significand, time.periods + weight.exponent);
}

void DecaySums::merge(const DecaySums& other) {
  count_ += other.count_;
  values_.add(other.values_, 1, 0);
  weights_.add(other.weights_, 1, 0);
}

Aggregated DecaySums::sum(Instant as_of, int scale) const {
  if (count_ == 0) return Aggregated::none(Cause::null);
  const Split now = split(as_of, half_life_);
  const Decomposed weight = decompose(pinned::exp2(now.rest, half_life_));
  SparseSum divisor;
  divisor.add(static_cast<int128>(weight.significand) * power_of_ten(scale), now.periods + weight.exponent);
  return Aggregated::of(SparseSum::ratio(values_, divisor));
}

Aggregated DecaySums::mean(int scale) const {
  if (count_ == 0) return Aggregated::none(Cause::null);
  SparseSum divisor;
  divisor.add(weights_, power_of_ten(scale), 0);
  return Aggregated::of(SparseSum::ratio(values_, divisor));
}

}  // namespace featlib
