#include <featlib/decision/policy.hpp>

#include <featlib/core/fingerprint.hpp>

#include "contract/keys.hpp"
#include "contract/yaml.hpp"
#include "utf8.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

namespace featlib {
namespace {

constexpr std::size_t max_entries = 1000;         // segments, and rules of a kind: the checks below compare all pairs
constexpr std::size_t max_condition_inputs = 64;  // decide() gathers them on the stack

/// A `when`: parsed, later bound, and where it stands.
struct Condition {
  Expression expression;
  yaml::Place place;
  std::vector<int> slots;   ///< bound: index into Policy::inputs() of each input
};

}  // namespace

struct Policy::Data {
  std::string source, text, name, version, fingerprint;
  ScoreKind score = ScoreKind::probability;
  std::vector<Segment> segments;
  std::vector<Rule> rules;
  std::size_t before = 0;                       ///< the first `before` of rules
  std::vector<Condition> segment_conditions;    ///< one less than segments: the default has none
  std::vector<Condition> rule_conditions;
  std::vector<FeatureInput> inputs;
  bool bound = false;
};

namespace {

// ---- which conditions can never match: what is proven here is documented in docs/decision.md -----------------------

/// Numbers from low to high. Null is outside of every interval.
struct Interval {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  bool low_closed = false, high_closed = false;

  bool empty() const { return low > high || (low == high && !(low_closed && high_closed)); }
  bool contains(const Interval& other) const {
    return (low < other.low || (low == other.low && (low_closed || !other.low_closed))) &&
           (high > other.high || (high == other.high && (high_closed || !other.high_closed)));
  }
  void intersect(const Interval& other) {
    if (other.low > low || (other.low == low && !other.low_closed)) low = other.low, low_closed = other.low_closed;
    if (other.high < high || (other.high == high && !other.high_closed)) high = other.high, high_closed = other.high_closed;
  }
};

/// A word of a condition that stands outside of parentheses, quotes and case ... end.
struct Word {
  std::size_t begin, end;
  std::string_view text;
};

/// Canonical text has one space around every word, and doubles the quotes inside quotes.
std::vector<Word> outer_words(std::string_view text) {
  std::vector<Word> words;
  int parentheses = 0, cases = 0;
  bool quoted = false;
  for (std::size_t i = 0, begin = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ' ';
    if (c == '\'') quoted = !quoted;
    if (quoted) continue;
    parentheses += (c == '(') - (c == ')');
    if (c != ' ' || parentheses > 0) continue;
    const std::string_view word = text.substr(begin, i - begin);
    if (word.substr(std::min(word.find_first_not_of('-'), word.size())) == "case") ++cases;
    if (cases == 0) words.push_back({begin, i, word});
    if (word == "end") --cases;
    begin = i + 1;
  }
  return words;
}

/// A number that is exactly its double. Larger integers are not looked into.
std::optional<double> exact_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(std::fabs(value) <= 0x1p53)) return std::nullopt;
  return value;
}

/// A condition as an `and` of ranges of numbers and of parts that are only equal or not.
class Conjunction {
 public:
  explicit Conjunction(std::string_view canonical) {
    add(canonical);
    for (const auto& [operand, range] : ranges_) never_ |= range.empty();
  }

  bool never() const { return never_; }

  /// Whether every request that matches `this` matches one of `earlier`: one of them alone, or several that differ in one range.
  bool covered_by(std::span<const Conjunction> earlier) const {
    for (const Conjunction& one : earlier)
      if (implies(one, {})) return true;
    for (const auto& [operand, range] : ranges_) {
      std::vector<Interval> others;
      for (const Conjunction& one : earlier)
        if (const auto found = one.ranges_.find(operand); found != one.ranges_.end() && implies(one, operand)) others.push_back(found->second);
      if (covers(std::move(others), range)) return true;
    }
    return false;
  }

