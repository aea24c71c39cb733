/// Windows that slide: from one decision to the next what comes in is added to what is kept, and what leaves is taken out.
///
/// For aggregates that no sums of all rows can say: quantiles, frequencies, trends, decay. A decision costs what its window moved
/// by, not what it holds; what is kept is a value a row of the window, and what the aggregates need of them (contents.hpp). Windows of
/// one span over the same values share it. Training slides over positions of a timeline, serving over instants: both are keys here.
#pragma once

#include "window/sliding/contents.hpp"

#include <deque>
#include <functional>

namespace featlib {

/// Windows of one step over one span and the same values.
struct SlidingGroup {
  const WindowStep* step;              ///< one of them: their span, argument and `where` are equal
  bool of_rows;                        ///< rows count, not values
  bool texts;
  ContentsNeeded needed;
  std::vector<std::size_t> windows;    ///< into TimelineStep::windows
};

/// The windows of a step that can slide: neither sessions nor the last n rows, nor what reads cells that become known later than
/// their row, whose values are other ones at other times. `served(window)`: a faster way serves it.
std::vector<SlidingGroup> sliding_groups(const TimelineStep& step, const Rows& rows, const std::function<bool(std::size_t)>& served);

class SlidingWindow {
 public:
  using Key = std::int64_t;

  /// `keeper` keeps the texts of what is kept, which rows may leave before the window does; null: rows stay.
  SlidingWindow(const SlidingGroup& group, const Rows& rows, TextPool* keeper = nullptr);
  SlidingWindow(SlidingWindow&&) = default;
  ~SlidingWindow() { clear(); }

  void clear();
  /// The next window is of another timeline.
  void forget() {
    clear();
    asked_ = false;
  }
  /// Whether moving there costs less than to fold the rows: the window asked for before this one is near. `rows(a, b)`: how many
  /// there are between two keys. If not, nothing is kept.
  template <class Distance>
  bool worth_moving(Key first, Key last, Distance&& rows) {
    const auto apart = [&](Key a, Key b) { return a < b ? rows(a, b) : a > b ? rows(b, a) : 0; };
    const bool near = asked_ && 2 * (apart(first, asked_first_) + apart(last, asked_last_)) <= rows(first, last);
    asked_ = true;
    asked_first_ = first;
    asked_last_ = last;
    if (!near) clear();
    return near;
  }

  /// Keeps the rows of the keys [first, last), all of them as if they counted. `each_row(a, b, use)` calls use(key, row) for those
  /// of [a, b) in order; `time_of(key)`; `disturbed`: keys whose rows are other than they were when they came.
  template <class EachRow, class TimeOf>
  void move(const window::Window& w, Key first, Key last, std::span<const Key> disturbed, EachRow&& each_row, TimeOf&& time_of) {
    const auto drop = [&](const Kept& kept) { leave(kept, time_of(kept.key)); };
    std::vector<Kept> come_in;
    const auto take = [&](Key key, Row row) {
      const auto bits = bits_of(w, row);
      if (!bits) return;
      come_in.push_back({key, *bits});
      come(*bits, time_of(key));
    };
    const auto take_between = [&](Key a, Key b, auto at) {
      come_in.clear();
      each_row(a, b, take);
      kept_.insert(at, come_in.begin(), come_in.end());
    };
    if (last <= first_ || last_ <= first) clear();
    for (; !kept_.empty() && kept_.front().key < first; kept_.pop_front()) drop(kept_.front());
    for (; !kept_.empty() && kept_.back().key >= last; kept_.pop_back()) drop(kept_.back());
    if (first_ == last_) first_ = last_ = first;
    const Key from = std::max(first, first_), to = std::min(last, last_);
    for (const Key key : disturbed) {
      if (key < from || key >= to) continue;
      const auto range = std::equal_range(kept_.begin(), kept_.end(), Kept{key, 0}, [](const Kept& a, const Kept& b) { return a.key < b.key; });
      std::for_each(range.first, range.second, drop);
      take_between(key, key + 1, kept_.erase(range.first, range.second));
    }
    if (first < from) take_between(first, from, kept_.begin());
    if (to < last) take_between(to, last, kept_.end());
    first_ = first;
    last_ = last;
  }

  /// One row more or less until the next `restore`: it does not count, or counts beside those of the keys.
  void set_aside(const window::Window& w, Row row, Instant at);
  void put_beside(const window::Window& w, Row row, Instant at);
  void restore();

  /// The value of one of the group's windows, the request included where it is. Where rows count, none may be set aside or put beside.
  template <class TimeOf>
  Aggregated value(const window::Window& w, TimeOf&& time_of) {
    if (!group_->of_rows) return of_values(w);
    const bool empty = kept_.empty();
    return of_rows(w, empty ? 0 : time_of(kept_.front().key), empty ? 0 : time_of(kept_.back().key));
  }

  Key last() const noexcept { return last_; }
  std::size_t size() const noexcept { return kept_.size(); }

 private:
  struct Kept {
    Key key;
    std::uint64_t bits;
  };
  struct Change {
    std::uint64_t bits;
    Instant at;
    bool removed;
  };

  std::optional<std::uint64_t> bits_of(const window::Window& w, Row row) const;
  void come(std::uint64_t bits, Instant at);
  void leave(const Kept& kept, Instant at);
  Aggregated of_values(const window::Window& w);
  Aggregated of_rows(const window::Window& w, Instant oldest, Instant newest) const;

  const SlidingGroup* group_;
  const Rows* rows_;
  TextPool* keeper_;
  bool asked_ = false;
  Key asked_first_ = 0, asked_last_ = 0;
  Key first_ = 0, last_ = 0;           ///< of what is kept
  std::deque<Kept> kept_;              ///< in order of their keys
  Contents contents_;
  std::vector<Change> changes_;
};

}  // namespace featlib
