/// CatBoost models, JSON and cbm. Paths in comments are catboost/catboost at v1.2.10.
#include "ensemble/document.hpp"
#include "ensemble/flatbuffer.hpp"
#include "ensemble/model.hpp"

#include <featlib/core/result.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace featlib::detail {
namespace {

constexpr std::int64_t max_outputs = 1 << 20;
constexpr std::int64_t max_features = (1 << 29) - 1;  // three bits of a node's feature word are flags
constexpr std::size_t max_depth = 16;                 // of oblivious trees, in CatBoost too

[[noreturn]] void corrupt(const std::string& message) {
  throw Error(ErrorCode::model_corrupt, message, "the file is damaged or was not written by CatBoost; save the model again");
}

[[noreturn]] void unsupported(const std::string& message, const std::string& help) {
  throw Error(ErrorCode::model_unsupported, message, help);
}

/// One test that trees name by number: `x > border`, or the hash of a category.
struct Bin {
  std::int64_t column = 0;
  double border = 0;
  bool missing_right = false;
  bool one_hot = false;
  std::int32_t hash = 0;
};

/// A tree whose levels have one test each. Bit i of the leaf's number is test i (libs/model/cpu/evaluator_impl.cpp).
struct Oblivious {
  std::vector<std::int64_t> tests;
  std::vector<double> values;  // `outputs` a leaf
};

/// A node of any other tree.
struct Node {
  std::int64_t test = 0, left = 0, right = 0;  // children: 0 is none, the row stays
  std::int64_t leaf = -1;                      // where its values begin
};

/// What both formats say, in CatBoost's order.
struct Content {
  std::string format, loss;
  std::int64_t columns = 0, outputs = 0;
  std::vector<Bin> bins, category_bins;  // numbered one after the other
  std::vector<std::pair<std::int64_t, std::string>> names;  // of listed columns
  std::vector<Oblivious> oblivious;
  std::vector<std::vector<Node>> trees;
  std::vector<double> values;  // leaves of `trees`
  double scale = 1;
  std::vector<double> bias;
};

void add_column(Content& content, std::int64_t column, std::string name) {
  if (column < 0 || column > max_features) corrupt(fmt::format("a feature in column {}", column));
  content.columns = std::max(content.columns, column + 1);
  content.names.emplace_back(column, std::move(name));
}

// ---- from content to a model ---------------------------------------------------------------------------------------

/// predict of the Python classes: classifiers give probabilities (libs/eval_result/eval_helpers.cpp), Poisson and Tweedie
/// exponents, all else raw values.
Transform transform_of(std::string_view loss, std::int64_t outputs) {
  if (loss == "Logloss" || loss == "CrossEntropy" || loss == "MultiClassOneVsAll" || loss == "MultiLogloss" || loss == "MultiCrossEntropy")
    return Transform::sigmoid;
  if (loss == "MultiClass") return outputs > 1 ? Transform::softmax_fast : Transform::sigmoid;
  if (loss == "Poisson" || loss == "Tweedie") return Transform::exponential_fast;
  if (loss == "RMSEWithUncertainty") unsupported("the loss is RMSEWithUncertainty", "score it with CatBoost");
  return Transform::identity;
}

class Assembly {
 public:
  explicit Assembly(const Content& content) : in_(content) {}

