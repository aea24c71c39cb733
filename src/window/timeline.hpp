/// Timelines of one source and entity, indexed: every window is two places found by search, and what lies between them is
/// summed up from whole blocks and nodes, and a few rows at the ends.
///
/// Shape: rows in the order of SEMANTICS section 2, in blocks of up to 64 that hold times, row numbers and the lanes' values
///        packed; above them a tree of nodes with an exact summary of each child. An entity with few rows is one block.
/// Late:  a row may be put anywhere, taken out or changed: one block changes, and one summary a level.
/// Gone:  rows older than the state's cutoff stay in the oldest block until all of it is older, and are never looked at: no
///        window reaches back to them. Summaries on the left edge of the tree may still hold them; a reading begins with
///        single rows and uses none of those.
/// Cost:  a reading looks at one block and one node a level for each end of a window, whatever the window holds.
#pragma once

#include <featlib/core/exact.hpp>
#include <featlib/events/rows.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

namespace featlib {

/// A column of numbers kept beside the times.
struct Lane {
  int field = 0;
  bool real = false;                  ///< float64; otherwise an integer
  int gate = -1;                      ///< index into Rows::stamps of a gated field
  bool operator==(const Lane&) const = default;
};

/// How much a block and a node hold at most; tests make them small.
struct TimelineShape {
  std::size_t block = 64;             ///< rows, at most 64
  std::size_t node = 32;              ///< children, at least 3
};

/// Doubles as integers of the same order, and back.
constexpr std::int64_t ordered(double x) noexcept {
  const auto bits = std::bit_cast<std::int64_t>(x);
  return bits < 0 ? std::numeric_limits<std::int64_t>::min() - bits : bits;
}
constexpr double from_ordered(std::int64_t key) noexcept {
  return std::bit_cast<double>(key < 0 ? std::numeric_limits<std::int64_t>::min() - key : key);
}

/// What windows need of some rows' values in one lane: exact, and it merges.
struct LaneSummary {
  int128 sum = 0;                                                    ///< times 2^unit
  std::int64_t least = std::numeric_limits<std::int64_t>::max();     ///< reals by ordered()
  std::int64_t most = std::numeric_limits<std::int64_t>::min();
  Instant stamped = always;                                          ///< a gated lane: when the last of its cells became known
  std::uint32_t count = 0;                                           ///< values that are not null
  std::int16_t unit = 0;
  bool wide = false;                                                 ///< the sum does not fit: read row by row

  void add_integer(std::int64_t value) noexcept;
  void add_real(std::int64_t key) noexcept;
  void merge(const LaneSummary& other) noexcept;

 private:
  void add_sum(int128 addend, int exponent) noexcept;
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

class Timelines {
  struct Block;
  struct Node;
  struct Entry;

 public:
  /// `rows` outlives this and holds every row put in that is not older than the latest cutoff told.
  Timelines(const Rows& rows, int source_entity, std::vector<Lane> lanes, TimelineShape shape = {});
  Timelines(Timelines&&) noexcept;
  Timelines& operator=(Timelines&&) = delete;
  ~Timelines();

  const Rows& rows() const noexcept { return *rows_; }
  const std::vector<Lane>& lanes() const noexcept { return lanes_; }

  void insert(EntityId id, Row row);
  void erase(EntityId id, Row row);
  /// The row's known_at, hidden_at or cells are other than they were; its place stays. Nothing for a row that expired.
  void changed(EntityId id, Row row);
  /// Rows that happened before the cutoff are read no more: gives back the blocks that hold no others.
  void expire(EntityId id, Instant cutoff);

  /// A place between rows: before row `at` of a block, and the way down to it.
  class Place {
    friend class Timelines;
    static constexpr int most_levels = 16;
    int levels_ = 0;                                  // nodes above the block, the root first
    std::array<Node*, most_levels> nodes_;
    std::array<std::uint16_t, most_levels> children_;
    Block* block_ = nullptr;
    std::size_t at_ = 0;
  };

  /// Before the first row that happened at `time` or later; `after`: later than it.
  Place find(EntityId id, Instant time, bool after) const noexcept;
  /// Before a row, which must be there.
  Place find_row(EntityId id, Row row) const noexcept;
  /// Whether a row stands behind the place; then `place` is moved next to it if need be.
  bool at_row(Place& place) const noexcept;
  /// One row back; false, and unchanged, before the first.
  bool step_back(Place& place) const noexcept;
  /// Past the row behind the place, which must be at_row().
  void step(Place& place) const noexcept { ++place.at_; }
  Row row(const Place& place) const noexcept;
  Instant time(const Place& place) const noexcept;
  /// Whether `a` stands before `b` in one timeline.
  static bool before(const Place& a, const Place& b) noexcept;

  /// Rows between two places, the first of which stands before the second or where it stands.
  std::size_t distance(const Place& from, const Place& to) const noexcept;

  /// What the rows that count hold; one summary a lane, the caller's.
  struct Totals {
    std::uint64_t rows = 0;
    std::span<LaneSummary> lanes;
  };
  /// Adds the rows between two places that count at as_of. A gated cell not yet known is null.
  void add(const Place& from, const Place& to, Instant as_of, Totals& out) const noexcept;

  /// Bytes of memory held.
  std::size_t memory() const noexcept;

 private:
  struct Timeline {
    void* root = nullptr;                             // a Block where there are no levels
    int levels = 0;
  };

  template <class OfBlock, class OfNode>
  static void between(const Place& from, const Place& to, OfBlock&& rows, OfNode&& children);

  const Entry& read(Row row);
  Block* insert_into(Place& place, const Entry& entry) const;
  void take_out(Timeline& t, const Place& place) const;
  void summarize(Node& node, std::size_t at, int below) const noexcept;
  void summarize_up(const Place& place) const noexcept;
  void add_values(const Block& block, std::size_t lane, std::uint64_t rows, LaneSummary& out) const noexcept;
  void add_rows(const Block& block, std::size_t from, std::size_t to, Instant as_of, Totals& out) const noexcept;
  void add_children(const Node& node, std::size_t from, std::size_t to, int below, Instant as_of, Totals& out) const noexcept;

  const Rows* rows_;
  int source_entity_;
  std::vector<Lane> lanes_;
  bool gated_ = false;                                // some lane is
  TimelineShape shape_;
  std::vector<Timeline> timelines_;                   // by EntityId
  std::unique_ptr<Entry> entry_;                      // scratch
};

}  // namespace featlib
