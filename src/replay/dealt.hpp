// Rows, or decisions, dealt to their entities: packed records of a few words, those of one entity together, in the order given.
//
// What a sweep over one entity reads then lies in one stream. Sorting row numbers instead and reading the columns through
// them costs a cache miss a column and row; dealing columns one by one costs a miss a column where a record costs one.
#pragma once

#include <featlib/core/pages.hpp>
#include <featlib/events/rows.hpp>

#include "parallel.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

namespace featlib::replaying {

/// A column of 8-byte slots; `held` is null where every row holds a value.
struct ColumnRef {
  const std::uint64_t* bits = nullptr;
  const Held* held = nullptr;

  bool is_null(std::size_t row) const noexcept { return held && held[row] == Held::nothing; }
  bool operator==(const ColumnRef&) const = default;
};

/// A record: its time; the row in the table, below a mask of those columns that are null; the columns.
class Dealt {
 public:
  static constexpr std::size_t head_words = 2;
  static constexpr std::size_t most_columns = 32;          ///< bits of the mask
  static constexpr std::uint32_t left_out = ~std::uint32_t{0};

  /// `group_of(row)` is 0 .. groups - 1, or left_out.
  template <class GroupOf>
  Dealt(std::size_t rows, std::size_t groups, const Instant* times, std::vector<ColumnRef> columns, int threads, GroupOf&& group_of)
      : width_(head_words + columns.size()), start_(groups + 1) {
    const Share share(rows, groups, threads);
    std::vector<std::vector<std::uint32_t>> places(share.parts, std::vector<std::uint32_t>(groups));
    in_parallel(threads, share.parts, [&](int, std::size_t part) {
      auto& count = places[part];
      for (std::size_t row = share.begin(part), end = share.begin(part + 1); row < end; ++row)
        if (const std::uint32_t group = group_of(row); group != left_out) ++count[group];
    });
    std::uint32_t at = 0;
    for (std::size_t group = 0; group < groups; ++group) {
      start_[group] = at;
      for (auto& part : places) at += std::exchange(part[group], at);
    }
    start_[groups] = at;
    words_.resize(at * width_);
    in_parallel(threads, share.parts, [&](int, std::size_t part) {
      std::array<std::uint32_t, block> to, from;
      for (std::size_t row = share.begin(part), end = share.begin(part + 1); row < end;) {
        std::size_t n = 0;
        for (; row < end && n < block; ++row)
          if (const std::uint32_t group = group_of(row); group != left_out) {
            from[n] = static_cast<std::uint32_t>(row);
            to[n++] = places[part][group]++;
          }
        write({from.data(), n}, to.data(), times, columns);
      }
    });
  }

  std::size_t groups() const noexcept { return start_.size() - 1; }
  std::size_t width() const noexcept { return width_; }
  std::size_t size() const noexcept { return start_.back(); }
  std::size_t begin(std::size_t group) const noexcept { return start_[group]; }
  std::size_t size(std::size_t group) const noexcept { return start_[group + 1] - start_[group]; }

  /// The records of a group, `width()` words each.
  const std::uint64_t* records(std::size_t group) const noexcept { return words_.data() + start_[group] * width_; }

 private:
  static constexpr std::size_t block = 512;

  /// The table in a part a thread, fewer where counting for all groups would cost more than it saves.
  struct Share {
    Share(std::size_t rows, std::size_t groups, int threads)
        : rows(rows), parts(std::clamp<std::size_t>(rows / (groups + block), 1, static_cast<std::size_t>(threads))) {}
    std::size_t begin(std::size_t part) const noexcept { return rows / parts * part + std::min(part, rows % parts); }
    std::size_t rows, parts;
  };

  void write(std::span<const std::uint32_t> from, const std::uint32_t* to, const Instant* times, const std::vector<ColumnRef>& columns) noexcept;

  std::size_t width_;
  std::vector<std::uint32_t> start_;
  PagedVector<std::uint64_t> words_;
};

}  // namespace featlib::replaying
