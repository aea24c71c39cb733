/// The closed table of the contract's keys: what exists, where, what it may hold and which fingerprint it changes.
/// schema/contract.schema.json says the same for editors; a test holds the two together.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace featlib::contract {

enum class In { top, entity, source, column, feature, defaults, model, checks, time_column, union_source };
enum class Holds { text, boolean, integer, number, duration, list, map, any };
enum class Class { semantic, policy, document };

struct Key {
  In in;
  std::string_view name;
  Holds holds;
  bool required;
  Class fingerprint;
  std::string_view example;   ///< a value, as a file may spell it
};

std::span<const Key> keys();
const Key* find_key(In in, std::string_view name);
/// The help of a failure about what a key holds: `e.g. retention: 30d`; empty when there is no such key. Maps come last:
/// `entities` of a source is a list, only the contract's own is a map.
std::string example(std::string_view name);
std::string_view to_string(In in);

/// The name nearest to `name` among some, or empty when none is near.
std::string_view nearest(std::string_view name, std::span<const std::string_view> among);

}  // namespace featlib::contract
