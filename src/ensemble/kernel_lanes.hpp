/// Kernels over registers of bytes, whatever the machine: one test of `V::lanes` tiles at once for one row, one test of as many
/// rows at once for many.
///
/// The includer is a kernel's own file. It defines FEATLIB_TARGET, the attribute that asks for its instructions function by
/// function (see kernel_avx512.cpp), and V:
///
///     lanes; columns; flip     // bytes of a register and of a Table; what is added to ranks and k so that `greater` orders them
///     Bytes, Table             // registers; as look_up wants them
///     load store splat         // splat: a byte everywhere, given four times as 32 bits
///     greater(a, b)            // all ones where a > b
///     pick(m, a, b)            // b where m, else a
///     ored(w, m, byte)         // w, and where m also `byte`
///     table(bytes) look_up(table, at)
///     add_leaves(planes, leaves, way, sums), place_of(S, row)
///     count(cuts, x)           // of sixteen cuts, those at or below x
#pragma once

#include "ensemble/compiled.hpp"

#include <algorithm>
#include <cstring>

#define FEATLIB_TARGET_INLINE FEATLIB_TARGET __attribute__((always_inline)) inline

namespace featlib::detail {

/// Pivots, then the sixteen cuts they say.
template <class V, class X>
FEATLIB_TARGET_INLINE std::uint32_t lanes_rank(const X* table, X x) noexcept {
  const std::uint32_t whole = 16 * V::count(table, x);
  return whole + V::count(table + 16 + whole, x);
}

/// A column is `stride` bytes, one a row.
template <class V, class X>
FEATLIB_TARGET void lanes_ranks(const Ranks<X>& ranks, const X* rows, std::size_t n, std::size_t stride, std::uint8_t* bytes) noexcept {
  const std::size_t width = ranks.features;
  for (const typename Ranks<X>::Plain *f = ranks.plain.data(), *end = f + ranks.plain.size(); f != end; ++f) {
    const X* table = ranks.table.data() + f->at;
    const X* from = rows + f->feature;
    std::uint8_t *low = bytes + f->low * stride, *high = bytes + f->high * stride;
    for (std::size_t i = 0; i < n; ++i, from += width) {
      const std::uint32_t rank = lanes_rank<V>(table, *from);
      low[i] = static_cast<std::uint8_t>(rank);
      high[i] = static_cast<std::uint8_t>(*from != *from ? 255 : rank);
    }
  }
  for (const typename Ranks<X>::Other *f = ranks.other.data(), *end = f + ranks.other.size(); f != end; ++f) {
    const X* table = ranks.table.data() + f->at;
    for (std::size_t i = 0; i < n; ++i) {
      const X x = ranks.seen(*f, rows + i * width);
      ranks.put(*f, x, f->by_sixteens() ? lanes_rank<V>(table, x) : rank_of(table, f->cuts, x), bytes + i, stride);
    }
  }
}

template <class V>
FEATLIB_TARGET_INLINE void flip_bytes(std::uint8_t* bytes, std::size_t n) noexcept {
  if constexpr (V::flip != 0)
    for (std::size_t i = 0; i < n; i += V::lanes) V::store(bytes + i, V::flipped(V::load(bytes + i)));
}

/// Of level `level` below node h, the result that the turns in between, from `turns` on, pick.
template <class V, int level, class Tests>
FEATLIB_TARGET_INLINE typename V::Bytes picked(const Tests& tests, int h, const typename V::Bytes* turns) noexcept {
  if constexpr (level == 0) {
    return tests.result(h);
  } else {
    const typename V::Bytes left = picked<V, level - 1>(tests, 2 * h + 1, turns + 1);
    return V::pick(turns[0], left, picked<V, level - 1>(tests, 2 * h + 2, turns + 1));
  }
}

/// The ways out, 0 to 63, a byte each, where no test below `levels` goes right.
template <class V, int levels, class Tests>
FEATLIB_TARGET_INLINE typename V::Bytes ways(const Tests& tests) noexcept {
  typename V::Bytes t[6];
  t[0] = picked<V, 0>(tests, 0, t);
  t[1] = picked<V, 1>(tests, 0, t);
  t[2] = picked<V, 2>(tests, 0, t);
  t[3] = picked<V, 3>(tests, 0, t);
  if constexpr (levels > 4) t[4] = picked<V, 4>(tests, 0, t);
  if constexpr (levels > 5) t[5] = picked<V, 5>(tests, 0, t);
  typename V::Bytes way = V::splat(0);
  for (int level = 0; level < levels; ++level) way = V::ored(way, t[level], static_cast<std::uint8_t>(32 >> level));
  return way;
}

template <class V, class S, class Tests>
FEATLIB_TARGET_INLINE typename V::Bytes ways(const Tiles<S>& tiles, const Tests& tests) noexcept {
  if (tiles.levels <= 4) return ways<V, 4>(tests);
  return tiles.levels == 5 ? ways<V, 5>(tests) : ways<V, 6>(tests);
}

template <class V>
struct TestsOfTiles {
  typename V::Table table;
  const std::uint8_t *column, *k;

