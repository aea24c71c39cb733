/// The decision log: an append-only store of records, and of every bundle that decided, once.
///
///     auto log = featlib::open_log("sqlite:decisions.db").value();
///     log->store_bundle(versions, bundle_bytes).value();
///     log->append(record).value();          // in memory until a batch is full
///     log->flush().value();                 // now a crash or a power cut loses nothing before this line
///
/// Safe to call from many threads at once. docs/log.md has the tables and what a crash may lose.
#pragma once

#include <featlib/core/result.hpp>
#include <featlib/core/time.hpp>
#include <featlib/log/record.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace featlib {

/// Which records iterate() visits: all conditions hold.
struct LogFilter {
  std::optional<std::string> request_id;
  Instant from = always;   ///< as_of >= from
  Instant until = never;   ///< as_of < until; `never` has no end
};

class DecisionLog {
 public:
  virtual ~DecisionLog() = default;

  /// Keeps a bundle's bytes under their SHA-256, which must be `versions.bundle`. Again with the same bytes: nothing happens.
  virtual Result<std::monostate> store_bundle(const Versions& versions, std::span<const std::byte> bytes) = 0;

  /// Adds a record. Its bundle must have been stored, so that every record can be replayed from the log alone.
  virtual Result<std::monostate> append(const Record& record) = 0;

  /// Returns when everything appended is on disk.
  virtual Result<std::monostate> flush() = 0;

  /// Visits records in the order they were appended, until `visit` says false. `visit` must not call the log.
  virtual Result<std::monostate> iterate(const LogFilter& filter, const std::function<bool(const Record&)>& visit) = 0;

  /// Bytes and versions of a bundle; log-failed when the log does not have it.
  virtual Result<std::vector<std::byte>> bundle_bytes(std::string_view bundle) = 0;
  virtual Result<Versions> versions(std::string_view bundle) = 0;

  /// Records, appended ones not yet flushed included.
  virtual Result<std::int64_t> count() = 0;
};

/// Opens or creates a log: "sqlite:PATH". Codes: bad-argument (a scheme this version does not have), log-failed, log-format.
Result<std::shared_ptr<DecisionLog>> open_log(std::string_view location);

}  // namespace featlib
