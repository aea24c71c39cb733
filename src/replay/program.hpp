// What one timeline step asks for, sorted by what it shares: edges, filters, series of values, ranges of these, and what is taken of them.
//
// A window is a pair of edges. Its rows pass a `where` (filter); of the values of its argument on those rows that are not null
// (series) something is taken: their number, sum, extremum, n-th. Equal edges, filters, series and sums are worked out once.
// Windows that no fast way serves are folded row by row (window/read.hpp), here as in serving.
#pragma once

#include <featlib/vector/replay.hpp>

#include "replay/dealt.hpp"
#include "replay/edges.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace featlib::replaying {

/// The positions of a span.
struct Place {
  Span span;
  int first = -1;                      ///< into Program::edges; -1: the first row there is
  int last = -1;                       ///< -1: neither is an edge, `locate` finds them
};

/// Rows that pass a `where`. Columns are indices into Program::row_columns, own ones into own_columns.
struct Filter {
  int column = -1;                     ///< its truth; -1: every row passes
  std::vector<int> gates;              ///< gates of the cells it reads, but for those that are open before any window's head
  bool operator==(const Filter&) const = default;
};

/// The values of one argument that are not null, on the rows that pass a filter.
struct Series {
  int filter = 0;
  int column = 0;
  bool keeps_nulls = false;
  bool real = false;                   ///< doubles, otherwise integers
  bool narrow = false;                 ///< integers whose sums fit 64 bits
  int powers = 1;                      ///< sums up to x^powers are taken; moments have a series of their own
  std::vector<int> gates;              ///< the filter's and its own
  bool fits = true;                    ///< real: one unit holds all of the column
  int unit = 0;
  bool operator==(const Series&) const = default;
};

/// The rows or values of one window.
struct Range {
  int place = 0;
  int filter = 0;
  int series = -1;                     ///< -1: rows, not values
  std::optional<std::int64_t> last;    ///< only those of the last n rows
  bool include_request = false;
  int own_filter = -1, own_column = -1;   ///< the request's truth and value, where it is included; -1: none is asked for
  bool operator==(const Range&) const = default;
};

/// What is taken of a range.
struct Take {
  enum class Kind { count, newest_row, sum, moment, least, greatest, nth_newest, oldest };
  Kind kind = Kind::count;
  int range = 0;
  std::int64_t nth = 0;                ///< nth_newest: 0 is the newest
  bool sums() const noexcept { return kind == Kind::sum || kind == Kind::moment; }
  bool operator==(const Take&) const = default;
};

/// An aggregate feature: what is made of a take.
struct Window {
  const WindowStep* step;
  int take = -1;                       ///< -1: folded
  int place = 0;
};

struct Program {
  Program(const ReplayInput& input, const TimelineStep& step, bool known_at_once, int threads);

  std::vector<Edge> edges;
  std::vector<Place> places;
  std::vector<Filter> filters;         ///< 0 passes every row
  std::vector<Series> series;
  std::vector<Range> ranges;
  std::vector<Take> takes;
  std::vector<Window> windows;         ///< in the order of TimelineStep::windows

  std::vector<ColumnRef> row_columns;  ///< what travels with a row,
  std::vector<ColumnRef> own_columns;  ///< and with a decision
  int known_column = -1;               ///< known_at, where some row became known later than it happened
  int hidden_column = -1;              ///< hidden_at, where some row is hidden by a later version
  std::vector<int> gate_columns;       ///< stamps by gate, negative where none travel
  int sequence_field = -1, sequence_column = -1, own_sequence_column = -1;   ///< where some head is the request's own instant
  bool ordered = false;                ///< something depends on the order of rows of one instant

 private:
  int add_place(const Span& span);
  std::optional<Take> taken(const WindowStep& window);
  std::optional<Range> ranged(const WindowStep& window, bool of_rows);
  void choose_units();
  bool add_gates(const std::vector<int>& fields, std::vector<int>& gates);
  int row_field(int field);
  int own_field(int field);
  int computed(const Expression& expression, const std::vector<int>& fields);
  int own_computed(const Expression& expression, const std::vector<int>& fields, const std::vector<int>& request);

  const ReplayInput& input_;
  const TimelineStep& step_;
  const Rows& rows_;
  int threads_;
  std::map<std::string, std::unique_ptr<SlotColumn>> computed_;
};

}  // namespace featlib::replaying
