#include "loader.hpp"

#include "names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace featlib::contract {
namespace {

/// Whether two members mean the same by a column, so that a union has it.
bool alike(const Field& a, const Field& b) {
  return a.type == b.type && a.scale == b.scale && a.available_after == b.available_after && a.available_at == b.available_at;
}

bool declares(const Source& member, const Field& column) {
  const int f = member.find_field(column.name);
  return std::find(member.columns.begin(), member.columns.end(), f) != member.columns.end() && alike(member.fields[static_cast<std::size_t>(f)], column);
}

const SourceEntity* link_of(const Source& member, int entity) {
  const auto found = std::find_if(member.entities.begin(), member.entities.end(), [&](const SourceEntity& link) { return link.entity == entity; });
  return found == member.entities.end() ? nullptr : &*found;
}

/// Makes a union of its members: what all of them have, each with its place in every member.
class Union {
 public:
  Union(Source& out, const std::vector<Source>& sources) : out_(out), sources_(sources) {}

  void derive() {
    const Source& first = member(out_.members[0]);
    for (const int f : first.columns) {
      const Field& column = first.fields[static_cast<std::size_t>(f)];
      if (all([&](const Source& m) { return declares(m, column); })) out_.columns.push_back(add_named(column));
    }
    for (const int f : std::vector<int>(out_.columns)) {
      const std::string clock = out_.fields[static_cast<std::size_t>(f)].available_at;
      if (!clock.empty() && out_.find_field(clock) < 0) add_named(first.fields[static_cast<std::size_t>(first.find_field(clock))]);
    }
    for (const SourceEntity& link : first.entities)
      if (all([&](const Source& m) { return link_of(m, link.entity) != nullptr; })) add_entity(link.entity);
    out_.event_time_field = add(instant("(event_time)"), [](const Source& m) { return m.event_time_field; });
    add_dedup();
  }

 private:
  const Source& member(const UnionMember& m) const { return sources_[static_cast<std::size_t>(m.source)]; }

  template <class Holds>
  bool all(Holds&& holds) const {
    return std::all_of(out_.members.begin(), out_.members.end(), [&](const UnionMember& m) { return holds(member(m)); });
  }

  static Field instant(std::string name) {
    Field field;
    field.name = std::move(name);
    field.type = Type::timestamp;
    return field;
  }

  template <class In>
  int add(Field field, In&& in) {
    for (UnionMember& m : out_.members) m.fields.push_back(in(member(m)));
    out_.fields.push_back(std::move(field));
    return static_cast<int>(out_.fields.size()) - 1;
  }
  /// A field that has one name in all members.
  int add_named(const Field& field) {
    return add(field, [&](const Source& m) { return m.find_field(field.name); });
  }

  // Fields that members may name differently have names in parentheses here: no expression can spell them.
  void add_entity(int entity) {
    const auto name = [&](std::string_view what, std::size_t k) { return fmt::format("({} {} {})", what, entity, k); };
    SourceEntity out;
    out.entity = entity;
    const Source& first = member(out_.members[0]);
    const SourceEntity& link = *link_of(first, entity);
    for (std::size_t k = 0; k < link.key_fields.size(); ++k) {
      Field key = first.fields[static_cast<std::size_t>(link.key_fields[k])];
      const auto in = [&](const Source& m) { return link_of(m, entity)->key_fields[k]; };
      const bool one_name = all([&](const Source& m) { return m.fields[static_cast<std::size_t>(in(m))].name == key.name; });
      if (!one_name) key.name = name("key", k);
      const int known = out_.find_field(key.name);
      out.key_fields.push_back(known >= 0 ? known : add(std::move(key), in));
    }
    if (!all([&](const Source& m) { return link_of(m, entity)->sequence_field < 0; })) {
      Field sequence;
      sequence.name = name("sequence", 0);
      out.sequence_field = add(std::move(sequence), [&](const Source& m) { return link_of(m, entity)->sequence_field; });
    }
    for (UnionMember& m : out_.members) m.entities.push_back(static_cast<int>(link_of(member(m), entity) - member(m).entities.data()));
    out_.entities.push_back(std::move(out));
  }

