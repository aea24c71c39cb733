#include "expression/arithmetic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <compare>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

namespace featlib {

using namespace expressions;

namespace {

constexpr std::size_t max_text = 10'000;
constexpr std::size_t max_nodes = 1'000;
constexpr int max_depth = 100;
// The parser recurses once for a node and once for its parentheses: what canonical() writes always parses.
constexpr int max_nesting = 2 * max_depth + 50;

struct Function {
  std::string_view name;
  Op op;
  int at_least, at_most;  ///< arguments
};

constexpr int any_number = static_cast<int>(max_nodes);
constexpr Function functions[] = {
    {"abs", Op::absolute, 1, 1},
    {"asin", Op::arcsine, 1, 1},
    {"ceil", Op::ceil, 1, 1},
    {"clip", Op::clip, 3, 3},
    {"coalesce", Op::coalesce, 1, any_number},
    {"cos", Op::cosine, 1, 1},
    {"day", Op::day, 1, 1},
    {"day_of_year", Op::day_of_year, 1, 1},
    {"distance_km", Op::distance_km, 4, 4},
    {"exp", Op::exponential, 1, 1},
    {"floor", Op::floor, 1, 1},
    {"hour", Op::hour, 1, 1},
    {"log", Op::logarithm, 1, 1},
    {"log1p", Op::logarithm_1p, 1, 1},
    {"max", Op::maximum, 1, any_number},
    {"min", Op::minimum, 1, any_number},
    {"minute", Op::minute, 1, 1},
    {"month", Op::month, 1, 1},
    {"pow", Op::power, 2, 2},
    {"round", Op::round, 1, 1},
    {"second", Op::second, 1, 1},
    {"sin", Op::sine, 1, 1},
    {"sqrt", Op::square_root, 1, 1},
    {"weekday", Op::weekday, 1, 1},
    {"year", Op::year, 1, 1},
    {"zscore", Op::zscore, 3, 3},
};

constexpr std::string_view keywords[] = {"and", "between", "case", "else", "end",  "false", "in",
                                         "is",  "not",     "null", "or",   "then", "true",  "when"};

// Binding strengths, loosest first. Comparison, `is`, `in` and `between` share one and do not chain.
enum Strength : int {
  loosest,
  or_strength,
  and_strength,
  not_strength,
  comparison_strength,
  sum_strength,
  product_strength,
  sign_strength,
  tightest
};

struct Operator {
  std::string_view text;
  Op op;
  Strength strength;
};

constexpr Operator operators[] = {
    {"or", Op::logical_or, or_strength},
    {"and", Op::logical_and, and_strength},
    {"=", Op::equal, comparison_strength},
    {"==", Op::equal, comparison_strength},
    {"!=", Op::not_equal, comparison_strength},
    {"<>", Op::not_equal, comparison_strength},
    {"<", Op::less, comparison_strength},
    {"<=", Op::less_equal, comparison_strength},
    {">", Op::greater, comparison_strength},
    {">=", Op::greater_equal, comparison_strength},
    {"+", Op::add, sum_strength},
    {"-", Op::subtract, sum_strength},
    {"*", Op::multiply, product_strength},
    {"/", Op::divide, product_strength},
    {"%", Op::remainder, product_strength},
};

template <class Range>
bool contains(const Range& range, std::string_view text) {
  return std::find(std::begin(range), std::end(range), text) != std::end(range);
}

template <class Table>
auto find_text(const Table& table, std::string_view text) {
  const auto row = std::find_if(std::begin(table), std::end(table), [&](const auto& r) {
    if constexpr (requires { r.text; })
      return r.text == text;
    else
      return r.name == text;
  });
  return row == std::end(table) ? nullptr : &*row;
}

template <class Table>
const auto& row_of(const Table& table, Op op) {
  return *std::find_if(std::begin(table), std::end(table), [&](const auto& r) { return r.op == op; });
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

// Hostile texts may hold any bytes; a message shows printable ASCII and is short.
std::string shown(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 40)) {
    if (c >= ' ' && c <= '~')
      out += c;
    else
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return text.size() > 40 ? out + "..." : out;
}

}  // namespace

using Tree = Expression::Tree;
using Node = Expression::Tree::Node;

namespace {

// Thrown and caught inside this file: parser and binder are recursive, and unwinding is what an exception is for.
struct Refused {
  ExpressionFailure failure;
};

[[noreturn]] void refuse(int offset, std::string message, std::string help = {},
                         ErrorCode code = ErrorCode::bad_expression) {
  throw Refused{{code, offset, std::move(message), std::move(help)}};
}

struct Token {
  enum class Kind : std::uint8_t { end, number, text, name, keyword, symbol };
  Kind kind = Kind::end;
  int offset = 0;
  std::string_view text;  ///< as written
};

std::string described(const Token& token) {
  switch (token.kind) {
    case Token::Kind::end:
      return "the end";
    case Token::Kind::number:
      return fmt::format("the number `{}`", shown(token.text));
    case Token::Kind::text:
      return fmt::format("the text {}", shown(token.text));
    case Token::Kind::name:
      return fmt::format("the name `{}`", shown(token.text));
    default:
      return fmt::format("`{}`", shown(token.text));
  }
}

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Token next() {
    while (at(0) == ' ' || at(0) == '\t' || at(0) == '\n' || at(0) == '\r') ++position_;
    if (position_ == text_.size()) return make(Token::Kind::end, 0);
    const char c = at(0);
    if (is_digit(c)) return number();
    if (is_letter(c)) return name();
    if (c == '\'' || c == '"') return quoted(c);
    for (std::string_view two : {"==", "!=", "<>", "<=", ">="})
      if (text_.substr(position_, 2) == two) return make(Token::Kind::symbol, 2);
    if (std::string_view("+-*/%=<>(),").find(c) != std::string_view::npos) return make(Token::Kind::symbol, 1);
    refuse(here(), fmt::format("`{}` means nothing here", shown(text_.substr(position_, 1))), hint(c));
  }

