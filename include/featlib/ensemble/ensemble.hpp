/// Tree ensembles trained elsewhere, scored here: the margin is the trainer's own, bit for bit.
///
///     auto model = featlib::Ensemble::load("model.ubj").value();      // XGBoost JSON or UBJSON, LightGBM text, by content
///     std::vector<float> row(model.features(), std::numeric_limits<float>::quiet_NaN());   // NaN is missing
///     row[0] = 12.5f;
///     std::vector<float> score(model.prediction_width());
///     model.predict(row, 1, score);                                   // what Booster.predict returns, same bits
///
/// The contract is each trainer's CPU predictor; docs/ensemble.md has the arithmetic, the versions and the edges.
#pragma once

#include <featlib/core/result.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace featlib {

namespace detail {
struct Forest;
}

/// A trained model: immutable, a pointer to copy, safe to call from many threads at once.
///
/// Loading checks every index, count and link of the file (files are hostile); scoring checks nothing, allocates
/// nothing, takes no lock and starts no thread. Codes given by load and parse: model-format, model-corrupt,
/// model-unsupported; load also io-failed.
class Ensemble {
 public:
  /// Reads a file; the content decides the format, not the name.
  static Result<Ensemble> load(const std::filesystem::path& path);

  /// Reads bytes; `name` stands for the file in messages.
  static Result<Ensemble> parse(std::span<const std::byte> bytes, std::string name = "<bytes>");

  std::size_t features() const noexcept;          ///< values a row
  std::size_t outputs() const noexcept;           ///< margins a row: 1, or one for each class, target or quantile
  std::size_t prediction_width() const noexcept;  ///< predictions a row: outputs(), but 1 for multi:softmax
  std::size_t trees() const noexcept;
  bool float64() const noexcept;                  ///< scores are float64; false: float32, as XGBoost's
  const std::vector<std::string>& feature_names() const noexcept;  ///< empty when the file has none
  /// By feature, the texts whose codes 0, 1, ... it was trained on; empty for other features, or altogether when no
  /// feature has any. A bundle's contract must give the same codes.
  const std::vector<std::vector<std::string>>& categories() const noexcept;
  std::string_view objective() const noexcept;                     ///< "binary:logistic", as the trainer spells it
  std::string_view format() const noexcept;                        ///< "xgboost-json", "xgboost-ubj" or "lightgbm-text"
  const std::string& fingerprint() const noexcept;                 ///< SHA-256 of bytes(), 64 hex digits
  const std::vector<std::byte>& bytes() const noexcept;            ///< the file as given, for bundles

  /// Sum of base margin and leaves, in tree order and in the trainer's number type: what the trainer calls the raw score.
  ///
  /// Shape: `rows` is n x features(), row-major; `out` is n x outputs(). NaN is missing; +-0 are equal; infinities
  /// compare. Category codes are their numbers. Numbers of another type than the trainer's are rounded once, going in and
  /// coming out; double loses nothing for any model, float nothing where float64() is false.
  void margin(std::span<const float> rows, std::size_t n, std::span<float> out) const noexcept;
  void margin(std::span<const double> rows, std::size_t n, std::span<double> out) const noexcept;

  /// The margin through the objective's transform (sigmoid, exp, softmax, ...).
  ///
  /// Shape: `out` is n x prediction_width().
  void predict(std::span<const float> rows, std::size_t n, std::span<float> out) const noexcept;
  void predict(std::span<const double> rows, std::size_t n, std::span<double> out) const noexcept;

  /// The leaf each tree ends in, as the trainer numbers its nodes.
  ///
  /// Shape: `out` is n x trees().
  void leaves(std::span<const float> rows, std::size_t n, std::span<std::int32_t> out) const noexcept;
  void leaves(std::span<const double> rows, std::size_t n, std::span<std::int32_t> out) const noexcept;

 private:
  explicit Ensemble(std::shared_ptr<const detail::Forest> forest) : forest_(std::move(forest)) {}
  std::shared_ptr<const detail::Forest> forest_;
};

}  // namespace featlib
