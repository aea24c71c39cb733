#include <featlib/vector/replay.hpp>

#include <featlib/core/exact.hpp>

#include "parallel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace featlib {
namespace {

/// Finds the rows of a dedup key: whether a window must do without the request's own row.
class KeyIndex {
 public:
  explicit KeyIndex(const Rows& rows) : rows_(rows) {
    if (rows.source().dedup_field < 0) return;
    const SlotColumn& keys = rows.fields[static_cast<std::size_t>(rows.source().dedup_field)];
    for (std::size_t i = 0; rising_ && i < rows.size(); ++i)
      rising_ = keys.held[i] == Held::value && (i == 0 || keys.bits[i - 1] < keys.bits[i]);
    if (rising_) return;
    rows_by_key_.reserve(rows.size());
    next_.assign(rows.size(), none);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Slot key = keys[static_cast<Row>(i)];
      if (key.is_null()) continue;
      const auto [place, fresh] = rows_by_key_.try_emplace(tagged(key), static_cast<Row>(i));
      if (!fresh) { next_[i] = place->second; place->second = static_cast<Row>(i); }
    }
  }

  /// Whether no window can meet the request's own row: the decisions are the rows themselves, and none is `before` its decision.
  template <class Before>
  bool own_rows_apart(const SlotColumn& request_keys, Before&& before) const {
    if (rows_.source().dedup_field < 0 || !rising_ || request_keys.bits.size() != rows_.size() || !request_keys.whole) return false;
    const auto& keys = rows_.fields[static_cast<std::size_t>(rows_.source().dedup_field)].bits;
    for (std::size_t i = 0; i < keys.size(); ++i)
      if (keys[i] != request_keys.bits[i] || before(static_cast<Row>(i), i)) return false;
    return true;
  }

  /// Whether some row of this key is `before` the decision: one that the bounds alone might let in.
  template <class Before>
  bool reaches(Slot key, std::size_t likely, Before&& before) const {
    if (key.is_null() || rows_.source().dedup_field < 0) return false;
    if (rising_) {
      const auto& bits = rows_.fields[static_cast<std::size_t>(rows_.source().dedup_field)].bits;
      // A table of decisions is mostly the table of events: look at the same row first.
      const std::size_t at = likely < bits.size() && bits[likely] == key.bits
                                 ? likely
                                 : static_cast<std::size_t>(std::lower_bound(bits.begin(), bits.end(), key.bits) - bits.begin());
      return key.held == Held::value && at < bits.size() && bits[at] == key.bits && before(static_cast<Row>(at));
    }
    const auto found = rows_by_key_.find(tagged(key));
    if (found == rows_by_key_.end()) return false;
    for (Row row = found->second; row != none; row = next_[row])
      if (before(row)) return true;
    return false;
  }

 private:
  static constexpr Row none = ~Row{0};
  using Tagged = std::pair<std::uint64_t, int>;
  static Tagged tagged(Slot key) { return {key.bits, static_cast<int>(key.held)}; }

  const Rows& rows_;
  bool rising_ = true;
  boost::unordered_flat_map<Tagged, Row, boost::hash<Tagged>> rows_by_key_;
  std::vector<Row> next_;
};

/// Items by entity: those of entity e are items[start[e]] .. items[start[e + 1]], in their order as given.
struct Groups {
  std::vector<std::uint32_t> start;
  std::vector<Row> items;
};

Groups group(const std::vector<EntityId>& entity, std::size_t entities, const std::vector<bool>* counts) {
  Groups out;
  out.start.assign(entities + 1, 0);
  const auto counted = [&](std::size_t i) { return entity[i] != no_entity && (!counts || (*counts)[i]); };
  for (std::size_t i = 0; i < entity.size(); ++i)
    if (counted(i)) ++out.start[entity[i] + 1];
  std::partial_sum(out.start.begin(), out.start.end(), out.start.begin());
  std::vector<std::uint32_t> at(out.start.begin(), out.start.end() - 1);
  out.items.resize(out.start.back());
  for (std::size_t i = 0; i < entity.size(); ++i)
    if (counted(i)) out.items[at[entity[i]]++] = static_cast<Row>(i);
  return out;
}

