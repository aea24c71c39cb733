/// The kernel of any machine: tests of a tile one after another, several tiles or rows in flight.
#include "ensemble/compiled.hpp"

#include <algorithm>
#include <array>

namespace featlib::detail {
namespace {

/// In flight at once: enough to hide the two loads of a test.
constexpr std::size_t lanes = 8;

template <class X, class S>
void one(const Compiled<X, S>& model, const X* row, S* out) noexcept {
  const Tiles<S>& tiles = model.tiles;
  std::array<std::uint8_t, most_columns + 1> bytes;
  model.ranks.row(row, bytes.data(), 1);
  const Below<S> below(tiles);
  const bool deep = !tiles.rounds.empty();
  const auto leaf = [&](std::size_t tile, std::uint32_t h) {
    const std::uint32_t way = h - (tile_nodes - 1);
    return deep ? below.leaf(tile, way, bytes.data(), 1) : tiles.leaf(tile, way);
  };
  const auto go = [&](std::size_t tile, std::uint32_t h) {
    return 2 * h + 1 + (bytes[tiles.column[tile * tile_nodes + h]] > tiles.k[tile * tile_nodes + h]);
  };
  for (std::size_t o = 0; o < tiles.groups.size(); ++o) {
    S sum = tiles.base[o];
    std::size_t tile = tiles.groups[o].first;
    const std::size_t last = tiles.groups[o].last;
    for (; tile + lanes <= last; tile += lanes) {
      std::array<std::uint32_t, lanes> h{};
      for (std::uint32_t level = 0; level < tile_levels; ++level)
        for (std::size_t i = 0; i < lanes; ++i) h[i] = go(tile + i, h[i]);
      for (std::size_t i = 0; i < lanes; ++i) sum += leaf(tile + i, h[i]);
    }
    for (; tile < last; ++tile) {
      std::uint32_t h = 0;
      for (std::uint32_t level = 0; level < tile_levels; ++level) h = go(tile, h);
      sum += leaf(tile, h);
    }
    out[o] = sum;
  }
}

template <class X, class S>
void block(const Compiled<X, S>& model, const X* rows, std::size_t n, S* out) noexcept {
  const Tiles<S>& tiles = model.tiles;
  const Below<S> below(tiles);
  const bool deep = !tiles.rounds.empty();
  const std::size_t outputs = tiles.groups.size(), width = tiles.columns + 1;
  std::array<std::uint8_t, block_bytes> bytes;
  for (std::size_t i = 0; i < n; ++i) model.ranks.row(rows + i * model.ranks.features, bytes.data() + i * width, 1);
  for (std::size_t o = 0; o < outputs; ++o) {
    std::array<S, most_rows> sums;
    std::fill_n(sums.begin(), n, tiles.base[o]);
    for (std::size_t tile = tiles.groups[o].first; tile < tiles.groups[o].last; ++tile) {
      const std::uint16_t* column = tiles.column.data() + tile * tile_nodes;
      const std::uint8_t* k = tiles.k.data() + tile * tile_nodes;
      for (std::size_t first = 0; first < n; first += lanes) {
        const std::size_t some = std::min(lanes, n - first);
        const std::uint8_t* from = bytes.data() + first * width;
        std::array<std::uint32_t, lanes> h{};
        for (std::uint32_t level = 0; level < tile_levels; ++level)
          for (std::size_t i = 0; i < some; ++i) h[i] = 2 * h[i] + 1 + (from[i * width + column[h[i]]] > k[h[i]]);
        for (std::size_t i = 0; i < some; ++i) {
          const std::uint32_t way = h[i] - (tile_nodes - 1);
          sums[first + i] += deep ? below.leaf(tile, way, from + i * width, 1) : tiles.leaf(tile, way);
        }
      }
    }
    for (std::size_t i = 0; i < n; ++i) out[i * outputs + o] = sums[i];
  }
}

}  // namespace

template <class X, class S>
const Kernel<X, S>* scalar_kernel() noexcept {
  static constexpr Kernel<X, S> kernel{"scalar", &one<X, S>, &block<X, S>, 7};
  return &kernel;
}

template const Kernel<float, float>* scalar_kernel() noexcept;
template const Kernel<float, double>* scalar_kernel() noexcept;
template const Kernel<double, double>* scalar_kernel() noexcept;

}  // namespace featlib::detail
