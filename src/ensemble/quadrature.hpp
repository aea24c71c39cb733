/// Gauss-Legendre rules: the Shapley value of a tree is the integral over [0, 1] of a polynomial (arXiv 2605.04497).
#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

namespace featlib::detail {

/// Root i of the Legendre polynomial of degree n, and its weight over [-1, 1]. Newton's method from the usual first guess.
inline std::pair<double, double> legendre(std::size_t n, std::size_t i) {
  const auto polynomials = [n](double x) {   // P_n and P_(n-1), by the three-term recurrence
    double before = 1, now = x;
    for (std::size_t k = 2; k <= n; ++k) {
      const auto m = static_cast<double>(k);
      const double next = ((2.0 * m - 1.0) * x * now - (m - 1.0) * before) / m;
      before = now;
      now = next;
    }
    return std::pair(now, before);
  };
  const auto degree = static_cast<double>(n);
  const auto slope = [&](double x, double now, double before) { return degree * (x * now - before) / (x * x - 1.0); };
  double x = std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) / (degree + 0.5));
  for (int step = 0; step < 64; ++step) {
    const auto [now, before] = polynomials(x);
    const double change = now / slope(x, now, before);
    x -= change;
    if (std::abs(change) < 1e-15) break;
  }
  const auto [now, before] = polynomials(x);
  const double s = slope(x, now, before);
  return {x, 2.0 / ((1.0 - x * x) * s * s)};
}

}  // namespace featlib::detail
