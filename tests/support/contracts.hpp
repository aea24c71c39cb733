/// Small contracts for tests that say one thing each.
#pragma once

#include <featlib/contract/contract.hpp>

#include <string>
#include <string_view>

namespace featlib::testing {

/// Card transactions with a label that is known a day later; `features` is the YAML below `features:`.
inline std::string card_contract(std::string_view features, std::string_view retention = "3d") {
  return std::string(R"(featlib: 1
name: card
version: 1.0.0
owner: tests@example.com
entities:
  card: {key: card_id, type: string}
sources:
  transactions:
    entity: card
    event_time: {column: ts, unit: us}
    available_time: {column: seen_at, unit: us}
    sequence: seq
    dedup: txn_id
    retention: )") + std::string(retention) + R"(
    columns:
      txn_id: {type: string}
      amount: {type: float64}
      tag: {type: string}
      is_fraud: {type: bool, available_after: 1d}
request_of: transactions
request:
  amount: {type: float64}
  tag: {type: string}
features:
)" + std::string(features);
}

inline Contract parse(const std::string& text) { return Contract::parse(text, {}, "test.yaml").value(); }

}  // namespace featlib::testing
