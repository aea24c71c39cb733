#include "loader.hpp"

#include "names.hpp"

#include <fmt/format.h>

namespace featlib::contract {

Field Loader::field(const Node& key, const Node& node) {
  Field out;
  out.name = key.text;
  out.nan = default_nan_;
  if (!open(node, In::column, fmt::format("column `{}`", key.text))) return out;
  const std::string type = text(node, "type").value_or("");
  if (const auto parsed = parse_type(type)) {
    out.type = *parsed;
  } else {
    std::vector<std::string_view> names;
    for (const Type t : {Type::boolean, Type::int64, Type::float64, Type::decimal, Type::string, Type::category, Type::timestamp}) names.push_back(to_string(t));
    fail(ErrorCode::bad_value, place(node, "type"), fmt::format("\"{}\" is no type; expected bool, int64, float64, decimal, string, category or timestamp", type),
         did_you_mean(type, names));
  }
  if (node.find("scale") && out.type != Type::decimal) fail(ErrorCode::conflicting_keys, place(node, "scale"), "`scale` belongs to decimals", "type: decimal, or no scale");
  if (out.type == Type::decimal && !node.find("scale")) fail(ErrorCode::missing_key, node.place, fmt::format("decimal `{}` lacks `scale`", out.name), "scale: 2 for cents");
  out.scale = static_cast<int>(integer(node, "scale", 0, 18).value_or(0));
  const auto unit = text(node, "unit");
  if (unit && out.type == Type::timestamp) {
    out.time_unit = parse_time_unit(*unit);
    if (!out.time_unit) fail(ErrorCode::bad_value, place(node, "unit"), fmt::format("time unit \"{}\"; expected s, ms, us or ns", *unit), "unit: s");
  } else {
    out.unit = unit.value_or("");
  }
  for (const std::string_view name : {"tz", "floor", "any_year"})
    if (node.find(name) && out.type != Type::timestamp) fail(ErrorCode::conflicting_keys, place(node, name), fmt::format("`{}` belongs to timestamps", name), fmt::format("type: timestamp, or no {}", name));
  if (out.type == Type::timestamp) out.tz = zone(node, "tz", default_tz_);
  out.floor = boolean(node, "floor").value_or(false);
  out.any_year = boolean(node, "any_year").value_or(false);
  if (node.find("round") && out.type != Type::decimal) fail(ErrorCode::conflicting_keys, place(node, "round"), "`round` belongs to decimals", "type: decimal, or no round");
  out.round = boolean(node, "round").value_or(false);
  if (node.find("nan") && out.type != Type::float64 && out.type != Type::decimal) fail(ErrorCode::conflicting_keys, place(node, "nan"), "`nan` belongs to float64 and decimal", "leave it out: no other type has NaN");
  if (const auto policy = nan(node)) out.nan = *policy;
  out.available_after = duration(node, "available_after");
  out.available_at = text(node, "available_at").value_or("");
  if (out.available_after && !out.available_at.empty()) fail(ErrorCode::conflicting_keys, place(node, "available_at"), "`available_after` and `available_at` exclude each other", "a fixed delay, or the column that says when");
  out.description = text(node, "description").value_or("");
  return out;
}

std::optional<NanPolicy> Loader::nan(const Node& map) {
  const Node* node = map.find("nan");
  if (node && node->kind == Node::Kind::null) return NanPolicy::null;   // YAML's own null
  const auto given = text(map, "nan");
  if (!given) return std::nullopt;
  if (*given == "reject") return NanPolicy::reject;
  if (*given == "null") return NanPolicy::null;
  fail(ErrorCode::bad_value, place(map, "nan"), fmt::format("`nan` is \"{}\"; expected reject or null", *given), "reject refuses the row, null reads it as missing");
  return std::nullopt;
}

int Loader::place_field(Source& source, Field field, Place at) {
  const int known = source.find_field(field.name);
  if (known < 0) {
    source.fields.push_back(std::move(field));
    return static_cast<int>(source.fields.size()) - 1;
  }
  const Field& declared = source.fields[static_cast<std::size_t>(known)];
  const bool alike = declared.type == field.type || (declared.type == Type::category && field.type == Type::string);
  if (!field.any_key && !alike)
    fail(ErrorCode::wrong_type, at, fmt::format("column `{}` is declared `{}`; here it is a {}", field.name, to_string(declared.type), to_string(field.type)), "declare it so, or name another column");
  return known;
}

int Loader::time_field(Source& source, const Node& map, std::string_view key) {
  const Node* node = map.find(key);
  Field out;
  out.type = Type::timestamp;
  out.tz = default_tz_;
  if (node->kind != Node::Kind::map) {
    if (!is_scalar(*node, key, "a column")) return 0;
    out.name = node->text;
    return place_field(source, std::move(out), node->place);
  }
  if (!open(*node, In::time_column, fmt::format("`{}`", key))) return 0;
  out.name = text(*node, "column").value_or("");
  if (const auto unit = text(*node, "unit")) {
    out.time_unit = parse_time_unit(*unit);
    if (!out.time_unit) fail(ErrorCode::bad_value, place(*node, "unit"), fmt::format("time unit \"{}\"; expected s, ms, us or ns", *unit), "unit: s");
  }
  out.tz = zone(*node, "tz", default_tz_);
  out.floor = boolean(*node, "floor").value_or(false);
  out.any_year = boolean(*node, "any_year").value_or(false);
  const Field full = out;
  const int at = place_field(source, std::move(out), node->place);
  Field& placed = source.fields[static_cast<std::size_t>(at)];
  if (placed.type == Type::timestamp) {   // the full form says more than the column's own declaration
    const std::string description = placed.description;
    if (full.time_unit) placed.time_unit = full.time_unit;
    if (!full.tz.empty()) placed.tz = full.tz;
    placed.floor = placed.floor || full.floor;
    placed.any_year = placed.any_year || full.any_year;
  }
  return at;
}

}  // namespace featlib::contract
