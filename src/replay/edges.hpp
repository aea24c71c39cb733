// Where windows begin and end: positions in a timeline, found for many decisions in one pass.
#pragma once

#include <featlib/core/pages.hpp>
#include <featlib/window/read.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace featlib::replaying {

/// A window's bound as a distance back from as_of: rows that happened before it, or at it too (`through`), stand before the edge.
struct Edge {
  Duration back = 0;
  bool through = false;
  bool own_instant = false;            ///< the head of a closed window at as_of: of the rows at as_of itself only those of a lesser sequence
  Duration bucket = 0;                 ///< not 0: the beginning of the bucket of this width in which that instant lies,
  Instant origin = 0;                  ///< of which one begins here,
  int buckets_before = 0;              ///< or of one before it
  bool operator==(const Edge&) const = default;

  /// Rows whose time is less are before the edge.
  Instant target(Instant as_of) const noexcept {
    const Instant at = minus(as_of, back);
    if (bucket == 0) return at + (through && !own_instant);
    const Duration into = (at - origin) % bucket;
    return at - (into < 0 ? into + bucket : into) - buckets_before * bucket;
  }
};

/// Times of an entity's rows, or of its decisions, rising; `sequence` is empty where no edge looks at it.
struct Ordered {
  std::span<const Instant> times;
  std::span<const Slot> sequence;
};

/// How positions are found where rows and decisions are about as many.
enum class Merging { steps, avx512 };
Merging fastest_merging() noexcept;

/// Finds positions of edges; keeps its memory between entities.
class EdgeFinder {
 public:
  /// Times `never` that follow the rows' times, and positions that may be written behind those asked for.
  static constexpr std::size_t slack = 16;

  explicit EdgeFinder(std::vector<Edge> edges, Merging merging = fastest_merging()) : edges_(std::move(edges)), merging_(merging), targets_(edges_.size()) {}

  const std::vector<Edge>& edges() const noexcept { return edges_; }

  /// out[e][i] becomes the number of rows before edge e of decision i. `slack` times `never` follow rows.times, and every
  /// out[e] has room for `slack` more. `own_from`: where the decisions are the rows themselves, which is the first.
  void find(const Ordered& rows, const Ordered& decisions, std::optional<std::size_t> own_from, std::span<std::uint32_t* const> out);

 private:
  std::vector<Edge> edges_;
  Merging merging_;
  std::vector<PagedVector<Instant>> targets_;
};

}  // namespace featlib::replaying
