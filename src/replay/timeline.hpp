// One entity's rows in order, column by column, and which of them a decision may count.
#pragma once

#include "replay/dealt.hpp"
#include "replay/program.hpp"

namespace featlib::replaying {

class Timeline {
 public:
  Timeline(const Program& program, const Rows& rows, int source_entity);

  /// The records of one entity; they are put in order where they are not.
  void load(const std::uint64_t* records, std::size_t n);

  std::size_t size() const noexcept { return size_; }
  const Instant* times() const noexcept { return times_.data(); }
  TimelineView view() const noexcept { return {&rows_, {order_.data(), size_}, {times_.data(), size_}}; }
  Ordered ordered() const noexcept { return {{times_.data(), size_}, {sequence_.data(), program_.sequence_column < 0 ? 0 : size_}}; }
  const Row* order() const noexcept { return order_.data(); }

  std::span<const std::uint64_t> values(int column) const noexcept { return {columns_[static_cast<std::size_t>(column)].data(), size_}; }
  /// Whether some row holds nothing in a column, and which.
  bool has_nulls(int column) const noexcept { return (all_nulls_ >> column) & 1; }
  bool is_null(int column, std::size_t position) const noexcept { return (nulls_[position] >> column) & 1; }
  /// The same as masks of columns: of some row, and by row where some holds nothing.
  std::uint32_t all_nulls() const noexcept { return all_nulls_; }
  const std::uint32_t* nulls() const noexcept { return nulls_.data(); }

  // The two questions whose answers let positions stand for visible rows; retention and copies are settled before.
  /// Rows become known one after another, mostly: at as_of the first `rows` are. False where some row behind an unknown one is known.
  bool known(Instant as_of, std::uint32_t& rows) const noexcept;
  /// Whether a later version hides, now or one day, some row between two positions.
  bool corrected(std::uint32_t first, std::uint32_t last) const noexcept { return program_.hidden_column >= 0 && hidden_[last] != hidden_[first]; }
  /// Whether all cells of a gate before a position are known.
  bool open(int gate, std::uint32_t position, Instant as_of) const noexcept { return opened_[static_cast<std::size_t>(gate)][position] <= as_of; }

 private:
  bool in_order(const std::uint64_t* before, const std::uint64_t* after) const noexcept;
  Slot slot(const std::uint64_t* record, int column) const noexcept {
    return (record[1] >> (32 + column)) & 1 ? Slot{} : Slot{record[Dealt::head_words + static_cast<std::size_t>(column)], Held::value};
  }

  const Program& program_;
  const Rows& rows_;
  int source_entity_;
  std::size_t size_ = 0, width_;
  std::uint32_t all_nulls_ = 0;
  PagedVector<Instant> times_;
  PagedVector<Row> order_;
  PagedVector<std::uint32_t> nulls_;
  std::vector<PagedVector<std::uint64_t>> columns_;
  std::vector<Slot> sequence_;
  std::vector<Instant> latest_, soonest_;            ///< known_at: the greatest before a position, the least from it on
  std::vector<std::uint32_t> hidden_;                ///< rows before a position that are hidden one day
  std::vector<std::vector<Instant>> opened_;         ///< by gate: the greatest stamp before a position
  std::vector<const std::uint64_t*> sorted_;
};

}  // namespace featlib::replaying
