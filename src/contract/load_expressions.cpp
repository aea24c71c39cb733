#include "loader.hpp"

#include "names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace featlib::contract {

std::optional<Type> Loader::parse_expression(const Node& node, Feature& out) {
  out.kind = FeatureKind::expression;
  const auto given = text(node, "expr");
  if (!given) return std::nullopt;
  auto parsed = Expression::parse(*given);
  if (!parsed.value) {
    const Node& at = *node.find("expr");
    fail(parsed.failure.code, {at.place.line, at.place.column + parsed.failure.offset + at.quoted}, parsed.failure.message, parsed.failure.help);
    return std::nullopt;
  }
  out.expression = std::move(*parsed.value);
  return std::nullopt;   // typed once the features it reads are
}

void Loader::bind_expressions() {
  const std::size_t n = data_->features.size();
  std::vector<int> state(n, 0);                       // 0 new, 1 open, 2 done
  std::vector<int> path;
  for (std::size_t f = 0; f < n; ++f) visit(static_cast<int>(f), state, path);
}

void Loader::visit(int f, std::vector<int>& state, std::vector<int>& path) {
  const auto at = static_cast<std::size_t>(f);
  if (state[at] == 2) return;
  Feature& feature = data_->features[at];
  const Node& node = *pending_[at].node;
  if (state[at] == 1) {
    std::string circle;
    for (auto step = std::find(path.begin(), path.end(), f); step != path.end(); ++step) circle += fmt::format("{} -> ", data_->features[static_cast<std::size_t>(*step)].name);
    fail(ErrorCode::cycle, place(node, "expr"), fmt::format("features refer to each other in a circle: {}{}", circle, feature.name), "break it: a value cannot come from itself");
    return;
  }
  if (path.size() > 1000) {
    fail(ErrorCode::bad_expression, place(node, "expr"), "more than 1000 features read each other in a chain", "shorten it");
    state[at] = 2;
    return;
  }
  state[at] = 1;
  path.push_back(f);
  if (feature.expression)
    for (const ExpressionInput& input : feature.expression->inputs())
      if (const int other = index_of(data_->features, input.name); other >= 0) visit(other, state, path);
  path.pop_back();
  state[at] = 2;
  if (feature.expression) pending_[at].natural = bind_feature(node, feature);
  if (feature.kind != FeatureKind::expression || feature.expression) finish_type(node, feature, pending_[at].natural);
  data_->order.push_back(f);
}

std::optional<Type> Loader::bind_feature(const Node& node, Feature& feature) {
  const Node& at = *node.find("expr");
  const auto place_at = [&](int within) { return Place{at.place.line, at.place.column + within + at.quoted}; };
  bool refused = false;
  if (feature.expression->inputs().size() > most_inputs) {
    fail(ErrorCode::bad_expression, at.place, fmt::format("more than {} inputs in one expression", most_inputs), "split it into several features");
    return std::nullopt;
  }
  std::map<std::string, Type> types;
  for (const ExpressionInput& input : feature.expression->inputs()) {
    FeatureInput out;
    out.with_fallback = input.with_fallback;
    if (input.name == "as_of") {
      out.kind = FeatureInput::Kind::as_of;
      types[input.name] = Type::timestamp;
    } else if (input.name.starts_with("request.")) {
      const std::string name = input.name.substr(8);
      out.kind = FeatureInput::Kind::request;
      out.index = index_of(data_->request, name);
      if (out.index < 0) {
        fail(ErrorCode::unknown_name, place_at(input.offset), fmt::format("the request has no field `{}`", name), did_you_mean(name, data_->request));
        refused = true;
      } else if (data_->request[static_cast<std::size_t>(out.index)].any_key) {
        fail(ErrorCode::bad_expression, place_at(input.offset), fmt::format("request field `{}` has no declared type", name), "declare it under `request`");
        refused = true;
      } else {
        types[input.name] = variable(data_->request[static_cast<std::size_t>(out.index)]).type;
      }
    } else {
      out.kind = FeatureInput::Kind::feature;
      out.index = index_of(data_->features, input.name);
      if (out.index < 0) {
        const bool of_request = index_of(data_->request, input.name) >= 0;
        fail(ErrorCode::unknown_name, place_at(input.offset), fmt::format("no feature `{}`", input.name),
             of_request ? fmt::format("the request's field is written request.{}", input.name) : did_you_mean(input.name, data_->features));
        refused = true;
      } else if (data_->features[static_cast<std::size_t>(out.index)].type == Type::category) {
        fail(ErrorCode::bad_expression, place_at(input.offset), fmt::format("`{}` is a category", input.name), "read the text it comes from: request.field");
        refused = true;
      } else {
        types[input.name] = data_->features[static_cast<std::size_t>(out.index)].type;
      }
    }
    feature.inputs.push_back(out);
  }
  if (refused) return std::nullopt;
  auto bound = feature.expression->bind([&](const ExpressionInput& input) -> std::optional<Variable> { return Variable{types.at(input.name)}; }, *TimeZone::find(feature.tz));
  if (!bound.value) {
    fail(bound.failure.code, place_at(bound.failure.offset), bound.failure.message, bound.failure.help);
    return std::nullopt;
  }
  feature.expression = std::move(*bound.value);
  return feature.expression->type();
}

Variable Loader::variable(const Field& field) {
  if (field.type == Type::decimal) return {Type::float64};
  if (field.type == Type::category) return {Type::string};
  return {field.type};
}

}  // namespace featlib::contract
