#include <featlib/events/batch.hpp>

#include "parallel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace featlib {
namespace {

constexpr std::size_t listed_refusals = 100;

std::string nearest_columns(const Table& table) {
  std::string out;
  for (int c = 0; c < table.columns() && c < 12; ++c) out += fmt::format("{}`{}`", c ? ", " : "", table.column_name(c));
  return table.columns() > 12 ? out + ", ..." : out;
}

Failure missing_column(const Table& table, std::string_view column, std::string_view role) {
  return {ErrorCode::missing_column, table.name(), 0, 0, fmt::format("the table has no column `{}` ({})", column, role),
          fmt::format("it has {}", nearest_columns(table))};
}

/// Why each row of a table is refused, if it is, and by which column: the first that says no.
struct Refusals {
  explicit Refusals(std::size_t rows) : why(rows, Refusal::none), by(rows, -1) {}
  void refuse(std::size_t row, Refusal reason, int column) {
    if (why[row] != Refusal::none) return;
    why[row] = reason;
    by[row] = column;
  }
  std::vector<Refusal> why;
  std::vector<int> by;
};

/// Whether slots of a column are its 8-byte values as they stand.
bool is_plain(const Field& field, Layout layout) { return !field.any_key && field.type == Type::int64 && layout == Layout::int64; }

/// Converts one column into slots.
void read_column(const Field& field, const Table& table, int column, TextPool& pool, SlotColumn& out, Refusals& refusals, int name, int threads) {
  out.resize(static_cast<std::size_t>(table.rows()));
  const ColumnType& type = table.column_type(column);
  const bool text = type.layout == Layout::text32 || type.layout == Layout::text64 || type.layout == Layout::text_view;
  std::size_t start = 0;
  for (int b = 0; b < table.batches(); ++b) {
    const ColumnView view = table.view(b, column);
    // Texts are interned, by one thread.
    over_rows(text ? 1 : threads, static_cast<std::size_t>(view.rows()), [&](int, std::size_t from, std::size_t to) {
      if (is_plain(field, type.layout) && !type.index) {
        for (std::size_t r = from; r < to; ++r) {
          const bool null = view.is_null(static_cast<std::int64_t>(r));
          out.set(static_cast<Row>(start + r), null ? Slot{} : Slot{static_cast<std::uint64_t>(view.integer(static_cast<std::int64_t>(r))), Held::value});
        }
        return;
      }
      for (std::size_t r = from; r < to; ++r) {
        Slot slot;
        const Refusal refusal = convert(field, read_raw(view, type, static_cast<std::int64_t>(r)), pool, slot);
        out.set(static_cast<Row>(start + r), slot);
        if (refusal != Refusal::none) refusals.refuse(start + r, refusal, name);
      }
    });
    start += static_cast<std::size_t>(view.rows());
  }
  out.settle();
}

/// Drops the rows that were refused, keeping the order.
template <class T>
void keep(std::vector<T>& values, const std::vector<Row>& kept) {
  if (values.empty() || kept.size() == values.size()) return;
  for (std::size_t i = 0; i < kept.size(); ++i) values[i] = values[kept[i]];
  values.resize(kept.size());
}

/// A field that featlib itself adds to a table.
Field own_field(std::string_view name, Type type) {
  Field field;
  field.name = name;
  field.type = type;
  return field;
}

Field clock_field(std::string name) {
  Field field = own_field(name, Type::timestamp);
  field.time_unit = TimeUnit::microsecond;
  field.any_year = true;
  return field;
}

}  // namespace

void RowReport::refuse(std::int64_t row, std::string_view column, Refusal why) {
  ++refused[why];
  if (first_refused.size() < listed_refusals) first_refused.push_back({row, std::string(column), why});
}

EntityDirectory make_entity_directory(const Contract& contract) {
  EntityDirectory out;
  for (const Entity& entity : contract.entities()) out.emplace_back(entity.key.size());
  return out;
}

std::string known_at_column_of(std::string_view field) { return fmt::format("{}__known_at", field); }

bool parse_correction(std::string_view word, Correction& out) noexcept {
  if (word.empty()) out = Correction::none;
  else if (word == to_string(Correction::replace)) out = Correction::replace;
  else if (word == to_string(Correction::retract)) out = Correction::retract;
  else return false;
  return true;
}

