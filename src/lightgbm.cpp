/// LightGBM text models, versions v3 and v4: what LightGBM 3.0 and later write. Paths in comments are microsoft/LightGBM
/// at bae0b7b.
#include "ensemble/model.hpp"
#include "utf8.hpp"

#include <featlib/core/result.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

namespace featlib::detail {
namespace {

constexpr std::int64_t max_outputs = 1 << 20;
constexpr std::int64_t max_features = (1 << 29) - 1;  // three bits of a node's feature word are flags
constexpr std::int64_t max_leaves = 1 << 30;          // nodes and leaves are numbered together

[[noreturn]] void refuse(ErrorCode code, int line, std::string message, std::string help) {
  throw Error(std::vector<Failure>{{code, {}, line, 0, std::move(message), std::move(help)}});
}

[[noreturn]] void corrupt(int line, std::string message, std::string help = "the file is damaged, was edited, or was not written by LightGBM; save the model again") {
  refuse(ErrorCode::model_corrupt, line, std::move(message), std::move(help));
}

[[noreturn]] void unsupported(int line, std::string message, std::string help) {
  refuse(ErrorCode::model_unsupported, line, std::move(message), std::move(help));
}

// ---- lines and words -----------------------------------------------------------------------------------------------

/// The file line by line. Nothing is copied.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ >= text_.size(); }
  int number() const { return number_; }          ///< of the line that take() gives next, from 1
  std::size_t offset() const { return at_; }      ///< of its first byte

  std::string_view peek() const {
    std::string_view line = text_.substr(at_, end() - at_);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }
  std::string_view take() {
    const std::string_view line = peek();
    at_ = end() + 1;
    ++number_;
    return line;
  }

 private:
  std::size_t end() const { return std::min(text_.find('\n', at_), text_.size()); }

