#include "window/online.hpp"

#include <featlib/core/exact.hpp>

#include "window/central.hpp"
#include "window/fold/on_row.hpp"
#include "window/timeline/derived.hpp"

#include <algorithm>
#include <utility>

namespace featlib {
namespace {

/// Whether a window's value follows from a lane's summary, or from the number of rows.
bool summed(const WindowStep& step, const Rows& rows) {
  const Aggregate& a = *step.aggregate;
  if (step.span.gap) return false;
  // Which rows are the last that pass is not known ahead where cells are to come.
  if (a.last && std::any_of(a.where_fields.begin(), a.where_fields.end(), [&](int field) { return rows.gate_of(field) >= 0; })) return false;
  switch (a.kind) {
    case AggregateKind::count: return true;
    case AggregateKind::share: return a.literal.has_value();
    case AggregateKind::count_if: case AggregateKind::sum: case AggregateKind::mean:
    case AggregateKind::min: case AggregateKind::max: case AggregateKind::range:
    case AggregateKind::std: case AggregateKind::var: case AggregateKind::skew: case AggregateKind::kurtosis:
      return !is_text(a.argument_type);
    default: return false;
  }
}

std::optional<Lane> lane_of(const WindowStep& step, const Rows& rows) {
  const Aggregate& a = *step.aggregate;
  if (!summed(step, rows) || (a.kind == AggregateKind::count && !a.where)) return std::nullopt;
  if (a.argument_is_column && !a.where && a.kind != AggregateKind::share)
    return Lane{a.argument_fields[0], a.argument_type == Type::float64, rows.gate_of(a.argument_fields[0]), powers_of(a.kind), 0, nullptr};
  auto derived = std::make_shared<const DerivedLane>(a, rows);
  return Lane{-1, derived->real(), -1, powers_of(a.kind), 0, std::move(derived)};
}

/// The lane whose values tell which rows are the last ones: those that `where` lets in.
std::optional<Lane> last_of(const WindowStep& step, const Rows& rows) {
  const Aggregate& a = *step.aggregate;
  if (!summed(step, rows) || !a.last || !a.where) return std::nullopt;
  return Lane{.real = false, .derived = std::make_shared<const DerivedLane>(DerivedLane::of_rows(a, rows))};
}

/// Where a lane's values stand among some.
template <class Lanes>
auto find_values(Lanes& lanes, const Lane& lane) {
  return std::find_if(lanes.begin(), lanes.end(), [&](const Lane& l) {
    return l.derived && lane.derived ? *l.derived == *lane.derived : !l.derived && !lane.derived && l.field == lane.field;
  });
}

Aggregated whole(int128 sum) {
  if (sum > std::numeric_limits<std::int64_t>::max() || sum < std::numeric_limits<std::int64_t>::min()) return Aggregated::none(Cause::error);
  return Aggregated::of(static_cast<std::int64_t>(sum));
}

Aggregated extreme(Type type, int scale, std::int64_t key) {
  if (type == Type::float64) return Aggregated::of(from_ordered(key));
  if (type == Type::decimal) return Aggregated::of(decimal_value(key, scale));
  return Aggregated::of(key);
}

Aggregated range(Type type, int scale, const LaneSummary& values) {
  if (type != Type::float64) return Aggregated::of(integer_quotient(static_cast<int128>(values.most) - values.least, 1, scale));
  ExactSum difference;
  difference.add(from_ordered(values.most));
  difference.remove(from_ordered(values.least));
  return Aggregated::of(difference.value());
}

/// Rows of a timeline behind each other as a fold looks for them: from the newest back, and no further than it looks.
class Fetcher final : public RowFetcher {
 public:
  void begin(const Timelines& timelines, const Timelines::Place& from, const Timelines::Place& to) {
    timelines_ = &timelines;
    from_ = from;
    at_ = to;
    there_ = timelines.distance(from, to);
    if (order_.size() < there_) {
      order_.resize(there_);
      times_.resize(there_);
    }
  }
  void reach(std::size_t position) override {
    while (there_ > position) {
      timelines_->step_back(at_);
      order_[--there_] = timelines_->row(at_);
      times_[there_] = timelines_->time(at_);
    }
  }
  std::size_t position(const Timelines::Place& place) const { return timelines_->distance(from_, place); }
  TimelineView view(const Rows& rows) { return {&rows, order_, times_, this}; }

