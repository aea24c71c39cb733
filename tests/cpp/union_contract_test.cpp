// Unions as a contract says them: what of their members they have, how long they keep it, and who is given rows.
#include <featlib/scorer.hpp>
#include <featlib/vector/replay.hpp>
#include <featlib/vector/state.hpp>

#include "support/contracts.hpp"
#include "support/tables.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

using namespace featlib;

namespace {

constexpr const char* members = R"(
  card_payments:
    entities: [card, shop]
    keys: {card: pan}
    event_time: {column: paid_at, unit: s}
    available_time: seen_at
    sequence: {card: seq}
    dedup: payment_id
    retention: 30d
    columns:
      payment_id: {type: string}
      amount: {type: decimal, scale: 2}
      fee: {type: float64}
      city: {type: string}
      is_fraud: {type: bool, available_after: 2d}
      disputed: {type: bool, available_at: settled_at}
      alerted: {type: bool, available_after: 1d}
  transfers:
    entities: [shop, card]
    event_time: booked_at
    dedup: transfer_no
    retention: 20d
    columns:
      transfer_no: {type: int64}
      city: {type: string}
      amount: {type: decimal, scale: 2}
      fee: {type: int64}
      is_fraud: {type: bool, available_after: 2d}
      disputed: {type: bool, available_at: settled_at}
      alerted: {type: bool}
  logins: {entity: device, event_time: at, retention: forever, columns: {city: {type: string}}}
  visits: {entity: device, event_time: at, retention: forever, columns: {city: {type: string}}}
)";

std::string contract_text(const std::string& unions, const std::string& features, const std::string& top = "") {
  return R"(featlib: 1
name: unions
version: 1.0.0
owner: tests@example.com
entities:
  card: {key: card_id, type: string}
  shop: {key: shop_id, type: int64}
  device: {key: device_id, type: string}
)" + top + "sources:\n" +
         unions + members + "features:\n" + features;
}

const std::string all_payments = "  all_payments: {union: [card_payments, transfers]}\n";
const std::string counted = "  n: {from: all_payments, by: card, aggregate: count(), window: 1d}\n";

Contract accepted(const std::string& unions = all_payments, const std::string& features = counted) { return testing::parse(contract_text(unions, features)); }

const Source& source(const Contract& contract, std::string_view name) { return contract.sources()[static_cast<std::size_t>(contract.find_source(name))]; }

/// The failure at the union (the first of the file), whatever it brings with it.
Failure refused(const std::string& unions, const std::string& features = counted, const std::string& top = "") {
  const auto result = Contract::parse(contract_text(unions, features, top), {}, "test.yaml");
  REQUIRE_FALSE(result);
  INFO(result.error().what());
  CHECK_FALSE(result.error().failures()[0].help.empty());
  return result.error().failures()[0];
}

}  // namespace

TEST_CASE("a union has the columns that all members declare alike") {
  const Contract contract = accepted();
  const Source& all = source(contract, "all_payments");
  std::vector<std::string> names;
  for (const int f : all.columns) names.push_back(all.fields[static_cast<std::size_t>(f)].name);
  CHECK(names == std::vector<std::string>{"amount", "city", "is_fraud", "disputed"});   // fee is of two types, alerted gated in one alone
  CHECK(all.fields[static_cast<std::size_t>(all.find_field("amount"))].scale == 2);
  CHECK(all.fields[static_cast<std::size_t>(all.find_field("is_fraud"))].available_after == 2 * day);
  CHECK(all.find_field("fee") == -1);
  CHECK(all.find_field("alerted") == -1);
  CHECK(all.find_field("settled_at") >= 0);
  CHECK(all.is_union());
  CHECK_FALSE(source(contract, "transfers").is_union());
}

