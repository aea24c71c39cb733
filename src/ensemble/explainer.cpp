#include "ensemble/explainer.hpp"

#include "ensemble/aligned.hpp"
#include "ensemble/cuts.hpp"
#include "ensemble/quadrature.hpp"

#include <featlib/core/result.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <utility>

namespace featlib::detail {
namespace {

constexpr std::int32_t none = TreeNode::none;
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr std::size_t points = 8;
constexpr std::size_t deepest = 1000;   // a split looks up its feature on the whole path: chains from strangers must end

/// One float a quadrature point: a register with AVX2, two without.
typedef float Line __attribute__((vector_size(4 * points), may_alias));
typedef float Quad __attribute__((vector_size(16)));

struct Rule {
  Line nodes, weights;

  /// quadrature.h:71. The integral over t with t = s^2, so that its 8 points are exact to depth 8 and close beyond.
  Rule() {
    for (std::size_t i = 0; i < points; ++i) {
      const auto [x, w] = legendre(points, i);
      const double s = 0.5 * (x + 1.0);
      nodes[points - 1 - i] = static_cast<float>(s * s);
      weights[points - 1 - i] = static_cast<float>(2.0 * s * (0.5 * w));
    }
  }
};

const Rule& rule() {
  static const Rule made;
  return made;
}

/// quadrature.h:28.
float share_of(float cover, float parent) {
  if (parent <= 0) return 0.5f;
  return std::max(cover / parent, 1e-12f);
}

/// Lines in memory. (A vector type as a template argument would lose its alignment.)
class Lines {
 public:
  explicit Lines(std::size_t n) : floats_(points * n) {}
  Line* data() noexcept { return reinterpret_cast<Line*>(floats_.data()); }

 private:
  AlignedVector<float> floats_;
};

/// What a thread holds while it goes through a tree.
struct Scratch {
  explicit Scratch(std::size_t splits)
      : through(2 * splits + 1), returned(2 * splits), below(2 * splits), old_below(splits), taken(2 * (splits + points)), raised(2 * splits), alpha(2 * splits), old_alpha(splits), given(2 * splits + 3) {}

  Lines through;     // by edge: the product of the factors of the path to its end; one more, for the root
  Lines returned;    // by edge: what its subtree sums to
  Lines below;       // by edge: 1 + alpha t
  Lines old_below;   // by split whose feature was seen: the same of that edge
  std::vector<float> taken;                      // by edge: 1 where the row goes, else 0
  std::vector<float> raised, alpha, old_alpha;   // by edge: p and p - 1; by split: of the edge that saw the feature
  std::vector<float> given;                      // by edge: what goes to its feature
};

/// Adds each of four lines to its sum, its eight numbers one after the other: two 4 x 4 transpositions, columns then added in order.
inline __attribute__((always_inline)) void add_in_order(Quad& sum, const Line& a, const Line& b, const Line& c, const Line& d, bool minus) {
  const Line ab = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13), ab2 = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
  const Line cd = __builtin_shufflevector(c, d, 0, 8, 1, 9, 4, 12, 5, 13), cd2 = __builtin_shufflevector(c, d, 2, 10, 3, 11, 6, 14, 7, 15);
  const Line columns[4] = {__builtin_shufflevector(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13), __builtin_shufflevector(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15),
                           __builtin_shufflevector(ab2, cd2, 0, 1, 8, 9, 4, 5, 12, 13), __builtin_shufflevector(ab2, cd2, 2, 3, 10, 11, 6, 7, 14, 15)};
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    const Quad column = __builtin_shufflevector(columns[k], columns[k], 0, 1, 2, 3);
    sum = minus ? sum - column : sum + column;
  }
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    const Quad column = __builtin_shufflevector(columns[k], columns[k], 4, 5, 6, 7);
    sum = minus ? sum - column : sum + column;
  }
}

