/// Scoring speed of one row and of batches. FEATLIB_BENCH_MODEL names a model file; without it, random full trees of 28
/// features: 100 x depth 6, 300 x depth 6, 1000 x depth 8. Rows are normal with 5 % missing and differ from call to
/// call.
#include "random_model.hpp"

#include <benchmark/benchmark.h>

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
  constexpr std::size_t n = 1024;
  const std::vector<float> rows = random_rows(model, n);
  std::vector<float> out(model.outputs());
  std::size_t i = 0;
  for (auto _ : state) {
    model.margin({rows.data() + i * model.features(), model.features()}, 1, out);
    benchmark::DoNotOptimize(out.data());
    i = (i + 1) % n;
  }
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

void add(const std::string& name, const Ensemble& model) {
  benchmark::RegisterBenchmark(("one_row/" + name).c_str(),
                               [model](benchmark::State& state) { one_row(state, model); });
  benchmark::RegisterBenchmark(("batch/" + name).c_str(), [model](benchmark::State& state) { batch(state, model); })
      ->Arg(10)
      ->Arg(100)
      ->Arg(10'000);
}

const bool registered = [] {
  if (const char* path = std::getenv("FEATLIB_BENCH_MODEL")) {
    add(path, Ensemble::load(path).value());
  } else {
    add("100x6", random_model(100, 6, 28));
    add("300x6", random_model(300, 6, 28));
    add("1000x8", random_model(1000, 8, 28));
  }
  return true;
}();

}  // namespace