 private:
  const Timelines* timelines_ = nullptr;
  Timelines::Place from_, at_;
  std::size_t there_ = 0;              ///< positions from here on are in the arrays
  std::vector<Row> order_;
  std::vector<Instant> times_;
};

}  // namespace

/// What one reading needs beside the plan; kept, so that the next one allocates nothing.
struct OnlineWindows::Scratch {
  /// Where windows begin and end: before the rows that happened at an instant, behind those of them that are before the
  /// request, or behind them all.
  enum class Kind : std::uint8_t { before, own_instant, behind };
  struct End {
    Kind kind;
    bool summed_up;                         ///< the rows that stand before it in its block
    std::uint64_t rows;                     ///< those
  };
  struct Run {
    std::size_t first = 0, last = 0;        ///< into ends
    bool incomplete = false;
    Instant from = 0, to = 0;               ///< the instants from the one on and before the other are inside: all, or all but some of the request's own
    bool folded = false;                    ///< the last rows are to be found one by one
  };

  std::vector<End> ends;
  std::vector<Timelines::Search> searches;  ///< by end
  std::vector<LaneSummary> end_lanes;       ///< by end, by lane
  std::vector<std::uint64_t> end_words;     ///< by end: beside the lanes, the words of their powers
  std::vector<std::uint8_t> end_summed;     ///< by end, by lane: whether they hold what stands before it in its block
  std::vector<Timelines::Place> own_rows;   ///< in order
  std::vector<Run> runs;                    ///< by sums
  std::vector<std::uint64_t> rows;          ///< by sums
  std::vector<LaneSummary> lanes;           ///< by sums, by lane
  std::vector<std::uint64_t> words;         ///< by sums
  std::vector<std::uint32_t> missing;       ///< lanes that no window with the same head has summed up in its block
  Fetcher fetcher;
  bool fetching = false;
  std::vector<bool> slid;                   ///< by window: it has its value
  std::vector<Instant> disturbed;
  std::vector<Row> uncounted;
};

OnlineWindows::OnlineWindows(const TimelineStep& step, Rows& rows) : step_(step), rows_(rows), lanes_(lanes_of(step, rows)), scratch_(std::make_unique<Scratch>()) {
  words_ = place_words(lanes_);
  groups_ = sliding_groups(step, rows, [&](std::size_t w) { return summed(step.windows[w], rows); });
  const auto place_of = [&](const std::optional<Lane>& values) { return values ? static_cast<int>(find_values(lanes_, *values) - lanes_.begin()) : -1; };
  for (const WindowStep& window : step.windows) {
    const Aggregate& a = *window.aggregate;
    targets_.push_back({window.feature, makes_text(a.kind)});
    const auto values = lane_of(window, rows);
    const int lane = place_of(values), passing = place_of(last_of(window, rows));
    const bool folded = !summed(window, rows);
    Sums wanted{window.span, values && values->gated() ? lane : -1, std::nullopt, passing, nullptr, {}};
    if (a.last && !folded) {
      wanted.last = static_cast<std::uint64_t>(*a.last);
      if (a.include_request) wanted.includes = &window;
    }
    auto sums = std::find_if(sums_.begin(), sums_.end(), [&](const Sums& s) { return s.same(wanted); });
    if (sums == sums_.end()) sums = sums_.insert(sums_.end(), std::move(wanted));
    if (lane >= 0 && std::find(sums->lanes.begin(), sums->lanes.end(), lane) == sums->lanes.end()) sums->lanes.push_back(static_cast<std::uint32_t>(lane));
    const Lane none, &kept = lane < 0 ? none : lanes_[static_cast<std::size_t>(lane)];
    readers_.push_back({&window, static_cast<std::uint64_t>(window.min_rows), static_cast<std::uint32_t>(sums - sums_.begin()), lane, kept.first_word, kept.powers,
                        a.argument_scale, a.kind, a.argument_type, kept.real, folded, a.include_request});
  }
}

OnlineWindows::OnlineWindows(OnlineWindows&&) noexcept = default;
OnlineWindows::~OnlineWindows() = default;

std::vector<Lane> OnlineWindows::lanes_of(const TimelineStep& step, const Rows& rows) {
  std::vector<Lane> out;
  for (const WindowStep& window : step.windows)
    for (const auto& lane : {lane_of(window, rows), last_of(window, rows)}) {
      if (!lane) continue;
      if (const auto known = find_values(out, *lane); known != out.end()) known->powers = std::max(known->powers, lane->powers);
      else out.push_back(*lane);
    }
  return out;
}

void OnlineWindows::read(Timelines& timelines, EntityId id, const Asked& asked, std::span<const Row> own, std::span<Aggregated> out) {
  scratch_->fetching = false;
  place_ends(timelines, id, asked, own);
  sum_up(timelines, asked);
  slide(timelines, id, asked, own, out);
  for (std::size_t w = 0; w < readers_.size(); ++w) {
    const Reader& reader = readers_[w];
    Aggregated value = scratch_->slid[w] ? out[w] : reader.folded || scratch_->runs[reader.sums].folded ? fold_rows(reader, timelines, asked) : value_of(reader, timelines, asked);
    if (scratch_->runs[reader.sums].incomplete && value.cause != Cause::error) value = Aggregated::none(Cause::history_incomplete);
    out[w] = value;
  }
}

void OnlineWindows::place_ends(const Timelines& timelines, EntityId id, const Asked& asked, std::span<const Row> own) {
  using Kind = Scratch::Kind;
  Scratch& s = *scratch_;
  s.ends.clear();
  s.searches.clear();
  const auto end_at = [&](Kind kind, Instant instant) {
    for (std::size_t e = 0; e < s.ends.size(); ++e)
      if (s.ends[e].kind == kind && s.searches[e].time == instant) return e;
    s.ends.push_back({kind, false, 0});
    Timelines::Search& search = s.searches.emplace_back();
    search.time = instant;
    search.after = kind != Kind::before;
    return s.ends.size() - 1;
  };
  s.runs.clear();
  for (const Sums& sums : sums_) {
    const Interval interval = interval_of(sums.span, rows_.source(), asked.as_of);
    const bool own_instant = step_.is_request_source && interval.head_closed && interval.head == asked.as_of;
    const auto after = [](Instant instant, bool is_after) { return is_after && instant < never ? instant + 1 : instant; };
    s.runs.push_back({end_at(interval.tail_closed ? Kind::before : Kind::behind, interval.tail),
                      end_at(own_instant ? Kind::own_instant : interval.head_closed ? Kind::behind : Kind::before, interval.head), interval.tail < asked.complete_from,
                      after(interval.tail, !interval.tail_closed), after(interval.head, interval.head_closed && !own_instant)});
  }
  timelines.find(id, s.searches);
  for (std::size_t e = 0; e < s.ends.size(); ++e) {
    if (s.ends[e].kind != Kind::own_instant) continue;
    // Only rows of a lesser sequence are before the request; they stand first in the order.
    Timelines::Place& place = s.searches[e].place;
    for (Timelines::Place back = place; timelines.step_back(back) && timelines.time(back) == asked.as_of &&
                                        !(step_.request_sequence >= 0 && sequence_before(rows_.sequence(timelines.row(back), step_.source_entity), asked.sequence));)
      place = back;
  }
  s.own_rows.clear();
  for (const Row row : own) s.own_rows.push_back(timelines.find_row(id, row));
  std::sort(s.own_rows.begin(), s.own_rows.end(), Timelines::before);
}

void OnlineWindows::sum_up(const Timelines& timelines, const Asked& asked) {
  const Instant as_of = asked.as_of;
  Scratch& s = *scratch_;
  const std::size_t lanes = lanes_.size();
  s.rows.assign(sums_.size(), 0);
  s.lanes.resize(sums_.size() * lanes);
  s.words.resize(sums_.size() * words_);
  s.end_lanes.resize(s.ends.size() * lanes);
  s.end_words.resize(s.ends.size() * words_);
  s.end_summed.assign(s.ends.size() * lanes, false);
  const auto clear = [&](const Totals& out) {
    for (const std::uint32_t l : out.asked) {
      out.lanes[l] = {};
      std::fill_n(out.words + lanes_[l].first_word, powers::words(lanes_[l].powers), 0);
    }
  };
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    Totals out{sums_[i].lanes, 0, s.lanes.data() + i * lanes, s.words.data() + i * words_};
    clear(out);
    Scratch::Run& run = s.runs[i];
    const Timelines::Place* from = &s.searches[run.first].place;
    const Timelines::Place& to = s.searches[run.last].place;
    Timelines::Place past_own, last_rows;
    if (sums_[i].last) {
      const auto own_inside = [&](const Timelines::Place& own) { return !Timelines::before(own, *from) && Timelines::before(own, to); };
      if (std::any_of(s.own_rows.begin(), s.own_rows.end(), own_inside)) {
        run.folded = true;
        continue;
      }
      const WindowStep* const includes = sums_[i].includes;
      const std::uint64_t n = *sums_[i].last - (includes && window::request_passes(*includes, rows_, asked.request));
      const auto passing = sums_[i].passing < 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(sums_[i].passing));
      last_rows = timelines.back(*from, to, n, passing, as_of);
      from = &last_rows;
    }
    for (const Timelines::Place& own : s.own_rows) {
      if (Timelines::before(own, *from) || !Timelines::before(own, to)) continue;
      timelines.add(*from, own, as_of, out);
      timelines.step(past_own = own);
      from = &past_own;
    }
    if (Timelines::in_one_block(*from, to)) {
      timelines.add(*from, to, as_of, out);
    } else {
      // Windows with one head share what its block holds before it.
      Scratch::End& end = s.ends[run.last];
      s.missing.clear();
      for (const std::uint32_t l : out.asked)
        if (!std::exchange(s.end_summed[run.last * lanes + l], true)) s.missing.push_back(l);
      Totals block{s.missing, 0, s.end_lanes.data() + run.last * lanes, s.end_words.data() + run.last * words_};
      if (!end.summed_up || !s.missing.empty()) {
        clear(block);
        timelines.add_block_before(to, as_of, block);
        end = {end.kind, true, block.rows};
      }
      timelines.add_to_block(*from, to, as_of, out);
      timelines.merge(out, end.rows, block.lanes, block.words);
    }
    s.rows[i] = out.rows;
  }
}

