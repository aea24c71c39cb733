#include "window/timeline.hpp"

#include <bit>
#include <cstring>
#include <new>

namespace featlib {
namespace {

constexpr std::size_t slack = 8;      // a value is read as eight bytes, whatever its width

constexpr std::uint64_t limit(std::uint8_t width) noexcept { return width == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * width)) - 1; }

std::uint64_t load(const std::byte* from) noexcept {
  std::uint64_t out;
  std::memcpy(&out, from, sizeof out);
  return out;
}

int width_of(int128 v) noexcept {
  const auto magnitude = v < 0 ? -static_cast<uint128>(v) : static_cast<uint128>(v);
  const auto high = static_cast<std::uint64_t>(magnitude >> 64);
  return high ? 128 - std::countl_zero(high) : 64 - std::countl_zero(static_cast<std::uint64_t>(magnitude));
}

/// One column of a block: the times, the row numbers, or a lane.
struct Column {
  std::uint64_t base = 0;
  std::uint64_t held = 0;             ///< a bit a row: the value is not null
  Instant stamped = always;           ///< when the last of a gated lane's cells became known, or later
  std::uint32_t offset = 0;           ///< of the values, from the block's begin
  std::uint8_t width = 0;             ///< bytes a value
};

constexpr std::size_t times = 0, row_numbers = 1, first_lane = 2;

/// Bits first..last - 1.
constexpr std::uint64_t bits_between(std::size_t first, std::size_t last) noexcept {
  const std::uint64_t below = last >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << last) - 1;
  return first >= 64 ? 0 : below >> first << first;
}

}  // namespace

// Summaries --------------------------------------------------------------------------------------------------------

void LaneSummary::add_sum(int128 addend, int exponent) noexcept {
  // Both below 2^125, so that the total fits.
  constexpr int room = 125;
  if (addend == 0 || wide) return;
  if (sum == 0) unit = static_cast<std::int16_t>(exponent);
  if (exponent < unit) {
    wide = width_of(sum) + unit - exponent > room;
    if (wide) return;
    sum = static_cast<int128>(static_cast<uint128>(sum) << (unit - exponent));
    unit = static_cast<std::int16_t>(exponent);
  }
  wide = width_of(addend) + exponent - unit > room;
  if (wide) return;
  sum += static_cast<int128>(static_cast<uint128>(addend) << (exponent - unit));
  wide = width_of(sum) > room;
}

void LaneSummary::add_integer(std::int64_t value) noexcept {
  ++count;
  sum += value;                       // 2^32 values of 2^63 at most
  least = std::min(least, value);
  most = std::max(most, value);
}

void LaneSummary::add_real(std::int64_t key) noexcept {
  ++count;
  const Decomposed parts = decompose(from_ordered(key));
  add_sum(parts.significand, parts.exponent);
  least = std::min(least, key);
  most = std::max(most, key);
}

void LaneSummary::merge(const LaneSummary& other) noexcept {
  wide = wide || other.wide;
  add_sum(other.sum, other.unit);
  count += other.count;
  least = std::min(least, other.least);
  most = std::max(most, other.most);
  stamped = std::max(stamped, other.stamped);
}

// Blocks -----------------------------------------------------------------------------------------------------------

/// A row as a block takes it in.
struct Timelines::Entry {
  struct Value {
    std::uint64_t bits = 0;
    bool held = true;
    Instant stamped = always;
  };
  std::vector<Value> columns;
  Visibility seen;

  Instant time() const noexcept { return static_cast<Instant>(columns[times].bits); }
  Row row() const noexcept { return static_cast<Row>(columns[row_numbers].bits); }
};

/// Rows in order; the columns and then their values follow in memory. Dead rows, if any, stand first.
struct Timelines::Block {
  std::uint16_t count = 0, capacity = 0, columns = 0;
  std::uint32_t bytes = 0;
  Visibility seen;                    ///< of all rows that were put in

