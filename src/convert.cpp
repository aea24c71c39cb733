#include <featlib/events/convert.hpp>

#include <featlib/core/exact.hpp>

#include "utf8.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

namespace featlib {
namespace {

bool is_integer(Layout layout) { return layout >= Layout::int8 && layout <= Layout::uint64; }
bool is_text(Layout layout) { return layout == Layout::text32 || layout == Layout::text64 || layout == Layout::text_view; }
bool is_real(Layout layout) { return layout == Layout::float32 || layout == Layout::float64; }

Refusal integer_slot(std::int64_t value, Slot& out) {
  out = {static_cast<std::uint64_t>(value), Held::value};
  return Refusal::none;
}

Refusal instant_slot(const Field& field, std::optional<Instant> instant, Slot& out, Refusal otherwise) {
  if (!instant) return otherwise;
  if (!field.any_year && (*instant < earliest_instant || *instant >= latest_instant)) return Refusal::bad_year;
  return integer_slot(*instant, out);
}

Refusal real_slot(const Field& field, double value, Slot& out) {
  if (!std::isfinite(value)) {
    if (field.nan == NanPolicy::reject) return Refusal::not_finite;
    out = {};
    return Refusal::none;
  }
  out = {std::bit_cast<std::uint64_t>(value + 0.0), Held::value};   // -0.0 + 0.0 is 0.0
  return Refusal::none;
}

Refusal text_slot(std::string_view text, TextPool& pool, Slot& out, Held held = Held::value) {
  if (!is_utf8(text)) return Refusal::bad_text;
  out = {pool.acquire(text), held};
  return Refusal::none;
}

/// A decimal number as text, exactly, as an integer of 10^-scale; digits that do not fit are inexact.
Refusal decimal_from_text(std::string_view text, const Field& field, Slot& out) {
  std::size_t at = 0;
  const bool negative = at < text.size() && text[at] == '-';
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  int128 value = 0;
  int behind = -1, digits = 0;
  bool lost = false;
  const int128 limit = (static_cast<int128>(1) << 63) - !negative;
  for (; at < text.size(); ++at) {
    if (text[at] == '.' && behind < 0) { behind = 0; continue; }
    if (text[at] < '0' || text[at] > '9') return Refusal::bad_text;
    ++digits;
    if (behind >= field.scale) {
      lost = lost || text[at] != '0';
      continue;
    }
    value = value * 10 + (text[at] - '0');
    if (value > limit) return Refusal::inexact;
    if (behind >= 0) ++behind;
  }
  if (digits == 0) return Refusal::bad_text;
  if (lost) return Refusal::inexact;
  for (int i = behind < 0 ? 0 : behind; i < field.scale; ++i) {
    value *= 10;
    if (value > limit) return Refusal::inexact;
  }
  return integer_slot(static_cast<std::int64_t>(negative ? -value : value), out);
}

/// round_half_even(x * 10^scale), and whether x lies within 1e-6 of a unit of it; both in exact integers.
Refusal decimal_from_real(double x, const Field& field, Slot& out) {
  if (!std::isfinite(x)) return real_slot(field, x, out);
  const Decomposed parts = decompose(x);
  // significand * 10^scale < 2^53 * 2^60; below 2^-120 of a unit nothing is left of the value.
  const int128 scaled = static_cast<int128>(parts.significand) * power_of_ten(field.scale);
  if (parts.exponent >= 0) {
    if (parts.exponent > 11 || scaled > (static_cast<int128>(1) << 63 >> parts.exponent) - 1 || scaled < -(static_cast<int128>(1) << 63 >> parts.exponent))
      return Refusal::inexact;
    return integer_slot(static_cast<std::int64_t>(scaled << parts.exponent), out);
  }
  const int down = -parts.exponent;
  int128 whole = 0;
  int128 distance = scaled < 0 ? -scaled : scaled;        // beyond 2^-120 of a unit everything rounds to 0
  if (down <= 120) {
    const int128 unit = static_cast<int128>(1) << down;
    whole = scaled >> down;                               // floor
    const int128 rest = scaled - (whole << down);         // 0 <= rest < unit
    if (rest > unit / 2 || (rest == unit / 2 && (whole & 1))) ++whole;
    distance = rest > unit / 2 ? unit - rest : rest;
  }
  // distance > 2^down / 10^6, with 10^6 = 2^6 * 15625; past 2^133 no significand is that large.
  const int128 tolerance = down < 6 ? 0 : down > 132 ? distance : (static_cast<int128>(1) << (down - 6)) / 15625;
  if (!field.round && distance > tolerance) return Refusal::inexact;
  if (whole > std::numeric_limits<std::int64_t>::max() || whole < std::numeric_limits<std::int64_t>::min()) return Refusal::inexact;
  return integer_slot(static_cast<std::int64_t>(whole), out);
}

Refusal decimal_from_decimal(int128 value, int scale, const Field& field, Slot& out) {
  for (; scale > field.scale; --scale) {
    if (value % 10 != 0) return Refusal::inexact;
    value /= 10;
  }
  for (; scale < field.scale; ++scale) {
    if (value > std::numeric_limits<std::int64_t>::max() || value < std::numeric_limits<std::int64_t>::min()) return Refusal::inexact;
    value *= 10;
  }
  if (value > std::numeric_limits<std::int64_t>::max() || value < std::numeric_limits<std::int64_t>::min()) return Refusal::inexact;
  return integer_slot(static_cast<std::int64_t>(value), out);
}

Refusal timestamp(const Field& field, const Raw& raw, Slot& out) {
  const std::optional<TimeZone> zone = field.tz.empty() ? std::nullopt : TimeZone::find(field.tz);
  switch (raw.kind) {
    case Raw::Kind::integer:
      if (!field.time_unit) return Refusal::wrong_type;
      return instant_slot(field, to_instant(raw.integer, *field.time_unit, field.floor), out, Refusal::inexact);
    case Raw::Kind::timestamp: {
      const auto instant = to_instant(raw.integer, raw.unit, field.floor);
      if (raw.zoned || !instant) return instant_slot(field, instant, out, Refusal::inexact);
      if (!zone) return Refusal::wrong_type;
      return instant_slot(field, zone->from_local(*instant), out, Refusal::inexact);
    }
    case Raw::Kind::text:
      return instant_slot(field, parse_instant(raw.text, zone ? &*zone : nullptr, field.floor), out, Refusal::bad_text);
    default: return Refusal::wrong_type;
  }
}

}  // namespace

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::none: return "accepted";
    case Refusal::wrong_type: return "wrong type";
    case Refusal::null_clock: return "null clock";
    case Refusal::not_finite: return "NaN or infinity";
    case Refusal::bad_year: return "instant outside 1971..2099";
    case Refusal::inexact: return "inexact value";
    case Refusal::bad_text: return "unreadable text";
    case Refusal::expired: return "expired";
    case Refusal::missing_key: return "no key";
    case Refusal::bad_correction: return "neither replace nor retract";
  }
  return "";
}