/// What the request adds to the reader's lane.
Slot OnlineWindows::own_value(const Reader& reader, const Asked& asked) const noexcept {
  const Lane& lane = lanes_[static_cast<std::size_t>(reader.lane)];
  if (!lane.derived) return asked.request[static_cast<std::size_t>(reader.step->argument_request[0])];
  if (!window::request_passes(*reader.step, rows_, asked.request)) return {};
  return lane.derived->of(rows_, window::argument_on_request(*reader.step, rows_, asked.request));
}

void OnlineWindows::slide(Timelines& timelines, EntityId id, const Asked& asked, std::span<const Row> own, std::span<Aggregated> out) {
  Scratch& s = *scratch_;
  s.slid.assign(readers_.size(), false);
  if (groups_.empty()) return;
  auto entity = sliding_.find(id);
  if (entity != sliding_.end() && !timelines.take_disturbed(id, s.disturbed))
    for (SlidingWindow& window : entity->second.windows) window.clear();

  Instant until = always;
  bool any = false;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Scratch::Run& run = s.runs[readers_[groups_[g].windows.front()].sums];
    const bool many = timelines.distance(s.searches[run.first].place, s.searches[run.last].place) >= timelines.shape().sliding;
    if (entity == sliding_.end()) {
      if (!many) continue;
      if (sliding_.size() >= forget_at_) forget_stale(timelines, asked.as_of);
      entity = sliding_.emplace(id, Sliding{}).first;
      s.disturbed.clear();
      for (const SlidingGroup& group : groups_) entity->second.windows.emplace_back(group, rows_, &rows_.pool());
    }
    SlidingWindow& window = entity->second.windows[g];
    any = any || many;
    if (!many) window.clear();
    else if (slide(window, groups_[g], timelines, id, asked, own, out)) until = std::max(until, window.last());
  }
  if (entity == sliding_.end()) return;
  entity->second.asked = asked.as_of;
  if (until != always) timelines.watch(id, until);
  if (!any) sliding_.erase(entity);
}

