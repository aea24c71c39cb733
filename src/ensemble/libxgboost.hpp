/// XGBoost itself, through its C API, in a library that is loaded when somebody asks for it: the judge of what is computed here, and
/// the engine for models that are not.
#pragma once

#include "ensemble/engine.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace featlib::detail {

class LibXgboost : public Engine {
 public:
  /// `library`: a path, or a name the loader finds. Throws io-failed when there is none, model-format when XGBoost refuses the bytes.
  LibXgboost(const std::string& library, std::span<const std::byte> model);
  ~LibXgboost() override;

  std::size_t features() const noexcept { return features_; }
  std::size_t outputs() const noexcept { return outputs_; }
  std::size_t width() const noexcept { return width_; }     ///< of a prediction
  std::size_t trees() const noexcept { return trees_; }   ///< 0: not of trees
  const std::string& version() const noexcept { return version_; }   ///< "xgboost 3.4.1"

  // NaN (leaves: -1) where XGBoost fails; double rows are rounded.
  void margin(const float* rows, std::size_t n, float* out) const noexcept override;
  void margin(const double* rows, std::size_t n, double* out) const noexcept override;
  void predict(const float* rows, std::size_t n, float* out) const noexcept override;
  void predict(const double* rows, std::size_t n, double* out) const noexcept override;
  void score(const double* row, double* margin, double* prediction) const noexcept override;
  void leaves(const float* rows, std::size_t n, std::int32_t* out) const noexcept override;
  void leaves(const double* rows, std::size_t n, std::int32_t* out) const noexcept override;

 private:
  struct Api;

  /// What a prediction of XGBoost's `type` gives, `width` numbers a row; empty where it fails, and why() says why.
  std::span<const float> ask(int type, const float* rows, std::size_t n) const noexcept;

  std::unique_ptr<const Api> api_;
  void* booster_ = nullptr;
  std::size_t features_ = 0, outputs_ = 0, trees_ = 0, width_ = 0;
  std::string version_;
};

}  // namespace featlib::detail
