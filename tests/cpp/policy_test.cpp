#include <featlib/decision/policy.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <map>
#include <random>

using namespace featlib;

namespace {

constexpr std::string_view contract_text = R"(
featlib: 1
name: card
version: 1.0.0
owner: team@example.com
description: For the tests of policies.
entities:
  card: {key: card_id, type: string}
sources:
  transactions:
    entity: card
    event_time: ts
    retention: 30d
    columns:
      amount: {type: float64}
request:
  amount: {type: decimal, scale: 2}
  country: {type: string}
  channel: {type: category}
  installments: {type: int64}
  recurring: {type: bool}
features:
  avg_amount_30d:
    description: Mean amount.
    from: transactions
    aggregate: mean(amount)
    window: 30d
    min_rows: 3
    fallback: 0.0
  amount:
    description: The amount.
    from: request.amount
    type: float64
)";

const Contract& contract() {
  static const Contract parsed = Contract::parse(contract_text).value();
  return parsed;
}

/// A policy with these segments and rules (YAML flow or block text, already indented).
std::string policy_text(std::string_view segments, std::string_view rules = "rules: {before: [], after: []}") {
  return "featlib_policy: 1\nname: card_checkout\nversion: 1.3.0\nscore: probability\nsegments:\n" + std::string(segments) + "\n" + std::string(rules) + "\n";
}

const std::string one_default = "  - default: {review: 0.75, block: 0.95}";

std::string when(std::string_view condition) { return "  - {when: \"" + std::string(condition) + "\", review: 0.6, block: 0.9}\n"; }

Policy bound(const std::string& text) { return Policy::parse(text, "policy.yaml").value().bind(contract()).value(); }

/// The failures of a text, wherever it is refused.
std::vector<Failure> failures(const std::string& text) {
  const auto parsed = Policy::parse(text, "policy.yaml");
  if (!parsed) return parsed.error().failures();
  const auto result = parsed.value().bind(contract());
  return result ? std::vector<Failure>{} : result.error().failures();
}

bool refused(const std::string& text, ErrorCode code) {
  const auto found = failures(text);
  return !found.empty() && found[0].code == code;
}

bool unreachable(const std::string& conditions) { return refused(policy_text(conditions + one_default), ErrorCode::policy_unreachable); }

/// Cells by name of the request field or feature; anything else is null.
Ruling decide(const Policy& policy, double score, const std::map<std::string, Cell>& values = {}) {
  std::vector<Cell> cells;
  for (const FeatureInput& input : policy.inputs()) {
    const auto index = static_cast<std::size_t>(input.index);
    std::string name = "as_of";
    if (input.kind == FeatureInput::Kind::request) name = "request." + contract().request()[index].name;
    if (input.kind == FeatureInput::Kind::feature) name = (input.with_fallback ? "fallback of " : "") + contract().features()[index].name;
    const auto found = values.find(name);
    cells.push_back(found == values.end() ? Cell::null() : found->second);
  }
  return policy.decide(score, cells);
}

const double no_score = std::numeric_limits<double>::quiet_NaN();

}  // namespace

// ---- deciding -------------------------------------------------------------------------------------------------------

TEST_CASE("a score at a threshold has reached it, one below has not") {
  const Policy policy = bound(policy_text(one_default));
  CHECK(decide(policy, 0.75).outcome == Outcome::review);
  CHECK(decide(policy, std::nextafter(0.75, 0)).outcome == Outcome::approve);
  CHECK(decide(policy, 0.95).outcome == Outcome::block);
  CHECK(decide(policy, std::nextafter(0.95, 0)).outcome == Outcome::review);
  CHECK(decide(policy, 0).outcome == Outcome::approve);
  CHECK(decide(policy, 1).outcome == Outcome::block);
  CHECK(decide(policy, 0.8) == Ruling{Outcome::review, Mode::normal, 0, -1});
}

TEST_CASE("equal thresholds leave nothing to review, and a block threshold of 0 blocks everything") {
  CHECK(decide(bound(policy_text("  - default: {review: 0.5, block: 0.5}")), 0.5).outcome == Outcome::block);
  CHECK(decide(bound(policy_text("  - default: {review: 0, block: 0}")), 0).outcome == Outcome::block);
  CHECK(decide(bound(policy_text("  - default: {review: 1, block: 1}")), std::nextafter(1.0, 0)).outcome == Outcome::approve);
}

