/// Contracts: what is read, what is refused and where, what a fingerprint covers. The keys themselves are walked in their table.
#include <featlib/contract/contract.hpp>

#include "contract/keys.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <random>
#include <set>

using namespace featlib;
using namespace std::string_literals;
using Catch::Matchers::Contains;
using contract::In;
using Json = nlohmann::ordered_json;

namespace {

const std::string good = R"(featlib: 1
name: card_risk
version: 2.1.0
owner: team-risk@example.com
entities:
  card: {key: card_id, type: string}
  terminal: {key: terminal_id, type: int64}
sources:
  transactions:
    entities: [card, terminal]
    keys: {card: pan}
    event_time: {column: ts, unit: s}
    available_time: ingested_at
    sequence: {card: seq}
    dedup: txn_id
    retention: 30d
    columns:
      txn_id: {type: string}
      amount: {type: decimal, scale: 2, unit: USD}
      country: {type: string}
      opened_at: {type: timestamp, tz: Europe/Berlin}
      is_fraud: {type: bool, available_after: 7d}
      is_disputed: {type: bool, available_at: disputed_at}
  payments:
    entity: card
    event_time: paid_at
    delay: 1h
    retention: 400d
request_of: transactions
request:
  amount: {type: decimal, scale: 2, unit: USD}
  country: {type: string}
defaults: {bounds: "(]", min_rows: 1}
features:
  avg_amount:
    from: transactions
    by: card
    aggregate: mean(amount)
    where: amount > 0
    window: 7d
    fallback: 0.0
    range: [0, 100000]
    unit: USD
    reason: Spends otherwise
    checks: {psi: 0.2, null_rate: 0.01, distribution_match: 0.05, coverage_rows: 0.9, coverage_values: 0.8}
  fraud_share:
    from: transactions
    by: terminal
    aggregate: mean(is_fraud)
    window: 7d
    offset: 7d
  spread: {from: transactions, by: card, aggregate: std(amount), window: 7d, ddof: 0}
  previous_country: {from: transactions, by: card, aggregate: last(country), window: 7d, nulls: keep}
  idle_days: {from: payments, aggregate: time_since_last(days), window: 365d, model_missing: 999}
  country:
    from: request.country
    type: category
    vocabulary: [DE, FR, NO]
  relative: {expr: request.amount / avg_amount}
model: {inputs: [avg_amount, fraud_share, spread, idle_days, country, relative]}
)";

struct Edit {
  std::string from, to;
};
using Edits = std::vector<Edit>;

std::string edited(std::string text, const Edits& edits) {
  for (const Edit& edit : edits) {
    const auto at = text.find(edit.from);
    CAPTURE(edit.from, edit.to);
    REQUIRE(at != std::string::npos);
    text.replace(at, edit.from.size(), edit.to);
  }
  return text;
}

std::vector<Failure> failures(const std::string& text) {
  const auto parsed = Contract::parse(text, {}, "card_risk.yaml");
  return parsed ? std::vector<Failure>{} : parsed.error().failures();
}

/// 1-based, as editors count.
struct Place {
  int line, column;
};

