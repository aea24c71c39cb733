#include <featlib/vector/replay.hpp>
#include <featlib/vector/state.hpp>

#include "support/card_world.hpp"

#include <catch2/catch.hpp>

using namespace featlib;
using namespace featlib::testing;

// Stamps -----------------------------------------------------------------------------------------------------------

TEST_CASE("a row nobody could have seen keeps its available_time") {
  World world;
  world.decide(10);
  world.observe({.id = "a", .ts = 5, .seen_at = 11});
  CHECK(world.stamp() == 11);
  CHECK(world.counters().observed_late == 0);
}

TEST_CASE("a row that an answered decision could have seen is known just after it") {
  World world;
  world.decide(10);
  world.decide(20);
  world.observe({.id = "a", .ts = 5});
  CHECK(world.stamp() == 21);
  CHECK(world.counters().observed_late == 1);
  CHECK(world.count(20) == 0);   // the answer given stands
  CHECK(world.count(21) == 1);
}

TEST_CASE("an as_of equal to available_time has seen it; one before it has not") {
  World world;
  world.decide(10);
  world.observe({.id = "a", .ts = 5, .seen_at = 10});
  CHECK(world.stamp() == 11);
  World other;
  other.decide(9);
  other.observe({.id = "a", .ts = 5, .seen_at = 10});
  CHECK(other.stamp() == 10);
}

TEST_CASE("decisions of other entities, and those the row's own key hides it from, do not move its stamp") {
  World world;
  world.decide(10, "none", "c2");
  world.decide(10, "a", "c1");
  world.observe({.id = "a", .ts = 5});
  CHECK(world.stamp() == 5);
  CHECK(world.counters().observed_late == 0);
}

TEST_CASE("two decisions with the row's own key: an earlier one with another key still counts") {
  World world;
  world.decide(10, "b");
  world.decide(20, "a");
  world.decide(30, "a");
  world.observe({.id = "a", .ts = 5});
  CHECK(world.stamp() == 11);
}

TEST_CASE("at the request's own instant only a lesser sequence could have been seen") {
  for (const auto& [row_seq, asked, moved] : std::vector<std::tuple<Value, Value, bool>>{{std::int64_t{1}, std::int64_t{2}, true},
                                                                                       {std::int64_t{2}, std::int64_t{2}, false},
                                                                                       {std::int64_t{3}, std::int64_t{2}, false},
                                                                                       {null_value, std::int64_t{2}, true},
                                                                                       {std::int64_t{1}, null_value, false},
                                                                                       {null_value, null_value, false}}) {
    World world;
    world.decide(10, "none", "c1", asked);
    world.observe({.id = "a", .ts = 10, .seq = row_seq});
    CHECK(world.stamp() == (moved ? 11 : 10));
  }
}

TEST_CASE("a row past a decision's retention could not have been seen by it") {
  World world(graced(10 * day));
  world.decide(3 * day + 1);
  world.observe({.id = "a", .ts = 0});
  CHECK(world.stamp() == 0);
  World edge(graced(10 * day));
  edge.decide(3 * day);
  CHECK(edge.observe({.id = "a", .ts = 0}) == Refusal::expired);   // it would be known a microsecond after, past its retention
  CHECK(refusals(edge, Refusal::expired) == 1);
  CHECK(edge.server.state().rows_held(0) == 0);
}

TEST_CASE("the stamp of a copy moves past decisions that could have seen the row it copies") {
  World world;
  world.observe({.id = "a", .ts = 5, .amount = 2.0});
  world.decide(10);
  world.observe({.id = "a", .ts = 5, .amount = 1.0, .seen_at = 4});   // would have counted, had it come in time
  CHECK(world.counters().duplicates == 1);
  CHECK(std::bit_cast<double>(world.decide(10)[total].bits) == 2.0);
  CHECK(std::bit_cast<double>(world.decide(11)[total].bits) == 2.0);
}

// Copies -----------------------------------------------------------------------------------------------------------

