#include "window/fold/on_row.hpp"

namespace featlib::window {
namespace {

constexpr std::size_t few_inputs = 4, most_inputs = 64;

/// `slot_of(i)`: what the i-th input holds, one of these fields of the source.
template <std::size_t most, class SlotOf>
Evaluated evaluate(const Expression& expression, const std::vector<int>& fields, const Rows& rows, SlotOf&& slot_of) noexcept {
  Cell cells[most];
  for (std::size_t i = 0; i < fields.size(); ++i) cells[i] = rows.to_cell(slot_of(i), rows.source().fields[static_cast<std::size_t>(fields[i])]);
  return expression.evaluate({cells, fields.size()});
}

template <class SlotOf>
Evaluated evaluate(const Expression& expression, const std::vector<int>& fields, const Rows& rows, SlotOf&& slot_of) noexcept {
  // Making 64 cells takes longer than most expressions.
  return fields.size() <= few_inputs ? evaluate<few_inputs>(expression, fields, rows, slot_of) : evaluate<most_inputs>(expression, fields, rows, slot_of);
}

bool truth(const Evaluated& e) noexcept { return e.value.kind == Cell::Kind::integer && e.value.integer != 0; }

Slot to_slot(const Evaluated& e) noexcept {
  switch (e.value.kind) {
    case Cell::Kind::integer: return {static_cast<std::uint64_t>(e.value.integer), Held::value};
    case Cell::Kind::real: return {std::bit_cast<std::uint64_t>(e.value.real), Held::value};
    default: return {};
  }
}

}  // namespace

Slot evaluated_argument(const Aggregate& a, const Rows& rows, Row row, Instant as_of) noexcept {
  return to_slot(evaluate(*a.argument, a.argument_fields, rows, [&](std::size_t i) { return rows.cell(row, a.argument_fields[i], as_of); }));
}

bool where_is_true(const Aggregate& a, const Rows& rows, Row row, Instant as_of) noexcept {
  return truth(evaluate(*a.where, a.where_fields, rows, [&](std::size_t i) { return rows.cell(row, a.where_fields[i], as_of); }));
}

Slot argument_on_request(const WindowStep& step, const Rows& rows, std::span<const Slot> request) noexcept {
  const Aggregate& a = *step.aggregate;
  const auto field = [&](std::size_t i) { return request[static_cast<std::size_t>(step.argument_request[i])]; };
  if (a.argument_is_column) return field(0);
  return a.argument ? to_slot(evaluate(*a.argument, a.argument_fields, rows, field)) : Slot{};
}

bool request_passes(const WindowStep& step, const Rows& rows, std::span<const Slot> request) noexcept {
  const Aggregate& a = *step.aggregate;
  return !a.where || truth(evaluate(*a.where, a.where_fields, rows, [&](std::size_t i) { return request[static_cast<std::size_t>(step.where_request[i])]; }));
}

}  // namespace featlib::window
