// One entity's decisions in order, column by column: its rows themselves where they are decided on, else loaded.
#pragma once

#include "replay/timeline.hpp"

namespace featlib::replaying {

class Deciding {
 public:
  /// `words`: by Program::own_columns, which column of the records it is.
  Deciding(const Program& program, const std::vector<std::size_t>& words, std::size_t width);

  /// The records of one entity, put in order where they are not.
  void load(const std::uint64_t* records, std::size_t n);
  /// The rows of a timeline that has just been loaded from the same records, in its order. False where that need not be the decisions'.
  bool share(const Timeline& rows);

  std::size_t size() const noexcept { return size_; }
  /// Whether decision i is the row at position i.
  bool are_rows() const noexcept { return are_rows_; }
  const Instant* as_of() const noexcept { return as_of_; }
  const Row* order() const noexcept { return order_; }
  /// Decisions [from, from + n) as edges are found for them.
  Ordered ordered(std::size_t from, std::size_t n) const noexcept {
    return {{as_of_ + from, n}, {sequence_.data() + (sequence_.empty() ? 0 : from), sequence_.empty() ? 0 : n}};
  }

  const std::uint64_t* values(int column) const noexcept { return columns_[static_cast<std::size_t>(column)]; }
  std::size_t word(int column) const noexcept { return words_[static_cast<std::size_t>(column)]; }
  bool has_nulls(int column) const noexcept { return (all_nulls_ >> word(column)) & 1; }
  bool is_null(int column, std::size_t decision) const noexcept { return has_nulls(column) && (nulls_[decision] >> word(column)) & 1; }
  Slot slot(int column, std::size_t decision) const noexcept {
    return is_null(column, decision) ? Slot{} : Slot{values(column)[decision], Held::value};
  }

 private:
  const Program& program_;
  const std::vector<std::size_t>& words_;
  std::size_t width_, size_ = 0;
  bool are_rows_ = false;
  const Instant* as_of_ = nullptr;
  const Row* order_ = nullptr;
  const std::uint32_t* nulls_ = nullptr;
  std::uint32_t all_nulls_ = 0;
  std::span<const Slot> sequence_;
  std::vector<const std::uint64_t*> columns_;

  // Where they are loaded.
  std::vector<const std::uint64_t*> records_;
  PagedVector<Instant> loaded_as_of_;
  PagedVector<Row> loaded_order_;
  PagedVector<std::uint32_t> loaded_nulls_;
  std::vector<PagedVector<std::uint64_t>> loaded_columns_;
  std::vector<Slot> loaded_sequence_;
};

}  // namespace featlib::replaying
