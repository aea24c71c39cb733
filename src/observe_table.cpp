#include <featlib/vector/state.hpp>

#include <fmt/format.h>

#include <set>

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

std::optional<Failure> missing_fields(const Source& source, std::span<const bool> present, const std::string& where) {
  if (is_label(source, present)) return std::nullopt;
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
  if (!failures.empty()) return Error(std::move(failures));

  RowReport report;
  report.rows = table.rows();
  const std::int64_t duplicates = state.counters.duplicates, null_keys = state.counters.null_keys;
  std::vector<Slot> slots(width);
  std::vector<std::optional<Instant>> stamps(stamp_columns.size());
  std::int64_t at = 0;
  for (int b = 0; b < table.batches(); ++b) {
    std::vector<std::optional<ColumnView>> views(width);
    for (std::size_t f = 0; f < width; ++f)
      if (columns[f] >= 0) views[f].emplace(table.view(b, columns[f]));
    const auto instant_at = [&](int column, std::int64_t row) -> std::optional<Instant> {
      if (column < 0) return std::nullopt;
      Slot slot;
      const Refusal why = convert(clock, read_raw(table.view(b, column), table.column_type(column), row), pool_, slot);
      return why != Refusal::none || slot.is_null() ? std::nullopt : std::optional(slot.integer());
    };
    for (std::int64_t r = 0; r < table.batch(b).length; ++r, ++at) {
      Refusal why = Refusal::none;
      int by = source.event_time_field;
      for (std::size_t f = 0; f < width; ++f) {
        slots[f] = {};
        if (!views[f] || why != Refusal::none) continue;
        why = convert(source.fields[f], read_raw(*views[f], table.column_type(columns[f]), r), pool_, slots[f]);
        if (why != Refusal::none) by = static_cast<int>(f);
      }
      if (why != Refusal::none) {
        refuse_slots(source_index, slots, why);
      } else if (labels) {
        why = observe_label(source_index, slots);
      } else {
        for (std::size_t g = 0; g < stamps.size(); ++g) stamps[g] = instant_at(stamp_columns[g], r);
        why = observe_slots(source_index, slots, instant_at(known_column, r), stamps);
      }
      if (why == Refusal::none) ++report.accepted;
      else report.refuse(at, source.fields[static_cast<std::size_t>(by)].name, why);
    }
  }
  report.duplicates = state.counters.duplicates - duplicates;
  report.null_keys = state.counters.null_keys - null_keys;
  return report;
}

void State::refuse_slots(int source, std::span<const Slot> slots, Refusal why) {
  SourceState& state = sources_[static_cast<std::size_t>(source)];
  release_texts(state, slots);
  ++state.counters.refused[why];
}

}  // namespace featlib
