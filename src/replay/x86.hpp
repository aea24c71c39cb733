// Kernels for processors that have more than the one the library is compiled for; chosen when it runs.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#define FEATLIB_X86_KERNELS
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"   // GCC 12 finds some in its own header
#endif
#include <immintrin.h>
#endif

namespace featlib::replaying {

inline bool has_fma() noexcept {
#ifdef FEATLIB_X86_KERNELS
  return __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

/// What every server with AVX-512 has had since the first: foundation, 64-bit integers, bytes, shorter vectors.
inline bool has_avx512() noexcept {
#ifdef FEATLIB_X86_KERNELS
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

}  // namespace featlib::replaying
