/// AVX2: registers of 32 bytes. Their compares are signed, so ranks and k are flipped at the highest bit.
#include "ensemble/compiled.hpp"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#define FEATLIB_TARGET __attribute__((target("avx2,bmi,bmi2,popcnt")))
#include "ensemble/kernel_lanes.hpp"
#include "ensemble/kernel_tables.hpp"

namespace featlib::detail {
namespace {

using u8 = std::uint8_t;
using u32 = std::uint32_t;

struct Avx2 {
  static constexpr std::size_t lanes = 32;
  static constexpr u8 flip = 128;
  static constexpr std::size_t columns = 64;
  using Bytes = __m256i;
  struct Table {
    __m256i of16[4];  // sixteen bytes, twice
  };

  FEATLIB_TARGET_INLINE static Bytes load(const void* from) noexcept { return _mm256_load_si256(static_cast<const __m256i*>(from)); }
  FEATLIB_TARGET_INLINE static void store(void* to, Bytes x) noexcept { _mm256_store_si256(static_cast<__m256i*>(to), x); }
  FEATLIB_TARGET_INLINE static Bytes splat(u32 four) noexcept { return _mm256_set1_epi32(static_cast<int>(four)); }
  FEATLIB_TARGET_INLINE static Bytes flipped(Bytes x) noexcept { return _mm256_xor_si256(x, _mm256_set1_epi8(-128)); }
  FEATLIB_TARGET_INLINE static Bytes greater(Bytes a, Bytes b) noexcept { return _mm256_cmpgt_epi8(a, b); }
  FEATLIB_TARGET_INLINE static Bytes pick(Bytes m, Bytes a, Bytes b) noexcept { return _mm256_blendv_epi8(a, b, m); }
  FEATLIB_TARGET_INLINE static Bytes ored(Bytes w, Bytes m, u8 byte) noexcept {
    return _mm256_or_si256(w, _mm256_and_si256(m, _mm256_set1_epi8(static_cast<char>(byte))));
  }