TEST_CASE("of two copies the one known first counts, whichever arrives first; then the lesser content") {
  for (const bool reversed : {false, true}) {
    World world;
    const Txn early{.id = "a", .ts = 5, .amount = 7.0, .seen_at = 6}, late{.id = "a", .ts = 5, .amount = 1.0, .seen_at = 8};
    world.observe(reversed ? late : early);
    world.observe(reversed ? early : late);
    CHECK(std::bit_cast<double>(world.decide(20)[total].bits) == 7.0);
    CHECK(world.counters().duplicates == 1);
    CHECK(world.server.state().rows_held(0) == 1);

    World tie;
    const Txn small{.id = "a", .ts = 5, .amount = 1.0}, large{.id = "a", .ts = 5, .amount = 2.0};
    tie.observe(reversed ? large : small);
    tie.observe(reversed ? small : large);
    CHECK(std::bit_cast<double>(tie.decide(20)[total].bits) == 1.0);
  }
}

TEST_CASE("null keys are never copies, and a copy at another event_time is another row") {
  World world;
  world.observe({.id = nullptr, .ts = 5});
  world.observe({.id = nullptr, .ts = 5});
  world.observe({.id = "a", .ts = 5});
  world.observe({.id = "a", .ts = 6});
  CHECK(world.count(20) == 4);
  CHECK(world.counters().duplicates == 0);
}

TEST_CASE("a null entity key is counted and its timeline does without the row") {
  World world;
  CHECK(world.observe({.id = "a", .ts = 5, .card = nullptr}) == Refusal::none);
  CHECK(world.counters().null_keys == 1);
  CHECK(world.count(20) == 0);
  const Answer unkeyed = world.decide(20, "none", nullptr);
  CHECK(unkeyed[n].null);
  CHECK(cause_of(unkeyed[n].status) == Cause::null);
}

// Labels -----------------------------------------------------------------------------------------------------------

TEST_CASE("a label is known a day after its event, or when it came, whichever is later") {
  World world;
  world.observe({.id = "a", .ts = 0});
  CHECK_FALSE(world.label_stamp());
  world.label("a", std::int64_t{1}, 5);
  CHECK(world.label_stamp() == day);
  CHECK(world.counters().labels == 1);
  World late;
  late.observe({.id = "a", .ts = 0});
  late.label("a", std::int64_t{1}, day + 5);
  CHECK(late.label_stamp() == day + 5);
}

TEST_CASE("a label that comes before its row waits for it") {
  World world;
  world.label("a", std::int64_t{1});
  world.observe({.id = "a", .ts = 0});
  CHECK(world.label_stamp() == day);
  const Answer answer = world.decide(day + 1);   // the window is [as_of - 2d, as_of - 1d)
  CHECK_FALSE(answer[fraud].null);
  CHECK(answer[fraud].bits == 1);
}

TEST_CASE("a label with an event_time belongs to the row of that time alone") {
  World world;
  world.observe({.id = "a", .ts = 0});
  world.label("a", std::int64_t{1}, std::nullopt, 1);
  CHECK_FALSE(world.label_stamp());
  world.label("a", std::int64_t{1}, std::nullopt, 0);
  CHECK(world.label_stamp() == day);
}

TEST_CASE("of several labels the least (stamp, value) counts, whichever comes first") {
  for (const bool reversed : {false, true}) {
    World world;
    world.observe({.id = "a", .ts = 0});
    const auto first = [&] { world.label("a", std::int64_t{1}, 2 * day); };
    const auto second = [&] { world.label("a", std::int64_t{0}, day + 1); };
    if (reversed) second();
    first();
    if (!reversed) second();
    CHECK(world.label_stamp() == day + 1);
  }
}

TEST_CASE("a label observed after a decision that could have seen it is known just after it") {
  World world;
  world.observe({.id = "a", .ts = 0});
  CHECK(world.decide(day + 10)[fraud].null);
  world.label("a", std::int64_t{1}, 5);
  CHECK(world.label_stamp() == day + 11);
  CHECK(world.counters().observed_late == 1);
  CHECK(world.decide(day + 10)[fraud].null);
  CHECK(world.decide(day + 11)[fraud].bits == 1);
}

