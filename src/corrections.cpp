#include <featlib/vector/state.hpp>

#include "vector/expiry.hpp"

#include <algorithm>

namespace featlib {

Refusal State::retract(int source_index, Slot key, Told told) {
  SourceState& state = taking_rows(source_index);
  if (key.is_null()) {
    ++state.counters.refused[Refusal::missing_key];
    return Refusal::missing_key;
  }
  Keyed& keyed = state.keyed[{key.bits, static_cast<int>(key.held)}];
  Version version;
  version.retracts = true;
  version.known_at = stamp_correction(state, source_index, keyed, no_row, always, told);
  ++state.counters.retracted;
  add_version(state, keyed, key, std::move(version), told.version);
  evict(evictions_per_call);
  return Refusal::none;
}

Refusal State::replace(int source_index, std::span<const Slot> slots, Told told) {
  SourceState& state = taking_rows(source_index);
  Rows& rows = state.rows;
  const Source& source = rows.source();
  const Slot key = slots[static_cast<std::size_t>(source.dedup_field)];
  const Refusal why = key.is_null() ? Refusal::missing_key : check_row(state, slots);
  if (why != Refusal::none) {
    refuse_slots(source_index, slots, why);
    return why;
  }
  // Unlike an original it is never refused as expired: it hides what it replaces all the same.
  const Row row = place_row(state, slots);
  Keyed& keyed = state.keyed[{key.bits, static_cast<int>(key.held)}];
  Version version;
  version.row = row;
  if (!told.known_at && source.available_time_field >= 0) told.known_at = slots[static_cast<std::size_t>(source.available_time_field)].integer();
  version.known_at = stamp_correction(state, source_index, keyed, row, rows.event_time[row] + source.delay, told);
  rows.known_at.set(row, version.known_at);
  stamp_cells(state, row, told.stamps);
  for (const int field : rows.gated_fields()) version.given.push_back(!rows.fields[static_cast<std::size_t>(field)][row].is_null());
  ++state.counters.replaced;
  for (Label& label : keyed.labels) label.matched = attach(state, source_index, label, row, version.given) || label.matched;
  retain_key(state, key);
  add_version(state, keyed, key, std::move(version), told.version);
  hold(state, row);
  evict(evictions_per_call);
  return Refusal::none;
}

Instant State::stamp_correction(SourceState& state, int source_index, const Keyed& keyed, Row own, Instant own_clock, Told& told) {
  const Source& source = state.rows.source();
  Instant known = told.known_at.value_or(std::max({earliest_instant, own_clock, frontier_}));
  if (!told.known_at) {
    // Whoever corrects without a clock means what is known now.
    each_row(keyed, [&](Row row) { known = std::max(known, state.rows.known_at[row]); });
    for (const Version& version : keyed.versions) known = std::max(known, version.known_at);
  }
  const Instant clock = known;
  const auto past = [&](Row row) {
    if (const auto saw = latest_that_saw(state, source_index, row, clock)) known = std::max(known, *saw + 1);
  };
  each_row(keyed, past);
  if (own != no_row) past(own);
  // It may concern a row that has left, or its own has: those were seen by decisions before the grace only.
  const Instant keep_from = cutoff(source);
  const bool left = state.counters.evicted > 0 || (state.held->size() > 0 && state.rows.event_time[state.held->oldest()] < keep_from) ||
                    (own != no_row && state.rows.event_time[own] < keep_from);
  if (left) known = std::max(known, minus(frontier_, options_.grace));
  if (known > clock) {
    if (told.known_at) ++state.counters.observed_late;
    told.version.reset();   // its number told its order at another instant
  }
  return known;
}

void State::add_version(SourceState& state, Keyed& keyed, Slot key, Version version, std::optional<std::int64_t> told) {
  Rows& rows = state.rows;
  if (!rows.corrected()) rows.expect_corrections();

  // Its number is the order of arrival among those known at the same instant, unless a history says it.
  std::int64_t next = 0;
  bool taken = false;
  for (const Version& other : keyed.versions) {
    if (other.known_at != version.known_at) continue;
    next = std::max(next, other.number + 1);
    // Equal numbers are told apart by content, which is gone with a row that left.
    taken = taken || (told == other.number && !other.retracts && other.row == no_row);
  }
  version.number = told && !taken ? *told : next;
  if (version.row != no_row) {
    rows.correction[version.row] = Correction::replace;
    rows.version.set(version.row, version.number);
  }

  const auto before = [&](const Version& a, const Version& b) {
    if (a.known_at != b.known_at) return a.known_at < b.known_at;
    if (a.number != b.number) return a.number < b.number;
    if (a.retracts != b.retracts) return b.retracts;
    return a.row != no_row && b.row != no_row && rows.compare_versions(a.row, b.row) < 0;
  };
  version.matched = !keyed.rows.empty();
  for (Version& other : keyed.versions) {
    version.matched = version.matched || other.row != no_row;
    other.matched = other.matched || version.row != no_row;
  }
  version.deadline = deadline_of(state, version.known_at);
  await_row(state, version.deadline, {key.bits, static_cast<int>(key.held)});
  keyed.versions.insert(std::upper_bound(keyed.versions.begin(), keyed.versions.end(), version, before), std::move(version));
  settle(state, keyed);
}

Instant State::deadline_of(const SourceState& state, Instant known_at) const noexcept {
  const auto& retention = state.rows.source().retention;
  if (!retention) return never;
  if (frontier_ == always) return always;
  const Instant from = std::max(frontier_, known_at);
  return from > never - *retention ? never : from + *retention;
}

void State::await_row(SourceState& state, Instant deadline, Key key) {
  if (deadline == never) return;
  const auto later = [](Instant at, const auto& waits) { return at < waits.first; };
  state.waiting.emplace(std::upper_bound(state.waiting.begin(), state.waiting.end(), deadline, later), deadline, key);
}

void State::retain_key(const SourceState& state, Slot key) {
  if (holds_text(state.rows.source().fields[static_cast<std::size_t>(state.rows.source().dedup_field)], key)) pool_.retain(key.text());
}

void State::release_key(const SourceState& state, Slot key) {
  if (holds_text(state.rows.source().fields[static_cast<std::size_t>(state.rows.source().dedup_field)], key)) pool_.release(key.text());
}

void State::settle(SourceState& state, const Keyed& keyed) {
  if (!state.rows.corrected()) return;
  const auto hide = [&](Row row, Instant from) {
    if (state.rows.hidden_at[row] == from) return;
    state.rows.hidden_at.set(row, from);
    changed(state, row);
  };
  const auto& versions = keyed.versions;
  for (const Row row : keyed.rows) hide(row, versions.empty() ? never : versions.front().known_at);
  for (std::size_t v = 0; v < versions.size(); ++v)
    if (versions[v].row != no_row) hide(versions[v].row, v + 1 < versions.size() ? versions[v + 1].known_at : never);
}

}  // namespace featlib
