/// An array of a column's values that several columns may be at once: copies share it until one of them changes.
///
///     SharedArray<std::int64_t> times(rows);
///     std::ranges::copy(source, times.own());
///     SharedArray<std::int64_t> known = times;        // the same memory
///     known.own()[0] = 0;                             // its own from here on
#pragma once

#include <featlib/core/pages.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <type_traits>

namespace featlib {

template <class T>
class SharedArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  SharedArray() = default;
  /// Values are left as they come.
  explicit SharedArray(std::size_t size) : size_(size) { hold(size); }
  SharedArray(std::size_t size, T value) : SharedArray(size) { std::fill_n(data_, size, value); }
  /// Someone else's values, which `owner` keeps alive; they are never written.
  SharedArray(std::shared_ptr<const void> owner, const T* data, std::size_t size)
      : memory_(std::move(owner)), data_(const_cast<T*>(data)), size_(size), borrowed_(true) {}

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const T* data() const noexcept { return data_; }
  const T& operator[](std::size_t i) const noexcept { return data_[i]; }
  const T* begin() const noexcept { return data_; }
  const T* end() const noexcept { return data_ + size_; }

  /// For writing. Not to be asked for by several threads at once.
  T* own() {
    if (borrowed_ || memory_.use_count() > 1) *this = copied(size_);
    return data_;
  }
  void resize(std::size_t size, T fill = {}) {
    SharedArray grown = copied(size);
    if (size > size_) std::fill(grown.data_ + size_, grown.data_ + size, fill);
    *this = std::move(grown);
  }

  bool shares(const SharedArray& other) const noexcept { return data_ == other.data_ && size_ == other.size_; }
  /// The same memory under a type of the same size.
  template <class U>
  SharedArray<U> as() const noexcept {
    static_assert(std::is_same_v<std::make_unsigned_t<T>, std::make_unsigned_t<U>>);
    SharedArray<U> out;
    out.memory_ = memory_;
    out.data_ = reinterpret_cast<U*>(data_);
    out.size_ = size_;
    out.borrowed_ = borrowed_;
    return out;
  }

 private:
  template <class U>
  friend class SharedArray;

  void hold(std::size_t size) {
    auto memory = std::make_shared<PagedVector<T>>(size);
    data_ = memory->data();
    memory_ = std::move(memory);
    borrowed_ = false;
  }
  SharedArray copied(std::size_t size) const {
    SharedArray out(size);
    std::copy_n(data_, std::min(size, size_), out.data_);
    return out;
  }

  std::shared_ptr<const void> memory_;
  T* data_ = nullptr;
  std::size_t size_ = 0;
  bool borrowed_ = false;
};

}  // namespace featlib
