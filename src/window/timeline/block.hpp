// Up to 64 rows in order: times, row numbers and lanes, each column as narrow as its values allow.
#pragma once

#include "window/timeline/summary.hpp"

#include <cstddef>
#include <cstring>
#include <vector>

namespace featlib::timeline {

/// The columns of a block: times, row numbers, then the lanes.
inline constexpr std::size_t times = 0, row_numbers = 1, first_lane = 2;

/// A row as a block takes it in.
struct Entry {
  struct Value {
    std::uint64_t bits = 0;
    bool held = true;
    Instant stamped = always;
  };
  std::vector<Value> columns;
  Visibility seen;

  Instant time() const noexcept { return static_cast<Instant>(columns[times].bits); }
};

/// Bits first .. last - 1.
constexpr std::uint64_t bits_between(std::size_t first, std::size_t last) noexcept {
  const std::uint64_t below = last >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << last) - 1;
  return first >= 64 ? 0 : below >> first << first;
}

/// Its columns and then their values follow in memory. Dead rows, if any, stand first.
class Block {
 public:
  /// Room for values of any size: for a block that is being filled.
  static Block* make_roomy(std::size_t columns, std::size_t capacity);
  /// As narrow as some rows of another block, and perhaps one more, allow.
  static Block* make_tight(std::size_t capacity, const Block& rows, std::size_t first, std::size_t last, const Entry* room_for);
  static void give_back(Block* block) noexcept;

  std::size_t size() const noexcept { return count_; }
  std::size_t capacity() const noexcept { return capacity_; }
  std::size_t bytes() const noexcept { return bytes_; }
  /// Of all rows that were put in.
  const Visibility& seen() const noexcept { return seen_; }
  Instant stamped(std::size_t lane) const noexcept { return column(first_lane + lane).stamped; }

  Instant time(std::size_t i) const noexcept { return static_cast<Instant>(get(column(times), i)); }
  Row row(std::size_t i) const noexcept { return static_cast<Row>(get(column(row_numbers), i)); }
  /// Rows that happened before `time`; `closed`: or at it.
  std::size_t rows_before(Instant time, bool closed) const noexcept;

  /// Asks for the lanes' values from a row on.
  void prefetch_lanes(std::size_t at) const noexcept;

  bool fits(const Entry& entry) const noexcept;
  /// Puts in a row that fits, where there is room.
  void insert(std::size_t at, const Entry& entry) noexcept;
  void erase(std::size_t at) noexcept;
  /// Writes a row anew, which fits; it happened when it did.
  void write(std::size_t at, const Entry& entry) noexcept;
  /// Takes rows of another block, which fit; what is said of all its rows holds for some.
  void copy(const Block& from, std::size_t first, std::size_t last) noexcept;

  /// The rows among `rows`, a bit a row, whose value in the lane is not null.
  std::uint64_t held(std::size_t lane, std::uint64_t rows) const noexcept { return rows & column(first_lane + lane).held; }
  /// Adds the values of some rows, a bit a row, none of them null; the lane's words among `words` take the sums of their powers.
  void add(std::size_t at, const Lane& lane, std::uint64_t rows, LaneSummary& out, std::uint64_t* words) const noexcept {
    if (lane.powers > 1) add_powers(at, lane.real, rows, LanePowers(out, words + lane.first_word, lane.powers));
    else add_values(at, lane.real, rows, out);
  }

 private:
  void add_values(std::size_t lane, bool real, std::uint64_t rows, LaneSummary& out) const noexcept;
  void add_powers(std::size_t lane, bool real, std::uint64_t rows, LanePowers out) const noexcept;

  struct Column {
    std::uint64_t base = 0;
    std::uint64_t held = 0;           // a bit a row: the value is not null
    Instant stamped = always;         // when the last of a gated lane's cells became known, or later
    std::uint32_t offset = 0;         // of the values, from the block's begin
    std::uint8_t width = 0;           // bytes a value
  };
  template <class Layout>
  static Block* make(std::size_t columns, std::size_t capacity, Layout&& base_and_width);

  static constexpr std::uint64_t limit(std::uint8_t width) noexcept { return width == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * width)) - 1; }
  static std::uint64_t load(const std::byte* from) noexcept {
    std::uint64_t out;
    std::memcpy(&out, from, sizeof out);
    return out;
  }
  Column& column(std::size_t c) noexcept { return reinterpret_cast<Column*>(this + 1)[c]; }
  const Column& column(std::size_t c) const noexcept { return reinterpret_cast<const Column*>(this + 1)[c]; }
  std::byte* values(const Column& c) noexcept { return reinterpret_cast<std::byte*>(this) + c.offset; }
  const std::byte* values(const Column& c) const noexcept { return reinterpret_cast<const std::byte*>(this) + c.offset; }
  std::uint64_t get(const Column& c, std::size_t i) const noexcept { return c.base + (load(values(c) + i * c.width) & limit(c.width)); }
  void set(const Column& c, std::size_t i, std::uint64_t bits) noexcept;

  std::uint16_t count_ = 0, capacity_ = 0, columns_ = 0;
  std::uint32_t bytes_ = 0;
  Visibility seen_;
};

}  // namespace featlib::timeline
