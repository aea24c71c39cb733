#include <featlib/core/time.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <mutex>
#include <vector>

namespace featlib {

namespace {

struct ZoneName {
  std::string_view name;
  int body;
};

#include "tzdb_data.inc"

constexpr std::int64_t day_seconds = 86'400;

constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0); }

// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". std::chrono's calendar stops at year 32767, an Instant
// does not.
constexpr std::int64_t days_from_civil(std::int64_t year, int month, int day) {
  year -= month <= 2;
  const std::int64_t era = floor_div(year, 400);
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719'468;
}

struct Date {
  std::int64_t year;
  int month, day;
};

constexpr Date civil_from_days(std::int64_t days) {
  days += 719'468;
  const std::int64_t era = floor_div(days, 146'097);
  const std::int64_t day_of_era = days - era * 146'097;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int shifted = static_cast<int>((5 * day_of_year + 2) / 153);
  const int month = shifted + (shifted < 10 ? 3 : -9);
  return {year_of_era + era * 400 + (month <= 2), month, static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1)};
}

constexpr bool leap(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

constexpr int days_in_month(std::int64_t year, int month) {
  constexpr std::array<int, 12> days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && leap(year) ? 29 : days[static_cast<std::size_t>(month - 1)];
}

constexpr int weekday_from_days(std::int64_t days) {
  return static_cast<int>(days + 3 - 7 * floor_div(days + 3, 7));
}  // Monday = 0

// Reads from the front of a text. Every take_ leaves the text alone when it refuses.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool done() const { return text_.empty(); }

  bool take_any(std::string_view characters) {
    if (text_.empty() || characters.find(text_.front()) == std::string_view::npos) return false;
    text_.remove_prefix(1);
    return true;
  }

  std::string_view take_digits() {
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto end = std::find_if_not(text_.begin(), text_.end(), is_digit);
    const std::string_view digits = text_.substr(0, static_cast<std::size_t>(end - text_.begin()));
    text_.remove_prefix(digits.size());
    return digits;
  }

  std::string_view take_until(char stop) {
    const std::string_view taken = text_.substr(0, text_.find(stop));
    text_.remove_prefix(taken.size());
    return taken;
  }

  /// Exactly `width` digits within [low, high].
  bool take_number(std::size_t width, int low, int high, int& out) {
    int value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      if (i >= text_.size() || text_[i] < '0' || text_[i] > '9') return false;
      value = value * 10 + (text_[i] - '0');
    }
    if (value < low || value > high) return false;
    text_.remove_prefix(width);
    out = value;
    return true;
  }

  std::string_view rest() const { return text_; }

 private:
  std::string_view text_;
};

// The footer of a TZif file: a POSIX TZ string with the extensions of RFC 8536 section 3.3.1.
// It is our own data, checked by tests over the whole table, so the parser does not defend itself.

struct YearlyRule {
  char kind = 'M';                       // Mm.w.d, Jn (never counts 29 February), n (counts it)
  int month = 0, week = 0, weekday = 0;  // POSIX weekday: Sunday = 0
  int day = 0;
  std::int64_t seconds = 2 * 3600;

  std::int64_t local_seconds(std::int64_t year) const {
    const std::int64_t january = days_from_civil(year, 1, 1);
    if (kind == 'J') return (january + day - 1 + (leap(year) && day >= 60)) * day_seconds + seconds;
    if (kind == 'n') return (january + day) * day_seconds + seconds;
    const std::int64_t first = days_from_civil(year, month, 1);
    const int first_weekday = (weekday_from_days(first) + 1) % 7;
    int date = 1 + (weekday - first_weekday + 7) % 7 + 7 * (week - 1);
    if (date > days_in_month(year, month)) date -= 7;
    return (first + date - 1) * day_seconds + seconds;
  }
};

struct Footer {
  std::int32_t standard = 0;
  bool alternates = false;
  std::int32_t summer = 0;
  YearlyRule start, end;

  std::int32_t offset_at(std::int64_t seconds) const {
    if (!alternates) return standard;
    // Rules may fall outside their own year in UTC, so the neighbours are asked too. At equal instants the start wins:
    // that is how a rule spells summer time all year.
    const std::int64_t year = civil_from_days(floor_div(seconds, day_seconds)).year;
    std::int64_t latest = std::numeric_limits<std::int64_t>::min();
    std::int32_t offset = standard;
    for (std::int64_t y = year - 1; y <= year + 1; ++y) {
      const std::int64_t ends = end.local_seconds(y) - summer;
      if (ends <= seconds && ends > latest) {
        latest = ends;
        offset = standard;
      }
      const std::int64_t starts = start.local_seconds(y) - standard;
      if (starts <= seconds && starts >= latest) {
        latest = starts;
        offset = summer;
      }
    }
    return offset;
  }
};

