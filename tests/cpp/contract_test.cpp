/// Contracts: what is read, what is refused and where, what a fingerprint covers. The keys themselves are walked in their table.
#include <featlib/contract/contract.hpp>

#include "contract/keys.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <tuple>

using namespace featlib;
using namespace std::string_literals;
using Catch::Matchers::Contains;
using contract::Class;
using contract::In;
using Json = nlohmann::ordered_json;

namespace {

const std::string good = R"yaml(featlib: 1
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
  refunds: {entity: card, event_time: refunded_at, delay: 1h, retention: 390d}
  money: {union: [payments, refunds], retention: 380d}
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
  today: {from: payments, by: card, aggregate: count(), window: 1d, bounds: "[)", bucket: current, origin: "2024-01-01T05:00:00Z"}
  visit: {from: payments, by: card, aggregate: count(), gap: 30m, max_length: 4h}
  home_country: {from: transactions, by: card, aggregate: as_of(country), max_age: 20d}
model: {inputs: [avg_amount, fraud_share, spread, idle_days, country, relative]}
)yaml";

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

Contract parse(const std::string& text) { return Contract::parse(text, {}, "card_risk.yaml").value(); }

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
      {{{"union: [payments, refunds], retention", "union: [payments, refunds], ^dedup"}}, unknown_key, "union `money` has no key `dedup`", "one of union, retention"},
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
      {{{"visit: {", "visit: ^{"}, {", max_length: 4h", ""}}, missing_key, "lacks `max_length`", "max_length:"},
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
      {{{"    entity: card\n", "    entities: ^[]\n"}}, bad_value, "source `payments` has no entity", "entities: [card, terminal]"},
      {{{"bounds: \"(]\"", "bounds: ^\"([\""}}, bad_value, "expected \"[)\", \"(]\", \"[]\" or \"()\"", ""},
      {{{"window: 7d\n", "window: ^0s\n"}}, bad_value, "a window of nothing", ""},
      {{{"bucket: current", "bucket: ^hourly"}}, bad_value, "`bucket` is \"hourly\"; expected current or complete", "one of current, complete"},
      {{{"\"2024-01-01T05:00:00Z\"", "^yesterday"}}, bad_value, "expected an RFC 3339 instant", "origin:"},
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
      {{{"[payments, refunds]", "^[payments, refund]"}}, unknown_name, "names `refund`, which is no source", "`refunds`"},
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
      {{{"retention: 380d", "retention: ^391d"}}, bad_value, "its member `refunds` 390d (line 29)", "leave it out"},
      {{{"window: 1d, bounds: \"[)\", bucket: current", "window: ^201d, bounds: \"[)\", bucket: complete"}}, window_exceeds_retention, "needs 201d + 201d", "lower"},
      {{{"max_length: 4h", "max_length: ^400d"}}, window_exceeds_retention, "needs 400d + 30m", "lower"},
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
      {{{"gap: 30m", "window: 1d, gap: ^30m"}}, conflicting_keys, "`window` and `gap` exclude each other", "keep one"},
      {{{"bucket: current, ", ""}, {"\"2024-01", "^\"2024-01"}}, conflicting_keys, "`origin` belongs to `bucket`", "leave it out"},
      {{{"bounds: \"[)\", bucket: current", "bucket: ^current"}}, conflicting_keys, "the default bounds \"(]\" do not fit", "bounds: \"[)\""},
      {{{"  relative: {", "  ^relative: {aggregate: count(), "}}, conflicting_keys, "exactly one of `aggregate`", ""},
      {{{"  relative: {expr: request.amount / avg_amount}", "  ^relative: {type: int64}"}}, conflicting_keys, "exactly one of `aggregate`", ""},
      {{{"relative: {", "relative: {from: ^payments, "}}, conflicting_keys, "`from` belongs to aggregates", "names what it reads"},
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

TEST_CASE("everything that is wrong is told at once, in the order of the file") {
  const std::vector<Failure> found = failures(edited(good, {{"owner", "ownr"}, {"30d", "thirty days"}, {"mean(amount)", "mean(amuont)"}, {"ddof: 0", "ddof: 2"}}));
  REQUIRE(found.size() == 5);
  CHECK(std::is_sorted(found.begin(), found.end(), [](const Failure& a, const Failure& b) { return a.line < b.line; }));
  CHECK(found[1].text() == "error[unknown-key] card_risk.yaml:4:1: the contract has no key `ownr`\n  help: did you mean `owner`?");
}

TEST_CASE("an unknown name that is near nothing lists what there is") {
  CHECK(failures(edited(good, {{"by: card", "by: x"}}))[0].help == "one of card, terminal");
  CHECK(failures(edited(good, {{"inputs:", "outputs:"}}))[0].help == "e.g. inputs: [payments_7d]");
  CHECK(failures(edited(good, {{"{inputs:", "{x: 1, inputs:"}}))[0].help == "one of inputs");
}

