/// AVX-512 with VBMI: all tests of a tile at once for one row, one test for 64 rows at once for many.
///
/// Instructions are asked for function by function, so that nothing inline that this file shares with others is compiled for
/// a machine that may not be there; for the same reason there are no lambdas here.
#include "ensemble/compiled.hpp"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#define FEATLIB_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,bmi,bmi2,popcnt")))
#include "ensemble/kernel_tables.hpp"

namespace featlib::detail {
namespace {

using u8 = std::uint8_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

// ---- ranks ---------------------------------------------------------------------------------------------------------

/// Of sixteen cuts, how many are at or below x.
FEATLIB_TARGET_INLINE u32 count(const float* cuts, __m512 x) noexcept {
  return static_cast<u32>(_mm_popcnt_u32(_mm512_cmp_ps_mask(_mm512_load_ps(cuts), x, _CMP_LE_OQ)));
}
FEATLIB_TARGET_INLINE u32 count(const double* cuts, __m512d x) noexcept {
  const __mmask8 low = _mm512_cmp_pd_mask(_mm512_load_pd(cuts), x, _CMP_LE_OQ);
  const __mmask8 high = _mm512_cmp_pd_mask(_mm512_load_pd(cuts + 8), x, _CMP_LE_OQ);
  return static_cast<u32>(_mm_popcnt_u32(_mm512_kunpackb(high, low)));
}
FEATLIB_TARGET_INLINE __m512 everywhere(float x) noexcept { return _mm512_set1_ps(x); }
FEATLIB_TARGET_INLINE __m512d everywhere(double x) noexcept { return _mm512_set1_pd(x); }

/// Pivots, then the sixteen cuts they say.
template <class X>
FEATLIB_TARGET_INLINE u32 plain_rank(const X* table, X x) noexcept {
  const auto v = everywhere(x);
  const u32 whole = 16 * count(table, v);
  return whole + count(table + 16 + whole, v);
}

template <class X>
FEATLIB_TARGET_INLINE void rank_other(const Ranks<X>& ranks, const typename Ranks<X>::Other& f, const X* row, u8* bytes, std::size_t stride) noexcept {
  const X x = ranks.seen(f, row);
  const X* table = ranks.table.data() + f.at;
  ranks.put(f, x, f.by_sixteens() ? plain_rank(table, x) : rank_of(table, f.cuts, x), bytes, stride);
}

template <class X>
FEATLIB_TARGET_INLINE void rank_one(const Ranks<X>& ranks, const X* row, u8* bytes) noexcept {
  const X* table = ranks.table.data();
  for (const typename Ranks<X>::Plain *f = ranks.plain.data(), *end = f + ranks.plain.size(); f != end; ++f) {
    const X x = row[f->feature];
    const u32 rank = plain_rank(table + f->at, x);
    bytes[f->low] = static_cast<u8>(rank);
    bytes[f->high] = static_cast<u8>(x != x ? 255 : rank);
  }
  for (const typename Ranks<X>::Other *f = ranks.other.data(), *end = f + ranks.other.size(); f != end; ++f)
    rank_other(ranks, *f, row, bytes, 1);
}

/// Many values of one feature go down the heap of its cuts at once: `at` is the place of each, a level's cuts lie in
/// registers, and turns already made pick among those.
struct Floats {
  static constexpr std::size_t lanes = 16;
  static constexpr int in_register = 4;  // levels
  using Values = __m512;
  using Mask = __mmask16;
  __m512 x;

