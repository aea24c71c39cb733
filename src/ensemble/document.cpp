#include "ensemble/document.hpp"

#include "ensemble/rapid_number.hpp"
#include "utf8.hpp"

#include <featlib/core/result.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

namespace featlib::detail {

void Document::fail(const std::string& message) const {
  throw Error(ErrorCode::model_corrupt, fmt::format("{} (at byte {} of {})", message, at_, bytes_.size()),
              "the file is damaged or was not written by the trainer; save the model again");
}

namespace {

/// The keys of one object, each allowed once: XGBoost takes the last in JSON and the first in UBJSON, so two are a
/// contradiction.
class Keys {
 public:
  void add(const Document& document, const std::string& key) {
    if (!seen_.insert(key).second) document.fail(fmt::format("the key \"{}\" appears twice", key));
  }

 private:
  std::set<std::string> seen_;
};

class Json final : public Document {
 public:
  explicit Json(std::string_view bytes) : Document(bytes) {}
  std::string_view format() const override { return "json"; }

  void object(const std::function<void(const std::string&)>& field) override {
    Nested nested(*this);
    Keys keys;
    expect('{');
    if (accept('}')) return;
    do {
      const std::string key = text();
      keys.add(*this, key);
      expect(':');
      field(key);
    } while (accept(','));
    expect('}');
  }

  void array(const std::function<void()>& element) override { elements(element); }

  std::string text() override {
    expect('"');
    std::string out;
    while (true) {
      const char c = take();
      if (c == '"') return well_formed(std::move(out));
      if (static_cast<unsigned char>(c) < 0x20) fail("a control character inside a string");
      if (c != '\\')
        out += c;
      else
        escape(out);
    }
  }

  std::int64_t integer() override {
    const std::string_view token = scalar();
    if (token == "true") return 1;
    if (token == "false") return 0;
    return number<std::int64_t>(token);
  }

  std::vector<std::int64_t> integers() override {
    std::vector<std::int64_t> out;
    elements([&] { out.push_back(integer()); });
    return out;
  }

  std::vector<float> floats() override { return reals<float>(); }
  double real() override { return real<double>(scalar()); }
  std::vector<double> doubles() override { return reals<double>(); }
  bool is_array() override { return peek() == '['; }

  void skip() override {
    switch (peek()) {
      case '{':
        return object([&](const std::string&) { skip(); });
      case '[':
        return array([&] { skip(); });
      case '"':
        text();
        return;
      default:
        if (const std::string_view token = scalar(); token != "true" && token != "false" && token != "null")
          real<double>(token);
    }
  }

  void finish() override {
    white_space();
    if (at_ != bytes_.size()) fail("more bytes after the model");
  }

 private:
  void white_space() {
    while (at_ < bytes_.size() &&
           (bytes_[at_] == ' ' || bytes_[at_] == '\n' || bytes_[at_] == '\r' || bytes_[at_] == '\t'))
      ++at_;
  }

  char take() {
    if (at_ == bytes_.size()) fail("the file ends in the middle of a value");
    return bytes_[at_++];
  }

  char peek() {
    white_space();
    if (at_ == bytes_.size()) fail("the file ends in the middle of a value");
    return bytes_[at_];
  }

  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail(fmt::format("expected `{}`, found byte 0x{:02x}", c, static_cast<unsigned char>(bytes_[at_])));
  }

  template <class Element>
  void elements(Element&& element) {
    Nested nested(*this);
    expect('[');
    if (accept(']')) return;
    do element();
    while (accept(','));
    expect(']');
  }

  /// A number, true, false, null, NaN or Infinity, up to what ends it.
  std::string_view scalar() {
    peek();
    const std::size_t begin = at_;
    const auto part = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '-' ||
             c == '.';
    };
    while (at_ < bytes_.size() && part(bytes_[at_])) ++at_;
    if (at_ == begin) fail("expected a value");
    return bytes_.substr(begin, at_ - begin);
  }

  template <class T>
  T number(std::string_view token) const {
    T value{};
    // from_chars also reads "inf" and "nan", which JSON writers of models never emit.
    const std::size_t digit = token.starts_with('-') ? 1 : 0;
    const bool numeric = digit < token.size() && token[digit] >= '0' && token[digit] <= '9';
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
    if (!numeric || error != std::errc{} || end != token.data() + token.size())
      fail(fmt::format("\"{}\" is not a number this place can hold", utf8_excerpt(token)));
    return value;
  }

