/// Typed reads of a document's tree: what is not as expected becomes a failure with its place, and reading goes on.
#pragma once

#include <featlib/core/result.hpp>
#include <featlib/core/time.hpp>

#include "keys.hpp"
#include "yaml.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace featlib::contract {

using yaml::Node;
using yaml::Place;

/// What a duration may be: sums of a few stay far inside 64 bits.
constexpr Duration most_duration = 30'000'000 * day;

/// Names of featlib's own: no entity, source, column or feature may take them.
bool is_reserved(std::string_view name);

class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)) {}

 protected:
  void fail(ErrorCode code, Place place, std::string message, std::string help = {});
  /// Every failure, in the order of the file.
  Error failed();
  bool has_failed() const { return !failures_.empty(); }
  std::size_t failures() const { return failures_.size() + unlisted_; }
  const std::string& document() const { return name_; }

  /// A map whose required keys are there; unknown ones are reported and passed over.
  bool open(const Node& node, In in, std::string_view what = {});

  template <class Visit>
  void each(const Node& parent, std::string_view key, Visit&& visit) {
    const Node* node = parent.find(key);
    if (!node || node->kind == Node::Kind::null) return;
    if (node->kind != Node::Kind::map) {
      fail(ErrorCode::wrong_type, node->place, fmt::format("`{}` is no map of names", key), example(key));
      return;
    }
    for (const auto& [name, value] : node->members) visit(name, value);
  }

  bool is_scalar(const Node& node, std::string_view key, std::string_view expected);
  std::optional<std::string> text(const Node& map, std::string_view key);
  std::optional<bool> boolean(const Node& map, std::string_view key);
  static std::optional<double> to_number(const Node& node);
  std::optional<double> number(const Node& node, std::string_view key);
  std::optional<std::int64_t> integer(const Node& map, std::string_view key, std::int64_t least, std::int64_t most);
  std::optional<Duration> duration(const Node& map, std::string_view key);
  std::vector<std::string> texts(const Node& node, std::string_view key);
  /// A key's own place, for rules about what stands there.
  static Place place(const Node& map, std::string_view key);
  /// A position in the text of a scalar.
  static Place within(const Node& scalar, std::size_t offset);
  bool named(const Node& key, std::string_view what);
  std::string zone(const Node& map, std::string_view key, const std::string& otherwise);

 private:
  std::string name_;
  std::vector<Failure> failures_;
  std::size_t unlisted_ = 0;  // beyond most_failures
};

}  // namespace featlib::contract
