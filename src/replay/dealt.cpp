#include "replay/dealt.hpp"

namespace featlib::replaying {

// Column after column: the block's records stay in the first-level cache, and each pass is a plain loop.
void Dealt::write(std::span<const std::uint32_t> from, const std::uint32_t* to, const Instant* times, const std::vector<ColumnRef>& columns) noexcept {
  if (from.empty()) return;   // and perhaps all blocks are: there is no record to count from
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::uint64_t* record = words_.data() + to[i] * width_;
    record[0] = static_cast<std::uint64_t>(times[from[i]]);
    record[1] = from[i];
  }
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const ColumnRef column = columns[c];
    std::uint64_t* const out = words_.data() + head_words + c;
    for (std::size_t i = 0; i < from.size(); ++i) out[to[i] * width_] = column.bits[from[i]];
    if (!column.held) continue;
    const std::uint64_t bit = std::uint64_t{1} << (32 + c);
    for (std::size_t i = 0; i < from.size(); ++i)
      if (column.is_null(from[i])) words_[to[i] * width_ + 1] |= bit;
  }
}

}  // namespace featlib::replaying
