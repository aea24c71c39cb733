#include "window/sliding/ranked_values.hpp"

#include <algorithm>
#include <bit>

namespace featlib {

void RankedValues::clear() noexcept {
  blocks_.clear();
  greatest_.clear();
  sizes_.clear();
  size_ = 0;
}

/// The first block whose greatest value is not less, or the last.
std::size_t RankedValues::block_of(std::int64_t value) const noexcept {
  const auto found = std::lower_bound(greatest_.begin(), greatest_.end(), value);
  return static_cast<std::size_t>(found - greatest_.begin()) - (found == greatest_.end());
}

void RankedValues::count(std::size_t block, std::int64_t by) noexcept {
  for (std::size_t at = block + 1; at < sizes_.size(); at += at & (~at + 1)) sizes_[at] += by;
}

/// The tree anew.
void RankedValues::index() {
  sizes_.assign(blocks_.size() + 1, 0);
  for (std::size_t at = 1; at < sizes_.size(); ++at) {
    sizes_[at] += static_cast<std::int64_t>(blocks_[at - 1].size());
    if (const std::size_t above = at + (at & (~at + 1)); above < sizes_.size()) sizes_[above] += sizes_[at];
  }
}

void RankedValues::add(std::int64_t value) {
  ++size_;
  if (blocks_.empty()) {
    blocks_.push_back({value});
    greatest_.push_back(value);
    return index();
  }
  const std::size_t b = block_of(value);
  std::vector<std::int64_t>& block = blocks_[b];
  block.insert(std::upper_bound(block.begin(), block.end(), value), value);
  greatest_[b] = block.back();
  if (block.size() <= most) return count(b, 1);
  const auto half = block.begin() + static_cast<std::ptrdiff_t>(most / 2);
  std::vector<std::int64_t> upper(half, block.end());
  block.erase(half, block.end());
  greatest_.insert(greatest_.begin() + static_cast<std::ptrdiff_t>(b), block.back());
  blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(b) + 1, std::move(upper));
  index();
}

void RankedValues::remove(std::int64_t value) {
  --size_;
  const std::size_t b = block_of(value);
  std::vector<std::int64_t>& block = blocks_[b];
  block.erase(std::lower_bound(block.begin(), block.end(), value));
  // Blocks that emptied go, those that nearly did join the next one: few values never lie in many blocks.
  const bool last = b + 1 == blocks_.size();
  if (!block.empty() && (last || block.size() + blocks_[b + 1].size() > most / 2)) {
    greatest_[b] = block.back();
    return count(b, -1);
  }
  if (!last) blocks_[b + 1].insert(blocks_[b + 1].begin(), block.begin(), block.end());
  blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(b));
  greatest_.erase(greatest_.begin() + static_cast<std::ptrdiff_t>(b));
  index();
}

std::int64_t RankedValues::at(std::size_t rank) const noexcept {
  auto left = static_cast<std::int64_t>(rank);
  std::size_t block = 0;
  for (std::size_t step = std::bit_floor(blocks_.size()); step > 0; step /= 2)
    if (block + step < sizes_.size() && sizes_[block + step] <= left) left -= sizes_[block += step];
  return blocks_[block][static_cast<std::size_t>(left)];
}

}  // namespace featlib