  TreeModel model() const {
    if (in_.outputs < 1 || in_.outputs > max_outputs) corrupt(fmt::format("{} outputs", in_.outputs));
    if (in_.columns < 1) corrupt("a model without features");
    TreeModel out;
    out.format = in_.format;
    out.objective = in_.loss;
    out.features = static_cast<std::size_t>(in_.columns);
    // Files name columns by their number where training did not; a file may also leave columns out, and names with them.
    if (std::ssize(in_.names) == in_.columns && std::ranges::any_of(in_.names, [](const auto& column) { return !column.second.empty() && column.second != std::to_string(column.first); })) {
      out.feature_names.resize(out.features);
      for (const auto& [column, name] : in_.names) out.feature_names[static_cast<std::size_t>(column)] = name;
    }
    out.adds = Real::float64;
    out.base.assign(static_cast<std::size_t>(in_.outputs), 0.0);
    out.transform = transform_of(in_.loss, in_.outputs);
    if (!std::isfinite(in_.scale) || !std::ranges::all_of(in_.bias, [](double b) { return std::isfinite(b); })) corrupt("scale or bias is not finite");
    if (!in_.bias.empty() && std::ssize(in_.bias) != in_.outputs) corrupt(fmt::format("{} biases for {} outputs", in_.bias.size(), in_.outputs));
    if (in_.scale != 1 || std::ranges::any_of(in_.bias, [](double b) { return b != 0; })) {  // libs/model/scale_and_bias.h: else nothing is done
      out.scale = in_.scale;
      out.bias = in_.bias;
      out.bias.resize(out.base.size());
    }
    // One leaf, one place: shared ones would let a small file ask for much memory.
    std::int64_t leaves = 0;
    for (const std::vector<Node>& tree : in_.trees) leaves += std::ranges::count_if(tree, [](const Node& node) { return node.left == 0 || node.right == 0; });
    if (leaves > std::ssize(in_.values) / in_.outputs) corrupt(fmt::format("{} leaves of {} values each, {} values", leaves, in_.outputs, in_.values.size()));
    for (std::size_t i = 0; i < in_.oblivious.size(); ++i) add(out, i, in_.oblivious[i]);
    for (std::size_t i = 0; i < in_.trees.size(); ++i) add(out, i, in_.trees[i]);
    return out;
  }

 private:
  const Content& in_;

  void test(TreeNode& node, Tree& tree, std::size_t index, std::int64_t number) const {
    const auto n = std::ssize(in_.bins), all = n + std::ssize(in_.category_bins);
    if (number < 0 || number >= all) corrupt(fmt::format("tree {}: test {} of {}", index, number, all));
    const Bin& bin = number < n ? in_.bins[static_cast<std::size_t>(number)] : in_.category_bins[static_cast<std::size_t>(number - n)];
    node.feature = static_cast<std::uint32_t>(bin.column);
    if (bin.one_hot) {
      node.split = Split::not_in_hashed;
      node.default_left = true;
      node.categories = static_cast<std::int32_t>(tree.category_sets.size());
      tree.category_sets.push_back({bin.hash});
    } else {
      node.split = Split::less_equal;
      node.value = bin.border;
      node.default_left = !bin.missing_right;
    }
  }

  /// The same nodes once an output, with its values.
  template <class Value>
  void each_output(TreeModel& out, Tree tree, Value&& value) const {
    for (std::size_t o = 0; o < out.base.size(); ++o) {
      for (TreeNode& node : tree.nodes)
        if (node.left == TreeNode::none) node.value = value(node.id, o);
      tree.output = static_cast<std::uint32_t>(o);
      tree.again = o > 0;
      out.trees.push_back(tree);
    }
  }

  void add(TreeModel& out, std::size_t index, const Oblivious& in) const {
    const std::size_t depth = in.tests.size(), outputs = out.base.size();
    if (depth > max_depth) corrupt(fmt::format("tree {} is {} deep", index, depth));
    const std::size_t inner = (std::size_t{1} << depth) - 1;
    if (in.values.size() != (inner + 1) * outputs) corrupt(fmt::format("tree {}: {} leaf values, {} expected", index, in.values.size(), (inner + 1) * outputs));
    // Level by level, the last test at the root: then leaves stand in the order of their numbers.
    Tree tree;
    tree.nodes.resize(2 * inner + 1);
    for (std::size_t i = 0; i < inner; ++i) {
      TreeNode& node = tree.nodes[i];
      node.left = static_cast<std::int32_t>(2 * i + 1);
      node.right = static_cast<std::int32_t>(2 * i + 2);
      test(node, tree, index, in.tests[depth - static_cast<std::size_t>(std::bit_width(i + 1))]);
    }
    for (std::size_t i = 0; i <= inner; ++i) tree.nodes[inner + i].id = static_cast<std::int32_t>(i);
    each_output(out, std::move(tree), [&](std::int32_t leaf, std::size_t o) { return in.values[static_cast<std::size_t>(leaf) * outputs + o]; });
  }

