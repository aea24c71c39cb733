#include "replay/program.hpp"

#include "parallel.hpp"
#include "replay/sums.hpp"
#include "window/central.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <mutex>

namespace featlib::replaying {
namespace {

constexpr int none_travels = -1, open_gate = -2, unknown_gate = -3;

/// An expression on every row, as if all cells were known: whether they are is looked at window by window.
template <class CellAt>
std::unique_ptr<SlotColumn> evaluate_all(const Expression& expression, std::size_t inputs, std::size_t rows, int threads, CellAt&& cell_at) {
  auto out = std::make_unique<SlotColumn>();
  out->resize(rows);
  over_rows(threads, rows, [&](int, std::size_t from, std::size_t to) {
    std::vector<Cell> cells(inputs);
    for (std::size_t row = from; row < to; ++row) {
      for (std::size_t i = 0; i < inputs; ++i) cells[i] = cell_at(i, static_cast<Row>(row));
      const Cell value = expression.evaluate(cells).value;
      Slot slot;
      if (value.kind == Cell::Kind::integer) slot = {static_cast<std::uint64_t>(value.integer), Held::value};
      if (value.kind == Cell::Kind::real) slot = {std::bit_cast<std::uint64_t>(value.real), Held::value};
      out->set(static_cast<Row>(row), slot);
    }
  });
  out->settle();
  return out;
}

ColumnRef ref(const SlotColumn& column) { return {column.bits.data(), column.whole ? nullptr : column.held.data()}; }

/// Where an item stands in a list that holds each once.
template <class T>
int index_of(std::vector<T>& items, const std::type_identity_t<T>& item) {
  const auto found = std::find(items.begin(), items.end(), item);
  if (found != items.end()) return static_cast<int>(found - items.begin());
  items.push_back(item);
  return static_cast<int>(items.size() - 1);
}

int travelling(std::vector<ColumnRef>& columns, ColumnRef column) {
  const int at = index_of(columns, column);
  if (columns.size() <= Dealt::most_columns) return at;
  columns.pop_back();
  return none_travels;
}

/// Whether every cell of a gated field is known once its row is, and `available_after` has passed: no window's head comes earlier.
bool opens_by_clock(const Rows& rows, int gate, int threads) {
  const auto& after = rows.source().fields[static_cast<std::size_t>(rows.gated_fields()[static_cast<std::size_t>(gate)])].available_after;
  if (!after) return false;
  const auto& stamps = rows.stamps[static_cast<std::size_t>(gate)].dense();
  const auto &known_at = rows.known_at.dense(), &event_time = rows.event_time.dense();
  std::atomic<bool> all = true;
  over_rows(threads, rows.size(), [&](int, std::size_t from, std::size_t to) {
    bool later = false;
    for (std::size_t i = from; i < to; ++i) later |= stamps[i] != never && stamps[i] > std::max(known_at[i], event_time[i] + *after);
    if (later) all = false;
  });
  return all;
}

}  // namespace

Program::Program(const ReplayInput& input, const TimelineStep& step, bool known_at_once, int threads)
    : input_(input), step_(step), rows_(input.sources[static_cast<std::size_t>(step.source)].rows), threads_(threads) {
  filters.emplace_back();
  gate_columns.assign(rows_.gated_fields().size(), unknown_gate);
  if (!known_at_once) known_column = travelling(row_columns, {reinterpret_cast<const std::uint64_t*>(rows_.known_at.dense().data()), nullptr});
  if (rows_.corrected()) hidden_column = travelling(row_columns, {reinterpret_cast<const std::uint64_t*>(rows_.hidden_at.dense().data()), nullptr});
  for (const WindowStep& window : step.windows) {
    Window out{&window, -1, add_place(window.span)};
    const auto take = taken(window);
    if (take) out.take = index_of(takes, *take);
    ordered = ordered || !take || window.aggregate->last || take->kind == Take::Kind::nth_newest || take->kind == Take::Kind::oldest;
    windows.push_back(out);
  }
  const bool own_instant = std::any_of(edges.begin(), edges.end(), [](const Edge& e) { return e.own_instant; });
  if (own_instant && step.request_sequence >= 0) {
    sequence_field = rows_.source().entities[static_cast<std::size_t>(step.source_entity)].sequence_field;
    sequence_column = row_field(sequence_field);
    own_sequence_column = own_field(step.request_sequence);
  }
  choose_units();
}

/// One unit for all sums of a series, when it can hold them: sums of many entities are then rounded together.
void Program::choose_units() {
  for (std::size_t s = 0; s < series.size(); ++s) {
    if (!series[s].real) continue;
    std::vector<std::pair<ColumnRef, std::size_t>> columns{{row_columns[static_cast<std::size_t>(series[s].column)], rows_.size()}};
    bool summed = false;
    for (const Take& take : takes) {
      const Range& range = ranges[static_cast<std::size_t>(take.range)];
      if (!take.sums() || range.series != static_cast<int>(s)) continue;
      summed = true;
      if (range.own_column >= 0) index_of(columns, {own_columns[static_cast<std::size_t>(range.own_column)], input_.requests.size()});
    }
    if (!summed) continue;
    Exponents all;
    std::mutex merging;
    for (const auto& column : columns)
      over_rows(threads_, column.second, [&](int, std::size_t from, std::size_t to) {
        Exponents part;
        for (std::size_t i = from; i < to; ++i)
          if (!column.first.is_null(i)) part.add(column.first.bits[i]);
        const std::lock_guard lock(merging);
        all.merge(part);
      });
    series[s].fits = all.fit(rows_.size() + 1, series[s].powers);
    series[s].unit = all.unit();
  }
}

int Program::add_place(const Span& span) {
  const auto same = [&](const Place& p) { return p.span == span; };
  if (const auto found = std::find_if(places.begin(), places.end(), same); found != places.end()) return static_cast<int>(found - places.begin());
  Place place{span, -1, -1};
  const auto add_edge = [&](const Edge& edge) { return index_of(edges, edge); };
  if (!span.gap) {
    const auto& retention = rows_.source().retention;
    const Duration bucket = span.bucket ? *span.tail - span.head : 0;
    const bool complete = span.bucket == Bucket::complete;
    if (span.bucket) place.first = add_edge({span.head, false, false, bucket, span.origin, complete});
    else if (span.tail) place.first = add_edge({*span.tail, !span.tail_closed});
    else if (retention) place.first = add_edge({*retention});
    if (complete) place.last = add_edge({span.head, false, false, bucket, span.origin});
    else place.last = add_edge({span.head, span.head_closed, step_.is_request_source && span.head_closed && span.head == 0});
  }
  places.push_back(place);
  return static_cast<int>(places.size() - 1);
}

int Program::row_field(int field) { return travelling(row_columns, ref(rows_.fields[static_cast<std::size_t>(field)])); }
int Program::own_field(int field) { return travelling(own_columns, ref(input_.requests.fields[static_cast<std::size_t>(field)])); }

int Program::computed(const Expression& expression, const std::vector<int>& fields) {
  auto& column = computed_[fmt::format("{} of {}", expression.canonical(), fmt::join(fields, ","))];
  if (!column)
    column = evaluate_all(expression, fields.size(), rows_.size(), threads_, [&](std::size_t i, Row row) {
      const auto field = static_cast<std::size_t>(fields[i]);
      return rows_.to_cell(rows_.fields[field][row], rows_.source().fields[field]);
    });
  return travelling(row_columns, ref(*column));
}

int Program::own_computed(const Expression& expression, const std::vector<int>& fields, const std::vector<int>& request) {
  auto& column = computed_[fmt::format("{} of the request's {}", expression.canonical(), fmt::join(request, ","))];
  if (!column)
    column = evaluate_all(expression, fields.size(), input_.requests.size(), threads_, [&](std::size_t i, Row decision) {
      return rows_.to_cell(input_.requests.fields[static_cast<std::size_t>(request[i])][decision], rows_.source().fields[static_cast<std::size_t>(fields[i])]);
    });
  return travelling(own_columns, ref(*column));
}

bool Program::add_gates(const std::vector<int>& fields, std::vector<int>& gates) {
  for (const int field : fields) {
    const int gate = rows_.gate_of(field);
    if (gate < 0) continue;
    int& column = gate_columns[static_cast<std::size_t>(gate)];
    if (column == unknown_gate) column = opens_by_clock(rows_, gate, threads_) ? open_gate : travelling(row_columns, {reinterpret_cast<const std::uint64_t*>(rows_.stamps[static_cast<std::size_t>(gate)].dense().data()), nullptr});
    if (column == none_travels) return false;
    if (column != open_gate) index_of(gates, gate);
  }
  return true;
}

std::optional<Take> Program::taken(const WindowStep& window) {
  const Aggregate& a = *window.aggregate;
  Take take;
  switch (a.kind) {
    case AggregateKind::count: take.kind = Take::Kind::count; break;
    case AggregateKind::time_since_last: take.kind = Take::Kind::newest_row; break;
    case AggregateKind::count_if: case AggregateKind::sum: case AggregateKind::mean: take.kind = Take::Kind::sum; break;
    case AggregateKind::std: case AggregateKind::var: case AggregateKind::skew: case AggregateKind::kurtosis: take.kind = Take::Kind::moment; break;
    case AggregateKind::min: take.kind = Take::Kind::least; break;
    case AggregateKind::max: take.kind = Take::Kind::greatest; break;
    case AggregateKind::first: take.kind = Take::Kind::oldest; break;
    case AggregateKind::last: case AggregateKind::lag: take.kind = Take::Kind::nth_newest; break;
    default: return std::nullopt;
  }
  const bool compares = take.kind == Take::Kind::least || take.kind == Take::Kind::greatest;
  if (compares && is_text(a.argument_type)) return std::nullopt;
  if (a.kind == AggregateKind::lag) take.nth = a.k;
  const auto range = ranged(window, take.kind == Take::Kind::count || take.kind == Take::Kind::newest_row);
  if (!range) return std::nullopt;
  take.range = index_of(ranges, *range);
  return take;
}

std::optional<Range> Program::ranged(const WindowStep& window, bool of_rows) {
  const Aggregate& a = *window.aggregate;
  Range range;
  range.place = add_place(window.span);
  if (places[static_cast<std::size_t>(range.place)].last < 0) return std::nullopt;
  range.last = a.last;
  range.include_request = a.include_request;

  Filter filter;
  if (a.where) {
    filter.column = computed(*a.where, a.where_fields);
    if (filter.column < 0 || !add_gates(a.where_fields, filter.gates)) return std::nullopt;
    if (a.include_request && (range.own_filter = own_computed(*a.where, a.where_fields, window.where_request)) < 0) return std::nullopt;
  }
  range.filter = index_of(filters, filter);
  if (of_rows) return range;

  Series values;
  values.filter = range.filter;
  values.column = a.argument_is_column ? row_field(a.argument_fields[0]) : computed(*a.argument, a.argument_fields);
  values.keeps_nulls = a.keep_nulls;
  values.real = a.argument_type == Type::float64;
  values.powers = powers_of(a.kind);
  values.narrow = a.argument_type == Type::boolean && values.powers == 1;
  values.gates = filter.gates;
  if (values.column < 0 || !add_gates(a.argument_fields, values.gates)) return std::nullopt;
  if (a.include_request) {
    range.own_column = a.argument_is_column ? own_field(window.argument_request[0]) : own_computed(*a.argument, a.argument_fields, window.argument_request);
    if (range.own_column < 0) return std::nullopt;
  }
  range.series = index_of(series, values);
  return range;
}

}  // namespace featlib::replaying
