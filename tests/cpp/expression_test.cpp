#include <featlib/contract/expression.hpp>

#include <boost/multiprecision/cpp_int.hpp>
#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace featlib;

namespace {

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t smallest = std::numeric_limits<std::int64_t>::min();

struct Known {
  Type type;
  Cell cell;
};
using World = std::map<std::string, Known>;

const World& world() {
  static const World known{
      {"t", {Type::boolean, Cell::of(true)}},
      {"f", {Type::boolean, Cell::of(false)}},
      {"u", {Type::boolean, Cell::null()}},  // unknown
      {"x", {Type::float64, Cell::of(2.5)}},
      {"i", {Type::int64, Cell::of(std::int64_t{7})}},
      {"n", {Type::float64, Cell::null()}},  // a number that is missing
      {"s", {Type::string, Cell::of(std::string_view("grocery"))}},
      {"missing", {Type::string, Cell::null()}},
      {"as_of", {Type::timestamp, Cell::of(std::int64_t{1'522'540'831'000'000})}},  // 2018-04-01T00:00:31Z, a Sunday
      {"request.amount", {Type::decimal, Cell::of(12.25)}},
      {"merchant", {Type::category, Cell::of(std::string_view("fuel"))}},
      {"a", {Type::int64, Cell::of(largest)}},
      {"b", {Type::int64, Cell::of(smallest)}},
      {"nan", {Type::float64, Cell::of(std::numeric_limits<double>::quiet_NaN())}},
      {"inf", {Type::float64, Cell::of(std::numeric_limits<double>::infinity())}},
      {"minus_zero", {Type::float64, Cell::of(-0.0)}},
  };
  return known;
}

ExpressionResult<Expression> bound(std::string_view text, const World& names = world(),
                                   const TimeZone& zone = TimeZone::utc()) {
  auto parsed = Expression::parse(text);
  if (!parsed.value) return parsed;
  return parsed.value->bind(
      [&](const ExpressionInput& input) -> std::optional<Variable> {
        const auto known = names.find(input.name);
        return known == names.end() ? std::nullopt : std::optional(Variable{known->second.type});
      },
      zone);
}

Evaluated run(const Expression& expression, const World& names = world()) {
  std::vector<Cell> cells;
  for (const ExpressionInput& input : expression.inputs()) cells.push_back(names.at(input.name).cell);
  return expression.evaluate(cells);
}

/// "2.5", "7", "true", "'grocery'", "null", "error"; a clipped value ends in "!".
std::string shown(std::string_view text, const World& names = world(), const TimeZone& zone = TimeZone::utc()) {
  const auto expression = bound(text, names, zone);
  if (!expression.value) return "refused: " + expression.failure.message;
  static std::vector<Expression> alive;  // text results borrow from the expression
  alive.push_back(*expression.value);
  const Evaluated e = run(alive.back(), names);
  const auto type = alive.back().type();
  if (e.value.is_null())
    return e.cause == Cause::error ? "error" : e.cause == Cause::null ? "null" : "null with a strange cause";
  std::string out;
  if (type == Type::boolean)
    out = e.value.integer ? "true" : "false";
  else if (type == Type::string)
    out = "'" + std::string(e.value.text) + "'";
  else if (type == Type::float64) {
    REQUIRE(e.value.kind == Cell::Kind::real);
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.17g", e.value.real);
    out = digits;
  } else {
    REQUIRE(e.value.kind == Cell::Kind::integer);
    out = std::to_string(e.value.integer);
  }
  return out + (e.cause == Cause::clipped ? "!" : "");
}

ExpressionFailure failure(std::string_view text) {
  const auto expression = bound(text);
  INFO(text.substr(0, 200));
  REQUIRE_FALSE(expression.value);
  CHECK_FALSE(expression.failure.message.empty());
  return expression.failure;
}

Type type_of(std::string_view text) { return bound(text).value.value().type(); }
std::string canonical(std::string_view text) { return Expression::parse(text).value.value().canonical(); }

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

struct PinnedRow {
  std::string_view function;
  double x, y, expected;
};
extern const std::vector<PinnedRow> pinned_rows;

double call(std::string_view function, double x, double y) {
  if (function == "exp") return pinned::exp(x);
  if (function == "log") return pinned::log(x);
  if (function == "log1p") return pinned::log1p(x);
  if (function == "pow") return pinned::pow(x, y);
  if (function == "sin") return pinned::sin(x);
  if (function == "cos") return pinned::cos(x);
  REQUIRE(function == "asin");
  return pinned::asin(x);
}

struct ArithmeticRow {
  Cell left;
  std::string_view op;
  Cell right;
  double expected;
};
extern const std::vector<ArithmeticRow> arithmetic_rows;

}  // namespace

TEST_CASE("products bind tighter than sums, signs tighter than products", "[expression]") {
  CHECK(shown("1 + 2 * 3") == "7");
  CHECK(shown("(1 + 2) * 3") == "9");
  CHECK(shown("10 - 4 - 3") == "3");
  CHECK(shown("100 / 10 / 5") == "2");
  CHECK(shown("2 * 7 % 4") == "2");
  CHECK(shown("-x * 2") == "-5");
  CHECK(shown("1 - -1") == "2");
  CHECK(shown("--i") == "7");
  CHECK(shown("1 / 4") == "0.25");
}

TEST_CASE("and binds tighter than or, not tighter than and, comparisons tighter than not", "[expression]") {
  CHECK(shown("t or t and f") == "true");
  CHECK(shown("(t or t) and f") == "false");
  CHECK(shown("not f and f") == "false");
  CHECK(shown("not (f and f)") == "true");
  CHECK(shown("not i = 8") == "true");
  CHECK(shown("i + 1 = 8 and x < 3") == "true");
  CHECK(shown("i between 1 and 6 or t") == "true");
  CHECK(shown("i between 1 + 1 and 3 * 3 and f") == "false");
}

TEST_CASE("remainder has the sign of the dividend", "[expression]") {
  CHECK(shown("7 % 4") == "3");
  CHECK(shown("-7 % 4") == "-3");
  CHECK(shown("7 % -4") == "3");
  CHECK(shown("-8 % 4") == "0");
  CHECK(shown("5.5 % 2") == "1.5");
  CHECK(shown("b % -1") == "0");
  CHECK(shown("7 % 0") == "error");
}

TEST_CASE("and, or and not follow the truth tables of SQL", "[expression]") {
  const std::string names = "tfu";
  const auto word = [](char c) { return c == 't' ? "true" : c == 'f' ? "false" : "null"; };
  const std::map<std::string, std::string> conjunction{{"tt", "t"}, {"tf", "f"}, {"tu", "u"}, {"ft", "f"}, {"ff", "f"},
                                                       {"fu", "f"}, {"ut", "u"}, {"uf", "f"}, {"uu", "u"}};
  const std::map<std::string, std::string> disjunction{{"tt", "t"}, {"tf", "t"}, {"tu", "t"}, {"ft", "t"}, {"ff", "f"},
                                                       {"fu", "u"}, {"ut", "t"}, {"uf", "u"}, {"uu", "u"}};
  for (const auto& [pair, expected] : conjunction)
    CHECK(shown(std::string{pair[0]} + " and " + pair[1]) == word(expected[0]));
  for (const auto& [pair, expected] : disjunction)
    CHECK(shown(std::string{pair[0]} + " or " + pair[1]) == word(expected[0]));
  CHECK(shown("not t") == "false");
  CHECK(shown("not f") == "true");
  CHECK(shown("not u") == "null");
}

TEST_CASE("a comparison with null is null, is null is not", "[expression]") {
  for (const char* op : {"=", "!=", "<", "<=", ">", ">="}) {
    CHECK(shown(std::string("n ") + op + " 1") == "null");
    CHECK(shown(std::string("1 ") + op + " n") == "null");
    CHECK(shown(std::string("null ") + op + " null") == "null");
  }
  CHECK(shown("n is null") == "true");
  CHECK(shown("n is not null") == "false");
  CHECK(shown("1 / 0 is null") == "true");
  CHECK(shown("x is null") == "false");
  CHECK(shown("u is null or u") == "true");
}

TEST_CASE("in is a chain of or", "[expression]") {
  CHECK(shown("i in (1, 7)") == "true");
  CHECK(shown("i in (1, 7.0)") == "true");
  CHECK(shown("i in (1, 2)") == "false");
  CHECK(shown("i in (1, null)") == "null");
  CHECK(shown("i in (null, 7)") == "true");
  CHECK(shown("n in (1, 2)") == "null");
  CHECK(shown("i not in (1, 2)") == "true");
  CHECK(shown("i not in (1, n)") == "null");
  CHECK(shown("i in (1 / 0, 7)") == "true");
  CHECK(shown("i in (1 / 0, 8)") == "error");
  CHECK(shown("s in ('fuel', 'grocery')") == "true");
  CHECK(shown("merchant not in ('fuel')") == "false");
}

TEST_CASE("between includes both ends", "[expression]") {
  CHECK(shown("i between 7 and 7") == "true");
  CHECK(shown("i between 8 and 9") == "false");
  CHECK(shown("i not between 8 and 9") == "true");
  CHECK(shown("i between n and 9") == "null");
  CHECK(shown("i between n and 6") == "false");
  CHECK(shown("i between 8 and n") == "false");
  CHECK(shown("n between 1 and 2") == "null");
  CHECK(shown("s between 'a' and 'z'") == "true");
}

TEST_CASE("case takes the first condition that is true, not one that is null", "[expression]") {
  CHECK(shown("case when u then 1 when t then 2 else 3 end") == "2");
  CHECK(shown("case when f then 1 else 3 end") == "3");
  CHECK(shown("case when f then 1 end") == "null");
  CHECK(shown("case when 1 / 0 > 1 then 1 else 3 end") == "3");
  CHECK(shown("case when t then 'a' else s end") == "'a'");
  CHECK(shown("case when f then null else s end") == "'grocery'");
  CHECK(shown("case when t then i else x end") == "7");
  CHECK(type_of("case when t then i else x end") == Type::float64);
  CHECK(type_of("case when t then 1 else null end") == Type::int64);
}

TEST_CASE("an error is null with a cause, and the cause outlives a plain null", "[expression]") {
  CHECK(shown("x / 0") == "error");
  CHECK(shown("0 / 0") == "error");
  CHECK(shown("0.0 / minus_zero") == "error");
  CHECK(shown("log(0)") == "error");
  CHECK(shown("log(-1)") == "error");
  CHECK(shown("log1p(-1)") == "error");
  CHECK(shown("sqrt(-1)") == "error");
  CHECK(shown("asin(1.5)") == "error");
  CHECK(shown("pow(0, -1)") == "error");
  CHECK(shown("pow(-8, 1 / 3)") == "error");
  CHECK(shown("exp(710)") == "error");
  CHECK(shown("1e308 * 10") == "error");
  CHECK(shown("1e308 + 1e308") == "error");
  CHECK(shown("n + 1") == "null");
  CHECK(shown("n + 1 / 0") == "error");
  CHECK(shown("1 / 0 + n") == "error");
  CHECK(shown("n / 0") == "null");  // the quotient was never taken
  CHECK(shown("min(1, n, 1 / 0)") == "error");
  CHECK(shown("u and 1 / 0 > 1") == "error");
}

TEST_CASE("a branch that was not taken leaves no trace", "[expression]") {
  CHECK(shown("coalesce(1 / 0, 5)") == "5");
  CHECK(shown("coalesce(n, 1 / 0)") == "error");
  CHECK(shown("coalesce(1 / 0, n)") == "error");
  CHECK(shown("coalesce(n, null)") == "null");
  CHECK(shown("f and 1 / 0 > 1") == "false");
  CHECK(shown("1 / 0 > 1 and f") == "false");
  CHECK(shown("1 / 0 > 1 or t") == "true");
  CHECK(shown("case when t then 1 else 1 / 0 end") == "1");
  CHECK(shown("case when f then clip(x, 0, 1) else x end") == "2.5");
  CHECK(shown("coalesce(x, clip(x, 0, 1))") == "2.5");
  CHECK(shown("clip(x, 0, 1) is null") == "false");
}

TEST_CASE("clip marks a value that it changed and that was used", "[expression]") {
  CHECK(shown("clip(x, 0, 2)") == "2!");
  CHECK(shown("clip(x, 3, 4)") == "3!");
  CHECK(shown("clip(x, 0, 2.5)") == "2.5");
  CHECK(shown("clip(x, 2.5, 9)") == "2.5");
  CHECK(shown("clip(x, 0, 2) + 1") == "3!");
  CHECK(shown("clip(x, 0, 2) > 1") == "true!");
  CHECK(shown("coalesce(n, clip(x, 0, 2))") == "2!");
  CHECK(shown("case when clip(x, 0, 2) = 2 then 1 else 0 end") == "1!");
  CHECK(shown("max(clip(x, 0, 2), 100)") == "100!");
  CHECK(shown("clip(clip(x, 0, 2), 0, 9)") == "2!");
  CHECK(shown("clip(x, 0, 2) / 0") == "error");
  CHECK(shown("clip(x, 0, 2) + n") == "null");
  CHECK(shown("clip(n, 0, 2)") == "null");
  CHECK(shown("clip(x, n, 2)") == "null");
  CHECK(shown("clip(x, 2, 0)") == "error");
  CHECK(shown("clip(i, 0, 6)") == "6!");
  CHECK(type_of("clip(i, 0, 6)") == Type::int64);
  CHECK(shown("f and clip(x, 0, 2) > 1") == "false");
}

TEST_CASE("min and max look at every argument", "[expression]") {
  CHECK(shown("min(3, 1, 2)") == "1");
  CHECK(shown("max(3, 1, 2)") == "3");
  CHECK(shown("min(i)") == "7");
  CHECK(shown("max(1, n)") == "null");
  CHECK(shown("max(i, 7.5)") == "7.5");
  CHECK(shown("max(i, 6.5)") == "7");
  CHECK(type_of("max(i, 6.5)") == Type::float64);
  CHECK(type_of("max(i, 6)") == Type::int64);
  CHECK(type_of("min(as_of, as_of)") == Type::timestamp);
}

TEST_CASE("whole numbers are exact beyond 2^53", "[expression]") {
  CHECK(shown("9007199254740993 = 9007199254740992.0") == "false");
  CHECK(shown("9007199254740993 > 9007199254740992.0") == "true");
  CHECK(shown("9007199254740993 - 9007199254740992.0") == "1");
  CHECK(shown("a - 1 = 9223372036854775808.0") == "true");  // float64: one rounding, of 2^63 - 2
  CHECK(shown("a = 9223372036854775807") == "true");
  CHECK(shown("a = 9223372036854775808.0") == "false");
  CHECK(shown("a < 9223372036854775808") == "true");  // a literal too large for int64 is float64
  CHECK(shown("b = -9223372036854775808") == "true");
  CHECK(type_of("-9223372036854775808") == Type::int64);
  CHECK(type_of("9223372036854775808") == Type::float64);
  CHECK(shown("a + b") == "-1");
  CHECK(shown("a * 0 + b * 0") == "0");
  CHECK(shown("a / a") == "1");
  CHECK(shown("min(a, 1e300) = a") == "false");  // min met a float64 and was rounded to 2^63
  CHECK(shown("min(a, 9) = 9") == "true");
  CHECK(shown("floor(a) = a") == "true");
  CHECK(shown("b < -9223372036854775809.0") == "false");
  CHECK(shown("i < inf") == "error");
}

TEST_CASE("a node is the exact result rounded once, whatever it mixes", "[expression]") {
  for (const ArithmeticRow& row : arithmetic_rows) {
    const auto type = [](const Cell& c) { return c.kind == Cell::Kind::integer ? Type::int64 : Type::float64; };
    const World names{{"l", {type(row.left), row.left}}, {"r", {type(row.right), row.right}}};
    const Evaluated e = run(bound("l " + std::string(row.op) + " r", names).value.value(), names);
    INFO((&row - arithmetic_rows.data()) << ": " << row.op);
    REQUIRE_FALSE(e.value.is_null());
    CHECK(e.value.real == row.expected);
    CHECK(std::signbit(e.value.real) == std::signbit(row.expected));
  }
}

TEST_CASE("NaN and infinity are errors of the value, -0.0 is 0.0", "[expression]") {
  CHECK(shown("nan") == "error");
  CHECK(shown("inf") == "error");
  CHECK(shown("nan = nan") == "error");
  CHECK(shown("coalesce(nan, 1)") == "1");
  for (const char* text : {"minus_zero", "-0.0", "-(0.0)", "0 * -1.0", "round(-0.4)", "ceil(-0.5)", "-5 % 5.0",
                           "sin(-0.0)", "abs(minus_zero)"}) {
    const Evaluated e = run(bound(text).value.value());
    INFO(text);
    CHECK(e.value.real == 0.0);
    CHECK_FALSE(std::signbit(e.value.real));
  }
}

TEST_CASE("round goes to the even neighbour from the middle", "[expression]") {
  const std::vector<std::pair<std::string, std::string>> cases{{"0.5", "0"},
                                                               {"1.5", "2"},
                                                               {"2.5", "2"},
                                                               {"-0.5", "0"},
                                                               {"-1.5", "-2"},
                                                               {"-2.5", "-2"},
                                                               {"2.4", "2"},
                                                               {"2.6", "3"},
                                                               {"-2.6", "-3"},
                                                               {"0.49999999999999994", "0"},
                                                               {"4503599627370495.5", "4503599627370496"},
                                                               {"4503599627370497.0", "4503599627370497"},
                                                               {"1e300", "1.0000000000000001e+300"}};
  for (const auto& [argument, expected] : cases) CHECK(shown("round(" + argument + ")") == expected);
  CHECK(shown("floor(-2.5)") == "-3");
  CHECK(shown("ceil(-2.5)") == "-2");
  CHECK(shown("round(i)") == "7");
}

TEST_CASE("strings compare by bytes", "[expression]") {
  CHECK(shown("'a' < 'b'") == "true");
  CHECK(shown("'Z' < 'a'") == "true");
  CHECK(shown("'a' < 'a '") == "true");
  CHECK(shown("'\xc3\xa9' > 'z'") == "true");
  CHECK(shown("s = \"grocery\"") == "true");
  CHECK(shown("'it''s'") == "'it's'");
  CHECK(shown("\"say \"\"hi\"\"\"") == "'say \"hi\"'");
  CHECK(shown("''") == "''");
  CHECK(shown("missing = 'a'") == "null");
}

TEST_CASE("calendar parts are read in the zone of the feature", "[expression]") {
  const TimeZone new_york = TimeZone::find("America/New_York").value();
  const auto here = [&](std::string_view text) { return shown(text, world(), TimeZone::utc()); };
  const auto there = [&](std::string_view text) { return shown(text, world(), new_york); };
  CHECK(here("weekday(as_of)") == "6");
  CHECK(there("weekday(as_of)") == "5");
  CHECK(here("hour(as_of)") == "0");
  CHECK(there("hour(as_of)") == "20");
  CHECK(there("day(as_of)") == "31");
  CHECK(there("month(as_of)") == "3");
  CHECK(here("year(as_of)") == "2018");
  CHECK(here("minute(as_of)") == "0");
  CHECK(here("second(as_of)") == "31");
  CHECK(here("day_of_year(as_of)") == "91");
  CHECK(here("weekday(as_of) >= 5") == "true");
  CHECK(type_of("hour(as_of)") == Type::int64);
}

TEST_CASE("a z-score is the difference over the deviation", "[expression]") {
  CHECK(shown("zscore(10, 4, 2)") == "3");
  CHECK(shown("zscore(10, 4, 0)") == "error");
  CHECK(shown("zscore(10, n, 2)") == "null");
  CHECK(shown("zscore(9007199254740993, 9007199254740992.0, 1)") == "1");
}

TEST_CASE("distance is the great circle in kilometres", "[expression]") {
  const auto kilometres = [](std::string_view text) { return run(bound(text).value.value()).value.real; };
  CHECK(kilometres("distance_km(52.52, 13.405, 52.52, 13.405)") == 0.0);
  CHECK(kilometres("distance_km(0, 0, 0, 180)") == Approx(20'015.114442036).epsilon(1e-12));
  CHECK(kilometres("distance_km(90, 0, -90, 0)") == Approx(20'015.114442036).epsilon(1e-12));
  CHECK(kilometres("distance_km(0, 179.5, 0, -179.5)") == Approx(111.195080).epsilon(1e-6));
  CHECK(kilometres("distance_km(52.52, 13.405, 48.8566, 2.3522)") == Approx(877.4653).epsilon(1e-5));
  CHECK(shown("distance_km(90.5, 0, 0, 0)") == "error");
  CHECK(shown("distance_km(0, 0, 0, n)") == "null");
}

TEST_CASE("pinned functions are the correctly rounded ones", "[pinned]") {
  CHECK(pinned_rows.size() > 300);
  for (const PinnedRow& row : pinned_rows) {
    INFO(row.function << " row " << (&row - pinned_rows.data()));
    CHECK(call(row.function, row.x, row.y) == row.expected);
  }
}

TEST_CASE("the quick step never disagrees with the reference", "[pinned]") {
  const unsigned seed = 31;
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const auto unit = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  const auto any = [&] { return std::ldexp(unit() - 0.5, static_cast<int>(random() % 120) - 60); };
  const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  for (int i = 0; i < 1500; ++i) {
    const double x = any(), y = any(), near_one = 1.0 + any() * 0x1p-60, positive = std::fabs(x);
    CAPTURE(x, y, near_one);
    REQUIRE(same(pinned::exp(x), pinned::reference::exp(x)));
    REQUIRE(same(pinned::log(positive), pinned::reference::log(positive)));
    REQUIRE(same(pinned::log(near_one), pinned::reference::log(near_one)));
    REQUIRE(same(pinned::log1p(x), pinned::reference::log1p(x)));
    REQUIRE(same(pinned::sin(x), pinned::reference::sin(x)));
    REQUIRE(same(pinned::cos(x), pinned::reference::cos(x)));
    const double inside = (unit() - 0.5) * 2.0;
    REQUIRE(same(pinned::asin(inside), pinned::reference::asin(inside)));
    REQUIRE(same(pinned::pow(positive, y), pinned::reference::pow(positive, y)));
    const double exponent = (unit() - 0.5) * 1400.0 / std::log(positive);
    REQUIRE(same(pinned::pow(positive, exponent), pinned::reference::pow(positive, exponent)));
  }
}

TEST_CASE("2^(n / d) is the nearest double: proved in integers for small d, held to the reference for all", "[pinned]") {
  using boost::multiprecision::cpp_int;
  // The double is c 2^-53 with c even, and its neighbours' halfway points are c - 1 and c + 1: (c - 1)^d < 2^(n + 53 d) < (c + 1)^d.
  for (unsigned d = 1; d <= 60; ++d)
    for (unsigned n = 0; n < d; ++n) {
      CAPTURE(n, d);
      const auto c = static_cast<std::int64_t>(std::ldexp(pinned::exp2(n, d), 53));
      const cpp_int exact = cpp_int(1) << (n + 53 * d);
      REQUIRE(pow(cpp_int(c - 1), d) < exact);
      REQUIRE(pow(cpp_int(c + 1), d) > exact);
    }
  std::mt19937_64 random(32);
  for (int i = 0; i < 1500; ++i) {
    const auto d = static_cast<std::int64_t>((random() >> 1 >> (random() % 62)) | 1);
    const auto n = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(d));
    CAPTURE(n, d);
    REQUIRE(pinned::exp2(n, d) == pinned::reference::exp2(n, d));
  }
  for (const std::int64_t d : {largest, std::int64_t{1} << 62})
    for (const std::int64_t n : {std::int64_t{0}, std::int64_t{1}, d / 2, d - 1}) CHECK(pinned::exp2(n, d) == pinned::reference::exp2(n, d));
  CHECK(pinned::exp2(0, 7) == 1.0);
  CHECK(pinned::exp2(1, largest) == 1.0);
}

TEST_CASE("exact results are exact", "[pinned]") {
  CHECK(pinned::exp(0.0) == 1.0);
  CHECK(pinned::log(1.0) == 0.0);
  CHECK(pinned::pow(2.0, 10.0) == 1024.0);
  CHECK(pinned::pow(3.0, 33.0) == 5559060566555523.0);
  for (int k = -1074; k <= 1023; ++k) {
    if (pinned::pow(2.0, k) != std::ldexp(1.0, k)) FAIL(k);
    if (pinned::pow(std::ldexp(1.0, k), 1.0) != std::ldexp(1.0, k)) FAIL(k);
  }
}

TEST_CASE("a square on the midpoint of two doubles goes to the even one", "[pinned]") {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    const auto m = static_cast<double>((std::uint64_t{1} << 26 | random() % (std::uint64_t{1} << 26)) |
                                       1);  // 27 bits: squares have 53 or 54
    if (pinned::pow(m, 2.0) != m * m) FAIL(m);
    if (pinned::pow(m * m, 0.5) != std::sqrt(m * m)) FAIL(m);
  }
}

TEST_CASE("outside its domain or range a pinned function is NaN", "[pinned]") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  for (const char* function : {"exp", "log", "log1p", "sin", "cos", "asin"})
    for (const double x : {nan, inf}) {
      CAPTURE(function);
      CHECK(std::isnan(call(function, x, 0)));
    }
  CHECK(std::isnan(pinned::exp(709.782712893385)));
  CHECK(pinned::exp(-1e308) == 0.0);
  CHECK(std::isnan(pinned::log(0.0)));
  CHECK(std::isnan(pinned::log(-1.0)));
  CHECK(std::isnan(pinned::log1p(-1.0)));
  CHECK(std::isnan(pinned::asin(std::nextafter(1.0, 2.0))));
  CHECK(std::isnan(pinned::pow(0.0, -1.0)));
  CHECK(std::isnan(pinned::pow(-2.0, 0.5)));
  CHECK(std::isnan(pinned::pow(2.0, 1024.0)));
  CHECK(pinned::pow(2.0, -1076.0) == 0.0);
  CHECK(pinned::pow(2.0, -1075.0) == 0.0);  // the midpoint below the smallest number: to even
  CHECK_FALSE(std::signbit(pinned::pow(-2.0, -1077.0)));
}

TEST_CASE("symmetric functions are symmetric", "[pinned]") {
  std::mt19937_64 random(11);
  for (int i = 0; i < 300; ++i) {
    const double x = std::ldexp(static_cast<double>(random() >> 11), static_cast<int>(random() % 100) - 90);
    if (pinned::sin(-x) != -pinned::sin(x) || pinned::cos(-x) != pinned::cos(x)) FAIL(x);
    const double y = static_cast<double>(random() >> 11) * 0x1p-53;
    if (pinned::asin(-y) != -pinned::asin(y)) FAIL(y);
  }
}

TEST_CASE("a feature's name is one input, its fallback another", "[expression]") {
  const Expression e = Expression::parse("request.amount / avg + with_fallback(avg) + avg").value.value();
  REQUIRE(e.inputs().size() == 3);
  CHECK(e.inputs()[0].name == "request.amount");
  CHECK(e.inputs()[1].name == "avg");
  CHECK_FALSE(e.inputs()[1].with_fallback);
  CHECK(e.inputs()[1].offset == 17);
  CHECK(e.inputs()[2].name == "avg");
  CHECK(e.inputs()[2].with_fallback);
  CHECK(e.inputs()[2].offset == 37);
}

TEST_CASE("a function's name may also be a column's", "[expression]") {
  const World names{{"hour", {Type::float64, Cell::of(3.0)}}, {"min", {Type::float64, Cell::of(4.0)}}};
  CHECK(shown("hour + min(min, 9)", names) == "7");
}

TEST_CASE("decimals read as float64 in their unit, categories as strings", "[expression]") {
  CHECK(shown("request.amount * 2") == "24.5");
  CHECK(type_of("request.amount") == Type::float64);
  CHECK(type_of("merchant") == Type::string);
}

TEST_CASE("types are checked before anything runs", "[expression]") {
  CHECK(failure("s + 1").offset == 0);
  CHECK(failure("1 + t").help == "write `case when ... then 1 else 0 end`");
  CHECK(failure("t = 1").help == "a bool is true or false, never 1 or 0");
  CHECK(failure("t < f").message == "a bool `t` has no order");
  CHECK(failure("as_of + 1").offset == 0);
  CHECK(failure("x and t").message == "expected a condition, found a number `x`");
  CHECK(failure("not x").offset == 4);
  CHECK(failure("case when x then 1 end").offset == 10);
  CHECK(failure("case when t then 1 else 'a' end").message ==
        "expected a number like the values before it, found a string `'a'`");
  CHECK(failure("coalesce(s, 1)").offset == 12);
  CHECK(failure("s = 1").message == "a string `s` is compared with a number `1`");
  CHECK(failure("as_of > 1").offset == 8);
  CHECK(failure("x in (1, 'a')").offset == 9);
  CHECK(failure("hour(x)").message == "expected a timestamp, found a number `x`");
  CHECK(failure("min(s, s)").offset == 4);
  CHECK(failure("min(t, f)").offset == 4);
  CHECK(failure("clip(x, 'a', 1)").offset == 8);
  CHECK(failure("sqrt(t)").offset == 5);
  CHECK(failure("- s").offset == 2);
  CHECK(bound("null + 1").value);
  CHECK(shown("null + 1") == "null");
  CHECK(type_of("null") == Type::float64);
}

TEST_CASE("an unknown name is its own kind of failure", "[expression]") {
  const ExpressionFailure f = failure("x + amuont");
  CHECK(f.code == ErrorCode::unknown_name);
  CHECK(f.offset == 4);
  CHECK(f.message == "`amuont` is not a name that can be read here");
}

TEST_CASE("an unknown function is answered with the nearest one", "[expression]") {
  CHECK(failure("sqr(x)").help == "did you mean `sqrt`?");
  CHECK(failure("1 + ABS(x)").offset == 4);
  CHECK(failure("distance(1, 2, 3, 4)").help == "did you mean `distance_km`?");
  CHECK(failure("weekdy(as_of)").help == "did you mean `weekday`?");
  CHECK(failure("frobnicate(x)").help.empty());
  CHECK(failure("mean(x)").help.find("aggregate") != std::string::npos);
}

TEST_CASE("a failure says where, what was found and what was expected", "[expression]") {
  const auto says = [](std::string_view text, int offset, std::string_view message) {
    const ExpressionFailure f = failure(text);
    CHECK(f.code == ErrorCode::bad_expression);
    CHECK(f.offset == offset);
    CHECK(f.message == message);
  };
  says("", 0, "the expression is empty");
  says("   ", 0, "the expression is empty");
  says("1 +", 3, "expected a value, found the end");
  says("1 + * 2", 4, "expected a value, found `*`");
  says("(1 + 2", 6, "expected `)`, found the end");
  says("1 2", 2, "expected an operator or the end, found the number `2`");
  says("x AND t", 2, "expected an operator or the end, found the name `AND`");
  says("7x", 0, "`7x` is not a number");
  says("1.", 0, "`1.` is not a number");
  says(".5", 0, "`.` means nothing here");
  says("'abc", 0, "text starts with ' and does not end");
  says("x + a.", 5, "a name ends with `.`");
  says("1 < 2 < 3", 6, "`<` after a comparison");
  says("pow(1)", 0, "`pow` takes 2 arguments, found 1");
  says("abs()", 0, "`abs` takes 1 argument, found 0");
  says("case x when 1 then 2 end", 5, "expected `when`, found the name `x`");
  says("case when t then 1", 18, "expected `when`, `else` or `end`, found the end");
  says("x is 1", 5, "expected `null`, found the number `1`");
  says("x in 1", 5, "expected `(`, found the number `1`");
  says("x not 1", 6, "expected `in` or `between` after `not`, found the number `1`");
  says("1e999", 0, "`1e999` is outside what float64 holds");
  says("x \xff y", 2, "`\\xff` means nothing here");
  CHECK(failure("x AND t").help == "keywords are lower case: `and`");
  CHECK(failure("x && t").help == "write `and`");
  CHECK(failure("with_fallback(1)").offset == 14);
}

TEST_CASE("texts that parse to the same tree have one canonical spelling", "[expression]") {
  CHECK(canonical("a+b*c") == "a + b * c");
  CHECK(canonical("  a + ( b*c ) ") == "a + b * c");
  CHECK(canonical("(a + b) * c") == "(a + b) * c");
  CHECK(canonical("a - (b - c)") == "a - (b - c)");
  CHECK(canonical("(a - b) - c") == "a - b - c");
  CHECK(canonical("a == b") == canonical("a = b"));
  CHECK(canonical("a <> b") == canonical("a != b"));
  CHECK(canonical("a is not null") == canonical("not (a is null)"));
  CHECK(canonical("a not in (1,2)") == canonical("not a in (1, 2)"));
  CHECK(canonical("\"x\"") == canonical("'x'"));
  CHECK(canonical("1.50") == canonical("1.5"));
  CHECK(canonical("1.0") != canonical("1"));
  CHECK(canonical("1e2") == "100.0");
  CHECK(canonical("-(5)") != canonical("-5"));
  CHECK(canonical("(t and f) or u") == "t and f or u");
  CHECK(canonical("t and (f or u)") == "t and (f or u)");
  CHECK(canonical("(t = f) = u") == "(t = f) = u");
  CHECK(canonical("-(a + b)") == "-(a + b)");
  CHECK(canonical("(-a) * b") == "-a * b");
  CHECK(canonical("(not a) = b") == "(not a) = b");
  CHECK(canonical("case  when a then b  else c end") == "case when a then b else c end");
  CHECK(canonical("a between(1)and(2)") == "a between 1 and 2");
}

namespace {

// A random tree's text with more parentheses than needed.
std::string random_text(std::mt19937_64& random, int depth) {
  const auto sub = [&] { return random_text(random, depth - 1); };
  const auto pick = [&](std::initializer_list<const char*> words) {
    return std::string(words.begin()[random() % words.size()]);
  };
  if (depth == 0)
    return pick({"x", "i", "7", "-7", "2.5", "-0.25", "1e300", "n", "null", "t", "u", "s", "'a''b'", "true",
                 "request.amount", "as_of", "with_fallback(x)"});
  switch (random() % 10) {
    case 0:
      return "not (" + sub() + ")";
    case 1:
      return "-(" + sub() + ")";
    case 2:
      return "(" + sub() + ") is null";
    case 3:
      return "(" + sub() + ") in ((" + sub() + "), " + sub() + ")";
    case 4:
      return "(" + sub() + ") between (" + sub() + ") and (" + sub() + ")";
    case 5:
      return "case when " + sub() + " then " + sub() + " else " + sub() + " end";
    case 6:
      return pick({"coalesce", "min", "max"}) + "(" + sub() + ", " + sub() + ")";
    case 7:
      return pick({"clip", "zscore"}) + "(" + sub() + ", " + sub() + ", " + sub() + ")";
    case 8:
      return pick({"sqrt", "abs", "exp", "round", "hour"}) + "(" + sub() + ")";
    default:
      return "(" + sub() + ")" + pick({"+", "-", "*", "/", "%", "=", "!=", "<", "<=", ">", ">=", " and ", " or "}) +
             "(" + sub() + ")";
  }
}

}  // namespace

TEST_CASE("a canonical text parses to itself and means the same", "[expression]") {
  std::mt19937_64 random(42);
  int typed = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = random_text(random, static_cast<int>(random() % 4));
    const auto parsed = Expression::parse(text);
    INFO(text);
    REQUIRE(parsed.value);
    const std::string once = parsed.value->canonical();
    REQUIRE(canonical(once) == once);
    const auto first = bound(text), second = bound(once);
    REQUIRE(first.value.has_value() == second.value.has_value());
    if (!first.value) continue;
    ++typed;
    const Evaluated p = run(*first.value), q = run(*second.value);
    REQUIRE(p.cause == q.cause);
    REQUIRE(p.value.kind == q.value.kind);
    REQUIRE(p.value.is_null() == (p.cause == Cause::null || p.cause == Cause::error));
    if (p.value.kind == Cell::Kind::real) REQUIRE((p.value.real == q.value.real && std::isfinite(p.value.real)));
    if (p.value.kind == Cell::Kind::integer) REQUIRE(p.value.integer == q.value.integer);
  }
  CHECK(typed > 1000);
}

TEST_CASE("length, parts and depth are bounded on both sides", "[expression]") {
  CHECK(bound(std::string(9'999, ' ') + "1").value);
  CHECK(failure(std::string(10'000, ' ') + "1").message == "the expression has 10001 bytes, at most 10000 are allowed");

  CHECK(bound("coalesce(" + repeated("1,", 998) + "1)").value.has_value());  // 999 literals and the call
  CHECK(failure("coalesce(" + repeated("1,", 999) + "1)").message == "the expression has more than 1000 parts");

  CHECK(bound(repeated("-", 99) + "x").value.has_value());
  CHECK(failure(repeated("-", 100) + "x").message == "the expression is nested deeper than 100");
  CHECK(bound(repeated("(", 200) + "x" + repeated(")", 200)).value.has_value());
  CHECK_FALSE(Expression::parse(repeated("(", 5'000) + "x" + repeated(")", 4'999)).value);
  CHECK(bound("x" + repeated(" + x", 99)).value.has_value());
  CHECK_FALSE(bound("x" + repeated(" + x", 100)).value);
}

TEST_CASE("the deepest tree there is can be written, read and evaluated", "[expression]") {
  for (const auto& [open, close] : std::vector<std::pair<std::string, std::string>>{
           {"1 - (", ")"}, {"-(1 - (", "))"}, {"abs(", ")"}, {"case when t then ", " end"}, {"not (f = (", "))"}}) {
    std::string text = open.starts_with("not") ? "t" : "x";
    for (int depth = 0;; ++depth) {
      const std::string deeper = open + text + close;
      if (!Expression::parse(deeper).value) {
        CHECK(depth >= 49);
        break;
      }
      text = deeper;
      const std::string once = canonical(text);
      REQUIRE(canonical(once) == once);
    }
    CHECK(run(bound(text).value.value()).cause == Cause::ok);
  }
}

TEST_CASE("hostile texts are refused, never a crash", "[expression]") {
  for (const std::string& part :
       {std::string("("), std::string("-"), std::string("not "), std::string("case when "), std::string("abs("),
        std::string("x in ("), std::string("1 + ("), std::string("x between "), std::string("'"), std::string("\""),
        std::string("x."), std::string("\0", 1), std::string("\xff"), std::string("1e"), std::string("9"),
        std::string("coalesce(x,"), std::string("x is not ")}) {
    for (const int times : {1, 2, 3, 50, 99, 100, 101, 250, 251, 1000, 9000}) {
      const auto parsed = Expression::parse(repeated(part, times));
      if (parsed.value) CHECK(parsed.value->canonical().size() < 30'000);
    }
  }
}

TEST_CASE("random tokens and random bytes are refused, never a crash", "[expression]") {
  const unsigned seed = 20'260;
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const std::vector<std::string> words{
      "x",    "1",    "2.5",  "'a'",  "(",   ")",   ",",   "+",    "-",     "*",  "/",
      "%",    "=",    "<",    ">=",   "and", "or",  "not", "is",   "null",  "in", "between",
      "case", "when", "then", "else", "end", "abs", "min", "clip", "as_of", "t",  "with_fallback",
      "true", ".",    "!",    "\"",   "hour"};
  int parsed = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::string text;
    for (std::uint64_t left = random() % 12; left > 0; --left)
      text += words[random() % words.size()] + (random() % 4 ? " " : "");
    if (random() % 4 == 0)
      for (char& c : text)
        if (random() % 8 == 0) c = static_cast<char>(random());
    const auto expression = Expression::parse(text);
    if (!expression.value) {
      REQUIRE(expression.failure.offset >= 0);
      REQUIRE(expression.failure.offset <= static_cast<int>(text.size()));
      continue;
    }
    ++parsed;
    if (const auto typed = bound(text); typed.value) run(*typed.value);
  }
  CHECK(parsed > 500);
}

namespace {

// From tools of another making: mpmath at 4,000 bits (exact rationals for whole powers), rounded once.
const std::vector<PinnedRow> pinned_rows{
    {"exp", 0x0.0p+0, 0, 0x1.0p+0},
    {"exp", 0x1.0p+0, 0, 0x1.5bf0a8b145769p+1},
    {"exp", -0x1.0p+0, 0, 0x1.78b56362cef38p-2},
    {"exp", 0x1.0p-1, 0, 0x1.a61298e1e069cp+0},
    {"exp", 0x1.0p+1, 0, 0x1.d8e64b8d4ddaep+2},
    {"exp", 0x1.4000000000000p+3, 0, 0x1.5829dcf950560p+14},
    {"exp", 0x1.62e42fefa39efp+9, 0, 0x1.fffffffffff2ap+1023},
    {"exp", -0x1.74910d52d3051p+9, 0, 0x0.0000000000001p-1022},
    {"exp", -0x1.74910d52d3052p+9, 0, 0x0.0p+0},
    {"exp", -0x1.6233333333333p+9, 0, 0x0.ff15b469edf89p-1022},
    {"exp", -0x1.6840000000000p+9, 0, 0x0.00005cf08fff0p-1022},
    {"exp", -0x1.7220000000000p+9, 0, 0x0.0000000000042p-1022},
    {"exp", 0x1.0p-53, 0, 0x1.0000000000001p+0},
    {"exp", -0x1.0p-54, 0, 0x1.0p+0},
    {"exp", 0x1.0p-52, 0, 0x1.0000000000001p+0},
    {"exp", 0x1.56e1fc2f8f359p-997, 0, 0x1.0p+0},
    {"exp", 0x0.0000000000001p-1022, 0, 0x1.0p+0},
    {"exp", 0x1.83d4bcdebb3f4p+2, 0, 0x1.ac50b409c8aeep+8},
    {"exp", 0x1.e8bdbfcd9144ep+3, 0, 0x1.0632d73eecee3p+22},
    {"exp", -0x1.1d31fae5a4a06p-9, 0, 0x1.fee31d64717fcp-1},
    {"exp", 0x1.2c013cd3e9618p+9, 0, 0x1.8c71b14b520cap+865},
    {"exp", -0x1.444dc557220b7p+8, 0, 0x1.17da71948129ep-468},
    {"exp", 0x1.c75910c8679b4p+8, 0, 0x1.e72250cfdc084p+656},
    {"exp", -0x1.091d47673e196p+9, 0, 0x1.077e5b7ffae77p-765},
    {"exp", 0x1.0b88c8936f7a8p+9, 0, 0x1.eb6e6f2a85e90p+771},
    {"exp", -0x1.04f15214a8e38p+6, 0, 0x1.d8b75003b0db7p-95},
    {"exp", 0x1.86e25f84e7c44p+8, 0, 0x1.e6ab55efcf3c8p+563},
    {"exp", -0x1.4df8193cdda04p+7, 0, 0x1.10e4a6fb06454p-241},
    {"exp", 0x1.253176b658af4p+8, 0, 0x1.fbe67141d128ap+422},
    {"exp", 0x1.29f487d8fc7b2p+9, 0, 0x1.a4cb71edbc8c8p+859},
    {"exp", 0x1.964d79b2c6208p+7, 0, 0x1.0f9c89b9b5e00p+293},
    {"exp", -0x1.77b234a0e3c52p+8, 0, 0x1.fabb386ec84bep-543},
    {"exp", 0x1.1c39d8f01f452p+9, 0, 0x1.12e7730d11204p+820},
    {"exp", 0x1.4adf9e24aec5ap+9, 0, 0x1.9f9fb9f95e4b1p+954},
    {"exp", -0x1.ec4c0a8f62f43p+8, 0, 0x1.b331151784353p-711},
    {"exp", 0x1.1c93e7ec736e6p+9, 0, 0x1.15c9ac2934d29p+821},
    {"exp", -0x1.f193afcbe2c2ep+8, 0, 0x1.1bb5b5a8f6706p-718},
    {"exp", 0x1.2455a13947a98p+7, 0, 0x1.d56d9962102f6p+210},
    {"exp", -0x1.1be7ae3853d4cp+8, 0, 0x1.5489159bafce8p-410},
    {"exp", 0x1.a3a329e46bcd0p+8, 0, 0x1.53d8746f71481p+605},
    {"exp", -0x1.d93bf71eb28c6p+8, 0, 0x1.341c961598eadp-683},
    {"exp", -0x1.03189f84a7767p+9, 0, 0x1.534e2a6cd36f8p-748},
    {"exp", 0x1.b4ebf9dfff0e8p+6, 0, 0x1.8055d990f34d8p+157},
    {"exp", -0x1.7437eaa8ece9bp+9, 0, 0x0.0000000000001p-1022},
    {"exp", -0x1.58df2ba406ab8p+9, 0, 0x1.e12f222daa6dfp-996},
    {"exp", 0x1.0d61e64990b53p-32, 0, 0x1.000000010d61ep+0},
    {"exp", -0x1.30bd2bb0a0bdbp-4, 0, 0x1.db4a47867baf7p-1},
    {"exp", -0x1.6dad12f24c1a6p-23, 0, 0x1.fffffa494bbc6p-1},
    {"exp", 0x1.e6e959d796664p-13, 0, 0x1.000f37be9462ap+0},
    {"exp", -0x1.26955b74b7dd2p-51, 0, 0x1.ffffffffffffbp-1},
    {"exp", -0x1.a563fb31afa6fp-16, 0, 0x1.fffcb53abf3d2p-1},
    {"exp", -0x1.0e863c78cb417p-49, 0, 0x1.fffffffffffefp-1},
    {"exp", 0x1.e4f3193afa381p-3, 0, 0x1.4465baa40b596p+0},
    {"exp", 0x1.8a926eabfc548p-15, 0, 0x1.000315299dab0p+0},
    {"exp", 0x1.00c4363be5cc2p-18, 0, 0x1.00004031159b4p+0},
    {"exp", 0x1.2f562f45e0bc3p-16, 0, 0x1.00012f56e2fccp+0},
    {"exp", 0x1.0b8dc783dd74ap-16, 0, 0x1.00010b8e53549p+0},
    {"log", 0x1.0p+0, 0, 0x0.0p+0},
    {"log", 0x1.0p+1, 0, 0x1.62e42fefa39efp-1},
    {"log", 0x1.4000000000000p+3, 0, 0x1.26bb1bbb55516p+1},
    {"log", 0x1.0p-1, 0, -0x1.62e42fefa39efp-1},
    {"log", 0x0.0000000000001p-1022, 0, -0x1.74385446d71c3p+9},
    {"log", 0x1.fffffffffffffp+1023, 0, 0x1.62e42fefa39efp+9},
    {"log", 0x1.0000000000001p+0, 0, 0x1.fffffffffffffp-53},
    {"log", 0x1.fffffffffffffp-1, 0, -0x1.0p-53},
    {"log", 0x1.5bf0a8b145769p+1, 0, 0x1.0p+0},
    {"log", 0x0.012688b70e62bp-1022, 0, -0x1.64e69394d9508p+9},
    {"log", 0x1.9476e304cd7c7p+0, 0, 0x1.d45d11cc0f7a0p-2},
    {"log", 0x1.62a88613629b6p+678, 0, 0x1.d6479eba7c971p+8},
    {"log", 0x1.16176a9c30efbp+428, 0, 0x1.28bff0a8e0ca6p+8},
    {"log", 0x1.45aef75b95eadp+146, 0, 0x1.95c2cd72f8030p+6},
    {"log", 0x1.d1662be33b48ep+644, 0, 0x1.befc085588e62p+8},
    {"log", 0x1.d7397e29a82e8p-100, 0, -0x1.12d1785c53fa8p+6},
    {"log", 0x1.fedeaec4050dep+667, 0, 0x1.cf0525b91aff6p+8},
    {"log", 0x1.2440701f4b168p-47, 0, -0x1.0390578b316b0p+5},
    {"log", 0x1.020ed77bbe42ap+367, 0, 0x1.fcc93a310f790p+7},
    {"log", 0x1.7be4c03a70a47p-765, 0, -0x1.08ee72d59ecd0p+9},
    {"log", 0x1.f6ae651b296abp-351, 0, -0x1.e53d611e9f462p+7},
    {"log", 0x1.7cd0e459ebca1p+155, 0, 0x1.af56fd9c24240p+6},
    {"log", 0x1.be7006354900fp-407, 0, -0x1.198e06150c34dp+8},
    {"log", 0x1.929c9e672fa0cp-553, 0, -0x1.7edb8b60cdc86p+8},
    {"log", 0x1.75ce9076e27b7p+996, 0, 0x1.596067575d9d7p+9},
    {"log", 0x1.f10ce75805a64p+861, 0, 0x1.2abb4b550ce47p+9},
    {"log", 0x1.d08e73d5fa0b8p+583, 0, 0x1.94b361db1aa36p+8},
    {"log", 0x1.5401116dffa41p-411, 0, -0x1.1c9986a50e8cep+8},
    {"log", 0x1.724d86749c7dap-931, 0, -0x1.4279b67b622a7p+9},
    {"log", 0x1.9764e704eb786p-348, 0, -0x1.e18050a07fe3ep+7},
    {"log", 0x1.f74d35a9c1647p+725, 0, 0x1.f7352d02aa9fap+8},
    {"log", 0x1.ccdda2fd83f65p-426, 0, -0x1.26b159582b421p+8},
    {"log", 0x1.b06e81c571897p-389, 0, -0x1.0d1c29608053fp+8},
    {"log", 0x1.9d6d42856a2b9p-691, 0, -0x1.de7c43179fdc5p+8},
    {"log", 0x1.222d7456c5c58p+550, 0, 0x1.7d5b342c8e08ep+8},
    {"log", 0x1.6d2edaa281507p+524, 0, 0x1.6b9078d65b68ap+8},
    {"log", 0x1.cd7d0e63e9e3ep-217, 0, -0x1.2ba5b690c5434p+7},
    {"log", 0x1.fffffffffd95cp-1, 0, -0x1.3520000000baap-40},
    {"log", 0x1.00027fdde2caap+0, 0, 0x1.3fed61928d9b0p-15},
    {"log", 0x1.ffffffffde7d2p-1, 0, -0x1.0c17000008c60p-36},
    {"log", 0x1.fffffffffffeep-1, 0, -0x1.2000000000005p-49},
    {"log", 0x1.00092d9400030p+0, 0, 0x1.25ad3c583ff0dp-13},
    {"log", 0x1.0000000000662p+0, 0, 0x1.987fffffffae8p-42},
    {"log", 0x1.051f9b2105914p+0, 0, 0x1.44a9d43608ee2p-6},
    {"log", 0x1.fffffffffffe6p-1, 0, -0x1.a00000000000bp-49},
    {"log", 0x1.00000000082fbp+0, 0, 0x1.05f5fffffbcfcp-37},
    {"log", 0x1.00000009f99bep+0, 0, 0x1.3f337bf9c7faap-29},
    {"log", 0x1.00000d19558c1p+0, 0, 0x1.a32aa6c8ad3cfp-21},
    {"log", 0x1.d510edb1b6b35p-1, 0, -0x1.66bb33082107dp-4},
    {"log1p", 0x0.0p+0, 0, 0x0.0p+0},
    {"log1p", 0x0.0000000000001p-1022, 0, 0x0.0000000000001p-1022},
    {"log1p", -0x0.0000000000001p-1022, 0, -0x0.0000000000001p-1022},
    {"log1p", 0x1.56e1fc2f8f359p-997, 0, 0x1.56e1fc2f8f359p-997},
    {"log1p", 0x1.0p-53, 0, 0x1.0p-53},
    {"log1p", -0x1.0p-53, 0, -0x1.0p-53},
    {"log1p", 0x1.0p+0, 0, 0x1.62e42fefa39efp-1},
    {"log1p", -0x1.0p-1, 0, -0x1.62e42fefa39efp-1},
    {"log1p", -0x1.fffffffffffffp-1, 0, -0x1.25e4f7b2737fap+5},
    {"log1p", 0x1.7e43c8800759cp+996, 0, 0x1.5963447f87fb5p+9},
    {"log1p", 0x1.0p-20, 0, 0x1.fffff00000aabp-21},
    {"log1p", -0x1.0p-20, 0, -0x1.0000080000555p-20},
    {"log1p", 0x1.8772874e7d322p+6, 0, 0x1.25ff9046ea4ebp+2},
    {"log1p", 0x1.2816c8f05b7c7p-32, 0, 0x1.2816c8efb0421p-32},
    {"log1p", 0x1.f35f9559177ebp-9, 0, 0x1.f26cabcdf1874p-9},
    {"log1p", -0x1.41a8931d09b7dp-11, 0, -0x1.41c1d8456e908p-11},
    {"log1p", 0x1.d487568eafa49p-8, 0, 0x1.d2dc9f5741b81p-8},
    {"log1p", 0x1.2dea26882cee9p-51, 0, 0x1.2dea26882cee8p-51},
    {"log1p", 0x1.8b7ae6cee2e5ap+24, 0, 0x1.112095cc1d9e3p+4},
    {"log1p", 0x1.4241175f68231p-23, 0, 0x1.424115c9c0566p-23},
    {"log1p", 0x1.963aaa99e77fdp+11, 0, 0x1.02c5f9238fd46p+3},
    {"log1p", -0x1.38b395a0d366cp-45, 0, -0x1.38b395a0d36cbp-45},
    {"log1p", 0x1.586ebf252eea1p+5, 0, 0x1.e488929d302c7p+1},
    {"log1p", 0x1.b5370cbd92525p-17, 0, 0x1.b5365210bd429p-17},
    {"log1p", 0x1.753fc22d4ae8ep+25, 0, 0x1.1b4abe69ee55cp+4},
    {"log1p", -0x1.daadcd478fab5p-55, 0, -0x1.daadcd478fab5p-55},
    {"log1p", 0x1.57999f22ca882p+21, 0, 0x1.db366992f42f0p+3},
    {"log1p", -0x1.875900886b80cp-14, 0, -0x1.875dad1d76986p-14},
    {"log1p", 0x1.8cbb06d0235dcp+15, 0, 0x1.5abad679c1084p+3},
    {"log1p", -0x1.6e9fda99346c7p-9, 0, -0x1.6f235cc293ccap-9},
    {"log1p", 0x1.d719b7e5dcedbp+38, 0, 0x1.af31190dc9a36p+4},
    {"log1p", 0x1.124cec233cbf0p-34, 0, 0x1.124cec231801ep-34},
    {"log1p", 0x1.47239f2554256p-14, 0, 0x1.47205b186a165p-14},
    {"log1p", 0x1.9f2586836f208p-25, 0, 0x1.9f2585db2074fp-25},
    {"log1p", 0x1.363070cec8348p+18, 0, 0x1.9565a45277594p+3},
    {"log1p", -0x1.dd091f429be68p-55, 0, -0x1.dd091f429be68p-55},
    {"log1p", 0x1.21110bbe1d20cp-1, 0, 0x1.ca5cc08e378e7p-2},
    {"log1p", -0x1.822a7443db729p-4, 0, -0x1.9599e3490ef9dp-4},
    {"log1p", 0x1.45486518788bbp-19, 0, 0x1.45484b436cf56p-19},
    {"log1p", -0x1.36c8a40fc388cp-46, 0, -0x1.36c8a40fc38bbp-46},
    {"log1p", 0x1.5120315e37dbdp+31, 0, 0x1.5c3498f119803p+4},
    {"log1p", 0x1.ec815cb8f5999p-28, 0, 0x1.ec815c9b598dap-28},
    {"log1p", 0x1.ea8f3ad762e18p-9, 0, 0x1.e9a4ce61072d4p-9},
    {"log1p", -0x1.f9738952a433ep-34, 0, -0x1.f973895320f30p-34},
    {"log1p", 0x1.3d73cf6dee1b3p+23, 0, 0x1.028544173dd6bp+4},
    {"log1p", 0x1.a2cb8d20ca0f1p-56, 0, 0x1.a2cb8d20ca0f1p-56},
    {"log1p", 0x1.2add568b76934p+21, 0, 0x1.d6bfba901c97ep+3},
    {"sin", 0x0.0p+0, 0, 0x0.0p+0},
    {"sin", 0x1.921fb54442d18p+1, 0, 0x1.1a62633145c07p-53},
    {"sin", 0x1.921fb54442d18p+0, 0, 0x1.0p+0},
    {"sin", 0x1.921fb54442d18p-1, 0, 0x1.6a09e667f3bccp-1},
    {"sin", 0x1.0f0cf064dd592p+73, 0, -0x1.b453ab76bf397p-1},
    {"sin", 0x1.fffffffffffffp+1023, 0, 0x1.452fc98b34e97p-8},
    {"sin", 0x1.0p+53, 0, -0x1.b2a66c8f35586p-1},
    {"sin", 0x1.0p+1000, 0, -0x1.460b8ae1c886ep-3},
    {"sin", 0x1.6ac5b262ca1ffp+849, 0, 0x1.0p+0},
    {"sin", 0x1.0p-1, 0, 0x1.eaee8744b05f0p-2},
    {"sin", 0x1.8000000000000p-1, 0, 0x1.5cffc16bf8f0dp-1},
    {"sin", 0x1.5798ee2308c3ap-27, 0, 0x1.5798ee2308c3ap-27},
    {"sin", 0x1.56e1fc2f8f359p-997, 0, 0x1.56e1fc2f8f359p-997},
    {"sin", 0x0.0000000000001p-1022, 0, 0x0.0000000000001p-1022},
    {"sin", 0x1.0p-27, 0, 0x1.0p-27},
    {"sin", -0x1.c85d0efaf597cp+513, 0, 0x1.c6ee08026e2c1p-1},
    {"sin", 0x1.84cbcb54ee910p+2, 0, -0x1.a769d028e54ecp-3},
    {"sin", -0x1.d2d4dbb941dc6p+694, 0, 0x1.87f72a3bffd24p-1},
    {"sin", -0x1.2523afe6f1f74p+2, 0, 0x1.fb8a46e792184p-1},
    {"sin", 0x1.29267b59e097bp+919, 0, -0x1.4b9beb57e988dp-2},
    {"sin", -0x1.66bdce7a610a3p+2, 0, 0x1.4115e3b9fcdecp-1},
    {"sin", -0x1.0f8b0423fc5c1p+919, 0, 0x1.cc6229a7a6cf3p-1},
    {"sin", 0x1.79b6f4d2003c8p+2, 0, -0x1.7d25bac2d3358p-2},
    {"sin", 0x1.55100e3f380f6p+522, 0, 0x1.89d911b84fcf5p-1},
    {"sin", -0x1.cde38f23b18bap+2, 0, -0x1.9b992e1bf0dc9p-1},
    {"sin", -0x1.34a092298d2e7p+967, 0, -0x1.f3db8216306c1p-3},
    {"sin", -0x1.0ea1e48245971p+3, 0, -0x1.a59f02da02cd2p-1},
    {"sin", -0x1.1bbc63d342dc5p+716, 0, -0x1.b7c075265b994p-2},
    {"sin", -0x1.2a6b4573167b2p+3, 0, -0x1.9596d17a3e3acp-4},
    {"sin", 0x1.5ed23b9f92ff1p+615, 0, 0x1.247c898fe1308p-2},
    {"sin", -0x1.67573e34b0d51p+2, 0, 0x1.3d562da05b96ep-1},
    {"sin", -0x1.227b0b3b5e704p+99, 0, -0x1.d71b8772cbef3p-2},
    {"sin", 0x1.bf941d7e84200p-5, 0, 0x1.bf5b1e442e0f9p-5},
    {"sin", -0x1.48c3597522c50p+843, 0, 0x1.5c84675eabda5p-3},
    {"sin", 0x1.5090ad0738020p+1, 0, 0x1.f5d69c3744e1cp-2},
    {"sin", -0x1.6785980c661d1p+874, 0, -0x1.bfe81a7d158e3p-1},
    {"sin", 0x1.87d8bbafbafe8p+2, 0, -0x1.4775d480f0d21p-3},
    {"sin", -0x1.7601effbe60c7p+857, 0, 0x1.01d5bfb283cd4p-1},
    {"sin", -0x1.095d923d7250fp+3, 0, -0x1.cf849bbde2b99p-1},
    {"sin", -0x1.ef189b4740848p+699, 0, 0x1.aa1a0732c96d5p-1},
    {"sin", -0x1.a2180aafcdee8p+2, 0, -0x1.f9c1377faecd5p-3},
    {"sin", 0x1.312285b4e8d5cp+860, 0, 0x1.530993b0bc02ap-4},
    {"sin", -0x1.765445284f9acp+2, 0, 0x1.aeddd5dd24f85p-2},
    {"sin", -0x1.9db5d8eb806a1p+477, 0, 0x1.97cfe19e3af47p-1},
    {"sin", -0x1.13f524658db3ap+2, 0, 0x1.d77921057af72p-1},
    {"cos", 0x0.0p+0, 0, 0x1.0p+0},
    {"cos", 0x1.921fb54442d18p+1, 0, -0x1.0p+0},
    {"cos", 0x1.921fb54442d18p+0, 0, 0x1.1a62633145c07p-54},
    {"cos", 0x1.921fb54442d18p-1, 0, 0x1.6a09e667f3bcdp-1},
    {"cos", 0x1.0f0cf064dd592p+73, 0, 0x1.0be2cef01c8f4p-1},
    {"cos", 0x1.fffffffffffffp+1023, 0, -0x1.fffe62ecfab75p-1},
    {"cos", 0x1.0p+53, 0, -0x1.0e9918bb35aacp-1},
    {"cos", 0x1.0p+1000, 0, 0x1.f9785160c8815p-1},
    {"cos", 0x1.6ac5b262ca1ffp+849, 0, -0x1.14ae72e6ba22fp-61},
    {"cos", 0x1.0p-1, 0, 0x1.c1528065b7d50p-1},
    {"cos", 0x1.8000000000000p-1, 0, 0x1.769fec655211fp-1},
    {"cos", 0x1.5798ee2308c3ap-27, 0, 0x1.0p+0},
    {"cos", 0x1.56e1fc2f8f359p-997, 0, 0x1.0p+0},
    {"cos", 0x0.0000000000001p-1022, 0, 0x1.0p+0},
    {"cos", 0x1.0p-27, 0, 0x1.0p+0},
    {"cos", 0x1.c0b897e175daep+646, 0, 0x1.a91583bcb8c69p-1},
    {"cos", -0x1.d9ec4a18a4642p+2, 0, 0x1.bc6c12a66a937p-2},
    {"cos", 0x1.bcca274712faep+591, 0, -0x1.5e42947e54bcdp-1},
    {"cos", -0x1.21ed4b9e4bc8ep+2, 0, -0x1.733f31f90622cp-3},
    {"cos", 0x1.381f5e2a234b7p+817, 0, 0x1.d176e037b01cap-1},
    {"cos", -0x1.de588822aea5fp+2, 0, 0x1.7ba8b8d23d4b9p-2},
    {"cos", 0x1.d1e61a6a084b1p+296, 0, 0x1.9134779717c8bp-2},
    {"cos", -0x1.11f8b2374ee3bp+3, 0, -0x1.4cd10496d372dp-1},
    {"cos", -0x1.0b856188e95f7p+817, 0, 0x1.ddac3e15e5b40p-2},
    {"cos", -0x1.43064517771d0p+0, 0, 0x1.37631586d073cp-2},
    {"cos", 0x1.41a06e86f999bp+420, 0, -0x1.b195d7c078b4cp-1},
    {"cos", -0x1.e8ba38fe70c80p-2, 0, 0x1.c6c8d40eb5014p-1},
    {"cos", -0x1.0e275e47bbd70p+364, 0, 0x1.be6c25c0740bep-1},
    {"cos", 0x1.5805940b910a0p+0, 0, 0x1.ccd615531b098p-3},
    {"cos", 0x1.a27741f401ca3p-17, 0, 0x1.ffffffff54fd9p-1},
    {"cos", 0x1.b4eeb1e342db0p+2, 0, 0x1.b61f0ae680d77p-1},
    {"cos", 0x1.1b4f72f558319p+165, 0, 0x1.93682d2fa4289p-2},
    {"cos", -0x1.29893352ac526p+3, 0, -0x1.fbe40a98f2174p-1},
    {"cos", 0x1.3168ac80de869p+883, 0, -0x1.fef5f88154c3fp-1},
    {"cos", -0x1.205678e30ee47p+3, 0, -0x1.d4b330d07bd2fp-1},
    {"cos", -0x1.5b9a9d775db70p+592, 0, 0x1.1a3416fb207bep-1},
    {"cos", -0x1.b0a99fa2a9f81p+2, 0, 0x1.c6cf293851266p-1},
    {"cos", 0x1.3d4730e859bb2p+108, 0, 0x1.329e889a04e69p-1},
    {"cos", -0x1.e8c1974f60341p+2, 0, 0x1.b9449452db327p-3},
    {"cos", 0x1.243fc251bd3d1p+510, 0, 0x1.feccc057004f2p-1},
    {"cos", -0x1.0521a4fc47f42p+3, 0, -0x1.34d7e195888bbp-2},
    {"cos", 0x1.25a30756a68a5p+923, 0, -0x1.e962abcf3433ap-1},
    {"cos", -0x1.10059ebaa1e18p+3, 0, -0x1.3482af9a2c4d8p-1},
    {"cos", 0x1.337523e6a1afep+263, 0, -0x1.8a7cc0ac80301p-3},
    {"cos", 0x1.205e7281edf38p+0, 0, 0x1.b8315a45abd7ap-2},
    {"asin", 0x0.0p+0, 0, 0x0.0p+0},
    {"asin", 0x1.0p+0, 0, 0x1.921fb54442d18p+0},
    {"asin", -0x1.0p+0, 0, -0x1.921fb54442d18p+0},
    {"asin", 0x1.0p-1, 0, 0x1.0c152382d7366p-1},
    {"asin", 0x1.fffffffffffffp-1, 0, 0x1.921fb50442d18p+0},
    {"asin", -0x1.fffffffffffffp-1, 0, -0x1.921fb50442d18p+0},
    {"asin", 0x1.56e1fc2f8f359p-997, 0, 0x1.56e1fc2f8f359p-997},
    {"asin", 0x0.0000000000001p-1022, 0, 0x0.0000000000001p-1022},
    {"asin", 0x1.0p-27, 0, 0x1.0p-27},
    {"asin", 0x1.6a09e667f3bcdp-1, 0, 0x1.921fb54442d19p-1},
    {"asin", -0x1.127f24e298e89p-25, 0, -0x1.127f24e298e8ap-25},
    {"asin", -0x1.0e806e55a8990p-3, 0, -0x1.0f4b5f4c27554p-3},
    {"asin", -0x1.7c5b28b3282c1p-7, 0, -0x1.7c5d587dc501ep-7},
    {"asin", 0x1.baa8219398c0cp-2, 0, 0x1.c9c01c65939f3p-2},
    {"asin", 0x1.c994f5665533dp-31, 0, 0x1.c994f5665533dp-31},
    {"asin", -0x1.85c6046448980p-1, 0, -0x1.bb05e23c72f4dp-1},
    {"asin", 0x1.221c170660033p-5, 0, 0x1.222b9f573b570p-5},
    {"asin", 0x1.0d1c4decca52cp-2, 0, 0x1.104f0755074b8p-2},
    {"asin", -0x1.346c80ef1d787p-14, 0, -0x1.346c80f3c7460p-14},
    {"asin", -0x1.e66bd36297f7ap-1, 0, -0x1.40dcc1f4d2f25p+0},
    {"asin", -0x1.5fcfec3b3a35ap-2, 0, -0x1.67210f349600bp-2},
    {"asin", 0x1.dc09ce4e8d7d0p-3, 0, 0x1.e06ec02da69f8p-3},
    {"asin", 0x1.7d991b67f77e3p-27, 0, 0x1.7d991b67f77e3p-27},
    {"asin", 0x1.e9f676110a16ep-1, 0, 0x1.46bddbbe2989bp+0},
    {"asin", -0x1.c2119895bfaf1p-33, 0, -0x1.c2119895bfaf1p-33},
    {"asin", -0x1.491669623f024p-2, 0, -0x1.4f08745683d59p-2},
    {"asin", -0x1.5c7ed5da9cc27p-4, 0, -0x1.5cead2fc27707p-4},
    {"asin", 0x1.07a41e1df5130p-2, 0, 0x1.0aa4eaa31d70ap-2},
    {"asin", 0x1.c7cb780178b1ep-25, 0, 0x1.c7cb780178b22p-25},
    {"asin", -0x1.94fef2e891cc4p-2, 0, -0x1.a06006e3499f4p-2},
    {"asin", -0x1.07deadc562afap-15, 0, -0x1.07deadc61d94dp-15},
    {"asin", -0x1.14382c0a96256p-1, 0, -0x1.23c1174d6954cp-1},
    {"asin", 0x1.17fe3e9a8ddacp-37, 0, 0x1.17fe3e9a8ddacp-37},
    {"asin", 0x1.d529d8acb585cp-1, 0, 0x1.28a905dbfc6c2p+0},
    {"asin", -0x1.98d9eec8848a1p-2, 0, -0x1.a4939514ca057p-2},
    {"asin", -0x1.31c0cd03548b0p-3, 0, -0x1.32e685637f523p-3},
    {"asin", 0x1.73764bb88779dp-4, 0, 0x1.73f921879c69ep-4},
    {"asin", -0x1.edeb00e36fad0p-3, 0, -0x1.f2d5f7abe6eb5p-3},
    {"asin", -0x1.52d9d16c3c2cep-40, 0, -0x1.52d9d16c3c2cep-40},
    {"asin", 0x1.ba89b63506bd0p-2, 0, 0x1.c99e60b64409ap-2},
    {"asin", 0x1.5503d802154edp-20, 0, 0x1.5503d80215b3bp-20},
    {"asin", 0x1.e72bebcea65d0p-3, 0, 0x1.ebe31a2c8673dp-3},
    {"asin", -0x1.c93afb6f2a659p-25, 0, -0x1.c93afb6f2a65dp-25},
    {"asin", -0x1.ac9d4e8c1a480p-5, 0, -0x1.accf6e443938ep-5},
    {"asin", 0x1.c5fe8f1a18b12p-21, 0, 0x1.c5fe8f1a18ecap-21},
    {"pow", 0x1.0p+1, 0x1.4000000000000p+3, 0x1.0p+10},
    {"pow", 0x1.0p+1, -0x1.0c80000000000p+10, 0x0.0000000000001p-1022},
    {"pow", 0x1.0p+1, 0x1.ff80000000000p+9, 0x1.0p+1023},
    {"pow", 0x1.0p+1, 0x1.0p-1, 0x1.6a09e667f3bcdp+0},
    {"pow", 0x1.0p+2, 0x1.0p-1, 0x1.0p+1},
    {"pow", 0x1.b000000000000p+4, 0x1.5555555555555p-2, 0x1.8000000000000p+1},
    {"pow", 0x1.0p+3, 0x1.5555555555555p-2, 0x1.0p+1},
    {"pow", 0x1.4000000000000p+3, -0x1.4000000000000p+2, 0x1.4f8b588e368f1p-17},
    {"pow", 0x1.4000000000000p+3, 0x1.6000000000000p+4, 0x1.0f0cf064dd592p+73},
    {"pow", 0x1.4000000000000p+3, 0x1.7000000000000p+4, 0x1.52d02c7e14af6p+76},
    {"pow", -0x1.0p+1, 0x1.8000000000000p+1, -0x1.0p+3},
    {"pow", -0x1.0p+1, 0x1.0p+2, 0x1.0p+4},
    {"pow", 0x0.0p+0, 0x1.8000000000000p+1, 0x0.0p+0},
    {"pow", 0x1.4000000000000p+2, 0x0.0p+0, 0x1.0p+0},
    {"pow", 0x0.0p+0, 0x0.0p+0, 0x1.0p+0},
    {"pow", 0x1.0p+0, 0x1.7e43c8800759cp+996, 0x1.0p+0},
    {"pow", -0x1.0p+0, 0x1.7e43c8800759cp+996, 0x1.0p+0},
    {"pow", -0x1.0p+0, -0x1.8000000000000p+1, -0x1.0p+0},
    {"pow", 0x1.ffffffc000000p+26, 0x1.0p+1, 0x1.ffffff8000000p+53},
    {"pow", 0x1.6a09e6c000000p+26, 0x1.0p+1, 0x1.0000007c84becp+53},
    {"pow", 0x1.6a09e64000000p+26, 0x1.0p+1, 0x1.ffffff8eff971p+52},
    {"pow", 0x1.8000000000000p+1, 0x1.0800000000000p+5, 0x1.3bfefa65abb83p+52},
    {"pow", 0x1.8000000000000p+1, 0x1.1000000000000p+5, 0x1.d9fe779881944p+53},
    {"pow", 0x1.2000000000000p+1, 0x1.8000000000000p+0, 0x1.b000000000000p+1},
    {"pow", 0x1.2000000000000p+1, 0x1.0p-1, 0x1.8000000000000p+0},
    {"pow", 0x1.4400000000000p+6, 0x1.8000000000000p-1, 0x1.b000000000000p+4},
    {"pow", 0x1.9a10000000000p+12, 0x1.0p-3, 0x1.8000000000000p+1},
    {"pow", 0x1.a553f8878fa04p+50, 0x1.0p-5, 0x1.8000000000000p+1},
    {"pow", 0x1.0000000000001p+0, 0x1.ff973cafa8000p+51, 0x1.5ba97e5c5ee1cp+1},
    {"pow", 0x1.fffffffffffffp-1, -0x1.bc16d674ec800p+59, 0x1.2047972b728a1p+160},
    {"pow", 0x1.1ccf385ebc8a0p+1023, 0x1.0p+0, 0x1.1ccf385ebc8a0p+1023},
    {"pow", 0x0.0000000000001p-1022, 0x1.0p+0, 0x0.0000000000001p-1022},
    {"pow", 0x0.0000000000001p-1022, 0x1.0p-1, 0x1.0p-537},
    {"pow", 0x1.0p+1, -0x1.0c60000000000p+10, 0x0.0000000000001p-1022},
    {"pow", 0x1.8000000000000p+1, -0x1.5200000000000p+9, 0x0.0000000000006p-1022},
    {"pow", 0x1.199999999999ap+0, -0x1.e140000000000p+12, 0x0.0000000009562p-1022},
    {"pow", 0x1.0p-1, 0x1.0c80000000000p+10, 0x0.0000000000001p-1022},
    {"pow", 0x1.0p-500, 0x1.1200000000000p+1, 0x0.000000000000dp-1022},
    {"pow", 0x0.0000000000001p-1022, 0x1.0p-1, 0x1.0p-537},
    {"pow", 0x1.8000000000000p+0, 0x1.56e1fc2f8f359p-997, 0x1.0p+0},
    {"pow", 0x1.d3c60ead6be2fp+9, 0x1.3135ef98611ffp+6, 0x1.0ef6578d30331p+753},
    {"pow", 0x1.4a7212e4d80f3p+12, -0x1.bcbbe85bca438p+2, 0x1.09a1ac3ea406dp-86},
    {"pow", 0x1.d87cc18f20c8dp+9, 0x1.782260d97b9e0p+1, 0x1.081cb8e3b4b02p+29},
    {"pow", 0x1.c4feb734825a2p+8, 0x1.6d9ac81ab3faap+6, 0x1.613c53db2441ap+806},
    {"pow", 0x1.53327f839501dp+9, 0x1.7ac373e0cbe2ep+3, 0x1.425e2a1ae6e38p+111},
    {"pow", 0x1.7a9cc81629c80p-10, -0x1.18245a13f79f6p+4, 0x1.26ce7a5abfa81p+165},
    {"pow", 0x1.697037e47a1cap+9, -0x1.fda7e39371fa3p+1, 0x1.22b9cf0cb0d28p-38},
    {"pow", 0x1.046edb3f4327cp-5, -0x1.3f454f6d64721p+4, 0x1.365fb7496e6ffp+99},
    {"pow", 0x1.1054d780f7c39p+9, 0x1.e39e6909aebb8p+3, 0x1.49f6fcbffde8fp+137},
    {"pow", 0x1.1c1352eef28acp+8, 0x1.8b23de2adad96p+6, 0x1.1472bae4a42bfp+805},
    {"pow", 0x1.27739699fe878p+1, 0x1.0976a7be811f6p+4, 0x1.03f8d624bc282p+20},
    {"pow", 0x1.b3eab4f3d5f45p+9, 0x1.6230d74052ad6p+3, 0x1.1561cd0cdb5fdp+108},
    {"pow", 0x1.35a15eb82a2e6p+8, -0x1.2559c6d282cb3p+5, 0x1.809d391d1181ap-304},
    {"pow", 0x1.281075ce0c539p+11, 0x1.ae02279b7fcf0p+3, 0x1.8d541d03dff95p+150},
    {"pow", 0x1.9413408ada50cp+8, -0x1.cdb4c864df2b0p+3, 0x1.0d3adec35dbdep-125},
    {"pow", 0x1.3c09783750b72p+7, 0x1.475674a9aec53p+6, 0x1.a416a786274b3p+597},
    {"pow", 0x1.8680162d3cbaep+9, 0x1.eedd18428f858p+3, 0x1.844ef5fa28be2p+148},
    {"pow", 0x1.f26380432c41cp+5, 0x1.c41ce211efc98p+2, 0x1.1477f338a551ap+42},
    {"pow", 0x1.a96f93fda5aabp+9, 0x1.c4e3d053815a5p+2, 0x1.d4ecfcdc0a1c3p+68},
    {"pow", 0x1.3c7aa6544dde9p+16, -0x1.65d85461dc434p+2, 0x1.c6738607c1252p-92},
    {"pow", 0x1.432bf57c65dbep+7, -0x1.3d3dd11609a5ap+3, 0x1.34dd91be77bf7p-73},
    {"pow", 0x1.25c7dc6c2f7bcp+6, 0x1.e8e030a70a756p+5, 0x1.bb88198956187p+378},
    {"pow", 0x1.0b69ad0f10541p+5, 0x1.0a12d18c4a816p+4, 0x1.24ec9e7b69b73p+84},
    {"pow", 0x1.17008d556129ep-16, 0x1.cd18aa5f6126cp+3, 0x1.2e6f68beb2057p-229},
    {"pow", 0x1.47a2e6889e5bdp+9, 0x1.30456b4d2dba5p+6, 0x1.9c058831aaa02p+711},
    {"pow", 0x1.23386c4707b23p-6, 0x1.110335e13f730p+1, 0x1.83ce34d9b74bfp-13},
    {"pow", 0x1.63719a1b75bd6p+8, -0x1.02e76494beb46p+3, 0x1.5c1291ddaaea6p-69},
    {"pow", 0x1.af6aa3d5a5ae6p+14, 0x1.b835cdcccf90cp+5, 0x1.bd762d0bb6b17p+811},
    {"pow", 0x1.d322a4f17d43fp+8, -0x1.2a16141d3f3f4p+2, 0x1.9f400f6b80fe2p-42},
    {"pow", 0x1.008ea7fabfc4ap+5, 0x1.a08efe451f018p+3, 0x1.17c5d4695e552p+65},
    {"pow", 0x1.cad5b96dcc936p+8, 0x1.0530e7acf2431p+6, 0x1.46af99c576e1cp+577},
    {"pow", 0x1.95eac4178efe0p-10, -0x1.4e4f557b25ac0p+0, 0x1.24233cb0a7f51p+12},
    {"pow", 0x1.43c66dd9e854ep+9, 0x1.16c4879f59a30p+4, 0x1.a2eed306bc954p+162},
    {"pow", 0x1.b8033e3ac4f6fp-7, 0x1.2eb0eb1775f44p+7, 0x1.cb23f564e3045p-942},
    {"pow", 0x1.2f0e600866199p+9, -0x1.15a57744b49a7p+3, 0x1.bda5a307c9f15p-81},
    {"pow", 0x1.308553ed14ad3p+0, -0x1.1c872fecebf54p+2, 0x1.d95c6d12d6772p-2},
    {"pow", 0x1.cd6679e3b6ccfp+7, -0x1.7ce1b65d3e9b7p+6, 0x1.720ccaf8d7b99p-748},
    {"pow", 0x1.26c61482c8360p-3, -0x1.be355b3b317a0p-1, 0x1.5a9d017cbdb3bp+2},
    {"pow", 0x1.55dda8301d9eap+7, -0x1.ec77bb2dfcaf8p+1, 0x1.60cc90465876fp-29},
    {"pow", 0x1.e6be55ecaf41ep-9, -0x1.d8d0ee4035e74p+6, 0x1.325a4839f2beep+954},
};

// From Python's fractions.
const std::vector<ArithmeticRow> arithmetic_rows{
    {Cell::of(0x1.7e43c8800759cp+996), "/", Cell::of(std::int64_t{9223372036854775807}), 0x1.7e43c8800759cp+933},
    {Cell::of(std::int64_t{4611686018427387905}), "%", Cell::of(smallest), 0x1.0p+62},
    {Cell::of(0x1.999999999999ap-4), "*", Cell::of(std::int64_t{-9007199254740993}), -0x1.999999999999bp+49},
    {Cell::of(std::int64_t{4611686018427387905}), "-", Cell::of(std::int64_t{-7}), 0x1.0p+62},
    {Cell::of(0x1.0p-1), "+", Cell::of(std::int64_t{9223372036854775806}), 0x1.0p+63},
    {Cell::of(std::int64_t{9223372036854775807}), "*", Cell::of(std::int64_t{-9007199254740993}), -0x1.0p+116},
    {Cell::of(0x1.8000000000000p+1), "-", Cell::of(std::int64_t{9223372036854775806}), -0x1.0p+63},
    {Cell::of(std::int64_t{9007199254740991}), "+", Cell::of(std::int64_t{4611686018427387905}), 0x1.0080000000000p+62},
    {Cell::of(0x1.0p+53), "+", Cell::of(std::int64_t{12345678901234567}), 0x1.2f715175ad2e2p+54},
    {Cell::of(std::int64_t{3}), "/", Cell::of(std::int64_t{9007199254740991}), 0x1.8000000000001p-52},
    {Cell::of(std::int64_t{3}), "-", Cell::of(0x1.6345785d8a000p+56), -0x1.6345785d8a000p+56},
    {Cell::of(std::int64_t{12345678901234567}), "*", Cell::of(std::int64_t{9223372036854775806}),
     0x1.5ee2a2eb5a5c3p+116},
    {Cell::of(0x1.7e43c8800759cp+996), "+", Cell::of(std::int64_t{9007199254740993}), 0x1.7e43c8800759cp+996},
    {Cell::of(std::int64_t{9007199254740993}), "/", Cell::of(std::int64_t{12345678901234567}), 0x1.758bec11492f9p-1},
    {Cell::of(0x1.999999999999ap-4), "-", Cell::of(std::int64_t{9223372036854775807}), -0x1.0p+63},
    {Cell::of(std::int64_t{4611686018427387905}), "+", Cell::of(std::int64_t{4611686018427387905}), 0x1.0p+63},
    {Cell::of(-0x1.6345785d8a000p+56), "/", Cell::of(std::int64_t{9007199254740993}), -0x1.6345785d89fffp+3},
    {Cell::of(std::int64_t{-9007199254740993}), "*", Cell::of(smallest), 0x1.0p+116},
    {Cell::of(smallest), "/", Cell::of(0x1.0p-1), -0x1.0p+64},
    {Cell::of(std::int64_t{9223372036854775807}), "*", Cell::of(std::int64_t{3}), 0x1.8000000000000p+64},
    {Cell::of(-0x1.0p+53), "-", Cell::of(std::int64_t{3}), -0x1.0000000000002p+53},
    {Cell::of(smallest), "*", Cell::of(std::int64_t{9007199254740993}), -0x1.0p+116},
    {Cell::of(std::int64_t{1}), "%", Cell::of(-0x1.56e1fc2f8f359p-997), 0x1.33550b9c24a66p-997},
    {Cell::of(std::int64_t{9223372036854775806}), "*", Cell::of(std::int64_t{1}), 0x1.0p+63},
    {Cell::of(0x1.0p-1), "-", Cell::of(std::int64_t{12345678901234567}), -0x1.5ee2a2eb5a5c3p+53},
    {Cell::of(std::int64_t{4611686018427387905}), "%", Cell::of(std::int64_t{-9007199254740993}),
     0x1.ffffffffffe02p+52},
    {Cell::of(0x0.0000000000001p-1022), "%", Cell::of(std::int64_t{3}), 0x0.0000000000001p-1022},
    {Cell::of(std::int64_t{1}), "+", Cell::of(std::int64_t{3}), 0x1.0p+2},
    {Cell::of(std::int64_t{4611686018427387905}), "%", Cell::of(0x1.6345785d8a000p+56), 0x1.4c22f989a0000p+53},
    {Cell::of(std::int64_t{3}), "*", Cell::of(std::int64_t{-9007199254740993}), -0x1.8000000000001p+54},
    {Cell::of(std::int64_t{9007199254740993}), "*", Cell::of(0x1.6345785d8a000p+56), 0x1.6345785d8a001p+109},
    {Cell::of(std::int64_t{1}), "/", Cell::of(std::int64_t{3}), 0x1.5555555555555p-2},
    {Cell::of(std::int64_t{9007199254740993}), "-", Cell::of(0x1.0p-1), 0x1.0p+53},
    {Cell::of(std::int64_t{-9007199254740993}), "-", Cell::of(std::int64_t{4611686018427387905}),
     -0x1.0080000000000p+62},
    {Cell::of(0x1.999999999999ap-4), "*", Cell::of(std::int64_t{9007199254740993}), 0x1.999999999999bp+49},
    {Cell::of(std::int64_t{9007199254740993}), "-", Cell::of(std::int64_t{1}), 0x1.0p+53},
    {Cell::of(std::int64_t{9223372036854775806}), "/", Cell::of(0x1.8000000000000p+1), 0x1.5555555555555p+61},
    {Cell::of(std::int64_t{12345678901234567}), "-", Cell::of(std::int64_t{9007199254740993}), 0x1.7b8a8bad6970cp+51},
    {Cell::of(std::int64_t{12345678901234567}), "-", Cell::of(-0x1.6345785d8a000p+56), 0x1.8f21ccbaf54b8p+56},
    {Cell::of(std::int64_t{9007199254740993}), "/", Cell::of(std::int64_t{-7}), -0x1.2492492492493p+50},
    {Cell::of(smallest), "*", Cell::of(0x1.999999999999ap-4), -0x1.999999999999ap+59},
    {Cell::of(std::int64_t{9223372036854775806}), "-", Cell::of(std::int64_t{-9007199254740993}),
     0x1.0040000000000p+63},
    {Cell::of(0x0.0000000000001p-1022), "%", Cell::of(std::int64_t{3}), 0x0.0000000000001p-1022},
    {Cell::of(std::int64_t{-7}), "-", Cell::of(std::int64_t{-7}), 0x0.0p+0},
    {Cell::of(std::int64_t{9223372036854775806}), "+", Cell::of(0x1.7e43c8800759cp+996), 0x1.7e43c8800759cp+996},
    {Cell::of(std::int64_t{1}), "*", Cell::of(std::int64_t{3}), 0x1.8000000000000p+1},
    {Cell::of(std::int64_t{-7}), "/", Cell::of(0x1.8000000000000p+0), -0x1.2aaaaaaaaaaabp+2},
    {Cell::of(std::int64_t{12345678901234567}), "-", Cell::of(std::int64_t{9223372036854775807}),
     -0x1.ff508eae8a52dp+62},
    {Cell::of(0x1.6345785d8a000p+56), "+", Cell::of(std::int64_t{9007199254740991}), 0x1.8345785d8a000p+56},
    {Cell::of(std::int64_t{3}), "+", Cell::of(std::int64_t{9007199254740993}), 0x1.0000000000002p+53},
    {Cell::of(std::int64_t{9223372036854775806}), "/", Cell::of(0x1.7e43c8800759cp+996), 0x1.56e1fc2f8f359p-934},
    {Cell::of(std::int64_t{9007199254740993}), "%", Cell::of(std::int64_t{9007199254740993}), 0x0.0p+0},
    {Cell::of(0x1.8000000000000p+1), "*", Cell::of(std::int64_t{4611686018427387905}), 0x1.8000000000000p+63},
    {Cell::of(std::int64_t{1}), "-", Cell::of(std::int64_t{4611686018427387905}), -0x1.0p+62},
    {Cell::of(0x1.7e43c8800759cp+996), "-", Cell::of(std::int64_t{1}), 0x1.7e43c8800759cp+996},
    {Cell::of(std::int64_t{12345678901234567}), "%", Cell::of(std::int64_t{9223372036854775806}),
     0x1.5ee2a2eb5a5c4p+53},
    {Cell::of(0x1.7e43c8800759cp+996), "%", Cell::of(std::int64_t{9007199254740993}), 0x1.325f90f22001ep+52},
    {Cell::of(std::int64_t{4611686018427387905}), "+", Cell::of(std::int64_t{9223372036854775807}),
     0x1.8000000000000p+63},
    {Cell::of(-0x1.56e1fc2f8f359p-997), "%", Cell::of(std::int64_t{9007199254740993}), -0x1.56e1fc2f8f359p-997},
    {Cell::of(std::int64_t{9223372036854775807}), "+", Cell::of(std::int64_t{9223372036854775806}), 0x1.0p+64},
};

}  // namespace
