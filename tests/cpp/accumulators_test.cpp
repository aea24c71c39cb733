// Accumulators: the exact result rounded once, and the laws that let a state add, remove and merge.

#include <featlib/contract/expression.hpp>
#include <featlib/window/decay.hpp>
#include <featlib/window/moments.hpp>
#include <featlib/window/quantile.hpp>
#include <featlib/window/sums.hpp>
#include <featlib/window/value_counts.hpp>

#include "support/rational.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

using namespace featlib;
using namespace featlib::testing;

namespace {

/// A value with its time, as an integer and as a double: each accumulator takes what it needs.
struct Item {
  Instant at;
  std::int64_t whole;
  double real;
};
using Items = std::vector<Item>;

Items draw_items(std::mt19937_64& random) {
  static const std::vector<std::int64_t> integers{0, 1, -1, 7, 100, (std::int64_t{1} << 53) + 1, std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()};
  static const std::vector<Instant> times{0, 1, -1, 1'600'000'000'000'000, 1'600'000'000'000'001, 1'603'600'000'000'000, latest_instant - 1, earliest_instant};
  Items out;
  const bool same_time = random() % 8 == 0;
  for (const double real : draw(random)) out.push_back({same_time ? times[3] : times[random() % times.size()], integers[random() % integers.size()], real + 0.0});
  return out;
}

Rational power(const Rational& x, int k) {
  Rational out = 1;
  for (int i = 0; i < k; ++i) out *= x;
  return out;
}

/// The sum of (x - mean)^k, as the definition says it.
Rational about_mean(const std::vector<Rational>& values, int k) {
  Rational mean = 0, out = 0;
  for (const Rational& v : values) mean += v;
  mean /= values.size();
  for (const Rational& v : values) out += power(v - mean, k);
  return out;
}

Aggregated expected(std::optional<double> value) { return Aggregated::of(value); }
const Aggregated undefined = Aggregated::none(Cause::null);

Aggregated variance(const std::vector<Rational>& values, int ddof, bool root) {
  const auto n = static_cast<int>(values.size());
  if (n <= ddof) return undefined;
  const Rational exact = about_mean(values, 2) / (n - ddof);
  return expected(root ? rounded_root(exact) : rounded(exact));
}

Aggregated skewness(const std::vector<Rational>& values, int ddof) {
  const auto n = static_cast<int>(values.size());
  if (n == 0 || (ddof == 1 && n < 3)) return undefined;
  const Rational m2 = about_mean(values, 2) / n, m3 = about_mean(values, 3) / n;
  if (m2 == 0) return undefined;
  Rational square = m3 * m3 / power(m2, 3);
  if (ddof == 1) square *= Rational(n) * (n - 1) / ((n - 2) * (n - 2));
  const double root = *rounded_root(square);
  return expected(m3 < 0 && root != 0 ? -root : root);
}

Aggregated kurtosis(const std::vector<Rational>& values, int ddof) {
  const auto n = static_cast<int>(values.size());
  if (n == 0 || (ddof == 1 && n < 4)) return undefined;
  const Rational m2 = about_mean(values, 2) / n, m4 = about_mean(values, 4) / n;
  if (m2 == 0) return undefined;
  Rational excess = m4 / (m2 * m2) - 3;
  if (ddof == 1) excess = Rational(n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6);
  return expected(rounded(excess));
}

/// The slope from deviations about both means.
Aggregated slope(const std::vector<Rational>& times, const std::vector<Rational>& values, Duration unit) {
  const auto n = times.size();
  if (n < 2) return undefined;
  Rational mean_time = 0, mean = 0, products = 0, squares = 0;
  for (std::size_t i = 0; i < n; ++i) {
    mean_time += times[i] / n;
    mean += values[i] / n;
  }
  for (std::size_t i = 0; i < n; ++i) {
    products += (times[i] - mean_time) * (values[i] - mean);
    squares += (times[i] - mean_time) * (times[i] - mean_time);
  }
  return squares == 0 ? undefined : expected(rounded(products / squares * unit));
}

/// What one accumulator says, and what it should have said of these items.
struct RealSums {
  RealSum sums;
  void add(const Item& i) { sums.add(i.real); }
  void remove(const Item& i) { sums.remove(i.real); }
  void merge(const RealSums& other) { sums.merge(other.sums); }
  std::vector<Aggregated> values() const { return {sums.sum(), sums.mean()}; }
  static std::vector<Aggregated> definition(const Items& items) {
    if (items.empty()) return {undefined, undefined};
    Rational sum = 0;
    for (const Item& i : items) sum += exactly(i.real);
    return {expected(rounded(sum)), expected(rounded(sum / items.size()))};
  }
};

struct WholeSums {
  WholeSum sums;
  void add(const Item& i) { sums.add(i.whole); }
  void remove(const Item& i) { sums.remove(i.whole); }
  void merge(const WholeSums& other) { sums.merge(other.sums); }
  std::vector<Aggregated> values() const { return {sums.sum(), sums.decimal_sum(2), sums.mean(0), sums.mean(18)}; }
  static std::vector<Aggregated> definition(const Items& items) {
    if (items.empty()) return {undefined, undefined, undefined, undefined};
    Integer sum = 0;
    for (const Item& i : items) sum += i.whole;
    const bool fits = sum <= std::numeric_limits<std::int64_t>::max() && sum >= std::numeric_limits<std::int64_t>::min();
    const Rational mean = Rational(sum) / items.size();
    return {fits ? Aggregated::of(static_cast<std::int64_t>(sum)) : Aggregated::none(Cause::error), expected(rounded(Rational(sum) / 100)),
            expected(rounded(mean)), expected(rounded(mean / power_of_ten(18)))};
  }
};

template <bool real>
struct AllMoments {
  static constexpr int scale = real ? 0 : 2;
  PowerSums<4> sums;
  PowerSums<2> squares;
  void add(const Item& i) { real ? (sums.add(i.real), squares.add(i.real)) : (sums.add(i.whole), squares.add(i.whole)); }
  void remove(const Item& i) { real ? (sums.remove(i.real), squares.remove(i.real)) : (sums.remove(i.whole), squares.remove(i.whole)); }
  void merge(const AllMoments& other) { sums.merge(other.sums); squares.merge(other.squares); }
  std::vector<Aggregated> values() const {
    std::vector<Aggregated> out;
    for (const int ddof : {0, 1})
      out.insert(out.end(), {squares.variance(ddof, scale), squares.deviation(ddof, scale), sums.skewness(ddof), sums.kurtosis(ddof)});
    return out;
  }
  static std::vector<Aggregated> definition(const Items& items) {
    std::vector<Rational> exact;
    for (const Item& i : items) exact.push_back(real ? exactly(i.real) : Rational(i.whole) / 100);
    std::vector<Aggregated> out;
    for (const int ddof : {0, 1}) out.insert(out.end(), {variance(exact, ddof, false), variance(exact, ddof, true), skewness(exact, ddof), kurtosis(exact, ddof)});
    return out;
  }
};

template <bool real>
struct Trends {
  static constexpr int scale = real ? 0 : 2;
  TrendSums sums;
  void add(const Item& i) { real ? sums.add(i.at, i.real) : sums.add(i.at, i.whole); }
  void remove(const Item& i) { real ? sums.remove(i.at, i.real) : sums.remove(i.at, i.whole); }
  void merge(const Trends& other) { sums.merge(other.sums); }
  std::vector<Aggregated> values() const { return {sums.slope(1, scale), sums.slope(day, scale)}; }
  static std::vector<Aggregated> definition(const Items& items) {
    std::vector<Rational> times, exact;
    for (const Item& i : items) {
      times.push_back(i.at);
      exact.push_back(real ? exactly(i.real) : Rational(i.whole) / 100);
    }
    return {slope(times, exact, 1), slope(times, exact, day)};
  }
};

/// 2^exponent.
Rational power_of_two(std::int64_t exponent) {
  return exponent >= 0 ? Rational(Integer(1) << static_cast<unsigned>(exponent)) : Rational(1) / Rational(Integer(1) << static_cast<unsigned>(-exponent));
}

constexpr std::int64_t floor_of(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0); }

/// m(r) 2^(q - Q), or m(R) for t = as_of.
Rational weight(Instant at, Duration half_life, Instant as_of) {
  const std::int64_t q = floor_of(at, half_life);
  return exactly(pinned::exp2(at - q * half_life, half_life)) * power_of_two(q - floor_of(as_of, half_life));
}

constexpr Instant asked_at = 1'600'003'000'000'001;

/// Rows within some 2,000 half-lives: all that rational arithmetic can bear.
template <bool real, Duration half_life>
struct Decays {
  static constexpr int scale = real ? 0 : 2;
  DecaySums sums{half_life};
  static Instant near(const Item& i) { return asked_at - (i.at % 1000 + 1000) * half_life / 7 - i.at % 3; }
  void add(const Item& i) { real ? sums.add(near(i), i.real) : sums.add(near(i), i.whole); }
  void remove(const Item& i) { real ? sums.remove(near(i), i.real) : sums.remove(near(i), i.whole); }
  void merge(const Decays& other) { sums.merge(other.sums); }
  std::vector<Aggregated> values() const { return {sums.sum(asked_at, scale), sums.mean(scale)}; }
  static std::vector<Aggregated> definition(const Items& items) {
    if (items.empty()) return {undefined, undefined};
    Rational sum = 0, weights = 0;
    for (const Item& i : items) {
      const Rational w = weight(near(i), half_life, asked_at);
      sum += (real ? exactly(i.real) : Rational(i.whole) / 100) * w;
      weights += w;
    }
    return {expected(rounded(sum / weight(asked_at, half_life, asked_at))), expected(rounded(sum / weights))};
  }
};

struct Counts {
  ValueCounts counts;
  static std::uint64_t value(const Item& i) { return static_cast<std::uint64_t>(i.whole) % 5; }
  static bool less(std::uint64_t a, std::uint64_t b) { return a < b; }
  void add(const Item& i) { counts.add(value(i)); }
  void remove(const Item& i) { counts.remove(value(i)); }
  void merge(const Counts& other) { counts.merge(other.counts); }
  std::vector<Aggregated> values() const {
    std::vector<Aggregated> out{counts.entropy(), Aggregated::of(static_cast<std::int64_t>(counts.count())), Aggregated::of(static_cast<std::int64_t>(counts.distinct()))};
    for (const std::uint64_t v : counts.most_frequent(3, less)) out.push_back(Aggregated::of(static_cast<std::int64_t>(v)));
    for (std::uint64_t v = 0; v < 5; ++v) out.push_back(Aggregated::of(static_cast<std::int64_t>(counts.count_of(v))));
    return out;
  }
  static std::vector<Aggregated> definition(const Items& items) {
    std::map<std::uint64_t, std::int64_t> occurs;
    for (const Item& i : items) ++occurs[value(i)];
    const auto term = [](std::int64_t n) { return n * exactly(pinned::reference::log(static_cast<double>(n))); };
    const auto n = static_cast<std::int64_t>(items.size());
    std::vector<Aggregated> out{undefined, Aggregated::of(n), Aggregated::of(static_cast<std::int64_t>(occurs.size()))};
    if (n > 0) {
      Rational entropy = term(n);
      for (const auto& [v, count] : occurs) entropy -= term(count);
      out[0] = expected(rounded(entropy / n));
    }
    std::vector<std::uint64_t> frequent;
    for (const auto& [v, count] : occurs) frequent.push_back(v);
    std::stable_sort(frequent.begin(), frequent.end(), [&](std::uint64_t a, std::uint64_t b) { return occurs[a] > occurs[b]; });
    frequent.resize(std::min<std::size_t>(3, frequent.size()));
    for (const std::uint64_t v : frequent) out.push_back(Aggregated::of(static_cast<std::int64_t>(v)));
    for (std::uint64_t v = 0; v < 5; ++v) out.push_back(Aggregated::of(occurs[v]));
    return out;
  }
};

template <class Accumulator>
Accumulator of(const Items& items) {
  Accumulator out;
  for (const Item& i : items) out.add(i);
  return out;
}

using SlowDecay = Decays<true, 12 * hour>;
using FastDecay = Decays<true, 1>;
using MoneyDecay = Decays<false, 3 * minute>;

}  // namespace

