#include <featlib/vector/state.hpp>

#include "vector/expiry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace featlib {

/// Slots and ids of another state as this one's: texts by content, entities by key.
class State::Taken {
 public:
  Taken(State& to, const State& from) : to_(&to), from_(from) {}

  /// With a reference to its text.
  Slot slot(const Field& field, Slot slot) const {
    return holds_text(field, slot) ? Slot{to_->pool_.acquire(from_.pool_.view(slot.text())), slot.held} : slot;
  }
  std::vector<Slot> slots(const Source& source, const Rows& rows, Row row) const {
    std::vector<Slot> out;
    for (std::size_t f = 0; f < source.fields.size(); ++f) out.push_back(slot(source.fields[f], rows.fields[f][row]));
    return out;
  }
  std::vector<Slot> slots(const Source& source, const std::vector<Slot>& given) const {
    std::vector<Slot> out;
    for (std::size_t f = 0; f < source.fields.size(); ++f) out.push_back(slot(source.fields[f], given[f]));
    return out;
  }

 private:
  State* to_;
  const State& from_;
};

namespace {

/// A slot of another pool as this one's, without taking it; nothing where this pool does not hold the text.
std::optional<Slot> known_slot(const TextPool& from, const TextPool& to, const Field& field, Slot slot) {
  if (!holds_text(field, slot)) return slot;
  const auto id = to.find(from.view(slot.text()));
  if (!id) return std::nullopt;
  return Slot{*id, slot.held};
}

}  // namespace

