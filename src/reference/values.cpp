#include "reference/values.hpp"

#include "reference/rational.hpp"
#include "window/json_text.hpp"

#include <algorithm>
#include <limits>

namespace featlib::definition {
namespace {

using Rationals = std::vector<Rational>;

Rational power(const Rational& x, int k) {
  Rational out = 1;
  for (int i = 0; i < k; ++i) out *= x;
  return out;
}

Rational power_of_two(std::int64_t exponent) { return exponent < 0 ? 1 / power(2, static_cast<int>(-exponent)) : power(2, static_cast<int>(exponent)); }

Rational sum(const Rationals& values) {
  Rational out = 0;
  for (const Rational& v : values) out += v;
  return out;
}

/// The k-th moment about the mean.
Rational moment(const Rationals& values, int k) {
  const Rational mean = sum(values) / values.size();
  Rational out = 0;
  for (const Rational& v : values) out += power(v - mean, k);
  return out / values.size();
}

const Aggregated none = Aggregated::none(Cause::null);

Aggregated skewness(const Rationals& values, int ddof) {
  const Rational n = values.size();
  if (ddof == 1 && n < 3) return none;
  const Rational m2 = moment(values, 2), m3 = moment(values, 3);
  if (m2 == 0) return none;
  // g1 = m3 / m2^(3/2), G1 = g1 sqrt(n (n - 1)) / (n - 2): the root of the square, with the sign of m3.
  const Rational square = m3 * m3 / power(m2, 3) * (ddof == 1 ? Rational(n * (n - 1) / power(n - 2, 2)) : Rational(1));
  return Aggregated::of((m3 < 0 ? -*rounded_root(square) : *rounded_root(square)) + 0.0);
}

Aggregated kurtosis(const Rationals& values, int ddof) {
  const Rational n = values.size();
  if (ddof == 1 && n < 4) return none;
  const Rational m2 = moment(values, 2);
  if (m2 == 0) return none;
  const Rational excess = moment(values, 4) / power(m2, 2) - 3;
  return Aggregated::of(rounded(ddof == 0 ? excess : Rational((n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6))));
}

Aggregated trend(const Rationals& times, const Rationals& values, Duration unit) {
  const Rational mean_time = sum(times) / times.size(), mean = sum(values) / values.size();
  Rational products = 0, squares = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    products += (times[i] - mean_time) * (values[i] - mean);
    squares += power(times[i] - mean_time, 2);
  }
  return squares == 0 ? none : Aggregated::of(rounded(products / squares * unit));
}

/// 2^(at / h) as SEMANTICS section 4 takes it: m(r) 2^q.
struct Weight {
  std::int64_t q;
  Rational m;
};
Weight weight(Instant at, Duration half_life) {
  const std::int64_t q = at / half_life - (at % half_life < 0);
  return {q, exactly(pinned::reference::exp2(at - q * half_life, half_life))};
}

Aggregated decay(const Aggregate& a, const Rationals& times, const Rationals& values, Instant as_of) {
  const Weight now = weight(as_of, a.half_life);
  Rational sum = 0, weights = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Weight then = weight(static_cast<Instant>(times[i]), a.half_life);
    const Rational w = then.m * power_of_two(then.q - now.q);
    sum += values[i] * w;
    weights += w;
  }
  return Aggregated::of(rounded(a.kind == AggregateKind::decay_sum ? sum / now.m : sum / weights));
}

/// n is the number of values; p the number that was written.
Aggregated quantile(const Aggregate& a, Rationals values) {
  std::sort(values.begin(), values.end());
  const Rational h = Rational(values.size() - 1) * a.p_numerator / a.p_denominator;
  const auto floor = static_cast<std::size_t>(numerator(h) / denominator(h));
  const std::size_t ceiling = denominator(h) == 1 ? floor : floor + 1;
  const Rational beyond = h - floor, lower = values[floor], upper = values[ceiling];
  switch (a.interpolation) {
    case Interpolation::linear: return Aggregated::of(rounded(lower + beyond * (upper - lower)));
    case Interpolation::lower: return Aggregated::of(rounded(lower));
    case Interpolation::higher: return Aggregated::of(rounded(upper));
    case Interpolation::midpoint: return Aggregated::of(rounded((lower + upper) / 2));
    case Interpolation::nearest: break;
  }
  const Rational half(1, 2);
  const bool up = beyond > half || (beyond == half && floor % 2 == 1);
  return Aggregated::of(rounded(up ? upper : lower));
}