  std::string_view text_;
  std::size_t at_ = 0;
  int number_ = 1;
};

/// The value of a key, and where it stands.
struct Value {
  std::string_view key, text;
  int line;
};

/// Calls `word` with what stands between spaces (Common::Split, include/LightGBM/utils/common.h:97).
template <class Word>
void each_word(std::string_view text, Word&& word) {
  while (true) {
    const std::size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return;
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    word(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

std::size_t count_words(std::string_view text) {
  std::size_t n = 0;
  each_word(text, [&](std::string_view) { ++n; });
  return n;
}

/// LightGBM reads doubles exactly (CommonC::StringToArray, common.h:1167) and so do we: 17 digits, inf and nan.
template <class T>
T number(const Value& value, std::string_view word) {
  T out{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
  if (error != std::errc{} || end != word.data() + word.size())
    corrupt(value.line, fmt::format("`{}` holds \"{}\"; expected {}", value.key, utf8_excerpt(word), std::is_integral_v<T> ? "an integer" : "a number"));
  return out;
}

template <class T>
T number(const Value& value, T least, T most) {
  const T out = number<T>(value, value.text);
  if (out < least || out > most) corrupt(value.line, fmt::format("`{}` is {}; expected {} to {}", value.key, out, least, most));
  return out;
}

/// Counted before anything is allocated.
template <class T>
std::vector<T> numbers(const Value& value, std::size_t expected, std::string_view why) {
  if (const std::size_t found = count_words(value.text); found != expected)
    corrupt(value.line, fmt::format("`{}` has {} values; expected {}, {}", value.key, found, expected, why));
  std::vector<T> out;
  out.reserve(expected);
  each_word(value.text, [&](std::string_view word) { out.push_back(number<T>(value, word)); });
  return out;
}

/// Lines of `key=value`, or of a key alone.
class Keys {
 public:
  Keys(std::string what, int line) : what_(std::move(what)), line_(line) {}

  void add(std::string_view line, int number) {
    const std::size_t equals = line.find('=');
    const std::string_view key = line.substr(0, equals);
    const auto [found, fresh] = values_.try_emplace(key, Value{key, equals == std::string_view::npos ? "" : line.substr(equals + 1), number});
    if (!fresh) corrupt(number, fmt::format("{}: `{}` stands twice, first in line {}", what_, utf8_excerpt(key), found->second.line));
  }

  std::optional<Value> find(std::string_view key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? std::nullopt : std::optional(found->second);
  }

  Value at(std::string_view key) const {
    const auto found = find(key);
    if (!found) corrupt(line_, fmt::format("{}: `{}` is missing", what_, key));
    return *found;
  }

 private:
  std::string what_;
  int line_;
  std::map<std::string_view, Value> values_;
};

// ---- objectives ----------------------------------------------------------------------------------------------------

struct Objective {
  std::string_view name;
  Transform transform;
  bool may_be_sqrt = false;  ///< trained on signed square roots: `reg_sqrt`
};

/// ConvertOutput of each (src/objective/*.hpp).
constexpr Objective objectives[] = {
    {"regression", Transform::identity, true},
    {"regression_l1", Transform::identity, true},
    {"huber", Transform::identity},
    {"fair", Transform::identity, true},
    {"quantile", Transform::identity, true},
    {"mape", Transform::identity, true},
    {"poisson", Transform::exponential},
    {"gamma", Transform::exponential},
    {"tweedie", Transform::exponential},
    {"binary", Transform::sigmoid},
    {"multiclass", Transform::softmax},
    {"multiclassova", Transform::sigmoid},
    {"cross_entropy", Transform::sigmoid},
    {"cross_entropy_lambda", Transform::log1p_exponential},
    {"lambdarank", Transform::identity},
    {"rank_xendcg", Transform::identity},
    {"custom", Transform::identity},
};

/// The sigmoid parameter as LightGBM reads it, which is not to the nearest double (Common::Atof, common.h:257).
double loosely(const Value& value, std::string_view word) {
  const auto strict = number<double>(value, word);
  if (!(strict > 0) || !std::isfinite(strict)) corrupt(value.line, fmt::format("the parameter sigmoid is {}; expected a finite number above 0", utf8_excerpt(word)));
  const char *p = word.data(), *end = p + word.size();
  const auto digits = [&](double from, auto&& each) {
    for (; p != end && *p >= '0' && *p <= '9'; ++p) from = from * 10.0 + (*p - '0'), each();
    return from;
  };
  double out = digits(0.0, [] {});
  if (p != end && *p == '.') {
    ++p;
    int places = 0;
    const double right = digits(0.0, [&] { ++places; });
    const auto power = [](auto&& self, double base, int n) -> double {
      if (n == 0) return 1;
      if (n % 2 == 0) return self(self, base * base, n / 2);
      if (n % 3 == 0) return self(self, base * base * base, n / 3);
      return base * self(self, base, n - 1);
    };
    out += right / power(power, 10.0, places);
  }
  if (p == end) return out;
  ++p;  // e
  const bool down = *p == '-';
  if (*p == '-' || *p == '+') ++p;
  int exponent = 0;
  for (; p != end; ++p) exponent = std::min(exponent * 10 + (*p - '0'), 308);
  double scale = 1.0;
  for (; exponent >= 50; exponent -= 50) scale *= 1E50;
  for (; exponent >= 8; exponent -= 8) scale *= 1E8;
  for (; exponent > 0; --exponent) scale *= 10.0;
  return down ? out / scale : out * scale;
}

/// "binary sigmoid:1", "multiclass num_class:3", "regression sqrt"; none: a custom one, whose predictions are margins.
void read_objective(const std::optional<Value>& value, TreeModel& model) {
  model.objective = "custom";
  if (!value) return;
  std::vector<std::string_view> words;
  each_word(value->text, [&](std::string_view word) { words.push_back(word); });
  if (words.empty()) corrupt(value->line, "`objective` is empty");
  const auto found = std::ranges::find(objectives, words[0], &Objective::name);
  if (found == std::end(objectives))
    unsupported(value->line, fmt::format("the objective is \"{}\"; LightGBM has none of that name", utf8_excerpt(words[0])), "score it with LightGBM itself");
  model.objective = found->name;
  model.transform = found->transform;

  std::optional<double> sigmoid;
  std::int64_t classes = 1;
  for (const std::string_view word : words) {
    if (word.starts_with("sigmoid:")) sigmoid = loosely(*value, word.substr(8));
    if (word.starts_with("num_class:")) classes = number<std::int64_t>(*value, word.substr(10));
    if (word == "sqrt" && found->may_be_sqrt) model.transform = Transform::signed_square;
  }
  if (found->name == "binary" || found->name == "multiclassova") {
    if (!sigmoid) corrupt(value->line, fmt::format("the objective {} has no parameter sigmoid", found->name));
    model.steepness = *sigmoid;
  }
  if (found->name != "custom" && classes != std::ssize(model.base))
    corrupt(value->line, fmt::format("the objective has {} classes, the model {}", classes, model.base.size()));
}

// ---- trees ---------------------------------------------------------------------------------------------------------

enum class Missing : std::uint8_t { none, zero, nan };

constexpr double tiny = static_cast<double>(1e-35f);  // kZeroThreshold, include/LightGBM/meta.h:56

/// Before any split sees a dense row, numbers within `tiny` of 0 become 0 (src/c_api.cpp:2864). A threshold among them
/// does the same at either end of them, and there the row may stay as it is.
double beside_zero(double threshold) {
  if (threshold >= 0 && threshold <= tiny) return tiny;
  if (threshold < 0 && threshold >= -tiny) return std::nextafter(-tiny, -1.0);
  return threshold;
}

class LightgbmFile {
 public:
  explicit LightgbmFile(std::string_view text) : in_(text) {}

  TreeModel read() {
    in_.take();  // "tree", by which the format is told
    const bool averages = read_header();
    read_trees();
    read_tables();
    const std::size_t outputs = model_.base.size();
    if (model_.trees.size() % outputs != 0)
      corrupt(in_.number(), fmt::format("{} trees; expected a multiple of the {} outputs", model_.trees.size(), outputs));
    if (averages) {
      if (model_.trees.empty()) corrupt(in_.number(), "the average of no trees");
      // predict() averages, predict(raw_score=True) does not (src/boosting/gbdt_prediction.cpp:59).
      model_.prediction_divisor = static_cast<double>(model_.trees.size() / outputs);
    }
    return std::move(model_);
  }

 private:
  Lines in_;
  TreeModel model_;
  std::optional<std::vector<std::size_t>> sizes_;
  int sizes_line_ = 0;
  std::vector<std::optional<Missing>> missing_;  ///< of numeric splits, by feature
  std::vector<bool> categorical_;
  std::vector<std::size_t> category_columns_;    ///< by the header: what LightGBM knew as categories and found of use

  /// Whether predictions are averages. src/boosting/gbdt_model_text.cpp:419.
  bool read_header() {
    Keys keys("the header", 1);
    while (!in_.at_end() && !in_.peek().starts_with("Tree=") && in_.peek() != "end of trees") {
      const int number = in_.number();
      const std::string_view line = in_.take();
      if (!is_utf8(line)) corrupt(number, "a byte that is not UTF-8", "name the features in UTF-8 and save the model again");
      if (!line.empty()) keys.add(line, number);
    }
    const Value version = keys.at("version");
    if (version.text != "v3" && version.text != "v4")
      unsupported(version.line, fmt::format("version \"{}\"; v3 and v4 are supported", utf8_excerpt(version.text)), "save the model with LightGBM 3.0 or later, or update featlib");

    const Value per_iteration = keys.at("num_tree_per_iteration");
    const auto outputs = number<std::int64_t>(per_iteration, 1, std::numeric_limits<std::int32_t>::max());
    if (const Value classes = keys.at("num_class"); number<std::int64_t>(classes, classes.text) != outputs)
      corrupt(classes.line, fmt::format("`num_class` is {}, `num_tree_per_iteration` {}", classes.text, outputs));
    if (outputs > max_outputs) unsupported(per_iteration.line, fmt::format("{} outputs; at most {} are supported", outputs, max_outputs), "score it with LightGBM itself");
    model_.format = "lightgbm-text";
    model_.compares = model_.adds = Real::float64;
    model_.base.assign(static_cast<std::size_t>(outputs), 0.0);
    read_objective(keys.find("objective"), model_);

    read_features(keys);
    if (const auto sizes = keys.find("tree_sizes")) {
      sizes_ = numbers<std::size_t>(*sizes, count_words(sizes->text), "");
      sizes_line_ = sizes->line;
    }
    return keys.find("average_output").has_value();
  }

  void read_features(const Keys& keys) {
    const auto last = number<std::int64_t>(keys.at("max_feature_idx"), 0, max_features - 1);
    model_.features = static_cast<std::size_t>(last) + 1;
    for (const Value& value : {keys.at("feature_names"), keys.at("feature_infos")})
      if (const std::size_t found = count_words(value.text); found != model_.features)
        corrupt(value.line, fmt::format("`{}` has {} entries; expected {}, one more than max_feature_idx", value.key, found, model_.features));
    each_word(keys.at("feature_names").text, [&](std::string_view name) { model_.feature_names.emplace_back(name); });
    std::size_t feature = 0;
    each_word(keys.at("feature_infos").text, [&](std::string_view info) {  // "[0:1]", "0:2:1" for categories, "none"
      if (info != "none" && !info.starts_with('[')) category_columns_.push_back(feature);
      ++feature;
    });
    missing_.resize(model_.features);
    categorical_.resize(model_.features);
  }

  void read_trees() {
    std::size_t begin = in_.offset();
    const auto ended = [&](std::size_t tree) {
      const std::size_t size = in_.offset() - std::exchange(begin, in_.offset());
      if (sizes_ && tree < sizes_->size() && (*sizes_)[tree] != size)
        corrupt(sizes_line_, fmt::format("tree {} has {} bytes; `tree_sizes` says {}", tree, size, (*sizes_)[tree]),
                "LightGBM finds trees by these sizes: the file was edited, or its line ends were; save the model again");
    };
    while (!in_.at_end() && in_.peek() != "end of trees") {
      const std::size_t index = model_.trees.size();
      if (in_.peek().empty()) {
        in_.take();
        continue;
      }
      if (in_.peek() != fmt::format("Tree={}", index)) corrupt(in_.number(), fmt::format("\"{}\"; expected Tree={} or \"end of trees\"", utf8_excerpt(in_.peek()), index));
      if (index > 0) ended(index - 1);
      read_tree(index);
    }
    if (in_.at_end()) corrupt(in_.number(), "the file ends among its trees; expected \"end of trees\"", "the file was cut off; copy or save it again");
    if (!model_.trees.empty()) ended(model_.trees.size() - 1);
    if (sizes_ && sizes_->size() != model_.trees.size())
      corrupt(sizes_line_, fmt::format("`tree_sizes` has {} entries; expected {}, one a tree", sizes_->size(), model_.trees.size()));
    if (std::ranges::find(missing_, Missing::zero) == missing_.end()) return;
    for (const auto& missing : missing_) model_.zeros.push_back(missing == Missing::zero ? Zeros::missing : Zeros::kept);
  }

  /// What Python appends: for each column of type category, its categories in the order of their codes (_data_from_pandas,
  /// python-package/lightgbm/basic.py:752). Whose they are the file does not say.
  void read_tables() {
    constexpr std::string_view key = "pandas_categorical:";
    std::optional<Value> found;
    for (; !in_.at_end(); in_.take()) {
      if (!in_.peek().starts_with(key)) continue;
      if (found) corrupt(in_.number(), fmt::format("`pandas_categorical` stands twice, first in line {}", found->line));
      found = Value{"pandas_categorical", in_.peek().substr(key.size()), in_.number()};
    }
    if (!found) return;
    const auto tables = nlohmann::json::parse(found->text, nullptr, false);
    if (tables.is_null()) return;
    const auto is_table = [](const auto& table) { return table.is_array() && std::ranges::all_of(table, [](const auto& value) { return value.is_primitive(); }); };
    if (!tables.is_array() || !std::ranges::all_of(tables, is_table)) corrupt(found->line, "`pandas_categorical` is no list of lists of categories");

    const auto is_its_codes = [](const auto& table) {
      for (std::size_t i = 0; i < table.size(); ++i)
        if (!table[i].is_number_integer() || table[i] != i) return false;
      return true;
    };
    if (std::ranges::all_of(tables, is_its_codes)) return;
    if (tables.size() != category_columns_.size())
      unsupported(found->line, fmt::format("{} tables of categories for {} categorical features: which is whose is not in the file", tables.size(), category_columns_.size()),
                  "train on the columns' codes, `.cat.codes`, and give the contract's category the vocabulary in their order");
    model_.categories.resize(model_.features);
    for (std::size_t i = 0; i < tables.size(); ++i)
      if (!is_its_codes(tables[i]))
        for (const auto& value : tables[i]) model_.categories[category_columns_[i]].push_back(value.is_string() ? value.template get<std::string>() : value.dump());
  }

  /// src/io/tree.cpp, Tree::Tree(const char*, size_t*).
  void read_tree(std::size_t index) {
    Keys keys(fmt::format("tree {}", index), in_.number());
    in_.take();
    for (; !in_.at_end() && !in_.peek().empty(); in_.take()) keys.add(in_.peek(), in_.number());

    if (const auto linear = keys.find("is_linear"); linear && linear->text != "0")
      unsupported(linear->line, fmt::format("tree {} has linear models in its leaves", index), "train with linear_tree=false, or score it with LightGBM itself");
    const auto leaves = static_cast<std::size_t>(number<std::int64_t>(keys.at("num_leaves"), 1, max_leaves));
    const std::vector<double> leaf_value = numbers<double>(keys.at("leaf_value"), leaves, "one a leaf");

    Tree tree;
    tree.output = static_cast<std::uint32_t>(index % model_.base.size());
    tree.nodes.resize(2 * leaves - 1);
    for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
      TreeNode& node = tree.nodes[leaves - 1 + leaf];
      node.value = leaf_value[leaf];
      node.id = static_cast<std::int32_t>(leaf);
    }
    if (leaves > 1) read_splits(keys, index, leaves, tree);
    model_.trees.push_back(std::move(tree));
  }

  void read_splits(const Keys& keys, std::size_t index, std::size_t leaves, Tree& tree) {
    const std::size_t splits = leaves - 1;
    const auto one_a_split = [&]<class T>(std::string_view key, T) { return numbers<T>(keys.at(key), splits, "one less than num_leaves"); };
    const std::vector<std::int64_t> feature = one_a_split("split_feature", std::int64_t{});
    const std::vector<std::int64_t> decision = one_a_split("decision_type", std::int64_t{});
    const std::vector<double> threshold = one_a_split("threshold", double{});
    const std::array children{one_a_split("left_child", std::int64_t{}), one_a_split("right_child", std::int64_t{})};

    read_categories(keys, tree);
    std::vector<bool> used(tree.category_sets.size());
    for (std::size_t i = 0; i < splits; ++i) {
      TreeNode& node = tree.nodes[i];
      for (const bool right : {false, true}) {
        const std::int64_t child = children[right][i];  // below 0: leaf ~child
        if (child >= std::ssize(feature) || child < -static_cast<std::int64_t>(leaves)) {
          const Value at = keys.at(right ? "right_child" : "left_child");
          corrupt(at.line, fmt::format("`{}` of split {} is {}; expected {} to {}", at.key, i, child, -static_cast<std::int64_t>(leaves), splits - 1));
        }
        (right ? node.right : node.left) = static_cast<std::int32_t>(child >= 0 ? child : static_cast<std::int64_t>(splits) + ~child);
      }
      if (feature[i] < 0 || feature[i] >= static_cast<std::int64_t>(model_.features))
        corrupt(keys.at("split_feature").line, fmt::format("split {} is on feature {}; expected 0 to {}", i, feature[i], model_.features - 1));
      node.feature = static_cast<std::uint32_t>(feature[i]);
      if (decision[i] < 0 || decision[i] >= 12) corrupt(keys.at("decision_type").line, fmt::format("`decision_type` of split {} is {}; expected 0 to 11", i, decision[i]));
      if ((decision[i] & 1) != 0) {
        categorical_[node.feature] = true;
        set_category_split(keys, i, threshold[i], used, node);
      } else {
        set_numeric_split(keys, i, static_cast<Missing>(decision[i] >> 2), (decision[i] & 2) != 0, threshold[i], node);
      }
      if (missing_[node.feature] == Missing::zero && categorical_[node.feature])
        unsupported(keys.at("decision_type").line, fmt::format("tree {}: feature {} is a category here and a number with zero_as_missing elsewhere", index, feature[i]),
                    "train all trees on one kind of dataset");
    }
    if (const auto unused = std::ranges::find(used, false); unused != used.end())
      corrupt(keys.at("num_cat").line, fmt::format("tree {}: no split uses set {} of categories", index, unused - used.begin()));
  }

  /// Tree::NumericalDecision, include/LightGBM/tree.h:337.
  void set_numeric_split(const Keys& keys, std::size_t split, Missing missing, bool default_left, double threshold, TreeNode& node) {
    if (std::isnan(threshold)) corrupt(keys.at("threshold").line, fmt::format("the threshold of split {} is NaN", split));
    node.split = Split::less_equal;
    node.value = beside_zero(threshold);
    node.default_left = missing == Missing::none ? 0.0 <= threshold : default_left;  // none: NaN is 0
    auto& of_feature = missing_[node.feature];
    if (of_feature && *of_feature != missing && (missing == Missing::zero || *of_feature == Missing::zero))
      unsupported(keys.at("decision_type").line, fmt::format("zero is missing in some splits on feature {}, in others it is not", node.feature),
                  "train all trees with one zero_as_missing");
    of_feature = missing;
  }

  /// Tree::CategoricalDecision, include/LightGBM/tree.h:374. The threshold is the number of its set.
  static void set_category_split(const Keys& keys, std::size_t split, double threshold, std::vector<bool>& used, TreeNode& node) {
    const Value at = keys.at("threshold");
    if (!(threshold >= 0 && threshold < static_cast<double>(used.size())) || threshold != std::floor(threshold))
      corrupt(at.line, fmt::format("split {} uses set {} of categories; there are {}", split, threshold, used.size()));
    const auto set = static_cast<std::size_t>(threshold);
    // A shared set would let a small file ask for much memory, and LightGBM gives each split its own.
    if (used[set]) corrupt(at.line, fmt::format("two splits use set {} of categories", set));
    used[set] = true;
    node.split = Split::in_category;
    node.categories = static_cast<std::int32_t>(set);
    node.default_left = false;
  }

  /// Bits of all sets, one after another: set i has the words from cat_boundaries[i] on.
  static void read_categories(const Keys& keys, Tree& tree) {
    const Value count = keys.at("num_cat");
    const auto sets = static_cast<std::size_t>(number<std::int64_t>(count, 0, static_cast<std::int64_t>(tree.nodes.size())));
    if (sets == 0) return;
    const Value boundaries = keys.at("cat_boundaries"), words = keys.at("cat_threshold");
    const std::vector<std::size_t> begins = numbers<std::size_t>(boundaries, sets + 1, "one more than num_cat");
    if (begins.front() != 0 || !std::ranges::is_sorted(begins)) corrupt(boundaries.line, "`cat_boundaries` does not ascend from 0");
    const std::vector<std::uint32_t> bits = numbers<std::uint32_t>(words, begins.back(), "the last of cat_boundaries");
    if (bits.size() >= (1u << 26)) unsupported(words.line, "categories of 2^31 and more", "score it with LightGBM itself");
    for (std::size_t i = 0; i < sets; ++i) {
      std::vector<std::int32_t> codes;
      for (std::size_t at = begins[i]; at < begins[i + 1]; ++at)
        for (int bit = 0; bit < 32; ++bit)
          if ((bits[at] >> bit & 1u) != 0) codes.push_back(static_cast<std::int32_t>((at - begins[i]) * 32) + bit);
      if (codes.empty()) corrupt(words.line, fmt::format("set {} of categories is empty", i));
      tree.category_sets.push_back(std::move(codes));
    }
  }
};

}  // namespace

TreeModel read_lightgbm(std::span<const std::byte> bytes) {
  return LightgbmFile({reinterpret_cast<const char*>(bytes.data()), bytes.size()}).read();
}

}  // namespace featlib::detail
