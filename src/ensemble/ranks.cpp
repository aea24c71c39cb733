#include "ensemble/ranks.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace featlib::detail {

constexpr std::uint32_t cuts_per_column = 255;

template <class X>
void Ranks<X>::row(const X* row, std::uint8_t* bytes, std::size_t stride) const noexcept {
  for (const Plain& f : plain) {
    const X x = row[f.feature];
    const std::uint32_t rank = rank_of(table.data() + f.at + sixteen, f.cuts, x);
    bytes[f.low * stride] = static_cast<std::uint8_t>(rank);
    bytes[f.high * stride] = static_cast<std::uint8_t>(x != x ? 255 : rank);
  }
  for (const Other& f : other) {
    const X x = seen(f, row);
    put(f, x, rank_of(table.data() + f.at + (f.by_sixteens() ? sixteen : 0), f.cuts, x), bytes, stride);
  }
}

template struct Ranks<float>;
template struct Ranks<double>;

template <class X>
RankBuilder<X>::RankBuilder(const TreeModel& model) : model_(model) {
  const auto each_split = [&](auto&& what) {
    std::vector<std::int32_t> open;
    for (const Tree& tree : model.trees)
      for (open.assign(1, 0); !open.empty();) {  // what nothing reaches may hold anything
        const TreeNode& node = tree.nodes[static_cast<std::size_t>(open.back())];
        open.pop_back();
        if (node.left == TreeNode::none) continue;
        what(tree, node);
        open.insert(open.end(), {node.right, node.left});
      }
  };
  each_split([&](const Tree&, const TreeNode& node) {
    Feature& f = features_[node.feature];
    if (is_category(node.split)) return;
    if (const X cut = cut_of<X>(node.value, node.split); cut == cut) f.cuts.push_back(cut);
  });
  for (auto& [feature, f] : features_) {
    std::ranges::sort(f.cuts);
    f.cuts.erase(std::unique(f.cuts.begin(), f.cuts.end()), f.cuts.end());  // -0.0 and 0.0 are one cut
    f.numeric.assign(2 * (f.cuts.size() / cuts_per_column + 1), -1);
  }
  each_split([&](const Tree& tree, const TreeNode& node) { test(tree, node); });
}

template <class X>
ByteTest RankBuilder<X>::test(const Tree& tree, const TreeNode& node) {
  Feature& f = features_.find(node.feature)->second;
  const bool missing_right = !node.default_left;
  const X cut = is_category(node.split) ? std::numeric_limits<X>::quiet_NaN() : cut_of<X>(node.value, node.split);
  if (cut != cut) {
    // x <= inf holds for all but the missing: the codes that go right are those in no set.
    const bool set = is_category(node.split);
    auto key = std::tuple(set ? tree.category_sets[static_cast<std::size_t>(node.categories)] : std::vector<std::int32_t>{},
                          set ? node.split : Split::not_in_category, missing_right);
    const auto [place, fresh] = f.categorical.try_emplace(std::move(key), columns_);
    columns_ += fresh;
    return {place->second, 0};
  }
  const auto rank = static_cast<std::uint32_t>(std::lower_bound(f.cuts.begin(), f.cuts.end(), cut) - f.cuts.begin());
  std::int64_t& column = f.numeric[2 * (rank / cuts_per_column) + (missing_right ? 1 : 0)];
  if (column < 0) column = columns_++;
  return {static_cast<std::uint32_t>(column), static_cast<std::uint8_t>(rank % cuts_per_column)};
}

/// Of the cuts in order, every 2^(levels - level)th from half of that on is the level's.
template <class X>
void add_heap(AlignedVector<X>& heaps, const std::vector<X>& cuts, std::uint32_t levels) {
  heaps.push_back(std::numeric_limits<X>::quiet_NaN());
  for (std::size_t step = std::size_t{1} << levels; step > 1; step /= 2)
    for (std::size_t at = step / 2 - 1; at < std::size_t{1} << levels; at += step) heaps.push_back(at < cuts.size() ? cuts[at] : heaps[0]);
}

template <class X>
Ranks<X> RankBuilder<X>::finish() && {
  using Out = Ranks<X>;
  Out out;
  out.features = model_.features;
  out.columns = columns_;
  out.zeros = model_.zeros;
  for (const auto& [feature, f] : features_) {
    out.table.resize((out.table.size() + Out::sixteen - 1) / Out::sixteen * Out::sixteen);
    const auto at = static_cast<std::uint32_t>(out.table.size()), cuts = static_cast<std::uint32_t>(f.cuts.size());
    const std::vector<std::int64_t>& numeric = f.numeric;
    const auto column = [&](std::size_t i) { return numeric[i] < 0 ? columns_ : static_cast<std::uint32_t>(numeric[i]); };
    const bool zeros_mean = !out.zeros.empty() && out.zeros[feature] == Zeros::missing;
    const typename Out::Other other{feature, at, cuts, static_cast<std::uint32_t>(out.kinds.size()), 0};
    if (other.by_sixteens()) {
      out.table.resize(at + Out::sixteen * (cuts / Out::sixteen + 2), std::numeric_limits<X>::quiet_NaN());
      std::ranges::copy(f.cuts, out.table.begin() + at + Out::sixteen);
      for (std::uint32_t i = Out::sixteen; i <= cuts; i += Out::sixteen) out.table[at + i / Out::sixteen - 1] = f.cuts[i - 1];
    } else {
      out.table.insert(out.table.end(), f.cuts.begin(), f.cuts.end());
    }
    if (cuts <= cuts_per_column && f.categorical.empty() && !zeros_mean) {
      const std::uint32_t levels = std::max(4u, static_cast<std::uint32_t>(std::bit_width(cuts)));
      out.plain.push_back({feature, at, cuts, column(0), column(1), static_cast<std::uint32_t>(out.heaps.size()), levels});
      add_heap(out.heaps, f.cuts, levels);
      continue;
    }
    for (std::size_t i = 0; i < numeric.size(); ++i)
      if (numeric[i] >= 0) out.kinds.push_back({column(i), static_cast<std::uint32_t>(i / 2) * cuts_per_column, -1, i % 2 == 1, false});
    for (const auto& [key, at_column] : f.categorical) {
      const auto& [codes, split, missing_right] = key;
      out.kinds.push_back({at_column, 0, static_cast<std::int32_t>(out.sets.add(codes, split)), missing_right, in_set_goes_right(split)});
    }
    out.other.push_back(other);
    out.other.back().kinds = static_cast<std::uint32_t>(out.kinds.size()) - other.first;
  }
  return out;
}

template class RankBuilder<float>;
template class RankBuilder<double>;

}  // namespace featlib::detail
