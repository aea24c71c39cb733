/// A case acted out: rows, labels, corrections, decisions, word of time and restarts in some order, and the same asked of every path.
///
/// The laws draw such an order by seed, the fuzzer by bytes; both compare what was answered with replay and reference.
#pragma once

#include "support/serving.hpp"

#include <featlib/vector/reference.hpp>
#include <featlib/vector/replay.hpp>

namespace featlib::testing {

inline constexpr Duration far_grace = 400 * day;   // longer than any generated history: no decision is too old, nothing leaves

/// What happens to a state; `index` is that of a row, a label, an amendment or a decision of the case. An amendment is told when
/// it was known and in what order, as from a table; a correction is one that a service makes.
struct Action {
  enum class Kind { observe, label, amend, correct, decide, advance, restart } kind;
  std::size_t source = 0;
  std::size_t index = 0;
  Instant instant = 0;
};

inline std::string spelled(const std::vector<Action>& actions) {
  std::string out;
  for (const Action& a : actions) {
    switch (a.kind) {
      case Action::Kind::observe: out += fmt::format("row {}.{}, ", a.source, a.index); break;
      case Action::Kind::label: out += fmt::format("label {}.{}, ", a.source, a.index); break;
      case Action::Kind::amend: out += fmt::format("amendment {}.{}, ", a.source, a.index); break;
      case Action::Kind::correct: out += fmt::format("correction {}.{}, ", a.source, a.index); break;
      case Action::Kind::decide: out += fmt::format("decide {}, ", a.index); break;
      case Action::Kind::advance: out += fmt::format("advance {:+}, ", a.instant - monday); break;
      case Action::Kind::restart: out += "restart, "; break;
    }
  }
  return out + "\n";
}

/// An answer is given only to a decision that is not too old.
inline void act(Server& server, const Case& c, const Action& a, std::vector<Answer>& given) {
  switch (a.kind) {
    case Action::Kind::observe: server.observe(static_cast<int>(a.source), c.rows[a.source][a.index]); break;
    case Action::Kind::label: server.label(static_cast<int>(a.source), c.labels[a.source][a.index]); break;
    case Action::Kind::amend: server.amend(static_cast<int>(a.source), c.amendments[a.source][a.index]); break;
    case Action::Kind::correct: server.amend(static_cast<int>(a.source), c.amendments[a.source][a.index], false); break;
    case Action::Kind::advance: server.state().advance(a.instant); break;
    case Action::Kind::restart: server.restart(); break;
    case Action::Kind::decide:
      if (server.open(c.decisions[a.index])) given[a.index] = server.decide(c.decisions[a.index]);
      break;
  }
}

/// Decisions that were answered, and what was said.
struct Answered {
  std::vector<Ask> asks;
  std::vector<Answer> given;
};
inline Answered answered(const Case& c, const std::vector<Answer>& given) {
  Answered out;
  for (std::size_t d = 0; d < given.size(); ++d)
    if (!given[d].empty() || c.contract.features().empty()) {
      out.asks.push_back(c.decisions[d]);
      out.given.push_back(given[d]);
    }
  return out;
}

inline StateOptions serving(const Case& c, Duration grace, bool keep_history) {
  StateOptions options;
  options.grace = grace;
  options.complete_from = c.complete_from;
  options.keep_history = keep_history;
  return options;
}

inline ReplayOptions options_of(const Case& c, int threads) {
  ReplayOptions options;
  options.as_of.unit = TimeUnit::microsecond;
  options.threads = threads;
  options.complete_from = c.complete_from;
  return options;
}

inline std::map<std::string, Table> tables_of(const Case& c, std::size_t rows_per_batch = 0) {
  std::map<std::string, Table> out;
  for (std::size_t s = 0; s < c.rows.size(); ++s)
    if (!c.contract.sources()[s].is_union()) out.emplace(c.contract.sources()[s].name, source_table(c.contract.sources()[s], c.rows[s], rows_per_batch, c.amendments[s]));
  return out;
}

inline std::vector<Answer> offline(const Case& c, const std::vector<Ask>& asks, const std::map<std::string, Table>& tables, int threads) {
  return answers(replay(c.contract, decision_table(c.contract, asks), tables, options_of(c, threads)).value());
}

inline std::vector<Answer> by_definition(const Case& c, const std::vector<Ask>& asks, const std::map<std::string, Table>& tables) {
  return answers(reference(c.contract, decision_table(c.contract, asks), tables, options_of(c, 1)).value());
}

}  // namespace featlib::testing
