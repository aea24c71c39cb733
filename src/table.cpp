#include <featlib/core/table.hpp>

#include <featlib/core/arrow_export.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace featlib {
namespace {

bool bit(const std::uint8_t* bits, std::int64_t at) { return (bits[at >> 3] >> (at & 7)) & 1; }

ColumnType parse_format(const ArrowSchema& schema) {
  const ArrowSchema& values = schema.dictionary ? *schema.dictionary : schema;
  const std::string_view format = values.format ? values.format : "";
  ColumnType type;
  type.format = schema.format ? schema.format : "";
  static const std::map<std::string_view, Layout> plain{
      {"b", Layout::boolean}, {"c", Layout::int8},   {"s", Layout::int16},  {"i", Layout::int32},    {"l", Layout::int64},
      {"C", Layout::uint8},   {"S", Layout::uint16}, {"I", Layout::uint32}, {"L", Layout::uint64},   {"f", Layout::float32},
      {"g", Layout::float64}, {"u", Layout::text32}, {"U", Layout::text64}, {"vu", Layout::text_view}, {"n", Layout::null},
      {"tdD", Layout::date32}};
  if (const auto found = plain.find(format); found != plain.end()) {
    type.layout = found->second;
  } else if (format.starts_with("ts") && format.size() >= 4 && format[3] == ':') {
    const auto unit = std::string_view("smun").find(format[2]);
    if (unit != std::string_view::npos) {
      type.layout = Layout::timestamp;
      type.unit = static_cast<TimeUnit>(unit);
      type.zoned = format.size() > 4;
    }
  } else if (format.starts_with("d:") && std::count(format.begin(), format.end(), ',') == 1) {
    type.layout = Layout::decimal128;
    type.scale = std::atoi(std::string(format.substr(format.find(',') + 1)).c_str());
    if (type.scale < 0 || type.scale > 38) type.layout = Layout::other;
  }
  if (schema.dictionary) {
    const auto index = plain.find(schema.format ? schema.format : "");
    const bool integer = index != plain.end() && index->second >= Layout::int8 && index->second <= Layout::uint64;
    type.format = fmt::format("dictionary of {}", format);
    if (integer) type.index = index->second;
    else type.layout = Layout::other;
  }
  return type;
}

std::map<std::string, std::string> parse_metadata(const char* raw) {
  std::map<std::string, std::string> out;
  if (!raw) return out;
  const auto read = [&] {
    std::int32_t n;
    std::memcpy(&n, raw, sizeof n);
    raw += sizeof n;
    return n;
  };
  const auto text = [&] {
    const std::int32_t n = read();
    std::string s(raw, static_cast<std::size_t>(n));
    raw += n;
    return s;
  };
  for (std::int32_t pairs = read(); pairs > 0; --pairs) {
    std::string key = text();
    out[std::move(key)] = text();
  }
  return out;
}

int buffers_of(Layout layout) {
  switch (layout) {
    case Layout::null: return 0;
    case Layout::text32: case Layout::text64: case Layout::text_view: return 3;
    default: return 2;
  }
}

/// Whether an array has the buffers its type promises; the Arrow interface gives no buffer sizes, so lengths are taken on trust.
bool well_formed(const ColumnType& type, const ArrowArray& array, std::int64_t rows) {
  if (type.layout == Layout::other) return true;
  if (array.length != rows || array.offset < 0) return false;
  if (type.index) return array.n_buffers == 2 && array.dictionary && (rows == 0 || array.buffers[1]) &&
                         array.dictionary->n_buffers >= buffers_of(type.layout);
  return array.n_buffers >= buffers_of(type.layout) &&
         (type.layout == Layout::null || type.layout == Layout::text_view || rows == 0 || array.buffers[1]);
}

}  // namespace

ColumnView::ColumnView(const ColumnType& type, const ArrowArray& array)
    : layout_(type.layout), index_layout_(type.index), rows_(array.length), offset_(array.offset) {
  const ArrowArray& values = type.index ? *array.dictionary : array;
  if (layout_ == Layout::null || layout_ == Layout::other) return;
  validity_ = array.null_count == 0 ? nullptr : static_cast<const std::uint8_t*>(array.buffers[0]);
  if (type.index) {
    index_data_ = array.buffers[1];
    value_validity_ = static_cast<const std::uint8_t*>(values.buffers[0]);
    value_offset_ = values.offset;
    values_ = values.length;
  }
  data_ = values.buffers[1];
  extra_ = values.n_buffers > 2 ? values.buffers[2] : nullptr;
  buffers_ = values.buffers;
}

