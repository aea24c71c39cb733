// What every aggregate is of the values in a window: SEMANTICS section 5 in rational arithmetic, one formula after another.
#pragma once

#include <featlib/contract/contract.hpp>
#include <featlib/events/rows.hpp>
#include <featlib/window/aggregated.hpp>

#include <vector>

namespace featlib::definition {

/// One row of a window: the aggregate's argument, and when the row happened.
struct Gathered {
  Slot value;
  Instant event_time;
};

struct Valued {
  Aggregated value;
  std::int64_t counted;   ///< non-null values, or rows: what min_rows counts
};

/// `rows`: those of the window, in order. `asked`: what share and seen_before look for when the contract names no value.
/// Texts that are made are interned in `pool`.
Valued value_of(const Aggregate& aggregate, const std::vector<Gathered>& rows, Instant as_of, Slot asked, TextPool& pool);

}  // namespace featlib::definition
