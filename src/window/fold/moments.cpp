#include "window/fold/visit.hpp"

#include <featlib/window/decay.hpp>
#include <featlib/window/moments.hpp>

namespace featlib::window {
namespace {

template <int powers>
PowerSums<powers> power_sums(const Window& w) {
  PowerSums<powers> out;
  if (w.real()) visit_values(w, [&](Slot value, Instant) { out.add(value.real()); });
  else visit_values(w, [&](Slot value, Instant) { out.add(value.integer()); });
  return out;
}

/// Sums that know when their values happened.
template <class Sums>
Sums timed(const Window& w, Sums out) {
  if (w.real()) visit_values(w, [&](Slot value, Instant at) { out.add(at, value.real()); });
  else visit_values(w, [&](Slot value, Instant at) { out.add(at, value.integer()); });
  return out;
}

}  // namespace

Folded moments(const Window& w) {
  const Aggregate& a = w.aggregate();
  switch (a.kind) {
    case AggregateKind::skew: {
      const auto sums = power_sums<3>(w);
      return {sums.skewness(a.ddof), sums.count()};
    }
    case AggregateKind::kurtosis: {
      const auto sums = power_sums<4>(w);
      return {sums.kurtosis(a.ddof), sums.count()};
    }
    default: {
      const auto sums = power_sums<2>(w);
      return {a.kind == AggregateKind::std ? sums.deviation(a.ddof, a.argument_scale) : sums.variance(a.ddof, a.argument_scale), sums.count()};
    }
  }
}

Folded trend(const Window& w) {
  const auto sums = timed(w, TrendSums());
  return {sums.slope(w.aggregate().time_unit, w.aggregate().argument_scale), sums.count()};
}

Folded decay(const Window& w) {
  const Aggregate& a = w.aggregate();
  const auto sums = timed(w, DecaySums(a.half_life));
  return {a.kind == AggregateKind::decay_sum ? sums.sum(w.asked.as_of, a.argument_scale) : sums.mean(a.argument_scale), sums.count()};
}

}  // namespace featlib::window