int to_int(std::string_view digits) {
  int value = 0;
  for (char c : digits) value = value * 10 + (c - '0');
  return value;
}

std::int32_t take_clock(Scanner& text) {
  const bool negative = text.take_any("-");
  if (!negative) text.take_any("+");
  std::int32_t seconds = to_int(text.take_digits()) * 3600;
  if (text.take_any(":")) seconds += to_int(text.take_digits()) * 60;
  if (text.take_any(":")) seconds += to_int(text.take_digits());
  return negative ? -seconds : seconds;
}

void skip_abbreviation(Scanner& text) {
  if (text.take_any("<")) {
    text.take_until('>');
    text.take_any(">");
  } else {
    while (text.take_any("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) {
    }
  }
}

YearlyRule take_rule(Scanner& text) {
  YearlyRule rule;
  text.take_any(",");
  if (text.take_any("M")) {
    rule.month = to_int(text.take_digits());
    text.take_any(".");
    rule.week = to_int(text.take_digits());
    text.take_any(".");
    rule.weekday = to_int(text.take_digits());
  } else {
    rule.kind = text.take_any("J") ? 'J' : 'n';
    rule.day = to_int(text.take_digits());
  }
  if (text.take_any("/")) rule.seconds = take_clock(text);
  return rule;
}

Footer parse_footer(std::string_view footer) {
  Scanner text(footer);
  Footer out;
  skip_abbreviation(text);
  out.standard = -take_clock(text);  // POSIX counts west of Greenwich as positive
  if (text.done()) return out;
  out.alternates = true;
  skip_abbreviation(text);
  const bool hour_ahead = text.rest().starts_with(',');
  out.summer = hour_ahead ? out.standard + 3600 : -take_clock(text);
  out.start = take_rule(text);
  out.end = take_rule(text);
  return out;
}

std::string decode_base64(std::string_view text) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (char c : text.substr(0, text.find('='))) {
    bits = bits << 6 | static_cast<std::uint32_t>(alphabet.find(c));
    count += 6;
    if (count >= 8) out.push_back(static_cast<char>(bits >> (count -= 8) & 0xff));
  }
  return out;
}

}  // namespace

struct TimeZone::Rules {
  std::string_view name;
  std::vector<std::int64_t> transitions;  // seconds since the epoch, ascending
  std::vector<std::int32_t> offsets;      // offsets[0] before all of them, offsets[i + 1] from transitions[i]
  std::optional<Footer> footer;           // from the last transition on
  std::vector<std::int32_t> distinct;     // every offset this zone ever has