/// A tree: down over its splits, up again, then each edge's share to its feature. shap.cc:114, 341-425. Nothing here asks which way the
/// row goes or what a child is: such branches cost more than the arithmetic (300 trees of depth 6: 235 us a row with them).
inline __attribute__((always_inline)) void explain(const Explainer::Tables& of, const Explainer::Explained& tree, const float* filled, Scratch& s, float* phi) {
  const Explainer::Split* splits = of.splits + tree.first;
  const float *weights = of.weights + 2 * tree.first, *most_raised = of.raised + 2 * tree.first, *leaves = of.leaves + 2 * tree.first;
  const Line one = Line{} + 1.0f, nodes = rule().nodes, shares = rule().weights;
  // Pointers of its own: after each store through `s` the compiler would read them again.
  Line *__restrict through = s.through.data(), *__restrict returned = s.returned.data(), *__restrict below = s.below.data(), *__restrict old_below = s.old_below.data();
  float *__restrict raised = s.raised.data(), *__restrict alpha = s.alpha.data(), *__restrict old_alpha = s.old_alpha.data(), *__restrict given = s.given.data();
  float* __restrict taken = s.taken.data();
  if (tree.plain) {
    const std::uint32_t* columns = of.columns + tree.first;
    const float* cuts = of.cuts + tree.first;
    for (std::size_t i = 0; i < tree.splits; i += points) {   // up to seven splits too many: all of these arrays end later
      const std::uint32_t* c = columns + i;
      const Line x{filled[c[0]], filled[c[1]], filled[c[2]], filled[c[3]], filled[c[4]], filled[c[5]], filled[c[6]], filled[c[7]]};
      Line cut;
      std::memcpy(&cut, cuts + i, sizeof cut);
      const auto goes_right = x >= cut;
      const Line right = goes_right ? one : Line{}, left = goes_right ? Line{} : one;
      const Line pairs[2] = {__builtin_shufflevector(left, right, 0, 8, 1, 9, 2, 10, 3, 11), __builtin_shufflevector(left, right, 4, 12, 5, 13, 6, 14, 7, 15)};
      std::memcpy(taken + 2 * i, pairs, sizeof pairs);
    }
  }
  through[2 * tree.splits] = one;
  std::size_t k = 0;
  for (std::size_t r = 0; r < tree.runs; ++r) {
    const Explainer::Run run = of.runs[tree.first_run + r];
    if (run.repeats) {
      for (; k < run.end; ++k) {
        const Explainer::Split& split = splits[k];
        const float old = raised[split.seen];
        const Line earlier = one + (old - 1.0f) * nodes;
        old_alpha[k] = old - 1.0f;
        old_below[k] = earlier;
#pragma GCC unroll 2
        for (std::size_t e = 2 * k; e < 2 * k + 2; ++e) {
          raised[e] = taken[e] * (old / weights[e]);
          alpha[e] = raised[e] - 1.0f;
          below[e] = one + alpha[e] * nodes;
          through[e] = through[split.parent] * below[e] / earlier;
          returned[e] = through[e] * leaves[e] * shares;
        }
      }
    } else {
      for (std::size_t e = 2 * k; e < 2 * run.end; ++e) {
        raised[e] = taken[e] * most_raised[e];
        alpha[e] = raised[e] - 1.0f;
      }
      for (; k < run.end; ++k) {
        const Line reached = through[splits[k].parent];
#pragma GCC unroll 2
        for (std::size_t e = 2 * k; e < 2 * k + 2; ++e) {
          const Line factor = one + alpha[e] * nodes, product = reached * factor;
          below[e] = factor;
          through[e] = product;
          returned[e] = product * leaves[e] * shares;   // of a leaf; a split's comes on the way up
        }
      }
    }
  }

  for (k = tree.splits; k-- > 1;) returned[splits[k].parent] = returned[2 * k] + returned[2 * k + 1];

  const std::size_t n = 2 * tree.splits;
  for (std::size_t e = 0; e < n; e += 4) {
    const auto delta = [&](std::size_t i, Line& out) __attribute__((always_inline)) { out = alpha[i] * returned[i] / below[i]; };
    Line a, b, c, d;
    delta(e, a), delta(e + 1, b), delta(std::min(e + 2, n - 1), c), delta(std::min(e + 3, n - 1), d);
    Quad sum{};
    add_in_order(sum, a, b, c, d, false);
    std::memcpy(&given[e], &sum, sizeof sum);
  }
  const std::uint32_t* repeats = of.repeats + tree.first_repeat;
  for (std::size_t r = 0; r < tree.repeated; r += 2) {
    const std::uint32_t first = repeats[r], second = repeats[std::min(r + 1, tree.repeated - 1)];
    const auto delta = [&](std::size_t split, std::size_t i, Line& out) __attribute__((always_inline)) { out = old_alpha[split] * returned[i] / old_below[split]; };
    Line a, b, c, d;
    delta(first, 2 * first, a), delta(first, 2 * first + 1, b), delta(second, 2 * second, c), delta(second, 2 * second + 1, d);
    Quad sum{given[2 * first], given[2 * first + 1], given[2 * second], given[2 * second + 1]};
    add_in_order(sum, a, b, c, d, true);
    given[2 * first] = sum[0], given[2 * first + 1] = sum[1], given[2 * second] = sum[2], given[2 * second + 1] = sum[3];
  }

  const Explainer::Return* returns = of.returns + 2 * tree.first;
  for (std::size_t i = 0; i < n; ++i) phi[returns[i].feature] += given[returns[i].edge];
}

