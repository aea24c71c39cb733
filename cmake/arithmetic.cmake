# The number computed in training is the number computed in serving only when both compilers round where the source says.
# Measured with GCC 12 and Clang 14: plain double loops change bits with -mfma and agree everywhere with contraction off.

include(CheckCXXSourceCompiles)
check_cxx_source_compiles("
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error fast-math
#endif
int main() { return 0; }" FEATLIB_STRICT_MATH)
if(NOT FEATLIB_STRICT_MATH)
  unset(FEATLIB_STRICT_MATH CACHE)  # so that the next configure, with repaired flags, asks again
  message(FATAL_ERROR "featlib refuses to be compiled under fast-math: missing values, infinities and the order of "
                      "additions are part of its answers.\nRemove -ffast-math, -Ofast or -ffinite-math-only from "
                      "CMAKE_CXX_FLAGS (now: ${CMAKE_CXX_FLAGS}).")
endif()

# Contraction off for `target`. INTERFACE on the headers, so a host that instantiates a template rounds as we do.
function(featlib_arithmetic target scope)
  target_compile_options(${target} ${scope}
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU,Clang,AppleClang>>:-ffp-contract=off>)
endfunction()
