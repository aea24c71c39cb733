/// XGBoost model files, 1.0 to 3.4, JSON and UBJSON. Paths in comments are dmlc/xgboost at v3.4.1.
#include "ensemble/document.hpp"
#include "ensemble/model.hpp"

#include <featlib/core/result.hpp>

#include "utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

namespace featlib::detail {
namespace {

using Version = std::array<std::int64_t, 2>;
using Integers = std::vector<std::int64_t>;
using Parameters = std::map<std::string, std::string>;  // XGBoost writes its parameters as strings

/// A later version may mean something else by the same keys, as 3.4 does by reg:quantileerror.
constexpr Version newest{3, 4};

constexpr std::int64_t max_outputs = 1 << 20;
constexpr std::int64_t max_features = 1 << 30;  // two bits of a node's feature word are flags
constexpr std::size_t max_copied_categories = std::size_t{1} << 22;  // of a tree whose leaves are vectors, for all outputs
constexpr std::int64_t max_category =
    (1 << 24) - 1;  // the last integer before floats skip some (src/common/categorical.h:35)

[[noreturn]] void corrupt(const std::string& message) {
  throw Error(ErrorCode::model_corrupt, message,
              "the file is damaged or was not written by XGBoost; save the model again");
}

[[noreturn]] void unsupported(const std::string& message, const std::string& help) {
  throw Error(ErrorCode::model_unsupported, message, help);
}

std::int64_t to_integer(std::string_view name, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    corrupt(fmt::format("`{}` is \"{}\"; expected an integer", name, utf8_excerpt(text)));
  return value;
}

/// `fallback` stands for a parameter that older files lack; without it the parameter is required.
std::int64_t integer_of(const Parameters& parameters, const std::string& name,
                        std::optional<std::int64_t> fallback = {}) {
  const auto found = parameters.find(name);
  if (found != parameters.end()) return to_integer(name, found->second);
  if (!fallback) corrupt(fmt::format("`{}` is missing", name));
  return *fallback;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

/// "5E-1" before 3.1, "[5E-1,1]" since; XGBoost's reader takes parentheses too (src/common/param_array.cc).
std::vector<float> numbers_of(std::string_view name, std::string_view text) {
  std::string_view rest = trimmed(text);
  if (rest.size() >= 2 && ((rest.front() == '[' && rest.back() == ']') || (rest.front() == '(' && rest.back() == ')')))
    rest = rest.substr(1, rest.size() - 2);
  std::vector<float> values;
  while (true) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = trimmed(rest.substr(0, comma));
    float value = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), value);
    if (error != std::errc{} || end != item.data() + item.size() || !std::isfinite(value))
      corrupt(fmt::format("`{}` is \"{}\"; expected finite numbers", name, utf8_excerpt(text)));
    values.push_back(value);
    if (comma == std::string_view::npos) return values;
    rest.remove_prefix(comma + 1);
  }
}

// ---- objectives ----------------------------------------------------------------------------------------------------

/// From the saved base_score to the margin every sum starts from; libm's float functions, as XGBoost calls them.
enum class Link : std::uint8_t { identity, logit, log, softplus_gaps };

struct Objective {
  std::string_view name;
  Link link;
  Transform transform;
};

constexpr Objective objectives[] = {
    {"binary:logistic", Link::logit, Transform::sigmoid},
    {"binary:logitraw", Link::identity, Transform::identity},
    {"binary:hinge", Link::identity, Transform::positive},
    {"reg:squarederror", Link::identity, Transform::identity},
    {"reg:linear", Link::identity, Transform::identity},
    {"reg:squaredlogerror", Link::identity, Transform::identity},
    {"reg:logistic", Link::logit, Transform::sigmoid},
    {"reg:pseudohubererror", Link::identity, Transform::identity},
    {"reg:absoluteerror", Link::identity, Transform::identity},
    {"reg:quantileerror", Link::identity, Transform::identity},
    {"reg:expectileerror", Link::softplus_gaps, Transform::cumulative},
    {"reg:gamma", Link::log, Transform::exponential},
    {"reg:tweedie", Link::log, Transform::exponential},
    {"count:poisson", Link::log, Transform::exponential},
    {"survival:cox", Link::log, Transform::exponential},
    {"survival:aft", Link::log, Transform::exponential},
    {"rank:pairwise", Link::identity, Transform::identity},
    {"rank:ndcg", Link::identity, Transform::identity},
    {"rank:map", Link::identity, Transform::identity},
    {"multi:softmax", Link::identity, Transform::argmax},
    {"multi:softprob", Link::identity, Transform::softmax},
};

