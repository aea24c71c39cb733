/// Oblivious trees, as CatBoost grows them: all nodes of a level are one test, so the results of the tests are the bits of a
/// leaf's number, and there is nothing to pick.
#pragma once

#include "ensemble/aligned.hpp"
#include "ensemble/ranks.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace featlib::detail {

/// S: what leaves are added in.
template <class S>
struct Tables {
  std::uint32_t levels = 0;               // of the deepest tree; shallower ones begin with tests that no row passes
  std::vector<std::uint16_t> column;      // `levels` a tree, the first test is the highest bit
  std::vector<std::uint8_t> k;
  std::vector<std::size_t> first;         // of its leaves, a tree
  AlignedVector<S> leaves;

  std::size_t size() const noexcept { return first.size(); }
  std::span<const S> leaves_of(std::size_t tree) const noexcept {
    return std::span(leaves).subspan(first[tree], (tree + 1 < size() ? first[tree + 1] : leaves.size()) - first[tree]);
  }
};

inline constexpr std::uint32_t most_table_levels = 16;

/// Nothing unless every tree has its leaves at one depth, at most most_table_levels, and one test a level.
template <class X, class S>
std::optional<Tables<S>> make_tables(std::span<const Tree* const> trees, RankBuilder<X>& ranks);

}  // namespace featlib::detail
