/// A feature table: the caller's decisions in the caller's order, then the features. What replay and reference return.
#pragma once

#include <featlib/core/table.hpp>
#include <featlib/events/batch.hpp>
#include <featlib/vector/vector.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace featlib {

class FeatureTable {
 public:
  FeatureTable(std::shared_ptr<const Plan> plan, Table decisions, std::shared_ptr<TextPool> pool);
  /// Features alone, of decisions that came from no table.
  FeatureTable(std::shared_ptr<const Plan> plan, std::size_t rows, std::shared_ptr<TextPool> pool);

  const Contract& contract() const noexcept { return plan_->contract(); }
  std::size_t rows() const noexcept { return rows_; }

  const FeatureColumn& column(int feature) const { return (*columns_)[static_cast<std::size_t>(feature)]; }
  FeatureColumn& column(int feature) { return (*columns_)[static_cast<std::size_t>(feature)]; }
  /// Takes room for a feature's values. Whoever makes the table does so once for each and fills it; late, so that the room may be
  /// what the making itself has let go.
  FeatureColumn& begin_column(int feature);
  /// One row, by feature.
  void row(std::size_t row, std::span<FeatureValue> out) const noexcept;
  /// The text of a string feature's value, or of a category's.
  std::string_view text(int feature, FeatureValue value) const;

  /// The model's input, rows x Contract::inputs(), row-major.
  void matrix(std::span<float> out) const;
  void matrix(std::span<double> out) const;

  /// By source name, then the decisions' own under "decisions".
  std::map<std::string, RowReport> reports;
  /// Values outside a feature's `range`, by feature; nothing is changed.
  std::vector<std::int64_t> out_of_range() const;

  /// Decision columns (but for those a feature replaces), then features, then `<feature>__status` if asked; strings instead of codes if asked.
  void export_stream(ArrowArrayStream* out, bool with_status, bool category_text) const;

 private:
  std::shared_ptr<const Plan> plan_;
  Table decisions_;
  std::shared_ptr<TextPool> pool_;
  std::size_t rows_;
  std::shared_ptr<std::vector<FeatureColumn>> columns_;   // shared by copies; filled by whoever makes the table
};

}  // namespace featlib
