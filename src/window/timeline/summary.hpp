// What windows need of some rows: exact, and it merges.
#pragma once

#include <featlib/core/exact.hpp>
#include <featlib/events/rows.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>

namespace featlib {

/// A column of numbers kept beside the times.
struct Lane {
  int field = 0;
  bool real = false;                  ///< float64; otherwise an integer
  int gate = -1;                      ///< index into Rows::stamps of a gated field
  bool operator==(const Lane&) const = default;
};

/// Doubles as integers of the same order, and back.
constexpr std::int64_t ordered(double x) noexcept {
  const auto bits = std::bit_cast<std::int64_t>(x);
  return bits < 0 ? std::numeric_limits<std::int64_t>::min() - bits : bits;
}
constexpr double from_ordered(std::int64_t key) noexcept {
  return std::bit_cast<double>(key < 0 ? std::numeric_limits<std::int64_t>::min() - key : key);
}

/// The values of one lane.
struct LaneSummary {
  int128 sum = 0;                                                    ///< times 2^unit
  std::int64_t least = std::numeric_limits<std::int64_t>::max();     ///< reals by ordered()
  std::int64_t most = std::numeric_limits<std::int64_t>::min();
  Instant stamped = always;                                          ///< a gated lane: when the last of its cells became known
  std::uint32_t count = 0;                                           ///< values that are not null
  std::int16_t unit = 0;
  bool wide = false;                                                 ///< the sum does not fit: read row by row

  void add_integer(std::int64_t value) noexcept {
    ++count;
    sum += value;                     // 2^32 values of 2^63 at most
    least = std::min(least, value);
    most = std::max(most, value);
  }
  void add_real(std::int64_t key) noexcept {
    ++count;
    const Decomposed parts = decompose(from_ordered(key));
    add_sum(parts.significand, parts.exponent);
    least = std::min(least, key);
    most = std::max(most, key);
  }
  void merge(const LaneSummary& other) noexcept {
    wide = wide || other.wide;
    add_sum(other.sum, other.unit);
    count += other.count;
    least = std::min(least, other.least);
    most = std::max(most, other.most);
    stamped = std::max(stamped, other.stamped);
  }
  /// Adds addend * 2^exponent.
  void add_sum(int128 addend, int exponent) noexcept {
    if (exponent != unit || wide) return shift_in(addend, exponent);
    sum += addend;                    // both below 2^125
    wide = wide || outgrown(sum);
  }

 private:
  static bool outgrown(int128 v) noexcept {
    const auto top = static_cast<std::int64_t>(v >> 125);
    return top != 0 && top != -1;
  }
  void shift_in(int128 addend, int exponent) noexcept;
};

/// When some rows count: each from its known_at until its hidden_at.
struct Visibility {
  Instant earliest = never;           ///< before it none is known
  Instant latest = always;            ///< from here on all are
  Instant hidden = never;             ///< from here on some no longer count

  void merge(const Visibility& other) noexcept {
    earliest = std::min(earliest, other.earliest);
    latest = std::max(latest, other.latest);
    hidden = std::min(hidden, other.hidden);
  }
  bool all(Instant as_of) const noexcept { return latest <= as_of && as_of < hidden; }
  bool none(Instant as_of) const noexcept { return earliest > as_of; }
};

/// Some rows: how many, when they count, and beside it a summary a lane.
struct Summary {
  std::uint32_t rows = 0;
  Visibility seen;
};

/// What the rows that count at one instant hold; the lanes are the caller's.
struct Totals {
  std::uint64_t rows = 0;
  std::span<LaneSummary> lanes;

  void merge(std::uint64_t more, const LaneSummary* more_lanes) noexcept {
    rows += more;
    for (std::size_t l = 0; l < lanes.size(); ++l) lanes[l].merge(more_lanes[l]);
  }
};

}  // namespace featlib