/// One group's windows; false, and nothing is kept, where they would have to move too far.
bool OnlineWindows::slide(SlidingWindow& window, const SlidingGroup& group, const Timelines& timelines, EntityId id, const Asked& asked, std::span<const Row> own,
                          std::span<Aggregated> out) {
  Scratch& s = *scratch_;
  const Scratch::Run& run = s.runs[readers_[group.windows.front()].sums];
  const auto rows_between = [&](Instant a, Instant b) { return timelines.distance(timelines.find(id, a, false), timelines.find(id, b, false)); };
  if (!window.worth_moving(run.from, run.to, rows_between)) return false;

  const TimelineView view{&rows_, {}, {}, nullptr};
  const auto as_window = [&](std::size_t w) { return window::Window{step_, *readers_[w].step, view, asked, {}}; };
  const window::Window any = as_window(group.windows.front());
  const auto time_of = [](Instant key) { return key; };
  window.move(any, run.from, run.to, s.disturbed, [&](Instant a, Instant b, auto&& use) {
    for (Timelines::Place place = timelines.find(id, a, false); timelines.at_row(place) && timelines.time(place) < b; timelines.step(place)) use(timelines.time(place), timelines.row(place));
  }, time_of);

  // Rows that do not count at as_of, and those of the request's own instant that are before it.
  const Timelines::Place to = timelines.find(id, run.to, false);
  s.uncounted.clear();
  timelines.find_uncounted(s.searches[run.first].place, to, asked.as_of, s.uncounted);
  const auto is_inside = [&](Row row) { return rows_.event_time[row] >= run.from && rows_.event_time[row] < run.to; };
  for (const Row row : own)
    if (is_inside(row)) s.uncounted.push_back(row);
  std::sort(s.uncounted.begin(), s.uncounted.end());
  s.uncounted.erase(std::unique(s.uncounted.begin(), s.uncounted.end()), s.uncounted.end());
  if (2 * s.uncounted.size() > window.size()) return true;
  bool changed = !s.uncounted.empty();
  for (const Row row : s.uncounted) window.set_aside(any, row, rows_.event_time[row]);
  for (Timelines::Place place = to; timelines.at_row(place) && Timelines::before(place, s.searches[run.last].place); timelines.step(place)) {
    const Row row = timelines.row(place);
    if (!rows_.counts_at(row, asked.as_of) || std::find(own.begin(), own.end(), row) != own.end()) continue;
    window.put_beside(any, row, timelines.time(place));
    changed = true;
  }
  if (!(group.of_rows && changed))
    for (const std::size_t w : group.windows) {
      out[w] = window.value(as_window(w), time_of);
      s.slid[w] = true;
    }
  window.restore();
  return true;
}

