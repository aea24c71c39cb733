// What an aggregate reads of one row, or of the request: its argument, and whether its `where` passes.
#pragma once

#include <featlib/events/rows.hpp>
#include <featlib/plan/plan.hpp>

#include <span>

namespace featlib::window {

Slot evaluated_argument(const Aggregate& aggregate, const Rows& rows, Row row, Instant as_of) noexcept;
bool where_is_true(const Aggregate& aggregate, const Rows& rows, Row row, Instant as_of) noexcept;

/// The argument on a row's columns as they are known at as_of; null where the expression is, or is an error, and without one.
inline Slot argument_on(const Aggregate& aggregate, const Rows& rows, Row row, Instant as_of) noexcept {
  if (aggregate.argument_is_column) return rows.cell(row, aggregate.argument_fields[0], as_of);
  return aggregate.argument ? evaluated_argument(aggregate, rows, row, as_of) : Slot{};
}
/// Whether `where` is true of them; without one it passes.
inline bool passes(const Aggregate& aggregate, const Rows& rows, Row row, Instant as_of) noexcept {
  return !aggregate.where || where_is_true(aggregate, rows, row, as_of);
}

/// The same on the request's fields of those names.
Slot argument_on_request(const WindowStep& step, const Rows& rows, std::span<const Slot> request) noexcept;
bool request_passes(const WindowStep& step, const Rows& rows, std::span<const Slot> request) noexcept;

}  // namespace featlib::window
