#include <featlib/events/union_rows.hpp>

#include <featlib/events/batch.hpp>

#include <algorithm>

namespace featlib {

void set_member_row(Rows& of_union, Row at, int member, const Rows& of_member, Row row) {
  const Source& source = of_union.source();
  const UnionMember& place = source.members[static_cast<std::size_t>(member)];
  of_union.member.set(at, static_cast<std::uint32_t>(member));
  of_union.event_time.set(at, of_member.event_time[row]);
  of_union.known_at.set(at, of_member.known_at[row]);
  for (std::size_t f = 0; f < source.fields.size(); ++f) {
    const int own = place.fields[f];
    of_union.fields[f].set(at, own < 0 ? Slot{} : in_union(source.fields[f], of_member.source().fields[static_cast<std::size_t>(own)], of_member.fields[static_cast<std::size_t>(own)][row]));
  }
  for (std::size_t g = 0; g < of_union.stamps.size(); ++g) {
    const int own = of_member.gate_of(place.fields[static_cast<std::size_t>(of_union.gated_fields()[g])]);
    of_union.stamps[g].set(at, of_member.stamps[static_cast<std::size_t>(own)][row]);
  }
  for (std::size_t e = 0; e < of_union.entity.size(); ++e) of_union.entity[e].set(at, of_member.entity[static_cast<std::size_t>(place.entities[e])][row]);
  if (of_member.corrected() && !of_union.corrected()) of_union.expect_corrections();
  if (of_union.corrected()) of_union.hidden_at.set(at, of_member.corrected() ? of_member.hidden_at[row] : never);
}

void unite(std::vector<SourceBatch>& sources, const std::vector<std::vector<bool>>& counts, SourceBatch& a_union) {
  Rows& rows = a_union.rows;
  const auto& members = rows.source().members;
  std::size_t size = 0;
  for (const UnionMember& m : members) {
    const auto& counted = counts[static_cast<std::size_t>(m.source)];
    size += static_cast<std::size_t>(std::count(counted.begin(), counted.end(), true));
    a_union.complete_from = std::max(a_union.complete_from, sources[static_cast<std::size_t>(m.source)].complete_from);
  }
  rows.resize(size);
  Row at = 0;
  for (std::size_t m = 0; m < members.size(); ++m) {
    const auto s = static_cast<std::size_t>(members[m].source);
    for (Row row = 0; row < sources[s].rows.size(); ++row)
      if (counts[s][row]) set_member_row(rows, at++, static_cast<int>(m), sources[s].rows, row);
  }
  for (SlotColumn& column : rows.fields) column.settle();
}

}  // namespace featlib
