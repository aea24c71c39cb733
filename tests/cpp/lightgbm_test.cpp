// LightGBM text models: what each line means, and what is refused. tests/python/test_lightgbm.py compares bits with LightGBM.
#include <featlib/ensemble/ensemble.hpp>

#include "utf8.hpp"

#include "support/damaged.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

using featlib::Ensemble;
using featlib::ErrorCode;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double missing = std::numeric_limits<double>::quiet_NaN();

std::string with(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) FAIL("no \"" << from << "\" in " << text);
  return text.replace(at, from.size(), to);
}

/// x0 <= 0.5 ? leaf 0 (1) : (x1 in {1, 3, 33} ? leaf 1 (10) : leaf 2 (20)); missing x0 goes left. Then a tree of one leaf.
/// Without tree_sizes, so that a test may change a line.
const std::string good = R"(tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=regression
feature_names=x0 x1
feature_infos=[-1:1] 1:3:33

Tree=0
num_leaves=3
num_cat=1
split_feature=0 1
split_gain=1 1
threshold=0.5 0
decision_type=10 1
left_child=-1 -2
right_child=1 -3
leaf_value=1 10 20
leaf_weight=1 1 1
leaf_count=1 1 1
internal_value=0 0
internal_weight=0 0
internal_count=3 2
cat_boundaries=0 2
cat_threshold=10 2
is_linear=0
shrinkage=1


Tree=1
num_leaves=1
num_cat=0
split_feature=
split_gain=
threshold=
decision_type=
left_child=
right_child=
leaf_value=0.25
leaf_weight=
leaf_count=
internal_value=
internal_weight=
internal_count=
is_linear=0
shrinkage=1


end of trees

feature_importances:
x0=1

parameters:
[boosting: gbdt]
end of parameters

pandas_categorical:null
)";

auto parse(const std::string& text) { return Ensemble::parse(std::as_bytes(std::span(text)), "m"); }

Ensemble loaded(const std::string& text) {
  auto result = parse(text);
  if (!result) FAIL(result.error().what());
  return result.value();
}

double margin(const Ensemble& e, std::vector<double> row) {
  double out = 0;
  e.margin(row, 1, std::span(&out, 1));
  return out;
}

double prediction(const Ensemble& e, std::vector<double> row) {
  double out = 0;
  e.predict(row, 1, std::span(&out, 1));
  return out;
}

/// The line where the first `at` ends, 0 for none.
int line_of(const std::string& text, const std::string& at) {
  if (at.empty()) return 0;
  const std::size_t found = text.find(at);
  if (found == std::string::npos) FAIL("no \"" << at << "\" in " << text);
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(found + at.size()), '\n'));
}

featlib::Failure refusal(const std::string& text) {
  const auto result = parse(text);
  if (result) FAIL("accepted: " << text);
  const featlib::Failure failure = result.error().failures().at(0);
  INFO(failure.text());
  CHECK(failure.path == "m");
  CHECK(featlib::is_utf8(failure.text()));
  CHECK_FALSE(failure.help.empty());
  return failure;
}

}  // namespace

TEST_CASE("a row at a threshold goes left, one unit above it right") {
  const Ensemble e = loaded(good);
  CHECK(e.format() == "lightgbm-text");
  CHECK((e.features() == 2 && e.outputs() == 1 && e.trees() == 2 && e.float64()));
  CHECK(e.feature_names() == std::vector<std::string>{"x0", "x1"});
  CHECK(margin(e, {0.5, 0}) == 1.25);
  CHECK(margin(e, {std::nextafter(0.5, 1), 0}) == 20.25);
  CHECK(margin(e, {-inf, 0}) == 1.25);
  CHECK(margin(e, {inf, 0}) == 20.25);
  std::vector<std::int32_t> leaves(2);
  e.leaves(std::vector<double>{1, 3}, 1, leaves);
  CHECK(leaves == std::vector<std::int32_t>{1, 0});
}

