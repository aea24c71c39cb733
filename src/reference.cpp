#include <featlib/vector/reference.hpp>

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <boost/multiprecision/cpp_int.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

namespace featlib {
namespace {

using Rational = boost::multiprecision::cpp_rational;
using Integer = boost::multiprecision::cpp_int;

/// The double as a rational; 2^1024 stands for infinity, as rounding sees it.
Rational exactly(double x) {
  if (std::isinf(x)) return x > 0 ? Rational(Integer(1) << 1024) : -Rational(Integer(1) << 1024);
  int exponent = 0;
  const double significand = std::frexp(x, &exponent);
  const Rational whole(static_cast<std::int64_t>(std::ldexp(significand, 53)));
  exponent -= 53;
  return exponent >= 0 ? whole * Rational(Integer(1) << exponent) : whole / Rational(Integer(1) << -exponent);
}

/// Doubles as integers in the same order, and back.
std::int64_t rank_of(double x) {
  const auto bits = std::bit_cast<std::int64_t>(x);
  return bits < 0 ? std::numeric_limits<std::int64_t>::min() - bits : bits;
}
double at_rank(std::int64_t rank) { return std::bit_cast<double>(rank < 0 ? std::numeric_limits<std::int64_t>::min() - rank : rank); }

/// The nearest double, ties to even, by halving; a good guess makes it short. `compare(r)` orders r against the exact value.
template <class Compare>
std::optional<double> nearest(double guess, Compare&& compare) {
  const double infinity = std::numeric_limits<double>::infinity();
  std::int64_t low = rank_of(-infinity), high = rank_of(infinity);
  const auto narrow = [&](std::int64_t rank) {
    if (rank > low && rank < high) (compare(exactly(at_rank(rank))) <= 0 ? low : high) = rank;
  };
  narrow(rank_of(guess) - 1);
  narrow(rank_of(guess) + 2);
  while (low + 1 < high) narrow(std::midpoint(low, high));
  const auto side = compare((exactly(at_rank(low)) + exactly(at_rank(high))) / 2);
  const double out = at_rank(side > 0 ? low : side < 0 ? high : low % 2 == 0 ? low : high);
  if (std::isinf(out)) return std::nullopt;
  return out + 0.0;
}

double guess_of(const Rational& x) {
  using Float = boost::multiprecision::cpp_bin_float_100;
  const double guess = static_cast<double>(Float(numerator(x)) / Float(denominator(x)));
  const double largest = std::numeric_limits<double>::max();
  return std::clamp(guess, -largest, largest);
}

std::optional<double> rounded(const Rational& x) {
  return nearest(guess_of(x), [&](const Rational& r) { return r.compare(x); });
}

std::optional<double> rounded_root(const Rational& x) {
  return nearest(std::sqrt(guess_of(x)), [&](const Rational& r) { return r < 0 ? -1 : Rational(r * r).compare(x); });
}

/// One row of a window: the aggregate's argument, and when the row happened.
struct Gathered {
  Slot value;
  Instant event_time;
};

class Definition {
 public:
  Definition(const ReplayInput& input, const ReplayOptions& options) : input_(input), contract_(input.plan->contract()), options_(options) {}

