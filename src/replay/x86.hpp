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

/// The foundation and the instructions for 64-bit integers.
inline bool has_avx512() noexcept {
#ifdef FEATLIB_X86_KERNELS
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

}  // namespace featlib::replaying
