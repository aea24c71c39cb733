#include <featlib/ensemble/ensemble.hpp>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <random>
#include <sstream>
#include <thread>

using featlib::Ensemble;
using featlib::ErrorCode;
using json = nlohmann::json;
using namespace std::string_literals;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float missing = std::numeric_limits<float>::quiet_NaN();

/// A tree of XGBoost's arrays from rows of {left, feature, threshold or leaf, default_left}; left 0 is a leaf.
struct NodeSpec {
  int left, feature;
  float value;
  int default_left = 0;
};

json tree(const std::vector<NodeSpec>& nodes, int id = 0) {
  json t;
  std::vector<int> parents(nodes.size(), 2147483647), left, right, features, defaults;
  std::vector<float> values;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const NodeSpec& node = nodes[i];
    left.push_back(node.left > 0 ? node.left : -1);
    right.push_back(node.left > 0 ? node.left + 1 : -1);
    if (node.left > 0)
      parents[static_cast<std::size_t>(node.left)] = parents[static_cast<std::size_t>(node.left) + 1] =
          static_cast<int>(i);
    features.push_back(node.feature);
    values.push_back(node.value);
    defaults.push_back(node.default_left);
  }
  t["left_children"] = left;
  t["right_children"] = right;
  t["parents"] = parents;
  t["split_indices"] = features;
  t["split_conditions"] = values;
  t["default_left"] = defaults;
  t["split_type"] = std::vector<int>(nodes.size(), 0);
  t["categories"] = t["categories_nodes"] = t["categories_segments"] = t["categories_sizes"] = json::array();
  t["tree_param"] = {{"num_nodes", std::to_string(nodes.size())},
                     {"num_deleted", "0"},
                     {"num_feature", "2"},
                     {"size_leaf_vector", "1"}};
  t["id"] = id;
  return t;
}

/// x0 < 0.5 ? 1 : (x1 < 2 ? 10 : 20), missing x0 right, missing x1 left.
json two_level(int id = 0) {
  return tree({{1, 0, 0.5f, 0}, {0, 0, 1.0f}, {3, 1, 2.0f, 1}, {0, 0, 10.0f}, {0, 0, 20.0f}}, id);
}

json leaf(float value, int id = 0) { return tree({{0, 0, value}}, id); }

json model(std::vector<json> trees, const std::string& objective = "reg:squarederror",
           const std::string& base_score = "[0E0]") {
  json m;
  json& learner = m["learner"];
  learner["feature_names"] = json::array();
  learner["feature_types"] = json::array();
  learner["attributes"] = json::object();
  learner["learner_model_param"] = {
      {"base_score", base_score}, {"num_class", "0"}, {"num_feature", "2"}, {"num_target", "1"}};
  learner["objective"] = {{"name", objective}};
  json& booster = learner["gradient_booster"];
  booster["name"] = "gbtree";
  booster["model"]["gbtree_model_param"] = {{"num_trees", std::to_string(trees.size())}};
  booster["model"]["tree_info"] = std::vector<int>(trees.size(), 0);
  booster["model"]["trees"] = trees;
  m["version"] = {3, 2, 0};
  return m;
}

json& booster(json& m) { return m["learner"]["gradient_booster"]; }
json& parameters(json& m) { return m["learner"]["learner_model_param"]; }
json& first_tree(json& m) { return booster(m)["model"]["trees"][0]; }

auto parse(const std::string& text) { return Ensemble::parse(std::as_bytes(std::span(text)), "m"); }

Ensemble loaded(const json& m) {
  auto result = parse(m.dump());
  if (!result) FAIL(result.error().what());
  return result.value();
}

ErrorCode refusal(const std::string& text) {
  const auto result = parse(text);
  if (result) FAIL("accepted: " << text.substr(0, 300));
  INFO(result.error().what());
  CHECK(result.error().failures().at(0).path == "m");
  CHECK_FALSE(result.error().failures().at(0).help.empty());
  return result.error().failures().at(0).code;
}

ErrorCode refusal(const json& m) { return refusal(m.dump()); }

std::vector<float> margin(const Ensemble& e, const std::vector<float>& row) {
  std::vector<float> out(e.outputs());
  e.margin(row, 1, out);
  return out;
}

std::vector<float> prediction(const Ensemble& e, const std::vector<float>& row) {
  std::vector<float> out(e.prediction_width());
  e.predict(row, 1, out);
  return out;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](float x, float y) {
           return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
         });
}

std::filesystem::path golden() { return std::filesystem::path(FEATLIB_SOURCE_DIR) / "tests/golden/models"; }

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::filesystem::path> golden_models() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(golden()))
    if (entry.path().extension() == ".json" || entry.path().extension() == ".ubj") paths.push_back(entry.path());
  std::ranges::sort(paths);
  return paths;
}

