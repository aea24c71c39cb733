/// What the IR means, written as slowly as it reads; the walk and every kernel of this machine have the same bits, over random
/// models and rows made to hurt.
#include "ensemble/compiled.hpp"
#include "ensemble/walk.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>

using namespace featlib::detail;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// What a random model is made of.
struct Shape {
  std::uint32_t depth = 6, features = 8, trees = 40, outputs = 1;
  std::uint32_t thresholds = 0;   ///< distinct ones a feature; 0: all differ
  double leaf_chance = 0.1;       ///< that a node above the last level is a leaf
  double category_chance = 0;
  bool missing_both_ways = true;
  bool zeros = false;             ///< LightGBM's readings of zero
  bool oblivious = false;         ///< one split a level, as CatBoost grows trees
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
    model.tiny_is_zero = random() % 2 == 0;
    for (std::uint32_t f = 0; f < shape.features; ++f) model.zeros.push_back(random() % 3 == 0 ? Zeros::missing : Zeros::kept);
  }
  for (std::uint32_t t = 0; t < shape.trees; ++t) {
    Tree tree;
    tree.output = static_cast<std::uint32_t>(random() % shape.outputs);
    tree.weight = random() % 4 == 0 ? 0.75 : 1;
    tree.nodes.emplace_back();
    std::vector<std::uint32_t> depth{0};
    for (std::size_t at = 0; at < tree.nodes.size(); ++at) {
      TreeNode node;
      node.value = normal(random);
      if (depth[at] < shape.depth && chance(random) >= shape.leaf_chance) {
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

/// The definition: one node after another, one tree after another.
template <class X, class S>
void define(const TreeModel& model, const X* row, S* out) {
  for (std::size_t o = 0; o < model.base.size(); ++o) out[o] = static_cast<S>(model.base[o]);
  for (const Tree& tree : model.trees) {
    const TreeNode* node = &tree.nodes[0];
    while (node->left != TreeNode::none) {
      auto x = static_cast<double>(row[node->feature]);
      const bool tiny = std::fabs(x) <= static_cast<double>(1e-35f);
      if (tiny && model.tiny_is_zero) x = 0;
      const bool missing = std::isnan(x) || (tiny && !model.zeros.empty() && model.zeros[node->feature] == Zeros::missing);
      const auto holds = [&](std::int64_t code) {
        const auto& codes = tree.category_sets[static_cast<std::size_t>(node->categories)];
        return std::find(codes.begin(), codes.end(), code) != codes.end();
      };
      bool left = node->default_left;
      if (!missing) switch (node->split) {
        case Split::less: left = x < node->value; break;
        case Split::less_equal: left = x <= node->value; break;
        case Split::not_in_category: left = !(x >= 0 && x < 16777216 && holds(static_cast<std::int64_t>(x))); break;
        case Split::in_category: left = x > -1 && x < 2147483648 && holds(static_cast<std::int64_t>(x)); break;
        case Split::equals_one: left = x == std::floor(x) && std::fabs(x) < 2147483648 && holds(static_cast<std::int64_t>(x)); break;
        case Split::equals_none: left = !(x == std::floor(x) && std::fabs(x) < 2147483648 && holds(static_cast<std::int64_t>(x))); break;
        case Split::not_in_hashed: left = !(x == std::floor(x) && std::fabs(x) < 9007199254740992 && holds(static_cast<std::int32_t>(City::of(static_cast<std::int64_t>(x))))); break;
      }
      node = &tree.nodes[static_cast<std::size_t>(left ? node->left : node->right)];
    }
    out[tree.output] += static_cast<S>(node->value) * static_cast<S>(tree.weight);
  }
}

template <class S>
bool same_bits(const std::vector<S>& a, const std::vector<S>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(S)) == 0;
}

template <class X, class S>
void check(std::uint64_t seed, const Shape& shape, bool compiles = true) {
  std::mt19937_64 random(seed);
  const TreeModel model = random_model<X, S>(random, shape);
  const Walk<X, S> walk(model);
  for (const std::size_t n : {std::size_t{1}, std::size_t{1 + random() % 63}, std::size_t{64 + random() % 1100}}) {
    const std::vector<X> rows = hurting_rows<X>(random, model, n);
    std::vector<S> expected(n * shape.outputs), got(expected.size());
    for (std::size_t i = 0; i < n; ++i) define(model, rows.data() + i * model.features, expected.data() + i * shape.outputs);
    walk.margins(rows.data(), n, got.data());
    INFO("the walk, seed " << seed << ", rows " << n);
    REQUIRE(same_bits(got, expected));
    for (const Kernel<X, S>* kernel : kernels<X, S>()) {
      const auto compiled = Compiled<X, S>::of(model, *kernel);
      INFO("kernel " << kernel->name << ", seed " << seed << ", depth " << shape.depth << ", features " << shape.features << ", trees " << shape.trees << ", rows " << n);
      REQUIRE((compiled != nullptr) == compiles);
      if (compiled == nullptr) continue;
      INFO("columns " << compiled->tiles.columns);
      compiled->margins(rows.data(), n, got.data());
      REQUIRE(same_bits(got, expected));
      for (std::size_t i = 0; i < std::min<std::size_t>(n, 70); ++i) kernel->one(*compiled, rows.data() + i * model.features, got.data() + i * shape.outputs);
      REQUIRE(same_bits(got, expected));
      for (std::size_t i = 0; i < n; i += compiled->block)
        kernel->block(*compiled, rows.data() + i * model.features, std::min(compiled->block, n - i), got.data() + i * shape.outputs);
      REQUIRE(same_bits(got, expected));
    }
  }
}

template <class X, class S>
void check_all() {
  std::uint64_t seed = 1;
  for (std::uint32_t depth = 0; depth <= 10; ++depth) {
    check<X, S>(++seed, {.depth = depth, .features = 5, .trees = 1 + depth});
    check<X, S>(++seed, {.depth = depth, .features = 12, .trees = 70, .thresholds = 60, .leaf_chance = depth > 7 ? 0.3 : 0.1});
  }
  check<X, S>(++seed, {.depth = 18, .features = 4, .trees = 15, .leaf_chance = 0.38});
  for (const std::uint32_t features : {1u, 2u, 20u, 31u, 32u, 33u, 40u}) check<X, S>(++seed, {.features = features, .trees = 100, .thresholds = 250});
}

TEMPLATE_TEST_CASE("the walk and every kernel equal the definition", "", (std::pair<float, float>), (std::pair<float, double>), (std::pair<double, double>)) {
  using X = typename TestType::first_type;
  using S = typename TestType::second_type;
  SECTION("at every depth and width") { check_all<X, S>(); }
  SECTION("with more cuts than a byte holds") {
    check<X, S>(100, {.features = 2, .trees = 30});
    check<X, S>(101, {.features = 3, .trees = 120, .thresholds = 256});
    check<X, S>(102, {.features = 6, .trees = 200, .missing_both_ways = false});
    check<X, S>(103, {.depth = 9, .features = 6, .trees = 60, .leaf_chance = 0.2});
  }
  SECTION("with any number of columns that kernels take") {
    check<X, S>(200, {.features = 40, .trees = 100, .thresholds = 400});
    check<X, S>(201, {.features = 80, .trees = 200, .thresholds = 40});
    check<X, S>(202, {.depth = 8, .features = 200, .trees = 200, .thresholds = 10});
    check<X, S>(203, {.features = 300, .trees = 300, .thresholds = 3}, false);
  }
  SECTION("with sets of categories") {
    check<X, S>(300, {.trees = 30, .category_chance = 0.2});
    check<X, S>(301, {.depth = 8, .features = 3, .trees = 6, .leaf_chance = 0.2, .category_chance = 1});
  }
  SECTION("with zeros that are missing or small") {
    check<X, S>(400, {.trees = 60, .zeros = true});
    check<X, S>(401, {.depth = 7, .trees = 20, .category_chance = 0.2, .zeros = true});
  }
  SECTION("with one test a level") {
    for (std::uint32_t depth = 1; depth < 9; ++depth) check<X, S>(600 + depth, {.depth = depth, .features = 10, .trees = 90, .leaf_chance = 0, .category_chance = 0.1, .oblivious = true});
    for (std::uint64_t seed = 620; seed < 640; ++seed) check<X, S>(seed, {.depth = 2, .trees = 1, .thresholds = 1, .leaf_chance = 0, .missing_both_ways = false});  // not: each test has its column
  }
  SECTION("with several outputs") {
    check<X, S>(500, {.trees = 100, .outputs = 3});
    check<X, S>(501, {.depth = 7, .trees = 100, .outputs = 7});
    check<X, S>(502, {.depth = 2, .trees = 5, .outputs = 9});
    check<X, S>(503, {.trees = 0, .outputs = 2});
  }
}

}  // namespace
