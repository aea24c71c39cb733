// Merging states, a sentence each; laws_test holds merges to replay on generated cases.

#include "support/card_world.hpp"

#include <catch2/catch.hpp>

using namespace featlib;
using namespace featlib::testing;

namespace {

/// The code a merge was refused with, after which neither state is other than before; empty where it went through.
std::string merged(World& into, World& from) {
  const auto before = into.server.state().snapshot(), beside = from.server.state().snapshot();
  const auto result = into.server.state().merge(from.server.state());
  CHECK(from.server.state().snapshot() == beside);
  if (result) return {};
  CHECK(into.server.state().snapshot() == before);
  return std::string(to_string(result.error().failures().front().code));
}

}  // namespace

TEST_CASE("rows of both parts count, copies once, with the texts of both") {
  World a, b;
  a.observe({.id = "a", .ts = 1, .tag = "food"});
  b.observe({.id = "b", .ts = 2, .tag = "fuel"});
  b.observe({.id = "a", .ts = 1, .tag = "food"});
  CHECK(merged(a, b).empty());
  CHECK(a.counters().observed == 3);
  CHECK(a.counters().duplicates == 1);
  const Answer answer = a.decide(10);
  CHECK(answer[n].bits == 2);
  CHECK(answer[last_tag].text == "fuel");
}

TEST_CASE("a label finds its row in the other part, whichever of the two is merged into which") {
  World row, label;
  row.observe({.id = "a", .ts = 0});
  label.label("a", std::int64_t{1});
  SECTION("the row comes to the label") {
    CHECK(merged(label, row).empty());
    CHECK(label.decide(day + 1)[fraud].bits == 1);
  }
  SECTION("the label comes to the row") {
    CHECK(merged(row, label).empty());
    CHECK(row.decide(day + 1)[fraud].bits == 1);
  }
}

TEST_CASE("a correction meets the row of the other part; one that both saw is one") {
  World a, b;
  a.observe({.id = "a", .ts = 0, .amount = 1.0});
  a.replace({.id = "a", .ts = 0, .amount = 5.0}, 3);
  b.replace({.id = "a", .ts = 0, .amount = 5.0}, 3);
  b.observe({.id = "b", .ts = 1, .amount = 2.0});
  b.retract("b", 4);
  a.observe({.id = "b", .ts = 1, .amount = 2.0});
  CHECK(merged(a, b).empty());
  CHECK(a.server.state().rows_held(0) == 3);   // two originals and one replacement
  CHECK(std::bit_cast<double>(a.decide(2)[total].bits) == 3.0);
  CHECK(std::bit_cast<double>(a.decide(10)[total].bits) == 5.0);
}

TEST_CASE("a row that comes after the merge is stamped past what either part answered") {
  World a, b;
  a.decide(10, "none", "c1");
  b.decide(20, "none", "c2");
  CHECK(merged(a, b).empty());
  CHECK(a.server.state().frontier() == monday + 20);
  a.observe({.id = "a", .ts = 5, .card = "c2"});
  CHECK(a.stamp() == 21);
}

TEST_CASE("an answer that would no longer be true refuses the merge") {
  World a, b;
  SECTION("a row of an entity the other answered for") {
    a.decide(10);
    b.observe({.id = "a", .ts = 5});
  }
  SECTION("the other way round") {
    a.observe({.id = "a", .ts = 5});
    b.decide(10);
  }
  SECTION("a correction of a row it saw") {
    a.observe({.id = "a", .ts = 5});
    a.decide(10);
    b.retract("a", 8);
  }
  SECTION("a copy on another card that would take the row's place") {
    a.observe({.id = "a", .ts = 5, .card = "c2"});
    a.decide(10, "none", "c2");
    b.observe({.id = "a", .ts = 5, .card = "c1"});
  }
  CHECK(merged(a, b) == "state-mismatch");
}

TEST_CASE("shards by entity that answered merge") {
  World a, b;
  a.observe({.id = "a", .ts = 5, .card = "c1"});
  a.decide(10, "none", "c1");
  b.observe({.id = "b", .ts = 5, .card = "c2"});
  b.observe({.id = "c", .ts = 6, .card = "c2"});
  b.decide(10, "none", "c2");
  CHECK(merged(a, b).empty());
  CHECK(a.decide(10, "none", "c1")[n].bits == 1);
  CHECK(a.decide(10, "none", "c2")[n].bits == 2);
}

TEST_CASE("states of another contract or grace, and a state itself, are refused") {
  World a, other({}, "  n: {from: transactions, aggregate: count(), window: 1d}\n"), patient(StateOptions{.grace = 2 * hour, .complete_from = {}, .keep_history = false});
  CHECK(merged(a, other) == "state-mismatch");
  CHECK(merged(a, patient) == "bad-argument");
  CHECK(merged(a, a) == "bad-argument");
}
