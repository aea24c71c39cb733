// Features of unions: rows of several sources in one order, each counting as it does at its own source (SEMANTICS section 2).
// Every value is asked of the definition, of replay, of a state and of the state's own export, which must agree.

#include "support/actions.hpp"
#include "support/contracts.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <string>
#include <vector>

using namespace featlib;
using namespace featlib::testing;

namespace {

constexpr const char* sources = R"(featlib: 1
name: unions
version: 1.0.0
owner: tests@example.com
entities:
  card: {key: card_id, type: string}
request_of: payments
request: {amount: {type: float64}}
sources:
  all: {union: [payments, transfers]}
  payments:
    entity: card
    event_time: {column: paid_at, unit: us}
    available_time: {column: seen_at, unit: us}
    sequence: seq
    dedup: payment_id
    retention: 3d
    columns: {payment_id: {type: string}, amount: {type: float64}, fraud: {type: bool, available_after: 1h}}
  transfers:
    entity: card
    keys: {card: iban}
    event_time: {column: booked_at, unit: us}
    dedup: number
    retention: 2d
    columns: {number: {type: int64}, amount: {type: float64}, fraud: {type: bool, available_after: 1h}}
features:
)";

constexpr const char* listed = R"(  amounts: {from: all, aggregate: 'last_k(amount, 9)', lifetime: true, bounds: '[]'}
  total: {from: all, aggregate: sum(amount), lifetime: true, bounds: '[]'}
)";

using Named = std::map<std::string, Value>;

class World {
 public:
  explicit World(const std::string& features = listed, const std::string& text = sources, StateOptions options = {})
      : contract_(parse(text + features)), options_(std::move(options)), server_(contract_, options_) {}

  Server& server() { return server_; }
  int source(const char* name) const { return contract_.find_source(name); }

  Values values(const std::vector<Field>& fields, const Named& given) const {
    Values out;
    for (const Field& field : fields) {
      const auto found = given.find(field.name);
      out.push_back(found == given.end() ? null_value : found->second);
    }
    return out;
  }
  Values row(const char* name, const Named& given) const { return values(contract_.sources()[static_cast<std::size_t>(source(name))].fields, given); }
  void observe(const char* name, const Named& given) {
    REQUIRE(server_.observe(source(name), row(name, given)) == Refusal::none);
  }
  void pay(Instant at, double amount, std::optional<std::string> id = {}, std::optional<std::int64_t> seq = {}, Value fraud = null_value) {
    observe("payments", {{"card_id", std::string("a")}, {"paid_at", at}, {"seen_at", at}, {"amount", amount}, {"payment_id", id ? Value(*id) : null_value}, {"seq", seq ? Value(*seq) : null_value}, {"fraud", fraud}});
  }
  void transfer(Instant at, double amount, std::optional<std::int64_t> number = {}, Value fraud = null_value) {
    observe("transfers", {{"iban", std::string("a")}, {"booked_at", at}, {"amount", amount}, {"number", number ? Value(*number) : null_value}, {"fraud", fraud}});
  }
  Named payment(const char* id, Instant at, double amount, Instant seen_at) const {
    return {{"card_id", std::string("a")}, {"paid_at", at}, {"seen_at", seen_at}, {"amount", amount}, {"payment_id", std::string(id)}};
  }

  /// What the state says; so do the definition and replay on its export.
  std::string ask(Instant as_of, const Named& request = {}) {
    Named asked = request;
    asked["card_id"] = std::string("a");
    const Ask ask{as_of, values(contract_.request(), asked)};
    const Answer answer = server_.decide(ask);
    check(answer, ask, server_.exported());
    return answer[0].null ? "null" : contract_.features()[0].type == Type::string ? answer[0].text : std::to_string(answer[0].bits);
  }
  const Contract& contract() const { return contract_; }

 private:
  void check(const Answer& given, const Ask& ask, const std::map<std::string, Table>& tables) const {
    ReplayOptions options;
    options.as_of.unit = TimeUnit::microsecond;
    options.complete_from = options_.complete_from;
    const Table asked = decision_table(contract_, {ask});
    CHECK(difference(contract_, answers(reference(contract_, asked, tables, options).value()), {given}).empty());
    CHECK(difference(contract_, answers(replay(contract_, asked, tables, options).value()), {given}).empty());
  }

  Contract contract_;
  StateOptions options_;
  Server server_;
};

}  // namespace

TEST_CASE("rows of all members stand in one order: event time, sequence, key, content") {
  World world;
  world.transfer(monday + 2, 4.0);
  world.pay(monday + 2, 3.0);
  world.pay(monday + 1, 2.0);
  world.transfer(monday, 1.0);
  CHECK(world.ask(monday + 9) == "[1,2,3,4]");
}

TEST_CASE("at one instant rows of a member without a sequence come first") {
  World world;
  world.pay(monday, 1.0, {}, 1);
  world.transfer(monday, 9.0);
  world.pay(monday, 0.5, {}, 2);
  CHECK(world.ask(monday + 1) == "[9,1,0.5]");
}

