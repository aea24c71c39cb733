/// A trained model as its file says it, whatever the format: loaders fill a TreeModel, the engine checks and compiles it.
///
/// A loader answers for what its file says (counts, names, versions, what is not supported) and for the numbers; that trees
/// are trees, and that features, thresholds and leaves are sound, is checked once for all formats (walk.cpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace featlib::detail {

/// From margins to predictions, one row at a time. Names are of the function, not of the objective.
enum class Transform : std::uint8_t {
  identity,
  sigmoid,
  exponential,
  positive,  ///< 1 above zero, else 0
  softmax,
  softmax_pairwise,  ///< summed as NumPy sums a row: scikit-learn's GradientBoostingClassifier
  softmax_fast,      ///< with CatBoost's own exp
  exponential_fast,  ///< the same
  isolation,         ///< -(2 ^ -margin): scikit-learn's IsolationForest
  argmax,      ///< the only one that changes the width: one class number a row
  ascending,   ///< sorted within the row
  cumulative,  ///< each adds 1e-6 and softplus of its margin to the one before
  log1p_exponential,  ///< log(1 + exp(margin))
  signed_square,      ///< the square with the margin's sign
};

/// argmax needs a row of margins on the stack; loaders refuse more.
inline constexpr std::size_t max_argmax_outputs = 1024;

/// The number type a trainer compares, or adds, in.
enum class Real : std::uint8_t { float32, float64 };

/// Which rows go left.
enum class Split : std::uint8_t {
  less,             ///< x < value
  less_equal,       ///< x <= value
  not_in_category,  ///< the code is not in the set: XGBoost; codes are the x in [0, 2^24), cut to integers
  in_category,      ///< the code is in the set: LightGBM; the x in (-1, 2^31), cut to integers
  equals_none,      ///< the code is not in the set: scikit-learn; no x is cut, 1.5 is in no set
  equals_one,       ///< the code is in the set, uncut
  not_in_hashed,    ///< the hash of the code as CatBoost takes it is not in the set; no x but integers has one
};

inline bool is_category(Split split) noexcept { return split >= Split::not_in_category; }

/// Of the two kinds of category splits: what is in the set goes right.
inline bool in_set_goes_right(Split split) noexcept { return split == Split::not_in_category || split == Split::equals_none || split == Split::not_in_hashed; }

struct TreeNode {
  static constexpr std::int32_t none = -1;

  std::int32_t left = none, right = none;  ///< none, none: a leaf
  std::uint32_t feature = 0;
  Split split = Split::less;
  bool default_left = false;       ///< where a missing value goes
  std::int32_t categories = none;  ///< index into Tree::category_sets, for splits by category
  double value = 0;                ///< the threshold, or the leaf's value
  std::int32_t id = none;          ///< a leaf's number in leaves(); none: its place in Tree::nodes
};

struct Tree {
  std::uint32_t output = 0;                              ///< which margin it adds to
  double weight = 1;                                     ///< of each leaf, rounded once in the type leaves are added in
  /// The tree before once more, for the next output of its vector leaves: added as any other, counted as none.
  bool again = false;
  std::size_t deleted = 0;                               ///< nodes that nothing reaches, by the file's own count
  std::vector<TreeNode> nodes;                           ///< the root is the first
  std::vector<float> cover;                              ///< what training saw at each node, for contributions; or empty
  std::vector<std::vector<std::int32_t>> category_sets;  ///< ascending, none empty; hashes: one each
};

/// What a value is before any split sees it. NaN is missing everywhere.
enum class Zeros : std::uint8_t {
  kept,     ///< compared as it stands
  missing,  ///< |x| <= 1e-35 is missing: LightGBM's zero_as_missing
};

struct TreeModel {
  std::string format, objective;
  std::size_t features = 0;
  std::vector<std::string> feature_names;
  std::vector<std::vector<std::string>> categories;  ///< code i of a feature is its i-th; empty where codes have no names, or altogether
  Real compares = Real::float32;  ///< inputs are rounded to it first; float64 needs `adds` float64
  Real adds = Real::float32;      ///< leaves, margins and predictions; float32 leaves the three steps after the sum out
  std::vector<Zeros> zeros;       ///< one a feature, or empty: all kept
  std::vector<double> base;       ///< margin before the first tree, one for each output
  double divisor = 1;             ///< of the sum: forests that average
  double scale = 1;               ///< then scale * sum + bias: CatBoost
  std::vector<double> bias;       ///< one for each output, or empty: neither scaled nor moved
  double prediction_divisor = 1;  ///< of margins, before the transform: LightGBM's forests, whose raw score is a sum
  Transform transform = Transform::identity;
  double steepness = 1;           ///< the sigmoid of LightGBM: 1 / (1 + exp(-steepness * margin))
  std::vector<Tree> trees;

  /// Trees as the trainer counts them.
  std::size_t counted_trees() const noexcept {
    return static_cast<std::size_t>(std::ranges::count(trees, false, &Tree::again));
  }
};

/// XGBoost JSON and UBJSON. Throws Error.
TreeModel read_xgboost(std::span<const std::byte> bytes);

/// The JSON that `Ensemble.from_sklearn` writes (docs/formats.md). Throws Error.
TreeModel read_sklearn(std::span<const std::byte> bytes);

/// CatBoost's JSON and cbm. Throws Error.
TreeModel read_catboost(std::span<const std::byte> bytes);
bool is_cbm(std::span<const std::byte> bytes);

/// LightGBM text, which begins with a line "tree". Throws Error.
TreeModel read_lightgbm(std::span<const std::byte> bytes);

}  // namespace featlib::detail
