// The inner loops of replay in every form a processor may choose, against the obvious one.
#include "replay/dealt.hpp"
#include "replay/edges.hpp"
#include "replay/lines.hpp"
#include "replay/quotients.hpp"
#include "replay/x86.hpp"
#include "support/generators.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

using namespace featlib;
using namespace featlib::replaying;
using featlib::testing::Random;

namespace {

std::vector<Merging> mergings() { return has_avx512() ? std::vector{Merging::steps, Merging::avx512} : std::vector{Merging::steps}; }
std::vector<Transposing> transposings() { return has_avx512() ? std::vector{Transposing::words, Transposing::avx512} : std::vector{Transposing::words}; }
std::vector<Proposal> proposals() {
  std::vector out{Proposal::integers};
  if (has_fma()) out.push_back(Proposal::fma);
  if (has_avx512()) out.push_back(Proposal::avx512);
  return out;
}

/// Rising instants, many of them equal.
std::vector<Instant> instants(Random& random, std::size_t n, int step) {
  std::vector<Instant> out(n);
  Instant now = 1'000;
  for (Instant& at : out) at = now += random.percent(40) ? 0 : random.below(step);
  return out;
}

}  // namespace

TEST_CASE("edges stand where counting says, however rows and decisions are merged") {
  Random random(featlib::testing::first_seed());
  for (int round = 0; round < 300; ++round) {
    const auto rows = static_cast<std::size_t>(random.below(random.percent(20) ? 2'000 : 60)), n = static_cast<std::size_t>(random.below(70));
    auto times = instants(random, rows, random.percent(50) ? 3 : 40);
    const auto asked = instants(random, n, random.percent(50) ? 3 : 40);
    std::vector<Slot> row_sequence(rows), sequence(n);
    for (std::size_t i = 0; i < rows; ++i) row_sequence[i] = {static_cast<std::uint64_t>(i), Held::value};
    for (std::size_t i = 0; i < n; ++i) sequence[i] = i > 0 && asked[i] == asked[i - 1] ? sequence[i - 1] : Slot{static_cast<std::uint64_t>(random.below(60)), Held::value};
    times.insert(times.end(), EdgeFinder::slack, never);
    std::vector<Edge> edges;
    for (int e = 1 + random.below(6); e > 0; --e) edges.push_back({random.below(60), random.percent(50), false});
    edges.push_back({0, true, true});
    if (random.percent(50)) edges.push_back({3, false, false, 17, 5, random.below(2)});
    for (const Merging merging : mergings()) {
      EdgeFinder finder(edges, merging);
      std::vector<std::vector<std::uint32_t>> found(edges.size(), std::vector<std::uint32_t>(n + EdgeFinder::slack));
      std::vector<std::uint32_t*> out;
      for (auto& positions : found) out.push_back(positions.data());
      finder.find({{times.data(), rows}, row_sequence}, {asked, sequence}, std::nullopt, out);
      for (std::size_t e = 0; e < edges.size(); ++e)
        for (std::size_t i = 0; i < n; ++i) {
          std::uint32_t before = 0;
          for (std::size_t r = 0; r < rows; ++r)
            before += times[r] < edges[e].target(asked[i]) || (edges[e].own_instant && times[r] == asked[i] && row_sequence[r].integer() < sequence[i].integer());
          INFO("merging " << static_cast<int>(merging) << ", edge " << e << ", decision " << i << " of " << n << ", rows " << rows);
          REQUIRE(found[e][i] == before);
        }
    }
  }
}

TEST_CASE("decisions that are the rows themselves have the edges of any others at their instants") {
  Random random(featlib::testing::first_seed());
  for (int round = 0; round < 300; ++round) {
    const std::size_t rows = 1 + static_cast<std::size_t>(random.below(80));
    const int step = random.pick<int>({1, 3, 20});
    const bool by_sequence = random.percent(70);
    std::vector<Instant> times(rows);
    std::vector<Slot> sequence(by_sequence ? rows : 0);
    for (std::size_t i = 1; i < rows; ++i) times[i] = times[i - 1] + random.below(step);
    for (std::size_t i = 1; i < sequence.size(); ++i)
      if (times[i] == times[i - 1]) sequence[i] = sequence[i - 1].is_null() && random.percent(50) ? Slot{} : Slot{sequence[i - 1].bits + static_cast<std::uint64_t>(random.below(2)), Held::value};
      else if (random.percent(70)) sequence[i] = {7, Held::value};
    times.insert(times.end(), EdgeFinder::slack, never);
    const std::size_t from = static_cast<std::size_t>(random.below(static_cast<int>(rows))), n = 1 + static_cast<std::size_t>(random.below(static_cast<int>(rows - from)));
    const Ordered all{{times.data(), rows}, sequence}, some{{times.data() + from, n}, by_sequence ? std::span<const Slot>(sequence).subspan(from, n) : std::span<const Slot>()};
    const std::vector<Edge> edges{{5, true, false}, {0, true, true}, {5, false, false}, {9, false, false}, {2, true, false}, {1, false, false}};
    for (const Merging merging : mergings()) {
      std::vector<std::vector<std::uint32_t>> own(edges.size(), std::vector<std::uint32_t>(n + EdgeFinder::slack)), other = own;
      const auto find = [&](std::optional<std::size_t> own_from, std::vector<std::vector<std::uint32_t>>& found) {
        std::vector<std::uint32_t*> out;
        for (auto& positions : found) out.push_back(positions.data());
        EdgeFinder(edges, merging).find(all, some, own_from, out);
        for (auto& positions : found) positions.resize(n);
      };
      find(from, own);
      find(std::nullopt, other);
      INFO("merging " << static_cast<int>(merging) << ", decisions " << from << " to " << from + n << " of " << rows << ", FEATLIB_SEED=" << featlib::testing::first_seed());
      REQUIRE(own == other);
    }
  }
}

TEST_CASE("what is written as lines comes back as columns, in the table's order") {
  Random random(featlib::testing::first_seed());
  for (const std::size_t windows : {1u, 6u, 7u, 8u, 15u, 60u})
    for (const Transposing transposing : transposings()) {
      const std::size_t n = 37 + static_cast<std::size_t>(random.below(40));
      std::vector<Row> decisions(n);
      for (std::size_t i = 0; i < n; ++i) decisions[i] = static_cast<Row>((i * 7) % n);
      if (n % 7 == 0) for (std::size_t i = 0; i < n; ++i) decisions[i] = static_cast<Row>(n - 1 - i);
      std::vector<PagedVector<std::uint64_t>> values(windows);
      std::vector<PagedVector<Status>> statuses(windows);
      for (std::size_t w = 0; w < windows; ++w)
        for (std::size_t i = 0; i < n; ++i) {
          values[w].push_back(1'000'000 * (w + 1) + i);
          statuses[w].push_back(static_cast<Status>((w + 3 * i) % 7));
        }
      Lines lines(n, windows, transposing);
      lines.write(decisions, values, statuses);
      std::vector<FeatureColumn> columns(windows);
      std::vector<FeatureColumn*> out;
      for (FeatureColumn& column : columns) {
        column.bits.resize(n);
        column.status.resize(n);
        out.push_back(&column);
      }
      const std::size_t middle = 8 * static_cast<std::size_t>(random.below(4));
      lines.copy(0, middle, out);
      lines.copy(middle, n, out);
      for (std::size_t w = 0; w < windows; ++w)
        for (std::size_t i = 0; i < n; ++i) {
          INFO("transposing " << static_cast<int>(transposing) << ", window " << w << " of " << windows << ", decision " << i << " of " << n);
          REQUIRE(columns[w].bits[decisions[i]] == values[w][i]);
          REQUIRE(columns[w].status[decisions[i]] == statuses[w][i]);
        }
    }
}

TEST_CASE("quotients of many sums are the exact ones rounded once, whoever proposes them") {
  Random random(featlib::testing::first_seed());
  const auto word = [&] { return static_cast<std::int64_t>((static_cast<std::uint64_t>(random.below(1 << 30)) << 34) ^ (static_cast<std::uint64_t>(random.below(1 << 30)) << 12) ^ static_cast<std::uint64_t>(random.below(1 << 12))); };
  for (int round = 0; round < 200; ++round) {
    const auto n = static_cast<std::size_t>(random.below(40));
    std::vector<int128> sums(n);
    std::vector<std::int64_t> narrow(n);
    std::vector<std::uint32_t> counts(n);
    const int shift = random.below(127), unit = random.pick<int>({0, -70, -1074, 900, 950});
    for (std::size_t i = 0; i < n; ++i) {
      counts[i] = static_cast<std::uint32_t>(random.percent(30) ? 1 << random.below(5) : 1 + random.below(1'000));
      sums[i] = ((static_cast<int128>(word()) << 63) ^ word()) >> shift;
      if (random.percent(30)) sums[i] = (int128{1} << random.below(110)) * counts[i] + random.below(3) - 1;   // at a power of two, on a tie or beside it
      narrow[i] = word() >> 11;
    }
    for (const Proposal proposal : proposals()) {
      std::vector<double> means(n), alone(n), divided(n);
      const auto is_nan = [](double x) { return std::isnan(x); };
      const bool means_within = round_quotients(sums.data(), counts.data(), n, unit, means.data(), proposal);
      const bool alone_within = round_quotients(sums.data(), nullptr, n, unit, alone.data(), proposal);
      CHECK(means_within == std::none_of(means.begin(), means.end(), is_nan));
      CHECK(alone_within == std::none_of(alone.begin(), alone.end(), is_nan));
      divide(narrow.data(), counts.data(), n, divided.data(), proposal);
      for (std::size_t i = 0; i < n; ++i) {
        const auto expected = [&](int128 sum, std::uint32_t count, int in) { return std::bit_cast<std::uint64_t>(round_quotient(sum, count, in).value_or(std::numeric_limits<double>::quiet_NaN())); };
        INFO("proposal " << static_cast<int>(proposal) << ", " << i << " of " << n << ", unit " << unit);
        REQUIRE(std::bit_cast<std::uint64_t>(means[i]) == expected(sums[i], counts[i], unit));
        REQUIRE(std::bit_cast<std::uint64_t>(alone[i]) == expected(sums[i], 1, unit));
        REQUIRE(std::bit_cast<std::uint64_t>(divided[i]) == expected(narrow[i], counts[i], 0));
      }
    }
  }
}

TEST_CASE("records lie with their entity in the table's order, nulls marked, whatever the threads") {
  Random random(featlib::testing::first_seed());
  const std::size_t n = 5'000, groups = 3;
  std::vector<Instant> times = instants(random, n, 5);
  std::vector<std::uint64_t> column(n);
  std::vector<Held> held(n);
  std::vector<std::uint32_t> group(n);
  for (std::size_t i = 0; i < n; ++i) {
    column[i] = i * i;
    held[i] = random.percent(20) ? Held::nothing : Held::value;
    group[i] = random.percent(10) ? Dealt::left_out : static_cast<std::uint32_t>(2 * random.below(2));   // nobody is in group 1
  }
  for (const int threads : {1, 2}) {
    const Dealt dealt(n, groups, times.data(), {{column.data(), held.data()}}, threads, [&](std::size_t row) { return group[row]; });
    REQUIRE(dealt.size(1) == 0);
    for (std::size_t g = 0; g < groups; ++g) {
      const std::uint64_t* record = dealt.records(g);
      for (std::size_t row = 0; row < n; ++row) {
        if (group[row] != g) continue;
        REQUIRE(record[0] == static_cast<std::uint64_t>(times[row]));
        REQUIRE(static_cast<std::uint32_t>(record[1]) == row);
        REQUIRE((record[1] >> 32) == (held[row] == Held::nothing));
        REQUIRE(record[2] == column[row]);
        record += dealt.width();
      }
      REQUIRE(record == dealt.records(g) + dealt.size(g) * dealt.width());
    }
  }
}
