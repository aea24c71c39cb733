// CatBoost and scikit-learn: the models of tests/golden/loaders, and files that contradict themselves.
#include "ensemble/flatbuffer.hpp"

#include <featlib/ensemble/ensemble.hpp>

#include "support/damaged.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <random>
#include <sstream>

using featlib::Ensemble;
using featlib::ErrorCode;
using json = nlohmann::json;
using namespace std::string_literals;

namespace {

const std::filesystem::path folder = std::filesystem::path(FEATLIB_SOURCE_DIR) / "tests/golden/loaders";

std::vector<std::filesystem::path> models() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".json" || entry.path().extension() == ".cbm") found.push_back(entry.path());
  std::ranges::sort(found);
  return found;
}

std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

featlib::Result<Ensemble> parse(std::string_view text) { return Ensemble::parse(std::as_bytes(std::span(text))); }

/// The code a text is refused with; the test fails where it is not.
ErrorCode refusal(std::string_view text) {
  const auto result = parse(text);
  if (result) FAIL("accepted: " << text.substr(0, 200));
  return result.error().failures().front().code;
}

using Change = std::function<void(json&)>;

json changed(const char* file, const Change& change) {
  json document = json::parse(contents(folder / file));
  change(document);
  return document;
}

/// nlohmann sorts keys, and the first one tells the formats apart: "featlib_sklearn" comes before what we use, or is put there.
std::string spelled(const json& document) {
  std::string text = document.dump();
  if (!document.contains("featlib_sklearn")) return text;
  json rest = document;
  const std::string version = rest["featlib_sklearn"].dump();
  rest.erase("featlib_sklearn");
  return "{\"featlib_sklearn\":" + version + "," + rest.dump().substr(1);
}

std::vector<double> numbers(const std::string& text) {
  std::vector<double> out;
  std::istringstream words(text);
  for (std::string word; words >> word;) out.push_back(std::strtod(word.c_str(), nullptr));
  return out;
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

}  // namespace

TEST_CASE("the models of CatBoost and scikit-learn give the bits and leaves their trainers wrote down") {
  CHECK(models().size() == 7);
  for (const auto& path : models()) {
    INFO(path.filename());
    const auto result = Ensemble::load(path);
    if (!result) FAIL(result.error().what());
    const Ensemble& e = result.value();
    CHECK(e.float64());
    std::ifstream expected(std::filesystem::path(path).replace_extension(".txt"));
    std::size_t lines = 0;
    for (std::string line; std::getline(expected, line); ++lines) {
      INFO(line);
      const std::size_t first = line.find('|'), second = line.find('|', first + 1);
      const std::vector<double> row = numbers(line.substr(0, first));
      std::vector<double> margin(e.outputs());
      e.margin(row, 1, margin);
      CHECK(same_bits(margin, numbers(line.substr(first + 1, second - first - 1))));
      std::vector<double> prediction(e.prediction_width()), both(e.outputs()), too(prediction.size());
      e.predict(row, 1, prediction);
      e.score(row, both, too);
      CHECK((same_bits(both, margin) && same_bits(too, prediction)));
      std::vector<std::int32_t> leaves(e.trees());
      e.leaves(row, 1, leaves);
      CHECK(std::vector<double>(leaves.begin(), leaves.end()) == numbers(line.substr(second + 1)));
    }
    CHECK(lines == 24);
  }
}

