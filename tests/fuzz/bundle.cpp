// Bytes that anyone may have written are a bundle, or are refused. The first byte says what the others are: the file; a manifest
// over true parts; or contract, policy and metadata with a zero byte between them, under a manifest of theirs. All hashes are in
// order where they can be: what stands behind them is to be read.

#include "support/contracts.hpp"
#include "support/forged_bundle.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

using namespace featlib;
using namespace featlib::testing;

namespace {

const Pieces& whole() {
  static const Pieces pieces(Bundle::make(parse(card_contract("  n: {from: transactions, aggregate: count(), window: 1d}\n")), {}, R"(featlib_policy: 1
name: checkout
version: 1.0.0
score: probability
segments: [{default: {review: 0.75, block: 0.95}}]
)", "{}").value());
  return pieces;
}

std::vector<std::byte> file(std::uint8_t kind, std::string_view text) {
  if (kind % 3 == 0) return bytes_of(text);
  if (kind % 3 == 1) return forged(text, whole().parts);
  Pieces pieces = whole();
  for (const std::string_view part : {"contract", "policy", "metadata"}) {
    const std::size_t end = std::min(text.find('\0'), text.size());
    pieces.replace(part, std::string(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return forged(pieces.manifest.dump(), pieces.parts);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto bytes = file(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  const auto bundle = Bundle::parse(bytes);
  if (!bundle) return 0;
  const auto again = Bundle::parse(bundle.value().bytes());
  if (bundle.value().bytes() == bytes && again.ok() && again.value().versions() == bundle.value().versions()) return 0;
  fmt::print(stderr, "\nNOT a bundle that opens is itself\n");
  std::abort();
}