TEST_CASE("the first segment that matches gives the thresholds") {
  const Policy policy = bound(policy_text(when("request.amount >= 1000") + when("request.country = 'DE'") + one_default));
  CHECK(decide(policy, 0.7, {{"request.amount", Cell::of(1000.0)}, {"request.country", Cell::of(std::string_view("DE"))}}) == Ruling{Outcome::review, Mode::normal, 0, -1});
  CHECK(decide(policy, 0.7, {{"request.amount", Cell::of(999.99)}, {"request.country", Cell::of(std::string_view("DE"))}}) == Ruling{Outcome::review, Mode::normal, 1, -1});
  CHECK(decide(policy, 0.7, {{"request.amount", Cell::of(999.99)}, {"request.country", Cell::of(std::string_view("FR"))}}) == Ruling{Outcome::approve, Mode::normal, 2, -1});
}

TEST_CASE("a condition that is null does not match") {
  const Policy policy = bound(policy_text(when("request.amount >= 1000") + when("not request.amount >= 1000") + one_default));
  CHECK(decide(policy, 0.7).segment == 2);
  const Policy asked = bound(policy_text(when("request.amount is null") + one_default));
  CHECK(decide(asked, 0.7).segment == 0);
}

TEST_CASE("features, their fallbacks and as_of can be asked for") {
  const Policy policy = bound(policy_text(when("avg_amount_30d > 100") + when("with_fallback(avg_amount_30d) = 0") + when("hour(as_of) < 6") + one_default));
  CHECK(policy.inputs().size() == 3);
  CHECK(decide(policy, 0.7, {{"avg_amount_30d", Cell::of(200.0)}, {"fallback of avg_amount_30d", Cell::of(200.0)}}).segment == 0);
  CHECK(decide(policy, 0.7, {{"fallback of avg_amount_30d", Cell::of(0.0)}}).segment == 1);
  CHECK(decide(policy, 0.7, {{"as_of", Cell::of(5 * hour)}}).segment == 2);
  CHECK(decide(policy, 0.7, {{"as_of", Cell::of(6 * hour)}}).segment == 3);
}

const std::string rules_text = R"(
rules:
  before:
    - {name: trusted, when: request.recurring, outcome: approve}
    - {name: huge, when: request.amount > 50000, outcome: block}
  after:
    - {name: foreign, when: request.country != 'DE', outcome: review}
    - {name: small, when: request.amount < 5, outcome: approve}
)";

TEST_CASE("a rule before the score decides, whatever the score") {
  const Policy policy = bound(policy_text(one_default, rules_text));
  for (const double score : {0.0, 1.0, no_score}) {
    CHECK(decide(policy, score, {{"request.recurring", Cell::of(true)}, {"request.amount", Cell::of(1e6)}}) == Ruling{Outcome::approve, Mode::rule, -1, 0});
    CHECK(decide(policy, score, {{"request.recurring", Cell::of(false)}, {"request.amount", Cell::of(1e6)}}) == Ruling{Outcome::block, Mode::rule, -1, 1});
  }
}

TEST_CASE("a rule after the score overrides it, in both directions, and the segment is still named") {
  const Policy policy = bound(policy_text(one_default, rules_text));
  const std::map<std::string, Cell> foreign{{"request.country", Cell::of(std::string_view("FR"))}, {"request.amount", Cell::of(1.0)}};
  CHECK(decide(policy, 0.1, foreign) == Ruling{Outcome::review, Mode::rule, 0, 2});
  CHECK(decide(policy, 1.0, foreign) == Ruling{Outcome::review, Mode::rule, 0, 2});
  CHECK(decide(policy, 1.0, {{"request.amount", Cell::of(1.0)}}) == Ruling{Outcome::approve, Mode::rule, 0, 3});
  CHECK(policy.rules()[3].name == "small");
  CHECK_FALSE(policy.rules()[3].before);
}

TEST_CASE("without a score the outcome is review unless a rule decides, and the mode says so") {
  const Policy policy = bound(policy_text(one_default, rules_text));
  CHECK(decide(policy, no_score) == Ruling{Outcome::review, Mode::no_score, -1, -1});
  CHECK(decide(policy, no_score, {{"request.amount", Cell::of(1.0)}}) == Ruling{Outcome::approve, Mode::rule, -1, 3});
}