TEST_CASE("a category is cut to an integer before its sign is looked at") {
  const Ensemble e = loaded(good);
  for (const double in : {1.0, 1.9, 3.0, 33.0, 33.999}) CHECK(margin(e, {1, in}) == 10.25);
  for (const double out : {0.0, 0.999, -0.5, 2.0, 34.0, 64.0, 1e9, 4294967297.0, 1e300, inf, -inf, -1.0, missing}) CHECK(margin(e, {1, out}) == 20.25);
  const Ensemble zero = loaded(with(good, "cat_threshold=10 2", "cat_threshold=1 0"));
  for (const double in : {0.0, -0.0, -0.5, -0.999, 1e-300}) CHECK(margin(zero, {1, in}) == 10.25);
  for (const double out : {-1.0, -1.5, 1.0}) CHECK(margin(zero, {1, out}) == 20.25);
}

TEST_CASE("missing means what the node says") {
  const auto at_x0 = [](const std::string& decision, const std::string& threshold, double x0) {
    return margin(loaded(with(with(good, "decision_type=10", "decision_type=" + decision), "threshold=0.5", "threshold=" + threshold)), {x0, 0}) == 1.25 ? "left" : "right";
  };
  constexpr double tiny = static_cast<double>(1e-35f);
  // NaN: 10 to the left, 8 to the right; zero is a number
  CHECK(at_x0("10", "-1", missing) == std::string("left"));
  CHECK(at_x0("8", "1", missing) == std::string("right"));
  CHECK(at_x0("8", "1", 0) == std::string("left"));
  // None: NaN is zero, whatever the direction says
  for (const char* decision : {"0", "2"}) {
    CHECK(at_x0(decision, "0", missing) == std::string("left"));
    CHECK(at_x0(decision, "-0", missing) == std::string("left"));
    CHECK(at_x0(decision, "-1e-300", missing) == std::string("right"));
  }
  // Zero: NaN and what is within 1e-35 of zero
  for (const double zero : {0.0, -0.0, tiny, -tiny, 1e-300, missing}) {
    CHECK(at_x0("6", "-1", zero) == std::string("left"));
    CHECK(at_x0("4", "1", zero) == std::string("right"));
  }
  for (const double number : {std::nextafter(tiny, 1), std::nextafter(-tiny, -1)}) {
    CHECK(at_x0("6", "-1", number) == std::string("right"));
    CHECK(at_x0("4", "1", number) == std::string("left"));
  }
}

TEST_CASE("what is within 1e-35 of zero is zero, on either side of any threshold") {
  constexpr double tiny = static_cast<double>(1e-35f);
  for (const char* threshold : {"1.0000000180025095e-35", "-1.0000000180025095e-35", "1e-36", "-1e-36", "0", "-0", "4.9406564584124654e-324", "1.0000000180025097e-35", "-1.0000000180025097e-35", "2e-35"}) {
    INFO(threshold);
    const Ensemble e = loaded(with(good, "threshold=0.5", "threshold=" + std::string(threshold)));
    for (const double x : {0.0, -0.0, tiny, -tiny, 1e-36, -1e-36, 5e-324, std::nextafter(tiny, 1), std::nextafter(-tiny, -1), 2e-35, -2e-35}) {
      const double seen = std::fabs(x) > tiny ? x : 0.0;
      CHECK(margin(e, {x, 0}) == (seen <= std::strtod(threshold, nullptr) ? 1.25 : 20.25));
    }
  }
}

TEST_CASE("a prediction is the average where the model says so, a margin is the sum") {
  const Ensemble e = loaded(with(good, "feature_names", "average_output\nfeature_names"));
  CHECK(margin(e, {0, 0}) == 1.25);
  CHECK(prediction(e, {0, 0}) == 0.625);
}

TEST_CASE("each objective has its own transform") {
  const auto under = [](const std::string& objective) { return prediction(loaded(with(good, "objective=regression", objective)), {0, 0}); };
  const double x = 1.25;
  for (const char* identity : {"objective=regression", "objective=regression_l1", "objective=huber sqrt", "objective=quantile", "objective=lambdarank", "objective=custom", "label=1"}) CHECK(under(identity) == x);
  for (const char* squared : {"objective=regression sqrt", "objective=fair sqrt", "objective=mape sqrt"}) CHECK(under(squared) == x * x);
  for (const char* exponential : {"objective=poisson", "objective=poisson sqrt", "objective=gamma", "objective=tweedie"}) CHECK(under(exponential) == std::exp(x));
  CHECK(under("objective=binary sigmoid:1") == 1 / (1 + std::exp(-x)));
  CHECK(under("objective=binary sigmoid:0.7") == 1 / (1 + std::exp(-0.7 * x)));
  CHECK(under("objective=cross_entropy") == 1 / (1 + std::exp(-x)));
  CHECK(under("objective=cross_entropy_lambda") == std::log1p(std::exp(x)));
}

