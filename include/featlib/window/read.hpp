/// Reading one window of one timeline for one decision: the rows between two positions, filtered and folded, rounded once.
///
/// This is the plain path: it looks at every row between the positions. Training adds prefix sums for the common case
/// (vector/replay.hpp), serving an index of exact summaries (window/online.hpp). What a window means is said by
/// vector/reference.hpp alone.
#pragma once

#include <featlib/events/rows.hpp>
#include <featlib/plan/plan.hpp>
#include <featlib/window/aggregated.hpp>

#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace featlib {

/// Whether an aggregate makes a text of its own: its value is a place among the decision's MadeTexts until the caller interns it.
constexpr bool makes_text(AggregateKind kind) { return kind == AggregateKind::last_k || kind == AggregateKind::top_k; }

/// Texts that aggregates make. They may come from many threads; they are read when all are made.
class MadeTexts {
 public:
  std::uint64_t add(std::string text) {
    const std::lock_guard lock(mutex_);
    texts_.push_back(std::move(text));
    return texts_.size() - 1;
  }
  std::string_view operator[](std::uint64_t place) const noexcept { return texts_[place]; }

 private:
  std::mutex mutex_;
  std::vector<std::string> texts_;
};

/// Fills a view's arrays as they are looked at, from the back.
class RowFetcher {
 public:
  virtual ~RowFetcher() = default;
  /// The positions from this one on are to be there.
  virtual void reach(std::size_t position) = 0;
};

/// An entity's rows of a source in the order of SEMANTICS section 2, with their times beside them for searching.
struct TimelineView {
  const Rows* rows = nullptr;
  std::span<const Row> order;
  std::span<const Instant> times;
  RowFetcher* fetcher = nullptr;       ///< null: all is there
};

/// A decision as one timeline sees it.
struct Asked {
  Instant as_of = 0;
  Instant complete_from = always;
  Slot key;                            ///< the request's dedup key; null hides nothing
  Slot sequence;                       ///< the request's sequence on this entity
  std::span<const Slot> request;       ///< by Contract::request()
  MadeTexts* made = nullptr;           ///< takes the results of aggregates for which makes_text()
};

/// Fills in what the rows of the request's source are compared with: its key and its sequence, null where they hide nothing.
void compare_with_request(const Plan& plan, const TimelineStep& timeline, Asked& asked) noexcept;

/// Whether a row is the request's own. In a union, where rows of other members stand between those of the request's source at
/// the request's own instant, also whether it is one of these that is not before the request; elsewhere locate() leaves them out.
bool is_own(const TimelineStep& timeline, const Rows& rows, Row row, const Asked& asked) noexcept;

/// Positions [first, last) in a timeline.
struct Positions {
  std::size_t first = 0, last = 0;
};

/// A window of one decision as instants: event times between them are inside.
struct Interval {
  Instant tail, head;
  bool tail_closed, head_closed;
};

/// Where a span lies for an as_of. Without a tail of its own it begins where the retention does, or at `always`.
/// Sliding: [as_of - tail, as_of - head). Bucket: from the bucket's beginning to the head, or the bucket before that.
/// Session: from max_length before the head; the run inside it is found among the visible rows, by fold().
Interval interval_of(const Span& span, const Source& source, Instant as_of) noexcept;

/// Where a span lies in a timeline, the request's own instant and the sequence rule taken into account; known_at is not.
Positions locate(const TimelineStep& timeline, const Span& span, const TimelineView& view, const Asked& asked) noexcept;

/// Folds the visible rows of the positions into the aggregate's value.
Aggregated fold(const TimelineStep& timeline, const WindowStep& step, const TimelineView& view, const Asked& asked, Positions positions);

/// The value, or history_incomplete when the window begins before history is complete; an error is said first.
Aggregated unless_incomplete(const WindowStep& step, const Rows& rows, const Asked& asked, Aggregated value) noexcept;

/// locate() and fold(), or history_incomplete.
Aggregated read(const TimelineStep& timeline, const WindowStep& step, const TimelineView& view, const Asked& asked);

/// Whether a row of sequence `row` comes before the request at their common instant: nulls first, equal is not before.
bool sequence_before(Slot row, Slot request) noexcept;

/// a - b, staying inside the range of instants.
constexpr Instant minus(Instant a, Duration b) noexcept { return a < always + b ? always : a - b; }

}  // namespace featlib