TEST_CASE("a scikit-learn file that contradicts itself is model-corrupt") {
  const char* forest = "sklearn_forest.json";
  const std::pair<const char*, Change> cases[] = {
      {forest, [](json& m) { m["features"] = 0; }},
      {forest, [](json& m) { m["features"] = 1 << 29; }},
      {forest, [](json& m) { m["features"] = 3; }},
      {forest, [](json& m) { m.erase("features"); }},
      {forest, [](json& m) { m["feature_names"] = {"a"}; }},
      {forest, [](json& m) { m["classes"] = 0; }},
      {forest, [](json& m) { m["classes"] = -3; }},
      {forest, [](json& m) { m["classes"] = 4; }},
      {forest, [](json& m) { m["classes"] = 1 << 30; }},
      {forest, [](json& m) { m["outputs"] = 0; }},
      {forest, [](json& m) { m["trees"] = json::array(); }},
      {forest, [](json& m) { m["trees"][1]["left"][0] = 0; }},
      {forest, [](json& m) { m["trees"][1]["right"][0] = m["trees"][1]["left"][0]; }},
      {forest, [](json& m) { m["trees"][1]["right"][0] = -1; }},
      {forest, [](json& m) { m["trees"][1]["left"][0] = -2; }},
      {forest, [](json& m) { m["trees"][1]["left"][0] = 1'000'000; }},
      {forest, [](json& m) { m["trees"][1]["left"][0] = 1'000'000'000'000; }},
      {forest, [](json& m) { m["trees"][1]["left"][0] = m["trees"][1]["left"][0].get<std::int64_t>() + (std::int64_t{1} << 32); }},  // the same 32 bits
      {forest, [](json& m) { m["trees"][1]["feature"][0] = -2; }},
      {forest, [](json& m) { m["trees"][1]["feature"][0] = 4; }},
      {forest, [](json& m) { m["trees"][1]["threshold"].push_back(0.5); }},
      {forest, [](json& m) { m["trees"][1]["missing_left"].erase(0); }},
      {forest, [](json& m) { m["trees"][1]["values"].erase(0); }},
      {forest, [](json& m) { m["trees"][1]["values"][2].erase(0); }},
      {forest, [](json& m) { m["trees"][1]["output"] = 1; }},
      {forest, [](json& m) { m["trees"][1]["output"] = -1; }},
      {forest, [](json& m) { m["trees"][1] = json::object(); }},
      {forest, [](json& m) { m["trees"][1]["category_nodes"] = {0}; }},
      {forest, [](json& m) { m["estimator"] = "DecisionTreeClassifier"; }},
      {"sklearn_histogram.json", [](json& m) { m["base"] = json::array(); }},
      {"sklearn_histogram.json", [](json& m) { m["base"] = {0.5, 0.5}; }},
      {"sklearn_histogram.json", [](json& m) { m["categories"].push_back(m["categories"][0]); }},
      {"sklearn_histogram.json", [](json& m) { m["categories"] = json::array(); }},
      {"sklearn_histogram.json", [](json& m) { m["categories"][0]["numbers"].push_back(m["categories"][0]["numbers"][0]); }},
      {"sklearn_histogram.json", [](json& m) { m["categories"][0]["numbers"] = {1}; }},
      {"sklearn_histogram.json", [](json& m) { for (int i = 100; i < 400; ++i) m["categories"][0]["numbers"].push_back(i); }},
      {"sklearn_histogram.json", [](json& m) { m["trees"][0]["category_left"].push_back(json::array()); }},
      {"sklearn_histogram.json", [](json& m) { m["trees"][0]["category_nodes"][0] = -1; }},
      {"sklearn_histogram.json", [](json& m) { m["trees"][0]["category_nodes"][0] = 1000; }},
      {"sklearn_isolation.json", [](json& m) { m["outputs"] = 2; }},
      {"sklearn_isolation.json", [](json& m) { m["trees"][0]["values"].erase(1); }},
  };
  int number = 0;
  for (const auto& [file, change] : cases) {
    INFO(file << ", case " << number++);
    CHECK(refusal(spelled(changed(file, change))) == ErrorCode::model_corrupt);
  }
  CHECK(parse(spelled(changed(forest, [](json&) {}))).ok());
}

TEST_CASE("thresholds, leaves and base values that are NaN or infinite are model-corrupt where they mean nothing") {
  for (const std::string key : {"threshold", "values"}) {
    std::string text = spelled(changed("sklearn_forest.json", [&](json& m) {
      json& array = key == "values" ? m["trees"][0][key][0] : m["trees"][0][key];
      for (json& value : array) value = "NaN";
    }));
    for (std::size_t at; (at = text.find("\"NaN\"")) != std::string::npos;) text.replace(at, 5, "NaN");
    CHECK(refusal(text) == ErrorCode::model_corrupt);
  }
  std::string text = spelled(changed("sklearn_histogram.json", [](json& m) { m["base"][0] = "NaN"; }));
  text.replace(text.find("\"NaN\""), 5, "Infinity");
  CHECK(refusal(text) == ErrorCode::model_corrupt);
}