  void add_dedup() {
    std::optional<Field> key;
    for (const UnionMember& m : out_.members) {
      if (member(m).dedup_field < 0) continue;
      const Field& own = member(m).fields[static_cast<std::size_t>(member(m).dedup_field)];
      if (!key) key = own;
      else if (key->type != own.type) key->any_key = true;
      key->any_key = key->any_key || own.any_key;
    }
    if (!key) return;
    if (key->any_key) key->type = Type::int64;   // each slot says whether it is a text
    key->name = "(dedup)";
    out_.dedup_field = add(std::move(*key), [](const Source& m) { return m.dedup_field; });
  }

  Source& out_;
  const std::vector<Source>& sources_;
};

}  // namespace

void Loader::announce_union(const Node& key, const Node& node) {
  if (!open(node, In::union_source, fmt::format("union `{}`", key.text))) return;
  unions_.push_back({static_cast<int>(data_->sources.size()), &node});
  source_places_.push_back(place(node, "retention"));
  Source out;
  out.name = key.text;
  out.description = text(node, "description").value_or("");
  data_->sources.push_back(std::move(out));
}

void Loader::unite(int index, const Node& node) {
  Source& out = data_->sources[static_cast<std::size_t>(index)];
  members(*node.find("union"), out);
  if (out.members.empty()) return;
  Union(out, data_->sources).derive();
  if (out.entities.empty())
    fail(ErrorCode::bad_value, place(node, "union"), fmt::format("the members of union `{}` have no entity in common", out.name), "rows are read by entity: name sources of the same one");
  union_retention(node, out);
}

void Loader::members(const Node& given, Source& out) {
  const std::size_t before = failures();
  for (const std::string& name : texts(given, "union")) {
    const int s = index_of(data_->sources, name);
    if (s < 0)
      fail(ErrorCode::unknown_name, given.place, fmt::format("union `{}` names `{}`, which is no source", out.name, name), did_you_mean(name, data_->sources));
    else if (std::any_of(unions_.begin(), unions_.end(), [&](const auto& u) { return u.first == s; }))
      fail(ErrorCode::bad_value, given.place, fmt::format("union `{}` names `{}`, which is a union", out.name, name), "name the sources it is made of");
    else if (std::any_of(out.members.begin(), out.members.end(), [&](const UnionMember& m) { return m.source == s; }))
      fail(ErrorCode::bad_value, given.place, fmt::format("source `{}` stands twice in union `{}`", name, out.name), "name it once");
    else
      out.members.push_back({s, {}, {}});
  }
  if (failures() == before && out.members.size() < 2)
    fail(ErrorCode::bad_value, given.place, fmt::format("union `{}` has {} member", out.name, out.members.size()), "name two sources or more; one alone is read as it is");
  if (failures() != before) out.members.clear();
}

void Loader::union_retention(const Node& node, Source& out) {
  const auto& sources = data_->sources;
  int tightest = -1;
  for (const UnionMember& m : out.members) {
    const auto& kept = sources[static_cast<std::size_t>(m.source)].retention;
    if (kept && (!out.retention || *kept < *out.retention)) {
      out.retention = kept;
      tightest = m.source;
    }
  }
  const Node* given = node.find("retention");
  if (!given) return;
  std::optional<Duration> own;
  if (given->text != "forever") {
    own = width(node, "retention");
    if (!own) return;
  }
  if (tightest >= 0 && (!own || *own > *out.retention))
    fail(ErrorCode::bad_value, given->place,
         fmt::format("union `{}` keeps {}, its member `{}` {} (line {})", out.name, given->text, sources[static_cast<std::size_t>(tightest)].name, format_duration(*out.retention),
                     source_places_[static_cast<std::size_t>(tightest)].line),
         "leave it out: a union keeps what all its members keep");
  out.retention = own;
}

}  // namespace featlib::contract
