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
  Tiles<S> tiles = make_tiles<X, S>(model, ranks);
  const std::size_t block = std::min(most_rows, block_bytes / (ranks.columns() + 1) / 64 * 64);
  Lanes lanes = kernel.lanes > 0 ? make_lanes(tiles, kernel.lanes, kernel.flip) : Lanes{};
  return std::make_unique<const Compiled>(Compiled{std::move(ranks).finish(), std::move(tiles), std::move(lanes), &kernel, block});
}

template <class X, class S>
void Compiled<X, S>::margins(const X* rows, std::size_t n, S* out) const noexcept {
  const std::size_t outputs = tiles.base.size();
  while (n > 0) {
    const std::size_t part = std::min(n, block);
    const std::size_t left_over = part % 64 <= kernel->few ? part % 64 : 0;
    const std::size_t together = part - left_over;
    if (together > 0) kernel->block(*this, rows, together, out);
    for (std::size_t i = together; i < part; ++i) kernel->one(*this, rows + i * ranks.features, out + i * outputs);
    rows += part * ranks.features;
    out += part * outputs;
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