  void add(TreeModel& out, std::size_t index, const std::vector<Node>& in) const {
    const auto outputs = static_cast<std::int64_t>(out.base.size());
    std::int64_t first = std::numeric_limits<std::int64_t>::max();  // leaves are numbered from the tree's own first
    for (const Node& node : in)
      if (node.left == 0 || node.right == 0) {
        if (node.leaf < 0 || node.leaf % outputs != 0 || node.leaf > std::ssize(in_.values) - outputs)
          corrupt(fmt::format("tree {}: the values of a leaf begin at {}", index, node.leaf));
        first = std::min(first, node.leaf);
      }
    Tree tree;
    tree.nodes.resize(in.size());
    const auto leaf = [&](TreeNode& node, const Node& from) { node.id = static_cast<std::int32_t>((from.leaf - first) / outputs); };
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (in[i].left == 0 && in[i].right == 0) {
        leaf(tree.nodes[i], in[i]);
        continue;
      }
      const auto child = [&](std::int64_t step) {  // 0: a leaf of its own, with this node's values
        if (step != 0) return static_cast<std::int64_t>(i) + step;
        leaf(tree.nodes.emplace_back(), in[i]);
        return std::ssize(tree.nodes) - 1;
      };
      const std::int64_t left = child(in[i].left), right = child(in[i].right);
      if (std::max(in[i].left, in[i].right) >= std::ssize(in) - static_cast<std::int64_t>(i)) corrupt(fmt::format("tree {}: node {} leads out of it", index, i));
      tree.nodes[i].left = static_cast<std::int32_t>(left);
      tree.nodes[i].right = static_cast<std::int32_t>(right);
      test(tree.nodes[i], tree, index, in[i].test);
    }
    each_output(out, std::move(tree), [&](std::int32_t id, std::size_t o) {
      return in_.values[static_cast<std::size_t>(first + id * outputs) + o];
    });
  }
};

[[noreturn]] void refuse_feature(const std::string& what) {
  unsupported(what + " need CatBoost's own tables", "score the model with CatBoost, or train it with one_hot_max_size or numeric features");
}

bool missing_right(std::string_view treatment) {
  if (treatment == "AsIs" || treatment == "AsFalse") return false;
  if (treatment == "AsTrue") return true;
  unsupported(fmt::format("missing values are treated `{}`", utf8_excerpt(treatment)), "AsIs, AsFalse and AsTrue are known");
}

// ---- JSON (libs/model/model_export/json_model_helpers.cpp) ---------------------------------------------------------

class CatboostJson {
 public:
  explicit CatboostJson(Document& document) : in_(document) {}

  Content read() {
    out_.format = "catboost-json";
    bool trees = false;
    in_.object([&](const std::string& key) {
      if (key == "features_info")
        read_features();
      else if (key == "model_info")
        read_info();
      else if (key == "oblivious_trees")
        trees = true, in_.array([&] { read_oblivious(); });
      else if (key == "trees")
        trees = true, in_.array([&] { read_tree(); });
      else if (key == "scale_and_bias")
        read_scale();
      else
        in_.skip();
    });
    in_.finish();
    if (!trees) corrupt("there are no trees");
    if (!out_.oblivious.empty() && !out_.trees.empty()) corrupt("both `oblivious_trees` and `trees`");
    if (!out_.oblivious.empty()) {
      const Oblivious& tree = out_.oblivious.front();
      out_.outputs = tree.tests.size() > max_depth ? 0 : std::ssize(tree.values) >> tree.tests.size();
    }
    if (out_.oblivious.empty() && out_.trees.empty()) out_.outputs = std::max<std::int64_t>(1, std::ssize(out_.bias));
    return std::move(out_);
  }

 private:
  Document& in_;
  Content out_;