TEMPLATE_TEST_CASE("an accumulator gives the exact result rounded once", "", RealSums, WholeSums, AllMoments<true>, AllMoments<false>, Trends<true>, Trends<false>, SlowDecay, FastDecay, MoneyDecay, Counts) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 60; ++i) {
    const Items items = draw_items(random);
    CAPTURE(i);
    CHECK(of<TestType>(items).values() == TestType::definition(items));
  }
  for (const auto& values : hard) {
    Items items;
    for (std::size_t k = 0; k < values.size(); ++k) items.push_back({static_cast<Instant>(k * k), static_cast<std::int64_t>(k) - 1, values[k] + 0.0});
    CAPTURE(values);
    CHECK(of<TestType>(items).values() == TestType::definition(items));
  }
}

TEMPLATE_TEST_CASE("laws: empty is the identity, merging is concatenation, removing undoes adding", "", RealSums, WholeSums, AllMoments<true>, AllMoments<false>,
                   Trends<true>, Trends<false>, SlowDecay, FastDecay, MoneyDecay, Counts) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 100; ++i) {
    const Items a = draw_items(random), b = draw_items(random), c = draw_items(random);
    Items all = a;
    all.insert(all.end(), b.begin(), b.end());
    all.insert(all.end(), c.begin(), c.end());
    std::shuffle(all.begin(), all.end(), random);
    const auto whole = of<TestType>(all).values();
    CAPTURE(i);

    TestType left = of<TestType>(a), right = of<TestType>(b);
    left.merge(of<TestType>(b));
    left.merge(of<TestType>(c));
    CHECK(left.values() == whole);                              // (a + b) + c
    right.merge(of<TestType>(c));
    TestType other = of<TestType>(a);
    other.merge(right);
    CHECK(other.values() == whole);                             // a + (b + c)

    TestType empty;
    empty.merge(of<TestType>(a));
    TestType identity = of<TestType>(a);
    identity.merge(TestType{});
    CHECK(empty.values() == of<TestType>(a).values());
    CHECK(identity.values() == of<TestType>(a).values());

    Items leaving = b;
    leaving.insert(leaving.end(), c.begin(), c.end());
    std::shuffle(leaving.begin(), leaving.end(), random);
    for (const Item& item : leaving) left.remove(item);
    CHECK(left.values() == of<TestType>(a).values());           // as if b and c had never been
    for (const Item& item : a) left.remove(item);
    CHECK(left.values() == TestType{}.values());
  }
}

