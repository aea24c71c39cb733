/// A model that scores: numbers in and out are float or double, inside they are the trainer's.
#pragma once

#include "ensemble/model.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace featlib::detail {

/// Immutable. Rows and results are row-major; a row of `predict` is 1 wide for argmax.
class Engine {
 public:
  /// Checks every tree; throws model-corrupt or model-unsupported.
  static std::unique_ptr<const Engine> of(const TreeModel& model);

  virtual ~Engine() = default;
  virtual void margin(const float* rows, std::size_t n, float* out) const noexcept = 0;
  virtual void margin(const double* rows, std::size_t n, double* out) const noexcept = 0;
  virtual void predict(const float* rows, std::size_t n, float* out) const noexcept = 0;
  virtual void predict(const double* rows, std::size_t n, double* out) const noexcept = 0;
  /// Both, of one row, for the price of one.
  virtual void score(const double* row, double* margin, double* prediction) const noexcept = 0;
  virtual void leaves(const float* rows, std::size_t n, std::int32_t* out) const noexcept = 0;
  virtual void leaves(const double* rows, std::size_t n, std::int32_t* out) const noexcept = 0;
};

}  // namespace featlib::detail
