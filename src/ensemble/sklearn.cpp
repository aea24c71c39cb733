/// scikit-learn estimators, 1.4 and later, as the JSON of `Ensemble.from_sklearn` (docs/formats.md). Paths in comments are
/// scikit-learn at 1.9.1.
#include "ensemble/document.hpp"
#include "ensemble/model.hpp"
#include "utf8.hpp"

#include <featlib/core/result.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <optional>

namespace featlib::detail {
namespace {

using Integers = std::vector<std::int64_t>;
using Reals = std::vector<double>;

constexpr std::int64_t max_outputs = 1 << 20;
constexpr std::size_t max_categories = 255;             // of a feature, in scikit-learn too: its codes are bytes
constexpr std::int64_t max_features = (1 << 29) - 1;  // three bits of a node's feature word are flags

[[noreturn]] void corrupt(const std::string& message) {
  throw Error(ErrorCode::model_corrupt, message, "write it again with Ensemble.from_sklearn");
}

[[noreturn]] void unsupported(const std::string& message, const std::string& help) {
  throw Error(ErrorCode::model_unsupported, message, help);
}

enum class Kind : std::uint8_t { tree, forest, boosting, histogram, isolation };

struct Estimator {
  std::string_view name;
  Kind kind;
  bool classifier;
};

constexpr Estimator estimators[] = {
    {"DecisionTreeClassifier", Kind::tree, true},
    {"DecisionTreeRegressor", Kind::tree, false},
    {"ExtraTreeClassifier", Kind::tree, true},
    {"ExtraTreeRegressor", Kind::tree, false},
    {"RandomForestClassifier", Kind::forest, true},
    {"RandomForestRegressor", Kind::forest, false},
    {"ExtraTreesClassifier", Kind::forest, true},
    {"ExtraTreesRegressor", Kind::forest, false},
    {"GradientBoostingClassifier", Kind::boosting, true},
    {"GradientBoostingRegressor", Kind::boosting, false},
    {"HistGradientBoostingClassifier", Kind::histogram, true},
    {"HistGradientBoostingRegressor", Kind::histogram, false},
    {"IsolationForest", Kind::isolation, false},
};

/// From raw to predicted (sklearn/_loss/link.py); regressors of GradientBoosting predict raw values (ensemble/_gb.py:2150).
struct Loss {
  std::string_view name;
  Transform transform;
  double steepness = 1;
};

constexpr Loss losses[] = {
    {"log_loss", Transform::sigmoid},         {"exponential", Transform::sigmoid, 2},  // half a logit
    {"squared_error", Transform::identity},   {"absolute_error", Transform::identity},
    {"huber", Transform::identity},           {"quantile", Transform::identity},
    {"poisson", Transform::exponential},      {"gamma", Transform::exponential},
};

/// One tree: arrays with one entry a node, and a row of `values` for each output.
struct TreeArrays {
  std::int64_t output = 0;
  Integers left, right, feature, missing_left, category_nodes;
  Reals threshold;
  std::vector<Reals> values, category_left;
};

class SklearnFile {
 public:
  explicit SklearnFile(Document& document) : in_(document) {}

  TreeModel read() {
    in_.object([&](const std::string& key) {
      if (key == "featlib_sklearn")
        version_ = in_.integer();
      else if (key == "estimator")
        estimator_ = in_.text();
      else if (key == "loss")
        loss_ = in_.text();
      else if (key == "init")
        init_ = in_.text();
      else if (key == "features")
        features_ = in_.integer();
      else if (key == "feature_names")
        in_.array([&] { feature_names_.push_back(in_.text()); });
      else if (key == "classes")
        classes_ = in_.integer();
      else if (key == "outputs")
        outputs_ = in_.integer();
      else if (key == "learning_rate")
        learning_rate_ = in_.real();
      else if (key == "base")
        base_ = in_.doubles();
      else if (key == "average_path_length")
        average_path_length_ = in_.real();
      else if (key == "categories")
        in_.array([&] { read_categories(); });
      else if (key == "trees")
        in_.array([&] { trees_.push_back(read_tree()); });
      else
        in_.skip();
    });
    in_.finish();
    return assemble();
  }