TEST_CASE("each field of a union has its place in every member, whatever its name there") {
  const Contract contract = accepted();
  const Source &all = source(contract, "all_payments"), &cards = source(contract, "card_payments"), &transfers = source(contract, "transfers");
  REQUIRE(all.members.size() == 2);
  CHECK(all.members[0].source == contract.find_source("card_payments"));
  CHECK(all.members[1].source == contract.find_source("transfers"));
  for (const UnionMember& m : all.members) CHECK(m.fields.size() == all.fields.size());
  const auto in = [&](int member, int field) { return all.members[static_cast<std::size_t>(member)].fields[static_cast<std::size_t>(field)]; };

  const int city = all.find_field("city");
  CHECK(in(0, city) == cards.find_field("city"));
  CHECK(in(1, city) == transfers.find_field("city"));
  CHECK(in(0, all.event_time_field) == cards.event_time_field);
  CHECK(in(1, all.event_time_field) == transfers.event_time_field);
  CHECK(in(0, all.dedup_field) == cards.dedup_field);
  CHECK(in(1, all.dedup_field) == transfers.dedup_field);
  CHECK(all.fields[static_cast<std::size_t>(all.dedup_field)].any_key);   // text here, a number there

  REQUIRE(all.entities.size() == 2);
  for (std::size_t e = 0; e < 2; ++e)
    for (int member = 0; member < 2; ++member) {
      const Source& own = member == 0 ? cards : transfers;
      const SourceEntity& link = own.entities[static_cast<std::size_t>(all.members[static_cast<std::size_t>(member)].entities[e])];
      CHECK(link.entity == all.entities[e].entity);
      CHECK(in(member, all.entities[e].key_fields[0]) == link.key_fields[0]);
      if (all.entities[e].sequence_field >= 0) CHECK(in(member, all.entities[e].sequence_field) == link.sequence_field);
    }
  CHECK(contract.entities()[static_cast<std::size_t>(all.entities[0].entity)].name == "card");
  CHECK(all.entities[0].sequence_field >= 0);
  CHECK(in(1, all.entities[0].sequence_field) == -1);
  CHECK(all.entities[1].sequence_field == -1);
}

TEST_CASE("a key that members name alike can be read, another cannot be spelled") {
  CHECK(accepted(all_payments, "  n: {from: all_payments, by: card, aggregate: count_distinct(shop_id), window: 1d}\n").features().size() == 1);
  for (const std::string column : {"card_id", "pan", "paid_at", "payment_id", "fee"}) {
    CAPTURE(column);
    CHECK(refused(all_payments, "  n: {from: all_payments, by: card, aggregate: count_distinct(" + column + "), window: 1d}\n").code == ErrorCode::unknown_name);
  }
}

TEST_CASE("a union keeps what all its members keep, or less") {
  const auto kept = [](const std::string& spec) { return source(accepted("  all_payments: {" + spec + "}\n", counted), "all_payments").retention; };
  CHECK(kept("union: [card_payments, transfers]") == 20 * day);
  CHECK(kept("union: [transfers, card_payments], retention: 20d") == 20 * day);
  CHECK(kept("union: [card_payments, transfers], retention: 5d") == 5 * day);
  CHECK_FALSE(source(accepted("  all: {union: [logins, visits], retention: forever}\n", "  n: {from: all, aggregate: count(), window: 1d}\n"), "all").retention);
  CHECK(source(accepted("  all: {union: [logins, visits], retention: 9d}\n", "  n: {from: all, aggregate: count(), window: 1d}\n"), "all").retention == 9 * day);

  const Failure more = refused("  all_payments: {union: [card_payments, transfers], retention: 481h}\n");
  CHECK(more.code == ErrorCode::bad_value);
  CHECK(more.message == "union `all_payments` keeps 481h, its member `transfers` 20d (line 32)");
  CHECK(refused("  all_payments: {union: [card_payments, transfers], retention: forever}\n").code == ErrorCode::bad_value);
  CHECK(refused("  all_payments: {union: [card_payments, transfers], retention: 0s}\n").code == ErrorCode::bad_value);
  CHECK(refused(all_payments, "  n: {from: all_payments, by: card, aggregate: count(), window: 21d}\n").code == ErrorCode::window_exceeds_retention);
  CHECK(refused(all_payments, "  n: {from: all_payments, by: card, aggregate: mean(is_fraud), window: 1d, offset: 47h}\n").code == ErrorCode::label_too_young);
}

