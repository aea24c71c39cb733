/// Reading one window of one timeline for one decision: the rows between two positions, filtered and folded, rounded once.
///
/// This is the plain path: it looks at every row between the positions. Training adds prefix sums for the common case
/// (vector/replay.hpp); serving uses it as it stands. What a window means is said by vector/reference.hpp alone.
#pragma once

#include <featlib/events/rows.hpp>
#include <featlib/plan/plan.hpp>
#include <featlib/window/aggregated.hpp>

#include <span>

namespace featlib {

/// An entity's rows of a source in the order of SEMANTICS section 2, with their times beside them for searching.
struct TimelineView {
  const Rows* rows = nullptr;
  std::span<const Row> order;
  std::span<const Instant> times;
};

/// A decision as one timeline sees it.
struct Asked {
  Instant as_of = 0;
  Instant complete_from = always;
  Slot key;                            ///< the request's dedup key; null hides nothing
  Slot sequence;                       ///< the request's sequence on this entity
  std::span<const Slot> request;       ///< by Contract::request()
};

/// Positions [first, last) in a timeline.
struct Positions {
  std::size_t first = 0, last = 0;
};

/// The instant of a span's tail: rows before it are outside. `always` when there is none (retention: forever).
Instant tail_of(const Span& span, const Source& source, Instant as_of) noexcept;

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
