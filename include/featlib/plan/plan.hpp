/// The plan: a contract as flat steps. Which timelines exist, which features read them, where a request's own row comes from.
#pragma once

#include <featlib/contract/contract.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace featlib {

/// The window of an aggregate as distances back from as_of. Features with equal spans share cursors.
/// A bucket is tail - head wide and begins at a multiple of that from its origin; a session ends at its first gap, at the latest at the tail.
struct Span {
  std::optional<Duration> tail;       ///< offset + window; none: the retention
  Duration head = 0;                  ///< offset
  bool tail_closed = true;
  bool head_closed = false;
  std::optional<Bucket> bucket;
  Instant origin = 0;                 ///< bucket
  std::optional<Duration> gap;        ///< session
  bool operator==(const Span&) const = default;
};

/// One aggregate feature.
struct WindowStep {
  int feature = 0;
  const Aggregate* aggregate = nullptr;
  Span span;
  std::int64_t min_rows = 0;
  /// include_request: index into Contract::request() of each argument / where field.
  std::vector<int> argument_request;
  std::vector<int> where_request;
};

/// A source as one entity sees it, and the features that read it.
struct TimelineStep {
  int source = 0;
  int source_entity = 0;
  int entity = 0;
  bool is_request_source = false;     ///< this source is request_of
  int request_member = -1;            ///< of a union: the member that is request_of
  int request_sequence = -1;          ///< index into Contract::request() of the request's sequence on this entity
  std::vector<WindowStep> windows;
};

class Plan {
 public:
  explicit Plan(Contract contract);

  const Contract& contract() const noexcept { return contract_; }
  const std::vector<TimelineStep>& timelines() const noexcept { return timelines_; }
  /// Features that are no aggregates, in evaluation order.
  const std::vector<int>& derived() const noexcept { return derived_; }
  /// Index into Contract::request() of the request's dedup key, or -1.
  int request_key() const noexcept { return request_key_; }
  /// The code of a category value: -1 when unseen.
  std::int64_t code_of(int feature, std::string_view value) const;

 private:
  Contract contract_;
  std::vector<TimelineStep> timelines_;
  std::vector<int> derived_;
  int request_key_ = -1;
  std::vector<boost::unordered_flat_map<std::string_view, std::int64_t>> codes_;   // by feature; views into the contract
};

}  // namespace featlib
