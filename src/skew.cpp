#include <featlib/monitor/skew.hpp>

#include "utf8.hpp"

#include <boost/unordered/unordered_flat_map.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <tuple>
#include <utility>

namespace featlib {
namespace {

enum class Kind : std::uint8_t { integer, real, text };

/// A column after it was checked.
struct Column {
  const SkewColumn* of;
  Kind kind;

  bool is_null(std::size_t row) const { return !of->valid.empty() && of->valid[row] == 0; }
  std::string shown(std::size_t row) const {
    if (is_null(row)) return "null";
    switch (kind) {
      case Kind::integer: return fmt::format("{}", of->integers[row]);
      case Kind::real: return fmt::format("{}", of->reals[row]);   // the shortest that reads back to the same double
      case Kind::text: return fmt::format("'{}'", utf8_excerpt(of->texts[row], 100));
    }
    return {};
  }
};

struct Side {
  const SkewTable* table;
  std::vector<Column> key, features;
};

Result<Column> checked(const SkewTable& table, const SkewColumn& column) {
  const auto refuse = [&](std::string message) { return Error(ErrorCode::bad_table, std::move(message), {}, table.name); };
  const int given = !column.integers.empty() + !column.reals.empty() + !column.texts.empty();
  if (given > 1) return refuse(fmt::format("column `{}` holds values of several kinds", column.name));
  const std::size_t rows = column.integers.size() + column.reals.size() + column.texts.size();
  if (rows != table.rows) return refuse(fmt::format("column `{}` has {} rows, the table {}", column.name, rows, table.rows));
  for (const std::size_t size : {column.valid.size(), column.status.size()})
    if (size != 0 && size != table.rows) return refuse(fmt::format("column `{}` has {} rows, its validity or status {}", column.name, rows, size));
  return Column{&column, !column.reals.empty() ? Kind::real : !column.texts.empty() ? Kind::text : Kind::integer};
}

Result<Side> checked(const SkewTable& table) {
  Side side{&table, {}, {}};
  if (table.key.empty()) return Error(ErrorCode::bad_table, "no key columns", "rows are paired by key, never by position", table.name);
  for (const auto& [columns, out] : {std::pair{&table.key, &side.key}, std::pair{&table.features, &side.features}}) {
    for (const SkewColumn& column : *columns) {
      const bool twice = std::count_if(columns->begin(), columns->end(), [&](const SkewColumn& other) { return other.name == column.name; }) > 1;
      if (twice) return Error(ErrorCode::bad_table, fmt::format("two columns are named `{}`", column.name), {}, table.name);
      auto one = checked(table, column);
      if (!one) return one.error();
      out->push_back(one.value());
    }
  }
  for (const Column& key : side.key)
    if (key.kind == Kind::real) return Error(ErrorCode::wrong_column_type, fmt::format("key column `{}` holds doubles", key.of->name), "keys are integers or texts", table.name);
  return side;
}

bool comparable(const Column& a, const Column& b) { return (a.kind == Kind::text) == (b.kind == Kind::text); }

// ---- pairing --------------------------------------------------------------------------------------------------------

/// A row's key as bytes: 8 an integer; the length and then the bytes of a text, so that ("1", "23") is not ("12", "3").
std::string key_bytes(const Side& side, std::size_t row) {
  std::string out;
  const auto add = [&](std::uint64_t number) { out.append(reinterpret_cast<const char*>(&number), sizeof number); };
  for (const Column& column : side.key) {
    if (column.kind == Kind::integer) {
      add(static_cast<std::uint64_t>(column.of->integers[row]));
    } else {
      add(column.of->texts[row].size());
      out += column.of->texts[row];
    }
  }
  return out;
}

std::string shown_key(const Side& side, std::size_t row) {
  std::string out;
  for (const Column& column : side.key) out += (out.empty() ? "" : ", ") + column.shown(row);
  return out;
}

constexpr std::size_t repeated = ~std::size_t{0};

/// Row by key; `repeated` where a key stands more than once.
boost::unordered_flat_map<std::string, std::size_t> index(const Side& side, SkewSide& report) {
  boost::unordered_flat_map<std::string, std::size_t> rows;
  rows.reserve(side.table->rows);
  for (std::size_t row = 0; row < side.table->rows; ++row) {
    if (std::any_of(side.key.begin(), side.key.end(), [&](const Column& column) { return column.is_null(row); })) {
      ++report.null_keys;
      continue;
    }
    const auto [entry, fresh] = rows.try_emplace(key_bytes(side, row), row);
    if (fresh) continue;
    if (report.first_duplicate.empty()) report.first_duplicate = shown_key(side, row);
    report.duplicates += entry->second == repeated ? 1 : 2;   // the first of them is one too
    entry->second = repeated;
  }
  return rows;
}

struct Pair {
  std::size_t left, right;
};

/// Pairs in the order of the left rows. A key that stands twice on either side is a duplicate there, and not unpaired on the other.
std::vector<Pair> pairs(const Side& left, const Side& right, SkewReport& report) {
  const auto left_rows = index(left, report.left), right_rows = index(right, report.right);
  const auto unpaired = [](const Side& side, const auto& own, const auto& other, SkewSide& out) {
    std::size_t first = repeated;
    for (const auto& [key, row] : own) {
      if (row == repeated || other.contains(key)) continue;
      ++out.unpaired;
      first = std::min(first, row);
    }
    if (first != repeated) out.first_unpaired = shown_key(side, first);
  };
  unpaired(left, left_rows, right_rows, report.left);
  unpaired(right, right_rows, left_rows, report.right);

  std::vector<Pair> out;
  for (const auto& [key, row] : left_rows) {
    const auto found = right_rows.find(key);
    if (row != repeated && found != right_rows.end() && found->second != repeated) out.push_back({row, found->second});
  }
  std::sort(out.begin(), out.end(), [](const Pair& a, const Pair& b) { return a.left < b.left; });
  return out;
}

// ---- comparing ------------------------------------------------------------------------------------------------------

/// Doubles as integers in their order, so that neighbours differ by one. -0.0 lies one below 0.0.
std::int64_t ordered(double value) {
  const auto bits = std::bit_cast<std::int64_t>(value);
  return bits < 0 ? static_cast<std::int64_t>(~static_cast<std::uint64_t>(bits) | (std::uint64_t{1} << 63)) : bits;
}

std::uint64_t distance(std::int64_t a, std::int64_t b) {
  return a > b ? static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b) : static_cast<std::uint64_t>(b) - static_cast<std::uint64_t>(a);
}

/// Nothing when equal, else how far apart: at least 1.
std::optional<std::uint64_t> difference(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b) ? std::nullopt : std::optional(SkewFeature::farthest);
  const std::uint64_t apart = distance(ordered(a), ordered(b));
  return apart == 0 ? std::nullopt : std::optional(apart);
}