 private:
  char at(std::size_t ahead) const { return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0'; }
  int here() const { return static_cast<int>(position_); }

  Token make(Token::Kind kind, std::size_t length) {
    const Token token{kind, here(), text_.substr(position_, length)};
    position_ += length;
    return token;
  }

  static std::string hint(char c) {
    switch (c) {
      case '&':
        return "write `and`";
      case '|':
        return "write `or`";
      case '!':
        return "write `not`";
      case '^':
        return "write pow(x, y)";
      case '.':
        return "write a digit before the point: 0.5";
      default:
        return {};
    }
  }

  Token number() {
    std::size_t length = 0;
    const auto digits = [&] {
      while (is_digit(at(length))) ++length;
    };
    digits();
    if (at(length) == '.' && is_digit(at(length + 1))) {
      ++length;
      digits();
    }
    if (at(length) == 'e' || at(length) == 'E') {
      const std::size_t sign = at(length + 1) == '+' || at(length + 1) == '-';
      if (is_digit(at(length + 1 + sign))) {
        length += 1 + sign;
        digits();
      }
    }
    if (is_letter(at(length)) || at(length) == '.')
      refuse(here(), fmt::format("`{}` is not a number", shown(text_.substr(position_, length + 1))),
             "numbers look like 7, 0.5 or 1e-3; names start with a letter");
    return make(Token::Kind::number, length);
  }

  Token name() {
    std::size_t length = 0;
    for (;;) {
      while (is_letter(at(length)) || is_digit(at(length))) ++length;
      if (at(length) != '.') break;
      if (!is_letter(at(length + 1)))
        refuse(here() + static_cast<int>(length), "a name ends with `.`", "write it as request.amount");
      ++length;
    }
    const Token::Kind kind =
        contains(keywords, text_.substr(position_, length)) ? Token::Kind::keyword : Token::Kind::name;
    return make(kind, length);
  }

  Token quoted(char quote) {
    std::size_t length = 1;
    for (;; ++length) {
      if (position_ + length >= text_.size())
        refuse(here(), fmt::format("text starts with {} and does not end", quote),
               fmt::format("close it with {}; inside, a quote is written twice", quote));
      if (at(length) != quote) continue;
      if (at(length + 1) != quote) break;
      ++length;
    }
    return make(Token::Kind::text, length + 1);
  }

  std::string_view text_;
  std::size_t position_ = 0;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) { advance(); }

  Tree parse() {
    if (token_.kind == Token::Kind::end) refuse(0, "the expression is empty");
    tree_.root = expression(loosest);
    if (token_.kind != Token::Kind::end) unexpected("an operator or the end");
    return std::move(tree_);
  }

 private:
  void advance() { token_ = lexer_.next(); }
  bool is(std::string_view text) const {
    return (token_.kind == Token::Kind::symbol || token_.kind == Token::Kind::keyword) && token_.text == text;
  }

  bool take(std::string_view text) {
    if (!is(text)) return false;
    advance();
    return true;
  }

  void expect(std::string_view text) {
    if (!take(text)) unexpected(fmt::format("`{}`", text));
  }

  [[noreturn]] void unexpected(std::string_view expected, std::string help = {}) const {
    std::string lower;
    for (char c : token_.text.substr(0, 8)) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    if (token_.kind == Token::Kind::name && contains(keywords, lower))
      help = fmt::format("keywords are lower case: `{}`", lower);
    refuse(token_.offset, fmt::format("expected {}, found {}", expected, described(token_)), std::move(help));
  }

  int add(Node node, std::initializer_list<int> children) {
    return add(std::move(node), std::span(children.begin(), children.size()));
  }

