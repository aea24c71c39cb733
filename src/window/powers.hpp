// Sums of squares, cubes and fourth powers in a fixed number of words, so that summaries and prefixes can hold them.
//
// They stand behind each other, S(k) = sum of x^k as an integer of k + 2 words in two's complement, S(2) first. A value is an integer in
// some unit; while each is below 2^most_bits(powers) in magnitude and they are at most 2^32, no S(k) leaves its words: S(2) < 2^254,
// S(3) < 2^317, S(4) < 2^380. That leaves 58, 42 or 34 bits between the finest double's unit and the largest one: cents up to 10^15,
// 10^10 or 10^8. What is wider is folded value by value; for that the words may have overflowed, and are not read.
// ExactSum has no such bound, but takes 56 bytes and an allocation for the squares of cents, three times their 32.
#pragma once

#include <featlib/core/exact.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace featlib::powers {

inline constexpr int most_powers = 4;

constexpr std::size_t words_of(int k) { return static_cast<std::size_t>(k) + 2; }
/// Words of S(2) .. S(powers).
constexpr std::size_t words(int powers) { return static_cast<std::size_t>((powers - 1) * (powers + 6) / 2); }
constexpr int most_bits(int powers) { return (64 * (powers + 2) - 1 - 32) / powers; }
static_assert(words(1) == 0 && words(2) == 4 && words(3) == 9 && words(4) == 15);
static_assert(most_bits(2) == 111 && most_bits(3) == 95 && most_bits(4) == 87);

inline constexpr std::size_t most_words = words(most_powers);

namespace detail {

/// The low words of a product.
template <std::size_t n, std::size_t a, std::size_t b>
std::array<std::uint64_t, n> product(const std::array<std::uint64_t, a>& x, const std::array<std::uint64_t, b>& y) noexcept {
  std::array<std::uint64_t, n> out{};
  for (std::size_t i = 0; i < a; ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < b && i + j < n; ++j) {
      const uint128 part = static_cast<uint128>(x[i]) * y[j] + out[i + j] + carry;
      out[i + j] = static_cast<std::uint64_t>(part);
      carry = static_cast<std::uint64_t>(part >> 64);
    }
    if (i + b < n) out[i + b] = carry;
  }
  return out;
}

/// sum += term, or sum -= term as sum + ~term + 1.
template <std::size_t n>
void add(std::uint64_t* sum, const std::array<std::uint64_t, n>& term, bool negative) noexcept {
  const std::uint64_t flip = negative ? ~std::uint64_t{0} : 0;
  std::uint64_t carry = negative;
  for (std::size_t i = 0; i < n; ++i) {
    const uint128 total = static_cast<uint128>(sum[i]) + (term[i] ^ flip) + carry;
    sum[i] = static_cast<std::uint64_t>(total);
    carry = static_cast<std::uint64_t>(total >> 64);
  }
}

template <std::size_t n>
std::array<std::uint64_t, n> shifted(const std::uint64_t* sum, unsigned by) noexcept {
  std::array<std::uint64_t, n> out{};
  const std::size_t whole = by / 64;
  const unsigned rest = by % 64;
  for (std::size_t i = n; i-- > whole;) {
    out[i] = sum[i - whole] << rest;
    if (rest && i > whole) out[i] |= sum[i - whole - 1] >> (64 - rest);
  }
  return out;
}

/// Calls `visit(k, words of S(k))` for each of the sums, k and the number of words as constants.
template <class Visit>
void each(int powers, std::uint64_t* sums, Visit&& visit) noexcept {
  visit(std::integral_constant<unsigned, 2>(), sums);
  if (powers >= 3) visit(std::integral_constant<unsigned, 3>(), sums + words(2));
  if (powers >= 4) visit(std::integral_constant<unsigned, 4>(), sums + words(3));
}

}  // namespace detail

/// Adds the powers of a value.
inline void add(std::uint64_t* sums, int powers, uint128 magnitude, bool negative) noexcept {
  const std::array<std::uint64_t, 2> x{static_cast<std::uint64_t>(magnitude), static_cast<std::uint64_t>(magnitude >> 64)};
  const auto square = detail::product<4>(x, x);
  detail::add(sums, square, false);
  if (powers < 3) return;
  detail::add(sums + words(2), detail::product<5>(square, x), negative);
  if (powers < 4) return;
  detail::add(sums + words(3), detail::product<6>(square, square), false);
}

/// Adds other sums, or takes them away.
inline void merge(std::uint64_t* sums, int powers, const std::uint64_t* more, bool negative = false) noexcept {
  const std::uint64_t* from = more;
  detail::each(powers, sums, [&](auto k, std::uint64_t* sum) {
    std::array<std::uint64_t, k + 2> term;
    std::copy_n(from, term.size(), term.begin());
    detail::add(sum, term, negative);
    from += term.size();
  });
}

/// The same in units 2^by finer.
inline void refine(std::uint64_t* sums, int powers, int by) noexcept {
  detail::each(powers, sums, [&](auto k, std::uint64_t* sum) {
    const auto finer = detail::shifted<k + 2>(sum, k * static_cast<unsigned>(by));
    std::copy(finer.begin(), finer.end(), sum);
  });
}

}  // namespace featlib::powers
