/// An indexed timeline that carries the plain answer beside it: rows in a sorted array, sums taken value by value.
#pragma once

#include "support/contracts.hpp"
#include "support/generators.hpp"
#include "rounding.hpp"
#include "window/timeline/derived.hpp"
#include "window/timeline/timelines.hpp"

#include <catch2/catch.hpp>

#include <memory>
#include <optional>
#include <vector>

namespace featlib::testing {

/// What stands in a row of the source below.
struct TimelineRow {
  Instant at = 0;
  std::optional<std::int64_t> sequence = std::nullopt;
  std::optional<double> real = std::nullopt;
  std::optional<std::int64_t> whole = std::nullopt;
  std::optional<std::int64_t> label = std::nullopt;   ///< gated
  Instant known_at = 0, stamp = never, hidden_at = never;
};

/// Two entities' timelines in blocks and nodes of the given size. Every change is made twice, every reading compared.
class CheckedTimelines {
 public:
  static constexpr EntityId entities = 2;

  explicit CheckedTimelines(TimelineShape shape)
      : contract_(parse(R"(
featlib: 1
name: checked
version: 1.0.0
owner: tests@example.com
entities: {card: {key: card_id, type: int64}}
sources:
  events:
    entity: card
    event_time: {column: at, unit: us}
    delay: 0s
    sequence: seq
    retention: 1d
    columns: {real: {type: float64}, whole: {type: int64}, label: {type: int64, available_after: 1us}}
request: {}
features: {open: {from: events, aggregate: sum(whole), where: label is null or label = 1, window: 1h, offset: 1us}}
)")),
        rows_(contract_, 0, pool_, Rows::Keeping::packed),
        timelines_(rows_, 0, {{field("real"), true, -1, 4}, {field("whole"), false, -1, 3}, {field("label"), false, 0, 2},
                              {-1, false, -1, 2, 0, std::make_shared<const DerivedLane>(contract_.features()[0].aggregate, rows_)}}, shape),
        plain_(entities) {}

  void insert(EntityId id, const TimelineRow& r) {
    const Row row = take();
    write(row, r);
    auto& order = plain_[id];
    order.insert(std::upper_bound(order.begin(), order.end(), row, [&](Row a, Row b) { return rows_.compare_order(a, b, 0) < 0; }), row);
    timelines_.insert(id, row);
  }
  void erase(EntityId id, std::size_t position) {
    const Row row = plain_[id][position];
    plain_[id].erase(plain_[id].begin() + static_cast<std::ptrdiff_t>(position));
    timelines_.erase(id, row);
    free_.push_back(row);
  }
  /// Other clocks and cells for a row; its place is the same.
  void change(EntityId id, std::size_t position, TimelineRow r) {
    const Row row = plain_[id][position];
    r.at = rows_.event_time[row];
    const Slot sequence = rows_.sequence(row, 0);
    r.sequence = sequence.is_null() ? std::nullopt : std::optional(sequence.integer());
    r.real = real_of(row);
    r.whole = whole_of(row, "whole");
    write(row, r);
    timelines_.changed(id, row);
  }
  /// Rows before the cutoff leave: their numbers are given to others at once.
  void expire(EntityId id, Instant cutoff) {
    auto& order = plain_[id];
    while (!order.empty() && rows_.event_time[order.front()] < cutoff) {
      write(order.front(), {.at = 123, .real = 1e300, .whole = 1 << 20, .label = 5, .known_at = 77, .stamp = 77, .hidden_at = 1});
      free_.push_back(order.front());
      order.erase(order.begin());
    }
    timelines_.expire(id, cutoff);
  }

  /// Compares what lies between two instants, each counted in or not, as a decision at as_of sees it.
  void check(EntityId id, Instant from, bool after_from, Instant to, bool after_to, Instant as_of) const {
    const auto& order = plain_[id];
    std::vector<Row> expected;
    std::array<LaneSummary, lanes_> lanes;
    std::vector<std::uint64_t> words(timelines_.words());
    static constexpr std::uint32_t all[] = {0, 1, 2, 3};
    const std::span<const std::uint32_t> asked = std::span(all).subspan(from % 2 == 0 ? 0 : static_cast<std::size_t>(to % lanes_), from % 2 == 0 ? lanes_ : 1);   // all of them or one
    Totals totals{asked, 0, lanes.data(), words.data()};
    std::array<Timelines::Search, 2> searches{{{from, after_from, {}}, {to, after_to, {}}}};
    timelines_.find(id, searches);
    const auto &first = searches[0].place, &last = searches[1].place;
    for (const Row row : order) {
      const Instant at = rows_.event_time[row];
      if ((after_from ? at > from : at >= from) && (after_to ? at <= to : at < to)) expected.push_back(row);
    }
    REQUIRE(timelines_.distance(first, last) == expected.size());
    auto forward = first, back = last;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      REQUIRE(timelines_.at_row(forward));
      REQUIRE(timelines_.row(forward) == expected[i]);
      REQUIRE(timelines_.time(forward) == rows_.event_time[expected[i]]);
      timelines_.step(forward);
      REQUIRE(timelines_.step_back(back));
      REQUIRE(timelines_.row(back) == expected[expected.size() - 1 - i]);
    }

    check_back(first, last, expected, as_of);
    timelines_.add(first, last, as_of, totals);
    std::uint64_t rows = 0;
    std::array<Plain, lanes_> plain;
    for (const Row row : expected) {
      if (!rows_.counts_at(row, as_of)) continue;
      ++rows;
      if (const auto x = real_of(row)) plain[0].add_real(*x);
      if (const auto n = whole_of(row, "whole")) plain[1].add_whole(*n);
      auto label = whole_of(row, "label");
      if (label && rows_.stamps[0][row] > as_of) label.reset();
      if (label) plain[2].add_whole(*label);
      if (const auto n = whole_of(row, "whole"); n && label.value_or(1) == 1) plain[3].add_whole(*n);
    }
    REQUIRE(totals.rows == rows);
    for (const std::uint32_t l : asked) {
      INFO("lane " << l);
      const Lane& lane = timelines_.lanes()[l];
      REQUIRE(lanes[l].count == plain[l].values.size());
      REQUIRE(lanes[l].least == plain[l].least);
      REQUIRE(lanes[l].most == plain[l].most);
      if (!lanes[l].wide) {
        REQUIRE(to_integer(lanes[l].sum) == plain[l].sum(1, lanes[l].unit));
        narrow_ += lanes[l].count > 0;
      }
      std::uint64_t* const beyond = words.data() + lane.first_word;
      if (LanePowers(lanes[l], beyond, lane.powers).fit(lane.real)) {
        const std::uint64_t* sum = beyond;
        for (int k = 2; k <= lane.powers; ++k, sum += powers::words_of(k - 1)) {
          INFO("power " << k);
          REQUIRE(to_integer(std::span(sum, powers::words_of(k))) == plain[l].sum(k, lanes[l].unit));
        }
        powers_ += lane.real && lanes[l].count > 0;
      }
    }
  }

