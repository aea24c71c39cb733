#include "window/online.hpp"

#include <featlib/core/exact.hpp>

#include <algorithm>

namespace featlib {
namespace {

/// Whether a window's value follows from a lane's summary, or from the number of rows.
bool summed(const WindowStep& step) {
  const Aggregate& a = *step.aggregate;
  if (a.where || a.last || step.span.gap) return false;
  switch (a.kind) {
    case AggregateKind::count: return true;
    case AggregateKind::count_if: case AggregateKind::sum: case AggregateKind::mean:
    case AggregateKind::min: case AggregateKind::max: case AggregateKind::range:
      return a.argument_is_column && a.argument_type != Type::string && a.argument_type != Type::category;
    default: return false;
  }
}

std::optional<Lane> lane_of(const WindowStep& step, const Rows& rows) {
  const Aggregate& a = *step.aggregate;
  if (!summed(step) || a.kind == AggregateKind::count) return std::nullopt;
  return Lane{a.argument_fields[0], a.argument_type == Type::float64, rows.gate_of(a.argument_fields[0])};
}

Aggregated whole(int128 sum) {
  if (sum > std::numeric_limits<std::int64_t>::max() || sum < std::numeric_limits<std::int64_t>::min()) return Aggregated::none(Cause::error);
  return Aggregated::of(static_cast<std::int64_t>(sum));
}

Aggregated extreme(const Aggregate& a, std::int64_t key) {
  if (a.argument_type == Type::float64) return Aggregated::of(from_ordered(key));
  if (a.argument_type == Type::decimal) return Aggregated::of(decimal_value(key, a.argument_scale));
  return Aggregated::of(key);
}

Aggregated range(const Aggregate& a, const LaneSummary& values) {
  if (a.argument_type != Type::float64) return Aggregated::of(integer_quotient(static_cast<int128>(values.most) - values.least, 1, a.argument_scale));
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
  /// request, or behind them all; and on either side of the request's own row.
  enum class Kind : std::uint8_t { before, own_instant, behind, own_row, past_own_row };
  struct End {
    Kind kind;
    Instant instant;
    Timelines::Place place;
  };
  struct Run {
    std::size_t first = 0, last = 0;   ///< into ends; once these are in order, into the stretches between them
    bool incomplete = false;
  };

  std::vector<End> ends;
  std::vector<std::size_t> order, rank;     ///< ends by place; the rank of each
  std::vector<Run> runs;                    ///< by span
  std::vector<std::uint64_t> stretch_rows, rows;       ///< by stretch; by span
  std::vector<LaneSummary> stretch_lanes, lanes;       ///< the same, by lane
  Fetcher fetcher;
  bool fetching = false;
};

OnlineWindows::OnlineWindows(const TimelineStep& step, const Rows& rows) : step_(step), rows_(rows), scratch_(std::make_unique<Scratch>()) {
  const std::vector<Lane> lanes = lanes_of(step, rows);
  lanes_ = lanes.size();
  for (const WindowStep& window : step.windows) {
    Reader reader{&window, 0, -1, !summed(window)};
    const auto span = std::find(spans_.begin(), spans_.end(), window.span);
    reader.span = static_cast<std::size_t>(span - spans_.begin());
    if (span == spans_.end()) spans_.push_back(window.span);
    if (const auto lane = lane_of(window, rows)) reader.lane = static_cast<int>(std::find(lanes.begin(), lanes.end(), *lane) - lanes.begin());
    readers_.push_back(reader);
  }
}

OnlineWindows::OnlineWindows(OnlineWindows&&) noexcept = default;
OnlineWindows::~OnlineWindows() = default;

std::vector<Lane> OnlineWindows::lanes_of(const TimelineStep& step, const Rows& rows) {
  std::vector<Lane> out;
  for (const WindowStep& window : step.windows)
    if (const auto lane = lane_of(window, rows); lane && std::find(out.begin(), out.end(), *lane) == out.end()) out.push_back(*lane);
  return out;
}

void OnlineWindows::read(const Timelines& timelines, EntityId id, const Asked& asked, std::span<const Row> own, std::span<Aggregated> out) {
  scratch_->fetching = false;
  place_ends(timelines, id, asked, own);
  sum_up(timelines, asked.as_of);
  for (std::size_t w = 0; w < readers_.size(); ++w) {
    const Reader& reader = readers_[w];
    Aggregated value = reader.folded ? fold_rows(reader, timelines, asked) : value_of(reader, timelines, asked);
    if (scratch_->runs[reader.span].incomplete && value.cause != Cause::error) value = Aggregated::none(Cause::history_incomplete);
    out[w] = value;
  }
}

void OnlineWindows::place_ends(const Timelines& timelines, EntityId id, const Asked& asked, std::span<const Row> own) {
  using Kind = Scratch::Kind;
  Scratch& s = *scratch_;
  s.ends.clear();
  const auto end_at = [&](Kind kind, Instant instant) {
    for (std::size_t e = 0; e < s.ends.size(); ++e)
      if (s.ends[e].kind == kind && s.ends[e].instant == instant) return e;
    Timelines::Place place = timelines.find(id, instant, kind != Kind::before);
    if (kind == Kind::own_instant)
      // Only rows of a lesser sequence are before the request; they stand first in the order.
      for (Timelines::Place back = place; timelines.step_back(back) && timelines.time(back) == instant &&
                                          !(step_.request_sequence >= 0 && sequence_before(rows_.sequence(timelines.row(back), step_.source_entity), asked.sequence));)
        place = back;
    s.ends.push_back({kind, instant, place});
    return s.ends.size() - 1;
  };
  s.runs.clear();
  for (const Span& span : spans_) {
    const Interval interval = interval_of(span, rows_.source(), asked.as_of);
    const bool own_instant = step_.is_request_source && interval.head_closed && interval.head == asked.as_of;
    s.runs.push_back({end_at(interval.tail_closed ? Kind::before : Kind::behind, interval.tail),
                      end_at(own_instant ? Kind::own_instant : interval.head_closed ? Kind::behind : Kind::before, interval.head), interval.tail < asked.complete_from});
  }
  for (const Row row : own) {
    Timelines::Place place = timelines.find_row(id, row);
    s.ends.push_back({Kind::own_row, 0, place});
    timelines.step(place);
    s.ends.push_back({Kind::past_own_row, 0, place});
  }

  s.order.clear();
  for (std::size_t e = 0; e < s.ends.size(); ++e) {
    std::size_t at = s.order.size();
    while (at > 0 && Timelines::before(s.ends[e].place, s.ends[s.order[at - 1]].place)) --at;
    s.order.insert(s.order.begin() + static_cast<std::ptrdiff_t>(at), e);
  }
  s.rank.resize(s.ends.size());
  for (std::size_t at = 0; at < s.order.size(); ++at) s.rank[s.order[at]] = at;
  for (Scratch::Run& run : s.runs) run = {s.rank[run.first], s.rank[run.last], run.incomplete};
}

void OnlineWindows::sum_up(const Timelines& timelines, Instant as_of) {
  using Kind = Scratch::Kind;
  Scratch& s = *scratch_;
  const std::size_t stretches = s.order.empty() ? 0 : s.order.size() - 1;
  s.stretch_rows.assign(stretches, 0);
  s.stretch_lanes.assign(stretches * lanes_, LaneSummary{});
  int inside_own = 0;
  for (std::size_t at = 0; at < stretches; ++at) {
    const Scratch::End& from = s.ends[s.order[at]];
    inside_own += (from.kind == Kind::own_row) - (from.kind == Kind::past_own_row);
    if (inside_own > 0) continue;
    Timelines::Totals totals{0, std::span(s.stretch_lanes).subspan(at * lanes_, lanes_)};
    timelines.add(from.place, s.ends[s.order[at + 1]].place, as_of, totals);
    s.stretch_rows[at] = totals.rows;
  }

  s.rows.assign(spans_.size(), 0);
  s.lanes.assign(spans_.size() * lanes_, LaneSummary{});
  for (std::size_t span = 0; span < spans_.size(); ++span)
    for (std::size_t at = s.runs[span].first; at < s.runs[span].last; ++at) {
      s.rows[span] += s.stretch_rows[at];
      for (std::size_t l = 0; l < lanes_; ++l) s.lanes[span * lanes_ + l].merge(s.stretch_lanes[at * lanes_ + l]);
    }
}

Aggregated OnlineWindows::value_of(const Reader& reader, const Timelines& timelines, const Asked& asked) {
  const WindowStep& step = *reader.step;
  const Aggregate& a = *step.aggregate;
  std::uint64_t rows = scratch_->rows[reader.span];
  LaneSummary values;
  if (reader.lane >= 0) values = scratch_->lanes[reader.span * lanes_ + static_cast<std::size_t>(reader.lane)];
  if (a.include_request) {
    ++rows;
    const Slot own = reader.lane < 0 ? Slot{} : asked.request[static_cast<std::size_t>(step.argument_request[0])];
    if (!own.is_null() && a.argument_type == Type::float64) values.add_real(ordered(own.real()));
    else if (!own.is_null()) values.add_integer(own.integer());
  }
  if (values.wide) return fold_rows(reader, timelines, asked);
  const std::uint64_t counted = reader.lane < 0 ? rows : values.count;
  const bool real = a.argument_type == Type::float64;
  const auto sum = [&](std::uint64_t divisor) {
    if (real) return Aggregated::of(round_quotient(values.sum, divisor, values.unit));
    return Aggregated::of(integer_quotient(values.sum, divisor, a.argument_scale));
  };
  Aggregated out;
  if (a.kind == AggregateKind::count) out = Aggregated::of(static_cast<std::int64_t>(rows));
  else if (a.kind == AggregateKind::count_if) out = whole(values.sum);
  else if (values.count > 0) {
    switch (a.kind) {
      case AggregateKind::sum: out = real || a.argument_type == Type::decimal ? sum(1) : whole(values.sum); break;
      case AggregateKind::mean: out = sum(values.count); break;
      case AggregateKind::min: out = extreme(a, values.least); break;
      case AggregateKind::max: out = extreme(a, values.most); break;
      default: out = range(a, values); break;
    }
  }
  // An error is said before too little history is (SEMANTICS section 3, Status).
  return counted < static_cast<std::uint64_t>(step.min_rows) && out.cause != Cause::error ? Aggregated::none(Cause::insufficient_history) : out;
}

Aggregated OnlineWindows::fold_rows(const Reader& reader, const Timelines& timelines, const Asked& asked) {
  Scratch& s = *scratch_;
  if (!s.fetching) s.fetcher.begin(timelines, s.ends[s.order.front()].place, s.ends[s.order.back()].place);
  s.fetching = true;
  const Scratch::Run& run = s.runs[reader.span];
  const TimelineView view = s.fetcher.view(rows_);
  return fold(step_, *reader.step, view, asked, {s.fetcher.position(s.ends[s.order[run.first]].place), s.fetcher.position(s.ends[s.order[run.last]].place)});
}

}  // namespace featlib