TEST_CASE("places count bytes, as the editors' language protocol can") {
  std::string text = edited(good, {{"relative: {expr", "relative: {description: gr\xc3\xb6\xc3\x9f" "er, ^exp"}});
  const Place place = take_mark(text);
  const std::vector<Failure> found = failures(text);
  const auto unknown = std::find_if(found.begin(), found.end(), [](const Failure& f) { return f.code == ErrorCode::unknown_key; });
  REQUIRE(unknown != found.end());
  CHECK((unknown->line == place.line && unknown->column == place.column));
}

TEST_CASE("a file that is not there is an io error, and a folder is one too") {
  for (const char* path : {"/nonexistent/card_risk.yaml", "/"}) {
    const auto loaded = Contract::load(path);
    REQUIRE_FALSE(loaded.ok());
    CHECK(loaded.error().failures()[0].code == ErrorCode::io_failed);
  }
}

// ---- what is read ---------------------------------------------------------------------------------------------------

TEST_CASE("plain scalars stay text until a key types them: NO is Norway") {
  CHECK(parse(good).features()[5].vocabulary == std::vector<std::string>{"DE", "FR", "NO"});
  const Contract typed = parse(edited(good, {{"[DE, FR, NO]", "[no, 1, true, 0x1f, 1e3, 2024-01-01]"}, {"name: card_risk", "name: 404"}}));
  CHECK(typed.features()[5].vocabulary == std::vector<std::string>{"no", "1", "true", "0x1f", "1e3", "2024-01-01"});
  CHECK(typed.name() == "404");
}

TEST_CASE("defaults reach every feature that does not say otherwise") {
  const Contract contract = parse(good);
  for (const Feature& feature : contract.features())
    if (feature.kind == FeatureKind::aggregate) {
      CHECK(feature.aggregate.bounds == (feature.aggregate.bucket ? Bounds::closed_open : Bounds::open_closed));
      CHECK(feature.min_rows == 1);
    }
  const Contract own = parse(edited(good, {{"window: 365d", "window: 365d, bounds: \"[]\", min_rows: 4"}}));
  CHECK(own.features()[4].aggregate.bounds == Bounds::closed_closed);
  CHECK(own.features()[4].min_rows == 4);
}

TEST_CASE("a source renames key columns, and the request keeps the entity's") {
  const Contract contract = parse(good);
  const Source& source = contract.sources()[0];
  CHECK(source.fields[static_cast<std::size_t>(source.entities[0].key_fields[0])].name == "pan");
  CHECK(source.fields[static_cast<std::size_t>(source.entities[1].key_fields[0])].name == "terminal_id");
  CHECK(source.entities[1].sequence_field == -1);
  for (const char* name : {"amount", "country", "card_id", "terminal_id", "txn_id", "seq"}) CHECK(contract.find_request(name) >= 0);
  CHECK(contract.find_request("pan") == -1);
}

TEST_CASE("a composite key has one type a column, or one for all") {
  for (const char* type : {"[string, int64]", "int64"}) {
    const Contract contract = parse(edited(good, {{"card: {key: card_id, type: string}", "card: {key: [issuer, number], type: "s + type + "}"}, {"{card: pan}", "{card: [bin, pan]}"}}));
    CHECK(contract.entities()[0].key == std::vector<std::string>{"issuer", "number"});
    CHECK(contract.entities()[0].types[1] == Type::int64);
    CHECK(contract.sources()[0].entities[0].key_fields.size() == 2);
  }
}

TEST_CASE("features come after those they read in the order of evaluation, whatever the order of the file") {
  const Contract contract = parse(edited(good, {{"features:\n", "features:\n  twice: {expr: relative * 2}\n"}}));
  const std::vector<int>& order = contract.evaluation_order();
  const auto at = [&](const char* name) { return std::find(order.begin(), order.end(), contract.find_feature(name)) - order.begin(); };
  CHECK(order.size() == contract.features().size());
  CHECK(at("avg_amount") < at("relative"));
  CHECK(at("relative") < at("twice"));
  CHECK(contract.features()[0].name == "twice");
}

TEST_CASE("without a model the inputs are all features, in the order of the file") {
  const Contract contract = parse(good.substr(0, good.find("model:")));
  REQUIRE(contract.inputs().size() == contract.features().size());
  CHECK(std::is_sorted(contract.inputs().begin(), contract.inputs().end()));
}

TEST_CASE("an assumed availability and a missing description are warnings, not failures") {
  const Contract contract = parse(edited(good, {{"    delay: 1h\n", ""}, {"relative: {", "relative: {description: Amount beside the usual one., "}}));
  std::vector<std::string> said;
  for (const Failure& warning : contract.warnings()) said.push_back(warning.message);
  CHECK(std::count(said.begin(), said.end(), "source `payments`: rows are assumed to be known when they happen") == 1);
  CHECK(std::count(said.begin(), said.end(), "feature `spread` has no description") == 1);
  CHECK(std::count(said.begin(), said.end(), "feature `relative` has no description") == 0);
}

// ---- anchors and JSON -----------------------------------------------------------------------------------------------

const std::string anchored = R"(featlib: 1
name: anchored
version: 1.0.0
owner: tests@example.com
entities: {card: {key: card_id, type: string}}
sources:
  payments: {entity: card, event_time: at, delay: 0s, retention: 30d, columns: {amount: {type: float64}}}
