#include <featlib/vector/state.hpp>

#include <fmt/format.h>

#include <set>
#include <utility>

namespace featlib {

bool is_label(const Source& source, std::span<const bool> present) {
  const auto has = [&](int field) { return field >= 0 && present[static_cast<std::size_t>(field)]; };
  if (!has(source.dedup_field)) return false;
  // Key, clocks and entity keys may come with a label; any other column makes it a row.
  std::set<int> beside{source.dedup_field, source.event_time_field, source.available_time_field};
  for (const SourceEntity& link : source.entities) beside.insert(link.key_fields.begin(), link.key_fields.end());
  for (const Field& field : source.fields) beside.insert(source.find_field(field.available_at));
  bool gated = false, others_exist = false;
  for (const int f : source.columns) {
    if (source.fields[static_cast<std::size_t>(f)].gated()) {
      gated = gated || has(f);
    } else if (!beside.contains(f)) {
      if (has(f)) return false;
      others_exist = true;
    }
  }
  // Where a row has nothing else either, only a missing clock tells a label.
  return gated && (others_exist || !has(source.event_time_field));
}

std::optional<Failure> missing_fields(const Source& source, std::span<const bool> present, const std::string& where, bool row) {
  if (!row && is_label(source, present)) return std::nullopt;
  std::string missing;
  for (std::size_t f = 0; f < source.fields.size(); ++f)
    if (!present[f] && !source.fields[f].gated()) missing += fmt::format("{}`{}`", missing.empty() ? "" : ", ", source.fields[f].name);
  if (missing.empty()) return std::nullopt;
  return Failure{ErrorCode::missing_column, where, 0, 0, fmt::format("a row of source `{}` lacks {}", source.name, missing),
                 "name every column of the contract; an unknown value is null, said explicitly"};
}

Result<RowReport> State::observe_table(int source_index, const Table& table) {
  SourceState& state = sources_[static_cast<std::size_t>(source_index)];
  if (auto refused = plan_->contract().refuses_rows(state.rows.source().name)) return Error({std::move(*refused)});
  const Source& source = state.rows.source();
  const std::size_t width = source.fields.size();
  std::vector<int> columns;
  const auto present = std::make_unique<bool[]>(width);
  std::vector<Failure> failures;
  for (std::size_t f = 0; f < width; ++f) {
    const int column = table.find(source.fields[f].name);
    columns.push_back(column);
    present[f] = column >= 0;
    if (column < 0) continue;
    if (auto failure = check_column(source.fields[f], table.column_type(column), table.name())) failures.push_back(*failure);
  }
  if (auto failure = missing_fields(source, {present.get(), width}, table.name())) failures.push_back(*failure);
  const bool labels = is_label(source, {present.get(), width});

  // An export brings its stamps along.
  Field clock;
  clock.type = Type::timestamp;
  clock.time_unit = TimeUnit::microsecond;
  clock.any_year = true;
  const auto extra = [&](std::string name) {
    const int column = labels || source.find_field(name) >= 0 ? -1 : table.find(name);
    clock.name = std::move(name);
    if (column >= 0)
      if (auto failure = check_column(clock, table.column_type(column), table.name())) failures.push_back(*failure);
    return column;
  };
  const int known_column = extra(std::string(known_at_column));
  std::vector<int> stamp_columns;
  for (const int g : state.rows.gated_fields()) stamp_columns.push_back(extra(known_at_column_of(source.fields[static_cast<std::size_t>(g)].name)));
  const CorrectionColumns corrections = labels ? CorrectionColumns{} : find_correction_columns(source, table, failures);
  const auto word_at = [&](int batch, std::int64_t row) -> std::string_view {
    return corrections.correction < 0 ? "" : read_raw(table.view(batch, corrections.correction), table.column_type(corrections.correction), row).text;
  };
  if (auto failure = uncorrectable(source, table.name()); failure && failures.empty() && corrections.correction >= 0)
    for (int b = 0; b < table.batches() && failures.empty(); ++b)
      for (std::int64_t r = 0; r < table.batch(b).length && failures.empty(); ++r)
        if (Correction correction; parse_correction(word_at(b, r), correction) && correction != Correction::none) failures.push_back(*failure);
  if (!failures.empty()) return Error(std::move(failures));

  RowReport report;
  report.rows = table.rows();
  const SourceCounters before = state.counters;
  std::vector<Slot> slots(width);
  std::vector<std::optional<Instant>> stamps(stamp_columns.size());
  std::int64_t at = 0;
  for (int b = 0; b < table.batches(); ++b) {
    std::vector<std::optional<ColumnView>> views(width);
    for (std::size_t f = 0; f < width; ++f)
      if (columns[f] >= 0) views[f].emplace(table.view(b, columns[f]));
    const auto integer_at = [&](const Field& field, int column, std::int64_t row) -> std::optional<std::int64_t> {
      if (column < 0) return std::nullopt;
      Slot slot;
      const Refusal why = convert(field, read_raw(table.view(b, column), table.column_type(column), row), pool_, slot);
      return why != Refusal::none || slot.is_null() ? std::nullopt : std::optional(slot.integer());
    };
    const auto instant_at = [&](int column, std::int64_t row) { return integer_at(clock, column, row); };
    for (std::int64_t r = 0; r < table.batch(b).length; ++r, ++at) {
      Refusal why = Refusal::none;
      int by = source.event_time_field;
      for (std::size_t f = 0; f < width; ++f) {
        slots[f] = {};
        if (!views[f] || why != Refusal::none) continue;
        why = convert(source.fields[f], read_raw(*views[f], table.column_type(columns[f]), r), pool_, slots[f]);
        if (why != Refusal::none) by = static_cast<int>(f);
      }
      Correction correction = Correction::none;
      if (why == Refusal::none && !parse_correction(word_at(b, r), correction)) {
        why = Refusal::bad_correction;
        by = source.dedup_field;
      }
      if (why != Refusal::none) {
        refuse_slots(source_index, slots, why);
      } else if (labels) {
        why = observe_label(source_index, slots);
      } else {
        for (std::size_t g = 0; g < stamps.size(); ++g) stamps[g] = instant_at(stamp_columns[g], r);
        Told told{instant_at(known_column, r), stamps, {}};
        if (correction == Correction::none) {
          why = observe_slots(source_index, slots, told);
        } else {
          told.version = corrections.version < 0 ? 0 : integer_at(corrections.version_field, corrections.version, r).value_or(0);
          why = correct_slots(source_index, correction, slots, told);
          if (why == Refusal::missing_key) by = source.dedup_field;
        }
      }
      if (why == Refusal::none) ++report.accepted;
      else report.refuse(at, source.fields[static_cast<std::size_t>(by)].name, why);
    }
  }
  report.duplicates = state.counters.duplicates - before.duplicates;
  report.corrections = state.counters.replaced + state.counters.retracted - before.replaced - before.retracted;
  report.moved_keys = state.counters.moved_keys - before.moved_keys;
  report.null_keys = state.counters.null_keys - before.null_keys;
  return report;
}

Refusal State::correct_slots(int source_index, Correction correction, std::span<Slot> slots, Told told) {
  SourceState& state = sources_[static_cast<std::size_t>(source_index)];
  const Source& source = state.rows.source();
  // A table without known_at says when a correction was known as it says it of a row.
  const Slot available = source.available_time_field < 0 ? Slot{} : slots[static_cast<std::size_t>(source.available_time_field)];
  const Slot event_time = slots[static_cast<std::size_t>(source.event_time_field)];
  if (!told.known_at && !available.is_null()) told.known_at = available.integer();
  if (!told.known_at && source.available_time_field < 0 && !event_time.is_null()) told.known_at = event_time.integer() + source.delay;
  if (correction == Correction::replace) return replace(source_index, slots, told);
  Slot& dedup = slots[static_cast<std::size_t>(source.dedup_field)];
  if (const Refusal why = dedup.is_null() ? Refusal::missing_key : !told.known_at ? Refusal::null_clock : Refusal::none; why != Refusal::none) {
    refuse_slots(source_index, slots, why);
    return why;
  }
  const Slot key = std::exchange(dedup, Slot{});   // its text goes along, the others' are let go
  release_texts(state, slots);
  return retract(source_index, key, told);
}

void State::refuse_slots(int source, std::span<const Slot> slots, Refusal why) {
  SourceState& state = sources_[static_cast<std::size_t>(source)];
  release_texts(state, slots);
  ++state.counters.refused[why];
}

}  // namespace featlib