/// Exact prefix sums over one timeline of one argument: a window's sum is a difference, whatever it holds.
class PrefixSums {
 public:
  PrefixSums(const Aggregate& aggregate, const Rows& rows) : a_(aggregate), rows_(rows) {}

  static bool serves(const Aggregate& a) {
    const bool kind = a.kind == AggregateKind::count || a.kind == AggregateKind::sum || a.kind == AggregateKind::mean;
    return kind && !a.where && !a.last && !a.gap && (a.argument_is_column || !a.argument);
  }
  bool same_as(const Aggregate& other) const {
    return other.argument_is_column == a_.argument_is_column && (!a_.argument_is_column || other.argument_fields[0] == a_.argument_fields[0]);
  }

  /// False when the values are too wide for 128 bits: such a timeline is read row by row.
  bool fill(std::span<const Row> order) {
    if (!a_.argument_is_column) return true;
    const auto field = static_cast<std::size_t>(a_.argument_fields[0]);
    const SlotColumn& column = rows_.fields[field];
    const int gate = rows_.gate_of(a_.argument_fields[0]);
    const bool real = a_.argument_type == Type::float64;
    const std::size_t n = order.size();
    count_.resize(n + 1);
    sum_.resize(n + 1);
    latest_.resize(n + 1);
    unit_ = 0;
    if (real) {
      int lowest = 2000, highest = -2000;
      for (const Row row : order) {
        if (column[row].is_null()) continue;
        const Decomposed parts = decompose(column[row].real());
        if (parts.significand == 0) continue;
        lowest = std::min(lowest, parts.exponent);
        highest = std::max(highest, parts.exponent);
      }
      // 53 bits of significand, the span of exponents, and 32 bits for the number of rows.
      if (highest - lowest > 127 - 53 - 32) return false;
      unit_ = highest < lowest ? 0 : lowest;
    }
    count_[0] = 0;
    sum_[0] = 0;
    latest_[0] = always;
    for (std::size_t i = 0; i < n; ++i) {
      const Row row = order[i];
      const bool held = !column[row].is_null();
      int128 addend = 0;
      if (held && real) {
        const Decomposed parts = decompose(column[row].real());
        if (parts.significand) addend = static_cast<int128>(parts.significand) * (static_cast<int128>(1) << (parts.exponent - unit_));
      } else if (held) {
        addend = column[row].integer();
      }
      count_[i + 1] = count_[i] + held;
      sum_[i + 1] = sum_[i] + addend;
      latest_[i + 1] = gate < 0 || !held ? latest_[i] : std::max(latest_[i], rows_.stamps[static_cast<std::size_t>(gate)][row]);
    }
    return true;
  }

  void prefetch(Row row) const {
    if (!a_.argument_is_column) return;
    const SlotColumn& column = rows_.fields[static_cast<std::size_t>(a_.argument_fields[0])];
    __builtin_prefetch(&column.bits[row]);
    if (!column.whole) __builtin_prefetch(&column.held[row]);
    if (const int gate = rows_.gate_of(a_.argument_fields[0]); gate >= 0) __builtin_prefetch(&rows_.stamps[static_cast<std::size_t>(gate)].dense()[row]);
  }

  /// Whether every cell before a position is known at as_of.
  bool known(std::size_t position, Instant as_of) const { return !a_.argument_is_column || latest_[position] <= as_of; }