/// ProbToMargin of each objective (src/objective/regression_loss.h:74, regression_obj.cu, aft_obj.cu:116).
void to_margin(Link link, std::vector<float>& base) {
  constexpr float epsilon = 1e-6f;
  switch (link) {
    case Link::identity:
      return;
    case Link::logit:
      // Before 3.2 XGBoost refused 0 and 1; since, it clamps.
      for (float& p : base) {
        if (!(p >= 0.0f && p <= 1.0f)) corrupt(fmt::format("`base_score` is {}; a probability is needed", p));
        p = std::min(std::max(p, epsilon), 1.0f - epsilon);
        p = -std::log(1.0f / p - 1.0f);
      }
      return;
    case Link::log:
      for (float& v : base) {
        if (!(v > 0.0f)) corrupt(fmt::format("`base_score` is {}; a number above 0 is needed", v));
        v = std::log(v);
      }
      return;
    case Link::softplus_gaps:
      for (std::size_t i = base.size() - 1; i > 0; --i) {
        const float gap = std::max(base[i] - base[i - 1] - epsilon, epsilon);
        base[i] = gap + std::log(-std::expm1(-gap));
      }
  }
}

// ---- the file ------------------------------------------------------------------------------------------------------

/// One tree as the file spells it: arrays with one entry a node.
struct TreeArrays {
  std::optional<std::int64_t> id;
  Parameters parameters;
  std::optional<Integers> left, right, parent, feature, default_left, split_type;
  std::optional<std::vector<float>> value, cover;
  std::vector<float> weights, leaf_weights;  ///< of vectors: one a node, or since 3.2 one a leaf
  Integers categories, categories_nodes, categories_begins, categories_sizes;
};

class XgboostFile {
 public:
  explicit XgboostFile(Document& document) : in_(document) {}

  TreeModel read() {
    in_.object([&](const std::string& key) {
      if (key == "learner")
        read_learner();
      else if (key == "version")
        version_ = in_.integers();
      else
        in_.skip();
    });
    in_.finish();
    return assemble();
  }

 private:
  Document& in_;
  std::optional<Integers> version_;
  bool learner_ = false;
  std::vector<std::string> feature_names_;
  Parameters learner_parameters_, objective_parameters_, model_parameters_;
  std::string objective_, booster_;
  std::vector<TreeArrays> trees_;
  Integers tree_info_;
  std::optional<Integers> rounds_;
  std::optional<std::vector<float>> booster_weights_, model_weights_;
  std::vector<std::vector<std::string>> categories_;

  // -- reading: everything is kept until the end, since keys come in any order --

  /// The string parameters of one object; other values are nothing this loader needs.
  Parameters read_parameters() {
    Parameters out;
    in_.object([&](const std::string& key) { out.emplace(key, in_.text()); });
    return out;
  }

  void read_learner() {
    learner_ = true;
    in_.object([&](const std::string& key) {
      if (key == "feature_names")
        in_.array([&] { feature_names_.push_back(in_.text()); });
      else if (key == "learner_model_param")
        learner_parameters_ = read_parameters();
      else if (key == "objective")
        read_objective();
      else if (key == "gradient_booster")
        read_booster();
      else
        in_.skip();
    });
  }

  void read_objective() {
    in_.object([&](const std::string& key) {
      if (key == "name")
        objective_ = in_.text();
      else if (key == "softmax_multiclass_param" || key == "quantile_loss_param" || key == "expectile_loss_param")
        objective_parameters_ = read_parameters();
      else
        in_.skip();
    });
  }