TEST_CASE("a label without a key is refused and counted") {
  World world;
  CHECK(world.label(nullptr, std::int64_t{1}) == Refusal::missing_key);
  CHECK(refusals(world, Refusal::missing_key) == 1);
  CHECK(world.counters().labels == 0);
}

TEST_CASE("a label whose row never comes is counted unmatched after one retention of the frontier, not before") {
  World world(graced(0));
  world.label("a", std::int64_t{1});
  world.server.state().advance(monday);                  // from here it waits
  world.server.state().advance(monday + 3 * day);
  world.server.state().advance(monday + 3 * day);
  CHECK(world.counters().unmatched == 0);
  world.server.state().advance(monday + 3 * day + 1);
  CHECK(world.counters().unmatched == 1);
  world.observe({.id = "a", .ts = 3 * day});
  CHECK_FALSE(world.label_stamp());
}

TEST_CASE("a label that found its row is not unmatched when it leaves") {
  World world(graced(0));
  world.label("a", std::int64_t{1});
  world.observe({.id = "a", .ts = 0});
  world.server.state().advance(monday);
  world.server.state().advance(monday + 10 * day);
  CHECK(world.counters().unmatched == 0);
}

TEST_CASE("a label of a row that no decision can see any more changes no answer given, though the row has not left yet") {
  World world(graced(0, true));
  for (int i = 0; i < 60; ++i) world.observe({.id = ("t" + std::to_string(i)).c_str(), .ts = i});
  CHECK(world.decide(day + 100)[fraud].null);
  for (const Instant later : {100, 200, 300}) world.decide(3 * day + later);   // sixteen rows leave a call; the first answer is forgotten
  REQUIRE(world.server.state().rows_held(0) == 12);
  world.label("t59", std::int64_t{1}, day);
  ReplayOptions options;
  options.as_of.unit = TimeUnit::microsecond;
  const auto table = replay(world.server.contract(), decision_table(world.server.contract(), {world.ask(day + 100)}), {{"transactions", world.server.exported(0)}}, options).value();
  CHECK(answers(table)[0][fraud].null);
}

// Leaving ----------------------------------------------------------------------------------------------------------

TEST_CASE("a row leaves once it lies before frontier - grace - retention, and not a microsecond earlier") {
  World world(graced(hour));
  world.observe({.id = "a", .ts = 0});
  world.server.state().advance(monday + 3 * day + hour);
  CHECK(world.server.state().rows_held(0) == 1);
  CHECK(world.counters().evicted == 0);
  world.server.state().advance(monday + 3 * day + hour + 1);
  CHECK(world.server.state().rows_held(0) == 0);
  CHECK(world.counters().evicted == 1);
}

TEST_CASE("a row that no decision to come can see is refused as expired; the oldest one that can be seen is not") {
  World world(graced(hour));
  world.server.state().advance(monday);
  CHECK(world.observe({.id = "a", .ts = -3 * day - hour - 1, .seen_at = -3 * day}) == Refusal::expired);
  CHECK(world.observe({.id = "b", .ts = -3 * day - hour, .seen_at = -3 * day}) == Refusal::none);
}

TEST_CASE("a row older than its retention when it becomes known is refused, in both paths") {
  World world;
  CHECK(world.observe({.id = "a", .ts = 0, .seen_at = 3 * day + 1}) == Refusal::expired);
  CHECK(world.observe({.id = "b", .ts = 0, .seen_at = 3 * day}) == Refusal::none);
}

TEST_CASE("a row never moves the frontier; a decision and word of time do, never back") {
  World world;
  world.observe({.id = "a", .ts = 30 * day});
  CHECK(world.server.state().frontier() == always);
  world.decide(5);
  CHECK(world.server.state().frontier() == monday + 5);
  world.server.state().advance(monday + 3);
  CHECK(world.server.state().frontier() == monday + 5);
}

