// Arithmetic of expressions: each the exact result, rounded once. NaN stands for an error.
#pragma once

#include "expression/tree.hpp"

#include <compare>
#include <limits>

namespace featlib::expressions {

using Op = Expression::Tree::Op;

inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

constexpr bool exact_in_double(std::int64_t i) { return i >= -(std::int64_t{1} << 53) && i <= std::int64_t{1} << 53; }

inline double real_of(const Cell& cell) {
  return cell.kind == Cell::Kind::integer ? static_cast<double>(cell.integer) : cell.real;
}

/// add, subtract, multiply, divide, remainder.
double arithmetic(Op op, const Cell& a, const Cell& b);

/// Numbers of either kind, or texts.
std::strong_ordering compare(const Cell& a, const Cell& b);

/// Haversine on a sphere of the mean radius R1 of the IUGG, 6371.0088 km. Every step is one rounding.
double distance_km(double lat1, double lon1, double lat2, double lon2);

/// Functions of one number.
double apply(Op op, double x);

}  // namespace featlib::expressions