features:
  count_1d: &count {from: payments, aggregate: count(), window: 1d, tags: [volume]}
  count_7d: {<<: *count, window: 7d}
  mean_7d: &mean {<<: *count, aggregate: mean(amount), window: 7d}
  mean_30d: {window: 30d, <<: *mean}
  count_late: {<<: [{offset: 2d, window: 2d}, *mean], aggregate: count()}
)";

TEST_CASE("the resolved form shows the result of anchors and merge keys: own keys first, then bases in order") {
  const Json features = Json::parse(parse(anchored).resolved_json())["features"];
  const auto shows = [&](const char* feature, const char* aggregate, const char* window, const char* offset) {
    CAPTURE(feature);
    CHECK(features[feature]["aggregate"] == aggregate);
    CHECK(features[feature]["window"] == window);
    CHECK(features[feature]["offset"] == offset);
    CHECK(features[feature]["tags"] == Json{"volume"});
  };
  shows("count_1d", "count()", "1d", "0s");
  shows("count_7d", "count()", "7d", "0s");
  shows("mean_7d", "mean(amount)", "7d", "0s");
  shows("mean_30d", "mean(amount)", "30d", "0s");
  shows("count_late", "count()", "2d", "2d");
}

TEST_CASE("a failure behind an anchor is told where the text stands") {
  std::string text = edited(anchored, {{"count(), window", "^counts(), window"}, {"window: 7d}\n", "window: 7x}\n"}});
  const Place place = take_mark(text);
  const std::vector<Failure> found = failures(text);
  REQUIRE(found.size() == 3);
  for (const Failure& failure : {found[0], found[1]}) CHECK((failure.code == ErrorCode::unknown_aggregate && failure.line == place.line && failure.column == place.column));
  CHECK((found[2].code == ErrorCode::bad_duration && found[2].line == place.line + 1));
}

TEST_CASE("JSON is a contract too, with the same fingerprints and with places") {
  std::string json = R"json({
  "featlib": 1, "name": "anchored", "version": "1.0.0", "owner": "tests@example.com",
  "entities": {"card": {"key": "card_id", "type": "string"}},
  "sources": {"payments": {"entity": "card", "event_time": "at", "delay": "0s", "retention": "30d", "columns": {"amount": {"type": "float64"}}}},
  "features": {
    "count_1d": {"from": "payments", "aggregate": "count()", "window": "1d", "tags": ["volume"]},
    "count_7d": {"from": "payments", "aggregate": "count()", "window": "7d", "tags": ["volume"]},
    "mean_7d": {"from": "payments", "aggregate": "mean(amount)", "window": "7d", "tags": ["volume"]},
    "mean_30d": {"from": "payments", "aggregate": "mean(amount)", "window": "30d", "tags": ["volume"]},
    "count_late": {"from": "payments", "aggregate": "count()", "window": "2d", "offset": "2d", "tags": ["volume"]}
  }
})json";
  for (const FingerprintKind kind : {FingerprintKind::semantic, FingerprintKind::policy, FingerprintKind::document})
    CHECK(parse(json).fingerprint(kind) == parse(anchored).fingerprint(kind));
  json = edited(json, {{"\"mean(amount)\"", "\"mean(^amuont)\""}});
  const Place place = take_mark(json);
  REQUIRE(failures(json).size() == 1);
  CHECK((failures(json)[0].line == place.line && failures(json)[0].column == place.column));
}

// ---- fingerprints ---------------------------------------------------------------------------------------------------

constexpr FingerprintKind kinds[] = {FingerprintKind::semantic, FingerprintKind::policy, FingerprintKind::document};

struct Change {
  In in;
  std::string_view key;
  Class least;              ///< the narrowest fingerprint that it changes
  Edits edits;              ///< changes the value of the key and nothing else that could matter
};