TEST_CASE("with a history sink the export is whole after rows left; without one it says from when it is") {
  World kept(graced(0, true)), lost(graced(0));
  for (World* world : {&kept, &lost}) {
    world->observe({.id = "a", .ts = 0});
    world->observe({.id = "b", .ts = 5 * day});
    world->server.state().advance(monday + 5 * day);
  }
  CHECK(kept.server.exported(0).rows() == 2);
  CHECK(kept.server.exported(0).metadata().count("featlib.complete_from") == 0);
  CHECK(lost.server.exported(0).rows() == 1);
  CHECK(lost.server.exported(0).metadata().at("featlib.complete_from") == std::to_string(monday + 2 * day));
}

TEST_CASE("texts leave with their rows: the pool does not grow with traffic") {
  World world(graced(0), R"(  n: {from: transactions, aggregate: count(), window: 2d}
)", "2d");
  std::size_t most = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string id = "txn" + std::to_string(i), tag = "tag" + std::to_string(i);
    const Instant now = i * hour;
    world.observe({.id = id.c_str(), .ts = now, .tag = tag.c_str()});
    world.observe({.id = id.c_str(), .ts = now, .seen_at = now + 1, .tag = "a copy"});
    world.label(id.c_str(), std::int64_t{1});
    world.label(nullptr, std::int64_t{1});
    world.decide(now, id.c_str());
    if (i == 500) most = world.server.state().pool().size();
  }
  CHECK(world.server.state().pool().size() <= most + 8);
  CHECK(world.server.state().rows_held(0) <= 50);
}

TEST_CASE("refused rows keep no texts") {
  World world;
  const std::size_t before = world.server.state().pool().size();
  for (int i = 0; i < 100; ++i) {
    const std::string id = "txn" + std::to_string(i);
    world.observe({.id = id.c_str(), .ts = 0, .amount = std::numeric_limits<double>::quiet_NaN()});
    world.observe({.id = id.c_str(), .ts = 0, .seen_at = 4 * day});
    world.label(nullptr, std::int64_t{1});
  }
  CHECK(refusals(world, Refusal::not_finite) == 100);
  CHECK(refusals(world, Refusal::expired) == 100);
  CHECK(world.server.state().pool().size() <= before + 1);   // the card: a key outlives its rows
}

TEST_CASE("requests keep no texts but their keys") {
  World world(graced(0), R"(  n: {from: transactions, aggregate: count(), window: 2d}
  tag: {from: request.tag}
  word: {expr: "case when request.amount > 0 then request.tag else 'none' end", type: string}
)", "2d");
  std::size_t early = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = "txn" + std::to_string(i);
    Ask ask = world.ask(i * hour, id.c_str());
    ask.request[static_cast<std::size_t>(world.server.contract().find_request("amount"))] = 1.0;
    ask.request[static_cast<std::size_t>(world.server.contract().find_request("tag"))] = "tag" + std::to_string(i);
    const Answer answer = world.server.decide(ask);
    CHECK(answer[1].text == "tag" + std::to_string(i));
    CHECK(answer[2].text == "tag" + std::to_string(i));
    if (i == 100) early = world.server.state().pool().size();
  }
  CHECK(world.server.state().pool().size() <= early + 8);
}

// Snapshots --------------------------------------------------------------------------------------------------------

namespace {

World busy() {
  World world(graced(hour, true));
  world.observe({.id = "a", .ts = 0, .seq = std::int64_t{1}});
  world.observe({.id = "b", .ts = 10, .seen_at = 50});
  world.label("a", std::int64_t{1});
  world.label("later", std::int64_t{0}, 60);
  world.decide(20, "b", "c1", std::int64_t{2});
  world.decide(20, "x", "c2");
  world.observe({.id = "a", .ts = 0});
  return world;
}

}  // namespace

TEST_CASE("a snapshot holds rows, stamps, waiting labels, answers and counters") {
  World world = busy();
  const auto bytes = world.server.state().snapshot();
  const auto plan = std::make_shared<const Plan>(world.server.contract());
  auto restored = State::restore(plan, bytes);
  REQUIRE(restored.ok());
  const State& state = *restored.value();
  CHECK(state.frontier() == world.server.state().frontier());
  CHECK(state.options().grace == hour);
  CHECK(state.rows_held(0) == world.server.state().rows_held(0));
  CHECK(state.counters(0).labels == 2);
  CHECK(state.counters(0).duplicates == 1);

  const std::int64_t late = world.counters().observed_late;
  world.server.restart();
  world.observe({.id = "c", .ts = 15});            // seen by the decision at 20, answered before the restart
  CHECK(world.counters().observed_late == late + 1);
  world.observe({.id = "later", .ts = 0});         // its label still waits
  world.decide(2 * day);
  const Table table = world.server.exported(0);
  int labelled = 0;
  for (std::int64_t r = 0; r < table.rows(); ++r) labelled += !table.view(0, table.find("is_fraud")).is_null(r);
  CHECK(labelled == 2);
}

