#include <featlib/core/exact.hpp>
#include <featlib/events/rows.hpp>

#include <boost/multiprecision/cpp_int.hpp>
#include <catch2/catch.hpp>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace featlib;

namespace {

using Rational = boost::multiprecision::cpp_rational;
using Integer = boost::multiprecision::cpp_int;

constexpr double largest = std::numeric_limits<double>::max();
constexpr double least = std::numeric_limits<double>::denorm_min();

std::uint64_t bits(double x) { return std::bit_cast<std::uint64_t>(x); }

Rational exactly(double x) {
  int exponent = 0;
  const double significand = std::frexp(x, &exponent);
  const Rational whole(static_cast<std::int64_t>(std::ldexp(significand, 53)));
  exponent -= 53;
  return exponent >= 0 ? whole * Rational(Integer(1) << exponent) : whole / Rational(Integer(1) << -exponent);
}

/// Doubles >= 0 and their bit patterns are in the same order, so the nearest one is found by halving. `compare(r)` orders the exact value against r.
template <class Compare>
std::optional<double> nearest(Compare&& compare) {
  std::uint64_t low = 0, high = bits(std::numeric_limits<double>::infinity());
  while (low + 1 < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    (compare(exactly(std::bit_cast<double>(middle))) >= 0 ? low : high) = middle;
  }
  const Rational a = exactly(std::bit_cast<double>(low));
  const Rational b = high == bits(std::numeric_limits<double>::infinity()) ? Rational(Integer(1) << 1024) : exactly(std::bit_cast<double>(high));
  const int side = compare((a + b) / 2);
  const std::uint64_t out = side < 0 ? low : side > 0 ? high : (low & 1) ? high : low;
  const double x = std::bit_cast<double>(out);
  return std::isinf(x) ? std::nullopt : std::optional(x);
}

std::optional<double> rounded(const Rational& x) {
  const Rational magnitude = abs(x);
  const auto out = nearest([&](const Rational& r) { return magnitude.compare(r); });
  return !out ? out : x < 0 && *out != 0 ? -*out : *out;
}

std::optional<double> rounded_root(const Rational& x) {
  return nearest([&](const Rational& r) { return x.compare(Rational(r * r)); });
}

bool same(std::optional<double> a, std::optional<double> b) { return a.has_value() == b.has_value() && (!a || bits(*a) == bits(*b)); }

/// Sets of doubles, each hard in its own way.
const std::vector<std::vector<double>> hard{
    {0.1, 0.2, 0.3, -0.6},
    {1e308, 1e-308, -1e308},
    {largest, largest, -largest, least},
    {largest, largest * 0x1p-54},                              // half a unit above the largest: a tie that leaves the range
    {largest, 0x1p969},
    {0x1p53, 1.0, 1.0, -0x1p53},
    {0x1p53 - 1, 0x1p53, 0x1p53 + 2, 0.5, 0.5},
    {0x1p53, 1.0},                                             // a tie that goes down to even
    {0x1p53 + 2, 1.0},                                         // and one that goes up
    {0x1p53, 1.0, least},                                      // just above a tie
    {0x1p53 + 2, 1.0, -least},
    {least, least, least},
    {-least, 0x1p-1022, -0x1p-1022},
    {0x1p-1022, -least},
    {0.0, -0.0},
    {},
    {-0.0},
    {1e16, 1.0, -1e16},
    {12.34, 99.99, -0.01, 19.99}};

std::vector<double> draw(std::mt19937_64& random) {
  std::vector<double> out;
  const auto& flavour = hard[random() % hard.size()];
  for (std::size_t n = random() % 20; out.size() < n;) {
    if (!flavour.empty() && random() % 3) {
      out.push_back(flavour[random() % flavour.size()] * (random() % 4 ? 1.0 : -1.0));
      continue;
    }
    const double x = std::bit_cast<double>(random());
    if (std::isfinite(x)) out.push_back(x);
  }
  return out;
}

Rational total(const std::vector<double>& values) {
  Rational sum = 0;
  for (const double v : values) sum += exactly(v);
  return sum;
}

Rational squares_about_mean(const std::vector<Rational>& values) {
  Rational mean = 0, out = 0;
  for (const Rational& v : values) mean += v;
  mean /= values.size();
  for (const Rational& v : values) out += (v - mean) * (v - mean);
  return out;
}

ExactSum sum_of(const std::vector<double>& values) {
  ExactSum sum;
  for (const double v : values) sum.add(v);
  return sum;
}

void check_sum(const std::vector<double>& values) {
  CAPTURE(values);
  const ExactSum sum = sum_of(values);
  const Rational exact = total(values);
  CHECK(same(sum.value(), rounded(exact)));
  for (const std::uint64_t n : {std::uint64_t{3}, std::uint64_t{7}, std::uint64_t{1} << 63, ~std::uint64_t{0}})
    CHECK(same(sum.quotient(n), rounded(exact / n)));
}

void check_moments(const std::vector<double>& values) {
  CAPTURE(values);
  ExactMoments moments;
  std::vector<Rational> exact;
  for (const double v : values) {
    moments.add(v);
    exact.push_back(exactly(v));
  }
  for (const int ddof : {0, 1}) {
    if (values.size() <= static_cast<std::size_t>(ddof)) {
      CHECK_FALSE(moments.variance(ddof));
      CHECK_FALSE(moments.deviation(ddof));
      continue;
    }
    const Rational variance = squares_about_mean(exact) / (values.size() - static_cast<std::size_t>(ddof));
    CHECK(same(moments.variance(ddof), rounded(variance)));
    CHECK(same(moments.deviation(ddof), rounded_root(variance)));
  }
}

}  // namespace

