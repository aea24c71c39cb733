#include "replay/quotients.hpp"

#include "replay/x86.hpp"

#include <bit>
#include <cmath>
#include <limits>

namespace featlib::replaying {
namespace {

/// NaN beyond the double range, which `within` then no longer is.
double divided(int128 sum, std::uint32_t count, int unit, bool& within) noexcept {
  const auto result = round_quotient(sum, count ? count : 1, unit);
  within &= result.has_value();
  return result.value_or(std::numeric_limits<double>::quiet_NaN());
}

#ifdef FEATLIB_X86_KERNELS

// With sum = high 2^52 + low exactly, S + s is the same number as two doubles. Then, in doubles,
//   q = S / n,  r = (S - q n) + s,  c = r / n,  result = q + c,  d = c - (result - q)
// where S - q n is exact (it is the remainder of a rounded division) and d is what `result` lacks, up to the errors of the
// sum r and of the quotient c: less than 2^-50 |c|. `result` is right
//   - when both of these are exact: then q + c is the exact quotient, and the addition rounds it, ties included;
//   - when |d| stays clear of half a unit in the last place by more than that error. |c| is below two units, so 2^-40 of
//     half a unit is more than enough. At a power of two the unit below is half as large: left to the integers.
// Counting exact ties (means of two or four values) as proven leaves 0.1 % of means of cents to the integers, else 3 %.
constexpr double clearance = 0x1p-40;
constexpr std::uint64_t fraction_mask = (std::uint64_t{1} << 52) - 1;
constexpr std::uint64_t exponent_mask = std::uint64_t{0x7ff} << 52;
// Within these the scaled result is normal, the remainder is exact and half a unit in the last place is a normal number.
constexpr int least_exponent = -900, most_exponent = 900;

/// 2^unit, and whether it keeps quotients of 105 bits well inside the double range.
bool scale_of(int unit, double& scale) noexcept {
  if (unit < least_exponent || unit > most_exponent - 105) return false;
  scale = std::bit_cast<double>(static_cast<std::uint64_t>(unit + 1023) << 52);
  return true;
}

__attribute__((target("fma"))) bool propose(int128 sum, double n, double& out) noexcept {
  const int128 high = sum >> 52;
  if (high >= int128{1} << 53 || -high >= int128{1} << 53) return false;
  const double a = static_cast<double>(static_cast<std::int64_t>(high)) * 0x1p52, b = static_cast<double>(static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) & fraction_mask));
  const double s = a + b, rest = b - (s - a);
  const double q = s / n;
  const double remainder = __builtin_fma(-q, n, s);
  const double r = remainder + rest;
  const double back = r - remainder, r_error = (remainder - (r - back)) + (rest - back);
  const double c = r / n;
  const double c_error = __builtin_fma(-c, n, r);
  const double result = q + c;
  const double lacking = std::fabs(c - (result - q));
  out = result;
  if (r_error == 0.0 && c_error == 0.0) return true;
  const auto bits = std::bit_cast<std::uint64_t>(result);
  const double half = std::bit_cast<double>((bits & exponent_mask) - (std::uint64_t{53} << 52));
  return std::fabs(lacking - half) > half * clearance && (bits & fraction_mask) != 0;
}

__attribute__((target("fma"))) bool round_fma(const int128* sums, const std::uint32_t* counts, std::size_t n, int unit, double scale, double* out) noexcept {
  bool within = true;
  for (std::size_t i = 0; i < n; ++i) {
    const double count = counts && counts[i] ? counts[i] : 1.0;
    double result;
    out[i] = propose(sums[i], count, result) ? result * scale : divided(sums[i], counts ? counts[i] : 1, unit, within);
  }
  return within;
}

