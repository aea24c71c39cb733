// Where windows lie, and values as text: what the laws hold equal between paths, said here by hand.

#include <featlib/window/read.hpp>

#include "support/contracts.hpp"
#include "window/json_text.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <limits>

using namespace featlib;

namespace {

constexpr Instant monday = 1'600'041'600 * second;   // 2020-09-14T00:00:00Z

/// The interval of a feature's window at an instant.
Interval interval(const std::string& window, Instant as_of, std::string_view retention = "3d") {
  const Contract contract = testing::parse(testing::card_contract("  f: {from: transactions, aggregate: count(), " + window + "}\n", retention));
  const Plan plan(contract);
  return interval_of(plan.timelines()[0].windows[0].span, contract.sources()[0], as_of);
}

void check(const Interval& found, Instant tail, Instant head, std::string_view bounds) {
  CHECK(found.tail == tail);
  CHECK(found.head == head);
  CHECK(found.tail_closed == (bounds[0] == '['));
  CHECK(found.head_closed == (bounds[1] == ']'));
}

std::string json(Type type, std::int64_t value, int scale = 0) {
  std::string out;
  append_json(out, type, scale, static_cast<std::uint64_t>(value), {});
  return out;
}
std::string json(double value) {
  std::string out;
  append_json(out, value);
  return out;
}
std::string json(std::string_view text) {
  std::string out;
  append_json(out, text);
  return out;
}

}  // namespace

TEST_CASE("a sliding window ends offset before the decision and is as wide as it says") {
  check(interval("window: 1d", monday), monday - day, monday, "[)");
  check(interval("window: 1d, offset: 2h, bounds: \"(]\"", monday), monday - day - 2 * hour, monday - 2 * hour, "(]");
}

TEST_CASE("without a window the tail is the retention, closed whatever the bounds") {
  check(interval("last: 3, bounds: \"()\"", monday), monday - 3 * day, monday, "[)");
  check(interval("lifetime: true, offset: 1h, bounds: \"(]\"", monday), monday - 3 * day, monday - hour, "[]");
  check(interval("lifetime: true", monday, "forever"), always, monday, "[)");
}

TEST_CASE("a current bucket begins at the last multiple of its width and ends at the head") {
  check(interval("window: 1d, bucket: current", monday), monday, monday, "[)");
  check(interval("window: 1d, bucket: current", monday - 1), monday - day, monday - 1, "[)");
  check(interval("window: 1d, bucket: current, bounds: \"[]\"", monday + hour), monday, monday + hour, "[]");
  check(interval("window: 1d, bucket: current, offset: 2h", monday + hour), monday - day, monday - hour, "[)");
}

TEST_CASE("a complete bucket is the one before, open at its head") {
  check(interval("window: 1d, bucket: complete", monday), monday - day, monday, "[)");
  check(interval("window: 1d, bucket: complete", monday - 1), monday - 2 * day, monday - day, "[)");
  check(interval("window: 1d, bucket: complete, offset: 1us", monday), monday - 2 * day, monday - day, "[)");
}

TEST_CASE("buckets begin at their origin, before it as well as after") {
  for (const std::string origin : {"2020-09-14T06:00:00Z", "1999-12-31T06:00:00Z", "2050-01-01T06:00:00Z"}) {
    CAPTURE(origin);
    check(interval("window: 1d, bucket: current, origin: " + origin, monday), monday - 18 * hour, monday, "[)");
    check(interval("window: 1d, bucket: complete, origin: " + origin, monday + 6 * hour), monday - 18 * hour, monday + 6 * hour, "[)");
  }
}

TEST_CASE("a session looks back to its max_length, with the window's bounds") {
  check(interval("gap: 1h, max_length: 2d", monday), monday - 2 * day, monday, "[)");
  check(interval("gap: 1h, max_length: 2d, offset: 1h, bounds: \"(]\"", monday), monday - 2 * day - hour, monday - hour, "(]");
}

TEST_CASE("numbers as text: the shortest that read back, laid out as RFC 8785 does") {
  // Samples of RFC 8785, appendix B, and its rules for exponents.
  const std::vector<std::pair<double, std::string>> samples{{0.0, "0"}, {5e-324, "5e-324"}, {-5e-324, "-5e-324"}, {1.7976931348623157e308, "1.7976931348623157e+308"},
    {9007199254740992.0, "9007199254740992"}, {295147905179352830000.0, "295147905179352830000"}, {9.999999999999997e22, "9.999999999999997e+22"}, {1e23, "1e+23"},
    {1.0000000000000001e23, "1.0000000000000001e+23"}, {999999999999999700000.0, "999999999999999700000"}, {999999999999999900000.0, "999999999999999900000"}, {1e21, "1e+21"},
    {9.999999999999997e-7, "9.999999999999997e-7"}, {0.000001, "0.000001"}, {333333333.3333332, "333333333.3333332"}, {333333333.33333325, "333333333.33333325"},
    {-0.0000033333333333333333, "-0.0000033333333333333333"}, {1424953923781206.2, "1424953923781206.2"}, {-1.5, "-1.5"}, {100.0, "100"}, {0.1, "0.1"}, {1e-7, "1e-7"}};
  for (const auto& [value, text] : samples) {
    CHECK(json(value) == text);
    CHECK(std::strtod(json(value).c_str(), nullptr) == value);
  }
}

TEST_CASE("integers and decimals as text are exact, without zeros behind") {
  CHECK(json(Type::int64, std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  CHECK(json(Type::decimal, std::numeric_limits<std::int64_t>::min(), 2) == "-92233720368547758.08");
  CHECK(json(Type::decimal, std::numeric_limits<std::int64_t>::max(), 18) == "9.223372036854775807");
  CHECK(json(Type::decimal, 1230, 2) == "12.3");
  CHECK(json(Type::decimal, 1200, 2) == "12");
  CHECK(json(Type::decimal, -5, 2) == "-0.05");
  CHECK(json(Type::decimal, 0, 2) == "0");
  CHECK(json(Type::boolean, 1) == "true");
  CHECK(json(Type::boolean, 0) == "false");
}

TEST_CASE("instants and texts as JSON strings") {
  CHECK(json(Type::timestamp, monday) == "\"2020-09-14T00:00:00Z\"");
  CHECK(json(Type::timestamp, monday + 120'000) == "\"2020-09-14T00:00:00.120Z\"");
  CHECK(json("a\"b\\c\b\f\n\r\t\x01\x1f/\x7f\xc3\xa9") == "\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001\\u001f/\x7f\xc3\xa9\"");
  CHECK(json(std::string_view("\0", 1)) == "\"\\u0000\"");
  CHECK(json("\xff") == "\"\xff\"");                       // no UTF-8: kept, never refused
}
