#include "common.hpp"

#include <featlib/monitor/skew.hpp>

#include <fmt/format.h>

#include <deque>

namespace featlib::python {
namespace {

/// A table's columns in the form skew() compares, and the memory they stand in.
class Side {
 public:
  Side(const py::object& data, const std::string& name, const std::vector<std::string>& key) : table_(to_table(data, name)) {
    out.name = name;
    out.rows = static_cast<std::size_t>(table_.rows());
    for (const std::string& column : key) {
      const int c = table_.find(column);
      if (c < 0) throw Error(ErrorCode::missing_column, fmt::format("the {} table has no column `{}`", name, column), "name a column of both tables", name);
      out.key.push_back(read(c));
    }
    constexpr std::string_view suffix = "__status";
    for (int c = 0; c < table_.columns(); ++c) {
      const std::string& column = table_.column_name(c);
      if (std::find(key.begin(), key.end(), column) != key.end() || column.ends_with(suffix)) continue;
      if (table_.column_type(c).layout == Layout::other) continue;
      SkewColumn feature = read(c);
      const int status = table_.find(column + std::string(suffix));
      if (status >= 0 && table_.column_type(status).layout == Layout::uint8) {
        auto& bytes = bytes_.emplace_back();
        each(status, [&](const ColumnView& view, std::int64_t r) { bytes.push_back(static_cast<std::uint8_t>(view.is_null(r) ? 0 : view.integer(r))); });
        feature.status = bytes;
      }
      out.features.push_back(std::move(feature));
    }
  }

  SkewTable out;

 private:
  template <class Visit>
  void each(int column, Visit&& visit) {
    for (int b = 0; b < table_.batches(); ++b) {
      const ColumnView view = table_.view(b, column);
      for (std::int64_t r = 0; r < view.rows(); ++r) visit(view, r);
    }
  }

  SkewColumn read(int column) {
    const ColumnType& type = table_.column_type(column);
    auto& valid = bytes_.emplace_back();
    SkewColumn out;
    out.name = table_.column_name(column);
    const auto fill = [&](auto& values, auto&& value) {
      each(column, [&](const ColumnView& view, std::int64_t r) {
        const bool null = view.is_null(r);
        valid.push_back(!null);
        if (null) values.emplace_back();
        else values.push_back(value(view, r));
      });
      return std::span(std::as_const(values));
    };
    switch (type.layout) {
      case Layout::float32: case Layout::float64: out.reals = fill(reals_.emplace_back(), [](const ColumnView& v, std::int64_t r) { return v.real(r); }); break;
      case Layout::text32: case Layout::text64: case Layout::text_view: out.texts = fill(texts_.emplace_back(), [](const ColumnView& v, std::int64_t r) { return v.text(r); }); break;
      case Layout::boolean: out.integers = fill(integers_.emplace_back(), [](const ColumnView& v, std::int64_t r) { return static_cast<std::int64_t>(v.boolean(r)); }); break;
      case Layout::timestamp:
        out.integers = fill(integers_.emplace_back(), [&](const ColumnView& v, std::int64_t r) { return featlib::to_instant(v.integer(r), type.unit, true).value_or(never); });
        break;
      case Layout::uint64: out.integers = fill(integers_.emplace_back(), [](const ColumnView& v, std::int64_t r) { return static_cast<std::int64_t>(v.uint64(r)); }); break;
      case Layout::null: out.integers = fill(integers_.emplace_back(), [](const ColumnView&, std::int64_t) { return std::int64_t{0}; }); break;
      case Layout::decimal128: case Layout::other:
        throw Error(ErrorCode::wrong_column_type, fmt::format("column `{}` is `{}`; numbers, text, bool and timestamps are compared", out.name, type.format), {}, table_.name());
      default: out.integers = fill(integers_.emplace_back(), [](const ColumnView& v, std::int64_t r) { return v.integer(r); }); break;
    }
    out.valid = valid;
    return out;
  }

  Table table_;
  std::deque<std::vector<std::int64_t>> integers_;
  std::deque<std::vector<double>> reals_;
  std::deque<std::vector<std::string_view>> texts_;
  std::deque<std::vector<std::uint8_t>> bytes_;
};

py::dict to_dict(const SkewSide& side) {
  return py::dict(py::arg("unpaired") = side.unpaired, py::arg("duplicates") = side.duplicates, py::arg("null_keys") = side.null_keys,
                  py::arg("first_unpaired") = side.first_unpaired, py::arg("first_duplicate") = side.first_duplicate, py::arg("features") = side.features);
}

}  // namespace

void bind_monitor(py::module_& module) {
  module.def(
      "skew_compare",
      [](const py::object& left, const py::object& right, const std::vector<std::string>& key) {
        const Side a(left, "left", key), b(right, "right", key);
        const SkewReport report = unwrap(featlib::skew(a.out, b.out));
        py::list features;
        for (const SkewFeature& f : report.features) {
          py::dict row(py::arg("feature") = f.name, py::arg("rows") = f.compared, py::arg("differing") = f.differing, py::arg("null_mismatch") = f.null_mismatches,
                       py::arg("status_mismatch") = f.status_mismatches);
          row["ulp"] = f.differing ? py::object(py::int_(f.max_distance)) : py::object(py::none());
          row["first_key"] = f.first ? py::object(py::str(f.first->key)) : py::object(py::none());
          row["left"] = f.first ? py::object(py::str(f.first->left)) : py::object(py::none());
          row["right"] = f.first ? py::object(py::str(f.first->right)) : py::object(py::none());
          features.append(row);
        }
        return py::dict(py::arg("ok") = report.ok(), py::arg("rows") = report.compared, py::arg("features") = features, py::arg("left") = to_dict(report.left),
                        py::arg("right") = to_dict(report.right));
      },
      py::arg("left"), py::arg("right"), py::arg("key"), "The exact paired comparison behind fl.skew.");
}

}  // namespace featlib::python
