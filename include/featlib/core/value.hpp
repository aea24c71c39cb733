/// The types of SEMANTICS section 3, one value of them (Cell), and the status byte beside every feature value.
#pragma once

#include <cstdint>
#include <string_view>

namespace featlib {

/// What a column, request field or feature holds. `decimal` is stored as an integer of its smallest unit.
enum class Type : std::uint8_t { boolean, int64, float64, decimal, string, category, timestamp };

/// Whether values of the type are ids of texts.
constexpr bool is_text(Type type) noexcept { return type == Type::string || type == Type::category; }

/// The contract's spelling: "bool", "int64", "float64", "decimal", "string", "category", "timestamp".
std::string_view to_string(Type type);

/// One typed value or null. bool, int64, decimal and timestamp (microseconds) are `integer`; float64 is `real`;
/// string and category are `text`. Text is borrowed.
struct Cell {
  enum class Kind : std::uint8_t { null, integer, real, text };

  Kind kind = Kind::null;
  union {
    std::int64_t integer = 0;
    double real;
  };
  std::string_view text;

  static Cell null() { return {}; }
  static Cell of(std::int64_t value) {
    Cell c;
    c.kind = Kind::integer;
    c.integer = value;
    return c;
  }
  static Cell of(bool value) { return of(std::int64_t{value}); }
  static Cell of(double value) {
    Cell c;
    c.kind = Kind::real;
    c.real = value;
    return c;
  }
  static Cell of(std::string_view value) {
    Cell c;
    c.kind = Kind::text;
    c.text = value;
    return c;
  }

  bool is_null() const noexcept { return kind == Kind::null; }
};

/// Why a value is what it is. Low four bits of a status byte; the first that applies counts:
/// error, history_incomplete, insufficient_history, null, unseen, clipped, ok.
enum class Cause : std::uint8_t {
  ok = 0,
  null = 1,
  insufficient_history = 2,
  history_incomplete = 3,
  unseen = 4,
  clipped = 5,
  error = 6
};

/// Bit 7 of a status byte: the value shown is the contract's fallback.
inline constexpr std::uint8_t fallback_bit = 0x80;

using Status = std::uint8_t;

constexpr Status status_of(Cause cause, bool fallback = false) noexcept {
  return static_cast<Status>(static_cast<std::uint8_t>(cause) | (fallback ? fallback_bit : 0));
}
constexpr Cause cause_of(Status status) noexcept { return static_cast<Cause>(status & 0x0f); }
constexpr bool is_fallback(Status status) noexcept { return (status & fallback_bit) != 0; }

}  // namespace featlib