 private:
  void add(std::string_view text) {
    const std::vector<Word> words = outer_words(text);
    const auto is = [](std::string_view word) { return [word](const Word& w) { return w.text == word; }; };
    const auto has = [&](std::string_view word) { return std::any_of(words.begin(), words.end(), is(word)); };
    if (has("or")) return add_other(text);
    std::size_t begin = 0;
    bool between = false, split = false;
    for (const Word& word : words) {
      if (word.text == "between") between = true;
      if (word.text != "and" || std::exchange(between, false)) continue;
      add(text.substr(begin, word.begin - 1 - begin));
      begin = word.end + 1;
      split = true;
    }
    if (split) return add(text.substr(begin));
    if (words.size() == 1 && text.starts_with('(')) return add(text.substr(1, text.size() - 2));
    if (has("not") || !add_range(text, words)) add_other(text);
  }

  /// `x >= 5`, `5 <= x`, `x = 5`, `x between 5 and 7`; x may be anything that is computed from the request.
  bool add_range(std::string_view text, const std::vector<Word>& words) {
    for (std::size_t i = 1; i < words.size(); ++i) {
      const std::string_view word = words[i].text, left = text.substr(0, words[i].begin - 1);
      if (word == "between") {
        const auto last = std::find_if(words.begin(), words.end(), [](const Word& w) { return w.text == "and"; });
        const auto low = exact_number(text.substr(words[i].end + 1, last->begin - 1 - (words[i].end + 1)));
        const auto high = exact_number(text.substr(last->end + 1));
        if (!low || !high) return false;
        ranges_[std::string(left)].intersect({*low, *high, true, true});
        return true;
      }
      const bool equal = word == "=", less = word == "<" || word == "<=", greater = word == ">" || word == ">=";
      if (!equal && !less && !greater) continue;
      const std::string_view right = text.substr(words[i].end + 1);
      const auto on_right = exact_number(right), on_left = exact_number(left);
      const auto value = on_right ? on_right : on_left;
      if (!value) return false;
      Interval range;
      if (equal || greater == on_right.has_value()) range.low = *value, range.low_closed = word.ends_with('=');
      if (equal || less == on_right.has_value()) range.high = *value, range.high_closed = word.ends_with('=');
      ranges_[std::string(on_right ? left : right)].intersect(range);
      return true;
    }
    return false;
  }

  void add_other(std::string_view text) {
    if (text == "false" || text == "null") never_ = true;
    if (text != "true") others_.emplace(text);
  }

  /// Whether a request that matches `this` matches `other`, the range of one operand left aside.
  bool implies(const Conjunction& other, std::optional<std::string_view> aside) const {
    if (!std::includes(others_.begin(), others_.end(), other.others_.begin(), other.others_.end())) return false;
    return std::all_of(other.ranges_.begin(), other.ranges_.end(), [&](const auto& entry) {
      if (entry.first == aside) return true;
      const auto own = ranges_.find(entry.first);
      return own != ranges_.end() && entry.second.contains(own->second);
    });
  }

  static bool covers(std::vector<Interval> pieces, Interval rest) {
    std::sort(pieces.begin(), pieces.end(), [](const Interval& a, const Interval& b) {
      return a.low != b.low ? a.low < b.low : a.low_closed > b.low_closed;
    });
    for (const Interval& piece : pieces) {
      if (piece.low > rest.low || (piece.low == rest.low && rest.low_closed && !piece.low_closed)) return false;
      if (piece.contains(rest)) return true;
      if (piece.high > rest.low || (piece.high == rest.low && piece.high_closed)) rest.low = piece.high, rest.low_closed = !piece.high_closed;
    }
    return false;
  }

  std::map<std::string, Interval, std::less<>> ranges_;   ///< by the canonical text of what is compared
  std::set<std::string, std::less<>> others_;
  bool never_ = false;
};

// ---- the file -------------------------------------------------------------------------------------------------------