 private:
  Document& in_;
  std::int64_t version_ = 0, features_ = -1, classes_ = 0, outputs_ = 1;
  std::string estimator_, loss_, init_;
  std::vector<std::string> feature_names_;
  double learning_rate_ = 1, average_path_length_ = 0;
  Reals base_;
  std::map<std::int64_t, std::vector<std::int32_t>> categories_;  // known ones, of each categorical feature
  std::vector<TreeArrays> trees_;

  void read_categories() {
    std::int64_t feature = -1;
    std::optional<Reals> values;
    in_.object([&](const std::string& key) {
      if (key == "feature")
        feature = in_.integer();
      else if (key == "numbers")
        values = in_.doubles();
      else
        in_.skip();
    });
    if (!values)
      unsupported(fmt::format("the categories of feature {} are no numbers", feature),
                  "encode them as integers before training");
    if (values->size() > max_categories) corrupt(fmt::format("{} categories of feature {}", values->size(), feature));
    if (!categories_.emplace(feature, codes(*values)).second) corrupt(fmt::format("two lists of categories for feature {}", feature));
  }

  /// scikit-learn looks categories up by equality, so any number can be one; sets here hold integers from 0 on.
  static std::vector<std::int32_t> codes(const Reals& values) {
    std::vector<std::int32_t> set;
    for (const double value : values) {
      if (!(value >= 0 && value <= std::numeric_limits<std::int32_t>::max()) || value != static_cast<double>(static_cast<std::int32_t>(value)))
        unsupported(fmt::format("a category is {}", value), "encode categories as integers from 0 to 2^31 - 1 before training");
      set.push_back(static_cast<std::int32_t>(value));
    }
    std::ranges::sort(set);
    if (std::ranges::adjacent_find(set) != set.end()) corrupt("a category is listed twice");
    return set;
  }

  TreeArrays read_tree() {
    TreeArrays tree;
    in_.object([&](const std::string& key) {
      if (key == "output")
        tree.output = in_.integer();
      else if (key == "left")
        tree.left = in_.integers();
      else if (key == "right")
        tree.right = in_.integers();
      else if (key == "feature")
        tree.feature = in_.integers();
      else if (key == "threshold")
        tree.threshold = in_.doubles();
      else if (key == "missing_left")
        tree.missing_left = in_.integers();
      else if (key == "values")
        in_.array([&] { tree.values.push_back(in_.doubles()); });
      else if (key == "category_nodes")
        tree.category_nodes = in_.integers();
      else if (key == "category_left")
        in_.array([&] { tree.category_left.push_back(in_.doubles()); });
      else
        in_.skip();
    });
    return tree;
  }

  // -- assembling --

  TreeModel assemble() {
    if (version_ != 1)
      throw Error(ErrorCode::model_format, fmt::format("format {} of scikit-learn estimators", version_), "this featlib reads format 1");
    const auto* estimator = std::ranges::find(estimators, std::string_view(estimator_), &Estimator::name);
    if (estimator == std::end(estimators))
      unsupported(fmt::format("the estimator is `{}`", utf8_excerpt(estimator_, 60)),
                  "trees, forests, (Hist)GradientBoosting and IsolationForest are supported");
    if (features_ < 1 || features_ > max_features) corrupt(fmt::format("`features` is {}", features_));
    if (!feature_names_.empty() && std::ssize(feature_names_) != features_)
      corrupt(fmt::format("{} feature names for {} features", feature_names_.size(), features_));
    if (classes_ < 0 || classes_ > max_outputs || outputs_ < 1 || outputs_ > max_outputs || estimator->classifier != (classes_ > 0))
      corrupt(fmt::format("{} with {} classes and {} outputs", estimator_, classes_, outputs_));
    if (estimator->classifier && outputs_ > 1)
      unsupported(fmt::format("a classifier of {} targets", outputs_), "train one classifier a target");

    TreeModel model;
    model.format = "sklearn-json";
    model.objective = loss_.empty() ? estimator_ : fmt::format("{}:{}", estimator_, loss_);
    model.features = static_cast<std::size_t>(features_);
    model.feature_names = std::move(feature_names_);
    model.adds = Real::float64;
    model.compares = estimator->kind == Kind::histogram ? Real::float64 : Real::float32;
    switch (estimator->kind) {
      case Kind::tree:
        // predict returns the leaf itself: -0.0 + leaf is the leaf, also for -0.0.
        model.base.assign(width(), -0.0);
        if (trees_.size() != 1) corrupt(fmt::format("{} trees in a {}", trees_.size(), estimator_));
        break;
      case Kind::forest:  // ensemble/_forest.py:961
        model.base.assign(width(), 0.0);
        if (trees_.empty()) corrupt("a forest without trees");
        model.divisor = static_cast<double>(trees_.size());
        break;
      case Kind::isolation:
        if (trees_.empty() || outputs_ != 1) corrupt(fmt::format("{} trees, {} outputs", trees_.size(), outputs_));
        if (average_path_length_ == 0)
          unsupported("trees of one sample each", "their score is -0.5 for every row; train with more max_samples");
        model.base.assign(1, 0.0);
        model.divisor = static_cast<double>(trees_.size()) * average_path_length_;  // ensemble/_iforest.py:632
        model.transform = Transform::isolation;
        break;
      case Kind::boosting:
      case Kind::histogram:
        boosting(*estimator, model);
    }
    if (!std::isfinite(model.divisor)) corrupt("`average_path_length` is not finite");
    for (std::size_t i = 0; i < trees_.size(); ++i) {
      add_tree(*estimator, i, trees_[i], model);
      trees_[i] = {};
    }
    return model;
  }

