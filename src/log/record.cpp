#include <featlib/log/record.hpp>

#include "log/bytes.hpp"

#include <fmt/format.h>

#include <cmath>

namespace featlib {
namespace detail {

std::string to_hex(std::span<const std::byte> bytes) {
  std::string out;
  out.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) {
    out += "0123456789abcdef"[std::to_integer<unsigned>(byte) >> 4];
    out += "0123456789abcdef"[std::to_integer<unsigned>(byte) & 15];
  }
  return out;
}

std::optional<std::vector<std::byte>> hash_of_hex(std::string_view hex) {
  constexpr std::string_view digits = "0123456789abcdef";
  if (hex.size() != 64) return std::nullopt;
  std::vector<std::byte> out;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const std::size_t high = digits.find(hex[i]), low = digits.find(hex[i + 1]);
    if (high == digits.npos || low == digits.npos) return std::nullopt;
    out.push_back(static_cast<std::byte>(16 * high + low));
  }
  return out;
}

}  // namespace detail

namespace {

using detail::ByteReader;
using detail::ByteWriter;

constexpr std::uint8_t format_version = 1;
constexpr std::size_t hash_size = 32;

// Present numbers. A margin is almost always a float32 sum, so it is kept as one where nothing is lost.
constexpr std::uint8_t has_score = 1, has_margin = 2, margin_is_float = 4;

/// What follows a value's kind. Wide integers are fixed, so that none takes more than a double does.
enum class Kind : std::uint8_t { null = 0, integer = 1, real = 2, text = 3, wide_integer = 4 };

constexpr std::uint64_t first_wide = std::uint64_t{1} << 56;   // eight bytes as a varint hold 56 bits

Kind kind_of(const LoggedValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return ByteWriter::zigzagged(*integer) < first_wide ? Kind::integer : Kind::wide_integer;
  return static_cast<Kind>(value.index());
}

void write_value(ByteWriter& out, const LoggedValue& value) {
  switch (kind_of(value)) {
    case Kind::null: break;
    case Kind::integer: out.zigzag(std::get<std::int64_t>(value)); break;
    case Kind::wide_integer: out.u64(static_cast<std::uint64_t>(std::get<std::int64_t>(value))); break;
    case Kind::real: out.f64(std::get<double>(value)); break;
    case Kind::text: out.text(std::get<std::string>(value)); break;
  }
}

LoggedValue read_value(ByteReader& in, std::uint8_t kind) {
  switch (static_cast<Kind>(kind)) {
    case Kind::null: return {};
    case Kind::integer: return in.zigzag();
    case Kind::wide_integer: return static_cast<std::int64_t>(in.u64());
    case Kind::real: return in.f64();
    case Kind::text: return std::string(in.text());
  }
  return {};   // no such kind: not what the encoding of this value would say
}

/// A feature's status and its value's kind share a byte: the kind lies in bits 4..6, which no status uses.
constexpr std::uint8_t status_bits = 0x8f;

std::uint8_t to_byte(Outcome outcome) { return static_cast<std::uint8_t>(outcome); }
std::uint8_t to_byte(Mode mode) { return static_cast<std::uint8_t>(mode); }

}  // namespace

LoggedValue logged(const Cell& cell) {
  switch (cell.kind) {
    case Cell::Kind::null: return {};
    case Cell::Kind::integer: return cell.integer;
    case Cell::Kind::real: return cell.real;
    case Cell::Kind::text: return std::string(cell.text);
  }
  return {};
}

Cell cell_of(const LoggedValue& value) noexcept {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return Cell::of(*integer);
  if (const auto* real = std::get_if<double>(&value)) return Cell::of(*real);
  if (const auto* text = std::get_if<std::string>(&value)) return Cell::of(std::string_view(*text));
  return Cell::null();
}

