/// One row of features, typed: aggregates, request fields and expressions put together, with a status byte each.
///
/// The same functions make a training row and a served one. Fallbacks are applied here, `model_missing` only in
/// model_row(): the record, drift and skew see the null.
#pragma once

#include <featlib/core/pages.hpp>
#include <featlib/plan/plan.hpp>
#include <featlib/window/read.hpp>

#include <span>
#include <string>
#include <vector>

namespace featlib {

/// A feature's value: the bits of an integer or double, a category code, or a text id; and its status.
struct FeatureValue {
  std::uint64_t bits = 0;
  Status status = status_of(Cause::null);

  bool is_null() const noexcept {
    const Cause cause = cause_of(status);
    return !is_fallback(status) && cause != Cause::ok && cause != Cause::unseen && cause != Cause::clipped;
  }
  std::int64_t integer() const noexcept { return static_cast<std::int64_t>(bits); }
  double real() const noexcept { return std::bit_cast<double>(bits); }
};

/// Where texts of results live: a source's or request's pool gives ids, and results of expressions are interned too.
class VectorBuilder {
 public:
  /// `pool` holds the texts of rows and requests.
  VectorBuilder(const Plan& plan, TextPool& pool);

  /// An aggregate as the feature shows it: category codes, then the fallback.
  FeatureValue finish(int feature, Aggregated aggregated) const;

  /// A feature that is no aggregate, from the request and the features before it.
  FeatureValue derive(int feature, std::span<const Slot> request, Instant as_of, std::span<const FeatureValue> features) const;

  /// What an expression, or a policy's condition, reads for one of its inputs.
  Cell input(const FeatureInput& input, std::span<const Slot> request, Instant as_of, std::span<const FeatureValue> features) const;

  /// All of a refused decision's features.
  static FeatureValue refused() noexcept { return {0, status_of(Cause::error)}; }

 private:
  FeatureValue finish_text(int feature, std::uint32_t text) const;
  FeatureValue missing(int feature, Cause cause) const;

  /// What finishing a value asks of its feature; a Feature itself takes many lines of memory.
  struct Shown {
    std::uint64_t fallback = 0;               ///< bits as shown
    bool has_fallback = false;
    bool is_text = false;
  };

  const Plan& plan_;
  TextPool& pool_;
  std::vector<Shown> shown_;                  ///< by feature
};

/// The model's input of one row: Contract::inputs() order, `model_missing` (default NaN) where null, float64 before the one cast to float32.
void model_row(const Contract& contract, std::span<const FeatureValue> features, std::span<double> out) noexcept;
void model_row(const Contract& contract, std::span<const FeatureValue> features, std::span<float> out) noexcept;

/// A column of a feature table.
struct FeatureColumn {
  PagedVector<std::uint64_t> bits;
  PagedVector<Status> status;

  FeatureValue operator[](std::size_t row) const noexcept { return {bits[row], status[row]}; }
  void set(std::size_t row, FeatureValue value) noexcept { bits[row] = value.bits; status[row] = value.status; }
};

}  // namespace featlib