std::optional<Failure> check_column(const Field& field, const ColumnType& type, const std::string& table) {
  const auto wrong = [&](std::string_view expected, std::string help) {
    return Failure{ErrorCode::wrong_column_type, table, 0, 0,
                   fmt::format("column `{}` is `{}` in Arrow's terms; expected {}", field.name, type.format, expected), std::move(help)};
  };
  const Layout layout = type.layout;
  if (layout == Layout::null) return std::nullopt;
  if (field.any_key) {
    if (is_integer(layout) || is_text(layout)) return std::nullopt;
    return wrong("integers or text (a key)", "cast the key column before; floats are no keys");
  }
  switch (field.type) {
    case Type::boolean:
      if (layout == Layout::boolean || is_integer(layout)) return std::nullopt;
      return wrong("bool, or integers holding only 0 and 1", {});
    case Type::int64:
      if (is_integer(layout)) return std::nullopt;
      return wrong("integers", is_real(layout) ? "a float column is never cast; keep the integers (nullable integers in pandas: Int64)" : "");
    case Type::float64:
      if (is_real(layout)) return std::nullopt;
      return wrong("float64 or float32", is_integer(layout) ? "declare the column `int64`, or send floats" : "");
    case Type::decimal:
      if (is_integer(layout) || is_real(layout) || is_text(layout) || layout == Layout::decimal128) return std::nullopt;
      return wrong("text, integers, decimals or floats (a decimal)", {});
    case Type::string: case Type::category:
      if (is_text(layout)) return std::nullopt;
      return wrong("text", {});
    case Type::timestamp: {
      if (is_text(layout)) return std::nullopt;
      if (is_integer(layout) && !field.time_unit)
        return Failure{ErrorCode::missing_time_unit, table, 0, 0, fmt::format("time column `{}` holds plain integers and has no declared unit", field.name),
                       fmt::format("say what they count, e.g. {{column: {}, unit: us}}", field.name)};
      if (layout == Layout::timestamp && !type.zoned && field.tz.empty())
        return Failure{ErrorCode::missing_time_unit, table, 0, 0, fmt::format("time column `{}` holds naive datetimes and has no declared tz", field.name),
                       fmt::format("say where their clock hangs, e.g. {{column: {}, tz: UTC}}", field.name)};
      if (is_integer(layout) || layout == Layout::timestamp) return std::nullopt;
      return wrong("timestamps, integers with a unit, or RFC 3339 text", {});
    }
  }
  return std::nullopt;
}