TEST_CASE("what scikit-learn can do and this cannot is model-unsupported, another format of the file model-format") {
  const std::pair<const char*, Change> cases[] = {
      {"sklearn_forest.json", [](json& m) { m["estimator"] = "AdaBoostClassifier"; }},
      {"sklearn_forest.json", [](json& m) { m["outputs"] = 2; }},
      {"sklearn_histogram.json", [](json& m) { m["loss"] = "poisson"; }},
      {"sklearn_histogram.json", [](json& m) { m["loss"] = "camel"; }},
      {"sklearn_histogram.json", [](json& m) { m["init"] = "LinearRegression"; }},
      {"sklearn_histogram.json", [](json& m) { m["categories"][0].erase("numbers"); }},
      {"sklearn_histogram.json", [](json& m) { m["categories"][0]["numbers"][0] = -1; }},
      {"sklearn_histogram.json", [](json& m) { m["categories"][0]["numbers"][0] = 1.5; }},
      {"sklearn_histogram.json", [](json& m) { m["categories"][0]["numbers"][0] = 1e300; }},
      {"sklearn_isolation.json", [](json& m) { m["average_path_length"] = 0.0; }},
  };
  int number = 0;
  for (const auto& [file, change] : cases) {
    INFO(file << ", case " << number++);
    CHECK(refusal(spelled(changed(file, change))) == ErrorCode::model_unsupported);
  }
  CHECK(refusal(spelled(changed("sklearn_forest.json", [](json& m) { m["featlib_sklearn"] = 2; }))) == ErrorCode::model_format);
}

