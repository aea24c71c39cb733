/// What the IR means, written as slowly as it reads; the walk and every kernel of this machine have the same bits, over random
/// models and rows made to hurt.
#include "ensemble/compiled.hpp"
#include "ensemble/walk.hpp"

#include "support/random_models.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>

using namespace featlib::detail;
using namespace featlib::testing;

namespace {

/// The definition: one node after another, one tree after another.
template <class X, class S>
void define(const TreeModel& model, const X* row, S* out) {
  for (std::size_t o = 0; o < model.base.size(); ++o) out[o] = static_cast<S>(model.base[o]);
  for (const Tree& tree : model.trees) {
    const TreeNode* node = &tree.nodes[0];
    while (node->left != TreeNode::none) {
      const auto x = static_cast<double>(row[node->feature]);
      const bool tiny = std::fabs(x) <= static_cast<double>(1e-35f);
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
      INFO("columns " << compiled->ranks.columns);
      compiled->margins(rows.data(), n, got.data());
      REQUIRE(same_bits(got, expected));
      for (std::size_t i = 0; i < std::min<std::size_t>(n, 70); ++i) compiled->scoring.one(*compiled, rows.data() + i * model.features, got.data() + i * shape.outputs);
      REQUIRE(same_bits(got, expected));
      for (std::size_t i = 0; i < n; i += compiled->block)
        compiled->scoring.block(*compiled, rows.data() + i * model.features, std::min(compiled->block, n - i), got.data() + i * shape.outputs);
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
    for (std::uint32_t depth = 1; depth <= 10; ++depth) check<X, S>(600 + depth, {.depth = depth, .features = 10, .trees = 90, .leaf_chance = 0, .category_chance = 0.1, .oblivious = true});
    for (std::uint32_t depth = 11; depth <= 17; ++depth) check<X, S>(640 + depth, {.depth = depth, .features = 10, .trees = 2, .leaf_chance = 0, .category_chance = 0.1, .oblivious = true});
    for (const std::uint32_t depth : {3u, 8u, 12u}) check<X, S>(660 + depth, {.depth = depth, .features = 6, .trees = 40, .outputs = 3, .leaf_chance = 0, .oblivious = true, .depths_differ = true});
    for (const std::uint32_t features : {40u, 80u, 200u}) check<X, S>(680 + features, {.depth = 8, .features = features, .trees = 70, .leaf_chance = 0, .oblivious = true});
    check<X, S>(690, {.features = 2, .trees = 200, .leaf_chance = 0, .oblivious = true});
    for (std::uint64_t seed = 620; seed < 640; ++seed) check<X, S>(seed, {.depth = 2, .trees = 1, .thresholds = 1, .leaf_chance = 0, .missing_both_ways = false});  // not: each test has its column
  }
  SECTION("with several outputs") {
    check<X, S>(500, {.trees = 100, .outputs = 3});
    check<X, S>(501, {.depth = 7, .trees = 100, .outputs = 7});
    check<X, S>(502, {.depth = 2, .trees = 5, .outputs = 9});
    check<X, S>(503, {.trees = 0, .outputs = 2});
  }
}

TEST_CASE("a model is in tables where every level of every tree is one test, down to sixteen levels") {
  const auto in_tables = [](const Shape& shape) {
    std::mt19937_64 random(1);
    return Compiled<float, double>::of(random_model<float, double>(random, shape), *kernels<float, double>().back())->tables.size() == shape.trees;
  };
  CHECK(in_tables({.depth = 16, .trees = 2, .leaf_chance = 0, .oblivious = true}));
  CHECK_FALSE(in_tables({.depth = 17, .trees = 2, .leaf_chance = 0, .oblivious = true}));
  CHECK(in_tables({.depth = 9, .trees = 20, .leaf_chance = 0, .category_chance = 1, .oblivious = true, .depths_differ = true}));
  CHECK_FALSE(in_tables({.depth = 9, .trees = 20, .leaf_chance = 0.001, .oblivious = true}));
  CHECK(in_tables({.depth = 1, .trees = 20, .leaf_chance = 0}));
  CHECK_FALSE(in_tables({.depth = 2, .trees = 20, .leaf_chance = 0}));
}

}  // namespace
