#include "replay/lines.hpp"

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

std::size_t whole_lines(std::size_t words) { return (words + line_words - 1) / line_words * line_words; }

}  // namespace

Lines::Lines(std::size_t decisions, std::size_t windows) : windows_(windows), stride_(whole_lines(windows + (windows + 7) / 8)), words_(decisions * stride_) {}

void Lines::write(std::span<const Row> decisions, const std::vector<PagedVector<std::uint64_t>>& values, const std::vector<PagedVector<Status>>& statuses) noexcept {
  std::vector<std::uint64_t> line(stride_);
  auto* const status = reinterpret_cast<Status*>(line.data() + windows_);
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    for (std::size_t w = 0; w < windows_; ++w) {
      line[w] = values[w][i];
      status[w] = statuses[w][i];
    }
    std::uint64_t* const to = words_.data() + decisions[i] * stride_;
    for (std::size_t word = 0; word < stride_; word += line_words) stream(line.data() + word, to + word);
  }
  finish_streams();
}

void Lines::copy(std::size_t from, std::size_t to, std::span<FeatureColumn* const> columns) const noexcept {
  for (std::size_t row = from; row < to; row += line_words) {
    const std::size_t n = std::min(line_words, to - row);
    const std::uint64_t* const lines = words_.data() + row * stride_;
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
