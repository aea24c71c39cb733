// What windows need of some rows: exact, and it merges.
#pragma once

#include <featlib/core/exact.hpp>
#include <featlib/events/rows.hpp>

#include "window/powers.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

namespace featlib {

class DerivedLane;

/// Numbers kept beside the times: a column's, or what follows from several.
struct Lane {
  int field = 0;                      ///< a bare column
  bool real = false;                  ///< float64; otherwise an integer
  int gate = -1;                      ///< index into Rows::stamps of a gated column
  int powers = 1;                     ///< sums up to x^powers are kept, at most 4
  std::uint32_t first_word = 0;       ///< of those beyond x, among the words of all lanes
  std::shared_ptr<const DerivedLane> derived{};   ///< in place of the column

  /// Whether some cell that it reads may come later than its row.
  bool gated() const noexcept;
};
/// Sets the words of lanes behind each other; how many there are.
inline std::size_t place_words(std::span<Lane> lanes) noexcept {
  std::size_t words = 0;
  for (Lane& lane : lanes) {
    lane.first_word = static_cast<std::uint32_t>(words);
    words += powers::words(lane.powers);
  }
  return words;
}

/// Doubles as integers of the same order, and back.
constexpr std::int64_t ordered(double x) noexcept {
  const auto bits = std::bit_cast<std::int64_t>(x);
  return bits < 0 ? std::numeric_limits<std::int64_t>::min() - bits : bits;
}
constexpr double from_ordered(std::int64_t key) noexcept {
  return std::bit_cast<double>(key < 0 ? std::numeric_limits<std::int64_t>::min() - key : key);
}

/// A value as a lane keeps it: reals by ordered().
inline std::int64_t kept(const Lane& lane, Slot value) noexcept { return lane.real ? ordered(value.real()) : value.integer(); }

/// The values of one lane.
struct LaneSummary {
  int128 sum = 0;                                                    ///< times 2^unit
  std::int64_t least = std::numeric_limits<std::int64_t>::max();     ///< reals by ordered()
  std::int64_t most = std::numeric_limits<std::int64_t>::min();
  Instant stamped = always;                                          ///< a gated lane: when the last of the cells it reads became known
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
    if (parts.exponent == unit && !wide) add_in_unit(parts.significand);
    else if (parts.significand != 0) shift_in(parts.significand, parts.exponent);
    least = std::min(least, key);
    most = std::max(most, key);
  }
  void merge(const LaneSummary& other) noexcept {
    wide = wide || other.wide;
    if (other.unit == unit && !wide) add_in_unit(other.sum);
    else if (other.counts_in_unit()) shift_in(other.sum, other.unit);
    count += other.count;
    least = std::min(least, other.least);
    most = std::max(most, other.most);
    stamped = std::max(stamped, other.stamped);
  }
  /// Whether some value is not zero: only then the unit is one of the values', and it only becomes finer.
  bool counts_in_unit() const noexcept { return least < 0 || most > 0; }

 private:
  static bool outgrown(int128 v) noexcept {
    const auto top = static_cast<std::int64_t>(v >> 125);
    return top != 0 && top != -1;
  }
  void add_in_unit(int128 addend) noexcept {
    sum += addend;                    // both below 2^125
    wide = outgrown(sum);
  }
  void shift_in(int128 addend, int exponent) noexcept;
};

/// The values of a lane of more powers: its summary, and beside it the sums of their squares and so on in the same unit.
class LanePowers {
 public:
  LanePowers(LaneSummary& values, std::uint64_t* sums, int powers) noexcept : values_(values), sums_(sums), powers_(powers) {}

  void add_integer(std::int64_t value) noexcept;
  void add_real(std::int64_t key) noexcept;
  void merge(const LaneSummary& more, const std::uint64_t* more_sums) noexcept;
  /// Whether the words held all of it.
  bool fit(bool real) const noexcept;

 private:
  void refine(int unit) noexcept;

  LaneSummary& values_;
  std::uint64_t* sums_;
  int powers_;
};

/// Adds a value as it is kept to a lane's summary; the lane's words among `words` take its powers.
inline void add_value(const Lane& lane, std::int64_t value, LaneSummary& into, std::uint64_t* words) noexcept {
  if (lane.powers > 1) {
    LanePowers with(into, words + lane.first_word, lane.powers);
    lane.real ? with.add_real(value) : with.add_integer(value);
  } else {
    lane.real ? into.add_real(value) : into.add_integer(value);
  }
}

/// Adds what others hold of a lane to its summary and, among the words of all lanes, its powers.
inline void merge_lane(const Lane& lane, LaneSummary& into, std::uint64_t* into_words, const LaneSummary& more, const std::uint64_t* more_words) noexcept {
  if (lane.powers > 1) LanePowers(into, into_words + lane.first_word, lane.powers).merge(more, more_words + lane.first_word);
  else into.merge(more);
}
inline void merge_lanes(std::span<const Lane> lanes, LaneSummary* into, std::uint64_t* into_words, const LaneSummary* more, const std::uint64_t* more_words) noexcept {
  for (std::size_t l = 0; l < lanes.size(); ++l) merge_lane(lanes[l], into[l], into_words, more[l], more_words);
}

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

/// What the rows that count at one instant hold of some lanes; all lanes' summaries and words are the caller's.
struct Totals {
  std::span<const std::uint32_t> asked;   ///< the lanes that are summed up
  std::uint64_t rows = 0;
  LaneSummary* lanes = nullptr;
  std::uint64_t* words = nullptr;
};

}  // namespace featlib
