// The online state at the size of a service: 60 features of two cent columns over six windows, entities as skewed as life.
//
// Every call is timed on its own, warm and in process; p50, p99 and p99.9 are counters, in nanoseconds, and hold about 25
// of the clock itself. Memory is what the process grew by, per event held, less 1 kB an entity.
// FEATLIB_BENCH_EVENTS: events in the 180 days before the clock starts (half of them are held), 4 million unless said.
#include <featlib/featlib.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using namespace featlib;

std::string contract_text() {
  std::string out = R"(
featlib: 1
name: state_bench
version: 1.0.0
owner: bench@example.com
entities: {user: {key: user_id, type: int64}}
sources:
  payments: {entity: user, event_time: at, delay: 0s, retention: 90d, columns: {a: {type: decimal, scale: 2}, b: {type: decimal, scale: 2}}}
request: {}
features:
)";
  for (const char* column : {"a", "b"})
    for (const char* aggregate : {"sum", "mean", "min", "max", "count"})
      for (const char* window : {"1h", "6h", "1d", "7d", "30d", "90d"}) {
        const std::string call = std::string(aggregate) == "count" ? std::string("count()") : std::string(aggregate) + "(" + column + ")";
        out += "  " + std::string(aggregate) + "_" + column + "_" + window + ": {from: payments, aggregate: " + call + ", window: " + window + "}\n";
      }
  return out;
}

