// What is kept of the values of a sliding window: one value comes or leaves at a time, in whatever order.
#pragma once

#include <featlib/window/decay.hpp>
#include <featlib/window/moments.hpp>

#include "window/fold/visit.hpp"
#include "window/sliding/frequencies.hpp"
#include "window/sliding/ranked_values.hpp"

#include <optional>

namespace featlib {

/// What the aggregates of some windows over the same values need of them.
struct ContentsNeeded {
  bool ranked = false;
  bool counted = false;
  Frequencies::Kept frequencies;
  bool trend = false;
  std::vector<Duration> half_lives;

  void add(const Aggregate& a);
};

/// Values of one type. Adding and removing commute, and undo each other.
class Contents {
 public:
  Contents(const ContentsNeeded& needed, Type type, const TextPool& pool);

  void add(std::uint64_t value, Instant at) { put(value, at, false); }
  void remove(std::uint64_t value, Instant at) { put(value, at, true); }
  std::uint64_t count() const noexcept { return count_; }

  /// What fold() would make of the window if it held these.
  window::Folded value(const window::Window& w) const;

 private:
  void put(std::uint64_t value, Instant at, bool removed);

  bool real_;
  std::uint64_t count_ = 0;
  std::optional<RankedValues> ranked_;
  std::optional<Frequencies> frequencies_;
  std::optional<TrendSums> trend_;
  std::vector<std::pair<Duration, DecaySums>> decays_;
};

}  // namespace featlib
