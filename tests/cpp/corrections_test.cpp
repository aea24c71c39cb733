// Corrections by key: retract and replace as versions with a known_at of their own (SEMANTICS section 2).

#include <featlib/scorer.hpp>
#include <featlib/vector/reference.hpp>
#include <featlib/vector/replay.hpp>

#include "support/card_world.hpp"

using namespace featlib;
using namespace featlib::testing;

namespace {

double sum_at(World& world, Instant as_of, const char* card = "c1", const char* id = "none") {
  const Shown shown = world.decide(as_of, id, card)[total];
  return shown.null ? 0.0 : std::bit_cast<double>(shown.bits);
}

/// Sums at some instants by the definition and by replay, which must agree, of a history as a table.
std::vector<double> sums_of(const World& world, const Table& history, const std::vector<Instant>& instants, const char* card = "c1") {
  std::vector<Ask> asks;
  for (const Instant at : instants) asks.push_back(world.ask(at, "none", card));
  ReplayOptions options;
  options.as_of.unit = TimeUnit::microsecond;
  const Contract& contract = world.server.contract();
  const auto defined = answers(reference(contract, decision_table(contract, asks), {{"transactions", history}}, options).value());
  const auto replayed = answers(replay(contract, decision_table(contract, asks), {{"transactions", history}}, options).value());
  REQUIRE(difference(contract, defined, replayed).empty());
  std::vector<double> out;
  for (const Answer& answer : replayed) out.push_back(answer[total].null ? 0.0 : std::bit_cast<double>(answer[total].bits));
  return out;
}

using Sums = std::vector<double>;

/// The words of the exported correction column, in the order of the export; empty where there is none.
std::vector<std::string> exported_corrections(const World& world) {
  const Table table = world.server.exported(0);
  std::vector<std::string> out;
  if (const int column = table.find("correction"); column >= 0)
    for (std::int64_t r = 0; r < table.rows(); ++r)
      if (const ColumnView view = table.view(0, column); !view.is_null(r)) out.emplace_back(view.text(r));
  return out;
}

/// The card contract without a clock of its own.
Contract unclocked() {
  std::string text = card_contract(plain);
  const std::string clock = "    available_time: {column: seen_at, unit: us}\n";
  return parse(text.erase(text.find(clock), clock.size()));
}

}  // namespace

// What counts ------------------------------------------------------------------------------------------------------

TEST_CASE("a row is seen, then corrected, then gone: each decision sees the version known at its own instant") {
  World world(graced(day));
  world.observe({.id = "a", .ts = 5, .amount = 100.0});
  world.observe({.id = "b", .ts = 6, .amount = 1.0});
  world.replace({.id = "a", .ts = 5, .amount = 80.0, .seen_at = 20});
  world.retract("a", 30);
  const std::vector<Instant> instants{10, 19, 20, 29, 30, 40};
  const Sums expected{101.0, 101.0, 81.0, 81.0, 1.0, 1.0};
  CHECK(sums_of(world, world.server.exported(0), instants) == expected);
  for (std::size_t i = 0; i < instants.size(); ++i) CHECK(sum_at(world, instants[i]) == expected[i]);
  CHECK(sum_at(world, 15) == 101.0);   // and as_of may go back
  CHECK(world.counters().replaced == 1);
  CHECK(world.counters().retracted == 1);
  CHECK(world.counters().observed == 2);
}

TEST_CASE("a replacement may move its row to another time and another entity") {
  World world(graced(3 * day));
  world.observe({.id = "a", .ts = 5, .amount = 100.0});
  world.replace({.id = "a", .ts = day, .amount = 100.0, .seen_at = 20, .card = "c2"});
  CHECK(sums_of(world, world.server.exported(0), {10, 20, day + 1}) == Sums{100.0, 0.0, 0.0});
  CHECK(sums_of(world, world.server.exported(0), {10, 20, day, day + 1}, "c2") == Sums{0.0, 0.0, 0.0, 100.0});
  CHECK(sum_at(world, 19) == 100.0);
  CHECK(sum_at(world, 20) == 0.0);
  CHECK(sum_at(world, day + 1, "c2") == 100.0);
}