/// Takes the one `^` out of the text: it stands before the place that an error must name.
Place take_mark(std::string& text) {
  const auto at = text.find('^');
  REQUIRE(at != std::string::npos);
  text.erase(at, 1);
  REQUIRE(text.find('^') == std::string::npos);
  const auto line = text.rfind('\n', at - 1);
  return {1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n')), static_cast<int>(at == 0 ? 1 : at - (line == std::string::npos ? 0 : line + 1) + 1)};
}

// ---- what is refused ------------------------------------------------------------------------------------------------

struct Wrong {
  Edits edits;
  ErrorCode code;
  std::string_view message, help;   ///< parts of them
};

const std::vector<Wrong>& wrongs() {
  using enum ErrorCode;
  static const std::vector<Wrong> table{
      // The text
      {{{"entities: [card, terminal]", "entities: [card, terminal"}, {"keys: {", "keys^: {"}}, invalid_yaml, "", "bracket"},
      {{{"  payments:", "  ^transactions:"}}, invalid_yaml, "key `transactions` stands twice", "keep one"},
      {{{"  relative:", "  ^spread:"}}, invalid_yaml, "key `spread` stands twice", "keep one"},
      {{{"model:", "---\n^model:"}}, invalid_yaml, "a second document", "one contract a file"},
      {{{"name: card_risk", "name: ^\0card_risk"s}}, invalid_yaml, "a zero byte", "UTF-8"},
      {{{"name: card_risk", "name: caf\xc3\xa9^\xe9"}}, invalid_yaml, "a byte that is not UTF-8", "UTF-8"},
      {{{"name: card_risk", "name: ^*card"}}, invalid_yaml, "anchor", ""},
      {{{"name: card_risk", "name: &card [^*card]"}}, invalid_yaml, "alias", "itself"},
      {{{"  card: {", "  card: {<<: [^key], "}}, invalid_yaml, "`<<` merges maps only", ""},
      {{{"{card: pan}", "{^[card]: pan}"}}, invalid_yaml, "no plain text", "names"},
      // Keys
      {{{"owner:", "^ownr:"}}, unknown_key, "the contract has no key `ownr`", "did you mean `owner`?"},
      {{{"{key: card_id", "{^ky: card_id"}}, unknown_key, "entity `card` has no key `ky`", "`key`"},
      {{{"dedup:", "^dedupe:"}}, unknown_key, "source `transactions` has no key `dedupe`", "`dedup`"},
      {{{"{column: ts, unit", "{column: ts, ^units"}}, unknown_key, "`event_time` has no key `units`", "`unit`"},
      {{{"available_after", "^availabl_after"}}, unknown_key, "column `is_fraud`", "`available_after`"},
      {{{"window: 7d\n", "^windw: 7d\n"}}, unknown_key, "feature `avg_amount` has no key `windw`", "`window`"},
      {{{"min_rows: 1}", "^minrows: 1}"}}, unknown_key, "defaults has no key `minrows`", "`min_rows`"},
      {{{"inputs:", "^input:"}}, unknown_key, "model has no key `input`", "`inputs`"},
      {{{"null_rate:", "^null_rates:"}}, unknown_key, "checks has no key `null_rates`", "`null_rate`"},
      {{{"featlib: 1", "^featlib: 1"}, {"version: 2.1.0\n", ""}}, missing_key, "the contract lacks `version`", "version:"},
      {{{"terminal: {", "terminal: ^{"}, {", type: int64", ""}}, missing_key, "entity `terminal` lacks `type`", "type:"},
      {{{"    entity: card\n    event", "    ^event"}}, missing_key, "source `payments` lacks `entity`", "entity:"},
      {{{"    entity: card\n", "    ^entity: card\n"}, {"    retention: 400d\n", ""}}, missing_key, "source `payments` lacks `retention`", "retention:"},
      {{{"{type: string}\n      amount", "^{}\n      amount"}}, missing_key, "column `txn_id` lacks `type`", "type:"},
      {{{"{type: decimal, scale: 2", "^{type: decimal"}}, missing_key, "decimal `amount` lacks `scale`", "scale: 2"},
      {{{"{column: ts, unit", "^{unit"}}, missing_key, "`event_time` lacks `column`", "column:"},
      {{{"    from: transactions\n", "    ^from: transactions\n"}, {"    window: 7d\n", ""}}, missing_key, "lacks `window`", "window:"},
      {{{"    from: transactions\n", "    ^from: transactions\n"}, {"    by: card\n", ""}}, missing_key, "several entities", "by: card or terminal"},
      {{{"    from: request.country\n", "    ^from: request.country\n"}, {"    vocabulary: [DE, FR, NO]\n", ""}}, missing_key, "category `country` lacks `vocabulary`", "list of values"},
      {{{"expr: request.amount / avg_amount", "expr: ^request.country"}}, missing_key, "lacks `type`", "type: category"},
      {{{"{inputs: [avg_amount, fraud_share, spread, idle_days, country, relative]}", "^{}"}}, missing_key, "model lacks `inputs`", "inputs:"},
      // What a key holds
      {{{"name: card_risk", "name: ^[card_risk]"}}, wrong_type, "`name` is a collection; expected text", "name"},
      {{{"card: {key: card_id, type: string}", "card: ^card_id"}}, wrong_type, "entity `card` is no map", ""},
      {{{"retention: 30d", "retention: ^[30d]"}}, wrong_type, "`retention` is a collection", "30d"},
      {{{"window: 7d\n", "window:\n    ^bounds: \"[)\"\n"}}, wrong_type, "`window` is empty; expected a duration", "7d"},
      {{{"window: 365d", "window: 365d, include_request: ^yes"}}, wrong_type, "`include_request` is \"yes\"; expected true or false", ""},
      {{{"window: 365d", "last: ^1.5"}}, wrong_type, "`last` is \"1.5\"; expected a whole number", ""},
      {{{"min_rows: 1}", "min_rows: ^\"1\"}"}}, wrong_type, "`min_rows` is \"1\"; expected a whole number", "quotes"},
      {{{"model_missing: 999", "model_missing: ^\"999\""}}, wrong_type, "expected a number", "quotes"},
      {{{"psi: 0.2", "psi: ^high"}}, wrong_type, "`psi` is \"high\"; expected a number", ""},
      {{{"range: [0, 100000]", "range: ^5"}}, wrong_type, "`range` is [low, high]", ""},
      {{{"range: [0, 100000]", "range: [^low, 100000]"}}, wrong_type, "`range` is \"low\"", ""},
      {{{"fallback: 0.0", "fallback: ^none"}}, wrong_type, "feature `avg_amount` is a float64: expected a number", ""},
      {{{"sequence: {card: seq}", "sequence: {card: ^amount}"}}, wrong_type, "column `amount` is declared `decimal`", ""},
      {{{"dedup: txn_id", "dedup: ^is_fraud"}}, wrong_type, "`is_fraud` cannot be a key", "int64, string or bool"},
      {{{"spread, idle_days", "spread, ^previous_country"}}, wrong_type, "input `previous_country` is text", "type: category"},
      {{{"featlib: 1", "featlib: ^2"}}, bad_value, "`featlib` is 2", ""},
      {{{"version: 2.1.0", "version: ^2.1"}}, bad_value, "expected major.minor.patch", "1.0.0"},
      {{{"team-risk@example.com", "^''"}}, bad_value, "`owner` is empty", "who is asked"},
      {{{"type: int64}", "type: ^float64}"}}, bad_value, "expected int64, string, uuid or bool", "floats are no keys"},
      {{{"unit: s}", "unit: ^sec}"}}, bad_value, "time unit \"sec\"; expected s, ms, us or ns", ""},
      {{{"tz: Europe/Berlin", "tz: ^Europe/Berln"}}, bad_value, "no zone of the time-zone database", "e.g."},
      {{{"type: bool,", "type: ^boole,"}}, bad_value, "\"boole\" is no type; expected bool, int64", "did you mean `bool`?"},
      {{{"scale: 2", "scale: ^19"}}, bad_value, "`scale` is 19; expected 0 to 18", ""},
      {{{"scale: 2, unit: USD", "scale: 2, nan: ^zero"}}, bad_value, "expected reject or null", ""},
      {{{"retention: 400d", "retention: ^0d"}}, bad_value, "a retention of nothing", ""},
      {{{"[card, terminal]", "^[card, terminal, card]"}}, bad_value, "entity `card` stands twice", ""},
      {{{"bounds: \"(]\"", "bounds: ^\"([\""}}, bad_value, "expected \"[)\", \"(]\", \"[]\" or \"()\"", ""},
      {{{"window: 7d\n", "window: ^0s\n"}}, bad_value, "a window of nothing", ""},
      {{{"window: 365d", "last: ^0"}}, bad_value, "`last` is 0", ""},
      {{{"ddof: 0", "ddof: ^2"}}, bad_value, "`ddof` is 2; expected 0 to 1", ""},
      {{{"nulls: keep", "nulls: ^kept"}}, bad_value, "expected keep or skip", ""},
      {{{"range: [0, 100000]", "range: ^[1, 0]"}}, bad_value, "low is above high", ""},
      {{{"null_rate: 0.01", "null_rate: ^1.01"}}, bad_value, "expected 0 to 1", ""},
      {{{"[DE, FR, NO]", "^[DE, FR, DE]"}}, bad_value, "vocabulary value \"DE\" stands twice", ""},
      {{{"[DE, FR, NO]", "{file: ^../countries.txt}"}}, bad_value, "outside the contract's folder", ""},
      {{{"[DE, FR, NO]", "{file: ^no_such_file.txt}"}}, bad_value, "cannot be read", "beside the contract"},
      {{{"type: category", "type: ^int64"}, {"    vocabulary: [DE, FR, NO]\n", ""}}, bad_value, "the feature is a string", "nothing is cast"},
      {{{"country, relative]", "country, ^country, relative]"}}, bad_value, "input `country` stands twice", ""},
      {{{"  spread:", "  ^2nd_moment:"}, {"spread, ", ""}}, bad_name, "`2nd_moment` is no name", ""},
      {{{"  spread:", "  ^as_of:"}, {"spread, ", ""}}, bad_name, "featlib's own", "choose another"},
      {{{"  spread:", "  ^spread__status:"}, {"spread, ", ""}}, bad_name, "featlib's own", "choose another"},
      {{{"      country: {", "      ^known_at: {"}}, bad_name, "featlib's own", "choose another"},
      {{{"window: 365d", "window: ^365"}}, bad_duration, "`window` is \"365\"; expected a number with us, ms, s, m, h or d", "7d"},
      {{{"window: 365d", "window: ^-1d"}}, bad_duration, "\"-1d\"", "7d"},
      {{{"window: 365d", "window: ^52 weeks"}}, bad_duration, "\"52 weeks\"", "7d"},
      {{{"window: 365d", "window: ^0.33us"}}, bad_duration, "\"0.33us\"", "7d"},
      {{{"window: 365d", "window: ^999999999999d"}}, bad_duration, "\"999999999999d\"", "7d"},
      {{{"delay: 1h", "delay: ^1 h"}}, bad_duration, "`delay`", "7d"},
      {{{"available_after: 7d", "available_after: ^week"}}, bad_duration, "`available_after`", "7d"},
      // Expressions and aggregates
      {{{"where: amount > 0", "where: amount >^"}}, bad_expression, "found the end", ""},
      {{{"where: amount > 0", "where: ^amount"}}, bad_expression, "`where` is no condition", "compare something"},
      {{{"where: amount > 0", "where: \"^country + 1 > 0\""}}, bad_expression, "", ""},
      {{{"mean(amount)", "^mean"}}, bad_expression, "`mean` is no call", "mean(column)"},
      {{{"mean(amount)", "^mean( )"}}, bad_expression, "`mean( )`: expected mean(column)", ""},
      {{{"mean(amount)", "^mean(country)"}}, bad_expression, "mean of a string; expected a number or a bool", ""},
      {{{"mean(amount)", "^count(amount)"}}, bad_expression, "`count(amount)`: expected count()", "count_if"},
      {{{"mean(amount)", "^count_if(amount)"}}, bad_expression, "expected a condition", ""},
      {{{"mean(amount)", "lag(amount, ^-1)"}}, bad_expression, "expected a k from 0 to 100000", ""},
      {{{"last(days)", "last(^years)"}}, bad_expression, "expected us, ms, seconds, minutes, hours or days", ""},
      {{{"request.amount / avg_amount", "^country = 'DE'"}}, bad_expression, "`country` is a category", "request."},
      {{{"mean(amount)", "^maen(amount)"}}, unknown_aggregate, "no aggregate `maen`", "did you mean `mean`?"},
      // Names that refer to nothing
      {{{"    entity: card", "    entity: ^crad"}}, unknown_name, "names entity `crad`, which is not declared", "`card`"},
      {{{"keys: {card", "keys: {^shop"}}, unknown_name, "`keys` names `shop`", ""},
      {{{"sequence: {card", "sequence: {^shop"}}, unknown_name, "`sequence` names `shop`", ""},
      {{{"request_of: transactions", "request_of: ^transaction"}}, unknown_name, "which is no source", "`transactions`"},
      {{{"from: payments", "from: ^payment"}}, unknown_name, "reads `payment`, which is no source", "`payments`"},
      {{{"by: card", "by: ^crad"}}, unknown_name, "is by `crad`", "`card`"},
      {{{"mean(amount)", "mean(^amuont)"}}, unknown_name, "source `transactions` has no column `amuont`", "`amount`"},
      {{{"where: amount > 0", "where: 0 < ^amuont"}}, unknown_name, "source `transactions` has no column `amuont`", "`amount`"},
      {{{"from: request.country", "from: ^request.contry"}}, unknown_name, "the request has no field `contry`", "`country`"},
      {{{"{expr: request.amount /", "{expr: ^request.amuont /"}}, unknown_name, "the request has no field `amuont`", "`amount`"},
      {{{"/ avg_amount", "/ ^avg_amuont"}}, unknown_name, "no feature `avg_amuont`", "`avg_amount`"},
      {{{"/ avg_amount", "/ ^amount"}}, unknown_name, "no feature `amount`", "request.amount"},
      {{{"idle_days, country", "idle_day^s, country"}, {"idle_day^s", "^idledays"}}, unknown_name, "`inputs` names `idledays`, which is no feature", "`idle_days`"},
      // What contradicts
      {{{"window: 365d", "window: ^401d"}}, window_exceeds_retention, "feature `idle_days` needs 401d of `payments`, serving keeps 400d (line 28)", "raise `retention`"},
      {{{"window: 365d", "window: ^365d, offset: 36d"}}, window_exceeds_retention, "needs 365d + 36d", "lower the window"},
      {{{"window: 365d", "last: 3, offset: ^401d"}}, window_exceeds_retention, "serving keeps 400d", "lower"},
      {{{"    offset: 7d\n", ""}, {"mean(is_fraud)", "^mean(is_fraud)"}}, label_too_young, "reads `is_fraud` up to 0s before the decision", "offset: 7d"},
      {{{"offset: 7d", "offset: ^167h"}}, label_too_young, "up to 167h before the decision, it is known 7d after", "offset: 7d"},
      {{{"where: amount > 0", "where: is_fraud"}, {"mean(amount)", "^mean(amount)"}}, label_too_young, "`is_fraud`", "offset: 7d"},
      {{{"request.amount / avg_amount", "^relative + 1"}}, cycle, "relative -> relative", "break it"},
      {{{"request.amount / avg_amount}", "^twice / 2}\n  twice: {expr: relative * 2}"}}, cycle, "relative -> twice -> relative", "break it"},
      {{{"    entity: card\n", "    entity: card\n    entities: ^[card]\n"}}, conflicting_keys, "`entity` is short for `entities`", ""},
      {{{"available_time: ingested_at", "available_time: ingested_at\n    delay: ^1h"}}, conflicting_keys, "`available_time` and `delay` exclude each other", ""},
      {{{"type: bool, ", "type: bool, scale: ^2, "}}, conflicting_keys, "`scale` belongs to decimals", ""},
      {{{"type: bool, ", "type: bool, floor: ^true, "}}, conflicting_keys, "`floor` belongs to timestamps", ""},
      {{{"type: bool, ", "type: bool, round: ^true, "}}, conflicting_keys, "`round` belongs to decimals", ""},
      {{{"type: bool, ", "type: bool, nan: ^reject, "}}, conflicting_keys, "`nan` belongs to float64 and decimal", ""},
      {{{"available_after: 7d", "available_after: 7d, available_at: ^seen"}}, conflicting_keys, "exclude each other", ""},
      {{{"window: 365d", "window: 365d, lifetime: ^true"}}, conflicting_keys, "`window` and `lifetime` exclude each other", ""},
      {{{"  relative: {", "  ^relative: {aggregate: count(), "}}, conflicting_keys, "exactly one of `aggregate`", ""},
      {{{"  relative: {expr: request.amount / avg_amount}", "  ^relative: {type: int64}"}}, conflicting_keys, "exactly one of `aggregate`", ""},
      {{{"relative: {", "relative: {window: ^7d, "}}, conflicting_keys, "`window` belongs to aggregates", ""},
      {{{"window: 365d", "window: 365d, nulls: ^keep"}}, conflicting_keys, "`nulls` belongs to first, last, lag and last_k", ""},
      {{{"window: 365d", "window: 365d, ddof: ^0"}}, conflicting_keys, "`ddof` belongs to std, var, skew and kurtosis", ""},
      {{{"relative: {", "relative: {vocabulary: ^[a], "}}, conflicting_keys, "`vocabulary` belongs to `type: category`", ""},
      {{{"window: 365d", "window: 365d, offset: 1d, include_request: ^true"}}, conflicting_keys, "ends 1d before it", "offset: 0s"},
      {{{"window: 365d", "window: 365d, bounds: \"[)\", include_request: ^true"}}, conflicting_keys, "leave it out", "(]"},
      {{{"where: amount > 0", "where: amount > ^request.amount"}}, unsupported, "compared with the request", "`expr`"},
  };
  return table;
}

}  // namespace

