// Bytes that anyone may have written are a CatBoost model, or are refused. The first byte says what the others are: a
// file, JSON or cbm; or the core of a cbm, whose head is then in order.

#include "fuzz/scored.hpp"

#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::vector<std::uint8_t> bytes;
  if (data[0] % 2 == 1) {
    const auto core = static_cast<std::uint32_t>(size - 1);
    bytes = {'C', 'B', 'M', '1'};
    bytes.resize(8);
    std::memcpy(bytes.data() + 4, &core, sizeof(core));
  }
  bytes.insert(bytes.end(), data + 1, data + size);
  featlib::testing::score_or_refuse(std::as_bytes(std::span(bytes)), featlib::detail::read_catboost);
  return 0;
}
