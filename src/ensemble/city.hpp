/// CityHash64 of a decimal integer, as CatBoost hashes categories (libs/cat_feature/cat_feature.cpp, util/digest/city.cpp).
/// Written from the published algorithm (Pike and Alakuijala, 2011, version 1.0); integers need its cases up to 32 bytes.
#pragma once

#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace featlib::detail {

class City {
 public:
  /// The low half, which is what models keep.
  static std::uint32_t of(std::int64_t code) noexcept {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof(digits), code).ptr;
    return static_cast<std::uint32_t>(hash({digits, static_cast<std::size_t>(end - digits)}));
  }

 private:
  static constexpr std::uint64_t k0 = 0xc3a5c85c97cb3127, k1 = 0xb492b66fbe98f273, k2 = 0x9ae16a3b2f90404f, k3 = 0xc949d7c7509e6557;

  template <class T>
  static std::uint64_t load(const char* at) noexcept {
    T value;
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
  static std::uint64_t mixed(std::uint64_t x) noexcept { return x ^ (x >> 47); }
  static std::uint64_t pair(std::uint64_t u, std::uint64_t v) noexcept {
    constexpr std::uint64_t multiplier = 0x9ddfea08eb382d69;
    std::uint64_t a = (u ^ v) * multiplier;
    a ^= a >> 47;
    std::uint64_t b = (v ^ a) * multiplier;
    b ^= b >> 47;
    return b * multiplier;
  }

  static std::uint64_t hash(std::string_view text) noexcept {
    const char* s = text.data();
    const std::size_t n = text.size();
    if (n > 16) {
      const std::uint64_t a = load<std::uint64_t>(s) * k1, b = load<std::uint64_t>(s + 8), c = load<std::uint64_t>(s + n - 8) * k2,
                          d = load<std::uint64_t>(s + n - 16) * k0;
      return pair(std::rotr(a - b, 43) + std::rotr(c, 30) + d, a + std::rotr(b ^ k3, 20) - c + n);
    }
    if (n > 8) {
      const std::uint64_t a = load<std::uint64_t>(s), b = load<std::uint64_t>(s + n - 8);
      return pair(a, std::rotr(b + n, static_cast<int>(n))) ^ b;
    }
    if (n >= 4) return pair(n + (load<std::uint32_t>(s) << 3), load<std::uint32_t>(s + n - 4));
    const auto a = static_cast<std::uint8_t>(s[0]), b = static_cast<std::uint8_t>(s[n / 2]), c = static_cast<std::uint8_t>(s[n - 1]);
    const std::uint32_t y = a + (std::uint32_t{b} << 8), z = static_cast<std::uint32_t>(n) + (std::uint32_t{c} << 2);
    return mixed(y * k2 ^ z * k3) * k2;
  }
};

}  // namespace featlib::detail
