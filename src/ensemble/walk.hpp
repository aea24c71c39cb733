/// Any model, node by node: the engine for what the byte kernels do not take, and for leaf numbers.
#pragma once

#include "ensemble/categories.hpp"
#include "ensemble/cuts.hpp"
#include "ensemble/model.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace featlib::detail {

/// X: what values are compared in; S: what leaves are added in.
template <class X, class S>
struct Walk {
  /// Siblings are neighbours, so a step is `left + go_right` and needs no branch. With float32 four nodes are a cache line.
  struct Node {
    X cut;               // leaf: NaN, which sends every value left; categorical: unused
    std::uint32_t word;  // feature, and flags above it
    std::uint32_t left;  // leaf: itself, so walking on stays; index into nodes
    S value;             // leaf: what is added; categorical: the index of its set
  };

  static constexpr std::uint32_t missing_goes_right = 1u << 31;
  static constexpr std::uint32_t is_categorical = 1u << 30;
  static constexpr std::uint32_t in_set_goes_right = 1u << 29;
  static constexpr std::uint32_t feature_mask = in_set_goes_right - 1;

  struct Root {
    std::uint32_t node;
    std::uint32_t output;
    std::uint32_t depth;
    bool branchless;  // all rows take `depth` steps, none of them categorical
    bool again;       // the tree before, for another output
  };

  std::size_t features = 0;
  std::vector<Zeros> zeros;  // empty: rows are taken as they stand
  std::vector<S> base;
  std::vector<Root> roots;
  std::vector<Node> nodes;             // breadth first, tree after tree
  std::vector<std::int32_t> node_ids;  // the trainer's number of each node
  CategorySets sets;

  /// Proves every link once, never again: each node of a tree is reached once, every index is inside. Throws model-corrupt.
  explicit Walk(const TreeModel& model);

  /// One sum an output. Rows are `features` values each.
  void margins(const X* rows, std::size_t n, S* out) const noexcept;

  /// The trainer's number of the leaf each tree ends in.
  void leaves(const X* row, std::int32_t* out) const noexcept;
};

extern template struct Walk<float, float>;
extern template struct Walk<float, double>;
extern template struct Walk<double, double>;

}  // namespace featlib::detail
