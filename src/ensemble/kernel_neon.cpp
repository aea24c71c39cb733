/// NEON on 64-bit ARM: registers of 16 bytes, a lookup of 64 bytes in one instruction.
#include "ensemble/compiled.hpp"

#if defined(__aarch64__) && defined(__GNUC__)

#include <arm_neon.h>

#define FEATLIB_TARGET
#include "ensemble/kernel_lanes.hpp"
#include "ensemble/kernel_tables.hpp"

namespace featlib::detail {
namespace {

using u8 = std::uint8_t;
using u32 = std::uint32_t;

struct Neon {
  static constexpr std::size_t lanes = 16;
  static constexpr u8 flip = 0;
  static constexpr std::size_t columns = 64;
  using Bytes = uint8x16_t;
  using Table = uint8x16x4_t;

  FEATLIB_TARGET_INLINE static Bytes load(const u8* from) noexcept { return vld1q_u8(from); }
  FEATLIB_TARGET_INLINE static void store(u8* to, Bytes x) noexcept { vst1q_u8(to, x); }
  FEATLIB_TARGET_INLINE static Bytes splat(u32 four) noexcept { return vreinterpretq_u8_u32(vdupq_n_u32(four)); }
  FEATLIB_TARGET_INLINE static Bytes greater(Bytes a, Bytes b) noexcept { return vcgtq_u8(a, b); }
  FEATLIB_TARGET_INLINE static Bytes pick(Bytes m, Bytes a, Bytes b) noexcept { return vbslq_u8(m, b, a); }
  FEATLIB_TARGET_INLINE static Bytes ored(Bytes w, Bytes m, u8 byte) noexcept { return vorrq_u8(w, vandq_u8(m, vdupq_n_u8(byte))); }

  FEATLIB_TARGET_INLINE static Table table(const u8* bytes) noexcept {
    Table out;
    for (int i = 0; i < 4; ++i) out.val[i] = vld1q_u8(bytes + 16 * i);
    return out;
  }
  FEATLIB_TARGET_INLINE static Bytes look_up(const Table& table, Bytes at) noexcept { return vqtbl4q_u8(table, at); }

  template <class X>
  FEATLIB_TARGET_INLINE static void rank_row(const Ranks<X>& ranks, const X* row, u8* bytes) noexcept { lanes_ranks<Neon>(ranks, row, 1, 1, bytes); }
  template <class X>
  FEATLIB_TARGET_INLINE static void rank_rows(const Ranks<X>& ranks, const X* rows, std::size_t n, std::size_t stride, u8* bytes) noexcept { lanes_ranks<Neon>(ranks, rows, n, stride, bytes); }
  FEATLIB_TARGET_INLINE static Bytes plus_test(Bytes way, Bytes a, Bytes b) noexcept { return vsubq_u8(vaddq_u8(way, way), greater(a, b)); }
  FEATLIB_TARGET_INLINE static void store_pairs(Bytes low, Bytes high, std::uint16_t* to) noexcept {
    vst1q_u16(to, vreinterpretq_u16_u8(vzip1q_u8(low, high)));
    vst1q_u16(to + 8, vreinterpretq_u16_u8(vzip2q_u8(low, high)));
  }

  template <class S>
  static constexpr u32 plane_levels = sizeof(S) == 4 ? 6 : 0;
  FEATLIB_TARGET_INLINE static void add_leaves(const u8* planes, u32, Bytes way, float* sums) noexcept { add_leaves(planes, nullptr, way, sums); }

  /// Leaves byte by byte: four lookups, zipped to floats in the order of rows.
  FEATLIB_TARGET_INLINE static void add_leaves(const u8* planes, const float*, Bytes way, float* sums) noexcept {
    Bytes byte[4];
    for (int i = 0; i < 4; ++i) byte[i] = look_up(table(planes + 64 * i), way);
    const uint16x8_t low[2] = {vreinterpretq_u16_u8(vzip1q_u8(byte[0], byte[1])), vreinterpretq_u16_u8(vzip2q_u8(byte[0], byte[1]))};
    const uint16x8_t high[2] = {vreinterpretq_u16_u8(vzip1q_u8(byte[2], byte[3])), vreinterpretq_u16_u8(vzip2q_u8(byte[2], byte[3]))};
    for (int i = 0; i < 2; ++i) {
      float* sum = sums + 8 * i;
      vst1q_f32(sum, vaddq_f32(vld1q_f32(sum), vreinterpretq_f32_u16(vzip1q_u16(low[i], high[i]))));
      vst1q_f32(sum + 4, vaddq_f32(vld1q_f32(sum + 4), vreinterpretq_f32_u16(vzip2q_u16(low[i], high[i]))));
    }
  }
  FEATLIB_TARGET_INLINE static void add_leaves(const u8*, const double* leaves, Bytes way, double* sums) noexcept {
    u8 ways[lanes];
    store(ways, way);
    for (std::size_t i = 0; i < lanes; ++i) sums[i] += leaves[ways[i]];
  }
  static std::size_t place_of(float, std::size_t i) noexcept { return i; }
  static std::size_t place_of(double, std::size_t i) noexcept { return i; }

  FEATLIB_TARGET_INLINE static u32 count(const float* cuts, float x) noexcept {
    const float32x4_t v = vdupq_n_f32(x);
    uint32x4_t none = vdupq_n_u32(0);  // all ones are one less
    for (int i = 0; i < 4; ++i) none = vaddq_u32(none, vcleq_f32(vld1q_f32(cuts + 4 * i), v));
    return 0u - vaddvq_u32(none);
  }
  FEATLIB_TARGET_INLINE static u32 count(const double* cuts, double x) noexcept {
    const float64x2_t v = vdupq_n_f64(x);
    uint64x2_t none = vdupq_n_u64(0);
    for (int i = 0; i < 8; ++i) none = vaddq_u64(none, vcleq_f64(vld1q_f64(cuts + 2 * i), v));
    return 0u - static_cast<u32>(vaddvq_u64(none));
  }
};

}  // namespace

template <class X, class S>
const Kernel<X, S>* neon_kernel() noexcept {
  static constexpr Kernel<X, S> kernel{
      "neon",
      {&lanes_one<Neon, X, S>, &lanes_block<Neon, X, S>, 6, Neon::columns, Neon::lanes, Neon::flip, Neon::plane_levels<S>},
      {&tables_one<Neon, X, S>, &tables_block<Neon, X, S>, 16, Neon::columns, Neon::lanes, Neon::flip, Neon::plane_levels<S>}};
  return &kernel;
}

}  // namespace featlib::detail

#else

namespace featlib::detail {

template <class X, class S>
const Kernel<X, S>* neon_kernel() noexcept {
  return nullptr;
}

}  // namespace featlib::detail

#endif

namespace featlib::detail {

template const Kernel<float, float>* neon_kernel() noexcept;
template const Kernel<float, double>* neon_kernel() noexcept;
template const Kernel<double, double>* neon_kernel() noexcept;

}  // namespace featlib::detail
