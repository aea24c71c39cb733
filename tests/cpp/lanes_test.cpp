// What serving keeps of a row for an argument and a `where`: values that are fixed when the row comes in, and the summaries made of them.

#include "support/contracts.hpp"
#include "support/serving.hpp"
#include "support/shaped.hpp"
#include "window/online.hpp"

#include <catch2/catch.hpp>

using namespace featlib;
using namespace featlib::testing;

namespace {

constexpr std::string_view events = R"(featlib: 1
name: lanes
version: 1.0.0
owner: tests@example.com
entities: {card: {key: card_id, type: int64}}
sources:
  events:
    entity: card
    event_time: {column: at, unit: us}
    delay: 0s
    dedup: id
    retention: 9d
    columns:
      id: {type: int64}
      amount: {type: decimal, scale: 2}
      tag: {type: string}
      verdict: {type: float64, available_at: judged}
      judged: {type: timestamp, unit: us}
request_of: events
request:
  amount: {type: decimal, scale: 2}
  tag: {type: string}
features:
)";

Contract contract_of(std::string_view features) { return parse(std::string(events) + std::string(features)); }

std::size_t lanes_of(std::string_view features) {
  const Plan plan(contract_of(features));
  TextPool pool;
  const Rows rows(plan.contract(), 0, pool);
  return OnlineWindows::lanes_of(plan.timelines()[0], rows).size();
}

/// Rows and decisions of one card, in trees of the smallest blocks.
class Story {
 public:
  explicit Story(std::string_view features) : server_(contract_of(features), StateOptions{.grace = 0}) {}

  void observe(Duration at, std::int64_t id, Value amount, Value tag, Value verdict = null_value, Value judged = null_value) {
    const Source& source = server_.contract().sources()[0];
    Values row(source.fields.size());
    const auto set = [&](const char* name, Value value) { row[static_cast<std::size_t>(source.find_field(name))] = std::move(value); };
    set("id", id);
    set("at", monday + at);
    set("card_id", std::int64_t{1});
    set("amount", std::move(amount));
    set("tag", std::move(tag));
    set("verdict", std::move(verdict));
    set("judged", std::move(judged));
    REQUIRE(server_.observe(0, row) == Refusal::none);
  }
  Answer decide(Duration at, Value amount = null_value, Value tag = null_value) {
    Ask ask;
    ask.as_of = monday + at;
    ask.request.resize(server_.contract().request().size());
    const auto set = [&](const char* name, Value value) { ask.request[static_cast<std::size_t>(server_.contract().find_request(name))] = std::move(value); };
    set("card_id", std::int64_t{1});
    set("amount", std::move(amount));
    set("tag", std::move(tag));
    return server_.decide(ask);
  }
  State& state() { return server_.state(); }

 private:
  Shaped shaped_{{2, 3}};
  Server server_;
};

std::int64_t integer(const Shown& shown) { return static_cast<std::int64_t>(shown.bits); }
double real(const Shown& shown) { return std::bit_cast<double>(shown.bits); }

}  // namespace

TEST_CASE("features that read the same of each row share a lane") {
  CHECK(lanes_of("  a: {from: events, aggregate: sum(amount), window: 1d}\n  b: {from: events, aggregate: max(amount), window: 2d}\n") == 1);
  CHECK(lanes_of("  a: {from: events, aggregate: sum(amount), window: 1d, where: tag = 'x'}\n  b: {from: events, aggregate: std(amount), window: 2d, where: (tag == 'x')}\n") == 1);
  CHECK(lanes_of("  a: {from: events, aggregate: sum(amount), window: 1d, where: tag = 'x'}\n  b: {from: events, aggregate: sum(amount), window: 1d}\n"
                 "  c: {from: events, aggregate: count(), window: 1d, where: tag = 'x'}\n  d: {from: events, aggregate: count(), window: 1d}\n") == 3);
  CHECK(lanes_of("  a: {from: events, aggregate: \"share(tag, 'x')\", window: 1d}\n  b: {from: events, aggregate: \"share(tag, 'y')\", window: 1d}\n") == 2);
  CHECK(lanes_of("  a: {from: events, aggregate: sum(amount), last: 3, where: tag = 'x'}\n  b: {from: events, aggregate: count(), window: 1d, where: tag = 'x'}\n") == 2);
  CHECK(lanes_of("  a: {from: events, aggregate: first(amount), window: 1d}\n  b: {from: events, aggregate: sum(amount), gap: 1h, max_length: 1d}\n") == 0);
}

TEST_CASE("one condition in two zones is two conditions") {
  Story story("  here: {from: events, aggregate: count(), window: 9d, where: hour(at) < 6}\n"
              "  there: {from: events, aggregate: count(), window: 9d, where: hour(at) < 6, tz: Asia/Tokyo}\n");
  for (int i = 0; i <= 48; ++i) story.observe(i * hour, i, std::int64_t{1}, null_value);
  const Answer answer = story.decide(49 * hour);
  const auto low = [&](const char* zone) {
    std::int64_t n = 0;
    for (int i = 0; i <= 48; ++i) n += civil_time(monday + i * hour, *TimeZone::find(zone)).hour < 6;
    return n;
  };
  CHECK(integer(answer[0]) == low("UTC"));
  CHECK(integer(answer[1]) == low("Asia/Tokyo"));
  CHECK(low("UTC") != low("Asia/Tokyo"));
}

