#include "replay/sweep.hpp"

#include "replay/quotients.hpp"
#include "window/central.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <numeric>

namespace featlib::replaying {
namespace {

template <class Vector>
void reach(Vector& vector, std::size_t n) {
  if (vector.size() < n) vector.resize(n + n / 2);
}

/// Positions of the rows that pass, and how many do before each position. False when all do: the arrays say nothing then.
template <class Passes>
bool rank(std::size_t n, PagedVector<std::uint32_t>& rank, PagedVector<std::uint32_t>& at, Passes&& passes) {
  reach(rank, n + 1);
  reach(at, n + 1);
  std::uint32_t passed = 0;
  for (std::size_t i = 0; i < n; ++i) {
    rank[i] = passed;
    at[passed] = static_cast<std::uint32_t>(i);
    passed += passes(i);
  }
  rank[n] = passed;
  return passed < n;
}

/// A sum of integers, or its mean, as window/read.hpp gives it.
Aggregated whole_sum(int128 sum, bool mean, std::uint32_t count, const Aggregate& a) {
  if (mean || a.argument_type == Type::decimal) return Aggregated::of(integer_quotient(sum, mean ? count : 1, a.argument_scale));
  if (sum > std::numeric_limits<std::int64_t>::max() || sum < std::numeric_limits<std::int64_t>::min()) return Aggregated::none(Cause::error);
  return Aggregated::of(static_cast<std::int64_t>(sum));
}

/// What a window shows, by cause: ok shows its value. Mostly there is one, and eight causes at once say so.
void show(const FeatureValue* shown, const Cause* causes, std::size_t n, std::uint64_t* bits, Status* status) {
  static_assert(sizeof(Cause) == 1 && static_cast<int>(Cause::ok) == 0);
  std::fill_n(status, n, shown[0].status);
  for (std::size_t i = 0; i < n; i += 8) {
    std::uint64_t eight = 1;
    if (n - i >= 8) std::memcpy(&eight, causes + i, 8);
    if (eight == 0) continue;
    for (std::size_t at = i, end = std::min(n, i + 8); at < end; ++at) {
      const FeatureValue& instead = shown[static_cast<std::size_t>(causes[at])];
      bits[at] = causes[at] == Cause::ok ? bits[at] : instead.bits;
      status[at] = instead.status;
    }
  }
}

/// RangeState::own of a request that counts with a null.
constexpr std::uint8_t own_is_null = 2;

}  // namespace

Sweep::Sweep(const SweepInput& in, Lines& lines)
    : in_(in), program_(in.program), rows_(in.input.sources[static_cast<std::size_t>(in.step.source)].rows), lines_(lines),
      timeline_(program_, rows_, in.step.source_entity), edges_(program_.edges), filters_(program_.filters.size()), series_(program_.series.size()), deciding_(program_, in.own_words, in.decisions.width()),
      places_(program_.places.size()), ranges_(program_.ranges.size()), takes_(program_.takes.size()), values_(program_.windows.size()),
      statuses_(program_.windows.size()), edge_positions_(program_.edges.size()), request_(in.input.requests.fields.size()),
      may_be_mixed_(program_.known_column >= 0 || program_.hidden_column >= 0 || (in.step.is_request_source && !in.own_rows_apart) || in.step.request_member >= 0) {
  const auto sized = [](auto&... batches) { (batches.resize(capacity), ...); };
  decisions_.resize(capacity);
  sized(asked_, causes_, own_);
  for (auto& positions : edge_positions_) {
    positions.resize(capacity + EdgeFinder::slack);
    edge_out_.push_back(positions.data());
  }
  for (PlaceState& p : places_) sized(p.nonempty_first, p.known_first, p.known_last, p.mixed);
  none_before_.assign(capacity, 0);
  for (RangeState& r : ranges_) sized(r.count, r.moved_first, r.moved_last, r.own);
  for (TakeState& t : takes_) sized(t.wide, t.bits, t.null);
  for (auto& v : values_) v.resize(capacity);
  for (auto& s : statuses_) s.resize(capacity);

  for (std::size_t w = 0; w < program_.windows.size(); ++w) {
    auto& shown = missing_.emplace_back();
    shown[0].status = status_of(Cause::ok);
    for (std::size_t c = 1; c < causes; ++c) shown[c] = in.builder.finish(program_.windows[w].step->feature, Aggregated::none(static_cast<Cause>(c)));
  }
  for (std::size_t t = 0; t < program_.takes.size(); ++t) {
    const Take& take = program_.takes[t];
    const Range& range = program_.ranges[static_cast<std::size_t>(take.range)];
    if (take.sums()) series_[static_cast<std::size_t>(range.series)].summed = true;
    if (take.kind == Take::Kind::moment) takes_[t].words.resize(capacity * powers::words(program_.series[static_cast<std::size_t>(range.series)].powers));
    if (take.kind != Take::Kind::least && take.kind != Take::Kind::greatest) continue;
    const bool least = take.kind == Take::Kind::least;
    const int edge = program_.places[static_cast<std::size_t>(range.place)].last;
    auto stack = std::find_if(stacks_.begin(), stacks_.end(), [&](const Stack& s) { return s.series == range.series && s.edge == edge && s.least == least; });
    if (stack == stacks_.end()) stack = stacks_.insert(stacks_.end(), Stack{range.series, edge, least, {}, 0, {}, {}, {}, {}});
    stack->takes.push_back(static_cast<int>(t));
  }
  slid_.resize(program_.windows.size());
  sliding_groups_ = sliding_groups(in.step, rows_, [&](std::size_t w) { return program_.windows[w].take >= 0; });
  for (const SlidingGroup& group : sliding_groups_) {
    sliding_.emplace_back(group, rows_);
    for (const std::size_t w : group.windows) slid_[w].resize(capacity);
  }
  if (in.input.plan->request_key() >= 0) request_fields_.push_back(in.input.plan->request_key());
  if (in.step.request_sequence >= 0) request_fields_.push_back(in.step.request_sequence);
  for (const WindowStep& window : in.step.windows) {
    request_fields_.insert(request_fields_.end(), window.argument_request.begin(), window.argument_request.end());
    request_fields_.insert(request_fields_.end(), window.where_request.begin(), window.where_request.end());
    if (window.aggregate->compared_request >= 0) request_fields_.push_back(window.aggregate->compared_request);
  }
  std::sort(request_fields_.begin(), request_fields_.end());
  request_fields_.erase(std::unique(request_fields_.begin(), request_fields_.end()), request_fields_.end());
}

void Sweep::run(std::size_t from, std::size_t to) {
  for (std::size_t group = from; group < to; ++group)
    if (in_.decisions.size(group) > 0) sweep(group);
  flush();
}

void Sweep::sweep(std::size_t group) {
  if (group < in_.rows.groups()) timeline_.load(in_.rows.records(group), in_.rows.size(group));
  else timeline_.load(nullptr, 0);
  if (&in_.decisions != &in_.rows || !deciding_.share(timeline_)) deciding_.load(in_.decisions.records(group), in_.decisions.size(group));
  for (std::size_t f = 0; f < filters_.size(); ++f) prepare(filters_[f], program_.filters[f]);
  for (std::size_t s = 0; s < series_.size(); ++s) prepare(series_[s], program_.series[s]);
  for (Stack& stack : stacks_) {
    stack.pushed = 0;
    stack.least_real.clear();
    stack.greatest_real.clear();
    stack.least_whole.clear();
    stack.greatest_whole.clear();
  }
  for (SlidingWindow& window : sliding_) window.forget();
  for (std::size_t from = 0; from < deciding_.size();) {
    const std::size_t n = std::min(capacity - filled_, deciding_.size() - from);
    answer(from, n);
    from += n;
    filled_ += n;
    if (filled_ == capacity) flush();
  }
}

void Sweep::prepare(FilterState& state, const Filter& filter) {
  state.all = true;
  if (filter.column < 0) return;
  const auto truth = timeline_.values(filter.column);
  const bool nulls = timeline_.has_nulls(filter.column);
  state.all = !rank(timeline_.size(), state.rank, state.at, [&](std::size_t i) { return truth[i] != 0 && !(nulls && timeline_.is_null(filter.column, i)); });
}

void Sweep::prepare(SeriesState& state, const Series& series) {
  const FilterState& filter = filters_[static_cast<std::size_t>(series.filter)];
  const bool nulls = timeline_.has_nulls(series.column) && !series.keeps_nulls;
  const auto all = timeline_.values(series.column);
  state.all = filter.all && !nulls;
  state.values = all;
  if (!state.all) {
    state.all = !rank(timeline_.size(), state.rank, state.at, [&](std::size_t i) {
      return (filter.all || filter.rank[i + 1] != filter.rank[i]) && !(nulls && timeline_.is_null(series.column, i));
    });
    const std::size_t n = state.all ? 0 : state.rank[timeline_.size()];
    reach(state.packed, n);
    for (std::size_t i = 0; i < n; ++i) state.packed[i] = all[state.at[i]];
    if (!state.all) state.values = {state.packed.data(), n};
  }
  if (!state.summed) return;
  if (!series.real) {
    const auto integer = [](std::uint64_t bits) { return static_cast<std::int64_t>(bits); };
    series.narrow ? state.narrow.build(state.values, integer) : state.wide.build(state.values, integer);
    if (series.powers > 1) state.powers.build(series.powers, state.values, integer);
    return;
  }
  int unit = series.unit;
  if (!series.fits) {
    // The column spans more than 128 bits; one entity may do with less.
    Exponents exponents;
    for (const std::uint64_t bits : state.values) exponents.add(bits);
    for (const Range& range : program_.ranges)
      if (range.own_column >= 0 && &program_.series[static_cast<std::size_t>(range.series)] == &series)
        for (std::size_t i = 0; i < deciding_.size(); ++i)
          if (const Slot value = deciding_.slot(range.own_column, i); !value.is_null()) exponents.add(value.bits);
    state.fits = exponents.fit(state.values.size() + 1, series.powers);
    if (!state.fits) return;
    unit = exponents.unit();
    if (unit != state.unit) flush();   // sums that wait are in the other unit
  }
  state.unit = unit;
  const auto whole = [unit](std::uint64_t bits) { return in_unit(std::bit_cast<double>(bits), unit); };
  state.wide.build(state.values, whole);
  if (series.powers > 1) state.powers.build(series.powers, state.values, whole);
}

void Sweep::answer(std::size_t from, std::size_t n) {
  std::copy_n(deciding_.order() + from, n, decisions_.data() + filled_);
  std::copy_n(deciding_.as_of() + from, n, asked_.data() + filled_);
  own_series_ = -1;
  own_from_ = from;
  place(from, n);
  for (std::size_t r = 0; r < ranges_.size(); ++r) find(ranges_[r], program_.ranges[r], from, n);
  for (std::size_t t = 0; t < takes_.size(); ++t) {
    const Take& take = program_.takes[t];
    switch (take.kind) {
      case Take::Kind::sum: sum(takes_[t], take, n); break;
      case Take::Kind::moment: sum(takes_[t], take, n); add_powers(takes_[t], take, n); break;
      case Take::Kind::newest_row: newest(takes_[t], take, n); break;
      case Take::Kind::nth_newest: case Take::Kind::oldest: nth(takes_[t], take, n); break;
      default: break;
    }
  }
  for (Stack& stack : stacks_) extrema(stack, n);
  slide(n);
  fold_rest(n);
}

void Sweep::place(std::size_t from, std::size_t n) {
  edges_.find(timeline_.ordered(), deciding_.ordered(from, n), deciding_.are_rows() ? std::optional(from) : std::nullopt, edge_out_);
  for (std::size_t p = 0; p < places_.size(); ++p) {
    const Place& place = program_.places[p];
    if (place.last < 0) continue;   // folded: it finds its own positions
    PlaceState& state = places_[p];
    state.last = edge_positions_[static_cast<std::size_t>(place.last)].data();
    state.first = none_before_.data();
    if (place.first < 0) continue;
    const std::uint32_t* const first = edge_positions_[static_cast<std::size_t>(place.first)].data();
    for (std::size_t i = 0; i < n; ++i) state.nonempty_first[i] = std::min(first[i], state.last[i]);
    state.first = state.nonempty_first.data();
  }
  if (may_be_mixed_) cut_to_known(n);
}

/// Not all rows of a window may be visible: where those that are stand together, positions say so.
void Sweep::cut_to_known(std::size_t n) {
  const Requests& requests = in_.input.requests;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t at = filled_ + i;
    std::uint32_t known;
    const bool none_behind = timeline_.known(asked_[at], known);
    bool own_row = false;
    if (in_.step.is_request_source && !in_.own_rows_apart) {
      const Slot key = requests.fields[static_cast<std::size_t>(in_.input.plan->request_key())][decisions_[at]];
      own_row = in_.keys.reaches(key, decisions_[at], [&](Row row) { return is_before(row, decisions_[at]); });
    }
    const bool in_union = in_.step.request_member >= 0;
    if (in_union) {
      for (const int f : request_fields_) request_[static_cast<std::size_t>(f)] = requests.fields[static_cast<std::size_t>(f)][decisions_[at]];
      Asked asked;
      asked.request = request_;
      compare_with_request(*in_.input.plan, in_.step, asked);
      own_row = in_.keys.reaches(asked.key, decisions_[at], [&](Row row) { return is_before(row, decisions_[at]); });
    }
    for (std::size_t place = 0; place < places_.size(); ++place) {
      if (program_.places[place].last < 0) continue;
      PlaceState& p = places_[place];
      const std::uint32_t last = p.last[i], first = p.first[i];
      // Rows of a union at the request's own instant are its own member's or another's.
      const bool own_instant = in_union && last > 0 && timeline_.times()[last - 1] == asked_[at];
      p.mixed[i] = own_row || own_instant || (!none_behind && last > known) || timeline_.corrected(first, last);
      p.known_first[i] = std::min(first, known);
      p.known_last[i] = std::min(last, known);
    }
  }
  for (std::size_t place = 0; place < places_.size(); ++place) {
    if (program_.places[place].last < 0) continue;
    places_[place].first = places_[place].known_first.data();
    places_[place].last = places_[place].known_last.data();
  }
}

