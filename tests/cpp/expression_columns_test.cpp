// An expression on columns equals itself row by row, wherever it answers at all.

#include "expression/columns.hpp"

#include "support/generators.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace featlib;
using namespace featlib::testing;

namespace {

/// Random expressions over x, y (float64), n, m (int64), t, u (timestamp) and flag (bool); of a type, at most `depth` deep.
class Writer {
 public:
  explicit Writer(Random& random) : random_(random) {}

  std::string number(int depth) {
    if (depth == 0) return random_.pick<std::string>({"x", "y", "n", "m", "0.5", "2", "-3", "0.0"});
    const auto one = [&] { return number(depth - 1); };
    switch (random_.below(16)) {
      case 0: return "(" + one() + " + " + one() + ")";
      case 1: return "(" + one() + " - " + one() + ")";
      case 2: return "(" + one() + " * " + one() + ")";
      case 3: return "(" + one() + " / " + one() + ")";
      case 4: return "(" + one() + " % " + one() + ")";
      case 5: return "-" + one();
      case 6: return random_.pick<std::string>({"abs", "sqrt", "exp", "log", "log1p", "sin", "cos", "asin", "floor", "ceil", "round"}) + "(" + one() + ")";
      case 7: return "case when " + truth(depth - 1) + " then " + one() + " when " + truth(depth - 1) + " then " + one() + " else " + one() + " end";
      case 8: return "coalesce(" + one() + ", " + one() + ")";
      case 9: return random_.pick<std::string>({"min", "max"}) + "(" + one() + ", " + one() + ", " + one() + ")";
      case 10: return "clip(" + one() + ", -1e9, 1000000000)";
      case 11: return "pow(" + one() + ", " + random_.pick<std::string>({"2", "0.5", "n"}) + ")";
      case 12: return "zscore(" + one() + ", " + one() + ", " + one() + ")";
      case 13: return "distance_km(" + one() + ", " + one() + ", 52.5, 13.4)";
      default: return random_.pick<std::string>({"year", "month", "day", "hour", "minute", "second", "weekday", "day_of_year"}) + "(" + random_.pick<std::string>({"t", "u", "min(t, u)"}) + ")";
    }
  }

  std::string truth(int depth) {
    if (depth == 0) return random_.pick<std::string>({"flag", "true", "false", "x > y", "n = m", "t < u"});
    const auto one = [&] { return number(depth - 1); };
    switch (random_.below(6)) {
      case 0: return "(" + truth(depth - 1) + " and " + truth(depth - 1) + ")";
      case 1: return "(" + truth(depth - 1) + " or " + truth(depth - 1) + ")";
      case 2: return "(not " + truth(depth - 1) + ")";
      case 3: return "(" + one() + " between " + one() + " and " + one() + ")";
      case 4: return "(" + one() + " in (" + one() + ", 2, " + one() + "))";
      default: return "(" + one() + random_.pick<std::string>({" = ", " != ", " < ", " <= ", " > ", " >= "}) + one() + ")";
    }
  }

 private:
  Random& random_;
};

}  // namespace