/// A categorical root on feature 0 over the given codes: 100 for those in the set (right), -100 for the others, missing
/// left.
json categorical(const std::vector<int>& codes) {
  json t = tree({{1, 0, 0.0f, 1}, {0, 0, -100.0f}, {0, 0, 100.0f}});
  t["split_type"] = {1, 0, 0};
  t["categories"] = codes;
  t["categories_nodes"] = {0};
  t["categories_segments"] = {0};
  t["categories_sizes"] = {codes.size()};
  return t;
}

}  // namespace

// ---- what a score is ----------------------------------------------------------------------------------------------

TEST_CASE("a value equal to the threshold goes right") {
  const Ensemble e = loaded(model({two_level()}));
  CHECK(margin(e, {0.5f, 0.0f})[0] == 10.0f);
  CHECK(margin(e, {std::nextafter(0.5f, -inf), 0.0f})[0] == 1.0f);
  CHECK(margin(e, {std::nextafter(0.5f, inf), 2.0f})[0] == 20.0f);
  CHECK(margin(e, {-inf, inf})[0] == 1.0f);
  CHECK(margin(e, {inf, inf})[0] == 20.0f);
}

TEST_CASE("a missing value follows the node's default") {
  const Ensemble e = loaded(model({two_level()}));
  CHECK(margin(e, {missing, 2.0f})[0] == 20.0f);
  CHECK(margin(e, {missing, missing})[0] == 10.0f);
  CHECK(margin(e, {-missing, 1.0f})[0] == 10.0f);
}

TEST_CASE("negative zero equals zero and subnormals are not flushed") {
  const float tiny = std::numeric_limits<float>::denorm_min();
  json m = model({tree({{1, 0, 0.0f}, {0, 0, 1.0f}, {3, 1, tiny}, {0, 0, 2.0f}, {0, 0, 3.0f}})});
  const Ensemble e = loaded(m);
  CHECK(margin(e, {-0.0f, 0.0f})[0] == 2.0f);
  CHECK(margin(e, {-tiny, 0.0f})[0] == 1.0f);
  CHECK(margin(e, {0.0f, tiny})[0] == 3.0f);
}

TEST_CASE("infinite thresholds compare like any other") {
  const Ensemble below = loaded(json::parse(model({tree({{1, 0, 7.25f}, {0, 0, 1.0f}, {0, 0, 2.0f}})}).dump()));
  CHECK(margin(below, {inf, 0.0f})[0] == 2.0f);
  std::string text = model({tree({{1, 0, 7.25f, 1}, {0, 0, 1.0f}, {0, 0, 2.0f}})}).dump();
  const auto with = [&](const std::string& threshold) {
    std::string changed = text;
    changed.replace(changed.find("7.25"), 4, threshold);
    return parse(changed).value();
  };
  CHECK(margin(with("Infinity"), {inf, 0.0f})[0] == 2.0f);
  CHECK(margin(with("Infinity"), {3e38f, 0.0f})[0] == 1.0f);
  CHECK(margin(with("-Infinity"), {-inf, 0.0f})[0] == 2.0f);
  CHECK(margin(with("-Infinity"), {missing, 0.0f})[0] == 1.0f);
}

TEST_CASE("the sum starts at the base margin and follows the order of the trees, in float32") {
  const float two24 = 16777216.0f;
  CHECK(margin(loaded(model({leaf(1, 0), leaf(1, 1)}, "reg:squarederror", "[1.6777216E7]")), {0, 0})[0] == two24);
  CHECK(margin(loaded(model({leaf(1, 0), leaf(1, 1), leaf(two24, 2)})), {0, 0})[0] == two24 + 2);
  CHECK(margin(loaded(model({leaf(two24, 0), leaf(1, 1), leaf(1, 2)})), {0, 0})[0] == two24);
}

TEST_CASE("more trees than are walked at once give the same sum, in one row and in many") {
  std::vector<json> trees;
  for (int i = 0; i < 21; ++i) trees.push_back(i % 3 == 0 ? leaf(0.125f * static_cast<float>(i), i) : two_level(i));
  const Ensemble e = loaded(model(trees));
  std::vector<float> rows, one_by_one;
  for (int i = 0; i < 100; ++i) {
    const std::vector<float> row{static_cast<float>(i % 3) * 0.5f, i % 7 == 0 ? missing : static_cast<float>(i % 5)};
    rows.insert(rows.end(), row.begin(), row.end());
    one_by_one.push_back(margin(e, row)[0]);
  }
  std::vector<float> together(100);
  e.margin(rows, 100, together);
  CHECK(same_bits(together, one_by_one));
  CHECK(margin(e, {0.0f, 0.0f})[0] == 14.0f + 0.125f * (0 + 3 + 6 + 9 + 12 + 15 + 18));
}