  /// Three forms of DART (src/gbm/gbtree.cc:477): {name: dart, gbtree: {model}, weight_drop} up to 3.2, {model,
  /// weight_drop} in 3.3, {model: {weight_drop}} in 3.4.
  void read_booster() {
    in_.object([&](const std::string& key) {
      if (key == "name")
        booster_ = in_.text();
      else if (key == "model")
        read_model();
      else if (key == "weight_drop")
        booster_weights_ = in_.floats();
      else if (key == "gbtree") {
        in_.object([&](const std::string& inner) {
          if (inner == "model")
            read_model();
          else
            in_.skip();
        });
      } else
        in_.skip();
    });
  }

  void read_model() {
    if (!model_parameters_.empty()) in_.fail("two tree models in one booster");
    in_.object([&](const std::string& key) {
      if (key == "gbtree_model_param")
        model_parameters_ = read_parameters();
      else if (key == "trees")
        in_.array([&] { trees_.push_back(read_tree()); });
      else if (key == "tree_info")
        tree_info_ = in_.integers();
      else if (key == "iteration_indptr")
        rounds_ = in_.integers();
      else if (key == "weight_drop")
        model_weights_ = in_.floats();
      else if (key == "cats")
        read_categories();
      else
        in_.skip();
    });
  }

  /// Since 3.1 a model remembers the categories of its training table, by column, and recodes tables that have other ones
  /// (src/data/cat_container.cc). We are fed codes: those of its own table, whose names a bundle compares with the contract's.
  void read_categories() {
    in_.object([&](const std::string& key) {
      if (key != "enc") return in_.skip();
      in_.array([&] {
        std::int64_t type = 0;
        Integers values, offsets;
        in_.object([&](const std::string& field) {
          if (field == "values")
            values = in_.integers();
          else if (field == "type")
            type = in_.integer();
          else if (field == "offsets")
            offsets = in_.integers();
          else
            in_.skip();
        });
        categories_.push_back(offsets.empty() ? numbers_as_names(values, type) : texts_as_names(values, offsets));
      });
    });
  }

  /// Nothing for the numbers 0..n-1, which are their own codes. UBJSON stores unsigned 16 and 32 bits in the signed type of
  /// the same width.
  static std::vector<std::string> numbers_as_names(const Integers& values, std::int64_t type) {
    const std::int64_t mask = type == 12 ? 0xffff : type == 14 ? 0xffffffff : -1;
    std::vector<std::string> names;
    bool own_codes = true;
    for (std::size_t i = 0; i < values.size(); ++i) {
      own_codes = own_codes && (values[i] & mask) == static_cast<std::int64_t>(i);
      names.push_back(std::to_string(values[i] & mask));
    }
    return own_codes ? std::vector<std::string>{} : names;
  }

  /// Bytes behind each other, and where each text begins. XGBoost 3.2 counts characters there and not bytes: what it makes of
  /// names that are not ASCII is no text, or another one.
  static std::vector<std::string> texts_as_names(const Integers& bytes, const Integers& offsets) {
    std::vector<std::string> names;
    for (std::size_t i = 1; i < offsets.size(); ++i) {
      const std::int64_t from = offsets[i - 1], to = offsets[i];
      if (from < 0 || from > to || to > std::ssize(bytes))
        corrupt(fmt::format("a category's name goes from {} to {} of {} bytes", from, to, bytes.size()));
      std::string name;
      for (std::int64_t at = from; at < to; ++at) name += static_cast<char>(bytes[static_cast<std::size_t>(at)]);
      if (!is_utf8(name))
        unsupported(fmt::format("the name of category {} is no UTF-8 text", i - 1),
                    "train on the codes of the contract's vocabulary (int or float columns, feature_types \"c\")");
      names.push_back(std::move(name));
    }
    return names;
  }

