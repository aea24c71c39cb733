/// Timelines of one source and entity, indexed: every window is two places found by search, and what lies between them is
/// summed up from whole blocks and nodes, and a few rows at the ends.
///
/// Shape: rows in the order of SEMANTICS section 2, in blocks of up to 64 that hold times, row numbers and the lanes' values;
///        above them a tree of nodes with an exact summary of each child, and of all between it and the last. An entity with few
///        rows is one block.
/// Lanes: a column, or what follows from several by an aggregate's argument and `where` (derived.hpp), evaluated when the row comes
///        in or changes, as if all its cells were known. Where cells that it reads were not yet at as_of, the row is evaluated anew.
/// Late:  a row may be put anywhere, taken out or changed: one block changes, and one summary a level.
/// Gone:  rows older than the state's cutoff stay in the oldest block until all of it is older, and are never looked at: no
///        window reaches back to them. Summaries on the left edge of the tree may still hold them; a reading begins with
///        single rows and uses none of those.
/// Cost:  a reading looks at one block and two summaries a level for each end of a window, whatever the window holds; where rows,
///        or cells that its lanes read, are not all known at as_of it goes down to the blocks that hold those.
#pragma once

#include "window/timeline/node.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <optional>

namespace featlib {

/// How much a block and a node hold at most, and a window before it is kept while it slides; tests make them small.
struct TimelineShape {
  std::size_t block = 64;             ///< rows, 2 to 64
  std::size_t node = 32;              ///< children, at least 3
  std::size_t sliding = 128;          ///< rows
};

class Timelines {
 public:
  /// `rows` outlives this and holds every row put in that is not older than the latest cutoff told.
  Timelines(const Rows& rows, int source_entity, std::vector<Lane> lanes, TimelineShape shape = usual_shape());
  Timelines(const Timelines&) = delete;
  Timelines& operator=(const Timelines&) = delete;
  ~Timelines();

  /// What this thread's timelines have unless told otherwise: tests make it small for the states they make.
  static TimelineShape& usual_shape() noexcept;

  const TimelineShape& shape() const noexcept { return shape_; }
  const std::vector<Lane>& lanes() const noexcept { return lanes_; }
  /// Words of all lanes' powers.
  std::size_t words() const noexcept { return words_; }

  void insert(EntityId id, Row row);
  void erase(EntityId id, Row row);
  /// The row's known_at, hidden_at or cells are other than they were; its place stays. Nothing for a row that expired.
  void changed(EntityId id, Row row);
  /// Rows that happened before the cutoff are read no more: gives back the blocks that hold no others.
  void expire(EntityId id, Instant cutoff);

  /// From here on the instants before `until` are remembered at which a row comes or leaves. (Of one that stays only clocks and gated
  /// cells change.)
  void watch(EntityId id, Instant until);
  void unwatch(EntityId id) { watched_.erase(id); }
  /// Those instants, each once; false where they were too many. None is remembered any more.
  bool take_disturbed(EntityId id, std::vector<Instant>& out);

  /// A place between rows: before row `at` of a block, and the way down to it.
  class Place {
   public:
    Place() noexcept {}                               // the way has no value before it is found

   private:
    friend class Timelines;
    static constexpr int most_levels = 16;
    int levels_ = 0;                                  // nodes above the block, the root first
    std::array<timeline::Node*, most_levels> nodes_;
    std::array<std::uint16_t, most_levels> children_;
    timeline::Block* block_ = nullptr;
    std::size_t at_ = 0;
  };