const std::vector<Change>& changes() {
  static const std::vector<Change> table{
      {In::top, "name", Class::semantic, {{"card_risk", "card_risks"}}},
      {In::top, "version", Class::document, {{"2.1.0", "2.1.1"}}},
      {In::top, "owner", Class::document, {{"team-risk", "team-fraud"}}},
      {In::top, "description", Class::document, {{"entities:", "description: Cards.\nentities:"}}},
      {In::top, "tags", Class::document, {{"entities:", "tags: [cards]\nentities:"}}},
      {In::top, "entities", Class::semantic, {{"entities:\n", "entities:\n  shop: {key: shop_id, type: string}\n"}}},
      {In::top, "sources", Class::semantic, {{"sources:\n", "sources:\n  logins: {entity: card, event_time: at, retention: 1d}\n"}}},
      {In::top, "request_of", Class::semantic, {{"request_of: transactions\n", ""}}},
      {In::top, "request", Class::semantic, {{"  country: {type: string}\ndefaults", "  country: {type: string}\n  channel: {type: string}\ndefaults"}}},
      {In::top, "features", Class::semantic, {{"model:", "  one: {expr: '1'}\nmodel:"}}},
      {In::top, "model", Class::semantic, {{", relative]", "]"}}},
      {In::entity, "key", Class::semantic, {{"key: terminal_id", "key: till_id"}}},
      {In::entity, "type", Class::semantic, {{"int64}", "string}"}}},
      {In::entity, "description", Class::document, {{"int64}", "int64, description: A till.}"}}},
      {In::source, "entities", Class::semantic, {{"    entity: card\n", "    entities: [card, terminal]\n"}, {"{from: payments", "{from: payments, by: card"}}},
      {In::source, "keys", Class::semantic, {{"{card: pan}", "{card: card_no}"}}},
      {In::source, "event_time", Class::semantic, {{"paid_at", "posted_at"}}},
      {In::source, "available_time", Class::semantic, {{"ingested_at", "seen_at"}}},
      {In::source, "delay", Class::semantic, {{"1h", "2h"}}},
      {In::source, "sequence", Class::semantic, {{"    sequence: {card: seq}\n", ""}}},
      {In::source, "dedup", Class::semantic, {{"dedup: txn_id", "dedup: country"}}},
      {In::source, "retention", Class::semantic, {{"400d", "500d"}}},
      {In::source, "columns", Class::semantic, {{"    columns:\n", "    columns:\n      channel: {type: string}\n"}}},
      {In::source, "description", Class::document, {{"    entity: card\n", "    description: Posted.\n    entity: card\n"}}},
      {In::union_source, "union", Class::semantic, {{"[payments, refunds]", "[refunds, payments]"}}},
      {In::union_source, "retention", Class::semantic, {{"380d", "370d"}}},
      {In::union_source, "description", Class::document, {{"{union: ", "{description: All., union: "}}},
      {In::column, "type", Class::semantic, {{"country: {type: string}", "country: {type: category}"}}},
      {In::column, "scale", Class::semantic, {{"scale: 2", "scale: 3"}}},
      {In::column, "unit", Class::document, {{"unit: USD", "unit: EUR"}}},
      {In::column, "tz", Class::semantic, {{"tz: Europe/Berlin", "tz: Europe/Paris"}}},
      {In::column, "floor", Class::semantic, {{"tz: Europe/Berlin", "tz: Europe/Berlin, floor: true"}}},
      {In::column, "round", Class::semantic, {{"scale: 2", "scale: 2, round: true"}}},
      {In::column, "nan", Class::semantic, {{"scale: 2", "scale: 2, nan: null"}}},
      {In::column, "any_year", Class::semantic, {{"tz: Europe/Berlin", "tz: Europe/Berlin, any_year: true"}}},
      {In::column, "available_after", Class::semantic, {{"available_after: 7d", "available_after: 6d"}}},
      {In::column, "available_at", Class::semantic, {{"disputed_at", "resolved_at"}}},
      {In::column, "description", Class::document, {{"txn_id: {type: string", "txn_id: {description: Ours., type: string"}}},
      {In::time_column, "column", Class::semantic, {{"column: ts", "column: time"}}},
      {In::time_column, "unit", Class::semantic, {{"unit: s", "unit: ms"}}},
      {In::time_column, "tz", Class::semantic, {{"unit: s", "unit: s, tz: Europe/Berlin"}}},
      {In::time_column, "floor", Class::semantic, {{"unit: s", "unit: s, floor: true"}}},
      {In::time_column, "any_year", Class::semantic, {{"unit: s", "unit: s, any_year: true"}}},
      {In::feature, "description", Class::document, {{"relative: {", "relative: {description: Beside the usual., "}}},
      {In::feature, "owner", Class::document, {{"relative: {", "relative: {owner: team@example.com, "}}},
      {In::feature, "tags", Class::document, {{"relative: {", "relative: {tags: [spending], "}}},
      {In::feature, "from", Class::semantic, {{"{from: payments", "{from: transactions, by: card"}, {"365d", "30d"}}},
      {In::feature, "by", Class::semantic, {{"by: card", "by: terminal"}}},
      {In::feature, "aggregate", Class::semantic, {{"mean(amount)", "sum(amount)"}}},
      {In::feature, "where", Class::semantic, {{"amount > 0", "amount >= 0"}}},
      {In::feature, "window", Class::semantic, {{"365d", "364d"}}},
      {In::feature, "offset", Class::semantic, {{"offset: 7d", "offset: 8d"}}},
      {In::feature, "bounds", Class::semantic, {{"365d", "365d, bounds: \"[)\""}}},
      {In::feature, "last", Class::semantic, {{"365d", "365d, last: 3"}}},
      {In::feature, "lifetime", Class::semantic, {{"window: 365d", "lifetime: true"}}},
      {In::feature, "bucket", Class::semantic, {{"bucket: current", "bucket: complete"}}},
      {In::feature, "origin", Class::semantic, {{"T05:00", "T06:00"}}},
      {In::feature, "gap", Class::semantic, {{"gap: 30m", "gap: 31m"}}},
      {In::feature, "max_length", Class::semantic, {{"max_length: 4h", "max_length: 5h"}}},
      {In::feature, "max_age", Class::semantic, {{"max_age: 20d", "max_age: 21d"}}},
      {In::feature, "include_request", Class::semantic, {{"365d", "365d, include_request: true"}}},
      {In::feature, "nulls", Class::semantic, {{"nulls: keep", "nulls: skip"}}},
      {In::feature, "ddof", Class::semantic, {{"ddof: 0", "ddof: 1"}}},
      {In::feature, "min_rows", Class::semantic, {{"365d", "365d, min_rows: 2"}}},
      {In::feature, "fallback", Class::semantic, {{"fallback: 0.0", "fallback: 0.5"}}},
      {In::feature, "model_missing", Class::semantic, {{"999", "-1"}}},
      {In::feature, "expr", Class::semantic, {{"request.amount / avg_amount", "avg_amount / request.amount"}}},
      {In::feature, "type", Class::semantic, {{"relative: {", "relative: {type: int64, "}}},
      {In::feature, "vocabulary", Class::semantic, {{"FR, NO", "NO, FR"}}},
      {In::feature, "tz", Class::semantic, {{"relative: {", "relative: {tz: Europe/Berlin, "}}},
      {In::feature, "range", Class::policy, {{"[0, 100000]", "[0, 99999]"}}},
      {In::feature, "unit", Class::document, {{"    unit: USD", "    unit: EUR"}}},
      {In::feature, "reason", Class::document, {{"Spends otherwise", "Spends more"}}},
      {In::feature, "checks", Class::policy, {{"psi: 0.2, ", ""}}},
      {In::defaults, "bounds", Class::semantic, {{"\"(]\"", "\"[)\""}}},
      {In::defaults, "min_rows", Class::semantic, {{"min_rows: 1", "min_rows: 2"}}},
      {In::defaults, "model_missing", Class::semantic, {{"min_rows: 1", "min_rows: 1, model_missing: -1"}}},
      {In::defaults, "nan", Class::semantic, {{"min_rows: 1", "min_rows: 1, nan: null"}}},
      {In::defaults, "tz", Class::semantic, {{"min_rows: 1", "min_rows: 1, tz: Europe/Berlin"}}},
      {In::model, "inputs", Class::semantic, {{"[avg_amount, fraud_share", "[fraud_share, avg_amount"}}},
      {In::checks, "psi", Class::policy, {{"psi: 0.2", "psi: 0.1"}}},
      {In::checks, "null_rate", Class::policy, {{"null_rate: 0.01", "null_rate: 0.02"}}},
      {In::checks, "distribution_match", Class::policy, {{"distribution_match: 0.05", "distribution_match: 0.04"}}},
      {In::checks, "coverage_rows", Class::policy, {{"coverage_rows: 0.9", "coverage_rows: 0.8"}}},
      {In::checks, "coverage_values", Class::policy, {{"coverage_values: 0.8", "coverage_values: 0.9"}}},
  };
  return table;
}