  Column& column(std::size_t c) noexcept { return reinterpret_cast<Column*>(this + 1)[c]; }
  const Column& column(std::size_t c) const noexcept { return reinterpret_cast<const Column*>(this + 1)[c]; }
  const std::byte* values(const Column& c) const noexcept { return reinterpret_cast<const std::byte*>(this) + c.offset; }
  std::byte* values(const Column& c) noexcept { return reinterpret_cast<std::byte*>(this) + c.offset; }

  std::uint64_t get(std::size_t c, std::size_t i) const noexcept {
    const Column& from = column(c);
    return from.base + (load(values(from) + i * from.width) & limit(from.width));
  }
  void set(std::size_t c, std::size_t i, std::uint64_t bits) noexcept {
    const Column& to = column(c);
    std::byte* at = values(to) + i * to.width;
    const std::uint64_t merged = (load(at) & ~limit(to.width)) | ((bits - to.base) & limit(to.width));
    std::memcpy(at, &merged, sizeof merged);
  }
  Instant time(std::size_t i) const noexcept { return static_cast<Instant>(get(times, i)); }
  Row row(std::size_t i) const noexcept { return static_cast<Row>(get(row_numbers, i)); }

  /// Rows that happened before `time`; `closed`: or at it.
  std::size_t rows_before(Instant time, bool closed) const noexcept {
    const Column& c = column(times);
    const std::byte* v = values(c);
    const std::uint64_t mask = limit(c.width);
    if (count == 0 || this->time(count - std::size_t{1}) < time) return count;    // where new rows go
    std::size_t first = 0, n = count;
    while (n > 0) {
      const std::size_t half = n / 2;
      const auto at = static_cast<Instant>(c.base + (load(v + (first + half) * c.width) & mask));
      const bool passes = closed ? at <= time : at < time;
      first = passes ? first + half + 1 : first;
      n = passes ? n - half - 1 : half;
    }
    return first;
  }

  bool fits(const Entry& entry) const noexcept {
    for (std::size_t c = 0; c < columns; ++c)
      if (entry.columns[c].held && entry.columns[c].bits - column(c).base > limit(column(c).width)) return false;
    return true;
  }

  /// Writes a row, or its lanes anew, at a place that is free.
  void write(std::size_t at, const Entry& entry) noexcept {
    for (std::size_t c = 0; c < columns; ++c) {
      const Entry::Value& value = entry.columns[c];
      set(c, at, value.held ? value.bits : column(c).base);
      column(c).held = (column(c).held & ~(std::uint64_t{1} << at)) | (std::uint64_t{value.held} << at);
      column(c).stamped = std::max(column(c).stamped, value.stamped);
    }
    seen.merge(entry.seen);
  }
  void insert(std::size_t at, const Entry& entry) noexcept {
    for (std::size_t c = 0; c < columns; ++c) {
      Column& to = column(c);
      std::memmove(values(to) + (at + 1) * to.width, values(to) + at * to.width, (count - at) * to.width);
      to.held = (to.held & bits_between(0, at)) | ((to.held & bits_between(at, 63)) << 1);
    }
    ++count;
    write(at, entry);
  }
  void erase(std::size_t at) noexcept {
    --count;
    for (std::size_t c = 0; c < columns; ++c) {
      Column& to = column(c);
      std::memmove(values(to) + at * to.width, values(to) + (at + 1) * to.width, (count - at) * to.width);
      to.held = (to.held & bits_between(0, at)) | ((to.held & bits_between(at + 1, 64)) >> 1);
    }
  }