  FEATLIB_TARGET_INLINE explicit Floats(const float* from) noexcept : x(_mm512_load_ps(from)) {}
  FEATLIB_TARGET_INLINE static Values pick(const float* from, __m512i at) noexcept { return _mm512_permutexvar_ps(at, _mm512_load_ps(from)); }
  FEATLIB_TARGET_INLINE static Values pick_of_two(const float* from, __m512i at) noexcept { return _mm512_permutex2var_ps(_mm512_load_ps(from), at, _mm512_load_ps(from + lanes)); }
  FEATLIB_TARGET_INLINE static Values blend(Mask m, Values a, Values b) noexcept { return _mm512_mask_blend_ps(m, a, b); }
  FEATLIB_TARGET_INLINE static __m512i root() noexcept { return _mm512_set1_epi32(1); }
  FEATLIB_TARGET_INLINE Mask right(Values cuts) const noexcept { return _mm512_cmp_ps_mask(cuts, x, _CMP_LE_OQ); }
  FEATLIB_TARGET_INLINE static __m512i down(__m512i at, Mask right) noexcept {
    const __m512i twice = _mm512_add_epi32(at, at);
    return _mm512_mask_add_epi32(twice, right, twice, root());
  }
  FEATLIB_TARGET_INLINE void store(__m512i ranks, u8* low, u8* high) const noexcept {
    const __m128i bytes = _mm512_cvtepi32_epi8(ranks);
    _mm_store_si128(reinterpret_cast<__m128i*>(low), bytes);
    _mm_store_si128(reinterpret_cast<__m128i*>(high), _mm_mask_blend_epi8(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), bytes, _mm_set1_epi8(-1)));
  }
};
struct Doubles {
  static constexpr std::size_t lanes = 8;
  static constexpr int in_register = 3;
  using Values = __m512d;
  using Mask = __mmask8;
  __m512d x;

  FEATLIB_TARGET_INLINE explicit Doubles(const double* from) noexcept : x(_mm512_load_pd(from)) {}
  FEATLIB_TARGET_INLINE static Values pick(const double* from, __m512i at) noexcept { return _mm512_permutexvar_pd(at, _mm512_load_pd(from)); }
  FEATLIB_TARGET_INLINE static Values pick_of_two(const double* from, __m512i at) noexcept { return _mm512_permutex2var_pd(_mm512_load_pd(from), at, _mm512_load_pd(from + lanes)); }
  FEATLIB_TARGET_INLINE static Values blend(Mask m, Values a, Values b) noexcept { return _mm512_mask_blend_pd(m, a, b); }
  FEATLIB_TARGET_INLINE static __m512i root() noexcept { return _mm512_set1_epi64(1); }
  FEATLIB_TARGET_INLINE Mask right(Values cuts) const noexcept { return _mm512_cmp_pd_mask(cuts, x, _CMP_LE_OQ); }
  FEATLIB_TARGET_INLINE static __m512i down(__m512i at, Mask right) noexcept {
    const __m512i twice = _mm512_add_epi64(at, at);
    return _mm512_mask_add_epi64(twice, right, twice, root());
  }
  FEATLIB_TARGET_INLINE void store(__m512i ranks, u8* low, u8* high) const noexcept {
    const __m128i bytes = _mm512_cvtepi64_epi8(ranks);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(low), bytes);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(high), _mm_mask_blend_epi8(_mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q), bytes, _mm_set1_epi8(-1)));
  }
};

/// The cuts at `at`, all of one level.
template <int level, class Many, class X>
FEATLIB_TARGET_INLINE typename Many::Values cuts_at(const X* heap, __m512i at, const typename Many::Mask* turns) noexcept {
  if constexpr (level < Many::in_register) return Many::pick(heap, at);
  if constexpr (level == Many::in_register) return Many::pick(heap + Many::lanes, at);
  if constexpr (level > Many::in_register) {
    constexpr int pairs = 1 << (level - Many::in_register - 1);
    typename Many::Values found[pairs];
    for (int i = 0; i < pairs; ++i) found[i] = Many::pick_of_two(heap + (1 << level) + 2 * Many::lanes * static_cast<std::size_t>(i), at);
    for (int half = pairs / 2; half > 0; half /= 2, ++turns)
      for (int i = 0; i < half; ++i) found[i] = Many::blend(*turns, found[i], found[i + half]);
    return found[0];
  }
}

template <int level, int levels, class Many, class X>
FEATLIB_TARGET_INLINE __m512i way_down(Many many, const X* heap, __m512i at, typename Many::Mask* turns) noexcept {
  if constexpr (level == levels) return at;
  else {
    turns[level] = many.right(cuts_at<level, Many>(heap, at, turns));
    return way_down<level + 1, levels>(many, heap, Many::down(at, turns[level]), turns);
  }
}