  Aggregated value(const TimelineStep& timeline, const WindowStep& step, std::size_t decision) const {
    const Aggregate& a = *step.aggregate;
    const SourceBatch& batch = input_.sources[static_cast<std::size_t>(timeline.source)];
    const Source& source = batch.rows.source();
    const Instant as_of = input_.requests.as_of[decision];
    const auto given = options_.complete_from.find(source.name);
    const Instant complete_from = std::max(batch.complete_from, given == options_.complete_from.end() ? always : given->second);
    const Duration back = a.window ? a.offset + *a.window : source.retention.value_or(0);
    const Instant tail = a.window || source.retention ? minus(as_of, back) : always;
    if (!input_.requests.keyed[static_cast<std::size_t>(timeline.entity)][decision]) return Aggregated::none(Cause::null);

    std::vector<Row> rows;
    for (Row row = 0; row < batch.rows.size(); ++row)
      if (in_window(timeline, a, row, decision, tail) && visible(timeline, row, decision)) rows.push_back(row);
    std::sort(rows.begin(), rows.end(), [&](Row x, Row y) { return batch.rows.compare_order(x, y, timeline.source_entity) < 0; });

    std::vector<Gathered> gathered;
    for (const Row row : rows) {
      const auto cell = [&](int field) { return known_cell(batch.rows, row, field, as_of); };
      if (!a.where || truth(evaluate(*a.where, a.where_fields, source, cell))) gathered.push_back({argument(a, source, cell), batch.rows.event_time[row]});
    }
    if (a.include_request) {
      const auto cell = [&](int field) {
        const int request = contract_.find_request(source.fields[static_cast<std::size_t>(field)].name);
        return input_.requests.fields[static_cast<std::size_t>(request)][static_cast<Row>(decision)];
      };
      if (!a.where || truth(evaluate(*a.where, a.where_fields, source, cell))) gathered.push_back({argument(a, source, cell), as_of});
    }
    if (a.last && gathered.size() > static_cast<std::size_t>(*a.last)) gathered.erase(gathered.begin(), gathered.end() - *a.last);
    // The first cause that applies: error, history_incomplete, insufficient_history, null.
    const auto [value, counted] = aggregate(a, gathered, as_of);
    if (value.cause == Cause::error) return value;
    if (tail < complete_from) return Aggregated::none(Cause::history_incomplete);
    if (counted < step.min_rows) return Aggregated::none(Cause::insufficient_history);
    return value;
  }

 private:
  /// Of rows with equal dedup key and event_time only the one with the least (known_at, content) counts.
  bool counts(const Rows& rows, Row row) const {
    if (rows.dedup_key(row).is_null()) return true;
    for (Row other = 0; other < rows.size(); ++other) {
      if (other == row || rows.correction_of(other) != Correction::none || rows.dedup_key(other) != rows.dedup_key(row) || rows.event_time[other] != rows.event_time[row]) continue;
      if (rows.counts_before(other, row) || (!rows.counts_before(row, other) && other < row)) return false;
    }
    return true;
  }

  /// The version of the row's key that counts at as_of: the last of its corrections known then, or none.
  static std::optional<Row> version_at(const Rows& rows, Row row, Instant as_of) {
    std::optional<Row> last;
    if (!rows.corrected() || rows.dedup_key(row).is_null()) return last;
    for (Row other = 0; other < rows.size(); ++other) {
      if (rows.correction[other] == Correction::none || rows.dedup_key(other) != rows.dedup_key(row) || rows.known_at[other] > as_of) continue;
      if (!last || rows.compare_versions(*last, other) <= 0) last = other;
    }
    return last;
  }

  /// Of the values given for a gated cell by the copies of a row, the least (stamp, value) counts; it is null before its stamp.
  Slot known_cell(const Rows& rows, Row row, int field, Instant as_of) const {
    if (rows.gate_of(field) < 0) return rows.fields[static_cast<std::size_t>(field)][row];
    Row best = row;
    if (!rows.dedup_key(row).is_null() && rows.correction_of(row) == Correction::none)
      for (Row other = 0; other < rows.size(); ++other)
        if (rows.correction_of(other) == Correction::none && rows.dedup_key(other) == rows.dedup_key(row) && rows.event_time[other] == rows.event_time[row] && rows.cell_precedes(field, other, best)) best = other;
    return rows.cell(best, field, as_of);
  }

  bool in_window(const TimelineStep& timeline, const Aggregate& a, Row row, std::size_t decision, Instant tail) const {
    const Rows& rows = input_.sources[static_cast<std::size_t>(timeline.source)].rows;
    const EntityId entity = input_.requests.entity[static_cast<std::size_t>(timeline.entity)][decision];
    if (entity == no_entity || rows.entity[static_cast<std::size_t>(timeline.source_entity)][row] != entity) return false;
    const Instant at = rows.event_time[row];
    const Instant head = input_.requests.as_of[decision] - a.offset;
    if (head_closed(a.bounds) ? at > head : at >= head) return false;
    return !a.window || tail_closed(a.bounds) ? at >= tail : at > tail;
  }

