/// From what producers send to what the contract means, one value at a time. Exact widening or a refusal, never a cast.
///
/// A column of a wrong type refuses the whole table (check_column); a wrong value refuses its row (convert).
#pragma once

#include <featlib/contract/contract.hpp>
#include <featlib/core/table.hpp>
#include <featlib/events/rows.hpp>

#include <optional>
#include <string_view>

namespace featlib {

/// A value as it arrived: a cell of an Arrow column, or of a Python dict.
struct Raw {
  enum class Kind : std::uint8_t { null, boolean, integer, unsigned64, real, text, timestamp, decimal } kind = Kind::null;
  std::int64_t integer = 0;          ///< boolean, integer, timestamp count; unsigned64 as bits
  double real = 0;
  std::string_view text;
  TimeUnit unit = TimeUnit::microsecond;
  bool zoned = false;
  __int128 decimal = 0;
  int scale = 0;
};

/// Why a value, and with it its row, was refused.
enum class Refusal : std::uint8_t {
  none,
  wrong_type,      ///< only for single rows; a column of a wrong type refuses its table
  null_clock,      ///< event_time, available_time or as_of is null
  not_finite,      ///< NaN or infinity where `nan: reject`
  bad_year,        ///< an instant outside 1971..2099: a unit mistake
  inexact,         ///< the value does not fit its type exactly
  bad_text,        ///< text that is no number, no instant, or not UTF-8
  expired,         ///< older than its retention when it became known
  missing_key,     ///< a label or a correction without the key it is for
  bad_correction,  ///< a word in the correction column that is neither replace nor retract
};
std::string_view to_string(Refusal refusal);

/// Whether a column of this type can hold the field at all; otherwise what to say.
std::optional<Failure> check_column(const Field& field, const ColumnType& type, const std::string& table);

/// The row's cell of a column.
Raw read_raw(const ColumnView& column, const ColumnType& type, std::int64_t row) noexcept;

/// The slot of a value. Texts are interned in `pool` (one reference each).
Refusal convert(const Field& field, const Raw& raw, TextPool& pool, Slot& out);

/// The checks of a value given in its final form (C++ rows): type, NaN, year.
Refusal accept(const Field& field, const Cell& cell, TextPool& pool, Slot& out);

}  // namespace featlib
