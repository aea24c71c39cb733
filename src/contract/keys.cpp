#include "keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace featlib::contract {
namespace {

constexpr Class semantic = Class::semantic, policy = Class::policy, document = Class::document;

constexpr auto table = std::to_array<Key>({
    {In::top, "featlib", Holds::integer, true, semantic, "1"},
    {In::top, "name", Holds::text, true, semantic, "card_risk"},
    {In::top, "version", Holds::text, true, document, "1.0.0"},
    {In::top, "owner", Holds::text, true, document, "team-risk@example.com"},
    {In::top, "description", Holds::text, false, document, "Features of card payments."},
    {In::top, "tags", Holds::list, false, document, "[fraud, cards]"},
    {In::top, "entities", Holds::map, false, semantic, "{card: {key: card_id, type: string}}"},
    {In::top, "sources", Holds::map, false, semantic, "{payments: {entity: card, event_time: paid_at, retention: 30d}}"},
    {In::top, "request_of", Holds::text, false, semantic, "payments"},
    {In::top, "request", Holds::map, false, semantic, "{amount: {type: decimal, scale: 2}}"},
    {In::top, "defaults", Holds::map, false, semantic, "{bounds: \"(]\"}"},
    {In::top, "features", Holds::map, true, semantic, "{payments_7d: {from: payments, aggregate: count(), window: 7d}}"},
    {In::top, "model", Holds::map, false, semantic, "{inputs: [payments_7d]}"},

    {In::entity, "key", Holds::any, true, semantic, "card_id"},
    {In::entity, "type", Holds::any, true, semantic, "string"},
    {In::entity, "description", Holds::text, false, document, "A payment card."},

    {In::source, "entity", Holds::text, false, semantic, "card"},
    {In::source, "entities", Holds::list, false, semantic, "[card, terminal]"},
    {In::source, "keys", Holds::map, false, semantic, "{card: pan}"},
    {In::source, "event_time", Holds::any, true, semantic, "paid_at"},
    {In::source, "available_time", Holds::any, false, semantic, "ingested_at"},
    {In::source, "delay", Holds::duration, false, semantic, "1h"},
    {In::source, "sequence", Holds::any, false, semantic, "seq"},
    {In::source, "dedup", Holds::text, false, semantic, "payment_id"},
    {In::source, "retention", Holds::duration, true, semantic, "30d"},
    {In::source, "columns", Holds::map, false, semantic, "{amount: {type: decimal, scale: 2}}"},
    {In::source, "description", Holds::text, false, document, "Posted payments."},

    {In::union_source, "union", Holds::list, true, semantic, "[card_payments, transfers]"},
    {In::union_source, "retention", Holds::duration, false, semantic, "30d"},
    {In::union_source, "description", Holds::text, false, document, "Payments of every kind."},

    {In::column, "type", Holds::text, true, semantic, "decimal"},
    {In::column, "scale", Holds::integer, false, semantic, "2"},
    {In::column, "unit", Holds::text, false, document, "EUR"},
    {In::column, "tz", Holds::text, false, semantic, "Europe/Berlin"},
    {In::column, "floor", Holds::boolean, false, semantic, "true"},
    {In::column, "round", Holds::boolean, false, semantic, "true"},
    {In::column, "nan", Holds::text, false, semantic, "reject"},
    {In::column, "any_year", Holds::boolean, false, semantic, "true"},
    {In::column, "available_after", Holds::duration, false, semantic, "7d"},
    {In::column, "available_at", Holds::text, false, semantic, "labelled_at"},
    {In::column, "description", Holds::text, false, document, "Amount in the currency of the card."},

    {In::time_column, "column", Holds::text, true, semantic, "paid_at"},
    {In::time_column, "unit", Holds::text, false, semantic, "s"},
    {In::time_column, "tz", Holds::text, false, semantic, "Europe/Berlin"},
    {In::time_column, "floor", Holds::boolean, false, semantic, "true"},
    {In::time_column, "any_year", Holds::boolean, false, semantic, "true"},

    {In::feature, "description", Holds::text, false, document, "Mean payment of the last seven days."},
    {In::feature, "owner", Holds::text, false, document, "team-risk@example.com"},
    {In::feature, "tags", Holds::list, false, document, "[spending]"},
    {In::feature, "from", Holds::text, false, semantic, "payments"},
    {In::feature, "by", Holds::text, false, semantic, "card"},
    {In::feature, "aggregate", Holds::text, false, semantic, "mean(amount)"},
    {In::feature, "where", Holds::text, false, semantic, "amount > 0"},
    {In::feature, "window", Holds::duration, false, semantic, "7d"},
    {In::feature, "offset", Holds::duration, false, semantic, "7d"},
    {In::feature, "bounds", Holds::text, false, semantic, "\"[)\""},
    {In::feature, "last", Holds::integer, false, semantic, "10"},
    {In::feature, "lifetime", Holds::boolean, false, semantic, "true"},
    {In::feature, "bucket", Holds::text, false, semantic, "complete"},
    {In::feature, "origin", Holds::any, false, semantic, "2024-01-01T00:00:00Z"},
    {In::feature, "gap", Holds::duration, false, semantic, "30m"},
    {In::feature, "max_length", Holds::duration, false, semantic, "4h"},
    {In::feature, "max_age", Holds::duration, false, semantic, "90d"},
    {In::feature, "include_request", Holds::boolean, false, semantic, "true"},
    {In::feature, "nulls", Holds::text, false, semantic, "keep"},
    {In::feature, "ddof", Holds::integer, false, semantic, "0"},
    {In::feature, "min_rows", Holds::integer, false, semantic, "3"},
    {In::feature, "fallback", Holds::any, false, semantic, "0.0"},
    {In::feature, "model_missing", Holds::number, false, semantic, "999"},
    {In::feature, "expr", Holds::text, false, semantic, "request.amount / mean_amount_7d"},
    {In::feature, "type", Holds::text, false, semantic, "category"},
    {In::feature, "vocabulary", Holds::any, false, semantic, "[DE, FR, other]"},
    {In::feature, "tz", Holds::text, false, semantic, "Europe/Berlin"},
    {In::feature, "range", Holds::list, false, policy, "[0, 100000]"},
    {In::feature, "unit", Holds::text, false, document, "EUR"},
    {In::feature, "reason", Holds::text, false, document, "Spends more than usual"},
    {In::feature, "checks", Holds::map, false, policy, "{psi: 0.2}"},

    {In::defaults, "bounds", Holds::text, false, semantic, "\"(]\""},
    {In::defaults, "min_rows", Holds::integer, false, semantic, "1"},
    {In::defaults, "model_missing", Holds::number, false, semantic, "-1"},
    {In::defaults, "nan", Holds::text, false, semantic, "reject"},
    {In::defaults, "tz", Holds::text, false, semantic, "Europe/Berlin"},

    {In::model, "inputs", Holds::list, true, semantic, "[payments_7d]"},

    {In::checks, "psi", Holds::number, false, policy, "0.2"},
    {In::checks, "null_rate", Holds::number, false, policy, "0.01"},
    {In::checks, "distribution_match", Holds::number, false, policy, "0.05"},
    {In::checks, "coverage_rows", Holds::number, false, policy, "0.95"},
    {In::checks, "coverage_values", Holds::number, false, policy, "0.8"},
});

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t up = row[j];
      row[j] = std::min({up + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = up;
    }
  }
  return row[b.size()];
}

}  // namespace

std::span<const Key> keys() { return table; }

std::string example(std::string_view name) {
  const Key* found = nullptr;
  for (const Key& key : table)
    if (key.name == name && (!found || found->holds == Holds::map)) found = &key;
  return found ? fmt::format("e.g. {}: {}", found->name, found->example) : std::string();
}

const Key* find_key(In in, std::string_view name) {
  for (const Key& key : table)
    if (key.in == in && key.name == name) return &key;
  return nullptr;
}

std::string_view to_string(In in) {
  constexpr std::string_view names[] = {"the contract", "an entity", "a source", "a column", "a feature", "defaults", "model", "checks", "a time column", "a union"};
  return names[static_cast<int>(in)];
}

std::string_view nearest(std::string_view name, std::span<const std::string_view> among) {
  if (name.size() > 100) return {};
  std::string_view best;
  std::size_t least = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string_view candidate : among)
    if (const std::size_t d = distance(name, candidate); d < least) {
      least = d;
      best = candidate;
    }
  return best;
}

}  // namespace featlib::contract