bool Sweep::is_before(Row row, Row decision) const noexcept {
  const Requests& requests = in_.input.requests;
  const Instant as_of = requests.as_of[decision];
  if (rows_.event_time[row] != as_of) return rows_.event_time[row] < as_of;
  return in_.step.request_sequence >= 0 &&
         sequence_before(rows_.sequence(row, in_.step.source_entity), requests.fields[static_cast<std::size_t>(in_.step.request_sequence)][decision]);
}

void Sweep::find(RangeState& state, const Range& range, std::size_t from, std::size_t n) {
  const PlaceState& place = places_[static_cast<std::size_t>(range.place)];
  const FilterState& filter = filters_[static_cast<std::size_t>(range.filter)];
  state.first = place.first;
  state.last = place.last;
  // Whether the request passes, then whether it has a value.
  std::uint8_t* const own_counts = state.own.data();
  std::fill_n(own_counts, n, range.include_request);
  if (range.own_filter >= 0)
    for (std::size_t i = 0; i < n; ++i) {
      const Slot truth = deciding_.slot(range.own_filter, from + i);
      own_counts[i] = !truth.is_null() && truth.bits != 0;
    }
  if (range.last) {
    for (std::size_t i = 0; i < n; ++i) {
      const auto rank = [&](std::uint32_t position) { return filter.all ? position : filter.rank[position]; };
      const std::int64_t low = rank(place.first[i]), high = rank(place.last[i]), kept = std::max(low, high - (*range.last - own_counts[i]));
      state.moved_first[i] = kept <= low ? place.first[i] : kept == high ? place.last[i] : filter.all ? static_cast<std::uint32_t>(kept) : filter.at[static_cast<std::size_t>(kept)];
    }
    state.first = state.moved_first.data();
  }
  const bool of_rows = range.series < 0;
  const SeriesState* const series = of_rows ? nullptr : &series_[static_cast<std::size_t>(range.series)];
  if (of_rows ? !filter.all : !series->all) {
    const std::uint32_t* const rank = (of_rows ? filter.rank : series->rank).data();
    for (std::size_t i = 0; i < n; ++i) {
      state.moved_first[i] = rank[state.first[i]];
      state.moved_last[i] = rank[state.last[i]];
    }
    state.first = state.moved_first.data();
    state.last = state.moved_last.data();
  }
  if (range.own_column >= 0) {
    state.own_bits = deciding_.values(range.own_column) + from;
    if (deciding_.has_nulls(range.own_column)) {
      const bool keeps_nulls = program_.series[static_cast<std::size_t>(range.series)].keeps_nulls;
      for (std::size_t i = 0; i < n; ++i)
        if (own_counts[i] && deciding_.is_null(range.own_column, from + i)) own_counts[i] = keeps_nulls ? own_is_null : 0;
    }
  }
  std::uint32_t* const count = state.count.data() + filled_;
  for (std::size_t i = 0; i < n; ++i) count[i] = state.last[i] - state.first[i];
  if (range.include_request)
    for (std::size_t i = 0; i < n; ++i) count[i] += own_counts[i] != 0;
}

