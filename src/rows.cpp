#include <featlib/events/rows.hpp>

#include <featlib/core/exact.hpp>

#include <algorithm>
#include <cmath>
#include <map>

namespace featlib {

std::uint32_t TextPool::acquire(std::string_view text) {
  if (const auto found = ids_.find(text); found != ids_.end()) {
    ++counts_[found->second];
    return found->second;
  }
  std::uint32_t id;
  if (!free_.empty()) {
    id = free_.back();
    free_.pop_back();
    texts_[id] = std::string(text);
    counts_[id] = 1;
  } else {
    id = static_cast<std::uint32_t>(texts_.size());
    texts_.emplace_back(text);
    counts_.push_back(1);
  }
  ids_.emplace(texts_[id], id);
  return id;
}

std::optional<std::uint32_t> TextPool::find(std::string_view text) const {
  const auto found = ids_.find(text);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

void TextPool::release(std::uint32_t id) {
  if (--counts_[id] > 0) return;
  ids_.erase(std::string_view(texts_[id]));
  texts_[id].clear();
  texts_[id].shrink_to_fit();
  free_.push_back(id);
}

namespace {
std::string_view packed(std::span<const std::uint64_t> key) { return {reinterpret_cast<const char*>(key.data()), key.size_bytes()}; }
}  // namespace

EntityId EntityIds::acquire(std::span<const std::uint64_t> key) {
  const auto next = static_cast<EntityId>(size());
  if (const EntityId id = columns_ == 1 ? numbered_[key[0]] : no_entity; id != no_entity) return id;
  if (columns_ == 1) return single_.try_emplace(key[0], next).first->second;
  return several_.try_emplace(std::string(packed(key)), next).first->second;
}

EntityId EntityIds::find(std::span<const std::uint64_t> key) const {
  if (columns_ == 1) {
    if (const EntityId id = numbered_[key[0]]; id != no_entity) return id;
    const auto found = single_.find(key[0]);
    return found == single_.end() ? no_entity : found->second;
  }
  const auto found = several_.find(packed(key));
  return found == several_.end() ? no_entity : found->second;
}

double decimal_value(std::int64_t value, int scale) noexcept {
  constexpr std::int64_t exact = std::int64_t{1} << 53;
  const std::int64_t unit = power_of_ten(scale);
  if (value > -exact && value < exact && unit < exact) return static_cast<double>(value) / static_cast<double>(unit) + 0.0;
  return *round_quotient(value, static_cast<std::uint64_t>(unit), 0);
}

Rows::Rows(const Contract& contract, int source, TextPool& pool, Keeping keeping)
    : source_(&contract.sources()[static_cast<std::size_t>(source)]), pool_(&pool) {
  const auto& specs = source_->fields;
  fields.resize(specs.size());
  entity.resize(source_->entities.size());
  gate_of_.assign(specs.size(), -1);
  for (std::size_t f = 0; f < specs.size(); ++f) {
    if (!specs[f].gated()) continue;
    gate_of_[f] = static_cast<int>(gated_.size());
    gated_.push_back(static_cast<int>(f));
    gate_clock_.push_back(specs[f].available_after ? -1 : source_->find_field(specs[f].available_at));
  }
  stamps.resize(gated_.size());

  // By name, so that the order of keys in the file changes no value: it changes no fingerprint either.
  std::map<std::string_view, int> columns;
  for (const int f : source_->columns)
    if (!specs[static_cast<std::size_t>(f)].gated()) columns.emplace(specs[static_cast<std::size_t>(f)].name, f);
  for (const auto& [name, f] : columns) content_.push_back(f);
  std::map<std::string_view, const SourceEntity*> entities;
  for (const SourceEntity& e : source_->entities) entities.emplace(contract.entities()[static_cast<std::size_t>(e.entity)].name, &e);
  for (const auto& [name, e] : entities) content_.insert(content_.end(), e->key_fields.begin(), e->key_fields.end());
  for (const auto& [name, e] : entities)
    if (e->sequence_field >= 0) content_.push_back(e->sequence_field);

  if (keeping == Keeping::arrays) return;
  event_time.keep_packed();
  known_at.keep_packed();
  for (SlotColumn& column : fields) column.keep_packed();
  fields[static_cast<std::size_t>(source_->event_time_field)].keep_packed(event_time.packed());   // one column, two names
  for (auto& column : stamps) column.keep_packed();
  for (auto& column : entity) column.keep_packed();
  member.keep_packed();
  version.keep_packed();
  hidden_at.keep_packed(true);
}

void Rows::resize(std::size_t rows) {
  event_time.resize(rows);
  known_at.resize(rows);
  for (SlotColumn& column : fields) column.resize(rows);
  for (auto& column : stamps) column.resize(rows, never);
  for (auto& column : entity) column.resize(rows, no_entity);
  if (source_->is_union()) member.resize(rows);
  if (!corrected()) return;
  correction.resize(rows, Correction::none);
  version.resize(rows);
  hidden_at.resize(rows, never);
}

void Rows::expect_corrections() {
  corrected_ = true;
  correction.resize(size(), Correction::none);
  version.resize(size());
  hidden_at.resize(size(), never);
}

Instant Rows::gate_stamp(Row row, int field, Instant known) const noexcept {
  const int clock = gate_clock_[static_cast<std::size_t>(gate_of(field))];
  if (clock < 0) return std::max(known, event_time[row] + *source_->fields[static_cast<std::size_t>(field)].available_after);
  const Slot told = fields[static_cast<std::size_t>(clock)][row];
  return told.is_null() ? never : std::max(known, told.integer());
}

std::strong_ordering Rows::compare_slots(Slot a, Slot b, Type type) const {
  if (a.held != b.held) return a.held <=> b.held;
  if (a.is_null() || a.bits == b.bits) return std::strong_ordering::equal;
  if (a.held == Held::text || is_text(type)) return pool_->view(a.text()).compare(pool_->view(b.text())) <=> 0;
  if (type == Type::float64) return a.real() < b.real() ? std::strong_ordering::less : std::strong_ordering::greater;
  return a.integer() <=> b.integer();
}

std::strong_ordering Rows::compare_content(Row a, Row b) const {
  for (const int f : content_) {
    const SlotColumn& column = fields[static_cast<std::size_t>(f)];
    if (const auto order = compare_slots(column[a], column[b], source_->fields[static_cast<std::size_t>(f)].type); order != 0) return order;
  }
  return std::strong_ordering::equal;
}

std::strong_ordering Rows::compare_order(Row a, Row b, int source_entity) const {
  if (const auto order = event_time[a] <=> event_time[b]; order != 0) return order;
  if (const auto order = compare_slots(sequence(a, source_entity), sequence(b, source_entity), Type::int64); order != 0) return order;
  if (source_->dedup_field >= 0) {
    const Type type = source_->fields[static_cast<std::size_t>(source_->dedup_field)].type;
    if (const auto order = compare_slots(dedup_key(a), dedup_key(b), type); order != 0) return order;
  }
  if (const auto order = compare_content(a, b); order != 0) return order;
  if (source_->is_union())
    if (const auto order = member[a] <=> member[b]; order != 0) return order;
  if (const auto order = known_at[a] <=> known_at[b]; order != 0) return order;
  return compare_gated(a, b);
}

std::strong_ordering Rows::compare_versions(Row a, Row b) const {
  if (const auto order = known_at[a] <=> known_at[b]; order != 0) return order;
  if (const auto order = version[a] <=> version[b]; order != 0) return order;
  if (const auto order = correction[a] <=> correction[b]; order != 0) return order;
  if (const auto order = event_time[a] <=> event_time[b]; order != 0) return order;
  if (const auto order = compare_content(a, b); order != 0) return order;
  return compare_gated(a, b);
}

std::strong_ordering Rows::compare_gated(Row a, Row b) const {
  for (std::size_t g = 0; g < gated_.size(); ++g) {
    const auto f = static_cast<std::size_t>(gated_[g]);
    if (fields[f][a].held != fields[f][b].held) return fields[f][a].held <=> fields[f][b].held;
    if (const auto order = stamps[g][a] <=> stamps[g][b]; order != 0) return order;
    if (const auto order = compare_slots(fields[f][a], fields[f][b], source_->fields[f].type); order != 0) return order;
  }
  return std::strong_ordering::equal;
}

bool Rows::counts_before(Row a, Row b) const {
  if (known_at[a] != known_at[b]) return known_at[a] < known_at[b];
  return compare_content(a, b) < 0;
}

bool Rows::cell_precedes(int field, Row a, Row b) const {
  return cell_precedes(field, fields[static_cast<std::size_t>(field)][a], stamps[static_cast<std::size_t>(gate_of(field))][a], b);
}

bool Rows::cell_precedes(int field, Slot value, Instant stamp, Row b) const {
  const auto f = static_cast<std::size_t>(field);
  const Slot other = fields[f][b];
  if (value.is_null()) return false;
  if (other.is_null()) return true;
  const Instant known = stamps[static_cast<std::size_t>(gate_of(field))][b];
  if (stamp != known) return stamp < known;
  return compare_slots(value, other, source_->fields[f].type) < 0;
}

Cell Rows::to_cell(Slot slot, const Field& field) const noexcept {
  if (slot.is_null()) return Cell::null();
  switch (field.type) {
    case Type::float64: return Cell::of(slot.real());
    case Type::decimal: return Cell::of(decimal_value(slot.integer(), field.scale));
    case Type::string: case Type::category: return Cell::of(pool_->view(slot.text()));
    default: return Cell::of(slot.integer());
  }
}

}  // namespace featlib
