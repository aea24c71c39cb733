#include <featlib/core/exact.hpp>

#include <boost/multiprecision/cpp_int.hpp>

#include <bit>
#include <limits>

namespace featlib {
namespace {

using boost::multiprecision::cpp_int;

constexpr int min_exponent = -1074;   // of the least subnormal
constexpr int max_exponent = 971;     // of the last bit of the largest double

int bit_width(uint128 v) noexcept {
  const auto high = static_cast<std::uint64_t>(v >> 64);
  return high ? 128 - std::countl_zero(high) : 64 - std::countl_zero(static_cast<std::uint64_t>(v));
}

/// significand * 2^exponent for a significand of at most 64 bits plus a sticky bit, rounded to nearest, ties to even.
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

/// The top 64 bits of a positive integer and whether anything lies below them.
std::optional<double> round_integer(const cpp_int& v, int exponent, bool sticky, bool negative) {
  if (v == 0) return round_bits(0, 0, false, negative);
  const auto width = static_cast<int>(msb(v)) + 1;
  if (width <= 64) return round_bits(static_cast<std::uint64_t>(v), exponent, sticky, negative);
  const int drop = width - 64;
  sticky = sticky || static_cast<int>(lsb(v)) < drop;
  return round_bits(static_cast<std::uint64_t>(v >> drop), exponent + drop, sticky, negative);
}

/// numerator / denominator * 2^exponent, or its root, both positive: 70 quotient bits and a sticky bit decide every rounding.
std::optional<double> round_ratio(cpp_int numerator, const cpp_int& denominator, int exponent, bool negative, bool root) {
  if (numerator == 0) return 0.0;
  const int want = root ? 2 * 70 : 70;
  int shift = want - static_cast<int>(msb(numerator)) + static_cast<int>(msb(denominator));
  if (shift < 0) shift = 0;
  if (root && ((exponent - shift) & 1)) ++shift;
  cpp_int rest;
  cpp_int quotient;
  divide_qr(cpp_int(numerator << shift), denominator, quotient, rest);
  bool sticky = rest != 0;
  exponent -= shift;
  if (root) {
    quotient = sqrt(quotient, rest);
    sticky = sticky || rest != 0;
    exponent /= 2;
  }
  return round_integer(quotient, exponent, sticky, negative);
}

template <std::size_t N>
void add_shifted(std::array<std::uint64_t, N>& words, uint128 magnitude, int shift, bool negative) noexcept {
  // Three words of a two's complement addend, then carry or borrow through the rest.
  std::size_t at = static_cast<std::size_t>(shift) / 64;
  const int bits = shift % 64;
  const std::uint64_t part[3] = {static_cast<std::uint64_t>(magnitude) << bits,
                                 static_cast<std::uint64_t>(bits ? magnitude >> (64 - bits) : magnitude >> 64),
                                 bits ? static_cast<std::uint64_t>(magnitude >> 64) >> (64 - bits) : 0};
  unsigned carry = 0;
  for (int i = 0; at < N && (i < 3 || carry); ++i, ++at) {
    const std::uint64_t addend = i < 3 ? part[i] : 0;
    if (negative) {
      const uint128 difference = static_cast<uint128>(words[at]) - addend - carry;
      words[at] = static_cast<std::uint64_t>(difference);
      carry = (difference >> 64) != 0;
    } else {
      const uint128 total = static_cast<uint128>(words[at]) + addend + carry;
      words[at] = static_cast<std::uint64_t>(total);
      carry = static_cast<unsigned>(total >> 64);
    }
  }
}

template <std::size_t N>
cpp_int to_integer(const std::array<std::uint64_t, N>& words) {
  const bool negative = words[N - 1] >> 63;
  std::array<std::uint64_t, N> magnitude = words;
  if (negative) {
    unsigned carry = 1;
    for (auto& word : magnitude) {
      word = ~word + carry;
      carry = carry && word == 0;
    }
  }
  cpp_int out;
  import_bits(out, magnitude.begin(), magnitude.end(), 64, false);
  return negative ? cpp_int(-out) : out;
}

cpp_int to_integer(int128 v) {
  const bool negative = v < 0;
  const uint128 magnitude = negative ? -static_cast<uint128>(v) : static_cast<uint128>(v);
  cpp_int out = static_cast<std::uint64_t>(magnitude >> 64);
  out <<= 64;
  out += static_cast<std::uint64_t>(magnitude);
  return negative ? cpp_int(-out) : out;
}

/// (n * squares - sum^2) / (n * (n - ddof)) * 2^exponent / 10^(2 scale), or its root.
std::optional<double> dispersion(std::uint64_t n, const cpp_int& sum, const cpp_int& squares, int ddof, int scale, int exponent, bool root) {
  if (n <= static_cast<std::uint64_t>(ddof)) return std::nullopt;
  const cpp_int numerator = n * squares - sum * sum;
  const cpp_int unit = power_of_ten(scale);
  const cpp_int denominator = cpp_int(n) * (n - static_cast<std::uint64_t>(ddof)) * unit * unit;
  return round_ratio(numerator, denominator, exponent, false, root);
}

}  // namespace

std::int64_t power_of_ten(int scale) noexcept {
  std::int64_t out = 1;
  while (scale-- > 0) out *= 10;
  return out;
}

std::optional<double> round_quotient(int128 numerator, std::uint64_t denominator, int exponent) noexcept {
  const bool negative = numerator < 0;
  uint128 magnitude = negative ? -static_cast<uint128>(numerator) : static_cast<uint128>(numerator);
  if (magnitude == 0) return 0.0;
  // Shift the numerator to the top: the quotient then has at least 64 bits of its 128, more than 53 and a guard.
  const int shift = 128 - bit_width(magnitude);
  magnitude <<= shift;
  exponent -= shift;
  const uint128 quotient = magnitude / denominator;
  bool sticky = magnitude % denominator != 0;
  const int drop = bit_width(quotient) - 64;
  if (drop <= 0) return round_bits(static_cast<std::uint64_t>(quotient), exponent, sticky, negative);
  sticky = sticky || (quotient & ((static_cast<uint128>(1) << drop) - 1)) != 0;
  return round_bits(static_cast<std::uint64_t>(quotient >> drop), exponent + drop, sticky, negative);
}

std::optional<double> integer_quotient(int128 numerator, std::uint64_t denominator, int scale) {
  const auto unit = static_cast<std::uint64_t>(power_of_ten(scale));
  if (denominator <= std::numeric_limits<std::uint64_t>::max() / unit) return round_quotient(numerator, denominator * unit, 0);
  const bool negative = numerator < 0;
  return round_ratio(to_integer(negative ? -numerator : numerator), cpp_int(denominator) * unit, 0, negative, false);
}

ExactSum::ExactSum(const ExactSum& other)
    : narrow_(other.narrow_), unit_(other.unit_), empty_(other.empty_), wide_(other.wide_ ? std::make_unique<Words>(*other.wide_) : nullptr) {}

ExactSum& ExactSum::operator=(const ExactSum& other) {
  ExactSum copy(other);
  return *this = std::move(copy);
}

void ExactSum::add(double value, int sign) {
  const Decomposed parts = decompose(value);
  if (parts.significand == 0) return;
  if (!wide_) {
    if (empty_) {
      empty_ = false;
      unit_ = parts.exponent;
    }
    // Room: |narrow_| and the addend stay below 2^125, so their sum fits. A finer value moves the unit down first.
    constexpr int room = 125;
    if (parts.exponent < unit_) {
      const int down = unit_ - parts.exponent;
      const uint128 magnitude = narrow_ < 0 ? -static_cast<uint128>(narrow_) : static_cast<uint128>(narrow_);
      if (bit_width(magnitude) + down <= room) {
        narrow_ = static_cast<int128>(static_cast<uint128>(narrow_) << down);
        unit_ = parts.exponent;
      } else {
        widen();
      }
    }
    if (!wide_) {
      const int up = parts.exponent - unit_;
      if (up + 53 <= room) {
        const int128 addend = static_cast<int128>(static_cast<uint128>(static_cast<int128>(parts.significand)) << up);
        const int128 total = sign > 0 ? narrow_ + addend : narrow_ - addend;
        const uint128 magnitude = total < 0 ? -static_cast<uint128>(total) : static_cast<uint128>(total);
        narrow_ = total;
        if (bit_width(magnitude) > room) widen();
        return;
      }
      widen();
    }
  }
  const bool negative = (parts.significand < 0) != (sign < 0);
  add_shifted(*wide_, static_cast<uint128>(parts.significand < 0 ? -parts.significand : parts.significand), parts.exponent - min_exponent, negative);
}

void ExactSum::add_scaled(int128 count, int unit) {
  if (!wide_) widen();
  const bool negative = count < 0;
  add_shifted(*wide_, negative ? -static_cast<uint128>(count) : static_cast<uint128>(count), unit - min_exponent, negative);
}

void ExactSum::widen() {
  wide_ = std::make_unique<Words>(to_words());
}

ExactSum::Words ExactSum::to_words() const {
  if (wide_) return *wide_;
  Words out{};
  const bool negative = narrow_ < 0;
  const uint128 magnitude = negative ? -static_cast<uint128>(narrow_) : static_cast<uint128>(narrow_);
  if (magnitude) add_shifted(out, magnitude, unit_ - min_exponent, negative);
  return out;
}

void ExactSum::merge(const ExactSum& other) {
  if (!wide_) widen();
  const Words addend = other.to_words();
  unsigned carry = 0;
  for (std::size_t i = 0; i < wide_->size(); ++i) {
    const uint128 total = static_cast<uint128>((*wide_)[i]) + addend[i] + carry;
    (*wide_)[i] = static_cast<std::uint64_t>(total);
    carry = static_cast<unsigned>(total >> 64);
  }
}

std::optional<double> ExactSum::quotient(std::uint64_t denominator) const {
  if (!wide_) return round_quotient(narrow_, denominator, unit_);
  cpp_int sum = to_integer(*wide_);
  const bool negative = sum < 0;
  if (negative) sum = -sum;
  return round_ratio(std::move(sum), denominator, min_exponent, negative, false);
}

void ExactMoments::add(double value) {
  ++count_;
  sum_.add(value);
  const Decomposed parts = decompose(value);
  const auto magnitude = static_cast<uint128>(parts.significand < 0 ? -parts.significand : parts.significand);
  if (magnitude) add_shifted(squares_, magnitude * magnitude, 2 * (parts.exponent - min_exponent), false);
}

std::optional<double> ExactMoments::variance(int ddof) const { return finish(ddof, false); }
std::optional<double> ExactMoments::deviation(int ddof) const { return finish(ddof, true); }

std::optional<double> ExactMoments::finish(int ddof, bool root) const {
  return dispersion(count_, to_integer(sum_.to_words()), to_integer(squares_), ddof, 0, 2 * min_exponent, root);
}

std::optional<double> IntegerMoments::variance(int ddof, int scale) const { return finish(ddof, scale, false); }
std::optional<double> IntegerMoments::deviation(int ddof, int scale) const { return finish(ddof, scale, true); }

std::optional<double> IntegerMoments::finish(int ddof, int scale, bool root) const {
  cpp_int squares = squares_high_;
  squares <<= 64;
  squares += static_cast<std::uint64_t>(squares_low_ >> 64);
  squares <<= 64;
  squares += static_cast<std::uint64_t>(squares_low_);
  return dispersion(count_, to_integer(sum_), squares, ddof, scale, 0, root);
}

}  // namespace featlib