TEST_CASE("a deviation is the root of the exact variance, not of the rounded one") {
  std::mt19937_64 random(3);
  int differs = 0;
  for (int i = 0; i < 2000; ++i) {
    PowerSums<2> sums;
    for (int k = 0; k < 3; ++k) sums.add(static_cast<double>(random() % 1000) / 7.0);
    const double variance = std::bit_cast<double>(sums.variance(1).bits), deviation = std::bit_cast<double>(sums.deviation(1).bits);
    differs += bits(std::sqrt(variance)) != bits(deviation);
  }
  CHECK(differs > 0);
}

TEST_CASE("moments of equal values are zero or undefined, never noise") {
  for (const double x : {0.1, 1e308, least, -12.34}) {
    PowerSums<4> sums;
    for (int i = 0; i < 1000; ++i) sums.add(x);
    CHECK(sums.variance(1) == Aggregated::of(0.0));
    CHECK(sums.deviation(0) == Aggregated::of(0.0));
    CHECK(sums.skewness(1) == undefined);
    CHECK(sums.kurtosis(0) == undefined);
  }
}

TEST_CASE("known moments: pandas 2.2 on 1, 2, 3, 4, 10") {
  PowerSums<4> sums;
  for (const std::int64_t x : {1, 2, 3, 4, 10}) sums.add(x);
  CHECK(sums.variance(1) == Aggregated::of(12.5));
  CHECK(std::bit_cast<double>(sums.skewness(1).bits) == Approx(1.6970562748477143).epsilon(1e-15));
  CHECK(std::bit_cast<double>(sums.kurtosis(1).bits) == Approx(3.152).epsilon(1e-15));
}

