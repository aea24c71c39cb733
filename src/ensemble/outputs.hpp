/// Trees in the order they are added: output after output, within one as the model has them.
#pragma once

#include "ensemble/model.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace featlib::detail {

/// S: what leaves are added in.
template <class S>
struct Output {
  S base;
  std::uint32_t first, last;  // of the ordered trees
};

template <class S>
std::vector<Output<S>> outputs_of(const TreeModel& model) {
  std::vector<std::uint32_t> trees(model.base.size());
  for (const Tree& tree : model.trees) ++trees[tree.output];
  std::vector<Output<S>> out;
  for (std::size_t o = 0; o < trees.size(); ++o) {
    const std::uint32_t first = out.empty() ? 0 : out.back().last;
    out.push_back({static_cast<S>(model.base[o]), first, first + trees[o]});
  }
  return out;
}

inline std::vector<const Tree*> ordered_trees(const TreeModel& model) {
  std::vector<const Tree*> out;
  for (const Tree& tree : model.trees) out.push_back(&tree);
  std::ranges::stable_sort(out, {}, &Tree::output);
  return out;
}

/// A leaf as it is added.
template <class S>
S leaf_value(const Tree& tree, const TreeNode& leaf) noexcept {
  return static_cast<S>(leaf.value) * static_cast<S>(tree.weight);
}

}  // namespace featlib::detail
