/// From margins to predictions, in the number type and the order of the trainer.
#pragma once

#include "ensemble/model.hpp"

#include <span>

namespace featlib::detail {

/// One row in place; argmax leaves its class in front. float is XGBoost, double LightGBM, CatBoost and scikit-learn.
void transform_row(Transform transform, double steepness, std::span<float> row) noexcept;
void transform_row(Transform transform, double steepness, std::span<double> row) noexcept;

}  // namespace featlib::detail