  /// Two classes are one output, the second one's; so are the raw values of binary boosting.
  std::size_t width() const { return static_cast<std::size_t>(classes_ == 0 ? outputs_ : classes_ == 2 ? 1 : classes_); }

  void boosting(const Estimator& estimator, TreeModel& model) {
    if (outputs_ != 1 || classes_ == 1) corrupt(fmt::format("{} with {} classes and {} outputs", estimator_, classes_, outputs_));
    const auto* loss = std::ranges::find(losses, std::string_view(loss_), &Loss::name);
    if (loss == std::end(losses) || (loss->transform == Transform::sigmoid) != estimator.classifier || (classes_ > 2 && loss_ != "log_loss"))
      unsupported(fmt::format("{} with {} classes and the loss `{}`", estimator_, classes_, utf8_excerpt(loss_, 60)), "score it with scikit-learn");
    if (!init_.empty() && init_ != "zero" && init_ != "DummyClassifier" && init_ != "DummyRegressor")
      unsupported(fmt::format("raw values start from a `{}`", utf8_excerpt(init_, 60)), "train without `init`");
    model.transform = loss->transform;
    model.steepness = loss->steepness;
    if (classes_ > 2) model.transform = estimator.kind == Kind::histogram ? Transform::softmax : Transform::softmax_pairwise;
    if (base_.size() != width()) corrupt(fmt::format("{} values in `base` for {} outputs", base_.size(), width()));
    for (const double base : base_) {
      if (!std::isfinite(base)) corrupt("`base` holds a number that is not finite");
      model.base.push_back(estimator.kind == Kind::histogram ? 0.0 + base : base);  // gradient_boosting.py:1211
    }
  }

  void add_tree(const Estimator& estimator, std::size_t index, const TreeArrays& in, TreeModel& model) const {
    const std::size_t n = in.left.size();
    const bool sane = n > 0 && n <= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) && in.right.size() == n &&
                      in.feature.size() == n && in.threshold.size() == n && in.missing_left.size() == n &&
                      std::ranges::all_of(in.values, [&](const Reals& row) { return row.size() == n; });
    if (!sane) corrupt(fmt::format("tree {}: its arrays do not have one length", index));

    const bool vector = estimator.kind == Kind::tree || estimator.kind == Kind::forest;
    const std::size_t rows = vector ? static_cast<std::size_t>(estimator.classifier ? classes_ : outputs_) : estimator.kind == Kind::isolation ? 2 : 1;
    if (in.values.size() != rows) corrupt(fmt::format("tree {}: {} rows of values, {} expected", index, in.values.size(), rows));
    if (in.output < 0 || in.output >= (vector ? 1 : std::ssize(model.base))) corrupt(fmt::format("tree {} adds to output {}", index, in.output));

