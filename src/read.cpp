#include <featlib/window/read.hpp>

#include <featlib/core/exact.hpp>
#include <featlib/window/moments.hpp>

#include <algorithm>
#include <limits>

namespace featlib {
namespace {

constexpr std::size_t most_inputs = 64;

/// The value of an aggregate's argument, or the truth of its `where`, on one row.
class RowExpression {
 public:
  RowExpression(const Expression& expression, const std::vector<int>& fields, const std::vector<int>& request) noexcept
      : expression_(expression), fields_(fields), request_(request) {}

  Evaluated on(const Rows& rows, Row row, Instant as_of) const noexcept {
    Cell cells[most_inputs];
    for (std::size_t i = 0; i < fields_.size(); ++i)
      cells[i] = rows.to_cell(rows.cell(row, fields_[i], as_of), rows.source().fields[static_cast<std::size_t>(fields_[i])]);
    return expression_.evaluate({cells, fields_.size()});
  }

  Evaluated on_request(const Rows& rows, const Asked& asked) const noexcept {
    Cell cells[most_inputs];
    for (std::size_t i = 0; i < fields_.size(); ++i)
      cells[i] = rows.to_cell(asked.request[static_cast<std::size_t>(request_[i])], rows.source().fields[static_cast<std::size_t>(fields_[i])]);
    return expression_.evaluate({cells, fields_.size()});
  }

