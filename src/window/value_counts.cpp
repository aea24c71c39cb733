#include <featlib/window/value_counts.hpp>

#include <featlib/contract/expression.hpp>
#include <featlib/core/exact.hpp>

namespace featlib {

Aggregated entropy_of(std::uint64_t rows, const std::map<std::uint64_t, std::uint64_t>& values_by_count) {
  if (rows == 0) return Aggregated::none(Cause::null);
  ExactSum sum;
  const auto put = [&sum](std::uint64_t count, int128 times) {
    const Decomposed log = decompose(pinned::log(static_cast<double>(count)));
    sum.add_scaled(times * log.significand, log.exponent);
  };
  put(rows, static_cast<int128>(rows));
  // Few counts differ, at most sqrt(2 n): one logarithm each.
  for (const auto& [count, values] : values_by_count) put(count, -static_cast<int128>(count) * static_cast<int128>(values));
  return Aggregated::of(sum.quotient(rows));
}

}  // namespace featlib