    Tree tree;
    tree.output = static_cast<std::uint32_t>(in.output);
    if (estimator.kind == Kind::boosting) tree.weight = learning_rate_;
    tree.nodes.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      TreeNode& node = tree.nodes[i];
      if (std::min(in.left[i], in.right[i]) < TreeNode::none || std::max(in.left[i], in.right[i]) >= std::ssize(in.left))
        corrupt(fmt::format("tree {}: the children of node {} are {} and {}", index, i, in.left[i], in.right[i]));
      node.left = static_cast<std::int32_t>(in.left[i]);
      node.right = static_cast<std::int32_t>(in.right[i]);
      if (node.left == TreeNode::none) continue;
      if (in.feature[i] < 0 || in.feature[i] >= features_) corrupt(fmt::format("tree {}: node {} splits on feature {}", index, i, in.feature[i]));
      node.feature = static_cast<std::uint32_t>(in.feature[i]);
      node.split = Split::less_equal;  // tree/_tree.pyx:989, _hist_gradient_boosting/_predictor.pyx:88
      node.value = in.threshold[i];
      // GradientBoosting compares without asking for NaN (ensemble/_gradient_boosting.pyx:57).
      node.default_left = in.missing_left[i] != 0 && estimator.kind != Kind::boosting;
    }
    if (!in.category_nodes.empty() && estimator.kind != Kind::histogram) corrupt(fmt::format("tree {}: categories in a {}", index, estimator_));
    add_categories(index, in, tree);

    const std::size_t first = vector && classes_ == 2 ? 1 : 0, last = estimator.kind == Kind::isolation ? 1 : rows;
    for (std::size_t row = first; row < last; ++row) {
      for (std::size_t i = 0; i < n; ++i)
        if (tree.nodes[i].left == TreeNode::none)  // ensemble/_iforest.py:46: depth, and what the samples left would add
          tree.nodes[i].value = estimator.kind == Kind::isolation ? in.values[0][i] + in.values[1][i] - 1.0 : in.values[row][i];
      if (vector) tree.output = static_cast<std::uint32_t>(row - first);
      tree.again = row > first;
      model.trees.push_back(tree);
    }
  }

  /// What is known and not in the set goes right; what is unknown goes where missing values go
  /// (_hist_gradient_boosting/_predictor.pyx:66; the encoder before it makes unknown ones NaN, gradient_boosting.py:280).
  void add_categories(std::size_t index, const TreeArrays& in, Tree& tree) const {
    if (in.category_nodes.size() != in.category_left.size())
      corrupt(fmt::format("tree {}: {} nodes with {} sets of categories", index, in.category_nodes.size(), in.category_left.size()));
    std::int64_t before = -1;
    for (std::size_t k = 0; k < in.category_nodes.size(); ++k) {
      const std::int64_t i = in.category_nodes[k];
      if (i <= before || i >= std::ssize(tree.nodes) || tree.nodes[static_cast<std::size_t>(i)].left == TreeNode::none)
        corrupt(fmt::format("tree {}: `category_nodes` holds {}", index, i));
      before = i;
      TreeNode& node = tree.nodes[static_cast<std::size_t>(i)];
      const auto known = categories_.find(node.feature);
      if (known == categories_.end()) corrupt(fmt::format("tree {}: no categories of feature {}", index, node.feature));
      std::vector<std::int32_t> set = codes(in.category_left[k]);
      if (!std::ranges::includes(known->second, set)) corrupt(fmt::format("tree {}: node {} has unknown categories", index, i));
      if (node.default_left) {
        std::vector<std::int32_t> right;
        std::ranges::set_difference(known->second, set, std::back_inserter(right));
        set = std::move(right);
      }
      if (set.empty()) {  // all rows take the default, as no number is above inf or below -inf
        node.value = node.default_left ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
        node.split = node.default_left ? Split::less_equal : Split::less;
        continue;
      }
      node.split = node.default_left ? Split::equals_none : Split::equals_one;
      node.categories = static_cast<std::int32_t>(tree.category_sets.size());
      tree.category_sets.push_back(std::move(set));
    }
  }
};

}  // namespace

TreeModel read_sklearn(std::span<const std::byte> bytes) {
  const std::unique_ptr<Document> document = Document::open(bytes);
  return SklearnFile(*document).read();
}

}  // namespace featlib::detail
