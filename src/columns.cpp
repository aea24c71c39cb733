#include <featlib/events/columns.hpp>

namespace featlib {
namespace {

constexpr std::size_t slack = sizeof(std::uint64_t);   // a value is read as eight bytes, whatever its width

std::uint8_t bytes_for(std::uint64_t range) noexcept { return static_cast<std::uint8_t>((std::bit_width(range) + 7) / 8); }

}  // namespace

void PackedColumn::resize(std::size_t rows) {
  pages_.resize((rows + page_rows - 1) / page_rows);
  size_ = rows;
}

void PackedColumn::allocate(Page& page, std::uint8_t width) {
  page.width = width;
  page.bytes = width == 0 ? nullptr : std::make_unique<std::byte[]>(page_rows * width + slack);
}

void PackedColumn::begin(std::size_t at, std::uint64_t value) {
  // As wide as the page before it: values of one column are alike. Its base holds too unless they have risen past its middle.
  Page& page = pages_[at];
  page.fresh = false;
  if (sparse_) return;
  page.base = value;
  if (at == 0 || pages_[at - 1].width == 0) return allocate(page, 0);
  const Page& before = pages_[at - 1];
  allocate(page, before.width);
  if (value - before.base <= limit(before.width) / 2) page.base = before.base;
}

void PackedColumn::widen(Page& page, std::uint64_t value) {
  std::array<std::uint64_t, page_rows> values;
  auto least = static_cast<std::int64_t>(value), most = least;
  for (std::size_t i = 0; i < page_rows; ++i) {
    values[i] = page.width == 0 ? page.base : page.base + (load(page.bytes.get() + i * page.width) & limit(page.width));
    least = std::min(least, static_cast<std::int64_t>(values[i]));
    most = std::max(most, static_cast<std::int64_t>(values[i]));
  }
  const std::uint64_t range = static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(least);
  allocate(page, bytes_for(range));
  // Some of the room that is left goes below: values that scatter fall too. Wrapping is harmless, differences wrap back.
  page.base = static_cast<std::uint64_t>(least) - (limit(page.width) - range) / 8;
  for (std::size_t i = 0; i < page_rows; ++i) {
    std::byte* to = page.bytes.get() + i * page.width;
    const std::uint64_t bits = values[i] - page.base;
    std::memcpy(to, &bits, sizeof bits);   // the next value overwrites what runs over
  }
}

void PackedColumn::set(std::size_t row, std::uint64_t value) {
  Page& page = pages_[row / page_rows];
  if (page.fresh) begin(row / page_rows, value);
  if (value - page.base > limit(page.width)) widen(page, value);
  if (page.width == 0) return;
  std::byte* to = page.bytes.get() + row % page_rows * page.width;
  const std::uint64_t bits = (load(to) & ~limit(page.width)) | (value - page.base);
  std::memcpy(to, &bits, sizeof bits);
}

std::size_t PackedColumn::memory() const noexcept {
  std::size_t bytes = pages_.capacity() * sizeof(Page);
  for (const Page& page : pages_) bytes += page.width == 0 ? 0 : page_rows * page.width + slack;
  return bytes;
}

}  // namespace featlib
