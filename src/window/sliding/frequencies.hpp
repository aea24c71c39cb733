// How often each value of a sliding window occurs, and the values in the order of that.
#pragma once

#include <featlib/window/value_counts.hpp>

#include <functional>
#include <map>
#include <set>

namespace featlib {

/// ValueCounts whose most frequent values and entropy are kept up to date, where they are asked for.
class Frequencies {
 public:
  using Less = std::function<bool(std::uint64_t, std::uint64_t)>;
  struct Kept {
    bool order = false;                ///< most_frequent()
    bool entropy = false;
  };
  Frequencies(Kept kept, Less less) : kept_(kept), order_(MoreFrequent{std::move(less)}) {}

  void add(std::uint64_t value) {
    const std::uint64_t before = counts_.count_of(value);
    counts_.add(value);
    move(value, before, before + 1);
  }
  void remove(std::uint64_t value) {
    const std::uint64_t before = counts_.count_of(value);
    counts_.remove(value);
    move(value, before, before - 1);
  }

  const ValueCounts& counts() const noexcept { return counts_; }
  /// The k most frequent values, most frequent first; ties go to the smallest.
  std::vector<std::uint64_t> most_frequent(std::size_t k) const {
    std::vector<std::uint64_t> out;
    for (auto at = order_.begin(); at != order_.end() && out.size() < k; ++at) out.push_back(at->second);
    return out;
  }
  Aggregated entropy() const { return entropy_of(counts_.count(), values_by_count_); }

 private:
  void move(std::uint64_t value, std::uint64_t before, std::uint64_t after) {
    if (kept_.order) {
      if (before > 0) order_.erase({before, value});
      if (after > 0) order_.emplace(after, value);
    }
    if (kept_.entropy) {
      if (const auto at = values_by_count_.find(before); at != values_by_count_.end() && --at->second == 0) values_by_count_.erase(at);
      if (after > 0) ++values_by_count_[after];
    }
  }

  struct MoreFrequent {
    Less less;
    bool operator()(const std::pair<std::uint64_t, std::uint64_t>& a, const std::pair<std::uint64_t, std::uint64_t>& b) const {
      return a.first != b.first ? a.first > b.first : less(a.second, b.second);
    }
  };

  Kept kept_;
  ValueCounts counts_;
  std::set<std::pair<std::uint64_t, std::uint64_t>, MoreFrequent> order_;
  std::map<std::uint64_t, std::uint64_t> values_by_count_;
};

}  // namespace featlib