  void read_features() {
    in_.object([&](const std::string& key) {
      if (key == "float_features")
        in_.array([&] { read_float_feature(); });
      else if (key == "categorical_features")
        in_.array([&] { read_categorical_feature(); });
      else if (key == "ctrs")
        in_.array([&] { refuse_feature("counters of categories (CTR)"); });
      else if (key == "text_features" || key == "embedding_features" || key == "estimated_features")
        in_.array([&] { refuse_feature("text and embedding features"); });
      else
        in_.skip();
    });
  }

  void read_float_feature() {
    std::int64_t column = -1;
    bool has_nans = false;
    std::string treatment = "AsIs", name;
    std::vector<double> borders;
    in_.object([&](const std::string& key) {
      if (key == "flat_feature_index")
        column = in_.integer();
      else if (key == "has_nans")
        has_nans = in_.integer() != 0;
      else if (key == "nan_value_treatment")
        treatment = in_.text();
      else if (key == "feature_id" || key == "feature_name")
        name = in_.text();
      else if (key == "borders")
        borders = in_.doubles();
      else
        in_.skip();
    });
    add_column(out_, column, std::move(name));
    // Digits of a float: as a double they are near it, and it is what CatBoost makes of them.
    for (const double border : borders)
      out_.bins.push_back({column, static_cast<double>(static_cast<float>(border)), has_nans && missing_right(treatment)});
  }

  void read_categorical_feature() {
    std::int64_t column = -1;
    std::string name;
    std::vector<std::int64_t> hashes;
    in_.object([&](const std::string& key) {
      if (key == "flat_feature_index")
        column = in_.integer();
      else if (key == "feature_id" || key == "feature_name")
        name = in_.text();
      else if (key == "values")
        hashes = in_.integers();
      else
        in_.skip();
    });
    add_column(out_, column, std::move(name));
    for (const std::int64_t hash : hashes) {
      if (hash != static_cast<std::int32_t>(hash)) corrupt(fmt::format("the hash of a category is {}", hash));
      out_.category_bins.push_back({column, 0, false, true, static_cast<std::int32_t>(hash)});
    }
  }

  void read_info() {
    in_.object([&](const std::string& key) {
      if (key != "params") return in_.skip();
      in_.object([&](const std::string& parameter) {
        if (parameter != "loss_function") return in_.skip();
        in_.object([&](const std::string& field) {
          if (field == "type")
            out_.loss = in_.text();
          else
            in_.skip();
        });
      });
    });
  }

  void read_scale() {
    std::size_t i = 0;
    in_.array([&] {
      if (i > 1) in_.fail("more than a scale and a bias");
      if (i++ == 0)
        out_.scale = in_.real();
      else
        out_.bias = in_.is_array() ? in_.doubles() : std::vector<double>{in_.real()};
    });
  }

  std::int64_t read_split() {
    std::int64_t number = -1;
    in_.object([&](const std::string& key) {
      if (key == "split_index")
        number = in_.integer();
      else if (key == "split_type") {
        const std::string type = in_.text();
        if (type != "FloatFeature" && type != "OneHotFeature") refuse_feature(fmt::format("tests of the type {}", utf8_excerpt(type)));
      } else
        in_.skip();
    });
    return number;
  }

  void read_oblivious() {
    Oblivious tree;
    in_.object([&](const std::string& key) {
      if (key == "splits") {
        if (in_.is_array()) in_.array([&] { tree.tests.push_back(read_split()); });
        else in_.skip();  // null: a tree of one leaf
      } else if (key == "leaf_values")
        tree.values = in_.doubles();
      else
        in_.skip();
    });
    out_.oblivious.push_back(std::move(tree));
  }

  void read_tree() {
    std::vector<Node> nodes;
    read_node(nodes);
    out_.trees.push_back(std::move(nodes));
  }

