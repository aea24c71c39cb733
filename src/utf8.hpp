/// Well-formed UTF-8 (RFC 3629): matching is by bytes, but what we show and export must be text.
#pragma once

#include <cstdint>
#include <string_view>

namespace featlib {

inline bool is_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = p + text.size();
  while (p < end) {
    if (*p < 0x80) { ++p; continue; }
    const int more = (*p >> 5) == 6 ? 1 : (*p >> 4) == 14 ? 2 : (*p >> 3) == 30 ? 3 : 0;
    if (more == 0 || end - p <= more) return false;
    std::uint32_t code = *p & (0x3f >> more);
    for (int i = 1; i <= more; ++i) {
      if ((p[i] & 0xc0) != 0x80) return false;
      code = code << 6 | (p[i] & 0x3f);
    }
    if (code < (more == 1 ? 0x80u : more == 2 ? 0x800u : 0x10000u) || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    p += more + 1;
  }
  return true;
}

}  // namespace featlib
