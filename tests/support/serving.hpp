/// Driving a State with generated rows, and one shape for the answers of every path.
#pragma once

#include "support/generators.hpp"

#include <featlib/vector/table.hpp>
#include <featlib/vector/state.hpp>

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

namespace featlib::testing {

/// A feature's value as it can be compared between paths: bits, or the text of a string.
struct Shown {
  Status status = 0;
  bool null = true;
  std::uint64_t bits = 0;
  std::string text;
  bool operator==(const Shown&) const = default;
};
using Answer = std::vector<Shown>;   ///< by feature

inline Shown show(const Feature& feature, FeatureValue value, std::string_view text) {
  Shown out{value.status, value.is_null(), 0, {}};
  if (out.null) return out;
  if (feature.type == Type::string) out.text = text;
  else out.bits = value.bits;
  return out;
}

inline std::vector<Answer> answers(const FeatureTable& table) {
  std::vector<Answer> out(table.rows());
  for (std::size_t f = 0; f < table.contract().features().size(); ++f)
    for (std::size_t r = 0; r < table.rows(); ++r) {
      const Feature& feature = table.contract().features()[f];
      const FeatureValue value = table.column(static_cast<int>(f))[r];
      const bool text = feature.type == Type::string && !value.is_null();
      out[r].push_back(show(feature, value, text ? table.text(static_cast<int>(f), value) : std::string_view{}));
    }
  return out;
}

inline std::string spelled(const Feature& feature, const Shown& s) {
  const std::string status = fmt::format(" status {:#04x}", s.status);
  if (s.null) return "null" + status;
  if (feature.type == Type::string) return "'" + s.text + "'" + status;
  if (feature.type == Type::float64) return fmt::format("{} ({:a}){}", std::bit_cast<double>(s.bits), std::bit_cast<double>(s.bits), status);
  return fmt::format("{}{}", static_cast<std::int64_t>(s.bits), status);
}

/// Empty, or where two lists of answers differ first.
inline std::string difference(const Contract& contract, const std::vector<Answer>& left, const std::vector<Answer>& right) {
  if (left.size() != right.size()) return fmt::format("{} answers against {}", left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i].size() != right[i].size()) return fmt::format("decision {}: one was not answered", i);
    for (std::size_t f = 0; f < left[i].size(); ++f)
      if (left[i][f] != right[i][f])
        return fmt::format("decision {}, feature {}:\n  left  {}\n  right {}", i, contract.features()[f].name, spelled(contract.features()[f], left[i][f]),
                           spelled(contract.features()[f], right[i][f]));
  }
  return {};
}

inline std::string spelled(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer > monday / 2 && *integer < 2 * monday ? fmt::format("monday{:+}", *integer - monday) : std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  if (const auto* text = std::get_if<std::string>(&value)) return "'" + *text + "'";
  return "null";
}

/// All of a case, for whoever has to find out why.
inline std::string spelled(const Case& c) {
  std::string out = c.text + "\n";
  const auto line = [&](std::string_view head, const std::vector<Field>& fields, const Values& values) {
    out += head;
    for (std::size_t f = 0; f < fields.size(); ++f) out += fmt::format(" {}={}", fields[f].name, spelled(values[f]));
    out += "\n";
  };
  for (std::size_t s = 0; s < c.rows.size(); ++s) {
    const Source& source = c.contract.sources()[s];
    for (std::size_t r = 0; r < c.rows[s].size(); ++r) line(fmt::format("{} {}:", source.name, r), source.fields, c.rows[s][r]);
    for (std::size_t r = 0; r < c.labels[s].size(); ++r) line(fmt::format("{} label {}:", source.name, r), source.fields, c.labels[s][r]);
    for (std::size_t r = 0; r < c.amendments[s].size(); ++r) {
      const Amendment& a = c.amendments[s][r];
      line(fmt::format("{} {} {} known_at={} version={}:", source.name, to_string(a.correction), r, spelled(a.known_at), a.version), source.fields, a.row);
    }
  }
  for (std::size_t d = 0; d < c.decisions.size(); ++d)
    line(fmt::format("decision {} at {}:", d, c.decisions[d].as_of ? spelled(Value(*c.decisions[d].as_of)) : "null"), c.contract.request(), c.decisions[d].request);
  for (const auto& [name, from] : c.complete_from) out += fmt::format("{} complete from {}\n", name, spelled(Value(from)));
  return out;
}

