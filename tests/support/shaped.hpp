/// Trees of small blocks and nodes, so that a history of forty rows has several levels.
#pragma once

#include "support/random.hpp"
#include "window/timeline/timelines.hpp"

namespace featlib::testing {

inline TimelineShape small_shape(Random& random) { return {random.pick<std::size_t>({2, 3, 4}), random.pick<std::size_t>({3, 4}), random.pick<std::size_t>({0, 1, 5})}; }

/// While it lives, states of this thread are made with timelines of a shape.
class Shaped {
 public:
  explicit Shaped(TimelineShape shape) : before_(std::exchange(Timelines::usual_shape(), shape)) {}
  Shaped(const Shaped&) = delete;
  Shaped& operator=(const Shaped&) = delete;
  ~Shaped() { Timelines::usual_shape() = before_; }

 private:
  TimelineShape before_;
};

}  // namespace featlib::testing