TEST_CASE("a key changes the fingerprint of its class and the wider ones, and no narrower one") {
  const Contract before = parse(good);
  for (const Change& change : changes()) {
    CAPTURE(to_string(change.in), change.key, change.edits.back().to);
    const contract::Key* key = contract::find_key(change.in, change.key);
    REQUIRE(key);
    CHECK(key->fingerprint == change.least);
    const Contract after = parse(edited(good, change.edits));
    for (const FingerprintKind kind : kinds) CHECK((after.fingerprint(kind) != before.fingerprint(kind)) == (static_cast<int>(kind) >= static_cast<int>(change.least)));
  }
}

TEST_CASE("every key has a change of its fingerprint") {
  const std::set<std::pair<In, std::string_view>> none{
      {In::top, "featlib"},       // 1 is all there is
      {In::top, "defaults"},      // by what it holds
      {In::source, "entity"},     // is short for entities
  };
  std::set<std::pair<In, std::string_view>> met = none;
  for (const Change& change : changes()) met.insert({change.in, change.key});
  for (const contract::Key& key : contract::keys()) {
    CAPTURE(to_string(key.in), key.name);
    CHECK(met.contains({key.in, key.name}));
  }
}

TEST_CASE("another spelling of the same meaning changes no fingerprint") {
  const Contract before = parse(good);
  const std::vector<Edits> spellings{
      {{"owner:", "# who to ask\nowner:   "}},
      {{"name: card_risk", "name: \"card_risk\""}},
      {{"{key: card_id, type: string}", "\n    key: [card_id]\n    type: [string]"}},
      {{"    entity: card\n", "    entities: [card]\n"}},
      {{"event_time: paid_at", "event_time: {column: paid_at}"}},
      {{"[card, terminal]", "[terminal, card]"}},
      {{"sequence: {card: seq}", "sequence: {card: \"seq\"}"}},
      {{"delay: 1h", "delay: 3600s"}},
      {{"retention: 30d", "retention: 720h"}},
      {{"window: 7d", "window: 6.5d"}, {"window: 6.5d", "window: 168h"}},
      {{"where: amount > 0", "where: (amount>0)"}},
      {{"mean(amount)", " mean( amount ) "}},
      {{"fallback: 0.0", "fallback: 0"}},
      {{"fallback: 0.0", "fallback: -0.0"}},
      {{"[0, 100000]", "[0.0, 1e5]"}},
      {{"model_missing: 999", "model_missing: +999.0"}},
      {{"request.amount / avg_amount", "(request.amount)/avg_amount"}},
      {{"365d", "365d, offset: 0s, min_rows: 1, bounds: \"(]\", lifetime: false, include_request: false"}},
      {{"type: decimal, scale: 2", "type: decimal, scale: 2, nan: reject, floor: false"}, {", floor: false", ""}},
      {{"by: card", "tz: UTC\n    by: card"}},
  };
  for (const Edits& edits : spellings) {
    CAPTURE(edits[0].to);
    const Contract after = parse(edited(good, edits));
    for (const FingerprintKind kind : kinds) CHECK(after.fingerprint(kind) == before.fingerprint(kind));
  }
  std::string windows = good;
  for (std::size_t at = 0; (at = windows.find('\n', at)) != std::string::npos; at += 2) windows.replace(at, 1, "\r\n");
  CHECK(parse(windows).fingerprint(FingerprintKind::document) == before.fingerprint(FingerprintKind::document));
}

