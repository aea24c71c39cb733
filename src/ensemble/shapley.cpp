#include "ensemble/shapley.hpp"

#include "ensemble/cuts.hpp"
#include "ensemble/quadrature.hpp"

#include <featlib/core/result.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace featlib::detail {
namespace {

constexpr std::int32_t none = TreeNode::none;
constexpr std::size_t deepest = 1000;

struct Rule {
  std::vector<double> nodes, weights;   // over [0, 1]

  /// Exact for the polynomials of a tree of that depth, whose degree is one less.
  explicit Rule(std::size_t depth) {
    const std::size_t n = depth / 2 + 1;
    for (std::size_t i = 0; i < n; ++i) {
      const auto [x, w] = legendre(n, i);
      nodes.push_back(0.5 * (x + 1.0));
      weights.push_back(0.5 * w);
    }
  }
};

/// One row in one tree, path-dependent.
class Paths {
 public:
  Paths(const Shapley& of, const Rule& rule, const double* row, std::size_t depth, std::vector<double>& factors, double* line)
      : of_(of), rule_(rule), row_(row), lines_((2 * depth + 1) * size()), factors_(factors), line_(line) {}

  void run(std::size_t root) {
    std::fill_n(lines_.data(), size(), 1.0);
    visit(of_.nodes()[root], 0, lines_.data(), 1.0);
  }

 private:
  std::size_t size() const { return rule_.nodes.size(); }

  /// `here`: the product of the path's factors, which becomes the subtree's sum.
  void visit(const Shapley::Node& node, std::size_t level, double* here, double weight) {
    if (node.left == none) {
      for (std::size_t i = 0; i < size(); ++i) here[i] *= weight * node.value * rule_.weights[i];
      return;
    }
    const bool left = of_.goes_left(node, row_);
    double* lines = &lines_[(2 * level + 1) * size()];
    for (std::size_t side = 0; side < 2; ++side) {
      double* line = lines + side * size();
      std::copy_n(here, size(), line);
      child(node, side, left == (side == 0), level, line, weight);
    }
    for (std::size_t i = 0; i < size(); ++i) here[i] = lines[i] + lines[size() + i];
  }

  void child(const Shapley::Node& node, std::size_t side, bool taken, std::size_t level, double* here, double weight) {
    const double old = factors_[node.feature], factor = taken ? old / node.share[side] : 0.0;   // 1: nothing above splits on it
    for (std::size_t i = 0; i < size(); ++i) here[i] *= (1 + (factor - 1) * rule_.nodes[i]) / (1 + (old - 1) * rule_.nodes[i]);
    factors_[node.feature] = factor;
    visit(of_.nodes()[static_cast<std::size_t>(side == 0 ? node.left : node.right)], level + 1, here, weight * node.share[side]);
    factors_[node.feature] = old;
    for (std::size_t i = 0; i < size(); ++i) {
      const double t = rule_.nodes[i];
      line_[node.feature] += here[i] * ((factor - 1) / (1 + (factor - 1) * t) - (old - 1) / (1 + (old - 1) * t));
    }
  }

  const Shapley& of_;
  const Rule& rule_;
  const double* row_;
  std::vector<double> lines_;
  std::vector<double>& factors_;
  double* line_;
};

double expected(const std::vector<Shapley::Node>& nodes, std::size_t at) {
  const Shapley::Node& node = nodes[at];
  if (node.left == none) return node.value;
  return node.share[0] * expected(nodes, static_cast<std::size_t>(node.left)) + node.share[1] * expected(nodes, static_cast<std::size_t>(node.right));
}

/// a! b! / (a + b + 1)!, the weight of a coalition.
double weight_of(std::size_t a, std::size_t b) {
  double chosen = 1;
  for (std::size_t i = 1; i <= std::min(a, b); ++i) chosen *= static_cast<double>(std::max(a, b) + i) / static_cast<double>(i);
  return 1 / (static_cast<double>(a + b + 1) * chosen);
}

/// One row against one of the background in one tree. A leaf is reached by the coalitions that have all features which lead the row
/// there (`with`) and none of those which lead the other there (`without`).
class Pair {
 public:
  Pair(const Shapley& of, const double* row, const double* other, std::vector<std::int8_t>& side, double* line) : of_(of), row_(row), other_(other), side_(side), line_(line) {}

