#include "window/timeline/block.hpp"

#include <bit>
#include <new>
#include <utility>

namespace featlib {

void LaneSummary::shift_in(int128 addend, int exponent) noexcept {
  constexpr int room = 125;
  const auto width = [](int128 v) {
    const auto magnitude = v < 0 ? -static_cast<uint128>(v) : static_cast<uint128>(v);
    const auto high = static_cast<std::uint64_t>(magnitude >> 64);
    return high ? 128 - std::countl_zero(high) : 64 - std::countl_zero(static_cast<std::uint64_t>(magnitude));
  };
  if (wide) return;
  if (!counts_in_unit()) unit = static_cast<std::int16_t>(exponent);
  if (exponent < unit) {
    wide = width(sum) + unit - exponent > room;
    if (wide) return;
    sum = static_cast<int128>(static_cast<uint128>(sum) << (unit - exponent));
    unit = static_cast<std::int16_t>(exponent);
  }
  wide = addend != 0 && width(addend) + exponent - unit > room;
  if (wide || addend == 0) return;
  sum += static_cast<int128>(static_cast<uint128>(addend) << (exponent - unit));
  wide = outgrown(sum);
}

/// Sums that were kept in a coarser unit.
void LanePowers::refine(int unit) noexcept {
  if (unit > values_.unit) powers::refine(sums_, powers_, unit - values_.unit);
}

void LanePowers::add_integer(std::int64_t value) noexcept {
  values_.add_integer(value);
  powers::add(sums_, powers_, value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value), value < 0);
}

void LanePowers::add_real(std::int64_t key) noexcept {
  const int before = values_.counts_in_unit() ? values_.unit : std::numeric_limits<int>::min();
  values_.add_real(key);
  const Decomposed parts = decompose(from_ordered(key));
  if (values_.wide || parts.significand == 0) return;
  refine(before);
  const int up = parts.exponent - values_.unit;
  if (up > 127 - 53) return;          // more than most_bits: fit() says so
  const bool negative = parts.significand < 0;
  powers::add(sums_, powers_, static_cast<uint128>(negative ? -parts.significand : parts.significand) << up, negative);
}

void LanePowers::merge(const LaneSummary& more, const std::uint64_t* more_sums) noexcept {
  const int before = values_.counts_in_unit() ? values_.unit : std::numeric_limits<int>::min();
  values_.merge(more);
  if (values_.wide || !more.counts_in_unit()) return;
  refine(before);
  if (more.unit == values_.unit) return powers::merge(sums_, powers_, more_sums);
  std::array<std::uint64_t, powers::most_words> finer;
  std::copy_n(more_sums, powers::words(powers_), finer.begin());
  powers::refine(finer.data(), powers_, more.unit - values_.unit);
  powers::merge(sums_, powers_, finer.data());
}

bool LanePowers::fit(bool real) const noexcept {
  if (values_.wide) return false;
  if (!real || !values_.counts_in_unit()) return true;
  const auto within = [&](std::int64_t key) {
    const Decomposed parts = decompose(from_ordered(key));
    const auto magnitude = static_cast<std::uint64_t>(parts.significand < 0 ? -parts.significand : parts.significand);
    return magnitude == 0 || static_cast<int>(std::bit_width(magnitude)) + parts.exponent - values_.unit <= powers::most_bits(powers_);
  };
  return within(values_.least) && within(values_.most);
}

