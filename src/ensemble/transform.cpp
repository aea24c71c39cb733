/// The functions of libm that the trainers call, in their order: a vectorised exp would have other bits.
#include "ensemble/transform.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace featlib::detail {
namespace {

/// XGBoost, src/common/math.h:31.
float sigmoid(float x, double) noexcept {
  x = std::min(-x, 88.7f);
  return 1.0f / (std::exp(x) + 1.0f + 1e-16f);
}

/// LightGBM, src/objective/binary_objective.hpp:175.
double sigmoid(double x, double steepness) noexcept { return 1.0 / (1.0 + std::exp(-steepness * x)); }

/// XGBoost, src/common/math.h:80.
template <class S>
S softplus(S x) noexcept {
  return x > S{0} ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

/// XGBoost, src/common/math.h:56: float exponentials, a double sum, a float division. LightGBM, utils/common.h:591: the same
/// in double.
template <class S>
void softmax(std::span<S> row) noexcept {
  S most = row[0];
  for (const S x : row) most = std::fmax(x, most);
  double sum = 0;
  for (S& x : row) {
    x = std::exp(x - most);
    sum += static_cast<double>(x);
  }
  for (S& x : row) x /= static_cast<S>(sum);
}

/// NumPy's sum of a contiguous row (numpy/_core/src/umath/loops_utils.h.src, pairwise_sum): one by one up to 7, eight
/// sums side by side up to 128, else halves.
template <class S>
S pairwise_sum(std::span<const S> row) noexcept {
  const std::size_t n = row.size();
  if (n > 128) {
    const std::size_t half = n / 2 / 8 * 8;
    return pairwise_sum(row.first(half)) + pairwise_sum(row.subspan(half));
  }
  S sum{0};
  std::size_t i = 0;
  if (n >= 8) {
    std::array<S, 8> r;
    std::ranges::copy(row.first(8), r.begin());
    for (i = 8; i < n / 8 * 8; ++i) r[i % 8] += row[i];
    sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  }
  for (; i < n; ++i) sum += row[i];
  return sum;
}

/// scikit-learn, sklearn/utils/extmath.py:985, of rows in C order.
template <class S>
void softmax_pairwise(std::span<S> row) noexcept {
  const S most = *std::ranges::max_element(row);
  for (S& x : row) x = std::exp(x - most);
  const S sum = pairwise_sum(std::span<const S>(row));
  for (S& x : row) x /= sum;
}

/// fmath's exp of a double, which CatBoost calls (contrib/libs/fmath/fmath.hpp, expd_v; library/cpp/fast_exp): a table of
/// 2^(i/2048) and a cubic, about 1e-13 off. Written from the algorithm; x86 with SSE2 or AVX2 gives these bits.
class FastExp {
 public:
  FastExp() {
    for (std::size_t i = 0; i < size; ++i) table_[i] = std::bit_cast<std::uint64_t>(std::pow(2.0, static_cast<double>(i) * (1.0 / size))) & mantissa;
  }

  double operator()(double x) const noexcept {
    x = std::max(std::min(x, 709.78272569338397), -708.39641853226408);
    const double shifted = x * a_ + round;
    const double t = (shifted - round) * ra_ - x;
    const auto bits = std::bit_cast<std::uint64_t>(shifted);
    const std::uint64_t power = ((bits + (std::uint64_t{size} << 10) - size) >> 11 << 52) | table_[bits % size];
    return ((3.0000000027955394 - t) * (t * t) * 0.16666666685227835 - t + 1.0) * std::bit_cast<double>(power);
  }

 private:
  static constexpr std::uint64_t size = 2048, mantissa = (std::uint64_t{1} << 52) - 1;
  static constexpr double round = 6755399441055744.0;  // 3 * 2^51: what is added comes out rounded to an integer
  double a_ = size / std::log(2.0), ra_ = 1 / a_;
  std::array<std::uint64_t, size> table_;
};
const FastExp fast_exp;

/// CatBoost, libs/model/eval_processing.h:15.
template <class S>
void softmax_fast(std::span<S> row) noexcept {
  const S most = *std::ranges::max_element(row);
  S sum{0};
  for (S& x : row) x = static_cast<S>(fast_exp(static_cast<double>(x - most)));
  for (const S x : row) sum += x;
  for (S& x : row) x /= sum;
}

/// XGBoost, src/objective/quantile_obj.cu:176: an insertion sort, which allocates nothing.
template <class S>
void ascending(std::span<S> row) noexcept {
  for (std::size_t i = 1; i < row.size(); ++i) {
    const S value = row[i];
    std::size_t at = i;
    for (; at > 0 && row[at - 1] > value; --at) row[at] = row[at - 1];
    row[at] = value;
  }
}

template <class S>
void apply(Transform transform, double steepness, std::span<S> row) noexcept {
  switch (transform) {
    case Transform::identity:
      return;
    case Transform::sigmoid:
      for (S& x : row) x = sigmoid(x, steepness);
      return;
    case Transform::exponential:
      for (S& x : row) x = std::exp(x);
      return;
    case Transform::positive:
      for (S& x : row) x = x > S{0} ? S{1} : S{0};
      return;
    case Transform::softmax:
      softmax(row);
      return;
    case Transform::softmax_pairwise:
      softmax_pairwise(row);
      return;
    case Transform::softmax_fast:
      softmax_fast(row);
      return;
    case Transform::exponential_fast:
      for (S& x : row) x = static_cast<S>(fast_exp(static_cast<double>(x)));
      return;
    case Transform::isolation:  // sklearn/ensemble/_iforest.py:633
      for (S& x : row) x = -std::pow(S{2}, -x);
      return;
    case Transform::argmax:
      row[0] = static_cast<S>(std::ranges::max_element(row) - row.begin());
      return;
    case Transform::ascending:
      ascending(row);
      return;
    case Transform::log1p_exponential:  // LightGBM, src/objective/xentropy_objective.hpp:266
      for (S& x : row) x = std::log1p(std::exp(x));
      return;
    case Transform::signed_square:  // LightGBM, src/objective/regression_objective.hpp:148
      for (S& x : row) x = static_cast<S>((x > S{0}) - (x < S{0})) * x * x;
      return;
    case Transform::cumulative:
      for (std::size_t i = 1; i < row.size(); ++i) row[i] = row[i - 1] + (static_cast<S>(1e-6f) + softplus(row[i]));
      return;
  }
}

}  // namespace

void transform_row(Transform transform, double steepness, std::span<float> row) noexcept { apply(transform, steepness, row); }
void transform_row(Transform transform, double steepness, std::span<double> row) noexcept { apply(transform, steepness, row); }

}  // namespace featlib::detail
