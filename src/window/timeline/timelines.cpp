#include "window/timeline/timelines.hpp"

#include "window/timeline/derived.hpp"

#include <algorithm>

namespace featlib {

using timeline::bits_between;
using timeline::Block;
using timeline::Entry;
using timeline::first_lane;
using timeline::Node;

// Places -----------------------------------------------------------------------------------------------------------

void Timelines::find(EntityId id, std::span<Search> searches) const noexcept {
  const Timeline none, &t = id < timelines_.size() ? timelines_[id] : none;
  for (Search& search : searches) {
    search.place.levels_ = t.levels;
    search.place.block_ = static_cast<Block*>(t.root);
    search.place.at_ = 0;
  }
  for (std::size_t level = 0; level < static_cast<std::size_t>(t.levels); ++level)
    for (Search& search : searches) {
      Place& place = search.place;
      auto* node = level == 0 ? static_cast<Node*>(t.root) : static_cast<Node*>(place.nodes_[level - 1]->child(place.children_[level - 1]));
      const std::size_t at = node->child_for(search.time, search.after);
      place.nodes_[level] = node;
      place.children_[level] = static_cast<std::uint16_t>(at);
      node->prefetch(at, level + 1 == static_cast<std::size_t>(t.levels));
    }
  for (Search& search : searches) {
    Place& place = search.place;
    if (t.levels > 0) place.block_ = static_cast<Block*>(place.nodes_[static_cast<std::size_t>(t.levels - 1)]->child(place.children_[static_cast<std::size_t>(t.levels - 1)]));
    if (!place.block_) continue;
    place.at_ = place.block_->rows_before(search.time, search.after);
    place.block_->prefetch_lanes(place.at_);
  }
}

Timelines::Place Timelines::find(EntityId id, Instant time, bool after) const noexcept {
  Search search{time, after, {}};
  find(id, {&search, 1});
  return search.place;
}

Timelines::Place Timelines::find_row(EntityId id, Row row) const noexcept {
  Place place = find(id, rows_->event_time[row], false);
  while (at_row(place) && this->row(place) != row && time(place) == rows_->event_time[row]) step(place);
  return place;
}

bool Timelines::at_row(Place& place) const noexcept {
  if (!place.block_) return false;
  if (place.at_ < place.block_->size()) return true;
  int level = place.levels_ - 1;
  const auto l = [&] { return static_cast<std::size_t>(level); };
  while (level >= 0 && place.children_[l()] + std::size_t{1} == place.nodes_[l()]->size()) --level;
  if (level < 0) return false;
  ++place.children_[l()];
  void* child = place.nodes_[l()]->child(place.children_[l()]);
  for (++level; level < place.levels_; ++level) {
    place.nodes_[l()] = static_cast<Node*>(child);
    place.children_[l()] = 0;
    child = place.nodes_[l()]->child(0);
  }
  place.block_ = static_cast<Block*>(child);
  place.at_ = 0;
  return true;
}

bool Timelines::step_back(Place& place) const noexcept {
  if (place.at_ > 0) {
    --place.at_;
    return true;
  }
  int level = place.levels_ - 1;
  const auto l = [&] { return static_cast<std::size_t>(level); };
  while (level >= 0 && place.children_[l()] == 0) --level;
  if (level < 0) return false;
  --place.children_[l()];
  void* child = place.nodes_[l()]->child(place.children_[l()]);
  for (++level; level < place.levels_; ++level) {
    place.nodes_[l()] = static_cast<Node*>(child);
    place.children_[l()] = static_cast<std::uint16_t>(place.nodes_[l()]->size() - 1);
    child = place.nodes_[l()]->child(place.nodes_[l()]->size() - 1);
  }
  place.block_ = static_cast<Block*>(child);
  place.at_ = place.block_->size() - 1;
  return true;
}

bool Timelines::before(const Place& a, const Place& b) noexcept {
  for (std::size_t level = 0; level < static_cast<std::size_t>(a.levels_); ++level)
    if (a.children_[level] != b.children_[level]) return a.children_[level] < b.children_[level];
  return a.at_ < b.at_;
}

// Changes ----------------------------------------------------------------------------------------------------------

Timelines::Timelines(const Rows& rows, int source_entity, std::vector<Lane> lanes, TimelineShape shape)
    : rows_(&rows), source_entity_(source_entity), lanes_(std::move(lanes)), words_(place_words(lanes_)), shape_(shape) {
  for (const Lane& lane : lanes_) gated_ = gated_ || lane.gated();
  entry_.columns.resize(first_lane + lanes_.size());
}

TimelineShape& Timelines::usual_shape() noexcept {
  thread_local TimelineShape shape;
  return shape;
}

namespace {

/// Calls `visit(block)` for every block below, and `leave(node)` for every node, children first.
template <class Visit, class Leave>
void walk(void* child, int levels, Visit&& visit, Leave&& leave) {
  if (levels == 0) return visit(static_cast<Block*>(child));
  auto* node = static_cast<Node*>(child);
  for (std::size_t at = 0; at < node->size(); ++at) walk(node->child(at), levels - 1, visit, leave);
  leave(node);
}

}  // namespace

Timelines::~Timelines() {
  for (const Timeline& t : timelines_)
    if (t.root) walk(t.root, t.levels, Block::give_back, Node::give_back);
}

std::size_t Timelines::memory() const noexcept {
  std::size_t bytes = timelines_.capacity() * sizeof(Timeline);
  for (const Timeline& t : timelines_)
    if (t.root) walk(t.root, t.levels, [&](Block* b) { bytes += b->bytes(); }, [&](Node* n) { bytes += n->bytes(); });
  return bytes;
}

const Entry& Timelines::read(Row row) {
  entry_.columns[timeline::times].bits = static_cast<std::uint64_t>(rows_->event_time[row]);
  entry_.columns[timeline::row_numbers].bits = row;
  for (std::size_t l = 0; l < lanes_.size(); ++l) {
    const Lane& lane = lanes_[l];
    Entry::Value& value = entry_.columns[first_lane + l];
    const Slot slot = lane.derived ? lane.derived->on(*rows_, row, never) : rows_->fields[static_cast<std::size_t>(lane.field)][row];
    value.held = !slot.is_null();
    value.bits = static_cast<std::uint64_t>(kept(lane, slot));
    if (lane.derived) value.stamped = lane.derived->stamped(*rows_, row);
    else value.stamped = value.held && lane.gate >= 0 ? rows_->stamps[static_cast<std::size_t>(lane.gate)][row] : always;
  }
  const Instant known = rows_->known_at[row];
  entry_.seen = {known, known, rows_->corrected() ? rows_->hidden_at[row] : never};
  return entry_;
}

void Timelines::insert(EntityId id, Row row) {
  if (id >= timelines_.size()) timelines_.resize(id + std::size_t{1});
  Timeline& t = timelines_[id];
  const Entry& entry = read(row);
  disturb(id, entry.time());
  if (!t.root) t = {Block::make_roomy(entry.columns.size(), std::min<std::size_t>(4, shape_.block)), 0, entry.time()};

  Place place = find(id, entry.time(), true);
  for (Place back = place; step_back(back) && time(back) == entry.time() && rows_->compare_order(row, this->row(back), source_entity_) < 0;) place = back;

  // Whatever was split off stands to the right of its origin: one more child of the node above, which may split in turn.
  void* right = insert_into(place, entry);
  void* left = place.block_;
  for (int level = place.levels_ - 1, below = 0; level >= 0; --level, ++below) {
    Node* node = place.nodes_[static_cast<std::size_t>(level)];
    const std::size_t at = place.children_[static_cast<std::size_t>(level)];
    if (right) {
      node->set(at, left, below);
      node = Node::insert(node, at + 1, right, below);
      // Where rows come in order the left half stays full.
      right = node->size() <= shape_.node ? nullptr : node->split(at + 2 == node->size() ? at + 1 : node->size() / 2);
    } else {
      node->add(at, left, entry);
    }
    left = node;
  }
  t.root = left;
  if (!right) return;
  Node* root = Node::insert(Node::make(lanes_, Node::least_capacity), 0, left, t.levels);
  t.root = Node::insert(root, 1, right, t.levels);
  ++t.levels;
}

/// Puts a row into the place's block, which may become another one. Gives the block that was split off, or null.
Block* Timelines::insert_into(Place& place, const Entry& entry) const {
  Block*& block = place.block_;
  const auto become = [&](Block* other, std::size_t first, std::size_t last) {
    other->copy(*block, first, last);
    return other;
  };
  const auto replace = [&](Block* other) {
    Block::give_back(block);
    block = other;
  };
  const std::size_t columns = entry.columns.size();
  bool newest = true;                 // of the timeline's blocks: the one that new rows fill
  for (std::size_t level = 0; level < static_cast<std::size_t>(place.levels_); ++level)
    newest = newest && place.children_[level] + std::size_t{1} == place.nodes_[level]->size();

  Block* right = nullptr;
  Block** into = &block;
  std::size_t at = place.at_;
  if (block->size() == block->capacity() && block->capacity() < shape_.block) {
    replace(become(Block::make_roomy(columns, std::min<std::size_t>(2 * block->capacity(), shape_.block)), 0, block->size()));
  } else if (block->size() == block->capacity()) {
    const std::size_t cut = newest && at == block->size() ? at : block->size() / 2;
    right = cut == block->size() ? Block::make_roomy(columns, shape_.block) : become(Block::make_tight(shape_.block, *block, cut, block->size(), nullptr), cut, block->size());
    replace(become(Block::make_tight(cut == block->size() ? cut : shape_.block, *block, 0, cut, nullptr), 0, cut));
    if (at >= cut) {
      into = &right;
      at -= cut;
    }
  }
  if (!(*into)->fits(entry)) {
    Block* old = *into;
    Block* wider = newest ? Block::make_roomy(columns, shape_.block) : Block::make_tight(old->capacity(), *old, 0, old->size(), &entry);
    wider->copy(*old, 0, old->size());
    Block::give_back(old);
    *into = wider;
  }
  (*into)->insert(at, entry);
  return right;
}

void Timelines::erase(EntityId id, Row row) {
  const Place place = find_row(id, row);
  disturb(id, time(place));
  place.block_->erase(place.at_);
  if (place.block_->size() > 0) summarize_up(place);
  else take_out(timelines_[id], place);
}

/// Gives back a block without rows that count, and the nodes that held it alone.
void Timelines::take_out(Timeline& t, const Place& place) const {
  Block::give_back(place.block_);
  int level = place.levels_ - 1;
  const auto l = [&] { return static_cast<std::size_t>(level); };
  for (; level >= 0 && place.nodes_[l()]->size() == 1; --level) Node::give_back(place.nodes_[l()]);
  if (level < 0) {
    t = {};
    return;
  }
  place.nodes_[l()]->erase(place.children_[l()]);
  for (int below = place.levels_ - level; --level >= 0; ++below) place.nodes_[l()]->set(place.children_[l()], place.nodes_[l() + 1], below);
  while (t.levels > 0 && static_cast<Node*>(t.root)->size() == 1) {
    auto* root = static_cast<Node*>(t.root);
    t.root = root->child(0);
    --t.levels;
    Node::give_back(root);
  }
}

void Timelines::changed(EntityId id, Row row) {
  Place place = find_row(id, row);
  if (!at_row(place) || this->row(place) != row) return;    // it left
  const Entry& entry = read(row);
  Block*& block = place.block_;
  if (!block->fits(entry)) {
    Block* wider = Block::make_tight(block->capacity(), *block, 0, block->size(), &entry);
    wider->copy(*block, 0, block->size());
    Block::give_back(block);
    block = wider;
    if (place.levels_ == 0) timelines_[id].root = wider;
  }
  block->write(place.at_, entry);
  summarize_up(place);
}

/// Makes the summaries above a block anew.
void Timelines::summarize_up(const Place& place) {
  void* child = place.block_;
  for (int level = place.levels_ - 1, below = 0; level >= 0; --level, ++below) {
    Node* node = place.nodes_[static_cast<std::size_t>(level)];
    node->set(place.children_[static_cast<std::size_t>(level)], child, below);
    child = node;
  }
}

void Timelines::expire(EntityId id, Instant cutoff) {
  if (id >= timelines_.size()) return;
  for (Timeline& t = timelines_[id]; t.root && t.due < cutoff;) {
    const Place first = find(id, always, false);
    t.due = first.block_->time(first.block_->size() - 1);
    if (t.due < cutoff) take_out(t, first);
  }
}

void Timelines::watch(EntityId id, Instant until) { watched_[id] = {until, false, {}}; }

void Timelines::disturb(EntityId id, Instant time) {
  if (watched_.empty()) return;
  const auto found = watched_.find(id);
  if (found == watched_.end() || time >= found->second.until) return;
  Watched& watched = found->second;
  if (watched.disturbed.size() < most_disturbed) watched.disturbed.push_back(time);
  else watched.lost = true;
}

bool Timelines::take_disturbed(EntityId id, std::vector<Instant>& out) {
  out.clear();
  const auto found = watched_.find(id);
  if (found == watched_.end()) return true;
  out.swap(found->second.disturbed);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  const bool all = !found->second.lost;
  watched_.erase(found);
  return all;
}

// Summing up -------------------------------------------------------------------------------------------------------

bool Timelines::whole(const Summary& summary, const LaneSummary* lanes, std::span<const std::uint32_t> asked, Instant as_of) const noexcept {
  return summary.seen.all(as_of) && (!gated_ || std::all_of(asked.begin(), asked.end(), [&](std::uint32_t l) { return lanes[l].stamped <= as_of; }));
}

namespace {

/// Leaves the rows, a bit a row, that `keeps` says to.
template <class Keeps>
std::uint64_t only(const Block& block, std::uint64_t rows, Keeps&& keeps) {
  for (std::uint64_t left = rows; left; left &= left - 1)
    if (const auto i = static_cast<std::size_t>(std::countr_zero(left)); !keeps(block.row(i))) rows &= ~(std::uint64_t{1} << i);
  return rows;
}

}  // namespace

/// The rows among `rows` that count.
std::uint64_t Timelines::counted(const Block& block, std::uint64_t rows, Instant as_of) const noexcept {
  if (block.seen().all(as_of)) return rows;
  return only(block, rows, [&](Row row) { return rows_->counts_at(row, as_of); });
}

void Timelines::add_rows(const Block& block, std::size_t from, std::size_t to, Instant as_of, Totals& out) const noexcept {
  if (from >= to || block.seen().none(as_of)) return;
  const std::uint64_t rows = counted(block, bits_between(from, to), as_of);
  out.rows += block.seen().all(as_of) ? to - from : static_cast<std::uint64_t>(std::popcount(rows));
  for (const std::uint32_t l : out.asked) {
    std::uint64_t held = block.held(l, rows);
    const Lane& lane = lanes_[l];
    if (block.stamped(l) > as_of && lane.derived) {
      // A row whose cells were not all known yet may have held another value then, or one where it holds none.
      held &= only(block, rows, [&](Row row) {
        if (lane.derived->stamped(*rows_, row) <= as_of) return true;
        if (const Slot then = lane.derived->on(*rows_, row, as_of); !then.is_null()) add_value(lane, kept(lane, then), out.lanes[l], out.words);
        return false;
      });
    } else if (block.stamped(l) > as_of) {
      held = only(block, held, [&](Row row) { return rows_->stamps[static_cast<std::size_t>(lane.gate)][row] <= as_of; });
    }
    block.add(l, lane, held, out.lanes[l], out.words);
  }
}

void Timelines::merge(Totals& out, std::uint64_t rows, const LaneSummary* lanes, const std::uint64_t* words) const noexcept {
  out.rows += rows;
  for (const std::uint32_t l : out.asked) merge_lane(lanes_[l], out.lanes[l], out.words, lanes[l], words);
}

void Timelines::add_children(const Node& node, std::size_t from, std::size_t to, int below, Instant as_of, Totals& out) const noexcept {
  const auto add_child = [&](std::size_t at) {
    if (node.summary(at).seen.none(as_of)) return;
    if (whole(node.summary(at), node.lanes(at), out.asked, as_of)) return merge(out, node.summary(at).rows, node.lanes(at), node.words(at));
    if (below == 0) {
      const Block& block = *static_cast<const Block*>(node.child(at));
      return add_rows(block, 0, block.size(), as_of, out);
    }
    const Node& inner = *static_cast<const Node*>(node.child(at));
    add_children(inner, 0, inner.size(), below - 1, as_of, out);
  };
  const std::size_t last = node.size() - 1;
  if (from == 0 && to > 0) add_child(from++);
  // What lies behind a child and before the last is summed up already.
  if (from < to && to >= last && whole(node.between(from - 1), node.between_lanes(from - 1), out.asked, as_of)) {
    merge(out, node.between(from - 1).rows, node.between_lanes(from - 1), node.between_words(from - 1));
    from = last;
  }
  for (; from < to; ++from) add_child(from);
}

Timelines::Place Timelines::back(const Place& from, const Place& to, std::uint64_t n, std::optional<std::uint32_t> lane, Instant as_of) const noexcept {
  Place at = to;
  while (n > 0 && before(from, at)) {
    const bool last = in_one_block(from, at);
    std::uint64_t rows = counted(*at.block_, bits_between(last ? from.at_ : 0, at.at_), as_of);
    if (lane) rows = at.block_->held(*lane, rows);
    const auto more = static_cast<std::uint64_t>(std::popcount(rows));
    if (more >= n) {
      for (std::uint64_t left = more; left > n; --left) rows &= rows - 1;
      at.at_ = static_cast<std::size_t>(std::countr_zero(rows));
      return at;
    }
    n -= more;
    if (last) return from;
    // Past what stands before the block: whole children where they do not hold the rest, then down to the last block of the one that may.
    auto level = static_cast<std::size_t>(at.levels_) - 1;
    for (;;) {
      if (at.children_[level] == 0) {
        --level;
        continue;
      }
      const std::size_t child = --at.children_[level];
      const Node& node = *at.nodes_[level];
      const bool holds_from = std::equal(at.children_.begin(), at.children_.begin() + static_cast<std::ptrdiff_t>(level) + 1, from.children_.begin());
      const std::uint64_t held = lane ? node.lanes(child)[*lane].count : node.summary(child).rows;
      if (!holds_from && node.summary(child).seen.none(as_of)) continue;
      if (!holds_from && node.summary(child).seen.all(as_of) && held < n) {
        n -= held;
        continue;
      }
      void* below = node.child(child);
      for (++level; level < static_cast<std::size_t>(at.levels_); ++level) {
        at.nodes_[level] = static_cast<Node*>(below);
        at.children_[level] = static_cast<std::uint16_t>(at.nodes_[level]->size() - 1);
        below = at.nodes_[level]->child(at.children_[level]);
      }
      at.block_ = static_cast<Block*>(below);
      at.at_ = at.block_->size();
      break;
    }
  }
  return at;
}

/// Calls `rows(block, first, last)` and `children(node, first, last, below)` for what lies between a place and the block of
/// another, in order.
template <class OfBlock, class OfNode>
void Timelines::to_block(const Place& from, const Place& to, OfBlock&& rows, OfNode&& children) {
  const auto levels = static_cast<std::size_t>(from.levels_);
  const auto below = [&](std::size_t level) { return from.levels_ - 1 - static_cast<int>(level); };
  std::size_t apart = 0;
  while (from.children_[apart] == to.children_[apart]) ++apart;
  if (from.children_[apart] > to.children_[apart]) return;
  rows(*from.block_, from.at_, from.block_->size());
  for (std::size_t level = levels - 1; level > apart; --level)
    children(*from.nodes_[level], from.children_[level] + std::size_t{1}, from.nodes_[level]->size(), below(level));
  children(*from.nodes_[apart], from.children_[apart] + std::size_t{1}, std::size_t{to.children_[apart]}, below(apart));
  for (std::size_t level = apart + 1; level < levels; ++level) children(*to.nodes_[level], std::size_t{0}, std::size_t{to.children_[level]}, below(level));
}

template <class OfBlock, class OfNode>
void Timelines::between(const Place& from, const Place& to, OfBlock&& rows, OfNode&& children) {
  if (!before(from, to)) return;
  if (in_one_block(from, to)) return rows(*from.block_, from.at_, to.at_);
  to_block(from, to, rows, children);
  rows(*to.block_, std::size_t{0}, to.at_);
}

void Timelines::add_to_block(const Place& from, const Place& to, Instant as_of, Totals& out) const noexcept {
  to_block(from, to, [&](const Block& block, std::size_t first, std::size_t last) { add_rows(block, first, last, as_of, out); },
           [&](const Node& node, std::size_t first, std::size_t last, int below) { add_children(node, first, last, below, as_of, out); });
}

void Timelines::add_block_before(const Place& to, Instant as_of, Totals& out) const noexcept { add_rows(*to.block_, 0, to.at_, as_of, out); }

void Timelines::add(const Place& from, const Place& to, Instant as_of, Totals& out) const noexcept {
  between(from, to, [&](const Block& block, std::size_t first, std::size_t last) { add_rows(block, first, last, as_of, out); },
          [&](const Node& node, std::size_t first, std::size_t last, int below) { add_children(node, first, last, below, as_of, out); });
}

std::size_t Timelines::distance(const Place& from, const Place& to) const noexcept {
  std::size_t out = 0;
  between(from, to, [&](const Block&, std::size_t first, std::size_t last) { out += last - first; },
          [&](const Node& node, std::size_t first, std::size_t last, int) {
            for (; first < last; ++first) out += node.summary(first).rows;
          });
  return out;
}

void Timelines::find_uncounted(const Place& from, const Place& to, Instant as_of, std::vector<Row>& out) const {
  const auto of_block = [&](const Block& block, std::size_t first, std::size_t last) {
    if (block.seen().all(as_of)) return;
    for (; first < last; ++first)
      if (!rows_->counts_at(block.row(first), as_of)) out.push_back(block.row(first));
  };
  const auto of_node = [&](const auto& self, const Node& node, std::size_t first, std::size_t last, int below) -> void {
    for (; first < last; ++first) {
      if (node.summary(first).seen.all(as_of)) continue;
      if (below == 0) {
        const Block& block = *static_cast<const Block*>(node.child(first));
        of_block(block, 0, block.size());
      } else {
        const Node& inner = *static_cast<const Node*>(node.child(first));
        self(self, inner, 0, inner.size(), below - 1);
      }
    }
  };
  between(from, to, of_block, [&](const Node& node, std::size_t first, std::size_t last, int below) { of_node(of_node, node, first, last, below); });
}

}  // namespace featlib
