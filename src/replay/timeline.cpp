#include "replay/timeline.hpp"

#include <algorithm>

namespace featlib::replaying {
namespace {

template <class Vector>
void reach(Vector& vector, std::size_t n) {
  if (vector.size() < n) vector.resize(n + n / 2);
}

Row row_of(const std::uint64_t* record) { return static_cast<Row>(record[1]); }

}  // namespace

Timeline::Timeline(const Program& program, const Rows& rows, int source_entity)
    : program_(program), rows_(rows), source_entity_(source_entity), width_(Dealt::head_words + program.row_columns.size()),
      columns_(program.row_columns.size()), opened_(program.gate_columns.size()) {}

bool Timeline::in_order(const std::uint64_t* before, const std::uint64_t* after) const noexcept {
  const auto x = static_cast<Instant>(before[0]), y = static_cast<Instant>(after[0]);
  if (x != y) return x < y;
  // Among rows of one instant the order counts only where something depends on it.
  if (program_.sequence_column >= 0) {
    const Slot a = slot(before, program_.sequence_column), b = slot(after, program_.sequence_column);
    if (a.is_null() != b.is_null()) return a.is_null();
    if (!a.is_null() && a.bits != b.bits) return a.integer() < b.integer();
  }
  return !program_.ordered || rows_.compare_order(row_of(before), row_of(after), source_entity_) <= 0;
}

void Timeline::load(const std::uint64_t* records, std::size_t n) {
  size_ = n;
  reach(times_, n + EdgeFinder::slack);
  reach(order_, n);
  bool sorted = true;
  for (std::size_t i = 1; sorted && i < n; ++i) {
    const std::uint64_t *before = records + (i - 1) * width_, *after = records + i * width_;
    sorted = static_cast<Instant>(before[0]) < static_cast<Instant>(after[0]) || in_order(before, after);
  }
  if (!sorted) {
    sorted_.resize(n);
    for (std::size_t i = 0; i < n; ++i) sorted_[i] = records + i * width_;
    std::sort(sorted_.begin(), sorted_.end(), [&](const std::uint64_t* a, const std::uint64_t* b) {
      if (a[0] != b[0]) return static_cast<Instant>(a[0]) < static_cast<Instant>(b[0]);
      return rows_.compare_order(row_of(a), row_of(b), source_entity_) < 0;
    });
  }
  const auto each = [&](auto&& visit) {
    if (sorted) for (std::size_t i = 0; i < n; ++i) visit(i, records + i * width_);
    else for (std::size_t i = 0; i < n; ++i) visit(i, sorted_[i]);
  };
  std::uint32_t nulls = 0;
  each([&, times = times_.data(), order = order_.data()](std::size_t i, const std::uint64_t* r) {
    times[i] = static_cast<Instant>(r[0]);
    order[i] = row_of(r);
    nulls |= static_cast<std::uint32_t>(r[1] >> 32);
  });
  std::fill_n(times_.data() + n, EdgeFinder::slack, never);
  all_nulls_ = nulls;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    auto& column = columns_[c];
    reach(column, n);
    each([word = Dealt::head_words + c, to = column.data()](std::size_t i, const std::uint64_t* r) { to[i] = r[word]; });
  }
  if (nulls) {
    reach(nulls_, n);
    each([&](std::size_t i, const std::uint64_t* r) { nulls_[i] = static_cast<std::uint32_t>(r[1] >> 32); });
  }
  if (program_.sequence_column >= 0) {
    reach(sequence_, n);
    each([&](std::size_t i, const std::uint64_t* r) { sequence_[i] = slot(r, program_.sequence_column); });
  }
  if (program_.known_column >= 0) {
    const auto known = values(program_.known_column);
    reach(latest_, n + 1);
    reach(soonest_, n + 1);
    latest_[0] = always;
    soonest_[n] = never;
    for (std::size_t i = 0; i < n; ++i) latest_[i + 1] = std::max(latest_[i], static_cast<Instant>(known[i]));
    for (std::size_t i = n; i-- > 0;) soonest_[i] = std::min(soonest_[i + 1], static_cast<Instant>(known[i]));
  }
  if (program_.hidden_column >= 0) {
    const auto hidden_at = values(program_.hidden_column);
    reach(hidden_, n + 1);
    hidden_[0] = 0;
    for (std::size_t i = 0; i < n; ++i) hidden_[i + 1] = hidden_[i] + (static_cast<Instant>(hidden_at[i]) != never);
  }
  for (std::size_t g = 0; g < opened_.size(); ++g) {
    const int c = program_.gate_columns[g];
    if (c < 0) continue;
    auto& opened = opened_[g];
    reach(opened, n + 1);
    opened[0] = always;
    const auto field = static_cast<std::size_t>(rows_.gated_fields()[g]);
    const auto stamps = values(c);
    for (std::size_t i = 0; i < n; ++i)
      opened[i + 1] = std::max(opened[i], rows_.fields[field][order_[i]].is_null() ? always : static_cast<Instant>(stamps[i]));
  }
}

bool Timeline::known(Instant as_of, std::uint32_t& rows) const noexcept {
  if (program_.known_column < 0) {
    rows = static_cast<std::uint32_t>(size_);
    return true;
  }
  const auto end = latest_.begin() + static_cast<std::ptrdiff_t>(size_) + 1;
  rows = static_cast<std::uint32_t>(std::upper_bound(latest_.begin(), end, as_of) - latest_.begin()) - 1;
  return soonest_[rows] > as_of;
}

}  // namespace featlib::replaying
