#include <featlib/events/convert.hpp>

#include "support/tables.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

using namespace featlib;
using featlib::testing::make_table;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();

Field field(Type type, int scale = 0) {
  Field out;
  out.name = "x";
  out.type = type;
  out.scale = scale;
  return out;
}
Field money() { return field(Type::decimal, 2); }

Raw whole(std::int64_t v) { Raw r; r.kind = Raw::Kind::integer; r.integer = v; return r; }
Raw unsigned64(std::uint64_t v) { Raw r; r.kind = Raw::Kind::unsigned64; r.integer = static_cast<std::int64_t>(v); return r; }
Raw boolean(bool v) { Raw r; r.kind = Raw::Kind::boolean; r.integer = v; return r; }
Raw real(double v) { Raw r; r.kind = Raw::Kind::real; r.real = v; return r; }
Raw text(std::string_view v) { Raw r; r.kind = Raw::Kind::text; r.text = v; return r; }
Raw decimal(__int128 v, int scale) { Raw r; r.kind = Raw::Kind::decimal; r.decimal = v; r.scale = scale; return r; }
Raw stamp(std::int64_t v, TimeUnit unit, bool zoned) {
  Raw r;
  r.kind = Raw::Kind::timestamp;
  r.integer = v;
  r.unit = unit;
  r.zoned = zoned;
  return r;
}

/// The integer a value becomes, or why it does not.
struct Outcome {
  Refusal refusal;
  std::int64_t integer = 0;
  bool operator==(const Outcome&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Outcome& o) { return out << to_string(o.refusal) << " " << o.integer; }

Outcome convert(const Field& f, const Raw& raw) {
  TextPool pool;
  Slot slot;
  const Refusal refusal = featlib::convert(f, raw, pool, slot);
  if (refusal == Refusal::none) CHECK_FALSE(slot.is_null());
  return {refusal, refusal == Refusal::none ? slot.integer() : 0};
}
Outcome is(std::int64_t v) { return {Refusal::none, v}; }
const Outcome inexact{Refusal::inexact}, bad_text{Refusal::bad_text}, wrong{Refusal::wrong_type}, bad_year{Refusal::bad_year};

}  // namespace

TEST_CASE("a decimal from text is exact or refused") {
  for (const auto& [given, units] : std::vector<std::pair<const char*, std::int64_t>>{
           {"12.50", 1250}, {"12.5", 1250}, {"12", 1200}, {"-0.01", -1}, {"+3", 300}, {".5", 50}, {"5.", 500}, {"0.010", 1}, {"1.2300000000000000000000000", 123},
           {"92233720368547758.07", most}, {"-92233720368547758.08", least}, {"000000000000000000000000000000000000000001", 100}, {"-0", 0}}) {
    CAPTURE(given);
    CHECK(convert(money(), text(given)) == is(units));
  }
  for (const char* given : {"0.001", "12.345", "92233720368547758.08", "-92233720368547758.09", "99999999999999999999999999999999999999999999999999"}) {
    CAPTURE(given);
    CHECK(convert(money(), text(given)) == inexact);
  }
  for (const char* given : {"", ".", "-", "1e3", "1,000", " 1", "1 ", "0x10", "NaN", "inf", "1.2.3", "--1", "12.5x"}) {
    CAPTURE(given);
    CHECK(convert(money(), text(given)) == bad_text);
  }
}

TEST_CASE("a decimal from a double lies within 1e-6 of a unit, or is refused") {
  CHECK(convert(money(), real(12.34)) == is(1234));
  CHECK(convert(money(), real(0.1)) == is(10));
  CHECK(convert(money(), real(-0.0)) == is(0));
  CHECK(convert(money(), real(1e-300)) == is(0));          // far less than a millionth of a cent
  CHECK(convert(money(), real(5e-324)) == is(0));
  // One millionth of a cent is 1e-8.
  CHECK(convert(money(), real(0.9e-8)) == is(0));
  CHECK(convert(money(), real(1.1e-8)) == inexact);
  CHECK(convert(money(), real(-1.1e-8)) == inexact);
  CHECK(convert(money(), real(12.34 + 0.9e-8)) == is(1234));
  CHECK(convert(money(), real(12.34 - 1.1e-8)) == inexact);
  CHECK(convert(money(), real(12.345)) == inexact);
  CHECK(convert(field(Type::decimal, 0), real(0x1p-20)) == is(0));         // 0.95e-6 of a unit
  CHECK(convert(field(Type::decimal, 0), real(0x1p-19)) == inexact);       // 1.9e-6
  CHECK(convert(field(Type::decimal, 0), real(0.5)) == inexact);
  CHECK(convert(field(Type::decimal, 18), real(1.0)) == is(1'000'000'000'000'000'000));
  CHECK(convert(field(Type::decimal, 18), real(9.0)) == is(9'000'000'000'000'000'000));
  CHECK(convert(field(Type::decimal, 18), real(9.5)) == inexact);
}

