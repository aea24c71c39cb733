#include <featlib/vector/state.hpp>

#include <featlib/core/arithmetic.hpp>
#include <featlib/core/fingerprint.hpp>

#include "utf8.hpp"
#include "vector/expiry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace featlib {
namespace {

constexpr std::string_view magic = "featlib state 2\n";

/// Far from the ends of 64 bits: what is read is added to delays and retentions. No calendar reaches it.
constexpr Instant farthest = std::int64_t{1} << 61;
bool is_instant(Instant at) { return at >= -farthest && at <= farthest; }

/// What the door lets in, and how it writes it (events/convert.hpp).
bool is_value(const Field& field, std::uint64_t bits) {
  switch (field.type) {
    case Type::boolean: return bits <= 1;
    case Type::float64: return std::isfinite(std::bit_cast<double>(bits)) && bits != std::bit_cast<std::uint64_t>(-0.0);
    case Type::timestamp: {
      const auto at = static_cast<Instant>(bits);
      return field.any_year ? is_instant(at) : at >= earliest_instant && at < latest_instant;
    }
    default: return true;
  }
}

}  // namespace

/// Little-endian bytes, texts written out: ids mean nothing in another process.
class SnapshotWriter {
 public:
  explicit SnapshotWriter(const TextPool& pool) : pool_(pool) {}
  void u64(std::uint64_t v) { raw(&v, sizeof v); }
  void i64(std::int64_t v) { raw(&v, sizeof v); }
  void text(std::string_view v) { u64(v.size()); raw(v.data(), v.size()); }
  void slot(const Field& field, Slot s) {
    const auto held = static_cast<std::uint8_t>(s.held);
    raw(&held, 1);
    if (s.is_null()) return;
    if (s.held == Held::text || is_text(field)) text(pool_.view(s.text()));
    else u64(s.bits);
  }
  void raw(const void* data, std::size_t size) {
    const auto* p = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), p, p + size);
  }
  std::vector<std::byte> bytes;

 private:
  const TextPool& pool_;
};

/// Reads what the writer wrote; after anything impossible `ok` is false and zeros come. The hash at the end is anyone's to
/// compute: nothing is taken on trust.
class SnapshotReader {
 public:
  SnapshotReader(std::span<const std::byte> bytes, TextPool& pool) : left_(bytes), pool_(pool) {}
  bool ok = true;

  std::uint64_t u64() { std::uint64_t v = 0; raw(&v, sizeof v); return v; }
  std::int64_t i64() { std::int64_t v = 0; raw(&v, sizeof v); return v; }
  Instant instant() { const Instant at = i64(); check(is_instant(at)); return at; }
  /// How many of something there were.
  std::int64_t tally() { const std::int64_t n = i64(); check(n >= 0 && n <= farthest); return n; }
  void check(bool holds) { ok = ok && holds; }
  std::string_view text() {
    const std::uint64_t size = u64();
    if (size > left_.size()) { ok = false; return {}; }
    const std::string_view v(reinterpret_cast<const char*>(left_.data()), size);
    left_ = left_.subspan(size);
    return v;
  }
  /// A count of things of at least `least` bytes each: never more than can follow.
  std::size_t count(std::size_t least) {
    const std::uint64_t n = u64();
    if (n > left_.size() / least) { ok = false; return 0; }
    return n;
  }
  Slot slot(const Field& field) {
    std::uint8_t held = 0;
    raw(&held, 1);
    if (held > 2 || (held == 2 && !field.any_key)) ok = false;
    if (!ok || held == 0) return {};
    const auto kind = static_cast<Held>(held);
    if (kind == Held::text || is_text(field)) {
      const std::string_view value = text();
      check(is_utf8(value));
      return ok ? Slot{pool_.acquire(value), kind} : Slot{};
    }
    const std::uint64_t bits = u64();
    check(is_value(field, bits));
    return {bits, kind};
  }
  void raw(void* out, std::size_t size) {
    if (!ok || size > left_.size()) { ok = false; return; }
    std::memcpy(out, left_.data(), size);
    left_ = left_.subspan(size);
  }
  bool at_end() const { return left_.empty(); }

 private:
  std::span<const std::byte> left_;
  TextPool& pool_;
};

void State::write_rows(SnapshotWriter& out, const Rows& rows, const std::vector<Row>& which) const {
  out.u64(which.size());
  for (const Row row : which) {
    out.i64(rows.event_time[row]);
    out.i64(rows.known_at[row]);
    for (std::size_t f = 0; f < rows.fields.size(); ++f) out.slot(rows.source().fields[f], rows.fields[f][row]);
    for (const auto& column : rows.stamps) out.i64(column[row]);
    for (const auto& column : rows.entity) out.u64(column[row]);
    out.u64(static_cast<std::uint64_t>(rows.correction_of(row)));
    if (rows.correction_of(row) != Correction::none) out.i64(rows.version[row]);
  }
}

