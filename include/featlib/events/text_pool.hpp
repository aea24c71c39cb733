/// Texts as small numbers: equal texts have equal ids, so rows hold 4 bytes and keys compare as integers.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace featlib {

/// Reference-counted interning. Ids are dense and reused; the views stay valid while the text is held.
class TextPool {
 public:
  /// The id of a text, with one more reference to it.
  std::uint32_t acquire(std::string_view text);
  /// The id of a text that is held; nothing otherwise.
  std::optional<std::uint32_t> find(std::string_view text) const;
  void retain(std::uint32_t id) noexcept { ++counts_[id]; }
  void release(std::uint32_t id);

  std::string_view view(std::uint32_t id) const noexcept { return texts_[id]; }
  std::size_t size() const noexcept { return ids_.size(); }

 private:
  std::deque<std::string> texts_;       // a deque: growing never moves a text
  std::vector<std::uint32_t> counts_;
  std::vector<std::uint32_t> free_;
  boost::unordered_flat_map<std::string_view, std::uint32_t> ids_;
};

}  // namespace featlib
