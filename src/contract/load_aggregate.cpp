#include "loader.hpp"

#include "names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace featlib::contract {

std::optional<Type> Loader::aggregate(const Node& node, Feature& out, const std::string& what) {
  out.kind = FeatureKind::aggregate;
  Aggregate& a = out.aggregate;
  const std::string from = text(node, "from").value_or("");
  a.source = index_of(data_->sources, from);
  if (a.source < 0) {
    fail(ErrorCode::unknown_name, place(node, "from"), from.empty() ? fmt::format("{} lacks `from`", what) : fmt::format("{} reads `{}`, which is no source", what, from),
         did_you_mean(from, data_->sources));
    return std::nullopt;
  }
  const Source& source = data_->sources[static_cast<std::size_t>(a.source)];
  const std::size_t before = failures();
  by(node, source, a, what);
  const auto type = call(node, source, out);
  window(node, source, a, what);
  out.min_rows = integer(node, "min_rows", 0, most_rows).value_or(default_min_rows_);
  a.include_request = boolean(node, "include_request").value_or(false);
  if (const auto where = text(node, "where")) {
    a.where = row_expression(*where, *node.find("where"), 0, source, out, a.where_fields);
    if (a.where && a.where->type() != Type::boolean) fail(ErrorCode::bad_expression, place(node, "where"), "`where` is no condition", "compare something: amount > 100");
  }
  nulls(node, a);
  ddof(node, a);
  if (failures() == before) {
    gated(node, source, a, what);
    if (a.include_request) with_request(node, source, a, what);
  }
  return failures() == before ? type : std::nullopt;
}

void Loader::by(const Node& node, const Source& source, Aggregate& a, const std::string& what) {
  const auto by = text(node, "by");
  if (!by) {
    if (source.entities.size() > 1) {
      std::string names;
      for (const SourceEntity& link : source.entities) names += fmt::format("{}{}", names.empty() ? "" : " or ", data_->entities[static_cast<std::size_t>(link.entity)].name);
      fail(ErrorCode::missing_key, node.place, fmt::format("{} lacks `by`: `{}` has several entities", what, source.name), fmt::format("by: {}", names));
    }
    return;
  }
  for (std::size_t e = 0; e < source.entities.size(); ++e)
    if (data_->entities[static_cast<std::size_t>(source.entities[e].entity)].name == *by) {
      a.source_entity = static_cast<int>(e);
      return;
    }
  fail(ErrorCode::unknown_name, place(node, "by"), fmt::format("{} is by `{}`, which is no entity of `{}`", what, *by, source.name), did_you_mean(*by, data_->entities));
}

Bounds Loader::bounds(const Node& map, const std::string& given) {
  if (const auto out = parse_bounds(given)) return *out;
  fail(ErrorCode::bad_value, place(map, "bounds"), fmt::format("`bounds` is \"{}\"; expected \"[)\", \"(]\", \"[]\" or \"()\"", given), "which ends belong to the window, in quotes");
  return Bounds::closed_open;
}

void Loader::nulls(const Node& node, Aggregate& a) {
  const auto given = text(node, "nulls");
  if (!given) return;
  const bool ordered = a.kind == AggregateKind::first || a.kind == AggregateKind::last || a.kind == AggregateKind::lag || a.kind == AggregateKind::last_k;
  if (!ordered) fail(ErrorCode::conflicting_keys, place(node, "nulls"), "`nulls` belongs to first, last, lag and last_k", "leave it out: other aggregates skip nulls");
  if (*given != "keep" && *given != "skip") fail(ErrorCode::bad_value, place(node, "nulls"), fmt::format("`nulls` is \"{}\"; expected keep or skip", *given), example("nulls"));
  if (*given == "skip" && a.keep_nulls) fail(ErrorCode::conflicting_keys, place(node, "nulls"), "as_of keeps nulls: what a table says last is its value", "last(column) skips them");
  a.keep_nulls = *given == "keep";
}

void Loader::ddof(const Node& node, Aggregate& a) {
  const auto given = integer(node, "ddof", 0, 1);
  if (!given) return;
  if (!has_ddof(a.kind)) fail(ErrorCode::conflicting_keys, place(node, "ddof"), "`ddof` belongs to std, var, skew and kurtosis", "leave it out");
  a.ddof = static_cast<int>(*given);
}