TEST_CASE("a CatBoost JSON that contradicts itself is model-corrupt") {
  const char *symmetric = "catboost_symmetric.json", *other = "catboost_multiclass.json";
  const std::pair<const char*, Change> cases[] = {
      {symmetric, [](json& m) { m.erase("oblivious_trees"); }},
      {symmetric, [](json& m) { m["features_info"]["float_features"] = json::array(); }},
      {symmetric, [](json& m) { m["features_info"]["float_features"][0]["flat_feature_index"] = -1; }},
      {symmetric, [](json& m) { m["features_info"]["float_features"][0]["flat_feature_index"] = 1 << 30; }},
      {symmetric, [](json& m) { m["features_info"]["float_features"][0]["borders"] = json::array(); }},
      {symmetric, [](json& m) { m["oblivious_trees"][0]["leaf_values"].push_back(0.5); }},
      {symmetric, [](json& m) { m["oblivious_trees"][0]["leaf_values"] = json::array(); }},
      {symmetric, [](json& m) { m["oblivious_trees"][1]["leaf_values"].erase(0); }},
      {symmetric, [](json& m) { m["oblivious_trees"][0]["splits"][0]["split_index"] = -1; }},
      {symmetric, [](json& m) { m["oblivious_trees"][0]["splits"][0]["split_index"] = 100'000; }},
      {symmetric, [](json& m) { m["oblivious_trees"][0]["splits"][0].erase("split_index"); }},
      {symmetric, [](json& m) { for (int i = 0; i < 70; ++i) m["oblivious_trees"][0]["splits"].push_back(m["oblivious_trees"][0]["splits"][0]); }},
      {symmetric, [](json& m) { m["trees"] = {{{"value", 0.5}}}; }},
      {symmetric, [](json& m) { m["scale_and_bias"] = {1, {0, 0}}; }},
      {symmetric, [](json& m) { m["scale_and_bias"] = {1, {0}, 1}; }},
      {other, [](json& m) { m["trees"][0].erase("left"); }},
      {other, [](json& m) { m["trees"][0].erase("right"); }},
      {other, [](json& m) { m["trees"][0].erase("split"); }},
      {other, [](json& m) { m["trees"][0]["value"] = {0, 0, 0}; }},
      {other, [](json& m) { m["trees"][0]["left"] = {{"value", {1, 2}}}; }},
      {other, [](json& m) { m["trees"][0]["left"] = {{"value", 1}}; }},
      {other, [](json& m) { m["trees"][0]["left"] = json::object(); }},
  };
  int number = 0;
  for (const auto& [file, change] : cases) {
    INFO(file << ", case " << number++);
    CHECK(refusal(spelled(changed(file, change))) == ErrorCode::model_corrupt);
  }
}

TEST_CASE("what CatBoost can do and this cannot is model-unsupported") {
  const char* symmetric = "catboost_symmetric.json";
  for (const Change& change : std::initializer_list<Change>{
           [](json& m) { m["features_info"]["ctrs"] = {{{"identifier", "x"}}}; },
           [](json& m) { m["features_info"]["text_features"] = {1}; },
           [](json& m) { m["oblivious_trees"][0]["splits"][0]["split_type"] = "OnlineCtr"; },
           [](json& m) { m["features_info"]["float_features"][0]["nan_value_treatment"] = "AsCamel"; },
           [](json& m) { m["model_info"]["params"]["loss_function"]["type"] = "RMSEWithUncertainty"; },
       })
    CHECK(refusal(spelled(changed(symmetric, change))) == ErrorCode::model_unsupported);
}

TEST_CASE("a cbm whose offsets, counts or sizes lead astray is refused, and asks for no memory") {
  const std::string good = contents(folder / "catboost_leafwise.cbm");
  const auto with = [&](std::size_t at, std::uint32_t value) {
    std::string bad = good;
    std::memcpy(bad.data() + at, &value, sizeof(value));
    return bad;
  };
  CHECK(refusal(with(4, 0)) == ErrorCode::model_corrupt);
  CHECK(refusal(with(4, 0xffffffff)) == ErrorCode::model_corrupt);
  CHECK(refusal(with(8, 0xffffffff)) == ErrorCode::model_corrupt);
  CHECK(refusal(good + "x") == ErrorCode::model_corrupt);
  CHECK(refusal(std::string_view("CBM1")) == ErrorCode::model_corrupt);
  // Whatever four bytes become the largest, the smallest or a count that is a little too large.
  for (std::size_t at = 8; at + 4 <= good.size(); ++at)
    for (const std::uint32_t value : {0u, 1u, 0x7fffffffu, 0x80000000u, 0xffffffffu, 0xfffffff0u}) static_cast<void>(parse(with(at, value)));
}

TEST_CASE("vectors of a cbm share no bytes and end where the file does") {
  // A table with a vector of 50 tables, all of them one, whose vector is 1000 bytes.
  std::string bytes;
  const auto put = [&](auto value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof(value)); };
  put(std::uint32_t{12});
  for (const std::uint16_t value : {6, 8, 4, 0}) put(value);  // the layout of both: one field, four bytes behind the table's start
  put(std::int32_t{8}), put(std::uint32_t{4}), put(std::uint32_t{50});
  for (std::uint32_t i = 0; i < 50; ++i) put(std::uint32_t{200 - 4 * i});
  put(std::int32_t{224 - 4}), put(std::uint32_t{4}), put(std::uint32_t{1000});
  bytes.append(1000, 'x');
  featlib::detail::Flatbuffer buffer(std::as_bytes(std::span(bytes)));
  const auto tables = buffer.root().tables(0);
  REQUIRE(tables.size() == 50);
  CHECK(tables[0].text(0) == std::string(1000, 'x'));
  CHECK_THROWS_AS(tables[1].text(0), featlib::Error);
  bytes.resize(bytes.size() - 1);  // the vector ends behind the file, which has more bytes than the vector
  featlib::detail::Flatbuffer cut(std::as_bytes(std::span(bytes)));
  CHECK_THROWS_AS(cut.root().tables(0)[0].text(0), featlib::Error);
}

TEST_CASE("a column far away asks for no names of those between") {
  const json far = changed("catboost_symmetric.json", [](json& m) {
    m["features_info"]["float_features"][0]["feature_id"] = "amount";
    m["features_info"]["float_features"][3]["flat_feature_index"] = (1 << 29) - 2;
  });
  const auto result = parse(far.dump());
  REQUIRE(result.ok());
  CHECK(result.value().features() == (1 << 29) - 1);
  CHECK(result.value().feature_names().empty());
}

TEST_CASE("every truncation of these models is refused") {
  for (const auto& path : models()) {
    const std::string good = contents(path);
    for (std::size_t size = 0; size < good.size(); ++size)
      if (parse(std::string_view(good).substr(0, size))) FAIL(path.filename() << " cut to " << size << " bytes was accepted");
  }
}

TEST_CASE("these models, damaged, are refused or score: they never crash") {
  const std::uint32_t seed = 20261124;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const std::string interesting = "\0\x01\x7f\x80\xff[]{}\",:-9eNI"s;
  int accepted = 0;
  for (const auto& path : models()) {
    const std::string good = contents(path);
    for (int i = 0; i < 3000; ++i) {
      const auto result = parse(featlib::testing::damaged(good, interesting, random));
      if (!result) continue;
      ++accepted;
      const Ensemble& e = result.value();
      if (e.features() > 10'000 || e.outputs() > 10'000) continue;
      for (const double value : {0.0, -1.0, 3.0, 1e300, std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()}) {
        const std::vector<double> row(e.features(), value);
        std::vector<double> out(e.outputs());
        e.predict(row, 1, out);
        std::vector<std::int32_t> leaves(e.trees());
        e.leaves(row, 1, leaves);
      }
    }
  }
  CHECK(accepted > 100);
}
