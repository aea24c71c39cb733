/// A table at the door: Arrow batches, borrowed or owned, read through typed views of one column of one batch.
#pragma once

#include <featlib/core/arrow.hpp>
#include <featlib/core/result.hpp>
#include <featlib/core/time.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace featlib {

/// Physical form of a column's values. Dictionaries are looked through by ColumnView.
enum class Layout : std::uint8_t {
  boolean, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64,
  text32, text64,       ///< UTF-8 with 32- or 64-bit offsets
  text_view,            ///< UTF-8 views (Arrow `vu`)
  timestamp, date32, decimal128, null, other
};

/// What the schema says of one column.
struct ColumnType {
  Layout layout = Layout::other;
  std::optional<Layout> index;     ///< dictionary: layout of the indices; `layout` is that of the values
  TimeUnit unit = TimeUnit::microsecond;
  bool zoned = false;              ///< timestamp with a zone: an instant; without: naive
  int scale = 0;                   ///< decimal128
  std::string format;              ///< Arrow format string, for messages
};

/// One column of one batch.
class ColumnView {
 public:
  ColumnView(const ColumnType& type, const ArrowArray& array);

  std::int64_t rows() const noexcept { return rows_; }
  bool is_null(std::int64_t row) const noexcept;
  bool boolean(std::int64_t row) const noexcept;
  /// int8..uint32, int64, timestamp and date32, sign-extended.
  std::int64_t integer(std::int64_t row) const noexcept;
  std::uint64_t uint64(std::int64_t row) const noexcept { return static_cast<const std::uint64_t*>(data_)[at(row)]; }
  double real(std::int64_t row) const noexcept;
  std::string_view text(std::int64_t row) const noexcept;
  __int128 decimal(std::int64_t row) const noexcept;

  /// The values as they lie in memory, row 0 first, of a column that is no dictionary; T as its layout says.
  template <class T>
  const T* plain() const noexcept { return static_cast<const T*>(data_) + offset_; }
  /// Which entry of the dictionary a row that is not null has.
  std::int64_t dictionary_index(std::int64_t row) const noexcept { return index(row); }
  /// Whether all of these rows hold a value; a dictionary's rows are not looked at.
  bool is_whole(std::int64_t from, std::int64_t to) const noexcept;

 private:
  std::int64_t at(std::int64_t row) const noexcept;   ///< position in the value buffer, through the dictionary
  std::int64_t index(std::int64_t row) const noexcept;

  Layout layout_;
  std::optional<Layout> index_layout_;
  std::int64_t rows_, offset_, value_offset_ = 0, values_ = 0;
  const std::uint8_t* validity_ = nullptr;
  const std::uint8_t* value_validity_ = nullptr;
  const void* index_data_ = nullptr;
  const void* data_ = nullptr;
  const void* extra_ = nullptr;
  const void* const* buffers_ = nullptr;
};

/// Rows of named columns. Cheap to copy; the batches are shared and never changed.
class Table {
 public:
  Table() = default;

  /// Drains a stream. Anything malformed is an Error, `name` is shown in it.
  static Result<Table> from_stream(ArrowArrayStream* stream, std::string name);
  static Result<Table> from_batches(ArrowOwner<ArrowSchema> schema, std::vector<ArrowOwner<ArrowArray>> batches, std::string name);

  const std::string& name() const { return shared_->name; }
  std::int64_t rows() const { return shared_->rows; }
  int columns() const { return static_cast<int>(shared_->names.size()); }
  const std::string& column_name(int column) const { return shared_->names[static_cast<std::size_t>(column)]; }
  const ColumnType& column_type(int column) const { return shared_->types[static_cast<std::size_t>(column)]; }
  /// Index of a column, or -1. A name that stands twice is refused when the table is made.
  int find(std::string_view column) const;

  int batches() const { return static_cast<int>(shared_->batches.size()); }
  ColumnView view(int batch, int column) const;

  /// Key-value metadata of the schema.
  const std::map<std::string, std::string>& metadata() const { return shared_->metadata; }

  const ArrowSchema& schema() const { return *shared_->schema.get(); }
  const ArrowArray& batch(int index) const { return *shared_->batches[static_cast<std::size_t>(index)].get(); }

  /// The same rows as a stream; the buffers are shared.
  void export_stream(ArrowArrayStream* out) const;

  /// Keeps the batches alive: what an exported array holds on to.
  std::shared_ptr<const void> keep_alive() const { return shared_; }

 private:
  struct Shared {
    std::string name;
    ArrowOwner<ArrowSchema> schema;
    std::vector<ArrowOwner<ArrowArray>> batches;
    std::vector<std::string> names;
    std::vector<ColumnType> types;
    std::map<std::string, std::string> metadata;
    std::int64_t rows = 0;
  };
  std::shared_ptr<const Shared> shared_;
};

}  // namespace featlib
