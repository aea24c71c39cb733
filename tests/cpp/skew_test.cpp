#include <featlib/monitor/skew.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

using namespace featlib;

namespace {

using Integers = std::vector<std::int64_t>;
using Reals = std::vector<double>;
using Texts = std::vector<std::string_view>;

const double not_a_number = std::numeric_limits<double>::quiet_NaN();

SkewColumn column(std::string name, const Integers& values) { return {std::move(name), values, {}, {}, {}, {}}; }
SkewColumn column(std::string name, const Reals& values) { return {std::move(name), {}, values, {}, {}, {}}; }
SkewColumn column(std::string name, const Texts& values) { return {std::move(name), {}, {}, values, {}, {}}; }

/// One feature `x` under the keys 0, 1, 2, ...
template <class Left, class Right>
SkewReport compared(const Left& left, const Right& right, const std::vector<std::uint8_t>& left_valid = {}, const std::vector<std::uint8_t>& right_valid = {},
                    const std::vector<Status>& left_status = {}, const std::vector<Status>& right_status = {}) {
  Integers keys(left.size());
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<std::int64_t>(i);
  SkewTable a{"training", left.size(), {column("id", keys)}, {column("x", left)}}, b{"serving", right.size(), {column("id", keys)}, {column("x", right)}};
  a.features[0].valid = left_valid;
  b.features[0].valid = right_valid;
  a.features[0].status = left_status;
  b.features[0].status = right_status;
  return skew(a, b).value();
}

std::uint64_t distance(double a, double b) {
  const SkewFeature forth = compared(Reals{a}, Reals{b}).features[0], back = compared(Reals{b}, Reals{a}).features[0];
  CHECK(forth.max_distance == back.max_distance);
  CHECK(forth.differing == (forth.max_distance > 0 ? 1u : 0u));
  return forth.max_distance;
}

ErrorCode code_of(const Result<SkewReport>& result) { return result.error().failures()[0].code; }

}  // namespace

TEST_CASE("equal tables are ok, whatever the order of their rows and columns") {
  const Integers keys{1, 2, 3}, shuffled{3, 1, 2};
  const Reals x{0.1, 0.2, 0.3}, shuffled_x{0.3, 0.1, 0.2};
  const Texts y{"a", "b", "c"}, shuffled_y{"c", "a", "b"};
  const auto report = skew({"training", 3, {column("id", keys)}, {column("x", x), column("y", y)}},
                           {"serving", 3, {column("id", shuffled)}, {column("y", shuffled_y), column("x", shuffled_x)}}).value();
  CHECK(report.ok());
  CHECK(report.compared == 3);
  CHECK(report.features.size() == 2);
  CHECK(report.features[0].compared == 3);
  CHECK_FALSE(report.features[0].first);
}

TEST_CASE("the last bit of a double is a difference of one") {
  CHECK(distance(1.0, 1.0) == 0);
  CHECK(distance(1.0, std::nextafter(1.0, 2)) == 1);
  CHECK(distance(0.1 + 0.2, 0.3) == 1);
  CHECK(distance(-1.0, std::nextafter(-1.0, -2)) == 1);
  CHECK(distance(std::numeric_limits<double>::max(), std::numeric_limits<double>::infinity()) == 1);
}

TEST_CASE("distances run through zero, and -0.0 is one away from 0.0") {
  CHECK(distance(-0.0, 0.0) == 1);
  CHECK(distance(0.0, 5e-324) == 1);
  CHECK(distance(-5e-324, 5e-324) == 3);
  CHECK(distance(-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()) == 2 * 0x7ff0000000000000u + 1);
}

TEST_CASE("NaN equals NaN and is farthest from every number") {
  CHECK(distance(not_a_number, -not_a_number) == 0);
  CHECK(distance(not_a_number, 0.0) == SkewFeature::farthest);
}

