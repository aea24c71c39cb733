// Rational arithmetic and the one rounding at its end, for the definition.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>

#include <optional>

namespace featlib::definition {

using Rational = boost::multiprecision::cpp_rational;

Rational exactly(double x);

/// The nearest double, ties to even; nothing beyond the double range. Never -0.0.
std::optional<double> rounded(const Rational& x);
/// The same of the root of x >= 0.
std::optional<double> rounded_root(const Rational& x);

}  // namespace featlib::definition
