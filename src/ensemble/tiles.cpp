#include "ensemble/tiles.hpp"

#include "ensemble/outputs.hpp"

#include <algorithm>
#include <deque>

namespace featlib::detail {
namespace {

template <class X, class S>
class Tiler {
 public:
  explicit Tiler(RankBuilder<X>& ranks) : ranks_(ranks) {}

  Tiles<S> make(std::span<const Tree* const> trees) {
    std::uint32_t deepest = 0;
    for (const Tree* tree : trees) deepest = std::max(deepest, levels(*tree));
    const bool deep = deepest > tile_levels;
    out_.levels = std::min(deepest, tile_levels);
    for (const Tree* tree : trees) add(*tree);
    for (const auto& [tree, node] : ways_) {
      const TreeNode& leaf = tree->nodes[static_cast<std::size_t>(node)];
      out_.leaves.push_back(is_leaf(leaf) ? leaf_value<S>(*tree, leaf) : -S{0});
    }
    if (deep) {
      out_.rounds.resize(out_.size());
      out_.open.resize(out_.size());
      out_.steps.resize(ways_.size());
      out_.values.resize(ways_.size());
      for (std::size_t tile = 0; tile < out_.size(); ++tile) add_steps(tile);
    }
    if (ranks_.columns() <= 256) out_.narrow_column.assign(out_.column.begin(), out_.column.end());
    return std::move(out_);
  }

 private:
  struct Way {
    const Tree* tree;
    std::int32_t node;
  };

  static bool is_leaf(const TreeNode& node) { return node.left == TreeNode::none; }

  /// Levels of tests, counted to one more than a tile has.
  static std::uint32_t levels(const Tree& tree) {
    std::vector<std::int32_t> level{0}, below;
    for (std::uint32_t depth = 0; depth <= tile_levels; ++depth, level.swap(below)) {
      below.clear();
      for (const std::int32_t id : level)
        if (const TreeNode& node = tree.nodes[static_cast<std::size_t>(id)]; !is_leaf(node)) below.insert(below.end(), {node.left, node.right});
      if (below.empty()) return depth;
    }
    return tile_levels + 1;
  }

  void add(const Tree& tree) {
    const std::size_t at = out_.k.size();
    out_.column.resize(at + tile_nodes);
    out_.k.resize(at + tile_nodes, 255);
    ways_.resize(at + tile_nodes);
    fill(tree, 0, at, 0, 0);
  }

  /// Node `id` at place `h` of the level's 2^level.
  void fill(const Tree& tree, std::int32_t id, std::size_t at, std::uint32_t level, std::uint32_t h) {
    if (level == tile_levels) {
      ways_[at + h] = {&tree, id};
      return;
    }
    const TreeNode& node = tree.nodes[static_cast<std::size_t>(id)];
    if (!is_leaf(node)) {
      const ByteTest test = ranks_.test(tree, node);
      out_.column[at + (1u << level) - 1 + h] = static_cast<std::uint16_t>(test.column);
      out_.k[at + (1u << level) - 1 + h] = test.k;
    }
    fill(tree, is_leaf(node) ? id : node.left, at, level + 1, 2 * h);
    fill(tree, is_leaf(node) ? id : node.right, at, level + 1, 2 * h + 1);
  }

  struct Open {
    std::uint32_t at, round;
    std::int32_t node;
  };

  void add_steps(std::size_t tile) {
    const Tree& tree = *ways_[tile * tile_nodes].tree;
    std::deque<Open> open;
    for (std::uint32_t way = 0; way < tile_nodes; ++way) {
      const std::size_t at = tile * tile_nodes + way;
      open.push_back({static_cast<std::uint32_t>(at), 0, ways_[at].node});
    }
    for (; !open.empty(); open.pop_front()) {
      const auto [at, round, id] = open.front();
      const TreeNode& node = tree.nodes[static_cast<std::size_t>(id)];
      Step step{{}, {255, 255, 255}, at};
      if (is_leaf(node)) {
        out_.values[at] = leaf_value<S>(tree, node);
      } else {
        if (round == 0) out_.open[tile] |= std::uint64_t{1} << at % tile_nodes;
        step.next = static_cast<std::uint32_t>(out_.steps.size());
        set(step, 0, tree, node);
        for (std::uint32_t side = 0; side < 2; ++side) {
          const std::int32_t child_id = side == 0 ? node.left : node.right;
          const TreeNode& child = tree.nodes[static_cast<std::size_t>(child_id)];
          if (!is_leaf(child)) set(step, 1 + side, tree, child);
          const std::int32_t next[2] = {is_leaf(child) ? child_id : child.left, is_leaf(child) ? child_id : child.right};
          for (std::uint32_t i = 0; i < 2; ++i) open.push_back({step.next + 2 * side + i, round + 1, next[i]});
        }
        out_.steps.resize(out_.steps.size() + 4);
        out_.values.resize(out_.steps.size());
        out_.rounds[tile] = std::max(out_.rounds[tile], round + 1);
      }
      out_.steps[at] = step;
    }
  }

  void set(Step& step, std::uint32_t place, const Tree& tree, const TreeNode& node) {
    const ByteTest test = ranks_.test(tree, node);
    step.column[place] = static_cast<std::uint16_t>(test.column);
    step.k[place] = test.k;
  }

  RankBuilder<X>& ranks_;
  Tiles<S> out_;
  std::vector<Way> ways_;  // 64 a tile
};

}  // namespace

template <class X, class S>
Tiles<S> make_tiles(std::span<const Tree* const> trees, RankBuilder<X>& ranks) {
  return Tiler<X, S>(ranks).make(trees);
}

template Tiles<float> make_tiles(std::span<const Tree* const>, RankBuilder<float>&);
template Tiles<double> make_tiles(std::span<const Tree* const>, RankBuilder<float>&);
template Tiles<double> make_tiles(std::span<const Tree* const>, RankBuilder<double>&);

}  // namespace featlib::detail
