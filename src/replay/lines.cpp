#include "replay/lines.hpp"

#include "replay/x86.hpp"

#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace featlib::replaying {
namespace {

constexpr std::size_t line_words = 8;

/// A line of the cache to aligned memory, without reading what stood there.
void stream(const std::uint64_t* from, std::uint64_t* to) noexcept {
#ifdef __SSE2__
  for (std::size_t i = 0; i < line_words; i += 2)
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
#else
  std::memcpy(to, from, line_words * sizeof *to);
#endif
}

void finish_streams() noexcept {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

#ifdef FEATLIB_X86_KERNELS

#define FEATLIB_LINES __attribute__((target("avx512f,avx512bw,avx512vl")))
using Square = __m512i[line_words];

/// Eight rows of eight words become eight columns.
FEATLIB_LINES inline void transpose(Square& rows) {
  const __m512i low = _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0), high = _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2);
  Square pairs, fours;
  for (std::size_t i = 0; i < 8; i += 2) {
    pairs[i] = _mm512_unpacklo_epi64(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi64(rows[i], rows[i + 1]);
  }
  for (std::size_t i = 0; i < 8; i += 4)
    for (std::size_t odd = 0; odd < 2; ++odd) {
      fours[i + odd] = _mm512_permutex2var_epi64(pairs[i + odd], low, pairs[i + 2 + odd]);
      fours[i + 2 + odd] = _mm512_permutex2var_epi64(pairs[i + odd], high, pairs[i + 2 + odd]);
    }
  for (std::size_t i = 0; i < 4; ++i) {
    rows[i] = _mm512_shuffle_i64x2(fours[i], fours[i + 4], 0x44);
    rows[i + 4] = _mm512_shuffle_i64x2(fours[i], fours[i + 4], 0xee);
  }
}

/// Eight decisions at a time, a line of each at a time. Both return how many decisions are done.
FEATLIB_LINES std::size_t write_avx512(std::span<const Row> decisions, const std::vector<PagedVector<std::uint64_t>>& values,
                                       const std::vector<PagedVector<Status>>& statuses, std::size_t stride, std::uint64_t* words) noexcept {
  const std::size_t windows = values.size();
  std::size_t i = 0;
  for (; i + 8 <= decisions.size(); i += 8)
    for (std::size_t line = 0; line < stride; line += line_words) {
      Square square;
      for (std::size_t k = 0; k < line_words; ++k) {
        const std::size_t word = line + k;
        __m512i all = _mm512_setzero_si512();
        if (word < windows) all = _mm512_loadu_si512(values[word].data() + i);
        else
          for (std::size_t w = 8 * (word - windows), shift = 0; w < windows && shift < 64; ++w, shift += 8)
            all = _mm512_or_si512(all, _mm512_sll_epi64(_mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(statuses[w].data() + i))),
                                                        _mm_cvtsi64_si128(static_cast<long long>(shift))));
        square[k] = all;
      }
      transpose(square);
      for (std::size_t k = 0; k < 8; ++k) _mm512_stream_si512(reinterpret_cast<__m512i*>(words + decisions[i + k] * stride + line), square[k]);
    }
  return i;
}

FEATLIB_LINES std::size_t copy_avx512(const std::uint64_t* words, std::size_t stride, std::size_t from, std::size_t to, std::span<FeatureColumn* const> columns) noexcept {
  const std::size_t windows = columns.size();
  std::size_t row = from;
  for (; row + 8 <= to; row += 8)
    for (std::size_t line = 0; line < stride; line += line_words) {
      Square square;
      for (std::size_t k = 0; k < 8; ++k) square[k] = _mm512_load_si512(words + (row + k) * stride + line);
      transpose(square);
      for (std::size_t k = 0; k < line_words; ++k) {
        const std::size_t word = line + k;
        if (word < windows) {
          std::uint64_t* const out = columns[word]->bits.data() + row;
          if (reinterpret_cast<std::uintptr_t>(out) % 64 == 0) _mm512_stream_si512(reinterpret_cast<__m512i*>(out), square[k]);
          else _mm512_storeu_si512(out, square[k]);
          continue;
        }
        for (std::size_t w = 8 * (word - windows), shift = 0; w < windows && shift < 64; ++w, shift += 8)
          _mm_storel_epi64(reinterpret_cast<__m128i*>(columns[w]->status.data() + row),
                           _mm512_cvtepi64_epi8(_mm512_srl_epi64(square[k], _mm_cvtsi64_si128(static_cast<long long>(shift)))));
      }
    }
  return row - from;
}

#undef FEATLIB_LINES
#endif

std::size_t whole_lines(std::size_t words) { return (words + line_words - 1) / line_words * line_words; }

}  // namespace

Transposing fastest_transposing() noexcept { return has_avx512() ? Transposing::avx512 : Transposing::words; }

Lines::Lines(std::size_t decisions, std::size_t windows, Transposing transposing)
    : transposing_(transposing), windows_(windows), stride_(whole_lines(windows + (windows + 7) / 8)), words_(decisions * stride_ + line_words),
      first_(words_.data()) {
  while (reinterpret_cast<std::uintptr_t>(first_) % (line_words * sizeof *first_) != 0) ++first_;
}

void Lines::write(std::span<const Row> decisions, const std::vector<PagedVector<std::uint64_t>>& values, const std::vector<PagedVector<Status>>& statuses) noexcept {
  std::size_t done = 0;
#ifdef FEATLIB_X86_KERNELS
  if (transposing_ == Transposing::avx512) done = write_avx512(decisions, values, statuses, stride_, first_);
#endif
  std::vector<std::uint64_t> line(stride_);
  auto* const status = reinterpret_cast<Status*>(line.data() + windows_);
  for (std::size_t i = done; i < decisions.size(); ++i) {
    for (std::size_t w = 0; w < windows_; ++w) {
      line[w] = values[w][i];
      status[w] = statuses[w][i];
    }
    std::uint64_t* const to = first_ + decisions[i] * stride_;
    for (std::size_t word = 0; word < stride_; word += line_words) stream(line.data() + word, to + word);
  }
  finish_streams();
}

void Lines::copy(std::size_t from, std::size_t to, std::span<FeatureColumn* const> columns) const noexcept {
#ifdef FEATLIB_X86_KERNELS
  if (transposing_ == Transposing::avx512) from += copy_avx512(first_, stride_, from, to, columns);
#endif
  for (std::size_t row = from; row < to; row += line_words) {
    const std::size_t n = std::min(line_words, to - row);
    const std::uint64_t* const lines = first_ + row * stride_;
    for (std::size_t w = 0; w < windows_; ++w) {
      std::uint64_t column[line_words];
      for (std::size_t i = 0; i < n; ++i) column[i] = lines[i * stride_ + w];
      std::uint64_t* const out = columns[w]->bits.data() + row;
      if (n == line_words && row % line_words == 0) stream(column, out);
      else std::memcpy(out, column, n * sizeof *out);
      Status* const status = columns[w]->status.data() + row;
      for (std::size_t i = 0; i < n; ++i) status[i] = reinterpret_cast<const Status*>(lines + i * stride_ + windows_)[w];
    }
  }
  finish_streams();
}

}  // namespace featlib::replaying
