/// Card transactions as sentences: a state of the small contract, fed and asked by tests that say one thing each.
#pragma once

#include "support/contracts.hpp"
#include "support/serving.hpp"

#include <catch2/catch.hpp>

namespace featlib::testing {

inline constexpr std::string_view plain = R"(  n: {from: transactions, aggregate: count(), window: 2d}
  total: {from: transactions, aggregate: sum(amount), window: 2d}
  last_tag: {from: transactions, aggregate: last(tag), window: 2d}
  fraud: {from: transactions, aggregate: sum(is_fraud), window: 1d, offset: 1d}
)";
enum Feature : std::size_t { n, total, last_tag, fraud };

/// A transaction; clocks in microseconds after monday.
struct Txn {
  const char* id = nullptr;
  Instant ts = 0;
  double amount = 1.0;
  std::optional<Instant> seen_at = std::nullopt;
  Value seq = null_value;
  Value is_fraud = null_value;
  const char* card = "c1";
  const char* tag = "food";
};

class World {
 public:
  explicit World(StateOptions options = {}, std::string_view features = plain, std::string_view retention = "3d")
      : server(parse(card_contract(features, retention)), std::move(options)) {}

  Values blank() const { return Values(server_source().fields.size()); }
  std::size_t at(std::string_view field) const { return static_cast<std::size_t>(server_source().find_field(field)); }

  Values row_of(const Txn& t) const {
    Values row = blank();
    row[at("ts")] = monday + t.ts;
    row[at("seen_at")] = monday + t.seen_at.value_or(t.ts);
    row[at("txn_id")] = t.id ? Value(std::string(t.id)) : null_value;
    row[at("card_id")] = t.card ? Value(std::string(t.card)) : null_value;
    row[at("amount")] = t.amount;
    row[at("tag")] = std::string(t.tag);
    row[at("seq")] = t.seq;
    row[at("is_fraud")] = t.is_fraud;
    return row;
  }
  Refusal observe(const Txn& t) { return server.observe(0, row_of(t)); }
  Refusal label(const char* id, Value value, std::optional<Instant> seen_at = std::nullopt, std::optional<Instant> ts = std::nullopt) {
    Values row = blank();
    row[at("txn_id")] = id ? Value(std::string(id)) : null_value;
    row[at("is_fraud")] = std::move(value);
    if (seen_at) row[at("seen_at")] = monday + *seen_at;
    if (ts) row[at("ts")] = monday + *ts;
    return server.label(0, row);
  }
  Refusal replace(const Txn& t, std::optional<Instant> known_at = std::nullopt) {
    Told told;
    if (known_at) told.known_at = monday + *known_at;
    return server.with_slots(0, row_of(t), [&](State& state, std::span<const Slot> slots) { return state.replace(0, slots, told); });
  }
  Refusal retract(const char* id, std::optional<Instant> known_at = std::nullopt) {
    Values row = blank();
    row[at("txn_id")] = id ? Value(std::string(id)) : null_value;
    Told told;
    if (known_at) told.known_at = monday + *known_at;
    return server.with_slots(0, row, [&](State& state, std::span<const Slot> slots) { return state.retract(0, slots[at("txn_id")], told); });
  }
  Ask ask(Instant as_of, const char* id = "none", const char* card = "c1", Value seq = null_value) const {
    const Contract& contract = server.contract();
    Ask out{monday + as_of, Values(contract.request().size())};
    const auto set = [&](std::string_view name, Value v) { out.request[static_cast<std::size_t>(contract.find_request(name))] = std::move(v); };
    set("card_id", card ? Value(std::string(card)) : null_value);
    set("txn_id", id ? Value(std::string(id)) : null_value);
    set("seq", std::move(seq));
    return out;
  }
  Answer decide(Instant as_of, const char* id = "none", const char* card = "c1", Value seq = null_value) { return server.decide(ask(as_of, id, card, std::move(seq))); }

  std::int64_t count(Instant as_of) { return static_cast<std::int64_t>(decide(as_of)[n].bits); }
  const SourceCounters& counters() { return server.state().counters(0); }
  /// known_at of the only row, after monday.
  Instant stamp() const {
    const Table table = server.exported(0);
    REQUIRE(table.rows() == 1);
    return table.view(0, table.find("known_at")).integer(0) - monday;
  }
  /// When the label of the only row is known.
  std::optional<Instant> label_stamp() const {
    const Table table = server.exported(0);
    REQUIRE(table.rows() == 1);
    const ColumnView view = table.view(0, table.find("is_fraud__known_at"));
    return view.is_null(0) ? std::nullopt : std::optional(view.integer(0) - monday);
  }

  Server server;

 private:
  const Source& server_source() const { return server.contract().sources()[0]; }
};

inline StateOptions graced(Duration grace, bool keep_history = false) {
  StateOptions options;
  options.grace = grace;
  options.keep_history = keep_history;
  return options;
}

inline std::int64_t refusals(World& world, Refusal why) {
  const auto found = world.counters().refused.find(why);
  return found == world.counters().refused.end() ? 0 : found->second;
}

}  // namespace featlib::testing