Raw read_raw(const ColumnView& column, const ColumnType& type, std::int64_t row) noexcept {
  Raw raw;
  if (column.is_null(row)) return raw;
  switch (type.layout) {
    case Layout::boolean: raw.kind = Raw::Kind::boolean; raw.integer = column.boolean(row); break;
    case Layout::uint64: raw.kind = Raw::Kind::unsigned64; raw.integer = static_cast<std::int64_t>(column.uint64(row)); break;
    case Layout::float32: case Layout::float64: raw.kind = Raw::Kind::real; raw.real = column.real(row); break;
    case Layout::text32: case Layout::text64: case Layout::text_view: raw.kind = Raw::Kind::text; raw.text = column.text(row); break;
    case Layout::timestamp: raw.kind = Raw::Kind::timestamp; raw.integer = column.integer(row); raw.unit = type.unit; raw.zoned = type.zoned; break;
    case Layout::decimal128: raw.kind = Raw::Kind::decimal; raw.decimal = column.decimal(row); raw.scale = type.scale; break;
    case Layout::null: case Layout::other: case Layout::date32: break;
    default: raw.kind = Raw::Kind::integer; raw.integer = column.integer(row); break;
  }
  return raw;
}

Refusal convert(const Field& field, const Raw& raw, TextPool& pool, Slot& out) {
  out = {};
  if (raw.kind == Raw::Kind::null) return Refusal::none;
  const bool whole = raw.kind == Raw::Kind::integer || raw.kind == Raw::Kind::unsigned64;
  if (raw.kind == Raw::Kind::unsigned64 && raw.integer < 0) return Refusal::inexact;
  if (field.any_key) {
    if (whole) return integer_slot(raw.integer, out);
    return raw.kind == Raw::Kind::text ? text_slot(raw.text, pool, out, Held::text) : Refusal::wrong_type;
  }
  switch (field.type) {
    case Type::boolean:
      if (raw.kind == Raw::Kind::boolean) return integer_slot(raw.integer, out);
      if (!whole) return Refusal::wrong_type;
      return raw.integer == 0 || raw.integer == 1 ? integer_slot(raw.integer, out) : Refusal::inexact;
    case Type::int64: return whole ? integer_slot(raw.integer, out) : Refusal::wrong_type;
    case Type::float64: return raw.kind == Raw::Kind::real ? real_slot(field, raw.real, out) : Refusal::wrong_type;
    case Type::decimal:
      if (whole) return decimal_from_decimal(raw.integer, 0, field, out);
      if (raw.kind == Raw::Kind::text) return decimal_from_text(raw.text, field, out);
      if (raw.kind == Raw::Kind::real) return decimal_from_real(raw.real, field, out);
      return raw.kind == Raw::Kind::decimal ? decimal_from_decimal(raw.decimal, raw.scale, field, out) : Refusal::wrong_type;
    case Type::string: case Type::category: return raw.kind == Raw::Kind::text ? text_slot(raw.text, pool, out) : Refusal::wrong_type;
    case Type::timestamp: {
      Raw count = raw;
      if (whole) count.kind = Raw::Kind::integer;
      return timestamp(field, count, out);
    }
  }
  return Refusal::wrong_type;
}

Refusal accept(const Field& field, const Cell& cell, TextPool& pool, Slot& out) {
  out = {};
  switch (cell.kind) {
    case Cell::Kind::null: return Refusal::none;
    case Cell::Kind::text:
      if (field.any_key) return text_slot(cell.text, pool, out, Held::text);
      return is_text(field) ? text_slot(cell.text, pool, out) : Refusal::wrong_type;
    case Cell::Kind::real: return field.type == Type::float64 ? real_slot(field, cell.real, out) : Refusal::wrong_type;
    case Cell::Kind::integer:
      if (field.any_key || field.type == Type::int64 || field.type == Type::decimal) return integer_slot(cell.integer, out);
      if (field.type == Type::boolean) return cell.integer == 0 || cell.integer == 1 ? integer_slot(cell.integer, out) : Refusal::inexact;
      if (field.type == Type::timestamp) return instant_slot(field, cell.integer, out, Refusal::inexact);
      return Refusal::wrong_type;
  }
  return Refusal::wrong_type;
}

}  // namespace featlib
