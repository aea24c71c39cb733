#include <featlib/bundle.hpp>

#include <featlib/core/arithmetic.hpp>
#include <featlib/core/fingerprint.hpp>

#include "support/forged_bundle.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cfenv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include <unistd.h>

using namespace featlib;
using namespace featlib::testing;
using json = nlohmann::json;

namespace {

/// A contract whose model inputs are these: `average` a mean, `amount` from the request, `country` a string.
Contract contract(const std::string& inputs = "[average, amount]", const std::string& window = "30d") {
  return Contract::parse(R"(
featlib: 1
name: card
version: 1.0.0
owner: team@example.com
description: For the tests of bundles.
entities:
  card: {key: card_id, type: string}
sources:
  transactions:
    entity: card
    event_time: ts
    retention: 60d
    columns:
      amount: {type: float64}
request:
  amount: {type: float64}
  country: {type: string}
features:
  average: {description: Mean amount., from: transactions, aggregate: mean(amount), window: )" + window + R"(}
  amount: {description: The amount., from: request.amount}
  country: {description: The country., from: request.country}
model: {inputs: )" + inputs + "}\n").value();
}

/// An XGBoost model of one leaf.
Ensemble model(const std::vector<std::string>& names = {}, int features = 2) {
  json m;
  json& learner = m["learner"];
  learner["feature_names"] = names;
  learner["feature_types"] = json::array();
  learner["attributes"] = json::object();
  learner["learner_model_param"] = {{"base_score", "[5E-1]"}, {"num_class", "0"}, {"num_feature", std::to_string(features)}, {"num_target", "1"}};
  learner["objective"] = {{"name", "binary:logistic"}, {"reg_loss_param", {{"scale_pos_weight", "1"}}}};
  json tree{{"left_children", {-1}}, {"right_children", {-1}}, {"parents", {2147483647}}, {"split_indices", {0}}, {"split_conditions", {0.25}}, {"default_left", {0}},
            {"split_type", {0}}, {"categories", json::array()}, {"categories_nodes", json::array()}, {"categories_segments", json::array()}, {"categories_sizes", json::array()},
            {"base_weights", {0.25}}, {"loss_changes", {0.0}}, {"sum_hessian", {1.0}}, {"id", 0},
            {"tree_param", {{"num_nodes", "1"}, {"num_deleted", "0"}, {"num_feature", std::to_string(features)}, {"size_leaf_vector", "1"}}}};
  json& booster = learner["gradient_booster"];
  booster["name"] = "gbtree";
  booster["model"] = {{"gbtree_model_param", {{"num_trees", "1"}, {"num_parallel_tree", "1"}}}, {"tree_info", {0}}, {"trees", {tree}}};
  m["version"] = {2, 0, 3};
  const std::string text = m.dump();
  return Ensemble::parse(std::as_bytes(std::span(text)), "m").value();
}

constexpr std::string_view policy_text = R"(featlib_policy: 1
name: checkout
version: 1.3.0
segments:
  - {when: request.amount >= 1000, review: 0.6, block: 0.9}
  - default: {review: 0.75, block: 0.95}
)";

Bundle whole() { return Bundle::make(contract(), model(), policy_text, R"({"trained_by": "nightly", "rows": 12})").value(); }

Failure failure_of(const Result<Bundle>& result) {
  if (result) FAIL("accepted");
  return result.error().failures()[0];
}

struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("featlib_bundle_test_" + std::to_string(::getpid()));
  Folder() {
    std::filesystem::remove_all(path);
    std::filesystem::create_directory(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::size_t files() const { return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {})); }
};

}  // namespace

TEST_CASE("a bundle comes back from its bytes with every part") {
  const Bundle bundle = whole(), again = Bundle::parse(bundle.bytes()).value();
  CHECK(again.bytes() == bundle.bytes());
  CHECK(again.fingerprint() == bundle.fingerprint());
  CHECK(again.versions() == bundle.versions());
  CHECK(again.metadata() == std::map<std::string, std::string>{{"rows", "12"}, {"trained_by", "\"nightly\""}});
  CHECK(again.contract().fingerprint(FingerprintKind::document) == bundle.contract().fingerprint(FingerprintKind::document));
  CHECK(again.model()->fingerprint() == bundle.model()->fingerprint());
  CHECK(again.policy()->bound());
  CHECK(again.policy()->text() == policy_text);
  CHECK(again.policy()->inputs().size() == 1);
}

