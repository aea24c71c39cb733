// Values in order that come and go, each with its rank: what a quantile of a sliding window needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace featlib {

/// A multiset of integers in sorted blocks; a tree of prefix sums (Fenwick) holds their sizes, so that ranks are found in them.
///
/// Cost: a search in the blocks' greatest values, and moving half a block at most; the k-th by a descent in the tree. All
///       O(log n) but for the move, which is bounded, and a new tree whenever a block splits, once in block/2 additions at most.
///
/// Source: the shape of sortedcontainers (Jenks), with Fenwick's tree (1994) as its index of positions.
class RankedValues {
 public:
  std::size_t size() const noexcept { return size_; }
  void clear() noexcept;
  void add(std::int64_t value);
  /// One of the equal ones; it must be there.
  void remove(std::int64_t value);
  /// The value with `rank` others before it, rank < size().
  std::int64_t at(std::size_t rank) const noexcept;

 private:
  static constexpr std::size_t most = 256;             // values a block, 2 kB
  std::size_t block_of(std::int64_t value) const noexcept;
  void count(std::size_t block, std::int64_t by) noexcept;
  void index();

  std::vector<std::vector<std::int64_t>> blocks_;      // none is empty
  std::vector<std::int64_t> greatest_;                 // by block
  std::vector<std::int64_t> sizes_;                    // Fenwick's tree of the blocks' sizes, from 1 on
  std::size_t size_ = 0;
};

}  // namespace featlib
