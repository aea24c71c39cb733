/// Chance for generators.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <variant>
#include <vector>

namespace featlib::testing {

/// Chance, of a seed, or of bytes that a fuzzer changes: one a draw, and when they are used up the least of everything.
class Random {
 public:
  explicit Random(std::uint64_t seed) : from_(std::mt19937_64(seed)) {}
  explicit Random(std::span<const std::uint8_t> bytes) : from_(bytes) {}
  /// 0 .. n - 1; plain modulo, so that every standard library draws the same.
  int below(int n) { return static_cast<int>(draw() % static_cast<std::uint64_t>(n)); }
  bool percent(int p) { return std::holds_alternative<std::mt19937_64>(from_) ? below(100) < p : draw() * 100 >= 256 * static_cast<std::uint64_t>(100 - p); }
  template <class T>
  const T& pick(const std::vector<T>& from) { return from[static_cast<std::size_t>(below(static_cast<int>(from.size())))]; }
  template <class T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[draw() % i]);
  }

 private:
  std::uint64_t draw() {
    if (auto* engine = std::get_if<std::mt19937_64>(&from_)) return (*engine)();
    auto& bytes = std::get<std::span<const std::uint8_t>>(from_);
    if (bytes.empty()) return 0;
    const std::uint8_t first = bytes.front();
    bytes = bytes.subspan(1);
    return first;
  }

  std::variant<std::mt19937_64, std::span<const std::uint8_t>> from_;
};

}  // namespace featlib::testing
