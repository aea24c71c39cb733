// Rows of unions in a State: each change of a member's row, repeated on the rows that it is in unions.
//
// A union has no rows of its own: nothing is observed, corrected, kept or exported there. Its timelines hold what theirs do,
// from where its own retention begins; what lies before is read by no window, so it is neither put in nor taken out.
#include <featlib/vector/state.hpp>

#include <featlib/events/union_rows.hpp>

#include "vector/expiry.hpp"
#include "window/online.hpp"

#include <algorithm>

namespace featlib {

void State::join_unions() {
  for (std::size_t u = 0; u < sources_.size(); ++u) {
    SourceState& a_union = sources_[u];
    const auto& members = a_union.rows.source().members;
    const bool is_read = std::any_of(a_union.timelines.begin(), a_union.timelines.end(), [](const auto& timelines) { return timelines != nullptr; });
    for (std::size_t m = 0; m < members.size(); ++m) {
      SourceState& member = sources_[static_cast<std::size_t>(members[m].source)];
      a_union.complete_from = std::max(a_union.complete_from, member.complete_from);
      if (is_read) member.unions.push_back({static_cast<int>(u), static_cast<int>(m), {}});
    }
  }
}

void State::insert(InUnion& in, const Rows& rows, Row row) {
  SourceState& a_union = sources_[static_cast<std::size_t>(in.source)];
  if (rows.event_time[row] < cutoff(a_union.rows.source())) return;
  if (in.rows.size() <= row) in.rows.resize(rows.size(), no_row);
  const Row at = in.rows[row] = take_row(a_union);
  set_member_row(a_union.rows, at, in.member, rows, row);
  each_timeline(a_union, at, [&](Timelines& timelines, EntityId id) { timelines.insert(id, at); });
}

void State::remove(InUnion& in, Row row) {
  SourceState& a_union = sources_[static_cast<std::size_t>(in.source)];
  const Row at = row < in.rows.size() ? in.rows[row] : no_row;
  if (at == no_row || a_union.rows.event_time[at] < cutoff(a_union.rows.source())) return;
  each_timeline(a_union, at, [&](Timelines& timelines, EntityId id) { timelines.erase(id, at); });
  in.rows[row] = no_row;
  a_union.free.push_back(at);
  --a_union.live;
}

void State::changed(const InUnion& in, const Rows& rows, Row row) {
  SourceState& a_union = sources_[static_cast<std::size_t>(in.source)];
  const Row at = row < in.rows.size() ? in.rows[row] : no_row;
  if (at == no_row) return;
  set_member_row(a_union.rows, at, in.member, rows, row);
  each_timeline(a_union, at, [&](Timelines& timelines, EntityId id) { timelines.changed(id, at); });
}

/// The member's row leaves.
void State::expire(InUnion& in, Row row) {
  SourceState& a_union = sources_[static_cast<std::size_t>(in.source)];
  const Row at = row < in.rows.size() ? std::exchange(in.rows[row], no_row) : no_row;
  if (at == no_row) return;
  const Instant keep_from = cutoff(a_union.rows.source());
  each_timeline(a_union, at, [&](Timelines& timelines, EntityId id) { timelines.expire(id, keep_from); });
  a_union.free.push_back(at);
  --a_union.live;
}

}  // namespace featlib
