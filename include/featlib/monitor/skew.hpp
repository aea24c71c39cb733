/// Skew: two tables that should hold the same feature values, compared row by row and bit by bit.
///
///     featlib::SkewReport report = featlib::skew(replayed, logged).value();
///     report.ok();                        // every row paired, every value and status equal
///     report.features[0].name;            // the worst
///
/// Rows are paired by key, never by position, and nothing is tolerated: a difference in the last bit is a difference, and
/// its distance says how far apart the two are. -0.0 is not 0.0; NaN is NaN, whatever its payload.
#pragma once

#include <featlib/core/result.hpp>
#include <featlib/core/value.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace featlib {

/// A borrowed column. Exactly one of `integers`, `reals` and `texts` holds the rows.
struct SkewColumn {
  std::string name;
  std::span<const std::int64_t> integers = {};     ///< bool, int64, decimal, timestamp, category codes
  std::span<const double> reals = {};
  std::span<const std::string_view> texts = {};
  std::span<const std::uint8_t> valid = {};        ///< one byte a row, 0 is null; empty: no nulls
  std::span<const Status> status = {};             ///< empty: not compared
};

/// One side. Key columns are told apart from features by the caller; both sides have the same keys in the same order.
struct SkewTable {
  std::string name;                                ///< "training", "serving": shown in messages
  std::size_t rows = 0;
  std::vector<SkewColumn> key;                     ///< integers or texts; a row with a null key is counted and left out
  std::vector<SkewColumn> features;                ///< paired by name
};

/// The first row in which a feature differs, in the order of the left table.
struct SkewExample {
  std::size_t left_row = 0, right_row = 0;
  std::string key;                                 ///< "c1, 17"
  std::string left, right;                         ///< values, or statuses where the values are equal; doubles read back exactly
};

/// What became of one feature.
struct SkewFeature {
  /// A number against NaN, and a difference of 2^64 - 1.
  static constexpr std::uint64_t farthest = ~std::uint64_t{0};

  std::string name;
  std::uint64_t compared = 0;                      ///< paired rows
  std::uint64_t differing = 0;                     ///< rows whose values differ, null against a value included
  std::uint64_t null_mismatches = 0;               ///< of these, null on one side only
  std::uint64_t status_mismatches = 0;             ///< rows whose statuses differ; 0 where a side has none
  std::uint64_t max_distance = 0;                  ///< doubles: how many doubles apart; integers: |left - right|; texts: 0
  std::optional<SkewExample> first;
};

/// Rows of one side that could not be paired.
struct SkewSide {
  std::uint64_t unpaired = 0;                      ///< key not on the other side
  std::uint64_t duplicates = 0;                    ///< rows whose key stands more than once on this side; none of them is compared
  std::uint64_t null_keys = 0;
  std::string first_unpaired, first_duplicate;     ///< their keys; empty when there are none
  std::vector<std::string> features;               ///< features the other side lacks
  bool operator==(const SkewSide&) const = default;
};

struct SkewReport {
  std::uint64_t compared = 0;                      ///< paired rows
  SkewSide left, right;
  std::vector<SkewFeature> features;               ///< most differing rows first, then statuses, distance, table order

  /// At least one row was compared, nothing differs, nothing was left out.
  bool ok() const noexcept;
};

/// Compares the features both sides have. Refuses (bad-table) ragged columns, keys that do not correspond, a name that stands twice,
/// and (wrong-column-type) text against numbers. Integers and doubles are compared as numbers, exactly.
Result<SkewReport> skew(const SkewTable& left, const SkewTable& right);

}  // namespace featlib
