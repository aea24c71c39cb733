/// Well-formed UTF-8 (RFC 3629): matching is by bytes, but what we show and export must be text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace featlib {

/// Bytes of the character that the text begins with; 0 when it is none.
inline std::size_t utf8_character(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  if (*p < 0x80) return 1;
  const std::size_t more = (*p >> 5) == 6 ? 1 : (*p >> 4) == 14 ? 2 : (*p >> 3) == 30 ? 3 : 0;
  if (more == 0 || text.size() <= more) return 0;
  std::uint32_t code = *p & (0x3f >> more);
  for (std::size_t i = 1; i <= more; ++i) {
    if ((p[i] & 0xc0) != 0x80) return 0;
    code = code << 6 | (p[i] & 0x3f);
  }
  if (code < (more == 1 ? 0x80u : more == 2 ? 0x800u : 0x10000u) || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 0;
  return more + 1;
}

/// Bytes from the start of the text that are whole characters: its size when it is well formed.
inline std::size_t utf8_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = utf8_character(text.substr(at));
    if (length == 0) break;
    at += length;
  }
  return at;
}

inline bool is_utf8(std::string_view text) { return utf8_prefix(text) == text.size(); }

/// As much of a text as a message can hold, and of that what is well formed.
inline std::string utf8_excerpt(std::string_view text, std::size_t bytes = 40) {
  const std::size_t size = utf8_prefix(text.substr(0, bytes));
  return std::string(text.substr(0, size)) + (size < text.size() ? "..." : "");
}

}  // namespace featlib
