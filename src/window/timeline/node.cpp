#include "window/timeline/node.hpp"

#include <algorithm>
#include <memory>
#include <new>

namespace featlib::timeline {
namespace {

constexpr std::size_t line = 64;     // of memory

}  // namespace

Node* Node::make(const std::vector<Lane>& lanes, std::size_t capacity) {
  std::size_t bytes = sizeof(Node) + capacity * sizeof(Instant);
  const auto room = [&](std::size_t size) {
    bytes = (bytes + alignof(LaneSummary) - 1) / alignof(LaneSummary) * alignof(LaneSummary);
    const auto at = static_cast<std::uint32_t>(bytes);
    bytes += capacity * size;
    return at;
  };
  const std::uint32_t children = room(sizeof(void*)), own = room(sizeof(Summary)), between = room(sizeof(Summary));
  const std::uint32_t own_lanes = room(lanes.size() * sizeof(LaneSummary)), between_lanes = room(lanes.size() * sizeof(LaneSummary));
  const std::size_t words = lanes.empty() ? 0 : lanes.back().first_word + powers::words(lanes.back().powers);
  const std::uint32_t own_words = room(words * sizeof(std::uint64_t)), between_words = room(words * sizeof(std::uint64_t));
  auto* node = new (::operator new(bytes)) Node;
  node->lanes_ = &lanes;
  node->capacity_ = static_cast<std::uint16_t>(capacity);
  node->words_ = static_cast<std::uint32_t>(words);
  node->bytes_ = static_cast<std::uint32_t>(bytes);
  node->children_ = children;
  node->own_ = own;
  node->between_ = between;
  node->own_lanes_ = own_lanes;
  node->between_lanes_ = between_lanes;
  node->own_words_ = own_words;
  node->between_words_ = between_words;
  return node;
}

void Node::give_back(Node* node) noexcept { ::operator delete(node); }

std::size_t Node::child_for(Instant time, bool after) const noexcept {
  const Instant* first = part<Instant>(sizeof(Node));
  if (first[size_ - 1] < time) return size_ - std::size_t{1};    // where new rows go
  std::size_t passed = 0;
  for (std::size_t at = 0; at < size_; ++at) passed += after ? first[at] <= time : first[at] < time;
  return passed == 0 ? 0 : passed - 1;
}

void Node::prefetch(std::size_t at, bool child_is_block) const noexcept {
  const auto fetch = [](const void* from, std::size_t bytes) {
    for (std::size_t b = 0; b < bytes; b += line) __builtin_prefetch(static_cast<const std::byte*>(from) + b);
  };
  // Of a block its columns and times, of a node its beginnings and children.
  fetch(child(at), child_is_block ? 7 * line : sizeof(Node) + size_ * (sizeof(Instant) + sizeof(void*)));
  const std::size_t lanes = lanes_->size() * sizeof(LaneSummary);
  fetch(&between(at), sizeof(Summary));
  fetch(between_lanes(at), lanes);
  if (words_ > 0) fetch(between_words(at), words_ * sizeof(std::uint64_t));
}

void Node::summarize(std::size_t at, int below) noexcept {
  Summary& own = part<Summary>(own_)[at];
  LaneSummary* lanes = part<LaneSummary>(own_lanes_) + at * lanes_->size();
  std::uint64_t* words = part<std::uint64_t>(own_words_) + at * words_;
  std::fill_n(lanes, lanes_->size(), LaneSummary{});
  std::fill_n(words, words_, 0);
  if (below == 0) {
    const Block& block = *static_cast<const Block*>(child(at));
    own = {static_cast<std::uint32_t>(block.size()), block.seen()};
    for (std::size_t l = 0; l < lanes_->size(); ++l) {
      const Lane& lane = (*lanes_)[l];
      block.add(l, lane, block.held(l, bits_between(0, block.size())), lanes[l], words);
      lanes[l].stamped = block.stamped(l);
    }
    firsts()[at] = block.time(0);
    return;
  }
  const Node& inner = *static_cast<const Node*>(child(at));
  own = {};
  for (std::size_t c = 0; c < inner.size(); ++c) {
    own.rows += inner.summary(c).rows;
    own.seen.merge(inner.summary(c).seen);
    merge_lanes(*lanes_, lanes, words, inner.lanes(c), inner.words(c));
  }
  firsts()[at] = inner.first();
}

/// Makes what lies between each child and the last anew.
void Node::settle() noexcept {
  const std::size_t width = lanes_->size();
  Summary* between = part<Summary>(between_);
  LaneSummary* lanes = part<LaneSummary>(between_lanes_);
  std::uint64_t* words = part<std::uint64_t>(between_words_);
  for (std::size_t at = size_; at-- > 0;) {
    between[at] = {};
    std::fill_n(lanes + at * width, width, LaneSummary{});
    std::fill_n(words + at * words_, words_, 0);
    if (at + 2 >= size_) continue;
    between[at] = between[at + 1];
    between[at].rows += summary(at + 1).rows;
    between[at].seen.merge(summary(at + 1).seen);
    std::copy_n(lanes + (at + 1) * width, width, lanes + at * width);
    std::copy_n(words + (at + 1) * words_, words_, words + at * words_);
    merge_lanes(*lanes_, lanes + at * width, words + at * words_, this->lanes(at + 1), this->words(at + 1));
  }
}

/// Takes children of a node, which may be this one, to stand from `to` on; what lies between them is left as it was.
void Node::take(const Node& from, std::size_t at, std::size_t n, std::size_t to) noexcept {
  const std::size_t width = lanes_->size();
  const auto move = [&](auto* into, const auto* out, std::size_t each) { std::memmove(into + to * each, out + at * each, n * each * sizeof *into); };
  move(firsts(), from.part<Instant>(sizeof(Node)), 1);
  move(part<void*>(children_), from.part<void*>(from.children_), 1);
  move(part<Summary>(own_), from.part<Summary>(from.own_), 1);
  move(part<LaneSummary>(own_lanes_), from.part<LaneSummary>(from.own_lanes_), width);
  move(part<std::uint64_t>(own_words_), from.part<std::uint64_t>(from.own_words_), words_);
}

void Node::set(std::size_t at, void* child, int below) noexcept {
  part<void*>(children_)[at] = child;
  summarize(at, below);
  if (at + 1u < size_) settle();
}

void Node::add(std::size_t at, void* child, const Entry& entry) noexcept {
  part<void*>(children_)[at] = child;
  firsts()[at] = std::min(firsts()[at], entry.time());
  Summary& own = part<Summary>(own_)[at];
  ++own.rows;
  own.seen.merge(entry.seen);
  const std::size_t width = lanes_->size();
  const Lane* const lanes = lanes_->data();
  LaneSummary* const summaries = part<LaneSummary>(own_lanes_) + at * width;
  for (std::size_t l = 0; l < width; ++l) {
    const Entry::Value& value = entry.columns[first_lane + l];
    summaries[l].stamped = std::max(summaries[l].stamped, value.stamped);
    if (value.held) add_value(lanes[l], static_cast<std::int64_t>(value.bits), summaries[l], part<std::uint64_t>(own_words_) + at * words_);
  }
  if (at + 1u < size_) settle();
}

Node* Node::insert(Node* node, std::size_t at, void* child, int below) {
  if (node->size_ == node->capacity_) {
    Node* wider = make(*node->lanes_, 2 * std::size_t{node->capacity_});
    wider->take(*node, 0, node->size_, 0);
    wider->size_ = node->size_;
    give_back(node);
    node = wider;
  }
  node->take(*node, at, node->size_ - at, at + 1);
  ++node->size_;
  node->part<void*>(node->children_)[at] = child;
  node->summarize(at, below);
  node->settle();
  return node;
}

void Node::erase(std::size_t at) noexcept {
  take(*this, at + 1, size_ - at - 1, at);
  --size_;
  settle();
}

Node* Node::split(std::size_t at) {
  Node* other = make(*lanes_, capacity_);
  other->take(*this, at, size_ - at, 0);
  other->size_ = static_cast<std::uint16_t>(size_ - at);
  size_ = static_cast<std::uint16_t>(at);
  settle();
  other->settle();
  return other;
}

}  // namespace featlib::timeline
