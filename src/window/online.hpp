/// The windows of one timeline, read together for one decision from its index.
///
/// A lane is an argument under a `where`: features that read the same of each row share one. Windows with equal spans are summed up
/// once, for the lanes they read, but for gated ones: only these go down to rows whose cells are to come. Those that share an end
/// share its place, and what the block there holds. The last n rows begin where n of them stand behind. The request's own row is left
/// out between two places; where it stands in a window of the last rows, these are folded. What no lane can say slides
/// (window/sliding/) where the window holds many rows, for entities that are asked for again before their windows have moved far;
/// the rest (sessions) is folded row by row, over rows fetched as they are asked for.
#pragma once

#include <featlib/window/read.hpp>

#include "window/sliding/sliding.hpp"
#include "window/timeline/timelines.hpp"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace featlib {

class OnlineWindows {
 public:
  /// The step and the rows outlive this.
  OnlineWindows(const TimelineStep& step, Rows& rows);
  OnlineWindows(OnlineWindows&&) noexcept;
  ~OnlineWindows();

  /// What a timeline has to keep beside its times for these windows.
  static std::vector<Lane> lanes_of(const TimelineStep& step, const Rows& rows);

  /// Where the values go, by TimelineStep::windows.
  struct Target {
    int feature;
    bool makes_text;
  };
  std::span<const Target> targets() const noexcept { return targets_; }

  /// The windows' values, by TimelineStep::windows. `own`: rows of the request's dedup key on this timeline; they do not count.
  /// Allocates nothing once readings as large were made, but for what slides and takes rows in, what a fold does, and the long integers of a
  /// moment.
  void read(Timelines& timelines, EntityId id, const Asked& asked, std::span<const Row> own, std::span<Aggregated> out);

 private:
  /// Where a window's value comes from: all of a step that its value needs, on one line of memory.
  struct Reader {
    const WindowStep* step;
    std::uint64_t min_rows;
    std::uint32_t sums;                ///< into sums_
    int lane;                          ///< -1: no lane, rows are counted
    std::uint32_t first_word;          ///< of the lane's, among those of all lanes
    int powers;                        ///< of the lane
    int scale;
    AggregateKind kind;
    Type type;                         ///< the argument's
    bool real;                         ///< the lane's values are
    bool folded;
    bool include_request;
  };
  /// What is summed up together: a span's lanes that know all of a row at once, or one whose cells come later, so that only it waits for them.
  struct Sums {
    Span span;
    int alone;                         ///< the gated lane, or -1
    std::optional<std::uint64_t> last; ///< only so many rows of the span,
    int passing;                       ///< of those that this lane holds a value of, or -1: of all,
    const WindowStep* includes;        ///< and of the request if it passes; null where it is not included
    std::vector<std::uint32_t> lanes;

    bool same(const Sums& o) const noexcept {
      return span == o.span && alone == o.alone && last == o.last && passing == o.passing && (includes == nullptr) == (o.includes == nullptr);
    }
  };
  struct Scratch;
  /// What an entity's windows keep while they slide, by group.
  struct Sliding {
    Instant asked;
    std::vector<SlidingWindow> windows;
  };

  void place_ends(const Timelines& timelines, EntityId id, const Asked& asked, std::span<const Row> own);
  void sum_up(const Timelines& timelines, const Asked& asked);
  Slot own_value(const Reader& reader, const Asked& asked) const noexcept;
  void slide(Timelines& timelines, EntityId id, const Asked& asked, std::span<const Row> own, std::span<Aggregated> out);
  bool slide(SlidingWindow& window, const SlidingGroup& group, const Timelines& timelines, EntityId id, const Asked& asked, std::span<const Row> own,
             std::span<Aggregated> out);
  void forget_stale(Timelines& timelines, Instant as_of);
  Aggregated value_of(const Reader& reader, const Timelines& timelines, const Asked& asked);
  Aggregated moment(const Reader& reader, const Timelines& timelines, const Asked& asked);
  Aggregated fold_rows(const Reader& reader, const Timelines& timelines, const Asked& asked);

  const TimelineStep& step_;
  Rows& rows_;
  std::vector<Reader> readers_;        // by window
  std::vector<Target> targets_;
  std::vector<Sums> sums_;
  std::vector<Lane> lanes_;
  std::size_t words_ = 0;              // of the lanes' powers
  std::vector<SlidingGroup> groups_;
  boost::unordered_flat_map<EntityId, Sliding> sliding_;
  std::size_t forget_at_ = 64;         // entities
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace featlib
