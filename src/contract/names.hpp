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

/// The help of a failure about a name: the nearest one, or what there is.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> among);

template <class T>
  requires requires(const T& one) { one.name; }
std::string did_you_mean(std::string_view name, const std::vector<T>& all) {
  std::vector<std::string_view> names;
  for (const T& one : all) names.push_back(one.name);
  return did_you_mean(name, std::span<const std::string_view>(names));
}

std::optional<Type> parse_type(std::string_view text);
std::optional<Bounds> parse_bounds(std::string_view text);

struct AggregateName {
  std::string_view name;
  std::optional<AggregateKind> kind;                    ///< none: in the language, not in this version
};
std::span<const AggregateName> aggregate_names();

std::string_view trimmed(std::string_view text);

}  // namespace featlib::contract