  int add(Node node, std::span<const int> children) {
    if (tree_.nodes.size() == max_nodes)
      refuse(node.offset, fmt::format("the expression has more than {} parts", max_nodes),
             "split it into several features");
    node.first = static_cast<int>(tree_.children.size());
    node.count = static_cast<int>(children.size());
    for (int child : children)
      node.depth = std::max(node.depth, tree_.nodes[static_cast<std::size_t>(child)].depth + 1);
    if (node.depth > max_depth) too_deep(node.offset);
    tree_.children.insert(tree_.children.end(), children.begin(), children.end());
    tree_.nodes.push_back(std::move(node));
    return static_cast<int>(tree_.nodes.size()) - 1;
  }

  [[noreturn]] static void too_deep(int offset) {
    refuse(offset, fmt::format("the expression is nested deeper than {}", max_depth), "split it into several features");
  }

  static Node node_of(Op op, int offset) {
    Node node;
    node.op = op;
    node.offset = offset;
    return node;
  }

  int expression(int strength) {
    if (++nesting_ > max_nesting) too_deep(token_.offset);
    int left = prefix();
    while (const auto extended = infix(left, strength)) left = *extended;
    --nesting_;
    return left;
  }

  int prefix() {
    const Token token = token_;
    if (take("(")) {
      const int inner = expression(loosest);
      expect(")");
      return inner;
    }
    if (take("-")) {
      if (token_.kind == Token::Kind::number) return number(true, token.offset);
      return add(node_of(Op::negate, token.offset), {expression(sign_strength)});
    }
    if (take("not")) return add(node_of(Op::logical_not, token.offset), {expression(not_strength)});
    if (take("case")) return case_when(token.offset);
    if (is("null") || is("true") || is("false")) {
      Node node = node_of(Op::literal, token.offset);
      if (!is("null")) {
        node.value = Cell::of(is("true"));
        node.type = Type::boolean;
      }
      advance();
      return add(node, {});
    }
    switch (token.kind) {
      case Token::Kind::number:
        return number(false, token.offset);
      case Token::Kind::text:
        return text();
      case Token::Kind::name:
        advance();
        return is("(") ? call(token) : input(token, false);
      default:
        unexpected("a value");
    }
  }

  std::optional<int> infix(int left, int strength) {
    const int offset = token_.offset;
    const bool inverted = is("not");  // x not in (...), x not between ...
    if (inverted || is("is") || is("in") || is("between")) {
      if (strength >= comparison_strength) return std::nullopt;
      if (inverted) {
        advance();
        if (!is("in") && !is("between")) unexpected("`in` or `between` after `not`");
      }
      const int made = take("is") ? is_null(left, offset) : take("in") ? in(left, offset) : between(left, offset);
      refuse_chain();
      return inverted ? add(node_of(Op::logical_not, offset), {made}) : made;
    }
    if (token_.kind != Token::Kind::symbol && token_.kind != Token::Kind::keyword) return std::nullopt;
    const Operator* found = find_text(operators, token_.text);
    if (!found || found->strength <= strength) return std::nullopt;
    advance();
    const int right = expression(found->strength);
    if (found->strength == comparison_strength) refuse_chain();
    return add(node_of(found->op, offset), {left, right});
  }

  void refuse_chain() const {
    const Operator* next = token_.kind == Token::Kind::symbol ? find_text(operators, token_.text) : nullptr;
    if ((next && next->strength == comparison_strength) || is("is") || is("in") || is("between") || is("not"))
      refuse(token_.offset, fmt::format("`{}` after a comparison", token_.text),
             "write `a < b and b < c`, or put the first comparison in parentheses");
  }

  int is_null(int left, int offset) {
    const bool inverted = take("not");
    expect("null");
    const int made = add(node_of(Op::is_null, offset), {left});
    return inverted ? add(node_of(Op::logical_not, offset), {made}) : made;
  }

  int in(int left, int offset) {
    std::vector<int> items{left};
    expect("(");
    do items.push_back(expression(loosest));
    while (take(","));
    expect(")");
    return add(node_of(Op::in, offset), items);
  }

  int between(int left, int offset) {
    expect("between");
    const int low = expression(comparison_strength);
    expect("and");
    return add(node_of(Op::between, offset), {left, low, expression(comparison_strength)});
  }

  int case_when(int offset) {
    Node node = node_of(Op::case_when, offset);
    std::vector<int> parts;
    if (!is("when")) unexpected("`when`", "`case x when 1` is written `case when x = 1`");
    while (take("when")) {
      parts.push_back(expression(loosest));
      expect("then");
      parts.push_back(expression(loosest));
    }
    node.has_else = take("else");
    if (node.has_else) parts.push_back(expression(loosest));
    if (!is("end")) unexpected(node.has_else ? "`end`" : "`when`, `else` or `end`");
    advance();
    return add(node, parts);
  }