/// What one of them answered must not change: of an entity it answered for, the other holds nothing that it does not hold too.
std::optional<Failure> State::contradicted_by(const State& other) const {
  const auto silent = [](const auto& lists) { return std::ranges::all_of(lists, [](const auto& list) { return list.empty(); }); };
  if (std::ranges::all_of(answered_, silent)) return std::nullopt;
  const Contract& contract = plan_->contract();
  const auto key_of = [&](std::size_t entity, EntityId id) {   // the entity here, no_entity when unknown
    std::vector<std::uint64_t> key;
    const std::size_t width = key_fields_[entity].size();
    for (std::size_t k = 0; k < width; ++k) {
      const Field& field = contract.request()[static_cast<std::size_t>(key_fields_[entity][k])];
      const auto slot = known_slot(other.pool_, pool_, field, {other.entity_keys_[entity][id * width + k], Held::value});
      if (!slot) return no_entity;
      key.push_back(slot->bits);
    }
    return entities_[entity].find(key);
  };
  const auto answered = [&](std::size_t entity, EntityId theirs) {
    if (theirs == no_entity) return false;
    const EntityId id = key_of(entity, theirs);
    return id != no_entity && id < answered_[entity].size() && !answered_[entity][id].empty();
  };
  for (std::size_t s = 0; s < sources_.size(); ++s) {
    const SourceState &mine = sources_[s], &theirs = other.sources_[s];
    const Source& source = mine.rows.source();
    /// Whether one of this state's rows is the other's row, cell by cell and stamp by stamp.
    const auto same = [&](const Rows& rows, Row row, const Rows& from, Row there) {
      if (rows.event_time[row] != from.event_time[there] || rows.known_at[row] != from.known_at[there]) return false;
      if (rows.correction_of(row) != from.correction_of(there)) return false;
      for (std::size_t g = 0; g < rows.stamps.size(); ++g)
        if (rows.stamps[g][row] != from.stamps[g][there]) return false;
      for (std::size_t f = 0; f < source.fields.size(); ++f)
        if (known_slot(other.pool_, pool_, source.fields[f], from.fields[f][there]) != rows.fields[f][row]) return false;
      return true;
    };
    const auto concerns = [&](const Rows& from, Row there) {
      for (std::size_t e = 0; e < source.entities.size(); ++e)
        if (answered(static_cast<std::size_t>(source.entities[e].entity), from.entity[e][there])) return true;
      return false;
    };
    const auto keyed_here = [&](Slot key) -> const Keyed* {
      if (key.is_null()) return nullptr;
      const auto slot = known_slot(other.pool_, pool_, source.fields[static_cast<std::size_t>(source.dedup_field)], key);
      const auto found = slot ? mine.keyed.find({slot->bits, static_cast<int>(slot->held)}) : mine.keyed.end();
      return found == mine.keyed.end() ? nullptr : &found->second;
    };
    const auto versions_equal = [&](const Keyed* here, const Keyed& there) {
      const std::size_t n = here ? here->versions.size() : 0;
      if (n != there.versions.size()) return false;
      for (std::size_t v = 0; v < n; ++v) {
        const Version &a = here->versions[v], &b = there.versions[v];
        if (a.known_at != b.known_at || a.number != b.number || a.retracts != b.retracts) return false;
      }
      return true;
    };
    const auto concerns_here = [&](Row row) {
      for (std::size_t e = 0; e < source.entities.size(); ++e) {
        const EntityId id = mine.rows.entity[e][row];
        const auto& lists = answered_[static_cast<std::size_t>(source.entities[e].entity)];
        if (id != no_entity && id < lists.size() && !lists[id].empty()) return true;
      }
      return false;
    };
    std::optional<Row> stray;
    theirs.held->each([&](Row there) {
      if (stray) return;
      const Slot key = theirs.rows.dedup_key(there);
      const Keyed* here = keyed_here(key);
      bool concerned = concerns(theirs.rows, there), held = false;
      if (here)   // a copy may take the place of ours
        for (const Row row : here->rows) concerned = concerned || (mine.rows.event_time[row] == theirs.rows.event_time[there] && concerns_here(row));
      if (!concerned) return;
      if (here) each_row(*here, [&](Row row) { held = held || same(mine.rows, row, theirs.rows, there); });
      if (held) held = versions_equal(here, theirs.keyed.at({key.bits, static_cast<int>(key.held)}));
      if (!held) stray = there;
    });
    // What left it was once seen, too.
    for (Row there = 0; !stray && theirs.archive && there < theirs.archive->size(); ++there)
      if (concerns(*theirs.archive, there)) stray = there;
    // Corrections whose row is not theirs but ours.
    for (const auto& [place, there] : theirs.keyed) {
      if (stray || there.versions.empty()) continue;
      const Keyed* here = keyed_here({place.first, static_cast<Held>(place.second)});
      if (!here || versions_equal(here, there)) continue;
      each_row(*here, [&](Row row) {
        if (concerns_here(row)) stray = row;
      });
    }
    if (stray)
      return Failure{ErrorCode::state_mismatch, source.name, 0, 0,
                     "one of the states answered for an entity of which the other holds a row or a correction that it did not see; the answer would no longer be what replay gives",
                     "merge shards whose entities are apart, or parts that answered nothing yet"};
  }
  return std::nullopt;
}

void State::take_answers(const State& other, Taken& taken) {
  const Contract& contract = plan_->contract();
  for (std::size_t e = 0; e < other.answered_.size(); ++e) {
    const std::size_t width = key_fields_[e].size();
    for (EntityId theirs = 0; theirs < other.answered_[e].size(); ++theirs) {
      const auto& list = other.answered_[e][theirs];
      if (list.empty()) continue;
      std::vector<Slot> request(contract.request().size());
      for (std::size_t k = 0; k < width; ++k) {
        const auto f = static_cast<std::size_t>(key_fields_[e][k]);
        request[f] = taken.slot(contract.request()[f], {other.entity_keys_[e][theirs * width + k], Held::value});
      }
      const EntityId id = entity_of(e, request);
      for (std::size_t f = 0; f < request.size(); ++f)
        if (holds_text(contract.request()[f], request[f])) pool_.release(request[f].text());
      if (id >= answered_[e].size()) answered_[e].resize(id + 1);
      auto& mine = answered_[e][id];
      for (Answered answer : list) {
        if (plan_->request_key() >= 0) answer.key = taken.slot(contract.request()[static_cast<std::size_t>(plan_->request_key())], answer.key);
        mine.insert(std::upper_bound(mine.begin(), mine.end(), answer,
                                     [](const Answered& a, const Answered& b) { return a.as_of != b.as_of ? a.as_of < b.as_of : sequence_before(a.sequence, b.sequence); }),
                    answer);
      }
    }
  }
}