std::int64_t ColumnView::index(std::int64_t row) const noexcept {
  const std::int64_t at = row + offset_;
  switch (*index_layout_) {
    case Layout::int8: return static_cast<const std::int8_t*>(index_data_)[at];
    case Layout::int16: return static_cast<const std::int16_t*>(index_data_)[at];
    case Layout::int32: return static_cast<const std::int32_t*>(index_data_)[at];
    case Layout::uint8: return static_cast<const std::uint8_t*>(index_data_)[at];
    case Layout::uint16: return static_cast<const std::uint16_t*>(index_data_)[at];
    case Layout::uint32: return static_cast<const std::uint32_t*>(index_data_)[at];
    default: return static_cast<const std::int64_t*>(index_data_)[at];
  }
}

std::int64_t ColumnView::at(std::int64_t row) const noexcept {
  return index_layout_ ? index(row) + value_offset_ : row + offset_;
}

bool ColumnView::is_null(std::int64_t row) const noexcept {
  if (layout_ == Layout::null) return true;
  if (validity_ && !bit(validity_, row + offset_)) return true;
  if (!index_layout_) return false;
  const std::int64_t i = index(row);
  return i < 0 || i >= values_ || (value_validity_ && !bit(value_validity_, i + value_offset_));
}

bool ColumnView::is_whole(std::int64_t from, std::int64_t to) const noexcept {
  if (layout_ == Layout::null || index_layout_) return false;
  if (!validity_) return true;
  std::int64_t at = from + offset_;
  const std::int64_t end = to + offset_;
  while (at < end && (at & 7) && bit(validity_, at)) ++at;
  if ((at & 7) == 0)
    while (at + 8 <= end && validity_[at >> 3] == 0xff) at += 8;
  while (at < end && bit(validity_, at)) ++at;
  return at >= end;
}

bool ColumnView::boolean(std::int64_t row) const noexcept { return bit(static_cast<const std::uint8_t*>(data_), at(row)); }

std::int64_t ColumnView::integer(std::int64_t row) const noexcept {
  const std::int64_t i = at(row);
  switch (layout_) {
    case Layout::int8: return static_cast<const std::int8_t*>(data_)[i];
    case Layout::int16: return static_cast<const std::int16_t*>(data_)[i];
    case Layout::int32: case Layout::date32: return static_cast<const std::int32_t*>(data_)[i];
    case Layout::uint8: return static_cast<const std::uint8_t*>(data_)[i];
    case Layout::uint16: return static_cast<const std::uint16_t*>(data_)[i];
    case Layout::uint32: return static_cast<const std::uint32_t*>(data_)[i];
    default: return static_cast<const std::int64_t*>(data_)[i];
  }
}

double ColumnView::real(std::int64_t row) const noexcept {
  return layout_ == Layout::float32 ? static_cast<double>(static_cast<const float*>(data_)[at(row)])
                                    : static_cast<const double*>(data_)[at(row)];
}

std::string_view ColumnView::text(std::int64_t row) const noexcept {
  const std::int64_t i = at(row);
  if (layout_ == Layout::text_view) {
    // 16 bytes: length, then up to 12 bytes inline, or a prefix, the number of a buffer and an offset into it.
    const auto* view = static_cast<const char*>(data_) + 16 * i;
    std::int32_t part[4];
    std::memcpy(part, view, sizeof part);
    const auto size = static_cast<std::size_t>(part[0]);
    if (size <= 12) return {view + 4, size};
    return {static_cast<const char*>(buffers_[2 + part[2]]) + part[3], size};
  }
  const auto slice = [&](const auto* offsets) {
    return std::string_view(static_cast<const char*>(extra_) + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i]));
  };
  return layout_ == Layout::text64 ? slice(static_cast<const std::int64_t*>(data_)) : slice(static_cast<const std::int32_t*>(data_));
}

__int128 ColumnView::decimal(std::int64_t row) const noexcept {
  __int128 value;
  std::memcpy(&value, static_cast<const char*>(data_) + 16 * at(row), sizeof value);
  return value;
}

