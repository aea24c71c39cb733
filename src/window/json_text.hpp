// Values of a column as JSON, the text results of last_k and top_k: one spelling for one value, so texts compare as bytes.
//
// Numbers are written as RFC 8785 (JSON Canonicalization Scheme) writes them, the shortest digits that read back; integers and
// decimals exactly, which may be more digits than a double holds. Instants are RFC 3339 text. Bytes that are no UTF-8 stay.
#pragma once

#include <featlib/core/value.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace featlib {

void append_json(std::string& out, double value);
/// value / 10^scale, without zeros behind it.
void append_json_decimal(std::string& out, std::int64_t value, int scale);
void append_json(std::string& out, std::string_view text);

/// The bits of a value as rows hold them; `text` for string and category.
void append_json(std::string& out, Type type, int scale, std::uint64_t bits, std::string_view text);

}  // namespace featlib
