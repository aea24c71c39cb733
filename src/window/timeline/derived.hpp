// Lanes that are no bare column: what an aggregate reads of a row, where its `where` passes.
#pragma once

#include <featlib/events/rows.hpp>

#include <cstdint>
#include <vector>

namespace featlib {

/// What a lane holds of a row that follows from several of its columns; nothing where `where` does not pass. It does not depend
/// on the pool of texts: what a row held when it came in it holds until a cell of it changes.
class DerivedLane {
 public:
  enum class Of : std::uint8_t {
    row,                              ///< 1: rows are counted
    argument,                         ///< its value
    match,                            ///< 1 where the argument is the aggregate's literal, else 0
  };

  /// What the aggregate looks at; it outlives this.
  DerivedLane(const Aggregate& aggregate, const Rows& rows);
  /// The rows that its `where` lets in.
  static DerivedLane of_rows(const Aggregate& aggregate, const Rows& rows) { return {aggregate, rows, Of::row}; }

  /// On a row as it is known at as_of; at `never` all of it is.
  Slot on(const Rows& rows, Row row, Instant as_of) const noexcept;
  /// Of an argument that passed.
  Slot of(const Rows& rows, Slot argument) const noexcept;
  bool real() const noexcept;

  bool gated() const noexcept { return !gates_.empty(); }
  /// When the last cell that it reads of a row became known.
  Instant stamped(const Rows& rows, Row row) const noexcept;

  /// Whether both hold the same, whatever the row of their source.
  bool operator==(const DerivedLane& other) const;

 private:
  DerivedLane(const Aggregate& aggregate, const Rows& rows, Of of);

  const Aggregate* aggregate_;
  Of of_;
  std::vector<std::size_t> gates_;    // of the columns it reads
};

}  // namespace featlib