Json reversed(const Json& json) {
  if (!json.is_object()) return json;
  Json out = Json::object();
  for (auto member = json.rbegin(); member != json.rend(); ++member) out[member.key()] = reversed(member.value());
  return out;
}

TEST_CASE("the order of keys changes no fingerprint; the order of the model's inputs does") {
  const Contract before = parse(good);
  const Contract after = parse(reversed(Json::parse(before.resolved_json())).dump(1));
  CHECK(after.features()[0].name == "home_country");
  for (const FingerprintKind kind : kinds) CHECK(after.fingerprint(kind) == before.fingerprint(kind));

  std::string text = good.substr(0, good.find("model:"));   // the inputs are the features, in their order
  const std::string first = "  spread: {from: transactions, by: card, aggregate: std(amount), window: 7d, ddof: 0}\n";
  const std::string moved = edited(text, {{first, ""}, {"features:\n", "features:\n" + first}});
  CHECK(parse(moved).fingerprint(FingerprintKind::semantic) != parse(text).fingerprint(FingerprintKind::semantic));
}

TEST_CASE("a feature's fingerprint covers what it reads, through other features, and nothing else") {
  const Contract before = parse(good);
  const auto changed = [&](const Edits& edits) {
    const Contract after = parse(edited(good, edits));
    std::set<std::string> names;
    for (std::size_t f = 0; f < before.features().size(); ++f) {
      const std::string& name = before.features()[f].name;
      if (after.feature_fingerprint(after.find_feature(name)) != before.feature_fingerprint(static_cast<int>(f))) names.insert(name);
    }
    return names;
  };
  using Names = std::set<std::string>;
  const Names of_transactions{"avg_amount", "fraud_share", "spread", "previous_country", "home_country", "relative"}, of_payments{"idle_days", "today", "visit"};
  Names of_rows = of_transactions;
  of_rows.insert(of_payments.begin(), of_payments.end());
  CHECK(changed({{"mean(amount)", "sum(amount)"}}) == Names{"avg_amount", "relative"});
  CHECK(changed({{"min_rows: 1", "min_rows: 2"}}) == of_rows);
  CHECK(changed({{"retention: 400d", "retention: 500d"}}) == of_payments);
  CHECK(changed({{"dedup: txn_id\n", "\n"}}) == of_transactions);
  CHECK(changed({{"request_of: transactions\n", ""}}) == of_transactions);
  CHECK(changed({{"scale: 2, unit: USD}\n  country", "scale: 3, unit: USD}\n  country"}}) == Names{"relative"});
  CHECK(changed({{"FR, NO", "FR, NO, SE"}}) == Names{"country"});
  CHECK(changed({{"key: card_id, type: string", "key: card_id, type: int64"}}) == of_rows);
  CHECK(changed({{"int64}", "string}"}}) == of_transactions);
  CHECK(changed({{"[avg_amount, fraud_share", "[fraud_share, avg_amount"}}).empty());
  CHECK(changed({{"Spends otherwise", "Spends more"}, {"[0, 100000]", "[0, 1]"}, {"version: 2.1.0", "version: 3.0.0"}}).empty());
}

// ---- the JSON Schema --------------------------------------------------------------------------------------------------