TEST_CASE("a decimal from a double reaches down to -2^63 and no further than 2^63") {
  const Field plain = field(Type::decimal, 0);
  CHECK(convert(plain, real(-0x1p63)) == is(least));
  CHECK(convert(plain, real(std::nextafter(-0x1p63, -infinity))) == inexact);
  CHECK(convert(plain, real(0x1p63)) == inexact);
  CHECK(convert(plain, real(std::nextafter(0x1p63, 0))) == is(most - 1023));
  CHECK(convert(plain, real(1e300)) == inexact);
  CHECK(convert(plain, real(-1e300)) == inexact);
  CHECK(convert(money(), real(92233720368547758.0)) == inexact);   // the double is 92233720368547760
  CHECK(convert(money(), real(92233720368547744.0)) == is(9223372036854774400));
}

TEST_CASE("`round: true` takes every double to the nearest unit, halves to even") {
  Field rounding = field(Type::decimal, 0);
  rounding.round = true;
  CHECK(convert(rounding, real(0.5)) == is(0));
  CHECK(convert(rounding, real(1.5)) == is(2));
  CHECK(convert(rounding, real(2.5)) == is(2));
  CHECK(convert(rounding, real(-0.5)) == is(0));
  CHECK(convert(rounding, real(-1.5)) == is(-2));
  CHECK(convert(rounding, real(-2.5)) == is(-2));
  CHECK(convert(rounding, real(std::nextafter(0.5, 1.0))) == is(1));
  CHECK(convert(rounding, real(std::nextafter(2.5, 3.0))) == is(3));
  CHECK(convert(rounding, real(std::nextafter(1.5, 1.0))) == is(1));
  CHECK(convert(rounding, real(-0x1p63)) == is(least));
  CHECK(convert(rounding, real(0x1p63)) == inexact);
  rounding.scale = 2;
  CHECK(convert(rounding, real(12.345)) == is(1235));   // the double lies just above: 12.3450000000000006
  CHECK(convert(rounding, real(0.125)) == is(12));
  CHECK(convert(rounding, text("12.345")) == inexact);  // text that does not fit is still a mistake
}

TEST_CASE("a decimal from integers and Arrow decimals is exact or refused") {
  CHECK(convert(money(), whole(7)) == is(700));
  CHECK(convert(money(), whole(92233720368547758)) == is(9223372036854775800));
  CHECK(convert(money(), whole(92233720368547759)) == inexact);
  CHECK(convert(money(), unsigned64(7)) == is(700));
  CHECK(convert(money(), decimal(12345, 3)) == inexact);
  CHECK(convert(money(), decimal(12340, 3)) == is(1234));
  CHECK(convert(money(), decimal(5, 0)) == is(500));
  CHECK(convert(money(), decimal(5, 1)) == is(50));
  CHECK(convert(money(), decimal(static_cast<__int128>(most) + 1, 2)) == inexact);
  CHECK(convert(money(), decimal(least, 2)) == is(least));
  CHECK(convert(money(), decimal(static_cast<__int128>(least) - 1, 2)) == inexact);
  CHECK(convert(money(), boolean(true)) == wrong);
}

TEST_CASE("bool takes booleans and the integers 0 and 1") {
  const Field flag = field(Type::boolean);
  CHECK(convert(flag, boolean(true)) == is(1));
  CHECK(convert(flag, boolean(false)) == is(0));
  CHECK(convert(flag, whole(0)) == is(0));
  CHECK(convert(flag, whole(1)) == is(1));
  CHECK(convert(flag, whole(2)) == inexact);
  CHECK(convert(flag, whole(-1)) == inexact);
  CHECK(convert(flag, real(1.0)) == wrong);
  CHECK(convert(flag, text("true")) == wrong);
}