TEST_CASE("keys order rows of one instant, numbers before texts, and no key before both") {
  World world;
  world.pay(monday, 1.0, "1");
  world.transfer(monday, 2.0, 7);
  world.pay(monday, 3.0);
  world.transfer(monday, 4.0, 5);
  CHECK(world.ask(monday + 1) == "[3,4,2,1]");
}

TEST_CASE("rows that agree in all that the union has stand in the order of its members") {
  const std::string newest = "  fraud: {from: all, aggregate: last(fraud), window: 1d, offset: 2h}\n";
  std::string turned = sources;
  turned.replace(turned.find("[payments, transfers]"), 21, "[transfers, payments]");
  for (const bool first : {true, false}) {
    World world(newest, first ? sources : turned);
    world.transfer(monday, 1.0, {}, std::int64_t{1});
    world.pay(monday, 1.0, {}, {}, std::int64_t{0});
    CHECK(world.ask(monday + 3 * hour) == (first ? "1" : "0"));
  }
}

TEST_CASE("at the request's instant rows of other members count, those of its own only before its sequence") {
  World world;
  world.transfer(monday, 1.0);
  world.pay(monday, 2.0, {}, 1);
  world.pay(monday, 3.0, {}, 2);
  world.pay(monday, 4.0, {}, 3);
  world.pay(monday - 1, 5.0);
  CHECK(world.ask(monday, {{"seq", std::int64_t{3}}}) == "[5,1,2,3]");
  CHECK(world.ask(monday) == "[5,1]");
}

TEST_CASE("the request's own row is hidden, a row of another member with its key is not") {
  std::string text = sources;
  text.replace(text.find("number: {type: int64}"), 21, "number: {type: string}");
  World world(listed, text);
  world.pay(monday, 1.0, "x");
  world.observe("transfers", {{"iban", std::string("a")}, {"booked_at", monday}, {"amount", 2.0}, {"number", std::string("x")}});
  CHECK(world.ask(monday + 1) == "[1,2]");          // nor are the two copies of one row
  CHECK(world.ask(monday + 2, {{"payment_id", std::string("x")}}) == "[2]");
}

TEST_CASE("the request's own row is hidden where another member's keys are numbers") {
  World world;
  world.pay(monday, 1.0, "7");
  world.transfer(monday, 2.0, 7);
  CHECK(world.ask(monday + 1, {{"payment_id", std::string("7")}}) == "[2]");
}

TEST_CASE("copies and corrections of a member's row show in the union when they are known") {
  StateOptions options;
  options.grace = day;
  World world(listed, sources, options);
  world.pay(monday, 1.0, "x");
  world.transfer(monday, 2.0, 7);
  world.pay(monday, 1.0, "x");
  CHECK(world.ask(monday + 1) == "[2,1]");
  const auto amend = [&](Correction correction, const Named& given) {
    world.server().amend(world.source("payments"), {correction, world.row("payments", given), null_value, 0});
  };
  amend(Correction::replace, world.payment("x", monday, 8.0, monday + 10));
  CHECK(world.ask(monday + 9) == "[2,1]");
  CHECK(world.ask(monday + 10) == "[2,8]");
  amend(Correction::retract, {{"payment_id", std::string("x")}, {"seen_at", monday + 20}});
  CHECK(world.ask(monday + 19) == "[2,8]");
  CHECK(world.ask(monday + 20) == "[2]");
  world.server().restart();
  CHECK(world.ask(monday + 20) == "[2]");
  CHECK(world.ask(monday + 19) == "[2,8]");
}

TEST_CASE("a label of a member's row shows in the union when it is known") {
  World world("  fraud: {from: all, aggregate: count_if(fraud), window: 1d, offset: 1h}\n");
  world.pay(monday, 1.0, "x");
  world.transfer(monday, 1.0, 7);
  CHECK(world.ask(monday + 2 * hour) == "0");
  world.server().label(world.source("payments"), world.row("payments", {{"payment_id", std::string("x")}, {"fraud", std::int64_t{1}}}));
  CHECK(world.ask(monday + 2 * hour) == "0");            // that instant is answered
  CHECK(world.ask(monday + 2 * hour + 1) == "1");
}

TEST_CASE("a union knows its history from where it knows all of its members'") {
  StateOptions options;
  options.complete_from["transfers"] = monday;
  World world("  n: {from: all, aggregate: count(), window: 1h}\n", sources, options);
  world.pay(monday - 1, 1.0);
  CHECK(world.ask(monday + hour) == "0");
  CHECK(world.ask(monday + hour - 1) == "null");
}

TEST_CASE("a union looks back as far as it keeps, its members may keep more") {
  StateOptions options;
  options.grace = 0;
  std::string text = sources;
  text.replace(text.find("[payments, transfers]"), 21, "[payments, transfers], retention: 1h");
  World world(listed, text, options);
  world.pay(monday, 1.0);
  world.transfer(monday + 1, 2.0);
  CHECK(world.ask(monday + hour) == "[1,2]");
  CHECK(world.ask(monday + hour + 1) == "[2]");
  for (int d = 1; d <= 4; ++d) world.pay(monday + d * day, 3.0, "p" + std::to_string(d));   // the first rows leave their sources
  CHECK(world.ask(monday + 4 * day + 1) == "[3]");
  CHECK(world.ask(monday + 4 * day + hour + 1) == "null");
}