namespace timeline {
namespace {

constexpr std::size_t slack = 8;      // a value is read as eight bytes, whatever its width

}  // namespace

// Making -----------------------------------------------------------------------------------------------------------

/// `base_and_width(column)` says how each column is kept.
template <class Layout>
Block* Block::make(std::size_t columns, std::size_t capacity, Layout&& base_and_width) {
  std::size_t bytes = sizeof(Block) + columns * sizeof(Column);
  for (std::size_t c = 0; c < columns; ++c) bytes += capacity * base_and_width(c).second + slack;
  auto* block = new (::operator new(bytes)) Block;
  block->capacity_ = static_cast<std::uint16_t>(capacity);
  block->columns_ = static_cast<std::uint16_t>(columns);
  block->bytes_ = static_cast<std::uint32_t>(bytes);
  std::size_t offset = sizeof(Block) + columns * sizeof(Column);
  for (std::size_t c = 0; c < columns; ++c) {
    const auto [base, width] = base_and_width(c);
    new (&block->column(c)) Column{base, 0, always, static_cast<std::uint32_t>(offset), width};
    std::memset(block->values(block->column(c)), 0, capacity * width + slack);
    offset += capacity * width + slack;
  }
  return block;
}

Block* Block::make_roomy(std::size_t columns, std::size_t capacity) {
  return make(columns, capacity, [](std::size_t c) { return std::pair(std::uint64_t{0}, static_cast<std::uint8_t>(c == row_numbers ? sizeof(Row) : 8)); });
}

Block* Block::make_tight(std::size_t capacity, const Block& rows, std::size_t first, std::size_t last, const Entry* room_for) {
  std::vector<std::pair<std::uint64_t, std::uint8_t>> layout;
  for (std::size_t c = 0; c < rows.columns_; ++c) {
    auto least = std::numeric_limits<std::int64_t>::max(), most = std::numeric_limits<std::int64_t>::min();
    const auto meet = [&](std::uint64_t bits) {
      least = std::min(least, static_cast<std::int64_t>(bits));
      most = std::max(most, static_cast<std::int64_t>(bits));
    };
    const Column& column = rows.column(c);
    for (std::size_t i = first; i < last; ++i)
      if (column.held >> i & 1) meet(rows.get(column, i));
    if (room_for && room_for->columns[c].held) meet(room_for->columns[c].bits);
    if (least > most) least = most = 0;
    const std::uint64_t range = static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(least);
    layout.emplace_back(static_cast<std::uint64_t>(least), static_cast<std::uint8_t>((std::bit_width(range) + 7) / 8));
  }
  return make(rows.columns_, capacity, [&](std::size_t c) { return layout[c]; });
}

void Block::give_back(Block* block) noexcept { ::operator delete(block); }

// Changing ---------------------------------------------------------------------------------------------------------

void Block::set(const Column& c, std::size_t i, std::uint64_t bits) noexcept {
  std::byte* at = values(c) + i * c.width;
  const std::uint64_t merged = (load(at) & ~limit(c.width)) | ((bits - c.base) & limit(c.width));
  std::memcpy(at, &merged, sizeof merged);
}

bool Block::fits(const Entry& entry) const noexcept {
  for (std::size_t c = 0; c < columns_; ++c)
    if (entry.columns[c].held && entry.columns[c].bits - column(c).base > limit(column(c).width)) return false;
  return true;
}

void Block::write(std::size_t at, const Entry& entry) noexcept {
  for (std::size_t c = 0; c < columns_; ++c) {
    const Entry::Value& value = entry.columns[c];
    Column& to = column(c);
    set(to, at, value.held ? value.bits : to.base);
    to.held = (to.held & ~(std::uint64_t{1} << at)) | (std::uint64_t{value.held} << at);
    to.stamped = std::max(to.stamped, value.stamped);
  }
  seen_.merge(entry.seen);
}

void Block::insert(std::size_t at, const Entry& entry) noexcept {
  if (at < count_)
    for (std::size_t c = 0; c < columns_; ++c) {
      Column& to = column(c);
      std::memmove(values(to) + (at + 1) * to.width, values(to) + at * to.width, (count_ - at) * to.width);
      to.held = (to.held & bits_between(0, at)) | ((to.held & bits_between(at, 63)) << 1);
    }
  ++count_;
  write(at, entry);
}

void Block::erase(std::size_t at) noexcept {
  --count_;
  for (std::size_t c = 0; c < columns_; ++c) {
    Column& to = column(c);
    std::memmove(values(to) + at * to.width, values(to) + (at + 1) * to.width, (count_ - at) * to.width);
    to.held = (to.held & bits_between(0, at)) | ((to.held & bits_between(at + 1, 64)) >> 1);
  }
}

void Block::copy(const Block& from, std::size_t first, std::size_t last) noexcept {
  count_ = static_cast<std::uint16_t>(last - first);
  seen_ = from.seen_;
  for (std::size_t c = 0; c < columns_; ++c) {
    Column& to = column(c);
    const Column& source = from.column(c);
    to.held = (source.held & bits_between(first, last)) >> first;
    to.stamped = source.stamped;
    for (std::size_t i = first; i < last; ++i) set(to, i - first, source.held >> i & 1 ? from.get(source, i) : to.base);
  }
}

// Reading ----------------------------------------------------------------------------------------------------------

std::size_t Block::rows_before(Instant time, bool closed) const noexcept {
  if (count_ == 0 || this->time(count_ - std::size_t{1}) < time) return count_;    // where new rows go
  const Column& c = column(times);
  const std::byte* v = values(c);
  const std::uint64_t mask = limit(c.width);
  std::size_t first = 0, n = count_;
  while (n > 0) {
    const std::size_t half = n / 2;
    const auto at = static_cast<Instant>(c.base + (load(v + (first + half) * c.width) & mask));
    const bool passes = closed ? at <= time : at < time;
    first = passes ? first + half + 1 : first;
    n = passes ? n - half - 1 : half;
  }
  return first;
}

void Block::prefetch_lanes(std::size_t at) const noexcept {
  for (std::size_t c = first_lane; c < columns_; ++c)
    for (std::size_t b = at * column(c).width; b < count_ * std::size_t{column(c).width}; b += 64) __builtin_prefetch(values(column(c)) + b);
}

void Block::add_powers(std::size_t lane, bool real, std::uint64_t rows, LanePowers out) const noexcept {
  const Column& c = column(first_lane + lane);
  for (; rows; rows &= rows - 1) {
    const auto value = static_cast<std::int64_t>(get(c, static_cast<std::size_t>(std::countr_zero(rows))));
    if (real) out.add_real(value);
    else out.add_integer(value);
  }
}

void Block::add_values(std::size_t lane, bool real, std::uint64_t rows, LaneSummary& out) const noexcept {
  if (rows == 0) return;
  const Column& c = column(first_lane + lane);
  const auto first = static_cast<std::size_t>(std::countr_zero(rows)), last = static_cast<std::size_t>(64 - std::countl_zero(rows));
  if (real || rows != bits_between(first, last)) {
    for (; rows; rows &= rows - 1) {
      const auto value = static_cast<std::int64_t>(get(c, static_cast<std::size_t>(std::countr_zero(rows))));
      if (real) out.add_real(value);
      else out.add_integer(value);
    }
    return;
  }
  const std::byte* v = values(c);
  if (c.width == 8) {
    for (std::size_t i = first; i < last; ++i) out.add_integer(static_cast<std::int64_t>(c.base + load(v + 8 * i)));
    return;
  }
  // What exceeds the base: at most 64 values below 2^56.
  const std::uint64_t mask = limit(c.width);
  std::uint64_t sum = 0, least = ~std::uint64_t{0}, most = 0;
  for (std::size_t i = first; i < last; ++i) {
    const std::uint64_t value = load(v + i * c.width) & mask;
    sum += value;
    least = std::min(least, value);
    most = std::max(most, value);
  }
  out.count += static_cast<std::uint32_t>(last - first);
  out.sum += static_cast<int128>(static_cast<std::int64_t>(c.base)) * static_cast<int128>(last - first) + static_cast<int128>(sum);
  out.least = std::min(out.least, static_cast<std::int64_t>(c.base + least));
  out.most = std::max(out.most, static_cast<std::int64_t>(c.base + most));
}

}  // namespace timeline
}  // namespace featlib
