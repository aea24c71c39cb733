/// Oblivious trees over registers of bytes: one level of `V::lanes` trees at once for one row, of as many rows at once for many.
///
/// Included as kernel_lanes.hpp is. It takes of that V: lanes, columns, flip, load, store, splat, flipped, table, look_up, place_of; and
/// besides:
///
///     rank_row(ranks, row, bytes), rank_rows(ranks, rows, n, stride, bytes)   // a column is `stride` bytes, not yet flipped
///     plus_test(way, a, b)                   // twice `way`, and 1 more where a > b
///     store_pairs(low, high, to)             // as 16 bits each
///     plane_levels<S>                        // leaves of at most so many levels, and of one at least, are looked up in registers:
///     add_leaves(planes, levels, way, sums)
#pragma once

#include "ensemble/kernel_lanes.hpp"

namespace featlib::detail {

/// Levels whose bits are above the lowest eight of a leaf's number: the first.
constexpr std::uint32_t high_levels(std::uint32_t levels) noexcept { return levels > 8 ? levels - 8 : 0; }

/// Bytes of a leaf's number for `V::lanes` trees of one row, whose tests begin at `column` and `k`.
template <class V>
FEATLIB_TARGET_INLINE typename V::Bytes way_of_trees(const typename V::Table& table, const std::uint8_t* column, const std::uint8_t* k, std::uint32_t from, std::uint32_t to) noexcept {
  typename V::Bytes way = V::splat(0);
  for (std::uint32_t i = from; i < to; ++i) way = V::plus_test(way, V::look_up(table, V::load(column + i * V::lanes)), V::load(k + i * V::lanes));
  return way;
}

template <class V, class X, class S>
FEATLIB_TARGET void tables_one(const Compiled<X, S>& model, const X* row, S* out) noexcept {
  const Tables<S>& tables = model.tables;
  alignas(64) std::uint8_t bytes[V::columns + V::lanes];
  V::rank_row(model.ranks, row, bytes);
  flip_bytes<V>(bytes, V::columns);
  const typename V::Table table = V::table(bytes);
  const std::uint32_t levels = tables.levels, high = high_levels(levels);
  alignas(64) std::uint16_t leaf[V::lanes];
  for (std::size_t o = 0; o < model.outputs.size(); ++o) {
    S sum = model.outputs[o].base;
    const std::size_t last = model.outputs[o].last;
    for (std::size_t tree = model.outputs[o].first, end; tree < last; tree = end) {
      end = std::min(last, (tree / V::lanes + 1) * V::lanes);
      if (tree % V::lanes == 0) {
        const std::uint8_t *column = model.lanes.column.data() + tree * levels, *k = model.lanes.k.data() + tree * levels;
        V::store_pairs(way_of_trees<V>(table, column, k, high, levels), way_of_trees<V>(table, column, k, 0, high), leaf);
      }
      for (std::size_t t = tree; t < end; ++t) sum += tables.leaves[tables.first[t] + leaf[t % V::lanes]];
    }
    out[o] = sum;
  }
}

/// Bytes of a leaf's number for `V::lanes` rows of one tree, whose columns begin at `offsets`.
template <class V>
FEATLIB_TARGET_INLINE typename V::Bytes way_of_rows(const std::uint8_t* bytes, const std::size_t* offsets, const std::uint32_t* k, std::uint32_t from, std::uint32_t to) noexcept {
  typename V::Bytes way = V::splat(0);
  for (std::uint32_t i = from; i < to; ++i) way = V::plus_test(way, V::load(bytes + offsets[i]), V::splat(k[i]));
  return way;
}

template <class V, class X, class S>
FEATLIB_TARGET void tables_block(const Compiled<X, S>& model, const X* rows, std::size_t n, S* out) noexcept {
  const Tables<S>& tables = model.tables;
  const std::size_t stride = (n + V::lanes - 1) / V::lanes * V::lanes, outputs = model.outputs.size();
  const std::uint32_t levels = tables.levels, high = high_levels(levels);
  const bool in_planes = !model.lanes.planes.empty();
  const std::size_t plane_bytes = sizeof(S) * plane_size(levels);
  alignas(64) std::uint8_t bytes[block_bytes];
  V::rank_rows(model.ranks, rows, n, stride, bytes);
  flip_bytes<V>(bytes, model.ranks.columns * stride);
  alignas(64) S sums[most_rows];
  alignas(64) std::uint16_t leaf[most_rows];
  std::size_t offsets[most_table_levels];
  std::uint32_t k[most_table_levels];
  for (std::size_t o = 0; o < outputs; ++o) {
    for (std::size_t i = 0; i < stride; ++i) sums[i] = model.outputs[o].base;
    for (std::size_t tree = model.outputs[o].first; tree < model.outputs[o].last; ++tree) {
      for (std::uint32_t i = 0; i < levels; ++i) {
        offsets[i] = tables.column[tree * levels + i] * stride;
        k[i] = (std::uint32_t{tables.k[tree * levels + i]} ^ V::flip) * 0x01010101u;
      }
      if (in_planes) {
        if constexpr (V::template plane_levels<S> > 0)
          for (std::size_t i = 0; i < stride; i += V::lanes)
            V::add_leaves(model.lanes.planes.data() + tree * plane_bytes, levels, way_of_rows<V>(bytes + i, offsets, k, 0, levels), sums + i);
      } else {
        for (std::size_t i = 0; i < stride; i += V::lanes)
          V::store_pairs(way_of_rows<V>(bytes + i, offsets, k, high, levels), way_of_rows<V>(bytes + i, offsets, k, 0, high), leaf + i);
        const S* leaves = tables.leaves.data() + tables.first[tree];
        for (std::size_t i = 0; i < n; ++i) sums[i] += leaves[leaf[i]];
      }
    }
    for (std::size_t i = 0; i < n; ++i) out[i * outputs + o] = sums[in_planes ? V::place_of(S{}, i) : i];
  }
}

}  // namespace featlib::detail