TEST_CASE("a bushy tree with one long chain scores like any other") {
  std::vector<NodeSpec> nodes{{0, 0, 0}};
  const auto split = [&](int at, int feature, float threshold) {
    nodes[static_cast<std::size_t>(at)] = {static_cast<int>(nodes.size()), feature, threshold};
    nodes.insert(nodes.end(), 2, {0, 0, -1.0f});
    return static_cast<int>(nodes.size()) - 2;
  };
  split(0, 1, 0.0f);
  std::vector<int> bush{1};
  for (int level = 0; level < 10; ++level) {
    std::vector<int> next;
    for (const int at : bush) {
      const int left = split(at, 1, -1.0f);
      next.insert(next.end(), {left, left + 1});
    }
    bush = next;
  }
  const int depth = 300;
  for (int i = 0, at = 2; i < depth; ++i) {  // x0 < i ends in a leaf of i
    const int left = split(at, 0, static_cast<float>(i));
    nodes[static_cast<std::size_t>(left)].value = static_cast<float>(i);
    nodes[static_cast<std::size_t>(left) + 1].value = static_cast<float>(depth);
    at = left + 1;
  }
  std::vector<json> trees;
  for (int i = 0; i < 8; ++i) trees.push_back(tree(nodes, i));
  const Ensemble e = loaded(model(trees));
  std::vector<float> rows, out(200), expected;
  for (int i = 0; i < 200; ++i) {
    const float x0 = static_cast<float>(2 * i) - 50.5f;
    rows.insert(rows.end(), {x0, i % 5 == 0 ? -1.0f : 0.0f});
    expected.push_back(8.0f * (i % 5 == 0 ? -1.0f : std::clamp(std::ceil(x0), 0.0f, static_cast<float>(depth))));
    CHECK(margin(e, {rows[rows.size() - 2], rows.back()})[0] == expected.back());
  }
  e.margin(rows, 200, out);
  CHECK(out == expected);
}

TEST_CASE("leaf indices are the trainer's node numbers, with deleted nodes between") {
  json t = tree(
      {{5, 0, 0.5f}, {0, 2147483647, 0}, {0, 2147483647, 0}, {0, 0, 7.0f}, {0, 0, 8.0f}, {0, 0, 1.0f}, {3, 1, 2.0f}});
  t["tree_param"]["num_deleted"] = "2";
  const Ensemble e = loaded(model({t}));
  std::vector<std::int32_t> out(3);
  e.leaves(std::vector<float>{0, 0, 1, 0, 1, 2}, 3, out);
  CHECK(out == std::vector<std::int32_t>{5, 3, 4});
}

TEST_CASE("categories in the set go right; all others, also impossible ones, go left") {
  const std::vector<int> small{1, 31, 32, 63}, sparse{5, 16777215};
  for (const auto& codes : {small, sparse}) {
    const Ensemble e = loaded(model({categorical(codes)}));
    for (const int code : codes) CHECK(margin(e, {static_cast<float>(code), 0})[0] == 100.0f);
    for (const float other : {0.0f, -0.0f, 2.0f, 30.0f, 33.0f, 64.0f, 1000.0f, -1.0f, -0.5f, 16777214.0f, 16777216.0f,
                              4294967296.0f, 3e38f, inf, -inf, missing})
      CHECK(margin(e, {other, 0})[0] == -100.0f);
  }
  const Ensemble e = loaded(model({categorical(small)}));
  CHECK(margin(e, {1.9f, 0})[0] == 100.0f);
  CHECK(margin(e, {0.9999f, 0})[0] == -100.0f);
}

TEST_CASE("a missing category follows the default, not the set") {
  json t = categorical({1});
  t["default_left"] = {0, 0, 0};
  CHECK(margin(loaded(model({t})), {missing, 0})[0] == 100.0f);
}

TEST_CASE("DART weights are found where each version of XGBoost puts them") {
  const json plain = model({two_level(0), leaf(0.3f, 1)});
  const std::vector<float> weights{0.7f, 0.6f};
  json old = plain, middle = plain, recent = plain;
  booster(old) = {{"name", "dart"}, {"gbtree", booster(old)}, {"weight_drop", weights}};
  booster(middle)["weight_drop"] = weights;
  booster(recent)["model"]["weight_drop"] = weights;
  const float expected = 0.0f + 10.0f * 0.7f + 0.3f * 0.6f;
  for (const json& m : {old, middle, recent}) CHECK(margin(loaded(m), {1, 0})[0] == expected);
}

