// Windows that slide: what is kept of their values against the values themselves, and a state that slides against one that folds.

#include "support/card_world.hpp"
#include "support/shaped.hpp"
#include "window/sliding/frequencies.hpp"
#include "window/sliding/ranked_values.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

using namespace featlib;
using namespace featlib::testing;

TEST_CASE("ranked values are what sorting gives") {
  for (int seed = 0; seed < 20; ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    RankedValues ranked;
    std::vector<std::int64_t> sorted;
    const int distinct = random.pick<int>({1, 3, 1000, 1 << 30});
    // They grow, shrink to a few, grow again: blocks split and join.
    for (const auto& [steps, adding] : std::vector<std::pair<int, int>>{{3000, 90}, {3000, 10}, {1000, 50}, {2000, 80}})
      for (int step = 0; step < steps; ++step) {
        if (sorted.empty() || random.percent(adding)) {
          const std::int64_t value = random.below(distinct) - distinct / 2;
          ranked.add(value);
          sorted.insert(std::upper_bound(sorted.begin(), sorted.end(), value), value);
        } else {
          const auto gone = sorted.begin() + random.below(static_cast<int>(sorted.size()));
          ranked.remove(*gone);
          sorted.erase(gone);
        }
        REQUIRE(ranked.size() == sorted.size());
        if (sorted.empty()) continue;
        const auto rank = static_cast<std::size_t>(random.below(static_cast<int>(sorted.size())));
        for (const std::size_t at : {std::size_t{0}, rank, sorted.size() - 1}) REQUIRE(ranked.at(at) == sorted[at]);
      }
  }
}

TEST_CASE("frequencies that are kept up to date are those counted anew") {
  Random random(7);
  const auto less = [](std::uint64_t a, std::uint64_t b) { return a < b; };
  Frequencies kept({true, true}, less);
  std::vector<std::uint64_t> values;
  for (int step = 0; step < 3000; ++step) {
    if (values.empty() || random.percent(step < 2000 ? 60 : 20)) {
      values.push_back(static_cast<std::uint64_t>(random.below(random.pick<int>({3, 40}))));
      kept.add(values.back());
    } else {
      const auto gone = values.begin() + random.below(static_cast<int>(values.size()));
      kept.remove(*gone);
      values.erase(gone);
    }
    ValueCounts counts;
    for (const std::uint64_t value : values) counts.add(value);
    REQUIRE(kept.counts().distinct() == counts.distinct());
    REQUIRE(kept.most_frequent(5) == counts.most_frequent(5, less));
    REQUIRE(kept.entropy().bits == counts.entropy().bits);
    REQUIRE(kept.entropy().cause == counts.entropy().cause);
  }
}

namespace {

/// Every aggregate that slides, over windows that share values and spans and windows that do not.
std::string sliding_features() {
  std::string out;
  int n = 0;
  for (const std::string window : {"window: 20us", "window: 20us, bounds: '(]'", "window: 12us, offset: 3us, bounds: '[]'", "window: 30us, where: amount > 2.5", "window: 30us, where: amount < 2.5", "lifetime: true",
                                   "window: 16us, bucket: current", "window: 25us, include_request: true, bounds: '(]'"})
    for (const std::string aggregate :
         {"quantile(amount, 0.5)", "quantile(amount, 0.9, nearest)", "range(amount)", "count_distinct(tag)", "mode(tag)", "top_k(tag, 2)", "entropy(tag)", "share(tag, 'food')",
          "seen_before(tag)", "mode(amount)", "trend(amount, seconds)", "decay_sum(amount, 7us)", "decay_mean(amount, 3us)", "time_since_first(us)", "mean_gap(us)"})
      out += "  f" + std::to_string(n++) + ": {from: transactions, aggregate: \"" + aggregate + "\", " + window + "}\n";
  return out;
}

/// One card's transactions, of few instants: in order, late, corrected, known later, with tags that come and go.
struct Stream {
  Random random;
  Instant now = 0;
  int id = 0;

  Txn next(std::vector<std::string>& texts) {
    if (random.percent(40)) now += random.below(4);
    if (random.percent(2)) now += 40;
    Txn t;
    t.ts = random.percent(25) ? now - random.below(12) : now;
    texts.push_back("e" + std::to_string(random.percent(20) ? std::max(0, id - 1 - random.below(6)) : id++));
    t.id = texts.back().c_str();
    t.amount = random.pick<double>({0.5, 1, 2, 3, 1e300, -1});
    texts.push_back(random.percent(30) ? "food" : "t" + std::to_string(now / 5 + random.below(3)));
    t.tag = texts.back().c_str();
    if (random.percent(15)) t.seen_at = now + random.below(10);
    else if (random.percent(15)) t.seen_at = t.ts;      // a copy that was known first takes its place
    if (random.percent(40)) t.seq = std::int64_t{random.below(3)};
    return t;
  }
};

}  // namespace

TEST_CASE("a state whose windows slide answers as one that folds them") {
  for (int seed = 0; seed < 60; ++seed) {
    Stream stream{Random(static_cast<std::uint64_t>(seed))};
    std::optional<World> slides, folds;
    const Duration grace = stream.random.pick<Duration>({0, 6, 1000});
    for (auto* world : {&slides, &folds}) {
      const Shaped shaped(world == &slides ? TimelineShape{3, 3, 0} : TimelineShape{3, 3, ~std::size_t{0}});
      world->emplace(graced(grace), sliding_features(), "60us");
    }
    for (int step = 0; step < 300; ++step) {
      std::vector<std::string> texts;
      texts.reserve(2);
      const Txn t = stream.next(texts);
      const int what = stream.random.below(100);
      const Instant known = stream.now + stream.random.below(3);
      const Instant asked = stream.now + stream.random.below(4) - (stream.random.percent(20) ? stream.random.below(8) : 0);
      const std::string own = stream.random.percent(30) ? "e" + std::to_string(stream.random.below(stream.id + 1)) : "none";
      const Value seq = stream.random.percent(60) ? Value(std::int64_t{stream.random.below(3)}) : null_value;
      Answer answers[2];
      for (World* world : {&*slides, &*folds}) {
        if (what < 55) world->observe(t);
        else if (what < 58) world->replace(t, known);
        else if (what < 61) world->retract(t.id, known);
        else if (what < 62) world->server.restart();
        else if (Ask ask = world->ask(asked, own.c_str(), "c1", seq); world->server.open(ask)) {
          ask.request[static_cast<std::size_t>(world->server.contract().find_request("amount"))] = t.amount;
          ask.request[static_cast<std::size_t>(world->server.contract().find_request("tag"))] = std::string(t.tag);
          answers[world == &*folds] = world->server.decide(ask);
        }
      }
      INFO("seed " << seed << ", step " << step);
      REQUIRE(difference(slides->server.contract(), {answers[0]}, {answers[1]}) == "");
    }
  }
}