  template <class T>
  T real(std::string_view token) const {
    if (token == "NaN") return std::numeric_limits<T>::quiet_NaN();
    if (token == "Infinity") return std::numeric_limits<T>::infinity();
    if (token == "-Infinity") return -std::numeric_limits<T>::infinity();
    const T nearest = number<T>(token);
    if constexpr (std::is_same_v<T, double>)
      if (rapid_ && std::isfinite(nearest)) return rapid_number(token);
    return nearest;
  }

  template <class T>
  std::vector<T> reals() {
    std::vector<T> out;
    elements([&] { out.push_back(real<T>(scalar())); });
    return out;
  }

  void escape(std::string& out) {
    switch (const char c = take()) {
      case '"':
      case '\\':
      case '/':
        out += c;
        return;
      case 'b':
        out += '\b';
        return;
      case 'f':
        out += '\f';
        return;
      case 'n':
        out += '\n';
        return;
      case 'r':
        out += '\r';
        return;
      case 't':
        out += '\t';
        return;
      case 'u':
        return unicode(out);
      default:
        fail("an unknown escape inside a string");
    }
  }

  std::uint32_t hex4() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = take();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail("\\u needs four hex digits");
      value = value * 16 + static_cast<std::uint32_t>(digit);
    }
    return value;
  }

  void unicode(std::string& out) {
    std::uint32_t code = hex4();
    if (code >= 0xd800 && code < 0xdc00) {
      if (take() != '\\' || take() != 'u') fail("half a surrogate pair inside a string");
      const std::uint32_t low = hex4();
      if (low < 0xdc00 || low > 0xdfff) fail("half a surrogate pair inside a string");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
      fail("half a surrogate pair inside a string");
    }
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
      put(code);
      return;
    }
    if (code < 0x800) {
      put(0xc0 | code >> 6);
      put(0x80 | (code & 0x3f));
      return;
    }
    if (code < 0x10000)
      put(0xe0 | code >> 12);
    else {
      put(0xf0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3f));
    }
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
};

/// UBJSON as XGBoost writes it: big-endian, counted or open arrays, typed arrays `[$d#L`, open objects.
class Ubj final : public Document {
 public:
  explicit Ubj(std::string_view bytes) : Document(bytes) {}
  std::string_view format() const override { return "ubj"; }

  void object(const std::function<void(const std::string&)>& field) override {
    Nested nested(*this);
    expect('{');
    Keys keys;
    while (peek() != '}') {
      const std::string key = characters();
      keys.add(*this, key);
      field(key);
    }
    ++at_;
  }

  void array(const std::function<void()>& element) override {
    Nested nested(*this);
    expect('[');
    switch (peek()) {
      case '$':
        fail("expected an array of values, found an array of numbers");
      case '#': {
        ++at_;
        for (std::size_t n = count(1); n > 0; --n) element();
        return;
      }
      default:
        while (peek() != ']') element();
        ++at_;
    }
  }

  std::string text() override {
    expect('S');
    return characters();
  }

  std::int64_t integer() override { return integer(take()); }

  std::vector<std::int64_t> integers() override {
    return numbers<std::int64_t>([&](char type) { return integer(type); });
  }

  std::vector<float> floats() override {
    return numbers<float>([&](char type) {
      return type == 'd' ? std::bit_cast<float>(big_endian<std::uint32_t>()) : static_cast<float>(integer(type));
    });
  }

  double real() override { return real(take()); }
  std::vector<double> doubles() override { return numbers<double>([&](char type) { return real(type); }); }
  bool is_array() override { return peek() == '['; }

  void skip() override {
    switch (peek()) {
      case '{':
        return object([&](const std::string&) { skip(); });
      case '[':
        if (at_ + 1 < bytes_.size() && bytes_[at_ + 1] == '$') return skip_typed();
        return array([&] { skip(); });
      case 'S':
        text();
        return;
      default:
        skip_scalar(take());
    }
  }

  void finish() override {
    if (at_ != bytes_.size()) fail("more bytes after the model");
  }

 private:
  char peek() const {
    if (at_ == bytes_.size()) fail("the file ends in the middle of a value");
    return bytes_[at_];
  }

  char take() {
    const char c = peek();
    ++at_;
    return c;
  }

  void expect(char c) {
    if (peek() != c)
      fail(fmt::format("expected `{}`, found byte 0x{:02x}", c, static_cast<unsigned char>(bytes_[at_])));
    ++at_;
  }

