/// A contract, and what happens to a state of it, drawn from bytes.
///
/// The first bytes draw the contract, its pools and the state's options; every action behind them has bytes of its own, so that
/// one byte changed is mostly one thing changed. What a contract, a row or a request may be is written in
/// support/generators.hpp, what may happen in the table below and in support/actions.hpp: the laws draw the same by seed.
#pragma once

#include "support/actions.hpp"
#include "support/shaped.hpp"

#include <unordered_map>

namespace featlib::testing {

using Bytes = std::span<const std::uint8_t>;

inline constexpr std::size_t world_bytes = 96, action_bytes = 24, most_actions = 32, most_worlds = 4000;

/// Takes the first n bytes away, or all that is left.
inline Bytes take(Bytes& from, std::size_t n) {
  const Bytes taken = from.first(std::min(n, from.size()));
  from = from.subspan(taken.size());
  return taken;
}

/// What the first bytes say.
struct World {
  explicit World(Bytes bytes) : random(bytes), blank(make_contract(random, 0, 1, 3)), values(random, blank.contract) {
    options.grace = random.pick<Duration>({hour, 0, 1, day, far_grace});
    options.keep_history = options.grace != far_grace || random.percent(50);   // where nothing leaves, the history is the state's own
    if (random.percent(20)) blank.complete_from = values.complete_from(blank.contract.sources());
    options.complete_from = blank.complete_from;
    shape = small_shape(random);
  }

  Random random;
  Case blank;
  testing::detail::ValueMaker values;
  StateOptions options;
  TimelineShape shape;
};

/// Worlds are kept: most changes are behind their bytes, and reading a contract takes longer than all that follows.
inline World& world_of(Bytes bytes) {
  static std::unordered_map<std::string, std::unique_ptr<World>> known;
  if (known.size() == most_worlds) known.clear();
  auto& world = known[std::string(bytes.begin(), bytes.end())];
  if (!world) world = std::make_unique<World>(bytes);
  return *world;
}

/// Draws an action, and adds the row, label, amendment or decision it is about to the case.
inline Action draw(World& world, Bytes bytes, Case& c) {
  using Kind = Action::Kind;
  static const std::vector<Kind> kinds{Kind::observe, Kind::observe, Kind::observe, Kind::observe, Kind::observe, Kind::decide, Kind::decide, Kind::decide,
                                       Kind::decide,  Kind::label,   Kind::label,   Kind::amend,   Kind::correct, Kind::correct, Kind::advance, Kind::restart};
  Random& random = world.random = Random(bytes);
  const auto& sources = c.contract.sources();
  Action out{random.pick(kinds)};
  out.source = static_cast<std::size_t>(random.below(static_cast<int>(sources.size())));
  if (sources[out.source].is_union()) out.source = static_cast<std::size_t>(sources[out.source].members[0].source);
  const Source& source = sources[out.source];
  const bool corrects = out.kind == Kind::amend || out.kind == Kind::correct;
  if ((out.kind == Kind::label && !takes_labels(source)) || (corrects && source.dedup_field < 0)) out.kind = Kind::observe;
  const auto add = [&](auto& to, auto made) {
    out.index = to.size();
    to.push_back(std::move(made));
  };
  const auto& rows = c.rows[out.source];
  switch (out.kind) {
    case Kind::observe: add(c.rows[out.source], world.values.next_row(c.contract, source, rows)); break;
    case Kind::label: add(c.labels[out.source], world.values.label(source, rows)); break;
    case Kind::amend:
    case Kind::correct: add(c.amendments[out.source], world.values.amendment(c.contract, source, rows)); break;
    case Kind::decide: add(c.decisions, world.values.ask(c.contract, c.rows)); break;
    case Kind::advance: out.instant = random.pick(world.values.as_of) + random.below(3) - 1 + (random.percent(30) ? hour : 0); break;
    case Kind::restart: break;
  }
  return out;
}

}  // namespace featlib::testing