/// Rows whose values stay in the first cache while one feature after another is ranked.
constexpr std::size_t ranked_rows = 64;

template <int levels, class Many, class X>
FEATLIB_TARGET_INLINE void rank_down(const X* values, const X* heap, u8* low, u8* high) noexcept {
  for (std::size_t i = 0; i < ranked_rows; i += Many::lanes) {
    const Many many(values + i);
    typename Many::Mask turns[levels];
    const __m512i at = way_down<0, levels>(many, heap, Many::root(), turns);
    many.store(_mm512_and_si512(at, _mm512_set1_epi64((u64{1} << 32 | 1) * ((1 << levels) - 1))), low + i, high + i);
  }
}

/// A column is `stride` bytes, one a row.
template <class X>
FEATLIB_TARGET void rank_block(const Ranks<X>& ranks, const X* rows, std::size_t n, std::size_t stride, u8* bytes) noexcept {
  using Many = std::conditional_t<sizeof(X) == 4, Floats, Doubles>;
  constexpr std::size_t together = 8;  // features; a vector of values that were just stored is not forwarded
  alignas(64) X values[together][ranked_rows] = {};
  const std::size_t width = ranks.features;
  for (std::size_t first = 0; first < n; first += ranked_rows, rows += ranked_rows * width, bytes += ranked_rows) {
    const std::size_t some = n - first < ranked_rows ? n - first : ranked_rows;
    const typename Ranks<X>::Plain *f = ranks.plain.data(), *end = f + ranks.plain.size();
    while (f != end) {
      const std::size_t many = std::size_t(end - f) < together ? std::size_t(end - f) : together;
      for (std::size_t j = 0; j < many; ++j) {
        const X* from = rows + f[j].feature;
        for (std::size_t i = 0; i < some; ++i) values[j][i] = from[i * width];
      }
      for (std::size_t j = 0; j < many; ++j, ++f) {
        const X* heap = ranks.heaps.data() + f->heap;
        u8 *low = bytes + f->low * stride, *high = bytes + f->high * stride;
        switch (f->levels) {
          case 8: rank_down<8, Many>(values[j], heap, low, high); break;
          case 7: rank_down<7, Many>(values[j], heap, low, high); break;
          case 6: rank_down<6, Many>(values[j], heap, low, high); break;
          case 5: rank_down<5, Many>(values[j], heap, low, high); break;
          default: rank_down<4, Many>(values[j], heap, low, high);
        }
      }
    }
    for (const typename Ranks<X>::Other *o = ranks.other.data(), *last = o + ranks.other.size(); o != last; ++o)
      for (std::size_t i = 0; i < some; ++i) rank_other(ranks, *o, rows + i * width, bytes + i, stride);
  }
}

// ---- leaves --------------------------------------------------------------------------------------------------------

/// A byte of the leaf of each row, from a plane of 2^levels.
template <int levels>
FEATLIB_TARGET_INLINE __m512i leaf_byte(const u8* plane, __m512i way) noexcept {
  if constexpr (levels == 6) return _mm512_permutexvar_epi8(way, _mm512_load_si512(plane));
  if constexpr (levels == 7) return _mm512_permutex2var_epi8(_mm512_load_si512(plane), way, _mm512_load_si512(plane + 64));
  if constexpr (levels == 8) return _mm512_mask_blend_epi8(_mm512_movepi8_mask(way), leaf_byte<7>(plane, way), leaf_byte<7>(plane + 128, way));
}

