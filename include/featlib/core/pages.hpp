/// Memory for columns of millions of rows: large pages, never cleared twice.
///
///     PagedVector<double> column(rows);      // values are left as they come until they are written
///
/// A column in 4 KB pages costs a page fault every 512 values: 14 columns of 1.75 M rows took 60 ms to touch and to give
/// back, in 2 MB pages 8 ms (2 threads, Linux 6.18). Below a megabyte it is the ordinary heap.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace featlib {

namespace detail {
/// Throws std::bad_alloc. What is large is aligned to its pages, the rest as operator new aligns.
void* acquire_pages(std::size_t bytes);
void release_pages(void* memory, std::size_t bytes) noexcept;
}  // namespace detail

template <class T>
class PageAllocator {
 public:
  using value_type = T;
  using is_always_equal = std::true_type;

  PageAllocator() = default;
  template <class U>
  PageAllocator(const PageAllocator<U>&) noexcept {}

  T* allocate(std::size_t n) { return static_cast<T*>(detail::acquire_pages(n * sizeof(T))); }
  void deallocate(T* memory, std::size_t n) noexcept { detail::release_pages(memory, n * sizeof(T)); }

  /// Without a value nothing is written: whoever asks for rows fills them.
  template <class U>
  void construct(U* at) noexcept {
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... Args>
  void construct(U* at, Args&&... args) {
    ::new (static_cast<void*>(at)) U(std::forward<Args>(args)...);
  }

  bool operator==(const PageAllocator&) const = default;
};

template <class T>
using PagedVector = std::vector<T, PageAllocator<T>>;

}  // namespace featlib
