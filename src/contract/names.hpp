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

template <class Named>
  requires requires(const Named& all) { all[0].name; }
std::string did_you_mean(std::string_view name, const Named& all) {
  std::vector<std::string_view> names;
  for (const auto& one : all) names.push_back(one.name);
  return did_you_mean(name, std::span<const std::string_view>(names));
}

std::optional<Type> parse_type(std::string_view text);
std::optional<Bounds> parse_bounds(std::string_view text);
std::optional<Bucket> parse_bucket(std::string_view text);
std::optional<Interpolation> parse_interpolation(std::string_view text);

/// A spelling of an aggregate. Two kinds have a second one: median(x) is quantile(x, 0.5), as_of(x) is last(x) with nulls kept.
struct AggregateName {
  std::string_view name;
  AggregateKind kind;
  std::size_t least, most;      ///< arguments
  std::string_view form;        ///< for people
};
std::span<const AggregateName> aggregate_names();

/// Divides by n - ddof, or corrects its bias with it.
bool has_ddof(AggregateKind kind);

/// "days" or "d"; the resolved form writes the first.
struct UnitName {
  std::string_view name, letter;
  Duration unit;
};
std::span<const UnitName> unit_names();

std::string_view trimmed(std::string_view text);

}  // namespace featlib::contract
