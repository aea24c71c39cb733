// What one model takes on given rows, for benchmarks/ensembles: a line of JSON. usage: ensemble_rows MODEL ROWS.f32
#include <featlib/ensemble/ensemble.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Latency { double p50, p99; };

template <class Call>
Latency latency(std::size_t calls, Call&& call) {
  std::vector<double> seconds;
  for (std::size_t i = 0; i < calls; ++i) {
    const auto start = Clock::now();
    call(i);
    seconds.push_back(since(start));
  }
  std::ranges::sort(seconds);
  return {1e6 * seconds[calls / 2], 1e6 * seconds[calls * 99 / 100]};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fputs("usage: ensemble_rows MODEL ROWS.f32\n", stderr), 2;
  const auto start = Clock::now();
  const featlib::Ensemble model = featlib::Ensemble::load(argv[1]).value();
  const double load = since(start);
  std::ifstream file(argv[2], std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  const auto* values = reinterpret_cast<const float*>(bytes.data());
  const std::size_t width = model.features(), n = bytes.size() / sizeof(float) / width, outputs = model.outputs();
  const std::span<const float> rows(values, n * width);
  const auto row = [&](std::size_t i) { return rows.subspan(i % n * width, width); };

  std::vector<float> out(n * outputs);
  const auto one = [&](std::size_t i) { model.margin(row(i), 1, std::span(out).first(outputs)); };
  latency(2000, one);
  const Latency single = latency(20'000, one);
  Latency with_another{};
  {
    std::atomic<bool> stop = false;
    std::jthread other([&] { std::vector<float> mine(outputs); for (std::size_t i = 0; !stop; ++i) model.margin(row(i + 7), 1, mine); });
    with_another = latency(20'000, one);
    stop = true;
  }

  double best = 1e9;
  for (int repeat = 0; repeat < 7; ++repeat) {
    const auto begin = Clock::now();
    model.margin(rows, n, out);
    best = std::min(best, since(begin));
  }

  Latency given{0, 0};
  if (!model.float64()) {
    std::vector<float> line(outputs * (width + 1));
    const auto explain = [&](std::size_t i) { model.contributions(row(i), 1, line); };
    explain(0);
    given = latency(300, explain);
  }
  std::printf(R"({"load_ms": %.2f, "p50": %.3f, "p99": %.3f, "p50_two": %.3f, "p99_two": %.3f, "rows_s": %.0f, "contributions": %.1f})" "\n", 1e3 * load, single.p50, single.p99,
              with_another.p50, with_another.p99, static_cast<double>(n) / best, given.p50);
}
