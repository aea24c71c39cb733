/// A model as bytes, and the kernel of this machine that scores it: what is fast equals the walk, bit for bit.
#pragma once

#include "ensemble/lanes.hpp"
#include "ensemble/outputs.hpp"
#include "ensemble/ranks.hpp"
#include "ensemble/tables.hpp"
#include "ensemble/tiles.hpp"

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace featlib::detail {

inline constexpr std::size_t most_columns = 512;

template <class X, class S>
struct Compiled;

/// One way of scoring. Functions allocate nothing and keep nothing.
template <class X, class S>
struct Scoring {
  /// One row. `out` has a place for each output.
  void (*one)(const Compiled<X, S>& model, const X* row, S* out) noexcept;
  /// At most `model.block` rows.
  void (*block)(const Compiled<X, S>& model, const X* rows, std::size_t n, S* out) noexcept;
  /// Rows of a block, 64 at a time, share their cost: so few are cheaper one by one. Measured.
  std::size_t few;
  std::size_t one_columns = most_columns;  ///< for more columns `one` is the scalar kernel's
  // What Compiled::lanes holds for it.
  std::size_t lanes = 0;           ///< trees of a group of tests; 0: it wants none
  std::uint8_t flip = 0;           ///< of their k
  std::uint32_t plane_levels = 0;  ///< trees of at most so many levels have planes; 0: none
};

template <class X, class S>
struct Kernel {
  std::string_view name;
  Scoring<X, S> tiles, tables;
};

template <class X, class S>
struct Compiled {
  using Number = X;
  using Sum = S;

  Ranks<X> ranks;
  std::vector<Output<S>> outputs;
  Tiles<S> tiles;    // empty where the model is in tables
  Tables<S> tables;
  Lanes lanes;
  Scoring<X, S> scoring;
  std::size_t block;  // rows whose bytes fit a kernel's stack, a multiple of 64, at most most_rows

  /// Null for models that have more columns than kernels take: there, ranking a row costs more than walking. The trees are
  /// trees (Walk has seen to it).
  static std::unique_ptr<const Compiled> of(const TreeModel& model, const Kernel<X, S>& kernel);

  void margins(const X* rows, std::size_t n, S* out) const noexcept;
};

inline constexpr std::size_t most_rows = 512;
/// Bytes of a block, the column that nobody reads among them: with its sums and masks it stays in the first cache of 48 KB.
inline constexpr std::size_t block_bytes = 36 * 1024;
static_assert(block_bytes >= 64 * (most_columns + 1));

/// Kernels that this machine runs, the fastest first; the last is scalar.
template <class X, class S>
const std::vector<const Kernel<X, S>*>& kernels();

/// The first of them, or the one named by the environment variable FEATLIB_KERNEL: avx512, avx2, neon, scalar; null for walk.
/// A name this machine does not run throws model-unsupported.
template <class X, class S>
const Kernel<X, S>* chosen_kernel();

// Of each kernel's own file; null where it was not compiled or the machine lacks the instructions.
template <class X, class S>
const Kernel<X, S>* avx512_kernel() noexcept;
template <class X, class S>
const Kernel<X, S>* avx2_kernel() noexcept;
template <class X, class S>
const Kernel<X, S>* neon_kernel() noexcept;
template <class X, class S>
const Kernel<X, S>* scalar_kernel() noexcept;

}  // namespace featlib::detail