using Explain = void (*)(const Explainer::Tables&, const Explainer::Explained&, const float*, Scratch&, float*);

void explain_plain(const Explainer::Tables& of, const Explainer::Explained& tree, const float* filled, Scratch& s, float* phi) { explain(of, tree, filled, s, phi); }

#if defined(__x86_64__)
__attribute__((target("avx2"))) void explain_avx2(const Explainer::Tables& of, const Explainer::Explained& tree, const float* filled, Scratch& s, float* phi) { explain(of, tree, filled, s, phi); }
#endif

Explain chosen() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return explain_avx2;
#endif
  return explain_plain;
}

/// Only the order of one feature's edges matters: each feature's first, then each one's second, and so on, so that no addition waits
/// for the one before it.
void spread(std::span<Explainer::Return> returns) {
  std::map<std::uint32_t, std::uint32_t> times;
  std::vector<std::pair<std::uint32_t, Explainer::Return>> numbered;
  for (const Explainer::Return& r : returns) numbered.emplace_back(times[r.feature]++, r);
  std::ranges::stable_sort(numbered, {}, [](const auto& n) { return n.first; });
  std::ranges::transform(numbered, returns.begin(), [](const auto& n) { return n.second; });
}

}  // namespace

Explainer::Explainer(const TreeModel& model) : features_(model.features) {
  if (model.adds != Real::float32)
    throw Error(ErrorCode::model_unsupported, "contributions in float32 are XGBoost's alone", "ask for them in double");
  std::vector<double> bias(model.base.size());
  for (const Tree& tree : model.trees) {
    if (tree.cover.size() != tree.nodes.size())
      throw Error(ErrorCode::model_unsupported, "the model does not say how many rows each node saw (`sum_hessian`)", "save it with the XGBoost that trained it");
    add(tree);
    bias[tree.output] += expected_leaf(tree) * static_cast<double>(static_cast<float>(tree.weight));
  }
  columns_.resize(columns_.size() + points);
  cuts_.resize(cuts_.size() + points);
  for (const double b : bias) bias_.push_back(static_cast<float>(b));
  for (const double b : model.base) base_.push_back(static_cast<float>(b));
}