TEST_CASE("margins are compared on their own scale, infinities included") {
  std::string text = policy_text("  - default: {review: -1.5, block: 3}");
  text.replace(text.find("probability"), 11, "margin");
  const Policy policy = bound(text);
  CHECK(policy.score() == ScoreKind::margin);
  CHECK(decide(policy, -1.5).outcome == Outcome::review);
  CHECK(decide(policy, std::numeric_limits<double>::infinity()).outcome == Outcome::block);
  CHECK(decide(policy, -std::numeric_limits<double>::infinity()).outcome == Outcome::approve);
}

// ---- the file -------------------------------------------------------------------------------------------------------

TEST_CASE("a policy says what it holds") {
  const std::string text = policy_text(when("request.amount >= 1000") + one_default);
  const Policy policy = Policy::parse(text).value();
  CHECK(policy.name() == "card_checkout");
  CHECK(policy.version() == "1.3.0");
  CHECK(policy.text() == text);
  CHECK_FALSE(policy.bound());
  REQUIRE(policy.segments().size() == 2);
  CHECK(policy.segments()[0].when == "request.amount >= 1000");
  CHECK(policy.segments()[1].when.empty());
  CHECK(policy.segments()[1].block == 0.95);
}

TEST_CASE("every failure of a file is told, in order, with its place") {
  const auto found = failures(R"(featlib_policy: 1
name: p
version: 1.0.0
scores: margin
segments:
  - when: request.amount >
    review: 0.6
    block: 1.5
  - default: {review: 0.9, block: 0.5}
)");
  REQUIRE(found.size() == 4);
  CHECK(found[0].text() == "error[policy-invalid] policy.yaml:4:1: a policy has no key `scores`\n  help: did you mean `score`?");
  CHECK((found[1].line == 6 && found[1].column == 27));
  CHECK((found[2].line == 8 && found[2].column == 12));
  CHECK((found[3].line == 9 && found[3].message.find("above block") != std::string::npos));
}