TEST_CASE("the JSON Schema has the keys of the table and no others, each with its fingerprint, the required ones required") {
  std::ifstream file(FEATLIB_SOURCE_DIR "/schema/contract.schema.json");
  const Json schema = Json::parse(file);
  const std::vector<std::pair<In, Json>> places{
      {In::top, schema},
      {In::entity, schema["$defs"]["entity"]},
      {In::source, schema["$defs"]["source"]},
      {In::column, schema["$defs"]["column"]},
      {In::time_column, schema["$defs"]["time_column"]},
      {In::union_source, schema["$defs"]["union_source"]},
      {In::feature, schema["$defs"]["feature"]},
      {In::defaults, schema["$defs"]["defaults"]},
      {In::model, schema["$defs"]["model"]},
      {In::checks, schema["$defs"]["checks"]},
  };
  std::size_t keys = 0;
  for (const auto& [in, place] : places) {
    CAPTURE(to_string(in));
    CHECK(place["additionalProperties"] == false);
    const std::vector<std::string> required = place.value("required", std::vector<std::string>{});
    for (const auto& [name, property] : place["properties"].items()) {
      CAPTURE(name);
      const contract::Key* key = contract::find_key(in, name);
      REQUIRE(key);
      constexpr std::string_view classes[] = {"semantic", "policy", "document"};
      CHECK(property["x-fingerprint"] == classes[static_cast<int>(key->fingerprint)]);
      CHECK(std::count(required.begin(), required.end(), name) == key->required);
      CHECK_FALSE(property["description"].get<std::string>().empty());
      ++keys;
    }
  }
  CHECK(keys == contract::keys().size());
}

// ---- the resolved form ----------------------------------------------------------------------------------------------

TEST_CASE("the resolved form reads back to itself and to the same fingerprints") {
  std::vector<std::string> texts{good, anchored};
  for (const Change& change : changes()) texts.push_back(edited(good, change.edits));
  for (const std::string& text : texts) {
    const Contract once = parse(text);
    const Contract twice = parse(once.resolved_json());
    CHECK(twice.resolved_json() == once.resolved_json());
    CHECK(twice.describe() == once.describe());
    for (const FingerprintKind kind : kinds) CHECK(twice.fingerprint(kind) == once.fingerprint(kind));
    for (std::size_t f = 0; f < once.features().size(); ++f) CHECK(twice.feature_fingerprint(static_cast<int>(f)) == once.feature_fingerprint(static_cast<int>(f)));
  }
}

TEST_CASE("the resolved form has the defaults written out and the vocabulary of a file inlined") {
  const auto folder = std::filesystem::temp_directory_path() / "featlib_contract_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "countries.txt", std::ios::binary) << "DE\nFR\r\nNO\n";
  std::ofstream(folder / "card_risk.yaml") << edited(good, {{"[DE, FR, NO]", "{file: countries.txt}"}});
  const Contract loaded = Contract::load(folder / "card_risk.yaml").value();
  std::filesystem::remove_all(folder);

  CHECK(loaded.fingerprint(FingerprintKind::document) == parse(good).fingerprint(FingerprintKind::document));
  const Json resolved = Json::parse(loaded.resolved_json());
  CHECK(resolved["features"]["country"]["vocabulary"] == Json{"DE", "FR", "NO"});
  CHECK(resolved["features"]["idle_days"]["bounds"] == "(]");
  CHECK(resolved["features"]["idle_days"]["min_rows"] == 1);
  CHECK(resolved["features"]["idle_days"]["by"] == "card");
  CHECK(resolved["features"]["relative"]["tz"] == "UTC");
  CHECK_FALSE(resolved.contains("defaults"));
}

TEST_CASE("a contract of many features reads back: brackets in text do not nest") {
  std::string text = good.substr(0, good.find("model:"));
  for (int i = 0; i < 300; ++i) text += "  count_" + std::to_string(i) + ": {from: payments, aggregate: count(), window: 1d, bounds: \"[)\"}\n";
  CHECK(parse(parse(text).resolved_json()).features().size() == 310);
}

// ---- hostile files --------------------------------------------------------------------------------------------------

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

/// `x0: &a0 ...` and then maps that each use the one before.
std::string chained(std::string first, int links, const std::function<std::string(std::string)>& link) {
  for (int i = 1; i <= links; ++i) first += "x" + std::to_string(i) + ": &a" + std::to_string(i) + " " + link("*a" + std::to_string(i - 1)) + "\n";
  return first;
}

TEST_CASE("of a file full of mistakes the first hundred are listed and the others counted") {
  std::string mistakes;
  for (int i = 0; i < 300; ++i) mistakes += "  f" + std::to_string(i) + ": {expr: nothing}\n";
  const std::vector<Failure> found = failures(edited(good, {{"\nfeatures:\n", "\nfeatures:\n" + mistakes}}));
  REQUIRE(found.size() == 101);
  CHECK(found.back().message == "and 200 more mistakes from here on");
  CHECK(found.back().line == found[99].line);
}