class Values {
 public:
  Values(const Aggregate& a, const std::vector<Gathered>& rows, Instant as_of, Slot asked, TextPool& pool) : a_(a), rows_(rows), as_of_(as_of), asked_(asked), pool_(pool) {
    for (const Gathered& row : rows)
      if (!row.value.is_null() || a.keep_nulls) values_.push_back(row.value);
  }

  Valued value() const {
    switch (a_.kind) {
      case AggregateKind::count: return {Aggregated::of(n(rows_)), n(rows_)};
      case AggregateKind::time_since_last: case AggregateKind::time_since_first: case AggregateKind::mean_gap: return {rows_.empty() ? none : of_times(), n(rows_)};
      case AggregateKind::count_if: return {Aggregated::of(std::count_if(values_.begin(), values_.end(), [](Slot v) { return v.bits != 0; })), n(values_)};
      case AggregateKind::count_distinct: return {Aggregated::of(n(distinct())), n(values_)};
      default: return {values_.empty() ? none : of_values(), n(values_)};
    }
  }

 private:
  static std::int64_t n(const auto& all) { return static_cast<std::int64_t>(all.size()); }

  /// Of one value at least.
  Aggregated of_values() const {
    switch (a_.kind) {
      case AggregateKind::sum: return whole_sum() ? in_int64(sum(numbers())) : Aggregated::of(rounded(sum(numbers())));
      case AggregateKind::mean: return Aggregated::of(rounded(sum(numbers()) / values_.size()));
      case AggregateKind::var: return n(values_) <= a_.ddof ? none : Aggregated::of(rounded(variance()));
      case AggregateKind::std: return n(values_) <= a_.ddof ? none : Aggregated::of(rounded_root(variance()));
      case AggregateKind::skew: return skewness(numbers(), a_.ddof);
      case AggregateKind::kurtosis: return kurtosis(numbers(), a_.ddof);
      case AggregateKind::trend: return trend(times(), numbers(), a_.time_unit);
      case AggregateKind::decay_sum: case AggregateKind::decay_mean: return decay(a_, times(), numbers(), as_of_);
      case AggregateKind::quantile: return quantile(a_, numbers());
      case AggregateKind::min: return shown(distinct().front());
      case AggregateKind::max: return shown(distinct().back());
      case AggregateKind::range: return Aggregated::of(rounded(number(distinct().back()) - number(distinct().front())));
      case AggregateKind::first: return shown(values_.front());
      case AggregateKind::last: return shown(values_.back());
      case AggregateKind::lag: return a_.k < n(values_) ? shown(values_[values_.size() - 1 - static_cast<std::size_t>(a_.k)]) : none;
      case AggregateKind::last_k: return listed({values_.end() - std::min(a_.k, n(values_)), values_.end()});
      case AggregateKind::mode: return shown(by_frequency().front());
      case AggregateKind::top_k: return listed(by_frequency(static_cast<std::size_t>(a_.k)));
      case AggregateKind::entropy: return entropy();
      case AggregateKind::share: return sought_after() ? Aggregated::of(rounded(Rational(hits(), values_.size()))) : none;
      case AggregateKind::seen_before: return sought_after() ? Aggregated::of(std::int64_t{hits() > 0}) : none;
      default: return Aggregated::none(Cause::error);
    }
  }

  /// Of one row at least; they are in order of time.
  Aggregated of_times() const {
    const Instant first = rows_.front().event_time, last = rows_.back().event_time;
    if (a_.kind == AggregateKind::time_since_last) return Aggregated::of(rounded(Rational(as_of_ - last) / a_.time_unit));
    if (a_.kind == AggregateKind::time_since_first) return Aggregated::of(rounded(Rational(as_of_ - first) / a_.time_unit));
    return rows_.size() < 2 ? none : Aggregated::of(rounded(Rational(last - first) / (rows_.size() - 1) / a_.time_unit));
  }