TEST_CASE("integers are apart by their difference, over the whole range") {
  CHECK(compared(Integers{7}, Integers{7}).ok());
  CHECK(compared(Integers{7}, Integers{-3}).features[0].max_distance == 10);
  const Integers lowest{std::numeric_limits<std::int64_t>::min()}, highest{std::numeric_limits<std::int64_t>::max()};
  CHECK(compared(lowest, highest).features[0].max_distance == ~std::uint64_t{0});
  CHECK(compared(highest, lowest).features[0].max_distance == ~std::uint64_t{0});
}

TEST_CASE("integers against doubles are equal exactly where the numbers are") {
  CHECK(compared(Integers{7}, Reals{7.0}).ok());
  CHECK(compared(Reals{-7.0}, Integers{-7}).ok());
  CHECK(compared(Integers{0}, Reals{-0.0}).ok());
  const std::int64_t odd = (std::int64_t{1} << 53) + 1;
  CHECK(compared(Integers{odd}, Reals{0x1p53}).features[0].max_distance == 1);
  CHECK(compared(Integers{7}, Reals{std::nextafter(7.0, 8)}).features[0].max_distance == 1);
  CHECK(compared(Integers{(std::int64_t{1} << 62) + 1024}, Reals{0x1p62 + 1024}).ok());
  CHECK(compared(Integers{std::numeric_limits<std::int64_t>::max()}, Reals{0x1p63}).features[0].differing == 1);
  CHECK(compared(Integers{std::numeric_limits<std::int64_t>::min()}, Reals{-0x1p63}).ok());
  CHECK(compared(Integers{7}, Reals{not_a_number}).features[0].max_distance == SkewFeature::farthest);
  CHECK(compared(Integers{7}, Reals{std::numeric_limits<double>::infinity()}).features[0].differing == 1);
}

TEST_CASE("texts differ or do not, by bytes") {
  const auto report = compared(Texts{"food", "Food", ""}, Texts{"food", "food", ""});
  CHECK(report.features[0].differing == 1);
  CHECK(report.features[0].max_distance == 0);
  CHECK(report.features[0].first->left == "'Food'");
}

TEST_CASE("null against a value differs, null against null does not, whatever lies beneath") {
  const auto report = compared(Reals{1, 2, 3, 4}, Reals{9, 2, 3, 9}, {0, 0, 1, 0}, {0, 1, 0, 0});
  CHECK(report.features[0].differing == 2);
  CHECK(report.features[0].null_mismatches == 2);
  CHECK(report.features[0].max_distance == 0);
  CHECK(report.features[0].first->left == "null");
  CHECK(report.features[0].first->right == "2");
  CHECK_FALSE(report.ok());
}

TEST_CASE("equal values for different reasons are a status mismatch, and the report is not ok") {
  const Reals zeros{0, 0};
  const auto fallback = status_of(Cause::insufficient_history, true);
  const auto report = compared(zeros, zeros, {}, {}, {0, fallback}, {0, 0});
  CHECK(report.features[0].differing == 0);
  CHECK(report.features[0].status_mismatches == 1);
  CHECK(report.features[0].first->left_row == 1);
  CHECK(report.features[0].first->left == "status 0x82");
  CHECK_FALSE(report.ok());
  CHECK(compared(zeros, zeros, {}, {}, {0, fallback}, {}).ok());   // one side has none: nothing to compare
}

TEST_CASE("the first difference is the first in the left table's order, with its key and both values") {
  const Texts card{"c1", "c2", "c3"}, right_card{"c3", "c2", "c1"};
  const Integers txn{1, 2, 3}, right_txn{3, 2, 1};
  const Reals x{1, 2, 3}, right_x{3.5, std::nextafter(2.0, 3), 1};
  const auto report = skew({"training", 3, {column("card", card), column("txn", txn)}, {column("x", x)}},
                           {"serving", 3, {column("card", right_card), column("txn", right_txn)}, {column("x", right_x)}}).value();
  const SkewFeature& feature = report.features[0];
  CHECK(feature.differing == 2);
  REQUIRE(feature.first);
  CHECK(feature.first->key == "'c2', 2");
  CHECK(feature.first->left_row == 1);
  CHECK(feature.first->right_row == 1);
  CHECK(feature.first->left == "2");
  CHECK(feature.first->right == "2.0000000000000004");
}

