/// Tables become rows and requests: every column checked, every value converted or its row refused and counted.
#pragma once

#include <featlib/core/table.hpp>
#include <featlib/events/convert.hpp>
#include <featlib/events/rows.hpp>

#include <array>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace featlib {

class ColumnReader;

/// One refused row, for the report's list (its first hundred).
struct RefusedRow {
  std::int64_t row;                   ///< in the table as given
  std::string column;
  Refusal why;
};

/// What became of a table's rows.
struct RowReport {
  std::int64_t rows = 0;              ///< given
  std::int64_t accepted = 0;          ///< read; copies that do not count are among them
  std::int64_t duplicates = 0;        ///< copies that do not count
  std::int64_t corrections = 0;       ///< versions among the accepted: replacements and retractions
  std::int64_t moved_keys = 0;        ///< dedup keys of originals at more than one event_time: two rows, where one should perhaps replace the other
  std::int64_t null_keys = 0;         ///< entity keys that were null: those timelines do without the row
  std::map<Refusal, std::int64_t> refused;
  std::vector<RefusedRow> first_refused;

  void refuse(std::int64_t row, std::string_view column, Refusal why);
};

/// A table's rows, in its order without the refused ones.
struct SourceBatch {
  Rows rows;
  RowReport report;
  Instant complete_from = always;     ///< the table's metadata (an export that lost history), or later as the caller says
};

/// Ids of every entity's keys, shared by the sources and the requests of one run.
using EntityDirectory = std::vector<EntityIds>;
EntityDirectory make_entity_directory(const Contract& contract);

/// Column names an export adds: when a row, or a gated cell, became known.
inline constexpr std::string_view known_at_column = "known_at";
std::string known_at_column_of(std::string_view field);
/// Columns by which a table carries corrections: "replace" or "retract", and their order at one instant. A field of that name is no such column.
inline constexpr std::string_view correction_column = "correction";
inline constexpr std::string_view version_column = "version";
/// What stands in the correction column: nothing where the row is itself. False for a word that means neither.
bool parse_correction(std::string_view word, Correction& out) noexcept;
std::string_view to_string(Correction correction) noexcept;

/// Where a table has these columns, -1 where it has not, and what is wrong with them.
struct CorrectionColumns {
  int correction = -1, version = -1;
  Field correction_field, version_field;
};
CorrectionColumns find_correction_columns(const Source& source, const Table& table, std::vector<Failure>& failures);
/// Why a source cannot be corrected: it has no key to find rows by, or its history no column to say so.
std::optional<Failure> uncorrectable(const Source& source, const std::string& where);

/// Reads a source's table.
Result<SourceBatch> read_rows(const Contract& contract, int source, const Table& table, ColumnReader& reader, EntityDirectory& entities);

/// Marks copies: afterwards `counts[r]` says whether row r counts, and the cells of those that count are the least (stamp, value) given.
std::vector<bool> settle_copies(Rows& rows, RowReport& report, int threads = 1);
/// Whether every row has a dedup key, and each a greater one than the row before: then all are different. The usual table.
bool keys_rise(const Rows& rows, int threads);
/// Sets `hidden_at` by the corrections of each key; rows that no decision can ever see no longer count.
void settle_corrections(Rows& rows, std::vector<bool>& counts);

/// Fills a union with the rows of its members that count, once these are settled; its history is whole from where all of theirs are.
void unite(std::vector<SourceBatch>& sources, const std::vector<std::vector<bool>>& counts, SourceBatch& a_union);

/// Decisions to answer: what each asked, by Contract::request().
struct Requests {
  SharedArray<Instant> as_of;
  std::vector<Refusal> refused;                 ///< none, or why this decision cannot be answered (status error)
  std::vector<SlotColumn> fields;               ///< by Contract::request(); a column the table lacks is null
  std::vector<SharedArray<EntityId>> entity;    ///< by Contract::entities(); no_entity when the key is null or was never seen

  std::size_t size() const noexcept { return as_of.size(); }
  bool none_refused() const noexcept;
  /// Whether the key of an entity was given, all columns of it.
  bool is_keyed(int entity, std::size_t decision) const noexcept {
    for (const int f : key_fields[static_cast<std::size_t>(entity)])
      if (fields[static_cast<std::size_t>(f)][static_cast<Row>(decision)].is_null()) return false;
    return true;
  }
  std::vector<std::vector<int>> key_fields;     ///< by Contract::entities(): the fields of its key
};

/// Where a decision's instant stands: a column, with its unit or tz when the contract does not say.
struct AsOf {
  std::string column = "as_of";
  std::optional<TimeUnit> unit;
  std::string tz;
};

/// The field that reads the as_of column: as declared for a time column of that name anywhere in the contract, unless `as_of` says it.
Field as_of_field(const Contract& contract, const AsOf& as_of);

/// Fills `entity` and `key_fields` of requests already read, against the rows of `sources`.
void find_entities(const Contract& contract, const EntityDirectory& entities, const std::vector<SourceBatch>& sources, Requests& requests, int threads);

Result<Requests> read_requests(const Contract& contract, const Table& table, const AsOf& as_of, ColumnReader& reader);

}  // namespace featlib