  TreeArrays read_tree() {
    TreeArrays tree;
    in_.object([&](const std::string& key) {
      if (key == "left_children")
        tree.left = in_.integers();
      else if (key == "right_children")
        tree.right = in_.integers();
      else if (key == "parents")
        tree.parent = in_.integers();
      else if (key == "split_indices")
        tree.feature = in_.integers();
      else if (key == "split_conditions")
        tree.value = in_.floats();
      else if (key == "sum_hessian")
        tree.cover = in_.floats();
      else if (key == "base_weights")
        tree.weights = in_.floats();
      else if (key == "leaf_weights")
        tree.leaf_weights = in_.floats();
      else if (key == "default_left")
        tree.default_left = in_.integers();
      else if (key == "split_type")
        tree.split_type = in_.integers();
      else if (key == "categories")
        tree.categories = in_.integers();
      else if (key == "categories_nodes")
        tree.categories_nodes = in_.integers();
      else if (key == "categories_segments")
        tree.categories_begins = in_.integers();
      else if (key == "categories_sizes")
        tree.categories_sizes = in_.integers();
      else if (key == "tree_param")
        tree.parameters = read_parameters();
      else if (key == "id")
        tree.id = in_.integer();
      else
        in_.skip();
    });
    return tree;
  }

  // -- assembling: from what was read to a TreeModel, every contradiction refused --

  TreeModel assemble() {
    if (!learner_)
      throw Error(ErrorCode::model_format,
                  fmt::format("a {} file, but not an XGBoost model: no `learner`", in_.format()),
                  "save the model with save_model(\"model.ubj\") or save_model(\"model.json\")");
    check_version();
    if (booster_ != "gbtree" && booster_ != "dart")
      unsupported(fmt::format("the booster is \"{}\"; only trees (gbtree, dart) are scored here", booster_),
                  "score it with XGBoost itself");
    const auto objective = std::ranges::find(objectives, objective_, &Objective::name);
    if (objective == std::end(objectives))
      unsupported(
          fmt::format("the objective is \"{}\", whose transform is not known here", objective_),
          "score it with XGBoost itself; a custom objective trained as reg:squarederror can be scored by margin");
    TreeModel model;
    model.format = fmt::format("xgboost-{}", in_.format());
    model.objective = objective_;
    model.features = static_cast<std::size_t>(bounded(learner_parameters_, "num_feature", max_features));
    model.feature_names = std::move(feature_names_);
    if (!model.feature_names.empty() && model.feature_names.size() != model.features)
      corrupt(fmt::format("{} feature names for {} features", model.feature_names.size(), model.features));
    if (std::ranges::any_of(categories_, [](const auto& names) { return !names.empty(); })) {
      if (categories_.size() != model.features)
        corrupt(fmt::format("categories of {} columns for {} features", categories_.size(), model.features));
      model.categories = std::move(categories_);
    }
    const std::vector<float> base = base_margin(objective->link);
    model.base.assign(base.begin(), base.end());
    model.transform = transform(*objective, static_cast<std::int64_t>(model.base.size()));
    assemble_trees(model);
    return model;
  }

  void check_version() const {
    if (!version_) return;  // files made by other tools; XGBoost reads them as well
    if (version_->size() < 2 || (*version_)[0] < 0 || (*version_)[1] < 0) corrupt("`version` is not three numbers");
    const Version version{(*version_)[0], (*version_)[1]};
    if (version > newest)
      unsupported(
          fmt::format("written by XGBoost {}.{}; known up to {}.{}", version[0], version[1], newest[0], newest[1]),
          "update featlib, or save the model with an older XGBoost");
  }

  std::int64_t bounded(const Parameters& parameters, const std::string& name, std::int64_t most,
                       std::optional<std::int64_t> fallback = {}) const {
    const std::int64_t value = integer_of(parameters, name, fallback);
    if (value < 0) corrupt(fmt::format("`{}` is {}", name, value));
    if (value > most)
      unsupported(fmt::format("`{}` is {}; at most {} is supported", name, value, most),
                  "score it with XGBoost itself");
    return value;
  }

