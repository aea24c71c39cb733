#include "rounding.hpp"

#include <array>
#include <bit>
#include <limits>

namespace featlib {
namespace {

constexpr int min_exponent = -1074;   // of the least subnormal
constexpr int max_exponent = 971;     // of the last bit of the largest double

int bit_width(uint128 v) noexcept {
  const auto high = static_cast<std::uint64_t>(v >> 64);
  return high ? 128 - std::countl_zero(high) : 64 - std::countl_zero(static_cast<std::uint64_t>(v));
}

/// The top 64 bits of a positive integer and whether anything lies below them.
std::optional<double> round_integer(const Integer& v, int exponent, bool sticky, bool negative) {
  const auto width = static_cast<int>(msb(v)) + 1;
  if (width <= 64) return round_bits(static_cast<std::uint64_t>(v), exponent, sticky, negative);
  const int drop = width - 64;
  sticky = sticky || static_cast<int>(lsb(v)) < drop;
  return round_bits(static_cast<std::uint64_t>(v >> drop), exponent + drop, sticky, negative);
}

/// numerator / denominator as a quotient of at least `bits` bits times 2^exponent, and what is left over.
struct Quotient {
  Integer quotient, rest;
  int exponent;
};
Quotient divide(const Integer& numerator, const Integer& denominator, int exponent, int bits, bool even_exponent) {
  int shift = std::max(0, bits - static_cast<int>(msb(numerator)) + static_cast<int>(msb(denominator)));
  if (even_exponent && ((exponent - shift) & 1)) ++shift;
  Quotient out{0, 0, exponent - shift};
  divide_qr(Integer(numerator << shift), denominator, out.quotient, out.rest);
  return out;
}

}  // namespace

std::optional<double> round_bits(std::uint64_t significand, int exponent, bool sticky, bool negative) noexcept {
  if (significand == 0 && !sticky) return 0.0;
  const int width = 64 - std::countl_zero(significand);
  int drop = width - 53;
  if (exponent + drop < min_exponent) drop = min_exponent - exponent;   // subnormal: fewer bits stay
  std::uint64_t kept = significand;
  if (drop > 0) {
    if (drop > 64) {
      kept = 0;
    } else {
      kept = drop == 64 ? 0 : significand >> drop;
      const std::uint64_t half = std::uint64_t{1} << (drop - 1);
      const std::uint64_t rest = drop == 64 ? significand : significand & ((half << 1) - 1);
      kept += rest > half || (rest == half && (sticky || (kept & 1)));
    }
    exponent += drop;
  }
  if (kept == 0) return 0.0;
  // kept <= 2^53 and exponent >= min_exponent: shift up to a full 53 bits, then put the fields together.
  int shift = std::countl_zero(kept) - 11;
  if (shift < 0) { kept >>= 1; ++exponent; shift = 0; }
  if (exponent - shift < min_exponent) shift = exponent - min_exponent;
  kept <<= shift;
  exponent -= shift;
  if (exponent > max_exponent) return std::nullopt;
  const bool normal = kept >> 52;
  const std::uint64_t bits = (normal ? static_cast<std::uint64_t>(exponent - min_exponent + 1) << 52 : 0) | (kept & ((std::uint64_t{1} << 52) - 1));
  return std::bit_cast<double>(bits | (negative ? std::uint64_t{1} << 63 : 0));
}

std::optional<double> round_ratio(const Integer& numerator, const Integer& denominator, int exponent) {
  if (numerator == 0) return 0.0;
  const bool negative = numerator < 0;
  // 70 bits and a sticky bit decide every rounding to 53.
  const Quotient q = divide(negative ? Integer(-numerator) : numerator, denominator, exponent, 70, false);
  return round_integer(q.quotient, q.exponent, q.rest != 0, negative);
}

std::optional<double> round_root(const Integer& numerator, const Integer& denominator, int exponent) {
  if (numerator == 0) return 0.0;
  const Quotient q = divide(numerator, denominator, exponent, 140, true);
  Integer rest;
  const Integer root = sqrt(q.quotient, rest);
  return round_integer(root, q.exponent / 2, q.rest != 0 || rest != 0, false);
}

std::int64_t power_of_ten(int scale) noexcept {
  static constexpr auto powers = [] {
    std::array<std::int64_t, 19> out{1};
    for (std::size_t i = 1; i < out.size(); ++i) out[i] = out[i - 1] * 10;
    return out;
  }();
  return powers[static_cast<std::size_t>(scale)];
}

std::optional<double> round_magnitude(uint128 magnitude, bool sticky, std::uint64_t denominator, int exponent, bool negative) noexcept {
  if (magnitude == 0) return 0.0;
  // Shift the numerator to the top: the quotient then has at least 64 bits of its 128, more than 53 and a guard.
  const int shift = 128 - bit_width(magnitude);
  magnitude <<= shift;
  exponent -= shift;
  const uint128 quotient = magnitude / denominator;
  sticky = sticky || magnitude % denominator != 0;
  const int drop = bit_width(quotient) - 64;
  if (drop <= 0) return round_bits(static_cast<std::uint64_t>(quotient), exponent, sticky, negative);
  sticky = sticky || (quotient & ((static_cast<uint128>(1) << drop) - 1)) != 0;
  return round_bits(static_cast<std::uint64_t>(quotient >> drop), exponent + drop, sticky, negative);
}

std::optional<double> round_quotient(int128 numerator, std::uint64_t denominator, int exponent) noexcept {
  const bool negative = numerator < 0;
  return round_magnitude(negative ? -static_cast<uint128>(numerator) : static_cast<uint128>(numerator), false, denominator, exponent, negative);
}

std::optional<double> integer_quotient(int128 numerator, std::uint64_t denominator, int scale) {
  const auto unit = static_cast<std::uint64_t>(power_of_ten(scale));
  // Doubles that hold both are divided with the one rounding that is wanted.
  constexpr std::int64_t exact = std::int64_t{1} << 53;
  if (numerator < exact && numerator > -exact && denominator <= static_cast<std::uint64_t>(exact) / unit)
    return static_cast<double>(static_cast<std::int64_t>(numerator)) / static_cast<double>(denominator * unit) + 0.0;
  if (denominator <= std::numeric_limits<std::uint64_t>::max() / unit) return round_quotient(numerator, denominator * unit, 0);
  return round_ratio(to_integer(numerator), Integer(denominator) * unit, 0);
}

Integer to_integer(int128 v) {
  const bool negative = v < 0;
  const uint128 magnitude = negative ? -static_cast<uint128>(v) : static_cast<uint128>(v);
  Integer out = static_cast<std::uint64_t>(magnitude >> 64);
  out <<= 64;
  out += static_cast<std::uint64_t>(magnitude);
  return negative ? Integer(-out) : out;
}

Integer to_integer(std::span<const std::uint64_t> words) {
  if (words.empty()) return 0;
  // All words as a positive integer, less 2^(64 n) when the top bit is set.
  Integer out;
  import_bits(out, words.begin(), words.end(), 64, false);
  if (words.back() >> 63) out -= Integer(1) << static_cast<unsigned>(64 * words.size());
  return out;
}

Integer to_integer(const ExactSum& sum, int exponent) { return to_integer(sum.words()) << (sum.exponent() - exponent); }

}  // namespace featlib
