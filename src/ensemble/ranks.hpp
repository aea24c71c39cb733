/// A row as bytes: every test of every tree becomes `bytes[column] > k`.
///
/// A feature's cuts are sorted and a value becomes its rank, the number of cuts at or below it; then `x >= cut[k]` is
/// `rank > k`, exactly. A byte holds 255 cuts, so a feature with more has several columns, each clamped to its share. A
/// missing value has no rank: it is below all cuts in the columns of nodes that send it left and above all in those that
/// send it right. A set of categories is a column of its own, 1 for the codes that go right.
#pragma once

#include "ensemble/aligned.hpp"
#include "ensemble/categories.hpp"
#include "ensemble/cuts.hpp"
#include "ensemble/model.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

namespace featlib::detail {

/// `bytes[column] > k` goes right.
struct ByteTest {
  std::uint32_t column = 0;
  std::uint8_t k = 255;  // no byte is above it: goes left

  bool operator==(const ByteTest&) const = default;
};

/// How many of `n` ascending cuts are at or below x: a bisection without branches. None for NaN.
template <class X>
std::uint32_t rank_of(const X* cuts, std::uint32_t n, X x) noexcept {
  if (n == 0) return 0;
  const X* from = cuts;
  for (std::uint32_t half; n > 1; n -= half) {
    half = n / 2;
    from += half & -static_cast<std::uint32_t>(from[half - 1] <= x);  // GCC makes a branch of `? :`, and it is never foreseen
  }
  return static_cast<std::uint32_t>(from - cuts) + (*from <= x);
}

template <class X>
struct Ranks {
  /// A feature of at most 255 cuts, all of them numbers and compared as they stand: one column for nodes that send missing
  /// values left and one for those that send them right. Where no node wants one of them it is `columns`, a byte that
  /// nobody reads.
  struct Plain {
    std::uint32_t feature, at, cuts;  // at: in `table`, as Ranks::sixteens lays cuts out
    std::uint32_t low, high;
    std::uint32_t heap, levels;  // in `heaps`; at least 4
  };
  /// Any other feature.
  struct Other {
    std::uint32_t feature, at, cuts;  // at: in `table`, as Ranks::sixteens lays them out up to 256, else just ascending
    std::uint32_t first, kinds;       // in `kinds`

    bool by_sixteens() const noexcept { return cuts <= 256; }
  };
  struct Kind {
    std::uint32_t column;
    std::uint32_t below = 0;  // cuts in earlier columns of this feature
    std::int32_t set = -1;    // categories: which set
    bool missing_right = false, in_set_right = false;
  };

  std::size_t features = 0, columns = 0;
  std::vector<Zeros> zeros;
  AlignedVector<X> table;  // each feature begins on a cache line
  /// The cuts of each plain feature once more, padded with NaN to 2^levels - 1, as a heap whose root is at 1: going from h to
  /// 2h + (cut <= x), level after level, ends at 2^levels + the rank.
  AlignedVector<X> heaps;
  std::vector<Plain> plain;
  std::vector<Other> other;
  std::vector<Kind> kinds;
  CategorySets sets;

  /// A row's bytes, `stride` apart; there is room for `columns` + 1. The definition that every kernel's own way equals.
  void row(const X* row, std::uint8_t* bytes, std::size_t stride) const noexcept;

  /// The value of a feature that is not plain, as its splits see it.
  X seen(const Other& f, const X* row) const noexcept {
    return cleaned(row[f.feature], zeros.empty() ? Zeros::kept : zeros[f.feature]);
  }

  /// The bytes of a feature that is not plain, from its value as `seen` and the rank of that.
  void put(const Other& f, X x, std::uint32_t rank, std::uint8_t* bytes, std::size_t stride) const noexcept {
    for (const Kind *kind = kinds.data() + f.first, *end = kind + f.kinds; kind != end; ++kind) {
      std::uint32_t byte;
      if (x != x)
        byte = kind->missing_right ? 255 : 0;
      else if (kind->set >= 0)
        byte = sets.contains(static_cast<std::uint32_t>(kind->set), x) == kind->in_set_right;
      else
        byte = rank <= kind->below ? 0 : rank - kind->below > 255 ? 255 : rank - kind->below;
      bytes[kind->column * stride] = static_cast<std::uint8_t>(byte);
    }
  }

  /// Up to 256 cuts in the table: sixteen pivots, each the last of sixteen cuts, then the cuts; what is left of
  /// either is NaN, which is at or below nothing. Counting pivots says which sixteen to count.
  static constexpr std::uint32_t sixteen = 16;
};

extern template struct Ranks<float>;
extern template struct Ranks<double>;

/// Gives columns to tests.
template <class X>
class RankBuilder {
 public:
  explicit RankBuilder(const TreeModel& model);  ///< gives every node its column; the model's trees are trees
  ByteTest test(const Tree& tree, const TreeNode& node);  ///< one of its nodes
  std::size_t columns() const noexcept { return columns_; }
  Ranks<X> finish() &&;

 private:
  struct Feature {
    std::vector<X> cuts;
    std::vector<std::int64_t> numeric;  // column of 2 * part + missing right, -1: nobody asked
    std::map<std::tuple<std::vector<std::int32_t>, Split, bool>, std::uint32_t> categorical;  // codes, how, missing right
  };

  const TreeModel& model_;
  std::map<std::uint32_t, Feature> features_;  // those that trees split on
  std::uint32_t columns_ = 0;
};

extern template class RankBuilder<float>;
extern template class RankBuilder<double>;

}  // namespace featlib::detail