  /// In the order CatBoost numbers leaves when it loads this file. Returns the node's place.
  std::size_t read_node(std::vector<Node>& nodes) {
    const std::size_t at = nodes.size();
    nodes.emplace_back();
    std::int64_t test = -1, left = 0, right = 0;
    bool split = false;
    std::vector<double> value;
    in_.object([&](const std::string& key) {
      if (key == "split")
        split = true, test = read_split();
      else if (key == "left")
        left = static_cast<std::int64_t>(read_node(nodes) - at);
      else if (key == "right") {
        if (left == 0) in_.fail("`right` before `left`");  // leaves are numbered as they come
        right = static_cast<std::int64_t>(read_node(nodes) - at);
      } else if (key == "value")
        value = in_.is_array() ? in_.doubles() : std::vector<double>{in_.real()};
      else
        in_.skip();
    });
    if (value.empty() ? !split || left == 0 || right == 0 : split || left != 0 || right != 0) in_.fail("a node is either a value or a split with two sides");
    nodes[at] = {test, left, right, -1};
    if (value.empty()) return at;
    if (out_.outputs == 0) out_.outputs = std::ssize(value);
    if (std::ssize(value) != out_.outputs) in_.fail("leaves differ in their number of values");
    nodes[at].leaf = std::ssize(out_.values);
    out_.values.insert(out_.values.end(), value.begin(), value.end());
    return at;
  }
};

// ---- cbm (libs/model/flatbuffers/model.fbs; fields are numbered in its order) --------------------------------------

struct Step {
  std::uint16_t left, right;
};

