/// What an aggregate gives before the contract's fallback, and why there is no value when there is none.
#pragma once

#include <featlib/core/value.hpp>

#include <bit>
#include <cstdint>
#include <optional>

namespace featlib {

/// The bits of an integer or a double, or the id of a text.
struct Aggregated {
  std::uint64_t bits = 0;
  Cause cause = Cause::null;

  static Aggregated of(std::int64_t value) { return {static_cast<std::uint64_t>(value), Cause::ok}; }
  static Aggregated of(double value) { return {std::bit_cast<std::uint64_t>(value), Cause::ok}; }
  static Aggregated none(Cause cause) { return {0, cause}; }
  /// A rounded result, or an error when it left the double range.
  static Aggregated of(std::optional<double> value) { return value ? of(*value) : none(Cause::error); }

  bool operator==(const Aggregated&) const = default;
};

}  // namespace featlib
