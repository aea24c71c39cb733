// Any text behind the heading that makes a file LightGBM's is a model, or is refused with a remedy; and what was read is scored.

#include "fuzz/scored.hpp"

#include <string>

using namespace featlib;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text = "tree\n";
  text.append(reinterpret_cast<const char*>(data), size);
  const auto bytes = std::as_bytes(std::span(text));
  const auto ensemble = testing::score_or_refuse(bytes, detail::read_lightgbm);
  if (!ensemble) return 0;
  // Its leaves are numbered from 0 on; of n nodes (n + 1) / 2 are leaves.
  const detail::TreeModel model = detail::read_lightgbm(bytes);
  const std::vector<double> row(model.features, 0.5);
  std::vector<std::int32_t> leaves(model.trees.size());
  ensemble->leaves(row, 1, leaves);
  for (std::size_t t = 0; t < leaves.size(); ++t) testing::require(static_cast<std::size_t>(leaves[t]) <= model.trees[t].nodes.size() / 2, "a leaf is one of the tree's", text);
  return 0;
}
