// The window language as a contract says it: aggregates with their arguments, windows of all kinds, and what is refused.
#include <featlib/contract/contract.hpp>
#include <featlib/plan/plan.hpp>

#include "support/contracts.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace featlib;

namespace {

/// One source with a column of every type, kept for 30 days; `features` is the YAML below `features:`, from line 32 on.
std::string contract_text(const std::string& features, const std::string& defaults = "{}") {
  return R"(featlib: 1
name: language
version: 1.0.0
owner: tests@example.com
entities:
  card: {key: card_id, type: string}
sources:
  payments:
    entity: card
    event_time: ts
    retention: 30d
    columns:
      amount: {type: decimal, scale: 2}
      ratio: {type: float64}
      items: {type: int64}
      flag: {type: bool}
      city: {type: string}
      kind: {type: category}
      posted: {type: timestamp}
      is_fraud: {type: bool, available_after: 2d}
  kept: {entity: card, event_time: at, retention: forever, columns: {x: {type: float64}}}
request:
  amount: {type: decimal, scale: 2}
  items: {type: float64}
  city: {type: string}
  kind: {type: string}
  flag: {type: bool}
  posted: {type: timestamp}
)" + fmt::format("defaults: {}\n# from here on one feature a line\nfeatures:\n", defaults) +
         features;
}
constexpr int first_line = 32;

std::string feature(const std::string& aggregate, const std::string& window = "window: 1d", const std::string& from = "payments") {
  return fmt::format("  f: {{from: {}, aggregate: \"{}\", {}}}\n", from, aggregate, window);
}

Contract accepted(const std::string& features, const std::string& defaults = "{}") { return testing::parse(contract_text(features, defaults)); }

Aggregate aggregate_of(const std::string& aggregate, const std::string& window = "window: 1d", const std::string& from = "payments") {
  return accepted(feature(aggregate, window, from)).features()[0].aggregate;
}

/// The only failure of a contract.
Failure refused(const std::string& features, const std::string& defaults = "{}") {
  const auto result = Contract::parse(contract_text(features, defaults), {}, "test.yaml");
  REQUIRE_FALSE(result);
  INFO(result.error().what());
  REQUIRE(result.error().failures().size() == 1);
  CHECK_FALSE(result.error().failures()[0].help.empty());
  return result.error().failures()[0];
}

std::string resolved_call(const std::string& aggregate, const std::string& window = "window: 1d") {
  return nlohmann::json::parse(accepted(feature(aggregate, window)).resolved_json())["features"]["f"]["aggregate"];
}

std::string semantic(const std::string& aggregate, const std::string& window = "window: 1d") {
  return accepted(feature(aggregate, window)).fingerprint(FingerprintKind::semantic);
}

std::string described(const std::string& aggregate, const std::string& window) {
  const std::string text = accepted(feature(aggregate, window)).describe();
  const auto from = text.find("\n  f   ") + 1;
  return text.substr(from, text.find('\n', from) - from);
}

}  // namespace

