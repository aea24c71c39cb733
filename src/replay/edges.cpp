#include "replay/edges.hpp"

#include "replay/x86.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace featlib::replaying {
namespace {

/// Edges that are found together.
constexpr std::size_t side_by_side = 4;

// Rows and decisions are merged one at a time: either the row is before the target and the position moves, or the decision
// has its position. Without a branch to mispredict, and several edges at once; `while (times[p] < target) ++p` cost a
// misprediction an edge and decision, three times as much in all.
template <std::size_t... edges>
void merge_steps(std::index_sequence<edges...>, const Instant* times, const Instant* const* targets, std::size_t decisions, std::uint32_t* const* out) {
  constexpr std::size_t n = sizeof...(edges);
  std::array<std::size_t, n> position{}, decision{};
  const std::array<const Instant*, n> target{targets[edges]...};
  const std::array<std::uint32_t*, n> to{out[edges]...};
  const auto step = [&](std::size_t e) {
    const bool before = times[position[e]] < target[e][decision[e]];
    to[e][decision[e]] = static_cast<std::uint32_t>(position[e]);
    position[e] += before;
    decision[e] += !before & (decision[e] < decisions);
    return decision[e] < decisions;
  };
  while ((step(edges) | ...)) {}
}

#ifdef FEATLIB_X86_KERNELS
/// Eight decisions at a time: each counts the next sixteen rows that are before it, until the last has met one that is not.
/// Where one edge goes on depends on where it was; edges side by side hide that wait.
__attribute__((target("avx512f"))) void merge_avx512(std::size_t edges, const Instant* times, const Instant* const* targets, std::size_t decisions,
                                                     std::uint32_t* const* out) {
  const __m512i one = _mm512_set1_epi64(1);
  std::array<std::uint32_t, side_by_side> position{};
  for (std::size_t i = 0; i < decisions; i += 8) {
    const std::size_t n = std::min<std::size_t>(8, decisions - i);
    const auto lanes = static_cast<__mmask8>((1u << n) - 1);
    for (std::size_t e = 0; e < edges; ++e) {
      const __m512i target = _mm512_maskz_loadu_epi64(lanes, targets[e] + i);
      const Instant last = targets[e][i + n - 1];
      __m512i at = _mm512_set1_epi64(position[e]);
      const Instant* row = times + position[e];
      do {
        for (int k = 0; k < 16; ++k) at = _mm512_mask_add_epi64(at, _mm512_cmplt_epi64_mask(_mm512_set1_epi64(row[k]), target), at, one);
        row += 16;
      } while (row[-1] < last);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out[e] + i), _mm512_cvtepi64_epi32(at));
      position[e] = out[e][i + n - 1];
    }
  }
}
#endif

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

bool sequence_rises(const Slot& before, const Slot& after) {
  if (before.held == Held::value && after.held == Held::value) return before.integer() < after.integer();
  return sequence_before(before, after);
}

/// Rows before each row from `from` on: all behind which the instant or the sequence rises.
void before_own(const Ordered& rows, std::size_t from, std::size_t n, std::uint32_t* out) {
  const auto rises = [&](std::size_t row) {
    return rows.times[row - 1] != rows.times[row] || (!rows.sequence.empty() && sequence_rises(rows.sequence[row - 1], rows.sequence[row]));
  };
  std::size_t at = from;
  while (at > 0 && !rises(at)) --at;
  for (std::size_t row = from; row < from + n; ++row) {
    if (row > 0 && rises(row)) at = row;
    out[row - from] = static_cast<std::uint32_t>(at);
  }
}

}  // namespace

Merging fastest_merging() noexcept { return has_avx512() ? Merging::avx512 : Merging::steps; }

void EdgeFinder::find(const Ordered& rows, const Ordered& decisions, std::optional<std::size_t> own_from, std::span<std::uint32_t* const> out) {
  const std::size_t n = decisions.times.size();
  if (n == 0) return;
  std::array<const Instant*, side_by_side> targets{};
  std::array<std::uint32_t*, side_by_side> positions{};
  std::size_t waiting = 0;
  const auto merge_waiting = [&] {
    const std::size_t count = std::exchange(waiting, 0);
#ifdef FEATLIB_X86_KERNELS
    if (merging_ == Merging::avx512) return merge_avx512(count, rows.times.data(), targets.data(), n, positions.data());
#endif
    const auto merge = [&](auto edges) { merge_steps(edges, rows.times.data(), targets.data(), n, positions.data()); };
    switch (count) {
      case 0: break;
      case 1: merge(std::make_index_sequence<1>()); break;
      case 2: merge(std::make_index_sequence<2>()); break;
      case 3: merge(std::make_index_sequence<3>()); break;
      default: merge(std::make_index_sequence<4>()); break;
    }
  };
  const bool sparse = rows.times.size() / 16 > n;
  for (std::size_t e = 0; e < edges_.size(); ++e) {
    const Edge edge = edges_[e];
    if (own_from && edge.own_instant) {
      before_own(rows, *own_from, n, out[e]);
      continue;
    }
    auto& target = targets_[e];
    if (target.size() < n + 1) target.resize(n + 1);
    if (edge.bucket == 0 && decisions.times[0] >= always + edge.back) {   // they rise: no difference leaves the range
      const Duration back = edge.back - (edge.through && !edge.own_instant);
      for (std::size_t i = 0; i < n; ++i) target[i] = decisions.times[i] - back;
    } else {
      for (std::size_t i = 0; i < n; ++i) target[i] = edge.target(decisions.times[i]);
    }
    target[n] = always;
    if (sparse) {
      gallop(rows.times, target.data(), n, out[e]);
      continue;
    }
    targets[waiting] = target.data();
    positions[waiting] = out[e];
    if (++waiting == side_by_side) merge_waiting();
  }
  merge_waiting();
  for (std::size_t e = 0; e < edges_.size(); ++e) {
    if (!edges_[e].own_instant || own_from || rows.sequence.empty()) continue;
    for (std::size_t i = 0; i < n; ++i) {
      std::uint32_t& at = out[e][i];
      if (i > 0 && decisions.times[i] == decisions.times[i - 1]) at = out[e][i - 1];   // its sequence is no less
      while (at < rows.times.size() && rows.times[at] == decisions.times[i] && sequence_rises(rows.sequence[at], decisions.sequence[i])) ++at;
    }
  }
}

}  // namespace featlib::replaying
