// Whether two columns hold the same values, quickly where they are one.
#pragma once

#include <featlib/core/shared_array.hpp>

#include "parallel.hpp"

#include <atomic>
#include <cstring>

namespace featlib::replaying {

template <class T>
bool same_values(const T* a, const T* b, std::size_t n, int threads) {
  if (a == b) return true;
  std::atomic<bool> same = true;
  over_rows(threads, n, [&](int, std::size_t from, std::size_t to) {
    if (same && std::memcmp(a + from, b + from, (to - from) * sizeof(T)) != 0) same = false;
  });
  return same;
}

template <class T>
bool same_values(const SharedArray<T>& a, const SharedArray<T>& b, int threads) {
  return a.size() == b.size() && same_values(a.data(), b.data(), a.size(), threads);
}

}  // namespace featlib::replaying