TEST_CASE("every aggregate has its output type and one canonical call") {
  struct Row {
    const char* call;
    AggregateKind kind;
    Type type;
    const char* resolved;
  };
  const auto row = GENERATE(values<Row>({
      {"count( )", AggregateKind::count, Type::int64, "count()"},
      {"count_if(amount > 3)", AggregateKind::count_if, Type::int64, "count_if(amount > 3)"},
      {"last_k(city,3)", AggregateKind::last_k, Type::string, "last_k(city, 3)"},
      {"last_k(amount * 2, 1000)", AggregateKind::last_k, Type::string, "last_k(amount * 2, 1000)"},
      {"top_k(kind, 1)", AggregateKind::top_k, Type::string, "top_k(kind, 1)"},
      {"mode(city)", AggregateKind::mode, Type::string, "mode(city)"},
      {"mode(amount)", AggregateKind::mode, Type::float64, "mode(amount)"},
      {"mode(items)", AggregateKind::mode, Type::int64, "mode(items)"},
      {"mode(posted)", AggregateKind::mode, Type::timestamp, "mode(posted)"},
      {"mode(flag)", AggregateKind::mode, Type::boolean, "mode(flag)"},
      {"quantile(amount, 0.25)", AggregateKind::quantile, Type::float64, "quantile(amount, 0.25, linear)"},
      {"quantile(min(items, 3), 1.0, nearest)", AggregateKind::quantile, Type::float64, "quantile(min(items, 3), 1, nearest)"},
      {"median(ratio)", AggregateKind::quantile, Type::float64, "quantile(ratio, 0.5, linear)"},
      {"range(items)", AggregateKind::range, Type::float64, "range(items)"},
      {"share(city)", AggregateKind::share, Type::float64, "share(city)"},
      {"share(city, 'it''s, (a)')", AggregateKind::share, Type::float64, "share(city, 'it''s, (a)')"},
      {"share(kind)", AggregateKind::share, Type::float64, "share(kind)"},
      {"share(items, -7)", AggregateKind::share, Type::float64, "share(items, -7)"},
      {"share(ratio, -0.50)", AggregateKind::share, Type::float64, "share(ratio, -0.5)"},
      {"share(amount, -0.50)", AggregateKind::share, Type::float64, "share(amount, -0.5)"},
      {"share(amount > 100, true)", AggregateKind::share, Type::float64, "share(amount > 100, true)"},
      {"seen_before(city)", AggregateKind::seen_before, Type::boolean, "seen_before(city)"},
      {"seen_before(posted)", AggregateKind::seen_before, Type::boolean, "seen_before(posted)"},
      {"time_since_last(h)", AggregateKind::time_since_last, Type::float64, "time_since_last(hours)"},
      {"time_since_first(days)", AggregateKind::time_since_first, Type::float64, "time_since_first(days)"},
      {"mean_gap(s)", AggregateKind::mean_gap, Type::float64, "mean_gap(seconds)"},
      {"decay_sum(amount, 90m)", AggregateKind::decay_sum, Type::float64, "decay_sum(amount, 90m)"},
      {"decay_mean(flag, 12h)", AggregateKind::decay_mean, Type::float64, "decay_mean(flag, 12h)"},
      {"trend(ratio)", AggregateKind::trend, Type::float64, "trend(ratio, days)"},
      {"trend(amount, hours)", AggregateKind::trend, Type::float64, "trend(amount, hours)"},
      {"skew(ratio)", AggregateKind::skew, Type::float64, "skew(ratio)"},
      {"kurtosis(amount)", AggregateKind::kurtosis, Type::float64, "kurtosis(amount)"},
      {"entropy(city)", AggregateKind::entropy, Type::float64, "entropy(city)"},
      {"as_of(city)", AggregateKind::last, Type::string, "last(city)"},
      {"lag(city, 0)", AggregateKind::lag, Type::string, "lag(city, 0)"},
  }));
  CAPTURE(row.call);
  const Contract contract = accepted(feature(row.call));
  CHECK(contract.features()[0].aggregate.kind == row.kind);
  CHECK(contract.features()[0].type == row.type);
  CHECK(resolved_call(row.call) == row.resolved);
  CHECK(resolved_call(row.resolved) == row.resolved);
}

TEST_CASE("the resolved form parses back to the same fingerprints") {
  const auto window = GENERATE(as<std::string>{}, "window: 1d", "window: 90m, offset: 2d, bounds: \"(]\"", "last: 3", "lifetime: true, offset: 2d", "window: 1d, bucket: current, bounds: \"[]\", include_request: true",
                               "window: 1d, bucket: complete, offset: 2d, origin: \"2024-03-01T00:00:00.5+01:00\"", "gap: 30m, max_length: 12h, last: 5");
  const auto call = GENERATE(as<std::string>{}, "count()", "last_k(amount, 3)", "quantile(amount, 0.999, midpoint)", "share(amount, 3.10)", "share(city, 'x')", "seen_before(city)", "decay_sum(amount, 6h)", "trend(amount, s)",
                             "kurtosis(amount)", "mean_gap(m)", "top_k(city, 2)");
  CAPTURE(window, call);
  const auto keys = [&](std::string more) { return window + (call.starts_with("kurtosis") ? ", ddof: 0" : call.starts_with("last_k") ? ", nulls: keep" : "") + more; };
  const Contract contract = accepted(feature(call, keys(", where: \"amount > 1\", min_rows: 2")));
  const Contract again = testing::parse(contract.resolved_json());
  for (const auto kind : {FingerprintKind::semantic, FingerprintKind::policy, FingerprintKind::document}) CHECK(again.fingerprint(kind) == contract.fingerprint(kind));
  CHECK(again.feature_fingerprint(0) == contract.feature_fingerprint(0));
  CHECK(again.resolved_json() == contract.resolved_json());
}