TEST_CASE("a bundle says which versions it holds") {
  const Bundle bundle = whole();
  CHECK(bundle.fingerprint() == sha256_hex(bundle.bytes()));
  CHECK(bundle.model_version() == model().fingerprint().substr(0, 12));
  CHECK(bundle.feature_schema_version() == contract().fingerprint(FingerprintKind::semantic));
  CHECK(bundle.arithmetic() == arithmetic_digest());
  CHECK(bundle.versions().policy_version == "checkout 1.3.0");
  CHECK(bundle.versions().policy == bundle.policy()->fingerprint());
}

TEST_CASE("equal parts give equal bytes, and any other part gives other bytes") {
  const Bundle bundle = whole();
  CHECK(whole().bytes() == bundle.bytes());
  CHECK(Bundle::make(contract(), model(), policy_text, R"({ "rows":12,"trained_by":"nightly" })").value().bytes() == bundle.bytes());
  CHECK(Bundle::make(contract(), model(), policy_text, R"({"rows": 13, "trained_by": "nightly"})").value().fingerprint() != bundle.fingerprint());
  CHECK(Bundle::make(contract("[average, amount]", "31d"), model(), policy_text, R"({"rows": 12, "trained_by": "nightly"})").value().fingerprint() != bundle.fingerprint());
}

TEST_CASE("model and policy may be absent") {
  const Bundle bundle = Bundle::make(contract(), std::nullopt).value(), again = Bundle::parse(bundle.bytes()).value();
  CHECK_FALSE(again.model());
  CHECK_FALSE(again.policy());
  CHECK(again.model_version() == "none");
  CHECK(again.versions().policy.empty());
  CHECK(again.metadata().empty());
  CHECK(Bundle::parse(Bundle::make(contract(), model()).value().bytes()).value().model());
  CHECK(Bundle::parse(Bundle::make(contract(), std::nullopt, policy_text).value().bytes()).value().policy());
}

TEST_CASE("the metadata may name the model's version, in 1 to 64 bytes") {
  const auto made = [](const std::string& version) { return Bundle::make(contract(), model(), {}, R"({"model_version": )" + version + "}"); };
  CHECK(Bundle::parse(made(R"("2024-05-01")").value().bytes()).value().model_version() == "2024-05-01");
  CHECK(made('"' + std::string(64, 'v') + '"').ok());
  for (const std::string& wrong : {'"' + std::string(65, 'v') + '"', std::string(R"("")"), std::string("7"), std::string("null")}) CHECK(failure_of(made(wrong)).code == ErrorCode::bad_argument);
}