TEST_CASE("a snapshot damaged at any byte, cut short or lengthened is refused") {
  World world = busy();
  const auto plan = std::make_shared<const Plan>(world.server.contract());
  const auto bytes = world.server.state().snapshot();
  REQUIRE(State::restore(plan, bytes).ok());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto damaged = bytes;
    damaged[i] ^= std::byte{1};
    const auto restored = State::restore(plan, damaged);
    if (restored.ok()) FAIL("byte " << i << " of " << bytes.size() << " may change");
    CHECK(restored.error().failures()[0].code == ErrorCode::state_format);
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{20}, bytes.size() / 2, bytes.size() - 1})
    CHECK_FALSE(State::restore(plan, std::span(bytes).first(size)).ok());
  auto longer = bytes;
  longer.push_back(std::byte{0});
  CHECK_FALSE(State::restore(plan, longer).ok());
}

TEST_CASE("a snapshot of another contract is refused by name") {
  World world = busy();
  const auto bytes = world.server.state().snapshot();
  const auto other = std::make_shared<const Plan>(parse(card_contract("  n: {from: transactions, aggregate: count(), window: 1d}\n")));
  const auto restored = State::restore(other, bytes);
  REQUIRE_FALSE(restored.ok());
  CHECK(restored.error().failures()[0].code == ErrorCode::state_mismatch);
}

TEST_CASE("an empty state has a snapshot too") {
  World world;
  const auto plan = std::make_shared<const Plan>(world.server.contract());
  CHECK(State::restore(plan, world.server.state().snapshot()).ok());
  world.server.restart();
  CHECK(world.count(5) == 0);
}

// The door ---------------------------------------------------------------------------------------------------------

TEST_CASE("a refused row is counted by reason and changes nothing") {
  World world;
  CHECK(world.observe({.id = "a", .ts = 0, .amount = std::numeric_limits<double>::infinity()}) == Refusal::not_finite);
  Values row = world.blank();
  CHECK(world.server.observe(0, row) == Refusal::null_clock);
  row[world.at("ts")] = std::int64_t{5};
  CHECK(world.server.observe(0, row) == Refusal::bad_year);
  row[world.at("ts")] = std::string("soon");
  CHECK(world.server.observe(0, row) == Refusal::wrong_type);
  CHECK(world.counters().observed == 0);
  for (const Refusal why : {Refusal::not_finite, Refusal::null_clock, Refusal::bad_year, Refusal::wrong_type}) CHECK(refusals(world, why) == 1);
  CHECK(world.count(20) == 0);
}

TEST_CASE("a table of key and label alone is read as labels; one without its columns is an error that names them") {
  World world;
  world.observe({.id = "a", .ts = 0});
  const auto report = world.server.state().observe_table(0, make_table("labels", {{"txn_id", "U", {std::string("a"), null_value}}, {"is_fraud", "b", {std::int64_t{1}, std::int64_t{1}}}}));
  CHECK(report.value().accepted == 1);
  CHECK(report.value().refused.at(Refusal::missing_key) == 1);
  CHECK(world.label_stamp() == day);

  const auto lacking = world.server.state().observe_table(0, make_table("rows", {{"txn_id", "U", {}}, {"ts", "l", {}}, {"amount", "g", {}}}));
  REQUIRE_FALSE(lacking.ok());
  CHECK(lacking.error().failures()[0].code == ErrorCode::missing_column);
  CHECK(lacking.error().failures()[0].message.find("`card_id`") != std::string::npos);
  CHECK(lacking.error().failures()[0].path == "rows");
}
