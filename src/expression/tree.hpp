// An expression as a tree, before and after bind().
#pragma once

#include <featlib/contract/expression.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace featlib {

struct Expression::Tree {
  enum class Op : std::uint8_t {
    literal,
    input,
    add,
    subtract,
    multiply,
    divide,
    remainder,
    negate,
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    logical_and,
    logical_or,
    logical_not,
    is_null,
    in,
    between,
    case_when,
    coalesce,
    minimum,
    maximum,
    clip,
    absolute,
    square_root,
    exponential,
    logarithm,
    logarithm_1p,
    power,
    floor,
    ceil,
    round,
    sine,
    cosine,
    arcsine,
    distance_km,
    zscore,
    year,
    month,
    day,
    hour,
    minute,
    second,
    weekday,
    day_of_year,
  };

  struct Node {
    Op op = Op::literal;
    int offset = 0;
    int depth = 1;
    int first = 0, count = 0;  ///< children[first, first + count)
    int index = 0;             ///< input: into inputs; literal of text: into texts
    Cell value;                ///< literal but text
    bool text = false;
    bool has_else = false;     ///< case_when
    std::optional<Type> type;  ///< after bind; nothing is the literal null, which fits any type
  };

  std::vector<Node> nodes;
  std::vector<int> children;
  std::vector<std::string> texts;
  std::vector<ExpressionInput> inputs;
  int root = 0;
  std::optional<TimeZone> zone;  ///< bound

  const Node& child(const Node& node, int i) const {
    return nodes[static_cast<std::size_t>(children[static_cast<std::size_t>(node.first + i)])];
  }
  int child_index(const Node& node, int i) const { return children[static_cast<std::size_t>(node.first + i)]; }
  const Node& root_node() const { return nodes[static_cast<std::size_t>(root)]; }
  std::string_view text_of(const Node& node) const { return texts[static_cast<std::size_t>(node.index)]; }

  std::string write(const Node& node, int strength) const;
};

}  // namespace featlib
