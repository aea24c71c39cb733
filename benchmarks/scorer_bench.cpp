// One payment as a service meets it: decide on it, then observe it. A contract of the demo's shape, warm, no log.
//
// Every call is timed on its own, because the tail is what a caller feels: p50 and p99 are counters, in microseconds. Once with
// a model of 100 trees of depth 6, once without.
#include "random_model.hpp"

#include <featlib/featlib.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace featlib;

std::string contract_text() {
  std::string out = R"(
featlib: 1
name: bench
version: 1.0.0
owner: bench@example.com
entities: {customer: {key: customer_id, type: int64}, terminal: {key: terminal_id, type: int64}}
sources:
  payments:
    entities: [customer, terminal]
    event_time: at
    delay: 0s
    dedup: id
    retention: 40d
    columns: {id: {type: int64}, amount: {type: float64}, is_fraud: {type: bool, available_after: 7d}}
request_of: payments
request: {amount: {type: float64}}
defaults: {bounds: "(]"}
features:
  amount: {from: request.amount}
  weekend: {expr: weekday(as_of) >= 5, type: int64}
  night: {expr: hour(as_of) <= 6, type: int64}
)";
  for (const char* days : {"1", "7", "30"}) {
    const std::string d(days);
    out += "  customer_count_" + d + ": {from: payments, by: customer, aggregate: count(), window: " + d + "d, include_request: true}\n";
    out += "  customer_mean_" + d + ": {from: payments, by: customer, aggregate: mean(amount), window: " + d + "d, include_request: true}\n";
    out += "  terminal_count_" + d + ": {from: payments, by: terminal, aggregate: count(), window: " + d + "d, offset: 7d}\n";
    out += "  terminal_risk_" + d + ": {from: payments, by: terminal, aggregate: mean(is_fraud), window: " + d + "d, offset: 7d, fallback: 0.0}\n";
  }
  return out;
}

/// Payments of the handbook's rates: 9,600 a day on 5,000 customers and 10,000 terminals.
class Payments {
 public:
  explicit Payments(std::optional<Ensemble> model)
      : scorer_(Bundle::make(Contract::parse(contract_text()).value(), std::move(model)).value()), source_(scorer_.contract().sources()[0]) {
    while (now_ < 1'700'000'000 * second + 45 * day) observe(next());
  }

  struct Payment {
    std::int64_t id, customer, terminal;
    double amount;
    Instant at;
  };
  Payment next() {
    now_ += static_cast<Duration>(std::exponential_distribution<double>(9'600.0 / 86'400e6)(random_)) + 1;
    return {++id_, static_cast<std::int64_t>(random_() % 5'000), static_cast<std::int64_t>(random_() % 10'000),
            static_cast<double>(random_() % 20'000) / 100.0, now_};
  }
  void observe(const Payment& p) {
    std::vector<Cell> row(source_.fields.size());
    const auto set = [&](const char* name, Cell cell) { row[static_cast<std::size_t>(source_.find_field(name))] = cell; };
    set("id", Cell::of(p.id));
    set("at", Cell::of(p.at));
    set("customer_id", Cell::of(p.customer));
    set("terminal_id", Cell::of(p.terminal));
    set("amount", Cell::of(p.amount));
    set("is_fraud", Cell::of(p.id % 100 == 0));
    scorer_.observe(0, row);
  }
  Decision decide(const Payment& p) {
    std::vector<Cell> request(scorer_.contract().request().size());
    const auto set = [&](const char* name, Cell cell) { request[static_cast<std::size_t>(scorer_.contract().find_request(name))] = cell; };
    set("id", Cell::of(p.id));
    set("customer_id", Cell::of(p.customer));
    set("terminal_id", Cell::of(p.terminal));
    set("amount", Cell::of(p.amount));
    return scorer_.decide(request, p.at);
  }

 private:
  Scorer scorer_;
  const Source& source_;
  std::mt19937_64 random_{7};
  Instant now_ = 1'700'000'000 * second;
  std::int64_t id_ = 0;
};

void observe_and_decide(benchmark::State& state, Payments& payments) {
  std::vector<double> times;
  for (auto _ : state) {
    const Payments::Payment payment = payments.next();
    const auto start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(payments.decide(payment));
    payments.observe(payment);
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  state.counters["p50_us"] = times[times.size() / 2];
  state.counters["p99_us"] = times[times.size() * 99 / 100];
}

void with_model(benchmark::State& state) {
  static Payments payments(bench::random_model(100, 6, 15));
  observe_and_decide(state, payments);
}
void without_model(benchmark::State& state) {
  static Payments payments(std::nullopt);
  observe_and_decide(state, payments);
}
BENCHMARK(with_model)->Iterations(20'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(without_model)->Iterations(20'000)->Unit(benchmark::kMicrosecond);

}  // namespace