TEST_CASE("a correction beats every original of its key, whatever their event times and copies") {
  World world;
  world.observe({.id = "a", .ts = 5, .amount = 1.0});
  world.observe({.id = "a", .ts = 5, .amount = 2.0});
  world.observe({.id = "a", .ts = 6, .amount = 4.0});
  CHECK(world.counters().duplicates == 1);
  CHECK(world.counters().moved_keys == 1);
  world.retract("a", 20);
  CHECK(sums_of(world, world.server.exported(0), {10, 20}) == Sums{5.0, 0.0});
  CHECK(sum_at(world, 10) == 5.0);
  CHECK(sum_at(world, 20) == 0.0);
  world.observe({.id = "a", .ts = 5, .amount = 0.5});   // a copy of what is hidden
  CHECK(sum_at(world, 21) == 0.0);
}

TEST_CASE("an original that comes after its correction is hidden from when the correction is known") {
  World world(graced(day));
  world.retract("a", 20);
  world.observe({.id = "a", .ts = 5, .amount = 100.0});
  CHECK(sums_of(world, world.server.exported(0), {10, 20}) == Sums{100.0, 0.0});
  CHECK(sum_at(world, 20) == 0.0);
  CHECK(sum_at(world, 10) == 100.0);
}

TEST_CASE("a retracted key comes back by a replacement alone") {
  World world;
  world.observe({.id = "a", .ts = 5, .amount = 100.0});
  world.retract("a", 20);
  world.observe({.id = "a", .ts = 25, .amount = 100.0});
  CHECK(sum_at(world, 30) == 0.0);
  world.replace({.id = "a", .ts = 25, .amount = 7.0, .seen_at = 35});
  CHECK(sum_at(world, 40) == 7.0);
  CHECK(sums_of(world, world.server.exported(0), {10, 30, 40}) == Sums{100.0, 0.0, 7.0});
}

TEST_CASE("rows without a key are no version's business, and a correction without one is refused") {
  World world;
  world.observe({.id = nullptr, .ts = 5, .amount = 3.0});
  CHECK(world.retract(nullptr, 6) == Refusal::missing_key);
  CHECK(world.replace({.id = nullptr, .ts = 5, .amount = 9.0}) == Refusal::missing_key);
  CHECK(refusals(world, Refusal::missing_key) == 2);
  CHECK(sum_at(world, 10) == 3.0);
}

TEST_CASE("an expired replacement is seen by nobody and still hides what it replaces") {
  World world(graced(10 * day));
  world.observe({.id = "a", .ts = 4 * day, .amount = 100.0});
  CHECK(world.replace({.id = "a", .ts = 0, .amount = 7.0, .seen_at = 4 * day + 10}) == Refusal::none);
  CHECK(sums_of(world, world.server.exported(0), {4 * day + 9, 4 * day + 10}) == Sums{100.0, 0.0});
  CHECK(sum_at(world, 4 * day + 9) == 100.0);
  CHECK(sum_at(world, 4 * day + 10) == 0.0);
}

TEST_CASE("the request's own row stays hidden from it when it was replaced") {
  World world;
  world.observe({.id = "a", .ts = 5, .amount = 1.0});
  world.replace({.id = "a", .ts = 5, .amount = 2.0, .seen_at = 6});
  CHECK(sum_at(world, 10, "c1", "a") == 0.0);
  CHECK(sum_at(world, 10, "c1", "b") == 2.0);
}

// Stamps -----------------------------------------------------------------------------------------------------------

