#include <featlib/vector/reference.hpp>

#include "reference/values.hpp"

#include <algorithm>
#include <cstdlib>

namespace featlib {
namespace {

using definition::Gathered;

/// The instants between which a window lies.
struct Edges {
  Instant tail, head;
  bool tail_closed, head_closed;
};

Edges edges(const Aggregate& a, const Source& source, Instant as_of) {
  const Instant head = as_of - a.offset;
  if (a.bucket) {
    const Duration since = head - a.origin;
    const std::int64_t buckets = since / *a.window - (since % *a.window < 0);
    const Instant begin = a.origin + buckets * *a.window;
    if (a.bucket == Bucket::complete) return {begin - *a.window, begin, true, false};
    return {begin, head, true, head_closed(a.bounds)};
  }
  // A session is cut at its max_length, which is the window.
  if (a.window) return {head - *a.window, head, tail_closed(a.bounds), head_closed(a.bounds)};
  return {source.retention ? as_of - *source.retention : always, head, true, head_closed(a.bounds)};
}

class Definition {
 public:
  explicit Definition(const ReplayInput& input) : input_(input), contract_(input.plan->contract()) {}

  Aggregated value(const TimelineStep& timeline, const WindowStep& step, std::size_t decision) const {
    const Aggregate& a = *step.aggregate;
    const SourceBatch& batch = input_.sources[static_cast<std::size_t>(timeline.source)];
    const Source& source = batch.rows.source();
    const Instant as_of = input_.requests.as_of[decision];
    const Edges window = edges(a, source, as_of);
    if (!input_.requests.is_keyed(timeline.entity, decision)) return Aggregated::none(Cause::null);

    std::vector<Row> rows;
    for (Row row = 0; row < batch.rows.size(); ++row)
      if (in_window(timeline, window, row, decision) && visible(timeline, row, decision)) rows.push_back(row);
    std::sort(rows.begin(), rows.end(), [&](Row x, Row y) { return batch.rows.compare_order(x, y, timeline.source_entity) < 0; });
    if (a.gap) rows.erase(rows.begin(), session_begin(batch.rows, rows, window.head, *a.gap));

    std::vector<Gathered> gathered;
    for (const Row row : rows) {
      const auto cell = [&](int field) {
        const Origin own = origin(timeline, row);
        return known_cell(*own.rows, own.row, own.member ? own.member->fields[static_cast<std::size_t>(field)] : field, as_of);
      };
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
    const Slot asked = a.compared_request < 0 ? Slot{} : input_.requests.fields[static_cast<std::size_t>(a.compared_request)][static_cast<Row>(decision)];
    const auto [value, counted] = definition::value_of(a, gathered, as_of, asked, *input_.pool);
    if (value.cause == Cause::error) return value;
    if (window.tail < batch.complete_from) return Aggregated::none(Cause::history_incomplete);
    if (counted < step.min_rows) return Aggregated::none(Cause::insufficient_history);
    return value;
  }

 private:
  /// A row of a union is a row of a member, where it is said whether it counts and what is known of it.
  struct Origin {
    int source;
    const Rows* rows;
    Row row;
    int source_entity;
    const UnionMember* member;      ///< null: no union
  };
  Origin origin(const TimelineStep& timeline, Row row) const {
    const Rows& rows = input_.sources[static_cast<std::size_t>(timeline.source)].rows;
    if (!rows.source().is_union()) return {timeline.source, &rows, row, timeline.source_entity, nullptr};
    for (const UnionMember& member : rows.source().members) {
      const Rows& own = input_.sources[static_cast<std::size_t>(member.source)].rows;
      if (row < own.size()) return {member.source, &own, row, member.entities[static_cast<std::size_t>(timeline.source_entity)], &member};
      row -= static_cast<Row>(own.size());
    }
    std::abort();   // unite() put there no others
  }

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

  /// The first row of the run that ends at the head: no distance between its rows, or to the head, is longer than the gap.
  static std::vector<Row>::const_iterator session_begin(const Rows& rows, const std::vector<Row>& visible, Instant head, Duration gap) {
    auto begin = visible.end();
    for (Instant stop = head; begin != visible.begin() && stop - rows.event_time[begin[-1]] <= gap; stop = rows.event_time[*begin]) --begin;
    return begin;
  }

  bool in_window(const TimelineStep& timeline, const Edges& window, Row row, std::size_t decision) const {
    const Rows& rows = input_.sources[static_cast<std::size_t>(timeline.source)].rows;
    const EntityId entity = input_.requests.entity[static_cast<std::size_t>(timeline.entity)][decision];
    if (entity == no_entity || rows.entity[static_cast<std::size_t>(timeline.source_entity)][row] != entity) return false;
    const Instant at = rows.event_time[row];
    if (window.head_closed ? at > window.head : at >= window.head) return false;
    return window.tail_closed ? at >= window.tail : at > window.tail;
  }

  bool visible(const TimelineStep& timeline, Row row, std::size_t decision) const {
    const Source& source = contract_.sources()[static_cast<std::size_t>(timeline.source)];
    const Origin own = origin(timeline, row);
    const Rows& rows = *own.rows;
    row = own.row;
    const Instant as_of = input_.requests.as_of[decision];
    if (rows.known_at[row] > as_of) return false;
    if (source.retention && rows.event_time[row] < minus(as_of, *source.retention)) return false;
    if (const auto version = version_at(rows, row, as_of)) {
      if (row != *version || rows.correction[row] == Correction::retract) return false;   // a correction beats all originals of its key
    } else if (!counts(rows, row)) {
      return false;
    }
    if (own.source != contract_.request_of()) return true;
    const auto asked = [&](int field) { return field < 0 ? Slot{} : input_.requests.fields[static_cast<std::size_t>(field)][static_cast<Row>(decision)]; };
    const Slot key = asked(input_.plan->request_key());
    if (!key.is_null() && rows.dedup_key(row) == key) return false;
    if (rows.event_time[row] != as_of) return true;
    const Slot sequence = rows.sequence(row, own.source_entity), before = asked(timeline.request_sequence);
    return timeline.request_sequence >= 0 && !before.is_null() && (sequence.is_null() || sequence.integer() < before.integer());
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

  const ReplayInput& input_;
  const Contract& contract_;
};

}  // namespace

Result<FeatureTable> reference(const Contract& contract, const Table& decisions, const std::map<std::string, Table>& sources, const ReplayOptions& options) {
  auto read = read_input(contract, decisions, sources, options);
  if (!read) return read.error();
  ReplayInput& input = read.value();
  std::vector<std::vector<bool>> all;
  for (const SourceBatch& batch : input.sources) all.emplace_back(batch.rows.size(), true);
  for (SourceBatch& batch : input.sources)
    if (batch.rows.source().is_union()) unite(input.sources, all, batch);
  const Definition definition(input);
  const VectorBuilder builder(*input.plan, *input.pool);

  FeatureTable table(input.plan, decisions, input.pool);
  std::vector<FeatureValue> features(contract.features().size());
  for (std::size_t f = 0; f < features.size(); ++f) table.begin_column(static_cast<int>(f));
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
