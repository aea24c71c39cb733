// An expression on many rows, node by node instead of row by row: the same values, several times sooner.
//
// Only for rows where nothing is null, wrong or clipped, and no text is read or made: of any others Expression::evaluate
// says what they are.
#pragma once

#include "expression/tree.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace featlib::expressions {

class ColumnExpression {
 public:
  /// Rows of a call, at most.
  static constexpr std::size_t most_rows = 512;

  /// `expression` is bound, and outlives this.
  explicit ColumnExpression(const Expression& expression);

  /// Whether there are rows it can answer for.
  bool usable() const noexcept { return usable_; }

  /// One column an input of the expression, of its type: integers, or the bits of doubles. Nothing when some row is not ok;
  /// otherwise `rows` values of Expression::type(), valid until the next call.
  const std::uint64_t* evaluate(std::span<const std::uint64_t* const> inputs, std::size_t rows);

 private:
  using Tree = Expression::Tree;
  using Node = Tree::Node;
  using Column = std::array<std::uint64_t, most_rows>;

  bool compute(std::size_t node);
  bool compute_real(const Node& node, double* out);
  bool compute_whole(const Node& node, std::int64_t* out);
  bool compute_calendar(const Node& node, std::int64_t* out);
  template <class T>
  bool choose(const Node& node, T* out);
  template <class T>
  bool clip(const Node& node, T* out);

  bool is_real(const Node& node) const noexcept { return node.type == Type::float64; }
  const std::uint64_t* bits(const Node& node, int child) const noexcept { return values_[static_cast<std::size_t>(tree_.child_index(node, child))]; }
  /// A child's values as doubles: exact, or null where some integer is not.
  const double* reals(const Node& node, int child);
  /// The same as the node's own type.
  template <class T>
  const T* as(const Node& node, int child);

  const Tree& tree_;
  bool usable_ = true;
  std::size_t rows_ = 0;
  std::span<const std::uint64_t* const> inputs_;
  std::vector<const std::uint64_t*> values_;         ///< by node
  std::vector<std::unique_ptr<Column>> columns_;     ///< by node, those that need one
  std::vector<std::unique_ptr<Column>> converted_;   ///< by node: its integers as doubles
};

}  // namespace featlib::expressions
