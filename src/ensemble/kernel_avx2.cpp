/// AVX2: one test of 32 tiles at once for one row, one test of 32 rows at once for many.
///
/// Byte compares are signed here, so ranks and k are flipped at their highest bit. Instructions are asked for function by
/// function: see kernel_avx512.cpp.
#include "ensemble/compiled.hpp"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#define FEATLIB_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define FEATLIB_AVX2_INLINE __attribute__((target("avx2,bmi,bmi2,popcnt"), always_inline)) inline

namespace featlib::detail {
namespace {

using u8 = std::uint8_t;
using u32 = std::uint32_t;

constexpr std::size_t lanes = 32;

FEATLIB_AVX2_INLINE __m256i load(const void* from) noexcept { return _mm256_load_si256(static_cast<const __m256i*>(from)); }
FEATLIB_AVX2_INLINE __m256i flipped(__m256i x) noexcept { return _mm256_xor_si256(x, _mm256_set1_epi8(-128)); }

// ---- ranks ---------------------------------------------------------------------------------------------------------

/// Of sixteen cuts, how many are at or below x.
FEATLIB_AVX2_INLINE u32 count(const float* cuts, float x) noexcept {
  const __m256 v = _mm256_set1_ps(x);
  const int low = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_load_ps(cuts), v, _CMP_LE_OQ));
  const int high = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_load_ps(cuts + 8), v, _CMP_LE_OQ));
  return static_cast<u32>(_mm_popcnt_u32(static_cast<u32>(high << 8 | low)));
}
FEATLIB_AVX2_INLINE u32 count(const double* cuts, double x) noexcept {
  const __m256d v = _mm256_set1_pd(x);
  u32 mask = 0;
  for (int i = 0; i < 4; ++i) mask |= static_cast<u32>(_mm256_movemask_pd(_mm256_cmp_pd(_mm256_load_pd(cuts + 4 * i), v, _CMP_LE_OQ))) << 4 * i;
  return static_cast<u32>(_mm_popcnt_u32(mask));
}

/// Pivots, then the sixteen cuts they say.
template <class X>
FEATLIB_AVX2_INLINE u32 plain_rank(const X* table, X x) noexcept {
  const u32 whole = 16 * count(table, x);
  return whole + count(table + 16 + whole, x);
}

/// A column is `stride` bytes, one a row.
template <class X>
FEATLIB_AVX2 void rank(const Ranks<X>& ranks, const X* rows, std::size_t n, std::size_t stride, u8* bytes) noexcept {
  const std::size_t width = ranks.features;
  for (const typename Ranks<X>::Plain *f = ranks.plain.data(), *end = f + ranks.plain.size(); f != end; ++f) {
    const X* table = ranks.table.data() + f->at;
    const X* from = rows + f->feature;
    u8 *low = bytes + f->low * stride, *high = bytes + f->high * stride;
    for (std::size_t i = 0; i < n; ++i, from += width) {
      const u32 rank = plain_rank(table, *from);
      low[i] = static_cast<u8>(rank);
      high[i] = static_cast<u8>(*from != *from ? 255 : rank);
    }
  }
  for (const typename Ranks<X>::Other *f = ranks.other.data(), *end = f + ranks.other.size(); f != end; ++f) {
    const X* table = ranks.table.data() + f->at;
    for (std::size_t i = 0; i < n; ++i) {
      const X x = ranks.seen(*f, rows + i * width);
      ranks.put(*f, x, f->by_sixteens() ? plain_rank(table, x) : rank_of(table, f->cuts, x), bytes + i, stride);
    }
  }
}

// ---- tests and turns -----------------------------------------------------------------------------------------------

/// Of level `level` below node h, the result that the turns in between, from `turns` on, pick.
template <int level, class Tests>
FEATLIB_AVX2_INLINE __m256i picked(const Tests& tests, int h, const __m256i* turns) noexcept {
  if constexpr (level == 0) {
    return tests.result(h);
  } else {
    const __m256i left = picked<level - 1>(tests, 2 * h + 1, turns + 1), right = picked<level - 1>(tests, 2 * h + 2, turns + 1);
    return _mm256_blendv_epi8(left, right, turns[0]);
  }
}