TEST_CASE("a sparse sum holds values any distance apart, and rounds by all of them") {
  const auto sum = [](std::initializer_list<std::pair<std::int64_t, std::int64_t>> terms) {
    SparseSum out;
    for (const auto& [count, exponent] : terms) out.add(count, exponent);
    return out;
  };
  const SparseSum one = sum({{1, 0}});
  constexpr std::int64_t far = std::int64_t{1} << 60;
  constexpr std::int64_t tie = (std::int64_t{1} << 54) + 2;   // halfway between two doubles, the even one below
  CHECK(*SparseSum::ratio(sum({{tie, 0}}), one) == 0x1p54);
  CHECK(*SparseSum::ratio(sum({{tie, 0}, {1, -far}}), one) == 0x1p54 + 4);
  CHECK(*SparseSum::ratio(sum({{tie, 0}, {-1, -far}}), one) == 0x1p54);
  CHECK(*SparseSum::ratio(sum({{tie + 4, 0}, {-1, -far}}), one) == 0x1p54 + 4);
  CHECK(*SparseSum::ratio(sum({{-tie, 0}, {-1, -far}}), one) == -0x1p54 - 4);
  CHECK(*SparseSum::ratio(sum({{tie, 0}}), sum({{1, 0}, {1, -far}})) == 0x1p54);
  CHECK(*SparseSum::ratio(sum({{tie, 0}}), sum({{1, 0}, {-1, -far}})) == 0x1p54 + 4);
  CHECK(*SparseSum::ratio(sum({{1, far}, {3, 0}, {-1, far}}), one) == 3.0);          // what was far away has cancelled
  CHECK(*SparseSum::ratio(sum({{7, -far}}), sum({{2, -far}})) == 3.5);
  CHECK_FALSE(SparseSum::ratio(sum({{1, far}}), one));
  CHECK(bits(*SparseSum::ratio(sum({{-1, -far}}), one)) == 0);
  CHECK(*SparseSum::ratio(sum({{1, -1075}}), one) == 0.0);                           // half of the least: even is zero
  CHECK(*SparseSum::ratio(sum({{1, -1075}, {1, -far}}), one) == least);
  CHECK_FALSE(SparseSum::ratio(sum({{(std::int64_t{1} << 54) - 1, 970}}), one));     // a tie above the largest
  CHECK(*SparseSum::ratio(sum({{(std::int64_t{1} << 54) - 1, 970}, {-1, -far}}), one) == largest);
  CHECK(sum({{1, 70}, {-1, 70}}) == SparseSum{});
  CHECK(sum({{1, 64}, {-1, 0}}) == sum({{std::numeric_limits<std::int64_t>::max(), 1}, {1, 0}}));   // one form for one sum
}