void State::take_rows(const State& other, std::size_t index, Taken& taken) {
  SourceState& state = sources_[index];
  const SourceState& theirs = other.sources_[index];
  Rows& rows = state.rows;
  const Source& source = rows.source();
  const auto stamp = [&](Row row, const Rows& from, Row there) {
    rows.known_at.set(row, from.known_at[there]);
    for (std::size_t g = 0; g < rows.stamps.size(); ++g) rows.stamps[g].set(row, from.stamps[g][there]);
  };
  const auto archive = [&](const Rows& from, Row there) {
    const std::vector<Slot> slots = taken.slots(source, from, there);
    const auto row = static_cast<Row>(state.archive->size());
    state.archive->resize(state.archive->size() + 1);
    write_row(*state.archive, row, slots);
    for (std::size_t e = 0; e < rows.entity.size(); ++e) write_entity(*state.archive, row, e, slots);
    state.archive->known_at.set(row, from.known_at[there]);
    for (std::size_t g = 0; g < rows.stamps.size(); ++g) state.archive->stamps[g].set(row, from.stamps[g][there]);
    if (from.correction_of(there) == Correction::none) return;
    if (!state.archive->corrected()) state.archive->expect_corrections();
    state.archive->correction[row] = from.correction[there];
    state.archive->version.set(row, from.version[there]);
  };
  if (theirs.archive)
    for (Row there = 0; there < theirs.archive->size(); ++there) archive(*theirs.archive, there);

  theirs.held->each([&](Row there) {
    if (theirs.rows.correction_of(there) != Correction::none) return;   // with its key's versions, below
    if (theirs.rows.event_time[there] < cutoff(source)) {               // the other's frontier would have let it go
      if (state.archive) archive(theirs.rows, there);
      else state.evicted_to = std::max(state.evicted_to, cutoff(source));
      ++state.counters.evicted;
      return;
    }
    const Row row = place_row(state, taken.slots(source, theirs.rows, there));
    stamp(row, theirs.rows, there);
    const Slot key = rows.dedup_key(row);
    Keyed* keyed = key.is_null() ? nullptr : &state.keyed[{key.bits, static_cast<int>(key.held)}];
    Row counted = row;
    if (keyed)
      for (const Row held : keyed->rows)
        if (rows.event_time[held] == rows.event_time[row]) counted = held;
    keep(state, static_cast<int>(index), keyed, row, counted);
  });

  for (const auto& [place, there] : theirs.keyed) {
    if (there.versions.empty()) continue;
    const Slot key = taken.slot(source.fields[static_cast<std::size_t>(source.dedup_field)], {place.first, static_cast<Held>(place.second)});
    Keyed& keyed = state.keyed[{key.bits, static_cast<int>(key.held)}];
    for (const Version& theirs_version : there.versions) {
      Version version = theirs_version;
      if (version.row != no_row) {
        version.row = place_row(state, taken.slots(source, theirs.rows, theirs_version.row));
        stamp(version.row, theirs.rows, theirs_version.row);
      }
      // Both may have seen it.
      if (!rows.corrected()) rows.expect_corrections();
      if (version.row != no_row) {
        rows.correction[version.row] = Correction::replace;
        rows.version.set(version.row, version.number);
      }
      const auto twin = std::find_if(keyed.versions.begin(), keyed.versions.end(), [&](const Version& v) {
        return v.known_at == version.known_at && v.number == version.number && v.retracts == version.retracts && (v.row == no_row) == (version.row == no_row) &&
               (v.row == no_row || rows.compare_versions(v.row, version.row) == 0);
      });
      if (twin != keyed.versions.end()) {
        twin->matched = twin->matched || version.matched;
        if (version.row != no_row) drop_row(state, version.row);
        continue;
      }
      for (Label& label : keyed.labels)
        if (version.row != no_row) label.matched = attach(state, static_cast<int>(index), label, version.row, version.given) || label.matched;
      const Row row = version.row;
      retain_key(state, key);
      add_version(state, keyed, key, std::move(version), theirs_version.number);
      if (row != no_row) hold(state, row);
    }
    release_key(state, key);
  }
}