TEST_CASE("a correction is known just after a decision that could have seen a row of its key") {
  World world(graced(day));
  world.observe({.id = "a", .ts = 5, .amount = 100.0});
  CHECK(sum_at(world, 20) == 100.0);
  world.retract("a", 10);
  CHECK(world.counters().observed_late == 1);
  CHECK(sum_at(world, 20) == 100.0);   // the answer given stands
  CHECK(sum_at(world, 21) == 0.0);
  CHECK(sums_of(world, world.server.exported(0), {10, 20, 21}) == Sums{100.0, 100.0, 0.0});
}

TEST_CASE("a replacement is stamped by the rows it hides as much as by its own") {
  World world(graced(day));
  world.observe({.id = "a", .ts = 5, .amount = 100.0});
  world.decide(20);
  world.replace({.id = "a", .ts = 5, .amount = 1.0, .seen_at = 10, .card = "c2"});
  CHECK(sum_at(world, 20) == 100.0);
  CHECK(sum_at(world, 21) == 0.0);
  CHECK(sum_at(world, 21, "c2") == 1.0);
  World other(graced(day));
  other.observe({.id = "a", .ts = 5, .amount = 100.0});
  other.decide(20, "none", "c2");
  other.replace({.id = "a", .ts = 5, .amount = 1.0, .seen_at = 10, .card = "c2"});
  CHECK(sum_at(other, 20, "c2") == 0.0);
  CHECK(sum_at(other, 21, "c2") == 1.0);
}

TEST_CASE("a replacement that hides an earlier one is stamped by it") {
  World world(graced(day));
  world.replace({.id = "a", .ts = 5, .amount = 3.0, .card = "c2"});
  CHECK(sum_at(world, 20, "c2") == 3.0);
  world.retract("a", 10);
  CHECK(sum_at(world, 20, "c2") == 3.0);
  CHECK(sum_at(world, 21, "c2") == 0.0);
}

TEST_CASE("decisions that no row of the key can reach move no correction") {
  World world(graced(day));
  world.observe({.id = "a", .ts = 5, .amount = 100.0});
  world.decide(20, "a");              // its own row is hidden from it
  world.decide(20, "none", "c2");
  world.retract("a", 10);
  CHECK(world.counters().observed_late == 0);
  CHECK(sum_at(world, 10) == 0.0);
}

TEST_CASE("without a clock a correction is known from the latest of the frontier and what its key holds") {
  World frontier(graced(day));
  frontier.observe({.id = "a", .ts = 5, .amount = 100.0});
  frontier.decide(20, "none", "c2");
  frontier.retract("a");
  CHECK(sum_at(frontier, 19) == 100.0);
  CHECK(sum_at(frontier, 20) == 0.0);
  CHECK(frontier.counters().observed_late == 0);

  World held(graced(day));
  held.observe({.id = "a", .ts = 5, .amount = 100.0, .seen_at = 30});
  held.retract("a");
  CHECK(sums_of(held, held.server.exported(0), {29, 30}) == Sums{0.0, 0.0});
  const Table table = held.server.exported(0);
  for (std::int64_t r = 0; r < table.rows(); ++r) CHECK(table.view(0, table.find("known_at")).integer(r) == monday + 30);
}

TEST_CASE("a replacement without a clock is no earlier than the retraction it follows") {
  const Contract contract = unclocked();
  Server server(contract, graced(day));
  const Source& source = contract.sources()[0];
  Values row(source.fields.size());
  const auto set = [&](std::string_view name, Value v) { row[static_cast<std::size_t>(source.find_field(name))] = std::move(v); };
  set("ts", monday + 5);
  set("txn_id", std::string("a"));
  set("card_id", std::string("c1"));
  set("amount", 2.0);
  set("tag", std::string("food"));
  server.observe(0, row);
  server.with_slots(0, row, [&](State& state, std::span<Slot> slots) {
    const Slot key = slots[static_cast<std::size_t>(source.dedup_field)];
    slots[static_cast<std::size_t>(source.dedup_field)] = {};
    state.refuse_slots(0, slots, Refusal::wrong_type);   // only the key is wanted
    return state.retract(0, key, {monday + 50, {}, {}});
  });
  server.with_slots(0, row, [&](State& state, std::span<Slot> slots) { return state.replace(0, slots); });
  Ask ask{monday + 60, Values(contract.request().size())};
  ask.request[static_cast<std::size_t>(contract.find_request("card_id"))] = std::string("c1");
  CHECK(std::bit_cast<double>(server.decide(ask)[total].bits) == 2.0);
}