/// The same, eight at a time.
__attribute__((target("avx512f,avx512dq,fma"))) bool round_avx512(const int128* sums, const std::uint32_t* counts, std::size_t n, int unit, double scale,
                                                                  double* out) noexcept {
  const __m512i lows = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0), highs = _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1);
  const __m512i fraction = _mm512_set1_epi64(static_cast<long long>(fraction_mask)), exponent = _mm512_set1_epi64(static_cast<long long>(exponent_mask));
  const __m512i most_high = _mm512_set1_epi64(1ll << 53);
  const __m512d zero = _mm512_setzero_pd();
  bool within = true;
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m512i first = _mm512_loadu_si512(sums + i), second = _mm512_loadu_si512(sums + i + 4);
    const __m512i low = _mm512_permutex2var_epi64(first, lows, second), high = _mm512_permutex2var_epi64(first, highs, second);
    // sum >> 52 fits 64 bits with a bit to spare when the top 12 bits of `high` are its sign; the bound below refuses the others.
    const __m512i top = _mm512_or_si512(_mm512_slli_epi64(high, 12), _mm512_srli_epi64(low, 52));
    const __mmask8 fits = _mm512_cmpeq_epi64_mask(_mm512_srai_epi64(top, 63), _mm512_srai_epi64(high, 51)) &
                          _mm512_cmplt_epi64_mask(_mm512_abs_epi64(top), most_high);
    const __m512d a = _mm512_mul_pd(_mm512_cvtepi64_pd(top), _mm512_set1_pd(0x1p52)), b = _mm512_cvtepi64_pd(_mm512_and_si512(low, fraction));
    const __m512d s = _mm512_add_pd(a, b), rest = _mm512_sub_pd(b, _mm512_sub_pd(s, a));
    __m512d count = _mm512_set1_pd(1.0);
    if (counts) count = _mm512_max_pd(count, _mm512_cvtepu32_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(counts + i))));
    const __m512d q = _mm512_div_pd(s, count);
    const __m512d remainder = _mm512_fnmadd_pd(q, count, s);
    const __m512d r = _mm512_add_pd(remainder, rest);
    const __m512d back = _mm512_sub_pd(r, remainder);
    const __m512d r_error = _mm512_add_pd(_mm512_sub_pd(remainder, _mm512_sub_pd(r, back)), _mm512_sub_pd(rest, back));
    const __m512d c = _mm512_div_pd(r, count);
    const __m512d c_error = _mm512_fnmadd_pd(c, count, r);
    const __m512d result = _mm512_add_pd(q, c);
    const __m512d lacking = _mm512_abs_pd(_mm512_sub_pd(c, _mm512_sub_pd(result, q)));
    const __m512i bits = _mm512_castpd_si512(result);
    const __m512d half = _mm512_castsi512_pd(_mm512_sub_epi64(_mm512_and_si512(bits, exponent), _mm512_set1_epi64(53ll << 52)));
    const __mmask8 exact = _mm512_cmp_pd_mask(r_error, zero, _CMP_EQ_OQ) & _mm512_cmp_pd_mask(c_error, zero, _CMP_EQ_OQ);
    const __mmask8 clear = _mm512_cmp_pd_mask(_mm512_abs_pd(_mm512_sub_pd(lacking, half)), _mm512_mul_pd(half, _mm512_set1_pd(clearance)), _CMP_GT_OQ) &
                           _mm512_test_epi64_mask(bits, fraction);
    _mm512_storeu_pd(out + i, _mm512_mul_pd(result, _mm512_set1_pd(scale)));
    for (auto left = static_cast<unsigned>(static_cast<__mmask8>(~(fits & (exact | clear)))); left; left &= left - 1) {
      const std::size_t at = i + static_cast<std::size_t>(std::countr_zero(left));
      out[at] = divided(sums[at], counts ? counts[at] : 1, unit, within);
    }
  }
  return round_fma(sums + i, counts ? counts + i : nullptr, n - i, unit, scale, out + i) && within;
}

__attribute__((target("avx512f,avx512dq"))) std::size_t divide_avx512(const std::int64_t* sums, const std::uint32_t* counts, std::size_t n, double* out) noexcept {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m512d count = _mm512_max_pd(_mm512_set1_pd(1.0), _mm512_cvtepu32_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(counts + i))));
    _mm512_storeu_pd(out + i, _mm512_div_pd(_mm512_cvtepi64_pd(_mm512_loadu_si512(sums + i)), count));
  }
  return i;
}

#endif

}  // namespace

Proposal fastest_proposal() noexcept {
  if (!has_fma()) return Proposal::integers;
  return has_avx512() ? Proposal::avx512 : Proposal::fma;
}

bool round_quotients(const int128* sums, const std::uint32_t* counts, std::size_t n, int unit, double* out, Proposal proposal) noexcept {
#ifdef FEATLIB_X86_KERNELS
  double scale;
  if (proposal != Proposal::integers && scale_of(unit, scale))
    return proposal == Proposal::avx512 ? round_avx512(sums, counts, n, unit, scale, out) : round_fma(sums, counts, n, unit, scale, out);
#endif
  bool within = true;
  for (std::size_t i = 0; i < n; ++i) out[i] = divided(sums[i], counts ? counts[i] : 1, unit, within);
  return within;
}

void divide(const std::int64_t* sums, const std::uint32_t* counts, std::size_t n, double* out, [[maybe_unused]] Proposal proposal) noexcept {
  std::size_t i = 0;
#ifdef FEATLIB_X86_KERNELS
  if (proposal == Proposal::avx512) i = divide_avx512(sums, counts, n, out);
#endif
  for (; i < n; ++i) out[i] = static_cast<double>(sums[i]) / (counts[i] ? counts[i] : 1.0);
}

}  // namespace featlib::replaying