  Aggregated value(const WindowStep& step, Positions p, const Asked& asked) const {
    const Aggregate& a = *step.aggregate;
    std::int64_t n = static_cast<std::int64_t>(p.last - p.first);
    int128 sum = 0;
    if (a_.argument_is_column) {
      n = count_[p.last] - count_[p.first];
      sum = sum_[p.last] - sum_[p.first];
    }
    int unit = unit_;
    if (a.include_request) {
      if (!a_.argument_is_column) {
        ++n;
      } else if (const Slot own = asked.request[static_cast<std::size_t>(step.argument_request[0])]; !own.is_null()) {
        ++n;
        if (a.argument_type != Type::float64) sum += own.integer();
        else if (!add(own.real(), sum, unit)) return wide(own.real(), a, n, step.min_rows, p);
      }
    }
    const Aggregated value = a.kind == AggregateKind::count ? Aggregated::of(n) : n == 0 ? Aggregated::none(Cause::null) : rounded(a, sum, unit, n);
    return n < step.min_rows && value.cause != Cause::error ? Aggregated::none(Cause::insufficient_history) : value;
  }

 private:
  static Aggregated rounded(const Aggregate& a, int128 sum, int unit, std::int64_t n) {
    const auto divisor = a.kind == AggregateKind::mean ? static_cast<std::uint64_t>(n) : 1;
    if (a.argument_type == Type::float64) return Aggregated::of(round_quotient(sum, divisor, unit));
    if (a.kind == AggregateKind::mean || a.argument_type == Type::decimal) {
      constexpr int128 exact = int128{1} << 53;
      if (a.argument_scale == 0 && sum < exact && -sum < exact) return Aggregated::of(static_cast<double>(static_cast<std::int64_t>(sum)) / static_cast<double>(divisor) + 0.0);
      return Aggregated::of(integer_quotient(sum, divisor, a.argument_scale));
    }
    if (sum > std::numeric_limits<std::int64_t>::max() || sum < std::numeric_limits<std::int64_t>::min()) return Aggregated::none(Cause::error);
    return Aggregated::of(static_cast<std::int64_t>(sum));
  }

  /// Adds a double to a sum in units of 2^unit, when both fit 128 bits.
  static bool add(double value, int128& sum, int& unit) {
    const Decomposed parts = decompose(value);
    if (parts.significand == 0) return true;
    if (sum == 0) unit = parts.exponent;
    const auto bits = [](int128 v) { return 128 - (v == 0 ? 128 : __builtin_clzll(static_cast<std::uint64_t>((v < 0 ? -v : v) >> 64) | 1)); };
    if (parts.exponent < unit) {
      const int down = unit - parts.exponent;
      if (bits(sum) + down > 125) return false;
      sum *= static_cast<int128>(1) << down;
      unit = parts.exponent;
    }
    const int up = parts.exponent - unit;
    if (up + 53 > 125 || bits(sum) > 125) return false;
    sum += static_cast<int128>(parts.significand) * (static_cast<int128>(1) << up);
    return true;
  }

  /// The request's own value is of quite another size than the timeline's: rare, so say it plainly.
  Aggregated wide(double own, const Aggregate& a, std::int64_t n, std::int64_t min_rows, Positions p) const {
    ExactSum sum;
    sum.add(own);
    sum.add_scaled(sum_[p.last] - sum_[p.first], unit_);
    const Aggregated value = a.kind == AggregateKind::count ? Aggregated::of(n)
                                                            : Aggregated::of(sum.quotient(a.kind == AggregateKind::mean ? static_cast<std::uint64_t>(n) : 1));
    return n < min_rows && value.cause != Cause::error ? Aggregated::none(Cause::insufficient_history) : value;
  }

  const Aggregate& a_;
  const Rows& rows_;
  std::vector<std::int64_t> count_;
  std::vector<int128> sum_;
  std::vector<Instant> latest_;      ///< latest stamp of the cells before a position
  int unit_ = 0;
};

/// Both ends of one span in one timeline; they only move forward while decisions come in order of as_of.
class Cursors {
 public:
  explicit Cursors(const Span& span) : span_(span) {}
  const Span& span() const { return span_; }
  void reset() { at_ = {}; }