  FEATLIB_TARGET_INLINE typename V::Bytes result(int h) const noexcept {
    return V::greater(V::look_up(table, V::load(column + V::lanes * static_cast<unsigned>(h))), V::load(k + V::lanes * static_cast<unsigned>(h)));
  }
};

/// Adds the leaves of tiles, whose ways out begin at `way`. Registers have taken four levels of each; with `lower` there are two
/// more, which cost registers 48 of 63 tests and this three loads each.
template <bool lower, bool deep, class S>
S add_tiles(const Tiles<S>& tiles, std::size_t tile, std::size_t last, const std::uint8_t* way, const std::uint8_t* bytes, S sum) noexcept {
  const std::uint8_t *column = tiles.narrow_column.data() + tile * tile_nodes, *k = tiles.k.data() + tile * tile_nodes;
  const S* leaves = tiles.leaves.data() + tile * tile_nodes;
  const Below<S> below(tiles);
  for (; tile < last; ++tile, ++way, column += tile_nodes, k += tile_nodes, leaves += tile_nodes) {
    std::uint32_t w = *way;
    if constexpr (lower) {
      std::uint32_t h = 15 + w / 4;
      for (int level = 4; level < 6; ++level) h = 2 * h + 1 + (bytes[column[h]] > k[h]);
      w = h - 63;
    }
    sum += deep ? below.leaf(tile, w, bytes, 1) : leaves[w];
  }
  return sum;
}

template <class V, class X, class S>
FEATLIB_TARGET void lanes_one(const Compiled<X, S>& model, const X* row, S* out) noexcept {
  const Tiles<S>& tiles = model.tiles;
  alignas(64) std::uint8_t bytes[V::columns + V::lanes], flipped[V::columns];
  lanes_ranks<V>(model.ranks, row, 1, 1, bytes);
  std::memcpy(flipped, bytes, V::columns);
  flip_bytes<V>(flipped, V::columns);
  TestsOfTiles<V> tests{V::table(flipped), nullptr, nullptr};

  const bool deep = !tiles.rounds.empty(), lower = tiles.levels > 4;
  const auto add = lower ? deep ? &add_tiles<true, true, S> : &add_tiles<true, false, S> : deep ? &add_tiles<false, true, S> : &add_tiles<false, false, S>;
  alignas(32) std::uint8_t way[V::lanes];
  for (std::size_t o = 0; o < model.outputs.size(); ++o) {
    S sum = model.outputs[o].base;
    const std::size_t last = model.outputs[o].last;
    for (std::size_t tile = model.outputs[o].first, end; tile < last; tile = end) {
      end = std::min(last, (tile / V::lanes + 1) * V::lanes);
      if (tile % V::lanes == 0) {
        tests.column = model.lanes.column.data() + tile * tile_nodes;
        tests.k = model.lanes.k.data() + tile * tile_nodes;
        V::store(way, ways<V, 4>(tests));
      }
      sum = add(tiles, tile, end, way + tile % V::lanes, bytes, sum);
    }
    out[o] = sum;
  }
}

template <class V>
struct TestsOfRows {
  const std::uint8_t* bytes;     // of the first of the rows
  const std::uint32_t* offsets;  // of a test's column
  const std::uint32_t* k;        // four times, since that is how a broadcast costs no shuffle

