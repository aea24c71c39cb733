/// One pull reader for JSON and UBJSON: the loader says what it expects next and gets it, or an Error with the byte.
///
/// Written here rather than on nlohmann's SAX interface because XGBoost writes NaN and Infinity as bare tokens, which
/// nlohmann refuses; because a float must be parsed from its digits once (through a double it rounds twice); and
/// because model arrays are read straight into typed vectors. Nothing is allocated by a declared count: each element is
/// paid for in bytes of input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace featlib::detail {

class Document {
 public:
  /// The format by content: `{` and a letter is UBJSON, `{` and a quote JSON. Throws model-format for anything else.
  static std::unique_ptr<Document> open(std::span<const std::byte> bytes);

  virtual ~Document() = default;
  virtual std::string_view format() const = 0;  ///< "json" or "ubj"

  /// Calls `field` with each key; it must consume the value. A key given twice is refused.
  virtual void object(const std::function<void(const std::string& key)>& field) = 0;
  /// Calls `element` for each element; it must consume it.
  virtual void array(const std::function<void()>& element) = 0;

  virtual std::string text() = 0;
  virtual std::int64_t integer() = 0;  ///< true and false count as 1 and 0
  virtual std::vector<std::int64_t> integers() = 0;
  virtual std::vector<float> floats() = 0;
  virtual double real() = 0;
  virtual std::vector<double> doubles() = 0;
  /// From here on JSON's doubles are what RapidJSON makes of them, not the nearest ones.
  void read_as_rapidjson() noexcept { rapid_ = true; }
  virtual bool is_array() = 0;  ///< what comes next
  virtual void skip() = 0;      ///< any value
  virtual void finish() = 0;  ///< refuses anything but white space after the document

  /// The first key of a JSON object, "" for all else: what tells formats apart.
  static std::string_view first_key(std::span<const std::byte> bytes);

  /// Throws model-corrupt with the place.
  [[noreturn]] void fail(const std::string& message) const;

 protected:
  explicit Document(std::string_view bytes) : bytes_(bytes) {}

  bool rapid_ = false;

  /// A text as it stands; what is no UTF-8 is refused, since names and messages are shown.
  std::string well_formed(std::string text) const;

  /// Depth of objects and arrays; XGBoost needs 7.
  static constexpr int max_depth = 32;
  class Nested {
   public:
    explicit Nested(Document& document) : document_(document) {
      if (++document_.depth_ > max_depth) document_.fail("objects and arrays are nested too deeply");
    }
    ~Nested() { --document_.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Document& document_;
  };

  std::string_view bytes_;
  std::size_t at_ = 0;

 private:
  int depth_ = 0;
};

}  // namespace featlib::detail
