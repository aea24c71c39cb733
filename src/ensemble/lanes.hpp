/// Tests and leaves of tiles once more, in the order that registers of 16 or 32 bytes want them.
#pragma once

#include "ensemble/tiles.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

namespace featlib::detail {

struct Lanes {
  AlignedVector<std::uint8_t> column, k;  // by group of `lanes` tiles, then node, then tile; empty above most_lane_columns
  AlignedVector<std::uint8_t> planes;     // of float leaves: four planes of 64 a tile, the bytes of each leaf from the lowest
};

/// Columns that byte shuffles look up: four registers of 16.
inline constexpr std::size_t most_lane_columns = 64;

template <class S>
Lanes make_lanes(const Tiles<S>& tiles, std::size_t lanes, std::uint8_t flip) {
  Lanes out;
  const std::size_t size = tiles.size(), groups = (size + lanes - 1) / lanes;
  if (tiles.columns <= most_lane_columns) {
    out.column.resize(groups * tile_nodes * lanes);
    out.k.resize(groups * tile_nodes * lanes);
    for (std::size_t tile = 0; tile < size; ++tile)
      for (std::size_t h = 0; h < tile_nodes; ++h) {
        const std::size_t at = (tile / lanes * tile_nodes + h) * lanes + tile % lanes;
        out.column[at] = static_cast<std::uint8_t>(tiles.column[tile * tile_nodes + h]);
        out.k[at] = tiles.k[tile * tile_nodes + h] ^ flip;
      }
  }
  if constexpr (sizeof(S) == 4) {
    out.planes.resize(4 * tiles.leaves.size());
    for (std::size_t i = 0; i < tiles.leaves.size(); ++i) {
      const auto bits = std::bit_cast<std::uint32_t>(tiles.leaves[i]);
      for (std::size_t byte = 0; byte < 4; ++byte)
        out.planes[i / tile_nodes * 4 * tile_nodes + byte * tile_nodes + i % tile_nodes] = static_cast<std::uint8_t>(bits >> 8 * byte);
    }
  }
  return out;
}

}  // namespace featlib::detail
