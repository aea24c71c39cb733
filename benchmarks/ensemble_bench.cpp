/// Scoring speed of one row and of batches. FEATLIB_BENCH_MODEL names a model file; without it, random full trees of 28
/// features: 50 x depth 6, 300 x depth 6, 1000 x depth 8. Rows are normal with 5 % missing and differ from call to call.
///
/// One row: every call is timed on its own; p50 and p99 are counters, in nanoseconds, and hold about 25 of the clock itself.
/// FEATLIB_KERNEL picks the kernel (avx512, avx2, neon, scalar, walk).
#include "random_model.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace {

using featlib::Ensemble, bench::random_model;

std::vector<float> random_rows(const Ensemble& model, std::size_t n) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  std::vector<float> rows(n * model.features());
  for (float& x : rows) x = random() % 20 == 0 ? std::numeric_limits<float>::quiet_NaN() : normal(random);
  return rows;
}

void one_row(benchmark::State& state, const Ensemble& model) {
  constexpr std::size_t n = 1024, most_calls = 1 << 22;
  const std::vector<float> rows = random_rows(model, n);
  std::vector<float> out(model.outputs());
  std::vector<double> ns;
  ns.reserve(most_calls);
  std::size_t i = 0;
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    model.margin({rows.data() + i * model.features(), model.features()}, 1, out);
    benchmark::DoNotOptimize(out.data());
    const auto end = std::chrono::steady_clock::now();
    if (ns.size() < most_calls) ns.push_back(std::chrono::duration<double, std::nano>(end - start).count());
    i = (i + 1) % n;
  }
  std::sort(ns.begin(), ns.end());
  state.counters["p50"] = ns[ns.size() / 2];
  state.counters["p99"] = ns[ns.size() * 99 / 100];
}

void batch(benchmark::State& state, const Ensemble& model) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const std::vector<float> rows = random_rows(model, n);
  std::vector<float> out(n * model.outputs());
  for (auto _ : state) {
    model.margin(rows, n, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * n));
}

void load(benchmark::State& state, const Ensemble& model) {
  for (auto _ : state) {
    auto loaded = Ensemble::parse(model.bytes());
    benchmark::DoNotOptimize(loaded);
  }
}

void add(const std::string& name, const Ensemble& model) {
  benchmark::RegisterBenchmark(("one_row/" + name).c_str(),
                               [model](benchmark::State& state) { one_row(state, model); });
  benchmark::RegisterBenchmark(("batch/" + name).c_str(), [model](benchmark::State& state) { batch(state, model); })
      ->RangeMultiplier(2)
      ->Range(1, 1024)
      ->Arg(20'000);
  benchmark::RegisterBenchmark(("load/" + name).c_str(), [model](benchmark::State& state) { load(state, model); })
      ->Unit(benchmark::kMillisecond);
}

const bool registered = [] {
  if (const char* path = std::getenv("FEATLIB_BENCH_MODEL")) {
    add(path, Ensemble::load(path).value());
  } else {
    add("50x6", random_model(50, 6, 28));
    add("300x6", random_model(300, 6, 28));
    add("1000x8", random_model(1000, 8, 28));
  }
  return true;
}();

}  // namespace
