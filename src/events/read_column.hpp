// Columns of tables become columns of slots: in loops where every value of a stretch is plain, else one by one (convert.hpp).
#pragma once

#include <featlib/core/table.hpp>
#include <featlib/events/convert.hpp>

#include <map>
#include <string>
#include <vector>

namespace featlib {

/// Why each row of a table is refused, if it is, and by which column: the first that says no.
class Refusals {
 public:
  explicit Refusals(std::size_t rows) : rows_(rows) {}

  bool none() const noexcept { return why_.empty(); }
  Refusal why(std::size_t row) const noexcept { return why_.empty() ? Refusal::none : why_[row]; }
  int by(std::size_t row) const noexcept { return by_[row]; }
  void refuse(std::size_t row, Refusal reason, int column) {
    if (why_.empty()) {
      why_.assign(rows_, Refusal::none);
      by_.assign(rows_, -1);
    }
    if (why_[row] != Refusal::none) return;
    why_[row] = reason;
    by_[row] = column;
  }
  std::vector<Refusal> by_row() const { return why_.empty() ? std::vector<Refusal>(rows_, Refusal::none) : why_; }

 private:
  std::size_t rows_;
  std::vector<Refusal> why_;
  std::vector<int> by_;
};

/// Reads the tables of one run. Columns that are the same memory read in the same way are read once: decisions are mostly
/// rows of the table they look back on.
class ColumnReader {
 public:
  ColumnReader(TextPool& pool, int threads) : pool_(pool), threads_(threads) {}

  TextPool& pool() noexcept { return pool_; }
  int threads() const noexcept { return threads_; }

  /// `name` is the column's in refusals.
  SlotColumn read(const Field& field, const Table& table, int column, Refusals& refusals, int name);

 private:
  TextPool& pool_;
  int threads_;
  std::map<std::string, SlotColumn> read_;
};

}  // namespace featlib
