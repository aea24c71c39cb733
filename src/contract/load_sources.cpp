#include "loader.hpp"

#include "names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace featlib::contract {

void Loader::entity(const Node& key, const Node& node) {
  if (!named(key, "an entity") || !open(node, In::entity, fmt::format("entity `{}`", key.text))) return;
  Entity out;
  out.name = key.text;
  out.key = texts(*node.find("key"), "key");
  out.description = text(node, "description").value_or("");
  std::vector<std::string> types = texts(*node.find("type"), "type");
  if (types.size() == 1 && out.key.size() > 1) types.resize(out.key.size(), types[0]);
  if (out.key.empty() || out.key.size() > 16 || types.size() != out.key.size()) {
    fail(ErrorCode::bad_value, place(node, "key"), fmt::format("entity `{}` has {} key columns and {} types", out.name, out.key.size(), types.size()), "one type a key column, 1 to 16 of them");
    return;
  }
  for (const std::string& name : types) {
    const auto type = name == "uuid" || name == "bytes" ? std::optional(Type::string) : parse_type(name);
    if (!type || (*type != Type::int64 && *type != Type::string && *type != Type::boolean)) {
      fail(ErrorCode::bad_value, place(node, "type"), fmt::format("a key of type \"{}\"; expected int64, string, uuid or bool", name), "floats are no keys");
      return;
    }
    out.types.push_back(*type);
  }
  data_->entities.push_back(std::move(out));
}

void Loader::source(const Node& key, const Node& node) {
  if (!named(key, "a source")) return;
  if (node.find("union")) return announce_union(key, node);
  if (!open(node, In::source, fmt::format("source `{}`", key.text))) return;
  Source out;
  out.name = key.text;
  out.description = text(node, "description").value_or("");
  each(node, "columns", [&](const Node& name, const Node& spec) {
    if (name.text.empty() || is_reserved(name.text)) { named(name, "a column"); return; }
    out.columns.push_back(static_cast<int>(out.fields.size()));
    out.fields.push_back(field(name, spec));
  });
  out.event_time_field = time_field(out, node, "event_time");
  if (node.find("available_time")) {
    out.available_time_field = time_field(out, node, "available_time");
    if (node.find("delay")) fail(ErrorCode::conflicting_keys, place(node, "delay"), "`available_time` and `delay` exclude each other", "a column that says when a row could be seen, or a fixed delay");
  } else {
    out.availability_assumed = !node.find("delay");
    out.delay = duration(node, "delay").value_or(0);
  }
  if (node.find("retention")->text != "forever") {
    out.retention = duration(node, "retention");
    if (out.retention && *out.retention == 0) fail(ErrorCode::bad_value, place(node, "retention"), "a retention of nothing", example("retention"));
  }
  entities_of(node, out);
  if (const auto dedup = text(node, "dedup")) {
    Field column;
    column.name = *dedup;
    column.any_key = true;
    out.dedup_field = place_field(out, std::move(column), place(node, "dedup"));
    const Field& placed = out.fields[static_cast<std::size_t>(out.dedup_field)];
    if (placed.type == Type::float64 || placed.gated()) fail(ErrorCode::wrong_type, place(node, "dedup"), fmt::format("`{}` cannot be a key", *dedup), "keys are int64, string or bool");
  }
  sequence_of(node, out);
  for (std::size_t f = 0; f < out.fields.size(); ++f) {
    if (out.fields[f].available_at.empty()) continue;
    Field clock;
    clock.name = out.fields[f].available_at;
    clock.type = Type::timestamp;
    clock.tz = default_tz_;
    place_field(out, std::move(clock), node.place);
  }
  source_places_.push_back(place(node, "retention"));
  data_->sources.push_back(std::move(out));
}

void Loader::entities_of(const Node& node, Source& out) {
  if (node.find("entity") && node.find("entities")) fail(ErrorCode::conflicting_keys, place(node, "entities"), "`entity` is short for `entities`; give one of them", "remove one");
  const Node* given = node.find("entity") ? node.find("entity") : node.find("entities");
  if (!given) {
    fail(ErrorCode::missing_key, node.place, fmt::format("source `{}` lacks `entity`", out.name), example("entity"));
    return;
  }
  if (given->kind == Node::Kind::sequence && given->items.empty()) fail(ErrorCode::bad_value, given->place, fmt::format("source `{}` has no entity", out.name), example("entities"));
  const Node* renamed = node.find("keys");
  if (renamed && renamed->kind != Node::Kind::map) fail(ErrorCode::wrong_type, renamed->place, "`keys` maps an entity to its columns here", example("keys"));
  for (const std::string& name : texts(*given, "entities")) {
    const int e = index_of(data_->entities, name);
    if (e < 0) {
      fail(ErrorCode::unknown_name, given->place, fmt::format("source `{}` names entity `{}`, which is not declared", out.name, name), did_you_mean(name, data_->entities));
      continue;
    }
    const Entity& entity = data_->entities[static_cast<std::size_t>(e)];
    if (std::any_of(out.entities.begin(), out.entities.end(), [&](const SourceEntity& s) { return s.entity == e; })) {
      fail(ErrorCode::bad_value, given->place, fmt::format("entity `{}` stands twice", name), "name it once");
      continue;
    }
    SourceEntity link;
    link.entity = e;
    std::vector<std::string> columns = entity.key;
    if (const Node* own = renamed && renamed->kind == Node::Kind::map ? renamed->find(name) : nullptr) columns = texts(*own, "keys");
    if (columns.size() != entity.key.size()) {
      fail(ErrorCode::bad_value, given->place, fmt::format("entity `{}` has {} key columns, `keys` names {}", name, entity.key.size(), columns.size()), "one column a key column, in the order of the entity");
      continue;
    }
    for (std::size_t k = 0; k < columns.size(); ++k) {
      Field column;
      column.name = columns[k];
      column.type = entity.types[k];
      link.key_fields.push_back(place_field(out, std::move(column), given->place));
      if (out.fields[static_cast<std::size_t>(link.key_fields.back())].gated()) fail(ErrorCode::bad_value, given->place, fmt::format("key column `{}` is known later than its row", columns[k]), "a key belongs to the row: no available_after, no available_at");
    }
    out.entities.push_back(std::move(link));
  }
  if (renamed && renamed->kind == Node::Kind::map)
    for (const Node::Member& member : renamed->members)
      if (std::none_of(out.entities.begin(), out.entities.end(), [&](const SourceEntity& s) { return data_->entities[static_cast<std::size_t>(s.entity)].name == member.key.text; }))
        fail(ErrorCode::unknown_name, member.key.place, fmt::format("`keys` names `{}`, which is no entity of this source", member.key.text), "name one of its `entities`");
}

