#include "expression/arithmetic.hpp"

#include <boost/multiprecision/cpp_bin_float.hpp>

#include <cmath>

namespace featlib::expressions {
namespace {

// Holds any sum, difference and product of an int64 and a double exactly, and a quotient with so many spare bits that
// its second rounding, to double, is the only one that shows (a quotient of 63 by 53 bits is exact or 2^-120 off any
// midpoint).
using Wide = boost::multiprecision::number<
    boost::multiprecision::cpp_bin_float<2304, boost::multiprecision::digit_base_2, void, std::int64_t>,
    boost::multiprecision::et_off>;

Wide wide(const Cell& cell) { return cell.kind == Cell::Kind::integer ? Wide(cell.integer) : Wide(cell.real); }

// Microseconds instead of nanoseconds; taken only when an int64 beyond 2^53 meets a float64, or divides.
double wide_arithmetic(Op op, const Cell& left, const Cell& right) {
  const Wide a = wide(left), b = wide(right);
  switch (op) {
    case Op::add:
      return (a + b).convert_to<double>();
    case Op::subtract:
      return (a - b).convert_to<double>();
    case Op::multiply:
      return (a * b).convert_to<double>();
    case Op::divide:
      return (a / b).convert_to<double>();
    default:
      return (a - boost::multiprecision::trunc(a / b) * b).convert_to<double>();
  }
}

std::strong_ordering compare(std::int64_t i, double d) {
  if (d >= 0x1p63) return std::strong_ordering::less;
  if (d < -0x1p63) return std::strong_ordering::greater;
  const double whole = std::floor(d);
  const auto order = i <=> static_cast<std::int64_t>(whole);
  return order == 0 && d > whole ? std::strong_ordering::less : order;
}

double round_half_even(double x) {
  const double below = std::floor(x), distance = x - below;  // the distance is exact below 2^52, and 0 above
  if (distance != 0.5) return distance < 0.5 ? below : below + 1.0;
  return std::fmod(below, 2.0) == 0.0 ? below : below + 1.0;
}

}  // namespace

double arithmetic(Op op, const Cell& a, const Cell& b) {
  const bool integers = a.kind == Cell::Kind::integer && b.kind == Cell::Kind::integer;
  const bool zero = b.kind == Cell::Kind::integer ? b.integer == 0 : b.real == 0.0;
  if ((op == Op::divide || op == Op::remainder) && zero) return nan;
  if (integers) {
    // The conversion of an __int128 rounds once, to nearest even.
    switch (op) {
      case Op::add:
        return static_cast<double>(static_cast<__int128>(a.integer) + b.integer);
      case Op::subtract:
        return static_cast<double>(static_cast<__int128>(a.integer) - b.integer);
      case Op::multiply:
        return static_cast<double>(static_cast<__int128>(a.integer) * b.integer);
      case Op::remainder:
        return static_cast<double>(static_cast<__int128>(a.integer) % b.integer);
      default:
        break;
    }
  }
  const auto fits = [](const Cell& c) { return c.kind == Cell::Kind::real || exact_in_double(c.integer); };
  if (!fits(a) || !fits(b)) return wide_arithmetic(op, a, b);
  const auto real = [](const Cell& c) { return c.kind == Cell::Kind::real ? c.real : static_cast<double>(c.integer); };
  const double x = real(a), y = real(b);
  switch (op) {
    case Op::add:
      return x + y;
    case Op::subtract:
      return x - y;
    case Op::multiply:
      return x * y;
    case Op::divide:
      return x / y;
    default:
      return std::fmod(x, y);  // exact in IEEE 754, so the same on every libm
  }
}

std::strong_ordering compare(const Cell& a, const Cell& b) {
  if (a.kind == Cell::Kind::text) return a.text <=> b.text;
  const bool left = a.kind == Cell::Kind::integer, right = b.kind == Cell::Kind::integer;
  if (left && right) return a.integer <=> b.integer;
  if (left) return compare(a.integer, b.real);
  if (right) return 0 <=> compare(b.integer, a.real);
  return a.real < b.real   ? std::strong_ordering::less
         : a.real > b.real ? std::strong_ordering::greater
                           : std::strong_ordering::equal;
}

double distance_km(double lat1, double lon1, double lat2, double lon2) {
  if (std::fabs(lat1) > 90.0 || std::fabs(lat2) > 90.0) return nan;
  constexpr double radian = 0x1.1df46a2529d39p-6;  // pi / 180, rounded
  const double half_lat = pinned::sin((lat2 - lat1) * radian / 2.0);
  const double half_lon = pinned::sin((lon2 - lon1) * radian / 2.0);
  const double cosines = pinned::cos(lat1 * radian) * pinned::cos(lat2 * radian);
  const double haversine = half_lat * half_lat + cosines * (half_lon * half_lon);
  return 2.0 * 6371.0088 * pinned::asin(std::sqrt(haversine < 1.0 ? haversine : 1.0));
}

double apply(Op op, double x) {
  switch (op) {
    case Op::square_root:
      return std::sqrt(x);
    case Op::exponential:
      return pinned::exp(x);
    case Op::logarithm:
      return pinned::log(x);
    case Op::logarithm_1p:
      return pinned::log1p(x);
    case Op::sine:
      return pinned::sin(x);
    case Op::cosine:
      return pinned::cos(x);
    case Op::arcsine:
      return pinned::asin(x);
    case Op::absolute:
      return std::fabs(x);
    case Op::negate:
      return -x;
    case Op::floor:
      return std::floor(x);
    case Op::ceil:
      return std::ceil(x);
    default:
      return round_half_even(x);
  }
}

}  // namespace featlib::expressions