/// quadrature.h:100, for the whole tree; children before parents instead of by recursion.
double Explainer::expected_leaf(const Tree& tree) {
  std::vector<std::int32_t> order{0};
  for (std::size_t i = 0; i < order.size(); ++i) {
    const TreeNode& node = tree.nodes[static_cast<std::size_t>(order[i])];
    if (node.left != none) order.insert(order.end(), {node.left, node.right});
  }
  std::vector<double> mean(tree.nodes.size());
  for (std::size_t i = order.size(); i-- > 0;) {
    const auto at = static_cast<std::size_t>(order[i]);
    const TreeNode& node = tree.nodes[at];
    if (node.left == none) {
      mean[at] = node.value;
      continue;
    }
    const auto left = static_cast<std::size_t>(node.left), right = static_cast<std::size_t>(node.right);
    if (tree.cover[at] == 0) mean[at] = 0.5 * (mean[left] + mean[right]);
    else mean[at] = (mean[left] * static_cast<double>(tree.cover[left]) + mean[right] * static_cast<double>(tree.cover[right])) / static_cast<double>(tree.cover[at]);
  }
  return mean[0];
}

void Explainer::add(const Tree& tree) {
  for (const float cover : tree.cover)
    if (!(cover >= 0)) throw Error(ErrorCode::model_unsupported, fmt::format("a node saw {} rows", cover), "train the model again");
  Explained out{splits_.size(), 0, runs_.size(), 0, repeats_.size(), 0, tree.output, static_cast<float>(tree.weight), true};

  // Level by level; in a level first the splits on features that nothing above splits on.
  struct Open {
    std::int32_t node, edge;   // the edge that leads to the node, none: the root
    float weight;              // of all edges above
    std::int32_t seen;         // the edge above that last split on the node's feature, or none
  };
  std::vector<Open> level;
  std::vector<std::int32_t> below_edge;   // by edge: the child among the splits, none: a leaf
  if (tree.nodes[0].left != none) level.push_back({0, none, 1.0f, none});
  for (std::size_t depth = 0; !level.empty(); ++depth) {
    if (depth > deepest) throw Error(ErrorCode::model_unsupported, fmt::format("a tree deeper than {}", deepest), "contributions of such chains mean little");
    const auto repeating = std::stable_partition(level.begin(), level.end(), [](const Open& o) { return o.seen == none; });
    std::vector<Open> next;
    for (auto o = level.begin(); o != level.end(); ++o) {
      const TreeNode& node = tree.nodes[static_cast<std::size_t>(o->node)];
      const auto k = static_cast<std::int32_t>(out.splits++);
      if (o->edge != none) below_edge[static_cast<std::size_t>(o->edge)] = k;
      Split split{node.feature, none, node.default_left, detail::in_set_goes_right(node.split), static_cast<std::uint32_t>(o->edge), static_cast<std::uint32_t>(o->seen)};
      if (is_category(node.split)) split.categories = static_cast<std::int32_t>(sets_.add(tree.category_sets[static_cast<std::size_t>(node.categories)], node.split));
      const float cut = is_category(node.split) ? 0.0f : cut_of<float>(node.value, node.split);
      out.plain &= !is_category(node.split) && !std::isnan(cut) && cut != -infinity;
      cuts_.push_back(cut);
      columns_.push_back(static_cast<std::uint32_t>(node.default_left ? node.feature : features_ + node.feature));
      if (o->seen != none) repeats_.push_back(static_cast<std::uint32_t>(k));
      splits_.push_back(split);
      for (const std::int32_t id : {node.left, node.right}) {
        const TreeNode& child = tree.nodes[static_cast<std::size_t>(id)];
        const auto edge = static_cast<std::int32_t>(below_edge.size());
        const float weight = share_of(tree.cover[static_cast<std::size_t>(id)], tree.cover[static_cast<std::size_t>(o->node)]), all = o->weight * weight;
        weights_.push_back(weight);
        raised_.push_back(1.0f / weight);
        leaves_.push_back(child.left == none ? all * static_cast<float>(child.value) : 0.0f);
        below_edge.push_back(none);
        if (child.left == none) continue;
        std::int32_t seen = edge;
        while (seen != none && splits_[out.first + static_cast<std::size_t>(seen) / 2].feature != child.feature) seen = static_cast<std::int32_t>(splits_[out.first + static_cast<std::size_t>(seen) / 2].parent);
        next.push_back({id, edge, all, seen});
      }
    }
    if (repeating != level.begin()) runs_.push_back({static_cast<std::uint32_t>(out.splits - static_cast<std::size_t>(level.end() - repeating)), false});
    if (repeating != level.end()) runs_.push_back({static_cast<std::uint32_t>(out.splits), true});
    level = std::move(next);
  }
  if (out.splits > 0) splits_[out.first].parent = static_cast<std::uint32_t>(2 * out.splits);   // where a tree begins
  out.runs = runs_.size() - out.first_run;
  out.repeated = repeats_.size() - out.first_repeat;
  largest_ = std::max(largest_, out.splits);

  // XGBoost comes back from an edge when it is done with all below it, left edges first.
  std::vector<std::pair<std::int32_t, int>> path;
  if (out.splits > 0) path.emplace_back(0, 0);
  while (!path.empty()) {
    auto& [k, step] = path.back();
    const std::int32_t edge = 2 * k + step / 2;
    if (step == 4) {
      path.pop_back();
    } else if (step++ % 2 == 1) {
      returns_.push_back({static_cast<std::uint32_t>(edge), splits_[out.first + static_cast<std::size_t>(k)].feature});
    } else if (const std::int32_t child = below_edge[static_cast<std::size_t>(edge)]; child != none) {
      path.emplace_back(child, 0);
    }
  }
  spread(std::span(returns_).subspan(2 * out.first));
  trees_.push_back(out);
}

