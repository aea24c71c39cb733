#include <featlib/scorer.hpp>

#include <featlib/core/arithmetic.hpp>

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <random>

namespace featlib {
namespace {

/// 128 random bits, for requests that came without a name.
std::string random_id() {
  thread_local std::mt19937_64 random{(static_cast<std::uint64_t>(std::random_device{}()) << 32) | std::random_device{}()};
  return fmt::format("{:016x}{:016x}", random(), random());
}

LoggedValue logged(Slot slot, const Field& field, const TextPool& pool) {
  if (slot.is_null()) return {};
  if (holds_text(field, slot)) return std::string(pool.view(slot.text()));
  if (field.type == Type::float64) return slot.real();
  return slot.integer();
}

LoggedFeature logged(const ServedFeatures& served, std::size_t f, const Feature& feature) {
  const FeatureValue value = served.values[f];
  if (value.is_null()) return {{}, value.status};
  if (feature.type == Type::string) return {served.texts[f], value.status};
  if (feature.type == Type::float64) return {value.real(), value.status};
  return {value.integer(), value.status};
}

}  // namespace

Result<StateOptions> open_state(std::string_view location) {
  if (location == "memory:") return StateOptions{};
  return Error(ErrorCode::bad_argument, fmt::format("no state at `{}`", location), "this version keeps state in memory: \"memory:\"; use snapshot() and restore() across restarts");
}

Instant Scorer::system_clock() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Scorer::Scorer(Bundle bundle, StateOptions state, std::shared_ptr<DecisionLog> log, std::function<Instant()> clock)
    : Scorer(bundle, std::make_unique<State>(std::make_shared<const Plan>(bundle.contract()), std::move(state)), std::move(log), std::move(clock)) {}

Scorer::Scorer(Bundle bundle, std::unique_ptr<State> state, std::shared_ptr<DecisionLog> log, std::function<Instant()> clock)
    : bundle_(std::move(bundle)), state_(std::move(state)), builder_(std::make_unique<VectorBuilder>(state_->plan(), state_->pool())), log_(std::move(log)),
      clock_(std::move(clock)) {
  check_float_environment().value();
  if (log_) log_->store_bundle(bundle_.versions(), bundle_.bytes()).value();
}

Scorer::~Scorer() {
  if (log_) (void)log_->flush();
}

Refusal Scorer::observe(int source, std::span<const Cell> row) {
  const std::lock_guard lock(mutex_);
  return state_->observe(source, row);
}

Refusal Scorer::observe_label(int source, const Cell& key, std::span<const std::pair<std::string_view, Cell>> cells) {
  contract().require_rows(source);
  const Source& spec = contract().sources()[static_cast<std::size_t>(source)];
  if (spec.dedup_field < 0) throw Error(ErrorCode::bad_row, fmt::format("source `{}` has no `dedup` key to find a label's row by", spec.name), "declare `dedup`");
  for (const auto& [name, cell] : cells)
    if (spec.find_field(name) < 0) throw Error(ErrorCode::bad_row, fmt::format("source `{}` has no column `{}`", spec.name, name));
  const std::lock_guard lock(mutex_);
  std::vector<Slot> slots(spec.fields.size());
  const auto take = [&](int field, const Cell& cell) { return accept(spec.fields[static_cast<std::size_t>(field)], cell, state_->pool(), slots[static_cast<std::size_t>(field)]); };
  Refusal refused = take(spec.dedup_field, key);
  for (const auto& [name, cell] : cells)
    if (refused == Refusal::none) refused = take(spec.find_field(name), cell);
  if (refused == Refusal::none) return state_->observe_label(source, slots);
  state_->refuse_slots(source, slots, refused);
  return refused;
}

void Scorer::require_correctable(int source, bool by_row, std::optional<Instant> available_time) const {
  contract().require_rows(source);
  const Source& spec = contract().sources()[static_cast<std::size_t>(source)];
  if (auto failure = uncorrectable(spec, {})) throw Error({std::move(*failure)});
  if (!available_time) return;
  if (by_row && spec.available_time_field >= 0)
    throw Error(ErrorCode::bad_argument, "`available_time` is given beside the row",
                fmt::format("the row's own `{}` says when it could be known", spec.fields[static_cast<std::size_t>(spec.available_time_field)].name));
  if (*available_time < earliest_instant || *available_time >= latest_instant)
    throw Error(ErrorCode::bad_argument, fmt::format("available_time {} is outside 1971..2099", *available_time), "check the unit: it is microseconds");
}

Refusal Scorer::replace(int source, std::span<const Cell> row, std::optional<Instant> available_time) {
  require_correctable(source, true, available_time);
  const auto& fields = contract().sources()[static_cast<std::size_t>(source)].fields;
  const std::lock_guard lock(mutex_);
  std::vector<Slot> slots(fields.size());
  for (std::size_t f = 0; f < fields.size(); ++f)
    if (const Refusal refused = accept(fields[f], row[f], state_->pool(), slots[f]); refused != Refusal::none) {
      state_->refuse_slots(source, slots, refused);
      return refused;
    }
  return state_->replace(source, slots, {available_time, {}, {}});
}

Refusal Scorer::retract(int source, const Cell& key, std::optional<Instant> available_time) {
  require_correctable(source, false, available_time);
  const Source& spec = contract().sources()[static_cast<std::size_t>(source)];
  const std::lock_guard lock(mutex_);
  Slot slot;
  if (const Refusal refused = accept(spec.fields[static_cast<std::size_t>(spec.dedup_field)], key, state_->pool(), slot); refused != Refusal::none) {
    state_->refuse_slots(source, {}, refused);
    return refused;
  }
  return state_->retract(source, slot, {available_time, {}, {}});
}

Instant Scorer::instant_of(std::optional<Instant> as_of) {
  // A clock that steps back does not make decisions do so.
  if (clock_) latest_clock_ = std::max(latest_clock_, clock_());
  if (!as_of) {
    if (!clock_) throw Error(ErrorCode::bad_argument, "no as_of, and the scorer has no clock", "pass as_of");
    return std::max(latest_clock_, state_->frontier());
  }
  if (state_->frontier() != always && *as_of < minus(state_->frontier(), state_->options().grace))
    throw Error(ErrorCode::as_of_too_old,
                fmt::format("as_of {} lies more than the grace of {} before {}, the latest answered", format_instant(*as_of),
                            format_duration(state_->options().grace), format_instant(state_->frontier())),
                "raise `grace`, or replay it offline");
  if (clock_ && *as_of > latest_clock_ + day)
    throw Error(ErrorCode::as_of_in_future, fmt::format("as_of {} lies more than a day ahead of the clock, {}", format_instant(*as_of), format_instant(latest_clock_)),
                "check the unit: as_of is microseconds");
  return *as_of;
}

Refusal Scorer::take_request(std::span<const Cell> cells) {
  const auto& fields = contract().request();
  if (cells.size() != fields.size())
    throw Error(ErrorCode::bad_row, fmt::format("a request of {} cells; the contract's request has {} fields", cells.size(), fields.size()));
  request_.assign(fields.size(), {});
  Refusal refused = Refusal::none;
  for (std::size_t f = 0; f < fields.size(); ++f)
    if (const Refusal why = accept(fields[f], cells[f], state_->pool(), request_[f]); why != Refusal::none && refused == Refusal::none) refused = why;
  return refused;
}

void Scorer::release(std::span<const Slot> request) {
  for (std::size_t f = 0; f < request.size(); ++f)
    if (holds_text(contract().request()[f], request[f])) state_->pool().release(request[f].text());
}

template <class Answer>
void Scorer::answer_and_release(std::span<const Slot> request, Answer&& answer) {
  try {
    answer();
  } catch (...) {
    release(request);
    throw;
  }
  release(request);
}

void Scorer::compute(std::span<const Slot> request, Refusal refused, Instant as_of, ServedFeatures& out) {
  const auto& features = contract().features();
  out.values.resize(features.size());
  for (std::string& text : out.texts) text.clear();
  if (refused != Refusal::none) {
    std::fill(out.values.begin(), out.values.end(), VectorBuilder::refused());
    return;
  }
  state_->answer(request, as_of, out.values);
  for (std::size_t f = 0; f < features.size(); ++f) {
    if (features[f].type != Type::string || out.values[f].is_null()) continue;
    out.texts.resize(features.size());
    out.texts[f] = state_->text(static_cast<int>(f), out.values[f]);
  }
}

void Scorer::features(std::span<const Cell> request, std::optional<Instant> as_of, ServedFeatures& out) {
  const std::lock_guard lock(mutex_);
  const Refusal refused = take_request(request);
  answer_and_release(request_, [&] { compute(request_, refused, instant_of(as_of), out); });
}

ServedFeatures Scorer::features(std::span<const Cell> request, std::optional<Instant> as_of) {
  ServedFeatures out;
  features(request, as_of, out);
  return out;
}

ServedFeatures Scorer::features_of_slots(std::span<const Slot> request, Refusal refused, std::optional<Instant> as_of) {
  const std::lock_guard lock(mutex_);
  ServedFeatures out;
  answer_and_release(request, [&] { compute(request, refused, instant_of(as_of), out); });
  return out;
}

void Scorer::rule(std::span<const Slot> request, Refusal refused, std::optional<Instant> as_of, std::string_view request_id, Decision& out) {
  out.as_of = instant_of(as_of);
  compute(request, refused, out.as_of, out.features);
  const Scored scored = refused == Refusal::none ? score_vector(bundle_, *builder_, request, out.as_of, out.features.values) : Scored{};
  out.score = scored.score;
  out.margin = scored.margin;
  out.outcome = scored.ruling.outcome;
  out.mode = scored.ruling.mode;
  out.segment = scored.ruling.segment;
  out.rule = scored.ruling.rule;
  if (refused != Refusal::none) {
    // Nothing is known of a request that cannot be read: a person looks, or nobody where nothing is decided.
    out.outcome = bundle_.policy() ? Outcome::review : Outcome::none;
    out.mode = Mode::bad_request;
  }
  out.request_id = request_id;
  if (request_id.empty() && log_) out.request_id = random_id();
  ++decisions_;
}

void Scorer::decide(std::span<const Cell> request, std::optional<Instant> as_of, std::string_view request_id, Decision& out) {
  std::optional<Record> record;
  {
    const std::lock_guard lock(mutex_);
    const Refusal refused = take_request(request);
    answer_and_release(request_, [&] {
      rule(request_, refused, as_of, request_id, out);
      if (log_) record = make_record(request_, out);
    });
  }
  if (record) log_->append(*record).value();
}

Decision Scorer::decide(std::span<const Cell> request, std::optional<Instant> as_of, std::string_view request_id) {
  Decision out;
  decide(request, as_of, request_id, out);
  return out;
}

Decision Scorer::decide_slots(std::span<const Slot> request, Refusal refused, std::optional<Instant> as_of, std::string_view request_id) {
  Decision out;
  std::optional<Record> record;
  {
    const std::lock_guard lock(mutex_);
    answer_and_release(request, [&] {
      rule(request, refused, as_of, request_id, out);
      if (log_) record = make_record(request, out);
    });
  }
  if (record) log_->append(*record).value();
  return out;
}

Scored score_vector(const Bundle& bundle, const VectorBuilder& builder, std::span<const Slot> request, Instant as_of, std::span<const FeatureValue> features) {
  // Scratch of this thread: a decision allocates nothing for it after the first.
  thread_local std::vector<double> row, margins, predictions;
  thread_local std::vector<Cell> cells;
  Scored out;
  if (const auto& model = bundle.model()) {
    row.resize(model->features());
    margins.resize(model->outputs());
    predictions.resize(model->prediction_width());
    model_row(bundle.contract(), features, std::span<double>(row));
    model->score(row, margins, predictions);
    out.margin = margins[0];
    const bool by_margin = bundle.policy() && bundle.policy()->score() == ScoreKind::margin;
    out.score = by_margin ? out.margin : predictions[0];
  }
  if (const auto& policy = bundle.policy()) {
    cells.clear();
    for (const FeatureInput& input : policy->inputs()) cells.push_back(builder.input(input, request, as_of, features));
    out.ruling = policy->decide(out.score, cells);
    if (!bundle.model() && out.ruling.mode == Mode::no_score) out.ruling.mode = Mode::no_model;
  }
  return out;
}

Record Scorer::make_record(std::span<const Slot> request, const Decision& decision) const {
  Record record;
  record.request_id = decision.request_id;
  record.as_of = decision.as_of;
  record.decided_at = latest_clock_ == always ? decision.as_of : latest_clock_;
  record.bundle = bundle_.fingerprint();
  record.outcome = decision.outcome;
  record.mode = decision.mode;
  record.score = decision.score;
  record.margin = decision.margin;
  record.segment = decision.segment;
  record.rule = decision.rule;
  for (std::size_t f = 0; f < request.size(); ++f) record.inputs.push_back(logged(request[f], contract().request()[f], state_->pool()));
  for (std::size_t f = 0; f < decision.features.values.size(); ++f) record.features.push_back(logged(decision.features, f, contract().features()[f]));
  return record;
}

void Scorer::advance(Instant as_of) {
  const std::lock_guard lock(mutex_);
  state_->advance(as_of);
}

SourceCounters Scorer::counters(int source) const {
  const std::lock_guard lock(mutex_);
  return state_->counters(source);
}

std::size_t Scorer::rows_held(int source) const {
  const std::lock_guard lock(mutex_);
  return state_->rows_held(source);
}

std::int64_t Scorer::decisions() const {
  const std::lock_guard lock(mutex_);
  return decisions_;
}

Instant Scorer::frontier() const {
  const std::lock_guard lock(mutex_);
  return state_->frontier();
}

void Scorer::export_history(int source, ArrowArrayStream* out) const {
  const std::lock_guard lock(mutex_);
  state_->export_history(source, out);
}

std::vector<std::byte> Scorer::snapshot() const {
  const std::lock_guard lock(mutex_);
  return state_->snapshot();
}

Result<std::monostate> Scorer::merge(const Scorer& other) {
  if (this == &other) return Error(ErrorCode::bad_argument, "a scorer cannot be merged into itself", "merge the scorers of two parts");
  const std::scoped_lock lock(mutex_, other.mutex_);
  auto merged = state_->merge(*other.state_);
  if (merged) decisions_ += other.decisions_;
  return merged;
}

Result<std::unique_ptr<Scorer>> Scorer::restore(Bundle bundle, std::span<const std::byte> snapshot, std::shared_ptr<DecisionLog> log, std::function<Instant()> clock) {
  auto state = State::restore(std::make_shared<const Plan>(bundle.contract()), snapshot);
  if (!state) return state.error();
  return std::unique_ptr<Scorer>(new Scorer(std::move(bundle), std::move(state).value(), std::move(log), std::move(clock)));
}

}  // namespace featlib