/// Adds to the sum of each of 64 rows its leaf. Bytes are unpacked within 16 rows: `place_of` undoes it.
template <int levels>
FEATLIB_TARGET_INLINE void add_leaves(const u8* planes, __m512i way, float* sums) noexcept {
  __m512i byte[4], half[4];
  for (int i = 0; i < 4; ++i) byte[i] = leaf_byte<levels>(planes + (i << levels), way);
  for (int i = 0; i < 2; ++i) half[2 * i] = _mm512_unpacklo_epi8(byte[2 * i], byte[2 * i + 1]), half[2 * i + 1] = _mm512_unpackhi_epi8(byte[2 * i], byte[2 * i + 1]);
  for (int i = 0; i < 4; ++i) {
    const __m512i leaf = i % 2 == 0 ? _mm512_unpacklo_epi16(half[i / 2], half[2 + i / 2]) : _mm512_unpackhi_epi16(half[i / 2], half[2 + i / 2]);
    _mm512_store_ps(sums + 16 * i, _mm512_add_ps(_mm512_load_ps(sums + 16 * i), _mm512_castsi512_ps(leaf)));
  }
}
template <int levels>
FEATLIB_TARGET_INLINE void add_leaves(const u8* planes, __m512i way, double* sums) noexcept {
  __m512i byte[8], half[8], word[8];
  for (int i = 0; i < 8; ++i) byte[i] = leaf_byte<levels>(planes + (i << levels), way);
  for (int i = 0; i < 4; ++i) half[i] = _mm512_unpacklo_epi8(byte[2 * i], byte[2 * i + 1]), half[4 + i] = _mm512_unpackhi_epi8(byte[2 * i], byte[2 * i + 1]);
  for (int i = 0; i < 4; ++i) word[2 * i] = _mm512_unpacklo_epi16(half[2 * i], half[2 * i + 1]), word[2 * i + 1] = _mm512_unpackhi_epi16(half[2 * i], half[2 * i + 1]);
  for (int i = 0; i < 8; ++i) {
    const __m512i low = word[i / 4 * 4 + i / 2 % 2], high = word[i / 4 * 4 + 2 + i / 2 % 2];
    const __m512i leaf = i % 2 == 0 ? _mm512_unpacklo_epi32(low, high) : _mm512_unpackhi_epi32(low, high);
    _mm512_store_pd(sums + 8 * i, _mm512_add_pd(_mm512_load_pd(sums + 8 * i), _mm512_castsi512_pd(leaf)));
  }
}

/// Where `add_leaves` keeps the sum of row i.
inline std::size_t place_of(float, std::size_t i) noexcept { return (i & ~std::size_t{63}) + i % 16 / 4 * 16 + i % 64 / 16 * 4 + i % 4; }
inline std::size_t place_of(double, std::size_t i) noexcept { return (i & ~std::size_t{63}) + i % 16 / 2 * 8 + i % 64 / 16 * 2 + i % 2; }

// ---- one row -------------------------------------------------------------------------------------------------------

/// The row's bytes in registers, looked up 64 at a time.
template <int registers>
struct Lookup {
  __m512i part[registers];
};

template <int registers>
FEATLIB_TARGET_INLINE __m512i look_up(const Lookup<registers>& bytes, __m512i column) noexcept {
  if constexpr (registers == 1) return _mm512_permutexvar_epi8(column, bytes.part[0]);
  const __m512i low = _mm512_permutex2var_epi8(bytes.part[0], column, bytes.part[1]);
  if constexpr (registers == 2) return low;
  const __m512i high = _mm512_permutex2var_epi8(bytes.part[registers - 2], column, bytes.part[registers - 1]);
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(column), low, high);
}

/// The ways out of eight tiles from the 63 results of each: six levels, `way` is the place in the level.
FEATLIB_TARGET_INLINE __m512i ways_of(__m512i results) noexcept {
  const __m512i one = _mm512_set1_epi64(1);
  __m512i way = _mm512_and_si512(results, one);
  for (int level = 1; level < 6; ++level) {
    const __m512i at = _mm512_add_epi64(way, _mm512_set1_epi64((1 << level) - 1));
    const __m512i bit = _mm512_and_si512(_mm512_srlv_epi64(results, at), one);
    way = _mm512_add_epi64(_mm512_add_epi64(way, way), bit);
  }
  return way;
}

/// Eight words just stored, each of which is forwarded; a vector of them would not be.
FEATLIB_TARGET_INLINE __m512i eight_words(const u64* from) noexcept {
  __m128d two[4];
  for (int i = 0; i < 4; ++i) two[i] = _mm_loadh_pd(_mm_load_sd(reinterpret_cast<const double*>(from + 2 * i)), reinterpret_cast<const double*>(from + 2 * i + 1));
  const __m256d low = _mm256_set_m128d(two[1], two[0]), high = _mm256_set_m128d(two[3], two[2]);
  return _mm512_castpd_si512(_mm512_insertf64x4(_mm512_castpd256_pd512(low), high, 1));
}

