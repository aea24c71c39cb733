#include <featlib/events/batch.hpp>

#include "parallel.hpp"

#include <algorithm>
#include <atomic>

namespace featlib {
namespace {

/// A key, alone or with an event_time, for hashing.
struct Keyed {
  std::uint64_t key;
  Held held;
  Instant event_time;
  bool operator==(const Keyed&) const = default;
};
struct Hash {
  std::size_t operator()(const Keyed& k) const noexcept {
    return boost::hash<std::uint64_t>()(k.key * 0x9e3779b97f4a7c15u ^ static_cast<std::uint64_t>(k.event_time) * 0xc2b2ae3d27d4eb4fu ^ static_cast<std::uint64_t>(k.held));
  }
};
template <class Value>
using ByKey = boost::unordered_flat_map<Keyed, Value, Hash>;

}  // namespace

bool keys_rise(const Rows& rows, int threads) {
  if (rows.source().dedup_field < 0) return false;
  const SlotColumn& keys = rows.fields[static_cast<std::size_t>(rows.source().dedup_field)];
  if (!keys.whole) return false;
  std::atomic<bool> rising = true;
  over_rows(threads, rows.size(), [&](int, std::size_t from, std::size_t to) {
    bool all = true;
    for (std::size_t i = std::max<std::size_t>(from, 1); i < to; ++i) all &= keys.bits[i - 1] < keys.bits[i];
    if (!all) rising = false;
  });
  return rising;
}

std::vector<bool> settle_copies(Rows& rows, RowReport& report, int threads) {
  std::vector<bool> counts(rows.size(), true);
  if (rows.source().dedup_field < 0 || keys_rise(rows, threads)) return counts;   // no hash map for keys that are all different
  const SlotColumn& keys = rows.fields[static_cast<std::size_t>(rows.source().dedup_field)];

  ByKey<Row> first;
  first.reserve(rows.size());
  struct Times { Instant first; bool several; };
  ByKey<Times> times;
  times.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto row = static_cast<Row>(i);
    const Slot key = keys[row];
    if (key.is_null() || rows.correction_of(row) != Correction::none) continue;
    const auto [time, fresh_key] = times.try_emplace({key.bits, key.held, 0}, Times{rows.event_time[row], false});
    if (!fresh_key && time->second.first != rows.event_time[row] && !time->second.several) {
      time->second.several = true;
      ++report.moved_keys;
    }
    const auto [place, fresh] = first.try_emplace({key.bits, key.held, rows.event_time[row]}, row);
    if (fresh) continue;
    ++report.duplicates;
    Row counted = place->second;
    if (rows.counts_before(row, counted)) std::swap(row, counted);
    place->second = counted;
    counts[row] = false;
    counts[counted] = true;
    for (std::size_t g = 0; g < rows.gated_fields().size(); ++g) {
      SlotColumn& cells = rows.fields[static_cast<std::size_t>(rows.gated_fields()[g])];
      if (rows.cell_precedes(rows.gated_fields()[g], row, counted)) {
        cells.set(counted, cells[row]);
        rows.stamps[g].set(counted, rows.stamps[g][row]);
      }
    }
  }
  return counts;
}

void settle_corrections(Rows& rows, std::vector<bool>& counts) {
  if (!rows.corrected()) return;
  const auto key_of = [&](Row row) { const Slot key = rows.dedup_key(row); return Keyed{key.bits, key.held, 0}; };
  ByKey<std::vector<Row>> versions;
  for (Row row = 0; row < rows.size(); ++row)
    if (rows.correction[row] != Correction::none) versions[key_of(row)].push_back(row);
  for (auto& [key, list] : versions) {
    std::stable_sort(list.begin(), list.end(), [&](Row a, Row b) { return rows.compare_versions(a, b) < 0; });
    for (std::size_t i = 0; i + 1 < list.size(); ++i) rows.hidden_at.set(list[i], rows.known_at[list[i + 1]]);
  }
  for (Row row = 0; row < rows.size(); ++row) {
    if (rows.correction[row] == Correction::none && !rows.dedup_key(row).is_null())
      if (const auto found = versions.find(key_of(row)); found != versions.end()) rows.hidden_at.set(row, rows.known_at[found->second.front()]);
    if (rows.correction[row] == Correction::retract || rows.hidden_at[row] <= rows.known_at[row]) counts[row] = false;
  }
}

}  // namespace featlib