TEST_CASE("the contract of these tests is good") { CHECK(failures(good).empty()); }

TEST_CASE("a wrong contract is refused with its code, its place, what was expected and a remedy") {
  for (const Wrong& wrong : wrongs()) {
    std::string text = edited(good, wrong.edits);
    const Place place = take_mark(text);
    const std::vector<Failure> found = failures(text);
    std::string all;
    for (const Failure& failure : found) all += failure.text() + "\n";
    CAPTURE(wrong.edits[0].to, all, to_string(wrong.code), place.line, place.column);
    const auto failure = std::find_if(found.begin(), found.end(), [&](const Failure& f) { return f.code == wrong.code && f.line == place.line && f.column == place.column; });
    CHECK(failure != found.end());
    if (failure == found.end()) continue;
    CHECK(failure->path == "card_risk.yaml");
    CHECK_THAT(failure->message, Contains(std::string(wrong.message)));
    CHECK_THAT(failure->help, Contains(std::string(wrong.help)));
    CHECK_FALSE(failure->help.empty());
  }
}

TEST_CASE("every code of contracts is met by a wrong contract") {
  std::set<ErrorCode> met;
  for (const Wrong& wrong : wrongs()) met.insert(wrong.code);
  for (const ErrorCodeRow& row : error_codes()) {
    CAPTURE(row.text);
    CHECK((row.stage != Stage::contract || met.contains(row.code)));
  }
}