TEST_CASE("second spellings mean the same, other arguments another value") {
  CHECK(semantic("median(amount)") == semantic("quantile(amount, 0.50, linear)"));
  CHECK(semantic("as_of(city)", "max_age: 1d") == semantic("last(city)", "window: 1d, nulls: keep"));
  CHECK(semantic("as_of(city)", "offset: 0s") == semantic("last(city)", "lifetime: true, nulls: keep"));
  CHECK(semantic("as_of(city)", "last: 2") == semantic("last(city)", "last: 2, nulls: keep"));
  CHECK(semantic("decay_sum(amount, 1h)", "offset: 0s") == semantic("decay_sum(amount, 60m)", "window: 64h"));
  CHECK(semantic("trend(amount)") == semantic("trend(amount, d)"));
  CHECK(semantic("count()", "window: 1d, bucket: current") == semantic("count()", "window: 1d, bucket: current, origin: \"1970-01-01T00:00:00Z\""));

  const std::vector<std::pair<std::string, std::string>> different = {
      {semantic("quantile(amount, 0.5)"), semantic("quantile(amount, 0.51)")},
      {semantic("quantile(amount, 0.5)"), semantic("quantile(amount, 0.5, lower)")},
      {semantic("last_k(amount, 2)"), semantic("last_k(amount, 3)")},
      {semantic("last_k(amount, 2)"), semantic("last_k(amount, 2)", "window: 1d, nulls: keep")},
      {semantic("as_of(city)", "max_age: 1d"), semantic("last(city)", "window: 1d")},
      {semantic("share(city)"), semantic("share(city, 'x')")},
      {semantic("share(city, 'x')"), semantic("share(city, 'y')")},
      {semantic("decay_sum(amount, 1h)"), semantic("decay_sum(amount, 2h)")},
      {semantic("trend(amount)"), semantic("trend(amount, hours)")},
      {semantic("skew(amount)"), semantic("skew(amount)", "window: 1d, ddof: 0")},
      {semantic("count()"), semantic("count()", "window: 1d, bucket: current")},
      {semantic("count()", "window: 1d, bucket: current"), semantic("count()", "window: 1d, bucket: complete")},
      {semantic("count()", "window: 1d, bucket: current"), semantic("count()", "window: 1d, bucket: current, origin: \"1970-01-01T06:00:00Z\"")},
      {semantic("count()", "gap: 1h, max_length: 1d"), semantic("count()", "gap: 2h, max_length: 1d")},
      {semantic("count()", "gap: 1h, max_length: 1d"), semantic("count()", "gap: 1h, max_length: 2d")},
  };
  for (const auto& [left, right] : different) CHECK(left != right);
}

TEST_CASE("the fingerprint of a feature covers the request's fields that it reads") {
  const auto differs = [](const std::string& call, const std::string& window, const std::string& other) {
    const std::string text = contract_text(feature(call, window));
    std::string changed = text;
    const std::string field = "  amount: {type: decimal, scale: 2}\n  items: {type: float64}";
    changed.replace(changed.find(field), field.size(), other);
    return testing::parse(text).feature_fingerprint(0) != testing::parse(changed).feature_fingerprint(0);
  };
  const std::string rounded = "  amount: {type: decimal, scale: 2, round: true}\n  items: {type: float64}", of_another = "  amount: {type: decimal, scale: 2}\n  items: {type: float64, nan: null}";
  for (const auto& [call, window] : std::vector<std::pair<std::string, std::string>>{{"share(amount)", "window: 1d"}, {"seen_before(amount)", "window: 1d"}, {"sum(amount)", "window: 1d, bounds: \"(]\", include_request: true"}, {"count()", "window: 1d, bounds: \"(]\", include_request: true, where: \"amount > 1\""}}) {
    CAPTURE(call);
    CHECK(differs(call, window, rounded));
    CHECK_FALSE(differs(call, window, of_another));
  }
  CHECK_FALSE(differs("share(amount, 1)", "window: 1d", rounded));
  CHECK_FALSE(differs("sum(amount)", "window: 1d", rounded));
}