std::string shown(std::string_view text) { return utf8_excerpt(text, text.size() > 60 ? 57 : 60); }

std::string did_you_mean(std::string_view name) { return name.empty() ? "" : fmt::format("did you mean `{}`?", name); }

/// Fills Policy::Data and collects everything that is wrong, in file order.
class Reader {
 public:
  Reader(std::string_view text, std::string name) {
    data_.text = text;
    data_.source = std::move(name);
  }

  Result<std::shared_ptr<const Policy::Data>> read() {
    const auto root = yaml::parse(data_.text, data_.source);
    if (!root) {
      failures_ = root.error().failures();
      for (Failure& failure : failures_) failure.code = ErrorCode::policy_invalid;
      return Error(std::move(failures_));
    }
    top(root.value());
    try {
      if (failures_.empty()) data_.fingerprint = sha256_hex(canonical().dump());
    } catch (const nlohmann::json::exception&) {
      fail({}, "the policy is not UTF-8 text");
    }
    if (!failures_.empty()) return Error(std::move(failures_));
    return std::make_shared<const Policy::Data>(std::move(data_));
  }

 private:
  using Kind = yaml::Node::Kind;

  void fail(yaml::Place place, std::string message, std::string help = {}, ErrorCode code = ErrorCode::policy_invalid) {
    failures_.push_back({code, data_.source, place.line, place.column, std::move(message), std::move(help)});
  }

  /// Whether a node is a mapping with these keys; unknown and missing ones are failures.
  bool mapping(const yaml::Node& node, std::string_view what, std::initializer_list<std::string_view> required, std::initializer_list<std::string_view> optional = {}) {
    if (node.kind != Kind::map) {
      fail(node.place, fmt::format("{} must be a mapping", what));
      return false;
    }
    std::vector<std::string_view> known(required);
    known.insert(known.end(), optional);
    for (const auto& [key, value] : node.members) {
      if (std::find(known.begin(), known.end(), key.text) != known.end()) continue;
      const std::string_view near = contract::nearest(key.text, known);
      fail(key.place, fmt::format("{} has no key `{}`", what, shown(key.text)), near.empty() ? fmt::format("its keys are {}", fmt::join(known, ", ")) : did_you_mean(near));
    }
    for (const std::string_view key : required)
      if (node.find(key) == nullptr) fail(node.place, fmt::format("{} lacks `{}`", what, key));
    return true;
  }

