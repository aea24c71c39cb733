/// How featlib says no: a stable code, a place, what was found, what was expected, what to do.
///
/// Control-plane functions return Result<T>: `.value()` throws Error, `.error()` does not.
/// Several things can be wrong with one file, so an Error carries a list of Failures, in file order.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace featlib {

/// Which part of the library refused; each is an exception class of its own in Python.
enum class Stage { contract, data, model, bundle, policy, state, log, usage };

/// Every code the library can give, one row each in error_codes.def.
enum class ErrorCode {
#define FEATLIB_ERROR(name, text, stage, meaning) name,
#include <featlib/core/error_codes.def>
#undef FEATLIB_ERROR
};

/// One row of the table of codes.
struct ErrorCodeRow {
  ErrorCode code;
  std::string_view text;     ///< stable spelling, e.g. "window-exceeds-retention"
  Stage stage;
  std::string_view meaning;  ///< one sentence for docs/errors.md
};

/// The whole table, in the order of the file.
const std::vector<ErrorCodeRow>& error_codes();

/// The stable spelling of a code.
std::string_view to_string(ErrorCode code);

/// One thing that is wrong.
struct Failure {
  ErrorCode code;
  std::string path;     ///< file, table or part; empty when there is none
  int line = 0;         ///< 1-based; 0 when the place has no lines
  int column = 0;       ///< 1-based, in bytes; 0 when unknown
  std::string message;  ///< what was found and what was expected
  std::string help;     ///< what to do about it; may be empty

  /// `error[code] path:line:column: message` and, on a second line, `  help: ...`.
  std::string text() const;
};

/// What Result::value() throws.
class Error : public std::runtime_error {
 public:
  explicit Error(std::vector<Failure> failures);
  Error(ErrorCode code, std::string message, std::string help = {}, std::string path = {});

  const std::vector<Failure>& failures() const noexcept { return failures_; }
  Stage stage() const noexcept { return stage_; }

 private:
  std::vector<Failure> failures_;
  Stage stage_;
};

/// A value or an Error.
template <class T>
class [[nodiscard("a Result may hold an error")]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const noexcept { return state_.index() == 0; }
  bool ok() const noexcept { return state_.index() == 0; }

  T& value() & { require(); return std::get<0>(state_); }
  const T& value() const& { require(); return std::get<0>(state_); }
  T&& value() && { require(); return std::move(std::get<0>(state_)); }

  const Error& error() const { return std::get<1>(state_); }

 private:
  void require() const {
    if (!ok()) throw std::get<1>(state_);
  }
  std::variant<T, Error> state_;
};

}  // namespace featlib
