/// Serving: rows as they arrive, what was answered, and the features of one decision.
///
/// A state decides when each row became known (SEMANTICS section 1): its available_time, or just after the latest
/// decision already answered that could have seen it. So what it answers equals replay of the history it exports.
/// Not thread-safe; the Scorer puts a lock around it.
#pragma once

#include <featlib/core/table.hpp>
#include <featlib/events/batch.hpp>
#include <featlib/vector/vector.hpp>
#include <featlib/window/read.hpp>

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace featlib {

struct StateOptions {
  Duration grace = hour;                             ///< how far behind the frontier a decision may lie
  std::map<std::string, Instant> complete_from;      ///< by source; default: nothing is missing
  bool keep_history = false;                         ///< rows that leave the state are kept for export
};

/// What became of observed rows, by source.
struct SourceCounters {
  std::int64_t observed = 0;        ///< rows accepted
  std::int64_t labels = 0;          ///< cells that came by key
  std::int64_t replaced = 0;        ///< corrections by a row
  std::int64_t retracted = 0;       ///< corrections by nothing
  std::int64_t duplicates = 0;      ///< copies that do not count
  std::int64_t moved_keys = 0;      ///< keys of originals held at more than one event_time
  std::int64_t observed_late = 0;   ///< stamps moved past an answered decision
  std::int64_t unmatched = 0;       ///< labels and corrections whose row never came
  std::int64_t null_keys = 0;
  std::int64_t evicted = 0;
  std::map<Refusal, std::int64_t> refused;

  bool operator==(const SourceCounters&) const = default;
};

/// What a history tells of a row beside the row's own columns; nothing of one that arrives for the first time.
struct Told {
  std::optional<Instant> known_at;
  std::span<const std::optional<Instant>> stamps;   ///< by gated field
  std::optional<std::int64_t> version;              ///< of a correction
};

/// Whether fields given for a source make a label by key: the dedup key and gated cells, clocks at most beside them.
bool is_label(const Source& source, std::span<const bool> present);
/// What a row with these fields lacks, and unless it has to be a `row`, no label by key does; gated cells may be absent, they are not known yet.
std::optional<Failure> missing_fields(const Source& source, std::span<const bool> present, const std::string& where, bool row = false);

class Timelines;
class OnlineWindows;
class Expiry;

class State {
 public:
  State(std::shared_ptr<const Plan> plan, StateOptions options);
  ~State();

  const Plan& plan() const noexcept { return *plan_; }
  const StateOptions& options() const noexcept { return options_; }

  // Rows are given to sources of their own: the index of a union throws unknown-source, as does its name in the options.

  /// A row, one Cell a field of Source::fields, in that order. A refused row is counted and changes nothing.
  Refusal observe(int source, std::span<const Cell> cells);
  /// The same for slots already converted (tables, dicts); takes the references of their texts.
  Refusal observe_slots(int source, std::span<const Slot> slots, const Told& told = {});
  /// A label by its row's key: the dedup key, one or more gated cells, perhaps event_time, available_time and available_at columns. Takes text references.
  Refusal observe_label(int source, std::span<const Slot> slots);

  /// Corrections of a key (SEMANTICS section 2): once known, exactly the given row counts of it, or none. Both take text references.
  /// Told no known_at and having no available_time of its own, a correction is known from the latest of the frontier and all that the key holds.
  Refusal replace(int source, std::span<const Slot> slots, Told told = {});
  Refusal retract(int source, Slot key, Told told = {});

  /// All rows of a table, in its order: rows and corrections, or labels by key when it has only key, gated cells and clocks.
  Result<RowReport> observe_table(int source, const Table& table);
  /// A row of a table that corrects: a retraction's other cells say nothing. Takes text references.
  Refusal correct_slots(int source, Correction correction, std::span<Slot> slots, Told told);
  /// Counts a row that could not be converted; releases its texts.
  void refuse_slots(int source, std::span<const Slot> slots, Refusal why);

  /// The features at as_of, by feature. `request` by Contract::request(), its texts interned in pool(). Closes the instant.
  /// Texts of the answer stay valid until the next one.
  void answer(std::span<const Slot> request, Instant as_of, std::span<FeatureValue> out);

  /// Latest as_of answered or told; `always` before the first.
  Instant frontier() const noexcept { return frontier_; }
  /// Tells a frontier without deciding, so that state can leave.
  void advance(Instant as_of);

  TextPool& pool() noexcept { return pool_; }
  const TextPool& pool() const noexcept { return pool_; }
  std::string_view text(int feature, FeatureValue value) const;
  const SourceCounters& counters(int source) const { return sources_[static_cast<std::size_t>(source)].counters; }
  std::size_t rows_held(int source) const { return sources_[static_cast<std::size_t>(source)].live; }

  /// The rows and corrections with their stamps, as a table: what replay needs to repeat the answers.
  void export_history(int source, ArrowArrayStream* out) const;

  /// Everything: rows, stamps, labels, answers, counters. Refused on another contract or arithmetic.
  std::vector<std::byte> snapshot() const;
  static Result<std::unique_ptr<State>> restore(std::shared_ptr<const Plan> plan, std::span<const std::byte> bytes);

  /// Takes over what another state of the same contract holds, as if the rows of both had come here: rows and corrections keep
  /// their stamps, copies are settled, labels find rows that stood in the other part. The order of merges does not matter.
  ///
  /// What either answered stays true: an entity that one of them answered for has its rows in that one, whole (shards by
  /// entity, or parts that answered nothing). Refused otherwise, and then nothing has changed. Codes: state-mismatch,
  /// bad-argument (options that differ, itself).
  Result<std::monostate> merge(const State& other);

 private:
  struct Label {
    std::vector<Slot> slots;         ///< by Source::fields; null where not given
    Instant deadline = always;       ///< until when it waits for its row: `always` not set yet for want of a frontier, `never` for ever
    bool matched = false;
  };
  static constexpr Row no_row = ~Row{0};
  struct Version {                   ///< a correction; it outlives its row, for originals that come late
    Instant known_at = 0;
    std::int64_t number = 0;
    bool retracts = false;
    bool matched = false;            ///< it met a row of its key
    Instant deadline = always;       ///< as a label's; `never` also once it has waited
    Row row = no_row;                ///< a replacement's, while held
    std::vector<bool> given;         ///< by gate: cells that came with the replacement; no label changes them
  };
  struct Keyed {
    std::vector<Row> rows;           ///< originals that count, one an event_time
    std::vector<Label> labels;
    std::vector<Version> versions;   ///< corrections in order: of those known at an instant the last one counts
    bool empty() const noexcept { return rows.empty() && labels.empty() && versions.empty(); }
  };
  using Key = std::pair<std::uint64_t, int>;
  /// A union that a source is a member of.
  struct InUnion {
    int source = 0;
    int member = 0;
    std::vector<Row> rows;           ///< by the member's rows: the union's, no_row for one that is not in its timelines
  };
  struct SourceState {
    explicit SourceState(Rows r);
    SourceState(SourceState&&) noexcept;
    ~SourceState();
    Rows rows;
    std::vector<Row> free;
    std::size_t live = 0;
    std::vector<std::unique_ptr<Timelines>> timelines; ///< by source entity; null where no feature reads one
    boost::unordered_flat_map<Key, Keyed, boost::hash<Key>> keyed;
    std::unique_ptr<Expiry> held;                      ///< the rows, oldest first
    std::deque<std::pair<Instant, Key>> waiting;       ///< labels and corrections by deadline
    Instant complete_from = always;
    Instant evicted_to = always;
    std::vector<InUnion> unions;                       ///< those that features read
    std::unique_ptr<Rows> archive;
    SourceCounters counters;
  };
  /// A decision answered for an entity.
  struct Answered {
    Instant as_of;
    Slot key, sequence;
  };

  /// Rows that may leave on one call: nobody waits for a backlog, and a row past its retention is read by no window.
  static constexpr int evictions_per_call = 16;

  SourceState& taking_rows(int source);
  Refusal check_row(const SourceState& state, std::span<const Slot> slots) const;
  /// Rows that happened before it are seen by no decision that may still come.
  Instant cutoff(const Source& source) const noexcept;
  Row take_row(SourceState& state);
  Row place_row(SourceState& state, std::span<const Slot> slots);
  Row write_row(Rows& rows, Row row, std::span<const Slot> slots);
  bool write_entity(Rows& rows, Row row, std::size_t source_entity, std::span<const Slot> slots);
  void keep(SourceState& state, int source, Keyed* keyed, Row row, Row counted);
  void stamp_cells(SourceState& state, Row row, std::span<const std::optional<Instant>> told);
  void hold(SourceState& state, Row row);
  void drop_row(SourceState& state, Row row);
  std::optional<Instant> latest_that_saw(const SourceState& state, int source, Row row, Instant since) const;
  void insert(SourceState& state, Row row);
  void remove(SourceState& state, Row row);
  void changed(SourceState& state, Row row);
  bool attach(SourceState& state, int source, const Label& label, Row row, const std::vector<bool>& given = {});
  template <class Use>
  void each_row(const Keyed& keyed, Use&& use) const {
    for (const Row row : keyed.rows) use(row);
    for (const Version& version : keyed.versions)
      if (version.row != no_row) use(version.row);
  }
  /// The timelines that features read and the row stands in.
  template <class Use>
  void each_timeline(SourceState& state, Row row, Use&& use) const {
    for (std::size_t e = 0; e < state.timelines.size(); ++e)
      if (const EntityId id = state.rows.entity[e][row]; state.timelines[e] && id != no_entity) use(*state.timelines[e], id);
  }
  void join_unions();
  void insert(InUnion& in, const Rows& rows, Row row);
  void remove(InUnion& in, Row row);
  void changed(const InUnion& in, const Rows& rows, Row row);
  void expire(InUnion& in, Row row);
  void find_own_rows(const TimelineStep& step, EntityId id, const Asked& asked);
  Instant stamp_correction(SourceState& state, int source, const Keyed& keyed, Row own, Instant own_clock, Told& told);
  void add_version(SourceState& state, Keyed& keyed, Slot key, Version version, std::optional<std::int64_t> told);
  void settle(SourceState& state, const Keyed& keyed);
  /// One retention of the frontier after what came by key is known: how long it waits for its row.
  Instant deadline_of(const SourceState& state, Instant known_at = always) const noexcept;
  void await_row(SourceState& state, Instant deadline, Key key);
  void retain_key(const SourceState& state, Slot key);
  void release_key(const SourceState& state, Slot key);
  void leave_key(SourceState& state, Row row);
  void stop_waiting(SourceState& state, Key key, Instant deadline);
  void offer_cell(SourceState& state, int gate, Row row, Slot value, Instant stamp);
  void record_answer(std::span<const Slot> request, Instant as_of);
  void evict(int most);
  void set_frontier(Instant as_of);
  EntityId entity_of(std::size_t entity, std::span<const Slot> request);
  void release_texts(const SourceState& state, std::span<const Slot> slots);
  void copy_row(const Rows& from, Row row, Rows& to) const;
  void write_rows(class SnapshotWriter& out, const Rows& rows, const std::vector<Row>& which) const;
  void write_versions(class SnapshotWriter& out, const SourceState& state, const std::vector<Row>& held) const;
  bool read_rows(class SnapshotReader& in, SourceState& state, Rows& rows);
  bool read_versions(class SnapshotReader& in, SourceState& state);
  bool read_from(class SnapshotReader& in);

  class Taken;   // merge.cpp: the other state's slots and ids as this one's
  std::optional<Failure> contradicted_by(const State& other) const;
  void take_answers(const State& other, Taken& taken);
  void take_rows(const State& other, std::size_t source, Taken& taken);
  void take_labels(const State& other, std::size_t source, Taken& taken);

  std::shared_ptr<const Plan> plan_;
  StateOptions options_;
  TextPool pool_;
  VectorBuilder builder_;
  EntityDirectory entities_;
  std::vector<std::vector<std::uint64_t>> entity_keys_;   ///< by entity: keys by id, flat
  std::vector<SourceState> sources_;
  std::vector<OnlineWindows> windows_;                    ///< by Plan::timelines()
  std::vector<std::vector<std::vector<Answered>>> answered_;   ///< by entity, by EntityId, by (as_of, sequence)
  std::vector<std::vector<int>> key_fields_;                   ///< by entity: request fields of the key
  std::vector<int> sequence_fields_;                           ///< by entity: request field of its sequence, -1
  std::vector<std::uint32_t> made_texts_;                      ///< results of expressions, kept until the next answer
  std::vector<Slot> given_;                                    ///< a row's, while it is observed
  std::vector<Row> own_rows_;                                  ///< of one answer
  std::vector<Aggregated> aggregated_;
  Instant frontier_ = always;
};

}  // namespace featlib
