#include "loader.hpp"

#include "names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace featlib::contract {
namespace {

bool is_semver(std::string_view text) {
  int part = 0;
  std::size_t at = 0;
  for (; part < 3; ++part) {
    const std::size_t from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    if (at == from || at - from > 9 || (at - from > 1 && text[from] == '0')) return false;
    if (part < 2 && (at >= text.size() || text[at++] != '.')) return false;
  }
  return at == text.size() || text[at] == '-' || text[at] == '+';
}

}  // namespace

Result<std::shared_ptr<const Contract::Data>> Loader::load() {
  if (!open(root_, In::top) && root_.kind != Node::Kind::map) return failed();
  header();
  read_defaults();
  each(root_, "entities", [&](const Node& key, const Node& node) { entity(key, node); });
  each(root_, "sources", [&](const Node& key, const Node& node) { source(key, node); });
  for (const auto& [index, node] : unions_) unite(index, *node);
  request();
  if (has_failed() && data_->sources.empty() && root_.find("sources")) return failed();
  each(root_, "features", [&](const Node& key, const Node& node) { feature(key, node); });
  bind_expressions();
  model();
  if (has_failed()) return failed();
  warn();
  return std::shared_ptr<const Contract::Data>(data_);
}

void Loader::header() {
  if (integer(root_, "featlib", 1, 1)) {}
  data_->name = text(root_, "name").value_or("");
  data_->version = text(root_, "version").value_or("");
  data_->owner = text(root_, "owner").value_or("");
  data_->description = text(root_, "description").value_or("");
  if (const Node* tags = root_.find("tags")) data_->tags = texts(*tags, "tags");
  if (root_.find("version") && !is_semver(data_->version))
    fail(ErrorCode::bad_value, place(root_, "version"), fmt::format("`version` is \"{}\"; expected major.minor.patch", data_->version), "e.g. 1.0.0");
  if (root_.find("owner") && trimmed(data_->owner).empty()) fail(ErrorCode::bad_value, place(root_, "owner"), "`owner` is empty", "name who is asked when it breaks");
}

void Loader::read_defaults() {
  const Node* node = root_.find("defaults");
  if (!node || !open(*node, In::defaults)) return;
  if (const auto b = text(*node, "bounds")) default_bounds_ = bounds(*node, *b);
  default_min_rows_ = integer(*node, "min_rows", 0, most_rows).value_or(0);
  if (const Node* n = node->find("model_missing")) default_model_missing_ = number(*n, "model_missing");
  if (const auto policy = nan(*node)) default_nan_ = *policy;
  default_tz_ = zone(*node, "tz", "");
}

void Loader::model() {
  const Node* node = root_.find("model");
  if (!node) {
    for (std::size_t f = 0; f < data_->features.size(); ++f) data_->inputs.push_back(static_cast<int>(f));
    return;
  }
  if (!open(*node, In::model)) return;
  const Node& inputs = *node->find("inputs");
  for (const Node& item : inputs.kind == Node::Kind::sequence ? inputs.items : std::vector<Node>{inputs}) {
    if (!is_scalar(item, "inputs", "names of features")) continue;
    const int f = index_of(data_->features, item.text);
    if (f < 0) fail(ErrorCode::unknown_name, item.place, fmt::format("`inputs` names `{}`, which is no feature", item.text), did_you_mean(item.text, data_->features));
    else if (std::find(data_->inputs.begin(), data_->inputs.end(), f) != data_->inputs.end()) fail(ErrorCode::bad_value, item.place, fmt::format("input `{}` stands twice", item.text), "name it once");
    else if (data_->features[static_cast<std::size_t>(f)].type == Type::string) fail(ErrorCode::wrong_type, item.place, fmt::format("input `{}` is text", item.text), "type: category with a `vocabulary`");
    else data_->inputs.push_back(f);
  }
}

void Loader::warn() {
  const auto add = [&](int line, std::string message, std::string help) {
    data_->warnings.push_back({ErrorCode::missing_key, document(), line, 1, std::move(message), std::move(help)});
  };
  for (std::size_t s = 0; s < data_->sources.size(); ++s)
    if (data_->sources[s].availability_assumed)
      add(source_places_[s].line, fmt::format("source `{}`: rows are assumed to be known when they happen", data_->sources[s].name), "declare `available_time` or `delay` (delay: 0s says it on purpose)");
  for (const Feature& feature : data_->features)
    if (feature.description.empty()) add(feature.line, fmt::format("feature `{}` has no description", feature.name), "say what it means to the next person on call");
}

}  // namespace featlib::contract
