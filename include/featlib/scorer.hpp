/// Serving in one object: events in, features, score, decision and record out.
///
///     featlib::Scorer scorer{bundle, featlib::open_state("memory:").value(), featlib::open_log("sqlite:decisions.db").value()};
///     scorer.observe(transactions, row);                       // a Cell for each of Source::fields
///     featlib::Decision d = scorer.decide(request, as_of);     // a Cell for each of Contract::request()
///
/// Safe to call from many threads: observe and decide take turns, each sees one state.
#pragma once

#include <featlib/bundle.hpp>
#include <featlib/log/log.hpp>
#include <featlib/vector/replay.hpp>
#include <featlib/vector/state.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace featlib {

/// Where a scorer keeps its rows: "memory:" in this version.
Result<StateOptions> open_state(std::string_view location);

/// One served row, by Contract::features(). It owns its texts: the state may forget them at once.
struct ServedFeatures {
  std::vector<FeatureValue> values;
  std::vector<std::string> texts;      ///< of string features; empty when the contract has none
};

/// What was decided, and why.
struct Decision {
  std::string request_id;
  Instant as_of = 0;
  Outcome outcome = Outcome::none;
  Mode mode = Mode::no_policy;
  double score = std::numeric_limits<double>::quiet_NaN();    ///< what the policy compared, or the model's prediction; NaN: none
  double margin = std::numeric_limits<double>::quiet_NaN();   ///< NaN: none
  int segment = -1, rule = -1;                                ///< indices into the policy
  ServedFeatures features;
};

/// What spoke against a request, for a customer or a regulator.
struct Reason {
  std::string text;                    ///< `reason` of its features in the contract; without one the feature's name
  double contribution = 0;             ///< to the margin, of all features with this text; above 0
  std::vector<int> features;           ///< indices into Contract::features()
};

/// The texts with the largest contributions toward a high score, largest first, ties in the order of the model's inputs; at most
/// `most`. Of a model with several outputs those to the first, whose margin the decision has. Empty when the request was approved,
/// when no score decided (a rule, a bad request, no model), and when nothing speaks against it.
///
/// XGBoost's own contributions, else those in double (Ensemble::contributions); throws model-unsupported for a model without them.
std::vector<Reason> reasons(const Bundle& bundle, const Decision& decision, std::size_t most = 4);

class Scorer {
 public:
  /// `clock` gives now in microseconds; it serves only decisions without as_of, the check for a future one, and `decided_at`.
  explicit Scorer(Bundle bundle, StateOptions state = {}, std::shared_ptr<DecisionLog> log = nullptr, std::function<Instant()> clock = system_clock);
  ~Scorer();

  const Bundle& bundle() const noexcept { return bundle_; }
  const Contract& contract() const noexcept { return bundle_.contract(); }

  /// A row of a source, one Cell a field (SEMANTICS units: timestamps in microseconds, decimals in their smallest unit).
  /// A row that cannot be taken is counted, never half taken.
  Refusal observe(int source, std::span<const Cell> row);

  /// A label by its row's key: gated cells by name, perhaps event_time, available_time and available_at columns beside them.
  /// Throws bad-row for a name the source does not have.
  Refusal observe_label(int source, const Cell& key, std::span<const std::pair<std::string_view, Cell>> cells);

  /// Corrections by key: from when they are known exactly `row` counts of its key, or nothing does. Answered decisions stand.
  /// `available_time`: when the correction could be known, where the row has no such column of its own; without it the latest of
  /// the frontier and all that the key holds. Throw bad-row for a source that cannot be corrected, bad-argument for an impossible time.
  Refusal replace(int source, std::span<const Cell> row, std::optional<Instant> available_time = std::nullopt);
  Refusal retract(int source, const Cell& key, std::optional<Instant> available_time = std::nullopt);
  /// What replace() and retract() throw, if they would: before anything is converted.
  void require_correctable(int source, bool by_row, std::optional<Instant> available_time) const;

  /// The decision on a request, one Cell for each of Contract::request(). Throws as-of-too-old and as-of-in-future.
  Decision decide(std::span<const Cell> request, std::optional<Instant> as_of = std::nullopt, std::string_view request_id = {});

