/// Trees cut into tiles that a vector register holds.
///
/// A tile is the first six levels of a tree as a full one: 63 byte tests in heap order (the children of h are 2h + 1 and
/// 2h + 2) and 64 ways out. A leaf above the sixth level is behind all the ways out below it. Sixty-three tests cost a
/// vector less than six dependent loads cost a scalar, so all are made and the six that matter are picked.
///
/// What lies below the sixth level hangs from the ways out as steps: three tests, two levels, four ways on.
#pragma once

#include "ensemble/aligned.hpp"
#include "ensemble/model.hpp"
#include "ensemble/ranks.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace featlib::detail {

inline constexpr std::uint32_t tile_levels = 6;
inline constexpr std::uint32_t tile_nodes = 64;  // 63 tests and a filler, 64 ways out

/// Two levels below a tile. A leaf is a step that stays: no test of it goes right and `next` is itself.
struct Step {
  std::array<std::uint16_t, 3> column{};
  std::array<std::uint8_t, 3> k{255, 255, 255};
  std::uint32_t next = 0;  // of four neighbours, the first
};
static_assert(sizeof(Step) == 16);

/// Where the row is after the step. Bytes of one row are `stride` apart, and hold `flip` more (a kernel's way to compare).
template <std::uint8_t flip = 0>
std::uint32_t after(const Step& step, const std::uint8_t* bytes, std::size_t stride) noexcept {
  const std::uint32_t upper = (bytes[step.column[0] * stride] ^ flip) > step.k[0];
  const std::uint32_t lower = (bytes[step.column[1 + upper] * stride] ^ flip) > step.k[1 + upper];
  return step.next + 2 * upper + lower;
}

/// S: what leaves are added in.
template <class S>
struct Tiles {
  std::uint32_t levels = 0;                   // of the deepest tree, at most tile_levels: no test below them goes right
  AlignedVector<std::uint16_t> column;       // 64 a tile
  AlignedVector<std::uint8_t> narrow_column;  // the same, where there are at most 256 columns; else empty
  AlignedVector<std::uint8_t> k;              // 64 a tile
  AlignedVector<S> leaves;                    // 64 a tile; -0.0, which changes no sum, where the way goes on below
  // With a tree deeper than a tile, way out w of tile t is steps[64 t + w], and leaves are `values` of the steps that stay.
  std::vector<std::uint32_t> rounds;  // steps to the deepest leaf, a tile; empty: no tree is deeper
  std::vector<std::uint64_t> open;    // ways out that go on below, a tile
  AlignedVector<Step> steps;
  AlignedVector<S> values;

  std::size_t size() const noexcept { return k.size() / tile_nodes; }

  /// The leaf behind a way out of a tile that does not go on.
  S leaf(std::size_t tile, std::uint32_t way) const noexcept { return leaves[tile * tile_nodes + way]; }
};

/// What lies below a tile, at hand for a loop over rows or tiles.
template <class S>
class Below {
 public:
  explicit Below(const Tiles<S>& tiles) : rounds_(tiles.rounds.data()), steps_(tiles.steps.data()), values_(tiles.values.data()) {}

  /// The leaf behind a way out of a tile, where some tree is deeper.
  template <std::uint8_t flip = 0>
  S leaf(std::size_t tile, std::uint32_t way, const std::uint8_t* bytes, std::size_t stride) const noexcept {
    auto at = static_cast<std::uint32_t>(tile * tile_nodes + way);
    const std::uint32_t n = rounds_[tile];
    if (n <= most_rounds) {
      for (std::uint32_t i = 0; i < n; ++i) at = after<flip>(steps_[at], bytes, stride);
    } else {
      while (steps_[at].next != at) at = after<flip>(steps_[at], bytes, stride);
    }
    return values_[at];
  }

 private:
  /// To so many steps it is better to take the most than to look for the end.
  static constexpr std::uint32_t most_rounds = 3;

  const std::uint32_t* rounds_;
  const Step* steps_;
  const S* values_;
};

/// A tile a tree, over the columns that `ranks` gives its tests.
template <class X, class S>
Tiles<S> make_tiles(std::span<const Tree* const> trees, RankBuilder<X>& ranks);

}  // namespace featlib::detail