/// Entities that nobody asks for any more: their windows have moved past all that they keep.
void OnlineWindows::forget_stale(Timelines& timelines, Instant as_of) {
  Duration longest = 0;
  for (const SlidingGroup& group : groups_) longest = std::max(longest, group.step->span.tail.value_or(never));
  boost::unordered::erase_if(sliding_, [&](const auto& entity) {
    const bool stale = entity.second.asked < minus(as_of, longest);
    if (stale) timelines.unwatch(entity.first);
    return stale;
  });
  forget_at_ = std::max<std::size_t>(64, 2 * sliding_.size());
}

Aggregated OnlineWindows::value_of(const Reader& reader, const Timelines& timelines, const Asked& asked) {
  const std::uint64_t rows = scratch_->rows[reader.sums] + reader.include_request;
  if (powers_of(reader.kind) > 1) return moment(reader, timelines, asked);
  if (reader.lane < 0) return rows < reader.min_rows ? Aggregated::none(Cause::insufficient_history) : Aggregated::of(static_cast<std::int64_t>(rows));

  const LaneSummary* values = &scratch_->lanes[reader.sums * lanes_.size() + static_cast<std::size_t>(reader.lane)];
  LaneSummary with_request;
  if (reader.include_request) {
    with_request = *values;
    values = &with_request;
    if (const Slot own = own_value(reader, asked); !own.is_null()) reader.real ? with_request.add_real(ordered(own.real())) : with_request.add_integer(own.integer());
  }
  if (values->wide) return fold_rows(reader, timelines, asked);

  const auto divided = [&](std::uint64_t by) {
    return Aggregated::of(reader.real ? round_quotient(values->sum, by, values->unit) : integer_quotient(values->sum, by, reader.scale));
  };
  Aggregated out;
  if (values->count > 0 || reader.kind == AggregateKind::count_if || reader.kind == AggregateKind::count) {
    switch (reader.kind) {
      case AggregateKind::count: out = Aggregated::of(std::int64_t{values->count}); break;
      case AggregateKind::count_if: out = whole(values->sum); break;
      case AggregateKind::sum: out = reader.real || reader.type == Type::decimal ? divided(1) : whole(values->sum); break;
      case AggregateKind::mean: out = divided(values->count); break;
      case AggregateKind::share: out = Aggregated::of(round_quotient(values->sum, values->count, 0)); break;
      case AggregateKind::min: out = extreme(reader.type, reader.scale, values->least); break;
      case AggregateKind::max: out = extreme(reader.type, reader.scale, values->most); break;
      default: out = range(reader.type, reader.scale, *values); break;
    }
  }
  // An error is said before too little history is (SEMANTICS section 3, Status).
  return values->count < reader.min_rows && out.cause != Cause::error ? Aggregated::none(Cause::insufficient_history) : out;
}

