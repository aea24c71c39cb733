/// Tables written out by hand: a column is a name, an Arrow format and values, and lies in one batch or in several.
#pragma once

#include <featlib/core/arrow_export.hpp>
#include <featlib/core/table.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace featlib::testing {

/// A value or null. What an integer counts is said by the column it stands in.
using Value = std::variant<std::monostate, std::int64_t, double, std::string>;
inline const Value null_value{};

struct TestColumn {
  std::string name;
  std::string format;   ///< b c s i l C S I L f g u U vu ts?:zone tdD d:p,s n
  std::vector<Value> values;
};

namespace detail {

/// The memory of one column of one batch.
struct Buffers {
  std::vector<std::uint8_t> valid, bytes;
  std::string text;
  std::vector<std::int64_t> sizes;
};

inline void append(std::vector<std::uint8_t>& bytes, const void* data, std::size_t size) {
  const auto* p = static_cast<const std::uint8_t*>(data);
  bytes.insert(bytes.end(), p, p + size);
}

inline ArrowPiece make_piece(const std::string& format, const Value* values, std::size_t n) {
  auto b = std::make_shared<Buffers>();
  b->valid.assign(n / 8 + 1, 0);
  if (format == "b") b->bytes.assign(n / 8 + 1, 0);
  const auto width = [&]() -> std::size_t {
    if (format.starts_with("ts")) return 8;
    if (format.starts_with("d:")) return 16;
    if (format == "tdD") return 4;
    switch (format[0]) {
      case 'c': case 'C': return 1;
      case 's': case 'S': return 2;
      case 'i': case 'I': case 'f': return 4;
      default: return 8;
    }
  }();
  const bool text = format == "u" || format == "U";
  const auto offset = [&] {
    if (format == "u") { const auto at = static_cast<std::int32_t>(b->text.size()); append(b->bytes, &at, 4); }
    else { const auto at = static_cast<std::int64_t>(b->text.size()); append(b->bytes, &at, 8); }
  };
  if (text) offset();
  for (std::size_t i = 0; i < n; ++i) {
    const Value& v = values[i];
    const bool held = v.index() != 0;
    if (held) b->valid[i / 8] |= static_cast<std::uint8_t>(1 << (i % 8));
    const auto* integer = std::get_if<std::int64_t>(&v);
    const auto* real = std::get_if<double>(&v);
    const auto* string = std::get_if<std::string>(&v);
    if (format == "b") {
      if (integer && *integer) b->bytes[i / 8] |= static_cast<std::uint8_t>(1 << (i % 8));
    } else if (text) {
      if (string) b->text += *string;
      offset();
    } else if (format == "vu") {
      std::uint8_t view[16] = {};
      const auto size = static_cast<std::int32_t>(string ? string->size() : 0);
      std::memcpy(view, &size, 4);
      if (size > 12) {
        const std::int32_t at[2] = {0, static_cast<std::int32_t>(b->text.size())};
        std::memcpy(view + 4, string->data(), 4);
        std::memcpy(view + 8, at, 8);
        b->text += *string;
      } else if (size > 0) {
        std::memcpy(view + 4, string->data(), static_cast<std::size_t>(size));
      }
      append(b->bytes, view, 16);
    } else if (format == "f") {
      const auto x = static_cast<float>(real ? *real : 0);
      append(b->bytes, &x, 4);
    } else if (format == "g") {
      const double x = real ? *real : 0;
      append(b->bytes, &x, 8);
    } else {
      const __int128 x = integer ? *integer : 0;   // little-endian: the first bytes are the narrower integer
      append(b->bytes, &x, width);
    }
  }
  b->bytes.resize(b->bytes.size() + 8);   // never an empty buffer
  b->text.reserve(1);
  ArrowPiece piece;
  piece.length = static_cast<std::int64_t>(n);
  if (text) piece.buffers = {b->valid.data(), b->bytes.data(), b->text.data()};
  else if (format == "vu") { b->sizes = {static_cast<std::int64_t>(b->text.size())}; piece.buffers = {b->valid.data(), b->bytes.data(), b->text.data(), b->sizes.data()}; }
  else if (format != "n") piece.buffers = {b->valid.data(), b->bytes.data()};
  piece.keep_alive = b;
  return piece;
}

}  // namespace detail

inline Result<Table> try_table(const std::string& name, const std::vector<TestColumn>& columns, std::size_t rows_per_batch = 0,
                               const std::map<std::string, std::string>& metadata = {}) {
  const std::size_t rows = columns.empty() ? 0 : columns[0].values.size();
  const std::size_t step = rows_per_batch ? rows_per_batch : std::max<std::size_t>(rows, 1);
  std::vector<ArrowColumn> schema_columns;
  for (const TestColumn& c : columns) schema_columns.push_back({c.name, c.format, nullptr});
  ArrowOwner<ArrowSchema> schema;
  std::vector<ArrowOwner<ArrowArray>> batches;
  for (std::size_t from = 0; from < rows || batches.empty(); from += step) {
    const std::size_t n = std::min(step, rows - from);
    std::vector<ArrowPiece> pieces;
    for (const TestColumn& c : columns) pieces.push_back(detail::make_piece(c.format, c.values.data() + from, n));
    ArrowOwner<ArrowSchema> again;
    ArrowOwner<ArrowArray> batch;
    make_arrow_batch(schema_columns, pieces, static_cast<std::int64_t>(n), metadata, again.get(), batch.get());
    schema = std::move(again);
    batches.push_back(std::move(batch));
  }
  return Table::from_batches(std::move(schema), std::move(batches), name);
}

inline Table make_table(const std::string& name, const std::vector<TestColumn>& columns, std::size_t rows_per_batch = 0,
                        const std::map<std::string, std::string>& metadata = {}) {
  return try_table(name, columns, rows_per_batch, metadata).value();
}

/// A decimal's smallest units as the text a producer would send.
inline std::string decimal_text(std::int64_t units, int scale) {
  std::string digits = std::to_string(units < 0 ? 0 - static_cast<std::uint64_t>(units) : static_cast<std::uint64_t>(units));
  if (digits.size() <= static_cast<std::size_t>(scale)) digits.insert(0, static_cast<std::size_t>(scale) + 1 - digits.size(), '0');
  if (scale > 0) digits.insert(digits.size() - static_cast<std::size_t>(scale), ".");
  return units < 0 ? "-" + digits : digits;
}

}  // namespace featlib::testing