/// Equal only as numbers: 2^53 + 1 is not the double nearest to it.
std::optional<std::uint64_t> difference(std::int64_t a, double b) {
  if (b >= -0x1p63 && b < 0x1p63 && static_cast<double>(static_cast<std::int64_t>(b)) == b) {
    const std::uint64_t apart = distance(a, static_cast<std::int64_t>(b));
    if (apart == 0) return std::nullopt;
  }
  return std::max<std::uint64_t>(difference(static_cast<double>(a), b).value_or(1), 1);
}

std::optional<std::uint64_t> difference(const Column& left, std::size_t l, const Column& right, std::size_t r) {
  if (left.kind == Kind::text) return left.of->texts[l] == right.of->texts[r] ? std::nullopt : std::optional<std::uint64_t>(0);
  if (left.kind == Kind::real) return right.kind == Kind::real ? difference(left.of->reals[l], right.of->reals[r]) : difference(right.of->integers[r], left.of->reals[l]);
  if (right.kind == Kind::real) return difference(left.of->integers[l], right.of->reals[r]);
  const std::uint64_t apart = distance(left.of->integers[l], right.of->integers[r]);
  return apart == 0 ? std::nullopt : std::optional(apart);
}

SkewFeature compare(const Side& left_side, const Column& left, const Column& right, std::span<const Pair> rows) {
  SkewFeature out;
  out.name = left.of->name;
  out.compared = rows.size();
  const bool statuses = !left.of->status.empty() && !right.of->status.empty();
  for (const auto [l, r] : rows) {
    const bool left_null = left.is_null(l), right_null = right.is_null(r);
    bool differs = left_null != right_null;
    out.null_mismatches += differs;
    if (!left_null && !right_null) {
      if (const auto apart = difference(left, l, right, r)) {
        differs = true;
        out.max_distance = std::max(out.max_distance, *apart);
      }
    }
    const bool status_differs = statuses && left.of->status[l] != right.of->status[r];
    out.differing += differs;
    out.status_mismatches += status_differs;
    if ((!differs && !status_differs) || out.first) continue;
    out.first = SkewExample{l, r, shown_key(left_side, l), left.shown(l), right.shown(r)};
    if (!differs) {
      out.first->left = fmt::format("status {:#04x}", left.of->status[l]);
      out.first->right = fmt::format("status {:#04x}", right.of->status[r]);
    }
  }
  return out;
}

}  // namespace

bool SkewReport::ok() const noexcept {
  return compared > 0 && left == SkewSide{} && right == SkewSide{} &&
         std::all_of(features.begin(), features.end(), [](const SkewFeature& feature) { return feature.differing == 0 && feature.status_mismatches == 0; });
}

Result<SkewReport> skew(const SkewTable& left_table, const SkewTable& right_table) {
  auto left_checked = checked(left_table), right_checked = checked(right_table);
  if (!left_checked) return left_checked.error();
  if (!right_checked) return right_checked.error();
  const Side &left = left_checked.value(), &right = right_checked.value();

  // A table without rows says nothing about types.
  const bool typed = left_table.rows > 0 && right_table.rows > 0;
  const auto same_key = [&](const Column& a, const Column& b) { return a.of->name == b.of->name && (!typed || a.kind == b.kind); };
  if (!std::equal(left.key.begin(), left.key.end(), right.key.begin(), right.key.end(), same_key))
    return Error(ErrorCode::bad_table, fmt::format("`{}` and `{}` do not have the same key columns", left_table.name, right_table.name), "equal names and types, in the same order");

  SkewReport report;
  const std::vector<Pair> rows = pairs(left, right, report);
  report.compared = rows.size();
  const auto find = [](const Side& side, std::string_view name) {
    return std::find_if(side.features.begin(), side.features.end(), [&](const Column& column) { return column.of->name == name; });
  };
  for (const Column& column : left.features) {
    const auto other = find(right, column.of->name);
    if (other == right.features.end()) {
      report.left.features.push_back(column.of->name);
      continue;
    }
    if (typed && !comparable(column, *other))
      return Error(ErrorCode::wrong_column_type, fmt::format("feature `{}` is text on one side and numbers on the other", column.of->name));
    report.features.push_back(compare(left, column, *other, rows));
  }
  for (const Column& column : right.features)
    if (find(left, column.of->name) == left.features.end()) report.right.features.push_back(column.of->name);

  const auto rank = [](const SkewFeature& feature) { return std::tuple(feature.differing, feature.status_mismatches, feature.max_distance); };
  std::stable_sort(report.features.begin(), report.features.end(), [&](const SkewFeature& a, const SkewFeature& b) { return rank(a) > rank(b); });
  return report;
}

}  // namespace featlib
