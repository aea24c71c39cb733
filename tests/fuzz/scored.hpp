// A model that anyone may have written is refused or scores: one by one and together to the same bits.
#pragma once

#include <featlib/ensemble/ensemble.hpp>

#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

namespace featlib::testing {

inline void score_or_refuse(std::span<const std::byte> bytes) {
  const auto parsed = Ensemble::parse(bytes);
  if (!parsed) return;
  const Ensemble& model = parsed.value();
  if (model.features() > 1000 || model.outputs() > 1000 || model.trees() > 1000) return;  // true, and slow to score
  constexpr double inf = std::numeric_limits<double>::infinity();
  constexpr double values[] = {0.0, -1.0, 3.0, 1e300, 1e-40, inf, -inf, std::numeric_limits<double>::quiet_NaN()};
  constexpr std::size_t rows = 80;
  std::vector<double> x(rows * model.features());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = values[(i * 7 + i / model.features()) % std::size(values)];
  std::vector<double> together(rows * model.outputs()), alone(together.size()), predicted(rows * model.prediction_width());
  model.margin(x, rows, together);
  for (std::size_t i = 0; i < rows; ++i)
    model.margin(std::span(x).subspan(i * model.features(), model.features()), 1, std::span(alone).subspan(i * model.outputs(), model.outputs()));
  model.predict(x, rows, predicted);
  std::vector<std::int32_t> leaves(rows * model.trees());
  model.leaves(x, rows, leaves);
  if (std::memcmp(together.data(), alone.data(), alone.size() * sizeof(double)) == 0) return;
  fmt::print(stderr, "\nNOT rows alone score as rows together\n");
  std::abort();
}

}  // namespace featlib::testing
