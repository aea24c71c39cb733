#include "ensemble/tables.hpp"

#include "ensemble/outputs.hpp"

#include <algorithm>

namespace featlib::detail {
namespace {

struct Levels {
  std::vector<ByteTest> tests;
  std::vector<const TreeNode*> leaves;  // from left to right
};

template <class X>
std::optional<Levels> levels_of(const Tree& tree, RankBuilder<X>& ranks) {
  Levels out;
  std::vector<const TreeNode*> level{tree.nodes.data()}, below;
  while (level.front()->left != TreeNode::none) {
    if (out.tests.size() == most_table_levels) return {};
    const TreeNode& first = *level.front();
    const ByteTest test = ranks.test(tree, first);
    below.clear();
    for (const TreeNode* node : level) {
      if (node->left == TreeNode::none) return {};
      const bool same = node->feature == first.feature && node->split == first.split && !is_category(first.split) &&
                        node->value == first.value && node->default_left == first.default_left;
      if (!same && ranks.test(tree, *node) != test) return {};
      for (const std::int32_t child : {node->left, node->right}) below.push_back(&tree.nodes[static_cast<std::size_t>(child)]);
    }
    out.tests.push_back(test);
    level.swap(below);
  }
  for (const TreeNode* node : level)
    if (node->left != TreeNode::none) return {};
  out.leaves = std::move(level);
  return out;
}

}  // namespace

template <class X, class S>
std::optional<Tables<S>> make_tables(std::span<const Tree* const> trees, RankBuilder<X>& ranks) {
  std::vector<std::vector<ByteTest>> tests;
  Tables<S> out;
  for (const Tree* tree : trees) {
    std::optional<Levels> levels = levels_of(*tree, ranks);
    if (!levels) return {};
    out.first.push_back(out.leaves.size());
    for (const TreeNode* leaf : levels->leaves) out.leaves.push_back(leaf_value<S>(*tree, *leaf));
    out.levels = std::max(out.levels, static_cast<std::uint32_t>(levels->tests.size()));
    tests.push_back(std::move(levels->tests));
  }
  for (std::vector<ByteTest>& of : tests) {
    of.insert(of.begin(), out.levels - of.size(), ByteTest{});
    for (const ByteTest& test : of) {
      out.column.push_back(static_cast<std::uint16_t>(test.column));
      out.k.push_back(test.k);
    }
  }
  return out;
}

template std::optional<Tables<float>> make_tables(std::span<const Tree* const>, RankBuilder<float>&);
template std::optional<Tables<double>> make_tables(std::span<const Tree* const>, RankBuilder<float>&);
template std::optional<Tables<double>> make_tables(std::span<const Tree* const>, RankBuilder<double>&);

}  // namespace featlib::detail