  int number(bool negative, int offset) {
    const std::string written = (negative ? "-" : "") + std::string(token_.text);
    const char* end = written.data() + written.size();
    Node node = node_of(Op::literal, offset);
    std::int64_t integer = 0;
    double real = 0;
    if (const auto read = std::from_chars(written.data(), end, integer); read.ec == std::errc() && read.ptr == end) {
      node.value = Cell::of(integer);
      node.type = Type::int64;
    } else {
      if (std::from_chars(written.data(), end, real).ec != std::errc())
        refuse(offset, fmt::format("`{}` is outside what float64 holds", shown(written)));
      node.value = Cell::of(real + 0.0);  // -0.0 is 0.0
      node.type = Type::float64;
    }
    advance();
    return add(node, {});
  }

  int text() {
    const char quote = token_.text.front();
    std::string value;
    for (std::size_t i = 1; i + 1 < token_.text.size(); ++i) {
      value += token_.text[i];
      i += token_.text[i] == quote;
    }
    Node node = node_of(Op::literal, token_.offset);
    node.text = true;
    node.type = Type::string;
    node.index = static_cast<int>(tree_.texts.size());
    tree_.texts.push_back(std::move(value));
    advance();
    return add(node, {});
  }

  int input(const Token& name, bool with_fallback) {
    auto& inputs = tree_.inputs;
    const auto known = std::find_if(inputs.begin(), inputs.end(), [&](const ExpressionInput& i) {
      return i.name == name.text && i.with_fallback == with_fallback;
    });
    Node node = node_of(Op::input, name.offset);
    node.index = static_cast<int>(known - inputs.begin());
    if (known == inputs.end()) inputs.push_back({std::string(name.text), with_fallback, name.offset});
    return add(node, {});
  }

  int call(const Token& name) {
    expect("(");
    if (name.text == "with_fallback") {
      const Token inner = token_;
      if (inner.kind != Token::Kind::name) unexpected("the name of a feature");
      advance();
      expect(")");
      return input(inner, true);
    }
    const Function* function = find_text(functions, name.text);
    if (!function) unknown_function(name);
    std::vector<int> arguments;
    if (!is(")")) {
      do arguments.push_back(expression(loosest));
      while (take(","));
    }
    expect(")");
    const auto given = static_cast<int>(arguments.size());
    if (given < function->at_least || given > function->at_most) {
      const std::string wanted = function->at_least == function->at_most
                                     ? fmt::format("{}", function->at_least)
                                     : fmt::format("at least {}", function->at_least);
      refuse(name.offset, fmt::format("`{}` takes {} argument{}, found {}", name.text, wanted,
                                      function->at_least == 1 ? "" : "s", given));
    }
    return add(node_of(function->op, name.offset), arguments);
  }

  [[noreturn]] static void unknown_function(const Token& name) {
    constexpr std::string_view aggregates[] = {
        "count",          "count_if",        "sum",    "mean",    "avg", "std", "var", "first", "last", "lag",
        "count_distinct", "time_since_last", "median", "quantile"};
    std::string help;
    if (contains(aggregates, name.text)) {
      help =
          fmt::format("an aggregate stands under `aggregate` of a feature of its own; read that feature's name here");
    } else if (name.text.size() <= 40) {
      std::string_view nearest = "with_fallback";
      for (const Function& function : functions)
        if (edit_distance(name.text, function.name) < edit_distance(name.text, nearest)) nearest = function.name;
      if (edit_distance(name.text, nearest) <= 1 + nearest.size() / 3)
        help = fmt::format("did you mean `{}`?", nearest);
    }
    refuse(name.offset, fmt::format("no function is called `{}`", shown(name.text)), help);
  }

  Lexer lexer_;
  Token token_;
  Tree tree_;
  int nesting_ = 0;
};

}  // namespace

// ---- canonical text ----

