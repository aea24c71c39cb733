// One thread's work on a timeline step: entity after entity, each with all its decisions.
#pragma once

#include "replay/deciding.hpp"
#include "replay/extrema.hpp"
#include "replay/lines.hpp"
#include "replay/own_rows.hpp"
#include "replay/program.hpp"
#include "replay/sums.hpp"
#include "replay/timeline.hpp"
#include "window/sliding/sliding.hpp"

#include <array>

namespace featlib::replaying {

/// What all threads of a step share.
struct SweepInput {
  const ReplayInput& input;
  const TimelineStep& step;
  const Program& program;
  const Dealt& rows;
  const Dealt& decisions;              ///< or the rows themselves
  std::vector<std::size_t> own_words;  ///< by Program::own_columns: which column of the decisions' records it is
  const KeyIndex& keys;
  bool own_rows_apart;                 ///< no window can meet the request's own row
  Instant complete_from;
  const VectorBuilder& builder;
  MadeTexts& made;                     ///< texts that folded windows make
};

class Sweep {
 public:
  Sweep(const SweepInput& in, Lines& lines);

  /// All decisions of the groups [from, to); groups beyond those of the rows have no rows.
  void run(std::size_t from, std::size_t to);

 private:
  /// Decisions whose values are worked out together.
  static constexpr std::size_t capacity = 512;
  static constexpr std::size_t causes = 8;
  template <class T>
  using Batch = PagedVector<T>;        ///< `capacity` of them

  struct FilterState {
    bool all = true;                   ///< every row passes
    PagedVector<std::uint32_t> rank;   ///< rows that pass before a position,
    PagedVector<std::uint32_t> at;     ///< and where they stand
  };
  struct SeriesState {
    bool all = true;                   ///< every row has a value
    PagedVector<std::uint32_t> rank, at;
    PagedVector<std::uint64_t> packed;
    std::span<const std::uint64_t> values;
    PrefixSums<int128> wide;
    PrefixSums<std::int64_t> narrow;
    PowerPrefixes powers;
    bool summed = false;               ///< by some take
    bool fits = true;                  ///< 128 bits hold the sums
    int unit = 0;
  };
  /// Extrema of all windows over a series that end at one edge.
  struct Stack {
    int series, edge;
    bool least;
    std::vector<int> takes;
    std::uint32_t pushed = 0;
    LeastStack<double> least_real;
    GreatestStack<double> greatest_real;
    LeastStack<std::int64_t> least_whole;
    GreatestStack<std::int64_t> greatest_whole;
  };

  /// Where a span lies, by decision of those at hand.
  struct PlaceState {
    const std::uint32_t* first;
    const std::uint32_t* last;
    Batch<std::uint32_t> nonempty_first;            ///< not behind the last
    Batch<std::uint32_t> known_first, known_last;   ///< cut to the rows that are known, where some may not be
    Batch<std::uint8_t> mixed;         ///< some unknown row stands before a known one, or a hidden one or the request's own may be inside
  };
  struct RangeState {
    Batch<std::uint32_t> count;        ///< by decision of the batch; the request included
    // By decision of those at hand:
    const std::uint32_t* first;        ///< positions of rows that pass, or of values: the place's,
    const std::uint32_t* last;
    Batch<std::uint32_t> moved_first, moved_last;   ///< or these
    Batch<std::uint8_t> own;           ///< whether the request counts
    const std::uint64_t* own_bits;
  };
  struct TakeState {
    Batch<int128> wide;                ///< sums, in units of 2^unit
    PagedVector<std::uint64_t> words;  ///< by decision: those of a moment's power sums, in the same unit
    Batch<std::uint64_t> bits;         ///< narrow sums, extrema, instants, n-ths
    Batch<std::uint8_t> null;          ///< the n-th is none
  };
  struct Folded {
    std::size_t at, window;
    Aggregated value;
  };

  void sweep(std::size_t group);
  void prepare(FilterState& state, const Filter& filter);
  void prepare(SeriesState& state, const Series& series);
  void answer(std::size_t from, std::size_t n);
  void place(std::size_t from, std::size_t n);
  void cut_to_known(std::size_t n);
  void find(RangeState& state, const Range& range, std::size_t from, std::size_t n);
  void sum(TakeState& state, const Take& take, std::size_t n);
  void add_powers(TakeState& state, const Take& take, std::size_t n);
  const int128* own_in_unit(int series, int column, std::size_t n);
  void newest(TakeState& state, const Take& take, std::size_t n);
  void nth(TakeState& state, const Take& take, std::size_t n);
  void extrema(Stack& stack, std::size_t n);
  template <class Entries>
  void extrema(Stack& stack, Entries& entries, std::size_t n);
  void slide(std::size_t n);
  void fold_rest(std::size_t n);
  Asked ask(std::size_t at);
  Positions positions_of(const Window& window, const Asked& asked, std::size_t i) const;
  void flush();
  void finish(std::size_t window);

  /// The request's own row mostly happened at as_of, where it is not before the request: only a lesser sequence makes it so.
  bool is_before(Row row, Row decision) const noexcept;

  const SweepInput& in_;
  const Program& program_;
  const Rows& rows_;
  Lines& lines_;
  Timeline timeline_;
  EdgeFinder edges_;

  // The entity at hand.
  std::vector<FilterState> filters_;
  std::vector<SeriesState> series_;
  std::vector<Stack> stacks_;
  std::vector<SlidingGroup> sliding_groups_;
  std::vector<SlidingWindow> sliding_;                ///< by group
  Deciding deciding_;

  // The batch.
  std::size_t filled_ = 0;
  int own_series_ = -1, own_column_ = -1;              ///< what own_ holds, for the decisions from own_from_ on
  std::size_t own_from_ = 0;                           ///< the first of the decisions at hand
  Batch<int128> own_;
  std::vector<Row> decisions_;
  Batch<Instant> asked_;
  std::vector<PlaceState> places_;
  std::vector<RangeState> ranges_;
  std::vector<TakeState> takes_;
  std::vector<Folded> folded_;
  std::vector<Batch<std::uint8_t>> slid_;             ///< by window: it has its value, among those folded; empty for windows that do not slide
  std::vector<Batch<std::uint64_t>> values_;          ///< by window
  std::vector<Batch<Status>> statuses_;
  Batch<Cause> causes_;
  std::vector<std::array<FeatureValue, causes>> missing_;   ///< by window: what it shows for each cause there is no value

  Batch<std::uint32_t> none_before_;                  ///< the first row there is, as an edge
  std::vector<Batch<std::uint32_t>> edge_positions_;
  std::vector<std::uint32_t*> edge_out_;
  std::vector<Slot> request_;
  std::vector<int> request_fields_;                   ///< that folding looks at
  bool may_be_mixed_;
};

}  // namespace featlib::replaying
