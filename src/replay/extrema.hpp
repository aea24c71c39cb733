// Least and greatest values of windows that end at the same row: one stack answers them all.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace featlib::replaying {

/// Of the values up to the newest, those that no later one beats; each is the extremum of every window that begins behind the
/// one before it. Random values leave about log(n) of them, rising ones all.
template <class T, class Better>
class ExtremumStack {
 public:
  using Value = T;
  static T better(T a, T b) noexcept { return Better()(a, b) ? a : b; }

  void clear() noexcept { size_ = 0; }

  void push(T value, std::uint32_t position) {
    while (size_ > 0 && !Better()(entries_[size_ - 1].value, value)) --size_;
    if (size_ == entries_.size()) entries_.resize(std::max<std::size_t>(16, 2 * size_));
    entries_[size_++] = {value, position};
  }

  /// The extremum of the window from `first` to the newest position; there is one.
  T from(std::uint32_t first) const noexcept {
    std::size_t at = size_ - 1;
    for (int near = 8; at > 0 && entries_[at - 1].position >= first; --at)
      if (near-- == 0) {
        const auto begin = entries_.begin();
        const auto found = std::partition_point(begin, begin + static_cast<std::ptrdiff_t>(at), [&](const Entry& e) { return e.position < first; });
        return found->value;
      }
    return entries_[at].value;
  }

 private:
  struct Entry {
    T value;
    std::uint32_t position;
  };
  std::vector<Entry> entries_;
  std::size_t size_ = 0;
};

template <class T>
using LeastStack = ExtremumStack<T, std::less<T>>;
template <class T>
using GreatestStack = ExtremumStack<T, std::greater<T>>;

}  // namespace featlib::replaying
