/// Shapley values of a margin in double, for any model: the audit of what Explainer gives, and the interventional kind.
///
/// Slow and plain on purpose, a recursion a tree. Path-dependent values (Lundberg et al. 2018, arXiv 1802.03888) integrate the same
/// polynomials as XGBoost's (arXiv 2605.04497) with as many points as a tree needs to be exact; interventional values (Lundberg et
/// al. 2020, Nature Machine Intelligence 2, 56) compare with rows of a background table one by one.
#pragma once

#include "ensemble/categories.hpp"
#include "ensemble/model.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace featlib::detail {

class Shapley {
 public:
  /// Throws model-unsupported for a tree deeper than 1000.
  explicit Shapley(const TreeModel& model);

  bool has_covers() const noexcept { return has_covers_; }

  /// Shape: `rows` is n x features, `out` is n x outputs x (features + 1), the last of each line the expected margin. Needs covers.
  void path_dependent(const double* rows, std::size_t n, double* out) const;

  /// The same against a background of m rows, the mean over them; the last of each line is the background's mean margin.
  void interventional(const double* rows, std::size_t n, const double* background, std::size_t m, double* out) const;

  struct Node {
    std::int32_t left, right;     ///< none: a leaf
    std::uint32_t feature;
    std::int32_t categories;
    bool default_left, in_set_goes_right;
    double value;                 ///< x < value goes left; a leaf's value
    double share[2];              ///< of the rows here that go left, right
  };
  struct Root {
    std::size_t node;
    std::uint32_t output;
    std::size_t depth;
  };

  bool goes_left(const Node& node, const double* row) const noexcept;
  const std::vector<Node>& nodes() const noexcept { return nodes_; }

 private:
  std::vector<double> seen(const double* row) const;
  void finish(double* lines) const;

  std::size_t features_;
  Real compares_;
  bool has_covers_ = true;
  std::vector<Zeros> zeros_;
  std::vector<double> base_, bias_;
  double divisor_, scale_;
  std::vector<Node> nodes_;
  std::vector<Root> roots_;
  CategorySets sets_;
};

}  // namespace featlib::detail