TEST_CASE("of corrections known at one instant the one that came last counts") {
  World world;
  world.observe({.id = "a", .ts = 5, .amount = 1.0});
  world.replace({.id = "a", .ts = 5, .amount = 2.0, .seen_at = 20});
  world.retract("a", 20);
  world.replace({.id = "a", .ts = 5, .amount = 4.0, .seen_at = 20});
  world.replace({.id = "a", .ts = 5, .amount = 8.0, .seen_at = 15});   // known before all of them, whenever it came
  CHECK(sum_at(world, 30) == 4.0);
  CHECK(sums_of(world, world.server.exported(0), {10, 15, 30}) == Sums{1.0, 8.0, 4.0});
}

// Waiting ----------------------------------------------------------------------------------------------------------

TEST_CASE("a retraction that meets no row is unmatched after one retention of the frontier, and then hides nothing") {
  World world(graced(0));
  world.retract("a");
  world.server.state().advance(monday);                  // from here it waits
  world.server.state().advance(monday + 3 * day);
  CHECK(world.counters().unmatched == 0);
  CHECK(exported_corrections(world) == std::vector<std::string>{"retract"});
  world.server.state().advance(monday + 3 * day + 1);
  CHECK(world.counters().unmatched == 1);
  CHECK(exported_corrections(world).empty());
  CHECK(world.server.exported(0).find("correction") < 0);
  world.observe({.id = "a", .ts = 3 * day, .amount = 5.0});
  CHECK(sum_at(world, 3 * day + 2) == 5.0);
}

TEST_CASE("a correction waits from when it is known, if that is later than the frontier") {
  World world(graced(0));
  world.server.state().advance(monday);
  world.retract("a", day);
  world.server.state().advance(monday + 4 * day);
  CHECK(world.counters().unmatched == 0);
  world.server.state().advance(monday + 4 * day + 1);
  CHECK(world.counters().unmatched == 1);
}

TEST_CASE("a retraction that met a row goes on hiding what comes late, after the row left") {
  for (const bool archived : {false, true}) {
    World world(graced(0, archived));
    world.observe({.id = "a", .ts = 0, .amount = 1.0});
    world.retract("a", 10);
    world.server.state().advance(monday);                // from here it waits
    world.server.state().advance(monday + 10 * day);
    CHECK(world.server.state().rows_held(0) == 0);
    CHECK(world.counters().unmatched == 0);
    world.observe({.id = "a", .ts = 9 * day, .amount = 5.0});
    CHECK(sum_at(world, 10 * day + 1) == 0.0);
    CHECK(sums_of(world, world.server.exported(0), {10 * day + 1}) == Sums{0.0});
  }
}

TEST_CASE("a replacement without a row to replace is counted unmatched and stays the row it is") {
  World world(graced(0));
  world.replace({.id = "a", .ts = 10 * day, .amount = 5.0, .seen_at = 0});
  world.server.state().advance(monday);
  world.server.state().advance(monday + 4 * day);
  CHECK(world.counters().unmatched == 1);
  CHECK(sum_at(world, 10 * day + 1) == 5.0);
  world.observe({.id = "a", .ts = 10 * day, .amount = 7.0});
  CHECK(sum_at(world, 10 * day + 2) == 5.0);
}