std::string Tree::write(const Node& node, int strength) const {
  const auto list = [&](int from) {
    std::string out;
    for (int i = from; i < node.count; ++i) out += (i > from ? ", " : "") + write(child(node, i), loosest);
    return out;
  };
  const auto wrap = [&](Strength own, std::string text) { return own < strength ? "(" + text + ")" : text; };
  const auto above = [](Strength own) { return own + 1; };

  switch (node.op) {
    case Op::literal: {
      if (node.text) {
        std::string out = "'";
        for (char c : text_of(node)) out += c == '\'' ? std::string("''") : std::string(1, c);
        return out + "'";
      }
      if (node.type == Type::boolean) return node.value.integer ? "true" : "false";
      if (node.value.is_null()) return "null";
      if (node.type == Type::int64) return fmt::format("{}", node.value.integer);
      std::array<char, 32> digits{};
      const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), node.value.real).ptr;
      std::string out(digits.data(), end);
      // Without a point or exponent it would read back as an integer.
      return out.find_first_of(".e") == std::string::npos ? out + ".0" : out;
    }
    case Op::input: {
      const ExpressionInput& input = inputs[static_cast<std::size_t>(node.index)];
      return input.with_fallback ? "with_fallback(" + input.name + ")" : input.name;
    }
    case Op::negate: {
      // -(5) negates, -5 is a number.
      const std::string operand = write(child(node, 0), sign_strength);
      const bool digits = child(node, 0).op == Op::literal;
      return wrap(sign_strength, digits ? "-(" + operand + ")" : "-" + operand);
    }
    case Op::logical_not:
      return wrap(not_strength, "not " + write(child(node, 0), not_strength));
    case Op::is_null:
      return wrap(comparison_strength, write(child(node, 0), above(comparison_strength)) + " is null");
    case Op::in:
      return wrap(comparison_strength, write(child(node, 0), above(comparison_strength)) + " in (" + list(1) + ")");
    case Op::between:
      return wrap(comparison_strength,
                  fmt::format("{} between {} and {}", write(child(node, 0), above(comparison_strength)),
                              write(child(node, 1), above(comparison_strength)),
                              write(child(node, 2), above(comparison_strength))));
    case Op::case_when: {
      std::string out = "case";
      for (int i = 0; i + 1 < node.count; i += 2)
        out += fmt::format(" when {} then {}", write(child(node, i), loosest), write(child(node, i + 1), loosest));
      if (node.has_else) out += " else " + write(child(node, node.count - 1), loosest);
      return out + " end";
    }
    default:
      break;
  }
  const auto function =
      std::find_if(std::begin(functions), std::end(functions), [&](const Function& f) { return f.op == node.op; });
  if (function != std::end(functions)) return fmt::format("{}({})", function->name, list(0));

  // Sums, products, `and` and `or` lean left; comparisons do not chain, so both of their sides bind tighter.
  const Operator& row = row_of(operators, node.op);
  const int left = row.strength == comparison_strength ? above(row.strength) : row.strength;
  return wrap(row.strength, fmt::format("{} {} {}", write(child(node, 0), left), row.text,
                                        write(child(node, 1), above(row.strength))));
}

// ---- types ----

namespace {

using Maybe = std::optional<Type>;  // nothing: the literal null

bool is_number(Maybe type) { return !type || *type == Type::int64 || *type == Type::float64; }

std::string_view noun(Maybe type) {
  if (!type) return "null";
  switch (*type) {
    case Type::boolean:
      return "a bool";
    case Type::string:
      return "a string";
    case Type::timestamp:
      return "a timestamp";
    default:
      return "a number";
  }
}

class Binder {
 public:
  Binder(Tree& tree, const std::function<std::optional<Variable>(const ExpressionInput&)>& resolve)
      : tree_(tree), resolve_(resolve) {}

  // Children come before their parents in `nodes`.
  void bind() {
    for (const ExpressionInput& input : tree_.inputs) {
      const auto variable = resolve_(input);
      if (!variable)
        refuse(input.offset, fmt::format("`{}` is not a name that can be read here", shown(input.name)), {},
               ErrorCode::unknown_name);
      inputs_.push_back(variable->type == Type::decimal    ? Type::float64
                        : variable->type == Type::category ? Type::string
                                                           : variable->type);
    }
    for (Node& node : tree_.nodes) node.type = type_of(node);
  }

 private:
  std::string quoted(const Node& node) const {
    return fmt::format("{} `{}`", noun(node.type), shown(tree_.write(node, loosest)));
  }

  void require(const Node& node, Type type, std::string_view expected, std::string_view help = {}) const {
    if (node.type && *node.type != type)
      refuse(node.offset, fmt::format("expected {}, found {}", expected, quoted(node)), std::string(help));
  }

  void require_number(const Node& node) const {
    if (is_number(node.type)) return;
    std::string help;
    if (node.type == Type::boolean) help = "write `case when ... then 1 else 0 end`";
    if (node.type == Type::timestamp) help = "read a part of it with year(), hour(), weekday(), ...";
    refuse(node.offset, fmt::format("expected a number, found {}", quoted(node)), help);
  }

  void require_condition(const Node& node) const {
    require(node, Type::boolean, "a condition", "compare it with something: x > 0");
  }

  // The one type both have: int64 and float64 meet in float64, null meets anything.
  Maybe meet(const Node& a, Maybe so_far) const {
    if (!so_far || !a.type || *so_far == *a.type) return so_far ? so_far : a.type;
    if (is_number(so_far) && is_number(a.type)) return Type::float64;
    refuse(a.offset, fmt::format("expected {} like the values before it, found {}", noun(so_far), quoted(a)));
  }

  void require_comparable(const Node& a, const Node& b, bool ordered) const {
    const bool same = !a.type || !b.type || *a.type == *b.type || (is_number(a.type) && is_number(b.type));
    if (!same) {
      const bool truth =
          (a.type == Type::boolean && is_number(b.type)) || (b.type == Type::boolean && is_number(a.type));
      refuse(b.offset, fmt::format("{} is compared with {}", quoted(a), quoted(b)),
             truth ? "a bool is true or false, never 1 or 0" : "");
    }
    if (ordered && (a.type == Type::boolean || b.type == Type::boolean))
      refuse(b.offset, fmt::format("{} has no order", quoted(a.type == Type::boolean ? a : b)),
             "compare a bool with = or !=, or use it as a condition");
  }

