#include "window/fold/visit.hpp"

#include <featlib/core/exact.hpp>

namespace featlib::window {
namespace {

/// duration / (parts * unit), rounded once.
Aggregated in_units(Duration duration, std::uint64_t parts, Duration unit) {
  int zeros = 0;
  for (; unit % 10 == 0; unit /= 10) ++zeros;
  return Aggregated::of(integer_quotient(duration, parts * static_cast<std::uint64_t>(unit), zeros));
}

}  // namespace

Folded times(const Window& w) {
  const Aggregate& a = w.aggregate();
  Instant newest = 0, oldest = 0;
  std::uint64_t rows = 0;
  visit_newest_first(w, [&](Slot, Instant at) {
    if (rows++ == 0) newest = at;
    oldest = at;
    return a.kind != AggregateKind::time_since_last || rows < static_cast<std::uint64_t>(w.step.min_rows);
  });
  if (rows == 0) return {Aggregated::none(Cause::null), 0};
  switch (a.kind) {
    case AggregateKind::time_since_last: return {in_units(w.asked.as_of - newest, 1, a.time_unit), rows};
    case AggregateKind::time_since_first: return {in_units(w.asked.as_of - oldest, 1, a.time_unit), rows};
    default: return {rows < 2 ? Aggregated::none(Cause::null) : in_units(newest - oldest, rows - 1, a.time_unit), rows};
  }
}

}  // namespace featlib::window