TEST_CASE("metadata that is no flat enough JSON object is refused") {
  const auto nested = [](int depth) {
    std::string out = R"({"a": )";
    for (int i = 0; i < depth; ++i) out += '[';
    for (int i = 0; i < depth; ++i) out += ']';
    return out + '}';
  };
  CHECK(Bundle::make(contract(), {}, {}, nested(60)).ok());
  for (const std::string& wrong : {std::string(), std::string("[]"), std::string("7"), std::string("{"), std::string(R"({"a": 1, "a": 2})"), std::string(R"({"x": {"a": 1, "a": 2}})"),
                                   std::string("{\"a\": \"\xff\"}"), nested(100), nested(100'000), R"({"a": ")" + std::string(1 << 20, 'x') + "\"}"})
    CHECK(failure_of(Bundle::make(contract(), {}, {}, wrong)).code == ErrorCode::bad_argument);
}

// ---- parts that do not belong together ------------------------------------------------------------------------------

TEST_CASE("a model with names must have the contract's, in its order, and the first that differs is named") {
  CHECK(Bundle::make(contract(), model({"average", "amount"})).ok());
  const Failure swapped = failure_of(Bundle::make(contract(), model({"amount", "average"})));
  CHECK(swapped.code == ErrorCode::model_inputs);
  CHECK(swapped.message == "input 1 is `average` in the contract and `amount` in the model");
  CHECK(failure_of(Bundle::make(contract(), model({"average", "sum"}))).message == "input 2 is `amount` in the contract and `sum` in the model");
  CHECK(failure_of(Bundle::make(contract("[average]"), model({"average", "amount"}))).message == "the contract has 1 model inputs, the model takes 2");
}

TEST_CASE("a model without names must match the count") {
  CHECK(Bundle::make(contract(), model()).ok());
  CHECK(failure_of(Bundle::make(contract("[average]"), model())).code == ErrorCode::model_inputs);
  CHECK(failure_of(Bundle::make(contract(), model({}, 3))).code == ErrorCode::model_inputs);
}

TEST_CASE("a policy that does not fit the contract is refused with its own place") {
  std::string text(policy_text);
  text.replace(text.find("request.amount"), 14, "request.amounts");
  const Failure failure = failure_of(Bundle::make(contract(), model(), text));
  CHECK(failure.code == ErrorCode::policy_invalid);
  CHECK(failure.line == 5);
}

// ---- damage ---------------------------------------------------------------------------------------------------------

TEST_CASE("a flipped bit anywhere is refused and says in which part") {
  const Bundle bundle = whole();
  const Pieces pieces(bundle);
  const std::size_t parts_at = bundle.bytes().size() - hash_size - pieces.parts.size();
  const auto part_at = [&](std::size_t offset) -> std::string {
    if (offset < parts_at) return "manifest";
    if (offset >= parts_at + pieces.parts.size()) return "closing hash";
    for (const json& entry : pieces.manifest["parts"])
      if (offset - parts_at < entry["offset"].get<std::size_t>() + entry["size"].get<std::size_t>()) return entry["name"];
    return "nothing";
  };
  for (std::size_t offset = 0; offset < bundle.bytes().size(); ++offset) {
    auto damaged = bundle.bytes();
    damaged[offset] ^= static_cast<std::byte>(1 << (offset % 8));
    const Failure failure = failure_of(Bundle::parse(damaged));
    CAPTURE(offset, failure.message);
    if (offset < 12) REQUIRE(failure.code == ErrorCode::bundle_format);   // the magic and the version
    else REQUIRE(failure.code == ErrorCode::bundle_altered);
    if (offset >= 16) REQUIRE(failure.message == "the " + part_at(offset) + " does not match its hash");
  }
}

TEST_CASE("a bundle cut off anywhere is refused") {
  const Bundle bundle = whole();
  for (std::size_t size = 0; size < bundle.bytes().size(); ++size) {
    const Failure failure = failure_of(Bundle::parse(std::span(bundle.bytes()).first(size)));
    CAPTURE(size);
    REQUIRE(failure.code == (size < 8 ? ErrorCode::bundle_format : ErrorCode::bundle_altered));
  }
}

TEST_CASE("anything behind the end is refused") {
  auto bytes = whole().bytes();
  bytes.push_back(std::byte{0});
  CHECK(failure_of(Bundle::parse(bytes)).message == "1 bytes follow the bundle's end");
  bytes.insert(bytes.end(), 1000, std::byte{0});
  CHECK(failure_of(Bundle::parse(bytes)).code == ErrorCode::bundle_altered);
}

TEST_CASE("files that are no bundle say so") {
  for (const std::string& text : {std::string(), std::string("{}"), std::string(1000, '\0'), std::string("\x89PNG\r\n\x1a\n", 8)}) {
    const Failure failure = failure_of(Bundle::parse(bytes_of(text), "x.flb"));
    CHECK(failure.code == ErrorCode::bundle_format);
    CHECK(failure.path == "x.flb");
  }
}

TEST_CASE("random damage is refused, never a crash") {
  const auto seed = static_cast<std::uint32_t>(Catch::rngSeed());
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto whole_bytes = whole().bytes();
  for (int i = 0; i < 3000; ++i) {
    auto damaged = whole_bytes;
    for (std::uint32_t n = 1 + random() % 8; n > 0; --n) damaged[random() % damaged.size()] = static_cast<std::byte>(random());
    if (random() % 4 == 0) damaged.resize(random() % damaged.size());
    if (damaged == whole_bytes) continue;
    CHECK_FALSE(Bundle::parse(damaged).ok());
  }
}

// ---- a writer that is hostile, or newer, with every hash in order -------------------------------------------------------

TEST_CASE("what is forged without a change opens") {
  const Bundle bundle = whole();
  const Pieces pieces(bundle);
  CHECK(forged(pieces.manifest.dump(), pieces.parts) == bundle.bytes());
  CHECK(pieces.open().ok());
}

TEST_CASE("a manifest that lies about its parts is refused") {
  Pieces pieces(whole());
  json& manifest = pieces.manifest;
  json& parts = manifest["parts"];
  SECTION("no parts") { manifest.erase("parts"); }
  SECTION("parts that are no list") { parts = 7; }
  SECTION("a part that is no object") { parts[0] = "contract"; }
  SECTION("a name that is no text") { parts[0]["name"] = 7; }
  SECTION("a size that is no number") { parts[0]["size"] = "7"; }
  SECTION("a negative size") { parts[0]["size"] = -1; }
  SECTION("a size with a fraction") { parts[0]["size"] = 7.5; }
  SECTION("a hash that is no text") { parts[0]["sha256"] = 7; }
  SECTION("no contract") { parts.erase(0); }
  SECTION("no metadata") { parts.erase(3); }
  SECTION("a repeated part") { parts.push_back(parts[3]); }
  SECTION("parts out of order") { std::swap(parts[1], parts[2]); }
  SECTION("an unknown part") { parts[1]["name"] = "baseline"; }
  SECTION("an offset into another part") { parts[1]["offset"] = 0; }
  SECTION("a gap") { parts[1]["offset"] = parts[1]["offset"].get<std::size_t>() + 1; }
  SECTION("sizes whose sum wraps around") {
    parts[0]["size"] = ~std::uint64_t{0} - 5;
    parts[1]["offset"] = ~std::uint64_t{0} - 5;
    parts[1]["size"] = 1000;
    parts[2]["offset"] = 994;
    parts[3]["offset"] = 994 + parts[2]["size"].get<std::size_t>();
  }
  SECTION("a list instead of an object") { manifest = json::array(); }
  CHECK(failure_of(pieces.open()).code == ErrorCode::bundle_format);
}

TEST_CASE("a size beyond the file is a file cut off") {
  Pieces pieces(whole());
  pieces.part("metadata")["size"] = std::uint64_t{1} << 62;
  CHECK(failure_of(pieces.open()).code == ErrorCode::bundle_altered);
}

TEST_CASE("a bundle of a newer format is refused by its number") {
  const Pieces pieces(whole());
  const Failure failure = failure_of(Bundle::parse(forged(pieces.manifest.dump(), pieces.parts, 2)));
  CHECK(failure.code == ErrorCode::bundle_format);
  CHECK(failure.message == "the bundle has format 2; this version reads 1");
}

TEST_CASE("other arithmetic is told before anything else of the content") {
  Pieces pieces(whole());
  SECTION("another digest") { pieces.manifest["arithmetic"] = std::string(64, '0'); }
  SECTION("none") { pieces.manifest.erase("arithmetic"); }
  pieces.replace("contract", "not a contract");
  CHECK(failure_of(pieces.open()).code == ErrorCode::arithmetic_mismatch);
}

TEST_CASE("parts that are other than the manifest says do not belong together") {
  Pieces pieces(whole());
  std::string word;
  SECTION("another contract") { pieces.replace("contract", contract("[average, amount]", "31d").resolved_json()), word = "contract"; }
  SECTION("another model") {
    const Ensemble other = model({"average", "amount"});
    pieces.replace("model", std::string(reinterpret_cast<const char*>(other.bytes().data()), other.bytes().size()));
    word = "model";
  }
  SECTION("another policy") {
    std::string text(policy_text);
    text.replace(text.find("0.95"), 4, "0.96");
    pieces.replace("policy", text);
    word = "policy";
  }
  SECTION("another model version") { pieces.replace("metadata", R"({"model_version": "other"})"), word = "model"; }
  SECTION("fingerprints that are missing") { pieces.manifest.erase("contract"), word = "contract"; }
  const Failure failure = failure_of(pieces.open());
  CHECK(failure.code == ErrorCode::bundle_mismatch);
  CHECK(failure.message.find("the bundle's " + word) == 0);
}

TEST_CASE("parts that do not parse are refused with their part's name") {
  for (const char* name : {"contract", "model", "policy"}) {
    Pieces pieces(whole());
    pieces.replace(name, "}{");
    const Failure failure = failure_of(pieces.open());
    CAPTURE(name, failure.text());
    CHECK(failure.path.find(std::string("x.flb: ") + name) == 0);
  }
  for (const std::string& metadata : {std::string("}{"), std::string("[]"), std::string(100'000, '['), R"({"a": ")" + std::string(1 << 20, 'x') + "\"}"}) {
    Pieces pieces(whole());
    pieces.replace("metadata", metadata);
    CHECK(failure_of(pieces.open()).code == ErrorCode::bundle_format);
  }
}

TEST_CASE("a model put beside a contract that does not feed it is refused when opened too") {
  Pieces pieces(whole());
  const Ensemble other = model({"amount", "average"});
  pieces.replace("model", std::string(reinterpret_cast<const char*>(other.bytes().data()), other.bytes().size()));
  CHECK(failure_of(pieces.open()).code == ErrorCode::model_inputs);
}

TEST_CASE("a thread that rounds otherwise neither makes nor opens a bundle") {
  const auto bytes = whole().bytes();
  std::fesetround(FE_UPWARD);
  const auto opened = Bundle::parse(bytes);
  const auto made = Bundle::make(contract(), {});
  std::fesetround(FE_TONEAREST);
  CHECK(failure_of(opened).code == ErrorCode::arithmetic_mismatch);
  CHECK(failure_of(made).code == ErrorCode::arithmetic_mismatch);
}

// ---- files ----------------------------------------------------------------------------------------------------------

TEST_CASE("a saved bundle is the bytes, nothing stays beside it, and saving replaces") {
  const Folder folder;
  const auto path = folder.path / "fraud.flb";
  const Bundle bundle = whole(), other = Bundle::make(contract(), std::nullopt).value();
  other.save(path).value();
  bundle.save(path).value();
  CHECK(std::filesystem::file_size(path) == bundle.bytes().size());
  CHECK(Bundle::load(path).value().fingerprint() == bundle.fingerprint());
  CHECK(folder.files() == 1);
}

TEST_CASE("a save that fails leaves the old file and nothing beside it") {
  const Folder folder;
  const auto path = folder.path / "fraud.flb";
  std::filesystem::create_directories(path / "in the way");   // a folder with something in it cannot be replaced
  const auto saved = whole().save(path);
  REQUIRE_FALSE(saved.ok());
  CHECK(saved.error().failures()[0].code == ErrorCode::io_failed);
  CHECK(folder.files() == 1);
  CHECK_FALSE(whole().save(folder.path / "missing" / "fraud.flb").ok());
}

TEST_CASE("whoever reads while others save sees one whole bundle or the other") {
  const Folder folder;
  const auto path = folder.path / "fraud.flb";
  const Bundle one = whole(), other = Bundle::make(contract(), std::nullopt).value();
  one.save(path).value();
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) (i % 2 == 0 ? other : one).save(path).value();
  });
  for (int i = 0; i < 50; ++i) {
    const std::string seen = Bundle::load(path).value().fingerprint();
    CHECK((seen == one.fingerprint() || seen == other.fingerprint()));
  }
  writer.join();
}

TEST_CASE("a place that is no readable file is an io error") {
  const Folder folder;
  CHECK(failure_of(Bundle::load(folder.path / "missing.flb")).code == ErrorCode::io_failed);
  CHECK(failure_of(Bundle::load(folder.path)).code == ErrorCode::io_failed);
}
