/// Contributions: XGBoost's recursion written as it reads, and Shapley's definition over all coalitions.
#include "ensemble/explainer.hpp"
#include "ensemble/quadrature.hpp"
#include "ensemble/shapley.hpp"

#include "support/random_models.hpp"

#include <featlib/core/result.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <bit>
#include <functional>

using namespace featlib::detail;
using namespace featlib::testing;

namespace {

bool goes_left(const TreeModel& model, const Tree& tree, const TreeNode& node, double x) {
  const bool tiny = std::fabs(x) <= static_cast<double>(1e-35f);
  if (std::isnan(x) || (tiny && !model.zeros.empty() && model.zeros[node.feature] == Zeros::missing)) return node.default_left;
  const auto holds = [&](std::int64_t code) {
    const auto& codes = tree.category_sets[static_cast<std::size_t>(node.categories)];
    return std::find(codes.begin(), codes.end(), code) != codes.end();
  };
  const auto whole = [&](double bound) { return x == std::floor(x) && std::fabs(x) < bound; };
  switch (node.split) {
    case Split::less: return x < node.value;
    case Split::less_equal: return x <= node.value;
    case Split::not_in_category: return !(x >= 0 && x < 16777216 && holds(static_cast<std::int64_t>(x)));
    case Split::in_category: return x > -1 && x < 2147483648 && holds(static_cast<std::int64_t>(x));
    case Split::equals_one: return whole(2147483648) && holds(static_cast<std::int64_t>(x));
    case Split::equals_none: return !(whole(2147483648) && holds(static_cast<std::int64_t>(x)));
    case Split::not_in_hashed: return !(whole(9007199254740992) && holds(static_cast<std::int32_t>(City::of(static_cast<std::int64_t>(x)))));
  }
  return false;
}

/// Rows seen by each node, from the root down; now and then none by one child, or by both.
void add_covers(std::mt19937_64& random, Tree& tree) {
  std::uniform_real_distribution<float> chance;
  tree.cover.assign(tree.nodes.size(), 0);
  tree.cover[0] = 1000 * chance(random);
  for (std::size_t at = 0; at < tree.nodes.size(); ++at) {
    const TreeNode& node = tree.nodes[at];
    if (node.left == TreeNode::none) continue;
    const float share = random() % 20 == 0 ? 0.0f : chance(random);
    tree.cover[static_cast<std::size_t>(node.left)] = share * tree.cover[at];
    tree.cover[static_cast<std::size_t>(node.right)] = random() % 50 == 0 ? 0.0f : tree.cover[at] - share * tree.cover[at];
  }
}

/// dmlc/xgboost v3.4.1, src/predictor/interpretability/shap.cc and quadrature.h: one tree, one row.
class Recursion {
 public:
  using Line = std::array<float, 8>;

  Recursion(const TreeModel& model, const Tree& tree, const float* row, float* phi) : model_(model), tree_(tree), row_(row), phi_(phi), p_(model.features, unseen) {
    for (std::size_t i = 0; i < 8; ++i) {
      const auto [x, w] = legendre(8, i);
      const double s = 0.5 * (x + 1);
      nodes_[7 - i] = static_cast<float>(s * s);
      weights_[7 - i] = static_cast<float>(2 * s * (0.5 * w));
    }
  }

  void run() {
    if (tree_.nodes[0].left == TreeNode::none) return;
    Line ones;
    ones.fill(1);
    visit(0, ones, 1);
  }

 private:
  static constexpr float unseen = -999;

  Line visit(std::int32_t at, Line c, float weight) {
    const TreeNode& node = tree_.nodes[static_cast<std::size_t>(at)];
    if (node.left == TreeNode::none) {
      const float scale = weight * static_cast<float>(node.value);
      for (std::size_t i = 0; i < 8; ++i) c[i] = c[i] * scale * weights_[i];
      return c;
    }
    const bool left = goes_left(model_, tree_, node, static_cast<double>(row_[node.feature]));
    Line sum = child(at, node.left, left, c, weight);
    const Line right = child(at, node.right, !left, c, weight);
    for (std::size_t i = 0; i < 8; ++i) sum[i] += right[i];
    return sum;
  }