TEST_CASE("a sum and its quotients are the exact result rounded once") {
  for (const auto& values : hard) check_sum(values);
  std::mt19937_64 random(1);
  for (int i = 0; i < 300; ++i) check_sum(draw(random));
}

TEST_CASE("variance and deviation are the exact result rounded once, at both ends of the range") {
  for (const auto& values : hard) check_moments(values);
  std::mt19937_64 random(2);
  for (int i = 0; i < 60; ++i) check_moments(draw(random));
}

TEST_CASE("a deviation is the root of the exact variance, not of the rounded one") {
  // Chosen so that sqrt(round(v)) and round(sqrt(v)) differ; found by trying.
  std::mt19937_64 random(3);
  int differs = 0;
  for (int i = 0; i < 2000; ++i) {
    ExactMoments moments;
    for (int k = 0; k < 3; ++k) moments.add(static_cast<double>(random() % 1000) / 7.0);
    if (moments.variance(1) && *moments.variance(1) > 0) differs += bits(std::sqrt(*moments.variance(1))) != bits(*moments.deviation(1));
  }
  CHECK(differs > 0);
}

TEST_CASE("a sum that leaves 128 bits moves to the wide form and stays exact") {
  ExactSum near = sum_of({1.0, 0.5, 0.25});
  CHECK_FALSE(near.is_wide());
  ExactSum far = sum_of({1e300, 1e-300});
  CHECK(far.is_wide());
  far.remove(1e300);
  CHECK(*far.value() == 1e-300);
  // The last step that 128 bits hold, and the first they do not.
  for (int gap = 50; gap < 90; ++gap) {
    CAPTURE(gap);
    const std::vector<double> values{std::ldexp(1.0, gap), 1.0, 0x1.fffffffffffffp0, -std::ldexp(0x1.fffffffffffffp0, gap)};
    check_sum(values);
  }
}

TEST_CASE("many values of one size are summed exactly past 2^128") {
  ExactSum sum;
  for (int i = 0; i < 5000; ++i) sum.add(largest);
  CHECK_FALSE(sum.value());
  for (int i = 0; i < 4999; ++i) sum.remove(largest);
  CHECK(*sum.value() == largest);
}