  Positions advance(const TimelineStep& timeline, const TimelineView& view, const Asked& asked) {
    const Interval interval = interval_of(span_, view.rows->source(), asked.as_of);
    const auto& times = view.times;
    while (at_.first < times.size() && (interval.tail_closed ? times[at_.first] < interval.tail : times[at_.first] <= interval.tail)) ++at_.first;
    const Instant head = interval.head;
    const bool own_instant = timeline.is_request_source && interval.head_closed && head == asked.as_of;
    const bool closed = interval.head_closed && !own_instant;
    while (at_.last < times.size() && (closed ? times[at_.last] <= head : times[at_.last] < head)) ++at_.last;
    Positions out{at_.first, std::max(at_.first, at_.last)};
    // At the request's own instant only rows of a lesser sequence are before it.
    if (own_instant && timeline.request_sequence >= 0)
      while (out.last < times.size() && times[out.last] == asked.as_of && out.last >= out.first &&
             sequence_before(view.rows->sequence(view.order[out.last], timeline.source_entity), asked.sequence))
        ++out.last;
    return out;
  }

 private:
  Span span_;
  Positions at_;
};

/// Values of one timeline step, a row a decision. Decisions of one entity lie far apart in the table, so each writes one
/// line of memory here; columns are made of it afterwards in the order of the table. Writing to twelve columns at once took
/// 1.6x the time (handbook, 2 threads).
class StepValues {
 public:
  StepValues(std::size_t decisions, std::size_t windows) : windows_(windows), stride_((windows * 9 + 7) / 8), slots_(decisions * stride_) {}
  void set(std::size_t decision, std::size_t window, FeatureValue value) {
    std::uint64_t* row = slots_.data() + decision * stride_;
    row[window] = value.bits;
    reinterpret_cast<Status*>(row + windows_)[window] = value.status;
  }
  FeatureValue get(std::size_t decision, std::size_t window) const {
    const std::uint64_t* row = slots_.data() + decision * stride_;
    return {row[window], reinterpret_cast<const Status*>(row + windows_)[window]};
  }
  void prefetch(std::size_t decision) const { __builtin_prefetch(slots_.data() + decision * stride_, 1); }

 private:
  std::size_t windows_, stride_;
  std::vector<std::uint64_t> slots_;
};

/// One thread's work on one timeline step: entity after entity, each with all its decisions.
class TimelineWorker {
 public:
  TimelineWorker(const ReplayInput& input, const TimelineStep& step, const KeyIndex& keys, bool known_at_once, Instant complete_from, const VectorBuilder& builder,
                 MadeTexts& made, StepValues& out)
      : known_at_once_(known_at_once), input_(input), step_(step), keys_(keys), complete_from_(complete_from), builder_(builder), made_(made), out_(out),
        rows_(input.sources[static_cast<std::size_t>(step.source)].rows), request_(input.requests.fields.size()) {
    for (const WindowStep& window : step.windows) {
      Reader reader{&window, 0, -1};
      const auto cursor = std::find_if(cursors_.begin(), cursors_.end(), [&](const Cursors& c) { return c.span() == window.span; });
      reader.cursors = static_cast<std::size_t>(cursor - cursors_.begin());
      if (cursor == cursors_.end()) cursors_.emplace_back(window.span);
      if (PrefixSums::serves(*window.aggregate)) {
        const auto sums = std::find_if(sums_.begin(), sums_.end(), [&](const PrefixSums& s) { return s.same_as(*window.aggregate); });
        reader.sums = static_cast<int>(sums - sums_.begin());
        if (sums == sums_.end()) sums_.emplace_back(*window.aggregate, rows_);
      }
      readers_.push_back(reader);
    }
    positions_.resize(cursors_.size());
    usable_.resize(sums_.size());
    const int key = input.plan->request_key();
    const bool apart = key < 0 || keys.own_rows_apart(input.requests.fields[static_cast<std::size_t>(key)], [&](Row row, std::size_t d) {
      return is_before(row, input.requests.as_of[d], step.request_sequence < 0 ? Slot{} : input.requests.fields[static_cast<std::size_t>(step.request_sequence)][static_cast<Row>(d)]);
    });
    if (step.is_request_source && !apart) key_field_ = key;
    if (key_field_ >= 0) needed_.push_back(key_field_);
    if (step.request_sequence >= 0) needed_.push_back(step.request_sequence);
    for (const WindowStep& window : step.windows) {
      needed_.insert(needed_.end(), window.argument_request.begin(), window.argument_request.end());
      needed_.insert(needed_.end(), window.where_request.begin(), window.where_request.end());
    }
    std::sort(needed_.begin(), needed_.end());
    needed_.erase(std::unique(needed_.begin(), needed_.end()), needed_.end());
  }

