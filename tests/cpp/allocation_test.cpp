// After its first use the serving path allocates nothing to read: not for windows, expressions, the model's row or the policy.
//
// This program's operator new counts. What changes the state for good may allocate: a new entity, a text held by nothing, more
// rows or answers than before.

#include "../../benchmarks/random_model.hpp"
#include "support/contracts.hpp"
#include "support/generators.hpp"

#include <featlib/scorer.hpp>

#include <catch2/catch.hpp>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::int64_t> allocations{0};

void* counted_or_null(std::size_t size, std::size_t alignment) noexcept {
  ++allocations;
  return alignment <= alignof(std::max_align_t) ? std::malloc(size) : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
void* counted(std::size_t size, std::size_t alignment) {
  void* memory = counted_or_null(size, alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return counted(size, 1); }
void* operator new[](std::size_t size) { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) { return counted(size, static_cast<std::size_t>(alignment)); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return counted(size, static_cast<std::size_t>(alignment)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted_or_null(size, 1); }     // a sanitizer has its own
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted_or_null(size, 1); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

using namespace featlib;
using namespace featlib::testing;

namespace {

/// 60 features of two columns over six windows, on a key of text and on one of two parts; rows read one by one, what a request
/// brings, and what is made of them.
std::string contract_text() {
  std::string out = R"(featlib: 1
name: allocation
version: 1.0.0
owner: tests@example.com
entities: {card: {key: card_id, type: string}, till: {key: [shop, number], type: [int64, int64]}}
sources:
  payments:
    entities: [card, till]
    event_time: {column: at, unit: us}
    delay: 0s
    dedup: id
    retention: 2d
    columns: {id: {type: int64}, a: {type: decimal, scale: 2}, b: {type: float64}, tag: {type: string}}
request_of: payments
request: {a: {type: decimal, scale: 2}, tag: {type: string}}
features:
  typical: {from: payments, by: card, aggregate: mean(b), window: 1h, where: b > 1.0}
  latest: {from: payments, by: card, aggregate: last(tag), window: 1h}
  with_own: {from: payments, by: till, aggregate: mean(a), window: 1d, bounds: "[]", include_request: true}
  known: {from: payments, by: till, aggregate: seen_before(tag), window: 1h}
  amount: {from: request.a}
  unusual: {expr: amount / (typical + 1.0)}
  night: {expr: hour(as_of) <= 6, type: int64}
)";
  for (const char* column : {"a", "b"})
    for (const char* aggregate : {"sum", "mean", "min", "max", "count"})
      for (const char* window : {"5m", "20m", "1h", "6h", "1d", "2d"}) {
        const std::string call = std::string(aggregate) == "count" ? std::string("count()") : std::string(aggregate) + "(" + column + ")";
        out += "  " + std::string(aggregate) + "_" + column + "_" + window + ": {from: payments, by: " + (*column == 'a' ? "card" : "till") + ", aggregate: " + call + ", window: " + window + "}\n";
      }
  return out;
}

constexpr std::string_view policy = R"(featlib_policy: 1
name: checkout
version: 1.0.0
segments:
  - {when: request.a >= 1000, review: 0.6, block: 0.9}
  - default: {review: 0.75, block: 0.95}
)";

/// A payment every twenty seconds, on entities in turn; each is asked about before it is observed.
class Service {
 public:
  Service() : scorer_(Bundle::make(Contract::parse(contract_text()).value(), std::nullopt, policy).value(), StateOptions{}, nullptr, nullptr) {
    row_.resize(source().fields.size());
    request_.resize(scorer_.contract().request().size());
  }
  const Contract& contract() const { return scorer_.contract(); }

  /// How often memory was asked for while two answers were given.
  std::int64_t step() {
    ++n_;
    now_ += 20 * second;
    const auto set = [&](const char* name, Cell cell) {
      row_[static_cast<std::size_t>(source().find_field(name))] = cell;
      if (const int f = contract().find_request(name); f >= 0) request_[static_cast<std::size_t>(f)] = cell;
    };
    static const std::string cards[] = {"a card with a number too long for no memory", "another card with such a number", "c3"};
    set("id", Cell::of(n_));
    set("at", Cell::of(now_));
    set("card_id", Cell::of(std::string_view(cards[n_ % 3])));
    set("shop", Cell::of(n_ % 2));
    set("number", Cell::of(n_ % 5));
    set("a", Cell::of(n_ % 1'000 * 37));
    set("b", Cell::of(static_cast<double>(n_ % 700) / 8));
    set("tag", Cell::of(std::string_view("a tag that is known to many rows")));
    const std::int64_t before = allocations;
    scorer_.features(request_, now_, features);
    scorer_.decide(request_, now_, "a request with a name of its own", decision);
    const std::int64_t after = allocations;
    scorer_.observe(0, row_);
    return after - before;
  }

  ServedFeatures features;
  Decision decision;

 private:
  const Source& source() const { return contract().sources()[0]; }

  Scorer scorer_;
  std::vector<Cell> row_, request_;
  Instant now_ = monday;
  std::int64_t n_ = 0;
};

}  // namespace

TEST_CASE("an answer into the caller's memory allocates nothing once the state has met its load") {
  Service service;
  for (int i = 0; i < 10'000; ++i) service.step();   // beyond the retention: rows leave as others come
  std::int64_t asked = 0;
  for (int i = 0; i < 5'000; ++i) asked += service.step();
  CHECK(asked == 0);

  // What was not allocated was answered all the same.
  for (std::size_t f = 0; f < service.contract().features().size(); ++f) {
    CAPTURE(service.contract().features()[f].name);
    CHECK(!service.features.values[f].is_null());
    CHECK(service.features.values[f].bits == service.decision.features.values[f].bits);
  }
  CHECK(service.features.texts[static_cast<std::size_t>(service.contract().find_feature("latest"))] == "a tag that is known to many rows");
}

TEST_CASE("a model's scores allocate nothing, whether of one row or of many") {
  const Ensemble model = bench::random_model(40, 7, 20);
  const std::vector<float> rows(1000 * model.features(), 0.25f);
  std::vector<float> out(1000);
  for (const std::size_t n : {1, 5, 64, 1000}) {
    const std::int64_t before = allocations;
    model.margin(rows, n, out);
    model.predict(rows, n, out);
    CHECK(allocations - before == 0);
  }
}

TEST_CASE("a text that an earlier answer left in the caller's memory does not stand in the next one") {
  Scorer scorer(Bundle::make(Contract::parse(contract_text()).value(), std::nullopt, std::nullopt).value(), StateOptions{}, nullptr, nullptr);
  const Source& source = scorer.contract().sources()[0];
  std::vector<Cell> row(source.fields.size()), request(scorer.contract().request().size());
  const auto set = [&](const char* name, Cell cell) {
    row[static_cast<std::size_t>(source.find_field(name))] = cell;
    if (const int f = scorer.contract().find_request(name); f >= 0) request[static_cast<std::size_t>(f)] = cell;
  };
  set("at", Cell::of(monday));
  set("card_id", Cell::of(std::string_view("c1")));
  set("tag", Cell::of(std::string_view("food")));
  REQUIRE(scorer.observe(0, row) == Refusal::none);
  const auto latest = static_cast<std::size_t>(scorer.contract().find_feature("latest"));
  ServedFeatures out;
  scorer.features(request, monday + 1, out);
  CHECK(out.texts[latest] == "food");
  set("card_id", Cell::of(std::string_view("c2")));
  scorer.features(request, monday + 2, out);
  CHECK(out.texts[latest].empty());
}
