/// `quantile(amount, 0.95)`: an aggregate as text, cut apart and written again.
#pragma once

#include <featlib/contract/contract.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace featlib::contract {

struct Argument {
  std::string_view text;
  std::size_t offset = 0;                               ///< in the text of the call
};

struct Call {
  std::string_view name;
  bool closed = false;                                  ///< has both parentheses
  std::vector<Argument> arguments;                      ///< commas in parentheses and quotes belong to an argument
};

/// Borrows from `text`.
Call parse_call(std::string_view text);

/// The canonical call: every argument written out.
std::string to_text(const Aggregate& aggregate);

}  // namespace featlib::contract
