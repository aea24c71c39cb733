#include <featlib/vector/state.hpp>

#include <featlib/core/arithmetic.hpp>
#include <featlib/core/arrow_export.hpp>
#include <featlib/core/fingerprint.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace featlib {
namespace {

constexpr std::string_view magic = "featlib state 1\n";

bool is_text(const Field& field) { return field.type == Type::string || field.type == Type::category; }

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

/// Reads what the writer wrote; after anything impossible `ok` is false and zeros come.
class SnapshotReader {
 public:
  SnapshotReader(std::span<const std::byte> bytes, TextPool& pool) : left_(bytes), pool_(pool) {}
  bool ok = true;

  std::uint64_t u64() { std::uint64_t v = 0; raw(&v, sizeof v); return v; }
  std::int64_t i64() { std::int64_t v = 0; raw(&v, sizeof v); return v; }
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
      return ok ? Slot{pool_.acquire(value), kind} : Slot{};
    }
    return {u64(), kind};
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
    for (const std::int64_t n : {c.observed, c.labels, c.duplicates, c.observed_late, c.unmatched, c.null_keys, c.evicted}) out.i64(n);
    out.u64(c.refused.size());
    for (const auto& [why, n] : c.refused) { out.u64(static_cast<std::uint64_t>(why)); out.i64(n); }
    std::vector<Row> held;
    for (const auto& [at, row] : state.oldest) held.push_back(row);
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
  }
  const auto hash = sha256(out.bytes);
  out.raw(hash.data(), hash.size());
  return std::move(out.bytes);
}

bool State::read_rows(SnapshotReader& in, SourceState& state, Rows& rows) {
  const std::size_t n = in.count(16 + rows.fields.size());
  for (std::size_t i = 0; in.ok && i < n; ++i) {
    const auto row = static_cast<Row>(rows.size());
    rows.resize(rows.size() + 1);
    rows.event_time.set(row, in.i64());
    rows.known_at.set(row, in.i64());
    for (std::size_t f = 0; f < rows.fields.size(); ++f) rows.fields[f].set(row, in.slot(rows.source().fields[f]));
    for (auto& column : rows.stamps) column.set(row, in.i64());
    for (std::size_t e = 0; e < rows.entity.size(); ++e) {
      rows.entity[e].set(row, static_cast<EntityId>(in.u64()));
      const auto entity = static_cast<std::size_t>(rows.source().entities[e].entity);
      if (rows.entity[e][row] != no_entity && rows.entity[e][row] >= entities_[entity].size()) in.ok = false;
    }
    if (!in.ok || &rows != &state.rows) continue;
    ++state.live;
    insert(state, row);
    state.oldest.emplace_back(rows.event_time[row], row);
    if (const Slot key = rows.dedup_key(row); !key.is_null()) state.keyed[{key.bits, static_cast<int>(key.held)}].rows.push_back(row);
  }
  std::make_heap(state.oldest.begin(), state.oldest.end(), std::greater<>());
  return in.ok;
}

