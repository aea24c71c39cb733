/// Bundles written by hand, all hashes in order.
#pragma once

#include <featlib/bundle.hpp>
#include <featlib/core/fingerprint.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace featlib::testing {

inline constexpr std::size_t header_size = 48, hash_size = 32;   // docs/formats.md

inline std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// A bundle's file written by hand from a manifest and the parts: what a hostile or a newer writer could make, all hashes in order.
inline std::vector<std::byte> forged(std::string_view manifest, std::string_view parts, std::uint32_t version = 1) {
  std::string out("\x89" "FLB\r\n\x1a\n", 8);
  const auto u32 = [&](std::uint32_t value) {
    for (int i = 0; i < 4; ++i, value >>= 8) out += static_cast<char>(value & 0xff);
  };
  const auto hash = [&](std::string_view of) {
    const auto digest = sha256(std::as_bytes(std::span(of)));
    out.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  };
  u32(version);
  u32(static_cast<std::uint32_t>(manifest.size()));
  hash(manifest);
  out += manifest;
  out += parts;
  hash(out);
  return bytes_of(out);
}

/// The manifest and the parts of a bundle, to be changed and forged again.
struct Pieces {
  nlohmann::json manifest;
  std::string parts;

  explicit Pieces(const Bundle& bundle) {
    const std::string text(reinterpret_cast<const char*>(bundle.bytes().data()), bundle.bytes().size());
    const auto size = static_cast<std::size_t>(static_cast<unsigned char>(text[12])) | static_cast<std::size_t>(static_cast<unsigned char>(text[13])) << 8;
    manifest = nlohmann::json::parse(text.substr(header_size, size));
    parts = text.substr(header_size + size, text.size() - header_size - size - hash_size);
  }

  nlohmann::json& part(std::string_view name) {
    for (nlohmann::json& entry : manifest["parts"])
      if (entry["name"] == name) return entry;
    throw std::out_of_range("no such part");
  }

  /// Another content of a part, with offsets, sizes and hashes set right.
  void replace(std::string_view name, const std::string& content) {
    nlohmann::json& entry = part(name);
    parts.replace(entry["offset"].get<std::size_t>(), entry["size"].get<std::size_t>(), content);
    entry["size"] = content.size();
    entry["sha256"] = sha256_hex(content);
    std::size_t offset = 0;
    for (nlohmann::json& each : manifest["parts"]) {
      each["offset"] = offset;
      offset += each["size"].get<std::size_t>();
    }
  }

  Result<Bundle> open() const { return Bundle::parse(forged(manifest.dump(), parts), "x.flb"); }
};

}  // namespace featlib::testing