TEST_CASE("keys on one side only are counted and named") {
  const Integers left{1, 2, 3, 4}, right{4, 9, 1};
  const Reals x{1, 2, 3, 4}, y{4, 9, 1};
  const auto report = skew({"training", 4, {column("id", left)}, {column("x", x)}}, {"serving", 3, {column("id", right)}, {column("x", y)}}).value();
  CHECK(report.compared == 2);
  CHECK(report.features[0].differing == 0);
  CHECK(report.left.unpaired == 2);
  CHECK(report.left.first_unpaired == "2");
  CHECK(report.right.unpaired == 1);
  CHECK(report.right.first_unpaired == "9");
  CHECK_FALSE(report.ok());
}

TEST_CASE("rows whose key stands twice are counted, named and compared with nothing") {
  const Integers left{1, 2, 2, 2, 3}, right{1, 2, 3, 3};
  const Reals x{1, 2, 2, 2, 3}, y{1, 2, 3, 3};
  const auto report = skew({"training", 5, {column("id", left)}, {column("x", x)}}, {"serving", 4, {column("id", right)}, {column("x", y)}}).value();
  CHECK(report.compared == 1);
  CHECK(report.left.duplicates == 3);
  CHECK(report.left.first_duplicate == "2");
  CHECK(report.right.duplicates == 2);
  CHECK(report.left.unpaired == 0);
  CHECK(report.right.unpaired == 0);
  CHECK_FALSE(report.ok());
}

TEST_CASE("a null key pairs with nothing, not even with a null key") {
  const Integers keys{1, 2};
  const Reals x{1, 2};
  const std::vector<std::uint8_t> valid{1, 0};
  SkewTable table{"training", 2, {column("id", keys)}, {column("x", x)}};
  table.key[0].valid = valid;
  const auto report = skew(table, table).value();
  CHECK(report.compared == 1);
  CHECK(report.left.null_keys == 1);
  CHECK(report.right.null_keys == 1);
  CHECK(report.left.unpaired == 0);
  CHECK_FALSE(report.ok());
}

TEST_CASE("keys of several columns do not run into each other") {
  const Texts a{"1", "12"}, b{"23", "3"}, swapped_a{"12", "1"}, swapped_b{"3", "23"};
  const Reals x{1, 2}, y{2, 1};
  const auto report = skew({"training", 2, {column("a", a), column("b", b)}, {column("x", x)}}, {"serving", 2, {column("a", swapped_a), column("b", swapped_b)}, {column("x", y)}}).value();
  CHECK(report.ok());
}

TEST_CASE("features are listed worst first: rows, then statuses, then distance, then table order") {
  const Integers keys{1, 2};
  const Reals same{1, 1}, one{1, 2}, one_far{1, 200}, both{2, 2};
  const std::vector<Status> ok{0, 0}, other{0, 1};
  SkewTable left{"training", 2, {column("id", keys)}, {column("b", same), column("a", same), column("status", same), column("near", same), column("far", same), column("both", same)}};
  SkewTable right{"serving", 2, {column("id", keys)}, {column("b", same), column("a", same), column("status", same), column("near", one), column("far", one_far), column("both", both)}};
  left.features[2].status = ok;
  right.features[2].status = other;
  const auto report = skew(left, right).value();
  std::vector<std::string> names;
  for (const SkewFeature& feature : report.features) names.push_back(feature.name);
  CHECK(names == std::vector<std::string>{"both", "far", "near", "status", "b", "a"});
}

TEST_CASE("features of one side only are named, and the report is not ok") {
  const Integers keys{1};
  const Reals x{1};
  const auto report = skew({"training", 1, {column("id", keys)}, {column("x", x), column("old", x)}}, {"serving", 1, {column("id", keys)}, {column("new", x), column("x", x)}}).value();
  CHECK(report.left.features == std::vector<std::string>{"old"});
  CHECK(report.right.features == std::vector<std::string>{"new"});
  CHECK(report.features.size() == 1);
  CHECK_FALSE(report.ok());
}