  Maybe type_of(const Node& node) const {
    const auto child = [&](int i) -> const Node& { return tree_.child(node, i); };
    const auto each = [&](auto&& check) {
      for (int i = 0; i < node.count; ++i) check(child(i));
    };
    const auto meet_all = [&] {
      Maybe type;
      each([&](const Node& c) { type = meet(c, type); });
      return type;
    };

    switch (node.op) {
      case Op::literal:
        return node.type;
      case Op::input:
        return inputs_[static_cast<std::size_t>(node.index)];

      case Op::equal:
      case Op::not_equal:
        require_comparable(child(0), child(1), false);
        return Type::boolean;
      case Op::less:
      case Op::less_equal:
      case Op::greater:
      case Op::greater_equal:
        require_comparable(child(0), child(1), true);
        return Type::boolean;
      case Op::between:
        require_comparable(child(0), child(1), true);
        require_comparable(child(0), child(2), true);
        return Type::boolean;
      case Op::in:
        for (int i = 1; i < node.count; ++i) require_comparable(child(0), child(i), false);
        return Type::boolean;
      case Op::logical_and:
      case Op::logical_or:
      case Op::logical_not:
        each([&](const Node& c) { require_condition(c); });
        return Type::boolean;
      case Op::is_null:
        return Type::boolean;

      case Op::case_when: {
        Maybe type;
        for (int i = 0; i + 1 < node.count; i += 2) {
          require_condition(child(i));
          type = meet(child(i + 1), type);
        }
        return node.has_else ? meet(child(node.count - 1), type) : type;
      }
      case Op::coalesce:
        return meet_all();
      case Op::minimum:
      case Op::maximum: {
        const Maybe type = meet_all();
        if (type != Type::timestamp) each([&](const Node& c) { require_number(c); });
        return type;
      }
      case Op::clip:
        each([&](const Node& c) { require_number(c); });
        return meet_all();
      // Whole already: an int64 keeps its type, so it keeps all its digits.
      case Op::floor:
      case Op::ceil:
      case Op::round:
        require_number(child(0));
        return child(0).type;

      case Op::year:
      case Op::month:
      case Op::day:
      case Op::hour:
      case Op::minute:
      case Op::second:
      case Op::weekday:
      case Op::day_of_year:
        require(child(0), Type::timestamp, "a timestamp", "as_of is one");
        return Type::int64;

      default:
        each([&](const Node& c) { require_number(c); });
        return Type::float64;
    }
  }

  Tree& tree_;
  const std::function<std::optional<Variable>(const ExpressionInput&)>& resolve_;
  std::vector<Type> inputs_;
};

// ---- evaluation ----

// A value, why it is null, and whether a clip() that changed something is part of it.
struct Value {
  Cell cell;
  Cause cause = Cause::ok;  // ok, null or error
  bool clipped = false;
};

Value null_of(Cause cause) { return {Cell::null(), cause, false}; }
Value of_real(double x, bool clipped) {
  return std::isfinite(x) ? Value{Cell::of(x + 0.0), Cause::ok, clipped} : null_of(Cause::error);
}
Value of_truth(bool truth, bool clipped) { return {Cell::of(truth), Cause::ok, clipped}; }

Cause worse(Cause a, Cause b) {
  return a == Cause::error || b == Cause::error ? Cause::error
         : a == Cause::null || b == Cause::null ? Cause::null
                                                : Cause::ok;
}

// Walks the tree: depth is bounded by max_depth, so is the stack, and nothing is allocated.
class Evaluator {
 public:
  Evaluator(const Tree& tree, std::span<const Cell> inputs) : tree_(tree), inputs_(inputs) {}

  Value evaluate(const Node& node) const noexcept {
    Value value = compute(node);
    // An int64 that takes part in a float64 result (case, coalesce, min, ...) is rounded here, once.
    if (node.type == Type::float64 && value.cell.kind == Cell::Kind::integer)
      value.cell = Cell::of(static_cast<double>(value.cell.integer));
    return value;
  }

 private:
  Value operand(const Node& node, int i) const noexcept { return evaluate(tree_.child(node, i)); }

