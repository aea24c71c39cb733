#include "window/fold/visit.hpp"

#include "window/json_text.hpp"

namespace featlib::window {

Positions session(const Window& w) {
  Positions run{w.positions.last, w.positions.last};
  Instant stop = minus(w.asked.as_of, w.step.span.head);
  for (std::size_t i = w.positions.last; i-- > w.positions.first;) {
    if (!seen(w, i)) continue;
    if (stop - w.view.times[i] > *w.step.span.gap) break;
    stop = w.view.times[i];
    run.first = i;
  }
  return run;
}

Aggregated shown(const Aggregate& a, Slot value) {
  if (value.is_null()) return Aggregated::none(Cause::null);
  if (a.argument_type == Type::decimal) return Aggregated::of(decimal_value(value.integer(), a.argument_scale));
  return {value.bits, Cause::ok};
}

bool less(Type type, const TextPool& pool, std::uint64_t x, std::uint64_t y) {
  if (type == Type::float64) return std::bit_cast<double>(x) < std::bit_cast<double>(y);
  if (is_text(type)) return pool.view(static_cast<std::uint32_t>(x)) < pool.view(static_cast<std::uint32_t>(y));
  return static_cast<std::int64_t>(x) < static_cast<std::int64_t>(y);
}

Aggregated listed(const Window& w, std::span<const Slot> values) {
  const Aggregate& a = w.aggregate();
  std::string out = "[";
  for (const Slot value : values) {
    if (out.size() > 1) out += ',';
    if (value.is_null()) out += "null";
    else append_json(out, a.argument_type, a.argument_scale, value.bits, is_text(a.argument_type) ? w.rows().pool().view(value.text()) : std::string_view{});
  }
  out += ']';
  return {w.asked.made->add(std::move(out)), Cause::ok};
}

}  // namespace featlib::window
