#include "ensemble/compiled.hpp"

#include <featlib/core/result.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace featlib::detail {

template <class X, class S>
std::unique_ptr<const Compiled<X, S>> Compiled<X, S>::of(const TreeModel& model, const Kernel<X, S>& kernel) {
  constexpr std::size_t most_trees = 1 << 20, most_nodes = 1 << 28;  // indices of steps are 32 bits
  std::size_t nodes = 0;
  for (const Tree& tree : model.trees) nodes += tree.nodes.size();
  if (model.trees.size() > most_trees || nodes > most_nodes) return nullptr;

  RankBuilder<X> ranks(model);
  if (ranks.columns() > most_columns) return nullptr;
  const std::vector<const Tree*> trees = ordered_trees(model);
  Compiled out{};
  out.outputs = outputs_of<S>(model);
  const auto take = [&](const Scoring<X, S>& scoring, const Scoring<X, S>& scalar, auto& column, auto& k, std::size_t tests, std::uint32_t levels, auto&& leaves) {
    out.scoring = scoring;
    if (ranks.columns() > scoring.one_columns)
      out.scoring.one = scalar.one;
    else if (scoring.lanes > 0)
      add_tests(out.lanes, column, k, tests, scoring.lanes, scoring.flip);
    if (scoring.plane_levels > 0 && levels <= scoring.plane_levels)
      for (std::size_t tree = 0; tree < trees.size(); ++tree) add_planes<S>(out.lanes, leaves(tree), levels);
  };
  const Kernel<X, S>& scalar = *scalar_kernel<X, S>();
  if (std::optional<Tables<S>> found = make_tables<X, S>(trees, ranks)) {
    const Tables<S>& tables = out.tables = std::move(*found);
    take(kernel.tables, scalar.tables, tables.column, tables.k, tables.levels, tables.levels, [&](std::size_t tree) { return tables.leaves_of(tree); });
  } else {
    const Tiles<S>& tiles = out.tiles = make_tiles<X, S>(trees, ranks);
    take(kernel.tiles, scalar.tiles, tiles.column, tiles.k, tile_nodes, tile_levels, [&](std::size_t tree) { return std::span(tiles.leaves).subspan(tree * tile_nodes, tile_nodes); });
  }
  out.block = std::min(most_rows, block_bytes / (ranks.columns() + 1) / 64 * 64);
  out.ranks = std::move(ranks).finish();
  return std::make_unique<const Compiled>(std::move(out));
}

template <class X, class S>
void Compiled<X, S>::margins(const X* rows, std::size_t n, S* out) const noexcept {
  const std::size_t width = outputs.size();
  while (n > 0) {
    const std::size_t part = std::min(n, block);
    const std::size_t left_over = part % 64 <= scoring.few ? part % 64 : 0;
    const std::size_t together = part - left_over;
    if (together > 0) scoring.block(*this, rows, together, out);
    for (std::size_t i = together; i < part; ++i) scoring.one(*this, rows + i * ranks.features, out + i * width);
    rows += part * ranks.features;
    out += part * width;
    n -= part;
  }
}

template <class X, class S>
const std::vector<const Kernel<X, S>*>& kernels() {
  static const std::vector<const Kernel<X, S>*> found = [] {
    std::vector<const Kernel<X, S>*> list{avx512_kernel<X, S>(), avx2_kernel<X, S>(), neon_kernel<X, S>(), scalar_kernel<X, S>()};
    std::erase(list, nullptr);
    return list;
  }();
  return found;
}

template <class X, class S>
const Kernel<X, S>* chosen_kernel() {
  const auto& list = kernels<X, S>();
  const char* name = std::getenv("FEATLIB_KERNEL");
  if (name == nullptr || *name == '\0') return list.front();
  if (std::string_view(name) == "walk") return nullptr;
  const auto found = std::ranges::find(list, std::string_view(name), &Kernel<X, S>::name);
  if (found == list.end())
    throw Error(ErrorCode::model_unsupported, fmt::format("FEATLIB_KERNEL is \"{}\", which this machine does not run", name),
                "unset it, or set it to scalar");
  return *found;
}

template struct Compiled<float, float>;
template struct Compiled<float, double>;
template struct Compiled<double, double>;
template const std::vector<const Kernel<float, float>*>& kernels();
template const std::vector<const Kernel<float, double>*>& kernels();
template const std::vector<const Kernel<double, double>*>& kernels();
template const Kernel<float, float>* chosen_kernel();
template const Kernel<float, double>* chosen_kernel();
template const Kernel<double, double>* chosen_kernel();

}  // namespace featlib::detail