TEST_CASE("a table of categories belongs to the feature with categories") {
  CHECK(loaded(good).categories().empty());
  const auto categories = [](const std::string& tables) { return loaded(with(good, "pandas_categorical:null", "pandas_categorical:" + tables)).categories(); };
  CHECK(categories("[]").empty());
  CHECK(categories("[[0, 1, 2]]").empty());
  CHECK(categories(R"([["b", "a", "\u00e4"]])") == std::vector<std::vector<std::string>>{{}, {"b", "a", "ä"}});
  CHECK(categories("[[0, 2]]") == std::vector<std::vector<std::string>>{{}, {"0", "2"}});
  CHECK(categories("[[false, true, 1.5]]") == std::vector<std::vector<std::string>>{{}, {"false", "true", "1.5"}});
}

// ---- what is refused ----------------------------------------------------------------------------------------------

TEST_CASE("what cannot be scored exactly is model-unsupported, at its line") {
  const std::vector<std::tuple<std::string, std::string, std::string>> changes{
      {"is_linear=0", "is_linear=1", "is_linear"},
      {"objective=regression", "objective=my_own", "objective"},
      {"version=v4", "version=v2", "version"},
      {"version=v4", "version=v5", "version"},
      {"num_class=1\nnum_tree_per_iteration=1", "num_class=1048577\nnum_tree_per_iteration=1048577", "num_tree_per_iteration"},
      {"pandas_categorical:null", R"(pandas_categorical:[["a"],["b"]])", "pandas_categorical"},
      {"threshold=0.5 0\ndecision_type=10 1", "threshold=0.5 0.5\ndecision_type=6 10", "decision_type"},  // both on x0, below
      {"split_feature=0 1", "split_feature=1 1", "decision_type"},                                        // a category and, with zero missing, a number
  };
  for (const auto& [from, to, at] : changes) {
    INFO(to);
    std::string text = with(good, from, to);
    if (to.starts_with("threshold")) text = with(with(text, "split_feature=0 1", "split_feature=0 0"), "num_cat=1", "num_cat=0");
    if (to == "split_feature=1 1") text = with(text, "decision_type=10 1", "decision_type=6 1");
    const featlib::Failure failure = refusal(text);
    CHECK(failure.code == ErrorCode::model_unsupported);
    CHECK(failure.line == line_of(text, at));
  }
}