TEST_CASE("the p of a quantile is the decimal that was written") {
  const auto p = [](const std::string& text) {
    const Aggregate a = aggregate_of("quantile(amount, " + text + ")");
    return std::pair(a.p_numerator, a.p_denominator);
  };
  CHECK(p("0") == std::pair<std::int64_t, std::int64_t>(0, 1));
  CHECK(p("1.000") == std::pair<std::int64_t, std::int64_t>(1, 1));
  CHECK(p("0.950") == std::pair<std::int64_t, std::int64_t>(95, 100));
  CHECK(p("0.123456789") == std::pair<std::int64_t, std::int64_t>(123'456'789, 1'000'000'000));
  for (const std::string bad : {"0.1234567891", "1.01", "-0.5", ".5", "0.", "5e-1", "half", "1/2", ""}) {
    CAPTURE(bad);
    const Failure failure = refused(feature("quantile(amount, " + bad + ")"));
    CHECK(failure.code == ErrorCode::bad_expression);
    CHECK(failure.line == first_line);
  }
  CHECK(aggregate_of("quantile(amount, 0.5, midpoint)").interpolation == Interpolation::midpoint);
  CHECK(refused(feature("quantile(amount, 0.5, linar)")).help == "did you mean `linear`?");
}

TEST_CASE("share and seen_before compare with the request's field of the same name, or with a value of the column's type") {
  const Contract contract = accepted(feature("share(city)"));
  CHECK(contract.features()[0].aggregate.compared_request == contract.find_request("city"));
  CHECK_FALSE(contract.features()[0].aggregate.literal);
  CHECK(aggregate_of("seen_before(amount)").compared_request >= 0);

  CHECK(aggregate_of("share(amount, 12.5)").literal == Literal(std::int64_t{1250}));
  CHECK(aggregate_of("share(amount, 12.5)").compared_request == -1);
  CHECK(aggregate_of("share(items, 9223372036854775807)").literal == Literal(std::int64_t{9'223'372'036'854'775'807}));
  CHECK(aggregate_of("share(ratio, 7)").literal == Literal(7.0));
  CHECK(aggregate_of("share(flag, false)").literal == Literal(std::int64_t{0}));
  CHECK(aggregate_of("share(kind, 'a, b')").literal == Literal(std::string("a, b")));

  for (const std::string call : {"share(city, 7)", "share(items, 7.0)", "share(items, 'x')", "share(amount, 0.125)", "share(flag, 1)", "share(ratio, nan)", "share(ratio, inf)", "share(posted, 7)", "share(amount, 1234567890123456789)"}) {
    CAPTURE(call);
    CHECK(refused(feature(call)).code == ErrorCode::bad_expression);
  }
  CHECK(refused(feature("share(amount, 0.125)")).message == "`0.125` in `share(amount, 0.125)`; expected a number with at most 2 digits behind the point");

  const Failure lacking = refused(feature("share(ratio)"));
  CHECK(lacking.code == ErrorCode::unknown_name);
  CHECK(lacking.help == "declare it under `request`, or give the value: share(ratio, ...)");
  CHECK(refused(feature("seen_before(ratio)")).help == "declare it under `request`");
  CHECK(refused(feature("seen_before(items)")).code == ErrorCode::wrong_type);
  CHECK(refused(feature("share(amount > 1)")).help == "share(expression, value)");
}

TEST_CASE("each argument's limits hold on both sides") {
  CHECK(aggregate_of("last_k(amount, 1)").k == 1);
  CHECK(aggregate_of("top_k(amount, 1000)").k == 1000);
  CHECK(aggregate_of("lag(amount, 100000)").k == 100'000);
  for (const std::string call : {"last_k(amount, 0)", "last_k(amount, 1001)", "top_k(amount, 0)", "top_k(amount, 1001)", "lag(amount, -1)", "lag(amount, 100001)", "lag(amount, two)"}) {
    CAPTURE(call);
    CHECK(refused(feature(call)).code == ErrorCode::bad_expression);
  }
  CHECK(aggregate_of("decay_sum(x, 468750d)", "offset: 0s", "kept").window == 30'000'000 * day);
  CHECK(refused(feature("decay_sum(x, 468751d)", "offset: 0s", "kept")).code == ErrorCode::bad_expression);
  CHECK(refused(feature("decay_sum(amount, 0s)")).code == ErrorCode::bad_expression);
  CHECK(aggregate_of("count()", "window: 30000000d", "kept").window == 30'000'000 * day);
  CHECK(refused(feature("count()", "window: 30000001d", "kept")).code == ErrorCode::bad_value);
}

TEST_CASE("a decay looks 64 half-lives back unless told, and never more than 1000") {
  CHECK(aggregate_of("decay_sum(amount, 1h)", "offset: 0s").window == 64 * hour);
  CHECK(aggregate_of("decay_sum(amount, 1h)", "last: 3").window == 64 * hour);
  CHECK(aggregate_of("decay_sum(amount, 1h)", "window: 2h").window == 2 * hour);
  CHECK(aggregate_of("decay_sum(amount, 1h)", "gap: 1h, max_length: 5h").window == 5 * hour);
  CHECK_FALSE(aggregate_of("decay_sum(amount, 1h)", "lifetime: true").window);

  CHECK(aggregate_of("decay_mean(amount, 1m)", "window: 900m, offset: 100m").window == 900 * minute);
  const Failure far = refused(feature("decay_mean(amount, 1m)", "window: 900m, offset: 101m"));
  CHECK(far.code == ErrorCode::bad_value);
  CHECK(far.message == "feature `f` looks back 1001m, more than 1000 half-lives of 1m");
  CHECK(far.help == "window: 64m");
  CHECK(refused(feature("decay_mean(amount, 43m)", "lifetime: true")).code == ErrorCode::bad_value);       // 30d are 1004.7 of 43m
  CHECK(aggregate_of("decay_mean(amount, 44m)", "lifetime: true").lifetime);
  CHECK(refused(feature("decay_mean(x, 1000d)", "lifetime: true", "kept")).message == "feature `f` looks back forever, more than 1000 half-lives of 1000d");

  const Failure kept = refused(feature("decay_sum(amount, 12h)", "offset: 0s"));
  CHECK(kept.code == ErrorCode::window_exceeds_retention);
  CHECK(kept.message == "feature `f` needs 32d of `payments`, serving keeps 30d (line 11)");
}

TEST_CASE("a bucket, a session and a lookup reach the plan as spans") {
  const auto span = [](const std::string& call, const std::string& window) { return Plan(accepted(feature(call, window))).timelines()[0].windows[0].span; };

  const Span bucket = span("count()", "window: 1d, bucket: complete, offset: 2h, origin: \"2024-01-01T00:00:00+01:00\"");
  CHECK(bucket.bucket == Bucket::complete);
  CHECK(bucket.origin == *parse_instant("2023-12-31T23:00:00Z", nullptr, false));
  CHECK(*bucket.tail - bucket.head == day);
  CHECK(bucket.head == 2 * hour);
  CHECK(bucket.tail_closed);
  CHECK_FALSE(bucket.head_closed);
  CHECK(span("count()", "window: 1d, bucket: current, bounds: \"[]\"").head_closed);
  CHECK(span("count()", "window: 1d, bucket: current").origin == 0);
  CHECK_FALSE(span("count()", "window: 1d, bucket: current") == span("count()", "window: 1d"));

  const Span session = span("count()", "gap: 30m, max_length: 12h, offset: 1h, bounds: \"(]\"");
  CHECK(session.gap == 30 * minute);
  CHECK(session.tail == 13 * hour);
  CHECK(session.head == hour);
  CHECK_FALSE(session.tail_closed);

  CHECK(span("as_of(city)", "max_age: 3d, bounds: \"[]\"").tail == 3 * day);
  CHECK_FALSE(span("as_of(city)", "bounds: \"[]\"").tail);
  CHECK(aggregate_of("as_of(city)").keep_nulls);
  CHECK(aggregate_of("last(city)", "max_age: 3d").window == 3 * day);
  CHECK_FALSE(aggregate_of("last(city)", "max_age: 3d").keep_nulls);
}

TEST_CASE("what a window needs is kept") {
  struct Row {
    const char* most;
    const char* more;
    const char* needs;
  };
  const auto row = GENERATE(values<Row>({
      {"window: 30d", "window: 721h", "721h"},
      {"window: 28d, offset: 2d", "window: 28d, offset: 49h", "28d + 49h"},
      {"window: 29d, offset: 1d, bucket: current", "window: 29d, offset: 25h, bucket: current", "29d + 25h"},
      {"window: 15d, bucket: complete", "window: 361h, bucket: complete", "361h + 361h"},
      {"window: 14d, bucket: complete, offset: 2d", "window: 14d, bucket: complete, offset: 49h", "14d + 14d + 49h"},
      {"gap: 1d, max_length: 27d, offset: 2d", "gap: 1d, max_length: 27d, offset: 49h", "27d + 1d + 49h"},
      {"lifetime: true, offset: 30d", "lifetime: true, offset: 721h", "721h"},
      {"last: 3, offset: 30d", "last: 3, offset: 721h", "721h"},
      {"max_age: 30d", "max_age: 721h", "721h"},
  }));
  CAPTURE(row.more);
  CHECK(accepted(feature("last(city)", row.most)).features().size() == 1);
  const Failure failure = refused(feature("last(city)", row.more));
  CHECK(failure.code == ErrorCode::window_exceeds_retention);
  CHECK(failure.message == fmt::format("feature `f` needs {} of `payments`, serving keeps 30d (line 11)", row.needs));
  CHECK(failure.help == "lower the window, or raise `retention` where the store really keeps it");
}

TEST_CASE("a cell that is known later needs its offset in every window") {
  const auto window = GENERATE(as<std::string>{}, "window: 1d", "window: 1d, bucket: current", "window: 1d, bucket: complete", "gap: 1h, max_length: 1d", "lifetime: true", "last: 2", "max_age: 1d");
  const auto call = GENERATE(as<std::string>{}, "last(is_fraud)", "last(city)");
  CAPTURE(window, call);
  const std::string where = call == "last(city)" ? ", where: is_fraud" : "";
  CHECK(accepted(feature(call, window + ", offset: 2d" + where)).features().size() == 1);
  const Failure failure = refused(feature(call, window + ", offset: 47h" + where));
  CHECK(failure.code == ErrorCode::label_too_young);
  CHECK(failure.help == "offset: 2d");
}

TEST_CASE("a bucket has its first instant, and its last only while it is current") {
  for (const std::string fits : {"bucket: current", "bucket: current, bounds: \"[)\"", "bucket: current, bounds: \"[]\"", "bucket: complete, bounds: \"[)\""}) {
    CAPTURE(fits);
    CHECK(aggregate_of("count()", "window: 1d, " + fits).bucket);
  }
  for (const std::string not_so : {"bucket: current, bounds: \"(]\"", "bucket: current, bounds: \"()\"", "bucket: complete, bounds: \"[]\"", "bucket: complete, bounds: \"(]\""}) {
    CAPTURE(not_so);
    CHECK(refused(feature("count()", "window: 1d, " + not_so)).code == ErrorCode::bad_value);
  }
  const Failure failure = refused(feature("count()", "window: 1d, bucket: complete"), "{bounds: \"[]\"}");
  CHECK(failure.code == ErrorCode::conflicting_keys);
  CHECK(failure.message == "the default bounds \"[]\" do not fit feature `f`, a complete bucket; expected \"[)\"");
  CHECK(failure.help == "bounds: \"[)\"");
  CHECK(failure.line == first_line);
  CHECK(accepted(feature("count()", "window: 1d, bucket: current"), "{bounds: \"[]\"}").features()[0].aggregate.bounds == Bounds::closed_closed);
  CHECK(accepted(feature("count()", "window: 1d, bucket: complete, bounds: \"[)\""), "{bounds: \"[]\"}").features()[0].aggregate.bounds == Bounds::closed_open);
}

TEST_CASE("the request belongs to a current bucket, never to a complete one") {
  CHECK(aggregate_of("sum(amount)", "window: 1d, bucket: current, bounds: \"[]\", include_request: true").include_request);
  CHECK(refused(feature("sum(amount)", "window: 1d, bucket: current, include_request: true")).help == "bounds: \"[]\"");
  CHECK(refused(feature("sum(amount)", "window: 1d, bucket: complete, include_request: true")).help == "bucket: current");
  CHECK(refused(feature("sum(amount)", "window: 1d, bucket: current, bounds: \"[]\", offset: 1h, include_request: true")).help == "offset: 0s");
  CHECK(aggregate_of("sum(amount)", "gap: 1h, max_length: 1d, bounds: \"(]\", include_request: true").include_request);
}

TEST_CASE("keys that exclude each other, and keys that need each other") {
  const std::vector<std::pair<std::string, std::string>> conflicting = {
      {"lifetime: true, window: 1d", "`window` and `lifetime` exclude each other"},
      {"lifetime: true, max_age: 1d", "`max_age` and `lifetime` exclude each other"},
      {"max_age: 1d, window: 1d", "`window` and `max_age` exclude each other"},
      {"gap: 1h, max_length: 1d, window: 1d", "`window` and `gap` exclude each other"},
      {"gap: 1h, max_length: 1d, max_age: 1d", "`max_age` and `gap` exclude each other"},
      {"window: 1d, origin: \"2024-01-01T00:00:00Z\"", "`origin` belongs to `bucket`"},
  };
  for (const auto& [window, message] : conflicting) {
    const Failure failure = refused(feature("last(city)", window));
    CHECK(failure.code == ErrorCode::conflicting_keys);
    CHECK(failure.message == message);
  }
  const std::vector<std::pair<std::string, std::string>> missing = {
      {"offset: 1h", "feature `f` lacks `window` (or `last`, or `lifetime: true`)"},
      {"bucket: current", "feature `f` lacks `window`, the width of its buckets"},
      {"bucket: current, last: 3", "feature `f` lacks `window`, the width of its buckets"},
      {"gap: 1h", "feature `f` lacks `max_length`: a session is cut there"},
      {"max_length: 1d", "feature `f` lacks `gap`: a session ends at the first longer one"},
  };
  for (const auto& [window, message] : missing) {
    const Failure failure = refused(feature("last(city)", window));
    CHECK(failure.code == ErrorCode::missing_key);
    CHECK(failure.message == message);
  }
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"window: 1d, bucket: curent", "`bucket` is \"curent\"; expected current or complete"},
      {"window: 1d, bucket: current, origin: \"2024-01-01\"", "`origin` is \"2024-01-01\"; expected an RFC 3339 instant from 1900 to 2099"},
      {"window: 1d, bucket: current, origin: \"2024-01-01T00:00:00\"", "`origin` is \"2024-01-01T00:00:00\"; expected an RFC 3339 instant from 1900 to 2099"},
      {"window: 1d, bucket: current, origin: \"2100-01-01T00:00:00Z\"", "`origin` is \"2100-01-01T00:00:00Z\"; expected an RFC 3339 instant from 1900 to 2099"},
      {"gap: 0s, max_length: 1d", "a `gap` of nothing"},
      {"gap: 1s, max_length: 0d", "a `max_length` of nothing"},
      {"max_age: 0s", "a `max_age` of nothing"},
      {"window: 0s", "a window of nothing"},
  };
  for (const auto& [window, message] : wrong) {
    const Failure failure = refused(feature("last(city)", window));
    CHECK(failure.code == ErrorCode::bad_value);
    CHECK(failure.message == message);
  }
  CHECK(refused(feature("last(city)", "window: 1d, bucket: curent")).help == "did you mean `current`?");
  CHECK(refused(feature("first(city)", "max_age: 1d")).message == "`max_age` belongs to as_of and last");
  CHECK(refused(feature("as_of(city)", "nulls: skip")).help == "last(column) skips them");
  CHECK(refused(feature("mode(city)", "window: 1d, nulls: keep")).message == "`nulls` belongs to first, last, lag and last_k");
  CHECK(refused(feature("entropy(city)", "window: 1d, ddof: 0")).message == "`ddof` belongs to std, var, skew and kurtosis");
  CHECK(refused("  f: {expr: \"1 + 1\", max_age: 1d}\n").message == "`max_age` belongs to aggregates");
}

TEST_CASE("a call that is none is refused at its argument, with what is expected") {
  const auto column_of = [](std::string_view part, const std::string& text) { return static_cast<int>(text.find(part)) + 1; };
  const std::string unit = feature("time_since_first(dys)");
  const Failure failure = refused(unit);
  CHECK(failure.code == ErrorCode::bad_expression);
  CHECK(failure.line == first_line);
  CHECK(failure.column == column_of("dys", unit));
  CHECK(failure.message == "`dys` in `time_since_first(dys)`; expected us, ms, seconds, minutes, hours or days");
  CHECK(failure.help == "did you mean `days`?");

  const std::string nested = feature("last_k( coalesce(items, 3) ,  many)");
  CHECK(refused(nested).column == column_of("many", nested));
  const std::string misspelled = feature("quantile(  amont, 0.5)");
  CHECK(refused(misspelled).column == column_of("amont", misspelled));
  CHECK(refused(misspelled).help == "did you mean `amount`?");

  CHECK(refused(feature("kurtosi(amount)")).help == "did you mean `kurtosis`?");
  CHECK(refused(feature("asof(amount)")).help == "did you mean `as_of`?");
  CHECK(refused(feature("ratio(city)")).code == ErrorCode::unknown_aggregate);
  CHECK(refused(feature("ratio(city)")).help == "share(column)");
  CHECK(refused(feature("mean(amount, items)")).message == "`mean(amount, items)`: expected mean(column)");
  CHECK(refused(feature("mean( )")).message == "`mean( )`: expected mean(column)");
  CHECK(refused(feature("count(amount)")).help == "count_if(column is not null) counts values");
  CHECK(refused(feature("decay_sum(amount)")).message == "`decay_sum(amount)`: expected decay_sum(column, half-life)");
  CHECK(refused(feature("skew(amount")).help == "skew(column)");

  for (const std::string call : {"quantile(flag, 0.5)", "range(posted)", "range(city)", "skew(city)", "decay_sum(posted, 1h)", "trend(city)", "kurtosis(posted)", "median(city)"}) {
    CAPTURE(call);
    CHECK(refused(feature(call)).message.find("; expected a number") != std::string::npos);
  }
}

TEST_CASE("a description says which rows") {
  CHECK(described("lag(city, 2)", "window: 1d, nulls: keep") == "  f         string    lag(city, 2) with nulls of payments by card over [t-1d, t)");
  CHECK(described("count()", "window: 1d, bucket: current, bounds: \"[]\", include_request: true") ==
        "  f         int64     count() of payments by card over the current 1d bucket [its start, t] with the request");
  CHECK(described("count()", "window: 7d, bucket: complete, offset: 2h, origin: \"2024-01-01T00:00:00Z\"") ==
        "  f         int64     count() of payments by card over the complete 7d bucket before t-2h from 2024-01-01T00:00:00Z");
  CHECK(described("mean(amount)", "gap: 30m, max_length: 12h, last: 5, where: \"amount > 1\"") ==
        "  f         float64   mean(amount) of payments by card over last 5 of the session to t) with gaps up to 30m, from [t-12h on where amount > 1");
}

TEST_CASE("a column's NaN policy may be YAML's own null") {
  const std::string text = testing::card_contract("  f: {from: transactions, aggregate: count(), window: 1d}\n");
  const auto with = [&](std::string policy) {
    std::string changed = text;
    changed.replace(changed.find("{type: float64}"), 15, "{type: float64, nan: " + policy + "}");
    return testing::parse(changed).sources()[0].fields[1].nan;
  };
  CHECK(with("null") == NanPolicy::null);
  CHECK(with("\"null\"") == NanPolicy::null);
  CHECK(with("reject") == NanPolicy::reject);
}
