/// Tests and leaves of trees once more, in the order that registers want them.
#pragma once

#include "ensemble/aligned.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace featlib::detail {

struct Lanes {
  AlignedVector<std::uint8_t> column, k;  // by group of as many trees as a register has bytes, then test, then tree
  AlignedVector<std::uint8_t> planes;     // leaves byte by byte: of a tree, a plane of the lowest bytes, then of the next
};

/// `tests` a tree; `flip` is added to k.
inline void add_tests(Lanes& out, std::span<const std::uint16_t> column, std::span<const std::uint8_t> k, std::size_t tests, std::size_t lanes, std::uint8_t flip) {
  if (tests == 0) return;
  const std::size_t trees = k.size() / tests;
  out.column.resize((trees + lanes - 1) / lanes * tests * lanes);
  out.k.resize(out.column.size());
  for (std::size_t i = 0; i < k.size(); ++i) {
    const std::size_t tree = i / tests, at = (tree / lanes * tests + i % tests) * lanes + tree % lanes;
    out.column[at] = static_cast<std::uint8_t>(column[i]);
    out.k[at] = k[i] ^ flip;
  }
}

/// Bytes of a plane: those of the largest register or more.
constexpr std::size_t plane_size(std::uint32_t levels) noexcept { return levels <= 6 ? 64 : std::size_t{1} << levels; }

/// The leaves of one tree more.
template <class S>
void add_planes(Lanes& out, std::span<const S> leaves, std::uint32_t levels) {
  const std::size_t size = plane_size(levels);
  using Bits = std::conditional_t<sizeof(S) == 4, std::uint32_t, std::uint64_t>;
  const std::size_t at = out.planes.size();
  out.planes.resize(at + sizeof(S) * size);
  for (std::size_t i = 0; i < leaves.size(); ++i)
    for (std::size_t byte = 0; byte < sizeof(S); ++byte) out.planes[at + byte * size + i] = static_cast<std::uint8_t>(std::bit_cast<Bits>(leaves[i]) >> 8 * byte);
}

}  // namespace featlib::detail
