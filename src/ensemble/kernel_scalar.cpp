/// The kernel of any machine: tests of a tile one after another, several tiles in flight.
#include "ensemble/compiled.hpp"

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
    const std::uint32_t way = ((h + 1) << (tile_levels - tiles.levels)) - tile_nodes;
    return deep ? below.leaf(tile, way, bytes.data(), 1) : tiles.leaf(tile, way);
  };
  const auto go = [&](std::size_t tile, std::uint32_t h) {
    return 2 * h + 1 + (bytes[tiles.column[tile * tile_nodes + h]] > tiles.k[tile * tile_nodes + h]);
  };
  for (std::size_t o = 0; o < model.outputs.size(); ++o) {
    S sum = model.outputs[o].base;
    std::size_t tile = model.outputs[o].first;
    const std::size_t last = model.outputs[o].last;
    for (; tile + lanes <= last; tile += lanes) {
      std::array<std::uint32_t, lanes> h{};
      for (std::uint32_t level = 0; level < tiles.levels; ++level)
        for (std::size_t i = 0; i < lanes; ++i) h[i] = go(tile + i, h[i]);
      for (std::size_t i = 0; i < lanes; ++i) sum += leaf(tile + i, h[i]);
    }
    for (; tile < last; ++tile) {
      std::uint32_t h = 0;
      for (std::uint32_t level = 0; level < tiles.levels; ++level) h = go(tile, h);
      sum += leaf(tile, h);
    }
    out[o] = sum;
  }
}

/// Row after row. Rows in flight instead of tiles were no faster (300 trees of depth 6: 2.0 us a row in blocks of 64, 3.0 in
/// blocks of 512, against 1.9).
template <class X, class S>
void block(const Compiled<X, S>& model, const X* rows, std::size_t n, S* out) noexcept {
  for (std::size_t i = 0; i < n; ++i) one(model, rows + i * model.ranks.features, out + i * model.outputs.size());
}

template <class X, class S>
void tables_one(const Compiled<X, S>& model, const X* row, S* out) noexcept {
  const Tables<S>& tables = model.tables;
  std::array<std::uint8_t, most_columns + 1> bytes;
  model.ranks.row(row, bytes.data(), 1);
  for (std::size_t o = 0; o < model.outputs.size(); ++o) {
    S sum = model.outputs[o].base;
    for (std::size_t tree = model.outputs[o].first; tree < model.outputs[o].last; ++tree) {
      std::uint32_t leaf = 0;
      for (std::size_t i = tree * tables.levels; i < (tree + 1) * tables.levels; ++i) leaf = 2 * leaf + (bytes[tables.column[i]] > tables.k[i]);
      sum += tables.leaves[tables.first[tree] + leaf];
    }
    out[o] = sum;
  }
}

template <class X, class S>
void tables_block(const Compiled<X, S>& model, const X* rows, std::size_t n, S* out) noexcept {
  for (std::size_t i = 0; i < n; ++i) tables_one(model, rows + i * model.ranks.features, out + i * model.outputs.size());
}

}  // namespace

template <class X, class S>
const Kernel<X, S>* scalar_kernel() noexcept {
  static constexpr Kernel<X, S> kernel{"scalar", {&one<X, S>, &block<X, S>, 0}, {&tables_one<X, S>, &tables_block<X, S>, 0}};
  return &kernel;
}

template const Kernel<float, float>* scalar_kernel() noexcept;
template const Kernel<float, double>* scalar_kernel() noexcept;
template const Kernel<double, double>* scalar_kernel() noexcept;

}  // namespace featlib::detail