TEST_CASE("a union that is none is refused") {
  const auto check = [](const std::string& unions, ErrorCode code, const std::string& message) {
    const Failure failure = refused(unions);
    CHECK(failure.code == code);
    CHECK(failure.message == message);
    CHECK(failure.line == 10);
  };
  check("  all_payments: {union: [card_payments, transfer]}\n", ErrorCode::unknown_name, "union `all_payments` names `transfer`, which is no source");
  CHECK(refused("  all_payments: {union: [card_payments, transfer]}\n").help == "did you mean `transfers`?");
  check("  all_payments: {union: [card_payments]}\n", ErrorCode::bad_value, "union `all_payments` has 1 member");
  check("  all_payments: {union: []}\n", ErrorCode::bad_value, "union `all_payments` has 0 member");
  check("  all_payments: {union: [transfers, transfers]}\n", ErrorCode::bad_value, "source `transfers` stands twice in union `all_payments`");
  check("  all_payments: {union: [card_payments, logins]}\n", ErrorCode::bad_value, "the members of union `all_payments` have no entity in common");
  check("  all_payments: {union: [transfers, more]}\n  more: {union: [card_payments, transfers]}\n", ErrorCode::bad_value, "union `all_payments` names `more`, which is a union");
  check("  all_payments: {union: [transfers, all_payments]}\n", ErrorCode::bad_value, "union `all_payments` names `all_payments`, which is a union");
  for (const std::string key : {"columns: {x: {type: bool}}", "entity: card", "event_time: at", "dedup: id", "sequence: seq", "delay: 1h"}) {
    const Failure failure = refused("  all_payments: {union: [card_payments, transfers], " + key + "}\n");
    CHECK(failure.code == ErrorCode::unknown_key);
    CHECK(failure.help == "one of union, retention, description");
  }
  const Failure request = refused(all_payments, counted, "request_of: all_payments\n");
  CHECK(request.code == ErrorCode::bad_value);
  CHECK(request.message == "`request_of` names `all_payments`, which is a union: a request becomes a row of one source");
}

TEST_CASE("a union's place in the file changes nothing, the order of its members does") {
  const Contract before = accepted();
  std::string text = contract_text("", counted);
  text.insert(text.find("features:"), all_payments);
  const Contract behind = testing::parse(text);
  const Contract turned = accepted("  all_payments: {union: [transfers, card_payments]}\n");
  CHECK(behind.sources()[0].name == "card_payments");
  CHECK(behind.fingerprint(FingerprintKind::semantic) == before.fingerprint(FingerprintKind::semantic));
  CHECK(turned.fingerprint(FingerprintKind::semantic) != before.fingerprint(FingerprintKind::semantic));
  CHECK(accepted("  all_payments: {union: [card_payments, transfers], retention: 10d}\n").fingerprint(FingerprintKind::semantic) != before.fingerprint(FingerprintKind::semantic));
  CHECK(accepted("  all_payments: {union: [card_payments, transfers], description: Payments}\n").fingerprint(FingerprintKind::policy) == before.fingerprint(FingerprintKind::policy));
}

TEST_CASE("the resolved form of a union parses back") {
  const Contract contract = accepted("  all_payments: {union: [transfers, card_payments], description: Payments}\n");
  const Contract again = testing::parse(contract.resolved_json());
  for (const auto kind : {FingerprintKind::semantic, FingerprintKind::policy, FingerprintKind::document}) CHECK(again.fingerprint(kind) == contract.fingerprint(kind));
  const auto resolved = nlohmann::json::parse(contract.resolved_json())["sources"]["all_payments"];
  CHECK(resolved == nlohmann::json{{"union", {"transfers", "card_payments"}}, {"retention", "20d"}, {"description", "Payments"}});
}