  /// The text under a key, or nothing where it is absent (which mapping() has told) or no text.
  std::optional<std::string> text(const yaml::Node& map, std::string_view key) {
    const yaml::Node* node = map.find(key);
    if (node == nullptr) return std::nullopt;
    if (node->kind == Kind::scalar && !node->text.empty() && node->text.size() <= 10'000) return node->text;
    fail(node->place, fmt::format("`{}` must be a text that is not empty", key));
    return std::nullopt;
  }

  template <class Choice>
  std::optional<Choice> choice(const yaml::Node& map, std::string_view key, std::initializer_list<Choice> choices) {
    const auto given = text(map, key);
    if (!given) return std::nullopt;
    std::vector<std::string_view> names;
    for (const Choice one : choices) {
      if (*given == to_string(one)) return one;
      names.push_back(to_string(one));
    }
    fail(map.find(key)->place, fmt::format("`{}` is `{}`; expected {}", key, shown(*given), fmt::join(names, ", ")), did_you_mean(contract::nearest(*given, names)));
    return std::nullopt;
  }

  std::optional<double> threshold(const yaml::Node& map, std::string_view key) {
    const auto given = text(map, key);
    if (!given) return std::nullopt;
    const yaml::Place place = map.find(key)->place;
    double value = 0;
    const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), value);
    if (error != std::errc{} || end != given->data() + given->size() || !std::isfinite(value)) {
      fail(place, fmt::format("`{}` is `{}`; expected a number", key, shown(*given)));
      return std::nullopt;
    }
    if (data_.score == ScoreKind::probability && !(value >= 0 && value <= 1)) {
      fail(place, fmt::format("`{}` is {}; a probability lies between 0 and 1", key, *given), "write `score: margin` if the thresholds are margins");
      return std::nullopt;
    }
    return value + 0.0;   // -0.0 is 0.0
  }

  std::optional<Condition> condition(const yaml::Node& map) {
    const auto given = text(map, "when");
    if (!given) return std::nullopt;
    const yaml::Node& node = *map.find("when");
    const yaml::Place start{node.place.line, node.place.column + node.quoted};
    auto parsed = Expression::parse(*given);
    if (parsed.value) return Condition{std::move(*parsed.value), start, {}};
    fail({start.line, start.column + parsed.failure.offset}, parsed.failure.message, parsed.failure.help);
    return std::nullopt;
  }

  /// The elements of a sequence, or none where it is absent.
  std::span<const yaml::Node> sequence(const yaml::Node& map, std::string_view key) {
    const yaml::Node* node = map.find(key);
    if (node == nullptr) return {};
    if (node->kind == Kind::sequence && node->items.size() <= max_entries) return node->items;
    fail(node->place, node->kind == Kind::sequence ? fmt::format("`{}` has {} entries, at most {} are allowed", key, node->items.size(), max_entries)
                                                   : fmt::format("`{}` must be a list", key));
    return {};
  }

  void top(const yaml::Node& root) {
    if (!mapping(root, "a policy", {"featlib_policy", "name", "version", "segments"}, {"score", "rules"})) return;
    const auto format = text(root, "featlib_policy");
    if (format && *format != "1") fail(root.find("featlib_policy")->place, fmt::format("featlib_policy is `{}`; this version reads 1", shown(*format)));
    data_.name = text(root, "name").value_or("");
    data_.version = text(root, "version").value_or("");
    data_.score = choice(root, "score", {ScoreKind::probability, ScoreKind::margin}).value_or(ScoreKind::probability);
    segments(root);
    if (const yaml::Node* kinds = root.find("rules"); kinds != nullptr && mapping(*kinds, "`rules`", {}, {"before", "after"})) {
      rules(*kinds, "before");
      data_.before = data_.rules.size();
      rules(*kinds, "after");
    }
    std::stable_sort(failures_.begin(), failures_.end(), [](const Failure& a, const Failure& b) { return std::pair(a.line, a.column) < std::pair(b.line, b.column); });
  }

  void thresholds(const yaml::Node& map, std::string when) {
    const auto review = threshold(map, "review"), block = threshold(map, "block");
    if (!review || !block) return;
    if (*review > *block) fail(map.place, fmt::format("review {} is above block {}, so nothing would be reviewed", *review, *block), "review must not be above block");
    data_.segments.push_back({std::move(when), *review, *block});
  }

  void segments(const yaml::Node& root) {
    const std::span<const yaml::Node> nodes = sequence(root, "segments");
    std::vector<Conjunction> earlier;
    bool total = false;
    for (std::size_t i = 0; i < nodes.size() && !total; ++i) {
      const yaml::Node& node = nodes[i];
      if (const yaml::Node* last = node.find("default")) {
        total = true;
        if (mapping(node, "the default segment", {"default"}) && mapping(*last, "`default`", {"review", "block"})) thresholds(*last, "");
        unless_reachable(node, Conjunction("true"), earlier, "the default segment");
        if (i + 1 < nodes.size()) fail(nodes[i + 1].place, "a segment behind `default` can never match", "move `default` to the end", ErrorCode::policy_unreachable);
        continue;
      }
      if (!mapping(node, "a segment", {"when", "review", "block"})) continue;
      auto read = condition(node);
      const std::string when = read ? read->expression.canonical() : "";
      thresholds(node, when);
      if (!read) continue;
      earlier_than(node, when, earlier, "this segment");
      data_.segment_conditions.push_back(std::move(*read));
    }
    if (const yaml::Node* list = root.find("segments"); list != nullptr && list->kind == Kind::sequence && !total)
      fail(list->place, "a request that matches no segment would have no thresholds", "end the list with `- default: {review: ..., block: ...}`");
  }

  void rules(const yaml::Node& kinds, std::string_view kind) {
    std::vector<Conjunction> earlier;
    for (const yaml::Node& node : sequence(kinds, kind)) {
      if (!mapping(node, "a rule", {"name", "when", "outcome"})) continue;
      const auto name = text(node, "name");
      auto read = condition(node);
      const auto outcome = choice(node, "outcome", {Outcome::approve, Outcome::review, Outcome::block});
      if (name && std::any_of(data_.rules.begin(), data_.rules.end(), [&](const Rule& rule) { return rule.name == *name; }))
        fail(node.find("name")->place, fmt::format("two rules are named `{}`", shown(*name)), "records name the rule that decided; give each its own name");
      if (!name || !read || !outcome) continue;
      const std::string when = read->expression.canonical();
      earlier_than(node, when, earlier, "this rule");
      data_.rules.push_back({*name, when, *outcome, kind == "before"});
      data_.rule_conditions.push_back(std::move(*read));
    }
  }

  void unless_reachable(const yaml::Node& node, const Conjunction& condition, std::span<const Conjunction> earlier, std::string_view what) {
    if (condition.never())
      fail(node.place, fmt::format("the condition of {} is never true", what), {}, ErrorCode::policy_unreachable);
    else if (condition.covered_by(earlier))
      fail(node.place, fmt::format("{} can never match: the conditions before it match whenever this one does", what),
           "the first match counts; put the narrower condition first, or remove this one", ErrorCode::policy_unreachable);
  }

  void earlier_than(const yaml::Node& node, std::string_view when, std::vector<Conjunction>& earlier, std::string_view what) {
    Conjunction condition(when);
    unless_reachable(node, condition, earlier, what);
    earlier.push_back(std::move(condition));
  }

  /// Keys sorted, conditions canonical, thresholds in their shortest exact spelling.
  nlohmann::json canonical() const {
    nlohmann::json segments = nlohmann::json::array(), before = nlohmann::json::array(), after = before;
    for (const Segment& segment : data_.segments)
      segments.push_back({{"when", segment.when}, {"review", fmt::format("{}", segment.review)}, {"block", fmt::format("{}", segment.block)}});
    for (const Rule& rule : data_.rules) (rule.before ? before : after).push_back({{"name", rule.name}, {"when", rule.when}, {"outcome", to_string(rule.outcome)}});
    return {{"featlib_policy", 1}, {"name", data_.name}, {"version", data_.version}, {"score", to_string(data_.score)},
            {"segments", segments}, {"rules", {{"before", before}, {"after", after}}}};
  }

  Policy::Data data_;
  std::vector<Failure> failures_;
};

