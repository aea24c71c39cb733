#include "window/sliding/sliding.hpp"

#include <algorithm>

namespace featlib {
namespace {

/// Whether rows count and not values; nothing for windows that do not slide.
std::optional<bool> slides_over_rows(const WindowStep& step, const Rows& rows) {
  const Aggregate& a = *step.aggregate;
  const auto gated = [&](const std::vector<int>& fields) { return std::any_of(fields.begin(), fields.end(), [&](int f) { return rows.gate_of(f) >= 0; }); };
  if (a.last || step.span.gap || gated(a.argument_fields) || gated(a.where_fields)) return std::nullopt;
  switch (a.kind) {
    case AggregateKind::quantile: case AggregateKind::range: case AggregateKind::trend: case AggregateKind::decay_sum: case AggregateKind::decay_mean:
    case AggregateKind::count_distinct: case AggregateKind::mode: case AggregateKind::top_k: case AggregateKind::entropy:
    case AggregateKind::share: case AggregateKind::seen_before: return false;
    case AggregateKind::time_since_first: case AggregateKind::mean_gap: return true;
    default: return std::nullopt;
  }
}

bool same(const std::optional<Expression>& a, const std::vector<int>& a_fields, const std::optional<Expression>& b, const std::vector<int>& b_fields) {
  return a.has_value() == b.has_value() && a_fields == b_fields && (!a || a->canonical() == b->canonical());
}

}  // namespace

std::vector<SlidingGroup> sliding_groups(const TimelineStep& step, const Rows& rows, const std::function<bool(std::size_t)>& served) {
  std::vector<SlidingGroup> out;
  for (std::size_t w = 0; w < step.windows.size(); ++w) {
    const WindowStep& window = step.windows[w];
    const auto of_rows = slides_over_rows(window, rows);
    if (!of_rows || served(w)) continue;
    const Aggregate& a = *window.aggregate;
    auto group = std::find_if(out.begin(), out.end(), [&](const SlidingGroup& g) {
      const Aggregate& b = *g.step->aggregate;
      return g.of_rows == *of_rows && g.step->span == window.span && same(a.where, a.where_fields, b.where, b.where_fields) &&
             (*of_rows || (a.argument_type == b.argument_type && same(a.argument, a.argument_fields, b.argument, b.argument_fields)));
    });
    if (group == out.end()) group = out.insert(out.end(), {&window, *of_rows, !*of_rows && is_text(a.argument_type), {}, {}});
    group->needed.add(a);
    group->windows.push_back(w);
  }
  return out;
}

SlidingWindow::SlidingWindow(const SlidingGroup& group, const Rows& rows, TextPool* keeper)
    : group_(&group), rows_(&rows), keeper_(group.texts ? keeper : nullptr), contents_(group.needed, group.step->aggregate->argument_type, rows.pool()) {}

void SlidingWindow::clear() {
  first_ = last_ = 0;
  if (kept_.empty()) return;
  contents_ = Contents(group_->needed, group_->step->aggregate->argument_type, rows_->pool());
  if (keeper_)
    for (const Kept& kept : kept_) keeper_->release(static_cast<std::uint32_t>(kept.bits));
  kept_.clear();
}

std::optional<std::uint64_t> SlidingWindow::bits_of(const window::Window& w, Row row) const {
  if (!window::passes(w, row)) return std::nullopt;
  if (group_->of_rows) return std::uint64_t{0};
  const Slot value = window::argument_on(w, row);
  return value.is_null() ? std::nullopt : std::optional(value.bits);
}

void SlidingWindow::come(std::uint64_t bits, Instant at) {
  if (keeper_) keeper_->retain(static_cast<std::uint32_t>(bits));
  contents_.add(bits, at);
}

void SlidingWindow::leave(const Kept& kept, Instant at) {
  contents_.remove(kept.bits, at);
  if (keeper_) keeper_->release(static_cast<std::uint32_t>(kept.bits));
}

void SlidingWindow::set_aside(const window::Window& w, Row row, Instant at) {
  if (const auto bits = bits_of(w, row)) {
    contents_.remove(*bits, at);
    changes_.push_back({*bits, at, true});
  }
}

void SlidingWindow::put_beside(const window::Window& w, Row row, Instant at) {
  if (const auto bits = bits_of(w, row)) {
    contents_.add(*bits, at);
    changes_.push_back({*bits, at, false});
  }
}

void SlidingWindow::restore() {
  for (const Change& change : changes_) change.removed ? contents_.add(change.bits, change.at) : contents_.remove(change.bits, change.at);
  changes_.clear();
}

Aggregated SlidingWindow::of_values(const window::Window& w) {
  const bool included = w.aggregate().include_request && window::request_passes(w);
  const Slot own = included ? window::argument_on_request(w) : Slot{};
  if (!own.is_null()) contents_.add(own.bits, w.asked.as_of);
  const Aggregated out = window::judged(w.step, contents_.value(w));
  if (!own.is_null()) contents_.remove(own.bits, w.asked.as_of);
  return out;
}

Aggregated SlidingWindow::of_rows(const window::Window& w, Instant oldest, Instant newest) const {
  const bool included = w.aggregate().include_request && window::request_passes(w);
  if (included) newest = w.asked.as_of;
  if (included && kept_.empty()) oldest = newest;
  const std::uint64_t rows = kept_.size() + included;
  return window::judged(w.step, {window::times_between(w, oldest, newest, rows), rows});
}

}  // namespace featlib
