/// The words of the contract's language, read back: types, bounds, aggregates; and the nearest one to what was written.
#pragma once

#include <featlib/contract/contract.hpp>

#include "keys.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace featlib::contract {

template <class T>
int index_of(const std::vector<T>& all, std::string_view name) {
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].name == name) return static_cast<int>(i);
  return -1;
}

template <class T>
std::string_view nearest_of(const std::vector<T>& all, std::string_view name) {
  std::vector<std::string_view> names;
  for (const T& one : all) names.push_back(one.name);
  return nearest(name, names);
}

/// The help of a failure about a name; empty when none is near.
std::string did_you_mean(std::string_view near);

std::optional<Type> parse_type(std::string_view text);
std::optional<Bounds> parse_bounds(std::string_view text);

struct AggregateName {
  std::string_view name;
  std::optional<AggregateKind> kind;                    ///< none: in the language, not in this version
};
std::span<const AggregateName> aggregate_names();

std::string_view trimmed(std::string_view text);

}  // namespace featlib::contract