// ---- binding --------------------------------------------------------------------------------------------------------

class Binder {
 public:
  Binder(Policy::Data& data, const Contract& contract) : data_(data), contract_(contract) {}

  std::vector<Failure> bind() {
    for (Condition& condition : data_.segment_conditions) bind(condition);
    for (Condition& condition : data_.rule_conditions) bind(condition);
    data_.bound = true;
    return std::move(failures_);
  }

 private:
  void bind(Condition& condition) {
    const auto& inputs = condition.expression.inputs();
    if (inputs.size() > max_condition_inputs)
      return fail(condition, 0, fmt::format("the condition reads {} values, at most {} are allowed", inputs.size(), max_condition_inputs));
    std::vector<Type> types;
    std::vector<int> slots;
    for (const ExpressionInput& input : inputs) {
      const auto type = resolve(condition, input, slots);
      if (!type) return;
      types.push_back(*type);
    }
    const auto type_of = [&](const ExpressionInput& input) -> std::optional<Variable> {
      const auto same = [&](const ExpressionInput& one) { return one.name == input.name && one.with_fallback == input.with_fallback; };
      return Variable{types[static_cast<std::size_t>(std::find_if(inputs.begin(), inputs.end(), same) - inputs.begin())]};
    };
    auto bound = condition.expression.bind(type_of, TimeZone::utc());
    if (!bound.value) return fail(condition, bound.failure.offset, bound.failure.message, bound.failure.help);
    if (bound.value->type() != Type::boolean) return fail(condition, 0, fmt::format("`{}` is not a condition", shown(condition.expression.canonical())), "compare it with something");
    condition.slots = std::move(slots);
    condition.expression = std::move(*bound.value);
  }

