#include "events/read_column.hpp"

#include "parallel.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>
#include <optional>

namespace featlib {
namespace {

/// Rows that are converted together; where one of them needs a closer look, all are converted one by one.
constexpr std::size_t stretch = 4096;

bool is_text(Layout layout) { return layout == Layout::text32 || layout == Layout::text64 || layout == Layout::text_view; }

// Each of these converts n plain values, or says that one of them is not for it: the same as convert(), which decides then.

/// An integer as it stands.
struct AsInteger {
  template <class In>
  bool operator()(const In* in, std::size_t n, std::uint64_t* out) const noexcept {
    std::uint64_t top = 0;
    for (std::size_t i = 0; i < n; ++i) top |= out[i] = static_cast<std::uint64_t>(static_cast<std::int64_t>(in[i]));
    return !std::is_same_v<In, std::uint64_t> || top >> 63 == 0;
  }
};

struct AsBoolean {
  template <class In>
  bool operator()(const In* in, std::size_t n, std::uint64_t* out) const noexcept {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < n; ++i) bits |= out[i] = static_cast<std::uint64_t>(in[i]);
    return bits <= 1;
  }
};

struct AsReal {
  template <class In>
  bool operator()(const In* in, std::size_t n, std::uint64_t* out) const noexcept {
    constexpr std::uint64_t exponent = std::uint64_t{0x7ff} << 52;
    bool finite = true;
    for (std::size_t i = 0; i < n; ++i) {
      out[i] = std::bit_cast<std::uint64_t>(static_cast<double>(in[i]) + 0.0);   // -0.0 + 0.0 is 0.0
      finite &= (out[i] & exponent) != exponent;
    }
    return finite;
  }
};

/// Counts of a unit of at least a microsecond, within the years allowed.
struct AsInstant {
  std::int64_t microseconds;
  Instant earliest, latest;

  AsInstant(const Field& field, TimeUnit unit) : microseconds(unit == TimeUnit::second ? second : unit == TimeUnit::millisecond ? millisecond : 1) {
    earliest = (field.any_year ? std::numeric_limits<Instant>::min() : earliest_instant) / microseconds;
    latest = (field.any_year ? std::numeric_limits<Instant>::max() : latest_instant - 1) / microseconds;
  }
  template <class In>
  bool operator()(const In* in, std::size_t n, std::uint64_t* out) const noexcept {
    bool inside = true;
    for (std::size_t i = 0; i < n; ++i) {
      const auto count = static_cast<std::int64_t>(in[i]);
      inside &= count >= earliest && count <= latest;
      out[i] = static_cast<std::uint64_t>(count) * static_cast<std::uint64_t>(microseconds);
    }
    return inside && !(std::is_same_v<In, std::uint64_t>);
  }
};

/// A double near a multiple of 10^-scale: the product is off by less than 2.4e-7 of a unit below 2^31, so what it says holds.
/// (A wider bound gives no wrong value either: beyond 2^51 the sum loses its last bit and the check sends the value to convert().)
struct AsDecimal {
  double unit;

