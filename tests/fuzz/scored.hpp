// A model that anyone may have written is refused with a remedy, or scores: rows on its thresholds give a margin of the kernels
// that the walk, node by node, gives too, alone and among others.
#pragma once

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
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace featlib::testing {

inline void require(bool holds, std::string_view what, std::string_view shown = {}) {
  if (holds) return;
  fmt::print(stderr, "\nNOT {}\n{}\n", what, shown);
  std::abort();
}

/// Numbers that stand beside what splits compare with, and the odd ones.
inline std::vector<double> telling_values(const detail::TreeModel& model) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  std::vector<double> out{0.0, -0.0, -0.5, 1.0, 3.0, 33.0, 1e-36, static_cast<double>(1e-35f), -static_cast<double>(1e-35f), 5e-324, 2147483648.0, 1e300, -1e300, inf, -inf, std::nan("")};
  for (const detail::Tree& tree : model.trees)
    for (const detail::TreeNode& node : tree.nodes)
      if (node.left != detail::TreeNode::none && out.size() < 100) out.insert(out.end(), {node.value, std::nextafter(node.value, inf), std::nextafter(node.value, -inf)});
  return out;
}

/// The margins of rows by the walk, finished as the engine finishes them.
template <class X, class S>
std::vector<double> walked(const detail::TreeModel& model, const std::vector<double>& rows, std::size_t n) {
  const detail::Walk<X, S> walk(model);
  std::vector<X> given;
  for (const double x : rows) given.push_back(static_cast<X>(x));
  std::vector<S> sums(n * model.base.size());
  walk.margins(given.data(), n, sums.data());
  std::vector<double> out(sums.begin(), sums.end());
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (model.divisor != 1) out[i] /= model.divisor;
    if (!model.bias.empty()) out[i] = out[i] * model.scale + model.bias[i % model.base.size()];
  }
  return out;
}

/// The model, where it is small enough to have been scored.
inline std::optional<Ensemble> score_or_refuse(std::span<const std::byte> bytes, detail::TreeModel (*read)(std::span<const std::byte>)) {
  const auto parsed = Ensemble::parse(bytes);
  if (!parsed) {
    for (const Failure& failure : parsed.error().failures())
      require(!failure.message.empty() && !failure.help.empty() && !failure.path.empty() && is_utf8(failure.text()), "a failure has a message, a remedy and a path, in UTF-8", failure.text());
    return std::nullopt;
  }
  const Ensemble& ensemble = parsed.value();
  const std::size_t features = ensemble.features(), outputs = ensemble.outputs(), trees = ensemble.trees();
  if (features > 64 || outputs > 64 || trees > 64) return std::nullopt;   // true, and slow to score
  const detail::TreeModel model = read(bytes);

  const std::vector<double> of = telling_values(model);
  const std::size_t n = of.size();
  std::vector<double> rows(n * features), margins(n * outputs), alone(outputs);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = of[(i * 7 + i / features) % n];
  ensemble.margin(rows, n, margins);
  const std::vector<double> expected = model.compares == detail::Real::float64 ? walked<double, double>(model, rows, n)
                                       : model.adds == detail::Real::float64   ? walked<float, double>(model, rows, n)
                                                                               : walked<float, float>(model, rows, n);
  const auto bits = [](double x) { return std::isnan(x) ? 0 : std::bit_cast<std::uint64_t>(x); };   // inf - inf may have either sign
  std::vector<std::int32_t> leaves(trees);
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = std::span(rows).subspan(i * features, features);
    ensemble.margin(row, 1, alone);
    for (std::size_t o = 0; o < outputs; ++o)
      require(bits(alone[o]) == bits(expected[i * outputs + o]) && bits(margins[i * outputs + o]) == bits(alone[o]), "a row's margin is the walk's, alone and among others");
    ensemble.leaves(row, 1, leaves);
    for (const std::int32_t leaf : leaves) require(leaf >= 0, "a leaf has a number");
  }
  std::vector<double> predictions(n * ensemble.prediction_width());
  ensemble.predict(rows, n, predictions);
  return ensemble;
}

}  // namespace featlib::testing
