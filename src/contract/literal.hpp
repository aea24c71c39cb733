/// Values written in the arguments of an aggregate: exact decimals and what a column may be compared with.
#pragma once

#include <featlib/contract/contract.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace featlib::contract {

/// number / 10^digits, without trailing zeros behind the point: 0.50 is {5, 1}.
struct Decimal {
  std::int64_t number = 0;
  int digits = 0;
};

/// "-12.50", exactly; nothing when it is malformed, has no digit before the point, or more than 18 digits.
std::optional<Decimal> parse_decimal(std::string_view text);

std::int64_t power_of_ten(int exponent);

/// A value of a column: true, 7, -0.5 or 'text' (in quotes, a quote inside is written twice); nothing when `type` has no such value.
std::optional<Literal> parse_literal(std::string_view text, Type type, int scale);

/// The canonical spelling, which parse_literal() reads back.
std::string to_text(const Literal& literal, Type type, int scale);

}  // namespace featlib::contract
