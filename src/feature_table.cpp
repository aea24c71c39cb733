#include <featlib/vector/table.hpp>

#include <featlib/core/arrow_export.hpp>

#include <fmt/format.h>

namespace featlib {
namespace {

/// A buffer in a shared vector.
template <class T>
struct Buffer {
  std::shared_ptr<std::vector<T>> values = std::make_shared<std::vector<T>>();
  const void* data() const { return values->data(); }
};

Buffer<std::uint8_t> bitmap(std::size_t n, auto&& is_set) {
  Buffer<std::uint8_t> out;
  out.values->assign((n + 7) / 8, 0);
  for (std::size_t i = 0; i < n; ++i)
    if (is_set(i)) (*out.values)[i >> 3] |= static_cast<std::uint8_t>(1 << (i & 7));
  return out;
}

/// Keeps several buffers alive together.
template <class... T>
std::shared_ptr<const void> together(T... parts) {
  return std::make_shared<std::tuple<T...>>(std::move(parts)...);
}

}  // namespace

FeatureTable::FeatureTable(std::shared_ptr<const Plan> plan, Table decisions, std::shared_ptr<TextPool> pool)
    : FeatureTable(std::move(plan), static_cast<std::size_t>(decisions.rows()), std::move(pool)) {
  decisions_ = std::move(decisions);
}

FeatureTable::FeatureTable(std::shared_ptr<const Plan> plan, std::size_t rows, std::shared_ptr<TextPool> pool)
    : plan_(std::move(plan)), pool_(std::move(pool)), rows_(rows), columns_(std::make_shared<std::vector<FeatureColumn>>(contract().features().size())) {}

FeatureColumn& FeatureTable::begin_column(int feature) {
  FeatureColumn& column = this->column(feature);
  column.bits.resize(rows_);
  column.status.resize(rows_);
  return column;
}

void FeatureTable::row(std::size_t row, std::span<FeatureValue> out) const noexcept {
  for (std::size_t f = 0; f < columns_->size(); ++f) out[f] = (*columns_)[f][row];
}

std::string_view FeatureTable::text(int feature, FeatureValue value) const {
  const Feature& spec = contract().features()[static_cast<std::size_t>(feature)];
  if (spec.type == Type::string) return pool_->view(static_cast<std::uint32_t>(value.bits));
  return value.integer() < 0 ? std::string_view{} : std::string_view(spec.vocabulary[static_cast<std::size_t>(value.integer())]);
}

namespace {
template <class Real>
void fill_matrix(const FeatureTable& table, std::span<Real> out) {
  const std::size_t width = table.contract().inputs().size();
  std::vector<FeatureValue> features(table.contract().features().size());
  for (std::size_t r = 0; r < table.rows(); ++r) {
    table.row(r, features);
    model_row(table.contract(), features, out.subspan(r * width, width));
  }
}
}  // namespace

void FeatureTable::matrix(std::span<float> out) const { fill_matrix(*this, out); }
void FeatureTable::matrix(std::span<double> out) const { fill_matrix(*this, out); }

std::vector<std::int64_t> FeatureTable::out_of_range() const {
  std::vector<std::int64_t> out(columns_->size(), 0);
  for (std::size_t f = 0; f < columns_->size(); ++f) {
    const Feature& spec = contract().features()[f];
    if (!spec.range_low && !spec.range_high) continue;
    for (std::size_t r = 0; r < rows_; ++r) {
      const FeatureValue value = (*columns_)[f][r];
      if (value.is_null() || is_fallback(value.status)) continue;
      const double x = spec.type == Type::float64 ? value.real() : static_cast<double>(value.integer());
      out[f] += (spec.range_low && x < *spec.range_low) || (spec.range_high && x > *spec.range_high);
    }
  }
  return out;
}

void FeatureTable::export_stream(ArrowArrayStream* out, bool with_status, bool category_text) const {
  const std::shared_ptr<const std::vector<FeatureColumn>> held = columns_;
  std::vector<ArrowColumn> columns;
  std::vector<std::vector<ArrowPiece>> batches(static_cast<std::size_t>(decisions_.batches()));
  std::vector<std::int64_t> lengths;
  for (int b = 0; b < decisions_.batches(); ++b) lengths.push_back(decisions_.batch(b).length);

  for (int c = 0; c < decisions_.columns(); ++c) {
    if (contract().find_feature(decisions_.column_name(c)) >= 0) continue;
    columns.push_back({decisions_.column_name(c), {}, decisions_.schema().children[c]});
    for (std::size_t b = 0; b < batches.size(); ++b) {
      ArrowPiece piece;
      piece.array = decisions_.batch(static_cast<int>(b)).children[c];
      piece.keep_alive = decisions_.keep_alive();
      batches[b].push_back(std::move(piece));
    }
  }
  // Features lie in one piece each; every batch is a slice of it.
  const auto add = [&](std::string name, std::string format, std::vector<const void*> buffers, std::int64_t nulls, std::shared_ptr<const void> keep_alive) {
    columns.push_back({std::move(name), std::move(format), nullptr});
    std::int64_t offset = 0;
    for (std::size_t b = 0; b < batches.size(); ++b) {
      batches[b].push_back({lengths[b], offset, nulls == 0 ? 0 : -1, buffers, nullptr, keep_alive});
      offset += lengths[b];
    }
  };
  for (std::size_t f = 0; f < columns_->size(); ++f) {
    const Feature& spec = contract().features()[f];
    const FeatureColumn& column = (*columns_)[f];
    std::int64_t nulls = 0;
    for (std::size_t r = 0; r < rows_; ++r) nulls += column[r].is_null();
    Buffer<std::uint8_t> validity;
    if (nulls > 0) validity = bitmap(rows_, [&](std::size_t r) { return !column[r].is_null(); });
    const void* valid = nulls > 0 ? validity.data() : nullptr;
    const bool text = spec.type == Type::string || (spec.type == Type::category && category_text);
    if (text) {
      Buffer<std::int64_t> offsets;
      Buffer<char> bytes;
      offsets.values->push_back(0);
      for (std::size_t r = 0; r < rows_; ++r) {
        if (!column[r].is_null()) {
          const std::string_view value = this->text(static_cast<int>(f), column[r]);
          bytes.values->insert(bytes.values->end(), value.begin(), value.end());
        }
        offsets.values->push_back(static_cast<std::int64_t>(bytes.values->size()));
      }
      add(spec.name, "U", {valid, offsets.data(), bytes.data()}, nulls, together(validity, offsets, bytes));
    } else if (spec.type == Type::category) {
      Buffer<std::int32_t> codes;
      for (std::size_t r = 0; r < rows_; ++r) codes.values->push_back(static_cast<std::int32_t>(column[r].integer()));
      add(spec.name, "i", {valid, codes.data()}, nulls, together(validity, codes));
    } else if (spec.type == Type::boolean) {
      const auto bits = bitmap(rows_, [&](std::size_t r) { return column.bits[r] != 0; });
      add(spec.name, "b", {valid, bits.data()}, nulls, together(validity, bits));
    } else {
      const char* format = spec.type == Type::float64 ? "g" : spec.type == Type::timestamp ? "tsu:UTC" : "l";
      add(spec.name, format, {valid, column.bits.data()}, nulls, together(validity, held));
    }
  }
  if (with_status)
    for (std::size_t f = 0; f < columns_->size(); ++f)
      add(fmt::format("{}__status", contract().features()[f].name), "C", {nullptr, (*columns_)[f].status.data()}, 0, held);
  export_arrow_stream(std::move(columns), std::move(batches), std::move(lengths), {}, held, out);
}

}  // namespace featlib
