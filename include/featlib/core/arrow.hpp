/// The Arrow C data and C stream interfaces: the one table format that crosses our border.
///
/// The two structs are the ABI of https://arrow.apache.org/docs/format/CDataInterface.html, copied as that page asks;
/// the owners below make them move-only values.
#pragma once

#include <cstdint>
#include <utility>

extern "C" {
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};
#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE
struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream*, struct ArrowSchema* out);
  int (*get_next)(struct ArrowArrayStream*, struct ArrowArray* out);
  const char* (*get_last_error)(struct ArrowArrayStream*);
  void (*release)(struct ArrowArrayStream*);
  void* private_data;
};
#endif
}

namespace featlib {

/// Owns one of the C structs: released exactly once, moved and never copied.
template <class C>
class ArrowOwner {
 public:
  ArrowOwner() = default;
  explicit ArrowOwner(C* take) : value_(*take) { take->release = nullptr; }
  ArrowOwner(ArrowOwner&& other) noexcept : value_(std::exchange(other.value_, C{})) {}
  ArrowOwner& operator=(ArrowOwner&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~ArrowOwner() {
    if (value_.release) value_.release(&value_);
  }

  C* get() noexcept { return &value_; }
  const C* get() const noexcept { return &value_; }
  const C* operator->() const noexcept { return &value_; }

  /// Hands the struct over; this owner is empty afterwards.
  void move_to(C* out) noexcept { *out = std::exchange(value_, C{}); }

 private:
  C value_{};
};

}  // namespace featlib