  /// `rows_after` and `decisions_after`: how many more of each follow in memory, of the next entities, to be fetched ahead.
  void run(std::span<const Row> order, std::span<Row> decisions, std::size_t rows_after, std::size_t decisions_after) {
    const Requests& requests = input_.requests;
    const std::size_t rows_ahead = order.size() + rows_after, decisions_ahead = decisions.size() + decisions_after;
    const auto earlier = [&](Row a, Row b) { return requests.as_of[a] < requests.as_of[b]; };
    if (!std::is_sorted(decisions.begin(), decisions.end(), earlier)) std::stable_sort(decisions.begin(), decisions.end(), earlier);
    order_.assign(order.begin(), order.end());
    const auto before = [&](Row a, Row b) { return rows_.compare_order(a, b, step_.source_entity) < 0; };
    const auto in_order = [&](Row a, Row b) { return rows_.event_time[a] < rows_.event_time[b]; };
    // Most tables come in order of time; the full comparison is for what is left, ties.
    for (std::size_t i = 1; i < order_.size(); ++i)
      if (!in_order(order_[i - 1], order_[i]) && before(order_[i], order_[i - 1])) {
        std::sort(order_.begin(), order_.end(), before);
        break;
      }
    times_.resize(order_.size());
    hidden_.assign(rows_.corrected() ? order_.size() + 1 : 0, never);
    latest_.resize(order_.size() + 1);
    latest_[0] = always;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (i + ahead < rows_ahead) fetch_row(order.data()[i + ahead]);
      times_[i] = rows_.event_time[order_[i]];
      latest_[i + 1] = std::max(latest_[i], known_at_once_ ? times_[i] : rows_.known_at[order_[i]]);
      if (rows_.corrected()) hidden_[i + 1] = std::min(hidden_[i], rows_.hidden_at[order_[i]]);
    }
    for (std::size_t s = 0; s < sums_.size(); ++s) usable_[s] = sums_[s].fill(order_);
    for (Cursors& cursors : cursors_) cursors.reset();

