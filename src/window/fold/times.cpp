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

Aggregated times_between(const Window& w, Instant oldest, Instant newest, std::uint64_t rows) {
  const Duration unit = w.aggregate().time_unit;
  if (rows == 0) return Aggregated::none(Cause::null);
  switch (w.aggregate().kind) {
    case AggregateKind::time_since_last: return in_units(w.asked.as_of - newest, 1, unit);
    case AggregateKind::time_since_first: return in_units(w.asked.as_of - oldest, 1, unit);
    default: return rows < 2 ? Aggregated::none(Cause::null) : in_units(newest - oldest, rows - 1, unit);
  }
}

Folded times(const Window& w) {
  Instant newest = 0, oldest = 0;
  std::uint64_t rows = 0;
  visit_newest_first(w, [&](Slot, Instant at) {
    if (rows++ == 0) newest = at;
    oldest = at;
    return w.aggregate().kind != AggregateKind::time_since_last || rows < static_cast<std::uint64_t>(w.step.min_rows);
  });
  return {times_between(w, oldest, newest, rows), rows};
}

}  // namespace featlib::window
