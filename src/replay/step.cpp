#include "replay/step.hpp"

#include "parallel.hpp"
#include "replay/sweep.hpp"

#include <algorithm>
#include <numeric>
#include <optional>

namespace featlib::replaying {
namespace {

/// Groups of entities [first, last).
struct Piece {
  std::size_t first, last;
  std::size_t cost;
};

/// Pieces of about equal cost, a hot entity in one of its own; the costly ones first, so that no thread is left with one at the end.
std::vector<Piece> cut(const Dealt& rows, const Dealt& decisions) {
  constexpr std::size_t piece_cost = 32'768, decision_cost = 4;
  std::vector<Piece> out;
  Piece piece{0, 0, 0};
  const auto close = [&](std::size_t end) {
    piece.last = end;
    if (piece.cost > 0) out.push_back(piece);
    piece = {end, end, 0};
  };
  for (std::size_t g = 0; g < decisions.groups(); ++g) {
    if (decisions.size(g) == 0) continue;
    const std::size_t cost = decision_cost * decisions.size(g) + (g < rows.groups() ? rows.size(g) : 0);
    if (piece.cost + cost > piece_cost) close(g);
    piece.cost += cost;
  }
  close(decisions.groups());
  std::stable_sort(out.begin(), out.end(), [](const Piece& a, const Piece& b) { return a.cost / piece_cost > b.cost / piece_cost; });
  return out;
}

/// Which word of the rows' records is each own column, when the decisions are the rows themselves: the same entities and instants,
/// and all that travels with a decision travels with its row.
std::optional<std::vector<std::size_t>> words_of_rows(const ReplayInput& input, const TimelineStep& step, const PreparedSource& source, const Program& program, int threads) {
  const Requests& requests = input.requests;
  const Rows& rows = source.batch->rows;
  const std::size_t n = rows.size();
  if (n == 0 || n != requests.size() || !source.all_count) return std::nullopt;
  if (!same_values(rows.entity[static_cast<std::size_t>(step.source_entity)].dense(), requests.entity[static_cast<std::size_t>(step.entity)], threads) ||
      !same_values(rows.event_time.dense(), requests.as_of, threads) || !requests.none_refused())
    return std::nullopt;
  // A row without an entity is in no timeline; a decision on an entity that has no rows has a value all the same.
  const EntityId* const asked = requests.entity[static_cast<std::size_t>(step.entity)].data();
  std::atomic<bool> all_have_rows = true;
  over_rows(threads, n, [&](int, std::size_t from, std::size_t to) {
    bool some = false;
    for (std::size_t d = from; d < to; ++d) some |= asked[d] == no_entity;
    for (std::size_t d = from; some && d < to; ++d)
      if (asked[d] == no_entity && requests.is_keyed(step.entity, d)) all_have_rows = false;
  });
  if (!all_have_rows) return std::nullopt;
  std::vector<std::size_t> words;
  for (const ColumnRef& own : program.own_columns) {
    const auto found = std::find_if(program.row_columns.begin(), program.row_columns.end(), [&](const ColumnRef& column) {
      return own == column || (!own.held && !column.held && same_values(own.bits, column.bits, n, threads));
    });
    if (found == program.row_columns.end()) return std::nullopt;
    words.push_back(static_cast<std::size_t>(found - program.row_columns.begin()));
  }
  return words;
}

/// Whether no window can meet the request's own row: the decisions are the rows themselves, and none is before its decision.
bool own_rows_apart(const ReplayInput& input, const TimelineStep& step, const PreparedSource& source, int threads) {
  const int key = input.plan->request_key();
  if (key < 0) return true;
  const Requests& requests = input.requests;
  const Rows& rows = source.batch->rows;
  if (!source.keys.own_rows_are(requests.fields[static_cast<std::size_t>(key)], threads)) return false;
  const SlotColumn* row_sequences = nullptr;
  const SlotColumn* sequences = nullptr;
  if (step.request_sequence >= 0) {
    row_sequences = &rows.fields[static_cast<std::size_t>(rows.source().entities[static_cast<std::size_t>(step.source_entity)].sequence_field)];
    sequences = &requests.fields[static_cast<std::size_t>(step.request_sequence)];
  }
  const auto& event_time = rows.event_time.dense();
  if (event_time.shares(requests.as_of) && (!sequences || sequences->bits.shares(row_sequences->bits))) return true;   // equal is not before
  std::atomic<bool> apart = true;
  over_rows(threads, rows.size(), [&](int, std::size_t from, std::size_t to) {
    bool before = false;
    for (std::size_t i = from; i < to; ++i) {
      const auto row = static_cast<Row>(i);
      before |= event_time[i] < requests.as_of[i] || (event_time[i] == requests.as_of[i] && sequences && sequence_before((*row_sequences)[row], (*sequences)[row]));
    }
    if (before) apart = false;
  });
  return apart;
}

/// The windows' values of all decisions, as lines. Records and scratch are gone when it returns.
Lines sweep_all(const ReplayInput& input, const TimelineStep& step, const PreparedSource& source, const VectorBuilder& builder, const StepOptions& options,
                MadeTexts& made) {
  const Requests& requests = input.requests;
  const Rows& rows = source.batch->rows;
  const Program program(input, step, source.known_at_once, options.threads);

  const auto& asked = requests.entity[static_cast<std::size_t>(step.entity)];
  const auto& entity = rows.entity[static_cast<std::size_t>(step.source_entity)].dense();
  const std::size_t entities = input.entities[static_cast<std::size_t>(step.entity)].size();

  // Decisions of entities that have no rows are dealt to one group behind the others.
  const auto words = words_of_rows(input, step, source, program, options.threads);
  std::optional<Dealt> decisions;
  if (!words)
    decisions.emplace(requests.size(), entities + 1, requests.as_of.data(), program.own_columns, options.threads, [&](std::size_t d) {
      if (requests.refused[d] != Refusal::none || !requests.is_keyed(step.entity, d)) return Dealt::left_out;
      return asked[d] == no_entity ? static_cast<std::uint32_t>(entities) : asked[d];
    });
  const Dealt dealt(rows.size(), entities, rows.event_time.dense().data(), program.row_columns, options.threads, [&](std::size_t row) {
    const EntityId e = entity[row];
    return e == no_entity || (!source.all_count && !source.counts[row]) || (decisions && decisions->size(e) == 0) ? Dealt::left_out : e;
  });

  SweepInput shared{input, step, program, dealt, words ? dealt : *decisions, {}, source.keys, own_rows_apart(input, step, source, options.threads), source.complete_from, builder, made};
  if (words) {
    shared.own_words = *words;
  } else {
    shared.own_words.resize(program.own_columns.size());
    std::iota(shared.own_words.begin(), shared.own_words.end(), 0);
  }
  const std::vector<Piece> pieces = cut(dealt, shared.decisions);
  Lines lines(requests.size(), step.windows.size());
  std::vector<std::optional<Sweep>> sweeps(static_cast<std::size_t>(options.threads));
  in_parallel(options.threads, pieces.size(), [&](int thread, std::size_t p) {
    auto& sweep = sweeps[static_cast<std::size_t>(thread)];
    if (!sweep) sweep.emplace(shared, lines);
    sweep->run(pieces[p].first, pieces[p].last);
    if (thread == 0 && options.progress) options.progress(static_cast<double>(p) / static_cast<double>(pieces.size()));
  });
  return lines;
}

}  // namespace

void replay_step(const ReplayInput& input, const TimelineStep& step, const PreparedSource& source, const VectorBuilder& builder, const StepOptions& options,
                 FeatureTable& out) {
  const Requests& requests = input.requests;
  MadeTexts made;
  const Lines lines = sweep_all(input, step, source, builder, options, made);

  const auto& keys = requests.key_fields[static_cast<std::size_t>(step.entity)];
  const bool all_keyed = std::all_of(keys.begin(), keys.end(), [&](int f) { return requests.fields[static_cast<std::size_t>(f)].whole; });
  std::vector<FeatureColumn*> columns;
  for (const WindowStep& window : step.windows) columns.push_back(&out.begin_column(window.feature));
  over_rows(options.threads, requests.size(), [&](int, std::size_t from, std::size_t to) {
    lines.copy(from, to, columns);
    for (std::size_t d = from; d < to && !all_keyed; ++d)
      if (!requests.is_keyed(step.entity, d))
        for (const WindowStep& window : step.windows) out.column(window.feature).set(d, builder.finish(window.feature, Aggregated::none(Cause::null)));
  });
  for (const WindowStep& window : step.windows) {
    if (!makes_text(window.aggregate->kind)) continue;
    FeatureColumn& column = out.column(window.feature);
    for (std::size_t d = 0; d < requests.size(); ++d)
      if (requests.is_keyed(step.entity, d) && requests.refused[d] == Refusal::none && column.status[d] == status_of(Cause::ok))
        column.set(d, builder.finish(window.feature, {input.pool->acquire(made[column.bits[d]]), Cause::ok}));
  }
}

}  // namespace featlib::replaying