    const TimelineView view{&rows_, order_, times_};
    Asked asked;
    asked.complete_from = complete_from_;
    asked.request = request_;
    asked.made = &made_;
    for (std::size_t i = 0; i < decisions.size(); ++i) {
      if (i + ahead < decisions_ahead) fetch_decision(decisions.data()[i + ahead]);
      const Row decision = decisions[i];
      asked.as_of = requests.as_of[decision];
      for (const int f : needed_) request_[static_cast<std::size_t>(f)] = requests.fields[static_cast<std::size_t>(f)][decision];
      asked.key = key_field_ >= 0 ? request_[static_cast<std::size_t>(key_field_)] : Slot{};
      asked.sequence = step_.request_sequence >= 0 ? request_[static_cast<std::size_t>(step_.request_sequence)] : Slot{};
      const bool own_row = keys_.reaches(asked.key, decision, [&](Row row) { return is_before(row, asked.as_of, asked.sequence); });
      for (std::size_t c = 0; c < cursors_.size(); ++c) positions_[c] = cursors_[c].advance(step_, view, asked);
      for (std::size_t w = 0; w < readers_.size(); ++w) {
        const Reader& reader = readers_[w];
        const Positions p = positions_[reader.cursors];
        Aggregated value;
        // Prefix sums hold every row: they serve when all before the window's head are known, none hidden and none the request's own.
        if (reader.sums >= 0 && usable_[static_cast<std::size_t>(reader.sums)] && !own_row && latest_[p.last] <= asked.as_of &&
            (hidden_.empty() || asked.as_of < hidden_[p.last]) && sums_[static_cast<std::size_t>(reader.sums)].known(p.last, asked.as_of))
          value = sums_[static_cast<std::size_t>(reader.sums)].value(*reader.step, p, asked);
        else value = fold(step_, *reader.step, view, asked, p);
        value = unless_incomplete(*reader.step, rows_, asked, value);
        out_.set(decision, w, builder_.finish(reader.step->feature, value));
      }
    }
  }

 private:
  struct Reader {
    const WindowStep* step;
    std::size_t cursors;
    int sums;                          ///< into sums_, -1: read row by row
  };

  /// The request's own row mostly happened at as_of, where it is not before the request: only a lesser sequence makes it so.
  bool is_before(Row row, Instant as_of, Slot sequence) const {
    if (rows_.event_time[row] != as_of) return rows_.event_time[row] < as_of;
    return step_.request_sequence >= 0 && sequence_before(rows_.sequence(row, step_.source_entity), sequence);
  }

  /// Rows and decisions of one entity are scattered over their tables: memory answers in time only when asked early.
  static constexpr std::size_t ahead = 16;
  void fetch_row(Row row) const {
    __builtin_prefetch(&rows_.event_time.dense()[row]);
    if (!known_at_once_) __builtin_prefetch(&rows_.known_at.dense()[row]);
    for (const PrefixSums& sums : sums_) sums.prefetch(row);
  }
  void fetch_decision(Row decision) const {
    __builtin_prefetch(&input_.requests.as_of[decision]);
    for (const int f : needed_) {
      const SlotColumn& column = input_.requests.fields[static_cast<std::size_t>(f)];
      __builtin_prefetch(&column.bits[decision]);
      if (!column.whole) __builtin_prefetch(&column.held[decision]);
    }
    out_.prefetch(decision);
  }

  bool known_at_once_;                 ///< every row became known when it happened
  const ReplayInput& input_;
  const TimelineStep& step_;
  const KeyIndex& keys_;
  Instant complete_from_;
  const VectorBuilder& builder_;
  MadeTexts& made_;
  StepValues& out_;
  const Rows& rows_;
  int key_field_ = -1;                 ///< the request's dedup key, -1 where no row of it can be met
  std::vector<int> needed_;            ///< request fields that this timeline's windows look at
  std::vector<Reader> readers_;
  std::vector<Cursors> cursors_;
  std::vector<PrefixSums> sums_;
  std::vector<char> usable_;
  std::vector<Positions> positions_;
  std::vector<Slot> request_;
  std::vector<Row> order_;
  std::vector<Instant> times_;
  std::vector<Instant> latest_, hidden_;   ///< of the rows before a position: when the last one is known, when the first one is hidden
};

/// Request fields and expressions, row by row, once all aggregates stand.
void derive_all(const ReplayInput& input, const VectorBuilder& builder, int threads, FeatureTable& out) {
  const Contract& contract = input.plan->contract();
  std::vector<int> read_features;       // only what some expression reads is gathered
  bool makes_text = false;              // such results are interned, by one thread
  for (const int f : input.plan->derived()) {
    const Feature& feature = contract.features()[static_cast<std::size_t>(f)];
    makes_text = makes_text || (feature.kind == FeatureKind::expression && feature.type == Type::string);
    for (const FeatureInput& i : feature.inputs)
      if (i.kind == FeatureInput::Kind::feature) read_features.push_back(i.index);
  }
  over_rows(makes_text ? 1 : threads, input.requests.size(), [&](int, std::size_t from, std::size_t to) {
    std::vector<FeatureValue> features(contract.features().size());
    std::vector<Slot> request(contract.request().size());
    for (std::size_t d = from; d < to; ++d) {
      if (input.requests.refused[d] != Refusal::none) {
        for (std::size_t f = 0; f < features.size(); ++f) out.column(static_cast<int>(f)).set(d, VectorBuilder::refused());
        continue;
      }
      for (const int f : read_features) features[static_cast<std::size_t>(f)] = out.column(f)[d];
      for (std::size_t f = 0; f < request.size(); ++f) request[f] = input.requests.fields[f][static_cast<Row>(d)];
      for (const int f : input.plan->derived()) {
        features[static_cast<std::size_t>(f)] = builder.derive(f, request, input.requests.as_of[d], features);
        out.column(f).set(d, features[static_cast<std::size_t>(f)]);
      }
    }
  });
}

}  // namespace

