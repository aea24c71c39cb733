// Any bytes are an XGBoost model, JSON or UBJSON, or are refused; and what was read is scored and explained.

#include "fuzz/scored.hpp"

#include <vector>

using namespace featlib;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto scored = testing::score_or_refuse(bytes, detail::read_xgboost);
  if (!scored) return 0;
  const Ensemble& model = *scored;
  const std::size_t width = model.features(), line = model.outputs() * (width + 1);
  const std::vector<double> rows{std::vector<double>(2 * width, 0.5)};
  const std::vector<float> row(width, 0.5f);
  std::vector<double> exact(line);
  std::vector<float> own(line);
  const auto explained = [](auto&& explain) {
    try {
      explain();
    } catch (const Error&) {   // no statistics, or a chain without end
    }
  };
  if (!model.float64()) explained([&] { model.contributions(row, 1, own); });
  explained([&] { model.contributions(std::span(rows).first(width), 1, exact); });
  explained([&] { model.contributions(std::span(rows).first(width), 1, rows, 2, exact); });
  return 0;
}