TEST_CASE("a decayed sum keeps what is a million half-lives old, and halves in one") {
  DecaySums sums(second);
  sums.add(Instant{0}, 8.0);
  CHECK(sums.sum(0) == Aggregated::of(8.0));
  CHECK(sums.sum(3 * second) == Aggregated::of(1.0));
  CHECK(sums.sum(-second) == Aggregated::of(16.0));
  sums.add(1'000'000 * second, std::int64_t{3});
  CHECK(sums.sum(1'000'000 * second) == Aggregated::of(3.0));
  CHECK(sums.mean() == Aggregated::of(3.0));
  sums.remove(1'000'000 * second, std::int64_t{3});
  CHECK(sums.sum(second) == Aggregated::of(4.0));
  CHECK(sums.mean() == Aggregated::of(8.0));
}

TEST_CASE("a quantile is interpolated exactly and rounded once, its p the decimal that was written") {
  std::mt19937_64 random(6);
  const std::vector<std::pair<std::int64_t, std::int64_t>> ps{{0, 1}, {1, 1}, {5, 10}, {3, 10}, {1, 4}, {999'999'999, 1'000'000'000}, {1, 1'000'000'000}};
  for (int i = 0; i < 200; ++i) {
    Items items = draw_items(random);
    if (items.empty()) continue;
    std::vector<double> reals;
    std::vector<std::int64_t> wholes;
    for (const Item& item : items) {
      reals.push_back(item.real);
      wholes.push_back(item.whole);
    }
    std::sort(reals.begin(), reals.end());
    std::sort(wholes.begin(), wholes.end());
    const auto& [p, q] = ps[random() % ps.size()];
    for (const Interpolation how : {Interpolation::linear, Interpolation::lower, Interpolation::higher, Interpolation::nearest, Interpolation::midpoint}) {
      const Rational h = Rational(items.size() - 1) * p / q;
      const auto below = static_cast<std::size_t>(numerator(h) / denominator(h)), above = below + (h > below);
      const Rational beyond = h - below;
      const bool up = beyond * 2 > 1 || (beyond * 2 == 1 && below % 2 == 1);
      const Rational share = how == Interpolation::linear ? beyond : how == Interpolation::lower ? Rational(0) : how == Interpolation::higher ? Rational(1)
                           : how == Interpolation::midpoint ? Rational(1, 2) : Rational(int{up});
      const QuantileRank rank = quantile_rank(items.size(), p, q, how);
      const std::size_t next = std::min<std::size_t>(rank.lower + 1, items.size() - 1);
      CAPTURE(items.size(), p, q, to_string(how), reals);
      CHECK(quantile_between(reals[rank.lower], reals[next], rank) == expected(rounded(exactly(reals[below]) * (1 - share) + exactly(reals[above]) * share)));
      CHECK(quantile_between(wholes[rank.lower], wholes[next], rank, 2) == expected(rounded((Rational(wholes[below]) * (1 - share) + Rational(wholes[above]) * share) / 100)));
    }
  }
  CHECK(quantile_rank(101, 29, 100, Interpolation::lower).lower == 29);        // 100 * 0.29 is 28.999999999999996 in doubles
  CHECK(quantile_between(largest, largest, {0, 1, 2}) == Aggregated::of(largest));
  CHECK(quantile_between(-largest, largest, {0, 1, 2}) == Aggregated::of(0.0));
}
