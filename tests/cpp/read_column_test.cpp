// Columns read in stretches equal their values converted one by one; columns that are the same memory are read once.

#include "events/read_column.hpp"

#include "support/generators.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

using namespace featlib;
using namespace featlib::testing;

namespace {

Field field_of(Type type) {
  Field field;
  field.name = "x";
  field.type = type;
  field.time_unit = TimeUnit::second;
  return field;
}

/// Values of a layout, nearly all of them plain for `field`, so that both ways of reading are met; the others of one kind, so that
/// each alone must be noticed. Kind 0: there are none.
Value draw(Random& random, const Field& field, const std::string& format, int kind) {
  const bool odd = kind > 0;
  const auto of_kind = [&]<class T>(const std::vector<T>& all) { return Value(all[static_cast<std::size_t>(kind) % all.size()]); };
  if (random.percent(odd ? 5 : 0)) return null_value;
  if (format == "g" || format == "f") {
    if (odd && random.percent(1)) return of_kind(std::vector<double>{std::numeric_limits<double>::infinity(), std::nan(""), 0.004, 1e12 + 0.25, -1e300, 0.0100001, 0.01000002, 45035996273704.965, 5e-324, std::nextafter(4e13, 1e300)});   // times 100 the last two round to whole numbers, and are none
    const double cents = static_cast<double>(random.below(2'000'000) - 1'000'000) / 100;
    return format == "f" ? static_cast<double>(static_cast<float>(cents)) : random.percent(3) ? -0.0 : cents;
  }
  if (format == "u") return random.pick<std::string>({"a", "b", "", "\xc3\xa9", odd ? "\xff" : "c"});
  const bool narrow = format == "c" || format == "C";
  if (field.type == Type::boolean) return std::int64_t{odd && random.percent(1) ? 2 : random.below(2)};
  if (field.type == Type::timestamp && !narrow) {
    if (odd && random.percent(1)) return of_kind(std::vector<std::int64_t>{0, 31'535'999, 4'102'444'800, std::numeric_limits<std::int64_t>::max()});
    return std::int64_t{1'600'000'000 + random.below(1'000'000)};
  }
  if (odd && format == "L" && random.percent(1)) return std::int64_t{-1};   // 2^64 - 1
  return std::int64_t{random.below(100) - (format == "C" || format == "S" || format == "I" || format == "L" ? 0 : 50)};
}

struct Expected {
  std::vector<Slot> slots;
  std::vector<Refusal> why;
};

Expected one_by_one(const Field& field, const Table& table, TextPool& pool) {
  Expected out;
  for (int b = 0; b < table.batches(); ++b) {
    const ColumnView view = table.view(b, 0);
    for (std::int64_t r = 0; r < view.rows(); ++r) {
      Slot slot;
      out.why.push_back(convert(field, read_raw(view, table.column_type(0), r), pool, slot));
      out.slots.push_back(slot);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("a column read in stretches equals its values converted one by one") {
  const std::vector<std::pair<Type, std::vector<std::string>>> layouts{
      {Type::int64, {"c", "s", "i", "l", "C", "S", "I", "L"}}, {Type::boolean, {"b", "c", "i", "l", "C", "L"}}, {Type::float64, {"g", "f"}},
      {Type::decimal, {"g", "f", "l", "u"}}, {Type::string, {"u"}}, {Type::timestamp, {"l", "L", "i", "tss:UTC", "tsm:UTC", "tsu:UTC", "tsn:UTC"}}};
  Random random(first_seed());
  for (const auto& [type, formats] : layouts)
    for (const std::string& format : formats)
      for (int kind = 0; kind <= 10; ++kind)
        for (const bool lenient : {false, true}) {
          Field field = field_of(type);
          field.scale = 2;
          field.nan = lenient ? NanPolicy::null : NanPolicy::reject;
          field.any_year = field.round = lenient;
          field.time_unit = random.pick<TimeUnit>({TimeUnit::second, TimeUnit::millisecond, TimeUnit::nanosecond});
          if (format.starts_with("ts") && format[2] != 's') field.floor = lenient;
          Values values;
          for (int i = 0, n = random.pick<int>({0, 1, 63, 4096, 4097, 9000}); i < n; ++i) values.push_back(draw(random, field, format, kind));
          const Table table = make_table("t", {{"x", format, values}}, random.pick<std::size_t>({0, 1000, 4096}));
          INFO("format " << format << ", type " << to_string(type) << ", " << values.size() << " rows, FEATLIB_SEED=" << first_seed());

          TextPool pool, other;
          const Expected expected = one_by_one(field, table, other);
          Refusals refusals(values.size());
          const SlotColumn column = ColumnReader(pool, 2).read(field, table, 0, refusals, 7);
          REQUIRE(column.bits.size() == values.size());
          for (std::size_t i = 0; i < values.size(); ++i) {
            const Slot slot = column[static_cast<Row>(i)];
            INFO("row " << i);
            REQUIRE(slot.held == expected.slots[i].held);
            if (type == Type::string) REQUIRE((slot.is_null() || pool.view(slot.text()) == other.view(expected.slots[i].text())));
            else if (!slot.is_null()) REQUIRE(slot.bits == expected.slots[i].bits);
            REQUIRE(refusals.why(i) == expected.why[i]);
            if (refusals.why(i) != Refusal::none) REQUIRE(refusals.by(i) == 7);
          }
          CHECK(column.whole == std::all_of(expected.slots.begin(), expected.slots.end(), [](const Slot& s) { return s.held == Held::value; }));
        }
}

TEST_CASE("a batch that is read in several pieces and many that are short stand in their places") {
  Values values;
  for (std::int64_t i = 0; i < 70'000; ++i) values.push_back(i);
  for (const std::size_t batch : {std::size_t{0}, std::size_t{999}, std::size_t{69'000}}) {
    const Table table = make_table("t", {{"x", "i", values}}, batch);
    TextPool pool;
    Refusals refusals(values.size());
    const SlotColumn x = ColumnReader(pool, 2).read(field_of(Type::int64), table, 0, refusals, 0);
    for (std::size_t i = 0; i < values.size(); ++i) REQUIRE(x.bits[i] == i);
  }
}

TEST_CASE("a column whose memory is its slots is borrowed, and copied before it is changed") {
  const Table table = make_table("t", {{"x", "l", {std::int64_t{1}, std::int64_t{2}}}, {"y", "g", {1.5, -0.0}}});
  TextPool pool;
  ColumnReader reader(pool, 1);
  Refusals refusals(2);
  SlotColumn x = reader.read(field_of(Type::int64), table, 0, refusals, 0);
  CHECK(x.bits.data() == table.view(0, 0).plain<std::uint64_t>());
  x.set(0, {9, Held::value});
  CHECK(x[0].bits == 9);
  CHECK(table.view(0, 0).integer(0) == 1);
  const SlotColumn y = reader.read(field_of(Type::float64), table, 1, refusals, 1);
  CHECK(y[1].bits == 0);   // -0.0 is 0.0, so this one is not borrowed
}

TEST_CASE("columns that are the same memory, read in the same way, are one; a refused value keeps them apart") {
  const Table table = make_table("t", {{"x", "i", {std::int64_t{1}, std::int64_t{7}}}});
  TextPool pool;
  ColumnReader reader(pool, 1);
  Refusals refusals(2);
  const SlotColumn a = reader.read(field_of(Type::int64), table, 0, refusals, 0), b = reader.read(field_of(Type::int64), table, 0, refusals, 0);
  CHECK(a.bits.shares(b.bits));
  reader.read(field_of(Type::boolean), table, 0, refusals, 0);
  CHECK(refusals.why(1) == Refusal::inexact);
  Refusals again(2);
  reader.read(field_of(Type::boolean), table, 0, again, 0);
  CHECK(again.why(1) == Refusal::inexact);
}