Result<ReplayInput> read_sources(const Contract& contract, const std::map<std::string, Table>& sources, const ReplayOptions& options) {
  ReplayInput input;
  input.plan = std::make_shared<const Plan>(contract);
  input.pool = std::make_shared<TextPool>();
  input.entities = make_entity_directory(contract);
  std::vector<Failure> failures;
  for (const auto& [name, table] : sources)
    if (contract.find_source(name) < 0)
      failures.push_back({ErrorCode::unknown_source, name, 0, 0, fmt::format("the contract has no source `{}`", name), {}});
  for (const auto& [name, from] : options.complete_from)
    if (contract.find_source(name) < 0)
      failures.push_back({ErrorCode::unknown_source, name, 0, 0, fmt::format("complete_from names `{}`, which is no source of the contract", name), {}});
  for (std::size_t s = 0; s < contract.sources().size(); ++s) {
    const std::string& name = contract.sources()[s].name;
    const auto found = sources.find(name);
    if (found == sources.end()) {
      failures.push_back({ErrorCode::missing_source, name, 0, 0, fmt::format("source `{}` was not given", name), "pass its table; one without rows is valid"});
      continue;
    }
    auto batch = read_rows(contract, static_cast<int>(s), found->second, *input.pool, input.entities, thread_count(options.threads));
    if (batch) input.sources.push_back(std::move(batch).value());
    else failures.insert(failures.end(), batch.error().failures().begin(), batch.error().failures().end());
  }
  if (!failures.empty()) return Error(std::move(failures));
  return input;
}

Result<ReplayInput> read_input(const Contract& contract, const Table& decisions, const std::map<std::string, Table>& sources, const ReplayOptions& options) {
  auto input = read_sources(contract, sources, options);
  if (!input) return input;
  auto requests = read_requests(contract, decisions, options.as_of, *input.value().pool, input.value().entities, thread_count(options.threads));
  if (!requests) return requests.error();
  input.value().requests = std::move(requests).value();
  return input;
}

Result<FeatureTable> replay(const Contract& contract, const Table& decisions, const std::map<std::string, Table>& sources, const ReplayOptions& options) {
  auto read = read_input(contract, decisions, sources, options);
  if (!read) return read.error();
  FeatureTable out(read.value().plan, decisions, read.value().pool);
  replay_into(read.value(), options, out);
  return out;
}

