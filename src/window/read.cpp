#include <featlib/window/read.hpp>

#include <featlib/events/union_rows.hpp>

#include "window/fold/visit.hpp"

#include <algorithm>

namespace featlib {

Interval interval_of(const Span& span, const Source& source, Instant as_of) noexcept {
  const Instant head = minus(as_of, span.head);
  if (!span.tail) return {source.retention ? minus(as_of, *source.retention) : always, head, true, span.head_closed};
  if (!span.bucket) return {minus(as_of, *span.tail), head, span.tail_closed, span.head_closed};
  const Duration width = *span.tail - span.head;
  const Duration since = head - span.origin, into = since % width;
  const Instant begin = head - (into < 0 ? into + width : into);
  if (*span.bucket == Bucket::complete) return {begin - width, begin, true, false};
  return {begin, head, true, span.head_closed};
}

bool sequence_before(Slot row, Slot request) noexcept {
  if (request.is_null()) return false;
  return row.is_null() || row.integer() < request.integer();
}

void compare_with_request(const Plan& plan, const TimelineStep& timeline, Asked& asked) noexcept {
  asked.key = asked.sequence = {};
  const Contract& contract = plan.contract();
  const bool hides = timeline.is_request_source || timeline.request_member >= 0;
  if (const int key = plan.request_key(); hides && key >= 0) {
    const Source& source = contract.sources()[static_cast<std::size_t>(timeline.source)];
    const auto field = static_cast<std::size_t>(key);
    asked.key = in_union(source.fields[static_cast<std::size_t>(source.dedup_field)], contract.request()[field], asked.request[field]);
  }
  if (timeline.request_sequence >= 0) asked.sequence = asked.request[static_cast<std::size_t>(timeline.request_sequence)];
}

bool is_own(const TimelineStep& timeline, const Rows& rows, Row row, const Asked& asked) noexcept {
  const bool in_union = timeline.request_member >= 0;
  if (in_union ? static_cast<int>(rows.member[row]) != timeline.request_member : !timeline.is_request_source) return false;
  if (!asked.key.is_null() && rows.dedup_key(row) == asked.key) return true;
  if (!in_union || rows.event_time[row] != asked.as_of) return false;
  return timeline.request_sequence < 0 || !sequence_before(rows.sequence(row, timeline.source_entity), asked.sequence);
}

Positions locate(const TimelineStep& timeline, const Span& span, const TimelineView& view, const Asked& asked) noexcept {
  const auto begin = view.times.begin(), end = view.times.end();
  const Interval interval = interval_of(span, view.rows->source(), asked.as_of);
  const auto first = interval.tail_closed ? std::lower_bound(begin, end, interval.tail) : std::upper_bound(begin, end, interval.tail);
  auto last = interval.head_closed ? std::upper_bound(first, end, interval.head) : std::lower_bound(first, end, interval.head);
  if (timeline.is_request_source && interval.head_closed && interval.head == asked.as_of) {
    // At the request's own instant only rows of a lesser sequence are before it; they stand first in the order.
    while (last != first && last[-1] == asked.as_of &&
           !(timeline.request_sequence >= 0 &&
             sequence_before(view.rows->sequence(view.order[static_cast<std::size_t>(last - begin) - 1], timeline.source_entity), asked.sequence)))
      --last;
  }
  return {static_cast<std::size_t>(first - begin), static_cast<std::size_t>(last - begin)};
}

Aggregated unless_incomplete(const WindowStep& step, const Rows& rows, const Asked& asked, Aggregated value) noexcept {
  if (value.cause == Cause::error || interval_of(step.span, rows.source(), asked.as_of).tail >= asked.complete_from) return value;
  return Aggregated::none(Cause::history_incomplete);
}

Aggregated fold(const TimelineStep& timeline, const WindowStep& step, const TimelineView& view, const Asked& asked, Positions positions) {
  const window::Window w{timeline, step, view, asked, positions};
  const window::Folded folded = [&] {
    switch (step.aggregate->kind) {
      case AggregateKind::count: case AggregateKind::count_if: return window::counts(w);
      case AggregateKind::sum: case AggregateKind::mean: return window::sums(w);
      case AggregateKind::std: case AggregateKind::var: case AggregateKind::skew: case AggregateKind::kurtosis: return window::moments(w);
      case AggregateKind::trend: return window::trend(w);
      case AggregateKind::decay_sum: case AggregateKind::decay_mean: return window::decay(w);
      case AggregateKind::min: case AggregateKind::max: case AggregateKind::range: return window::extrema(w);
      case AggregateKind::quantile: return window::quantile(w);
      case AggregateKind::first: case AggregateKind::last: case AggregateKind::lag: return window::nth(w);
      case AggregateKind::last_k: return window::last_k(w);
      case AggregateKind::count_distinct: case AggregateKind::mode: case AggregateKind::top_k: case AggregateKind::entropy: return window::frequencies(w);
      case AggregateKind::share: case AggregateKind::seen_before: return window::matches(w);
      case AggregateKind::time_since_last: case AggregateKind::time_since_first: case AggregateKind::mean_gap: return window::times(w);
    }
    return window::Folded{Aggregated::none(Cause::error), 0};
  }();
  return window::judged(step, folded);
}

Aggregated read(const TimelineStep& timeline, const WindowStep& step, const TimelineView& view, const Asked& asked) {
  return unless_incomplete(step, *view.rows, asked, fold(timeline, step, view, asked, locate(timeline, step.span, view, asked)));
}

}  // namespace featlib