TEST_CASE("a hostile file is refused with a place, and neither stack nor memory follows it") {
  std::string deep_block;
  for (int i = 0; i < 2000; ++i) deep_block += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  using enum ErrorCode;
  const std::vector<std::tuple<const char*, std::string, ErrorCode>> files{
      {"lists in lists", repeated("[", 1'000'000), invalid_yaml},
      {"maps in maps", repeated("{a: ", 1'000'000), invalid_yaml},
      {"lists in lists without brackets", repeated("- ", 1'000'000), invalid_yaml},
      {"keys in keys", repeated("? ", 1'000'000), invalid_yaml},
      {"indented maps", deep_block, invalid_yaml},
      {"aliases of aliases", chained("x0: &a0 [x, x, x, x, x, x, x, x, x]\n", 30, [](std::string a) { return "[" + a + ", " + a + ", " + a + ", " + a + "]"; }), invalid_yaml},
      {"a chain of aliases", chained("x0: &a0 [x]\n", 3000, [](std::string a) { return "[" + a + "]"; }), invalid_yaml},
      {"a chain of merges", chained("x0: &a0 {k: 1}\n", 3000, [](std::string a) { return "{<<: " + a + ", y" + a.substr(2) + ": 1}"; }), invalid_yaml},
      {"anchors in anchors", "a: " + repeated("&a [", 60) + repeated("x,", 180'000) + repeated("]", 60), invalid_yaml},
      {"an alias of itself", "a: &a [*a]", invalid_yaml},
      {"too many values", "a: [" + repeated("x,", 300'000) + "]", invalid_yaml},
      {"too many bytes", "a: " + std::string(5 << 20, 'x'), invalid_yaml},
      {"a huge key", std::string(1 << 20, 'k') + ": 1", invalid_yaml},
      {"zero bytes", std::string(1000, '\0'), invalid_yaml},
      {"bytes that are no UTF-8", "name: " + repeated("\xc3\x28", 1000), invalid_yaml},
      {"a surrogate", "name: \xed\xa0\x80", invalid_yaml},
      {"an overlong slash", "name: \xc0\xaf", invalid_yaml},
      {"an unclosed quote", "name: \"" + std::string(1 << 20, 'x'), invalid_yaml},
      {"a huge number", edited(good, {{"fallback: 0.0", "fallback: " + std::string(100'000, '9')}}), wrong_type},
      {"a huge window", edited(good, {{"window: 365d", "window: " + std::string(100'000, '9') + "d"}}), bad_duration},
      {"a huge expression", edited(good, {{"request.amount / avg_amount", repeated("1 + ", 100'000) + "1"}}), bad_expression},
      {"a deep expression", edited(good, {{"request.amount / avg_amount", repeated("(", 5000) + "1" + repeated(")", 5000)}}), bad_expression},
      {"nothing", "", invalid_yaml},
      {"no contract", "---\n...\n", wrong_type},
  };
  for (const auto& [what, text, code] : files) {
    CAPTURE(what);
    const std::vector<Failure> found = failures(text);
    REQUIRE_FALSE(found.empty());
    CHECK(to_string(found[0].code) == to_string(code));
    CHECK(found[0].line > 0);
    CHECK(found[0].column > 0);
    CHECK_FALSE(found[0].help.empty());
  }
}

TEST_CASE("features that read each other in a long chain are refused, not followed") {
  std::string text = good.substr(0, good.find("model:"));
  for (int i = 0; i < 5000; ++i) text += "  f" + std::to_string(i) + ": {expr: f" + std::to_string(i + 1) + " + 1}\n";
  text += "  f5000: {expr: '1'}\n";
  const std::vector<Failure> found = failures(text);
  REQUIRE_FALSE(found.empty());
  CHECK(found[0].code == ErrorCode::bad_expression);
}

TEST_CASE("a huge description is only text") {
  CHECK(parse(edited(good, {{"entities:", "description: '" + std::string(3 << 20, 'x') + "'\nentities:"}})).description().size() == 3 << 20);
}

TEST_CASE("a contract cut short is refused or read, with failures of contracts only") {
  for (std::size_t size = 0; size < good.size(); ++size)
    for (const Failure& failure : failures(good.substr(0, size))) {
      CAPTURE(size, failure.text());
      CHECK(error_codes()[static_cast<std::size_t>(failure.code)].stage == Stage::contract);
      CHECK((failure.line > 0 && failure.column > 0 && !failure.message.empty() && !failure.help.empty()));
    }
}

TEST_CASE("an unknown zone is refused, and the expression beside it is read in one that exists") {
  const auto read = featlib::Contract::parse(R"({featlib: 1, name: x, version: 1.0.0, owner: a@example.com,
    features: {night: {description: x, expr: hour(as_of) <= 6, tz: Europe/Nowhere}}})");
  REQUIRE(!read);
  REQUIRE(read.error().failures().size() == 1);
  CHECK(read.error().failures()[0].code == featlib::ErrorCode::bad_value);
}

TEST_CASE("a damaged contract is refused or read, and what is read reads back") {
  const auto seed = static_cast<std::uint32_t>(Catch::rngSeed());
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = good;
    for (std::uint32_t n = 1 + random() % 4; n > 0; --n) {
      const std::size_t at = random() % damaged.size(), length = random() % 12;
      switch (random() % 3) {
        case 0: damaged[at] = static_cast<char>(random()); break;
        case 1: damaged.erase(at, length); break;
        default: damaged.insert(at, good, random() % good.size(), length);
      }
    }
    const auto read = Contract::parse(damaged, {}, "damaged.yaml");
    CAPTURE(damaged);
    if (read) CHECK(parse(read.value().resolved_json()).fingerprint(FingerprintKind::document) == read.value().fingerprint(FingerprintKind::document));
    else CHECK(read.error().stage() == Stage::contract);
  }
}