std::vector<std::byte> encode(const Record& record) {
  const auto bundle = detail::hash_of_hex(record.bundle);
  if (!bundle) throw Error(ErrorCode::bad_argument, fmt::format("`{}` is not a bundle's fingerprint", record.bundle.substr(0, 80)), "it has 64 lower-case hex digits");

  const bool margin = !std::isnan(record.margin);
  const bool narrow = margin && static_cast<double>(static_cast<float>(record.margin)) == record.margin;
  ByteWriter out;
  out.u8(format_version);
  out.u8(to_byte(record.outcome));
  out.u8(to_byte(record.mode));
  out.u8(static_cast<std::uint8_t>((std::isnan(record.score) ? 0 : has_score) | (margin ? has_margin : 0) | (narrow ? margin_is_float : 0)));
  out.raw(*bundle);
  out.u64(static_cast<std::uint64_t>(record.as_of));
  // Of integers modulo 2^64, so that no pair of instants overflows.
  out.zigzag(static_cast<std::int64_t>(static_cast<std::uint64_t>(record.decided_at) - static_cast<std::uint64_t>(record.as_of)));
  if (!std::isnan(record.score)) out.f64(record.score);
  if (narrow) out.f32(static_cast<float>(record.margin));
  else if (margin) out.f64(record.margin);
  out.zigzag(record.segment);
  out.zigzag(record.rule);
  out.text(record.request_id);
  out.varint(record.inputs.size());
  for (const LoggedValue& value : record.inputs) {
    out.u8(static_cast<std::uint8_t>(kind_of(value)));
    write_value(out, value);
  }
  out.varint(record.features.size());
  for (const auto& [value, status] : record.features) {
    if ((status & ~status_bits) != 0) throw Error(ErrorCode::bad_argument, fmt::format("{:#x} is not a status byte", status));
    out.u8(static_cast<std::uint8_t>(status | (static_cast<unsigned>(kind_of(value)) << 4)));
    write_value(out, value);
  }
  return out.take();
}

Result<Record> decode_record(std::span<const std::byte> bytes) {
  const auto damaged = [](std::string message) { return Error(ErrorCode::log_format, std::move(message), "the log is damaged, or was written by something else"); };
  ByteReader in(bytes);
  if (const std::uint8_t version = in.u8(); version != format_version || !in.ok())
    return Error(ErrorCode::log_format, fmt::format("the record has format {}; this version reads {}", version, format_version));

  Record record;
  const std::uint8_t outcome = in.u8(), mode = in.u8(), present = in.u8();
  if (outcome > to_byte(Outcome::block) || mode > to_byte(Mode::bad_request)) return damaged("the record has an outcome or mode that does not exist");
  record.outcome = static_cast<Outcome>(outcome);
  record.mode = static_cast<Mode>(mode);
  record.bundle = detail::to_hex(in.raw(hash_size));
  record.as_of = static_cast<Instant>(in.u64());
  record.decided_at = static_cast<Instant>(static_cast<std::uint64_t>(record.as_of) + static_cast<std::uint64_t>(in.zigzag()));
  if ((present & has_score) != 0) record.score = in.f64();
  if ((present & has_margin) != 0) record.margin = (present & margin_is_float) != 0 ? static_cast<double>(in.f32()) : in.f64();
  record.segment = static_cast<int>(in.zigzag());
  record.rule = static_cast<int>(in.zigzag());
  record.request_id = in.text();
  // Every value takes a byte, so a count larger than what is left is a lie; nothing is reserved on its word.
  for (std::uint64_t n = in.varint(); n > 0 && in.ok(); --n) record.inputs.push_back(read_value(in, in.u8()));
  for (std::uint64_t n = in.varint(); n > 0 && in.ok(); --n) {
    const std::uint8_t byte = in.u8();
    record.features.push_back({read_value(in, (byte >> 4) & 7), static_cast<Status>(byte & status_bits)});
  }
  if (!in.ok()) return damaged("the record is cut off");
  // One record has one encoding: padding, spare flags and numbers written the long way round are damage too.
  const std::vector<std::byte> again = encode(record);
  if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) return damaged("the record's bytes are not the encoding of any record");
  return record;
}

}  // namespace featlib