/// A State fed and asked in the terms of generated cases.
class Server {
 public:
  Server(const Contract& contract, StateOptions options) : plan_(std::make_shared<const Plan>(contract)), state_(std::make_unique<State>(plan_, std::move(options))) {}

  State& state() { return *state_; }
  const Contract& contract() const { return plan_->contract(); }

  Refusal observe(int source, const Values& row) {
    std::vector<Cell> cells;
    for (const Value& v : row) cells.push_back(cell_of(v));
    return state_->observe(source, cells);
  }

  /// Converts values and uses them; a value that cannot be taken refuses all.
  template <class Use>
  Refusal with_slots(int source, const Values& values, Use&& use) {
    const auto& fields = contract().sources()[static_cast<std::size_t>(source)].fields;
    std::vector<Slot> slots(fields.size());
    for (std::size_t f = 0; f < fields.size(); ++f)
      if (const Refusal why = accept(fields[f], cell_of(values[f]), state_->pool(), slots[f]); why != Refusal::none) {
        state_->refuse_slots(source, slots, why);
        return why;
      }
    return use(*state_, std::span<Slot>(slots));
  }

  Refusal label(int source, const Values& label) {
    return with_slots(source, label, [&](State& state, std::span<Slot> slots) { return state.observe_label(source, slots); });
  }

  /// A correction as a table carries it, or, untold, as it comes to a service: numbered and perhaps timed by the state.
  Refusal amend(int source, const Amendment& a, bool told = true) {
    const auto dedup = static_cast<std::size_t>(contract().sources()[static_cast<std::size_t>(source)].dedup_field);
    return with_slots(source, a.row, [&](State& state, std::span<Slot> slots) {
      if (!told) return a.correction == Correction::replace ? state.replace(source, slots) : state.retract(source, slots[dedup]);
      const auto* known = std::get_if<std::int64_t>(&a.known_at);
      return state.correct_slots(source, a.correction, slots, {known ? std::optional(*known) : std::nullopt, {}, a.version});
    });
  }

  /// The answer; of a request that cannot be read, what a table says of it.
  Answer decide(const Ask& ask) {
    const auto& fields = contract().request();
    const auto& features = contract().features();
    std::vector<FeatureValue> values(features.size(), VectorBuilder::refused());
    std::vector<Slot> slots(fields.size());
    bool good = answerable(ask);
    for (std::size_t f = 0; f < fields.size(); ++f)
      if (accept(fields[f], cell_of(ask.request[f]), state_->pool(), slots[f]) != Refusal::none) good = false;
    if (good) state_->answer(slots, *ask.as_of, values);
    Answer out;
    for (std::size_t f = 0; f < features.size(); ++f) {
      const bool text = features[f].type == Type::string && !values[f].is_null();
      out.push_back(show(features[f], values[f], text ? state_->text(static_cast<int>(f), values[f]) : std::string_view{}));
    }
    for (std::size_t f = 0; f < fields.size(); ++f)
      if (slots[f].held == Held::text || (!slots[f].is_null() && (fields[f].type == Type::string || fields[f].type == Type::category))) state_->pool().release(slots[f].text());
    return out;
  }

  static bool answerable(const Ask& ask) { return ask.as_of && *ask.as_of >= earliest_instant && *ask.as_of < latest_instant; }

  /// Whether a decision may still be asked; a Scorer refuses the others.
  bool open(const Ask& ask) const {
    return !answerable(ask) || state_->frontier() == always || *ask.as_of >= minus(state_->frontier(), state_->options().grace);
  }

  /// Goes on from a snapshot; false when it is refused.
  bool resume(std::span<const std::byte> snapshot) {
    auto restored = State::restore(plan_, snapshot);
    if (restored) state_ = std::move(restored).value();
    return restored.ok();
  }

  /// Stops and goes on from a snapshot.
  void restart() { state_ = State::restore(plan_, state_->snapshot()).value(); }

  Table exported(int source) const {
    ArrowArrayStream stream{};
    state_->export_history(source, &stream);
    return Table::from_stream(&stream, contract().sources()[static_cast<std::size_t>(source)].name).value();
  }
  std::map<std::string, Table> exported() const {
    std::map<std::string, Table> out;
    for (std::size_t s = 0; s < contract().sources().size(); ++s)
      if (!contract().sources()[s].is_union()) out.emplace(contract().sources()[s].name, exported(static_cast<int>(s)));
    return out;
  }

 private:
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<State> state_;
};

}  // namespace featlib::testing