void Sweep::sum(TakeState& state, const Take& take, std::size_t n) {
  const RangeState& range = ranges_[static_cast<std::size_t>(take.range)];
  const Range& what = program_.ranges[static_cast<std::size_t>(take.range)];
  const Series& series = program_.series[static_cast<std::size_t>(what.series)];
  const SeriesState& values = series_[static_cast<std::size_t>(what.series)];
  const std::uint32_t *const first = range.first, *const last = range.last;
  const std::uint8_t* const own_counts = what.include_request ? range.own.data() : nullptr;
  if (series.narrow) {
    std::uint64_t* const bits = state.bits.data() + filled_;
    for (std::size_t i = 0; i < n; ++i) bits[i] = static_cast<std::uint64_t>(values.narrow.between(first[i], last[i]));
    for (std::size_t i = 0; own_counts && i < n; ++i)
      if (own_counts[i]) bits[i] += range.own_bits[i];
    return;
  }
  if (!values.fits) return;
  int128* const wide = state.wide.data() + filled_;
  if (!own_counts) {
    for (std::size_t i = 0; i < n; ++i) wide[i] = values.wide.between(first[i], last[i]);
  } else if (series.real) {
    const int128* const own = own_in_unit(what.series, what.own_column, n);
    for (std::size_t i = 0; i < n; ++i) wide[i] = values.wide.between(first[i], last[i]) + (own_counts[i] ? own[i] : 0);
  } else {
    for (std::size_t i = 0; i < n; ++i) wide[i] = values.wide.between(first[i], last[i]) + (own_counts[i] ? static_cast<std::int64_t>(range.own_bits[i]) : 0);
  }
}