TEST_CASE("a replacement whose row left still hides the originals that are held") {
  for (const bool archived : {false, true}) {
    World world(graced(0, archived));
    world.observe({.id = "a", .ts = 5 * day, .amount = 1.0});
    world.replace({.id = "a", .ts = 0, .amount = 2.0, .seen_at = 10});
    world.server.state().advance(monday + 4 * day);
    CHECK(world.server.state().rows_held(0) == 1);
    CHECK(sum_at(world, 5 * day + 1) == 0.0);
    CHECK(sums_of(world, world.server.exported(0), {5 * day + 1}) == Sums{0.0});
    world.server.restart();
    CHECK(sum_at(world, 5 * day + 1) == 0.0);
    CHECK(sums_of(world, world.server.exported(0), {5 * day + 1}) == Sums{0.0});
  }
}

TEST_CASE("a correction of a row that has left is known after every decision that saw it") {
  World world(graced(hour, true));
  world.observe({.id = "a", .ts = 0, .amount = 1.0});
  CHECK(sum_at(world, 10) == 1.0);
  world.server.state().advance(monday + 10 * day);
  world.retract("a", 5);
  CHECK(world.counters().observed_late == 1);
  CHECK(sums_of(world, world.server.exported(0), {10}) == Sums{1.0});
}

// Labels -----------------------------------------------------------------------------------------------------------

TEST_CASE("a label by key belongs to every row of its key, whichever came first") {
  for (const bool early : {false, true}) {
    World world(graced(5 * day));
    if (early) world.label("a", std::int64_t{1});
    world.observe({.id = "a", .ts = 0});
    world.replace({.id = "a", .ts = 5, .seen_at = 20});
    if (!early) world.label("a", std::int64_t{1});
    CHECK(world.decide(day + 10)[fraud].bits == 1);
    world.server.restart();
    CHECK(world.decide(day + 10)[fraud].bits == 1);
    CHECK(world.counters().unmatched == 0);
  }
}

TEST_CASE("a value that a replacement gives for a gated cell is changed by no label") {
  for (const int order : {0, 1, 2}) {
    World world(graced(5 * day));
    const auto label = [&] { world.label("a", std::int64_t{0}); };
    if (order == 0) label();
    world.observe({.id = "a", .ts = 0});
    if (order == 1) label();
    world.replace({.id = "a", .ts = 0, .seen_at = 20, .is_fraud = std::int64_t{1}});
    world.server.restart();
    if (order == 2) label();
    CHECK(world.decide(day + 1)[fraud].bits == 1);
  }
}

// Keeping ----------------------------------------------------------------------------------------------------------

TEST_CASE("an export has the columns of corrections only when there are any") {
  World world;
  world.observe({.id = "a", .ts = 5});
  CHECK(world.server.exported(0).find("correction") < 0);
  CHECK(world.server.exported(0).find("version") < 0);
  world.replace({.id = "a", .ts = 5, .amount = 2.0, .seen_at = 6});
  CHECK(exported_corrections(world) == std::vector<std::string>{"replace"});
  CHECK(world.server.exported(0).find("version") >= 0);
}

TEST_CASE("a snapshot holds corrections, also those that wait") {
  World world(graced(hour));
  world.observe({.id = "a", .ts = 0, .amount = 1.0});
  world.replace({.id = "a", .ts = 1, .amount = 2.0, .seen_at = 20});
  world.retract("a", 40);
  world.retract("later", 5);
  world.server.state().advance(monday);
  world.server.restart();
  CHECK(world.counters().replaced == 1);
  CHECK(world.counters().retracted == 2);
  CHECK(sum_at(world, 10) == 1.0);
  CHECK(sum_at(world, 30) == 2.0);
  CHECK(sum_at(world, 50) == 0.0);
  world.observe({.id = "later", .ts = 1, .amount = 4.0});
  CHECK(sum_at(world, 60) == 0.0);
  world.retract("never", 70);
  world.server.restart();
  world.server.state().advance(monday + 4 * day);
  CHECK(world.counters().unmatched == 1);
}

