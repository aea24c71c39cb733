#include <featlib/events/batch.hpp>

#include "events/read_column.hpp"
#include "parallel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <limits>
#include <mutex>

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

/// Drops the rows that were refused, keeping the order.
template <class T>
void keep(std::vector<T>& values, const std::vector<Row>& kept) {
  if (values.empty() || kept.size() == values.size()) return;
  for (std::size_t i = 0; i < kept.size(); ++i) values[i] = values[kept[i]];
  values.resize(kept.size());
}
template <class T>
void keep(SharedArray<T>& values, const std::vector<Row>& kept) {
  if (values.empty() || kept.size() == values.size()) return;
  SharedArray<T> out(kept.size());
  for (std::size_t i = 0; i < kept.size(); ++i) out.own()[i] = values[kept[i]];
  values = std::move(out);
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

bool Requests::none_refused() const noexcept {
  // All are equal where each is its neighbour: memcmp looks at many at once.
  static_assert(sizeof(Refusal) == 1);
  return refused.empty() || (refused[0] == Refusal::none && std::memcmp(refused.data(), refused.data() + 1, refused.size() - 1) == 0);
}

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
std::optional<Error> read_corrections(const CorrectionColumns& columns, const Table& table, ColumnReader& reader, Rows& rows, Refusals& refusals) {
  if (columns.correction < 0) return std::nullopt;
  const Source& source = rows.source();
  const SlotColumn words = reader.read(columns.correction_field, table, columns.correction, refusals, source.dedup_field);
  SlotColumn versions;
  if (columns.version >= 0) versions = reader.read(columns.version_field, table, columns.version, refusals, source.dedup_field);
  for (Row row = 0; row < rows.size(); ++row) {
    if (words[row].is_null()) continue;
    Correction correction;
    if (!parse_correction(reader.pool().view(words[row].text()), correction)) {
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

namespace {

/// When a table's rows happened and became known.
struct Clocks {
  const SlotColumn& event;
  const SlotColumn* available;         ///< null: event_time + delay
  const SlotColumn* told;              ///< known_at of an export; null: none
};

/// Columns stand for clocks as they are where nothing is to be refused or added: the usual table. False where that is not so.
bool share_clocks(const Clocks& clocks, Rows& rows, int threads) {
  const Source& source = rows.source();
  if (clocks.told || rows.corrected() || !clocks.event.whole || (clocks.available && !clocks.available->whole)) return false;
  if (!clocks.available && source.delay != 0) return false;
  const auto event = clocks.event.bits.as<Instant>(), known = clocks.available ? clocks.available->bits.as<Instant>() : event;
  if (source.retention && clocks.available) {
    std::atomic<bool> expired = false;
    over_rows(threads, event.size(), [&](int, std::size_t from, std::size_t to) {
      bool some = false;
      for (std::size_t i = from; i < to; ++i) some |= event[i] < known[i] - *source.retention;
      if (some) expired = true;
    });
    if (expired) return false;
  }
  rows.event_time.dense() = event;
  rows.known_at.dense() = known;
  return true;
}

/// Stamps rows one by one, refusing those without a clock and those that are too old when they become known.
void stamp_rows(const Clocks& clocks, Rows& rows, Refusals& refusals, int threads) {
  const Source& source = rows.source();
  Instant* const event_time = rows.event_time.dense().own();
  rows.known_at.dense() = SharedArray<Instant>(rows.size());
  Instant* const known_at = rows.known_at.dense().own();
  const bool by_clock = clocks.available != nullptr;
  std::mutex refusing;
  over_rows(threads, rows.size(), [&](int, std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      const auto row = static_cast<Row>(i);
      const auto refuse = [&](Refusal why, int field) {
        const std::lock_guard lock(refusing);
        refusals.refuse(i, why, field);
      };
      const Slot event = clocks.event[row], available = by_clock ? (*clocks.available)[row] : Slot{}, known = clocks.told ? (*clocks.told)[row] : Slot{};
      const Correction correction = rows.correction_of(row);
      const bool retracts = correction == Correction::retract;   // says nothing but its key and when it became known
      if (event.is_null() && !(retracts && (by_clock || !known.is_null()))) {
        refuse(Refusal::null_clock, source.event_time_field);
      } else if (by_clock && available.is_null() && !(retracts && !known.is_null())) {
        refuse(Refusal::null_clock, source.available_time_field);
      } else {
        known_at[i] = !known.is_null() ? known.integer() : by_clock ? available.integer() : event.integer() + source.delay;
        event_time[i] = retracts ? never : event.integer();
        // An expired replacement is seen by nobody, yet hides what it replaces.
        if (source.retention && event_time[i] < known_at[i] - *source.retention && correction == Correction::none) refuse(Refusal::expired, source.event_time_field);
      }
    }
  });
}

/// When each cell of a gated field becomes known; `told` by an export, if it is.
void stamp_cells(int gate, const SlotColumn* told, const Refusals& refusals, Rows& rows, int threads) {
  const int field = rows.gated_fields()[static_cast<std::size_t>(gate)];
  SlotColumn& cells = rows.fields[static_cast<std::size_t>(field)];
  auto& stamps = rows.stamps[static_cast<std::size_t>(gate)].dense();
  stamps = SharedArray<Instant>(rows.size());
  Instant* const out = stamps.own();
  const auto& after = rows.source().fields[static_cast<std::size_t>(field)].available_after;
  if (after && !told && cells.whole && refusals.none() && !rows.corrected()) {   // gate_stamp of every row
    const Instant *const known_at = rows.known_at.dense().data(), *const event_time = rows.event_time.dense().data();
    over_rows(threads, rows.size(), [&, after = *after](int, std::size_t from, std::size_t to) {
      for (std::size_t i = from; i < to; ++i) out[i] = std::max(known_at[i], event_time[i] + after);
    });
    return;
  }
  std::atomic<bool> some_never = false;
  over_rows(threads, rows.size(), [&](int, std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      const auto row = static_cast<Row>(i);
      out[i] = never;
      if (cells[row].is_null() || rows.correction_of(row) == Correction::retract || refusals.why(i) != Refusal::none) continue;
      const Slot stamp = told ? (*told)[row] : Slot{};
      out[i] = stamp.is_null() ? rows.gate_stamp(row, field, rows.known_at[row]) : stamp.integer();
      if (out[i] == never) some_never = true;
    }
  });
  if (!some_never) return;
  for (Row row = 0; row < rows.size(); ++row)   // a cell that is never known is none
    if (out[row] == never && rows.correction_of(row) != Correction::retract) cells.set(row, {});
}

/// Numbers the keys of an entity where they lie so close together that an id for each costs little.
void number_keys(const SlotColumn& keys, EntityIds& ids, int threads) {
  if (keys.bits.empty()) return;
  auto least = std::numeric_limits<std::int64_t>::max(), most = std::numeric_limits<std::int64_t>::min();
  std::mutex merging;
  over_rows(threads, keys.bits.size(), [&](int, std::size_t from, std::size_t to) {
    auto low = std::numeric_limits<std::int64_t>::max(), high = std::numeric_limits<std::int64_t>::min();
    const auto take = [&](std::uint64_t key) {
      low = std::min(low, static_cast<std::int64_t>(key));
      high = std::max(high, static_cast<std::int64_t>(key));
    };
    if (keys.whole) std::for_each(keys.bits.begin() + from, keys.bits.begin() + to, take);
    else for (std::size_t i = from; i < to; ++i)
      if (keys.held[i] != Held::nothing) take(keys.bits[i]);
    const std::lock_guard lock(merging);
    least = std::min(least, low);
    most = std::max(most, high);
  });
  const std::uint64_t range = static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(least);
  if (most >= least && range < keys.bits.size() + 1024) ids.number(static_cast<std::uint64_t>(least), static_cast<EntityId>(range + 1));
}

/// Ids by row, no_entity for keys that are null or were not numbered; true when there are none of these.
bool find_numbered(const SlotColumn& keys, const EntityIds& ids, SharedArray<EntityId>& out, int threads) {
  out = SharedArray<EntityId>(keys.bits.size());
  EntityId* const to = out.own();
  std::atomic<bool> all = true;
  over_rows(threads, keys.bits.size(), [&](int, std::size_t from, std::size_t end) {
    const EntityIds::Numbered numbered = ids.numbered();
    const std::uint64_t* const bits = keys.bits.data();
    EntityId greatest = 0;             // no_entity is the greatest there is
    for (std::size_t i = from; i < end; ++i) greatest = std::max(greatest, to[i] = numbered[bits[i]]);
    if (!keys.whole)
      for (std::size_t i = from; i < end; ++i)
        if (keys.held[i] == Held::nothing) greatest = to[i] = no_entity;
    if (greatest == no_entity) all = false;
  });
  return all;
}

/// Ids of the rows of one entity's timelines.
void identify_rows(std::size_t link, EntityIds& ids, const Refusals& refusals, Rows& rows, RowReport& report, int threads) {
  const std::vector<int>& fields = rows.source().entities[link].key_fields;
  auto& entity = rows.entity[link].dense();
  const SlotColumn& first = rows.fields[static_cast<std::size_t>(fields[0])];
  if (ids.columns() == 1) {
    if (ids.size() == 0 && refusals.none()) number_keys(first, ids, threads);
    if (find_numbered(first, ids, entity, threads) && !rows.corrected()) return;
  } else {
    entity = SharedArray<EntityId>(rows.size(), no_entity);
  }
  EntityId* const out = entity.own();
  std::vector<std::uint64_t> key(fields.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (out[i] != no_entity) continue;
    const auto row = static_cast<Row>(i);
    if (refusals.why(i) != Refusal::none || rows.correction_of(row) == Correction::retract) continue;
    bool whole = true;
    for (std::size_t k = 0; k < fields.size(); ++k) {
      const Slot slot = rows.fields[static_cast<std::size_t>(fields[k])][row];
      whole = whole && !slot.is_null();
      key[k] = slot.bits;
    }
    if (whole) out[i] = ids.acquire(key);
    else ++report.null_keys;
  }
  if (!rows.corrected()) return;
  for (Row row = 0; row < rows.size(); ++row)
    if (rows.correction[row] == Correction::retract) out[row] = no_entity;
}

/// Takes the refused rows out, with a word on each.
void drop_refused(const Refusals& refusals, Rows& rows, RowReport& report) {
  if (refusals.none()) return;
  const Source& source = rows.source();
  std::vector<Row> kept;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (refusals.why(i) == Refusal::none) {
      kept.push_back(static_cast<Row>(i));
    } else {
      const int by = refusals.by(i);
      report.refuse(static_cast<std::int64_t>(i), by < 0 ? "" : source.fields[static_cast<std::size_t>(by)].name, refusals.why(i));
    }
  }
  keep(rows.event_time.dense(), kept);
  keep(rows.known_at.dense(), kept);
  for (SlotColumn& column : rows.fields) { keep(column.bits, kept); keep(column.held, kept); }
  for (auto& column : rows.stamps) keep(column.dense(), kept);
  for (auto& column : rows.entity) keep(column.dense(), kept);
  keep(rows.correction, kept);
  keep(rows.version.dense(), kept);
  keep(rows.hidden_at.dense(), kept);
}

}  // namespace

Result<SourceBatch> read_rows(const Contract& contract, int source_index, const Table& table, ColumnReader& reader, EntityDirectory& entities) {
  const Source& source = contract.sources()[static_cast<std::size_t>(source_index)];
  if (table.rows() >= static_cast<std::int64_t>(no_entity))
    return Error(ErrorCode::bad_table, fmt::format("{} rows; one source holds at most 2^32 - 2", table.rows()), {}, table.name());
  SourceBatch batch{Rows(contract, source_index, reader.pool()), {}, always};
  Rows& rows = batch.rows;
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
  for (std::size_t f = 0; f < source.fields.size(); ++f) rows.fields[f] = reader.read(source.fields[f], table, columns[f], refusals, static_cast<int>(f));
  const SlotColumn* told_known = nullptr;
  std::vector<const SlotColumn*> told_stamp(rows.gated_fields().size(), nullptr);
  for (Extra& extra : extras) {
    extra.slots = reader.read(extra.field, table, extra.column, refusals, source.event_time_field);
    (extra.gate < 0 ? told_known : told_stamp[static_cast<std::size_t>(extra.gate)]) = &extra.slots;
  }
  rows.event_time.dense() = SharedArray<Instant>(n);
  if (auto error = read_corrections(correction_columns, table, reader, rows, refusals)) return *error;

  const Clocks clocks{rows.fields[static_cast<std::size_t>(source.event_time_field)],
                      source.available_time_field < 0 ? nullptr : &rows.fields[static_cast<std::size_t>(source.available_time_field)], told_known};
  if (!share_clocks(clocks, rows, reader.threads())) stamp_rows(clocks, rows, refusals, reader.threads());
  for (std::size_t g = 0; g < rows.gated_fields().size(); ++g) stamp_cells(static_cast<int>(g), told_stamp[g], refusals, rows, reader.threads());
  for (std::size_t e = 0; e < source.entities.size(); ++e)
    identify_rows(e, entities[static_cast<std::size_t>(source.entities[e].entity)], refusals, rows, batch.report, reader.threads());
  if (rows.corrected())
    for (Row row = 0; row < n; ++row) batch.report.corrections += refusals.why(row) == Refusal::none && rows.correction[row] != Correction::none;
  drop_refused(refusals, rows, batch.report);

  batch.report.rows = table.rows();
  batch.report.accepted = static_cast<std::int64_t>(rows.size());
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

Result<Requests> read_requests(const Contract& contract, const Table& table, const AsOf& as_of, ColumnReader& reader) {
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
  const SlotColumn instants = reader.read(clock, table, clock_column, refusals, -1);
  if (!instants.whole)
    for (std::size_t i = 0; i < n; ++i)
      if (instants.held[i] == Held::nothing) refusals.refuse(i, Refusal::null_clock, -1);
  out.as_of = instants.bits.as<Instant>();
  for (std::size_t f = 0; f < columns.size(); ++f) out.fields.push_back(reader.read(contract.request()[f], table, columns[f], refusals, static_cast<int>(f)));
  out.refused = refusals.by_row();
  return out;
}

void find_entities(const Contract& contract, const EntityDirectory& entities, const std::vector<SourceBatch>& sources, Requests& requests, int threads) {
  const bool none_refused = requests.none_refused();
  // Ids already worked out, where the decisions' keys are the same memory as those of a source's rows.
  const auto same_keys = [&](int entity, int field) -> const SharedArray<EntityId>* {
    const SlotColumn& keys = requests.fields[static_cast<std::size_t>(field)];
    for (const SourceBatch& batch : sources) {
      const Source& source = batch.rows.source();
      for (std::size_t link = 0; link < source.entities.size(); ++link)
        if (source.entities[link].entity == entity && batch.rows.fields[static_cast<std::size_t>(source.entities[link].key_fields[0])].bits.shares(keys.bits) && keys.whole &&
            !batch.rows.corrected())
          return &batch.rows.entity[link].dense();
    }
    return nullptr;
  };
  for (std::size_t e = 0; e < contract.entities().size(); ++e) {
    std::vector<int>& fields = requests.key_fields.emplace_back();
    for (const std::string& column : contract.entities()[e].key) fields.push_back(contract.find_request(column));
    auto& ids = requests.entity.emplace_back();
    if (entities[e].columns() == 1) {
      if (none_refused)
        if (const auto* same = same_keys(static_cast<int>(e), fields[0])) {
          ids = *same;
          continue;
        }
      if (find_numbered(requests.fields[static_cast<std::size_t>(fields[0])], entities[e], ids, threads)) continue;
    } else {
      ids = SharedArray<EntityId>(requests.size(), no_entity);
    }
    EntityId* const out = ids.own();
    over_rows(threads, requests.size(), [&](int, std::size_t from, std::size_t to) {
      std::vector<std::uint64_t> key(fields.size());
      for (std::size_t i = from; i < to; ++i) {
        if (out[i] != no_entity || requests.refused[i] != Refusal::none || !requests.is_keyed(static_cast<int>(e), i)) continue;
        for (std::size_t k = 0; k < fields.size(); ++k) key[k] = requests.fields[static_cast<std::size_t>(fields[k])].bits[i];
        out[i] = entities[e].find(key);
      }
    });
  }
}

}  // namespace featlib
