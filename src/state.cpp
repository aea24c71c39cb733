#include <featlib/vector/state.hpp>

#include "vector/expiry.hpp"
#include "window/online.hpp"

#include <algorithm>
#include <utility>

namespace featlib {

State::SourceState::SourceState(Rows r) : rows(std::move(r)) {}
State::SourceState::SourceState(SourceState&&) noexcept = default;
State::SourceState::~SourceState() = default;

State::~State() = default;

State::State(std::shared_ptr<const Plan> plan, StateOptions options)
    : plan_(std::move(plan)), options_(std::move(options)), builder_(*plan_, pool_), entities_(make_entity_directory(plan_->contract())) {
  if (options_.grace < 0) throw Error(ErrorCode::bad_duration, "`grace` is negative", "how far behind the latest answered instant a decision may lie: 0 or more");
  const Contract& contract = plan_->contract();
  for (const auto& [name, from] : options_.complete_from)
    if (auto refused = contract.refuses_rows(name)) throw Error({std::move(*refused)});
  for (std::size_t s = 0; s < contract.sources().size(); ++s) {
    SourceState state(Rows(contract, static_cast<int>(s), pool_, Rows::Keeping::packed));
    state.timelines.resize(contract.sources()[s].entities.size());
    const auto given = options_.complete_from.find(contract.sources()[s].name);
    if (given != options_.complete_from.end()) state.complete_from = given->second;
    if (options_.keep_history) state.archive = std::make_unique<Rows>(contract, static_cast<int>(s), pool_, Rows::Keeping::packed);
    sources_.push_back(std::move(state));
  }
  // From here on the rows stay where they are.
  for (SourceState& state : sources_) state.held = std::make_unique<Expiry>(state.rows);
  for (const TimelineStep& step : plan_->timelines()) {
    SourceState& state = sources_[static_cast<std::size_t>(step.source)];
    state.timelines[static_cast<std::size_t>(step.source_entity)] = std::make_unique<Timelines>(state.rows, step.source_entity, OnlineWindows::lanes_of(step, state.rows));
    windows_.emplace_back(step, state.rows);
  }
  join_unions();
  answered_.resize(contract.entities().size());
  entity_keys_.resize(contract.entities().size());
  sequence_fields_.assign(contract.entities().size(), -1);
  for (std::size_t e = 0; e < contract.entities().size(); ++e) {
    auto& fields = key_fields_.emplace_back();
    for (const std::string& column : contract.entities()[e].key) fields.push_back(contract.find_request(column));
  }
  if (contract.request_of() >= 0) {
    const Source& source = contract.sources()[static_cast<std::size_t>(contract.request_of())];
    for (const SourceEntity& link : source.entities)
      if (link.sequence_field >= 0)
        sequence_fields_[static_cast<std::size_t>(link.entity)] = contract.find_request(source.fields[static_cast<std::size_t>(link.sequence_field)].name);
  }
}

// Door -------------------------------------------------------------------------------------------------------------

State::SourceState& State::taking_rows(int source) {
  plan_->contract().require_rows(source);
  return sources_[static_cast<std::size_t>(source)];
}

Refusal State::observe(int source, std::span<const Cell> cells) {
  SourceState& state = taking_rows(source);
  const auto& fields = state.rows.source().fields;
  given_.assign(fields.size(), {});
  for (std::size_t f = 0; f < fields.size(); ++f) {
    const Refusal refusal = accept(fields[f], cells[f], pool_, given_[f]);
    if (refusal == Refusal::none) continue;
    refuse_slots(source, given_, refusal);
    return refusal;
  }
  return observe_slots(source, given_);
}

Refusal State::check_row(const SourceState& state, std::span<const Slot> slots) const {
  const Source& source = state.rows.source();
  if (slots[static_cast<std::size_t>(source.event_time_field)].is_null()) return Refusal::null_clock;
  if (source.available_time_field >= 0 && slots[static_cast<std::size_t>(source.available_time_field)].is_null()) return Refusal::null_clock;
  return Refusal::none;
}

Row State::place_row(SourceState& state, std::span<const Slot> slots) {
  const Row row = take_row(state);
  for (std::size_t e = 0; e < state.rows.entity.size(); ++e) state.counters.null_keys += !write_entity(state.rows, row, e, slots);
  return write_row(state.rows, row, slots);
}

Row State::write_row(Rows& rows, Row row, std::span<const Slot> slots) {
  rows.event_time.set(row, slots[static_cast<std::size_t>(rows.source().event_time_field)].integer());
  for (std::size_t f = 0; f < slots.size(); ++f) rows.fields[f].set(row, slots[f]);
  return row;
}

/// False where the key has a null: the row is on no timeline of this entity.
bool State::write_entity(Rows& rows, Row row, std::size_t e, std::span<const Slot> slots) {
  const Source& source = rows.source();
  std::uint64_t parts[16];
  const std::span<const std::uint64_t> key(parts, source.entities[e].key_fields.size());
  for (std::size_t k = 0; k < key.size(); ++k) {
    const Slot slot = slots[static_cast<std::size_t>(source.entities[e].key_fields[k])];
    if (slot.is_null()) return rows.entity[e].set(row, no_entity), false;
    parts[k] = slot.bits;
  }
  const auto entity = static_cast<std::size_t>(source.entities[e].entity);
  EntityId id = entities_[entity].find(key);
  if (id == no_entity) {
    id = entities_[entity].acquire(key);
    entity_keys_[entity].insert(entity_keys_[entity].end(), key.begin(), key.end());
    for (const int f : source.entities[e].key_fields)     // a key outlives its rows
      if (is_text(source.fields[static_cast<std::size_t>(f)])) pool_.retain(slots[static_cast<std::size_t>(f)].text());
  }
  rows.entity[e].set(row, id);
  return true;
}

void State::stamp_cells(SourceState& state, Row row, std::span<const std::optional<Instant>> told) {
  Rows& rows = state.rows;
  const Instant known = rows.known_at[row];
  for (std::size_t g = 0; g < rows.gated_fields().size(); ++g) {
    const int field = rows.gated_fields()[g];
    SlotColumn& column = rows.fields[static_cast<std::size_t>(field)];
    const bool held = !column[row].is_null();
    rows.stamps[g].set(row, !held ? never : std::max(known, g < told.size() && told[g] ? *told[g] : rows.gate_stamp(row, field, known)));
    if (held && rows.stamps[g][row] == never) {   // a cell that is never known is none
      if (holds_text(rows.source().fields[static_cast<std::size_t>(field)], column[row])) pool_.release(column[row].text());
      column.set(row, {});
    }
  }
}

void State::hold(SourceState& state, Row row) {
  insert(state, row);
  state.held->add(row);
}

Refusal State::observe_slots(int source_index, std::span<const Slot> slots, const Told& told) {
  SourceState& state = taking_rows(source_index);
  Rows& rows = state.rows;
  const Source& source = rows.source();
  const auto refuse = [&](Refusal why) {
    refuse_slots(source_index, slots, why);
    return why;
  };
  if (const Refusal why = check_row(state, slots); why != Refusal::none) return refuse(why);
  const Instant event_time = slots[static_cast<std::size_t>(source.event_time_field)].integer();
  const Instant available = told.known_at                      ? *told.known_at
                            : source.available_time_field >= 0 ? slots[static_cast<std::size_t>(source.available_time_field)].integer()
                                                               : event_time + source.delay;
  // No decision still to come can see it, and those that could are answered: it became known too late.
  if (event_time < cutoff(source)) return refuse(Refusal::expired);

  const Row row = place_row(state, slots);
  const Slot dedup = rows.dedup_key(row);
  Keyed* keyed = nullptr;
  Row counted = row;
  auto saw = latest_that_saw(state, source_index, row, available);
  if (!dedup.is_null()) {
    // Decisions that saw a copy or a version of it could have seen it.
    const auto saw_too = [&](Row other) { saw = std::max(saw, latest_that_saw(state, source_index, other, available)); };
    keyed = &state.keyed[{dedup.bits, static_cast<int>(dedup.held)}];
    for (const Row held : keyed->rows)
      if (rows.event_time[held] == event_time) saw_too(counted = held);
    for (const Version& version : keyed->versions)
      if (version.row != no_row) saw_too(version.row);
  }
  Instant known = available;
  if (saw) {
    known = *saw + 1;
    ++state.counters.observed_late;
  }
  rows.known_at.set(row, known);
  if (source.retention && event_time < minus(known, *source.retention)) {
    if (keyed && keyed->empty()) state.keyed.erase({dedup.bits, static_cast<int>(dedup.held)});
    drop_row(state, row);
    ++state.counters.refused[Refusal::expired];
    return Refusal::expired;
  }
  stamp_cells(state, row, told.stamps);
  ++state.counters.observed;

  keep(state, source_index, keyed, row, counted);
  evict(evictions_per_call);
  return Refusal::none;
}

/// A stamped row joins its key. `counted` is the copy of it that counts so far, or the row itself.
void State::keep(SourceState& state, int source_index, Keyed* keyed, Row row, Row counted) {
  Rows& rows = state.rows;
  const Source& source = rows.source();
  if (counted == row) {
    if (keyed) {
      if (keyed->rows.size() == 1) ++state.counters.moved_keys;
      keyed->rows.push_back(row);
      for (Version& version : keyed->versions) version.matched = true;
      settle(state, *keyed);
      for (Label& label : keyed->labels) label.matched = attach(state, source_index, label, row) || label.matched;
    }
    hold(state, row);
  } else {
    ++state.counters.duplicates;
    // One row stays. It keeps its number, so that nothing else has to learn of the change.
    if (rows.counts_before(row, counted)) {
      remove(state, counted);
      rows.known_at.exchange(row, counted);
      for (std::size_t f = 0; f < source.fields.size(); ++f) {
        if (rows.gate_of(static_cast<int>(f)) >= 0) continue;
        rows.fields[f].exchange(row, counted);
      }
      for (auto& column : rows.entity) column.exchange(row, counted);
      insert(state, counted);
    }
    for (std::size_t g = 0; g < rows.gated_fields().size(); ++g) {
      const auto field = static_cast<std::size_t>(rows.gated_fields()[g]);
      if (!rows.cell_precedes(static_cast<int>(field), row, counted)) continue;
      rows.fields[field].exchange(row, counted);
      rows.stamps[g].exchange(row, counted);
      changed(state, counted);
    }
    drop_row(state, row);
  }
}

Refusal State::observe_label(int source_index, std::span<const Slot> slots) {
  SourceState& state = taking_rows(source_index);
  const Source& source = state.rows.source();
  const Slot dedup = source.dedup_field < 0 ? Slot{} : slots[static_cast<std::size_t>(source.dedup_field)];
  if (dedup.is_null()) {
    refuse_slots(source_index, slots, Refusal::missing_key);
    return Refusal::missing_key;
  }
  const Key key{dedup.bits, static_cast<int>(dedup.held)};
  Keyed& keyed = state.keyed[key];
  Label label{std::vector<Slot>(slots.begin(), slots.end()), deadline_of(state), false};
  await_row(state, label.deadline, key);
  for (const Row row : keyed.rows) label.matched = attach(state, source_index, label, row) || label.matched;
  for (const Version& version : keyed.versions)
    if (version.row != no_row) label.matched = attach(state, source_index, label, version.row, version.given) || label.matched;
  ++state.counters.labels;
  keyed.labels.push_back(std::move(label));
  evict(evictions_per_call);
  return Refusal::none;
}

bool State::attach(SourceState& state, int source_index, const Label& label, Row row, const std::vector<bool>& given) {
  Rows& rows = state.rows;
  const Source& source = rows.source();
  const Slot at = label.slots[static_cast<std::size_t>(source.event_time_field)];
  if (!at.is_null() && at.integer() != rows.event_time[row]) return false;
  if (rows.event_time[row] < cutoff(source)) return true;   // due to leave: no decision to come sees it, and those that saw it may be forgotten
  Instant arrived = rows.known_at[row];
  if (source.available_time_field >= 0)
    if (const Slot told = label.slots[static_cast<std::size_t>(source.available_time_field)]; !told.is_null()) arrived = std::max(arrived, told.integer());
  for (std::size_t g = 0; g < rows.gated_fields().size(); ++g) {
    const int field = rows.gated_fields()[g];
    const Field& spec = source.fields[static_cast<std::size_t>(field)];
    const Slot value = label.slots[static_cast<std::size_t>(field)];
    if (value.is_null() || (g < given.size() && given[g])) continue;
    Instant stamp = arrived;
    if (spec.available_after) {
      stamp = std::max(stamp, rows.event_time[row] + *spec.available_after);
    } else {
      const Slot told = label.slots[static_cast<std::size_t>(source.find_field(spec.available_at))];
      if (told.is_null()) continue;
      stamp = std::max(stamp, told.integer());
    }
    if (const auto saw = latest_that_saw(state, source_index, row, stamp)) {
      stamp = *saw + 1;
      ++state.counters.observed_late;
    }
    offer_cell(state, static_cast<int>(g), row, value, stamp);
  }
  return true;
}

void State::offer_cell(SourceState& state, int gate, Row row, Slot value, Instant stamp) {
  Rows& rows = state.rows;
  const int field = rows.gated_fields()[static_cast<std::size_t>(gate)];
  if (!rows.cell_precedes(field, value, stamp, row)) return;
  SlotColumn& column = rows.fields[static_cast<std::size_t>(field)];
  const Field& spec = rows.source().fields[static_cast<std::size_t>(field)];
  if (holds_text(spec, value)) pool_.retain(value.text());
  if (const Slot was = column[row]; holds_text(spec, was)) pool_.release(was.text());
  column.set(row, value);
  rows.stamps[static_cast<std::size_t>(gate)].set(row, stamp);
  changed(state, row);
}

// Stamps -----------------------------------------------------------------------------------------------------------

std::optional<Instant> State::latest_that_saw(const SourceState& state, int source_index, Row row, Instant since) const {
  // Could have seen: visible on an entity the decision asked for, but for bounds and known_at (SEMANTICS section 1).
  const Rows& rows = state.rows;
  const Source& source = rows.source();
  const bool request_source = source_index == plan_->contract().request_of();
  const Slot key = rows.dedup_key(row);
  std::optional<Instant> latest;
  for (std::size_t e = 0; e < source.entities.size(); ++e) {
    const EntityId id = rows.entity[e][row];
    const auto& answers = answered_[static_cast<std::size_t>(source.entities[e].entity)];
    if (id == no_entity || id >= answers.size()) continue;
    for (auto d = answers[id].rbegin(); d != answers[id].rend() && d->as_of >= since; ++d) {
      if (source.retention && rows.event_time[row] < minus(d->as_of, *source.retention)) continue;
      if (request_source) {
        if (!key.is_null() && key == d->key) continue;
        const bool sequenced = source.entities[e].sequence_field >= 0;
        if (rows.event_time[row] == d->as_of && !(sequenced && sequence_before(rows.sequence(row, static_cast<int>(e)), d->sequence))) continue;
      }
      latest = std::max(latest.value_or(always), d->as_of);
      break;
    }
  }
  return latest;
}

EntityId State::entity_of(std::size_t entity, std::span<const Slot> request) {
  const auto& fields = key_fields_[entity];
  std::uint64_t key[16];
  for (std::size_t k = 0; k < fields.size(); ++k) {
    const Slot slot = request[static_cast<std::size_t>(fields[k])];
    if (slot.is_null()) return no_entity;
    key[k] = slot.bits;
  }
  const std::span<const std::uint64_t> whole(key, fields.size());
  EntityId id = entities_[entity].find(whole);
  if (id != no_entity) return id;
  id = entities_[entity].acquire(whole);
  entity_keys_[entity].insert(entity_keys_[entity].end(), whole.begin(), whole.end());
  for (std::size_t k = 0; k < fields.size(); ++k)
    if (is_text(plan_->contract().request()[static_cast<std::size_t>(fields[k])])) pool_.retain(static_cast<std::uint32_t>(key[k]));
  return id;
}

void State::record_answer(std::span<const Slot> request, Instant as_of) {
  const Contract& contract = plan_->contract();
  const Slot key = plan_->request_key() < 0 ? Slot{} : request[static_cast<std::size_t>(plan_->request_key())];
  const auto text_key = [&](Slot slot) {
    return !slot.is_null() && holds_text(contract.request()[static_cast<std::size_t>(plan_->request_key())], slot);
  };
  for (std::size_t e = 0; e < answered_.size(); ++e) {
    const EntityId id = entity_of(e, request);
    if (id == no_entity) continue;
    if (id >= answered_[e].size()) answered_[e].resize(id + 1);
    auto& list = answered_[e][id];
    const Slot sequence = sequence_fields_[e] < 0 ? Slot{} : request[static_cast<std::size_t>(sequence_fields_[e])];
    const auto before = [](const Answered& a, const Answered& b) {
      return a.as_of != b.as_of ? a.as_of < b.as_of : sequence_before(a.sequence, b.sequence);
    };
    const Answered answer{as_of, key, sequence};
    list.insert(std::upper_bound(list.begin(), list.end(), answer, before), answer);
    if (text_key(key)) pool_.retain(key.text());

    // Behind the grace no decision comes any more; of those answered there the two latest with distinct keys say all. The others
    // go once they are as many as what stays: then each is moved once.
    const Instant open = minus(frontier_, options_.grace);
    const auto closed = std::lower_bound(list.begin(), list.end(), open, [](const Answered& a, Instant t) { return a.as_of < t; });
    if (closed - list.begin() <= std::max<std::ptrdiff_t>(2, list.end() - closed)) continue;
    const auto latest = closed - 1;
    auto other = latest;
    while (other != list.begin() && (other - 1)->key == latest->key) --other;
    const std::optional<Answered> keep = other == list.begin() ? std::nullopt : std::optional(*(other - 1));
    for (auto gone = list.begin(); gone != latest; ++gone)
      if (text_key(gone->key) && !(keep && gone == other - 1)) pool_.release(gone->key.text());
    if (keep) list.front() = *keep;
    list.erase(list.begin() + (keep ? 1 : 0), latest);
  }
}

// Answers ----------------------------------------------------------------------------------------------------------

void State::answer(std::span<const Slot> request, Instant as_of, std::span<FeatureValue> out) {
  set_frontier(as_of);
  for (const std::uint32_t text : made_texts_) pool_.release(text);
  made_texts_.clear();
  Asked asked;
  asked.as_of = as_of;
  asked.request = request;
  MadeTexts made;
  asked.made = &made;
  for (std::size_t t = 0; t < plan_->timelines().size(); ++t) {
    const TimelineStep& step = plan_->timelines()[t];
    SourceState& state = sources_[static_cast<std::size_t>(step.source)];
    const EntityId id = entity_of(static_cast<std::size_t>(step.entity), request);
    if (id == no_entity) {
      for (const WindowStep& window : step.windows) out[static_cast<std::size_t>(window.feature)] = builder_.finish(window.feature, Aggregated::none(Cause::null));
      continue;
    }
    asked.complete_from = state.complete_from;
    compare_with_request(*plan_, step, asked);
    find_own_rows(step, id, asked);
    const auto targets = windows_[t].targets();
    aggregated_.resize(targets.size());
    windows_[t].read(*state.timelines[static_cast<std::size_t>(step.source_entity)], id, asked, own_rows_, aggregated_);
    for (std::size_t w = 0; w < targets.size(); ++w) {
      Aggregated value = aggregated_[w];
      if (targets[w].makes_text && value.cause == Cause::ok) {
        made_texts_.push_back(pool_.acquire(made[value.bits]));
        value.bits = made_texts_.back();
      }
      out[static_cast<std::size_t>(targets[w].feature)] = builder_.finish(targets[w].feature, value);
    }
  }
  for (const int f : plan_->derived()) {
    const FeatureValue value = out[static_cast<std::size_t>(f)] = builder_.derive(f, request, as_of, out);
    const Feature& feature = plan_->contract().features()[static_cast<std::size_t>(f)];
    const bool is_made = feature.kind == FeatureKind::expression && feature.type == Type::string && !value.is_null() && !is_fallback(value.status);
    if (is_made) made_texts_.push_back(static_cast<std::uint32_t>(value.bits));
  }
  record_answer(request, as_of);
  evict(evictions_per_call);
}

/// Rows of a timeline that do not count for the request: those of its key, and in a union those of its instant that are not before it.
void State::find_own_rows(const TimelineStep& step, EntityId id, const Asked& asked) {
  own_rows_.clear();
  if (!step.is_request_source && step.request_member < 0) return;
  const SourceState& state = sources_[static_cast<std::size_t>(step.source)];
  const SourceState& own = sources_[static_cast<std::size_t>(plan_->contract().request_of())];
  const Instant keep_from = cutoff(state.rows.source());
  if (step.request_member >= 0) {
    const Timelines& timelines = *state.timelines[static_cast<std::size_t>(step.source_entity)];
    Timelines::Search instant{asked.as_of, false, {}};
    timelines.find(id, {&instant, 1});
    Timelines::Place& place = instant.place;
    for (; timelines.at_row(place) && timelines.time(place) == asked.as_of; timelines.step(place))
      if (is_own(step, state.rows, timelines.row(place), asked)) own_rows_.push_back(timelines.row(place));
  }
  if (asked.key.is_null()) return;
  const Slot key = asked.request[static_cast<std::size_t>(plan_->request_key())];
  const auto found = own.keyed.find({key.bits, static_cast<int>(key.held)});
  if (found == own.keyed.end()) return;
  const auto in = std::find_if(own.unions.begin(), own.unions.end(), [&](const InUnion& u) { return u.source == step.source; });
  each_row(found->second, [&](Row row) {
    if (step.request_member >= 0) row = row < in->rows.size() ? in->rows[row] : no_row;
    if (row != no_row && state.rows.entity[static_cast<std::size_t>(step.source_entity)][row] == id && state.rows.event_time[row] >= keep_from) own_rows_.push_back(row);
  });
}

void State::set_frontier(Instant as_of) {
  if (as_of <= frontier_) return;
  const bool first = frontier_ == always;
  frontier_ = as_of;
  if (!first) return;
  // Labels and corrections that came before any frontier wait from here on.
  for (SourceState& state : sources_)
    for (const auto& [deadline, key] : std::exchange(state.waiting, {})) {
      Keyed& keyed = state.keyed[key];
      for (Label& label : keyed.labels)
        if (label.deadline == always) await_row(state, label.deadline = deadline_of(state), key);
      for (Version& version : keyed.versions)
        if (version.deadline == always) await_row(state, version.deadline = deadline_of(state, version.known_at), key);
    }
}

void State::advance(Instant as_of) {
  set_frontier(as_of);
  evict(evictions_per_call);
}

std::string_view State::text(int feature, FeatureValue value) const {
  const Feature& spec = plan_->contract().features()[static_cast<std::size_t>(feature)];
  if (spec.type == Type::string) return pool_.view(static_cast<std::uint32_t>(value.bits));
  return value.integer() < 0 ? std::string_view{} : std::string_view(spec.vocabulary[static_cast<std::size_t>(value.integer())]);
}

// Timelines --------------------------------------------------------------------------------------------------------

void State::insert(SourceState& state, Row row) {
  if (state.rows.event_time[row] < cutoff(state.rows.source())) return;   // a replacement that comes after its own retention
  each_timeline(state, row, [&](Timelines& timelines, EntityId id) { timelines.insert(id, row); });
  for (InUnion& in : state.unions) insert(in, state.rows, row);
}

void State::remove(SourceState& state, Row row) {
  each_timeline(state, row, [&](Timelines& timelines, EntityId id) { timelines.erase(id, row); });
  for (InUnion& in : state.unions) remove(in, row);
}

/// Its clocks or cells are other than they were.
void State::changed(SourceState& state, Row row) {
  each_timeline(state, row, [&](Timelines& timelines, EntityId id) { timelines.changed(id, row); });
  for (const InUnion& in : state.unions) changed(in, state.rows, row);
}

Row State::take_row(SourceState& state) {
  ++state.live;
  if (state.free.empty()) {
    const auto row = static_cast<Row>(state.rows.size());
    state.rows.resize(state.rows.size() + 1);
    return row;
  }
  const Row row = state.free.back();
  state.free.pop_back();
  return row;
}

void State::drop_row(SourceState& state, Row row) {
  Rows& rows = state.rows;
  for (std::size_t f = 0; f < rows.fields.size(); ++f) {
    const Slot slot = rows.fields[f][row];
    if (holds_text(rows.source().fields[f], slot)) pool_.release(slot.text());
  }
  if (rows.corrected()) {
    rows.correction[row] = Correction::none;
    rows.hidden_at.set(row, never);
  }
  state.free.push_back(row);
  --state.live;
}

void State::release_texts(const SourceState& state, std::span<const Slot> slots) {
  for (std::size_t f = 0; f < slots.size(); ++f)
    if (holds_text(state.rows.source().fields[f], slots[f])) pool_.release(slots[f].text());
}

void State::copy_row(const Rows& from, Row row, Rows& to) const {
  const auto at = static_cast<Row>(to.size());
  to.resize(to.size() + 1);
  to.event_time.set(at, from.event_time[row]);
  to.known_at.set(at, from.known_at[row]);
  for (std::size_t f = 0; f < from.fields.size(); ++f) to.fields[f].set(at, from.fields[f][row]);
  for (std::size_t g = 0; g < from.stamps.size(); ++g) to.stamps[g].set(at, from.stamps[g][row]);
  for (std::size_t e = 0; e < from.entity.size(); ++e) to.entity[e].set(at, from.entity[e][row]);
  if (from.correction_of(row) == Correction::none) return;
  if (!to.corrected()) to.expect_corrections();
  to.correction[at] = from.correction[row];
  to.version.set(at, from.version[row]);
}

// Leaving ----------------------------------------------------------------------------------------------------------

Instant State::cutoff(const Source& source) const noexcept {
  if (frontier_ == always || !source.retention) return always;
  return minus(minus(frontier_, options_.grace), *source.retention);
}

void State::evict(int most) {
  for (SourceState& state : sources_) {
    const Source& source = state.rows.source();
    if (!source.retention) continue;
    const Instant keep_from = cutoff(source);
    int left = most;
    while (left > 0 && state.held->size() > 0) {
      const Row row = state.held->oldest();
      if (state.rows.event_time[row] >= keep_from) break;
      state.held->remove(row);
      each_timeline(state, row, [&](Timelines& timelines, EntityId id) { timelines.expire(id, keep_from); });
      for (InUnion& in : state.unions) expire(in, row);
      leave_key(state, row);
      if (state.archive) {
        copy_row(state.rows, row, *state.archive);
        for (std::size_t f = 0; f < state.rows.fields.size(); ++f)
          if (const Slot slot = state.rows.fields[f][row]; holds_text(source.fields[f], slot)) pool_.retain(slot.text());
      } else {
        state.evicted_to = std::max(state.evicted_to, keep_from);
      }
      drop_row(state, row);
      ++state.counters.evicted;
      --left;
    }
    // What came by key has waited long enough once a whole retention of decisions went by.
    while (left > 0 && !state.waiting.empty() && state.waiting.front().first != always && state.waiting.front().first < frontier_) {
      const auto [deadline, key] = state.waiting.front();
      state.waiting.pop_front();
      stop_waiting(state, key, deadline);
      --left;
    }
  }
}

void State::leave_key(SourceState& state, Row row) {
  const Slot key = state.rows.dedup_key(row);
  if (key.is_null()) return;
  const auto found = state.keyed.find({key.bits, static_cast<int>(key.held)});
  Keyed& keyed = found->second;
  std::erase(keyed.rows, row);
  for (Version& version : keyed.versions)
    if (version.row == row) version.row = no_row;
  if (keyed.empty()) state.keyed.erase(found);
}

void State::stop_waiting(SourceState& state, Key key, Instant deadline) {
  const auto found = state.keyed.find(key);
  Keyed& keyed = found->second;
  const auto due = [&](const auto& waits) { return waits.deadline == deadline; };
  if (const auto label = std::find_if(keyed.labels.begin(), keyed.labels.end(), due); label != keyed.labels.end()) {
    state.counters.unmatched += !label->matched;
    release_texts(state, label->slots);
    keyed.labels.erase(label);
  } else {
    const auto version = std::find_if(keyed.versions.begin(), keyed.versions.end(), due);
    state.counters.unmatched += !version->matched;
    version->deadline = never;
    // A replacement is a row of its own and a matched retraction part of history: both stay. One that met nothing hid nothing.
    if (version->retracts && !version->matched) {
      release_key(state, {key.first, static_cast<Held>(key.second)});
      keyed.versions.erase(version);
    }
  }
  if (keyed.empty()) state.keyed.erase(found);
}

}  // namespace featlib
