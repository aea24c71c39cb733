#include "window/fold/visit.hpp"

#include <featlib/core/exact.hpp>
#include <featlib/window/quantile.hpp>

#include <algorithm>

namespace featlib::window {
namespace {

/// Enough rows for the status: min_rows is judged by how many there are.
bool enough(const Window& w, std::uint64_t counted) noexcept { return counted >= static_cast<std::uint64_t>(w.step.min_rows); }

template <class Value>
Folded quantile_of(const Window& w, std::vector<Value> values, auto... scale) {
  if (values.empty()) return {Aggregated::none(Cause::null), 0};
  const Aggregate& a = w.aggregate();
  const QuantileRank rank = quantile_rank(values.size(), a.p_numerator, a.p_denominator, a.interpolation);
  const auto lower = values.begin() + static_cast<std::ptrdiff_t>(rank.lower);
  std::nth_element(values.begin(), lower, values.end());
  const Value upper = rank.numerator == 0 ? *lower : *std::min_element(lower + 1, values.end());
  return {quantile_between(*lower, upper, rank, scale...), values.size()};
}

}  // namespace

Aggregated range(const Window& w, std::uint64_t low, std::uint64_t high) {
  if (!w.real()) return Aggregated::of(integer_quotient(static_cast<int128>(static_cast<std::int64_t>(high)) - static_cast<std::int64_t>(low), 1, w.aggregate().argument_scale));
  ExactSum difference;
  difference.add(std::bit_cast<double>(high));
  difference.remove(std::bit_cast<double>(low));
  return Aggregated::of(difference.value());
}

Folded extrema(const Window& w) {
  const Aggregate& a = w.aggregate();
  std::uint64_t least = 0, greatest = 0, counted = 0;
  visit_values(w, [&](Slot value, Instant) {
    if (counted == 0 || less(w, value.bits, least)) least = value.bits;
    if (counted == 0 || less(w, greatest, value.bits)) greatest = value.bits;
    ++counted;
  });
  if (counted == 0) return {Aggregated::none(Cause::null), 0};
  if (a.kind == AggregateKind::range) return {range(w, least, greatest), counted};
  return {shown(a, {a.kind == AggregateKind::min ? least : greatest, Held::value}), counted};
}

Folded quantile(const Window& w) {
  if (w.real()) {
    std::vector<double> values;
    visit_values(w, [&](Slot value, Instant) { values.push_back(value.real()); });
    return quantile_of(w, std::move(values));
  }
  std::vector<std::int64_t> values;
  visit_values(w, [&](Slot value, Instant) { values.push_back(value.integer()); });
  return quantile_of(w, std::move(values), w.aggregate().argument_scale);
}

Folded nth(const Window& w) {
  // Newest first: `last` is the first value met, `lag(k)` the one after k others, `first` the last one met.
  const Aggregate& a = w.aggregate();
  const bool first = a.kind == AggregateKind::first;
  const std::uint64_t wanted = a.kind == AggregateKind::lag ? static_cast<std::uint64_t>(a.k) : 0;
  Slot found;
  std::uint64_t counted = 0;
  visit_newest_first(w, [&](Slot value, Instant) {
    if (value.is_null() && !a.keep_nulls) return true;
    if (first || counted == wanted) found = value;
    ++counted;
    return first || counted <= wanted || !enough(w, counted);
  });
  return {shown(a, found), counted};
}

Folded last_k(const Window& w) {
  const Aggregate& a = w.aggregate();
  std::vector<Slot> values;
  std::uint64_t counted = 0;
  visit_newest_first(w, [&](Slot value, Instant) {
    if (value.is_null() && !a.keep_nulls) return true;
    if (counted++ < static_cast<std::uint64_t>(a.k)) values.push_back(value);
    return counted < static_cast<std::uint64_t>(a.k) || !enough(w, counted);
  });
  if (counted == 0) return {Aggregated::none(Cause::null), 0};
  std::reverse(values.begin(), values.end());
  return {listed(w, values), counted};
}

}  // namespace featlib::window