/// Tiles between the tests and the sum, which is a chain of dependent additions and runs beside the tests of the next.
constexpr std::size_t at_once = 16;

/// Adds the leaves of `n` tiles, at most `at_once`: a constant leaves no loop, whose end would not be foreseen.
template <bool deep, int registers, class S>
FEATLIB_TARGET_INLINE S add_tiles(const Tiles<S>& tiles, const Lookup<registers>& lookup, const u8* bytes, std::size_t first, std::size_t n, S sum) noexcept {
  const u8 *columns = tiles.narrow_column.data() + 64 * first, *ks = tiles.k.data() + 64 * first;
  const S* leaves = tiles.leaves.data() + 64 * first;
  alignas(64) u64 words[at_once], ways[at_once];
  for (std::size_t i = n; i < at_once; ++i) words[i] = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const __m512i value = look_up<registers>(lookup, _mm512_load_si512(columns + 64 * i));
    _store_mask64(reinterpret_cast<__mmask64*>(words + i), _mm512_cmpgt_epu8_mask(value, _mm512_load_si512(ks + 64 * i)));
  }
  for (std::size_t i = 0; i < n; i += 8) _mm512_store_si512(ways + i, ways_of(eight_words(words + i)));
  const Below<S> below(tiles);
  for (std::size_t i = 0; i < n; ++i) sum += deep ? below.leaf(first + i, static_cast<u32>(ways[i]), bytes, 1) : leaves[64 * i + ways[i]];
  return sum;
}

template <bool deep, int registers, class X, class S>
FEATLIB_TARGET void sum_one(const Compiled<X, S>& model, const u8* bytes, S* out) noexcept {
  Lookup<registers> lookup;
  for (int i = 0; i < registers; ++i) lookup.part[i] = _mm512_load_si512(bytes + 64 * i);
  for (std::size_t o = 0; o < model.outputs.size(); ++o) {
    S sum = model.outputs[o].base;
    std::size_t tile = model.outputs[o].first;
    const std::size_t last = model.outputs[o].last;
    for (; tile + at_once <= last; tile += at_once) sum = add_tiles<deep>(model.tiles, lookup, bytes, tile, at_once, sum);
    if (tile < last) sum = add_tiles<deep>(model.tiles, lookup, bytes, tile, last - tile, sum);
    out[o] = sum;
  }
}

template <class X, class S>
FEATLIB_TARGET void one(const Compiled<X, S>& model, const X* row, S* out) noexcept {
  const std::size_t columns = model.ranks.columns;
  alignas(64) u8 bytes[256 + 64];
  rank_one(model.ranks, row, bytes);
  const bool deep = !model.tiles.rounds.empty();
  if (columns <= 64) return deep ? sum_one<true, 1>(model, bytes, out) : sum_one<false, 1>(model, bytes, out);
  if (columns <= 128) return deep ? sum_one<true, 2>(model, bytes, out) : sum_one<false, 2>(model, bytes, out);
  deep ? sum_one<true, 4>(model, bytes, out) : sum_one<false, 4>(model, bytes, out);
}

// ---- a block of rows -----------------------------------------------------------------------------------------------

/// Where a bit of m is set b, else a.
FEATLIB_TARGET_INLINE __m512i pick(__m512i m, __m512i a, __m512i b) noexcept { return _mm512_ternarylogic_epi64(m, a, b, 0xAC); }

/// The six turns of each row at a tile, a bit a row, 64 rows a word.
struct Turns {
  alignas(64) u64 level[6][8];
};

FEATLIB_TARGET_INLINE u64 pick(u64 m, u64 a, u64 b) noexcept { return a ^ ((a ^ b) & m); }

