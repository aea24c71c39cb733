/// A YAML (or JSON) document as a tree of texts with places: what the contract's schema then types.
#pragma once

#include <featlib/core/result.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace featlib::yaml {

/// 1-based, as editors count.
struct Place {
  int line = 0, column = 0;
};

struct Node {
  enum class Kind { null, scalar, sequence, map } kind = Kind::null;
  std::string text;                                  ///< scalar
  bool quoted = false;                               ///< scalar in quotes: "5" is text, 5 may be a number
  std::vector<Node> items;                           ///< sequence
  struct Member;
  std::vector<Member> members;                       ///< map; keys are scalars, each once
  Place place;

  const Node* find(std::string_view key) const;
};
/// Not a std::pair, which Clang 14 wants complete inside Node.
struct Node::Member {
  Node key, value;
};

/// Reads one document. Anchors, aliases and merge keys (`<<`) are resolved; size, depth and growth by aliases are bounded.
/// Failures are invalid-yaml with their place.
Result<Node> parse(std::string_view text, const std::string& name);

}  // namespace featlib::yaml