  /// src/learner.cc: OutputLength, ValidateLength, HandleOldFormat.
  std::vector<float> base_margin(Link link) const {
    const std::int64_t classes = bounded(learner_parameters_, "num_class", max_outputs, 0);
    const std::int64_t targets = bounded(learner_parameters_, "num_target", max_outputs, 1);
    if (classes > 1 && targets > 1) corrupt(fmt::format("both {} classes and {} targets", classes, targets));
    const auto outputs = static_cast<std::size_t>(std::max({classes, targets, std::int64_t{1}}));

    const auto found = learner_parameters_.find("base_score");
    if (found == learner_parameters_.end()) corrupt("`base_score` is missing");
    std::vector<float> base = numbers_of("base_score", found->second);
    if (base.size() == 1) base.resize(outputs, base[0]);
    if (base.size() != outputs) corrupt(fmt::format("{} values in `base_score` for {} outputs", base.size(), outputs));
    to_margin(link, base);
    return base;
  }

  Transform transform(const Objective& objective, std::int64_t outputs) const {
    if (objective.transform == Transform::argmax || objective.transform == Transform::softmax) {
      const std::int64_t classes = integer_of(objective_parameters_, "num_class");
      if (classes != outputs) corrupt(fmt::format("{} classes in the objective, {} in the model", classes, outputs));
      if (objective.transform == Transform::argmax && classes > std::int64_t{max_argmax_outputs})
        unsupported(fmt::format("multi:softmax with {} classes; at most {} are supported", classes, max_argmax_outputs),
                    "save it as multi:softprob");
    }
    if (objective.name == "reg:quantileerror" || objective.name == "reg:expectileerror") {
      const std::string alpha = objective.name == "reg:quantileerror" ? "quantile_alpha" : "expectile_alpha";
      const auto found = objective_parameters_.find(alpha);
      if (found == objective_parameters_.end()) corrupt(fmt::format("`{}` is missing", alpha));
      if (std::ssize(numbers_of(alpha, found->second)) != outputs)
        corrupt(fmt::format("`{}` does not have {} values", alpha, outputs));
      // Since 3.4 quantiles are sorted within the row (src/objective/quantile_obj.cu:176). The file's version decides,
      // so that a prediction is the one its trainer made; 3.4 itself also sorts for older files.
      if (objective.name == "reg:quantileerror" && version_ && Version{(*version_)[0], (*version_)[1]} >= Version{3, 4})
        return Transform::ascending;
    }
    return objective.transform;
  }

  void assemble_trees(TreeModel& model) {
    const std::int64_t declared = integer_of(model_parameters_, "num_trees");
    if (declared != std::ssize(trees_) || declared != std::ssize(tree_info_))
      corrupt(fmt::format("{} trees are declared, {} present, {} assigned to outputs", declared, trees_.size(),
                          tree_info_.size()));
    if (rounds_ && !std::ranges::is_sorted(*rounds_)) corrupt("`iteration_indptr` does not ascend");
    if (rounds_ && (rounds_->empty() || rounds_->front() != 0 || rounds_->back() != declared))
      corrupt(fmt::format("`iteration_indptr` does not run from 0 to {}", declared));

    // The booster's own weights come last in XGBoost and win.
    const std::vector<float> weights =
        booster_weights_ ? *booster_weights_ : model_weights_.value_or(std::vector<float>{});
    if (!weights.empty() && weights.size() != trees_.size())
      corrupt(fmt::format("{} DART weights for {} trees", weights.size(), trees_.size()));

    for (std::size_t i = 0; i < trees_.size(); ++i) {
      const std::int64_t output = tree_info_[i];
      if (output < 0 || output >= std::ssize(model.base))
        corrupt(fmt::format("tree {} adds to output {} of {}", i, output, model.base.size()));
      if (trees_[i].id && *trees_[i].id != static_cast<std::int64_t>(i))
        corrupt(fmt::format("tree {} has id {}", i, *trees_[i].id));
      Tree tree = assemble_tree(i, trees_[i]);
      tree.output = static_cast<std::uint32_t>(output);
      if (!weights.empty()) tree.weight = static_cast<double>(weights[i]);
      const std::int64_t size = integer_of(trees_[i].parameters, "size_leaf_vector", 0);
      if (size > 1)
        add_vector_tree(model, i, tree, size);
      else
        model.trees.push_back(std::move(tree));
      trees_[i] = {};  // a model is held once while it loads, not twice
    }
  }