/// Results of the tests of `levels` levels, 64 rows a word, become turns: of a level, the test that the turns above pick.
template <int levels, class Word>
FEATLIB_TARGET_INLINE void follow(const Word* r, Word* t) noexcept {
  t[0] = r[0];
  t[1] = pick(t[0], r[1], r[2]);
  t[2] = pick(t[1], pick(t[0], r[3], r[5]), pick(t[0], r[4], r[6]));
  Word a[16];
  for (int i = 0; i < 4; ++i) a[i] = pick(t[0], r[7 + i], r[11 + i]);
  for (int i = 0; i < 2; ++i) a[i] = pick(t[1], a[i], a[i + 2]);
  t[3] = pick(t[2], a[0], a[1]);
  if constexpr (levels > 4) {
    for (int i = 0; i < 8; ++i) a[i] = pick(t[0], r[15 + i], r[23 + i]);
    for (int i = 0; i < 4; ++i) a[i] = pick(t[1], a[i], a[i + 4]);
    for (int i = 0; i < 2; ++i) a[i] = pick(t[2], a[i], a[i + 2]);
    t[4] = pick(t[3], a[0], a[1]);
  }
  if constexpr (levels > 5) {
    for (int i = 0; i < 16; ++i) a[i] = pick(t[0], r[31 + i], r[47 + i]);
    for (int i = 0; i < 8; ++i) a[i] = pick(t[1], a[i], a[i + 8]);
    for (int i = 0; i < 4; ++i) a[i] = pick(t[2], a[i], a[i + 4]);
    for (int i = 0; i < 2; ++i) a[i] = pick(t[3], a[i], a[i + 2]);
    t[5] = pick(t[4], a[0], a[1]);
  }
}

/// The tests of a tile.
struct Tests {
  const std::uint16_t* column;
  const u8* k;
};

/// 64 rows and no more.
template <int levels>
FEATLIB_TARGET_INLINE void turns_of_64(Tests tests, const u8* bytes, Turns& out) noexcept {
  constexpr int n = (1 << levels) - 1;
  u64 r[n], t[levels];
  for (int h = 0; h < n; ++h)
    r[h] = _mm512_cmpgt_epu8_mask(_mm512_load_si512(bytes + tests.column[h] * 64), _mm512_set1_epi8(static_cast<char>(tests.k[h])));
  follow<levels>(r, t);
  for (int level = 0; level < levels; ++level) out.level[level][0] = t[level];
}

/// All parts together: a pick costs a third, but a vector of results that were stored in words is not forwarded, so one part is
/// better off with words (300 trees of depth 6, Zen 5: 12.6 us against 15.7).
template <int levels>
FEATLIB_TARGET_INLINE void turns_of(Tests tests, const u8* bytes, std::size_t parts, Turns& out) noexcept {
  if (parts == 1) return turns_of_64<levels>(tests, bytes, out);
  constexpr int n = (1 << levels) - 1;
  alignas(64) u64 result[n][8];
  for (int h = 0; h < n; ++h) {
    const __m512i k = _mm512_set1_epi8(static_cast<char>(tests.k[h]));
    const u8* from = bytes + tests.column[h] * 64 * parts;
    for (std::size_t part = 0; part < parts; ++part)
      _store_mask64(reinterpret_cast<__mmask64*>(&result[h][part]), _mm512_cmpgt_epu8_mask(_mm512_load_si512(from + 64 * part), k));
  }
  follow<levels>(reinterpret_cast<const __m512i*>(result), reinterpret_cast<__m512i*>(out.level));
}

/// All six turns as a number, 0 to 63, a byte a row.
FEATLIB_TARGET_INLINE __m512i six_turns(const Turns& turns, std::size_t part) noexcept {
  __m512i way = _mm512_maskz_set1_epi8(turns.level[5][part], 1);
  for (int level = 4; level >= 0; --level) way = _mm512_mask_add_epi8(way, turns.level[level][part], way, _mm512_set1_epi8(static_cast<char>(32 >> level)));
  return way;
}