TEST_CASE("comparing nothing is not ok") {
  const Integers none;
  const Reals nothing;
  const auto empty = skew({"training", 0, {column("id", none)}, {column("x", nothing)}}, {"serving", 0, {column("id", none)}, {column("x", nothing)}}).value();
  CHECK(empty.compared == 0);
  CHECK_FALSE(empty.ok());
  const Texts keys{"a"};
  const Reals x{1};
  const auto one_side = skew({"training", 0, {column("id", none)}, {column("x", nothing)}}, {"serving", 1, {column("id", keys)}, {column("x", x)}}).value();
  CHECK(one_side.right.unpaired == 1);
}

TEST_CASE("tables that cannot be compared are refused") {
  const Integers keys{1, 2};
  const Reals x{1, 2}, short_x{1};
  const Texts t{"1", "2"};
  const std::vector<std::uint8_t> short_valid{1};
  const SkewTable good{"serving", 2, {column("id", keys)}, {column("x", x)}};
  REQUIRE(skew(good, good).ok());
  SkewTable bad = good;
  SECTION("ragged") { bad.features[0] = column("x", short_x); }
  SECTION("ragged validity") { bad.features[0].valid = short_valid; }
  SECTION("ragged status") { bad.features[0].status = short_valid; }
  SECTION("a column of two kinds") { bad.features[0].integers = keys; }
  SECTION("no key") { bad.key.clear(); }
  SECTION("another key") { bad.key[0].name = "key"; }
  SECTION("more keys") { bad.key.push_back(column("more", keys)); }
  SECTION("keys of another type") { bad.key[0] = column("id", t); }
  SECTION("a name that stands twice") { bad.features.push_back(bad.features[0]); }
  CHECK(code_of(skew(bad, good)) == ErrorCode::bad_table);
  CHECK(code_of(skew(good, bad)) == ErrorCode::bad_table);
}

TEST_CASE("text against numbers, and doubles as keys, are of the wrong type") {
  const Integers keys{1};
  const Reals x{1};
  const Texts t{"1"};
  CHECK(code_of(skew({"training", 1, {column("id", keys)}, {column("x", x)}}, {"serving", 1, {column("id", keys)}, {column("x", t)}})) == ErrorCode::wrong_column_type);
  CHECK(code_of(skew({"training", 1, {column("id", x)}, {column("x", x)}}, {"serving", 1, {column("id", x)}, {column("x", x)}})) == ErrorCode::wrong_column_type);
}

TEST_CASE("random tables: the counts are those of the obvious loop over all pairs") {
  const auto seed = static_cast<std::uint32_t>(Catch::rngSeed());
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    const auto rows = [&] { return random() % 12; };
    Integers left_keys(rows()), right_keys(rows());
    for (auto* keys : {&left_keys, &right_keys})
      for (auto& key : *keys) key = static_cast<std::int64_t>(random() % 8);
    Reals left(left_keys.size()), right(right_keys.size());
    for (auto* values : {&left, &right})
      for (auto& value : *values) value = static_cast<double>(random() % 2);
    const auto report = skew({"l", left.size(), {column("id", left_keys)}, {column("x", left)}}, {"r", right.size(), {column("id", right_keys)}, {column("x", right)}}).value();

    std::uint64_t pairs = 0, differing = 0, left_only = 0, left_twice = 0;
    for (std::size_t l = 0; l < left.size(); ++l) {
      const auto own = std::count(left_keys.begin(), left_keys.end(), left_keys[l]), other = std::count(right_keys.begin(), right_keys.end(), left_keys[l]);
      left_twice += own > 1;
      left_only += own == 1 && other == 0;
      if (own != 1 || other != 1) continue;
      ++pairs;
      const auto r = static_cast<std::size_t>(std::find(right_keys.begin(), right_keys.end(), left_keys[l]) - right_keys.begin());
      differing += left[l] != right[r];
    }
    CHECK(report.compared == pairs);
    CHECK(report.features[0].differing == differing);
    CHECK(report.left.unpaired == left_only);
    CHECK(report.left.duplicates == left_twice);
  }
}
