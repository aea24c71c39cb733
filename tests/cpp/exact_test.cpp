#include <featlib/core/exact.hpp>
#include <featlib/events/rows.hpp>

#include "rounding.hpp"
#include "support/rational.hpp"

#include <catch2/catch.hpp>

using namespace featlib;
using namespace featlib::testing;

namespace {

Rational total(const std::vector<double>& values) {
  Rational sum = 0;
  for (const double v : values) sum += exactly(v);
  return sum;
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

}  // namespace

TEST_CASE("a sum and its quotients are the exact result rounded once") {
  for (const auto& values : hard) check_sum(values);
  std::mt19937_64 random(1);
  for (int i = 0; i < 300; ++i) check_sum(draw(random));
}

TEST_CASE("a sum grows by words at either end, and stays exact") {
  CHECK(sum_of({1.0, 0.5, 0.25}).words().size() == 2);
  ExactSum far = sum_of({1e300, 1e-300});
  CHECK(far.words().size() == 33);
  far.remove(1e300);
  CHECK(*far.value() == 1e-300);
  // Across every boundary of a word, from both sides.
  for (int gap = 50; gap < 200; ++gap) {
    CAPTURE(gap);
    check_sum({std::ldexp(1.0, gap), 1.0, 0x1.fffffffffffffp0, -std::ldexp(0x1.fffffffffffffp0, gap)});
    check_sum({std::ldexp(1.0, gap), -1.0});
    check_sum({-std::ldexp(1.0, gap), -std::ldexp(1.0, gap), std::ldexp(1.0, -gap)});
  }
}

TEST_CASE("a sum that fills its top word takes another") {
  for (const double sign : {1.0, -1.0}) {
    ExactSum sum;
    for (int i = 0; i < 70; ++i) sum.merge(ExactSum(sum)), sum.add(sign);
    CHECK(*sum.value() == std::ldexp(sign, 70));               // sign (2^70 - 1)
    for (int i = 0; i < 69; ++i) sum.merge(sum);
    CHECK(*sum.value() == std::ldexp(sign, 139));
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

TEST_CASE("merging is concatenation, subtracting undoes it, and a copy is independent") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 200; ++i) {
    const std::vector<double> left = draw(random), right = draw(random);
    ExactSum sum = sum_of(left);
    const ExactSum copy = sum;
    sum.merge(sum_of(right));
    CHECK(same(copy.value(), rounded(total(left))));
    CAPTURE(left, right);
    CHECK(same(sum.value(), rounded(total(left) + total(right))));
    sum.subtract(sum_of(right));
    CHECK(same(sum.value(), copy.value()));
    sum.subtract(copy);
    CHECK(bits(*sum.value()) == 0);
    sum.subtract(copy);
    CHECK(same(sum.value(), rounded(-total(left))));
  }
}

TEST_CASE("add_scaled adds an integer times a power of two, to its full width") {
  const auto power = [](int exponent) { return exponent >= 0 ? Rational(Integer(1) << exponent) : Rational(1) / Rational(Integer(1) << -exponent); };
  const int128 least128 = static_cast<int128>(uint128{1} << 127);
  for (const int exponent : {-5000, -1074, -1000, -65, -64, -63, -1, 0, 1, 63, 64, 800})
    for (const int128 count : {int128{0}, int128{1}, int128{-7}, (int128{1} << 100) + 1, -(int128{1} << 100), least128, ~least128}) {
      CAPTURE(exponent);
      ExactSum sum;
      sum.add(0.1);
      sum.add_scaled(count, exponent);
      CHECK(same(sum.value(), rounded(exactly(0.1) + Rational(Integer(count)) * power(exponent))));
    }
  std::mt19937_64 random(9);
  for (int i = 0; i < 500; ++i) {
    Magnitude magnitude{};
    Integer integer = 0;
    for (std::size_t k = 0; k < 4; ++k) magnitude[k] = random() % 3 ? random() >> (random() % 64) : 0;
    for (std::size_t k = 4; k-- > 0;) integer = (integer << 64) + magnitude[k];
    const int exponent = static_cast<int>(random() % 700) - 350;
    ExactSum sum;
    sum.add(-1e-3);
    sum.add_scaled(magnitude, exponent, i % 2);
    CAPTURE(magnitude, exponent);
    CHECK(same(sum.value(), rounded(exactly(-1e-3) + Rational(i % 2 ? -integer : integer) * power(exponent))));
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

TEST_CASE("a root knows on which side of a tie it lies") {
  const Integer tie = (Integer(1) << 53) + 1, square = tie * tie;
  const Integer fine = Integer(1) << 400;
  CHECK(*round_root(square, 1, 0) == 0x1p53);
  CHECK(*round_root(square * fine + 1, fine, 0) == 0x1p53 + 2);
  CHECK(*round_root(square * fine - 1, fine, 0) == 0x1p53);
  CHECK(*round_root((square + 4 * tie + 4) * fine - 1, fine, 0) == 0x1p53 + 2);
  CHECK(*round_root(1, 1, -2150) == 0.0);                                     // half of the least: even is zero
  CHECK(*round_root(fine + 1, fine, -2150) == least);
  CHECK(*round_root(0, 7, 0) == 0.0);
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
  // Where a double no longer holds the one or the other.
  constexpr std::int64_t exact = std::int64_t{1} << 53;
  for (const std::int64_t numerator : {exact - 1, exact, exact + 1, 1 - exact, -exact, -exact - 1})
    for (const int scale : {0, 2, 7})
      for (const std::int64_t denominator : {std::int64_t{1}, std::int64_t{3}, exact / power_of_ten(scale) - 1, exact / power_of_ten(scale), exact / power_of_ten(scale) + 1}) {
        CAPTURE(numerator, denominator, scale);
        CHECK(same(integer_quotient(numerator, static_cast<std::uint64_t>(denominator), scale), rounded(Rational(numerator) / denominator / power_of_ten(scale))));
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

TEST_CASE("a double comes apart into an integer below 2^53 and a power of two") {
  for (const double x : {0.1, -0.1, 1.0, largest, -largest, least, 0x1p-1022, 0x1.8p-1040, 0.0}) {
    CAPTURE(x);
    const Decomposed parts = decompose(x);
    CHECK(std::abs(parts.significand) < (std::int64_t{1} << 53));
    CHECK(std::ldexp(static_cast<double>(parts.significand), parts.exponent) == x);
  }
}
