/// A split as a cut: the row goes right when `x >= cut`, in the type the trainer compares in.
#pragma once

#include "ensemble/model.hpp"

#include <cmath>
#include <limits>

namespace featlib::detail {

/// The smallest X that goes right; NaN when none does, as `x <= inf`.
template <class X>
X cut_of(double threshold, Split split) noexcept {
  constexpr X inf = std::numeric_limits<X>::infinity();
  if (split == Split::less_equal && threshold == std::numeric_limits<double>::infinity()) return std::numeric_limits<X>::quiet_NaN();
  const X near = static_cast<X>(threshold);
  const auto wide = static_cast<double>(near);
  const bool right = split == Split::less ? wide >= threshold : wide > threshold;
  return right ? near : std::nextafter(near, inf);
}

/// A value as the splits see it.
template <class X>
X cleaned(X x, Zeros zeros) noexcept {
  constexpr double tiny = static_cast<double>(1e-35f);   // kZeroThreshold, include/LightGBM/meta.h:56
  if (zeros == Zeros::missing && std::fabs(static_cast<double>(x)) <= tiny) x = std::numeric_limits<X>::quiet_NaN();
  return x;
}

}  // namespace featlib::detail