TEST_CASE("a LightGBM file that contradicts itself is model-corrupt, at its line") {
  const std::string huge = "99999999999999999999";
  const std::vector<std::tuple<std::string, std::string, std::string>> changes{
      // links: the engine finds those that are no tree, and names the tree
      {"left_child=-1 -2", "left_child=1 -2", ""},   // two parents
      {"right_child=1 -3", "right_child=0 -3", ""},  // a cycle at the root
      {"right_child=1 -3", "right_child=1 1", ""},   // a cycle below it
      {"right_child=1 -3", "right_child=-3 -3", ""},
      {"right_child=1 -3", "right_child=2 -3", "right_child"},
      {"right_child=1 -3", "right_child=1 -4", "right_child"},
      {"left_child=-1 -2", "left_child=-9223372036854775808 -2", "left_child"},
      {"split_feature=0 1", "split_feature=0 2", "split_feature"},
      {"split_feature=0 1", "split_feature=-1 1", "split_feature"},
      // counts
      {"num_leaves=3", "num_leaves=4", "leaf_value"},
      {"num_leaves=3", "num_leaves=2", "leaf_value"},
      {"num_leaves=3", "num_leaves=1", "leaf_value"},
      {"num_leaves=3", "num_leaves=0", "num_leaves"},
      {"num_leaves=3", "num_leaves=-3", "num_leaves"},
      {"num_leaves=3", "num_leaves=2000000000", "num_leaves"},
      {"num_leaves=3", "num_leaves=1000000000", "leaf_value"},
      {"num_leaves=3", "num_leaves=" + huge, "num_leaves"},
      {"num_leaves=3", "num_leaves=3x", "num_leaves"},
      {"num_leaves=3\n", "", "Tree=0"},
      {"leaf_value=1 10 20", "leaf_value=1 10 20 30", "leaf_value"},
      {"leaf_value=1 10 20\n", "", "Tree=0"},
      {"threshold=0.5 0", "threshold=0.5", "threshold"},
      {"decision_type=10 1", "decision_type=10 1 1", "decision_type"},
      {"decision_type=10 1\n", "", "Tree=0"},
      {"right_child=1 -3\n", "", "Tree=0"},
      {"Tree=0", "Tree=1", "Tree=1"},
      {"Tree=1", "Tree=2", "Tree=2"},
      {"Tree=1", "Tree 1", "Tree 1"},
      {"num_class=1", "num_class=2", "num_class"},
      {"num_class=1\nnum_tree_per_iteration=1", "num_class=3\nnum_tree_per_iteration=3", "objective"},
      {"num_tree_per_iteration=1", "num_tree_per_iteration=0", "num_tree_per_iteration"},
      {"num_tree_per_iteration=1", "num_tree_per_iteration=" + huge, "num_tree_per_iteration"},
      {"max_feature_idx=1", "max_feature_idx=2", "feature_names"},
      {"max_feature_idx=1", "max_feature_idx=-1", "max_feature_idx"},
      {"max_feature_idx=1", "max_feature_idx=536870911", "max_feature_idx"},
      {"feature_names=x0 x1", "feature_names=x0 x1 x2", "feature_names"},
      {"feature_infos=[-1:1] 1:3:33", "feature_infos=none", "feature_infos"},
      {"feature_names=x0 x1\n", "", "tree"},
      {"version=v4\n", "", "tree"},
      {"feature_names=x0 x1", "feature_names=x0 x\xff", "feature_names"},
      {"feature_names", "tree_sizes=1\nfeature_names", "tree_sizes"},
      {"feature_names", "tree_sizes=1 x\nfeature_names", "tree_sizes"},
      {"num_leaves=1", "num_leaves=1\nnum_leaves=1", "num_leaves=1\nnum_leaves"},
      {"version=v4", "version=v4\nversion=v4", "version=v4\nversion"},
      {"pandas_categorical:null", "pandas_categorical:null\npandas_categorical:null", "null\npandas_categorical"},
      {"pandas_categorical:null", "pandas_categorical:[[", "pandas_categorical"},
      {"pandas_categorical:null", "pandas_categorical:{}", "pandas_categorical"},
      {"pandas_categorical:null", "pandas_categorical:[[[]]]", "pandas_categorical"},
      {"pandas_categorical:null", "pandas_categorical:[1]", "pandas_categorical"},
      // numbers
      {"threshold=0.5 0", "threshold=nan 0", "threshold"},
      {"threshold=0.5 0", "threshold=0,5 0", "threshold"},
      {"threshold=0.5 0", "threshold=1e999 0", "threshold"},
      {"leaf_value=1 10 20", "leaf_value=1 nan 20", ""},
      {"leaf_value=1 10 20", "leaf_value=1 0x10 20", "leaf_value"},
      {"leaf_value=1 10 20", "leaf_value=1 10\xff 20", "leaf_value"},
      {"leaf_value=1 10 20", "leaf_value=1 0000000000000000000000000000000000000xä 20", "leaf_value"},
      {"decision_type=10 1", "decision_type=12 1", "decision_type"},
      {"decision_type=10 1", "decision_type=-2 1", "decision_type"},
      {"objective=regression", "objective=binary", "objective"},
      {"objective=regression", "objective=binary sigmoid:0", "objective"},
      {"objective=regression", "objective=binary sigmoid:-1", "objective"},
      {"objective=regression", "objective=binary sigmoid:inf", "objective"},
      {"objective=regression", "objective=binary sigmoid:nan", "objective"},
      {"objective=regression", "objective=binary sigmoid:1e", "objective"},
      {"objective=regression", "objective=multiclass num_class:3", "objective"},
      {"objective=regression", "objective=", "objective"},
      // categories
      {"num_cat=1", "num_cat=0", "threshold"},
      {"num_cat=1", "num_cat=2", "cat_boundaries"},
      {"num_cat=1", "num_cat=" + huge, "num_cat"},
      {"threshold=0.5 0", "threshold=0.5 1", "threshold"},
      {"threshold=0.5 0", "threshold=0.5 -1", "threshold"},
      {"threshold=0.5 0", "threshold=0.5 0.5", "threshold"},
      {"threshold=0.5 0", "threshold=0.5 nan", "threshold"},
      {"decision_type=10 1", "decision_type=10 8", "num_cat"},              // a set that no split uses
      {"threshold=0.5 0\ndecision_type=10 1", "threshold=0 0\ndecision_type=1 1", "threshold"},  // two that use one
      {"cat_boundaries=0 2", "cat_boundaries=0 3", "cat_threshold"},
      {"cat_boundaries=0 2", "cat_boundaries=1 2", "cat_boundaries"},
      {"cat_boundaries=0 2", "cat_boundaries=0 " + huge, "cat_boundaries"},
      {"cat_boundaries=0 2", "cat_boundaries=0 -1", "cat_boundaries"},
      {"cat_boundaries=0 2\n", "", "Tree=0"},
      {"cat_threshold=10 2", "cat_threshold=10 4294967296", "cat_threshold"},
      {"cat_threshold=10 2", "cat_threshold=0 0", "cat_threshold"},
      {"cat_threshold=10 2\n", "", "Tree=0"},
  };
  for (const auto& [from, to, at] : changes) {
    INFO(from << " -> " << to);
    const std::string text = with(good, from, to);
    const featlib::Failure failure = refusal(text);
    CHECK(failure.code == ErrorCode::model_corrupt);
    INFO(failure.text());
    CHECK(failure.line == line_of(text, at));
    CHECK((failure.line > 0 || failure.message.starts_with("tree 0: ")));
  }
}