void replay_into(ReplayInput& input, const ReplayOptions& options, FeatureTable& out) {
  const Contract& contract = input.plan->contract();
  const VectorBuilder builder(*input.plan, *input.pool);
  const int threads = thread_count(options.threads);
  const auto& steps = input.plan->timelines();
  const double shares = static_cast<double>(steps.size()) + 1;

  std::vector<std::vector<bool>> counts;
  std::vector<KeyIndex> keys;
  for (SourceBatch& batch : input.sources) {
    counts.push_back(settle_copies(batch.rows, batch.report));
    settle_corrections(batch.rows, counts.back());
    keys.emplace_back(batch.rows);
  }
  for (std::size_t t = 0; t < steps.size(); ++t) {
    const TimelineStep& step = steps[t];
    const SourceBatch& batch = input.sources[static_cast<std::size_t>(step.source)];
    const auto given = options.complete_from.find(batch.rows.source().name);
    const Instant complete_from = std::max(batch.complete_from, given == options.complete_from.end() ? always : given->second);
    const std::size_t entities = input.entities[static_cast<std::size_t>(step.entity)].size();
    const auto& asked_entities = input.requests.entity[static_cast<std::size_t>(step.entity)];
    const Groups rows = group(batch.rows.entity[static_cast<std::size_t>(step.source_entity)].dense(), entities, &counts[static_cast<std::size_t>(step.source)]);
    Groups decisions_of = group(asked_entities, entities, nullptr);

    // Pieces of about equal numbers of decisions; one more for those whose entity has no rows.
    std::vector<std::size_t> cut{0};
    const std::size_t piece = std::max<std::size_t>(2'000, decisions_of.items.size() / 64);
    for (std::size_t e = 1; e <= entities; ++e)
      if (e == entities || decisions_of.start[e] - decisions_of.start[cut.back()] >= piece) cut.push_back(e);
    StepValues values(input.requests.size(), step.windows.size());
    MadeTexts made;
    std::vector<TimelineWorker> workers;
    for (int w = 0; w < threads; ++w) workers.emplace_back(input, step, keys[static_cast<std::size_t>(step.source)], batch.rows.known_at.dense() == batch.rows.event_time.dense(), complete_from, builder, made, values);
    in_parallel(threads, cut.size() - 1, [&](int thread, std::size_t p) {
      for (std::size_t e = cut[p]; e < cut[p + 1]; ++e) {
        const std::span<Row> decisions_here(decisions_of.items.data() + decisions_of.start[e], decisions_of.start[e + 1] - decisions_of.start[e]);
        if (!decisions_here.empty())
          workers[static_cast<std::size_t>(thread)].run({rows.items.data() + rows.start[e], rows.start[e + 1] - rows.start[e]}, decisions_here,
                                                        rows.items.size() - rows.start[e + 1], decisions_of.items.size() - decisions_of.start[e + 1]);
      }
      if (thread == 0 && options.progress) options.progress((static_cast<double>(t) + static_cast<double>(p) / static_cast<double>(cut.size())) / shares);
    });
    for (std::size_t d = 0; d < input.requests.size(); ++d) {
      if (input.requests.refused[d] != Refusal::none || asked_entities[d] != no_entity) continue;
      if (input.requests.keyed[static_cast<std::size_t>(step.entity)][d]) {
        Row alone = static_cast<Row>(d);
        workers[0].run({}, {&alone, 1}, 0, 0);
      } else {
        for (std::size_t w = 0; w < step.windows.size(); ++w) values.set(d, w, builder.finish(step.windows[w].feature, Aggregated::none(Cause::null)));
      }
    }
    for (std::size_t w = 0; w < step.windows.size(); ++w) {
      if (!makes_text(step.windows[w].aggregate->kind)) continue;
      for (std::size_t d = 0; d < input.requests.size(); ++d)
        if (const FeatureValue value = values.get(d, w); value.status == status_of(Cause::ok)) values.set(d, w, {input.pool->acquire(made[value.bits]), value.status});
    }
    over_rows(threads, input.requests.size(), [&](int, std::size_t from, std::size_t to) {
      for (std::size_t w = 0; w < step.windows.size(); ++w) {
        FeatureColumn& column = out.column(step.windows[w].feature);
        for (std::size_t d = from; d < to; ++d) column.set(d, values.get(d, w));
      }
    });
  }

  derive_all(input, builder, threads, out);
  for (std::size_t s = 0; s < input.sources.size(); ++s) out.reports[contract.sources()[s].name] = input.sources[s].report;
  RowReport& decided = out.reports["decisions"];
  decided.rows = static_cast<std::int64_t>(input.requests.size());
  for (std::size_t d = 0; d < input.requests.size(); ++d) {
    if (input.requests.refused[d] == Refusal::none) ++decided.accepted;
    else decided.refuse(static_cast<std::int64_t>(d), {}, input.requests.refused[d]);
  }
  if (options.progress) options.progress(1.0);
}

}  // namespace featlib