  /// A place to be found: before the first row that happened at `time` or later; `after`: later than it.
  struct Search {
    Instant time = 0;
    bool after = false;
    Place place;
  };
  /// Finds places of one timeline side by side: memory is asked for all of them before one of them waits for it.
  void find(EntityId id, std::span<Search> searches) const noexcept;
  Place find(EntityId id, Instant time, bool after) const noexcept;
  /// Before a row, which must be there.
  Place find_row(EntityId id, Row row) const noexcept;
  /// Whether a row stands behind the place; then `place` is moved next to it if need be.
  bool at_row(Place& place) const noexcept;
  /// One row back; false, and unchanged, before the first.
  bool step_back(Place& place) const noexcept;
  /// Past the row behind the place, which must be at_row().
  void step(Place& place) const noexcept { ++place.at_; }
  Row row(const Place& place) const noexcept { return place.block_->row(place.at_); }
  Instant time(const Place& place) const noexcept { return place.block_->time(place.at_); }
  /// Whether `a` stands before `b` in one timeline.
  static bool before(const Place& a, const Place& b) noexcept;
  /// Rows between two places, the first of which stands before the second or where it stands.
  std::size_t distance(const Place& from, const Place& to) const noexcept;
  /// The rows between two places that do not count at as_of; those that do are passed over block by block, where all of one do.
  void find_uncounted(const Place& from, const Place& to, Instant as_of, std::vector<Row>& out) const;

  /// The last place between two behind which `n` rows that count at as_of stand, or as many as there are; of a lane, rows that hold a
  /// value. It is not gated.
  Place back(const Place& from, const Place& to, std::uint64_t n, std::optional<std::uint32_t> lane, Instant as_of) const noexcept;
  /// Adds the rows between two places that count at as_of, with their cells as they are known then.
  void add(const Place& from, const Place& to, Instant as_of, Totals& out) const noexcept;
  /// The same in two steps, for windows that share the second: to the block in which `to` lies, and in that block before it.
  void add_to_block(const Place& from, const Place& to, Instant as_of, Totals& out) const noexcept;
  void add_block_before(const Place& to, Instant as_of, Totals& out) const noexcept;
  /// Adds what other rows hold.
  void merge(Totals& out, std::uint64_t rows, const LaneSummary* lanes, const std::uint64_t* words) const noexcept;
  static bool in_one_block(const Place& a, const Place& b) noexcept { return a.block_ == b.block_; }

  /// Bytes of memory held.
  std::size_t memory() const noexcept;

 private:
  struct Timeline {
    void* root = nullptr;                             // a Block where there are no levels
    int levels = 0;
    Instant due = always;                             // before it the oldest block holds a row that counts
  };

  /// Instants of a timeline that somebody else has read.
  struct Watched {
    Instant until;
    bool lost = false;                                // more than are remembered
    std::vector<Instant> disturbed;
  };
  static constexpr std::size_t most_disturbed = 1024;
  void disturb(EntityId id, Instant time);

  template <class OfBlock, class OfNode>
  static void between(const Place& from, const Place& to, OfBlock&& rows, OfNode&& children);
  template <class OfBlock, class OfNode>
  static void to_block(const Place& from, const Place& to, OfBlock&& rows, OfNode&& children);

  const timeline::Entry& read(Row row);
  timeline::Block* insert_into(Place& place, const timeline::Entry& entry) const;
  void take_out(Timeline& t, const Place& place) const;
  static void summarize_up(const Place& place);
  bool whole(const Summary& summary, const LaneSummary* lanes, std::span<const std::uint32_t> asked, Instant as_of) const noexcept;
  std::uint64_t counted(const timeline::Block& block, std::uint64_t rows, Instant as_of) const noexcept;
  void add_rows(const timeline::Block& block, std::size_t from, std::size_t to, Instant as_of, Totals& out) const noexcept;
  void add_children(const timeline::Node& node, std::size_t from, std::size_t to, int below, Instant as_of, Totals& out) const noexcept;

  const Rows* rows_;
  int source_entity_;
  std::vector<Lane> lanes_;
  std::size_t words_;                                 // of their powers
  bool gated_ = false;                                // some lane is
  TimelineShape shape_;
  std::vector<Timeline> timelines_;                   // by EntityId
  boost::unordered_flat_map<EntityId, Watched> watched_;
  timeline::Entry entry_;                             // scratch
};

}  // namespace featlib
