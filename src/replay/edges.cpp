#include "replay/edges.hpp"

#include <algorithm>
#include <array>

namespace featlib::replaying {
namespace {

// Rows and decisions are merged one at a time: either the row is before the target and the position moves, or the decision
// has its position. Without a branch to mispredict, and several edges at once, a step of all of them takes about nine
// cycles; `while (times[p] < target) ++p` cost a misprediction an edge and decision, three times as much in all.
template <std::size_t edges>
void merge(const Instant* times, const Instant* const* targets, std::size_t decisions, std::uint32_t* const* out) {
  std::array<std::size_t, edges> position{}, decision{};
  for (bool left = decisions > 0; left;) {
    left = false;
    for (std::size_t e = 0; e < edges; ++e) {
      const bool before = times[position[e]] < targets[e][decision[e]];
      out[e][decision[e]] = static_cast<std::uint32_t>(position[e]);
      position[e] += before;
      decision[e] += !before & (decision[e] < decisions);
      left |= decision[e] < decisions;
    }
  }
}

/// Few decisions among many rows: doubling steps from the position before, then halving.
void gallop(std::span<const Instant> times, const Instant* targets, std::size_t decisions, std::uint32_t* out) {
  std::size_t low = 0;
  for (std::size_t i = 0; i < decisions; ++i) {
    std::size_t step = 1;
    while (low + step < times.size() && times[low + step] < targets[i]) step *= 2;
    const auto from = times.begin() + static_cast<std::ptrdiff_t>(low + step / 2);
    const auto to = times.begin() + static_cast<std::ptrdiff_t>(std::min(low + step, times.size()));
    low = static_cast<std::size_t>(std::lower_bound(std::min(from, to), to, targets[i]) - times.begin());
    out[i] = static_cast<std::uint32_t>(low);
  }
}

}  // namespace

Instant Edge::target(Instant as_of) const noexcept {
  const Instant at = minus(as_of, back);
  if (bucket == 0) return at + (through && !own_instant);
  const Duration into = (at - origin) % bucket;
  return at - (into < 0 ? into + bucket : into) - buckets_before * bucket;
}

void EdgeFinder::find(const Ordered& rows, const Ordered& decisions, std::span<std::uint32_t* const> out) {
  const std::size_t n = decisions.times.size();
  if (n == 0) return;
  std::array<const Instant*, 4> targets{};
  std::array<std::uint32_t*, 4> positions{};
  const bool sparse = rows.times.size() / 16 > n;
  for (std::size_t e = 0; e < edges_.size(); ++e) {
    auto& target = targets_[e];
    if (target.size() < n + 1) target.resize(n + 1);
    for (std::size_t i = 0; i < n; ++i) target[i] = edges_[e].target(decisions.times[i]);
    target[n] = always;
    if (sparse) {
      gallop(rows.times, target.data(), n, out[e]);
      continue;
    }
    targets[e % 4] = target.data();
    positions[e % 4] = out[e];
    if (e % 4 != 3 && e + 1 != edges_.size()) continue;
    switch (e % 4) {
      case 0: merge<1>(rows.times.data(), targets.data(), n, positions.data()); break;
      case 1: merge<2>(rows.times.data(), targets.data(), n, positions.data()); break;
      case 2: merge<3>(rows.times.data(), targets.data(), n, positions.data()); break;
      default: merge<4>(rows.times.data(), targets.data(), n, positions.data()); break;
    }
  }
  for (std::size_t e = 0; e < edges_.size(); ++e) {
    if (!edges_[e].own_instant || rows.sequence.empty()) continue;
    for (std::size_t i = 0; i < n; ++i) {
      std::uint32_t& at = out[e][i];
      if (i > 0 && decisions.times[i] == decisions.times[i - 1]) at = out[e][i - 1];   // its sequence is no less
      while (at < rows.times.size() && rows.times[at] == decisions.times[i] && sequence_before(rows.sequence[at], decisions.sequence[i])) ++at;
    }
  }
}

}  // namespace featlib::replaying
