/// Random models as loaders fill them, and rows made to hurt them.
#pragma once

#include "ensemble/city.hpp"
#include "ensemble/model.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <set>

namespace featlib::testing {

using namespace featlib::detail;

inline constexpr double inf = std::numeric_limits<double>::infinity();
inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// What a random model is made of.
struct Shape {
  std::uint32_t depth = 6, features = 8, trees = 40, outputs = 1;
  std::uint32_t thresholds = 0;   ///< distinct ones a feature; 0: all differ
  double leaf_chance = 0.1;       ///< that a node above the last level is a leaf
  double category_chance = 0;
  bool missing_both_ways = true;
  bool zeros = false;             ///< LightGBM's readings of zero
  bool oblivious = false;         ///< one split a level, as CatBoost grows trees
  bool depths_differ = false;     ///< each tree's own, up to `depth`
};

template <class X>
double threshold(std::mt19937_64& random, const Shape& shape) {
  std::normal_distribution<double> normal;
  const double special[] = {0.0, -0.0, inf, -inf, 1e-40, -1e-40, 1e300, std::numeric_limits<X>::max(), std::numeric_limits<X>::denorm_min()};
  if (random() % 30 == 0) return special[random() % std::size(special)];
  if (shape.thresholds == 0) return normal(random);
  return static_cast<double>(static_cast<std::int64_t>(random() % shape.thresholds)) / 16 - shape.thresholds / 32.0;
}

template <class X, class S>
TreeModel random_model(std::mt19937_64& random, const Shape& shape) {
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> chance;
  TreeModel model;
  model.features = shape.features;
  model.compares = sizeof(X) == 4 ? Real::float32 : Real::float64;
  model.adds = sizeof(S) == 4 ? Real::float32 : Real::float64;
  for (std::uint32_t o = 0; o < shape.outputs; ++o) model.base.push_back(normal(random));
  if (shape.zeros) {
    for (std::uint32_t f = 0; f < shape.features; ++f) model.zeros.push_back(random() % 3 == 0 ? Zeros::missing : Zeros::kept);
  }
  for (std::uint32_t t = 0; t < shape.trees; ++t) {
    Tree tree;
    tree.output = static_cast<std::uint32_t>(random() % shape.outputs);
    tree.weight = random() % 4 == 0 ? 0.75 : 1;
    tree.nodes.emplace_back();
    const std::uint32_t deepest = shape.depths_differ ? static_cast<std::uint32_t>(random() % (shape.depth + 1)) : shape.depth;
    std::vector<std::uint32_t> depth{0};
    for (std::size_t at = 0; at < tree.nodes.size(); ++at) {
      TreeNode node;
      node.value = normal(random);
      if (depth[at] < deepest && chance(random) >= shape.leaf_chance) {
        node.feature = static_cast<std::uint32_t>(random() % shape.features);
        node.default_left = shape.missing_both_ways && random() % 2 == 0;
        if (chance(random) < shape.category_chance) {
          node.split = std::array{Split::in_category, Split::not_in_category, Split::equals_one, Split::equals_none, Split::not_in_hashed}[random() % 5];
          std::set<std::int32_t> codes;
          for (std::size_t i = 0; i < 1 + random() % 6; ++i) codes.insert(static_cast<std::int32_t>(random() % 40 == 0 ? (1 << 24) - 1 - random() % 3 : random() % 70));
          node.categories = static_cast<std::int32_t>(tree.category_sets.size());
          tree.category_sets.emplace_back(codes.begin(), codes.end());
          if (node.split == Split::not_in_hashed) tree.category_sets.back() = {static_cast<std::int32_t>(City::of(*codes.begin()))};
        } else {
          node.split = random() % 2 == 0 ? Split::less : Split::less_equal;
          node.value = threshold<X>(random, shape);
        }
        node.left = static_cast<std::int32_t>(tree.nodes.size());
        node.right = node.left + 1;
        if (shape.oblivious && depth[at] > 0 && depth[at - 1] == depth[at]) {
          const TreeNode& before = tree.nodes[at - 1];
          node.feature = before.feature, node.split = before.split, node.value = before.value, node.default_left = before.default_left, node.categories = before.categories;
        }
        tree.nodes.resize(tree.nodes.size() + 2);
        depth.insert(depth.end(), 2, depth[at] + 1);
      }
      tree.nodes[at] = node;
    }
    model.trees.push_back(std::move(tree));
  }
  return model;
}

/// Values on thresholds and one unit beside them, zeros of both signs, what is hardly a number, and codes.
template <class X>
std::vector<X> hurting_rows(std::mt19937_64& random, const TreeModel& model, std::size_t n) {
  std::normal_distribution<double> normal;
  std::vector<std::vector<X>> edges(model.features);
  for (const Tree& tree : model.trees)
    for (const TreeNode& node : tree.nodes)
      if (node.left != TreeNode::none && !is_category(node.split)) edges[node.feature].push_back(static_cast<X>(node.value));
  constexpr X special[] = {X(0), X(-0.0), X(inf), X(-inf), X(nan), X(1e-40), X(-1e-40), X(1e-35f), X(2e-35f), X(-0.5), X(-1), X(16777215), X(16777216), X(3e9), X(-3e9)};
  std::vector<X> rows(n * model.features);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& on = edges[i % model.features];
    switch (random() % 8) {
      case 0: rows[i] = special[random() % std::size(special)]; break;
      case 1: rows[i] = X(nan); break;
      case 2: rows[i] = static_cast<X>(random() % 72) + (random() % 2 == 0 ? X(0) : X(0.5)); break;
      case 3: rows[i] = static_cast<X>(normal(random)); break;
      default:
        rows[i] = on.empty() ? X(0) : on[random() % on.size()];
        if (random() % 3 == 0) rows[i] = std::nextafter(rows[i], X(inf));
        else if (random() % 3 == 0) rows[i] = std::nextafter(rows[i], X(-inf));
    }
  }
  return rows;
}

}  // namespace featlib::testing