TEST_CASE("removing a value undoes adding it, in any order") {
  std::mt19937_64 random(4);
  for (int i = 0; i < 300; ++i) {
    const std::vector<double> kept = draw(random), gone = draw(random);
    std::vector<std::pair<double, bool>> steps;
    for (const double v : kept) steps.emplace_back(v, true);
    for (const double v : gone) { steps.emplace_back(v, true); steps.emplace_back(v, false); }
    std::shuffle(steps.begin(), steps.end(), random);
    ExactSum sum;
    for (const auto& [v, added] : steps) added ? sum.add(v) : sum.remove(v);
    CAPTURE(kept, gone);
    CHECK(same(sum.value(), rounded(total(kept))));
  }
}

TEST_CASE("merging is concatenation, and a copy is independent") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 200; ++i) {
    std::vector<double> left = draw(random);
    const std::vector<double> right = draw(random);
    ExactSum sum = sum_of(left);
    const ExactSum copy = sum;
    sum.merge(sum_of(right));
    CHECK(same(copy.value(), rounded(total(left))));
    left.insert(left.end(), right.begin(), right.end());
    CAPTURE(left);
    CHECK(same(sum.value(), rounded(total(left))));
    CHECK(sum.to_words() == sum_of(left).to_words());
  }
}

TEST_CASE("add_scaled adds count times a power of two") {
  for (const int unit : {-1074, -1000, -1, 0, 900})
    for (const int128 count : {int128{0}, int128{1}, int128{-7}, (int128{1} << 100) + 1, -(int128{1} << 100)}) {
      CAPTURE(unit);
      ExactSum sum;
      sum.add(0.1);
      sum.add_scaled(count, unit);
      const Rational power = unit >= 0 ? Rational(Integer(1) << unit) : Rational(1) / Rational(Integer(1) << -unit);
      CHECK(same(sum.value(), rounded(exactly(0.1) + Rational(Integer(count)) * power)));
    }
}

TEST_CASE("a sum of zeros is a positive zero") {
  CHECK(bits(*sum_of({-0.0, -0.0}).value()) == 0);
  CHECK(bits(*sum_of({1.5, -1.5}).value()) == 0);
  CHECK(bits(*sum_of({}).value()) == 0);
}

TEST_CASE("round_quotient rounds ties to even and says when it leaves the range") {
  CHECK(*round_quotient((int128{1} << 53) + 1, 1, 0) == 0x1p53);
  CHECK(*round_quotient((int128{1} << 53) + 3, 1, 0) == 0x1p53 + 4);
  CHECK(*round_quotient(-((int128{1} << 53) + 1), 1, 0) == -0x1p53);
  CHECK(bits(*round_quotient(1, 2, -1074)) == 0);        // half of the least: even is zero
  CHECK(*round_quotient(3, 2, -1074) == 2 * least);
  CHECK(*round_quotient(3, 4, -1074) == least);
  CHECK(bits(*round_quotient(-1, 2, -1074)) == 0);       // never -0.0
  CHECK(*round_quotient(1, 3, 0) == 1.0 / 3.0);
  CHECK(*round_quotient((int128{1} << 53) - 1, 1, 971) == largest);
  CHECK_FALSE(round_quotient(int128{1} << 53, 1, 971));
  CHECK_FALSE(round_quotient((int128{1} << 54) - 1, 1, 970));   // a tie above the largest
  CHECK(*round_quotient((int128{1} << 54) - 2, 1, 970) == largest);
  CHECK(*round_quotient(0, 7, 0) == 0.0);

  std::mt19937_64 random(6);
  for (int i = 0; i < 2000; ++i) {
    int128 numerator = (static_cast<int128>(static_cast<std::int64_t>(random())) << 64) | random();
    numerator >>= random() % 127;
    const std::uint64_t denominator = (random() >> (random() % 64)) | 1;
    const int exponent = static_cast<int>(random() % 2200) - 1200;
    CAPTURE(static_cast<std::int64_t>(numerator >> 64), static_cast<std::uint64_t>(numerator), denominator, exponent);
    const Rational power = exponent >= 0 ? Rational(Integer(1) << exponent) : Rational(1) / Rational(Integer(1) << -exponent);
    CHECK(same(round_quotient(numerator, denominator, exponent), rounded(Rational(Integer(numerator)) / denominator * power)));
  }
}

