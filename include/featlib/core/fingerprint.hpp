/// SHA-256: the identity of contracts, policies, models, bundles and snapshots.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace featlib {

std::array<std::byte, 32> sha256(std::span<const std::byte> bytes);

/// 64 lower-case hex digits.
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);

}  // namespace featlib
