/// One decision as it is kept: everything that was known and said at that moment, in at most 400 bytes for 25 features.
///
///     std::vector<std::byte> blob = featlib::encode(record);
///     featlib::Record again = featlib::decode_record(blob).value();
///
/// A record names its bundle by hash. The bundle names contract, model, policy and arithmetic by hash, so a record does not repeat them;
/// a log keeps them beside the bundle as Versions.
#pragma once

#include <featlib/core/result.hpp>
#include <featlib/core/time.hpp>
#include <featlib/core/value.hpp>
#include <featlib/decision/policy.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace featlib {

/// A cell that owns its text. Null; bool, int64, decimal, timestamp and category codes; float64; text.
using LoggedValue = std::variant<std::monostate, std::int64_t, double, std::string>;

/// A copy of a cell.
LoggedValue logged(const Cell& cell);
/// A cell that borrows from `value`.
Cell cell_of(const LoggedValue& value) noexcept;

/// A feature's value and why it is what it is.
struct LoggedFeature {
  LoggedValue value;
  Status status = status_of(Cause::null);
  bool operator==(const LoggedFeature&) const = default;
};

/// One decision.
struct Record {
  std::string request_id;
  Instant as_of = 0;
  Instant decided_at = 0;               ///< the scorer's clock when it answered
  std::string bundle;                   ///< Bundle::fingerprint(): 64 hex digits
  Outcome outcome = Outcome::none;
  Mode mode = Mode::no_policy;
  double score = std::numeric_limits<double>::quiet_NaN();    ///< NaN: none
  double margin = std::numeric_limits<double>::quiet_NaN();   ///< NaN: none
  int segment = -1;                     ///< as in Ruling
  int rule = -1;
  std::vector<LoggedValue> inputs;      ///< the request, in Contract::request() order
  std::vector<LoggedFeature> features;  ///< in Contract::features() order
};

/// What decided: the same for all decisions of one bundle.
struct Versions {
  std::string bundle;                   ///< Bundle::fingerprint()
  std::string model_version;
  std::string feature_schema_version;   ///< the contract's semantic fingerprint
  std::string policy_version;           ///< "card_checkout 1.3.0"; empty without policy
  std::string policy;                   ///< Policy::fingerprint(); empty without policy
  std::string arithmetic;               ///< arithmetic_digest()
  bool operator==(const Versions&) const = default;
};

/// The record's bytes (docs/formats.md). One record has one encoding. Throws bad-argument when `bundle` is not 64 lower-case hex digits
/// or a status byte has a bit the format does not have.
std::vector<std::byte> encode(const Record& record);

/// The record of those bytes; anything else is log-format. Never reads beyond them, whatever they hold.
Result<Record> decode_record(std::span<const std::byte> bytes);

}  // namespace featlib