Content read_cbm(std::span<const std::byte> bytes) {
  std::uint32_t size = 0;
  if (bytes.size() < 8) corrupt("the file ends in its head");
  std::memcpy(&size, bytes.data() + 4, sizeof(size));
  if (size > bytes.size() - 8) corrupt(fmt::format("the file ends before its core of {} bytes", size));
  Flatbuffer buffer(bytes.subspan(8, size));
  const Flatbuffer::Table core = buffer.root(), trees = core.table(1);
  if (const std::string version = core.text(0); version != "FlabuffersModel_v1")
    throw Error(ErrorCode::model_format, fmt::format("a cbm file of version `{}`", utf8_excerpt(version)), "FlabuffersModel_v1 is read; save the model with CatBoost 1");
  if (core.tables(3).empty() && bytes.size() - 8 != size) corrupt("more bytes after the model");

  Content out;
  out.format = "catboost-cbm";
  for (const Flatbuffer::Table& entry : core.tables(2))
    if (entry.text(0) == "params") {
      if (!out.loss.empty()) corrupt("two lists of parameters");
      const std::string text = entry.text(1);
      const std::unique_ptr<Document> document = Document::open(std::as_bytes(std::span(text)));
      document->object([&](const std::string& key) {
        if (key != "loss_function") return document->skip();
        document->object([&](const std::string& field) {
          if (field == "type")
            out.loss = document->text();
          else
            document->skip();
        });
      });
    }

  if (trees.has(7) && !trees.tables(7).empty()) refuse_feature("counters of categories (CTR)");
  if (!trees.tables(12).empty() || !trees.tables(13).empty() || !trees.tables(18).empty()) refuse_feature("text and embedding features");

  for (const Flatbuffer::Table& feature : trees.tables(5)) {
    const std::int64_t column = feature.number<std::int32_t>(2, -1);
    const auto treatment = feature.number<std::int8_t>(5, 0);
    constexpr std::string_view names[] = {"AsIs", "AsFalse", "AsTrue"};
    const bool right = missing_right(treatment >= 0 && treatment < 3 ? names[treatment] : "otherwise") && feature.number<std::uint8_t>(0, 0) != 0;
    add_column(out, column, feature.text(4));
    for (const float border : feature.vector<float>(3)) out.bins.push_back({column, static_cast<double>(border), right});
  }
  std::vector<std::pair<std::int32_t, std::int64_t>> categorical;  // index among categorical features, column
  for (const Flatbuffer::Table& feature : trees.tables(4)) {
    categorical.emplace_back(feature.number<std::int32_t>(0, -1), feature.number<std::int32_t>(1, -1));
    add_column(out, categorical.back().second, feature.text(2));
  }
  for (const Flatbuffer::Table& feature : trees.tables(6)) {
    const auto index = feature.number<std::int32_t>(0, -1);
    const auto found = std::ranges::find(categorical, index, &std::pair<std::int32_t, std::int64_t>::first);
    if (found == categorical.end()) corrupt(fmt::format("no categorical feature {}", index));
    for (const std::int32_t hash : feature.vector<std::int32_t>(1)) out.category_bins.push_back({found->second, 0, false, true, hash});
  }

  out.outputs = trees.number<std::int32_t>(0, 0);
  out.scale = trees.number<double>(14, 1.0);
  out.bias = trees.vector<double>(16);
  if (const double bias = trees.number<double>(15, 0.0); out.bias.empty() && bias != 0) out.bias = {bias};

  const std::vector<std::int32_t> splits = trees.vector<std::int32_t>(1), sizes = trees.vector<std::int32_t>(2), starts = trees.vector<std::int32_t>(3);
  const std::vector<Step> steps = trees.vector<Step>(10);
  const std::vector<std::uint32_t> leaves = trees.vector<std::uint32_t>(11);
  std::vector<double> values = trees.vector<double>(8);
  if (out.outputs < 1 || sizes.size() != starts.size()) corrupt(fmt::format("{} outputs, {} tree sizes, {} starts", out.outputs, sizes.size(), starts.size()));
  if (!steps.empty() && (steps.size() != splits.size() || leaves.size() != splits.size()))
    corrupt(fmt::format("{} tests, {} nodes, {} leaf numbers", splits.size(), steps.size(), leaves.size()));
  std::size_t at = 0, used = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    // Trees stand one after the other; sharing would let a small file ask for much memory.
    if (sizes[i] < 0 || static_cast<std::size_t>(sizes[i]) > splits.size() - at || starts[i] < 0 || static_cast<std::size_t>(starts[i]) != at)
      corrupt(fmt::format("tree {}: {} tests from {}, of {}", i, sizes[i], starts[i], splits.size()));
    const auto n = static_cast<std::size_t>(sizes[i]);
    if (steps.empty()) {
      Oblivious tree;
      tree.tests.assign(splits.begin() + static_cast<std::ptrdiff_t>(at), splits.begin() + static_cast<std::ptrdiff_t>(at + n));
      const std::size_t room = (values.size() - used) / static_cast<std::size_t>(out.outputs);
      if (n > max_depth || (std::size_t{1} << n) > room) corrupt(fmt::format("tree {} is {} deep; the file has {} more leaves", i, n, room));
      const std::size_t count = (std::size_t{1} << n) * static_cast<std::size_t>(out.outputs);
      tree.values.assign(values.begin() + static_cast<std::ptrdiff_t>(used), values.begin() + static_cast<std::ptrdiff_t>(used + count));
      used += count;
      out.oblivious.push_back(std::move(tree));
    } else {
      std::vector<Node> nodes;
      for (std::size_t k = at; k < at + n; ++k)
        nodes.push_back({splits[k], steps[k].left, steps[k].right, leaves[k] == std::numeric_limits<std::uint32_t>::max() ? -1 : std::int64_t{leaves[k]}});
      out.trees.push_back(std::move(nodes));
    }
    at += n;
  }
  if (at != splits.size() || (steps.empty() && used != values.size())) corrupt("tests or leaves of no tree");
  out.values = std::move(values);
  return out;
}

}  // namespace

TreeModel read_catboost(std::span<const std::byte> bytes) {
  if (is_cbm(bytes)) return Assembly(read_cbm(bytes)).model();
  const std::unique_ptr<Document> document = Document::open(bytes);
  document->read_as_rapidjson();   // library/cpp/json/json_reader.cpp
  return Assembly(CatboostJson(*document).read()).model();
}

bool is_cbm(std::span<const std::byte> bytes) { return bytes.size() >= 4 && std::memcmp(bytes.data(), "CBM1", 4) == 0; }

}  // namespace featlib::detail