  /// What a feature of `with` gets from the leaves below, and what one of `without` loses.
  std::pair<double, double> visit(std::size_t at, std::size_t with, std::size_t without) {
    const Shapley::Node& node = of_.nodes()[at];
    if (node.left == none)
      return {with > 0 ? node.value * weight_of(with - 1, without) : 0.0, without > 0 ? node.value * weight_of(with, without - 1) : 0.0};
    const auto child = [&](bool left) { return static_cast<std::size_t>(left ? node.left : node.right); };
    const bool mine = of_.goes_left(node, row_), theirs = of_.goes_left(node, other_);
    std::int8_t& side = side_[node.feature];
    if (mine == theirs || side > 0) return visit(child(mine), with, without);
    if (side < 0) return visit(child(theirs), with, without);
    side = 1;
    const auto [gained, lost] = visit(child(mine), with + 1, without);
    side = -1;
    const auto [also_gained, also_lost] = visit(child(theirs), with, without + 1);
    side = 0;
    line_[node.feature] += gained - also_lost;
    return {gained + also_gained, lost + also_lost};
  }

 private:
  const Shapley& of_;
  const double *row_, *other_;
  std::vector<std::int8_t>& side_;
  double* line_;
};

}  // namespace

Shapley::Shapley(const TreeModel& model)
    : features_(model.features), compares_(model.compares), zeros_(model.zeros), base_(model.base), bias_(model.bias), divisor_(model.divisor), scale_(model.scale) {
  for (const Tree& tree : model.trees) {
    const std::size_t first = nodes_.size();
    const bool covers = tree.cover.size() == tree.nodes.size();
    has_covers_ &= covers;
    for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
      const TreeNode& in = tree.nodes[i];
      Node node{none, none, in.feature, none, in.default_left, detail::in_set_goes_right(in.split), 0, {0.5, 0.5}};
      if (in.left == none) {
        const double weighted = model.adds == Real::float32 ? static_cast<double>(static_cast<float>(in.value) * static_cast<float>(tree.weight)) : in.value * tree.weight;
        node.value = weighted;
      } else {
        node.left = static_cast<std::int32_t>(first) + in.left;
        node.right = static_cast<std::int32_t>(first) + in.right;
        if (is_category(in.split)) node.categories = static_cast<std::int32_t>(sets_.add(tree.category_sets[static_cast<std::size_t>(in.categories)], in.split));
        else node.value = compares_ == Real::float32 ? static_cast<double>(cut_of<float>(in.value, in.split)) : cut_of<double>(in.value, in.split);
        if (covers) {
          const double left = static_cast<double>(tree.cover[static_cast<std::size_t>(in.left)]), right = static_cast<double>(tree.cover[static_cast<std::size_t>(in.right)]);
          if (!(left >= 0 && right >= 0 && std::isfinite(left + right))) throw Error(ErrorCode::model_unsupported, fmt::format("a node saw {} rows", std::min(left, right)), "train the model again");
          // No share is nothing: a child that saw no row keeps a way in, as XGBoost's 1e-12 does.
          const double smallest = 1e-12, share = left + right > 0 ? std::clamp(left / (left + right), smallest, 1 - smallest) : 0.5;
          node.share[0] = share;
          node.share[1] = 1 - share;
        }
      }
      nodes_.push_back(node);
    }
    std::size_t depth = 0;
    for (std::vector<std::size_t> level{first}, next; !level.empty(); level = std::exchange(next, {}), ++depth) {
      if (depth > deepest) throw Error(ErrorCode::model_unsupported, fmt::format("a tree deeper than {}", deepest), "contributions of such chains mean little");
      for (const std::size_t at : level)
        if (nodes_[at].left != none) next.insert(next.end(), {static_cast<std::size_t>(nodes_[at].left), static_cast<std::size_t>(nodes_[at].right)});
    }
    roots_.push_back({first, tree.output, depth - 1});
  }
}