  /// The features alone; the instant counts as answered.
  ServedFeatures features(std::span<const Cell> request, std::optional<Instant> as_of = std::nullopt);

  /// The same into the caller's memory. Called again with it they allocate nothing, but for a text or an entity that the state
  /// does not hold yet and, of decide(), the log's record.
  void decide(std::span<const Cell> request, std::optional<Instant> as_of, std::string_view request_id, Decision& out);
  void features(std::span<const Cell> request, std::optional<Instant> as_of, ServedFeatures& out);

  /// Tells how far time has come without deciding; rows that nothing can see any more leave.
  void advance(Instant as_of);

  SourceCounters counters(int source) const;
  std::size_t rows_held(int source) const;
  std::int64_t decisions() const;
  Instant frontier() const;

  void export_history(int source, ArrowArrayStream* out) const;
  std::vector<std::byte> snapshot() const;
  /// Takes over what another scorer of the same contract holds (State::merge); the other one stays as it is.
  Result<std::monostate> merge(const Scorer& other);
  static Result<std::unique_ptr<Scorer>> restore(Bundle bundle, std::span<const std::byte> snapshot, std::shared_ptr<DecisionLog> log = nullptr,
                                                 std::function<Instant()> clock = system_clock);

  /// Works on the state under the scorer's lock: how bindings bring slots in.
  template <class Work>
  auto with_state(Work&& work) {
    const std::lock_guard lock(mutex_);
    return work(*state_);
  }
  /// decide() and features() for slots already converted; the texts' references are taken.
  Decision decide_slots(std::span<const Slot> request, Refusal refused, std::optional<Instant> as_of, std::string_view request_id);
  ServedFeatures features_of_slots(std::span<const Slot> request, Refusal refused, std::optional<Instant> as_of);

  static Instant system_clock();

 private:
  Scorer(Bundle bundle, std::unique_ptr<State> state, std::shared_ptr<DecisionLog> log, std::function<Instant()> clock);
  Instant instant_of(std::optional<Instant> as_of);
  Refusal take_request(std::span<const Cell> cells);
  template <class Answer>
  void answer_and_release(std::span<const Slot> request, Answer&& answer);
  void compute(std::span<const Slot> request, Refusal refused, Instant as_of, ServedFeatures& out);
  void rule(std::span<const Slot> request, Refusal refused, std::optional<Instant> as_of, std::string_view request_id, Decision& out);
  Record make_record(std::span<const Slot> request, const Decision& decision) const;
  void release(std::span<const Slot> request);

  Bundle bundle_;
  mutable std::mutex mutex_;
  std::unique_ptr<State> state_;
  std::unique_ptr<VectorBuilder> builder_;
  std::shared_ptr<DecisionLog> log_;
  std::function<Instant()> clock_;
  Instant latest_clock_ = always;
  std::int64_t decisions_ = 0;
  std::vector<Slot> request_;          // scratch
};

/// Score and ruling of one vector: the same for a served decision and a replayed one.
struct Scored {
  double score = std::numeric_limits<double>::quiet_NaN();
  double margin = std::numeric_limits<double>::quiet_NaN();
  Ruling ruling;
};
Scored score_vector(const Bundle& bundle, const VectorBuilder& builder, std::span<const Slot> request, Instant as_of, std::span<const FeatureValue> features);

/// What recomputing logged decisions found.
struct DecisionDifference {
  std::string request_id;
  std::string what;            ///< a feature's name, "score", "margin" or "outcome"
  std::string was, is;
};
struct DecisionReplay {
  std::int64_t decisions = 0;
  std::int64_t values = 0;                 ///< features, scores and margins compared
  std::int64_t differing_decisions = 0;
  std::int64_t differing_bits = 0;         ///< bits of values and status bytes that differ
  std::vector<DecisionDifference> first;   ///< the first hundred
};

/// Recomputes every logged decision from history: features, score, ruling. `sources` as for replay(): an export or the warehouse.
Result<DecisionReplay> replay_decisions(DecisionLog& log, const std::map<std::string, Table>& sources, const ReplayOptions& options = {});

}  // namespace featlib
