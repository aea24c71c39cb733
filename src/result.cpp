#include <featlib/core/result.hpp>

#include <fmt/format.h>

namespace featlib {

const std::vector<ErrorCodeRow>& error_codes() {
  static const std::vector<ErrorCodeRow> rows{
#define FEATLIB_ERROR(name, text, stage, meaning) {ErrorCode::name, text, Stage::stage, meaning},
#include <featlib/core/error_codes.def>
#undef FEATLIB_ERROR
  };
  return rows;
}

static const ErrorCodeRow& row_of(ErrorCode code) { return error_codes()[static_cast<std::size_t>(code)]; }

std::string_view to_string(ErrorCode code) { return row_of(code).text; }

std::string Failure::text() const {
  std::string place = path;
  if (line > 0) place += fmt::format("{}{}:{}", place.empty() ? "line " : ":", line, column);
  if (!place.empty()) place += ": ";
  std::string out = fmt::format("error[{}] {}{}", to_string(code), place, message);
  if (!help.empty()) out += fmt::format("\n  help: {}", help);
  return out;
}

static std::string joined(const std::vector<Failure>& failures) {
  std::string out;
  for (const Failure& failure : failures) {
    if (!out.empty()) out += '\n';
    out += failure.text();
  }
  return out;
}

Error::Error(std::vector<Failure> failures)
    : std::runtime_error(joined(failures)), failures_(std::move(failures)), stage_(row_of(failures_.at(0).code).stage) {}

Error::Error(ErrorCode code, std::string message, std::string help, std::string path)
    : Error(std::vector<Failure>{{code, std::move(path), 0, 0, std::move(message), std::move(help)}}) {}

}  // namespace featlib
