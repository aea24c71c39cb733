#include <featlib/scorer.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <optional>

namespace featlib {
namespace {

constexpr std::size_t listed = 100;

/// Nothing when a field of this type holds no such value: the log is a file, and files may come from anyone.
std::optional<Slot> slot_of(const LoggedValue& value, const Field& field, TextPool& pool) {
  const bool texts = field.type == Type::string || field.any_key;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    if (field.type == Type::float64 || (texts && !field.any_key) || (field.type == Type::boolean && *integer != 0 && *integer != 1)) return std::nullopt;
    return Slot{static_cast<std::uint64_t>(*integer), Held::value};
  }
  if (const auto* real = std::get_if<double>(&value)) {
    if (field.type != Type::float64) return std::nullopt;
    return Slot{std::bit_cast<std::uint64_t>(*real), Held::value};
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (!texts) return std::nullopt;
    return Slot{pool.acquire(*text), field.any_key ? Held::text : Held::value};
  }
  return Slot{};
}

Refusal refusal_of(const Record& record) {
  if (record.as_of < earliest_instant || record.as_of >= latest_instant) return Refusal::bad_year;
  const auto finite = [](const LoggedValue& value) { const auto* real = std::get_if<double>(&value); return !real || std::isfinite(*real); };
  const bool good = record.mode != Mode::bad_request && std::all_of(record.inputs.begin(), record.inputs.end(), finite);
  return good ? Refusal::none : Refusal::not_finite;
}

/// What was asked, as replay reads it: from the records instead of a table.
Result<std::monostate> read_requests(const std::vector<Record>& records, ReplayInput& input) {
  const Contract& contract = input.plan->contract();
  Requests& out = input.requests;
  const std::size_t n = records.size();
  out.fields.resize(contract.request().size());
  for (SlotColumn& column : out.fields) column.resize(n);
  out.as_of = SharedArray<Instant>(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (records[i].inputs.size() != contract.request().size() || records[i].features.size() != contract.features().size())
      return Error(ErrorCode::log_format, fmt::format("record `{}` does not have the fields of its own contract", records[i].request_id));
    out.as_of.own()[i] = records[i].as_of;
    out.refused.push_back(refusal_of(records[i]));
    for (std::size_t f = 0; f < out.fields.size(); ++f) {
      const auto slot = slot_of(records[i].inputs[f], contract.request()[f], *input.pool);
      if (!slot)
        return Error(ErrorCode::log_format, fmt::format("record `{}` holds a value of `{}` that is no {}", records[i].request_id, contract.request()[f].name, to_string(contract.request()[f].type)));
      out.fields[f].set(static_cast<Row>(i), *slot);
    }
  }
  find_entities(contract, input.entities, input.sources, out, 1);
  return std::monostate{};
}

struct Compared {
  std::uint64_t bits;
  std::string shown;
};

Compared compared(const LoggedValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return {static_cast<std::uint64_t>(*integer), fmt::format("{}", *integer)};
  if (const auto* real = std::get_if<double>(&value)) return {std::bit_cast<std::uint64_t>(*real), fmt::format("{}", *real)};
  if (const auto* text = std::get_if<std::string>(&value)) return {std::hash<std::string>{}(*text), *text};
  return {0, "null"};
}

class Comparison {
 public:
  Comparison(DecisionReplay& report, const Record& record) : report_(report), record_(record) { ++report_.decisions; }
  ~Comparison() { report_.differing_decisions += differs_; }

  void value(const std::string& what, std::uint64_t was, std::uint64_t is, const std::string& shown_was, const std::string& shown_is) {
    ++report_.values;
    if (was == is && shown_was == shown_is) return;
    differs_ = true;
    report_.differing_bits += std::max(1, std::popcount(was ^ is));
    if (report_.first.size() < listed) report_.first.push_back({record_.request_id, what, shown_was, shown_is});
  }
  void number(const std::string& what, double was, double is) {
    // No score is one thing, whatever the bits of its NaN.
    if (std::isnan(was) && std::isnan(is)) { ++report_.values; return; }
    value(what, std::bit_cast<std::uint64_t>(was), std::bit_cast<std::uint64_t>(is), fmt::format("{}", was), fmt::format("{}", is));
  }

 private:
  DecisionReplay& report_;
  const Record& record_;
  bool differs_ = false;
};

Result<std::monostate> replay_bundle(const Bundle& bundle, const std::vector<Record>& records, const std::map<std::string, Table>& sources,
                                     const ReplayOptions& options, DecisionReplay& report) {
  auto read = read_sources(bundle.contract(), sources, options);
  if (!read) return read.error();
  ReplayInput& input = read.value();
  if (auto requests = read_requests(records, input); !requests) return requests.error();
  FeatureTable table(input.plan, records.size(), input.pool);
  replay_into(input, options, table);

  const Contract& contract = bundle.contract();
  const VectorBuilder builder(*input.plan, *input.pool);
  std::vector<FeatureValue> features(contract.features().size());
  std::vector<Slot> request(contract.request().size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Record& record = records[i];
    table.row(i, features);
    for (std::size_t f = 0; f < request.size(); ++f) request[f] = input.requests.fields[f][static_cast<Row>(i)];
    Comparison comparison(report, record);
    for (std::size_t f = 0; f < features.size(); ++f) {
      const Feature& spec = contract.features()[f];
      LoggedValue is;
      if (!features[f].is_null()) {
        if (spec.type == Type::string) is = std::string(table.text(static_cast<int>(f), features[f]));
        else if (spec.type == Type::float64) is = features[f].real();
        else is = features[f].integer();
      }
      const Compared was = compared(record.features[f].value), now = compared(is);
      comparison.value(spec.name, was.bits, now.bits, was.shown, now.shown);
      comparison.value(spec.name + "__status", record.features[f].status, features[f].status, fmt::format("{}", record.features[f].status),
                       fmt::format("{}", features[f].status));
    }
    if (record.mode == Mode::bad_request) continue;
    const Scored scored = score_vector(bundle, builder, request, record.as_of, features);
    comparison.number("score", record.score, scored.score);
    comparison.number("margin", record.margin, scored.margin);
    comparison.value("outcome", static_cast<std::uint64_t>(record.outcome), static_cast<std::uint64_t>(scored.ruling.outcome), std::string(to_string(record.outcome)),
                     std::string(to_string(scored.ruling.outcome)));
  }
  return std::monostate{};
}

}  // namespace

Result<DecisionReplay> replay_decisions(DecisionLog& log, const std::map<std::string, Table>& sources, const ReplayOptions& options) {
  std::map<std::string, std::vector<Record>> by_bundle;
  if (auto visited = log.iterate({}, [&](const Record& record) { by_bundle[record.bundle].push_back(record); return true; }); !visited) return visited.error();
  DecisionReplay report;
  for (const auto& [hash, records] : by_bundle) {
    auto bytes = log.bundle_bytes(hash);
    if (!bytes) return bytes.error();
    auto bundle = Bundle::parse(bytes.value(), hash);
    if (!bundle) return bundle.error();
    if (auto done = replay_bundle(bundle.value(), records, sources, options, report); !done) return done.error();
  }
  return report;
}

}  // namespace featlib