Aggregated OnlineWindows::moment(const Reader& reader, const Timelines& timelines, const Asked& asked) {
  LaneSummary values = scratch_->lanes[reader.sums * lanes_.size() + static_cast<std::size_t>(reader.lane)];
  std::array<std::uint64_t, powers::most_words> words;
  std::copy_n(scratch_->words.data() + reader.sums * words_ + reader.first_word, powers::words(reader.powers), words.begin());
  LanePowers lane(values, words.data(), reader.powers);
  if (reader.include_request)
    if (const Slot own = own_value(reader, asked); !own.is_null()) reader.real ? lane.add_real(ordered(own.real())) : lane.add_integer(own.integer());
  if (!lane.fit(reader.real)) return fold_rows(reader, timelines, asked);
  const Aggregated out = featlib::moment(*reader.step->aggregate, values.count, values.unit, values.sum, words.data());
  return values.count < reader.min_rows && out.cause != Cause::error ? Aggregated::none(Cause::insufficient_history) : out;
}

Aggregated OnlineWindows::fold_rows(const Reader& reader, const Timelines& timelines, const Asked& asked) {
  Scratch& s = *scratch_;
  if (!s.fetching) {
    // From the oldest row that some window reaches to the newest.
    const auto earlier = [](const Timelines::Search& a, const Timelines::Search& b) { return Timelines::before(a.place, b.place); };
    const auto [first, last] = std::minmax_element(s.searches.begin(), s.searches.end(), earlier);
    s.fetcher.begin(timelines, first->place, last->place);
    s.fetching = true;
  }
  const Scratch::Run& run = s.runs[reader.sums];
  const TimelineView view = s.fetcher.view(rows_);
  return fold(step_, *reader.step, view, asked, {s.fetcher.position(s.searches[run.first].place), s.fetcher.position(s.searches[run.last].place)});
}

}  // namespace featlib