void Sweep::add_powers(TakeState& state, const Take& take, std::size_t n) {
  const RangeState& range = ranges_[static_cast<std::size_t>(take.range)];
  const Range& what = program_.ranges[static_cast<std::size_t>(take.range)];
  const Series& series = program_.series[static_cast<std::size_t>(what.series)];
  const SeriesState& values = series_[static_cast<std::size_t>(what.series)];
  const std::size_t width = powers::words(series.powers);
  if (!values.fits) {   // will be folded; whatever else stood here need not be the sums of any values
    std::fill_n(state.wide.data() + filled_, n, 0);
    std::fill_n(state.words.data() + filled_ * width, n * width, 0);
    return;
  }
  std::uint64_t* const words = state.words.data() + filled_ * width;
  for (std::size_t i = 0; i < n; ++i) values.powers.between(range.first[i], range.last[i], words + i * width);
  if (!what.include_request) return;
  const int128* const own = series.real ? own_in_unit(what.series, what.own_column, n) : nullptr;
  for (std::size_t i = 0; i < n; ++i) {
    if (!range.own[i]) continue;
    const int128 x = own ? own[i] : static_cast<int128>(static_cast<std::int64_t>(range.own_bits[i]));
    powers::add(words + i * width, series.powers, magnitude(x), x < 0);
  }
}

