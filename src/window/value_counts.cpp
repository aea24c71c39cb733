#include <featlib/window/value_counts.hpp>

#include <featlib/contract/expression.hpp>
#include <featlib/core/exact.hpp>

namespace featlib {

Aggregated ValueCounts::entropy() const {
  if (total_ == 0) return Aggregated::none(Cause::null);
  ExactSum sum;
  const auto put = [&sum](std::uint64_t count, int128 times) {
    const Decomposed log = decompose(pinned::log(static_cast<double>(count)));
    sum.add_scaled(times * log.significand, log.exponent);
  };
  put(total_, static_cast<int128>(total_));
  // Few counts differ, at most sqrt(2 n): one logarithm each.
  std::vector<std::uint64_t> counts;
  for (const auto& [value, count] : counts_) counts.push_back(count);
  std::sort(counts.begin(), counts.end());
  for (auto from = counts.begin(); from != counts.end();) {
    const auto to = std::upper_bound(from, counts.end(), *from);
    put(*from, -static_cast<int128>(*from) * (to - from));
    from = to;
  }
  return Aggregated::of(sum.quotient(total_));
}

}  // namespace featlib