  /// multi_strategy=multi_output_tree: a tree whose leaves are vectors is one tree for each output, with the same tests.
  /// The vectors stand in `base_weights` by node, since 3.2 in `leaf_weights` by leaf, whose number is its right child
  /// (src/tree/multi_target_tree_model.cc).
  void add_vector_tree(TreeModel& model, std::size_t index, const Tree& tree, std::int64_t size) const {
    const TreeArrays& in = trees_[index];
    const auto outputs = static_cast<std::size_t>(size);
    if (outputs != model.base.size())
      corrupt(fmt::format("tree {}: leaves of {} values for {} outputs", index, size, model.base.size()));
    const bool by_leaf = !in.leaf_weights.empty();
    const std::vector<float>& values = by_leaf ? in.leaf_weights : in.weights;
    const std::size_t places = values.size() / outputs;
    // As many vectors as leaves: a small file may not ask for many copies of many nodes.
    const auto leaves = static_cast<std::size_t>(std::ranges::count_if(tree.nodes, [](const TreeNode& node) { return node.left < 0; }));
    if (values.size() % outputs != 0 || (by_leaf ? places < leaves : places != tree.nodes.size()))
      corrupt(fmt::format("tree {}: {} values in `{}`", index, values.size(), by_leaf ? "leaf_weights" : "base_weights"));
    if (outputs * in.categories.size() > max_copied_categories)
      unsupported(fmt::format("tree {}: {} categories for {} outputs each", index, in.categories.size(), outputs),
                  "train with multi_strategy=one_output_per_tree");
    for (std::size_t output = 0; output < outputs; ++output) {
      Tree& one = model.trees.emplace_back(tree);
      one.output = static_cast<std::uint32_t>(output);
      one.again = output > 0;
      for (std::size_t i = 0; i < one.nodes.size(); ++i) {
        if (one.nodes[i].left >= 0) continue;
        const auto place = by_leaf ? static_cast<std::size_t>((*in.right)[i]) : i;
        if (place >= places) corrupt(fmt::format("tree {}: leaf {} of {}", index, (*in.right)[i], places));
        one.nodes[i].value = static_cast<double>(values[place * outputs + output]);
      }
    }
  }

  static const Integers& node_integers(std::size_t tree, const char* name, const std::optional<Integers>& array,
                                       std::size_t nodes, std::int64_t least, std::int64_t most) {
    if (!array || array->size() != nodes)
      corrupt(fmt::format("tree {}: `{}` does not have {} entries", tree, name, nodes));
    for (const std::int64_t value : *array)
      if (value < least || value > most) corrupt(fmt::format("tree {}: `{}` holds {}", tree, name, value));
    return *array;
  }

