/// Expressions of a contract: `expr`, `where` and the arguments of aggregates (SEMANTICS section 3, "Expressions").
///
///     auto parsed = Expression::parse("request.amount / avg_amount_30d");
///     parsed.value->inputs();                                      // request.amount, avg_amount_30d
///     auto bound = parsed.value->bind(resolve, TimeZone::utc());   // resolve: ExpressionInput -> Variable, or nothing
///     bound.value->evaluate(cells);                                // one Cell an input, in the order of inputs()
///
/// Values:    7, 0.5, 1e-3, 'text' or "text" (a quote inside is written twice), true, false, null, names with dots
/// Operators: loosest first; comparisons do not chain
///            or | and | not | = == != <> < <= > >= is [not] null, [not] in (...), [not] between a and b
///            | + - | * / % | unary -
/// Choice:    case when c then x ... [else y] end, coalesce(a, ...), min(a, ...), max(a, ...), clip(x, low, high)
/// Functions: abs sqrt exp log log1p pow sin cos asin floor ceil round (half to even)
///            distance_km(lat1, lon1, lat2, lon2), zscore(x, mean, std), with_fallback(name)
/// Calendar:  year month day hour minute second weekday (Monday = 0) day_of_year of a timestamp, in the zone of bind()
///
/// Logic:  three-valued as in SQL. Whatever is neither a connective nor a choice between branches is null when an
///         argument is; so are min, max and clip.
/// Exact:  every node is the exact result of its already rounded inputs, rounded once to float64. An int64 is exact in
///         + - * / % and in comparisons, also against float64; a function of a real argument takes it as float64.
///         -0.0 is 0.0, NaN never appears.
/// Type:   arithmetic is float64; `%` has the sign of the dividend. case, coalesce, min, max and clip choose, floor,
///         ceil and round keep: int64 stays int64, and where it meets float64 the result is float64.
/// Error:  division by zero, an argument outside the domain, clip with low > high, a latitude beyond 90 degrees and
///         a result that is not finite are null with cause `error`, which outlives a plain null beside it. and, or,
///         in, between, case, coalesce and `is null` forget the causes of what they did not take:
///         `false and 1 / 0 > 1` is false, coalesce(1 / 0, 5) is 5.
/// Clip:   a value that depends on a clip() that changed something is `clipped`, the condition of a case included.
/// Bounds: 10,000 bytes, 1,000 nodes, depth 100 (a + b + c has depth 3).
/// Cost:   evaluate() walks the tree, allocates nothing and uses less than 100 KB of stack.
#pragma once

#include <featlib/core/result.hpp>
#include <featlib/core/time.hpp>
#include <featlib/core/value.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace featlib {

/// Something an expression reads. A feature that came from its fallback reads as null unless `with_fallback(name)` asks
/// for it; the two are separate inputs.
struct ExpressionInput {
  std::string name;  ///< as written: "amount", "request.amount", "avg_amount_30d", "as_of"
  bool with_fallback = false;
  int offset = 0;  ///< 0-based position in the text of the first mention
};

/// What a name turned out to be. Decimals are given to evaluate() as float64 in their unit, so their type here is
/// float64.
struct Variable {
  Type type;
};

/// Why an expression was refused: `offset` is the 0-based position in its text.
struct ExpressionFailure {
  ErrorCode code;  ///< bad_expression, unknown_name
  int offset = 0;
  std::string message;
  std::string help;
};

/// A value, why it is null if it is, and whether a clip() changed it.
struct Evaluated {
  Cell value;               ///< integer for bool/int64/timestamp, real for float64, text for string
  Cause cause = Cause::ok;  ///< ok, null, error, clipped
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
  ExpressionResult<Expression> bind(const std::function<std::optional<Variable>(const ExpressionInput&)>& resolve,
                                    const TimeZone& zone) const;

  /// boolean, int64, float64, string or timestamp. Only after bind().
  Type type() const;

  /// One Cell an input, in the order of inputs(). Text results borrow from the inputs or from the expression.
  Evaluated evaluate(std::span<const Cell> inputs) const noexcept;

  /// A canonical spelling: equal for texts that parse to the same tree (whitespace, `=`/`==`, redundant parentheses).
  std::string canonical() const;

  struct Tree;  // defined in src/expression/tree.hpp
  const Tree& tree() const noexcept { return *tree_; }

 private:
  std::shared_ptr<const Tree> tree_;
};

/// Correctly rounded elementary functions, never libm's (argument outside the domain, or a result that is not finite:
/// NaN).
namespace pinned {
double exp(double x);
double log(double x);
double log1p(double x);
double pow(double x, double y);
double sin(double x);
double cos(double x);
double asin(double x);
/// 2^(numerator / denominator), 0 <= numerator < denominator: the quotient is no double and is never rounded to one.
double exp2(std::int64_t numerator, std::int64_t denominator);

/// The slow, obvious forms, in integer arithmetic only. The functions above must equal them bit for bit.
namespace reference {
double exp(double x);
double log(double x);
double log1p(double x);
double pow(double x, double y);
double sin(double x);
double cos(double x);
double asin(double x);
double exp2(std::int64_t numerator, std::int64_t denominator);
}  // namespace reference
}  // namespace pinned

}  // namespace featlib