  bool operator()(const double* in, std::size_t n, std::uint64_t* out) const noexcept {
    bool near = true;
    for (std::size_t i = 0; i < n; ++i) {
      const double scaled = in[i] * unit;
      near &= std::fabs(scaled) < 0x1p31;
      const double whole = scaled + 0x1.8p52 - 0x1.8p52;   // to the nearest integer
      near &= std::fabs(scaled - whole) <= 4e-7;
      out[i] = static_cast<std::uint64_t>(static_cast<std::int64_t>(near ? whole : 0.0));
    }
    return near;
  }
};

/// Values from `from` on of the rows that hold one; the others take a neighbour's, so that no check meets what lies under a null.
template <class In>
const In* filled(const ColumnView& view, const In* in, std::size_t from, std::size_t n, In* scratch) {
  std::size_t first = 0;
  while (first < n && view.is_null(static_cast<std::int64_t>(from + first))) ++first;
  if (first == n) return nullptr;
  for (std::size_t i = 0; i < n; ++i) scratch[i] = view.is_null(static_cast<std::int64_t>(from + i)) ? in[first] : in[i];
  return scratch;
}

/// Converts rows [from, from + n) of a column of plain values of type In.
template <class In, class Conversion>
bool convert_stretch(const ColumnView& view, bool whole, std::size_t from, std::size_t n, std::uint64_t* out, const Conversion& conversion) {
  const In* in = view.plain<In>() + from;
  In scratch[stretch];
  if (!whole && !(in = filled(view, in, from, n, scratch))) return true;
  return conversion(in, n, out);
}

template <class Conversion>
bool convert_integers(const ColumnView& view, bool whole, Layout layout, std::size_t from, std::size_t n, std::uint64_t* out, const Conversion& conversion) {
  switch (layout) {
    case Layout::int8: return convert_stretch<std::int8_t>(view, whole, from, n, out, conversion);
    case Layout::int16: return convert_stretch<std::int16_t>(view, whole, from, n, out, conversion);
    case Layout::int32: return convert_stretch<std::int32_t>(view, whole, from, n, out, conversion);
    case Layout::int64: case Layout::timestamp: return convert_stretch<std::int64_t>(view, whole, from, n, out, conversion);
    case Layout::uint8: return convert_stretch<std::uint8_t>(view, whole, from, n, out, conversion);
    case Layout::uint16: return convert_stretch<std::uint16_t>(view, whole, from, n, out, conversion);
    case Layout::uint32: return convert_stretch<std::uint32_t>(view, whole, from, n, out, conversion);
    case Layout::uint64: return convert_stretch<std::uint64_t>(view, whole, from, n, out, conversion);
    default: return false;
  }
}

/// False where some row needs convert(), or all do.
bool convert_stretch(const Field& field, const ColumnType& type, const ColumnView& view, bool whole, std::size_t from, std::size_t n, std::uint64_t* out) {
  if (type.index) return false;
  if (field.any_key || field.type == Type::int64) return convert_integers(view, whole, type.layout, from, n, out, AsInteger{});
  switch (field.type) {
    case Type::boolean:
      if (type.layout != Layout::boolean) return convert_integers(view, whole, type.layout, from, n, out, AsBoolean{});
      for (std::size_t i = 0; i < n; ++i) out[i] = view.boolean(static_cast<std::int64_t>(from + i));
      return true;
    case Type::float64:
      if (type.layout == Layout::float64) return convert_stretch<double>(view, whole, from, n, out, AsReal{});
      return type.layout == Layout::float32 && convert_stretch<float>(view, whole, from, n, out, AsReal{});
    case Type::timestamp: {
      const bool zoned = type.layout == Layout::timestamp && type.zoned;
      const auto unit = zoned ? std::optional(type.unit) : type.layout == Layout::timestamp ? std::nullopt : field.time_unit;
      if (!unit || *unit == TimeUnit::nanosecond) return false;
      return convert_integers(view, whole, type.layout, from, n, out, AsInstant(field, *unit));
    }
    case Type::decimal:
      if (type.layout != Layout::float64 || field.scale > 9) return false;
      return convert_stretch<double>(view, whole, from, n, out, AsDecimal{std::pow(10.0, field.scale)});
    default: return false;
  }
}

/// Whether slots of the column are its memory as it stands: then it is borrowed.
bool is_slots(const Field& field, const Table& table, int column, int threads) {
  const ColumnType& type = table.column_type(column);
  if (type.index || table.batches() != 1 || table.rows() == 0) return false;
  const ColumnView view = table.view(0, column);
  if (!view.is_whole(0, view.rows())) return false;
  if (type.layout == Layout::int64 && (field.any_key || field.type == Type::int64)) return true;
  if (type.layout != Layout::float64 || field.type != Type::float64) return false;
  std::atomic<bool> plain = true;   // finite, and no -0.0 among them
  over_rows(threads, static_cast<std::size_t>(table.rows()), [&](int, std::size_t from, std::size_t to) {
    const std::uint64_t* bits = view.plain<std::uint64_t>();
    constexpr std::uint64_t exponent = std::uint64_t{0x7ff} << 52;
    bool all = true;
    for (std::size_t i = from; i < to; ++i) all &= (bits[i] & exponent) != exponent && bits[i] != std::uint64_t{1} << 63;
    if (!all) plain = false;
  });
  return plain;
}

/// Writes slots; what they hold is told apart from the first row on that holds no value.
class SlotWriter {
 public:
  explicit SlotWriter(std::size_t rows) : bits_(rows), rows_(rows), out_(bits_.own()) {}

  std::uint64_t* bits() noexcept { return out_; }
  void set_held(std::size_t row, Held held) {
    std::call_once(once_, [&] {
      held_ = SharedArray<Held>(rows_, Held::value);
      held_out_ = held_.own();
    });
    held_out_[row] = held;
  }
  SlotColumn finish() {
    SlotColumn out;
    out.bits = std::move(bits_);
    out.held = std::move(held_);
    out.whole = held_out_ == nullptr;
    return out;
  }

 private:
  SharedArray<std::uint64_t> bits_;
  SharedArray<Held> held_;
  std::size_t rows_;
  std::uint64_t* out_;
  Held* held_out_ = nullptr;
  std::once_flag once_;
};

/// What a dictionary's entries become; each is converted when a row first has it.
class Entries {
 public:
  struct Entry {
    Slot slot;
    Refusal refusal = Refusal::none;
    bool known = false;
  };
  Entry& operator[](std::int64_t index) {
    if (static_cast<std::size_t>(index) >= entries_.size()) entries_.resize(static_cast<std::size_t>(index) + 1);
    return entries_[static_cast<std::size_t>(index)];
  }

