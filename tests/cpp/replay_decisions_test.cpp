// Logs from strangers: what replay_decisions does with records that no scorer wrote.
#include <featlib/scorer.hpp>

#include "support/contracts.hpp"

#include <catch2/catch.hpp>

#include <limits>

using namespace featlib;
using namespace featlib::testing;

namespace {

/// One bundle and the records of it, held in memory so that a test can forge them.
class ForgedLog : public DecisionLog {
 public:
  Result<std::monostate> store_bundle(const Versions& versions, std::span<const std::byte> bytes) override {
    versions_ = versions;
    bundle_.assign(bytes.begin(), bytes.end());
    return std::monostate{};
  }
  Result<std::monostate> append(const Record& record) override {
    records.push_back(record);
    return std::monostate{};
  }
  Result<std::monostate> flush() override { return std::monostate{}; }
  Result<std::monostate> iterate(const LogFilter&, const std::function<bool(const Record&)>& visit) override {
    for (const Record& record : records) visit(record);
    return std::monostate{};
  }
  Result<std::vector<std::byte>> bundle_bytes(std::string_view) override { return bundle_; }
  Result<Versions> versions(std::string_view) override { return versions_; }
  Result<std::int64_t> count() override { return static_cast<std::int64_t>(records.size()); }

  std::vector<Record> records;

 private:
  Versions versions_;
  std::vector<std::byte> bundle_;
};

constexpr Instant now = 1'600'000'000 * second;

/// A log of one decision, its inputs amount, tag, card_id, txn_id, ... as the contract's request has them; and the table it saw: empty.
struct Decided {
  Decided() {
    const std::string features = "  mean: {from: transactions, aggregate: mean(amount), window: 1d, bounds: \"[)\"}\n  share: {from: transactions, aggregate: share(tag), window: 1d, bounds: \"[)\"}\n";
    Bundle bundle = Bundle::make(parse(card_contract(features)), std::nullopt).value();
    Scorer scorer(bundle, StateOptions{}, log);
    std::vector<Cell> request;
    for (const Field& field : bundle.contract().request()) request.push_back(field.type == Type::float64 ? Cell::of(1.5) : field.type == Type::int64 ? Cell{} : Cell::of(std::string_view("a")));
    REQUIRE(scorer.decide(request, now).mode != Mode::bad_request);
    ArrowArrayStream stream;
    scorer.export_history(0, &stream);
    sources.emplace("transactions", Table::from_stream(&stream, "transactions").value());
    for (std::size_t f = 0; f < bundle.contract().request().size(); ++f) names[bundle.contract().request()[f].name] = f;
  }

  Result<DecisionReplay> replay() { return replay_decisions(*log, sources, {}); }
  LoggedValue& input(const std::string& name) { return log->records.front().inputs[names.at(name)]; }

  std::shared_ptr<ForgedLog> log = std::make_shared<ForgedLog>();
  std::map<std::string, Table> sources;
  std::map<std::string, std::size_t> names;
};

}  // namespace

TEST_CASE("a record as it was written replays to the same bits") {
  Decided decided;
  const DecisionReplay report = decided.replay().value();
  CHECK(report.decisions == 1);
  CHECK(report.differing_bits == 0);
}

TEST_CASE("a value that its field cannot hold is no value: a text's number would be taken for a text") {
  const auto refused = [](const std::string& name, LoggedValue value) {
    Decided decided;
    decided.input(name) = std::move(value);
    const auto report = decided.replay();
    REQUIRE_FALSE(report);
    CHECK(report.error().failures().front().code == ErrorCode::log_format);
    CHECK(report.error().failures().front().message.find("`" + name + "`") != std::string::npos);
  };
  refused("tag", std::int64_t{1'000'000});
  refused("tag", 0.5);
  refused("card_id", std::int64_t{-1});
  refused("amount", std::int64_t{7});
  refused("amount", std::string("7"));
}

TEST_CASE("a record of fewer fields than its contract has is refused") {
  Decided decided;
  decided.log->records.front().inputs.pop_back();
  REQUIRE_FALSE(decided.replay());
  Decided other;
  other.log->records.front().features.emplace_back();
  REQUIRE_FALSE(other.replay());
}

TEST_CASE("instants outside time and numbers that are none are decisions that could not be read") {
  for (const Instant as_of : {std::numeric_limits<Instant>::min(), std::numeric_limits<Instant>::max(), earliest_instant - 1, latest_instant}) {
    Decided decided;
    decided.log->records.front().as_of = as_of;
    CHECK(decided.replay().value().differing_decisions == 1);
  }
  Decided decided;
  decided.input("amount") = std::numeric_limits<double>::quiet_NaN();
  CHECK(decided.replay().value().differing_decisions == 1);
}