TEST_CASE("what a policy file may not say") {
  const auto with = [](std::string from, std::string to) {
    std::string text = policy_text(one_default, rules_text);
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  REQUIRE(failures(policy_text(one_default, rules_text)).empty());
  const std::vector<std::string> texts{
      "", "[]", "a", "featlib_policy: 1", "{", "a: b: c", "--- {}\n--- {}",
      with("featlib_policy: 1", "featlib_policy: 2"),
      with("name: card_checkout", "name: []"),
      with("name: card_checkout", "name: ''"),
      with("version: 1.3.0\n", ""),
      with("version: 1.3.0", "version: 1.3.0\nversion: 1.3.1"),
      with("probability", "logit"),
      with("0.95", "high"),
      with("0.95", "0.95x"),
      with("0.95", ".nan"),
      with("0.95", ".inf"),
      with("0.95", "nan"),
      with("0.95", "1.0000001"),
      with("0.75", "-0.0000001"),
      with("review: 0.75, ", ""),
      with("review: 0.75", "review: 0.96"),
      with("outcome: approve", "outcome: none"),
      with("outcome: approve", "outcome: Approve"),
      with("name: huge", "name: trusted"),
      with("name: foreign", "name: trusted"),   // across kinds: a record names the rule
      with("after:", "afterwards:"),
      with("request.recurring", "request.recuring"),
      with("request.recurring", "recurring"),
      with("request.recurring", "request.amount"),
      with("request.recurring", "request.recurring = 'x'"),
      with("request.recurring", "with_fallback(request.recurring)"),
      with("request.recurring", "'yes'"),
  };
  for (const std::string& text : texts) {
    CAPTURE(text);
    CHECK(refused(text, ErrorCode::policy_invalid));
  }
}

TEST_CASE("a name that is a field of the request is told how to write it") {
  const auto found = failures(policy_text(when("installments > 3") + one_default));
  REQUIRE(found.size() == 1);
  CHECK(found[0].help.find("request.") != std::string::npos);
}

TEST_CASE("a list without default at its end is not total") {
  for (const std::string& segments : {std::string("  []"), when("request.amount >= 1000"), when("request.amount >= 0") + when("request.amount < 0")}) {
    CAPTURE(segments);
    CHECK(refused(policy_text(segments), ErrorCode::policy_invalid));
  }
  CHECK(refused(policy_text(one_default + "\n" + when("request.amount >= 1000")), ErrorCode::policy_unreachable));
  CHECK(refused(policy_text(one_default + "\n" + one_default), ErrorCode::policy_unreachable));
}

TEST_CASE("a failure inside a condition points at the name, in quotes or not") {
  for (const char* line : {"  - {when: request.amount > request.limit, review: 0.6, block: 0.9}\n", "  - {when: \"request.amount > request.limit\", review: 0.6, block: 0.9}\n"}) {
    const std::string text = policy_text(line + one_default);
    const auto found = failures(text);
    REQUIRE(found.size() == 1);
    CHECK(found[0].line == 6);
    CHECK(found[0].column == static_cast<int>(std::string_view(line).find("request.limit")) + 1);
    CHECK(found[0].message == "the request has no field `limit`");
  }
}

TEST_CASE("the ends of a probability are thresholds") {
  CHECK(failures(policy_text("  - default: {review: 0, block: 1}")).empty());
  CHECK(failures(policy_text("  - default: {review: -0.0, block: 1e0}")).empty());
  CHECK(std::signbit(Policy::parse(policy_text("  - default: {review: -0.0, block: 1}")).value().segments()[0].review) == false);
}

TEST_CASE("the fingerprint is of the meaning, not of the layout") {
  const std::string text = policy_text(when("request.amount >= 1000 and request.recurring") + one_default);
  const std::string fingerprint = Policy::parse(text).value().fingerprint();
  CHECK(fingerprint.size() == 64);
  CHECK(Policy::parse("# checkout\n" + policy_text(when("(request.amount  >= 1000) and request.recurring") + one_default)).value().fingerprint() == fingerprint);
  CHECK(Policy::parse(policy_text(when("request.amount >= 1000 and request.recurring") + "  - default: {review: 75e-2, block: 0.950}", "")).value().fingerprint() == fingerprint);
  CHECK(Policy::parse(policy_text(when("request.amount > 1000 and request.recurring") + one_default)).value().fingerprint() != fingerprint);
  CHECK(Policy::parse(policy_text(when("request.amount >= 1000 and request.recurring") + "  - default: {review: 0.75, block: 0.9500000000000001}")).value().fingerprint() != fingerprint);
  CHECK(bound(text).fingerprint() == fingerprint);
}

TEST_CASE("JSON is a policy file too") {
  CHECK(Policy::parse(R"({"featlib_policy": 1, "name": "p", "version": "1", "segments": [{"default": {"review": 0.5, "block": 0.9}}]})").ok());
}

TEST_CASE("a file that is not there is an io error") {
  const auto loaded = Policy::load("/nonexistent/policy.yaml");
  REQUIRE_FALSE(loaded.ok());
  CHECK(loaded.error().failures()[0].code == ErrorCode::io_failed);
}

TEST_CASE("damaged files are refused or read, never a crash") {
  const auto seed = static_cast<std::uint32_t>(Catch::rngSeed());
  CAPTURE(seed);
  std::mt19937 random(seed);
  const std::string text = policy_text(when("request.amount >= 1000") + one_default, rules_text);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = text;
    for (std::uint32_t n = 1 + random() % 5; n > 0; --n) damaged[random() % damaged.size()] = static_cast<char>(random());
    (void)failures(damaged);
  }
  CHECK_FALSE(failures(policy_text(one_default) + "# \xff").empty());   // the fingerprint is of text
  CHECK_FALSE(failures(std::string(100'000, '[')).empty());
  CHECK_FALSE(failures(std::string(2'000'000, ' ')).empty());
  CHECK_FALSE(failures("&a [*a]").empty());
}

// ---- what can never match -------------------------------------------------------------------------------------------

TEST_CASE("a segment behind one with the same condition can never match") {
  CHECK(unreachable(when("request.country = 'DE'") + when("request.country = 'DE'")));
  CHECK(unreachable(when("request.country = 'DE'") + when("(request.country == 'DE')")));
  CHECK(unreachable(when("request.country = 'DE'") + when("request.country = 'FR'") + when("request.country = 'DE'")));
  CHECK_FALSE(unreachable(when("request.country = 'DE'") + when("request.country = 'FR'")));
}

TEST_CASE("a range inside an earlier range can never match, and one value beyond it can") {
  CHECK(unreachable(when("request.amount >= 1000") + when("request.amount >= 5000")));
  CHECK(unreachable(when("request.amount >= 1000") + when("request.amount > 1000")));
  CHECK_FALSE(unreachable(when("request.amount > 1000") + when("request.amount >= 1000")));
  CHECK_FALSE(unreachable(when("request.amount >= 5000") + when("request.amount >= 1000")));
  CHECK(unreachable(when("request.amount >= 1000") + when("5000 <= request.amount")));
  CHECK(unreachable(when("request.amount between 0 and 10") + when("request.amount = 10")));
  CHECK_FALSE(unreachable(when("request.amount between 0 and 10") + when("request.amount between 0 and 10.5")));
  CHECK(unreachable(when("request.amount < -5") + when("request.amount < -5.5")));
  CHECK_FALSE(unreachable(when("request.amount >= 1000") + when("request.installments >= 5000")));
  CHECK_FALSE(unreachable(when("request.amount >= 1000") + when("avg_amount_30d >= 5000")));
}

TEST_CASE("several earlier ranges together can cover a later one") {
  CHECK(unreachable(when("request.amount >= 1000") + when("request.amount < 1000") + when("request.amount = 7")));
  CHECK_FALSE(unreachable(when("request.amount > 1000") + when("request.amount < 1000") + when("request.amount between 7 and 2000")));
  CHECK(unreachable(when("request.amount > 1000") + when("request.amount < 1000") + when("request.amount = 1000") + when("request.amount between 7 and 2000")));
  CHECK(unreachable(when("request.amount between 5 and 9") + when("request.amount between 0 and 5") + when("request.amount > 0 and request.amount < 9")));
  CHECK_FALSE(unreachable(when("request.amount between 5 and 9") + when("request.amount between 0 and 4") + when("request.amount > 0 and request.amount < 9")));
}

TEST_CASE("more conditions joined by `and` are inside of fewer") {
  CHECK(unreachable(when("request.recurring") + when("request.recurring and request.amount > 5")));
  CHECK(unreachable(when("request.amount > 5") + when("request.country = 'DE' and request.amount > 6")));
  CHECK_FALSE(unreachable(when("request.recurring and request.amount > 5") + when("request.recurring")));
  CHECK_FALSE(unreachable(when("request.recurring and request.amount > 5") + when("request.recurring and request.amount > 4")));
  CHECK(unreachable(when("request.recurring and request.amount > 5") + when("request.recurring and request.amount <= 5") + when("request.amount < 9 and request.recurring and request.amount > 1")));
  CHECK_FALSE(unreachable(when("request.recurring and request.amount > 5") + when("request.amount <= 5 and request.country = 'DE'") + when("request.recurring and request.amount > 1")));
}

TEST_CASE("a condition that contradicts itself can never match") {
  CHECK(unreachable(when("request.amount > 5 and request.amount < 5")));
  CHECK(unreachable(when("request.amount > 5 and request.amount <= 5")));
  CHECK_FALSE(unreachable(when("request.amount >= 5 and request.amount <= 5")));
  CHECK(unreachable(when("request.amount between 7 and 5")));
  CHECK(unreachable(when("false")));
  CHECK(unreachable(when("true") + when("request.recurring")));
  CHECK(unreachable(when("true")));   // the default behind it
}

TEST_CASE("words inside texts, parentheses and case are not taken for the condition's own") {
  CHECK_FALSE(unreachable(when("request.country = 'x and y'") + when("request.country = 'x or y'")));
  CHECK_FALSE(unreachable(when("request.country = 'it''s and'") + when("request.country = 'it''s or'")));
  CHECK_FALSE(unreachable(when("request.amount > 5 or request.recurring") + when("request.recurring and request.amount > 3")));
  CHECK_FALSE(unreachable(when("not request.amount > 5") + when("not request.amount > 6")));
  CHECK_FALSE(unreachable(when("case when request.recurring and request.amount > 5 then true else false end") + when("request.recurring and request.amount > 6")));
  CHECK_FALSE(unreachable(when("request.amount in (5, 6)") + when("request.amount = 5")));   // true, and not proven
  CHECK(unreachable(when("abs(request.amount - 7) > 5") + when("abs(request.amount - 7) > 6")));
  CHECK(unreachable(when("request.amount > 5 and (request.recurring and request.installments > 2)") + when("request.recurring and request.installments > 3 and request.amount > 5")));
}

TEST_CASE("integers that are no doubles are left to the comparison itself") {
  CHECK_FALSE(unreachable(when("request.installments >= 9007199254740993") + when("request.installments >= 9007199254740994")));
  CHECK(unreachable(when("request.installments >= 9007199254740991") + when("request.installments >= 9007199254740992")));
}

TEST_CASE("a rule that an earlier one of its kind always forestalls is refused, across kinds it is not") {
  const auto rules = [](std::string_view before, std::string_view after) {
    return policy_text(one_default, "rules: {before: [" + std::string(before) + "], after: [" + std::string(after) + "]}");
  };
  const std::string wide = "{name: wide, when: request.amount > 5, outcome: block}", narrow = "{name: narrow, when: request.amount > 6, outcome: review}";
  CHECK(refused(rules(wide + ", " + narrow, ""), ErrorCode::policy_unreachable));
  CHECK(refused(rules("", wide + ", " + narrow), ErrorCode::policy_unreachable));
  CHECK(failures(rules(narrow + ", " + wide, "")).empty());
  CHECK(failures(rules(wide, narrow)).empty());
}

TEST_CASE("what is refused as unreachable is never reached: random conditions against random requests") {
  const auto seed = static_cast<std::uint32_t>(Catch::rngSeed());
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto pick = [&](std::initializer_list<const char*> texts) { return std::string(texts.begin()[random() % texts.size()]); };
  const auto number = [&] { return std::to_string(random() % 4); };
  const auto comparison = [&]() -> std::string {
    const std::string x = pick({"request.amount", "request.installments"});
    switch (random() % 4) {
      case 0: return x + " between " + number() + " and " + number();
      case 1: return number() + " " + pick({"<", "<=", ">", ">=", "=", "!="}) + " " + x;
      case 2: return pick({"request.recurring", "not request.recurring", "request.amount is null"});
      default: return x + " " + pick({"<", "<=", ">", ">=", "=", "!="}) + " " + number();
    }
  };
  const auto condition = [&] {
    std::string out = comparison();
    while (random() % 2 == 0) out += pick({" and ", " and ", " or "}) + (random() % 4 == 0 ? "(" + comparison() + " and " + comparison() + ")" : comparison());
    return out;
  };
  int found = 0;
  for (int i = 0; i < 1500; ++i) {
    std::vector<std::string> conditions;
    for (std::uint32_t n = 1 + random() % 4; n > 0; --n) conditions.push_back(condition());
    std::string segments;
    for (const std::string& one : conditions) segments += when(one);
    const auto failed = failures(policy_text(segments + one_default));
    if (failed.empty()) continue;
    ++found;
    // The conditions one by one, each in a policy of its own: which is the first that matches?
    std::vector<Policy> alone;
    for (const std::string& one : conditions) {
      const auto only = Policy::parse(policy_text(when(one + " or false") + one_default));   // `or` is not looked into
      alone.push_back(only.value().bind(contract()).value());
    }
    std::vector<bool> reached(conditions.size());
    for (double amount = -0.5; amount <= 4; amount += 0.25)
      for (std::int64_t installments = -1; installments <= 4; ++installments)
        for (int rest = 0; rest < 12; ++rest) {
          std::map<std::string, Cell> values;
          if (rest % 2 == 0) values["request.amount"] = Cell::of(amount);
          if (rest % 4 < 2) values["request.installments"] = Cell::of(installments);
          if (rest < 8) values["request.recurring"] = Cell::of(rest < 4);
          for (std::size_t c = 0; c < alone.size(); ++c)
            if (decide(alone[c], 0.7, values).segment == 0) {
              reached[c] = true;
              break;
            }
        }
    for (const Failure& failure : failed) {
      REQUIRE(failure.code == ErrorCode::policy_unreachable);
      CAPTURE(segments, failure.text());
      const auto which = static_cast<std::size_t>(failure.line) - 6;   // segments start in line 6, one a line
      if (which < reached.size()) CHECK_FALSE(reached[which]);
    }
  }
  CHECK(found > 50);
}
