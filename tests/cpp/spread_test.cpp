// Variances and deviations proposed in extended doubles: whatever is proposed is the exact result rounded once.

#include <featlib/window/moments.hpp>

#include "support/random.hpp"
#include "window/powers.hpp"
#include "window/spread.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace featlib;
using namespace featlib::testing;

namespace {

/// Integers in units of 2^unit and of 10^-scale, kept both ways.
class Values {
 public:
  Values(int unit, int scale) : unit_(unit), scale_(scale) {}
  void add(std::int64_t value) {
    if (unit_ == 0) exact_.add(value);
    else exact_.add(std::ldexp(static_cast<double>(value), unit_));   // below 2^53
    sum_ += value;
    powers::add(squares_.data(), 2, value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value), value < 0);
  }
  void check(int ddof) {
    if (exact_.count() <= static_cast<std::uint64_t>(ddof)) return;
    const Spread spread{exact_.count(), unit_, sum_, squares_.data(), ddof, scale_};
    for (const bool root : {false, true}) {
      ++asked;
      const auto proposed = propose(spread, root);
      if (!proposed) continue;
      ++answered;
      INFO("n " << exact_.count() << ", unit " << unit_ << ", scale " << scale_ << ", ddof " << ddof << ", root " << root);
      const Aggregated exact = root ? exact_.deviation(ddof, scale_) : exact_.variance(ddof, scale_);
      REQUIRE(exact.cause == Cause::ok);
      REQUIRE(exact.bits == std::bit_cast<std::uint64_t>(*proposed));
    }
  }
  static inline int asked = 0, answered = 0;

 private:
  int unit_, scale_;
  PowerSums<2> exact_;
  int128 sum_ = 0;
  std::array<std::uint64_t, 4> squares_{};
};

}  // namespace

TEST_CASE("a proposed variance or deviation is the exact one, and few are not proposed") {
  Values::asked = Values::answered = 0;
  Random random(1);
  for (int i = 0; i < 100'000; ++i) {
    const int scale = random.pick<int>({0, 0, 2, 2, 9, 13}), range = random.pick<int>({2, 100, 1'000'000, 2'000'000'000});
    const std::int64_t factor = random.pick<std::int64_t>({1, 268'435'459});   // with it M2 has more bits than a significand
    Values values(0, scale);
    for (int n = random.below(6); n >= 0; --n) values.add((random.below(range) - range / 4) * factor + random.below(2) * 12'345);
    values.check(0);
    values.check(1);
  }
  // Elsewhere than on x86 nothing is proposed.
  if (std::numeric_limits<long double>::digits == 64) CHECK(Values::answered > Values::asked / 10 * 9);
}

TEST_CASE("no proposal decides a tie, whose neighbours round either way") {
  // Of 0 and 2 a the variance is a^2 and the deviation a: odd numbers of 54 bits are ties between doubles.
  Random random(2);
  const auto bits = [&](int n) { return (std::int64_t{1} << (n - 1) | (static_cast<std::int64_t>(random.below(1 << 30)) << 24 | random.below(1 << 24))) & ((std::int64_t{1} << n) - 1); };
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t a = bits(random.percent(50) ? 27 : 54) | 1;
    for (const std::int64_t off : {0, 1}) {
      Values values(0, 0);
      values.add(off);
      values.add(2 * a);
      values.check(0);
      values.check(1);
    }
  }
}

TEST_CASE("a proposal leaves to the integers what is no normal double, and scales that no double holds") {
  Random random(3);
  for (const int unit : {-1074, -560, -540, -530, -512, -500, -60, 1, 400, 440, 460, 470, 480})
    for (int i = 0; i < 300; ++i) {
      Values values(unit, 0);
      for (int n = 2 + random.below(5); n > 0; --n) values.add(random.below(1 << 30) - 1000);
      values.check(0);
      values.check(1);
    }
  for (int scale = 0; scale <= 18; ++scale)
    for (int i = 0; i < 300; ++i) {
      Values values(0, scale);
      for (int n = 2 + random.below(5); n > 0; --n) values.add(random.percent(10) ? std::numeric_limits<std::int64_t>::min() : random.below(1 << 30));
      values.check(0);
      values.check(1);
    }
}