  void fail(const Condition& condition, int offset, std::string message, std::string help = {}) {
    failures_.push_back({ErrorCode::policy_invalid, data_.source, condition.place.line, condition.place.column + offset, std::move(message), std::move(help)});
  }

  template <class Named>
  static std::string_view nearest_of(const std::vector<Named>& all, std::string_view name) {
    std::vector<std::string_view> names;
    for (const Named& one : all) names.push_back(one.name);
    return contract::nearest(name, names);
  }

  /// The type of an input as expressions see it, and its slot; or a failure.
  std::optional<Type> resolve(const Condition& condition, const ExpressionInput& input, std::vector<int>& slots) {
    constexpr std::string_view request = "request.";
    const auto refuse = [&](std::string message, std::string help) {
      fail(condition, input.offset, std::move(message), std::move(help));
      return std::nullopt;
    };
    const auto take = [&](FeatureInput::Kind kind, int index, Type type) {
      slots.push_back(slot({kind, index, input.with_fallback}));
      return type == Type::decimal ? Type::float64 : type;   // in its unit
    };
    if (input.name.starts_with(request)) {
      const std::string_view name = std::string_view(input.name).substr(request.size());
      const int index = contract_.find_request(name);
      if (index < 0) {
        const std::string_view near = nearest_of(contract_.request(), name);
        return refuse(fmt::format("the request has no field `{}`", name), near.empty() ? "" : fmt::format("did you mean `request.{}`?", near));
      }
      const Field& field = contract_.request()[static_cast<std::size_t>(index)];
      if (input.with_fallback) return refuse("with_fallback() reads features, not fields of the request", "");
      if (field.any_key) return refuse(fmt::format("request field `{}` has no declared type", name), "declare it under `request` in the contract");
      return take(FeatureInput::Kind::request, index, field.type == Type::category ? Type::string : field.type);
    }
    if (input.name == "as_of" && !input.with_fallback) return take(FeatureInput::Kind::as_of, 0, Type::timestamp);
    const int index = contract_.find_feature(input.name);
    if (index < 0)
      return refuse(fmt::format("no feature `{}`", input.name), contract_.find_request(input.name) >= 0 ? fmt::format("the request's field is written request.{}", input.name)
                                                                                                       : did_you_mean(nearest_of(contract_.features(), input.name)));
    const Feature& feature = contract_.features()[static_cast<std::size_t>(index)];
    if (feature.type == Type::category) return refuse(fmt::format("`{}` is a category", input.name), "read the text it comes from: request.field");
    return take(FeatureInput::Kind::feature, index, feature.type);
  }

  /// Conditions share inputs.
  int slot(const FeatureInput& input) {
    const auto same = std::find_if(data_.inputs.begin(), data_.inputs.end(), [&](const FeatureInput& one) {
      return one.kind == input.kind && one.index == input.index && one.with_fallback == input.with_fallback;
    });
    if (same != data_.inputs.end()) return static_cast<int>(same - data_.inputs.begin());
    data_.inputs.push_back(input);
    return static_cast<int>(data_.inputs.size()) - 1;
  }