bool State::read_from(SnapshotReader& in) {
  const Contract& contract = plan_->contract();
  for (std::size_t e = 0; in.ok && e < contract.entities().size(); ++e) {
    const std::size_t width = key_fields_[e].size();
    const std::size_t keys = in.count(width);
    for (std::size_t i = 0; in.ok && i < keys; ++i) {
      std::vector<std::uint64_t> key;
      for (const int f : key_fields_[e]) key.push_back(in.slot(contract.request()[static_cast<std::size_t>(f)]).bits);
      if (entities_[e].acquire(key) != i) in.ok = false;
      entity_keys_[e].insert(entity_keys_[e].end(), key.begin(), key.end());
    }
    answered_[e].resize(in.count(8));
    if (answered_[e].size() > entities_[e].size()) in.ok = false;
    for (auto& list : answered_[e]) {
      const std::size_t n = in.count(8);
      for (std::size_t i = 0; in.ok && i < n; ++i) {
        Answered answer{in.i64(), {}, {}};
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
    for (std::int64_t* n : {&c.observed, &c.labels, &c.duplicates, &c.observed_late, &c.unmatched, &c.null_keys, &c.evicted}) *n = in.i64();
    for (std::size_t n = in.count(16); in.ok && n > 0; --n) {
      const auto why = static_cast<Refusal>(in.u64());
      c.refused[why] = in.i64();
    }
    if (!read_rows(in, state, state.rows)) return false;
    Rows none(contract, static_cast<int>(&state - sources_.data()), pool_, Rows::Keeping::packed);
    if (!read_rows(in, state, state.archive ? *state.archive : none)) return false;
    if (none.size() > 0) return false;
    for (std::size_t n = in.count(state.rows.fields.size() + 16); in.ok && n > 0; --n) {
      Label label;
      for (const Field& field : state.rows.source().fields) label.slots.push_back(in.slot(field));
      label.deadline = in.i64();
      label.matched = in.u64() != 0;
      const int dedup = state.rows.source().dedup_field;
      const Slot key = dedup < 0 ? Slot{} : label.slots[static_cast<std::size_t>(dedup)];
      if (key.is_null()) return false;
      const Key k{key.bits, static_cast<int>(key.held)};
      if (state.rows.source().retention) state.waiting.emplace_back(label.deadline, k);
      state.keyed[k].labels.push_back(std::move(label));
    }
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
  options.keep_history = head.u64() != 0;
  auto state = std::make_unique<State>(std::move(plan), options);
  state->frontier_ = frontier;
  const std::size_t done = magic.size() + 16 + fingerprint.size() + digest.size() + 24;
  if (done > body.size()) return damaged;
  SnapshotReader in(body.subspan(done), state->pool_);
  if (!state->read_from(in)) return damaged;
  return state;
}

// The export -------------------------------------------------------------------------------------------------------

namespace {

/// One exported column, grown value by value.
struct Column {
  std::string name, format;
  std::vector<std::uint64_t> values;      ///< 8-byte formats
  std::vector<std::int64_t> offsets{0};   ///< text
  std::string bytes;
  std::vector<std::uint8_t> bits, valid;  ///< booleans; validity
  std::size_t rows = 0;

  void grow(bool is_valid) {
    if (rows % 8 == 0) { bits.push_back(0); valid.push_back(0); }
    if (is_valid) valid.back() |= static_cast<std::uint8_t>(1 << (rows % 8));
    ++rows;
  }
  void push(std::optional<std::uint64_t> value) {
    grow(value.has_value());
    if (format == "b") { if (value.value_or(0)) bits.back() |= static_cast<std::uint8_t>(1 << ((rows - 1) % 8)); }
    else values.push_back(value.value_or(0));
  }
  void push_text(std::optional<std::string_view> value) {
    grow(value.has_value());
    if (value) bytes += *value;
    offsets.push_back(static_cast<std::int64_t>(bytes.size()));
  }
  std::vector<const void*> buffers() const {
    if (format == "U") return {valid.data(), offsets.data(), bytes.data()};
    if (format == "b") return {valid.data(), bits.data()};
    return {valid.data(), values.data()};
  }
};

std::string format_of(const Field& field, bool text_key) {
  if (field.any_key) return text_key ? "U" : "l";
  switch (field.type) {
    case Type::boolean: return "b";
    case Type::int64: return "l";
    case Type::float64: return "g";
    case Type::string: case Type::category: case Type::decimal: return "U";
    case Type::timestamp: return "tsu:UTC";
  }
  return "l";
}

/// A decimal as text: exact, and read back without a question.
std::string decimal_text(std::int64_t value, int scale) {
  const bool negative = value < 0;
  const auto bits = static_cast<std::uint64_t>(value);
  std::string digits = std::to_string(negative ? 0 - bits : bits);
  if (static_cast<int>(digits.size()) <= scale) digits.insert(0, static_cast<std::size_t>(scale + 1) - digits.size(), '0');
  if (scale > 0) digits.insert(digits.size() - static_cast<std::size_t>(scale), ".");
  return negative ? "-" + digits : digits;
}

}  // namespace

void State::export_history(int source_index, ArrowArrayStream* out) const {
  const SourceState& state = sources_[static_cast<std::size_t>(source_index)];
  const Source& source = state.rows.source();
  std::vector<std::pair<const Rows*, Row>> which;
  if (state.archive)
    for (Row row = 0; row < state.archive->size(); ++row) which.emplace_back(state.archive.get(), row);
  for (const auto& [at, row] : state.oldest) which.emplace_back(&state.rows, row);
  std::sort(which.begin(), which.end(), [](const auto& a, const auto& b) {
    const Instant x = a.first->known_at[a.second], y = b.first->known_at[b.second];
    return x != y ? x < y : a.first->event_time[a.second] < b.first->event_time[b.second];
  });

  auto columns = std::make_shared<std::vector<Column>>();
  for (std::size_t f = 0; f < source.fields.size(); ++f) {
    const Field& field = source.fields[f];
    const bool text_key = field.any_key && std::any_of(which.begin(), which.end(), [&](const auto& w) { return w.first->fields[f][w.second].held == Held::text; });
    Column column{field.name, format_of(field, text_key), {}, {0}, {}, {}, {}, 0};
    for (const auto& [rows, row] : which) {
      const Slot slot = rows->fields[f][row];
      if (column.format != "U") column.push(slot.is_null() ? std::nullopt : std::optional(slot.bits));
      else if (slot.is_null()) column.push_text(std::nullopt);
      else if (field.type == Type::decimal) column.push_text(decimal_text(slot.integer(), field.scale));
      else column.push_text(pool_.view(slot.text()));
    }
    columns->push_back(std::move(column));
  }
  Column known{std::string(known_at_column), "tsu:UTC", {}, {0}, {}, {}, {}, 0};
  for (const auto& [rows, row] : which) known.push(static_cast<std::uint64_t>(rows->known_at[row]));
  if (source.find_field(known_at_column) < 0) columns->push_back(std::move(known));
  for (std::size_t g = 0; g < state.rows.gated_fields().size(); ++g) {
    Column stamps{known_at_column_of(source.fields[static_cast<std::size_t>(state.rows.gated_fields()[g])].name), "tsu:UTC", {}, {0}, {}, {}, {}, 0};
    for (const auto& [rows, row] : which) {
      const Instant stamp = rows->stamps[g][row];
      stamps.push(stamp == never ? std::nullopt : std::optional(static_cast<std::uint64_t>(stamp)));
    }
    columns->push_back(std::move(stamps));
  }

  std::vector<ArrowColumn> schema;
  std::vector<ArrowPiece> pieces;
  for (const Column& column : *columns) {
    schema.push_back({column.name, column.format, nullptr});
    pieces.push_back({static_cast<std::int64_t>(which.size()), 0, -1, column.buffers(), nullptr, columns});
  }
  std::map<std::string, std::string> metadata{{"featlib.source", source.name}};
  const Instant complete_from = std::max(state.complete_from, state.evicted_to);
  if (complete_from != always) metadata["featlib.complete_from"] = std::to_string(complete_from);
  export_arrow_stream(std::move(schema), {std::move(pieces)}, {static_cast<std::int64_t>(which.size())}, std::move(metadata), columns, out);
}

}  // namespace featlib