  Line child(std::int32_t at, std::int32_t to, bool taken, Line c, float weight) {
    const std::uint32_t feature = tree_.nodes[static_cast<std::size_t>(at)].feature;
    const float cover = tree_.cover[static_cast<std::size_t>(to)], parent = tree_.cover[static_cast<std::size_t>(at)];
    const float share = parent <= 0 ? 0.5f : cover / parent < 1e-12f ? 1e-12f : cover / parent;
    const float old = p_[feature], now = !taken ? 0.0f : old == unseen ? 1.0f / share : old / share;
    for (std::size_t i = 0; i < 8; ++i) c[i] *= 1.0f + (now - 1.0f) * nodes_[i];
    if (old != unseen && old - 1.0f != 0.0f)
      for (std::size_t i = 0; i < 8; ++i) c[i] /= 1.0f + (old - 1.0f) * nodes_[i];
    p_[feature] = now;
    const Line h = visit(to, c, weight * share);
    float given = 0;
    if (now != 1.0f)
      for (std::size_t i = 0; i < 8; ++i) given += (now - 1.0f) * h[i] / (1.0f + (now - 1.0f) * nodes_[i]);
    if (old != unseen && old != 1.0f)
      for (std::size_t i = 0; i < 8; ++i) given -= (old - 1.0f) * h[i] / (1.0f + (old - 1.0f) * nodes_[i]);
    phi_[feature] += given;
    p_[feature] = old;
    return h;
  }

  const TreeModel& model_;
  const Tree& tree_;
  const float* row_;
  float* phi_;
  std::vector<float> p_;
  std::array<float, 8> nodes_, weights_;
};

double expected_leaf(const Tree& tree, std::int32_t at) {
  const TreeNode& node = tree.nodes[static_cast<std::size_t>(at)];
  if (node.left == TreeNode::none) return node.value;
  const double left = expected_leaf(tree, node.left), right = expected_leaf(tree, node.right);
  const auto cover = [&](std::int32_t i) { return static_cast<double>(tree.cover[static_cast<std::size_t>(i)]); };
  return cover(at) == 0 ? 0.5 * (left + right) : (left * cover(node.left) + right * cover(node.right)) / cover(at);
}

std::vector<float> as_xgboost(const TreeModel& model, const float* row) {
  const std::size_t width = model.features + 1;
  std::vector<float> out(model.base.size() * width);
  std::vector<double> expected(model.base.size());
  for (const Tree& tree : model.trees) {
    std::vector<float> phi(model.features);
    Recursion(model, tree, row, phi.data()).run();
    const auto weight = static_cast<float>(tree.weight);
    for (std::size_t f = 0; f < model.features; ++f) out[tree.output * width + f] += phi[f] * weight;
    expected[tree.output] += expected_leaf(tree, 0) * static_cast<double>(weight);
  }
  for (std::size_t o = 0; o < model.base.size(); ++o) {
    out[(o + 1) * width - 1] += static_cast<float>(expected[o]);
    out[(o + 1) * width - 1] += static_cast<float>(model.base[o]);
  }
  return out;
}

/// Shapley's sum over all coalitions, for what a coalition's tree is worth.
void add_by_definition(std::size_t features, const std::function<double(std::uint32_t)>& worth, double* line) {
  std::vector<double> values(std::size_t{1} << features);
  for (std::uint32_t set = 0; set < values.size(); ++set) values[set] = worth(set);
  const auto factorial = [](std::size_t n) { double out = 1; for (std::size_t i = 2; i <= n; ++i) out *= static_cast<double>(i); return out; };
  for (std::size_t f = 0; f < features; ++f)
    for (std::uint32_t set = 0; set < values.size(); ++set)
      if ((set >> f & 1u) == 0) {
        const auto size = static_cast<std::size_t>(std::popcount(set));
        line[f] += factorial(size) * factorial(features - size - 1) / factorial(features) * (values[set | 1u << f] - values[set]);
      }
  line[features] += values[0];
}

double worth_by_covers(const TreeModel& model, const Tree& tree, std::int32_t at, const double* row, std::uint32_t set) {
  const TreeNode& node = tree.nodes[static_cast<std::size_t>(at)];
  if (node.left == TreeNode::none) return node.value * tree.weight;
  if (set >> node.feature & 1u) return worth_by_covers(model, tree, goes_left(model, tree, node, row[node.feature]) ? node.left : node.right, row, set);
  const double left = static_cast<double>(tree.cover[static_cast<std::size_t>(node.left)]), right = static_cast<double>(tree.cover[static_cast<std::size_t>(node.right)]);
  const double share = left + right > 0 ? std::clamp(left / (left + right), 1e-12, 1 - 1e-12) : 0.5;
  return share * worth_by_covers(model, tree, node.left, row, set) + (1 - share) * worth_by_covers(model, tree, node.right, row, set);
}

double leaf_of(const TreeModel& model, const Tree& tree, const double* row) {
  const TreeNode* node = &tree.nodes[0];
  while (node->left != TreeNode::none) node = &tree.nodes[static_cast<std::size_t>(goes_left(model, tree, *node, row[node->feature]) ? node->left : node->right)];
  return node->value * tree.weight;
}

double sum_of(const TreeModel& model, const double* row, std::size_t output) {
  double sum = model.base[output];
  for (const Tree& tree : model.trees)
    if (tree.output == output) sum += leaf_of(model, tree, row);
  return sum / model.divisor * (model.bias.empty() ? 1 : model.scale) + (model.bias.empty() ? 0 : model.bias[output]);
}

}  // namespace

