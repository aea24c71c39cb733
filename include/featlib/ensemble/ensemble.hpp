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

/// How a model compares with XGBoost itself on some rows.
struct Verification {
  std::string backend;         ///< "xgboost 3.4.1"
  std::size_t values = 0;      ///< margins, predictions and leaf numbers compared
  std::size_t differing = 0;   ///< of them, in some bit
  std::string first;           ///< the first that differs, in words
};

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

  /// The model run by XGBoost itself, through its C API: for models that are refused here (gblinear, vector leaves) and to compare with.
  ///
  /// `library` is a path, or a name the loader finds; it is loaded now, nothing is linked. backend() says which one runs. Slower by far,
  /// allocates, and fills with NaN what XGBoost fails on. Codes: io-failed (no such library), model-format (XGBoost refuses the bytes).
  static Result<Ensemble> by_xgboost(std::span<const std::byte> bytes, const std::string& library = "libxgboost.so",
                                     std::string name = "<bytes>");

  /// Compares every margin, prediction and leaf number with XGBoost's own, in bits. Throws as by_xgboost().
  Verification verify(std::span<const float> rows, std::size_t n, const std::string& library = "libxgboost.so") const;

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
  std::string_view backend() const noexcept;                       ///< "native", or "xgboost 3.4.1"
  std::string_view format() const noexcept;                        ///< "xgboost-json", "xgboost-ubj", "lightgbm-text" or the like
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

  /// margin() and predict() of one row, for the price of one.
  ///
  /// Shape: `row` is features() wide, `margin` outputs(), `prediction` prediction_width().
  void score(std::span<const double> row, std::span<double> margin, std::span<double> prediction) const noexcept;

  /// The leaf each tree ends in, as the trainer numbers its nodes.
  ///
  /// Shape: `out` is n x trees().
  void leaves(std::span<const float> rows, std::size_t n, std::span<std::int32_t> out) const noexcept;
  void leaves(std::span<const double> rows, std::size_t n, std::span<std::int32_t> out) const noexcept;

  /// What each feature gives to a margin (Shapley values), and last the expected margin; together they are the margin.
  ///
  /// float: XGBoost's own since 3.3, `pred_contribs`, bit for bit, for XGBoost's models; their sum is the margin to about 1e-5.
  /// double: the same values exactly, for any model that says how many rows each node saw; their sum is the sum of base and leaves to
  /// 1e-12. With a background of m rows: interventional values, the mean over comparisons with each of them, for any model.
  ///
  /// Shape: `out` is n x outputs() x (features() + 1). Throws model-unsupported for a model that lacks what is needed. The first call
  /// reads the file's statistics, and a call allocates what its deepest tree needs.
  void contributions(std::span<const float> rows, std::size_t n, std::span<float> out) const;
  void contributions(std::span<const double> rows, std::size_t n, std::span<double> out) const;
  void contributions(std::span<const double> rows, std::size_t n, std::span<const double> background, std::size_t m,
                     std::span<double> out) const;

 private:
  explicit Ensemble(std::shared_ptr<const detail::Forest> forest) : forest_(std::move(forest)) {}
  std::shared_ptr<const detail::Forest> forest_;
};

}  // namespace featlib