/// Adds the leaves below a tile, for the rows whose ways out are open: `n` rows, the sum of row i at `place_of` i.
template <class S>
FEATLIB_TARGET_INLINE void add_below(const Below<S>& below, std::size_t tile, u64 open, const Turns& turns, const u8* bytes, std::size_t n, std::size_t stride, S* sums) noexcept {
  const __m512i is_open = _mm512_maskz_set1_epi8(open, -1);
  for (std::size_t first = 0; first < n; first += 64) {
    const __m512i ways = six_turns(turns, first / 64);
    alignas(64) u8 way[64];
    _mm512_store_si512(way, ways);
    const u64 rows = n - first < 64 ? (u64{1} << (n - first)) - 1 : ~u64{0};
    for (u64 left = _mm512_movepi8_mask(_mm512_permutexvar_epi8(ways, is_open)) & rows; left != 0; left &= left - 1) {
      const auto i = static_cast<std::size_t>(__builtin_ctzll(left));
      sums[place_of(S{}, first + i)] += below.leaf(tile, way[i], bytes + first + i, stride);
    }
  }
}

/// The same where all ways out are open: 2.6 us a row against 3.6 (1000 full trees of depth 8, Zen 5).
template <class S>
FEATLIB_TARGET_INLINE void add_all(const Below<S>& below, std::size_t tile, const Turns& turns, const u8* bytes, std::size_t n, std::size_t stride, S* sums) noexcept {
  alignas(64) u8 way[most_rows];
  for (std::size_t first = 0; first < n; first += 64) _mm512_store_si512(way + first, six_turns(turns, first / 64));
  for (std::size_t i = 0; i < n; ++i) sums[place_of(S{}, i)] += below.leaf(tile, way[i], bytes + i, stride);
}

template <class X, class S>
FEATLIB_TARGET void sum_block(const Compiled<X, S>& model, const u8* bytes, std::size_t n, std::size_t parts, S* out) noexcept {
  const Tiles<S>& tiles = model.tiles;
  const std::size_t outputs = model.outputs.size();
  const bool deep = !tiles.rounds.empty();
  const Below<S> below(tiles);
  alignas(64) S sums[most_rows];
  Turns turns{};  // levels that no tree has stay
  for (std::size_t o = 0; o < outputs; ++o) {
    for (std::size_t i = 0; i < 64 * parts; ++i) sums[i] = model.outputs[o].base;
    for (std::size_t tile = model.outputs[o].first; tile < model.outputs[o].last; ++tile) {
      const Tests tests{tiles.column.data() + 64 * tile, tiles.k.data() + 64 * tile};
      if (tiles.levels <= 4)
        turns_of<4>(tests, bytes, parts, turns);
      else if (tiles.levels == 5)
        turns_of<5>(tests, bytes, parts, turns);
      else
        turns_of<6>(tests, bytes, parts, turns);
      const u64 open = deep ? tiles.open[tile] : 0;
      if (open == ~u64{0}) {
        add_all(below, tile, turns, bytes, n, 64 * parts, sums);
      } else {
        const u8* planes = model.lanes.planes.data() + tile * sizeof(S) * 64;
        for (std::size_t part = 0; part < parts; ++part) add_leaves<6>(planes, six_turns(turns, part), sums + 64 * part);
        if (open != 0) add_below(below, tile, open, turns, bytes, n, 64 * parts, sums);
      }
    }
    for (std::size_t i = 0; i < n; ++i) out[i * outputs + o] = sums[place_of(S{}, i)];
  }
}

template <class X, class S>
FEATLIB_TARGET void block(const Compiled<X, S>& model, const X* rows, std::size_t n, S* out) noexcept {
  const std::size_t parts = (n + 63) / 64;
  alignas(64) u8 bytes[block_bytes];
  rank_block(model.ranks, rows, n, 64 * parts, bytes);
  sum_block(model, bytes, n, parts, out);
}

// ---- oblivious trees ------------------------------------------------------------------------------------------------

/// For a row of at most 64 times `registers` columns.
template <int registers>
struct Avx512 {
  static constexpr std::size_t lanes = 64, columns = 64 * registers;
  static constexpr u8 flip = 0;
  using Bytes = __m512i;
  using Table = Lookup<registers>;

