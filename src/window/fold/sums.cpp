#include "window/fold/visit.hpp"

#include <featlib/window/sums.hpp>

namespace featlib::window {

Folded counts(const Window& w) {
  std::int64_t rows = 0, values = 0, hits = 0;
  visit_newest_first(w, [&](Slot value, Instant) {
    ++rows;
    values += !value.is_null();
    hits += !value.is_null() && value.bits != 0;
    return true;
  });
  if (w.aggregate().kind == AggregateKind::count) return {Aggregated::of(rows), static_cast<std::uint64_t>(rows)};
  return {Aggregated::of(hits), static_cast<std::uint64_t>(values)};
}

Folded sums(const Window& w) {
  const Aggregate& a = w.aggregate();
  const bool mean = a.kind == AggregateKind::mean;
  if (w.real()) {
    RealSum sum;
    visit_values(w, [&](Slot value, Instant) { sum.add(value.real()); });
    return {mean ? sum.mean() : sum.sum(), sum.count()};
  }
  WholeSum sum;
  visit_values(w, [&](Slot value, Instant) { sum.add(value.integer()); });
  if (mean) return {sum.mean(a.argument_scale), sum.count()};
  return {a.argument_type == Type::decimal ? sum.decimal_sum(a.argument_scale) : sum.sum(), sum.count()};
}

}  // namespace featlib::window
