#include <featlib/core/arithmetic.hpp>

#include <featlib/core/fingerprint.hpp>

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace featlib {
namespace {

/// Operands the compiler cannot know, so that nothing below is computed while compiling.
class Operands {
 public:
  /// Significands of all kinds, exponents within 2^-span .. 2^span, both signs.
  template <std::floating_point Real>
  Real next(int span) {
    constexpr int digits = std::numeric_limits<Real>::digits;
    const std::uint64_t bits = draw();
    const auto significand = static_cast<Real>((bits >> (64 - digits)) | (std::uint64_t{1} << (digits - 1)));
    const int exponent = static_cast<int>(draw() >> 33) % (2 * span + 1) - span;
    const Real magnitude = std::ldexp(significand, exponent - (digits - 1));   // exact
    return (bits & 1) != 0 ? -magnitude : magnitude;
  }

 private:
  std::uint64_t draw() {   // splitmix64
    std::uint64_t z = state_ + 0x9e3779b97f4a7c15u;
    state_ = z;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  volatile std::uint64_t state_ = 0x6665617471u;
};

/// Results as little-endian bytes, whatever the machine. NaNs are one, for their payloads are not part of any promise.
class Digest {
 public:
  template <std::floating_point Real>
  void add(Real value) {
    using Bits = std::conditional_t<sizeof(Real) == 8, std::uint64_t, std::uint32_t>;
    auto bits = std::bit_cast<Bits>(std::isnan(value) ? std::numeric_limits<Real>::quiet_NaN() : value);
    for (std::size_t i = 0; i < sizeof bits; ++i, bits = static_cast<Bits>(bits >> 8)) bytes_.push_back(static_cast<std::byte>(bits & 0xff));
  }

  std::string hex() const { return sha256_hex(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

// Each line is one way a build can be wrong.
template <std::floating_point Real>
void add_arithmetic(Digest& digest) {
  constexpr Real smallest = std::numeric_limits<Real>::min();
  Operands operands;
  Real sum = 0;
  for (int i = 0; i < 1000; ++i) {
    const Real a = operands.next<Real>(20), b = operands.next<Real>(20), c = operands.next<Real>(40);
    digest.add(a * b + c);              // contraction
    digest.add(a * b - c);
    digest.add(a * b - b * c);
    digest.add(sum += a);               // a chain of additions: reordering, wider registers
    digest.add((a + b) + c);
    digest.add(a + (b + c));
    digest.add(a / b);                  // a reciprocal instead of a division
    digest.add(a / c + b / c);
    digest.add(std::sqrt(std::fabs(a)));  // an estimate instead of a root
    digest.add(a * smallest / 4);       // subnormal or just above
    digest.add(smallest / (a * a + 1) * b);
  }
}

void add_conversions(Digest& digest) {
  Operands operands;
  for (int i = 0; i < 1000; ++i) {
    const double a = operands.next<double>(149);   // floats, subnormal floats and what overflows or vanishes
    digest.add(static_cast<float>(a));
    digest.add(static_cast<double>(static_cast<float>(a)) * a);
    const double b = operands.next<double>(62);
    digest.add(static_cast<double>(static_cast<std::int64_t>(b)));
    digest.add(static_cast<float>(static_cast<std::int64_t>(b)));
  }
}

std::string compute_arithmetic_digest() {
  Digest digest;
  add_arithmetic<double>(digest);
  add_arithmetic<float>(digest);
  add_conversions(digest);
  return digest.hex();
}

std::string compute_libm_digest() {
  Digest digest;
  Operands operands;
  for (int i = 0; i < 1000; ++i) {
    const double x = operands.next<double>(5), positive = std::fabs(operands.next<double>(40));
    digest.add(std::exp(static_cast<float>(x)));
    digest.add(std::log(static_cast<float>(positive)));
    digest.add(std::log1p(static_cast<float>(positive)));
    digest.add(std::exp(x));
    digest.add(std::log(positive));
    digest.add(std::log1p(positive));
    digest.add(std::pow(positive, x));
  }
  return digest.hex();
}

/// By what arithmetic does, where there is no register to read.
[[maybe_unused]] bool rounds_as_expected() noexcept {
  volatile double one = 1, tiny = 0x1p-60, smallest = std::numeric_limits<double>::min(), subnormal = std::numeric_limits<double>::denorm_min();
  volatile double up = one + tiny, down = one - tiny, flushed = smallest / 2, read = subnormal * 0x1p60;
  return up == 1 && down == 1 && flushed != 0 && read != 0;   // upward, downward or to zero; flush-to-zero; denormals-are-zero
}

}  // namespace

const std::string& arithmetic_digest() {
  static const std::string digest = compute_arithmetic_digest();
  return digest;
}

const std::string& libm_digest() {
  static const std::string digest = compute_libm_digest();
  return digest;
}

bool float_environment_ok() noexcept {
#if defined(__SSE2__)
  // MXCSR: flush-to-zero (bit 15), rounding (14, 13), denormals-are-zero (6). Reading it costs a tenth of computing subnormals.
  return (_mm_getcsr() & 0xe040u) == 0;
#else
  return rounds_as_expected();
#endif
}

Result<std::monostate> check_float_environment() {
  if (float_environment_ok()) return std::monostate{};
  return Error(ErrorCode::arithmetic_mismatch, "this thread does not round to nearest, or flushes subnormal numbers to zero",
               "a library loaded into this process changed it (often one compiled with -ffast-math); restore it with "
               "std::fesetenv(FE_DFL_ENV) before calling featlib");
}

}  // namespace featlib
