// A service that embeds featlib.
//
//     cpp_embed                            a contract, three payments, one vector: the README's numbers
//     cpp_embed BUNDLE STREAM EXPECTED     the demo's test week, event by event; exit 1 when a bit differs
//
// STREAM holds 50-byte little-endian records without a header, EXPECTED what each decision must answer;
// python/featlib/demo/stream.py documents both.
#include <featlib/featlib.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

using namespace featlib;

namespace {

std::vector<char> read_file(const char* path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(ErrorCode::io_failed, "cannot be read", {}, path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Reads packed little-endian fields one after the other.
class Cursor {
 public:
  explicit Cursor(const std::vector<char>& bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}
  bool at_end() const { return at_ == end_; }
  template <class T>
  T next() {
    if (static_cast<std::size_t>(end_ - at_) < sizeof(T)) throw Error(ErrorCode::io_failed, "the file is cut off");
    T out;
    std::memcpy(&out, at_, sizeof out);
    at_ += sizeof out;
    return out;
  }

 private:
  const char *at_, *end_;
};

/// The bits of a double; one NaN is as good as another.
std::uint64_t bits_of(double x) { return std::isnan(x) ? 0x7ff8000000000000u : std::bit_cast<std::uint64_t>(x); }

int hello() {
  const auto contract = Contract::parse(R"(
featlib: 1
name: hello
version: 1.0.0
owner: you@example.com
entities: {card: {key: card_id, type: string}}
sources:
  payments:
    entity: card
    event_time: paid_at
    delay: 0s
    retention: 30d
    columns: {amount: {type: decimal, scale: 2, unit: EUR}}
features:
  mean_amount_7d: {description: Mean payment of the last seven days., from: payments, aggregate: mean(amount), window: 7d}
  payments_24h: {description: Payments of the last day., from: payments, aggregate: count(), window: 24h}
)").value();
  Scorer scorer(Bundle::make(contract, std::nullopt).value());

  // A row has a Cell for each field of its source: text, cents as integers, microseconds.
  const Source& payments = contract.sources()[0];
  const auto observe = [&](std::string_view paid_at, std::int64_t cents) {
    std::vector<Cell> row(payments.fields.size());
    row[static_cast<std::size_t>(payments.find_field("card_id"))] = Cell::of(std::string_view("c1"));
    row[static_cast<std::size_t>(payments.find_field("paid_at"))] = Cell::of(*parse_instant(paid_at, nullptr, false));
    row[static_cast<std::size_t>(payments.find_field("amount"))] = Cell::of(cents);
    scorer.observe(0, row);
  };
  observe("2026-03-01T09:00:00Z", 1010);
  observe("2026-03-04T18:30:00Z", 2020);
  observe("2026-03-05T07:45:00Z", 3030);

  const std::vector<Cell> request{Cell::of(std::string_view("c1"))};
  const Instant noon = *parse_instant("2026-03-05T12:00:00Z", nullptr, false);
  const ServedFeatures served = scorer.features(request, noon);
  std::printf("mean_amount_7d %.17g\n", served.values[0].real());
  std::printf("payments_24h %lld\n", static_cast<long long>(served.values[1].integer()));
  return 0;
}

/// The demo's week through a Scorer: what a service does, and what it must answer.
class Replay {
 public:
  Replay(const char* bundle, const char* expected) : scorer_(Bundle::load(bundle).value()), expected_bytes_(read_file(expected)), expected_(expected_bytes_) {
    const Source& source = scorer_.contract().sources()[0];
    for (const char* name : {"TRANSACTION_ID", "TX_EPOCH_S", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "ORACLE_CUSTOMER_SEQ", "TX_FRAUD"}) {
      row_fields_[name] = static_cast<std::size_t>(source.find_field(name));
      request_fields_[name] = scorer_.contract().find_request(name);
    }
  }

  void run(Cursor stream) {
    while (!stream.at_end()) {
      const auto kind = stream.next<std::uint8_t>();
      const auto transaction = stream.next<std::int64_t>(), epoch_s = stream.next<std::int64_t>(), customer = stream.next<std::int64_t>(),
                 terminal = stream.next<std::int64_t>();
      const auto amount = stream.next<double>();
      const auto sequence = stream.next<std::int64_t>();
      const auto label = stream.next<std::uint8_t>();
      const std::map<std::string_view, Cell> cells{{"TRANSACTION_ID", Cell::of(transaction)}, {"TX_EPOCH_S", Cell::of(epoch_s * second)},
                                                   {"CUSTOMER_ID", Cell::of(customer)},       {"TERMINAL_ID", Cell::of(terminal)},
                                                   {"TX_AMOUNT", Cell::of(amount)},           {"ORACLE_CUSTOMER_SEQ", Cell::of(sequence)},
                                                   {"TX_FRAUD", label == 255 ? Cell::null() : Cell::of(label == 1)}};
      if (kind == 2) decide(cells, epoch_s * second);
      else observe(cells, kind == 1);
    }
  }

  int report() {
    std::sort(times_us_.begin(), times_us_.end());
    const auto quantile = [&](double p) { return times_us_.empty() ? 0.0 : times_us_[static_cast<std::size_t>(p * static_cast<double>(times_us_.size() - 1))]; };
    std::printf("%lld decisions, %lld values compared, %lld bits differ; decide p50 %.1f us, p99 %.1f us\n", static_cast<long long>(times_us_.size()),
                static_cast<long long>(values_), static_cast<long long>(bits_), quantile(0.5), quantile(0.99));
    return bits_ == 0 ? 0 : 1;
  }

 private:
  void observe(const std::map<std::string_view, Cell>& cells, bool is_label) {
    if (is_label) {
      const std::pair<std::string_view, Cell> known[] = {{"TX_FRAUD", cells.at("TX_FRAUD")}};
      scorer_.observe_label(0, cells.at("TRANSACTION_ID"), known);
      return;
    }
    std::vector<Cell> row(scorer_.contract().sources()[0].fields.size());
    for (const auto& [name, cell] : cells) row[row_fields_.at(name)] = cell;
    scorer_.observe(0, row);
  }

  void decide(const std::map<std::string_view, Cell>& cells, Instant as_of) {
    std::vector<Cell> request(scorer_.contract().request().size());
    for (const auto& [name, cell] : cells)
      if (const int field = request_fields_.at(name); field >= 0) request[static_cast<std::size_t>(field)] = cell;
    const auto start = std::chrono::steady_clock::now();
    const Decision decision = scorer_.decide(request, as_of);
    times_us_.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    for (std::size_t f = 0; f < decision.features.values.size(); ++f) {
      const FeatureValue value = decision.features.values[f];
      const bool real = scorer_.contract().features()[f].type == Type::float64;
      const double shown = value.is_null() ? std::nan("") : real ? value.real() : static_cast<double>(value.integer());
      bits_ += std::popcount(bits_of(shown) ^ bits_of(expected_.next<double>())) + std::popcount(static_cast<unsigned>(value.status ^ expected_.next<std::uint8_t>()));
      ++values_;
    }
    bits_ += std::popcount(std::bit_cast<std::uint32_t>(static_cast<float>(decision.margin)) ^ std::bit_cast<std::uint32_t>(expected_.next<float>()));
  }

  Scorer scorer_;
  std::vector<char> expected_bytes_;
  Cursor expected_;
  std::map<std::string_view, std::size_t> row_fields_;
  std::map<std::string_view, int> request_fields_;
  std::vector<double> times_us_;
  long long values_ = 0, bits_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 1) return hello();
    if (argc != 4) {
      std::fprintf(stderr, "usage: %s [BUNDLE STREAM EXPECTED]\n", argv[0]);
      return 2;
    }
    const std::vector<char> stream = read_file(argv[2]);
    Replay replay(argv[1], argv[3]);
    replay.run(Cursor(stream));
    return replay.report();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