TEST_CASE("contributions have the bits of XGBoost's recursion") {
  std::mt19937_64 random(1);
  for (std::uint32_t round = 0; round < 400; ++round) {
    Shape shape;
    shape.depth = round % 11;
    shape.features = 1 + static_cast<std::uint32_t>(random() % (round % 2 == 0 ? 4 : 30));   // few: a path meets its features again and again
    shape.trees = 6;
    shape.outputs = round % 5 == 0 ? 3 : 1;
    shape.thresholds = round % 3 == 0 ? 8 : 0;
    shape.category_chance = round % 4 == 0 ? 0.3 : 0;
    TreeModel model = random_model<float, float>(random, shape);
    for (Tree& tree : model.trees) add_covers(random, tree);
    const Explainer explainer(model);
    const auto rows = hurting_rows<float>(random, model, 5);
    std::vector<float> out(5 * model.base.size() * (model.features + 1));
    explainer.contributions(rows.data(), 5, out.data());
    for (std::size_t r = 0; r < 5; ++r) {
      const auto expected = as_xgboost(model, rows.data() + r * model.features);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        INFO("round " << round << ", row " << r << ", place " << i);
        const float given = out[r * expected.size() + i];
        REQUIRE((std::bit_cast<std::uint32_t>(given) == std::bit_cast<std::uint32_t>(expected[i]) || (std::isnan(given) && std::isnan(expected[i]))));
      }
    }
  }
}