  /// A block for `capacity` rows. `base_and_width(column)` says how each is kept.
  template <class Layout>
  static Block* make(std::size_t columns, std::size_t capacity, Layout&& base_and_width) {
    std::size_t bytes = sizeof(Block) + columns * sizeof(Column);
    for (std::size_t c = 0; c < columns; ++c) bytes += capacity * base_and_width(c).second + slack;
    auto* block = new (::operator new(bytes)) Block;
    block->capacity = static_cast<std::uint16_t>(capacity);
    block->columns = static_cast<std::uint16_t>(columns);
    block->bytes = static_cast<std::uint32_t>(bytes);
    std::size_t offset = sizeof(Block) + columns * sizeof(Column);
    for (std::size_t c = 0; c < columns; ++c) {
      const auto [base, width] = base_and_width(c);
      new (&block->column(c)) Column{base, 0, always, static_cast<std::uint32_t>(offset), width};
      std::memset(block->values(block->column(c)), 0, capacity * width + slack);
      offset += capacity * width + slack;
    }
    return block;
  }
  /// Room for values of any size: for a block that is being filled.
  static Block* make_roomy(std::size_t columns, std::size_t capacity) {
    return make(columns, capacity, [](std::size_t c) { return std::pair(std::uint64_t{0}, static_cast<std::uint8_t>(c == row_numbers ? sizeof(Row) : 8)); });
  }
  /// As narrow as some rows of another block, and perhaps one more, allow.
  static Block* make_tight(std::size_t capacity, const Block& rows, std::size_t first, std::size_t last, const Entry* room_for) {
    return make(rows.columns, capacity, [&](std::size_t c) {
      auto least = std::numeric_limits<std::int64_t>::max(), most = std::numeric_limits<std::int64_t>::min();
      const auto meet = [&](std::uint64_t bits) {
        least = std::min(least, static_cast<std::int64_t>(bits));
        most = std::max(most, static_cast<std::int64_t>(bits));
      };
      for (std::size_t i = first; i < last; ++i)
        if (rows.column(c).held >> i & 1) meet(rows.get(c, i));
      if (room_for && room_for->columns[c].held) meet(room_for->columns[c].bits);
      if (least > most) return std::pair(std::uint64_t{0}, std::uint8_t{0});
      const std::uint64_t range = static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(least);
      return std::pair(static_cast<std::uint64_t>(least), static_cast<std::uint8_t>((std::bit_width(range) + 7) / 8));
    });
  }
  static void give_back(Block* block) noexcept { ::operator delete(block); }

  /// Takes rows of another block, which fit; what is said of all its rows holds for some.
  void copy(const Block& from, std::size_t first, std::size_t last) noexcept {
    count = static_cast<std::uint16_t>(last - first);
    seen = from.seen;
    for (std::size_t c = 0; c < columns; ++c) {
      column(c).held = (from.column(c).held & bits_between(first, last)) >> first;
      column(c).stamped = from.column(c).stamped;
      for (std::size_t i = first; i < last; ++i)
        if (from.column(c).held >> i & 1) set(c, i - first, from.get(c, i));
        else set(c, i - first, column(c).base);
    }
  }
};

/// An inner node: its children in order, when the first row of each happened, and what each holds.
struct Timelines::Node {
  struct Child {
    void* at = nullptr;               ///< a Block on the lowest level, else a Node
    std::uint32_t rows = 0;
    Visibility seen;
  };
  std::vector<Instant> first;         ///< or earlier
  std::vector<Child> children;
  std::vector<LaneSummary> lanes;     ///< by child, by lane

  std::size_t size() const noexcept { return children.size(); }
  /// The child in which a place before or after `time` lies.
  std::size_t child_for(Instant time, bool after) const noexcept {
    if (first.back() < time) return first.size() - 1;    // where new rows go
    std::size_t passed = 0;
    for (const Instant t : first) passed += after ? t <= time : t < time;
    return passed == 0 ? 0 : passed - 1;
  }
};

// Places -----------------------------------------------------------------------------------------------------------