/// Ranks with probability proportional to rank^-s.
class Zipf {
 public:
  Zipf(std::size_t n, double s) {
    double total = 0;
    for (std::size_t rank = 1; rank <= n; ++rank) sums_.push_back(total += std::pow(static_cast<double>(rank), -s));
  }
  template <class Random>
  std::size_t operator()(Random& random) const {
    const double at = std::uniform_real_distribution<double>(0, sums_.back())(random);
    return static_cast<std::size_t>(std::lower_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0, resident = 0;
  file >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

/// Times of single calls.
class Stopwatch {
 public:
  template <class Call>
  void time(Call&& call) {
    const auto start = std::chrono::steady_clock::now();
    call();
    ns_.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count());
  }
  void report(benchmark::State& state, const std::string& name) {
    std::sort(ns_.begin(), ns_.end());
    const auto at = [&](double p) { return ns_[std::min(ns_.size() - 1, static_cast<std::size_t>(p * static_cast<double>(ns_.size())))]; };
    state.counters[name + "_p50"] = at(0.5);
    state.counters[name + "_p99"] = at(0.99);
    state.counters[name + "_p99.9"] = at(0.999);
  }

 private:
  std::vector<double> ns_;
};

class Service {
 public:
  Service() : scorer_(Bundle::make(Contract::parse(contract_text()).value(), std::nullopt).value(), StateOptions{}, nullptr, nullptr) {
    const auto& fields = scorer_.contract().sources()[0].fields;
    row_.resize(fields.size());
    for (std::size_t f = 0; f < fields.size(); ++f) {
      if (fields[f].name == "at") at_ = f;
      if (fields[f].name == "user_id") user_ = f;
      if (fields[f].name == "a") a_ = f;
      if (fields[f].name == "b") b_ = f;
    }
  }
  void observe(std::size_t user, Instant at) {
    row_[at_] = Cell::of(at);
    row_[user_] = Cell::of(static_cast<std::int64_t>(user));
    row_[a_] = Cell::of(static_cast<std::int64_t>(random_() % 1'000'000));
    row_[b_] = Cell::of(static_cast<std::int64_t>(random_() % 20'000) - 10'000);
    scorer_.observe(0, row_);
  }
  void read(std::size_t user, Instant as_of) {
    request_[0] = Cell::of(static_cast<std::int64_t>(user));
    scorer_.features(request_, as_of, features_);
    benchmark::DoNotOptimize(features_.values.data());
  }
  Scorer& scorer() { return scorer_; }
  std::mt19937_64& random() { return random_; }

 private:
  Scorer scorer_;
  std::vector<Cell> row_;
  std::vector<Cell> request_{1};
  ServedFeatures features_;
  std::size_t at_ = 0, user_ = 0, a_ = 0, b_ = 0;
  std::mt19937_64 random_{7};
};

constexpr Instant epoch = 1'700'000'000 * second;

/// Four events for each decision; one event in a hundred comes up to an hour late.
void skewed(benchmark::State& state) {
  constexpr std::size_t users = 200'000;
  const char* asked = std::getenv("FEATLIB_BENCH_EVENTS");
  const std::int64_t events = asked ? std::atoll(asked) : 4'000'000;
  const Zipf pick(users, 1.1);
  const double before = resident_bytes();
  Service service;
  auto& random = service.random();
  const double gap = static_cast<double>(180 * day) / static_cast<double>(events);
  Instant now = epoch;
  std::exponential_distribution<double> wait(1 / gap);
  const auto next = [&] {
    now += static_cast<Duration>(wait(random)) + 1;
    return random() % 100 == 0 ? now - static_cast<Duration>(random() % static_cast<std::uint64_t>(hour)) : now;
  };
  for (std::int64_t i = 0; i < events; ++i) {
    service.observe(pick(random), next());
    if (i % 1000 == 0) service.scorer().advance(now);
  }
  const auto held = static_cast<double>(service.scorer().rows_held(0));
  const double grown = resident_bytes() - before;
  Stopwatch observing, reading;
  const auto step = [&](bool timed) {
    for (int i = 0; i < 4; ++i) {
      const std::size_t user = pick(random);
      const Instant at = next();
      if (timed) observing.time([&] { service.observe(user, at); });
      else service.observe(user, at);
    }
    const std::size_t user = pick(random);
    if (timed) reading.time([&] { service.read(user, now); });
    else service.read(user, now);
  };
  for (std::int64_t i = 0; i < state.max_iterations / 2; ++i) step(false);
  for (auto _ : state) step(true);
  observing.report(state, "observe");
  reading.report(state, "read");
  state.counters["events_held"] = held;
  state.counters["bytes_an_event"] = grown / held;
  state.counters["less_1kB_an_entity"] = (grown - 1000.0 * users) / held;
}

/// One entity with two million events in its last 30 days; a read after every event.
void hot_entity(benchmark::State& state) {
  constexpr std::int64_t events = 2'000'000;
  Service service;
  auto& random = service.random();
  Instant now = epoch;
  std::exponential_distribution<double> wait(static_cast<double>(events) / static_cast<double>(30 * day));
  const auto next = [&] { return now += static_cast<Duration>(wait(random)) + 1; };
  for (std::int64_t i = 0; i < events; ++i) service.observe(0, next());
  Stopwatch observing, reading;
  for (auto _ : state) {
    const Instant at = next();
    observing.time([&] { service.observe(0, at); });
    reading.time([&] { service.read(0, now); });
  }
  observing.report(state, "observe");
  reading.report(state, "read");
}

/// Reads of features of one column of doubles, a row a second before each; 200,000 rows are there.
void features(benchmark::State& state, const std::string& lines) {
  const std::string text = R"(
featlib: 1
name: features_bench
version: 1.0.0
owner: bench@example.com
entities: {user: {key: user_id, type: int64}}
sources:
  payments: {entity: user, event_time: at, delay: 0s, retention: 10d, columns: {x: {type: float64}, label: {type: bool, available_after: 1d}}}
request: {}
features:
)" + lines;
  Scorer scorer(Bundle::make(Contract::parse(text).value(), std::nullopt).value(), StateOptions{}, nullptr, nullptr);
  const auto& fields = scorer.contract().sources()[0].fields;
  std::vector<Cell> row(fields.size()), request{Cell::of(std::int64_t{0})};
  std::mt19937_64 random{7};
  Instant now = epoch;
  const auto observe = [&] {
    now += second;
    for (std::size_t f = 0; f < fields.size(); ++f)
      row[f] = fields[f].name == "at" ? Cell::of(now) : fields[f].name == "x" ? Cell::of(static_cast<double>(random() % 1'000'000) / 100) : Cell::of(std::int64_t{0});
    scorer.observe(0, row);
  };
  for (std::int64_t i = 0; i < 200'000; ++i) observe();
  ServedFeatures features;
  Stopwatch observing, reading;
  for (auto _ : state) {
    observing.time(observe);
    reading.time([&] { scorer.features(request, now, features); });
  }
  observing.report(state, "observe");
  reading.report(state, "read");
}

/// One feature over a window of the rows given.
void aggregate(benchmark::State& state, const std::string& call) {
  features(state, "  read: {from: payments, aggregate: " + call + ", window: " + std::to_string(state.range(0)) + "s}\n");
}

/// Sums under as many conditions as given, over six windows each; `label`: and a share of a label that is known a day later.
void conditions(benchmark::State& state, bool label) {
  std::string lines;
  for (std::int64_t c = 0; c < state.range(0); ++c)
    for (const char* window : {"1m", "10m", "1h", "6h", "12h", "1d"})
      lines += "  sum_" + std::to_string(c) + "_" + window + ": {from: payments, aggregate: sum(x), window: " + window + (c == 0 ? "" : ", where: x > " + std::to_string(c * 100) + ".0") + "}\n";
  if (label) lines += "  bad: {from: payments, aggregate: mean(label), window: 1d, offset: 1d}\n";
  features(state, lines);
}

std::int64_t iterations() {
  const char* asked = std::getenv("FEATLIB_BENCH_READS");
  return asked ? std::atoll(asked) : 200'000;
}
BENCHMARK(skewed)->Iterations(iterations())->Unit(benchmark::kMicrosecond);
BENCHMARK(hot_entity)->Iterations(iterations() / 4)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(aggregate, sum, "sum(x)")->Arg(1'000)->Arg(100'000)->Iterations(iterations() / 400)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(aggregate, std, "std(x)")->Arg(1'000)->Arg(100'000)->Iterations(iterations() / 400)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(aggregate, kurtosis, "kurtosis(x)")->Arg(1'000)->Arg(100'000)->Iterations(iterations() / 400)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(aggregate, count_where, "count(), where: x > 5000.0")->Arg(1'000)->Arg(100'000)->Iterations(iterations() / 400)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(aggregate, sum_where, "sum(x), where: x > 5000.0")->Arg(1'000)->Arg(100'000)->Iterations(iterations() / 400)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(conditions, of_rows, false)->Arg(1)->Arg(4)->Arg(16)->Iterations(iterations() / 400)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(conditions, and_a_label, true)->Arg(1)->Arg(4)->Iterations(iterations() / 400)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(aggregate, last_1000, "sum(x), last: 1000")->Arg(100'000)->Iterations(iterations() / 400)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(aggregate, last_10_where, "\"sum(x)\", last: 10, where: x > 9999.0")->Arg(100'000)->Iterations(iterations() / 400)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(aggregate, sum_of_expression, "sum(x * 2.0)")->Arg(1'000)->Arg(100'000)->Iterations(iterations() / 400)->Unit(benchmark::kMicrosecond);

}  // namespace
