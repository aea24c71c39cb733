#include <featlib/core/time.hpp>
#include <featlib/core/value.hpp>

#include <catch2/catch.hpp>

#include <string>
#include <thread>
#include <vector>

using namespace featlib;

namespace {

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t smallest = std::numeric_limits<std::int64_t>::min();

TimeZone zone(std::string_view name) { return TimeZone::find(name).value(); }

std::optional<Instant> utc(std::string_view text, bool floor = false) { return parse_instant(text, nullptr, floor); }

std::optional<Instant> local(std::string_view text, std::string_view name) {
  const TimeZone z = zone(name);
  return parse_instant(text, &z, false);
}

std::int32_t offset_minutes(std::string_view name, std::string_view instant) {
  return zone(name).offset_at(utc(instant).value()) / 60;
}

}  // namespace

TEST_CASE("a duration is a number and one of six units", "[time]") {
  CHECK(parse_duration("90us") == 90);
  CHECK(parse_duration("250ms") == 250 * millisecond);
  CHECK(parse_duration("30s") == 30 * second);
  CHECK(parse_duration("15m") == 15 * minute);
  CHECK(parse_duration("24h") == 24 * hour);
  CHECK(parse_duration("30d") == 30 * day);
  CHECK(parse_duration("0s") == 0);
  CHECK(parse_duration("007d") == 7 * day);
}

TEST_CASE("a fraction of a duration must be whole microseconds", "[time]") {
  CHECK(parse_duration("1.5h") == 90 * minute);
  CHECK(parse_duration("0.000001s") == 1);
  CHECK(parse_duration("0.0000010000000000000000000000s") == 1);
  CHECK(parse_duration("0.0001220703125d") == 10'546'875);  // 2^-13 d: the longest fraction there is
  CHECK_FALSE(parse_duration("0.00006103515625d"));         // 2^-14 d
  CHECK_FALSE(parse_duration("0.0000001s"));
  CHECK_FALSE(parse_duration("1.5us"));
  CHECK_FALSE(parse_duration("0.33333333333h"));
  CHECK_FALSE(parse_duration("0.1234567890123456789012345678901234567890123456789d"));
}

TEST_CASE("what is not a duration is refused", "[time]") {
  for (const char* text : {"",
                           "d",
                           "7",
                           "7 fortnights",
                           "7x",
                           "-30d",
                           "+30d",
                           "1e3s",
                           "inf",
                           "nan",
                           "1.h",
                           ".5h",
                           "1..5h",
                           "1,5h",
                           " 7d",
                           "7d ",
                           "7 d",
                           "7D",
                           "7dd",
                           "7d3h",
                           "0x7d",
                           "\xff"
                           "d",
                           "7\xc2\xb5s"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text));
  }
  CHECK_FALSE(parse_duration(std::string_view("7d\0", 3)));
}

TEST_CASE("a duration fits int64 microseconds or is refused", "[time]") {
  CHECK(parse_duration("9223372036854775807us") == largest);
  CHECK_FALSE(parse_duration("9223372036854775808us"));
  CHECK(parse_duration("9223372036854775.807ms") == largest);
  CHECK_FALSE(parse_duration("9223372036854775.808ms"));
  CHECK(parse_duration("106751991d") == 106'751'991 * day);
  CHECK_FALSE(parse_duration("106751992d"));
  CHECK_FALSE(parse_duration("99999999999999999999999999999999999999d"));
  CHECK(parse_duration("00000000000000000000000000000000000000000001d") == day);
}

