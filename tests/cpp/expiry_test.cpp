#include "vector/expiry.hpp"

#include "support/contracts.hpp"
#include "support/generators.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace featlib;
using namespace featlib::testing;

TEST_CASE("rows leave in the order they happened, whatever order they came in and however their numbers are used again") {
  for (std::uint64_t seed = first_seed(), end = seed + triples(100); seed < end; ++seed) {
    INFO("FEATLIB_SEED=" << seed);
    Random random(seed);
    const Contract contract = parse(card_contract("  n: {from: transactions, aggregate: count(), window: 1d}\n"));
    TextPool pool;
    Rows rows(contract, 0, pool, Rows::Keeping::packed);
    Expiry expiry(rows);
    std::multiset<std::pair<Instant, Row>> plain;
    std::vector<Row> free;
    Instant now = monday;
    const int late = random.pick<int>({0, 10, 60});
    for (int i = 0; i < 2000; ++i) {
      const int what = random.below(100);
      if (what < 60 || plain.empty()) {
        Row row = static_cast<Row>(rows.size());
        if (!free.empty() && random.percent(80)) {
          row = free.back();
          free.pop_back();
        } else {
          rows.resize(row + std::size_t{1});
        }
        now += random.below(5);
        rows.event_time.set(row, random.percent(late) ? now - random.below(3000) : now);
        expiry.add(row);
        plain.emplace(rows.event_time[row], row);
      } else if (what < 70) {
        const auto gone = std::next(plain.begin(), random.below(static_cast<int>(plain.size())));
        expiry.remove(gone->second);
        free.push_back(gone->second);
        plain.erase(gone);
      } else {
        const Row oldest = expiry.oldest();
        REQUIRE(rows.event_time[oldest] == plain.begin()->first);
        expiry.remove(oldest);
        REQUIRE(plain.erase({rows.event_time[oldest], oldest}) == 1);
        free.push_back(oldest);
      }
      REQUIRE(expiry.size() == plain.size());
    }
    std::set<Row> held, expected;
    expiry.each([&](Row row) { held.insert(row); });
    for (const auto& [at, row] : plain) expected.insert(row);
    CHECK(held == expected);
  }
}
