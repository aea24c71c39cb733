/// Expressions of a contract: `expr`, `where` and the arguments of aggregates (SEMANTICS section 3, "Expressions").
///
///     auto parsed = Expression::parse("request.amount / avg_amount_30d");
///     parsed.value().inputs();    // request.amount, avg_amount_30d
///     auto typed = parsed.value().bind(resolve);   // resolve: name -> Variable
///     typed.value().evaluate(cells);               // one Cell an input, in the order of inputs()
///
/// SQL's three-valued logic. Every node is one correctly rounded float64 of its already rounded inputs (or an exact
/// comparison). exp, log, log1p, pow, sqrt and trigonometry are correctly rounded by the library's own arithmetic, never libm's.
#pragma once

#include <featlib/core/result.hpp>
#include <featlib/core/time.hpp>
#include <featlib/core/value.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace featlib {

/// Something an expression reads. A feature that came from its fallback reads as null unless `with_fallback(name)` asks for it;
/// the two are separate inputs.
struct ExpressionInput {
  std::string name;            ///< as written: "amount", "request.amount", "avg_amount_30d", "as_of"
  bool with_fallback = false;
  int offset = 0;              ///< 0-based position in the text of the first mention
};

/// What a name turned out to be. Decimals are given to evaluate() as float64 in their unit, so their type here is float64.
struct Variable {
  Type type;
};

/// Why an expression was refused: `offset` is the 0-based position in its text.
struct ExpressionFailure {
  ErrorCode code;              ///< bad_expression, unknown_name
  int offset = 0;
  std::string message;
  std::string help;
};

/// A value, why it is null if it is, and whether a clip() changed it.
struct Evaluated {
  Cell value;                  ///< integer for bool/int64/timestamp, real for float64, text for string
  Cause cause = Cause::ok;     ///< ok, null, error, clipped
};

template <class T>
struct ExpressionResult {
  std::optional<T> value;
  ExpressionFailure failure{};
};

class Expression {
 public:
  /// Syntax only. Depth, length and number of nodes are bounded (hostile files).
  static ExpressionResult<Expression> parse(std::string_view text);

  /// In order of first mention.
  const std::vector<ExpressionInput>& inputs() const;

  /// Types the tree; `resolve` returns nothing for an unknown name. `zone` is the tz of calendar parts.
  ExpressionResult<Expression> bind(const std::function<std::optional<Variable>(const ExpressionInput&)>& resolve, const TimeZone& zone) const;

  /// boolean, int64, float64, string or timestamp. Only after bind().
  Type type() const;

  /// One Cell an input, in the order of inputs(). Text results borrow from the inputs or from the expression.
  Evaluated evaluate(std::span<const Cell> inputs) const noexcept;

  /// A canonical spelling: equal for texts that parse to the same tree (whitespace, `=`/`==`, redundant parentheses).
  std::string canonical() const;

  struct Tree;                 // defined in src/expression.cpp

 private:
  std::shared_ptr<const Tree> tree_;
};

/// Correctly rounded elementary functions (argument outside the domain, or a result that is not finite: NaN).
namespace pinned {
double exp(double x);
double log(double x);
double log1p(double x);
double pow(double x, double y);
double sin(double x);
double cos(double x);
double asin(double x);

/// The slow, obvious forms, in integer arithmetic only. The functions above must equal them bit for bit.
namespace reference {
double exp(double x);
double log(double x);
double log1p(double x);
double pow(double x, double y);
double sin(double x);
double cos(double x);
double asin(double x);
}  // namespace reference
}  // namespace pinned

}  // namespace featlib