TEST_CASE("every spelling of base_score is read, one value serves all outputs") {
  for (const std::string text : {"5E-1", "[5E-1]", "(5E-1)", " [ 0.5 ] ", "0.5"})
    CHECK(margin(loaded(model({leaf(1)}, "reg:squarederror", text)), {0, 0})[0] == 1.5f);
  json m = model({leaf(1)}, "reg:squarederror", "[5E-1,2]");
  parameters(m)["num_target"] = "2";
  CHECK(margin(loaded(m), {0, 0}) == std::vector<float>{1.5f, 2.0f});
  parameters(m)["base_score"] = "5E-1";
  CHECK(margin(loaded(m), {0, 0}) == std::vector<float>{1.5f, 0.5f});
}

TEST_CASE("base_score becomes a margin as the objective says") {
  const auto base = [](const std::string& objective, const std::string& score) {
    return margin(loaded(model({}, objective, score)), {0, 0})[0];
  };
  CHECK(std::bit_cast<std::uint32_t>(base("binary:logistic", "[5E-1]")) == std::bit_cast<std::uint32_t>(-0.0f));
  CHECK(base("reg:logistic", "0.25") == -std::log(1.0f / 0.25f - 1.0f));
  CHECK(base("binary:logistic", "[0]") == -std::log(1.0f / 1e-6f - 1.0f));
  CHECK(base("binary:logistic", "[1]") == -std::log(1.0f / (1.0f - 1e-6f) - 1.0f));
  for (const char* objective : {"count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"})
    CHECK(base(objective, "2") == std::log(2.0f));
  for (const char* objective :
       {"binary:logitraw", "binary:hinge", "reg:squarederror", "reg:linear", "reg:squaredlogerror",
        "reg:pseudohubererror", "reg:absoluteerror", "rank:ndcg", "rank:pairwise", "rank:map"})
    CHECK(base(objective, "0.25") == 0.25f);
}

TEST_CASE("each objective has its own transform") {
  const auto predict = [](const std::string& objective, float value) {
    return prediction(loaded(model({leaf(value)}, objective, "[5E-1]")), {0, 0})[0];
  };
  CHECK(predict("binary:logistic", 0.75f) == 1.0f / (std::exp(-0.75f) + 1.0f + 1e-16f));
  CHECK(predict("binary:logistic", -1000.0f) == 1.0f / (std::exp(88.7f) + 1.0f));
  CHECK(predict("binary:logistic", 1000.0f) == 1.0f);
  CHECK(predict("binary:logitraw", 0.75f) == 1.25f);
  CHECK(predict("binary:hinge", -0.5f) == 0.0f);
  CHECK(predict("binary:hinge", -0.25f) == 1.0f);
  CHECK(predict("count:poisson", 1.5f) == std::exp(std::log(0.5f) + 1.5f));
  CHECK(predict("reg:squaredlogerror", 0.75f) == 1.25f);
}

TEST_CASE("multi:softprob normalises with a double sum, multi:softmax names the first of the best") {
  json m = model({leaf(1, 0), leaf(3, 1), leaf(3, 2)}, "multi:softprob");
  parameters(m)["num_class"] = "3";
  m["learner"]["objective"]["softmax_multiclass_param"] = {{"num_class", "3"}};
  booster(m)["model"]["tree_info"] = {0, 1, 2};
  const Ensemble prob = loaded(m);
  CHECK(prob.outputs() == 3);
  CHECK(prob.prediction_width() == 3);
  const float a = std::exp(-2.0f), b = 1.0f;
  const auto sum = static_cast<float>(static_cast<double>(a) + b + b);
  CHECK(prediction(prob, {0, 0}) == std::vector<float>{a / sum, b / sum, b / sum});
  m["learner"]["objective"]["name"] = "multi:softmax";
  const Ensemble classes = loaded(m);
  CHECK(classes.prediction_width() == 1);
  CHECK(margin(classes, {0, 0}) == std::vector<float>{1, 3, 3});
  CHECK(prediction(classes, {0, 0}) == std::vector<float>{1});
}

TEST_CASE("quantiles are sorted within the row from 3.4 on, as the trainer of the file did") {
  json m = model({leaf(3, 0), leaf(1, 1)}, "reg:quantileerror");
  parameters(m)["num_target"] = "2";
  m["learner"]["objective"]["quantile_loss_param"] = {{"quantile_alpha", "[1E-1,9E-1]"}};
  booster(m)["model"]["tree_info"] = {0, 1};
  CHECK(prediction(loaded(m), {0, 0}) == std::vector<float>{3, 1});
  m["version"] = {3, 4, 0};
  CHECK(prediction(loaded(m), {0, 0}) == std::vector<float>{1, 3});
  CHECK(margin(loaded(m), {0, 0}) == std::vector<float>{3, 1});
}

