#include "replay/deciding.hpp"

#include <algorithm>

namespace featlib::replaying {

Deciding::Deciding(const Program& program, const std::vector<std::size_t>& words, std::size_t width)
    : program_(program), words_(words), width_(width), columns_(words.size()), loaded_columns_(words.size()) {}

bool Deciding::share(const Timeline& rows) {
  const int sequence = program_.own_sequence_column;
  if (sequence >= 0 && static_cast<int>(word(sequence)) != program_.sequence_column) return false;   // rows need not be in its order
  are_rows_ = true;
  size_ = rows.size();
  as_of_ = rows.times();
  order_ = rows.order();
  nulls_ = rows.nulls();
  all_nulls_ = rows.all_nulls();
  for (std::size_t c = 0; c < columns_.size(); ++c) columns_[c] = rows.values(static_cast<int>(words_[c])).data();
  sequence_ = sequence >= 0 ? rows.ordered().sequence : std::span<const Slot>();
  return true;
}

void Deciding::load(const std::uint64_t* records, std::size_t n) {
  are_rows_ = false;
  size_ = n;
  records_.resize(n);
  for (std::size_t i = 0; i < n; ++i) records_[i] = records + i * width_;
  const int sequence = program_.own_sequence_column;
  const std::size_t word = sequence >= 0 ? Dealt::head_words + words_[static_cast<std::size_t>(sequence)] : 0;
  const std::uint64_t null = sequence >= 0 ? std::uint64_t{1} << (32 + words_[static_cast<std::size_t>(sequence)]) : 0;
  const auto earlier = [&](const std::uint64_t* a, const std::uint64_t* b) {
    if (a[0] != b[0] || sequence < 0) return static_cast<Instant>(a[0]) < static_cast<Instant>(b[0]);
    const bool x = a[1] & null, y = b[1] & null;
    return x != y ? x : !x && static_cast<std::int64_t>(a[word]) < static_cast<std::int64_t>(b[word]);
  };
  if (!std::is_sorted(records_.begin(), records_.end(), earlier)) std::stable_sort(records_.begin(), records_.end(), earlier);

  const auto gather = [&](auto& to, auto&& value) {
    if (to.size() < n) to.resize(n + n / 2);
    for (std::size_t i = 0; i < n; ++i) to[i] = value(records_[i]);
    return to.data();
  };
  as_of_ = gather(loaded_as_of_, [](const std::uint64_t* r) { return static_cast<Instant>(r[0]); });
  order_ = gather(loaded_order_, [](const std::uint64_t* r) { return static_cast<Row>(r[1]); });
  all_nulls_ = 0;
  nulls_ = gather(loaded_nulls_, [&](const std::uint64_t* r) {
    const auto nulls = static_cast<std::uint32_t>(r[1] >> 32);
    all_nulls_ |= nulls;
    return nulls;
  });
  for (std::size_t c = 0; c < columns_.size(); ++c)
    columns_[c] = gather(loaded_columns_[c], [word = Dealt::head_words + words_[c]](const std::uint64_t* r) { return r[word]; });
  sequence_ = {};
  if (sequence < 0) return;
  loaded_sequence_.resize(n);
  for (std::size_t i = 0; i < n; ++i) loaded_sequence_[i] = slot(sequence, i);
  sequence_ = loaded_sequence_;
}

}  // namespace featlib::replaying
