#include "window/timeline/derived.hpp"

#include "expression/tree.hpp"
#include "window/fold/on_row.hpp"
#include "window/timeline/summary.hpp"

#include <algorithm>
#include <string>
#include <variant>

namespace featlib {
namespace {

DerivedLane::Of what(AggregateKind kind) {
  if (kind == AggregateKind::count) return DerivedLane::Of::row;
  return kind == AggregateKind::share ? DerivedLane::Of::match : DerivedLane::Of::argument;
}

/// Whether a value that is not null is the aggregate's literal. A text that no row holds yet has no id: it is compared itself.
bool matches(const Aggregate& a, const TextPool& pool, Slot value) noexcept {
  if (const auto* integer = std::get_if<std::int64_t>(&*a.literal)) return value.integer() == *integer;
  if (const auto* real = std::get_if<double>(&*a.literal)) return value.real() == *real;   // neither is NaN
  return pool.view(value.text()) == *std::get_if<std::string>(&*a.literal);
}

/// Equal trees over the columns of one source, bound in one zone, are one function.
bool same(const std::optional<Expression>& a, const std::optional<Expression>& b) {
  if (!a || !b) return !a && !b;
  return a->canonical() == b->canonical() && a->tree().zone->name() == b->tree().zone->name();
}

}  // namespace

bool Lane::gated() const noexcept { return gate >= 0 || (derived && derived->gated()); }

DerivedLane::DerivedLane(const Aggregate& aggregate, const Rows& rows) : DerivedLane(aggregate, rows, what(aggregate.kind)) {}

DerivedLane::DerivedLane(const Aggregate& aggregate, const Rows& rows, Of of) : aggregate_(&aggregate), of_(of) {
  const auto read = [&](const std::vector<int>& fields) {
    for (const int field : fields)
      if (const int gate = rows.gate_of(field); gate >= 0) gates_.push_back(static_cast<std::size_t>(gate));
  };
  if (of != Of::row) read(aggregate.argument_fields);
  read(aggregate.where_fields);
}

Slot DerivedLane::on(const Rows& rows, Row row, Instant as_of) const noexcept {
  if (!window::passes(*aggregate_, rows, row, as_of)) return {};
  return of(rows, of_ == Of::row ? Slot{} : window::argument_on(*aggregate_, rows, row, as_of));
}

Slot DerivedLane::of(const Rows& rows, Slot argument) const noexcept {
  if (of_ == Of::row) return {1, Held::value};
  if (of_ == Of::argument || argument.is_null()) return argument;
  return {matches(*aggregate_, rows.pool(), argument), Held::value};
}

bool DerivedLane::real() const noexcept { return of_ == Of::argument && aggregate_->argument_type == Type::float64; }

Instant DerivedLane::stamped(const Rows& rows, Row row) const noexcept {
  Instant out = always;
  for (const std::size_t gate : gates_)
    if (const Instant stamp = rows.stamps[gate][row]; stamp != never) out = std::max(out, stamp);   // a cell that is none is none at any instant
  return out;
}

bool DerivedLane::operator==(const DerivedLane& other) const {
  const Aggregate &a = *aggregate_, &b = *other.aggregate_;
  // A decimal column is a count of its smallest units, in an expression it is a double: `(amount)` is one.
  const bool argument = of_ == Of::row || (a.argument_is_column == b.argument_is_column && same(a.argument, b.argument));
  return of_ == other.of_ && argument && same(a.where, b.where) && (of_ != Of::match || a.literal == b.literal);
}

}  // namespace featlib
