// Any text is a LightGBM model, or is refused with a remedy; and what was read is scored: rows on its thresholds give a margin
// of the kernels that the walk, node by node, gives too.

#include <featlib/ensemble/ensemble.hpp>

#include "ensemble/walk.hpp"
#include "utf8.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>

using namespace featlib;

namespace {

void require(bool holds, std::string_view what, std::string_view shown = {}) {
  if (holds) return;
  fmt::print(stderr, "\nNOT {}\n{}\n", what, shown);
  std::abort();
}

/// Numbers that stand beside what splits compare with, and the odd ones.
std::vector<double> values(const detail::TreeModel& model) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  std::vector<double> out{0.0, -0.0, -0.5, 1.0, 33.0, 1e-36, static_cast<double>(1e-35f), -static_cast<double>(1e-35f), 5e-324, 2147483648.0, -1e300, inf, -inf, std::nan("")};
  for (const detail::Tree& tree : model.trees)
    for (const detail::TreeNode& node : tree.nodes)
      if (node.left != detail::TreeNode::none && out.size() < 100) out.insert(out.end(), {node.value, std::nextafter(node.value, inf), std::nextafter(node.value, -inf)});
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Behind the heading that makes a file LightGBM's.
  std::string text = "tree\n";
  text.append(reinterpret_cast<const char*>(data), size);
  const auto bytes = std::as_bytes(std::span(text));
  const auto parsed = Ensemble::parse(bytes);
  if (!parsed) {
    for (const Failure& failure : parsed.error().failures()) require(!failure.message.empty() && !failure.help.empty() && !failure.path.empty() && is_utf8(failure.text()), "a failure has a message, a remedy and a path, in UTF-8", failure.text());
    return 0;
  }
  const Ensemble& ensemble = parsed.value();
  const detail::TreeModel model = detail::read_lightgbm(bytes);
  const detail::Walk<double, double> walk(model);
  const std::size_t features = ensemble.features(), outputs = ensemble.outputs(), trees = ensemble.trees();
  if (features > 64 || outputs > 64 || trees > 64) return 0;

  const std::vector<double> of = values(model);
  const std::size_t n = of.size();
  std::vector<double> rows(n * features), margins(n * outputs), alone(outputs), walked(outputs);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = of[(i * 7 + i / features) % n];
  ensemble.margin(rows, n, margins);
  std::vector<std::int32_t> leaves(trees);
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = std::span(rows).subspan(i * features, features);
    ensemble.margin(row, 1, alone);
    walk.margins(row.data(), 1, walked.data());
    for (std::size_t o = 0; o < outputs; ++o) {
      const auto bits = [](double x) { return std::isnan(x) ? 0 : std::bit_cast<std::uint64_t>(x); };   // inf - inf may have either sign
      require(bits(alone[o]) == bits(walked[o]) && bits(margins[i * outputs + o]) == bits(walked[o]), "a row's margin is the walk's, alone and among others", text);
    }
    ensemble.leaves(row, 1, leaves);
    for (std::size_t t = 0; t < trees; ++t)
      require(leaves[t] >= 0 && static_cast<std::size_t>(leaves[t]) <= model.trees[t].nodes.size() / 2, "a leaf is one of the tree's", text);
  }
  std::vector<double> predictions(n * ensemble.prediction_width());
  ensemble.predict(rows, n, predictions);
  return 0;
}