 private:
  const Expression& expression_;
  const std::vector<int>& fields_;
  const std::vector<int>& request_;
};

Slot to_slot(const Evaluated& evaluated) {
  switch (evaluated.value.kind) {
    case Cell::Kind::integer: return {static_cast<std::uint64_t>(evaluated.value.integer), Held::value};
    case Cell::Kind::real: return {std::bit_cast<std::uint64_t>(evaluated.value.real), Held::value};
    default: return {};
  }
}

/// Calls `visit(value, event_time)` for every row that counts, newest first, until it returns false.
template <class Visit>
void visit_newest_first(const TimelineStep& timeline, const WindowStep& step, const TimelineView& view, const Asked& asked, Positions positions,
                        Visit&& visit) {
  const Aggregate& a = *step.aggregate;
  const Rows& rows = *view.rows;
  std::int64_t left = a.last.value_or(std::numeric_limits<std::int64_t>::max());
  const auto truth = [](const Evaluated& e) { return e.value.kind == Cell::Kind::integer && e.value.integer != 0; };

  if (a.include_request) {
    bool passes = true;
    if (a.where) passes = truth(RowExpression(*a.where, a.where_fields, step.where_request).on_request(rows, asked));
    if (passes) {
      Slot value;
      if (a.argument_is_column) value = asked.request[static_cast<std::size_t>(step.argument_request[0])];
      else if (a.argument) value = to_slot(RowExpression(*a.argument, a.argument_fields, step.argument_request).on_request(rows, asked));
      if (!visit(value, asked.as_of) || --left == 0) return;
    }
  }
  const bool hides = timeline.is_request_source && !asked.key.is_null();
  for (std::size_t i = positions.last; i-- > positions.first;) {
    const Row row = view.order[i];
    if (!rows.counts_at(row, asked.as_of)) continue;
    if (hides && rows.dedup_key(row) == asked.key) continue;
    if (a.where && !truth(RowExpression(*a.where, a.where_fields, step.where_request).on(rows, row, asked.as_of))) continue;
    Slot value;
    if (a.argument_is_column) value = rows.cell(row, a.argument_fields[0], asked.as_of);
    else if (a.argument) value = to_slot(RowExpression(*a.argument, a.argument_fields, step.argument_request).on(rows, row, asked.as_of));
    if (!visit(value, view.times[i]) || --left == 0) return;
  }
}

bool is_text(Type type) { return type == Type::string || type == Type::category; }

/// A cell of the argument's type as the feature shows it: a decimal in its unit.
Aggregated shown(const Aggregate& a, std::uint64_t bits) {
  if (a.argument_type == Type::decimal) return Aggregated::of(decimal_value(static_cast<std::int64_t>(bits), a.argument_scale));
  return {bits, Cause::ok};
}

bool less(const Aggregate& a, const Rows& rows, std::uint64_t x, std::uint64_t y) {
  if (a.argument_type == Type::float64) return std::bit_cast<double>(x) < std::bit_cast<double>(y);
  if (is_text(a.argument_type)) return rows.pool().view(static_cast<std::uint32_t>(x)) < rows.pool().view(static_cast<std::uint32_t>(y));
  return static_cast<std::int64_t>(x) < static_cast<std::int64_t>(y);
}

Aggregated whole_sum(int128 sum) {
  if (sum > std::numeric_limits<std::int64_t>::max() || sum < std::numeric_limits<std::int64_t>::min()) return Aggregated::none(Cause::error);
  return Aggregated::of(static_cast<std::int64_t>(sum));
}

}  // namespace

Instant tail_of(const Span& span, const Source& source, Instant as_of) noexcept {
  if (span.tail) return minus(as_of, *span.tail);
  return source.retention ? minus(as_of, *source.retention) : always;
}

bool sequence_before(Slot row, Slot request) noexcept {
  if (request.is_null()) return false;
  return row.is_null() || row.integer() < request.integer();
}

Positions locate(const TimelineStep& timeline, const Span& span, const TimelineView& view, const Asked& asked) noexcept {
  const auto begin = view.times.begin(), end = view.times.end();
  const Instant tail = tail_of(span, view.rows->source(), asked.as_of);
  const auto first = span.tail && !span.tail_closed ? std::upper_bound(begin, end, tail) : std::lower_bound(begin, end, tail);
  const Instant head = minus(asked.as_of, span.head);
  auto last = span.head_closed ? std::upper_bound(first, end, head) : std::lower_bound(first, end, head);
  if (timeline.is_request_source && span.head_closed && span.head == 0) {
    // At the request's own instant only rows of a lesser sequence are before it; they stand first in the order.
    while (last != first && last[-1] == asked.as_of &&
           !(timeline.request_sequence >= 0 &&
             sequence_before(view.rows->sequence(view.order[static_cast<std::size_t>(last - begin) - 1], timeline.source_entity), asked.sequence)))
      --last;
  }
  return {static_cast<std::size_t>(first - begin), static_cast<std::size_t>(last - begin)};
}

Aggregated unless_incomplete(const WindowStep& step, const Rows& rows, const Asked& asked, Aggregated value) noexcept {
  if (value.cause == Cause::error || tail_of(step.span, rows.source(), asked.as_of) >= asked.complete_from) return value;
  return Aggregated::none(Cause::history_incomplete);
}

Aggregated fold(const TimelineStep& timeline, const WindowStep& step, const TimelineView& view, const Asked& asked, Positions positions) {
  const Aggregate& a = *step.aggregate;
  const Rows& rows = *view.rows;
  const auto each = [&](auto&& visit) { visit_newest_first(timeline, step, view, asked, positions, visit); };
  // Rows (count, time_since_last) or non-null values: what min_rows counts.
  std::int64_t counted = 0;
  // An error is said before too little history is (SEMANTICS section 3, Status).
  const auto enough = [&](auto&& result) {
    const Aggregated value = result();
    return counted < step.min_rows && value.cause != Cause::error ? Aggregated::none(Cause::insufficient_history) : value;
  };
  const auto unless_empty = [&](auto&& result) { return enough([&] { return counted == 0 ? Aggregated::none(Cause::null) : result(); }); };

  switch (a.kind) {
    case AggregateKind::count:
      each([&](Slot, Instant) { ++counted; return true; });
      return enough([&] { return Aggregated::of(counted); });

    case AggregateKind::count_if: {
      std::int64_t hits = 0;
      each([&](Slot v, Instant) { counted += !v.is_null(); hits += !v.is_null() && v.bits != 0; return true; });
      return enough([&] { return Aggregated::of(hits); });
    }

    case AggregateKind::sum:
    case AggregateKind::mean: {
      const bool mean = a.kind == AggregateKind::mean;
      if (a.argument_type == Type::float64) {
        ExactSum sum;
        each([&](Slot v, Instant) { if (!v.is_null()) { ++counted; sum.add(v.real()); } return true; });
        return unless_empty([&] { return Aggregated::of(sum.quotient(mean ? static_cast<std::uint64_t>(counted) : 1)); });
      }
      int128 sum = 0;
      each([&](Slot v, Instant) { if (!v.is_null()) { ++counted; sum += v.integer(); } return true; });
      return unless_empty([&] {
        if (!mean && a.argument_type != Type::decimal) return whole_sum(sum);
        return Aggregated::of(integer_quotient(sum, mean ? static_cast<std::uint64_t>(counted) : 1, a.argument_scale));
      });
    }

    case AggregateKind::std:
    case AggregateKind::var: {
      const bool root = a.kind == AggregateKind::std;
      const bool real = a.argument_type == Type::float64;
      PowerSums<2> moments;
      each([&](Slot v, Instant) {
        if (v.is_null()) return true;
        ++counted;
        real ? moments.add(v.real()) : moments.add(v.integer());
        return true;
      });
      return unless_empty([&] { return root ? moments.deviation(a.ddof, a.argument_scale) : moments.variance(a.ddof, a.argument_scale); });
    }

    case AggregateKind::min:
    case AggregateKind::max: {
      std::uint64_t best = 0;
      each([&](Slot v, Instant) {
        if (v.is_null()) return true;
        const bool better = a.kind == AggregateKind::min ? less(a, rows, v.bits, best) : less(a, rows, best, v.bits);
        if (counted++ == 0 || better) best = v.bits;
        return true;
      });
      return unless_empty([&] { return shown(a, best); });
    }

    case AggregateKind::first:
    case AggregateKind::last:
    case AggregateKind::lag: {
      // Newest first: `last` is the first value met, `lag(k)` the one after k others, `first` the last one met.
      const std::int64_t wanted = a.kind == AggregateKind::first ? -1 : a.kind == AggregateKind::last ? 0 : a.k;
      Slot found;
      bool met = false;
      each([&](Slot v, Instant) {
        if (v.is_null() && !a.keep_nulls) return true;
        if (wanted < 0 || counted == wanted) { found = v; met = true; }
        ++counted;
        return wanted < 0 || counted <= wanted || counted < step.min_rows;
      });
      return enough([&] { return met && !found.is_null() ? shown(a, found.bits) : Aggregated::none(Cause::null); });
    }

    case AggregateKind::count_distinct: {
      std::vector<std::uint64_t> values;
      each([&](Slot v, Instant) { if (!v.is_null()) { ++counted; values.push_back(v.bits); } return true; });
      std::sort(values.begin(), values.end());
      const auto distinct = std::unique(values.begin(), values.end()) - values.begin();
      return enough([&] { return Aggregated::of(static_cast<std::int64_t>(distinct)); });
    }

    case AggregateKind::time_since_last: {
      Instant newest = 0;
      each([&](Slot, Instant at) {
        if (counted++ == 0) newest = at;
        return counted < step.min_rows;
      });
      return unless_empty([&] { return Aggregated::of(round_quotient(asked.as_of - newest, static_cast<std::uint64_t>(a.time_unit), 0)); });
    }

    default: break;
  }
  return Aggregated::none(Cause::error);
}

Aggregated read(const TimelineStep& timeline, const WindowStep& step, const TimelineView& view, const Asked& asked) {
  return unless_incomplete(step, *view.rows, asked, fold(timeline, step, view, asked, locate(timeline, step.span, view, asked)));
}

}  // namespace featlib
