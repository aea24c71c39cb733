/// Files with a few bytes changed, as disks and strangers change them.
#pragma once

#include <random>
#include <string>
#include <string_view>

namespace featlib::testing {

/// `good` after one to three edits: a bit flipped, a byte of `interesting` put in, some bytes cut, or some copied from elsewhere.
inline std::string damaged(const std::string& good, std::string_view interesting, std::mt19937& random) {
  std::string bad = good;
  for (std::size_t edits = 1 + random() % 3; edits > 0 && !bad.empty(); --edits) {
    const std::size_t at = random() % bad.size();
    switch (random() % 4) {
      case 0: bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8)); break;
      case 1: bad[at] = interesting[random() % interesting.size()]; break;
      case 2: bad.erase(at, 1 + random() % 9); break;
      case 3: bad.insert(at, good.substr(random() % good.size(), random() % 40)); break;
    }
  }
  return bad;
}

}  // namespace featlib::testing
