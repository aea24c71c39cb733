#include "keys.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace featlib::contract {
namespace {

constexpr Class semantic = Class::semantic, policy = Class::policy, document = Class::document;

constexpr auto table = std::to_array<Key>({
    {In::top, "featlib", Holds::integer, true, semantic},
    {In::top, "name", Holds::text, true, semantic},
    {In::top, "version", Holds::text, true, document},
    {In::top, "owner", Holds::text, true, document},
    {In::top, "description", Holds::text, false, document},
    {In::top, "tags", Holds::list, false, document},
    {In::top, "entities", Holds::map, false, semantic},
    {In::top, "sources", Holds::map, false, semantic},
    {In::top, "request_of", Holds::text, false, semantic},
    {In::top, "request", Holds::map, false, semantic},
    {In::top, "defaults", Holds::map, false, semantic},
    {In::top, "features", Holds::map, true, semantic},
    {In::top, "model", Holds::map, false, semantic},

    {In::entity, "key", Holds::any, true, semantic},
    {In::entity, "type", Holds::any, true, semantic},
    {In::entity, "description", Holds::text, false, document},

    {In::source, "entity", Holds::text, false, semantic},
    {In::source, "entities", Holds::list, false, semantic},
    {In::source, "keys", Holds::map, false, semantic},
    {In::source, "event_time", Holds::any, true, semantic},
    {In::source, "available_time", Holds::any, false, semantic},
    {In::source, "delay", Holds::duration, false, semantic},
    {In::source, "sequence", Holds::any, false, semantic},
    {In::source, "dedup", Holds::text, false, semantic},
    {In::source, "retention", Holds::duration, true, semantic},
    {In::source, "columns", Holds::map, false, semantic},
    {In::source, "union", Holds::any, false, semantic},
    {In::source, "description", Holds::text, false, document},

    {In::column, "type", Holds::text, true, semantic},
    {In::column, "scale", Holds::integer, false, semantic},
    {In::column, "unit", Holds::text, false, document},
    {In::column, "tz", Holds::text, false, semantic},
    {In::column, "floor", Holds::boolean, false, semantic},
    {In::column, "round", Holds::boolean, false, semantic},
    {In::column, "nan", Holds::text, false, semantic},
    {In::column, "any_year", Holds::boolean, false, semantic},
    {In::column, "available_after", Holds::duration, false, semantic},
    {In::column, "available_at", Holds::text, false, semantic},
    {In::column, "description", Holds::text, false, document},

    {In::time_column, "column", Holds::text, true, semantic},
    {In::time_column, "unit", Holds::text, false, semantic},
    {In::time_column, "tz", Holds::text, false, semantic},
    {In::time_column, "floor", Holds::boolean, false, semantic},
    {In::time_column, "any_year", Holds::boolean, false, semantic},

    {In::feature, "description", Holds::text, false, document},
    {In::feature, "owner", Holds::text, false, document},
    {In::feature, "tags", Holds::list, false, document},
    {In::feature, "from", Holds::text, false, semantic},
    {In::feature, "by", Holds::text, false, semantic},
    {In::feature, "aggregate", Holds::text, false, semantic},
    {In::feature, "where", Holds::text, false, semantic},
    {In::feature, "window", Holds::duration, false, semantic},
    {In::feature, "offset", Holds::duration, false, semantic},
    {In::feature, "bounds", Holds::text, false, semantic},
    {In::feature, "last", Holds::integer, false, semantic},
    {In::feature, "lifetime", Holds::boolean, false, semantic},
    {In::feature, "bucket", Holds::text, false, semantic},
    {In::feature, "origin", Holds::any, false, semantic},
    {In::feature, "gap", Holds::duration, false, semantic},
    {In::feature, "max_length", Holds::duration, false, semantic},
    {In::feature, "max_age", Holds::duration, false, semantic},
    {In::feature, "include_request", Holds::boolean, false, semantic},
    {In::feature, "nulls", Holds::text, false, semantic},
    {In::feature, "ddof", Holds::integer, false, semantic},
    {In::feature, "min_rows", Holds::integer, false, semantic},
    {In::feature, "fallback", Holds::any, false, semantic},
    {In::feature, "model_missing", Holds::number, false, semantic},
    {In::feature, "expr", Holds::text, false, semantic},
    {In::feature, "type", Holds::text, false, semantic},
    {In::feature, "vocabulary", Holds::any, false, semantic},
    {In::feature, "tz", Holds::text, false, semantic},
    {In::feature, "range", Holds::list, false, policy},
    {In::feature, "unit", Holds::text, false, document},
    {In::feature, "reason", Holds::text, false, document},
    {In::feature, "checks", Holds::map, false, policy},

    {In::defaults, "bounds", Holds::text, false, semantic},
    {In::defaults, "min_rows", Holds::integer, false, semantic},
    {In::defaults, "model_missing", Holds::number, false, semantic},
    {In::defaults, "nan", Holds::text, false, semantic},
    {In::defaults, "tz", Holds::text, false, semantic},

    {In::model, "inputs", Holds::list, true, semantic},

    {In::checks, "psi", Holds::number, false, policy},
    {In::checks, "null_rate", Holds::number, false, policy},
    {In::checks, "distribution_match", Holds::number, false, policy},
    {In::checks, "coverage_rows", Holds::number, false, policy},
    {In::checks, "coverage_values", Holds::number, false, policy},
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

const Key* find_key(In in, std::string_view name) {
  for (const Key& key : table)
    if (key.in == in && key.name == name) return &key;
  return nullptr;
}

std::string_view to_string(In in) {
  constexpr std::string_view names[] = {"the contract", "an entity", "a source", "a column", "a feature", "defaults", "model", "checks", "a time column"};
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