bool Shapley::goes_left(const Node& node, const double* row) const noexcept {
  const double x = row[node.feature];
  if (x != x) return node.default_left;
  if (node.categories == none) return !(x >= node.value);
  return sets_.contains(static_cast<std::uint32_t>(node.categories), x) != node.in_set_goes_right;
}

std::vector<double> Shapley::seen(const double* row) const {
  std::vector<double> out(row, row + features_);
  for (std::size_t f = 0; f < features_; ++f) {
    if (compares_ == Real::float32) out[f] = static_cast<double>(static_cast<float>(out[f]));
    out[f] = cleaned(out[f], zeros_.empty() ? Zeros::kept : zeros_[f]);
  }
  return out;
}

/// From sums of leaves to margins: what a trainer does after the last tree.
void Shapley::finish(double* lines) const {
  for (std::size_t o = 0; o < base_.size(); ++o, lines += features_ + 1) {
    lines[features_] += base_[o];
    for (std::size_t f = 0; f <= features_; ++f) lines[f] = lines[f] / divisor_ * (bias_.empty() ? 1 : scale_);
    if (!bias_.empty()) lines[features_] += bias_[o];
  }
}

void Shapley::path_dependent(const double* rows, std::size_t n, double* out) const {
  if (!has_covers_) throw Error(ErrorCode::model_unsupported, "the model does not say how many rows each node saw", "give a background table");
  std::map<std::size_t, Rule> rules;
  for (const Root& root : roots_) rules.try_emplace(root.depth, root.depth);
  std::vector<double> factors(features_, 1.0);
  const std::size_t width = base_.size() * (features_ + 1);
  for (std::size_t r = 0; r < n; ++r) {
    const std::vector<double> row = seen(rows + r * features_);
    double* lines = out + r * width;
    std::fill_n(lines, width, 0.0);
    for (const Root& root : roots_) {
      double* line = lines + root.output * (features_ + 1);
      Paths(*this, rules.at(root.depth), row.data(), root.depth, factors, line).run(root.node);
      line[features_] += expected(nodes_, root.node);
    }
    finish(lines);
  }
}

void Shapley::interventional(const double* rows, std::size_t n, const double* background, std::size_t m, double* out) const {
  if (m == 0) throw Error(ErrorCode::model_inputs, "the background has no rows", "a hundred rows of the training table are usual");
  std::vector<std::int8_t> side(features_);
  const std::size_t width = base_.size() * (features_ + 1);
  std::fill_n(out, n * width, 0.0);
  for (std::size_t b = 0; b < m; ++b) {
    const std::vector<double> other = seen(background + b * features_);
    for (std::size_t r = 0; r < n; ++r) {
      const std::vector<double> row = seen(rows + r * features_);
      for (const Root& root : roots_) {
        double* line = out + r * width + root.output * (features_ + 1);
        Pair(*this, row.data(), other.data(), side, line).visit(root.node, 0, 0);
        std::size_t at = root.node;
        while (nodes_[at].left != none) at = static_cast<std::size_t>(goes_left(nodes_[at], other.data()) ? nodes_[at].left : nodes_[at].right);
        line[features_] += nodes_[at].value;
      }
    }
  }
  for (std::size_t i = 0; i < n * width; ++i) out[i] /= static_cast<double>(m);
  for (std::size_t r = 0; r < n; ++r) finish(out + r * width);
}

}  // namespace featlib::detail