void State::write_versions(SnapshotWriter& out, const SourceState& state, const std::vector<Row>& held) const {
  boost::unordered_flat_map<Row, std::uint64_t> place;   // of a row in the snapshot
  for (std::size_t i = 0; i < held.size(); ++i) place.emplace(held[i], i);
  std::uint64_t keys = 0;
  for (const auto& [key, keyed] : state.keyed) keys += !keyed.versions.empty();
  out.u64(keys);
  for (const auto& [key, keyed] : state.keyed) {
    if (keyed.versions.empty()) continue;
    const Source& source = state.rows.source();
    out.slot(source.fields[static_cast<std::size_t>(source.dedup_field)], {key.first, static_cast<Held>(key.second)});
    out.u64(keyed.versions.size());
    for (const Version& version : keyed.versions) {
      out.i64(version.known_at);
      out.i64(version.number);
      out.u64(version.retracts);
      out.u64(version.matched);
      out.i64(version.deadline);
      out.u64(version.row == no_row ? no_row : place.at(version.row));
      out.u64(version.given.size());
      for (const bool given : version.given) out.u64(given);
    }
  }
}

std::vector<std::byte> State::snapshot() const {
  const Contract& contract = plan_->contract();
  SnapshotWriter out(pool_);
  out.raw(magic.data(), magic.size());
  out.text(contract.fingerprint(FingerprintKind::semantic));
  out.text(arithmetic_digest());
  out.i64(frontier_);
  out.i64(options_.grace);
  out.u64(options_.keep_history);

  for (std::size_t e = 0; e < contract.entities().size(); ++e) {
    const std::size_t width = key_fields_[e].size();
    out.u64(entity_keys_[e].size() / width);
    for (std::size_t i = 0; i < entity_keys_[e].size(); ++i)
      out.slot(contract.request()[static_cast<std::size_t>(key_fields_[e][i % width])], {entity_keys_[e][i], Held::value});
    out.u64(answered_[e].size());
    for (const auto& list : answered_[e]) {
      out.u64(list.size());
      for (const Answered& answer : list) {
        out.i64(answer.as_of);
        if (plan_->request_key() >= 0) out.slot(contract.request()[static_cast<std::size_t>(plan_->request_key())], answer.key);
        if (sequence_fields_[e] >= 0) out.slot(contract.request()[static_cast<std::size_t>(sequence_fields_[e])], answer.sequence);
      }
    }
  }
  for (const SourceState& state : sources_) {
    out.i64(state.complete_from);
    out.i64(state.evicted_to);
    const SourceCounters& c = state.counters;
    for (const std::int64_t n : {c.observed, c.labels, c.replaced, c.retracted, c.duplicates, c.moved_keys, c.observed_late, c.unmatched, c.null_keys, c.evicted}) out.i64(n);
    out.u64(c.refused.size());
    for (const auto& [why, n] : c.refused) { out.u64(static_cast<std::uint64_t>(why)); out.i64(n); }
    std::vector<Row> held;
    state.held->each([&](Row row) { held.push_back(row); });
    write_rows(out, state.rows, held);
    std::vector<Row> gone(state.archive ? state.archive->size() : 0);
    for (std::size_t i = 0; i < gone.size(); ++i) gone[i] = static_cast<Row>(i);
    write_rows(out, state.archive ? *state.archive : state.rows, gone);
    std::uint64_t labels = 0;
    for (const auto& [key, keyed] : state.keyed) labels += keyed.labels.size();
    out.u64(labels);
    for (const auto& [key, keyed] : state.keyed)
      for (const Label& label : keyed.labels) {
        for (std::size_t f = 0; f < label.slots.size(); ++f) out.slot(state.rows.source().fields[f], label.slots[f]);
        out.i64(label.deadline);
        out.u64(label.matched);
      }
    write_versions(out, state, held);
  }
  const auto hash = sha256(out.bytes);
  out.raw(hash.data(), hash.size());
  return std::move(out.bytes);
}

