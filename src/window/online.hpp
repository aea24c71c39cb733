/// The windows of one timeline, read together for one decision from its index.
///
/// Windows that share an end share its place; all ends together cut the timeline into stretches, each summed up once for all
/// lanes, and a window is a run of stretches. The request's own row is a stretch that is left out. What no lane can say
/// (a condition, an expression, an aggregate of single values) is folded row by row, over rows fetched as they are asked for.
#pragma once

#include <featlib/window/read.hpp>

#include "window/timeline.hpp"

#include <memory>
#include <span>
#include <vector>

namespace featlib {

class OnlineWindows {
 public:
  /// The step and the rows outlive this.
  OnlineWindows(const TimelineStep& step, const Rows& rows);
  OnlineWindows(OnlineWindows&&) noexcept;
  ~OnlineWindows();

  /// What a timeline has to keep beside its times for these windows.
  static std::vector<Lane> lanes_of(const TimelineStep& step, const Rows& rows);

  /// The windows' values, by TimelineStep::windows. `own`: rows of the request's dedup key on this timeline; they do not count.
  /// Allocates nothing once readings as large were made, but for what a fold allocates.
  void read(const Timelines& timelines, EntityId id, const Asked& asked, std::span<const Row> own, std::span<Aggregated> out);

 private:
  /// Where a window's value comes from.
  struct Reader {
    const WindowStep* step = nullptr;
    std::size_t span = 0;              ///< into spans_
    int lane = -1;                     ///< -1: no lane, rows are counted
    bool folded = false;
  };
  struct Scratch;

  void place_ends(const Timelines& timelines, EntityId id, const Asked& asked, std::span<const Row> own);
  void sum_up(const Timelines& timelines, Instant as_of);
  Aggregated value_of(const Reader& reader, const Timelines& timelines, const Asked& asked);
  Aggregated fold_rows(const Reader& reader, const Timelines& timelines, const Asked& asked);

  const TimelineStep& step_;
  const Rows& rows_;
  std::vector<Reader> readers_;        // by window
  std::vector<Span> spans_;
  std::size_t lanes_ = 0;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace featlib