TEST_CASE("thresholds and leaves are rounded from their digits once") {
  // 1 + 2^-24 + 2^-54: through a double it would be a tie and round to 1; read as float32 it is above the tie.
  json m = model({leaf(7.25f)});
  std::string text = m.dump();
  text.replace(text.find("7.25"), 4, "1.000000059604644830550774");
  CHECK(margin(parse(text).value(), {0, 0})[0] == std::nextafter(1.0f, 2.0f));
}

TEST_CASE("a model describes itself") {
  json m = model({two_level()}, "binary:logistic", "0.5");
  m["learner"]["feature_names"] = {"amount",
                                   "gr\xc3\xb6\xc3\x9f"
                                   "e"};
  const std::string text = m.dump(-1, ' ', true);  // non-ASCII as \u escapes
  const Ensemble e = parse(text).value();
  CHECK(e.features() == 2);
  CHECK(e.outputs() == 1);
  CHECK(e.trees() == 1);
  CHECK(e.objective() == "binary:logistic");
  CHECK(e.format() == "xgboost-json");
  CHECK(e.feature_names() == std::vector<std::string>{"amount",
                                                      "gr\xc3\xb6\xc3\x9f"
                                                      "e"});
  CHECK(e.bytes().size() == text.size());
  CHECK(e.fingerprint().size() == 64);
  CHECK(loaded(m).fingerprint() != e.fingerprint());
}

TEST_CASE("the models of each XGBoost version give the bits it wrote down") {
  for (const auto& path : golden_models()) {
    INFO(path.filename());
    const auto result = Ensemble::load(path);
    if (!result) FAIL(result.error().what());
    const Ensemble& e = result.value();
    std::ifstream expected(std::filesystem::path(path).replace_extension(".txt"));
    std::size_t lines = 0;
    for (std::string line; std::getline(expected, line); ++lines) {
      std::vector<std::vector<float>> parts(1);
      std::istringstream words(line);
      for (std::string word; words >> word;) {
        if (word == "|")
          parts.emplace_back();
        else
          parts.back().push_back(std::strtof(word.c_str(), nullptr));
      }
      REQUIRE(parts.size() == 4);
      CHECK(same_bits(margin(e, parts[0]), parts[1]));
      CHECK(same_bits(prediction(e, parts[0]), parts[2]));
      std::vector<std::int32_t> leaves(e.trees());
      e.leaves(parts[0], 1, leaves);
      CHECK(std::vector<float>(leaves.begin(), leaves.end()) == parts[3]);
    }
    CHECK(lines == 24);
  }
  CHECK(golden_models().size() == 6);
}

TEST_CASE("the published airline model of XGBoost 1.4 reproduces its published predictions") {
  const auto folder = std::filesystem::path(FEATLIB_SOURCE_DIR) / "../shared/data/tree_models";
  if (!std::filesystem::exists(folder)) return;
  const Ensemble e = Ensemble::load(folder / "xgb_airline.json").value();
  for (const char* file : {"xgb_airline.inputs.csv", "xgb_airline.expected.csv"}) {
    std::ifstream rows(folder / file);
    std::size_t wrong = 0, lines = 0;
    for (std::string line; std::getline(rows, line); ++lines) {
      std::vector<float> row;
      std::istringstream cells(line);
      for (std::string cell; std::getline(cells, cell, ',');)
        row.push_back(static_cast<float>(std::strtod(cell.c_str(), nullptr)));
      const float expected = row.back();
      row.pop_back();
      wrong += prediction(e, row)[0] != expected;
    }
    CHECK(lines >= 1000);
    CHECK(wrong == 0);
  }
}

TEST_CASE("copies in many threads score alike") {
  const Ensemble e = Ensemble::load(golden_models().at(0)).value();
  const std::vector<float> row{0.1f, -1.0f, missing, 7.0f};
  const float expected = margin(e, row)[0];
  std::vector<int> wrong(4);
  {
    std::vector<std::jthread> threads;
    for (int& count : wrong)
      threads.emplace_back([&count, &row, e, expected] {
        for (int i = 0; i < 1000; ++i) count += margin(Ensemble(e), row)[0] != expected;
      });
  }
  CHECK(wrong == std::vector<int>(4));
}

// ---- what is refused ----------------------------------------------------------------------------------------------