  Value compute(const Node& node) const noexcept {
    switch (node.op) {
      case Op::literal:
        if (node.text) return {Cell::of(tree_.text_of(node))};
        return {node.value, node.value.is_null() ? Cause::null : Cause::ok, false};
      case Op::input:
        return read(node);
      case Op::logical_and:
        return connective(node, false);
      case Op::logical_or:
        return connective(node, true);
      case Op::logical_not: {
        Value value = operand(node, 0);
        if (value.cause == Cause::ok) value.cell = Cell::of(value.cell.integer == 0);
        return value;
      }
      case Op::is_null:
        return of_truth(operand(node, 0).cause != Cause::ok, false);
      case Op::in:
        return in(node);
      case Op::between: {
        const Value x = operand(node, 0);
        const Value low = compared(Op::greater_equal, x, operand(node, 1));
        if (low.cause == Cause::ok && low.cell.integer == 0) return low;
        return both(low, compared(Op::less_equal, x, operand(node, 2)));
      }
      case Op::case_when:
        return case_when(node);
      case Op::coalesce: {
        Cause cause = Cause::ok;
        for (int i = 0; i < node.count; ++i) {
          const Value value = operand(node, i);
          if (value.cause == Cause::ok) return value;
          cause = worse(cause, value.cause);
        }
        return null_of(cause);
      }
      default:
        break;
    }

    // Everything else is strict: one null makes null.
    std::array<Value, 4> few;
    if (node.op == Op::minimum || node.op == Op::maximum) return extreme(node);
    Cause cause = Cause::ok;
    bool clipped = false;
    for (int i = 0; i < node.count; ++i) {
      Value& value = few[static_cast<std::size_t>(i)] = operand(node, i);
      cause = worse(cause, value.cause);
      clipped |= value.clipped;
    }
    if (cause != Cause::ok) return null_of(cause);
    return strict(node.op, few, clipped);
  }

  Value strict(Op op, const std::array<Value, 4>& values, bool clipped) const noexcept {
    const Cell& a = values[0].cell;
    const Cell& b = values[1].cell;
    switch (op) {
      case Op::add:
      case Op::subtract:
      case Op::multiply:
      case Op::divide:
      case Op::remainder:
        return of_real(arithmetic(op, a, b), clipped);
      case Op::equal:
      case Op::not_equal:
      case Op::less:
      case Op::less_equal:
      case Op::greater:
      case Op::greater_equal:
        return compared(op, values[0], values[1]);
      case Op::clip:
        return clip(values, clipped);
      case Op::floor:
      case Op::ceil:
      case Op::round:
        if (a.kind == Cell::Kind::integer) return {a, Cause::ok, clipped};
        return of_real(apply(op, a.real), clipped);
      case Op::power:
        return of_real(pinned::pow(real_of(a), real_of(b)), clipped);
      case Op::distance_km:
        return of_real(distance_km(real_of(a), real_of(b), real_of(values[2].cell), real_of(values[3].cell)), clipped);
      case Op::zscore: {
        const double difference = arithmetic(Op::subtract, a, b);
        return of_real(std::isfinite(difference) ? arithmetic(Op::divide, Cell::of(difference), values[2].cell) : nan,
                       clipped);
      }
      case Op::year:
      case Op::month:
      case Op::day:
      case Op::hour:
      case Op::minute:
      case Op::second:
      case Op::weekday:
      case Op::day_of_year:
        return {Cell::of(calendar_part(op, a.integer)), Cause::ok, clipped};
      default:
        return of_real(apply(op, real_of(a)), clipped);
    }
  }

  Value read(const Node& node) const noexcept {
    const auto index = static_cast<std::size_t>(node.index);
    assert(index < inputs_.size());
    Cell cell = index < inputs_.size() ? inputs_[index] : Cell::null();
    if (cell.is_null()) return null_of(Cause::null);
    const bool text = cell.kind == Cell::Kind::text, real = cell.kind == Cell::Kind::real;
    const bool fits = text == (node.type == Type::string) && (!real || node.type == Type::float64);
    assert(fits);
    if (!fits || (real && !std::isfinite(cell.real))) return null_of(Cause::error);
    if (real) cell = Cell::of(cell.real + 0.0);
    return {cell};
  }

  // Both or neither known: strict in nulls, and the answer of a comparison needs both sides.
  static Value compared(Op op, const Value& a, const Value& b) noexcept {
    const Cause cause = worse(a.cause, b.cause);
    if (cause != Cause::ok) return null_of(cause);
    const auto order = compare(a.cell, b.cell);
    const bool clipped = a.clipped || b.clipped;
    switch (op) {
      case Op::equal:
        return of_truth(order == 0, clipped);
      case Op::not_equal:
        return of_truth(order != 0, clipped);
      case Op::less:
        return of_truth(order < 0, clipped);
      case Op::less_equal:
        return of_truth(order <= 0, clipped);
      case Op::greater:
        return of_truth(order > 0, clipped);
      default:
        return of_truth(order >= 0, clipped);
    }
  }

  // `decisive` (false for and, true for or) on one side decides alone; otherwise a null side makes null.
  static Value joined(const Value& a, const Value& b, bool decisive) noexcept {
    const auto decides = [&](const Value& v) { return v.cause == Cause::ok && (v.cell.integer != 0) == decisive; };
    if (decides(a)) return a;
    if (decides(b)) return b;
    const Cause cause = worse(a.cause, b.cause);
    return cause == Cause::ok ? of_truth(!decisive, a.clipped || b.clipped) : null_of(cause);
  }