TEST_CASE("a duration is written with the largest unit that divides it", "[time]") {
  CHECK(format_duration(86'400'000'000) == "1d");
  CHECK(format_duration(90 * minute) == "90m");
  CHECK(format_duration(0) == "0s");
  CHECK(format_duration(1'500'000) == "1500ms");
  CHECK(format_duration(1) == "1us");
  CHECK(format_duration(-2 * hour) == "-2h");
  CHECK(format_duration(largest) == "9223372036854775807us");
  CHECK(format_duration(smallest) == "-9223372036854775808us");
  for (const Duration d : {Duration{1}, 999 * millisecond, 30 * day, 36 * hour, largest})
    CHECK(parse_duration(format_duration(d)) == d);
}

TEST_CASE("converting a count of units is exact or nothing", "[time]") {
  CHECK(to_instant(-1, TimeUnit::second, false) == -second);
  CHECK(to_instant(7, TimeUnit::millisecond, false) == 7000);
  CHECK(to_instant(smallest, TimeUnit::microsecond, false) == smallest);
  CHECK(to_instant(largest / second, TimeUnit::second, false) == largest / second * second);
  CHECK_FALSE(to_instant(largest / second + 1, TimeUnit::second, false));
  CHECK_FALSE(to_instant(smallest / second - 1, TimeUnit::second, false));
  CHECK(to_instant(largest / millisecond, TimeUnit::millisecond, false));
  CHECK_FALSE(to_instant(largest / millisecond + 1, TimeUnit::millisecond, true));
}

TEST_CASE("nanoseconds floor towards the past, also before 1970", "[time]") {
  CHECK(to_instant(-2000, TimeUnit::nanosecond, false) == -2);
  CHECK_FALSE(to_instant(1999, TimeUnit::nanosecond, false));
  CHECK_FALSE(to_instant(-1, TimeUnit::nanosecond, false));
  CHECK(to_instant(1999, TimeUnit::nanosecond, true) == 1);
  CHECK(to_instant(-1, TimeUnit::nanosecond, true) == -1);
  CHECK(to_instant(-1000, TimeUnit::nanosecond, true) == -1);
  CHECK(to_instant(-1001, TimeUnit::nanosecond, true) == -2);
  CHECK(to_instant(smallest, TimeUnit::nanosecond, true) == smallest / 1000 - 1);
}

TEST_CASE("time units are spelled s, ms, us and ns", "[time]") {
  for (const char* text : {"s", "ms", "us", "ns"}) CHECK(to_string(parse_time_unit(text).value()) == text);
  for (const char* text : {"", "S", "sec", "m", "h", "d", "s "}) CHECK_FALSE(parse_time_unit(text));
}

TEST_CASE("an RFC 3339 text is the instant it names", "[time]") {
  CHECK(utc("1970-01-01T00:00:00Z") == 0);
  CHECK(utc("2018-04-01T00:00:31Z") == 1'522'540'831 * second);
  CHECK(utc("2018-04-01 00:00:31z") == 1'522'540'831 * second);
  CHECK(utc("2018-04-01t00:00:31Z") == 1'522'540'831 * second);
  CHECK(utc("1985-04-12T23:20:50.52Z") == 482'196'050'520'000);
  CHECK(utc("1996-12-19T16:39:57-08:00") == 851'042'397 * second);
  CHECK(utc("1937-01-01T12:00:27.87+00:20") == -1'041'337'172'130'000);
  CHECK(utc("1970-01-01T00:00:00-00:00") == 0);
  CHECK(utc("1970-01-01T00:00:00+23:59") == -(23 * hour + 59 * minute));
  CHECK(utc("0000-01-01T00:00:00Z") == -62'167'219'200 * second);
  CHECK(utc("9999-12-31T23:59:59.999999Z") == 253'402'300'799'999'999);
}

TEST_CASE("a fraction of a second may have any length, but not say more than microseconds", "[time]") {
  CHECK(utc("1970-01-01T00:00:00.1Z") == 100'000);
  CHECK(utc("1970-01-01T00:00:00.000001Z") == 1);
  CHECK(utc("1970-01-01T00:00:00.000001000000000000000000000000Z") == 1);
  CHECK_FALSE(utc("1970-01-01T00:00:00.0000001Z"));
  CHECK_FALSE(utc("1970-01-01T00:00:00.0000010000000000000000000001Z"));
  CHECK(utc("1970-01-01T00:00:00.0000019Z", true) == 1);
  CHECK(utc("1969-12-31T23:59:59.9999999Z", true) == -1);
  CHECK(utc("1969-12-31T23:59:59.0000009Z", true) == -second);
  CHECK_FALSE(utc("1970-01-01T00:00:00.Z", true));
}

TEST_CASE("dates that no calendar has are refused", "[time]") {
  CHECK(utc("2024-02-29T00:00:00Z"));
  CHECK(utc("2000-02-29T00:00:00Z"));
  for (const char* text :
       {"2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2024-02-30T00:00:00Z", "2024-04-31T00:00:00Z",
        "2024-00-01T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-00T00:00:00Z", "2024-01-32T00:00:00Z"}) {
    CAPTURE(text);
    CHECK_FALSE(utc(text));
  }
}

TEST_CASE("what is not RFC 3339 is refused, leap seconds included", "[time]") {
  for (const char* text : {"",
                           "2024",
                           "2024-01-01",
                           "2024-01-01T00:00Z",
                           "2024-01-01T00:00:60Z",
                           "2016-12-31T23:59:60Z",
                           "2024-01-01T24:00:00Z",
                           "2024-01-01T00:60:00Z",
                           "24-01-01T00:00:00Z",
                           "12024-01-01T00:00:00Z",
                           "-2024-01-01T00:00:00Z",
                           "2024-1-01T00:00:00Z",
                           "2024-01-01T0:00:00Z",
                           "20240101T000000Z",
                           "2024-01-01T00:00:00",
                           "2024-01-01T00:00:00ZZ",
                           "2024-01-01T00:00:00Z ",
                           " 2024-01-01T00:00:00Z",
                           "2024-01-01T00:00:00 Z",
                           "2024-01-01T00:00:00+0100",
                           "2024-01-01T00:00:00+01",
                           "2024-01-01T00:00:00+24:00",
                           "2024-01-01T00:00:00+01:60",
                           "2024-01-01T00:00:00+1:00",
                           "2024-01-01T00:00:00,5Z",
                           "2024-01-01_00:00:00Z",
                           "2024/01/01T00:00:00Z",
                           "NaT",
                           "now",
                           "2024-01-01T00:00:00UTC",
                           "2024-01-01T00:00:+1Z",
                           "2024-01-01T00:00:00\xe2\x88\x92"
                           "01:00"}) {
    CAPTURE(text);
    CHECK_FALSE(utc(text));
    CHECK_FALSE(utc(text, true));
  }
  CHECK_FALSE(utc(std::string_view("2024-01-01T00:00:00Z\0", 21)));
}

TEST_CASE("an instant is written with 0, 3 or 6 digits and reads back", "[time]") {
  CHECK(format_instant(1'522'540'831 * second) == "2018-04-01T00:00:31Z");
  CHECK(format_instant(500'000) == "1970-01-01T00:00:00.500Z");
  CHECK(format_instant(-1) == "1969-12-31T23:59:59.999999Z");
  CHECK(format_instant(utc("0000-01-01T00:00:00Z").value()) == "0000-01-01T00:00:00Z");
  for (const Instant t : {Instant{0}, Instant{-1}, earliest_instant, latest_instant, Instant{1'700'000'000'123'456},
                          Instant{951'782'400'000'000}})
    CHECK(utc(format_instant(t)) == t);
}

TEST_CASE("the ends of int64 are instants like any other", "[time]") {
  CHECK(format_instant(largest) == "+294247-01-10T04:00:54.775807Z");
  CHECK(format_instant(smallest) == "-290308-12-21T19:59:05.224192Z");
  for (const char* name : {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe"}) {
    CHECK(civil_time(largest, zone(name)).year == 294'247);
    CHECK(civil_time(smallest, zone(name)).year == -290'308);
    zone(name).from_local(largest);
    zone(name).from_local(smallest);
  }
  CHECK_FALSE(zone("America/New_York").from_local(largest));  // its instant would be four hours past int64
}

TEST_CASE("the year window starts with 1971 and ends before 2100", "[time]") {
  CHECK(utc("1971-01-01T00:00:00Z") == earliest_instant);
  CHECK(utc("2100-01-01T00:00:00Z") == latest_instant);
}

TEST_CASE("civil fields agree with the calendar", "[time]") {
  const auto fields = [](std::string_view text, std::string_view name) {
    return civil_time(utc(text).value(), zone(name));
  };
  const CivilTime t = fields("2024-02-29T23:30:15.000007Z", "Asia/Kolkata");
  CHECK(t.year == 2024);
  CHECK(t.month == 3);
  CHECK(t.day == 1);
  CHECK(t.hour == 5);
  CHECK(t.minute == 0);
  CHECK(t.second == 15);
  CHECK(t.microsecond == 7);
  CHECK(t.weekday == 4);
  CHECK(t.day_of_year == 61);

  CHECK(fields("1970-01-01T00:00:00Z", "UTC").weekday == 3);
  CHECK(fields("2018-04-01T00:00:00Z", "UTC").weekday == 6);
  CHECK(fields("2024-12-31T00:00:00Z", "UTC").day_of_year == 366);
  CHECK(fields("1969-12-31T23:59:59.999999Z", "UTC").microsecond == 999'999);
  CHECK(fields("1969-12-31T23:59:59.999999Z", "UTC").second == 59);
}

TEST_CASE("every day of eight centuries follows the one before", "[time]") {
  CivilTime before = civil_time(utc("1599-12-31T00:00:00Z").value(), TimeZone::utc());
  for (Instant t = utc("1600-01-01T00:00:00Z").value(); before.year < 2400; t += day) {
    const CivilTime now = civil_time(t, TimeZone::utc());
    const bool next_day = now.day == before.day + 1 && now.month == before.month && now.year == before.year &&
                          now.day_of_year == before.day_of_year + 1;
    const bool next_month = now.day == 1 && before.day >= 28 && now.month == before.month + 1 &&
                            now.year == before.year && now.day_of_year == before.day_of_year + 1;
    const bool next_year = now.day == 1 && now.month == 1 && before.day == 31 && before.month == 12 &&
                           now.year == before.year + 1 && now.day_of_year == 1;
    if (!((next_day || next_month || next_year) && now.weekday == (before.weekday + 1) % 7)) FAIL(format_instant(t));
    before = now;
  }
}

TEST_CASE("zones are found by their exact names, links too", "[time]") {
  CHECK(zone("Europe/Berlin").name() == "Europe/Berlin");
  CHECK(zone("Asia/Calcutta").name() == "Asia/Calcutta");
  CHECK(zone("Asia/Calcutta").offset_at(0) == zone("Asia/Kolkata").offset_at(0));
  CHECK(TimeZone::utc().name() == "UTC");
  for (const char* name :
       {"", "europe/berlin", "Europe/Berlin ", "Europe", "CEST", "Mars/Olympus", "zzz", "../etc/passwd"})
    CHECK_FALSE(TimeZone::find(name));
}

TEST_CASE("the database has a version", "[time]") {
  CHECK(time_zone_version().size() == 5);
  CHECK(time_zone_version().starts_with("20"));
}

TEST_CASE("offsets change at the second the rules say", "[time]") {
  CHECK(offset_minutes("Europe/Berlin", "2024-03-31T00:59:59Z") == 60);
  CHECK(offset_minutes("Europe/Berlin", "2024-03-31T01:00:00Z") == 120);
  CHECK(offset_minutes("Europe/Berlin", "2024-10-27T00:59:59Z") == 120);
  CHECK(offset_minutes("Europe/Berlin", "2024-10-27T01:00:00Z") == 60);
  CHECK(offset_minutes("America/New_York", "2024-03-10T06:59:59Z") == -300);
  CHECK(offset_minutes("America/New_York", "2024-03-10T07:00:00Z") == -240);
  CHECK(offset_minutes("Asia/Kolkata", "2024-07-01T00:00:00Z") == 330);
  CHECK(offset_minutes("Australia/Lord_Howe", "2024-01-01T00:00:00Z") == 660);
  CHECK(offset_minutes("Australia/Lord_Howe", "2024-07-01T00:00:00Z") == 630);
}

TEST_CASE("past offsets are the ones in force then", "[time]") {
  CHECK(zone("Europe/Berlin").offset_at(utc("1850-01-01T00:00:00Z").value()) == 3208);  // local mean time
  CHECK(offset_minutes("Europe/Berlin", "1945-06-01T00:00:00Z") == 180);                // double summer time
  CHECK(offset_minutes("Europe/Berlin", "1975-07-01T00:00:00Z") == 60);                 // no summer time yet
  CHECK(offset_minutes("Asia/Kolkata", "1944-01-01T00:00:00Z") == 390);                 // war time
  CHECK(offset_minutes("Pacific/Apia", "2011-12-30T09:59:59Z") == -600);  // the day before the date line moved
  CHECK(offset_minutes("Pacific/Apia", "2011-12-30T10:00:00Z") == 840);
  CHECK(offset_minutes("Europe/Dublin", "2024-07-01T00:00:00Z") == 60);  // winter is its exception
  CHECK(offset_minutes("Europe/Dublin", "2024-01-01T00:00:00Z") == 0);
}

TEST_CASE("far future instants follow the last rule", "[time]") {
  CHECK(offset_minutes("Europe/Berlin", "2500-03-28T00:59:59Z") == 60);
  CHECK(offset_minutes("Europe/Berlin", "2500-03-28T01:00:00Z") == 120);
  CHECK(offset_minutes("America/New_York", "9999-11-07T05:59:59Z") == -240);
  CHECK(offset_minutes("America/New_York", "9999-11-07T06:00:00Z") == -300);
  CHECK(offset_minutes("Australia/Sydney", "3000-01-01T00:00:00Z") == 660);
  CHECK(offset_minutes("Australia/Sydney", "3000-07-01T00:00:00Z") == 600);
  CHECK(offset_minutes("Asia/Kolkata", "9999-01-01T00:00:00Z") == 330);
}

TEST_CASE("a local time that does not exist has no instant", "[time]") {
  CHECK(local("2024-03-31T01:59:59.999999", "Europe/Berlin") == utc("2024-03-31T00:59:59.999999Z"));
  CHECK_FALSE(local("2024-03-31T02:00:00", "Europe/Berlin"));
  CHECK_FALSE(local("2024-03-31T02:59:59.999999", "Europe/Berlin"));
  CHECK(local("2024-03-31T03:00:00", "Europe/Berlin") == utc("2024-03-31T01:00:00Z"));
  CHECK_FALSE(local("2024-10-06T02:15:00", "Australia/Lord_Howe"));
  CHECK(local("2024-10-06T02:30:00", "Australia/Lord_Howe"));
  CHECK_FALSE(local("2011-12-30T12:00:00", "Pacific/Apia"));   // the whole day was skipped
  CHECK_FALSE(local("2500-03-28T02:30:00", "Europe/Berlin"));  // by rule, not by table
}

TEST_CASE("a local time that happens twice has no instant", "[time]") {
  CHECK(local("2024-10-27T01:59:59.999999", "Europe/Berlin"));
  CHECK_FALSE(local("2024-10-27T02:00:00", "Europe/Berlin"));
  CHECK_FALSE(local("2024-10-27T02:59:59.999999", "Europe/Berlin"));
  CHECK(local("2024-10-27T03:00:00", "Europe/Berlin") == utc("2024-10-27T02:00:00Z"));
  CHECK_FALSE(local("2024-11-03T01:30:00", "America/New_York"));
  CHECK_FALSE(local("2024-04-07T01:45:00", "Australia/Lord_Howe"));
  CHECK(local("2024-04-07T01:29:59", "Australia/Lord_Howe"));
}

TEST_CASE("an offset in the text wins over the zone", "[time]") {
  CHECK(local("2024-03-31T02:30:00+01:00", "Europe/Berlin") == utc("2024-03-31T01:30:00Z"));
  CHECK(local("2024-07-01T12:00:00Z", "America/New_York") == utc("2024-07-01T12:00:00Z"));
  CHECK(local("2024-07-01T12:00:00", "America/New_York") == utc("2024-07-01T16:00:00Z"));
}

TEST_CASE("local and instant are inverse wherever a local time is unique", "[time]") {
  for (const char* name : {"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
                           "Africa/Casablanca", "Europe/Dublin", "America/Nuuk", "Pacific/Chatham"}) {
    const TimeZone z = zone(name);
    int unique = 0, twice = 0;
    for (Instant t = utc("1960-01-01T00:07:00Z").value(); t < utc("2060-01-01T00:00:00Z").value();
         t += 11 * hour + 13 * minute) {
      const auto back = z.from_local(t + z.offset_at(t) * second);
      back ? ++unique : ++twice;
      if (back && *back != t) FAIL(name << " " << format_instant(t));
    }
    CHECK(unique > 70'000);
    CHECK(twice < 100);
  }
}

TEST_CASE("many threads may open one zone at once", "[time]") {
  std::vector<std::thread> threads;
  std::vector<std::int32_t> offsets(8);
  for (std::size_t i = 0; i < offsets.size(); ++i)
    threads.emplace_back([&offsets, i] { offsets[i] = TimeZone::find("America/Sao_Paulo")->offset_at(0); });
  for (std::thread& thread : threads) thread.join();
  CHECK(offsets == std::vector<std::int32_t>(8, -3 * 3600));
}

TEST_CASE("types are spelled as in the contract", "[value]") {
  const std::vector<std::string_view> names{"bool", "int64", "float64", "decimal", "string", "category", "timestamp"};
  for (std::size_t i = 0; i < names.size(); ++i) CHECK(to_string(static_cast<Type>(i)) == names[i]);
}
