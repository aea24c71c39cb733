#include "ensemble/engine.hpp"

#include "ensemble/compiled.hpp"
#include "ensemble/transform.hpp"
#include "ensemble/walk.hpp"

#include <algorithm>
#include <array>
#include <type_traits>
#include <vector>

namespace featlib::detail {
namespace {

/// What happens to a sum before it is a margin.
struct Finish {
  double divisor, scale;
  std::vector<double> bias;

  explicit Finish(const TreeModel& model) : divisor(model.divisor), scale(model.scale), bias(model.bias) {}

  void operator()(double* sums, std::size_t n, std::size_t outputs) const noexcept {
    if (divisor != 1)
      for (std::size_t i = 0; i < n * outputs; ++i) sums[i] /= divisor;
    if (!bias.empty())
      for (std::size_t i = 0; i < n * outputs; ++i) sums[i] = sums[i] * scale + bias[i % outputs];
  }
};

template <class X, class S>
class Typed final : public Engine {
 public:
  explicit Typed(const TreeModel& model)
      : walk_(model), compiled_(compile(model)), finish_(model), prediction_divisor_(model.prediction_divisor), transform_(model.transform), steepness_(model.steepness), trees_(model.counted_trees()) {}

  void margin(const float* rows, std::size_t n, float* out) const noexcept override { scores<&Typed::margins>(rows, n, out, outputs()); }
  void margin(const double* rows, std::size_t n, double* out) const noexcept override { scores<&Typed::margins>(rows, n, out, outputs()); }
  void predict(const float* rows, std::size_t n, float* out) const noexcept override { scores<&Typed::predictions>(rows, n, out, width()); }
  void predict(const double* rows, std::size_t n, double* out) const noexcept override { scores<&Typed::predictions>(rows, n, out, width()); }
  void score(const double* row, double* margin, double* prediction) const noexcept override {
    thread_local std::vector<S> sums;
    sums.resize(std::max(sums.size(), outputs()));
    margins(compared(row, 1), 1, sums.data());
    std::copy_n(sums.data(), outputs(), margin);
    to_prediction(sums.data());
    std::copy_n(sums.data(), width(), prediction);
  }
  void leaves(const float* rows, std::size_t n, std::int32_t* out) const noexcept override { leaves_of(rows, n, out); }
  void leaves(const double* rows, std::size_t n, std::int32_t* out) const noexcept override { leaves_of(rows, n, out); }

 private:
  static std::unique_ptr<const Compiled<X, S>> compile(const TreeModel& model) {
    const Kernel<X, S>* kernel = chosen_kernel<X, S>();
    return kernel != nullptr ? Compiled<X, S>::of(model, *kernel) : nullptr;
  }

  std::size_t outputs() const noexcept { return walk_.base.size(); }
  std::size_t width() const noexcept { return transform_ == Transform::argmax ? 1 : outputs(); }

  void margins(const X* rows, std::size_t n, S* out) const noexcept {
    if (compiled_ != nullptr)
      compiled_->margins(rows, n, out);
    else
      walk_.margins(rows, n, out);
    if constexpr (std::is_same_v<S, double>) finish_(out, n, outputs());
  }

  void predictions(const X* rows, std::size_t n, S* out) const noexcept {
    if (transform_ == Transform::argmax) {
      std::array<S, max_argmax_outputs> row;
      for (std::size_t i = 0; i < n; ++i) {
        margins(rows + i * walk_.features, 1, row.data());
        to_prediction(row.data());
        out[i] = row[0];
      }
      return;
    }
    margins(rows, n, out);
    for (std::size_t i = 0; i < n; ++i) to_prediction(out + i * outputs());
  }

  /// A row's margins become its prediction, in place.
  void to_prediction(S* row) const noexcept {
    if constexpr (std::is_same_v<S, double>)
      if (prediction_divisor_ != 1)
        for (std::size_t i = 0; i < outputs(); ++i) row[i] /= prediction_divisor_;
    transform_row(transform_, steepness_, std::span(row, outputs()));
  }

  void leaf_rows(const X* rows, std::size_t n, std::int32_t* out) const noexcept {
    for (std::size_t i = 0; i < n; ++i) walk_.leaves(rows + i * walk_.features, out + i * trees_);
  }

  /// Rows that go through other number types: as many as keep this thread's scratch small.
  static constexpr std::size_t converted_rows = 512;

  /// The rows in the type trees compare in, rounded once.
  template <class V>
  const X* compared(const V* rows, std::size_t n) const noexcept {
    if constexpr (std::is_same_v<V, X>) return rows;
    else {
      thread_local std::vector<X> scratch;
      scratch.resize(std::max(scratch.size(), n * walk_.features));
      std::transform(rows, rows + n * walk_.features, scratch.begin(), [](V x) { return static_cast<X>(x); });
      return scratch.data();
    }
  }

  template <auto Score, class V>
  void scores(const V* rows, std::size_t n, V* out, std::size_t width) const noexcept {
    if constexpr (std::is_same_v<V, X> && std::is_same_v<V, S>) return (this->*Score)(rows, n, out);
    else {
      thread_local std::vector<S> sums;
      for (std::size_t i = 0; i < n; i += converted_rows) {
        const std::size_t part = std::min(converted_rows, n - i);
        const X* from = compared(rows + i * walk_.features, part);
        if constexpr (std::is_same_v<V, S>) (this->*Score)(from, part, out + i * width);
        else {
          sums.resize(std::max(sums.size(), part * width));
          (this->*Score)(from, part, sums.data());
          std::transform(sums.data(), sums.data() + part * width, out + i * width, [](S sum) { return static_cast<V>(sum); });
        }
      }
    }
  }

  template <class V>
  void leaves_of(const V* rows, std::size_t n, std::int32_t* out) const noexcept {
    for (std::size_t i = 0; i < n; i += converted_rows) {
      const std::size_t part = std::min(converted_rows, n - i);
      leaf_rows(compared(rows + i * walk_.features, part), part, out + i * trees_);
    }
  }

  Walk<X, S> walk_;  // leaf numbers, and models that have too many columns
  std::unique_ptr<const Compiled<X, S>> compiled_;
  Finish finish_;
  double prediction_divisor_;
  Transform transform_;
  double steepness_;
  std::size_t trees_;
};

}  // namespace

std::unique_ptr<const Engine> Engine::of(const TreeModel& model) {
  if (model.compares == Real::float64) return std::make_unique<const Typed<double, double>>(model);
  if (model.adds == Real::float64) return std::make_unique<const Typed<float, double>>(model);
  return std::make_unique<const Typed<float, float>>(model);
}

}  // namespace featlib::detail