TEST_CASE("the fingerprint of a feature of a union covers its members") {
  const auto of = [](const std::string& from, const std::string& to) {
    std::string text = contract_text(all_payments, counted);
    if (!from.empty()) text.replace(text.find(from), from.size(), to);
    return testing::parse(text).feature_fingerprint(0);
  };
  const std::string before = of("", "");
  CHECK(of("sequence: {card: seq}", "sequence: {card: number}") != before);
  CHECK(of("event_time: booked_at", "event_time: booked") != before);
  CHECK(of("sources:", "request_of: transfers\nsources:") != before);
  CHECK(of("logins: {entity: device, event_time: at", "logins: {entity: device, event_time: then") == before);
}

TEST_CASE("a description names the members of a union") {
  const std::string text = accepted().describe();
  CHECK(text.find("\nsource all_payments\n  union of    card_payments, transfers\n  retention   20d\n  entity      card, shop\n  amount      decimal(2)\n") != std::string::npos);
}

TEST_CASE("rows are given to members, never to a union") {
  const Contract contract = accepted();
  CHECK_FALSE(contract.refuses_rows("transfers"));
  const auto failure = contract.refuses_rows("all_payments");
  REQUIRE(failure);
  CHECK(failure->code == ErrorCode::unknown_source);
  CHECK(failure->help == "give card_payments, transfers");
  CHECK(contract.refuses_rows("nobody")->help == "it has card_payments, transfers, logins, visits");
}

TEST_CASE("a table of a union is refused, one that it lacks is not missed") {
  const Table none = testing::make_table("none", {});
  const auto read = [&](const std::map<std::string, Table>& tables, const ReplayOptions& options = {}) {
    const auto result = read_sources(accepted(), tables, options);
    REQUIRE_FALSE(result);
    std::vector<std::string> messages;
    for (const Failure& failure : result.error().failures())
      if (failure.path == "all_payments") messages.push_back(failure.message);
    return messages;
  };
  const std::vector<std::string> refused{"`all_payments` is a union: its rows are those of its members"};
  CHECK(read({{"all_payments", none}}) == refused);
  CHECK(read({}) == std::vector<std::string>{});
  ReplayOptions options;
  options.complete_from["all_payments"] = 0;
  CHECK(read({}, options) == refused);
}

TEST_CASE("the index of a union takes no rows, labels or corrections, and exports none") {
  const auto plan = std::make_shared<const Plan>(accepted());
  const int all = plan->contract().find_source("all_payments");
  State state(plan, {});
  const auto refuses = [&](auto&& give) {
    try {
      give();
    } catch (const Error& error) {
      return error.failures()[0].code == ErrorCode::unknown_source && error.failures()[0].help == "give card_payments, transfers";
    }
    return false;
  };
  CHECK(refuses([&] { state.observe(all, std::vector<Cell>(source(plan->contract(), "all_payments").fields.size())); }));
  CHECK(refuses([&] { state.observe_slots(all, {}); }));
  CHECK(refuses([&] { state.observe_label(all, {}); }));
  CHECK(refuses([&] { state.replace(all, {}); }));
  CHECK(refuses([&] { state.retract(all, {}); }));
  CHECK(refuses([&] { state.export_history(all, nullptr); }));

  Scorer scorer(Bundle::make(plan->contract(), std::nullopt).value());
  CHECK(refuses([&] { scorer.observe(all, {}); }));
  CHECK(refuses([&] { scorer.observe_label(all, {}, {}); }));
  CHECK(refuses([&] { scorer.replace(all, {}); }));
  CHECK(refuses([&] { scorer.retract(all, {}); }));
}

TEST_CASE("a state is told since when it knows the members, never a union or a source that is not there") {
  for (const auto* name : {"all_payments", "nobody"}) {
    StateOptions options;
    options.complete_from[name] = 0;
    CHECK_THROWS_AS(State(std::make_shared<const Plan>(accepted()), options), Error);
  }
  StateOptions options;
  options.complete_from["transfers"] = 0;
  CHECK_NOTHROW(State(std::make_shared<const Plan>(accepted()), options));
}
