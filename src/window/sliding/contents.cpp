#include "window/sliding/contents.hpp"

#include <featlib/window/quantile.hpp>

#include "window/timeline/summary.hpp"

#include <algorithm>

namespace featlib {

void ContentsNeeded::add(const Aggregate& a) {
  switch (a.kind) {
    case AggregateKind::quantile: case AggregateKind::range: ranked = true; break;
    case AggregateKind::mode: case AggregateKind::top_k: counted = frequencies.order = true; break;
    case AggregateKind::entropy: counted = frequencies.entropy = true; break;
    case AggregateKind::count_distinct: case AggregateKind::share: case AggregateKind::seen_before: counted = true; break;
    case AggregateKind::trend: trend = true; break;
    case AggregateKind::decay_sum: case AggregateKind::decay_mean:
      if (std::find(half_lives.begin(), half_lives.end(), a.half_life) == half_lives.end()) half_lives.push_back(a.half_life);
      break;
    default: break;                    // rows: their number and times are the window's own
  }
}

Contents::Contents(const ContentsNeeded& needed, Type type, const TextPool& pool) : real_(type == Type::float64) {
  if (needed.ranked) ranked_.emplace();
  if (needed.counted) frequencies_.emplace(needed.frequencies, [type, &pool](std::uint64_t x, std::uint64_t y) { return window::less(type, pool, x, y); });
  if (needed.trend) trend_.emplace();
  for (const Duration half_life : needed.half_lives) decays_.emplace_back(half_life, DecaySums(half_life));
}

void Contents::put(std::uint64_t bits, Instant at, bool removed) {
  removed ? --count_ : ++count_;
  const auto timed = [&](auto& sums, auto value) { removed ? sums.remove(at, value) : sums.add(at, value); };
  const auto put_in = [&](auto& sums) { real_ ? timed(sums, std::bit_cast<double>(bits)) : timed(sums, static_cast<std::int64_t>(bits)); };
  if (ranked_) {
    const std::int64_t key = real_ ? ordered(std::bit_cast<double>(bits)) : static_cast<std::int64_t>(bits);
    removed ? ranked_->remove(key) : ranked_->add(key);
  }
  if (frequencies_) removed ? frequencies_->remove(bits) : frequencies_->add(bits);
  if (trend_) put_in(*trend_);
  for (auto& decay : decays_) put_in(decay.second);
}

window::Folded Contents::value(const window::Window& w) const {
  using window::matched, window::shown, window::listed;
  const Aggregate& a = w.aggregate();
  const auto bits_at = [&](std::uint64_t rank) {
    const std::int64_t key = ranked_->at(rank);
    return real_ ? std::bit_cast<std::uint64_t>(from_ordered(key)) : static_cast<std::uint64_t>(key);
  };
  const auto decay = [&]() -> const DecaySums& {
    return std::find_if(decays_.begin(), decays_.end(), [&](const auto& d) { return d.first == a.half_life; })->second;
  };
  const auto value = [&]() -> Aggregated {
    switch (a.kind) {
      case AggregateKind::count_distinct: return Aggregated::of(static_cast<std::int64_t>(frequencies_->counts().distinct()));
      case AggregateKind::share: case AggregateKind::seen_before: {
        const auto bits = window::wanted(w);
        return matched(w, bits ? frequencies_->counts().count_of(*bits) : 0, count_);
      }
      case AggregateKind::trend: return trend_->slope(a.time_unit, a.argument_scale);
      case AggregateKind::decay_sum: return decay().sum(w.asked.as_of, a.argument_scale);
      case AggregateKind::decay_mean: return decay().mean(a.argument_scale);
      default: break;
    }
    if (count_ == 0) return Aggregated::none(Cause::null);
    switch (a.kind) {
      case AggregateKind::quantile: {
        const QuantileRank rank = quantile_rank(count_, a.p_numerator, a.p_denominator, a.interpolation);
        const std::uint64_t lower = bits_at(rank.lower), upper = rank.numerator == 0 ? lower : bits_at(rank.lower + 1);
        if (real_) return quantile_between(std::bit_cast<double>(lower), std::bit_cast<double>(upper), rank);
        return quantile_between(static_cast<std::int64_t>(lower), static_cast<std::int64_t>(upper), rank, a.argument_scale);
      }
      case AggregateKind::range: return window::range(w, bits_at(0), bits_at(count_ - 1));
      case AggregateKind::entropy: return frequencies_->entropy();
      case AggregateKind::mode: return shown(a, {frequencies_->most_frequent(1).front(), Held::value});
      default: {
        std::vector<Slot> values;
        for (const std::uint64_t bits : frequencies_->most_frequent(static_cast<std::size_t>(a.k))) values.push_back({bits, Held::value});
        return listed(w, values);
      }
    }
  };
  return {value(), count_};
}

}  // namespace featlib