  FEATLIB_TARGET_INLINE typename V::Bytes result(int h) const noexcept { return V::greater(V::load(bytes + offsets[h]), V::splat(k[h])); }
};

template <class V, class X, class S>
FEATLIB_TARGET void lanes_block(const Compiled<X, S>& model, const X* rows, std::size_t n, S* out) noexcept {
  const Tiles<S>& tiles = model.tiles;
  const std::size_t parts = (n + V::lanes - 1) / V::lanes, stride = V::lanes * parts, outputs = model.outputs.size();
  alignas(64) std::uint8_t bytes[block_bytes];
  lanes_ranks<V>(model.ranks, rows, n, stride, bytes);
  flip_bytes<V>(bytes, model.ranks.columns * stride);
  constexpr std::uint64_t all = ~std::uint64_t{0};
  const bool deep = !tiles.rounds.empty();
  const Below<S> below(tiles);
  alignas(64) S sums[most_rows];
  alignas(64) std::uint8_t way[most_rows];
  std::uint16_t row_below[most_rows];
  alignas(64) std::uint32_t offsets[tile_nodes], k[tile_nodes];
  TestsOfRows<V> tests{bytes, offsets, k};
  for (std::size_t o = 0; o < outputs; ++o) {
    for (std::size_t i = 0; i < stride; ++i) sums[i] = model.outputs[o].base;
    for (std::size_t tile = model.outputs[o].first; tile < model.outputs[o].last; ++tile) {
      for (std::size_t h = 0; h < tile_nodes; ++h) {
        offsets[h] = static_cast<std::uint32_t>(tiles.column[tile * tile_nodes + h] * stride);
        k[h] = (std::uint32_t{tiles.k[tile * tile_nodes + h]} ^ V::flip) * 0x01010101u;
      }
      const std::uint64_t open = deep ? tiles.open[tile] : 0;
      for (std::size_t part = 0; part < parts; ++part) {
        tests.bytes = bytes + V::lanes * part;
        const typename V::Bytes w = ways<V>(tiles, tests);
        if (open != 0) V::store(way + V::lanes * part, w);
        if (open != all) V::add_leaves(model.lanes.planes.data() + tile * 4 * tile_nodes, tiles.leaves.data() + tile * tile_nodes, w, sums + V::lanes * part);
      }
      if (open == 0) continue;
      if (open == all) {  // 2.6 us a row against 4.0 (1000 full trees of depth 8, Zen 5)
        for (std::size_t i = 0; i < n; ++i) sums[V::place_of(S{}, i)] += below.template leaf<V::flip>(tile, way[i], bytes + i, stride);
        continue;
      }
      std::size_t below_rows = 0;  // found without a branch, since none would be foreseen
      for (std::size_t i = 0; i < n; ++i) {
        row_below[below_rows] = static_cast<std::uint16_t>(i);
        below_rows += open >> way[i] & 1;
      }
      for (std::size_t j = 0; j < below_rows; ++j) {
        const std::size_t i = row_below[j];
        sums[V::place_of(S{}, i)] += below.template leaf<V::flip>(tile, way[i], bytes + i, stride);
      }
    }
    for (std::size_t i = 0; i < n; ++i) out[i * outputs + o] = sums[V::place_of(S{}, i)];
  }
}

}  // namespace featlib::detail
