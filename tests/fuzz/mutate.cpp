// How libFuzzer changes an input of world.hpp: mostly whole actions, or bytes inside one. Its own changes shift everything behind
// a byte that comes or goes, and one in four of them would draw another contract, which takes longer than all that follows.

#include "world.hpp"

#include <algorithm>
#include <random>

using namespace featlib::testing;

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  std::minstd_rand random(seed);
  const auto below = [&](std::size_t n) { return random() % n; };
  std::vector<std::uint8_t> bytes(data, data + size);
  const std::size_t whole = bytes.size() < world_bytes ? 0 : (bytes.size() - world_bytes + action_bytes - 1) / action_bytes;
  if (whole == 0 || below(16) == 0) return LLVMFuzzerMutate(data, size, most);
  bytes.resize(world_bytes + whole * action_bytes);
  const auto begin = [&](std::size_t action) { return bytes.begin() + static_cast<std::ptrdiff_t>(world_bytes + action * action_bytes); };
  const std::size_t at = below(whole), other = below(whole);
  std::vector<std::uint8_t> action(begin(at), begin(at + 1));
  switch (below(6)) {
    case 0: bytes.erase(begin(at), begin(at + 1)); break;
    case 1: bytes.insert(begin(other), action.begin(), action.end()); break;
    case 2: std::swap_ranges(begin(at), begin(at + 1), begin(other)); break;
    case 3:   // one that may be anything
      for (std::uint8_t& byte : action) byte = static_cast<std::uint8_t>(below(256));
      bytes.insert(begin(other), action.begin(), action.end());
      break;
    default:
      LLVMFuzzerMutate(action.data(), action.size(), action.size());
      std::copy(action.begin(), action.end(), begin(at));
  }
  size = std::min(bytes.size(), most);
  std::copy_n(bytes.begin(), size, data);
  return size;
}