TEST_CASE("texts of corrections leave with them: what met nothing keeps nothing") {
  World world(graced(0), R"(  n: {from: transactions, aggregate: count(), window: 2d}
)", "2d");
  std::size_t early = 0;
  for (int i = 0; i < 1500; ++i) {
    const std::string id = "txn" + std::to_string(i), tag = "tag" + std::to_string(i);
    world.retract(id.c_str(), i * hour);
    world.retract(id.c_str());
    world.replace({.id = nullptr, .ts = i * hour, .tag = tag.c_str()});
    world.decide(i * hour, "none");
    if (i == 300) early = world.server.state().pool().size();
  }
  CHECK(world.server.state().pool().size() <= early + 8);
  CHECK(world.counters().unmatched > 2000);
}

// The door ---------------------------------------------------------------------------------------------------------

namespace {

/// One transaction and whatever a row of a table says it corrects.
Table table_with(const std::vector<TestColumn>& more) {
  const std::size_t rows = more.front().values.size();
  const auto same = [&](Value v) { return Values(rows, std::move(v)); };
  std::vector<TestColumn> columns{{"ts", "l", same(monday)}, {"seen_at", "l", same(monday)}, {"card_id", "U", same(std::string("c1"))}, {"seq", "l", same(null_value)},
                                  {"amount", "g", same(1.0)}, {"tag", "U", same(std::string("food"))}, {"is_fraud", "b", same(null_value)}};
  if (std::none_of(more.begin(), more.end(), [](const TestColumn& c) { return c.name == "txn_id"; })) columns.push_back({"txn_id", "U", same(std::string("a"))});
  for (const TestColumn& column : more) {
    std::erase_if(columns, [&](const TestColumn& c) { return c.name == column.name; });
    columns.push_back(column);
  }
  return make_table("transactions", columns, 2);
}

Result<FeatureTable> replayed(const Contract& contract, const Table& table) {
  ReplayOptions options;
  options.as_of.unit = TimeUnit::microsecond;
  return replay(contract, decision_table(contract, {}), {{"transactions", table}}, options);
}

}  // namespace

TEST_CASE("a table's corrections are checked row by row, by training and by serving alike") {
  const Table table = table_with({{"correction", "U", {null_value, std::string(), std::string("replace"), std::string("retract"), std::string("undo"), std::string("retract"), std::string("retract"), std::string("replace")}},
                                  {"txn_id", "U", {std::string("a"), std::string("b"), std::string("a"), std::string("b"), std::string("a"), null_value, std::string("c"), std::string("d")}},
                                  {"ts", "l", {monday, monday, monday, null_value, monday, monday, null_value, null_value}},
                                  {"seen_at", "l", {monday, monday, monday, monday + 1, monday, monday, null_value, monday}}});
  World world;
  const RowReport observed = world.server.state().observe_table(0, table).value();
  const auto offline = replayed(world.server.contract(), table).value();
  for (const RowReport& report : {observed, offline.reports.at("transactions")}) {
    CHECK(report.rows == 8);
    CHECK(report.accepted == 4);
    CHECK(report.corrections == 2);
    CHECK(report.refused.at(Refusal::bad_correction) == 1);
    CHECK(report.refused.at(Refusal::missing_key) == 1);
    CHECK(report.refused.at(Refusal::null_clock) == 2);
    REQUIRE(report.first_refused.size() == 4);
    CHECK(report.first_refused[0].row == 4);
    CHECK(report.first_refused[0].column == "txn_id");
  }
}

