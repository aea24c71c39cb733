#include <featlib/contract/contract.hpp>

#include "data.hpp"
#include "loader.hpp"
#include "names.hpp"
#include "resolved.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <sstream>

namespace featlib {

int Source::find_field(std::string_view field) const { return contract::index_of(fields, field); }

Result<Contract> Contract::load(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  std::error_code error;
  if (std::filesystem::is_directory(path, error) || !in || !(text << in.rdbuf()))
    return Error(ErrorCode::io_failed, "the contract cannot be read", "check the path", path.string());
  return parse(text.str(), path.parent_path(), path.string());
}

Result<Contract> Contract::parse(std::string_view text, const std::filesystem::path& base, std::string name) {
  auto root = yaml::parse(text, name);
  if (!root) return root.error();
  auto data = contract::Loader(root.value(), base, std::move(name)).load();
  if (!data) return data.error();
  return Contract(std::move(data).value());
}

const std::string& Contract::name() const { return data_->name; }
const std::string& Contract::version() const { return data_->version; }
const std::string& Contract::owner() const { return data_->owner; }
const std::string& Contract::description() const { return data_->description; }
const std::vector<Entity>& Contract::entities() const { return data_->entities; }
const std::vector<Source>& Contract::sources() const { return data_->sources; }
int Contract::request_of() const { return data_->request_of; }
const std::vector<Field>& Contract::request() const { return data_->request; }
const std::vector<Feature>& Contract::features() const { return data_->features; }
const std::vector<int>& Contract::evaluation_order() const { return data_->order; }
const std::vector<int>& Contract::inputs() const { return data_->inputs; }
int Contract::find_source(std::string_view source) const { return contract::index_of(data_->sources, source); }
int Contract::find_feature(std::string_view feature) const { return contract::index_of(data_->features, feature); }
int Contract::find_request(std::string_view field) const { return contract::index_of(data_->request, field); }
std::optional<Failure> Contract::refuses_rows(std::string_view name) const {
  const int s = find_source(name);
  if (s >= 0 && !sources()[static_cast<std::size_t>(s)].is_union()) return std::nullopt;
  std::vector<std::string_view> given;
  if (s >= 0) {
    for (const UnionMember& m : sources()[static_cast<std::size_t>(s)].members) given.push_back(sources()[static_cast<std::size_t>(m.source)].name);
    return Failure{ErrorCode::unknown_source, std::string(name), 0, 0, fmt::format("`{}` is a union: its rows are those of its members", name), fmt::format("give {}", fmt::join(given, ", "))};
  }
  for (const Source& source : sources())
    if (!source.is_union()) given.push_back(source.name);
  return Failure{ErrorCode::unknown_source, std::string(name), 0, 0, fmt::format("the contract has no source `{}`", name), fmt::format("it has {}", fmt::join(given, ", "))};
}
void Contract::require_rows(int source) const {
  const Source& spec = sources()[static_cast<std::size_t>(source)];
  if (spec.is_union()) throw Error({*refuses_rows(spec.name)});
}
const std::vector<Failure>& Contract::warnings() const { return data_->warnings; }

std::string Contract::resolved_json() const { return contract::resolved(*data_, std::nullopt).dump(2); }

}  // namespace featlib