  static Tree assemble_tree(std::size_t index, const TreeArrays& in) {
    constexpr std::int64_t int_max = std::numeric_limits<std::int32_t>::max();
    const std::int64_t declared = integer_of(in.parameters, "num_nodes");
    if (declared < 1 || declared > int_max || !in.value || declared != std::ssize(*in.value))
      corrupt(fmt::format("tree {}: `num_nodes` is {}, `split_conditions` has {}", index, declared,
                          in.value ? in.value->size() : 0));
    const auto n = static_cast<std::size_t>(declared);

    const Integers& left = node_integers(index, "left_children", in.left, n, -1, declared - 1);
    const Integers& right = node_integers(index, "right_children", in.right, n, -1, declared - 1);
    const Integers& parent = node_integers(index, "parents", in.parent, n, -1, int_max);
    const Integers& feature =
        node_integers(index, "split_indices", in.feature, n, 0, std::numeric_limits<std::uint32_t>::max());
    const Integers& default_left = node_integers(index, "default_left", in.default_left, n, 0, 1);

    const bool vectors = integer_of(in.parameters, "size_leaf_vector", 0) > 1;

    Tree tree;
    const std::int64_t deleted = integer_of(in.parameters, "num_deleted", 0);
    if (deleted < 0 || deleted >= declared) corrupt(fmt::format("tree {}: `num_deleted` is {}", index, deleted));
    tree.deleted = static_cast<std::size_t>(deleted);
    tree.nodes.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      TreeNode& node = tree.nodes[i];
      node.left = static_cast<std::int32_t>(left[i]);
      node.right = vectors && left[i] < 0 ? TreeNode::none : static_cast<std::int32_t>(right[i]);
      node.feature = static_cast<std::uint32_t>(feature[i]);
      node.default_left = default_left[i] == 1;
      node.value = static_cast<double>((*in.value)[i]);
      if (left[i] < 0) continue;
      // XGBoost walks to left or left + 1 and never reads the right child (src/predictor/predict_fn.h:35).
      if (right[i] != left[i] + 1)
        corrupt(
            fmt::format("tree {}: the children of node {} are {} and {}, not neighbours", index, i, left[i], right[i]));
      if (parent[static_cast<std::size_t>(left[i])] != static_cast<std::int64_t>(i) ||
          parent[static_cast<std::size_t>(right[i])] != static_cast<std::int64_t>(i))
        corrupt(fmt::format("tree {}: the children of node {} have another parent", index, i));
    }
    if (in.cover) {
      if (in.cover->size() != n) corrupt(fmt::format("tree {}: `sum_hessian` does not have {} entries", index, n));
      tree.cover = *in.cover;
    }
    if (in.split_type) assemble_categories(index, in, tree);
    return tree;
  }

  /// src/tree/tree_model.cc:975. The set is rebuilt from the list of categories; bit words are not copied.
  static void assemble_categories(std::size_t index, const TreeArrays& in, Tree& tree) {
    const std::size_t n = tree.nodes.size();
    const Integers& type = node_integers(index, "split_type", in.split_type, n, 0, 1);
    const std::size_t sets = in.categories_nodes.size();
    if (in.categories_begins.size() != sets || in.categories_sizes.size() != sets)
      corrupt(fmt::format("tree {}: {} category nodes, {} segments, {} sizes", index, sets, in.categories_begins.size(),
                          in.categories_sizes.size()));
    std::int64_t last = -1, used = 0;
    for (std::size_t i = 0; i < sets; ++i) {
      const std::int64_t node = in.categories_nodes[i], begin = in.categories_begins[i], size = in.categories_sizes[i];
      if (node <= last || node >= std::ssize(tree.nodes))
        corrupt(fmt::format("tree {}: `categories_nodes` holds {}", index, node));
      // Segments follow each other, as the writer lays them; shared ones would let a small file ask for much memory.
      if (begin != used || size < 1 || size > std::ssize(in.categories) - begin)
        corrupt(fmt::format("tree {}: the categories of node {} are {} from {}, of {}", index, node, size, begin,
                            in.categories.size()));
      last = node;
      used += size;
      std::vector<std::int32_t> set;
      for (std::int64_t j = begin; j < begin + size; ++j) {
        const std::int64_t category = in.categories[static_cast<std::size_t>(j)];
        if (category < 0 || category > max_category) corrupt(fmt::format("tree {}: category {}", index, category));
        set.push_back(static_cast<std::int32_t>(category));
      }
      std::ranges::sort(set);
      tree.nodes[static_cast<std::size_t>(node)].split = Split::not_in_category;
      tree.nodes[static_cast<std::size_t>(node)].categories = static_cast<std::int32_t>(i);
      tree.category_sets.push_back(std::move(set));
    }
    for (std::size_t i = 0; i < n; ++i)
      if (tree.nodes[i].left >= 0 && (type[i] == 1) != (tree.nodes[i].categories >= 0))
        corrupt(fmt::format("tree {}: node {} is {}categorical but has {} categories", index, i,
                            type[i] == 1 ? "" : "not ", type[i] == 1 ? "no" : "a set of"));
  }
};

}  // namespace

TreeModel read_xgboost(std::span<const std::byte> bytes) {
  const std::unique_ptr<Document> document = Document::open(bytes);
  return XgboostFile(*document).read();
}

}  // namespace featlib::detail