/// The ways out, 0 to 63, a byte each.
template <class Tests>
FEATLIB_AVX2_INLINE __m256i ways(const Tests& tests) noexcept {
  __m256i t[6];
  t[0] = picked<0>(tests, 0, t);
  t[1] = picked<1>(tests, 0, t);
  t[2] = picked<2>(tests, 0, t);
  t[3] = picked<3>(tests, 0, t);
  t[4] = picked<4>(tests, 0, t);
  t[5] = picked<5>(tests, 0, t);
  __m256i way = _mm256_and_si256(t[0], _mm256_set1_epi8(32));
  for (int level = 1; level < 6; ++level) way = _mm256_or_si256(way, _mm256_and_si256(t[level], _mm256_set1_epi8(static_cast<char>(32 >> level))));
  return way;
}

// ---- one row -------------------------------------------------------------------------------------------------------

/// Sixty-four bytes, looked up by the 32 numbers below 64 in `at`.
FEATLIB_AVX2_INLINE __m256i look_up(const __m256i* table, __m256i at) noexcept {
  const __m256i by_16 = _mm256_slli_epi16(at, 3), by_32 = _mm256_slli_epi16(at, 2);
  const __m256i low = _mm256_blendv_epi8(_mm256_shuffle_epi8(table[0], at), _mm256_shuffle_epi8(table[1], at), by_16);
  const __m256i high = _mm256_blendv_epi8(_mm256_shuffle_epi8(table[2], at), _mm256_shuffle_epi8(table[3], at), by_16);
  return _mm256_blendv_epi8(low, high, by_32);
}

FEATLIB_AVX2_INLINE void load_table(const u8* bytes, __m256i* table) noexcept {
  for (int i = 0; i < 4; ++i) table[i] = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes + 16 * i)));
}

struct TestsOfTiles {
  __m256i table[4];
  const u8 *column, *k;

  FEATLIB_AVX2_INLINE __m256i result(int h) const noexcept {
    return _mm256_cmpgt_epi8(look_up(table, load(column + 32 * h)), flipped(load(k + 32 * h)));
  }
};

template <class X, class S>
FEATLIB_AVX2 void one(const Compiled<X, S>& model, const X* row, S* out) noexcept {
  const Tiles<S>& tiles = model.tiles;
  if (model.lanes.column.empty()) return scalar_kernel<X, S>()->one(model, row, out);
  alignas(64) u8 bytes[most_lane_columns + 1];
  alignas(64) u8 flipped_bytes[most_lane_columns];
  rank(model.ranks, row, 1, 1, bytes);
  for (std::size_t i = 0; i < most_lane_columns; i += 32)
    _mm256_store_si256(reinterpret_cast<__m256i*>(flipped_bytes + i), flipped(load(bytes + i)));
  TestsOfTiles tests;
  load_table(flipped_bytes, tests.table);

  const bool deep = !tiles.rounds.empty();
  const Below<S> below(tiles);
  alignas(32) u8 way[lanes];
  for (std::size_t o = 0; o < tiles.groups.size(); ++o) {
    S sum = tiles.base[o];
    for (std::size_t tile = tiles.groups[o].first; tile < tiles.groups[o].last; ++tile) {
      if (tile % lanes == 0) {
        tests.column = model.lanes.column.data() + tile * tile_nodes;
        tests.k = model.lanes.k.data() + tile * tile_nodes;
        _mm256_store_si256(reinterpret_cast<__m256i*>(way), ways(tests));
      }
      sum += deep ? below.leaf(tile, way[tile % lanes], bytes, 1) : tiles.leaf(tile, way[tile % lanes]);
    }
    out[o] = sum;
  }
}

// ---- a block of rows -----------------------------------------------------------------------------------------------

struct TestsOfRows {
  const u8* bytes;     // of the first of 32 rows
  const u32* offsets;  // of a test's column
  const u32* k;        // four times, since that is how a broadcast costs no shuffle

  FEATLIB_AVX2_INLINE __m256i result(int h) const noexcept {
    return _mm256_cmpgt_epi8(load(bytes + offsets[h]), _mm256_set1_epi32(static_cast<int>(k[h])));
  }
};