void State::take_labels(const State& other, std::size_t index, Taken& taken) {
  SourceState& state = sources_[index];
  const Source& source = state.rows.source();
  for (const auto& [place, there] : other.sources_[index].keyed)
    for (const Label& theirs : there.labels) {
      Label label{taken.slots(source, theirs.slots), theirs.deadline == always ? deadline_of(state) : theirs.deadline, theirs.matched};
      const Slot slot = label.slots[static_cast<std::size_t>(source.dedup_field)];
      const Key key{slot.bits, static_cast<int>(slot.held)};
      Keyed& keyed = state.keyed[key];
      await_row(state, label.deadline, key);
      for (const Row row : keyed.rows) label.matched = attach(state, static_cast<int>(index), label, row) || label.matched;
      for (const Version& version : keyed.versions)
        if (version.row != no_row) label.matched = attach(state, static_cast<int>(index), label, version.row, version.given) || label.matched;
      keyed.labels.push_back(std::move(label));
    }
}

Result<std::monostate> State::merge(const State& other) {
  const auto fingerprint = [](const State& state) { return state.plan_->contract().fingerprint(FingerprintKind::semantic); };
  if (this == &other) return Error(ErrorCode::bad_argument, "a state cannot be merged into itself", "merge the states of two parts");
  if (fingerprint(*this) != fingerprint(other))
    return Error(ErrorCode::state_mismatch, fmt::format("the states stand under contracts {} and {}", fingerprint(*this).substr(0, 12), fingerprint(other).substr(0, 12)), "merge states of one contract");
  if (options_.grace != other.options_.grace || options_.keep_history != other.options_.keep_history)
    return Error(ErrorCode::bad_argument, "the states have other grace or keep_history", "make them with the same options");
  for (const auto& contradiction : {contradicted_by(other), other.contradicted_by(*this)})
    if (contradiction) return Error({*contradiction});

  set_frontier(std::max(frontier_, other.frontier_));
  Taken taken(*this, other);
  take_answers(other, taken);
  for (std::size_t s = 0; s < sources_.size(); ++s) {
    SourceState& state = sources_[s];
    const SourceState& theirs = other.sources_[s];
    SourceCounters counters = state.counters;
    counters.moved_keys += theirs.counters.moved_keys;
    std::vector<std::pair<Key, int>> moved;   // keys of theirs, and how many of the two counted them
    for (const auto& [place, there] : theirs.keyed) {
      const Slot key = taken.slot(state.rows.source().fields[static_cast<std::size_t>(state.rows.source().dedup_field)], {place.first, static_cast<Held>(place.second)});
      const auto here = state.keyed.find({key.bits, static_cast<int>(key.held)});
      moved.emplace_back(Key{key.bits, static_cast<int>(key.held)}, (there.rows.size() > 1) + (here != state.keyed.end() && here->second.rows.size() > 1));
    }
    take_rows(other, s, taken);
    take_labels(other, s, taken);
    // What both counted, and the copies that met here.
    const SourceCounters& c = theirs.counters;
    counters.duplicates = state.counters.duplicates + c.duplicates;
    for (const auto& [key, before] : moved) {
      if (const auto here = state.keyed.find(key); here != state.keyed.end()) counters.moved_keys += (here->second.rows.size() > 1) - before;
      release_key(state, {key.first, static_cast<Held>(key.second)});
    }
    counters.observed_late = state.counters.observed_late + c.observed_late;
    counters.evicted = state.counters.evicted + c.evicted;
    counters.observed += c.observed;
    counters.labels += c.labels;
    counters.replaced += c.replaced;
    counters.retracted += c.retracted;
    counters.unmatched += c.unmatched;
    counters.null_keys += c.null_keys;
    for (const auto& [why, n] : c.refused) counters.refused[why] += n;
    state.counters = std::move(counters);
    state.complete_from = std::max(state.complete_from, theirs.complete_from);
    state.evicted_to = std::max(state.evicted_to, theirs.evicted_to);
  }
  evict(evictions_per_call);
  return std::monostate{};
}

}  // namespace featlib
