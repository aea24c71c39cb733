// The rows of one window of one decision, newest first, as the aggregates look at them.
#pragma once

#include <featlib/window/read.hpp>

#include "window/fold/on_row.hpp"

#include <limits>
#include <optional>
#include <string>

namespace featlib::window {

/// One window of one decision.
struct Window {
  const TimelineStep& timeline;
  const WindowStep& step;
  const TimelineView& view;
  const Asked& asked;
  Positions positions;

  const Aggregate& aggregate() const noexcept { return *step.aggregate; }
  const Rows& rows() const noexcept { return *view.rows; }
  bool real() const noexcept { return aggregate().argument_type == Type::float64; }
};

/// What an aggregate gives, and of how many non-null values or, for those of rows, rows: what min_rows counts.
struct Folded {
  Aggregated value;
  std::uint64_t counted;
};

/// What the feature shows of it. An error is said before too little history is (SEMANTICS section 3, Status).
inline Aggregated judged(const WindowStep& step, const Folded& folded) noexcept {
  const bool little = folded.counted < static_cast<std::uint64_t>(step.min_rows) && folded.value.cause != Cause::error;
  return little ? Aggregated::none(Cause::insufficient_history) : folded.value;
}

/// Whether the row at a position counts: known, hidden by no correction, and not the request's own.
inline bool seen(const Window& w, std::size_t position) {
  if (w.view.fetcher) w.view.fetcher->reach(position);
  const Row row = w.view.order[position];
  if (!w.rows().counts_at(row, w.asked.as_of)) return false;
  return !is_own(w.timeline, w.rows(), row, w.asked);
}

/// The positions of the run of a session: back from the head while no distance is longer than the gap.
Positions session(const Window& w);

/// The argument on a row as it is known at as_of, and whether `where` lets the row in.
inline Slot argument_on(const Window& w, Row row) noexcept { return argument_on(w.aggregate(), w.rows(), row, w.asked.as_of); }
inline bool passes(const Window& w, Row row) noexcept { return passes(w.aggregate(), w.rows(), row, w.asked.as_of); }

/// The same on the request.
inline Slot argument_on_request(const Window& w) noexcept { return argument_on_request(w.step, w.rows(), w.asked.request); }
inline bool request_passes(const Window& w) noexcept { return request_passes(w.step, w.rows(), w.asked.request); }

/// Calls `visit(value, event_time)` for every row that counts, newest first, until it returns false.
template <class Visit>
void visit_newest_first(const Window& w, Visit&& visit) {
  const Aggregate& a = w.aggregate();
  std::int64_t left = a.last.value_or(std::numeric_limits<std::int64_t>::max());
  if (a.include_request && request_passes(w))
    if (!visit(argument_on_request(w), w.asked.as_of) || --left == 0) return;
  const Positions positions = w.step.span.gap ? session(w) : w.positions;
  for (std::size_t i = positions.last; i-- > positions.first;) {
    if (!seen(w, i) || !passes(w, w.view.order[i])) continue;
    if (!visit(argument_on(w, w.view.order[i]), w.view.times[i]) || --left == 0) return;
  }
}

/// Calls `visit(value, event_time)` for every value that is not null.
template <class Visit>
void visit_values(const Window& w, Visit&& visit) {
  visit_newest_first(w, [&](Slot value, Instant at) {
    if (!value.is_null()) visit(value, at);
    return true;
  });
}

/// A value of the argument's type as the feature shows it: a decimal in its unit.
Aggregated shown(const Aggregate& a, Slot value);

/// Order of two values of a type.
bool less(Type type, const TextPool& pool, std::uint64_t x, std::uint64_t y);
inline bool less(const Window& w, std::uint64_t x, std::uint64_t y) { return less(w.aggregate().argument_type, w.rows().pool(), x, y); }

/// The value that share and seen_before look for: the contract's own, or the request's. Nothing: no row has it.
std::optional<std::uint64_t> wanted(const Window& w);
/// What they make of it: so many of the values are equal to it.
Aggregated matched(const Window& w, std::uint64_t hits, std::uint64_t counted);

/// What a difference of two values and one of two instants show.
Aggregated range(const Window& w, std::uint64_t low, std::uint64_t high);
Aggregated times_between(const Window& w, Instant oldest, Instant newest, std::uint64_t rows);

/// Values of the argument's type as a JSON array, kept with the texts that this decision makes.
Aggregated listed(const Window& w, std::span<const Slot> values);

// The aggregates, one idea a file.
Folded counts(const Window& w);         // count, count_if
Folded sums(const Window& w);           // sum, mean
Folded moments(const Window& w);        // std, var, skew, kurtosis
Folded trend(const Window& w);
Folded decay(const Window& w);          // decay_sum, decay_mean
Folded extrema(const Window& w);        // min, max, range
Folded quantile(const Window& w);
Folded nth(const Window& w);            // first, last, lag
Folded last_k(const Window& w);
Folded frequencies(const Window& w);    // count_distinct, mode, top_k, entropy
Folded matches(const Window& w);        // share, seen_before
Folded times(const Window& w);          // time_since_last, time_since_first, mean_gap

}  // namespace featlib::window
