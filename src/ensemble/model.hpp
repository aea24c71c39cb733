/// A trained model as its file says it, whatever the format: loaders fill a TreeModel, ensemble.cpp checks and compiles
/// it.
#pragma once

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
  argmax,      ///< the only one that changes the width: one class number a row
  ascending,   ///< sorted within the row
  cumulative,  ///< each adds 1e-6 and softplus of its margin to the one before
};

/// argmax needs a row of margins on the stack; loaders refuse more.
inline constexpr std::size_t max_argmax_outputs = 1024;

struct TreeNode {
  static constexpr std::int32_t none = -1;

  std::int32_t left = none, right = none;  ///< none, none: a leaf
  std::uint32_t feature = 0;
  bool default_left = false;       ///< where a missing value goes
  std::int32_t categories = none;  ///< index into Tree::category_sets; none: left when x < value
  float value = 0;                 ///< the threshold, or the leaf's value
};

struct Tree {
  std::uint32_t output = 0;                              ///< which margin it adds to
  float weight = 1;                                      ///< DART; each leaf is multiplied by it in float32
  std::size_t deleted = 0;                               ///< nodes that nothing reaches, by the file's own count
  std::vector<TreeNode> nodes;                           ///< the root is the first
  std::vector<std::vector<std::int32_t>> category_sets;  ///< ascending; a code in the set goes right, any other left
};

struct TreeModel {
  std::string format, objective;
  std::size_t features = 0;
  std::vector<std::string> feature_names;
  std::vector<float> base;  ///< margin before the first tree, one for each output
  Transform transform = Transform::identity;
  std::vector<Tree> trees;
};

/// XGBoost JSON and UBJSON. Throws Error.
TreeModel read_xgboost(std::span<const std::byte> bytes);

}  // namespace featlib::detail