void Loader::sequence_of(const Node& node, Source& out) {
  const Node* given = node.find("sequence");
  if (!given) return;
  const auto use = [&](SourceEntity& link, const Node& column) {
    if (!is_scalar(column, "sequence", "a column")) return;
    Field field;
    field.name = column.text;
    field.type = Type::int64;
    const int known = out.find_field(column.text);
    if (known >= 0 && out.fields[static_cast<std::size_t>(known)].type == Type::timestamp) field.type = Type::timestamp;
    link.sequence_field = place_field(out, std::move(field), column.place);
    if (out.fields[static_cast<std::size_t>(link.sequence_field)].gated()) fail(ErrorCode::bad_value, column.place, "a sequence that is known later than its row", "it orders rows: no available_after, no available_at");
  };
  if (given->kind != Node::Kind::map) {
    for (SourceEntity& link : out.entities) use(link, *given);
    return;
  }
  for (const Node::Member& member : given->members) {
    const auto link = std::find_if(out.entities.begin(), out.entities.end(),
                                   [&](const SourceEntity& s) { return data_->entities[static_cast<std::size_t>(s.entity)].name == member.key.text; });
    if (link == out.entities.end()) fail(ErrorCode::unknown_name, member.key.place, fmt::format("`sequence` names `{}`, which is no entity of this source", member.key.text), "name one of its `entities`");
    else use(*link, member.value);
  }
}

void Loader::request() {
  each(root_, "request", [&](const Node& key, const Node& node) {
    if (key.text.empty() || is_reserved(key.text)) { named(key, "a request field"); return; }
    Field out = field(key, node);
    if (out.gated()) fail(ErrorCode::bad_value, node.place, fmt::format("request field `{}` cannot be known later than the request", out.name), "no available_after, no available_at");
    data_->request.push_back(std::move(out));
  });
  data_->declared_request = data_->request.size();
  const auto append = [&](Field field, Place at) {
    const int known = index_of(data_->request, field.name);
    if (known < 0) {
      field.available_after.reset();
      field.available_at.clear();
      data_->request.push_back(std::move(field));
    } else if (data_->request[static_cast<std::size_t>(known)].type != field.type && !field.any_key) {
      fail(ErrorCode::wrong_type, at, fmt::format("request field `{}` is `{}`; as a key or sequence it is {}", field.name, to_string(data_->request[static_cast<std::size_t>(known)].type), to_string(field.type)), "one name, one type");
    }
  };
  for (const Entity& entity : data_->entities)
    for (std::size_t k = 0; k < entity.key.size(); ++k) {
      Field field;
      field.name = entity.key[k];
      field.type = entity.types[k];
      append(std::move(field), place(root_, "request"));
    }
  const auto of = text(root_, "request_of");
  if (!of) return;
  data_->request_of = index_of(data_->sources, *of);
  if (data_->request_of < 0) {
    fail(ErrorCode::unknown_name, place(root_, "request_of"), fmt::format("`request_of` names `{}`, which is no source", *of), did_you_mean(*of, data_->sources));
    return;
  }
  const Source& source = data_->sources[static_cast<std::size_t>(data_->request_of)];
  if (source.is_union()) {
    fail(ErrorCode::bad_value, place(root_, "request_of"), fmt::format("`request_of` names `{}`, which is a union: a request becomes a row of one source", *of), "name the member it becomes a row of");
    return;
  }
  if (source.dedup_field >= 0) append(source.fields[static_cast<std::size_t>(source.dedup_field)], place(root_, "request_of"));
  for (const SourceEntity& link : source.entities)
    if (link.sequence_field >= 0) append(source.fields[static_cast<std::size_t>(link.sequence_field)], place(root_, "request_of"));
}

}  // namespace featlib::contract
