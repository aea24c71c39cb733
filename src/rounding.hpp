// The end of every exact computation: one rounding to double, to nearest, ties to even.
#pragma once

#include <featlib/core/exact.hpp>

#include <boost/multiprecision/cpp_int.hpp>

#include <optional>

namespace featlib {

using Integer = boost::multiprecision::cpp_int;

/// significand * 2^exponent, with a sticky bit for what lies below it; nothing when it leaves the double range.
std::optional<double> round_bits(std::uint64_t significand, int exponent, bool sticky, bool negative) noexcept;

/// (magnitude, and a sticky bit for what lies below it) / denominator * 2^exponent; `magnitude` has its top bit set where the bit is.
std::optional<double> round_magnitude(uint128 magnitude, bool sticky, std::uint64_t denominator, int exponent, bool negative) noexcept;

/// numerator / denominator * 2^exponent; `denominator` > 0.
std::optional<double> round_ratio(const Integer& numerator, const Integer& denominator, int exponent);

/// The root of numerator / denominator * 2^exponent, neither of them negative.
std::optional<double> round_root(const Integer& numerator, const Integer& denominator, int exponent);

/// A sum in units of 2^exponent, exponent <= sum.exponent().
Integer to_integer(const ExactSum& sum, int exponent);
Integer to_integer(int128 value);
/// Two's complement, least significant word first.
Integer to_integer(std::span<const std::uint64_t> words);

}  // namespace featlib