  std::size_t size(EntityId id) const { return plain_[id].size(); }
  Instant time(EntityId id, std::size_t position) const { return rows_.event_time[plain_[id][position]]; }
  const Timelines& timelines() const { return timelines_; }
  /// Sums compared so far: a test that met none but wide ones would say little.
  std::size_t sums_compared() const { return narrow_; }
  /// Power sums of doubles.
  std::size_t powers_compared() const { return powers_; }

 private:
  static constexpr std::size_t lanes_ = 4;

  struct Plain {
    std::vector<Decomposed> values;
    std::int64_t least = std::numeric_limits<std::int64_t>::max(), most = std::numeric_limits<std::int64_t>::min();
    void add_real(double x) { met(decompose(x), ordered(x)); }
    void add_whole(std::int64_t n) { met({n, 0}, n); }
    void met(Decomposed value, std::int64_t key) { least = std::min(least, key); most = std::max(most, key); values.push_back(value); }
    /// Of the values' k-th powers, in units of 2^(k unit).
    Integer sum(int k, int unit) const {
      Integer out;
      for (const Decomposed& value : values)
        if (value.significand != 0) out += pow(Integer(value.significand), static_cast<unsigned>(k)) << (k * (value.exponent - unit));
      return out;
    }
  };

  /// Where the last n rows begin that count, those of them with a value in a lane.
  void check_back(const Timelines::Place& first, const Timelines::Place& last, const std::vector<Row>& rows, Instant as_of) const {
    for (const std::optional<std::uint32_t> lane : {std::optional<std::uint32_t>(), std::optional<std::uint32_t>(0), std::optional<std::uint32_t>(1)})
      for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{20}, std::uint64_t{500}}) {
        INFO("the last " << n << (lane ? " of lane " + std::to_string(*lane) : ""));
        std::size_t at = rows.size();
        for (std::uint64_t left = n; left > 0 && at-- > 0;)
          left -= rows_.counts_at(rows[at], as_of) && (!lane || (*lane == 0 ? real_of(rows[at]).has_value() : whole_of(rows[at], "whole").has_value()));
        if (at > rows.size()) at = 0;                          // there are fewer
        const auto place = timelines_.back(first, last, n, lane, as_of);
        REQUIRE(timelines_.distance(place, last) == rows.size() - at);
      }
  }

  int field(std::string_view name) const { return contract_.sources()[0].find_field(name); }
  SlotColumn& column(std::string_view name) { return rows_.fields[static_cast<std::size_t>(field(name))]; }
  std::optional<double> real_of(Row row) const {
    const Slot slot = rows_.fields[static_cast<std::size_t>(field("real"))][row];
    return slot.is_null() ? std::nullopt : std::optional(slot.real());
  }
  std::optional<std::int64_t> whole_of(Row row, std::string_view name) const {
    const Slot slot = rows_.fields[static_cast<std::size_t>(field(name))][row];
    return slot.is_null() ? std::nullopt : std::optional(slot.integer());
  }

  Row take() {
    if (!free_.empty()) {
      const Row row = free_.back();
      free_.pop_back();
      return row;
    }
    const auto row = static_cast<Row>(rows_.size());
    rows_.resize(row + std::size_t{1});
    if (!rows_.corrected()) rows_.expect_corrections();
    return row;
  }
  void write(Row row, const TimelineRow& r) {
    const auto whole = [](const std::optional<std::int64_t>& v) { return v ? Slot{static_cast<std::uint64_t>(*v), Held::value} : Slot{}; };
    rows_.event_time.set(row, r.at);
    rows_.known_at.set(row, r.known_at);
    rows_.hidden_at.set(row, r.hidden_at);
    for (SlotColumn& c : rows_.fields) c.set(row, {});
    column("at").set(row, whole(r.at));
    column("seq").set(row, whole(r.sequence));
    column("real").set(row, r.real ? Slot{std::bit_cast<std::uint64_t>(*r.real), Held::value} : Slot{});
    column("whole").set(row, whole(r.whole));
    column("label").set(row, whole(r.label));
    rows_.stamps[0].set(row, r.label ? r.stamp : never);
  }

  TextPool pool_;
  Contract contract_;
  Rows rows_;
  Timelines timelines_;
  std::vector<std::vector<Row>> plain_;
  std::vector<Row> free_;
  mutable std::size_t narrow_ = 0, powers_ = 0;
};

}  // namespace featlib::testing