  Rules(std::string_view zone, std::string_view base64) : name(zone) {
    const std::string bytes = decode_base64(base64);
    const auto big_endian = [&](std::size_t at, std::size_t width) {
      std::uint64_t value = 0;
      for (std::size_t i = 0; i < width; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
      return value;
    };
    // Header of RFC 8536 section 3.1: six counts from byte 20. Leap seconds are absent: POSIX time has none.
    constexpr std::size_t header = 44;
    const std::size_t utc_count = big_endian(20, 4), standard_count = big_endian(24, 4), leap_count = big_endian(28, 4);
    const std::size_t time_count = big_endian(32, 4), type_count = big_endian(36, 4), char_count = big_endian(40, 4);
    const std::size_t kinds = header + 8 * time_count, types = kinds + time_count;
    const std::size_t tail = types + 6 * type_count + char_count + 12 * leap_count + standard_count + utc_count;
    const auto offset_of_type = [&](std::uint64_t type) {
      return static_cast<std::int32_t>(static_cast<std::uint32_t>(big_endian(types + 6 * type, 4)));
    };

    offsets.push_back(offset_of_type(0));
    for (std::size_t i = 0; i < time_count; ++i) {
      transitions.push_back(static_cast<std::int64_t>(big_endian(header + 8 * i, 8)));
      offsets.push_back(offset_of_type(big_endian(kinds + i, 1)));
    }
    const std::string_view footer_text = std::string_view(bytes).substr(tail + 1, bytes.size() - tail - 2);
    if (!footer_text.empty()) footer = parse_footer(footer_text);

    distinct = offsets;
    if (footer)
      distinct.insert(distinct.end(), {footer->standard, footer->alternates ? footer->summer : footer->standard});
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  }

  std::int32_t offset_at(std::int64_t seconds) const {
    const auto next = std::upper_bound(transitions.begin(), transitions.end(), seconds);
    if (next == transitions.end() && footer) return footer->offset_at(seconds);
    return offsets[static_cast<std::size_t>(next - transitions.begin())];
  }
};

std::optional<TimeZone> TimeZone::find(std::string_view name) {
  struct Slot {
    std::once_flag once;
    std::unique_ptr<const Rules> rules;
  };
  static std::array<Slot, std::size(zone_names)> slots;

  const auto row = std::lower_bound(std::begin(zone_names), std::end(zone_names), name,
                                    [](const ZoneName& a, std::string_view b) { return a.name < b; });
  if (row == std::end(zone_names) || row->name != name) return std::nullopt;
  Slot& slot = slots[static_cast<std::size_t>(row - std::begin(zone_names))];
  std::call_once(slot.once, [&] { slot.rules = std::make_unique<const Rules>(row->name, zone_bodies[row->body]); });
  return TimeZone(slot.rules.get());
}

TimeZone TimeZone::utc() {
  static const TimeZone zone = *find("UTC");
  return zone;
}

std::int32_t TimeZone::offset_at(Instant instant) const { return rules_->offset_at(floor_div(instant, second)); }

std::optional<Instant> TimeZone::from_local(std::int64_t local) const {
  // An instant that shows `local` is local - offset for one of the zone's offsets: try each. A zone has few,
  // and no window around transitions has to be guessed.
  std::optional<Instant> found;
  for (const std::int32_t offset : rules_->distinct) {
    Instant candidate = 0;
    if (__builtin_sub_overflow(local, offset * second, &candidate) || offset_at(candidate) != offset) continue;
    if (found) return std::nullopt;
    found = candidate;
  }
  return found;
}

std::string_view TimeZone::name() const { return rules_->name; }

std::string_view time_zone_version() { return zone_version; }

CivilTime civil_time(Instant instant, const TimeZone& zone) {
  const std::int64_t local = floor_div(instant, second) + zone.offset_at(instant);
  const std::int64_t days = floor_div(local, day_seconds);
  const Date date = civil_from_days(days);
  const auto clock = static_cast<std::int32_t>(local - days * day_seconds);
  return {.year = static_cast<std::int32_t>(date.year),
          .month = date.month,
          .day = date.day,
          .hour = clock / 3600,
          .minute = clock / 60 % 60,
          .second = clock % 60,
          .microsecond = static_cast<std::int32_t>((instant % second + second) % second),
          .weekday = weekday_from_days(days),
          .day_of_year = static_cast<std::int32_t>(days - days_from_civil(date.year, 1, 1) + 1)};
}

std::optional<TimeUnit> parse_time_unit(std::string_view text) {
  for (const TimeUnit unit : {TimeUnit::second, TimeUnit::millisecond, TimeUnit::microsecond, TimeUnit::nanosecond})
    if (text == to_string(unit)) return unit;
  return std::nullopt;
}

std::string_view to_string(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::second:
      return "s";
    case TimeUnit::millisecond:
      return "ms";
    case TimeUnit::microsecond:
      return "us";
    case TimeUnit::nanosecond:
      return "ns";
  }
  return "unknown";
}

std::optional<Instant> to_instant(std::int64_t count, TimeUnit unit, bool floor) {
  if (unit == TimeUnit::nanosecond) {
    if (count % 1000 != 0 && !floor) return std::nullopt;
    return floor_div(count, 1000);
  }
  const std::int64_t scale = unit == TimeUnit::second ? second : unit == TimeUnit::millisecond ? millisecond : 1;
  Instant out = 0;
  if (__builtin_mul_overflow(count, scale, &out)) return std::nullopt;
  return out;
}

namespace {

struct DurationUnit {
  std::string_view text;
  Duration length;
};
constexpr DurationUnit duration_units[] = {{"d", day},    {"h", hour},         {"m", minute},
                                           {"s", second}, {"ms", millisecond}, {"us", 1}};

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  Scanner scanner(text);
  std::string_view whole = scanner.take_digits(), fraction;
  if (whole.empty()) return std::nullopt;
  if (scanner.take_any(".") && (fraction = scanner.take_digits()).empty()) return std::nullopt;
  const auto unit = std::find_if(std::begin(duration_units), std::end(duration_units),
                                 [&](const DurationUnit& u) { return u.text == scanner.rest(); });
  if (unit == std::end(duration_units)) return std::nullopt;