/// The request's values as the sums of a series count them; windows of one series ask for the same.
const int128* Sweep::own_in_unit(int series, int column, std::size_t n) {
  if (own_series_ == series && own_column_ == column) return own_.data();
  own_series_ = series;
  own_column_ = column;
  const SeriesState& state = series_[static_cast<std::size_t>(series)];
  if (deciding_.are_rows() && state.all && static_cast<int>(deciding_.word(column)) == program_.series[static_cast<std::size_t>(series)].column) {
    const auto from = static_cast<std::uint32_t>(own_from_);   // the series holds the value of the decision's own row
    for (std::uint32_t i = 0; i < n; ++i) own_[i] = state.wide.between(from + i, from + i + 1);
    return own_.data();
  }
  const std::uint64_t* const bits = deciding_.values(column) + own_from_;
  for (std::size_t i = 0; i < n; ++i) own_[i] = deciding_.is_null(column, own_from_ + i) ? 0 : in_unit(std::bit_cast<double>(bits[i]), state.unit);
  return own_.data();
}

void Sweep::newest(TakeState& state, const Take& take, std::size_t n) {
  const RangeState& range = ranges_[static_cast<std::size_t>(take.range)];
  const FilterState& filter = filters_[static_cast<std::size_t>(program_.ranges[static_cast<std::size_t>(take.range)].filter)];
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t at = filled_ + i;
    if (range.count[at] == 0) continue;
    const std::uint32_t position = range.last[i] - 1;
    state.bits[at] = static_cast<std::uint64_t>(range.own[i] ? asked_[at] : timeline_.times()[filter.all ? position : filter.at[position]]);
  }
}