  bool text() const { return a_.argument_type == Type::string || a_.argument_type == Type::category; }
  bool whole_sum() const { return a_.argument_type != Type::float64 && a_.argument_type != Type::decimal; }

  Rational number(Slot v) const { return a_.argument_type == Type::float64 ? exactly(v.real()) : Rational(v.integer()) / power(10, a_.argument_scale); }
  Rationals numbers() const {
    Rationals out;
    for (const Slot v : values_) out.push_back(number(v));
    return out;
  }
  Rationals times() const {
    Rationals out;
    for (const Gathered& row : rows_)
      if (!row.value.is_null()) out.push_back(row.event_time);
    return out;
  }

  Rational variance() const { return moment(numbers(), 2) * values_.size() / (values_.size() - static_cast<std::size_t>(a_.ddof)); }

  bool less(Slot x, Slot y) const { return text() ? pool_.view(x.text()) < pool_.view(y.text()) : number(x) < number(y); }

  /// The different values, least first.
  std::vector<Slot> distinct() const {
    std::vector<Slot> out = values_;
    std::sort(out.begin(), out.end(), [&](Slot x, Slot y) { return less(x, y); });
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }
  std::int64_t occurrences(Slot v) const { return std::count(values_.begin(), values_.end(), v); }

  /// The k most frequent, ties to the smallest value.
  std::vector<Slot> by_frequency(std::size_t k = 1) const {
    std::vector<Slot> out = distinct();
    std::stable_sort(out.begin(), out.end(), [&](Slot x, Slot y) { return occurrences(x) > occurrences(y); });
    out.resize(std::min(k, out.size()));
    return out;
  }

  Aggregated entropy() const {
    const auto term = [](std::int64_t count) { return count * exactly(pinned::reference::log(static_cast<double>(count))); };
    Rational total = term(n(values_));
    for (const Slot v : distinct()) total -= term(occurrences(v));
    return Aggregated::of(rounded(total / values_.size()));
  }

  /// Whether there is a value to look for: the request may not have said one.
  bool sought_after() const { return a_.literal || !asked_.is_null(); }
  std::int64_t hits() const {
    return std::count_if(values_.begin(), values_.end(), [&](Slot v) {
      if (!a_.literal) return v == asked_;
      if (const auto* string = std::get_if<std::string>(&*a_.literal)) return pool_.view(v.text()) == *string;
      if (const auto* real = std::get_if<double>(&*a_.literal)) return v.real() == *real;
      return v.integer() == std::get<std::int64_t>(*a_.literal);
    });
  }

  Aggregated in_int64(const Rational& x) const {
    if (x > std::numeric_limits<std::int64_t>::max() || x < std::numeric_limits<std::int64_t>::min()) return Aggregated::none(Cause::error);
    return Aggregated::of(static_cast<std::int64_t>(x));
  }

  Aggregated shown(Slot v) const {
    if (v.is_null()) return none;
    if (a_.argument_type == Type::decimal) return Aggregated::of(rounded(number(v)));
    return {v.bits, Cause::ok};
  }

  Aggregated listed(const std::vector<Slot>& values) const {
    std::string out;
    for (const Slot v : values) {
      out += out.empty() ? "[" : ",";
      if (v.is_null()) out += "null";
      else append_json(out, a_.argument_type, a_.argument_scale, v.bits, text() ? pool_.view(v.text()) : std::string_view{});
    }
    return {pool_.acquire(out + "]"), Cause::ok};
  }

  const Aggregate& a_;
  const std::vector<Gathered>& rows_;
  Instant as_of_;
  Slot asked_;
  TextPool& pool_;
  std::vector<Slot> values_;
};

}  // namespace

Valued value_of(const Aggregate& aggregate, const std::vector<Gathered>& rows, Instant as_of, Slot asked, TextPool& pool) {
  return Values(aggregate, rows, as_of, asked, pool).value();
}

}  // namespace featlib::definition