TEST_CASE("a decimal column and the expression that is it alone are two arguments") {
  Story story("  column: {from: events, aggregate: sum(amount), window: 9d, where: amount > 0.0}\n"
              "  expression: {from: events, aggregate: sum((amount)), window: 9d, where: amount > 0.0}\n");
  for (int i = 0; i < 9; ++i) story.observe(i * hour, i, std::int64_t{10 * i}, null_value);
  const Answer answer = story.decide(day);
  CHECK(real(answer[0]) == 3.6);
  CHECK(real(answer[1]) == 3.6);
}

TEST_CASE("a share counts its literal whenever the text was first or last held") {
  Story story("  x: {from: events, aggregate: \"share(tag, 'x')\", window: 9d}\n"
              "  recent: {from: events, aggregate: \"share(tag, 'x')\", window: 90m, bounds: \"[]\", include_request: true}\n");
  const auto at = [&](int i) { return i * hour; };
  story.observe(at(0), 0, null_value, std::string("first of all"));
  CHECK(real(story.decide(at(1))[0]) == 0);
  story.observe(at(2), 1, null_value, std::string("x"));
  CHECK(real(story.decide(at(3))[0]) == 0.5);
  story.observe(at(4), 2, null_value, null_value);
  story.observe(at(5), 3, null_value, std::string("y"));
  story.observe(at(6), 4, null_value, std::string("z"));
  CHECK(real(story.decide(at(7), null_value, std::string("x"))[0]) == 0.25);
  CHECK(real(story.decide(at(7), null_value, std::string("x"))[1]) == 0.5);
  CHECK(real(story.decide(at(7), null_value, std::string("w"))[1]) == 0);
  CHECK(story.decide(at(9), null_value, null_value)[1].null);
  story.observe(at(9 * 24 + 1), 5, null_value, std::string("late"));   // whatever the texts' numbers were given to since
  story.state().advance(monday + at(9 * 24 + 5));
  story.observe(at(9 * 24 + 5), 6, null_value, std::string("later"));
  story.observe(at(9 * 24 + 6), 7, null_value, std::string("x"));
  CHECK(real(story.decide(at(9 * 24 + 8))[0]) == 1.0 / 3);
}

TEST_CASE("a condition on cells that come later is judged as the decision knows them, at every size of a tree") {
  constexpr std::string_view unjudged = "  unjudged: {from: events, aggregate: count(), window: 9d, where: verdict is null}\n";
  Story alone(unjudged);
  Story story(std::string(unjudged) +
              "  judged: {from: events, aggregate: sum(amount), window: 9d, where: verdict > 0.5}\n"
              "  worth: {from: events, aggregate: var(amount), window: 9d, ddof: 0, where: \"coalesce(verdict, 1.0) > 0.5\"}\n"
              "  least: {from: events, aggregate: \"min(coalesce(verdict, 0.75))\", window: 9d}\n");
  constexpr int n = 40;
  for (int turn = 0; turn < n; ++turn)                      // in a shuffled order: rows are put between others
    for (Story* s : {&alone, &story}) {
      const int i = 23 * turn % n;
      s->observe(i * hour, i, std::int64_t{100 * i}, null_value, i % 2 == 0 ? 1.0 : 0.0, monday + (50 + i) * hour);
    }
  for (int known = 0; known <= n; ++known) {                // cells, at the decision
    const Answer answer = story.decide((50 + known - 1) * hour);
    std::int64_t sum = 0, rows = 0, squares = 0, judged = 0;
    for (int i = 0; i < n; ++i) {
      if (i < known && i % 2 == 0) judged += i;
      if (i < known && i % 2 != 0) continue;
      ++rows;
      sum += i;
      squares += i * i;
    }
    CHECK(integer(alone.decide((50 + known - 1) * hour)[0]) == n - known);
    CHECK(integer(answer[0]) == n - known);
    CHECK((known == 0 ? answer[1].null : real(answer[1]) == static_cast<double>(judged)));
    CHECK(real(answer[2]) == static_cast<double>(rows * squares - sum * sum) / static_cast<double>(rows * rows));
    CHECK(real(answer[3]) == (known > 1 ? 0.0 : 0.75));
  }
}

TEST_CASE("the request counts where it passes, with its argument") {
  Story story("  sum: {from: events, aggregate: sum(abs(amount)), window: 9d, where: tag = 'x', bounds: \"[]\", include_request: true}\n"
              "  rows: {from: events, aggregate: count(), window: 9d, where: tag = 'x', bounds: \"[]\", include_request: true}\n"
              "  spread: {from: events, aggregate: var(amount), ddof: 0, window: 9d, where: tag = 'x', bounds: \"[]\", include_request: true}\n");
  for (int i = 0; i < 9; ++i) story.observe(i * hour, i, std::int64_t{-100}, std::string(i % 3 == 0 ? "x" : "y"));
  const Answer in = story.decide(day, std::int64_t{-500}, std::string("x")), out = story.decide(day, std::int64_t{-500}, std::string("y"));
  CHECK(real(in[0]) == 8);
  CHECK(integer(in[1]) == 4);
  CHECK(real(in[2]) == 3);
  CHECK(real(out[0]) == 3);
  CHECK(integer(out[1]) == 3);
  CHECK(real(out[2]) == 0);
}