TEST_CASE("contributions in double are Shapley's sum over all coalitions, by covers and against a background") {
  std::mt19937_64 random(2);
  for (std::uint32_t round = 0; round < 150; ++round) {
    Shape shape;
    shape.depth = round % 9;
    shape.features = 1 + static_cast<std::uint32_t>(random() % 5);
    shape.trees = 4;
    shape.outputs = round % 5 == 0 ? 2 : 1;
    shape.thresholds = 8;
    shape.category_chance = round % 4 == 0 ? 0.3 : 0;
    shape.zeros = round % 3 == 0;
    TreeModel model = random_model<double, double>(random, shape);
    for (Tree& tree : model.trees) add_covers(random, tree);
    if (round % 3 == 1) {
      model.divisor = 4;
      model.scale = 0.5;
      model.bias.assign(model.base.size(), 2);
    }
    const Shapley shapley(model);
    const std::size_t n = 3, m = 4, width = model.features + 1, line = model.base.size() * width;
    const auto rows = hurting_rows<double>(random, model, n), background = hurting_rows<double>(random, model, m);
    std::vector<double> by_covers(n * line), by_background(n * line);
    shapley.path_dependent(rows.data(), n, by_covers.data());
    shapley.interventional(rows.data(), n, background.data(), m, by_background.data());
    for (std::size_t r = 0; r < n; ++r) {
      const double* row = rows.data() + r * model.features;
      std::vector<double> covers(line), against(line);
      for (const Tree& tree : model.trees) {
        add_by_definition(model.features, [&](std::uint32_t set) { return worth_by_covers(model, tree, 0, row, set); }, &covers[tree.output * width]);
        add_by_definition(model.features, [&](std::uint32_t set) {
          double sum = 0;
          for (std::size_t b = 0; b < m; ++b) {
            std::vector<double> mixed(background.begin() + static_cast<std::ptrdiff_t>(b * model.features), background.begin() + static_cast<std::ptrdiff_t>((b + 1) * model.features));
            for (std::size_t f = 0; f < model.features; ++f)
              if (set >> f & 1u) mixed[f] = row[f];
            sum += leaf_of(model, tree, mixed.data());
          }
          return sum / static_cast<double>(m);
        }, &against[tree.output * width]);
      }
      for (std::size_t o = 0; o < model.base.size(); ++o) {
        double covers_sum = 0, against_sum = 0;
        for (std::size_t f = 0; f < width; ++f) {
          INFO("round " << round << ", row " << r << ", output " << o << ", feature " << f);
          const std::size_t i = o * width + f;
          const double base = f == model.features ? model.base[o] : 0, factor = (model.bias.empty() ? 1 : model.scale) / model.divisor, bias = f == model.features && !model.bias.empty() ? model.bias[o] : 0;
          REQUIRE(by_covers[r * line + i] == Approx((covers[i] + base) * factor + bias).margin(1e-9).epsilon(1e-9));
          REQUIRE(by_background[r * line + i] == Approx((against[i] + base) * factor + bias).margin(1e-12).epsilon(1e-12));
          covers_sum += by_covers[r * line + i];
          against_sum += by_background[r * line + i];
        }
        CHECK(against_sum == Approx(sum_of(model, row, o)).margin(1e-12).epsilon(1e-12));
        CHECK(covers_sum == Approx(sum_of(model, row, o)).margin(1e-9).epsilon(1e-9));
      }
    }
  }
}

TEST_CASE("a model without statistics is refused for what needs them, and a chain without end for all") {
  std::mt19937_64 random(3);
  const TreeModel model = random_model<float, float>(random, {});
  CHECK_THROWS_AS(Explainer(model), featlib::Error);
  std::vector<double> row(model.features), out(model.features + 1);
  CHECK_THROWS_AS(Shapley(model).path_dependent(row.data(), 1, out.data()), featlib::Error);
  CHECK_THROWS_AS(Shapley(model).interventional(row.data(), 1, row.data(), 0, out.data()), featlib::Error);

  TreeModel chain;
  chain.features = 1;
  chain.base = {0};
  chain.trees.resize(1);
  Tree& tree = chain.trees[0];
  for (std::int32_t i = 0; i < 1200; ++i) {
    TreeNode split;
    split.left = 2 * i + 1;
    split.right = 2 * i + 2;
    tree.nodes.resize(static_cast<std::size_t>(2 * i + 3));
    tree.nodes[static_cast<std::size_t>(2 * i)] = split;
  }
  tree.cover.assign(tree.nodes.size(), 1);
  CHECK_THROWS_AS(Explainer(chain), featlib::Error);
  CHECK_THROWS_AS(Shapley(chain), featlib::Error);
}