TEST_CASE("int64 takes every integer that fits and nothing else") {
  const Field n = field(Type::int64);
  CHECK(convert(n, whole(least)) == is(least));
  CHECK(convert(n, unsigned64(static_cast<std::uint64_t>(most))) == is(most));
  CHECK(convert(n, unsigned64(static_cast<std::uint64_t>(most) + 1)) == inexact);
  CHECK(convert(n, unsigned64(~std::uint64_t{0})) == inexact);
  CHECK(convert(n, real(1.0)) == wrong);
  CHECK(convert(n, text("1")) == wrong);
  CHECK(convert(n, boolean(true)) == wrong);
}

TEST_CASE("float64 takes floats; NaN and infinity are refused or null, -0.0 is 0.0") {
  TextPool pool;
  Slot slot;
  Field x = field(Type::float64);
  CHECK(convert(x, whole(1)) == wrong);
  CHECK(convert(x, text("1.0")) == wrong);
  for (const double bad : {not_a_number, infinity, -infinity}) {
    x.nan = NanPolicy::reject;
    CHECK(featlib::convert(x, real(bad), pool, slot) == Refusal::not_finite);
    CHECK(featlib::convert(money(), real(bad), pool, slot) == Refusal::not_finite);
    x.nan = NanPolicy::null;
    CHECK(featlib::convert(x, real(bad), pool, slot) == Refusal::none);
    CHECK(slot.is_null());
    CHECK(accept(x, Cell::of(bad), pool, slot) == Refusal::none);
    CHECK(slot.is_null());
  }
  CHECK(featlib::convert(x, real(-0.0), pool, slot) == Refusal::none);
  CHECK(slot.bits == 0);
  CHECK(featlib::convert(x, real(std::numeric_limits<double>::max()), pool, slot) == Refusal::none);
  CHECK(slot.real() == std::numeric_limits<double>::max());
}

TEST_CASE("null is null in every type") {
  TextPool pool;
  for (const Type type : {Type::boolean, Type::int64, Type::float64, Type::decimal, Type::string, Type::category, Type::timestamp}) {
    Slot slot{7, Held::value};
    CHECK(featlib::convert(field(type), Raw{}, pool, slot) == Refusal::none);
    CHECK(slot.is_null());
    slot = {7, Held::value};
    CHECK(accept(field(type), Cell::null(), pool, slot) == Refusal::none);
    CHECK(slot.is_null());
  }
}

TEST_CASE("text is taken as bytes, when it is UTF-8") {
  TextPool pool;
  Slot slot;
  for (const std::string good : {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    CAPTURE(good);
    CHECK(featlib::convert(field(Type::string), text(good), pool, slot) == Refusal::none);
    CHECK(pool.view(slot.text()) == good);
  }
  CHECK(featlib::convert(field(Type::string), text(std::string_view("a\0b", 3)), pool, slot) == Refusal::none);
  CHECK(pool.view(slot.text()).size() == 3);
  const std::size_t before = pool.size();
  for (const std::string bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                                "\xf5\x80\x80\x80", "\xff", "ok\xfe", "\xf0\x90\x80"}) {
    CAPTURE(bad);
    CHECK(featlib::convert(field(Type::string), text(bad), pool, slot) == Refusal::bad_text);
    CHECK(accept(field(Type::string), Cell::of(std::string_view(bad)), pool, slot) == Refusal::bad_text);
  }
  CHECK(pool.size() == before);   // what is refused is not kept
  CHECK(convert(field(Type::string), whole(1)) == wrong);
  CHECK(convert(field(Type::category), text("food")).refusal == Refusal::none);
}

TEST_CASE("a key is an integer or a text, and 1 is not \"1\"") {
  Field key = field(Type::int64);
  key.any_key = true;
  TextPool pool;
  Slot one, text_one;
  CHECK(featlib::convert(key, whole(1), pool, one) == Refusal::none);
  CHECK(featlib::convert(key, text("1"), pool, text_one) == Refusal::none);
  CHECK(one.held == Held::value);
  CHECK(text_one.held == Held::text);
  CHECK_FALSE(one == text_one);
  CHECK(convert(key, real(1.0)) == wrong);
  CHECK(convert(key, boolean(true)) == wrong);
}