void Loader::gated(const Node& node, const Source& source, const Aggregate& a, const std::string& what) {
  std::vector<int> fields = a.argument_fields;
  fields.insert(fields.end(), a.where_fields.begin(), a.where_fields.end());
  for (const int f : fields) {
    const Field& field = source.fields[static_cast<std::size_t>(f)];
    if (field.available_after && a.offset < *field.available_after) {
      fail(ErrorCode::label_too_young, place(node, node.find("offset") ? "offset" : "aggregate"),
           fmt::format("{} reads `{}` up to {} before the decision, it is known {} after its row", what, field.name, format_duration(a.offset), format_duration(*field.available_after)),
           fmt::format("offset: {}", format_duration(*field.available_after)));
      return;
    }
  }
}

void Loader::with_request(const Node& node, const Source& source, const Aggregate& a, const std::string& what) {
  const Place at = place(node, "include_request");
  if (a.offset != 0) fail(ErrorCode::conflicting_keys, at, fmt::format("{} includes the request, but ends {} before it", what, format_duration(a.offset)), "offset: 0s");
  if (a.bucket == Bucket::complete) fail(ErrorCode::conflicting_keys, at, fmt::format("{} includes the request, but a complete bucket ends before it", what), "bucket: current");
  else if (!head_closed(a.bounds))
    fail(ErrorCode::conflicting_keys, at, fmt::format("{} includes the request, but its bounds \"{}\" leave it out", what, to_string(a.bounds)), a.bucket ? "bounds: \"[]\"" : "bounds: \"(]\"");
  std::vector<int> fields = a.argument_fields;
  fields.insert(fields.end(), a.where_fields.begin(), a.where_fields.end());
  for (const int f : fields) {
    const Field& field = source.fields[static_cast<std::size_t>(f)];
    const int r = index_of(data_->request, field.name);
    if (field.gated()) fail(ErrorCode::label_too_young, at, fmt::format("{} includes the request, whose `{}` is not known yet", what, field.name), "no include_request: its label comes later");
    else if (r < 0) fail(ErrorCode::unknown_name, at, fmt::format("{} includes the request, which lacks `{}`", what, field.name), "declare it under `request`");
    else if (data_->request[static_cast<std::size_t>(r)].type != field.type || data_->request[static_cast<std::size_t>(r)].scale != field.scale)
      fail(ErrorCode::wrong_type, at, fmt::format("`{}` is of another type in the request than in `{}`", field.name, source.name), "one name, one type and scale");
  }
}

std::optional<Expression> Loader::row_expression(const std::string& text, const Node& at, std::size_t offset, const Source& source, const Feature& feature, std::vector<int>& fields) {
  const auto place_at = [&](int position) { return within(at, offset + static_cast<std::size_t>(position)); };
  auto parsed = Expression::parse(text);
  if (!parsed.value) {
    fail(parsed.failure.code, place_at(parsed.failure.offset), parsed.failure.message, parsed.failure.help);
    return std::nullopt;
  }
  bool refused = false;
  for (const ExpressionInput& input : parsed.value->inputs()) {
    const int f = source.find_field(input.name);
    fields.push_back(f);
    if (f >= 0 && !input.with_fallback) continue;
    refused = true;
    if (input.name.starts_with("request."))
      fail(ErrorCode::unsupported, place_at(input.offset), "rows compared with the request are not in this version", "compare in an `expr` feature");
    else if (f < 0)
      fail(ErrorCode::unknown_name, place_at(input.offset), fmt::format("source `{}` has no column `{}`", source.name, input.name), did_you_mean(input.name, source.fields));
    else
      fail(ErrorCode::bad_expression, place_at(input.offset), "with_fallback() reads features, not columns", "name the column alone");
  }
  if (refused) return std::nullopt;
  if (fields.size() > most_inputs) {
    fail(ErrorCode::bad_expression, at.place, fmt::format("more than {} columns in one expression", most_inputs), "split it into several features");
    return std::nullopt;
  }
  const auto resolve = [&](const ExpressionInput& input) -> std::optional<Variable> { return variable(source.fields[static_cast<std::size_t>(source.find_field(input.name))]); };
  auto bound = parsed.value->bind(resolve, *TimeZone::find(feature.tz));
  if (!bound.value) {
    fail(bound.failure.code, place_at(bound.failure.offset), bound.failure.message, bound.failure.help);
    return std::nullopt;
  }
  return std::move(*bound.value);
}

}  // namespace featlib::contract