 private:
  std::vector<Entry> entries_;
};

/// Rows [from, to) of a batch, whose row 0 is the table's row `start`.
struct Piece {
  ColumnView view;
  int batch;
  std::size_t start, from, to;
};

/// A column in pieces of about equal size, none longer than a batch: a table from a file comes in dozens of small batches.
std::vector<Piece> cut(const Table& table, int column) {
  constexpr std::size_t most = 16 * stretch;
  std::vector<Piece> out;
  std::size_t start = 0;
  for (int b = 0; b < table.batches(); ++b) {
    const ColumnView view = table.view(b, column);
    const auto rows = static_cast<std::size_t>(view.rows());
    for (std::size_t from = 0; from < rows; from += most) out.push_back({view, b, start, from, std::min(rows, from + most)});
    start += rows;
  }
  return out;
}

/// Whatever changes how a value of the column is read, and which memory it is read from.
std::string identity(const Field& field, const Table& table, int column) {
  const ColumnType& type = table.column_type(column);
  std::string out = fmt::format("{} {} {} {} {} {} {} {} {} {}", static_cast<int>(field.type), field.scale, field.time_unit ? static_cast<int>(*field.time_unit) : -1, field.tz,
                                field.floor, field.round, static_cast<int>(field.nan), field.any_year, field.any_key, type.format);
  for (int b = 0; b < table.batches(); ++b) {
    const ArrowArray& array = *table.batch(b).children[column];
    out += fmt::format(" {} {}", array.length, array.offset);
    for (std::int64_t i = 0; i < array.n_buffers; ++i) out += fmt::format(" {}", array.buffers[i]);
    if (array.dictionary) {
      out += fmt::format(" {} {}", array.dictionary->length, array.dictionary->offset);
      for (std::int64_t i = 0; i < array.dictionary->n_buffers; ++i) out += fmt::format(" {}", array.dictionary->buffers[i]);
    }
  }
  return out;
}

}  // namespace

SlotColumn ColumnReader::read(const Field& field, const Table& table, int column, Refusals& refusals, int name) {
  std::string key = identity(field, table, column);
  if (const auto found = read_.find(key); found != read_.end()) return found->second;
  const auto rows = static_cast<std::size_t>(table.rows());
  if (is_slots(field, table, column, threads_)) {
    SlotColumn out;
    out.bits = {table.keep_alive(), table.view(0, column).plain<std::uint64_t>(), rows};
    out.whole = true;
    return read_.emplace(std::move(key), std::move(out)).first->second;
  }

  const ColumnType& type = table.column_type(column);
  SlotWriter writer(rows);
  std::mutex refusing;
  bool refused = false;
  const std::vector<Piece> pieces = cut(table, column);
  std::vector<Entries> entries(static_cast<std::size_t>(table.batches()));
  // Texts are interned, by one thread; so are dictionaries' entries.
  in_parallel(is_text(type.layout) || type.index ? 1 : threads_, pieces.size(), [&](int, std::size_t p) {
    const Piece& piece = pieces[p];
    const ColumnView& view = piece.view;
    const auto one_by_one = [&](std::size_t from, std::size_t to) {
      for (std::size_t r = from; r < to; ++r) {
        const auto row = static_cast<std::int64_t>(r);
        Slot slot;
        Refusal refusal = Refusal::none;
        if (type.index && !view.is_null(row)) {
          Entries::Entry& entry = entries[static_cast<std::size_t>(piece.batch)][view.dictionary_index(row)];
          if (!entry.known) entry.refusal = convert(field, read_raw(view, type, row), pool_, entry.slot);
          entry.known = true;
          slot = entry.slot;
          refusal = entry.refusal;
        } else {
          refusal = convert(field, read_raw(view, type, row), pool_, slot);
        }
        writer.bits()[piece.start + r] = slot.bits;
        if (slot.held != Held::value) writer.set_held(piece.start + r, slot.held);
        if (refusal == Refusal::none) continue;
        const std::lock_guard lock(refusing);
        refusals.refuse(piece.start + r, refusal, name);
        refused = true;
      }
    };
    for (std::size_t from = piece.from; from < piece.to; from += stretch) {
      const std::size_t to = std::min(piece.to, from + stretch);
      const bool whole = view.is_whole(static_cast<std::int64_t>(from), static_cast<std::int64_t>(to));
      if (!convert_stretch(field, type, view, whole, from, to - from, writer.bits() + piece.start + from)) {
        one_by_one(from, to);
      } else if (!whole) {
        for (std::size_t r = from; r < to; ++r)
          if (view.is_null(static_cast<std::int64_t>(r))) {
            writer.bits()[piece.start + r] = 0;
            writer.set_held(piece.start + r, Held::nothing);
          }
      }
    }
  });
  SlotColumn out = writer.finish();
  if (!refused) read_.emplace(std::move(key), out);
  return out;
}

}  // namespace featlib