/// Where a row goes at each split of a tree with categories, or whose cuts leave nothing on one side.
void Explainer::route(const Explained& tree, const float* row, float* taken) const {
  for (std::size_t k = 0; k < tree.splits; ++k) {
    const Split& split = splits_[tree.first + k];
    const float x = row[split.feature];
    bool right = x >= cuts_[tree.first + k];
    if (x != x) right = !split.default_left;
    else if (split.categories != none) right = sets_.contains(static_cast<std::uint32_t>(split.categories), x) == split.in_set_goes_right;
    taken[2 * k] = right ? 0.0f : 1.0f;
    taken[2 * k + 1] = right ? 1.0f : 0.0f;
  }
}

void Explainer::contributions(const float* rows, std::size_t n, float* out) const {
  static const Explain explain_tree = chosen();
  Scratch scratch(largest_);
  const Tables tables{splits_.data(), columns_.data(), cuts_.data(), weights_.data(), raised_.data(), leaves_.data(), returns_.data(), repeats_.data(), runs_.data()};
  std::vector<float> phi(features_), filled(2 * features_);   // the row with missing values at the left end, and at the right
  for (std::size_t r = 0; r < n; ++r) {
    const float* row = rows + r * features_;
    float* lines = out + r * outputs() * (features_ + 1);
    std::fill_n(lines, outputs() * (features_ + 1), 0.0f);
    for (std::size_t f = 0; f < features_; ++f) {
      const bool missing = row[f] != row[f];
      filled[f] = missing ? -infinity : row[f];
      filled[features_ + f] = missing ? infinity : row[f];
    }
    for (const Explained& tree : trees_) {
      if (!tree.plain) route(tree, row, scratch.taken.data());
      std::fill(phi.begin(), phi.end(), 0.0f);
      explain_tree(tables, tree, filled.data(), scratch, phi.data());
      float* line = lines + tree.output * (features_ + 1);
      for (std::size_t f = 0; f < features_; ++f) line[f] += phi[f] * tree.weight;
    }
    for (std::size_t o = 0; o < outputs(); ++o) {
      float& expected = lines[(o + 1) * (features_ + 1) - 1];
      expected += bias_[o];
      expected += base_[o];
    }
  }
}

}  // namespace featlib::detail
