// The request's own row, where a table of events holds the decided ones too: which decisions could meet theirs in a window.
#pragma once

#include <featlib/events/batch.hpp>

#include "replay/same.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <vector>

namespace featlib::replaying {

/// Finds the rows of a dedup key: whether a window must do without the request's own row.
class KeyIndex {
 public:
  KeyIndex(const Rows& rows, int threads) : rows_(rows) {
    if (rows.source().dedup_field < 0) return;
    const SlotColumn& keys = rows.fields[static_cast<std::size_t>(rows.source().dedup_field)];
    rising_ = keys_rise(rows, threads);
    if (rising_) return;
    rows_by_key_.reserve(rows.size());
    next_.assign(rows.size(), none);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Slot key = keys[static_cast<Row>(i)];
      if (key.is_null()) continue;
      const auto [place, fresh] = rows_by_key_.try_emplace(tagged(key), static_cast<Row>(i));
      if (!fresh) { next_[i] = place->second; place->second = static_cast<Row>(i); }
    }
  }

  /// Whether the decisions are the rows themselves, so that each key's one row is its decision's.
  bool own_rows_are(const SlotColumn& request_keys, int threads) const {
    if (rows_.source().dedup_field < 0 || !rising_ || request_keys.bits.size() != rows_.size() || !request_keys.whole) return false;
    return same_values(rows_.fields[static_cast<std::size_t>(rows_.source().dedup_field)].bits, request_keys.bits, threads);
  }

  /// Whether some row of this key is `before` the decision: one that the bounds alone might let in.
  template <class Before>
  bool reaches(Slot key, std::size_t likely, Before&& before) const {
    if (key.is_null() || rows_.source().dedup_field < 0) return false;
    if (rising_) {
      const auto& bits = rows_.fields[static_cast<std::size_t>(rows_.source().dedup_field)].bits;
      // A table of decisions is mostly the table of events: look at the same row first.
      const std::size_t at = likely < bits.size() && bits[likely] == key.bits
                                 ? likely
                                 : static_cast<std::size_t>(std::lower_bound(bits.begin(), bits.end(), key.bits) - bits.begin());
      return key.held == Held::value && at < bits.size() && bits[at] == key.bits && before(static_cast<Row>(at));
    }
    const auto found = rows_by_key_.find(tagged(key));
    if (found == rows_by_key_.end()) return false;
    for (Row row = found->second; row != none; row = next_[row])
      if (before(row)) return true;
    return false;
  }

 private:
  static constexpr Row none = ~Row{0};
  using Tagged = std::pair<std::uint64_t, int>;
  static Tagged tagged(Slot key) { return {key.bits, static_cast<int>(key.held)}; }

  const Rows& rows_;
  bool rising_ = true;
  boost::unordered_flat_map<Tagged, Row, boost::hash<Tagged>> rows_by_key_;
  std::vector<Row> next_;
};

}  // namespace featlib::replaying
