/// How often each value occurs: what distinct counts, modes, shares and entropy need.
///
///     ValueCounts merchants;
///     merchants.add(id);
///     merchants.distinct();
#pragma once

#include <featlib/window/aggregated.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <map>
#include <vector>

namespace featlib {

/// The entropy of n rows in nats, given how many values occur how often: with L(c) the correctly rounded ln c,
/// (n L(n) - sum of c L(c) over the values) / n, exactly in L, rounded once. Empty: null. One value only: 0.
Aggregated entropy_of(std::uint64_t rows, const std::map<std::uint64_t, std::uint64_t>& values_by_count);

/// Shape: the bits of one value a row; equal values have equal bits (rows hold no -0.0 and no NaN, texts are interned).
/// Laws:  empty is the identity of merge(), merge() is concatenation, remove() undoes add().
class ValueCounts {
 public:
  void add(std::uint64_t value) { ++counts_[value]; ++total_; }
  void remove(std::uint64_t value) {
    const auto found = counts_.find(value);
    if (--found->second == 0) counts_.erase(found);
    --total_;
  }
  void merge(const ValueCounts& other) {
    for (const auto& [value, count] : other.counts_) counts_[value] += count;
    total_ += other.total_;
  }

  std::uint64_t count() const noexcept { return total_; }
  std::uint64_t distinct() const noexcept { return counts_.size(); }
  std::uint64_t count_of(std::uint64_t value) const {
    const auto found = counts_.find(value);
    return found == counts_.end() ? 0 : found->second;
  }

  /// The k most frequent values, most frequent first; ties go to the smallest by `less`.
  template <class Less>
  std::vector<std::uint64_t> most_frequent(std::size_t k, Less&& less) const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> entries(counts_.begin(), counts_.end());
    k = std::min(k, entries.size());
    std::partial_sort(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(k), entries.end(),
                      [&](const auto& a, const auto& b) { return a.second != b.second ? a.second > b.second : less(a.first, b.first); });
    std::vector<std::uint64_t> out;
    for (std::size_t i = 0; i < k; ++i) out.push_back(entries[i].first);
    return out;
  }

  Aggregated entropy() const {
    std::map<std::uint64_t, std::uint64_t> values_by_count;
    for (const auto& entry : counts_) ++values_by_count[entry.second];
    return entropy_of(total_, values_by_count);
  }

 private:
  boost::unordered_flat_map<std::uint64_t, std::uint64_t> counts_;
  std::uint64_t total_ = 0;
};

}  // namespace featlib
