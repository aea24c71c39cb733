// A stand-in for a trained model: full trees, 256 normal thresholds a feature as the default of XGBoost's histograms gives, normal
// leaves, read as XGBoost's JSON.
#pragma once

#include <featlib/ensemble/ensemble.hpp>

#include <nlohmann/json.hpp>

#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace bench {

inline featlib::Ensemble random_model(int trees, int depth, int features) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  nlohmann::json model;
  auto& learner = model["learner"];
  learner["learner_model_param"] = {
      {"base_score", "5E-1"}, {"num_class", "0"}, {"num_feature", std::to_string(features)}};
  learner["objective"]["name"] = "binary:logistic";
  learner["gradient_booster"]["name"] = "gbtree";
  auto& booster = learner["gradient_booster"]["model"];
  booster["gbtree_model_param"]["num_trees"] = std::to_string(trees);
  booster["tree_info"] = std::vector<int>(static_cast<std::size_t>(trees), 0);
  std::vector<std::vector<float>> thresholds(static_cast<std::size_t>(features), std::vector<float>(256));
  for (auto& list : thresholds)
    for (float& t : list) t = normal(random);
  const int nodes = (2 << depth) - 1, inner = (1 << depth) - 1;
  for (int t = 0; t < trees; ++t) {
    std::vector<int> left, right, parents, indices, defaults;
    std::vector<float> values;
    for (int i = 0; i < nodes; ++i) {
      left.push_back(i < inner ? 2 * i + 1 : -1);
      right.push_back(i < inner ? 2 * i + 2 : -1);
      parents.push_back(i > 0 ? (i - 1) / 2 : std::numeric_limits<int>::max());
      indices.push_back(static_cast<int>(random() % static_cast<unsigned>(features)));
      defaults.push_back(static_cast<int>(random() % 2));
      values.push_back(i < inner ? thresholds[static_cast<std::size_t>(indices.back())][random() % 256] : normal(random));
    }
    booster["trees"].push_back({{"left_children", left},
                                {"right_children", right},
                                {"parents", parents},
                                {"split_indices", indices},
                                {"split_conditions", values},
                                {"default_left", defaults},
                                {"tree_param", {{"num_nodes", std::to_string(nodes)}}}});
  }
  const std::string text = model.dump();
  return featlib::Ensemble::parse(std::as_bytes(std::span(text))).value();
}

}  // namespace bench
