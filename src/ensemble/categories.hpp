/// Sets of category codes, packed.
#pragma once

#include "ensemble/city.hpp"
#include "ensemble/model.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace featlib::detail {

/// A bitset where that is small, else the sorted codes (one rare code among 2^24 is 4 bytes, not 2 MB).
class CategorySets {
 public:
  /// `codes` ascend and are not negative, or are one hash. Returns the set's index.
  std::uint32_t add(const std::vector<std::int32_t>& codes, Split split) {
    const std::size_t words = codes.empty() || split == Split::not_in_hashed ? ~std::size_t{0} : static_cast<std::size_t>(codes.back()) / 32 + 1;
    Set set{static_cast<std::uint32_t>(words_.size()), 0, words <= 2 * codes.size() + 16, split};
    if (set.bits) {
      words_.resize(words_.size() + words);
      for (const std::int32_t code : codes) words_[set.begin + static_cast<std::size_t>(code) / 32] |= 1u << (code % 32);
    } else {
      words_.insert(words_.end(), codes.begin(), codes.end());
    }
    set.size = static_cast<std::uint32_t>(words_.size() - set.begin);
    sets_.push_back(set);
    return static_cast<std::uint32_t>(sets_.size() - 1);
  }

  /// Whether x, cut to an integer, is in the set. For XGBoost numbers below 0 and from 2^24 on are in none
  /// (src/common/categorical.h:50); LightGBM cuts first (include/LightGBM/tree.h:374), so -0.5 is 0; scikit-learn looks for
  /// the very number (sklearn/utils/_encode.py:338). NaN is the caller's business.
  template <class X>
  bool contains(std::uint32_t index, X x) const noexcept {
    const Set& set = sets_[index];
    if (set.split == Split::not_in_hashed) {
      if (!(x > X{-9007199254740992} && x < X{9007199254740992})) return false;
      const auto code = static_cast<std::int64_t>(x);
      return static_cast<X>(code) == x && City::of(code) == words_[set.begin];
    }
    if (!(set.split == Split::not_in_category ? x >= X{0} && x < X{16777216} : x > X{-1} && x < X{2147483648})) return false;
    const auto code = static_cast<std::uint32_t>(static_cast<std::int32_t>(x));
    if (set.split >= Split::equals_none && static_cast<X>(code) != x) return false;
    const std::uint32_t* words = words_.data() + set.begin;
    if (!set.bits) return std::binary_search(words, words + set.size, code);
    return code / 32 < set.size && (words[code / 32] >> (code % 32) & 1u) != 0;
  }

  std::size_t size() const noexcept { return sets_.size(); }
  std::size_t words() const noexcept { return words_.size(); }

 private:
  struct Set {
    std::uint32_t begin, size;  // in words_
    bool bits;
    Split split;  // whose way of reading codes
  };
  std::vector<Set> sets_;
  std::vector<std::uint32_t> words_;
};

}  // namespace featlib::detail