TEST_CASE("sizes of trees are held to, and so are the line ends behind them") {
  const std::size_t first = good.find("Tree=0"), second = good.find("Tree=1"), end = good.find("end of trees");
  const std::string sizes = std::to_string(second - first) + " " + std::to_string(end - second);
  const std::string sized = with(good, "feature_names", "tree_sizes=" + sizes + "\nfeature_names");
  CHECK(margin(loaded(sized), {0, 0}) == 1.25);
  CHECK(refusal(with(sized, "leaf_value=1 10", "leaf_value=1.0 10")).line == 8);
  CHECK(refusal(with(sized, sizes, sizes + " 10")).line == 8);

  std::string windows;
  for (const char c : good) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  CHECK(margin(loaded(windows), {0, 0}) == 1.25);
  windows.clear();
  for (const char c : sized) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  CHECK(refusal(windows).help.find("line ends") != std::string::npos);
}

TEST_CASE("every truncation of a LightGBM model's trees is refused") {
  const std::size_t end = good.find("end of trees") + std::string("end of trees").size();
  for (std::size_t size = 0; size < end; ++size)
    if (parse(good.substr(0, size))) FAIL("cut to " << size << " bytes it was accepted");
  CHECK(parse(good.substr(0, end)).ok());
}

TEST_CASE("a damaged LightGBM model is refused or scores: it never crashes") {
  const std::uint32_t seed = 20261124;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const std::string interesting = std::string("\0\n\r =-+.:[]eEnaif0123456789", 27);
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto result = parse(featlib::testing::damaged(good, interesting, random));
    if (!result) continue;
    ++accepted;
    const Ensemble& e = result.value();
    if (e.outputs() > 1) continue;
    for (const double value : {0.0, -1.0, 35.0, missing, inf}) {
      const std::vector<double> row(e.features(), value);
      prediction(e, row);
      std::vector<std::int32_t> leaves(e.trees());
      e.leaves(row, 1, leaves);
    }
  }
  CHECK(accepted > 1000);  // damage to unread lines and to values: else nothing above would be walked
}