std::string_view to_string(Correction correction) noexcept {
  return correction == Correction::replace ? "replace" : correction == Correction::retract ? "retract" : "";
}

CorrectionColumns find_correction_columns(const Source& source, const Table& table, std::vector<Failure>& failures) {
  CorrectionColumns out;
  out.correction_field = own_field(correction_column, Type::string);
  out.version_field = own_field(version_column, Type::int64);
  const auto find = [&](const Field& field) {
    const int column = source.find_field(field.name) < 0 ? table.find(field.name) : -1;
    if (column < 0) return -1;
    if (auto failure = check_column(field, table.column_type(column), table.name())) {
      failure->help = fmt::format("a column of this name says which rows correct others; rename it, or declare it in source `{}`", source.name);
      failures.push_back(std::move(*failure));
    }
    return column;
  };
  out.correction = find(out.correction_field);
  if (out.correction >= 0) out.version = find(out.version_field);
  return out;
}

namespace {

/// Reads what each row corrects into `rows`, which stay without corrections where no word is said.
std::optional<Error> read_corrections(const CorrectionColumns& columns, const Table& table, TextPool& pool, Rows& rows, Refusals& refusals) {
  if (columns.correction < 0) return std::nullopt;
  const Source& source = rows.source();
  SlotColumn words, versions;
  read_column(columns.correction_field, table, columns.correction, pool, words, refusals, source.dedup_field, 1);
  if (columns.version >= 0) read_column(columns.version_field, table, columns.version, pool, versions, refusals, source.dedup_field, 1);
  for (Row row = 0; row < rows.size(); ++row) {
    if (words[row].is_null()) continue;
    Correction correction;
    if (!parse_correction(pool.view(words[row].text()), correction)) {
      refusals.refuse(row, Refusal::bad_correction, source.dedup_field);
      continue;
    }
    if (correction == Correction::none) continue;
    if (auto failure = uncorrectable(source, table.name())) return Error({std::move(*failure)});
    if (!rows.corrected()) rows.expect_corrections();
    rows.correction[row] = correction;
    if (columns.version >= 0) rows.version.set(row, versions[row].integer());
    if (rows.dedup_key(row).is_null()) refusals.refuse(row, Refusal::missing_key, source.dedup_field);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Failure> uncorrectable(const Source& source, const std::string& where) {
  if (source.dedup_field < 0)
    return Failure{ErrorCode::bad_row, where, 0, 0, fmt::format("source `{}` has no `dedup` key by which a correction could find its row", source.name),
                   "declare `dedup`, the column whose value names a row"};
  for (const std::string_view name : {correction_column, version_column})
    if (source.find_field(name) >= 0)
      return Failure{ErrorCode::bad_row, where, 0, 0, fmt::format("source `{}` declares a column `{}`, where its history would carry corrections", source.name, name),
                     "give the column another name"};
  return std::nullopt;
}

Result<SourceBatch> read_rows(const Contract& contract, int source_index, const Table& table, TextPool& pool, EntityDirectory& entities, int threads) {
  const Source& source = contract.sources()[static_cast<std::size_t>(source_index)];
  if (table.rows() >= static_cast<std::int64_t>(no_entity))
    return Error(ErrorCode::bad_table, fmt::format("{} rows; one source holds at most 2^32 - 2", table.rows()), {}, table.name());
  SourceBatch batch{Rows(contract, source_index, pool), {}, always};
  Rows& rows = batch.rows;
  rows.resize(static_cast<std::size_t>(table.rows()));
  const auto n = static_cast<std::size_t>(table.rows());

  std::vector<Failure> failures;
  std::vector<int> columns;
  for (const Field& field : source.fields) {
    const int column = table.find(field.name);
    columns.push_back(column);
    if (column < 0) failures.push_back(missing_column(table, field.name, fmt::format("source `{}`", source.name)));
    else if (auto failure = check_column(field, table.column_type(column), table.name())) failures.push_back(*failure);
  }
  // An export names when each row and each cell became known; elsewhere the columns are absent.
  struct Extra { int gate; Field field; int column; SlotColumn slots; };
  std::vector<Extra> extras;
  const auto add_extra = [&](int gate, std::string name) {
    const int column = table.find(name);
    if (column < 0 || source.find_field(name) >= 0) return;
    Field field = clock_field(std::move(name));
    if (auto failure = check_column(field, table.column_type(column), table.name())) failures.push_back(*failure);
    extras.push_back({gate, std::move(field), column, {}});
  };
  add_extra(-1, std::string(known_at_column));
  for (std::size_t g = 0; g < rows.gated_fields().size(); ++g)
    add_extra(static_cast<int>(g), known_at_column_of(source.fields[static_cast<std::size_t>(rows.gated_fields()[g])].name));
  const CorrectionColumns correction_columns = find_correction_columns(source, table, failures);
  if (!failures.empty()) return Error(std::move(failures));

  Refusals refusals(n);
  for (std::size_t f = 0; f < source.fields.size(); ++f)
    read_column(source.fields[f], table, columns[f], pool, rows.fields[f], refusals, static_cast<int>(f), threads);
  const SlotColumn* told_known = nullptr;
  std::vector<const SlotColumn*> told_stamp(rows.gated_fields().size(), nullptr);
  for (Extra& extra : extras) {
    read_column(extra.field, table, extra.column, pool, extra.slots, refusals, source.event_time_field, threads);
    (extra.gate < 0 ? told_known : told_stamp[static_cast<std::size_t>(extra.gate)]) = &extra.slots;
  }
  if (auto error = read_corrections(correction_columns, table, pool, rows, refusals)) return *error;

  const auto clock = static_cast<std::size_t>(source.event_time_field);
  std::vector<Row> kept;
  kept.reserve(n);
  std::vector<std::uint64_t> key;
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = static_cast<Row>(i);
    const auto refuse = [&](Refusal why, int field) { refusals.refuse(i, why, field); };
    const Slot event = rows.fields[clock][row];
    const Slot available = source.available_time_field < 0 ? Slot{} : rows.fields[static_cast<std::size_t>(source.available_time_field)][row];
    const Slot known = told_known ? (*told_known)[row] : Slot{};
    const Correction correction = rows.correction_of(row);
    const bool retracts = correction == Correction::retract;   // says nothing but its key and when it became known
    const bool by_clock = source.available_time_field >= 0;
    if (event.is_null() && !(retracts && (by_clock || !known.is_null()))) refuse(Refusal::null_clock, source.event_time_field);
    if (by_clock && available.is_null() && !(retracts && !known.is_null())) refuse(Refusal::null_clock, source.available_time_field);
    if (refusals.why[i] == Refusal::none) {
      rows.known_at.set(row, !known.is_null() ? known.integer() : by_clock ? available.integer() : event.integer() + source.delay);
      rows.event_time.set(row, retracts ? never : event.integer());
      const bool expired = source.retention && rows.event_time[row] < rows.known_at[row] - *source.retention;
      // An expired replacement is seen by nobody, yet hides what it replaces.
      if (expired && correction == Correction::none) refuse(Refusal::expired, source.event_time_field);
    }
    if (refusals.why[i] != Refusal::none) {
      const int by = refusals.by[i];
      batch.report.refuse(static_cast<std::int64_t>(i), by < 0 ? "" : source.fields[static_cast<std::size_t>(by)].name, refusals.why[i]);
      continue;
    }
    if (correction != Correction::none) ++batch.report.corrections;
    if (retracts) {
      kept.push_back(row);
      continue;
    }
    for (std::size_t g = 0; g < rows.gated_fields().size(); ++g) {
      const int field = rows.gated_fields()[g];
      if (rows.fields[static_cast<std::size_t>(field)][row].is_null()) continue;
      const Slot told = told_stamp[g] ? (*told_stamp[g])[row] : Slot{};
      rows.stamps[g].set(row, told.is_null() ? rows.gate_stamp(row, field, rows.known_at[row]) : told.integer());
      if (rows.stamps[g][row] == never) rows.fields[static_cast<std::size_t>(field)].set(row, {});   // a cell that is never known is none
    }
    for (std::size_t e = 0; e < source.entities.size(); ++e) {
      key.clear();
      bool whole = true;
      for (const int f : source.entities[e].key_fields) {
        const Slot slot = rows.fields[static_cast<std::size_t>(f)][row];
        whole = whole && !slot.is_null();
        key.push_back(slot.bits);
      }
      if (whole) rows.entity[e].set(row, entities[static_cast<std::size_t>(source.entities[e].entity)].acquire(key));
      else ++batch.report.null_keys;
    }
    kept.push_back(row);
  }
  keep(rows.event_time.dense(), kept);
  keep(rows.known_at.dense(), kept);
  for (SlotColumn& column : rows.fields) { keep(column.bits, kept); keep(column.held, kept); }
  for (auto& column : rows.stamps) keep(column.dense(), kept);
  for (auto& column : rows.entity) keep(column.dense(), kept);
  keep(rows.correction, kept);
  keep(rows.version.dense(), kept);
  keep(rows.hidden_at.dense(), kept);

  batch.report.rows = table.rows();
  batch.report.accepted = static_cast<std::int64_t>(kept.size());
  if (const auto found = table.metadata().find("featlib.complete_from"); found != table.metadata().end()) {
    const std::string& text = found->second;
    std::from_chars(text.data(), text.data() + text.size(), batch.complete_from);
  }
  return batch;
}

Field as_of_field(const Contract& contract, const AsOf& as_of) {
  Field field;
  for (const Field& request : contract.request())
    if (request.name == as_of.column && request.type == Type::timestamp) field = request;
  for (const Source& source : contract.sources())
    for (const Field& column : source.fields)
      if (column.name == as_of.column && column.type == Type::timestamp) field = column;
  field.name = as_of.column;
  field.type = Type::timestamp;
  if (as_of.unit) field.time_unit = as_of.unit;
  if (!as_of.tz.empty()) field.tz = as_of.tz;
  return field;
}

Result<Requests> read_requests(const Contract& contract, const Table& table, const AsOf& as_of, TextPool& pool, EntityDirectory& entities, int threads) {
  const auto n = static_cast<std::size_t>(table.rows());
  const Field clock = as_of_field(contract, as_of);
  std::vector<Failure> failures;
  const int clock_column = table.find(clock.name);
  if (clock_column < 0) failures.push_back(missing_column(table, clock.name, "the decisions' as_of"));
  else if (auto failure = check_column(clock, table.column_type(clock_column), table.name())) failures.push_back(*failure);
  std::vector<int> columns;
  for (const Field& field : contract.request()) {
    const int column = table.find(field.name);
    columns.push_back(column);
    if (column < 0) failures.push_back(missing_column(table, field.name, "the request"));
    else if (auto failure = check_column(field, table.column_type(column), table.name())) failures.push_back(*failure);
  }
  if (!failures.empty()) return Error(std::move(failures));

  Requests out;
  Refusals refusals(n);
  SlotColumn instants;
  read_column(clock, table, clock_column, pool, instants, refusals, -1, threads);
  out.as_of.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (instants[static_cast<Row>(i)].is_null()) refusals.refuse(i, Refusal::null_clock, -1);
    out.as_of[i] = instants[static_cast<Row>(i)].integer();
  }
  for (std::size_t f = 0; f < columns.size(); ++f)
    read_column(contract.request()[f], table, columns[f], pool, out.fields.emplace_back(), refusals, static_cast<int>(f), threads);
  out.refused = std::move(refusals.why);

  find_entities(contract, entities, out);
  return out;
}

void find_entities(const Contract& contract, const EntityDirectory& entities, Requests& requests) {
  for (std::size_t e = 0; e < contract.entities().size(); ++e) {
    std::vector<int> fields;
    for (const std::string& column : contract.entities()[e].key) fields.push_back(contract.find_request(column));
    auto& ids = requests.entity.emplace_back(requests.size(), no_entity);
    auto& keyed = requests.keyed.emplace_back(requests.size(), false);
    std::vector<std::uint64_t> key(fields.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (requests.refused[i] != Refusal::none) continue;
      bool whole = true;
      for (std::size_t k = 0; k < fields.size(); ++k) {
        const Slot slot = requests.fields[static_cast<std::size_t>(fields[k])][static_cast<Row>(i)];
        whole = whole && !slot.is_null();
        key[k] = slot.bits;
      }
      keyed[i] = whole;
      if (whole) ids[i] = entities[e].find(key);
    }
  }
}

}  // namespace featlib
