// Text that anyone may have written behind "featlib_sklearn": 1 is an estimator, or is refused.

#include "fuzz/scored.hpp"

#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text = "{\"featlib_sklearn\":1,";
  text.append(reinterpret_cast<const char*>(data), size);
  featlib::testing::score_or_refuse(std::as_bytes(std::span(text)), featlib::detail::read_sklearn);
  return 0;
}
