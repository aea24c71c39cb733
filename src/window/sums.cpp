#include <featlib/window/sums.hpp>

#include <limits>

namespace featlib {

Aggregated WholeSum::sum() const {
  if (count_ == 0) return Aggregated::none(Cause::null);
  if (sum_ > std::numeric_limits<std::int64_t>::max() || sum_ < std::numeric_limits<std::int64_t>::min()) return Aggregated::none(Cause::error);
  return Aggregated::of(static_cast<std::int64_t>(sum_));
}

}  // namespace featlib