void Sweep::nth(TakeState& state, const Take& take, std::size_t n) {
  const RangeState& range = ranges_[static_cast<std::size_t>(take.range)];
  const Range& what = program_.ranges[static_cast<std::size_t>(take.range)];
  const Series& series = program_.series[static_cast<std::size_t>(what.series)];
  const SeriesState& values = series_[static_cast<std::size_t>(what.series)];
  const bool nulls = series.keeps_nulls && timeline_.has_nulls(series.column);
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t at = filled_ + i;
    const std::int64_t stored = range.last[i] - range.first[i];
    const bool own = what.include_request && range.own[i];
    // Which of the stored values, oldest first; `stored` is the request.
    const std::int64_t wanted = take.kind == Take::Kind::oldest ? 0 : stored - 1 + own - take.nth;
    if (wanted < 0 || wanted >= stored + own) {
      state.null[at] = true;
    } else if (wanted == stored) {
      state.bits[at] = range.own_bits[i];
      state.null[at] = range.own[i] == own_is_null;
    } else {
      const std::size_t position = range.first[i] + static_cast<std::size_t>(wanted);
      state.bits[at] = values.values[position];
      state.null[at] = nulls && timeline_.is_null(series.column, values.all ? position : values.at[position]);
    }
  }
}

void Sweep::extrema(Stack& stack, std::size_t n) {
  const bool real = program_.series[static_cast<std::size_t>(stack.series)].real;
  if (real) stack.least ? extrema(stack, stack.least_real, n) : extrema(stack, stack.greatest_real, n);
  else stack.least ? extrema(stack, stack.least_whole, n) : extrema(stack, stack.greatest_whole, n);
}

template <class Entries>
void Sweep::extrema(Stack& stack, Entries& entries, std::size_t n) {
  using T = typename Entries::Value;
  const auto values = series_[static_cast<std::size_t>(stack.series)].values;
  for (std::size_t i = 0; i < n; ++i)
    for (const int t : stack.takes) {
      const auto r = static_cast<std::size_t>(program_.takes[static_cast<std::size_t>(t)].range);
      const RangeState& range = ranges_[r];
      for (; stack.pushed < range.last[i]; ++stack.pushed) entries.push(std::bit_cast<T>(values[stack.pushed]), stack.pushed);
      if (range.count[filled_ + i] == 0) continue;
      std::uint64_t& out = takes_[static_cast<std::size_t>(t)].bits[filled_ + i];
      const bool own = program_.ranges[r].include_request && range.own[i];
      if (range.first[i] == range.last[i]) {
        out = range.own_bits[i];
        continue;
      }
      T best = entries.from(range.first[i]);
      if (own) best = Entries::better(std::bit_cast<T>(range.own_bits[i]), best);
      out = std::bit_cast<std::uint64_t>(best);
    }
}

/// A decision of the batch, as windows are read for it.
Asked Sweep::ask(std::size_t at) {
  for (const int f : request_fields_) request_[static_cast<std::size_t>(f)] = in_.input.requests.fields[static_cast<std::size_t>(f)][decisions_[at]];
  Asked asked;
  asked.as_of = asked_[at];
  asked.complete_from = in_.complete_from;
  asked.request = request_;
  compare_with_request(*in_.input.plan, in_.step, asked);
  asked.made = &in_.made;
  return asked;
}

Positions Sweep::positions_of(const Window& window, const Asked& asked, std::size_t i) const {
  const Place& place = program_.places[static_cast<std::size_t>(window.place)];
  if (place.last < 0) return locate(in_.step, place.span, timeline_.view(), asked);
  const std::size_t last = edge_positions_[static_cast<std::size_t>(place.last)][i];
  return {place.first < 0 ? 0 : std::min<std::size_t>(edge_positions_[static_cast<std::size_t>(place.first)][i], last), last};
}