TEST_CASE("integers become instants by their declared unit") {
  Field at = field(Type::timestamp);
  CHECK(convert(at, whole(1'600'000'000)) == wrong);   // no unit: not guessed
  at.time_unit = TimeUnit::second;
  CHECK(convert(at, whole(1'600'000'000)) == is(1'600'000'000'000'000));
  CHECK(convert(at, whole(most)) == inexact);
  at.time_unit = TimeUnit::millisecond;
  CHECK(convert(at, whole(1'600'000'000'123)) == is(1'600'000'000'123'000));
  at.time_unit = TimeUnit::microsecond;
  CHECK(convert(at, whole(1'600'000'000'123'456)) == is(1'600'000'000'123'456));
  CHECK(convert(at, unsigned64(1'600'000'000'123'456)) == is(1'600'000'000'123'456));
  at.time_unit = TimeUnit::nanosecond;
  CHECK(convert(at, whole(1'600'000'000'123'456'000)) == is(1'600'000'000'123'456));
  CHECK(convert(at, whole(1'600'000'000'123'456'001)) == inexact);
  at.floor = true;
  CHECK(convert(at, whole(1'600'000'000'123'456'001)) == is(1'600'000'000'123'456));
  CHECK(convert(at, whole(1'600'000'000'123'456'999)) == is(1'600'000'000'123'456));
  at.any_year = true;
  CHECK(convert(at, whole(-1)) == is(-1));             // floors, never towards zero
  CHECK(convert(at, whole(-1000)) == is(-1));
  CHECK(convert(at, whole(-1001)) == is(-2));
}

TEST_CASE("an instant outside 1971..2099 is a unit mistake") {
  Field at = field(Type::timestamp);
  at.time_unit = TimeUnit::microsecond;
  CHECK(convert(at, whole(earliest_instant)) == is(earliest_instant));
  CHECK(convert(at, whole(earliest_instant - 1)) == bad_year);
  CHECK(convert(at, whole(latest_instant - 1)) == is(latest_instant - 1));
  CHECK(convert(at, whole(latest_instant)) == bad_year);
  CHECK(convert(at, text("1970-12-31T23:59:59Z")) == bad_year);
  CHECK(convert(at, stamp(0, TimeUnit::second, true)) == bad_year);
  TextPool pool;
  Slot slot;
  CHECK(accept(at, Cell::of(latest_instant), pool, slot) == Refusal::bad_year);
  CHECK(accept(at, Cell::of(latest_instant - 1), pool, slot) == Refusal::none);
  at.any_year = true;
  CHECK(convert(at, whole(0)) == is(0));
  CHECK(convert(at, whole(latest_instant)) == is(latest_instant));
}

TEST_CASE("a timestamp with a zone is an instant; without one it needs a declared tz") {
  Field at = field(Type::timestamp);
  CHECK(convert(at, stamp(1'600'000'000, TimeUnit::second, true)) == is(1'600'000'000'000'000));
  CHECK(convert(at, stamp(1'600'000'000, TimeUnit::second, false)) == wrong);
  CHECK(convert(at, stamp(1'600'000'000'000'000'001, TimeUnit::nanosecond, true)) == inexact);
  at.tz = "UTC";
  CHECK(convert(at, stamp(1'600'000'000, TimeUnit::second, false)) == is(1'600'000'000'000'000));
  at.tz = "Europe/Berlin";   // 2020-09-13 14:26:40 there is 12:26:40 UTC
  CHECK(convert(at, stamp(1'600'007'200, TimeUnit::second, false)) == is(1'600'000'000'000'000));
  CHECK(convert(at, text("2020-09-13T14:26:40")) == is(1'600'000'000'000'000));
  CHECK(convert(at, text("2020-03-29T02:30:00")) == bad_text);          // does not exist
  CHECK(convert(at, text("2020-10-25T02:30:00")) == bad_text);          // happens twice
  CHECK(convert(at, stamp(1'585'449'000, TimeUnit::second, false)) == inexact);
}

TEST_CASE("RFC 3339 text is an instant; without offset it needs a declared tz") {
  Field at = field(Type::timestamp);
  CHECK(convert(at, text("2020-09-13T12:26:40Z")) == is(1'600'000'000'000'000));
  CHECK(convert(at, text("2020-09-13T14:26:40+02:00")) == is(1'600'000'000'000'000));
  CHECK(convert(at, text("2020-09-13T12:26:40.000001Z")) == is(1'600'000'000'000'001));
  CHECK(convert(at, text("2020-09-13T12:26:40")) == bad_text);
  CHECK(convert(at, text("2020-09-13T12:26:40.0000001Z")) == bad_text);
  for (const char* bad : {"", "yesterday", "2020-13-01T00:00:00Z", "2021-02-29T00:00:00Z", "1600000000"}) {
    CAPTURE(bad);
    CHECK(convert(at, text(bad)) == bad_text);
  }
  at.floor = true;
  CHECK(convert(at, text("2020-09-13T12:26:40.0000019Z")) == is(1'600'000'000'000'001));
  CHECK(convert(at, real(1.6e9)) == wrong);
  CHECK(convert(at, boolean(true)) == wrong);
}

TEST_CASE("rows from C++ are checked as tables are") {
  TextPool pool;
  Slot slot;
  CHECK(accept(field(Type::int64), Cell::of(1.0), pool, slot) == Refusal::wrong_type);
  CHECK(accept(field(Type::int64), Cell::of(std::string_view("1")), pool, slot) == Refusal::wrong_type);
  CHECK(accept(field(Type::float64), Cell::of(std::int64_t{1}), pool, slot) == Refusal::wrong_type);
  CHECK(accept(field(Type::string), Cell::of(std::int64_t{1}), pool, slot) == Refusal::wrong_type);
  CHECK(accept(field(Type::boolean), Cell::of(std::int64_t{2}), pool, slot) == Refusal::inexact);
  CHECK(accept(money(), Cell::of(std::int64_t{1234}), pool, slot) == Refusal::none);
  CHECK(slot.integer() == 1234);   // a Cell's decimal is in its smallest unit
  CHECK(accept(field(Type::float64), Cell::of(-0.0), pool, slot) == Refusal::none);
  CHECK(slot.bits == 0);
}

TEST_CASE("a column of a wrong type refuses the table and says what to do") {
  const auto check = [](const Field& f, const char* format) { return check_column(f, make_table("t", {{"x", format, {}}}).column_type(0), "t"); };
  Field at = field(Type::timestamp);
  for (const auto& [f, good, bad] : std::vector<std::tuple<Field, std::vector<const char*>, std::vector<const char*>>>{
           {field(Type::boolean), {"b", "c", "L", "n"}, {"g", "u", "tsu:UTC", "tdD", "d:38,2"}},
           {field(Type::int64), {"c", "s", "i", "l", "C", "S", "I", "L", "n"}, {"b", "f", "g", "u", "tsu:UTC", "d:38,0"}},
           {field(Type::float64), {"f", "g", "n"}, {"l", "b", "u", "d:38,2"}},
           {money(), {"l", "L", "g", "f", "u", "U", "vu", "d:38,2", "n"}, {"b", "tsu:UTC"}},
           {field(Type::string), {"u", "U", "vu", "n"}, {"l", "b", "g", "tsu:UTC"}},
           {field(Type::category), {"u", "n"}, {"l"}},
           {at, {"tsu:UTC", "tsn:UTC", "u", "n"}, {"l", "tsu:", "g", "b", "tdD"}}}) {
    for (const char* format : good) {
      CAPTURE(format, to_string(f.type));
      CHECK_FALSE(check(f, format));
    }
    for (const char* format : bad) {
      CAPTURE(format, to_string(f.type));
      const auto failure = check(f, format);
      REQUIRE(failure);
      CHECK(failure->path == "t");
      CHECK(failure->message.find("`x`") != std::string::npos);
    }
  }
  REQUIRE(check(at, "l"));
  CHECK(check(at, "l")->code == ErrorCode::missing_time_unit);
  CHECK(check(at, "l")->help.find("unit: us") != std::string::npos);
  CHECK(check(at, "tsu:")->code == ErrorCode::missing_time_unit);
  CHECK(check(at, "tsu:")->help.find("tz: UTC") != std::string::npos);
  at.time_unit = TimeUnit::second;
  at.tz = "UTC";
  CHECK_FALSE(check(at, "l"));
  CHECK_FALSE(check(at, "tsu:"));
  Field key = field(Type::int64);
  key.any_key = true;
  CHECK_FALSE(check(key, "l"));
  CHECK_FALSE(check(key, "u"));
  CHECK(check(key, "g"));
}
