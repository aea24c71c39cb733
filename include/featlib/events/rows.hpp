/// Rows of one source after the door: typed, checked, stamped. Training and serving hold the same thing.
///
/// Each value is one 8-byte slot: an integer (bool, int64, decimal, timestamp), the bits of a double, or the id of a
/// text. SEMANTICS section 2 decides which row counts (copies, corrections), in which order (`compare`), and when a cell is known.
#pragma once

#include <featlib/contract/contract.hpp>
#include <featlib/events/columns.hpp>
#include <featlib/events/text_pool.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <compare>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace featlib {

/// What a row is to its key: an original, or a version that corrects whatever the key held before.
enum class Correction : std::uint8_t { none = 0, replace, retract };

/// Whether a slot of the field is the id of a text, whose reference somebody holds.
inline bool is_text(const Field& field) noexcept { return is_text(field.type); }
inline bool holds_text(const Field& field, Slot slot) noexcept { return slot.held == Held::text || (slot.held == Held::value && is_text(field)); }

/// Dense ids for the keys of one entity; a key is the tuple of its columns' slots, whose types the contract fixes.
class EntityIds {
 public:
  explicit EntityIds(std::size_t columns = 1) : columns_(columns) {}

  /// Before the first key: those from `least` on, `count` of them, are their own ids, less `least`. For keys of one column that lie close together.
  void number(std::uint64_t least, EntityId count) noexcept { numbered_ = {least, count}; }

  EntityId acquire(std::span<const std::uint64_t> key);
  EntityId find(std::span<const std::uint64_t> key) const;
  /// The ids of numbered keys, no_entity for others.
  struct Numbered {
    std::uint64_t least = 0;
    EntityId count = 0;
    EntityId operator[](std::uint64_t key) const noexcept { return key - least < count ? static_cast<EntityId>(key - least) : no_entity; }
  };
  Numbered numbered() const noexcept { return numbered_; }
  std::size_t size() const noexcept { return numbered_.count + single_.size() + several_.size(); }
  std::size_t columns() const noexcept { return columns_; }

 private:
  std::size_t columns_;
  Numbered numbered_;
  boost::unordered_flat_map<std::uint64_t, EntityId> single_;
  struct KeyHash {                     // a key is looked up where it stands
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const noexcept { return boost::hash<std::string_view>()(key); }
  };
  boost::unordered_flat_map<std::string, EntityId, KeyHash, std::equal_to<>> several_;
};

/// A source's rows, by column.
class Rows {
 public:
  /// Arrays for training, packed columns for rows that come and go (events/columns.hpp).
  enum class Keeping { arrays, packed };
  Rows(const Contract& contract, int source, TextPool& pool, Keeping keeping = Keeping::arrays);

  const Source& source() const noexcept { return *source_; }
  const TextPool& pool() const noexcept { return *pool_; }
  TextPool& pool() noexcept { return *pool_; }
  std::size_t size() const noexcept { return event_time.size(); }
  void resize(std::size_t rows);

  RowColumn<Instant, false> event_time;
  RowColumn<Instant, false> known_at;
  std::vector<SlotColumn> fields;                  ///< by Source::fields
  std::vector<RowColumn<Instant, true>> stamps;    ///< by gated field (gate_of): when the cell is known; `never` for a null cell
  std::vector<RowColumn<EntityId, true>> entity;   ///< by Source::entities
  RowColumn<std::uint32_t, false> member;          ///< of a union: index into Source::members of the row's own; else empty

  // Versions, all three empty while no key is corrected. A retraction is a row without entities: no timeline holds it.
  std::vector<Correction> correction;
  RowColumn<std::int64_t, false> version;          ///< order among the corrections of a key known at one instant
  RowColumn<Instant, true> hidden_at;              ///< when a later version of its key became known; `never` if none did

  bool corrected() const noexcept { return corrected_; }
  /// From here on rows may be corrections; those held are originals that nothing hides.
  void expect_corrections();
  Correction correction_of(Row row) const noexcept { return corrected() ? correction[row] : Correction::none; }
  /// Whether the row counts at as_of as far as it and its key's versions are known: known, and not hidden by a later one.
  bool counts_at(Row row, Instant as_of) const noexcept { return known_at[row] <= as_of && (!corrected_ || as_of < hidden_at[row]); }

  /// Index into `stamps` of a gated field, -1 for others.
  int gate_of(int field) const noexcept { return gate_of_[static_cast<std::size_t>(field)]; }
  const std::vector<int>& gated_fields() const noexcept { return gated_; }

  /// A cell as a decision at as_of reads it: a gated cell not yet known is null.
  Slot cell(Row row, int field, Instant as_of) const noexcept {
    const int gate = gate_of(field);
    if (gate >= 0 && stamps[static_cast<std::size_t>(gate)][row] > as_of) return {};
    return fields[static_cast<std::size_t>(field)][row];
  }

  Slot dedup_key(Row row) const noexcept { return source_->dedup_field < 0 ? Slot{} : fields[static_cast<std::size_t>(source_->dedup_field)][row]; }
  Slot sequence(Row row, int source_entity) const noexcept {
    const int field = source_->entities[static_cast<std::size_t>(source_entity)].sequence_field;
    return field < 0 ? Slot{} : fields[static_cast<std::size_t>(field)][row];
  }

  /// When a gated cell of a row becomes known by its own columns: max(known_at, event_time + available_after) or max(known_at, available_at).
  Instant gate_stamp(Row row, int field, Instant known) const noexcept;

  /// Order of content: declared columns by name (gated ones are no content), entity keys, sequences; null first.
  std::strong_ordering compare_content(Row a, Row b) const;
  /// Order inside an entity: (event_time, sequence, dedup key, content, member of a union), then what is left to tell rows apart. Total, independent of arrival.
  std::strong_ordering compare_order(Row a, Row b, int source_entity) const;
  /// Order of a key's corrections, (known_at, version), then what is left to tell them apart: of those known the last one counts.
  std::strong_ordering compare_versions(Row a, Row b) const;
  /// Which of two copies counts: the least (known_at, content).
  bool counts_before(Row a, Row b) const;
  /// Whether row a's cell of a gated field precedes row b's: of the values given for a cell the least (stamp, value) counts; null never does.
  bool cell_precedes(int field, Row a, Row b) const;
  /// The same for a value offered with its stamp.
  bool cell_precedes(int field, Slot value, Instant stamp, Row b) const;

  /// A slot as expressions read it: decimals in their unit.
  Cell to_cell(Slot slot, const Field& field) const noexcept;

 private:
  std::strong_ordering compare_slots(Slot a, Slot b, Type type) const;
  std::strong_ordering compare_gated(Row a, Row b) const;

  const Source* source_;
  TextPool* pool_;
  bool corrected_ = false;
  std::vector<int> gate_of_, gated_;
  std::vector<int> gate_clock_;                    ///< by gated field: the available_at field, -1 with available_after
  std::vector<int> content_;                       ///< fields of the content, in its order
};

/// value / 10^scale, correctly rounded.
double decimal_value(std::int64_t value, int scale) noexcept;

}  // namespace featlib