TEST_CASE("corrections of a source that cannot be corrected are an error that says why") {
  std::string text = card_contract("  n: {from: transactions, aggregate: count(), window: 2d}\n");
  const auto without = [&](const std::string& part, const std::string& other = {}) {
    std::string out = text;
    return parse(out.replace(out.find(part), part.size(), other));
  };
  const Contract no_key = [&] {
    std::string out = text;
    for (const char* part : {"    dedup: txn_id\n", "request_of: transactions\n"}) out.erase(out.find(part), std::string(part).size());
    return parse(out);
  }();
  const Contract has_version = without("      tag: {type: string}\n      is_fraud", "      tag: {type: string}\n      version: {type: int64}\n      is_fraud");
  const Table corrects = table_with({{"correction", "U", {null_value, null_value, std::string("retract")}}, {"version", "l", {null_value, null_value, null_value}}});
  for (const Contract& contract : {no_key, has_version}) {
    const auto offline = replayed(contract, corrects);
    REQUIRE_FALSE(offline.ok());
    Server server(contract, {});
    const auto observed = server.state().observe_table(0, corrects);
    REQUIRE_FALSE(observed.ok());
    for (const Failure& failure : {offline.error().failures()[0], observed.error().failures()[0]}) {
      CHECK(failure.code == ErrorCode::bad_row);
      CHECK(failure.path == "transactions");
      CHECK(failure.message.find("`transactions`") != std::string::npos);
      CHECK_FALSE(failure.help.empty());
    }
    CHECK(server.state().counters(0).observed == 0);
    // The column alone does no harm.
    CHECK(replayed(contract, table_with({{"correction", "U", {null_value, std::string()}}, {"version", "l", {null_value, null_value}}})).ok());
  }
}

TEST_CASE("a declared column is itself, a `version` without `correction` is nobody's, and a column of another type is refused by name") {
  const Contract contract = parse(card_contract("  n: {from: transactions, aggregate: count(), window: 2d}\n"));
  CHECK(replayed(contract, table_with({{"version", "U", {std::string("2.1")}}})).ok());
  const auto wrong = replayed(contract, table_with({{"correction", "g", {0.5}}}));
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.error().failures()[0].code == ErrorCode::wrong_column_type);
  CHECK(wrong.error().failures()[0].help.find("declare it in source `transactions`") != std::string::npos);
  std::string text = card_contract("  n: {from: transactions, aggregate: count(), window: 2d}\n");
  const std::string tag = "      tag: {type: string}\n      is_fraud";
  const Contract declared = parse(text.replace(text.find(tag), tag.size(), "      tag: {type: string}\n      correction: {type: float64}\n      is_fraud"));
  CHECK(replayed(declared, table_with({{"correction", "g", {0.5}}})).ok());
}

TEST_CASE("a scorer corrects from C++ and says what it cannot") {
  const Contract contract = parse(card_contract(plain));
  Scorer scorer(Bundle::make(contract, std::nullopt, std::nullopt, "{}").value(), StateOptions{}, nullptr, nullptr);
  const Source& source = contract.sources()[0];
  std::vector<Cell> row(source.fields.size(), Cell::null());
  const auto set = [&](std::string_view name, Cell cell) { row[static_cast<std::size_t>(source.find_field(name))] = cell; };
  set("ts", Cell::of(monday));
  set("seen_at", Cell::of(monday));
  set("txn_id", Cell::of(std::string_view("a")));
  set("card_id", Cell::of(std::string_view("c1")));
  set("amount", Cell::of(1.5));
  set("tag", Cell::of(std::string_view("food")));
  CHECK(scorer.observe(0, row) == Refusal::none);
  set("amount", Cell::of(2.5));
  set("seen_at", Cell::of(monday + 10));
  CHECK(scorer.replace(0, row) == Refusal::none);
  CHECK(scorer.retract(0, Cell::of(std::string_view("a")), monday + 20) == Refusal::none);
  CHECK(scorer.retract(0, Cell::null()) == Refusal::missing_key);
  std::vector<Cell> request(contract.request().size(), Cell::null());
  request[static_cast<std::size_t>(contract.find_request("card_id"))] = Cell::of(std::string_view("c1"));
  const auto sum = [&](Instant as_of) { return scorer.features(request, as_of).values[total]; };
  CHECK(sum(monday + 5).real() == 1.5);
  CHECK(sum(monday + 15).real() == 2.5);
  CHECK(sum(monday + 25).is_null());
  CHECK_THROWS_AS(scorer.replace(0, row, monday), Error);         // its own column says when
  CHECK_THROWS_AS(scorer.retract(0, Cell::of(std::string_view("a")), 5), Error);
}