  static Value both(const Value& a, const Value& b) noexcept { return joined(a, b, false); }

  Value connective(const Node& node, bool decisive) const noexcept {
    const Value left = operand(node, 0);
    if (left.cause == Cause::ok && (left.cell.integer != 0) == decisive) return left;
    return joined(left, operand(node, 1), decisive);
  }

  Value in(const Node& node) const noexcept {
    const Value x = operand(node, 0);
    Value found = of_truth(false, false);
    for (int i = 1; i < node.count; ++i) {
      found = joined(found, compared(Op::equal, x, operand(node, i)), true);
      if (found.cause == Cause::ok && found.cell.integer != 0) break;
    }
    return found;
  }

  Value case_when(const Node& node) const noexcept {
    bool clipped = false;
    const auto taken = [&](int i) {
      Value value = operand(node, i);
      value.clipped |= clipped && value.cause == Cause::ok;
      return value;
    };
    for (int i = 0; i + 1 < node.count; i += 2) {
      const Value condition = operand(node, i);
      clipped |= condition.clipped;  // the choice depends on it
      if (condition.cause == Cause::ok && condition.cell.integer != 0) return taken(i + 1);
    }
    return node.has_else ? taken(node.count - 1) : null_of(Cause::null);
  }

  Value extreme(const Node& node) const noexcept {
    Value best = operand(node, 0);
    for (int i = 1; i < node.count; ++i) {
      const Value next = operand(node, i);
      const Cause cause = worse(best.cause, next.cause);
      const bool clipped = best.clipped || next.clipped;
      if (cause != Cause::ok) {
        best = null_of(cause);
        continue;
      }
      const auto order = compare(next.cell, best.cell);
      if (node.op == Op::minimum ? order < 0 : order > 0) best = next;
      best.clipped = clipped;
    }
    return best;
  }

  static Value clip(const std::array<Value, 4>& values, bool clipped) noexcept {
    const Cell &x = values[0].cell, &low = values[1].cell, &high = values[2].cell;
    if (compare(low, high) > 0) return null_of(Cause::error);
    if (compare(x, low) < 0) return {low, Cause::ok, true};
    if (compare(x, high) > 0) return {high, Cause::ok, true};
    return {x, Cause::ok, clipped};
  }

  std::int64_t calendar_part(Op op, Instant instant) const noexcept {
    const CivilTime time = civil_time(instant, *tree_.zone);
    switch (op) {
      case Op::year:
        return time.year;
      case Op::month:
        return time.month;
      case Op::day:
        return time.day;
      case Op::hour:
        return time.hour;
      case Op::minute:
        return time.minute;
      case Op::second:
        return time.second;
      case Op::weekday:
        return time.weekday;
      default:
        return time.day_of_year;
    }
  }

  const Tree& tree_;
  std::span<const Cell> inputs_;
};

}  // namespace

ExpressionResult<Expression> Expression::parse(std::string_view text) {
  try {
    if (text.size() > max_text)
      refuse(0, fmt::format("the expression has {} bytes, at most {} are allowed", text.size(), max_text),
             "split it into several features");
    Expression out;
    out.tree_ = std::make_shared<const Tree>(Parser(text).parse());
    return {std::move(out)};
  } catch (Refused& refused) {
    return {std::nullopt, std::move(refused.failure)};
  }
}

const std::vector<ExpressionInput>& Expression::inputs() const { return tree_->inputs; }

// The reference of pinned:: computes its constants at first use, and allocates for that. Better while binding than in a
// first evaluate().
static void prepare_pinned() {
  namespace reference = pinned::reference;
  [[maybe_unused]] static const double once =
      reference::exp(1.0) + reference::log(3.0) + reference::sin(3.0) + reference::asin(0.7);
}

ExpressionResult<Expression> Expression::bind(
    const std::function<std::optional<Variable>(const ExpressionInput&)>& resolve, const TimeZone& zone) const {
  try {
    auto tree = std::make_shared<Tree>(*tree_);
    tree->zone = zone;
    Binder(*tree, resolve).bind();
    prepare_pinned();
    Expression out;
    out.tree_ = std::move(tree);
    return {std::move(out)};
  } catch (Refused& refused) {
    return {std::nullopt, std::move(refused.failure)};
  }
}

Type Expression::type() const {
  assert(tree_->zone);
  return tree_->root_node().type.value_or(Type::float64);  // nothing but null
}

Evaluated Expression::evaluate(std::span<const Cell> inputs) const noexcept {
  assert(tree_->zone);
  const Value value = Evaluator(*tree_, inputs).evaluate(tree_->root_node());
  return {value.cell, value.cause == Cause::ok && value.clipped ? Cause::clipped : value.cause};
}

std::string Expression::canonical() const { return tree_->write(tree_->root_node(), loosest); }

}  // namespace featlib