  FEATLIB_TARGET_INLINE static Bytes load(const u8* from) noexcept { return _mm512_load_si512(from); }
  FEATLIB_TARGET_INLINE static Bytes splat(u32 four) noexcept { return _mm512_set1_epi32(static_cast<int>(four)); }
  FEATLIB_TARGET_INLINE static Bytes plus_test(Bytes way, Bytes a, Bytes b) noexcept {
    const Bytes twice = _mm512_add_epi8(way, way);
    return _mm512_mask_sub_epi8(twice, _mm512_cmpgt_epu8_mask(a, b), twice, _mm512_set1_epi8(-1));
  }
  FEATLIB_TARGET_INLINE static Table table(const u8* bytes) noexcept {
    Table out;
    for (int i = 0; i < registers; ++i) out.part[i] = _mm512_load_si512(bytes + 64 * i);
    return out;
  }
  FEATLIB_TARGET_INLINE static Bytes look_up(const Table& table, Bytes at) noexcept { return detail::look_up<registers>(table, at); }
  FEATLIB_TARGET_INLINE static void store_pairs(Bytes low, Bytes high, std::uint16_t* to) noexcept {
    for (int i = 0; i < 2; ++i) {
      const __m512i a = _mm512_cvtepu8_epi16(i == 0 ? _mm512_castsi512_si256(low) : _mm512_extracti64x4_epi64(low, 1));
      const __m512i b = _mm512_cvtepu8_epi16(i == 0 ? _mm512_castsi512_si256(high) : _mm512_extracti64x4_epi64(high, 1));
      _mm512_store_si512(to + 32 * i, _mm512_or_si512(a, _mm512_slli_epi16(b, 8)));
    }
  }

  template <class X>
  FEATLIB_TARGET_INLINE static void rank_row(const Ranks<X>& ranks, const X* row, u8* bytes) noexcept { rank_one(ranks, row, bytes); }
  template <class X>
  FEATLIB_TARGET_INLINE static void rank_rows(const Ranks<X>& ranks, const X* rows, std::size_t n, std::size_t stride, u8* bytes) noexcept { rank_block(ranks, rows, n, stride, bytes); }
  template <class S>
  static constexpr u32 plane_levels = 8;
  template <class S>
  FEATLIB_TARGET_INLINE static void add_leaves(const u8* planes, u32 levels, Bytes way, S* sums) noexcept {
    if (levels <= 6) return detail::add_leaves<6>(planes, way, sums);
    if (levels == 7) return detail::add_leaves<7>(planes, way, sums);
    detail::add_leaves<8>(planes, way, sums);
  }
  template <class S>
  static std::size_t place_of(S, std::size_t i) noexcept { return detail::place_of(S{}, i); }
};

template <class X, class S>
FEATLIB_TARGET void one_of_tables(const Compiled<X, S>& model, const X* row, S* out) noexcept {
  const std::size_t columns = model.ranks.columns;
  if (columns <= 64) return tables_one<Avx512<1>>(model, row, out);
  if (columns <= 128) return tables_one<Avx512<2>>(model, row, out);
  tables_one<Avx512<4>>(model, row, out);
}

bool runs_here() noexcept {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("bmi2");
}

}  // namespace

template <class X, class S>
const Kernel<X, S>* avx512_kernel() noexcept {
  static constexpr Kernel<X, S> kernel{
      "avx512",
      {&one<X, S>, &block<X, S>, 30, 256, 0, 0, Avx512<1>::plane_levels<S>},
      {&one_of_tables<X, S>, &tables_block<Avx512<1>, X, S>, 30, 256, Avx512<1>::lanes, 0, Avx512<1>::plane_levels<S>}};
  return runs_here() ? &kernel : nullptr;
}

}  // namespace featlib::detail

#else

namespace featlib::detail {

template <class X, class S>
const Kernel<X, S>* avx512_kernel() noexcept {
  return nullptr;
}

}  // namespace featlib::detail

#endif

namespace featlib::detail {

template const Kernel<float, float>* avx512_kernel() noexcept;
template const Kernel<float, double>* avx512_kernel() noexcept;
template const Kernel<double, double>* avx512_kernel() noexcept;

}  // namespace featlib::detail
