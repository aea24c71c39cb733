# Linked PRIVATE by our own code only: a user's build never sees our taste.
# Tried and left out: -Wpedantic (refuses __int128, which carries the exact sums), -Wconversion and -Wsign-conversion
# (casts around integer arithmetic that hide the ones that matter), -Wshadow in full (GCC 12 counts scoped enumerators). -Warray-bounds is
# off because GCC 12 sees ghosts inside Boost.Multiprecision after inlining, where marking Boost as system does not help.
add_library(featlib_warnings INTERFACE)
target_compile_options(featlib_warnings INTERFACE
  $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-Wall;-Wextra;-Wnon-virtual-dtor;-Woverloaded-virtual;-Wcast-qual;-Wfloat-conversion>
  $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local;-Wlogical-op;-Wduplicated-cond;-Wno-array-bounds>)