  bool visible(const TimelineStep& timeline, Row row, std::size_t decision) const {
    const Rows& rows = input_.sources[static_cast<std::size_t>(timeline.source)].rows;
    const Source& source = rows.source();
    const Instant as_of = input_.requests.as_of[decision];
    if (rows.known_at[row] > as_of) return false;
    if (source.retention && rows.event_time[row] < minus(as_of, *source.retention)) return false;
    if (const auto version = version_at(rows, row, as_of)) {
      if (row != *version || rows.correction[row] == Correction::retract) return false;   // a correction beats all originals of its key
    } else if (!counts(rows, row)) {
      return false;
    }
    if (timeline.source != contract_.request_of()) return true;
    const auto asked = [&](int field) { return field < 0 ? Slot{} : input_.requests.fields[static_cast<std::size_t>(field)][static_cast<Row>(decision)]; };
    const Slot key = asked(input_.plan->request_key());
    if (!key.is_null() && rows.dedup_key(row) == key) return false;
    if (rows.event_time[row] != as_of) return true;
    const Slot sequence = rows.sequence(row, timeline.source_entity), own = asked(timeline.request_sequence);
    return timeline.request_sequence >= 0 && !own.is_null() && (sequence.is_null() || sequence.integer() < own.integer());
  }

  template <class CellOf>
  Evaluated evaluate(const Expression& expression, const std::vector<int>& fields, const Source& source, CellOf&& cell) const {
    std::vector<Cell> cells;
    for (const int field : fields)
      cells.push_back(input_.sources[static_cast<std::size_t>(contract_.find_source(source.name))].rows.to_cell(cell(field), source.fields[static_cast<std::size_t>(field)]));
    return expression.evaluate(cells);
  }

  static bool truth(const Evaluated& e) { return !e.value.is_null() && e.value.integer != 0; }

  template <class CellOf>
  Slot argument(const Aggregate& a, const Source& source, CellOf&& cell) const {
    if (!a.argument) return {};
    if (a.argument_is_column) return cell(a.argument_fields[0]);
    const Evaluated e = evaluate(*a.argument, a.argument_fields, source, cell);
    if (e.value.is_null()) return {};
    return {e.value.kind == Cell::Kind::real ? std::bit_cast<std::uint64_t>(e.value.real) : static_cast<std::uint64_t>(e.value.integer), Held::value};
  }

  /// The value, and how many rows or non-null values it is of: what min_rows counts.
  std::pair<Aggregated, std::int64_t> aggregate(const Aggregate& a, const std::vector<Gathered>& gathered, Instant as_of) const {
    std::vector<Slot> values;
    for (const Gathered& g : gathered)
      if (!g.value.is_null() || a.keep_nulls) values.push_back(g.value);
    const bool by_rows = a.kind == AggregateKind::count || a.kind == AggregateKind::time_since_last;
    const auto counted = static_cast<std::int64_t>(by_rows ? gathered.size() : values.size());
    return {of_values(a, gathered, values, counted, as_of), counted};
  }