Result<Table> Table::from_stream(ArrowArrayStream* stream, std::string name) {
  const ArrowOwner<ArrowArrayStream> owned(stream);
  auto* reader = const_cast<ArrowArrayStream*>(owned.get());
  const auto failed = [&](const char* what) {
    const char* detail = reader->get_last_error ? reader->get_last_error(reader) : nullptr;
    return Error(ErrorCode::bad_table, fmt::format("{}{}{}", what, detail ? ": " : "", detail ? detail : ""), {}, name);
  };
  if (!reader->release) return Error(ErrorCode::bad_table, "the stream was consumed already", "make a new one from the table", name);
  ArrowOwner<ArrowSchema> schema;
  if (reader->get_schema(reader, schema.get()) != 0) return failed("the stream gives no schema");
  std::vector<ArrowOwner<ArrowArray>> batches;
  for (;;) {
    ArrowOwner<ArrowArray> next;
    if (reader->get_next(reader, next.get()) != 0) return failed("the stream broke off");
    if (!next->release) break;
    batches.push_back(std::move(next));
  }
  return from_batches(std::move(schema), std::move(batches), std::move(name));
}

Result<Table> Table::from_batches(ArrowOwner<ArrowSchema> schema, std::vector<ArrowOwner<ArrowArray>> batches, std::string name) {
  auto shared = std::make_shared<Shared>();
  const auto refuse = [&](std::string message) { return Error(ErrorCode::bad_table, std::move(message), {}, name); };
  if (!schema->format || std::string_view(schema->format) != "+s") return refuse("not a table: the stream's elements are no structs");
  for (std::int64_t c = 0; c < schema->n_children; ++c) {
    const ArrowSchema& child = *schema->children[c];
    shared->names.emplace_back(child.name ? child.name : "");
    shared->types.push_back(parse_format(child));
    if (std::count(shared->names.begin(), shared->names.end(), shared->names.back()) > 1)
      return refuse(fmt::format("column `{}` stands twice", shared->names.back()));
  }
  for (const auto& batch : batches) {
    if (batch->n_children != schema->n_children) return refuse("a batch has another number of columns than the schema");
    if (batch->offset != 0 || (batch->n_buffers > 0 && batch->buffers && batch->buffers[0]))
      return refuse("a batch is sliced or holds null rows; give whole rows");
    for (std::int64_t c = 0; c < batch->n_children; ++c)
      if (!well_formed(shared->types[static_cast<std::size_t>(c)], *batch->children[c], batch->length))
        return refuse(fmt::format("column `{}` is malformed or ragged", shared->names[static_cast<std::size_t>(c)]));
    shared->rows += batch->length;
  }
  shared->metadata = parse_metadata(schema->metadata);
  shared->name = std::move(name);
  shared->schema = std::move(schema);
  shared->batches = std::move(batches);
  Table table;
  table.shared_ = std::move(shared);
  return table;
}

int Table::find(std::string_view column) const {
  for (std::size_t c = 0; c < shared_->names.size(); ++c)
    if (shared_->names[c] == column) return static_cast<int>(c);
  return -1;
}

ColumnView Table::view(int batch, int column) const {
  const auto c = static_cast<std::size_t>(column);
  return ColumnView(shared_->types[c], *shared_->batches[static_cast<std::size_t>(batch)]->children[c]);
}

void Table::export_stream(ArrowArrayStream* out) const {
  std::vector<ArrowColumn> columns;
  for (int c = 0; c < this->columns(); ++c) columns.push_back({column_name(c), {}, schema().children[c]});
  std::vector<std::vector<ArrowPiece>> pieces;
  std::vector<std::int64_t> lengths;
  for (int b = 0; b < batches(); ++b) {
    lengths.push_back(batch(b).length);
    auto& piece = pieces.emplace_back();
    for (int c = 0; c < this->columns(); ++c) {
      ArrowPiece part;
      part.array = batch(b).children[c];
      part.keep_alive = keep_alive();
      piece.push_back(std::move(part));
    }
  }
  export_arrow_stream(std::move(columns), std::move(pieces), std::move(lengths), metadata(), keep_alive(), out);
}

}  // namespace featlib