TEST_CASE("what is not a model file is model-format") {
  for (const std::string text : {"", " ", "forest\nversion=v4\n", "[1]", "binf model", "{", "{}", R"({"a": 1})",
                                 R"({"version": [3, 2, 0]})"})
    CHECK(refusal(text) == ErrorCode::model_format);
  CHECK(Ensemble::load("no/such/file.json").error().failures()[0].code == ErrorCode::io_failed);
  CHECK(Ensemble::load(golden()).error().failures()[0].code == ErrorCode::io_failed);
}

TEST_CASE("what cannot be scored exactly is model-unsupported") {
  const json good = model({two_level()});
  using Change = std::function<void(json&)>;
  const std::vector<Change> changes{
      [](json& m) { booster(m) = {{"name", "gblinear"}, {"model", {{"weights", {1, 2, 3}}}}}; },
      [](json& m) { m["learner"]["objective"]["name"] = "my:objective"; },
      [](json& m) { m["version"] = {3, 5, 0}; },
      [](json& m) { m["version"] = {4, 0, 0}; },
      [](json& m) { parameters(m)["num_class"] = "1048577"; },
      [](json& m) { parameters(m)["num_feature"] = "1073741825"; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    INFO(i);
    json m = good;
    changes[i](m);
    CHECK(refusal(m) == ErrorCode::model_unsupported);
  }
}

TEST_CASE("the limits hold on their inside") {
  json m = model({two_level()});
  m["version"] = {3, 4, 9};
  parameters(m)["num_class"] = "1048576";
  parameters(m)["num_feature"] = "1073741824";
  CHECK(loaded(m).outputs() == 1048576);
  m = model({two_level()});
  booster(m)["model"]["cats"]["enc"] = {{{"type", 13}, {"values", {0, 1, 2}}},
                                        {{"offsets", json::array()}, {"values", json::array()}}};
  CHECK(margin(loaded(m), {0, 0})[0] == 1.0f);
  m = model({}, "multi:softmax");
  for (const int classes : {1024, 1025}) {
    parameters(m)["num_class"] = m["learner"]["objective"]["softmax_multiclass_param"]["num_class"] =
        std::to_string(classes);
    if (classes == 1024)
      CHECK(prediction(loaded(m), {0, 0}) == std::vector<float>{0});
    else
      CHECK(refusal(m) == ErrorCode::model_unsupported);
  }
}

TEST_CASE("a file that contradicts itself is model-corrupt") {
  json good = model({two_level()}, "binary:logistic", "[5E-1]");
  REQUIRE(parse(good.dump()));
  json t = categorical({1, 2});
  json with_categories = model({t});
  REQUIRE(parse(with_categories.dump()));
  using Change = std::function<void(json&)>;
  const std::vector<Change> changes{
      // links
      [](json& m) { first_tree(m)["left_children"][2] = 0, first_tree(m)["right_children"][2] = 1; },  // a cycle
      [](json& m) { first_tree(m)["left_children"][2] = 1, first_tree(m)["right_children"][2] = 2; },  // two parents
      [](json& m) {
        first_tree(m)["left_children"][0] = 3, first_tree(m)["right_children"][0] = 4;
      },  // unreachable nodes
      [](json& m) { first_tree(m)["left_children"][2] = 4, first_tree(m)["right_children"][2] = 5; },  // outside
      [](json& m) { first_tree(m)["left_children"][2] = -2; },
      [](json& m) { first_tree(m)["right_children"][2] = -1; },
      [](json& m) { first_tree(m)["tree_param"]["size_leaf_vector"] = "3"; },
      [](json& m) { booster(m)["model"]["cats"]["enc"] = {{{"offsets", {0, 1, 2}}, {"values", {97, 98}}}}; },
      [](json& m) { booster(m)["model"]["cats"]["enc"] = {{{"type", 13}, {"values", {10, 20}}}}; },
      [](json& m) { first_tree(m)["right_children"][1] = 3; },
      [](json& m) { first_tree(m)["right_children"][0] = 3; },  // not neighbours
      [](json& m) { first_tree(m)["left_children"][2] = 4, first_tree(m)["right_children"][2] = 3; },
      [](json& m) {  // a cycle through the root whose parents agree with it
        first_tree(m)["left_children"] = {2, -1, 0, -1, -1}, first_tree(m)["right_children"] = {3, -1, 1, -1, -1};
        first_tree(m)["parents"] = {2, 2, 0, 0, 0}, first_tree(m)["tree_param"]["num_deleted"] = "1";
      },
      [](json& m) { first_tree(m)["parents"][3] = 0; },
      [](json& m) { first_tree(m)["split_indices"][2] = 2; },
      [](json& m) { first_tree(m)["split_indices"][2] = -1; },
      [](json& m) { first_tree(m)["default_left"][0] = 2; },
      // counts
      [](json& m) { first_tree(m)["tree_param"]["num_nodes"] = "4"; },
      [](json& m) { first_tree(m)["tree_param"]["num_nodes"] = "99999999999999999999"; },
      [](json& m) { first_tree(m)["tree_param"]["num_nodes"] = "5x"; },
      [](json& m) { first_tree(m)["tree_param"]["num_deleted"] = "1"; },
      [](json& m) { first_tree(m)["split_conditions"].push_back(1); },
      [](json& m) { first_tree(m)["parents"].erase(0); },
      [](json& m) { first_tree(m).erase("default_left"); },
      [](json& m) { first_tree(m)["id"] = 1; },
      [](json& m) { booster(m)["model"]["gbtree_model_param"]["num_trees"] = "2"; },
      [](json& m) { booster(m)["model"]["tree_info"] = {1}; },
      [](json& m) { booster(m)["model"]["tree_info"] = {-1}; },
      [](json& m) { booster(m)["model"]["iteration_indptr"] = {0, 2}; },
      [](json& m) { booster(m)["model"]["iteration_indptr"] = {0, 2, 1}; },
      [](json& m) { booster(m)["model"]["weight_drop"] = {1.0, 1.0}; },
      [](json& m) { parameters(m)["num_feature"] = "-2"; },
      [](json& m) { m["learner"]["feature_names"] = {"one"}; },
      // numbers
      [](json& m) { parameters(m)["base_score"] = "[1.5]"; },
      [](json& m) { parameters(m)["base_score"] = "[nan]"; },
      [](json& m) { parameters(m)["base_score"] = "[1,2]"; },
      [](json& m) { parameters(m)["base_score"] = "[]"; },
      [](json& m) { parameters(m)["base_score"] = "[0.5"; },
      [](json& m) { parameters(m).erase("base_score"); },
      [](json& m) { first_tree(m)["split_conditions"][0] = 1e39; },
      [](json& m) { first_tree(m)["split_conditions"][0] = "0.5"; },
      [](json& m) { first_tree(m)["left_children"][0] = 1.5; },
      [](json& m) { m["version"] = {-3, 2, 0}; },
      [](json& m) { parameters(m)["num_class"] = "3", parameters(m)["num_target"] = "2"; },
      [](json& m) { m["learner"]["objective"] = {{"name", "reg:gamma"}}, parameters(m)["base_score"] = "0"; },
      [](json& m) {
        m["learner"]["objective"] = {{"name", "multi:softprob"}, {"softmax_multiclass_param", {{"num_class", "3"}}}};
      },
      [](json& m) {
        m["learner"]["objective"] = {{"name", "reg:quantileerror"},
                                     {"quantile_loss_param", {{"quantile_alpha", "[0.1,0.2]"}}}};
      },
      // categories
      [&](json& m) { m = with_categories, first_tree(m)["categories_sizes"] = {3}; },
      [&](json& m) { m = with_categories, first_tree(m)["categories_sizes"] = {0}; },
      [&](json& m) { m = with_categories, first_tree(m)["categories_segments"] = {1}; },
      [&](json& m) {
        m = with_categories, first_tree(m)["categories_segments"] = {1}, first_tree(m)["categories_sizes"] = {1};
      },
      [&](json& m) { m = with_categories, first_tree(m)["categories_nodes"] = {3}; },
      [&](json& m) { m = with_categories, first_tree(m)["categories_nodes"] = {1}; },
      [&](json& m) { m = with_categories, first_tree(m)["categories_nodes"] = json::array(); },
      [&](json& m) { m = with_categories, first_tree(m)["categories"] = {1, 16777216}; },
      [&](json& m) { m = with_categories, first_tree(m)["categories"] = {-1, 1}; },
      [&](json& m) { m = with_categories, first_tree(m)["split_type"] = {0, 0, 0}; },
      [&](json& m) { m = with_categories, first_tree(m)["split_type"] = {2, 0, 0}; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    INFO(i);
    json m = good;
    changes[i](m);
    CHECK(refusal(m) == ErrorCode::model_corrupt);
  }
}

TEST_CASE("NaN thresholds, NaN leaves and weights that are not finite are model-corrupt") {
  std::string text = model({tree({{1, 0, 7.25f}, {0, 0, 8.25f}, {0, 0, 1.0f}})}).dump();
  for (const char* number : {"7.25", "8.25"}) {
    std::string changed = text;
    changed.replace(changed.find(number), 4, "NaN");
    CHECK(refusal(changed) == ErrorCode::model_corrupt);
  }
  json m = model({two_level()});
  booster(m)["model"]["weight_drop"] = {7.25};
  text = m.dump();
  text.replace(text.find("7.25"), 4, "NaN");
  CHECK(refusal(text) == ErrorCode::model_corrupt);
}

TEST_CASE("malformed JSON is model-corrupt, at a byte") {
  const std::string good = model({two_level()}).dump();
  REQUIRE(parse(good + " \n"));
  CHECK(refusal(good + "x") == ErrorCode::model_corrupt);
  CHECK(refusal(good.substr(0, good.size() - 1)) == ErrorCode::model_corrupt);
  const auto attribute = [&](const std::string& value) {
    std::string text = good;
    text.replace(text.find("\"attributes\":{}"), 15, "\"attributes\":" + value);
    return text;
  };
  for (const char* value : {"{\"a\":1}", "[true,false,null,-1.5e3,NaN,Infinity,-Infinity]",
                            "\"\\u00e4\\ud83d\\ude00\\n\\/\"", "{\"a\":{\"a\":1}}"})
    CHECK(parse(attribute(value)));
  for (const char* value : {"{\"a\":1,\"a\":2}", "{\"a\" 1}", "{1:1}", "[1,]", "[1 2]", "nul", "nan", "inf", "+1", ".5",
                            "-", "1e", "1e999", "\"\\x\"", "\"\\u12g4\"", "\"\\ud83d\"", "\"\\udc00\"", "\"\n\""})
    CHECK(refusal(attribute(value)) == ErrorCode::model_corrupt);
  CHECK(parse(attribute(std::string(30, '[') + std::string(30, ']'))));
  CHECK(refusal(attribute(std::string(31, '[') + std::string(31, ']'))) == ErrorCode::model_corrupt);
  CHECK(refusal(attribute(std::string(2'000'000, '['))) == ErrorCode::model_corrupt);
  CHECK(parse(attribute("{\"a\":1}")).value().bytes().size() == good.size() + 5);
}

TEST_CASE("malformed UBJSON is model-corrupt, and a count larger than the file asks for no memory") {
  const std::string good = contents(golden() / "xgb_3_2_categories.ubj");
  REQUIRE(parse(good));
  CHECK(refusal(good + "x") == ErrorCode::model_corrupt);
  for (const std::string& key :
       {std::string("base_weights[$d#"), std::string("trees[#"), std::string("feature_types[#")}) {
    std::string changed = good;
    const std::size_t at = changed.find(key);
    REQUIRE(at != std::string::npos);
    changed[at + key.size() + 1] = 0x7f;  // the top byte of the count
    CHECK(refusal(changed) == ErrorCode::model_corrupt);
    changed[at + key.size() + 1] = static_cast<char>(0xff);  // negative
    CHECK(refusal(changed) == ErrorCode::model_corrupt);
  }
}

// ---- hostile files: the same damage every run, thousands of them --------------------------------------------------

TEST_CASE("every truncation of a model is refused") {
  for (const auto& path : golden_models()) {
    const std::string good = contents(path);
    for (std::size_t size = 0; size < good.size(); ++size)
      if (parse(good.substr(0, size))) FAIL(path.filename() << " cut to " << size << " bytes was accepted");
  }
}

TEST_CASE("a damaged model is refused or scores: it never crashes") {
  const std::uint32_t seed = 20260801;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const std::string interesting = "\0\x01\x7f\x80\xff[]{}\",:-9eNIdUlLS#$"s;
  int accepted = 0;
  for (const auto& path : golden_models()) {
    const std::string good = contents(path);
    for (int i = 0; i < 4000; ++i) {
      std::string bad = good;
      const int edits = 1 + static_cast<int>(random() % 3);
      for (int e = 0; e < edits; ++e) {
        const std::size_t at = random() % bad.size();
        switch (random() % 5) {
          case 0:
            bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
            break;
          case 1:
            bad[at] = static_cast<char>(random());
            break;
          case 2:
            bad[at] = interesting[random() % interesting.size()];
            break;
          case 3:
            bad.erase(at, 1 + random() % 9);
            break;
          case 4:
            bad.insert(at, good.substr(random() % good.size(), random() % 40));
            break;
        }
        if (bad.empty()) break;
      }
      const auto result = parse(bad);
      if (!result) continue;
      ++accepted;
      const Ensemble& e = result.value();
      if (e.features() > 10'000 || e.outputs() > 10'000) continue;
      for (const float value : {0.0f, -1.0f, 35.0f, missing, inf}) {
        const std::vector<float> row(e.features(), value);
        prediction(e, row);
        std::vector<std::int32_t> leaves(e.trees());
        e.leaves(row, 1, leaves);
      }
    }
  }
  CHECK(accepted > 100);  // damage to unread parts and to values: else nothing above would be walked
}