bool State::read_rows(SnapshotReader& in, SourceState& state, Rows& rows) {
  const std::size_t n = in.count(16 + rows.fields.size());
  if (rows.source().is_union() && n > 0) return false;   // its rows are its members'
  for (std::size_t i = 0; in.ok && i < n; ++i) {
    const auto row = static_cast<Row>(rows.size());
    rows.resize(rows.size() + 1);
    const Instant event_time = in.instant();
    rows.event_time.set(row, event_time);
    rows.known_at.set(row, in.i64());
    for (std::size_t f = 0; f < rows.fields.size(); ++f) {
      const Slot slot = in.slot(rows.source().fields[f]);
      if (static_cast<int>(f) == rows.source().event_time_field) in.check(!slot.is_null() && slot.integer() == event_time);
      rows.fields[f].set(row, slot);
    }
    for (auto& column : rows.stamps) column.set(row, in.i64());
    for (std::size_t e = 0; e < rows.entity.size(); ++e) {
      rows.entity[e].set(row, static_cast<EntityId>(in.u64()));
      const auto entity = static_cast<std::size_t>(rows.source().entities[e].entity);
      if (rows.entity[e][row] != no_entity && rows.entity[e][row] >= entities_[entity].size()) in.ok = false;
    }
    const std::uint64_t correction = in.u64();
    if (correction > static_cast<std::uint64_t>(Correction::replace)) in.ok = false;
    if (in.ok && correction != 0) {
      if (!rows.corrected()) rows.expect_corrections();
      rows.correction[row] = Correction::replace;
      rows.version.set(row, in.i64());
    }
    if (!in.ok || &rows != &state.rows) continue;
    ++state.live;
    hold(state, row);
    if (const Slot key = rows.dedup_key(row); !key.is_null() && correction == 0) state.keyed[{key.bits, static_cast<int>(key.held)}].rows.push_back(row);
  }
  return in.ok;
}

bool State::read_versions(SnapshotReader& in, SourceState& state) {
  const Source& source = state.rows.source();
  const std::size_t keys = in.count(17);
  if (keys > 0 && state.rows.source().is_union()) return false;
  if (keys > 0 && source.dedup_field < 0) return false;
  std::size_t replacements = 0;                 // rows that are one: each belongs to one version
  for (Row row = 0; row < state.rows.size(); ++row) replacements += state.rows.correction_of(row) == Correction::replace;
  std::vector<bool> claimed(state.rows.size());
  const auto claim = [&](const Version& version, Slot key) {
    if (version.row == no_row) return true;
    const Rows& rows = state.rows;
    if (version.retracts || version.row >= rows.size() || claimed[version.row] || rows.correction_of(version.row) != Correction::replace) return false;
    claimed[version.row] = true;
    --replacements;
    return rows.dedup_key(version.row) == key && rows.known_at[version.row] == version.known_at && rows.version[version.row] == version.number;
  };
  if (keys > 0 && !state.rows.corrected()) state.rows.expect_corrections();
  for (std::size_t k = 0; in.ok && k < keys; ++k) {
    const Slot key = in.slot(source.fields[static_cast<std::size_t>(source.dedup_field)]);
    if (key.is_null()) return false;
    const Key place{key.bits, static_cast<int>(key.held)};
    Keyed& keyed = state.keyed[place];
    if (!keyed.versions.empty()) return false;   // a key stands once
    for (std::size_t n = in.count(56); in.ok && n > 0; --n) {
      Version version;
      version.known_at = in.i64();
      version.number = in.i64();
      version.retracts = in.u64() != 0;
      version.matched = in.u64() != 0;
      version.deadline = in.i64();
      version.row = static_cast<Row>(in.u64());
      const std::size_t given = in.count(8);
      in.check(given == (version.retracts ? 0 : state.rows.gated_fields().size()));
      for (std::size_t g = 0; in.ok && g < given; ++g) version.given.push_back(in.u64() != 0);
      if (!in.ok || !claim(version, key)) return false;
      if (!keyed.versions.empty() && version.known_at < keyed.versions.back().known_at) return false;
      if (version.deadline != never) state.waiting.emplace_back(version.deadline, place);
      retain_key(state, key);
      keyed.versions.push_back(std::move(version));
    }
    if (keyed.versions.empty()) return false;
    release_key(state, key);
    settle(state, keyed);
  }
  return in.ok && replacements == 0;
}