  template <class T>
  T big_endian() {
    if (bytes_.size() - at_ < sizeof(T)) fail("the file ends in the middle of a value");
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
      value = static_cast<T>(value << 8 | static_cast<unsigned char>(bytes_[at_ + i]));
    at_ += sizeof(T);
    return value;
  }

  double real(char type) {
    if (type == 'd') return static_cast<double>(std::bit_cast<float>(big_endian<std::uint32_t>()));
    if (type == 'D') return std::bit_cast<double>(big_endian<std::uint64_t>());
    return static_cast<double>(integer(type));
  }

  std::int64_t integer(char type) {
    switch (type) {
      case 'i':
        return static_cast<std::int8_t>(take());
      case 'U':
        return static_cast<unsigned char>(take());
      case 'I':
        return static_cast<std::int16_t>(big_endian<std::uint16_t>());
      case 'l':
        return static_cast<std::int32_t>(big_endian<std::uint32_t>());
      case 'L':
        return static_cast<std::int64_t>(big_endian<std::uint64_t>());
      case 'T':
        return 1;
      case 'F':
        return 0;
      default:
        fail(fmt::format("expected a number, found byte 0x{:02x}", static_cast<unsigned char>(type)));
    }
  }

  /// A count of things that take at least `size` bytes each: more than the rest of the file can hold is refused.
  std::size_t count(std::size_t size) {
    const std::int64_t n = integer(take());
    if (n < 0 || static_cast<std::uint64_t>(n) > (bytes_.size() - at_) / size)
      fail(fmt::format("a count of {} is more than the file holds", n));
    return static_cast<std::size_t>(n);
  }

  std::string characters() {
    const std::size_t n = count(1);
    std::string out(bytes_.substr(at_, n));
    at_ += n;
    return well_formed(std::move(out));
  }

  std::size_t size_of(char type) const {
    switch (type) {
      case 'i':
      case 'U':
        return 1;
      case 'I':
        return 2;
      case 'l':
      case 'd':
        return 4;
      case 'L':
      case 'D':
        return 8;
      default:
        fail(fmt::format("an array of type 0x{:02x}", static_cast<unsigned char>(type)));
    }
  }

  template <class T, class Read>
  std::vector<T> numbers(Read&& read) {
    std::vector<T> out;
    if (peek() == '[' && at_ + 1 < bytes_.size() && bytes_[at_ + 1] == '$') {
      at_ += 2;
      const char type = take();
      expect('#');
      const std::size_t n = count(size_of(type));
      out.reserve(n);
      for (std::size_t i = 0; i < n; ++i) out.push_back(read(type));
    } else {
      array([&] { out.push_back(read(take())); });
    }
    return out;
  }

  void skip_typed() {
    at_ += 2;
    const std::size_t size = size_of(take());
    expect('#');
    const std::size_t n = count(size);
    at_ += n * size;
  }

  void skip_scalar(char type) {
    switch (type) {
      case 'Z':
        return;
      case 'd':
        big_endian<std::uint32_t>();
        return;
      case 'D':
        big_endian<std::uint64_t>();
        return;
      default:
        integer(type);
    }
  }
};

}  // namespace

std::string Document::well_formed(std::string text) const {
  if (!is_utf8(text)) fail("a text that is not UTF-8");
  return text;
}

std::string_view Document::first_key(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto skip = [&](std::size_t at) { return std::min(text.find_first_not_of(" \t\r\n", at), text.size()); };
  std::size_t at = skip(0);
  if (at == text.size() || text[at] != '{') return {};
  at = skip(at + 1);
  if (at == text.size() || text[at] != '"') return {};
  return text.substr(at + 1, text.find('"', at + 1) - at - 1);
}

std::unique_ptr<Document> Document::open(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t brace = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  if (brace < text.size() && text[brace] == '{') {
    const std::size_t next = text.find_first_not_of(" \t\r\n", brace + 1);
    if (next != std::string_view::npos && (text[next] == '"' || text[next] == '}')) return std::make_unique<Json>(text);
    if (brace == 0 && text.size() > 1 && std::string_view("iUIlL").find(text[1]) != std::string_view::npos)
      return std::make_unique<Ubj>(text);
  }
  throw Error(ErrorCode::model_format, "not an XGBoost model in JSON or UBJSON",
              text.starts_with("binf") || text.starts_with("bs64")
                  ? "this is XGBoost's old binary format; load it with XGBoost 1.7 and save_model(\"model.ubj\")"
                  : "save the model with save_model(\"model.ubj\") or save_model(\"model.json\")");
}

}  // namespace featlib::detail
