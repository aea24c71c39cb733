#include "window/spread.hpp"

#include "window/powers.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace featlib {
namespace {

// 64 bits of significand: what x86 has, and most others have not. They leave all to the long integers.
constexpr bool extended = std::numeric_limits<long double>::digits == 64 && std::endian::native == std::endian::little;

// M2 is cut to 64 bits, divided by n (n - ddof) and by 10^(2 scale), both of them exact, and perhaps a root taken: each loses less than
// a unit in the last of 64 places, all of them less than four. A double drops eleven of these places. Unless what is dropped is within
// eight units of the middle, where it may be rounded either way, the rounding is proven.
constexpr std::uint64_t dropped = (1 << 11) - 1, middle = 1 << 10, clearance = 8;
constexpr int most_scale = 13;        // 10^26 = 5^26 2^26, and 5^26 < 2^61

}  // namespace

std::optional<double> propose(const Spread& s, bool root) noexcept {
  if constexpr (!extended) return std::nullopt;
  if (s.scale > most_scale || s.n >> 32) return std::nullopt;
  // M2 = n S(2) - S(1)^2 in five words.
  std::array<std::uint64_t, 4> squares;
  std::copy_n(s.squares, squares.size(), squares.begin());
  const uint128 sum = s.sum < 0 ? -static_cast<uint128>(s.sum) : static_cast<uint128>(s.sum);
  const std::array<std::uint64_t, 2> once{static_cast<std::uint64_t>(sum), static_cast<std::uint64_t>(sum >> 64)};
  auto m2 = powers::detail::product<5>(squares, std::array<std::uint64_t, 1>{s.n});
  powers::detail::add(m2.data(), powers::detail::product<5>(once, once), true);

  std::size_t top = m2.size() - 1;
  while (top > 0 && m2[top] == 0) --top;
  if (m2[top] == 0) return 0.0;
  const int shift = std::countl_zero(m2[top]);
  const std::uint64_t leading = top > 0 && shift > 0 ? m2[top] << shift | m2[top - 1] >> (64 - shift) : m2[top] << shift;
  int exponent = 2 * s.unit + 64 * static_cast<int>(top) - shift;

  const auto divisor = static_cast<long double>(s.n * (s.n - static_cast<std::uint64_t>(s.ddof)));
  const auto ten = static_cast<long double>(power_of_ten(s.scale));
  auto value = static_cast<long double>(leading) / divisor / (ten * ten);
  if (root) {
    if (exponent & 1) value += value;
    exponent = (exponent - (exponent & 1)) / 2;
    value = std::sqrt(value);
  }
  std::uint64_t significand;
  std::memcpy(&significand, &value, sizeof significand);
  const std::uint64_t rest = significand & dropped;
  if (rest + clearance >= middle && rest <= middle + clearance) return std::nullopt;
  const double rounded = static_cast<double>(value);
  const int result = std::ilogb(rounded) + exponent;
  if (result < std::numeric_limits<double>::min_exponent || result >= std::numeric_limits<double>::max_exponent - 1) return std::nullopt;
  return std::ldexp(rounded, exponent);
}

}  // namespace featlib