Timelines::Place Timelines::find(EntityId id, Instant time, bool after) const noexcept {
  Place place;
  if (id >= timelines_.size() || !timelines_[id].root) return place;
  place.levels_ = timelines_[id].levels;
  void* child = timelines_[id].root;
  for (int level = 0; level < place.levels_; ++level) {
    auto* node = static_cast<Node*>(child);
    const std::size_t at = node->child_for(time, after);
    place.nodes_[static_cast<std::size_t>(level)] = node;
    place.children_[static_cast<std::size_t>(level)] = static_cast<std::uint16_t>(at);
    child = node->children[at].at;
  }
  place.block_ = static_cast<Block*>(child);
  place.at_ = place.block_->rows_before(time, after);
  return place;
}

Timelines::Place Timelines::find_row(EntityId id, Row row) const noexcept {
  Place place = find(id, rows_->event_time[row], false);
  while (at_row(place) && this->row(place) != row && time(place) == rows_->event_time[row]) step(place);
  return place;
}

bool Timelines::at_row(Place& place) const noexcept {
  if (!place.block_) return false;
  if (place.at_ < place.block_->count) return true;
  int level = place.levels_ - 1;
  const auto l = [&] { return static_cast<std::size_t>(level); };
  while (level >= 0 && place.children_[l()] + std::size_t{1} == place.nodes_[l()]->size()) --level;
  if (level < 0) return false;
  ++place.children_[l()];
  void* child = place.nodes_[l()]->children[place.children_[l()]].at;
  for (++level; level < place.levels_; ++level) {
    place.nodes_[l()] = static_cast<Node*>(child);
    place.children_[l()] = 0;
    child = place.nodes_[l()]->children.front().at;
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
  void* child = place.nodes_[l()]->children[place.children_[l()]].at;
  for (++level; level < place.levels_; ++level) {
    place.nodes_[l()] = static_cast<Node*>(child);
    place.children_[l()] = static_cast<std::uint16_t>(place.nodes_[l()]->size() - 1);
    child = place.nodes_[l()]->children.back().at;
  }
  place.block_ = static_cast<Block*>(child);
  place.at_ = place.block_->count - std::size_t{1};
  return true;
}

Row Timelines::row(const Place& place) const noexcept { return place.block_->row(place.at_); }
Instant Timelines::time(const Place& place) const noexcept { return place.block_->time(place.at_); }

bool Timelines::before(const Place& a, const Place& b) noexcept {
  for (std::size_t level = 0; level < static_cast<std::size_t>(a.levels_); ++level)
    if (a.children_[level] != b.children_[level]) return a.children_[level] < b.children_[level];
  return a.at_ < b.at_;
}

// Changes ----------------------------------------------------------------------------------------------------------

Timelines::Timelines(const Rows& rows, int source_entity, std::vector<Lane> lanes, TimelineShape shape)
    : rows_(&rows), source_entity_(source_entity), lanes_(std::move(lanes)), shape_(shape), entry_(std::make_unique<Entry>()) {
  for (const Lane& lane : lanes_) gated_ = gated_ || lane.gate >= 0;
  entry_->columns.resize(first_lane + lanes_.size());
}

Timelines::Timelines(Timelines&&) noexcept = default;

namespace {

/// Calls `visit(block)` for every block below, then `leave(node)` for every node, children first.
template <class Node, class Block, class Visit, class Leave>
void walk(void* child, int levels, Visit&& visit, Leave&& leave) {
  if (levels == 0) return visit(static_cast<Block*>(child));
  auto* node = static_cast<Node*>(child);
  for (auto& c : node->children) walk<Node, Block>(c.at, levels - 1, visit, leave);
  leave(node);
}

}  // namespace

Timelines::~Timelines() {
  for (const Timeline& t : timelines_)
    if (t.root) walk<Node, Block>(t.root, t.levels, [](Block* b) { Block::give_back(b); }, [](Node* n) { delete n; });
}

std::size_t Timelines::memory() const noexcept {
  std::size_t bytes = timelines_.capacity() * sizeof(Timeline);
  for (const Timeline& t : timelines_)
    if (t.root)
      walk<Node, Block>(t.root, t.levels, [&](Block* b) { bytes += b->bytes; }, [&](Node* n) {
        bytes += sizeof(Node) + n->first.capacity() * sizeof(Instant) + n->children.capacity() * sizeof(Node::Child) + n->lanes.capacity() * sizeof(LaneSummary);
      });
  return bytes;
}

const Timelines::Entry& Timelines::read(Row row) {
  entry_->columns[times].bits = static_cast<std::uint64_t>(rows_->event_time[row]);
  entry_->columns[row_numbers].bits = row;
  for (std::size_t l = 0; l < lanes_.size(); ++l) {
    const Lane& lane = lanes_[l];
    Entry::Value& value = entry_->columns[first_lane + l];
    const Slot slot = rows_->fields[static_cast<std::size_t>(lane.field)][row];
    value.held = !slot.is_null();
    value.bits = lane.real ? static_cast<std::uint64_t>(ordered(slot.real())) : slot.bits;
    value.stamped = value.held && lane.gate >= 0 ? rows_->stamps[static_cast<std::size_t>(lane.gate)][row] : always;
  }
  const Instant known = rows_->known_at[row];
  entry_->seen = {known, known, rows_->corrected() ? rows_->hidden_at[row] : never};
  return *entry_;
}

void Timelines::insert(EntityId id, Row row) {
  if (id >= timelines_.size()) timelines_.resize(id + std::size_t{1});
  Timeline& t = timelines_[id];
  const Entry& entry = read(row);
  if (!t.root) t.root = Block::make_roomy(entry.columns.size(), std::min<std::size_t>(4, shape_.block));

  Place place = find(id, entry.time(), true);
  for (Place back = place; step_back(back) && time(back) == entry.time() && rows_->compare_order(row, this->row(back), source_entity_) < 0;) place = back;

  // Whatever was split off stands to the right of its origin: one more child of the node above, which may split in turn.
  void* right = insert_into(place, entry);
  void* left = place.block_;
  for (int level = place.levels_ - 1; level >= 0; --level) {
    Node& node = *place.nodes_[static_cast<std::size_t>(level)];
    const std::size_t at = place.children_[static_cast<std::size_t>(level)];
    const int below = place.levels_ - 1 - level;
    node.children[at].at = left;
    node.first[at] = std::min(node.first[at], entry.time());
    left = &node;
    if (right) {
      summarize(node, at, below);
      const std::size_t next = at + 1;
      node.children.insert(node.children.begin() + static_cast<std::ptrdiff_t>(next), Node::Child{right, 0, {}});
      const Instant first = below == 0 ? static_cast<Block*>(right)->time(0) : static_cast<Node*>(right)->first.front();
      node.first.insert(node.first.begin() + static_cast<std::ptrdiff_t>(next), first);
      node.lanes.insert(node.lanes.begin() + static_cast<std::ptrdiff_t>(next * lanes_.size()), lanes_.size(), LaneSummary{});
      summarize(node, next, below);
      right = nullptr;
      if (node.size() <= shape_.node) continue;
      // Where rows come in order the left half stays full.
      const std::size_t cut = next + 1 == node.size() ? next : node.size() / 2;
      const auto split = [](auto& from, auto& to, std::size_t n) {
        to.assign(from.begin() + static_cast<std::ptrdiff_t>(n), from.end());
        from.resize(n);
      };
      auto* other = new Node;
      split(node.first, other->first, cut);
      split(node.children, other->children, cut);
      split(node.lanes, other->lanes, cut * lanes_.size());
      right = other;
      continue;
    }
    Node::Child& child = node.children[at];
    ++child.rows;
    child.seen.merge(entry.seen);
    for (std::size_t l = 0; l < lanes_.size(); ++l) {
      const Entry::Value& value = entry.columns[first_lane + l];
      LaneSummary& summary = node.lanes[at * lanes_.size() + l];
      if (!value.held) continue;
      if (lanes_[l].real) summary.add_real(static_cast<std::int64_t>(value.bits));
      else summary.add_integer(static_cast<std::int64_t>(value.bits));
      summary.stamped = std::max(summary.stamped, value.stamped);
    }
  }
  t.root = left;
  if (!right) return;
  auto* root = new Node;
  for (void* child : {left, right}) {
    root->children.push_back({child, 0, {}});
    root->first.push_back(t.levels == 0 ? static_cast<Block*>(child)->time(0) : static_cast<Node*>(child)->first.front());
  }
  root->lanes.resize(2 * lanes_.size());
  for (std::size_t at = 0; at < 2; ++at) summarize(*root, at, t.levels);
  t.root = root;
  ++t.levels;
}

/// Puts a row into the place's block, which may become another one. Gives the block that was split off, or null.
Timelines::Block* Timelines::insert_into(Place& place, const Entry& entry) const {
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
  if (block->count == block->capacity && block->capacity < shape_.block) {
    replace(become(Block::make_roomy(columns, std::min<std::size_t>(2 * block->capacity, shape_.block)), 0, block->count));
  } else if (block->count == block->capacity) {
    const std::size_t cut = newest && at == block->count ? at : block->count / 2;
    right = cut == block->count ? Block::make_roomy(columns, shape_.block) : become(Block::make_tight(shape_.block, *block, cut, block->count, nullptr), cut, block->count);
    replace(become(Block::make_tight(cut == block->count ? cut : shape_.block, *block, 0, cut, nullptr), 0, cut));
    if (at >= cut) {
      into = &right;
      at -= cut;
    }
  }
  if (!(*into)->fits(entry)) {
    Block* old = *into;
    Block* wider = newest ? Block::make_roomy(columns, shape_.block) : Block::make_tight(old->capacity, *old, 0, old->count, &entry);
    wider->copy(*old, 0, old->count);
    Block::give_back(old);
    *into = wider;
  }
  (*into)->insert(at, entry);
  return right;
}

void Timelines::erase(EntityId id, Row row) {
  const Place place = find_row(id, row);
  place.block_->erase(place.at_);
  if (place.block_->count > 0) summarize_up(place);
  else take_out(timelines_[id], place);
}

/// Gives back a block without rows that count, and the nodes that held it alone.
void Timelines::take_out(Timeline& t, const Place& place) const {
  Block::give_back(place.block_);
  int level = place.levels_ - 1;
  const auto l = [&] { return static_cast<std::size_t>(level); };
  for (; level >= 0 && place.nodes_[l()]->size() == 1; --level) delete place.nodes_[l()];
  if (level < 0) {
    t = {};
    return;
  }
  Node& node = *place.nodes_[l()];
  const auto at = static_cast<std::ptrdiff_t>(place.children_[l()]);
  const auto width = static_cast<std::ptrdiff_t>(lanes_.size());
  node.children.erase(node.children.begin() + at);
  node.first.erase(node.first.begin() + at);
  node.lanes.erase(node.lanes.begin() + at * width, node.lanes.begin() + (at + 1) * width);
  for (--level; level >= 0; --level) summarize(*place.nodes_[l()], place.children_[l()], place.levels_ - 1 - level);
  while (t.levels > 0 && static_cast<Node*>(t.root)->size() == 1) {
    auto* root = static_cast<Node*>(t.root);
    t.root = root->children.front().at;
    --t.levels;
    delete root;
  }
}

void Timelines::changed(EntityId id, Row row) {
  Place place = find_row(id, row);
  if (!at_row(place) || this->row(place) != row) return;    // it left
  const Entry& entry = read(row);
  Block*& block = place.block_;
  if (!block->fits(entry)) {
    Block* wider = Block::make_tight(block->capacity, *block, 0, block->count, &entry);
    wider->copy(*block, 0, block->count);
    Block::give_back(block);
    block = wider;
    if (place.levels_ == 0) timelines_[id].root = wider;
    else place.nodes_[static_cast<std::size_t>(place.levels_ - 1)]->children[place.children_[static_cast<std::size_t>(place.levels_ - 1)]].at = wider;
  }
  block->write(place.at_, entry);
  summarize_up(place);
}

void Timelines::expire(EntityId id, Instant cutoff) {
  if (id >= timelines_.size()) return;
  for (Timeline& t = timelines_[id]; t.root;) {
    const Place first = find(id, always, false);
    if (first.block_->time(first.block_->count - std::size_t{1}) >= cutoff) return;
    take_out(t, first);
  }
}

// Summing up -------------------------------------------------------------------------------------------------------

/// Adds the values of some rows of a block, a bit a row, none of them null.
void Timelines::add_values(const Block& block, std::size_t lane, std::uint64_t rows, LaneSummary& out) const noexcept {
  if (rows == 0) return;
  const Column& column = block.column(first_lane + lane);
  const auto first = static_cast<std::size_t>(std::countr_zero(rows)), last = static_cast<std::size_t>(64 - std::countl_zero(rows));
  if (lanes_[lane].real) {
    for (; rows; rows &= rows - 1) out.add_real(static_cast<std::int64_t>(block.get(first_lane + lane, static_cast<std::size_t>(std::countr_zero(rows)))));
    return;
  }
  if (column.width == 8 || rows != bits_between(first, last)) {
    for (; rows; rows &= rows - 1) out.add_integer(static_cast<std::int64_t>(block.get(first_lane + lane, static_cast<std::size_t>(std::countr_zero(rows)))));
    return;
  }
  // What exceeds the base: at most 64 values below 2^56.
  const std::byte* values = block.values(column);
  const std::uint64_t mask = limit(column.width);
  std::uint64_t sum = 0, least = ~std::uint64_t{0}, most = 0;
  for (std::size_t i = first; i < last; ++i) {
    const std::uint64_t value = load(values + i * column.width) & mask;
    sum += value;
    least = std::min(least, value);
    most = std::max(most, value);
  }
  out.count += static_cast<std::uint32_t>(last - first);
  out.sum += static_cast<int128>(static_cast<std::int64_t>(column.base)) * static_cast<int128>(last - first) + static_cast<int128>(sum);
  out.least = std::min(out.least, static_cast<std::int64_t>(column.base + least));
  out.most = std::max(out.most, static_cast<std::int64_t>(column.base + most));
}

void Timelines::summarize(Node& node, std::size_t at, int below) const noexcept {
  Node::Child& child = node.children[at];
  LaneSummary* lanes = node.lanes.data() + at * lanes_.size();
  std::fill(lanes, lanes + lanes_.size(), LaneSummary{});
  child.rows = 0;
  child.seen = {};
  if (below == 0) {
    const Block& block = *static_cast<const Block*>(child.at);
    child.rows = block.count;
    child.seen = block.seen;
    for (std::size_t l = 0; l < lanes_.size(); ++l) {
      const Column& column = block.column(first_lane + l);
      add_values(block, l, column.held & bits_between(0, block.count), lanes[l]);
      lanes[l].stamped = column.stamped;
    }
    return;
  }
  const Node& inner = *static_cast<const Node*>(child.at);
  for (const Node::Child& c : inner.children) {
    child.rows += c.rows;
    child.seen.merge(c.seen);
  }
  for (std::size_t i = 0; i < inner.lanes.size(); ++i) lanes[i % lanes_.size()].merge(inner.lanes[i]);
}

void Timelines::summarize_up(const Place& place) const noexcept {
  for (int level = place.levels_ - 1; level >= 0; --level)
    summarize(*place.nodes_[static_cast<std::size_t>(level)], place.children_[static_cast<std::size_t>(level)], place.levels_ - 1 - level);
}

void Timelines::add_rows(const Block& block, std::size_t from, std::size_t to, Instant as_of, Totals& out) const noexcept {
  if (from >= to || block.seen.none(as_of)) return;
  std::uint64_t rows = bits_between(from, to);
  const auto without = [&](std::uint64_t& some, auto&& keeps) {
    for (std::uint64_t left = some; left; left &= left - 1)
      if (const auto i = static_cast<std::size_t>(std::countr_zero(left)); !keeps(block.row(i))) some &= ~(std::uint64_t{1} << i);
  };
  if (!block.seen.all(as_of)) without(rows, [&](Row row) { return rows_->counts_at(row, as_of); });
  out.rows += static_cast<std::uint64_t>(std::popcount(rows));
  for (std::size_t l = 0; l < lanes_.size(); ++l) {
    const Column& column = block.column(first_lane + l);
    std::uint64_t held = rows & column.held;
    if (column.stamped > as_of) without(held, [&](Row row) { return rows_->stamps[static_cast<std::size_t>(lanes_[l].gate)][row] <= as_of; });
    add_values(block, l, held, out.lanes[l]);
  }
}

void Timelines::add_children(const Node& node, std::size_t from, std::size_t to, int below, Instant as_of, Totals& out) const noexcept {
  for (std::size_t at = from; at < to; ++at) {
    const Node::Child& child = node.children[at];
    const LaneSummary* lanes = node.lanes.data() + at * lanes_.size();
    if (child.seen.none(as_of)) continue;
    bool whole = child.seen.all(as_of);
    for (std::size_t l = 0; gated_ && whole && l < lanes_.size(); ++l) whole = lanes[l].stamped <= as_of;
    if (whole) {
      out.rows += child.rows;
      for (std::size_t l = 0; l < lanes_.size(); ++l) out.lanes[l].merge(lanes[l]);
    } else if (below == 0) {
      const Block& block = *static_cast<const Block*>(child.at);
      add_rows(block, 0, block.count, as_of, out);
    } else {
      const Node& inner = *static_cast<const Node*>(child.at);
      add_children(inner, 0, inner.size(), below - 1, as_of, out);
    }
  }
}

/// Calls `rows(block, first, last)` and `children(node, first, last, below)` for what lies between two places, in order.
template <class OfBlock, class OfNode>
void Timelines::between(const Place& from, const Place& to, OfBlock&& rows, OfNode&& children) {
  if (!before(from, to)) return;
  const auto levels = static_cast<std::size_t>(from.levels_);
  const auto below = [&](std::size_t level) { return from.levels_ - 1 - static_cast<int>(level); };
  std::size_t apart = 0;
  while (apart < levels && from.children_[apart] == to.children_[apart]) ++apart;
  if (apart == levels) return rows(*from.block_, from.at_, to.at_);
  rows(*from.block_, from.at_, std::size_t{from.block_->count});
  for (std::size_t level = levels - 1; level > apart; --level)
    children(*from.nodes_[level], from.children_[level] + std::size_t{1}, from.nodes_[level]->size(), below(level));
  children(*from.nodes_[apart], from.children_[apart] + std::size_t{1}, std::size_t{to.children_[apart]}, below(apart));
  for (std::size_t level = apart + 1; level < levels; ++level) children(*to.nodes_[level], std::size_t{0}, std::size_t{to.children_[level]}, below(level));
  rows(*to.block_, std::size_t{0}, to.at_);
}

void Timelines::add(const Place& from, const Place& to, Instant as_of, Totals& out) const noexcept {
  between(from, to, [&](const Block& block, std::size_t first, std::size_t last) { add_rows(block, first, last, as_of, out); },
          [&](const Node& node, std::size_t first, std::size_t last, int below) { add_children(node, first, last, below, as_of, out); });
}

std::size_t Timelines::distance(const Place& from, const Place& to) const noexcept {
  std::size_t out = 0;
  between(from, to, [&](const Block&, std::size_t first, std::size_t last) { out += last - first; },
          [&](const Node& node, std::size_t first, std::size_t last, int) {
            for (; first < last; ++first) out += node.children[first].rows;
          });
  return out;
}

}  // namespace featlib
