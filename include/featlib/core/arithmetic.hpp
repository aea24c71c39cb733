/// Does this build, on this machine, in this thread, round the way featlib's numbers were made?
///
///     featlib::arithmetic_digest();                       // stored in a bundle, compared when it is opened
///     featlib::check_float_environment().value();         // at public entries; throws when the thread rounds otherwise
///
/// A compiler that fuses a * b + c, keeps doubles in wider registers or reorders a sum gives other bits, and so does a library
/// that switches a thread to flush-to-zero. The first is found once, by a digest of results; the second at every entry.
#pragma once

#include <featlib/core/result.hpp>

#include <string>
#include <variant>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "featlib cannot be compiled under -ffast-math: missing values, infinities and the order of additions are part of its answers"
#endif

namespace featlib {

/// SHA-256 (hex) over the bits of a fixed computation: sums, products, quotients, roots, subnormals and conversions of doubles and
/// floats. Equal on every machine whose compiled arithmetic is IEEE 754 without contraction. Computed once.
const std::string& arithmetic_digest();

/// The same over exp, log and their like of the C library, which differ between versions and CPUs. featlib's features never
/// use them; a model's transform from margin to probability does.
const std::string& libm_digest();

/// True when this thread rounds to nearest and keeps subnormals. A few nanoseconds; safe on the request path.
bool float_environment_ok() noexcept;

/// float_environment_ok() with an explanation: arithmetic-mismatch.
Result<std::monostate> check_float_environment();

}  // namespace featlib
