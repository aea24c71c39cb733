/// Reading a FlatBuffer that anyone may have written: tables, vectors and strings by the schema's field numbers.
///
/// Offsets may point anywhere and at each other's targets, so every read is checked against the end, and all vectors together
/// hold no more bytes than the file: what an honest writer laid out once is read once. Written here because the library's own
/// verifier needs code generated from the schema.
#pragma once

#include <featlib/core/result.hpp>

#include "utf8.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace featlib::detail {

class Flatbuffer {
 public:
  explicit Flatbuffer(std::span<const std::byte> bytes) : bytes_(bytes), left_(bytes.size()) {}

  class Table {
   public:
    /// A number, or what the schema says for a field that is absent.
    template <class T>
    T number(std::size_t field, T absent) const {
      const std::size_t at = place(field);
      return at == 0 ? absent : in_->read<T>(at);
    }

    bool has(std::size_t field) const { return place(field) != 0; }
    Table table(std::size_t field) const { return in_->table(target(field)); }

    std::string text(std::size_t field) const {
      const std::vector<char> characters = vector<char>(field);
      std::string out(characters.begin(), characters.end());
      if (!is_utf8(out)) in_->fail(fmt::format("field {} of the table at {} is no UTF-8 text", field, at_));
      return out;
    }

    /// Numbers or structs without padding; none where the field is absent.
    template <class T>
    std::vector<T> vector(std::size_t field) const {
      if (!has(field)) return {};
      const auto [at, count] = in_->counted(target(field), sizeof(T));
      std::vector<T> out(count);
      if (count > 0) std::memcpy(out.data(), in_->bytes_.data() + at, count * sizeof(T));
      return out;
    }

    std::vector<Table> tables(std::size_t field) const {
      if (!has(field)) return {};
      const auto [at, count] = in_->counted(target(field), sizeof(std::uint32_t));
      std::vector<Table> out;
      for (std::size_t i = 0; i < count; ++i) out.push_back(in_->table(in_->follow(at + i * sizeof(std::uint32_t))));
      return out;
    }

   private:
    friend class Flatbuffer;
    Table(Flatbuffer& in, std::size_t at, std::size_t fields, std::size_t size) : in_(&in), at_(at), fields_(fields), size_(size) {}

    /// 0 when the field is absent.
    std::size_t place(std::size_t field) const {
      const std::size_t slot = 4 + 2 * field;
      if (slot + 2 > size_) return 0;
      const auto offset = in_->read<std::uint16_t>(fields_ + slot);
      return offset == 0 ? 0 : at_ + offset;
    }
    std::size_t target(std::size_t field) const {
      if (!has(field)) in_->fail(fmt::format("field {} of the table at {} is missing", field, at_));
      return in_->follow(place(field));
    }

    Flatbuffer* in_;
    std::size_t at_, fields_, size_;  // the table, its vtable and the bytes of that
  };

  Table root() { return table(follow(0)); }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorCode::model_corrupt, fmt::format("{} ({} bytes)", message, bytes_.size()), "the file is damaged; save the model again");
  }

  template <class T>
  T read(std::size_t at) const {
    if (at > bytes_.size() || bytes_.size() - at < sizeof(T)) fail(fmt::format("a value at {} is beyond the end", at));
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }

  std::size_t follow(std::size_t at) const { return at + read<std::uint32_t>(at); }

  Table table(std::size_t at) {
    const std::int64_t fields = static_cast<std::int64_t>(at) - read<std::int32_t>(at);
    if (fields < 0) fail(fmt::format("the table at {} has no layout", at));
    const auto size = read<std::uint16_t>(static_cast<std::size_t>(fields));
    return {*this, at, static_cast<std::size_t>(fields), size};
  }

  struct Counted {
    std::size_t at, count;
  };
  Counted counted(std::size_t at, std::size_t size) {
    const std::size_t count = read<std::uint32_t>(at);
    at += sizeof(std::uint32_t);
    if (count > (bytes_.size() - at) / size) fail(fmt::format("{} values at {} are beyond the end", count, at));
    if (count * size > left_) fail("vectors share their bytes");
    left_ -= count * size;
    return {at, count};
  }

  std::span<const std::byte> bytes_;
  std::size_t left_;  // that vectors may still take
};

}  // namespace featlib::detail