bool State::read_from(SnapshotReader& in) {
  const Contract& contract = plan_->contract();
  for (std::size_t e = 0; in.ok && e < contract.entities().size(); ++e) {
    const std::size_t width = key_fields_[e].size();
    const std::size_t keys = in.count(width);
    for (std::size_t i = 0; in.ok && i < keys; ++i) {
      std::vector<std::uint64_t> key;
      for (const int f : key_fields_[e]) {
        const Slot slot = in.slot(contract.request()[static_cast<std::size_t>(f)]);
        in.check(!slot.is_null());
        key.push_back(slot.bits);
      }
      if (entities_[e].acquire(key) != i) in.ok = false;
      entity_keys_[e].insert(entity_keys_[e].end(), key.begin(), key.end());
    }
    const std::size_t asked = in.count(8);
    if (asked > entities_[e].size()) return false;
    answered_[e].resize(asked);
    for (auto& list : answered_[e]) {
      const std::size_t n = in.count(8);
      for (std::size_t i = 0; in.ok && i < n; ++i) {
        Answered answer{in.instant(), {}, {}};
        in.check(answer.as_of <= frontier_ && (list.empty() || list.back().as_of <= answer.as_of));
        if (plan_->request_key() >= 0) answer.key = in.slot(contract.request()[static_cast<std::size_t>(plan_->request_key())]);
        if (sequence_fields_[e] >= 0) answer.sequence = in.slot(contract.request()[static_cast<std::size_t>(sequence_fields_[e])]);
        list.push_back(answer);
      }
    }
  }
  for (SourceState& state : sources_) {
    state.complete_from = in.i64();
    state.evicted_to = in.i64();
    SourceCounters& c = state.counters;
    for (std::int64_t* n : {&c.observed, &c.labels, &c.replaced, &c.retracted, &c.duplicates, &c.moved_keys, &c.observed_late, &c.unmatched, &c.null_keys, &c.evicted}) *n = in.tally();
    for (std::size_t n = in.count(16); in.ok && n > 0; --n) {
      const std::uint64_t why = in.u64();
      in.check(why > 0 && why <= static_cast<std::uint64_t>(Refusal::bad_correction));
      if (in.ok) c.refused[static_cast<Refusal>(why)] = in.tally();
    }
    if (!read_rows(in, state, state.rows)) return false;
    Rows none(contract, static_cast<int>(&state - sources_.data()), pool_, Rows::Keeping::packed);
    if (!read_rows(in, state, state.archive ? *state.archive : none)) return false;
    if (none.size() > 0) return false;
    for (std::size_t n = in.count(state.rows.fields.size() + 16); in.ok && n > 0; --n) {
      if (state.rows.source().is_union()) return false;
      Label label;
      for (const Field& field : state.rows.source().fields) label.slots.push_back(in.slot(field));
      label.deadline = in.i64();
      label.matched = in.u64() != 0;
      const int dedup = state.rows.source().dedup_field;
      const Slot key = dedup < 0 ? Slot{} : label.slots[static_cast<std::size_t>(dedup)];
      if (key.is_null()) return false;
      const Key k{key.bits, static_cast<int>(key.held)};
      if (label.deadline != never) state.waiting.emplace_back(label.deadline, k);
      state.keyed[k].labels.push_back(std::move(label));
    }
    if (!read_versions(in, state)) return false;
    std::stable_sort(state.waiting.begin(), state.waiting.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  return in.ok && in.at_end();
}

Result<std::unique_ptr<State>> State::restore(std::shared_ptr<const Plan> plan, std::span<const std::byte> bytes) {
  const Error damaged(ErrorCode::state_format, "not a snapshot of this version, or a damaged one", "take a new snapshot, or rebuild the state from history");
  constexpr std::size_t hash_size = 32;
  if (bytes.size() < magic.size() + hash_size || std::memcmp(bytes.data(), magic.data(), magic.size()) != 0) return damaged;
  const auto body = bytes.first(bytes.size() - hash_size);
  const auto hash = sha256(body);
  if (std::memcmp(hash.data(), bytes.data() + body.size(), hash_size) != 0) return damaged;

  TextPool heading;
  SnapshotReader head(body.subspan(magic.size()), heading);
  const std::string fingerprint(head.text()), digest(head.text());
  if (!head.ok) return damaged;
  if (fingerprint != plan->contract().fingerprint(FingerprintKind::semantic))
    return Error(ErrorCode::state_mismatch, fmt::format("the snapshot was taken under contract {}, this one is {}", fingerprint.substr(0, 12), plan->contract().fingerprint(FingerprintKind::semantic).substr(0, 12)),
                 "restore with the contract it was taken under");
  if (digest != arithmetic_digest())
    return Error(ErrorCode::arithmetic_mismatch, "the snapshot was taken by a build that computes other bits", "rebuild featlib without -ffast-math or flags that contract");

  StateOptions options;
  const Instant frontier = head.i64();
  options.grace = head.i64();
  if (options.grace < 0 || (frontier != always && !is_instant(frontier))) return damaged;
  options.keep_history = head.u64() != 0;
  auto state = std::make_unique<State>(std::move(plan), options);
  state->frontier_ = frontier;
  const std::size_t done = magic.size() + 16 + fingerprint.size() + digest.size() + 24;
  if (done > body.size()) return damaged;
  SnapshotReader in(body.subspan(done), state->pool_);
  if (!state->read_from(in)) return damaged;
  return state;
}

}  // namespace featlib
