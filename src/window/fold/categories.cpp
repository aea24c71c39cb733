#include "window/fold/visit.hpp"

#include <featlib/core/exact.hpp>
#include <featlib/window/value_counts.hpp>

namespace featlib::window {
std::optional<std::uint64_t> wanted(const Window& w) {
  if (!w.aggregate().literal) return w.asked.request[static_cast<std::size_t>(w.aggregate().compared_request)].bits;
  const Literal& literal = *w.aggregate().literal;
  if (const auto* integer = std::get_if<std::int64_t>(&literal)) return static_cast<std::uint64_t>(*integer);
  if (const auto* real = std::get_if<double>(&literal)) return std::bit_cast<std::uint64_t>(*real + 0.0);
  return w.rows().pool().find(std::get<std::string>(literal));   // a text that no row holds has no id
}

Aggregated matched(const Window& w, std::uint64_t hits, std::uint64_t counted) {
  const Aggregate& a = w.aggregate();
  if (counted == 0 || (!a.literal && w.asked.request[static_cast<std::size_t>(a.compared_request)].is_null())) return Aggregated::none(Cause::null);
  if (a.kind == AggregateKind::seen_before) return Aggregated::of(std::int64_t{hits > 0});
  return Aggregated::of(round_quotient(static_cast<int128>(hits), counted, 0));
}

Folded frequencies(const Window& w) {
  const Aggregate& a = w.aggregate();
  ValueCounts counts;
  visit_values(w, [&](Slot value, Instant) { counts.add(value.bits); });
  const auto most_frequent = [&](std::size_t k) { return counts.most_frequent(k, [&](std::uint64_t x, std::uint64_t y) { return less(w, x, y); }); };
  if (a.kind == AggregateKind::count_distinct) return {Aggregated::of(static_cast<std::int64_t>(counts.distinct())), counts.count()};
  if (counts.count() == 0) return {Aggregated::none(Cause::null), 0};
  switch (a.kind) {
    case AggregateKind::entropy: return {counts.entropy(), counts.count()};
    case AggregateKind::mode: return {shown(a, {most_frequent(1).front(), Held::value}), counts.count()};
    default: {
      std::vector<Slot> values;
      for (const std::uint64_t bits : most_frequent(static_cast<std::size_t>(a.k))) values.push_back({bits, Held::value});
      return {listed(w, values), counts.count()};
    }
  }
}

Folded matches(const Window& w) {
  const auto bits = wanted(w);
  std::uint64_t counted = 0, hits = 0;
  visit_values(w, [&](Slot value, Instant) {
    ++counted;
    hits += bits && value.bits == *bits;
  });
  return {matched(w, hits, counted), counted};
}

}  // namespace featlib::window
