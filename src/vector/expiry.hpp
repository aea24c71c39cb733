/// Which rows are held, oldest first: a byte a row.
///
/// Rows come about in the order of time and leave in it. In pages of 256 row numbers each page keeps the order of its rows, and
/// a heap keeps the pages by their oldest. A heap of (event_time, row) takes sixteen bytes a row.
#pragma once

#include <featlib/events/rows.hpp>

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace featlib {

class Expiry {
 public:
  /// The rows outlive this; their event_time does not change while they are held.
  explicit Expiry(const Rows& rows) : rows_(&rows) {}

  void add(Row row);
  void remove(Row row);
  std::size_t size() const noexcept { return size_; }

  /// The row that happened first; there must be one.
  Row oldest();

  /// Calls `use(row)` for every row held.
  template <class Use>
  void each(Use&& use) const {
    for (std::size_t p = 0; p < pages_.size(); ++p)
      for (std::size_t i = 0; i < pages_[p].count; ++i) use(static_cast<Row>(p * page_rows + pages_[p].order[i]));
  }

 private:
  static constexpr std::size_t page_rows = 256;
  struct Page {
    std::uint16_t count = 0;
    std::array<std::uint8_t, page_rows> order;        ///< by event_time
  };
  using Due = std::pair<Instant, std::uint32_t>;      ///< when the oldest row of a page happened

  Row row_of(std::size_t page, std::size_t place) const noexcept { return static_cast<Row>(page * page_rows + pages_[page].order[place]); }
  Instant first_of(std::size_t page) const noexcept { return rows_->event_time[row_of(page, 0)]; }
  void queue(std::size_t page);
  void delay_front(Instant until);

  const Rows* rows_;
  std::vector<Page> pages_;
  std::vector<Due> due_;                              // a heap; what no longer holds of a page is passed over
  std::size_t size_ = 0;
};

}  // namespace featlib