/// Decision after decision, each group of windows moves on; one in which some row does not count is folded.
void Sweep::slide(std::size_t n) {
  const TimelineView view = timeline_.view();
  const auto time_of = [&](SlidingWindow::Key position) { return view.times[static_cast<std::size_t>(position)]; };
  const auto rows_between = [](SlidingWindow::Key a, SlidingWindow::Key b) { return b - a; };
  const auto each_row = [&](SlidingWindow::Key a, SlidingWindow::Key b, auto&& use) {
    for (; a < b; ++a) use(a, view.order[static_cast<std::size_t>(a)]);
  };
  for (std::size_t g = 0; g < sliding_groups_.size(); ++g) {
    const SlidingGroup& group = sliding_groups_[g];
    const Window& any = program_.windows[group.windows.front()];
    const PlaceState& state = places_[static_cast<std::size_t>(any.place)];
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t at = filled_ + i;
      for (const std::size_t w : group.windows) slid_[w][i] = false;
      if (may_be_mixed_ && state.mixed[i]) continue;
      const Asked asked = ask(at);
      const Positions positions{state.first[i], state.last[i]};
      const auto first = static_cast<SlidingWindow::Key>(positions.first), last = static_cast<SlidingWindow::Key>(positions.last);
      if (!sliding_[g].worth_moving(first, last, rows_between)) continue;
      const auto as_window = [&](std::size_t w) { return window::Window{in_.step, *program_.windows[w].step, view, asked, positions}; };
      sliding_[g].move(as_window(group.windows.front()), first, last, {}, each_row, time_of);
      for (const std::size_t w : group.windows) {
        const WindowStep& step = *program_.windows[w].step;
        folded_.push_back({at, w, unless_incomplete(step, rows_, asked, sliding_[g].value(as_window(w), time_of))});
        slid_[w][i] = true;
      }
    }
  }
}

void Sweep::fold_rest(std::size_t n) {
  for (std::size_t w = 0; w < program_.windows.size(); ++w) {
    const Window& window = program_.windows[w];
    const Range* range = nullptr;
    const std::vector<int>* gates = nullptr;
    bool all = window.take < 0;
    if (!all) {
      const Take& take = program_.takes[static_cast<std::size_t>(window.take)];
      range = &program_.ranges[static_cast<std::size_t>(take.range)];
      gates = range->series < 0 ? &program_.filters[static_cast<std::size_t>(range->filter)].gates : &program_.series[static_cast<std::size_t>(range->series)].gates;
      all = take.sums() && !series_[static_cast<std::size_t>(range->series)].fits;
      if (!all && !may_be_mixed_ && gates->empty()) continue;
    }
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t at = filled_ + i;
      const PlaceState& state = places_[static_cast<std::size_t>(window.place)];
      if (!slid_[w].empty() && slid_[w][i]) continue;
      const bool fast = !all && !(may_be_mixed_ && state.mixed[i]) &&
                        std::all_of(gates->begin(), gates->end(), [&](int gate) { return timeline_.open(gate, state.last[i], asked_[at]); });
      if (fast) continue;
      const Asked asked = ask(at);
      const Positions positions = positions_of(window, asked, i);
      folded_.push_back({at, w, unless_incomplete(*window.step, rows_, asked, fold(in_.step, *window.step, timeline_.view(), asked, positions))});
    }
  }
}

void Sweep::flush() {
  if (filled_ == 0) return;
  for (std::size_t w = 0; w < program_.windows.size(); ++w)
    if (program_.windows[w].take >= 0) finish(w);
  for (const Folded& f : folded_) {
    const WindowStep& step = *program_.windows[f.window].step;
    const bool made = makes_text(step.aggregate->kind) && f.value.cause == Cause::ok;   // its text has no id yet: replay_step finishes it
    const FeatureValue value = made ? FeatureValue{f.value.bits, status_of(Cause::ok)} : in_.builder.finish(step.feature, f.value);
    values_[f.window][f.at] = value.bits;
    statuses_[f.window][f.at] = value.status;
  }
  folded_.clear();
  lines_.write({decisions_.data(), filled_}, values_, statuses_);
  filled_ = 0;
}