  FEATLIB_TARGET_INLINE static Table table(const u8* bytes) noexcept {
    Table out;
    for (int i = 0; i < 4; ++i) out.of16[i] = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes + 16 * i)));
    return out;
  }
  FEATLIB_TARGET_INLINE static Bytes look_up(const Table& table, Bytes at) noexcept {
    const Bytes by_16 = _mm256_slli_epi16(at, 3), by_32 = _mm256_slli_epi16(at, 2);  // bits 4 and 5, where a blend looks
    const Bytes low = _mm256_blendv_epi8(_mm256_shuffle_epi8(table.of16[0], at), _mm256_shuffle_epi8(table.of16[1], at), by_16);
    const Bytes high = _mm256_blendv_epi8(_mm256_shuffle_epi8(table.of16[2], at), _mm256_shuffle_epi8(table.of16[3], at), by_16);
    return _mm256_blendv_epi8(low, high, by_32);
  }

  template <class X>
  FEATLIB_TARGET_INLINE static void rank_row(const Ranks<X>& ranks, const X* row, u8* bytes) noexcept { lanes_ranks<Avx2>(ranks, row, 1, 1, bytes); }
  template <class X>
  FEATLIB_TARGET_INLINE static void rank_rows(const Ranks<X>& ranks, const X* rows, std::size_t n, std::size_t stride, u8* bytes) noexcept { lanes_ranks<Avx2>(ranks, rows, n, stride, bytes); }
  FEATLIB_TARGET_INLINE static Bytes plus_test(Bytes way, Bytes a, Bytes b) noexcept { return _mm256_sub_epi8(_mm256_add_epi8(way, way), greater(a, b)); }
  FEATLIB_TARGET_INLINE static void store_pairs(Bytes low, Bytes high, std::uint16_t* to) noexcept {
    const Bytes a = _mm256_unpacklo_epi8(low, high), b = _mm256_unpackhi_epi8(low, high);
    store(to, _mm256_permute2x128_si256(a, b, 0x20));
    store(to + 16, _mm256_permute2x128_si256(a, b, 0x31));
  }

  template <class S>
  static constexpr u32 plane_levels = sizeof(S) == 4 ? 6 : 0;
  FEATLIB_TARGET_INLINE static void add_leaves(const u8* planes, u32, Bytes way, float* sums) noexcept { add_leaves(planes, nullptr, way, sums); }

  /// Leaves byte by byte: four lookups, unpacked to floats. The order of sums within 32 is undone by `place_of`.
  FEATLIB_TARGET_INLINE static void add_leaves(const u8* planes, const float*, Bytes way, float* sums) noexcept {
    Bytes byte[4];
    for (int i = 0; i < 4; ++i) byte[i] = look_up(table(planes + 64 * i), way);
    const Bytes a = _mm256_unpacklo_epi8(byte[0], byte[1]), b = _mm256_unpackhi_epi8(byte[0], byte[1]);
    const Bytes c = _mm256_unpacklo_epi8(byte[2], byte[3]), d = _mm256_unpackhi_epi8(byte[2], byte[3]);
    const Bytes leaf[4] = {_mm256_unpacklo_epi16(a, c), _mm256_unpackhi_epi16(a, c), _mm256_unpacklo_epi16(b, d), _mm256_unpackhi_epi16(b, d)};
    for (int i = 0; i < 4; ++i) _mm256_store_ps(sums + 8 * i, _mm256_add_ps(_mm256_load_ps(sums + 8 * i), _mm256_castsi256_ps(leaf[i])));
  }
  FEATLIB_TARGET_INLINE static void add_leaves(const u8*, const double* leaves, Bytes way, double* sums) noexcept {
    alignas(32) u8 ways[lanes];
    store(ways, way);
    for (std::size_t i = 0; i < lanes; ++i) sums[i] += leaves[ways[i]];
  }
  static std::size_t place_of(float, std::size_t i) noexcept { return (i & ~std::size_t{31}) + i % 16 / 4 * 8 + i % 32 / 16 * 4 + i % 4; }
  static std::size_t place_of(double, std::size_t i) noexcept { return i; }

  FEATLIB_TARGET_INLINE static u32 count(const float* cuts, float x) noexcept {
    const __m256 v = _mm256_set1_ps(x);
    const Bytes low = _mm256_castps_si256(_mm256_cmp_ps(_mm256_load_ps(cuts), v, _CMP_LE_OQ));
    const Bytes high = _mm256_castps_si256(_mm256_cmp_ps(_mm256_load_ps(cuts + 8), v, _CMP_LE_OQ));
    return static_cast<u32>(_mm_popcnt_u32(static_cast<u32>(_mm256_movemask_epi8(_mm256_packs_epi32(low, high))))) / 2;  // two bytes each
  }
  FEATLIB_TARGET_INLINE static u32 count(const double* cuts, double x) noexcept {
    const __m256d v = _mm256_set1_pd(x);
    u32 mask = 0;
    for (int i = 0; i < 4; ++i) mask |= static_cast<u32>(_mm256_movemask_pd(_mm256_cmp_pd(_mm256_load_pd(cuts + 4 * i), v, _CMP_LE_OQ))) << 4 * i;
    return static_cast<u32>(_mm_popcnt_u32(mask));
  }
};

}  // namespace

template <class X, class S>
const Kernel<X, S>* avx2_kernel() noexcept {
  static constexpr Kernel<X, S> kernel{
      "avx2",
      {&lanes_one<Avx2, X, S>, &lanes_block<Avx2, X, S>, 23, Avx2::columns, Avx2::lanes, Avx2::flip, Avx2::plane_levels<S>},
      {&tables_one<Avx2, X, S>, &tables_block<Avx2, X, S>, 32, Avx2::columns, Avx2::lanes, Avx2::flip, Avx2::plane_levels<S>}};
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
