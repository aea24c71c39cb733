/// Time is an integer count of microseconds since the Unix epoch, UTC, always. No floating-point time anywhere.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace featlib {

using Instant = std::int64_t;   ///< microseconds since 1970-01-01T00:00:00Z
using Duration = std::int64_t;  ///< microseconds; 1d is 86,400 s

inline constexpr Duration millisecond = 1'000;
inline constexpr Duration second = 1'000'000;
inline constexpr Duration minute = 60 * second;
inline constexpr Duration hour = 60 * minute;
inline constexpr Duration day = 24 * hour;

/// Before every instant and after every instant.
inline constexpr Instant always = std::numeric_limits<Instant>::min();
inline constexpr Instant never = std::numeric_limits<Instant>::max();

/// 1971-01-01 and 2100-01-01: an instant outside [first_year, last_year) is a unit mistake unless `any_year: true`.
inline constexpr Instant earliest_instant = 31'536'000 * second;
inline constexpr Instant latest_instant = 4'102'444'800 * second;

enum class TimeUnit : std::uint8_t { second, millisecond, microsecond, nanosecond };

/// "s", "ms", "us", "ns".
std::optional<TimeUnit> parse_time_unit(std::string_view text);
std::string_view to_string(TimeUnit unit);

/// Exact conversion of a count of `unit` to microseconds: null when it overflows, or when nanoseconds do not divide and
/// `floor` is false.
std::optional<Instant> to_instant(std::int64_t count, TimeUnit unit, bool floor);

/// "90us", "250ms", "30s", "15m", "24h", "30d", also fractions that are whole microseconds ("1.5h"); never negative.
std::optional<Duration> parse_duration(std::string_view text);

/// The shortest exact spelling: 86'400'000'000 -> "1d".
std::string format_duration(Duration duration);

/// 2018-04-01T00:00:31Z, with as many fraction digits as needed (0, 3 or 6).
std::string format_instant(Instant instant);

/// Names a time zone of the database compiled into the library ("UTC", "Europe/Berlin"). Spelled exactly; a copy is a
/// pointer.
class TimeZone {
 public:
  static std::optional<TimeZone> find(std::string_view name);
  static TimeZone utc();

  /// Seconds east of UTC in force at an instant.
  std::int32_t offset_at(Instant instant) const;

  /// The instant of a local clock reading (microseconds as if UTC); empty when it does not exist or happens twice.
  std::optional<Instant> from_local(std::int64_t local) const;

  std::string_view name() const;

 private:
  struct Rules;  // defined in src/time.cpp; lives as long as the program
  explicit TimeZone(const Rules* rules) : rules_(rules) {}
  const Rules* rules_;
};

/// Version of the compiled-in time-zone database, e.g. "2025b"; part of the semantic fingerprint.
std::string_view time_zone_version();

/// RFC 3339 text; a text without offset needs `zone`. Empty when malformed, ambiguous, or finer than a microsecond
/// without `floor`.
std::optional<Instant> parse_instant(std::string_view text, const TimeZone* zone, bool floor);

/// Calendar fields of an instant in a zone.
struct CivilTime {
  std::int32_t year, month, day;  ///< month and day from 1
  std::int32_t hour, minute, second, microsecond;
  std::int32_t weekday;      ///< Monday = 0
  std::int32_t day_of_year;  ///< from 1
};
CivilTime civil_time(Instant instant, const TimeZone& zone);

}  // namespace featlib