  Policy::Data& data_;
  const Contract& contract_;
  std::vector<Failure> failures_;
};

bool matches(const Condition& condition, std::span<const Cell> inputs) noexcept {
  std::array<Cell, max_condition_inputs> cells;
  std::size_t n = 0;
  for (const int slot : condition.slots) cells[n++] = inputs[static_cast<std::size_t>(slot)];
  const Evaluated result = condition.expression.evaluate({cells.data(), n});
  return !result.value.is_null() && result.value.integer != 0;
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::none: return "none";
    case Outcome::approve: return "approve";
    case Outcome::review: return "review";
    case Outcome::block: return "block";
  }
  return "unknown";
}

std::string_view to_string(Mode mode) {
  switch (mode) {
    case Mode::normal: return "normal";
    case Mode::rule: return "rule";
    case Mode::no_model: return "no_model";
    case Mode::no_score: return "no_score";
    case Mode::no_policy: return "no_policy";
    case Mode::bad_request: return "bad_request";
  }
  return "unknown";
}

std::string_view to_string(ScoreKind kind) { return kind == ScoreKind::probability ? "probability" : "margin"; }

Result<Policy> Policy::load(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return Error(ErrorCode::io_failed, "cannot read the policy", {}, path.string());
  return parse(text.str(), path.string());
}

Result<Policy> Policy::parse(std::string_view text, std::string name) {
  auto data = Reader(text, std::move(name)).read();
  if (!data) return data.error();
  return Policy(std::move(data).value());
}

Result<Policy> Policy::bind(const Contract& contract) const {
  auto data = std::make_shared<Data>(*data_);
  data->inputs.clear();
  std::vector<Failure> failures = Binder(*data, contract).bind();
  if (!failures.empty()) return Error(std::move(failures));
  return Policy(std::move(data));
}

const std::string& Policy::name() const noexcept { return data_->name; }
const std::string& Policy::version() const noexcept { return data_->version; }
ScoreKind Policy::score() const noexcept { return data_->score; }
const std::vector<Segment>& Policy::segments() const noexcept { return data_->segments; }
const std::vector<Rule>& Policy::rules() const noexcept { return data_->rules; }
bool Policy::bound() const noexcept { return data_->bound; }
const std::vector<FeatureInput>& Policy::inputs() const noexcept { return data_->inputs; }
const std::string& Policy::fingerprint() const noexcept { return data_->fingerprint; }
const std::string& Policy::text() const noexcept { return data_->text; }

Ruling Policy::decide(double score, std::span<const Cell> inputs) const noexcept {
  const Data& data = *data_;
  assert(data.bound && inputs.size() == data.inputs.size());
  const auto first_rule = [&](std::size_t from, std::size_t to) {
    while (from < to && !matches(data.rule_conditions[from], inputs)) ++from;
    return from < to ? static_cast<int>(from) : -1;
  };
  const auto by_rule = [&](int rule, int segment) { return Ruling{data.rules[static_cast<std::size_t>(rule)].outcome, Mode::rule, segment, rule}; };

  if (const int rule = first_rule(0, data.before); rule >= 0) return by_rule(rule, -1);
  Ruling ruling{Outcome::review, Mode::no_score, -1, -1};
  if (!std::isnan(score)) {
    std::size_t i = 0;
    while (i < data.segment_conditions.size() && !matches(data.segment_conditions[i], inputs)) ++i;
    const Segment& segment = data.segments[i];   // the last has no condition
    const Outcome outcome = score >= segment.block ? Outcome::block : score >= segment.review ? Outcome::review : Outcome::approve;
    ruling = {outcome, Mode::normal, static_cast<int>(i), -1};
  }
  if (const int rule = first_rule(data.before, data.rules.size()); rule >= 0) return by_rule(rule, ruling.segment);
  return ruling;
}

}  // namespace featlib