TEST_CASE("integer_quotient divides by count and scale in one rounding") {
  CHECK(*integer_quotient(1, 3, 2) == 1.0 / 300.0);
  CHECK(*integer_quotient(10, 1, 1) == 1.0);
  CHECK(*integer_quotient(-5, 2, 0) == -2.5);
  CHECK(bits(*integer_quotient(0, 5, 4)) == 0);
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    int128 numerator = (static_cast<int128>(static_cast<std::int64_t>(random())) << 32) >> (random() % 90);
    if (i % 2) numerator = static_cast<int128>(random() % 100000);
    const std::uint64_t denominator = i % 3 ? random() % 50 + 1 : random() | 1;
    const int scale = static_cast<int>(random() % 19);
    Rational expected = Rational(Integer(numerator)) / denominator;
    for (int k = 0; k < scale; ++k) expected /= 10;
    CAPTURE(static_cast<std::int64_t>(numerator), denominator, scale);
    CHECK(same(integer_quotient(numerator, denominator, scale), rounded(expected)));
  }
}

TEST_CASE("a decimal's value is correctly rounded at every scale") {
  std::mt19937_64 random(8);
  std::vector<std::int64_t> values{0, 1, -1, 10, 1234, std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(),
                                   (std::int64_t{1} << 53) - 1, std::int64_t{1} << 53, (std::int64_t{1} << 53) + 1, -(std::int64_t{1} << 53) - 1};
  for (int i = 0; i < 300; ++i) values.push_back(static_cast<std::int64_t>(random()) >> (random() % 63));
  for (const std::int64_t value : values)
    for (int scale = 0; scale <= 18; ++scale) {
      CAPTURE(value, scale);
      CHECK(same(decimal_value(value, scale), rounded(Rational(value) / power_of_ten(scale))));
    }
  CHECK(decimal_value(1234, 2) == 12.34);
  CHECK(bits(decimal_value(0, 2)) == 0);
}

TEST_CASE("moments of integers stand for value over ten to the scale") {
  const std::vector<std::vector<std::int64_t>> cases{
      {1, 2, 3, 4}, {0, 0, 0}, {1, 0}, {5}, {}, {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(), 0},
      {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::min()},
      std::vector<std::int64_t>(9, std::numeric_limits<std::int64_t>::min()), {1000000007, 1000000009, 998244353}};
  for (const auto& values : cases)
    for (const int scale : {0, 2, 18}) {
      IntegerMoments moments;
      std::vector<Rational> exact;
      for (const std::int64_t v : values) {
        moments.add(v);
        exact.push_back(Rational(v) / power_of_ten(scale));
      }
      for (const int ddof : {0, 1}) {
        CAPTURE(values, scale, ddof);
        if (values.size() <= static_cast<std::size_t>(ddof)) {
          CHECK_FALSE(moments.variance(ddof, scale));
          continue;
        }
        const Rational variance = squares_about_mean(exact) / (values.size() - static_cast<std::size_t>(ddof));
        CHECK(same(moments.variance(ddof, scale), rounded(variance)));
        CHECK(same(moments.deviation(ddof, scale), rounded_root(variance)));
      }
    }
}

TEST_CASE("a double comes apart into an integer below 2^53 and a power of two") {
  for (const double x : {0.1, -0.1, 1.0, largest, -largest, least, 0x1p-1022, 0x1.8p-1040, 0.0}) {
    CAPTURE(x);
    const Decomposed parts = decompose(x);
    CHECK(std::abs(parts.significand) < (std::int64_t{1} << 53));
    CHECK(std::ldexp(static_cast<double>(parts.significand), parts.exponent) == x);
  }
}
