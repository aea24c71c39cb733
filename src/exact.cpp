#include <featlib/core/exact.hpp>

#include "rounding.hpp"

#include <algorithm>

namespace featlib {
namespace {

constexpr std::uint64_t sign_word(bool negative) noexcept { return negative ? ~std::uint64_t{0} : 0; }

/// -x = ~x + 1.
void negate(std::span<std::uint64_t> words) noexcept {
  bool carry = true;
  for (std::uint64_t& word : words) {
    word = ~word + carry;
    carry = carry && word == 0;
  }
}

/// words += addend * 2^(64 at), the addend's sign repeated above it. Whether the sum has outgrown the top word.
inline bool add_in_place(std::span<std::uint64_t> words, std::size_t at, std::span<const std::uint64_t> addend, bool negative) noexcept {
  const bool was_negative = words.back() >> 63;
  unsigned carry = 0;
  const auto add_to = [&carry](std::uint64_t& word, std::uint64_t part) {
    const uint128 total = static_cast<uint128>(word) + part + carry;
    word = static_cast<std::uint64_t>(total);
    carry = static_cast<unsigned>(total >> 64);
  };
  for (std::size_t i = 0; i < addend.size(); ++i) add_to(words[at + i], addend[i]);
  for (std::size_t i = at + addend.size(); i < words.size(); ++i) add_to(words[i], sign_word(negative));
  // The sum of two of one sign cannot have the other.
  return was_negative == negative && static_cast<bool>(words.back() >> 63) != negative;
}

}  // namespace

void ExactSum::add_words(int base, std::span<const std::uint64_t> addend, bool negative) {
  // Words that only repeat the sign need no room.
  const std::uint64_t sign = sign_word(negative);
  while (addend.size() > 1 && addend.back() == sign && addend[addend.size() - 2] >> 63 == sign >> 63) addend = addend.first(addend.size() - 1);
  if (words_.empty()) base_ = base;
  if (base < base_) {
    words_.insert(words_.begin(), static_cast<std::size_t>(base_ - base), 0);
    base_ = base;
  }
  const auto at = static_cast<std::size_t>(base - base_);
  if (words_.size() < at + addend.size()) words_.resize(at + addend.size(), sign_word(!words_.empty() && words_.back() >> 63));
  if (add_in_place(words_, at, addend, negative)) words_.push_back(sign);
}

void ExactSum::add_scaled(int128 count, int exponent) {
  if (count == 0) return;
  const int shift = exponent & 63, base = exponent >> 6;
  const bool negative = count < 0;
  const uint128 lower = static_cast<uint128>(static_cast<std::uint64_t>(count)) << shift;
  const int128 upper = ((count >> 64) << shift) + static_cast<int128>(lower >> 64);   // |count >> 64| < 2^63: room for 63 more bits
  const std::uint64_t words[3] = {static_cast<std::uint64_t>(lower), static_cast<std::uint64_t>(upper), static_cast<std::uint64_t>(upper >> 64)};
  // Nearly every double and square: room is there.
  if (base >= base_) {
    const auto at = static_cast<std::size_t>(base - base_), room = words_.size() - std::min(at, words_.size());
    const bool two = words[2] == sign_word(negative) && words[1] >> 63 == words[2] >> 63;
    if (room >= 3 || (two && room == 2)) {
      const bool outgrown = two ? add_in_place(words_, at, std::span(words).first<2>(), negative) : add_in_place(words_, at, words, negative);
      if (outgrown) words_.push_back(sign_word(negative));
      return;
    }
  }
  add_words(base, words, negative);
}

void ExactSum::add_scaled(const Magnitude& magnitude, int exponent, bool negative) {
  const int shift = exponent & 63;
  std::uint64_t words[6] = {};
  for (std::size_t i = 0; i < magnitude.size(); ++i) {
    const uint128 part = static_cast<uint128>(magnitude[i]) << shift;
    words[i] |= static_cast<std::uint64_t>(part);
    words[i + 1] = static_cast<std::uint64_t>(part >> 64);
  }
  if (magnitude == Magnitude{}) return;
  if (negative) negate(words);
  add_words(exponent >> 6, words, negative);
}

void ExactSum::merge(const ExactSum& other) {
  if (!other.words_.empty()) add_words(other.base_, other.words(), other.words_.back() >> 63);
}

void ExactSum::subtract(const ExactSum& other) {
  if (other.words_.empty()) return;
  auto words = other.words_;
  words.push_back(sign_word(words.back() >> 63));   // the least integer of a width has no negative in it
  negate(words);
  add_words(other.base_, words, words.back() >> 63);
}

std::optional<double> ExactSum::quotient(std::uint64_t denominator) const {
  if (words_.empty()) return 0.0;
  const bool negative = words_.back() >> 63;
  if (words_.size() <= 2) {
    const std::uint64_t high = words_.size() == 2 ? words_[1] : sign_word(negative);
    return round_quotient(static_cast<int128>(static_cast<uint128>(high) << 64 | words_[0]), denominator, exponent());
  }
  auto magnitude = words_;
  if (negative) negate(magnitude);
  std::size_t top = magnitude.size() - 1;
  while (top > 1 && magnitude[top] == 0) --top;
  // 128 bits from the top one on; floor(floor(x / 2^k) / d) = floor(x / (2^k d)), so the rest is one sticky bit.
  uint128 leading = static_cast<uint128>(magnitude[top]) << 64 | magnitude[top - 1];
  int exponent = 64 * (base_ + static_cast<int>(top) - 1);
  if (const int shift = std::countl_zero(magnitude[top]); top >= 2 && shift > 0 && shift < 64) {
    leading = leading << shift | magnitude[top - 2] >> (64 - shift);
    magnitude[top - 2] <<= shift;
    exponent -= shift;
  }
  bool sticky = false;
  for (std::size_t i = 0; i + 1 < top; ++i) sticky = sticky || magnitude[i] != 0;
  return round_magnitude(leading, sticky, denominator, exponent, negative);
}

}  // namespace featlib
