/// What each feature gives to a margin: XGBoost's own contributions, bit for bit.
///
/// The arithmetic is XGBoost's since 3.3 (dmlc/xgboost v3.4.1, src/predictor/interpretability/shap.cc), the order of steps is not:
/// it recurses node by node and looks up what it has seen of a feature; here both are settled when the model is read, and a tree is
/// two straight passes over its splits, down and up, eight quadrature points in a vector.
#pragma once

#include "ensemble/categories.hpp"
#include "ensemble/model.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace featlib::detail {

class Explainer {
 public:
  /// Throws model-unsupported for a model that does not say how many rows each node saw, or does not add in float32.
  explicit Explainer(const TreeModel& model);

  std::size_t features() const noexcept { return features_; }
  std::size_t outputs() const noexcept { return bias_.size(); }

  /// Shape: `rows` is n x features, `out` is n x outputs x (features + 1), the last of each line the expected margin.
  void contributions(const float* rows, std::size_t n, float* out) const;

  /// A tree's splits come level by level. Edge 2k leads from split k to its left child, 2k + 1 to its right.
  struct Split {
    std::uint32_t feature;
    std::int32_t categories;      ///< a set of `sets_`, or TreeNode::none
    bool default_left;
    bool in_set_goes_right;
    std::uint32_t parent;         ///< the edge that leads here; of the root: one past the tree's edges
    std::uint32_t seen;           ///< the edge above that last split on this feature, where one did
  };
  struct Return {
    std::uint32_t edge, feature;
  };
  /// Splits up to `end` whose features the path has seen, or has not.
  struct Run {
    std::uint32_t end;
    bool repeats;
  };
  struct Explained {
    std::size_t first, splits;          ///< of the splits; its edges are twice as many from 2 first on
    std::size_t first_run, runs;
    std::size_t first_repeat, repeated;
    std::uint32_t output;
    float weight;
    bool plain;                         ///< no categories, and each side of each cut can be reached
  };
  /// Of all trees, by split or by edge.
  struct Tables {
    const Split* splits;
    const std::uint32_t* columns;   ///< of the filled row: where missing goes left, or right
    const float* cuts;              ///< x < cut goes left; categorical: unused
    const float* weights;           ///< an edge's share of its split's rows
    const float* raised;            ///< 1 / weight
    const float* leaves;            ///< the leaf's value times all weights above it; an edge to a split: 0
    const Return* returns;          ///< edges in the order in which XGBoost comes back from them
    const std::uint32_t* repeats;   ///< splits whose features the path has seen
    const Run* runs;
  };

 private:
  void add(const Tree& tree);
  void route(const Explained& tree, const float* row, float* taken) const;
  static double expected_leaf(const Tree& tree);

  std::size_t features_;
  std::vector<Split> splits_;
  std::vector<std::uint32_t> columns_;
  std::vector<float> cuts_, weights_, raised_, leaves_;
  std::vector<Return> returns_;
  std::vector<std::uint32_t> repeats_;
  std::vector<Run> runs_;
  std::vector<Explained> trees_;
  std::vector<float> bias_, base_;       // by output: the sum of expected leaves, and the margin before the first tree
  CategorySets sets_;
  std::size_t largest_ = 0;              // splits of a tree
};

}  // namespace featlib::detail
