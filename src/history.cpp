#include <featlib/vector/state.hpp>

#include <featlib/core/arrow_export.hpp>

#include "vector/expiry.hpp"

#include <algorithm>
#include <tuple>

namespace featlib {
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
  if (scale > 0) digits.insert(digits.size() - static_cast<std::size_t>(scale), 1, '.');
  return negative ? "-" + digits : digits;
}

/// One exported line: a row held or archived, or a correction of which nothing is left but its key.
struct Line {
  const Rows* rows = nullptr;     ///< null: a retraction
  Row row = 0;
  Slot key;
  Instant known_at = 0;
  Correction correction = Correction::none;
  std::int64_t version = 0;

  static Line of(const Rows& rows, Row row) {
    const Correction correction = rows.correction_of(row);
    return {&rows, row, rows.dedup_key(row), rows.known_at[row], correction, correction == Correction::none ? 0 : rows.version[row]};
  }
  Instant event_time() const { return rows ? rows->event_time[row] : never; }
  Slot field(std::size_t f, const Source& source) const {
    if (rows) return rows->fields[f][row];
    return static_cast<int>(f) == source.dedup_field ? key : Slot{};
  }
};

}  // namespace

void State::export_history(int source_index, ArrowArrayStream* out) const {
  plan_->contract().require_rows(source_index);
  const SourceState& state = sources_[static_cast<std::size_t>(source_index)];
  const Source& source = state.rows.source();
  std::vector<Line> lines;
  if (state.archive)
    for (Row row = 0; row < state.archive->size(); ++row) lines.push_back(Line::of(*state.archive, row));
  state.held->each([&](Row row) { lines.push_back(Line::of(state.rows, row)); });
  for (const auto& [key, keyed] : state.keyed) {
    bool held = !keyed.rows.empty();
    for (const Version& version : keyed.versions) held = held || version.row != no_row;
    for (std::size_t v = 0; v < keyed.versions.size(); ++v) {
      const Version& version = keyed.versions[v];
      // Without an archive a replacement whose row left still hides what is held of its key, from when it was known to its successor.
      const bool hides = held && !state.archive && version.row == no_row && (v + 1 == keyed.versions.size() || keyed.versions[v + 1].known_at > version.known_at);
      if (version.retracts ? held || state.archive || !version.matched : hides) lines.push_back({nullptr, 0, {key.first, static_cast<Held>(key.second)}, version.known_at, Correction::retract, version.number});
    }
  }
  std::sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return std::tuple(a.known_at, a.version, a.event_time()) < std::tuple(b.known_at, b.version, b.event_time());
  });
  const bool corrected = std::any_of(lines.begin(), lines.end(), [](const Line& line) { return line.correction != Correction::none; });

  auto columns = std::make_shared<std::vector<Column>>();
  for (std::size_t f = 0; f < source.fields.size(); ++f) {
    const Field& field = source.fields[f];
    const bool text_key = field.any_key && std::any_of(lines.begin(), lines.end(), [&](const Line& line) { return line.field(f, source).held == Held::text; });
    Column column{field.name, format_of(field, text_key), {}, {0}, {}, {}, {}, 0};
    for (const Line& line : lines) {
      const Slot slot = line.field(f, source);
      if (column.format != "U") column.push(slot.is_null() ? std::nullopt : std::optional(slot.bits));
      else if (slot.is_null()) column.push_text(std::nullopt);
      else if (field.type == Type::decimal) column.push_text(decimal_text(slot.integer(), field.scale));
      else column.push_text(pool_.view(slot.text()));
    }
    columns->push_back(std::move(column));
  }
  Column known{std::string(known_at_column), "tsu:UTC", {}, {0}, {}, {}, {}, 0};
  for (const Line& line : lines) known.push(static_cast<std::uint64_t>(line.known_at));
  if (source.find_field(known_at_column) < 0) columns->push_back(std::move(known));
  for (std::size_t g = 0; g < state.rows.gated_fields().size(); ++g) {
    Column stamps{known_at_column_of(source.fields[static_cast<std::size_t>(state.rows.gated_fields()[g])].name), "tsu:UTC", {}, {0}, {}, {}, {}, 0};
    for (const Line& line : lines) {
      const Instant stamp = line.rows ? line.rows->stamps[g][line.row] : never;
      stamps.push(stamp == never ? std::nullopt : std::optional(static_cast<std::uint64_t>(stamp)));
    }
    columns->push_back(std::move(stamps));
  }
  if (corrected) {
    Column words{std::string(correction_column), "U", {}, {0}, {}, {}, {}, 0}, versions{std::string(version_column), "l", {}, {0}, {}, {}, {}, 0};
    for (const Line& line : lines) {
      const bool corrects = line.correction != Correction::none;
      words.push_text(corrects ? std::optional(to_string(line.correction)) : std::nullopt);
      versions.push(corrects ? std::optional(static_cast<std::uint64_t>(line.version)) : std::nullopt);
    }
    if (source.find_field(correction_column) < 0) columns->push_back(std::move(words));
    if (source.find_field(version_column) < 0) columns->push_back(std::move(versions));
  }

  std::vector<ArrowColumn> schema;
  std::vector<ArrowPiece> pieces;
  for (const Column& column : *columns) {
    schema.push_back({column.name, column.format, nullptr});
    pieces.push_back({static_cast<std::int64_t>(lines.size()), 0, -1, column.buffers(), nullptr, columns});
  }
  std::map<std::string, std::string> metadata{{"featlib.source", source.name}};
  const Instant complete_from = std::max(state.complete_from, state.evicted_to);
  if (complete_from != always) metadata["featlib.complete_from"] = std::to_string(complete_from);
  export_arrow_stream(std::move(schema), {std::move(pieces)}, {static_cast<std::int64_t>(lines.size())}, std::move(metadata), columns, out);
}

}  // namespace featlib