void Sweep::finish(std::size_t w) {
  const Window& window = program_.windows[w];
  const WindowStep& step = *window.step;
  const Aggregate& a = *step.aggregate;
  const Take& take = program_.takes[static_cast<std::size_t>(window.take)];
  const RangeState& range = ranges_[static_cast<std::size_t>(take.range)];
  const TakeState& taken = takes_[static_cast<std::size_t>(window.take)];
  std::uint64_t* const out = values_[w].data();
  Cause* const cause = causes_.data();
  const std::uint32_t* const count = range.count.data();
  const std::size_t n = filled_;
  const auto set = [&](std::size_t i, Aggregated value) { out[i] = value.bits; cause[i] = value.cause; };
  const auto unless_empty = [&] { for (std::size_t i = 0; i < n; ++i) cause[i] = count[i] == 0 ? Cause::null : Cause::ok; };
  const bool decimal = a.argument_type == Type::decimal;

  switch (take.kind) {
    case Take::Kind::count:
      for (std::size_t i = 0; i < n; ++i) { out[i] = count[i]; cause[i] = Cause::ok; }
      break;

    case Take::Kind::newest_row:
      unless_empty();
      for (std::size_t i = 0; i < n; ++i)
        if (count[i] > 0) set(i, Aggregated::of(round_quotient(asked_[i] - static_cast<Instant>(taken.bits[i]), static_cast<std::uint64_t>(a.time_unit), 0)));
      break;

    case Take::Kind::least: case Take::Kind::greatest:
      unless_empty();
      std::copy_n(taken.bits.data(), n, out);
      if (decimal)
        for (std::size_t i = 0; i < n; ++i)
          if (count[i] > 0) set(i, Aggregated::of(decimal_value(static_cast<std::int64_t>(out[i]), a.argument_scale)));
      break;

    case Take::Kind::nth_newest: case Take::Kind::oldest:
      std::copy_n(taken.bits.data(), n, out);
      for (std::size_t i = 0; i < n; ++i) cause[i] = taken.null[i] ? Cause::null : Cause::ok;
      if (decimal)
        for (std::size_t i = 0; i < n; ++i)
          if (!taken.null[i]) set(i, Aggregated::of(decimal_value(static_cast<std::int64_t>(out[i]), a.argument_scale)));
      break;

    case Take::Kind::moment: {
      const int at_series = program_.ranges[static_cast<std::size_t>(take.range)].series;
      const int powers = program_.series[static_cast<std::size_t>(at_series)].powers, unit = series_[static_cast<std::size_t>(at_series)].unit;
      for (std::size_t i = 0; i < n; ++i)
        set(i, moment(a, count[i], unit, taken.wide[i], taken.words.data() + i * powers::words(powers)));
      break;
    }

    case Take::Kind::sum: {
      const Series& series = program_.series[static_cast<std::size_t>(program_.ranges[static_cast<std::size_t>(take.range)].series)];
      const bool mean = a.kind == AggregateKind::mean;
      if (a.kind == AggregateKind::count_if) {
        std::copy_n(taken.bits.data(), n, out);
        std::fill_n(cause, n, Cause::ok);
        break;
      }
      unless_empty();
      if (series.real) {
        const auto& state = series_[static_cast<std::size_t>(program_.ranges[static_cast<std::size_t>(take.range)].series)];
        auto* const results = reinterpret_cast<double*>(out);
        const bool within = round_quotients(taken.wide.data(), mean ? count : nullptr, n, state.unit, results);
        for (std::size_t i = 0; !within && i < n; ++i)
          if (results[i] != results[i]) cause[i] = Cause::error;
      } else if (series.narrow) {
        if (mean) divide(reinterpret_cast<const std::int64_t*>(taken.bits.data()), count, n, reinterpret_cast<double*>(out));
        else std::copy_n(taken.bits.data(), n, out);
      } else {
        for (std::size_t i = 0; i < n; ++i)
          if (count[i] > 0) set(i, whole_sum(taken.wide[i], mean, count[i], a));
      }
      break;
    }
  }

  if (step.min_rows > 0)
    for (std::size_t i = 0; i < n; ++i)
      if (count[i] < step.min_rows && cause[i] != Cause::error) cause[i] = Cause::insufficient_history;
  if (in_.complete_from != always)
    for (std::size_t i = 0; i < n; ++i)
      if (cause[i] != Cause::error && interval_of(step.span, rows_.source(), asked_[i]).tail < in_.complete_from) cause[i] = Cause::history_incomplete;
  Status* const status = statuses_[w].data();
  if (is_text(in_.input.plan->contract().features()[static_cast<std::size_t>(step.feature)].type)) {
    for (std::size_t i = 0; i < n; ++i) {
      const FeatureValue value = in_.builder.finish(step.feature, {out[i], cause[i]});
      out[i] = value.bits;
      status[i] = value.status;
    }
    return;
  }
  show(missing_[w].data(), cause, n, out, status);
}

}  // namespace featlib::replaying