  Aggregated of_values(const Aggregate& a, const std::vector<Gathered>& gathered, const std::vector<Slot>& values, std::int64_t n, Instant as_of) const {
    switch (a.kind) {
      case AggregateKind::count: return Aggregated::of(n);
      case AggregateKind::count_if:
        return Aggregated::of(static_cast<std::int64_t>(std::count_if(values.begin(), values.end(), [](Slot v) { return v.bits != 0; })));
      case AggregateKind::count_distinct: {
        std::set<std::uint64_t> distinct;
        for (const Slot v : values) distinct.insert(v.bits);
        return Aggregated::of(static_cast<std::int64_t>(distinct.size()));
      }
      default: break;
    }
    if (n == 0) return Aggregated::none(Cause::null);

    switch (a.kind) {
      case AggregateKind::sum: {
        const Rational sum = total(a, values);
        if (a.argument_type == Type::float64 || a.argument_type == Type::decimal) return Aggregated::of(rounded(sum));
        if (sum > std::numeric_limits<std::int64_t>::max() || sum < std::numeric_limits<std::int64_t>::min()) return Aggregated::none(Cause::error);
        return Aggregated::of(static_cast<std::int64_t>(sum));
      }
      case AggregateKind::mean: return Aggregated::of(rounded(total(a, values) / n));
      case AggregateKind::var:
      case AggregateKind::std: {
        if (n <= a.ddof) return Aggregated::none(Cause::null);
        const Rational mean = total(a, values) / n;
        Rational squares = 0;
        for (const Slot v : values) squares += (number(a, v) - mean) * (number(a, v) - mean);
        const Rational variance = squares / (n - a.ddof);
        return Aggregated::of(a.kind == AggregateKind::var ? rounded(variance) : rounded_root(variance));
      }
      case AggregateKind::min: return shown(a, *std::min_element(values.begin(), values.end(), [&](Slot x, Slot y) { return less(a, x, y); }));
      case AggregateKind::max: return shown(a, *std::max_element(values.begin(), values.end(), [&](Slot x, Slot y) { return less(a, x, y); }));
      case AggregateKind::first: return shown(a, values.front());
      case AggregateKind::last: return shown(a, values.back());
      case AggregateKind::lag: return a.k < n ? shown(a, values[static_cast<std::size_t>(n - 1 - a.k)]) : Aggregated::none(Cause::null);
      case AggregateKind::time_since_last: return Aggregated::of(rounded(Rational(as_of - gathered.back().event_time) / a.time_unit));
      default: return Aggregated::none(Cause::error);
    }
  }

  static Rational number(const Aggregate& a, Slot v) {
    if (a.argument_type == Type::float64) return exactly(v.real());
    Rational unit = 1;
    for (int i = 0; i < a.argument_scale; ++i) unit *= 10;
    return Rational(v.integer()) / unit;
  }

  static Rational total(const Aggregate& a, const std::vector<Slot>& values) {
    Rational sum = 0;
    for (const Slot v : values) sum += number(a, v);
    return sum;
  }

  bool less(const Aggregate& a, Slot x, Slot y) const {
    if (a.argument_type == Type::string || a.argument_type == Type::category) return input_.pool->view(x.text()) < input_.pool->view(y.text());
    return number(a, x) < number(a, y);
  }

  static Aggregated shown(const Aggregate& a, Slot v) {
    if (v.is_null()) return Aggregated::none(Cause::null);
    if (a.argument_type == Type::decimal) return Aggregated::of(rounded(number(a, v)));
    return {v.bits, Cause::ok};
  }

  const ReplayInput& input_;
  const Contract& contract_;
  const ReplayOptions& options_;
};

}  // namespace

Result<FeatureTable> reference(const Contract& contract, const Table& decisions, const std::map<std::string, Table>& sources, const ReplayOptions& options) {
  auto read = read_input(contract, decisions, sources, options);
  if (!read) return read.error();
  const ReplayInput& input = read.value();
  const Definition definition(input, options);
  const VectorBuilder builder(*input.plan, *input.pool);

  FeatureTable table(input.plan, decisions, input.pool);
  std::vector<FeatureValue> features(contract.features().size());
  std::vector<Slot> request(contract.request().size());
  for (std::size_t d = 0; d < input.requests.size(); ++d) {
    const bool refused = input.requests.refused[d] != Refusal::none;
    for (std::size_t f = 0; f < request.size(); ++f) request[f] = input.requests.fields[f][static_cast<Row>(d)];
    for (const TimelineStep& timeline : input.plan->timelines())
      for (const WindowStep& step : timeline.windows)
        features[static_cast<std::size_t>(step.feature)] =
            refused ? VectorBuilder::refused() : builder.finish(step.feature, definition.value(timeline, step, d));
    for (const int f : input.plan->derived())
      features[static_cast<std::size_t>(f)] = refused ? VectorBuilder::refused() : builder.derive(f, request, input.requests.as_of[d], features);
    for (std::size_t f = 0; f < features.size(); ++f) table.column(static_cast<int>(f)).set(d, features[f]);
  }
  return table;
}

}  // namespace featlib