TEST_CASE("an expression on columns equals itself row by row") {
  const std::map<std::string, Type> types{{"x", Type::float64}, {"y", Type::float64}, {"n", Type::int64}, {"m", Type::int64}, {"t", Type::timestamp}, {"u", Type::timestamp}, {"flag", Type::boolean}};
  const std::uint64_t seed = first_seed();
  Random random(seed);
  int answered = 0, asked = 0;
  for (int i = 0; i < 4'000; ++i) {
    Writer writer(random);
    const int depth = random.below(4);
    const std::string text = random.percent(60) ? writer.number(depth) : writer.truth(depth);
    INFO(text << ", FEATLIB_SEED=" << seed);
    const auto parsed = Expression::parse(text);
    REQUIRE(parsed.value);
    const auto bound = parsed.value->bind([&](const ExpressionInput& input) { return std::optional(Variable{types.at(input.name)}); },
                                          *TimeZone::find(random.pick<std::string>({"UTC", "Europe/Berlin", "Asia/Kolkata"})));
    if (!bound.value) continue;
    expressions::ColumnExpression columns(*bound.value);
    if (!columns.usable()) continue;

    const std::size_t rows = 1 + static_cast<std::size_t>(random.below(20));
    std::vector<std::vector<std::uint64_t>> values;
    std::vector<const std::uint64_t*> inputs;
    const bool rough = random.percent(30);
    for (const ExpressionInput& input : bound.value->inputs()) {
      auto& column = values.emplace_back();
      for (std::size_t r = 0; r < rows; ++r) switch (types.at(input.name)) {
        case Type::float64:
          column.push_back(std::bit_cast<std::uint64_t>(rough ? random.pick<double>({0.0, 1e308, -1e300, 5e-324, 0x1p53, -2.5, 0.5}) : random.below(2000) / 16.0 - 40));
          break;
        case Type::int64:
          column.push_back(static_cast<std::uint64_t>(rough ? random.pick<std::int64_t>({0, -1, (std::int64_t{1} << 53) + 1, std::numeric_limits<std::int64_t>::min(), 3}) : random.below(100) - 20));
          break;
        case Type::timestamp:
          column.push_back(static_cast<std::uint64_t>(rough ? random.pick<std::int64_t>({-1, -day, 0, never, always, monday}) : monday + random.below(1'000'000) * minute - 1));
          break;
        default: column.push_back(static_cast<std::uint64_t>(random.below(2)));
      }
    }
    for (const auto& column : values) inputs.push_back(column.data());

    const std::uint64_t* const found = columns.evaluate(inputs, rows);
    ++asked;
    answered += found != nullptr;
    bool all_ok = true;
    for (std::size_t r = 0; r < rows; ++r) {
      std::vector<Cell> cells;
      for (std::size_t c = 0; c < values.size(); ++c) {
        const bool real = types.at(bound.value->inputs()[c].name) == Type::float64;
        cells.push_back(real ? Cell::of(std::bit_cast<double>(values[c][r])) : Cell::of(static_cast<std::int64_t>(values[c][r])));
      }
      // Instants at the ends of time belong to no calendar; neither way is asked for them.
      if (rough && text.find("(t") + text.find("(u") != 2 * std::string::npos) break;
      const Evaluated expected = bound.value->evaluate(cells);
      all_ok = all_ok && expected.cause == Cause::ok;
      if (!found) continue;
      INFO("row " << r);
      REQUIRE(expected.cause == Cause::ok);
      const bool real = expected.value.kind == Cell::Kind::real;
      REQUIRE(found[r] == (real ? std::bit_cast<std::uint64_t>(expected.value.real) : static_cast<std::uint64_t>(expected.value.integer)));
    }
    if (!rough && all_ok && text.find("case") == std::string::npos && text.find("coalesce") == std::string::npos && text.find(" or ") == std::string::npos &&
        text.find(" and ") == std::string::npos && text.find(" in ") == std::string::npos)
      CHECK(found);   // nothing to stumble over
  }
  CHECK(answered > asked / 3);
}

TEST_CASE("the parts of a clock on columns are those of each instant, about every edge and wherever instants lie") {
  Random random(first_seed());
  for (const std::string part : {"second", "minute", "hour", "weekday"})
    for (const std::string zone : {"UTC", "America/St_Johns"})
      for (const std::int64_t most : {std::int64_t{4}, std::int64_t{1} << 20, std::int64_t{4'500'000'000}, std::int64_t{1} << 33, std::int64_t{1} << 40}) {
        const auto bound = Expression::parse(part + "(t)").value->bind([](const ExpressionInput&) { return std::optional(Variable{Type::timestamp}); }, *TimeZone::find(zone));
        expressions::ColumnExpression columns(*bound.value);
        std::vector<std::uint64_t> instants;
        const bool past = random.percent(30);
        for (std::size_t i = 0; i < expressions::ColumnExpression::most_rows; ++i) {
          const Duration unit = random.pick<Duration>({second, minute, hour, day});
          const Instant at = static_cast<Instant>(random.below(1 << 30) * 0x1p-30 * static_cast<double>(most)) * second;
          instants.push_back(static_cast<std::uint64_t>((past ? -at : at) / unit * unit + random.below(3) - 1));
        }
        const std::uint64_t* const column = instants.data();
        const std::uint64_t* const found = columns.evaluate({&column, 1}, instants.size());
        REQUIRE(found);
        for (std::size_t i = 0; i < instants.size(); ++i) {
          INFO(part << " of " << static_cast<Instant>(instants[i]) << " in " << zone << ", FEATLIB_SEED=" << first_seed());
          const Cell at = Cell::of(static_cast<std::int64_t>(instants[i]));
          REQUIRE(static_cast<std::int64_t>(found[i]) == bound.value->evaluate({&at, 1}).value.integer);
        }
      }
}
