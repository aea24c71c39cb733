/// Rows of a union: each is the row of a member, its fields in the union's places.
///
/// What counts, and from when until when, is settled at the member: copies, corrections, labels, stamps. A union's row repeats
/// the outcome and holds no text of its own. The union's dedup key serves order alone: equal keys of two members are two rows.
#pragma once

#include <featlib/events/rows.hpp>

namespace featlib {

/// A slot of a member's field as the union's field holds it: where the types of members' keys differ, a text says that it is one.
inline Slot in_union(const Field& of_union, const Field& of_member, Slot slot) noexcept {
  if (of_union.any_key && slot.held == Held::value && is_text(of_member)) slot.held = Held::text;
  return slot;
}

/// Makes row `at` of a union what a row of its member is, clocks and cells.
void set_member_row(Rows& of_union, Row at, int member, const Rows& of_member, Row row);

}  // namespace featlib
