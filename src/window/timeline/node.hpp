// The inner nodes of a timeline's tree: children in order, when each begins, what each holds, and what those behind it hold.
#pragma once

#include "window/timeline/block.hpp"

#include <cstddef>
#include <vector>

namespace featlib::timeline {

/// Its arrays follow in memory: a search finds what it reads next beside what it read.
class Node {
 public:
  static constexpr std::size_t least_capacity = 4;
  /// The lanes outlive it.
  static Node* make(const std::vector<Lane>& lanes, std::size_t capacity);
  static void give_back(Node* node) noexcept;

  std::size_t size() const noexcept { return size_; }
  std::size_t bytes() const noexcept { return bytes_; }
  /// A Block on the lowest level, else a Node.
  void* child(std::size_t at) const noexcept { return part<void*>(children_)[at]; }
  /// When the first row of the node happened, or earlier.
  Instant first() const noexcept { return part<Instant>(sizeof(Node))[0]; }
  /// The child in which the place before, or after, `time` lies.
  std::size_t child_for(Instant time, bool after) const noexcept;

  /// Rows of a child, and what they hold.
  const Summary& summary(std::size_t at) const noexcept { return part<Summary>(own_)[at]; }
  const LaneSummary* lanes(std::size_t at) const noexcept { return part<LaneSummary>(own_lanes_) + at * lanes_->size(); }
  /// Beside the lanes' summaries, the words of their powers.
  const std::uint64_t* words(std::size_t at) const noexcept { return part<std::uint64_t>(own_words_) + at * words_; }
  /// What the children behind one hold, but for the last, in which new rows come: so that no new row changes it.
  const Summary& between(std::size_t at) const noexcept { return part<Summary>(between_)[at]; }
  const LaneSummary* between_lanes(std::size_t at) const noexcept { return part<LaneSummary>(between_lanes_) + at * lanes_->size(); }
  const std::uint64_t* between_words(std::size_t at) const noexcept { return part<std::uint64_t>(between_words_) + at * words_; }
  /// Asks for what a reading looks at that begins in a child, and for the child.
  void prefetch(std::size_t at, bool child_is_block) const noexcept;

  /// A child that became another one, or got rows other than one more. `below`: levels of nodes under this one.
  void set(std::size_t at, void* child, int below) noexcept;
  /// A child that got one more row.
  void add(std::size_t at, void* child, const Entry& entry) noexcept;
  /// Puts in a child; the node may become another one, which is given.
  [[nodiscard]] static Node* insert(Node* node, std::size_t at, void* child, int below);
  void erase(std::size_t at) noexcept;
  /// Moves the children from `at` on into a node of their own.
  Node* split(std::size_t at);

 private:
  Node() = default;
  template <class T>
  T* part(std::uint32_t offset) noexcept { return reinterpret_cast<T*>(reinterpret_cast<std::byte*>(this) + offset); }
  template <class T>
  const T* part(std::uint32_t offset) const noexcept { return reinterpret_cast<const T*>(reinterpret_cast<const std::byte*>(this) + offset); }
  Instant* firsts() noexcept { return part<Instant>(sizeof(Node)); }
  void take(const Node& from, std::size_t at, std::size_t n, std::size_t to) noexcept;
  void summarize(std::size_t at, int below) noexcept;
  void settle() noexcept;

  const std::vector<Lane>* lanes_ = nullptr;
  std::uint16_t size_ = 0, capacity_ = 0;
  std::uint32_t words_ = 0;           // a child: of its lanes' powers
  std::uint32_t bytes_ = 0;
  // Offsets; `first` stands at the end of this.
  std::uint32_t children_ = 0, own_ = 0, between_ = 0, own_lanes_ = 0, between_lanes_ = 0, own_words_ = 0, between_words_ = 0;
};

}  // namespace featlib::timeline
