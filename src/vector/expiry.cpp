#include "vector/expiry.hpp"

#include <algorithm>
#include <functional>

namespace featlib {

void Expiry::queue(std::size_t page) {
  due_.emplace_back(first_of(page), static_cast<std::uint32_t>(page));
  std::push_heap(due_.begin(), due_.end(), std::greater<>());
}

void Expiry::add(Row row) {
  const std::size_t p = row / page_rows;
  if (p >= pages_.size()) pages_.resize(p + 1);
  Page& page = pages_[p];
  const Instant at = rows_->event_time[row];
  std::size_t place = page.count;
  while (place > 0 && rows_->event_time[row_of(p, place - 1)] > at) --place;
  std::copy_backward(page.order.begin() + static_cast<std::ptrdiff_t>(place), page.order.begin() + page.count, page.order.begin() + page.count + 1);
  page.order[place] = static_cast<std::uint8_t>(row % page_rows);
  ++page.count;
  ++size_;
  if (place == 0) queue(p);
}

void Expiry::remove(Row row) {
  const std::size_t p = row / page_rows;
  Page& page = pages_[p];
  const auto end = page.order.begin() + page.count;
  const auto at = std::find(page.order.begin(), end, static_cast<std::uint8_t>(row % page_rows));
  const bool was_first = at == page.order.begin();
  std::copy(at + 1, end, at);
  --page.count;
  --size_;
  if (!was_first || page.count == 0) return;
  if (due_.front().second == p) delay_front(first_of(p));
  else queue(p);
}

/// The page in front is due later. It mostly stays in front: rows leave one page after the other.
void Expiry::delay_front(Instant until) {
  const Due moved{until, due_.front().second};
  std::size_t at = 0;
  for (std::size_t child; (child = 2 * at + 1) < due_.size(); at = child) {
    if (child + 1 < due_.size() && due_[child + 1] < due_[child]) ++child;
    if (!(due_[child] < moved)) break;
    due_[at] = due_[child];
  }
  due_[at] = moved;
}

Row Expiry::oldest() {
  for (;;) {
    const auto [at, page] = due_.front();
    if (pages_[page].count > 0 && first_of(page) == at) return row_of(page, 0);
    std::pop_heap(due_.begin(), due_.end(), std::greater<>());
    due_.pop_back();
  }
}

}  // namespace featlib
