/// The policy: which score means approve, review or block, for whom, and which rules decide without the score.
///
///     auto policy = featlib::Policy::load("card_checkout.yaml").value();
///     auto bound = policy.bind(contract).value();               // names, types, and that every decision finds its thresholds
///     featlib::Ruling ruling = bound.decide(0.83, cells);       // one Cell for each of bound.inputs()
///
/// A ruling depends on the policy, the score and the cells alone: no clock, no randomness, no state. docs/decision.md has the file.
#pragma once

#include <featlib/contract/contract.hpp>
#include <featlib/core/result.hpp>
#include <featlib/core/value.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace featlib {

/// What is done with a request. `none`: nothing was decided, for there is no policy.
enum class Outcome : std::uint8_t { none = 0, approve = 1, review = 2, block = 3 };
std::string_view to_string(Outcome outcome);

/// Why the outcome is what it is. Numbers are part of the record's format and never change.
enum class Mode : std::uint8_t {
  normal = 0,       ///< the score and its thresholds decided
  rule = 1,         ///< a rule decided
  no_model = 2,     ///< the bundle has no model: review
  no_score = 3,     ///< the model gave no score: review
  no_policy = 4,    ///< the bundle has no policy: outcome none
  bad_request = 5,  ///< the request could not be read: review
};
std::string_view to_string(Mode mode);

/// Which number the thresholds are compared with.
enum class ScoreKind : std::uint8_t { probability, margin };
std::string_view to_string(ScoreKind kind);

/// What decide() says and which lines of the policy said it.
struct Ruling {
  Outcome outcome = Outcome::none;
  Mode mode = Mode::no_policy;
  int segment = -1;   ///< index into Policy::segments(); -1 when a `before` rule decided or the score is missing
  int rule = -1;      ///< index into Policy::rules(); -1 when none matched
  bool operator==(const Ruling&) const = default;
};

/// Thresholds for the requests that match. score >= block: block; else score >= review: review; else approve.
struct Segment {
  std::string when;   ///< canonical; empty: the default, always the last
  double review = 0;
  double block = 0;
};

/// An outcome for the requests that match, whatever the score.
struct Rule {
  std::string name;
  std::string when;   ///< canonical
  Outcome outcome = Outcome::review;
  bool before = true; ///< false: looked at when the thresholds have spoken
};

/// Immutable, a pointer to copy, safe to call from many threads at once.
class Policy {
 public:
  /// Codes: policy-invalid, policy-unreachable; load also io-failed. `name` stands for the file in messages.
  static Result<Policy> load(const std::filesystem::path& path);
  static Result<Policy> parse(std::string_view text, std::string name = "<text>");

  /// Resolves names against a contract's request fields and features and types every condition. The result can decide.
  Result<Policy> bind(const Contract& contract) const;

  const std::string& name() const noexcept;
  const std::string& version() const noexcept;
  ScoreKind score() const noexcept;
  const std::vector<Segment>& segments() const noexcept;
  /// `before` rules in order, then `after` rules in order.
  const std::vector<Rule>& rules() const noexcept;

  bool bound() const noexcept;
  /// Bound: what decide() reads, in order. Indices are into the contract that bind() was given.
  const std::vector<FeatureInput>& inputs() const noexcept;

  /// The ruling on one request. Only after bind().
  ///
  /// Inputs: one Cell for each of inputs(), as expressions read them: decimals as float64 in their unit, categories of the request as
  ///         text, a feature's fallback as null unless with_fallback.
  /// Order:  the first matching `before` rule; else the thresholds of the first matching segment; then the first matching `after`
  ///         rule overrides. A condition that is null does not match.
  /// Missing: a NaN score is no score. Without a matching rule the outcome is review, mode no_score.
  Ruling decide(double score, std::span<const Cell> inputs) const noexcept;

  /// SHA-256 of the canonical form, 64 hex digits: equal for files that differ in layout, comments or spelling of conditions.
  const std::string& fingerprint() const noexcept;
  /// The file as given, for bundles.
  const std::string& text() const noexcept;

  struct Data;   // defined in src/policy.cpp

 private:
  explicit Policy(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  std::shared_ptr<const Data> data_;
};

}  // namespace featlib