  Duration out = 0;
  for (char c : whole)
    if (__builtin_mul_overflow(out, 10, &out) || __builtin_add_overflow(out, c - '0', &out)) return std::nullopt;
  if (__builtin_mul_overflow(out, unit->length, &out)) return std::nullopt;

  // A day is 2^13 * 3^3 * 5^8 us: a fraction with more than 13 digits behind the point (trailing zeros aside) is never
  // whole.
  while (!fraction.empty() && fraction.back() == '0') fraction.remove_suffix(1);
  if (fraction.size() > 13) return std::nullopt;
  __int128 parts = unit->length, scale = 1;
  std::int64_t digits = 0;
  for (char c : fraction) {
    digits = digits * 10 + (c - '0');
    scale *= 10;
  }
  parts *= digits;
  if (parts % scale != 0 || __builtin_add_overflow(out, static_cast<Duration>(parts / scale), &out))
    return std::nullopt;
  return out;
}

std::string format_duration(Duration duration) {
  if (duration == 0) return "0s";
  const auto unit = std::find_if(std::begin(duration_units), std::end(duration_units),
                                 [&](const DurationUnit& u) { return duration % u.length == 0; });
  return fmt::format("{}{}", duration / unit->length, unit->text);
}

std::string format_instant(Instant instant) {
  const CivilTime t = civil_time(instant, TimeZone::utc());
  // RFC 3339 ends at year 9999; beyond it ISO 8601 wants a sign.
  std::string out = t.year >= 0 && t.year <= 9999 ? fmt::format("{:04}", t.year) : fmt::format("{:+05}", t.year);
  out += fmt::format("-{:02}-{:02}T{:02}:{:02}:{:02}", t.month, t.day, t.hour, t.minute, t.second);
  if (t.microsecond % 1000 != 0)
    out += fmt::format(".{:06}", t.microsecond);
  else if (t.microsecond != 0)
    out += fmt::format(".{:03}", t.microsecond / 1000);
  return out + "Z";
}

std::optional<Instant> parse_instant(std::string_view text, const TimeZone* zone, bool floor) {
  Scanner scanner(text);
  int year = 0, month = 0, date = 0, hours = 0, minutes = 0, seconds = 0;
  const bool read =
      scanner.take_number(4, 0, 9999, year) && scanner.take_any("-") && scanner.take_number(2, 1, 12, month) &&
      scanner.take_any("-") && scanner.take_number(2, 1, days_in_month(year, month), date) && scanner.take_any("Tt ") &&
      scanner.take_number(2, 0, 23, hours) && scanner.take_any(":") && scanner.take_number(2, 0, 59, minutes) &&
      scanner.take_any(":") && scanner.take_number(2, 0, 59, seconds);
  if (!read) return std::nullopt;

  std::int64_t micros = 0;
  if (scanner.take_any(".")) {
    const std::string_view fraction = scanner.take_digits();
    if (fraction.empty()) return std::nullopt;
    if (!floor && fraction.find_first_not_of('0', 6) != std::string_view::npos) return std::nullopt;
    for (std::size_t i = 0; i < 6; ++i) micros = micros * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
  }

  // Years 0 to 9999 are far inside int64, so nothing below overflows.
  const std::int64_t local =
      ((days_from_civil(year, month, date) * 24 + hours) * 60 + minutes) * minute + seconds * second + micros;
  if (scanner.done()) return zone ? zone->from_local(local) : std::nullopt;
  if (scanner.take_any("Zz")) return scanner.done() ? std::optional(local) : std::nullopt;

  const bool west = scanner.take_any("-");
  if (!west && !scanner.take_any("+")) return std::nullopt;
  int offset_hours = 0, offset_minutes = 0;
  const bool offset_read = scanner.take_number(2, 0, 23, offset_hours) && scanner.take_any(":") &&
                           scanner.take_number(2, 0, 59, offset_minutes);
  if (!offset_read || !scanner.done()) return std::nullopt;
  const Duration offset = offset_hours * hour + offset_minutes * minute;
  return west ? local + offset : local - offset;
}

}  // namespace featlib