/// Leaves byte by byte: four lookups, unpacked to floats. The order of sums within 32 is undone by `place_of`.
FEATLIB_AVX2_INLINE void add_leaves(const u8* planes, const float*, __m256i way, float* sums) noexcept {
  __m256i byte[4];
  for (int i = 0; i < 4; ++i) {
    __m256i table[4];
    load_table(planes + 64 * i, table);
    byte[i] = look_up(table, way);
  }
  const __m256i a = _mm256_unpacklo_epi8(byte[0], byte[1]), b = _mm256_unpackhi_epi8(byte[0], byte[1]);
  const __m256i c = _mm256_unpacklo_epi8(byte[2], byte[3]), d = _mm256_unpackhi_epi8(byte[2], byte[3]);
  const __m256i leaf[4] = {_mm256_unpacklo_epi16(a, c), _mm256_unpackhi_epi16(a, c), _mm256_unpacklo_epi16(b, d), _mm256_unpackhi_epi16(b, d)};
  for (int i = 0; i < 4; ++i) _mm256_store_ps(sums + 8 * i, _mm256_add_ps(_mm256_load_ps(sums + 8 * i), _mm256_castsi256_ps(leaf[i])));
}

FEATLIB_AVX2_INLINE void add_leaves(const u8*, const double* leaves, __m256i way, double* sums) noexcept {
  alignas(32) u8 ways[lanes];
  _mm256_store_si256(reinterpret_cast<__m256i*>(ways), way);
  for (std::size_t i = 0; i < lanes; ++i) sums[i] += leaves[ways[i]];
}

/// Where `add_leaves` keeps the sum of row i.
inline std::size_t place_of(float, std::size_t i) noexcept { return (i & ~std::size_t{31}) + i % 16 / 4 * 8 + i % 32 / 16 * 4 + i % 4; }
inline std::size_t place_of(double, std::size_t i) noexcept { return i; }

template <class X, class S>
FEATLIB_AVX2 void block(const Compiled<X, S>& model, const X* rows, std::size_t n, S* out) noexcept {
  const Tiles<S>& tiles = model.tiles;
  const std::size_t parts = (n + lanes - 1) / lanes, stride = lanes * parts, outputs = tiles.groups.size();
  alignas(64) u8 bytes[block_bytes];
  rank(model.ranks, rows, n, stride, bytes);
  const bool deep = !tiles.rounds.empty();
  const Below<S> below(tiles);
  alignas(64) S sums[most_rows];
  alignas(64) u8 way[most_rows];
  alignas(64) u32 offsets[tile_nodes], k[tile_nodes];
  for (std::size_t i = 0; i < tiles.columns * stride; i += 32) _mm256_store_si256(reinterpret_cast<__m256i*>(bytes + i), flipped(load(bytes + i)));
  TestsOfRows tests{bytes, offsets, k};
  for (std::size_t o = 0; o < outputs; ++o) {
    for (std::size_t i = 0; i < stride; ++i) sums[i] = tiles.base[o];
    for (std::size_t tile = tiles.groups[o].first; tile < tiles.groups[o].last; ++tile) {
      for (std::size_t h = 0; h < tile_nodes; ++h) {
        offsets[h] = static_cast<u32>(tiles.column[tile * tile_nodes + h] * stride);
        k[h] = (tiles.k[tile * tile_nodes + h] ^ 0x80u) * 0x01010101u;
      }
      for (std::size_t part = 0; part < parts; ++part) {
        tests.bytes = bytes + lanes * part;
        const __m256i w = ways(tests);
        if (deep)
          _mm256_store_si256(reinterpret_cast<__m256i*>(way + lanes * part), w);
        else
          add_leaves(model.lanes.planes.data() + tile * 4 * tile_nodes, tiles.leaves.data() + tile * tile_nodes, w, sums + lanes * part);
      }
      if (deep)
        for (std::size_t i = 0; i < n; ++i) sums[i] += below.template leaf<128>(tile, way[i], bytes + i, stride);
    }
    for (std::size_t i = 0; i < n; ++i) out[i * outputs + o] = sums[deep ? i : place_of(S{}, i)];
  }
}

}  // namespace

template <class X, class S>
const Kernel<X, S>* avx2_kernel() noexcept {
  static constexpr Kernel<X, S> kernel{"avx2", &one<X, S>, &block<X, S>, 12, 12, lanes};
  const bool runs_here = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
  return runs_here ? &kernel : nullptr;
}

}  // namespace featlib::detail

#else

namespace featlib::detail {

template <class X, class S>
const Kernel<X, S>* avx2_kernel() noexcept {
  return nullptr;
}

}  // namespace featlib::detail

#endif

namespace featlib::detail {

template const Kernel<float, float>* avx2_kernel() noexcept;
template const Kernel<float, double>* avx2_kernel() noexcept;
template const Kernel<double, double>* avx2_kernel() noexcept;

}  // namespace featlib::detail
