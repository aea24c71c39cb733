#include "yaml.hpp"

#include "../utf8.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <unordered_set>

namespace featlib::yaml {
namespace {

constexpr std::size_t most_bytes = 4 << 20;
constexpr std::size_t most_nodes = 200'000;   // what is anchored counted twice, aliases as often as they are used
constexpr std::size_t most_depth = 64;

Place place_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

Place place_at(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = before.rfind('\n');
  return {1 + static_cast<int>(std::count(before.begin(), before.end(), '\n')), static_cast<int>(offset - (line == std::string_view::npos ? 0 : line + 1)) + 1};
}

struct Refused {
  Place place;
  std::string message, help;
};

std::size_t count(const Node& node) {
  std::size_t n = 1;
  for (const Node& item : node.items) n += count(item);
  for (const auto& [key, value] : node.members) n += 1 + count(value);
  return n;
}

/// Builds the tree from yaml-cpp's events, which carry the marks that its own nodes lose for aliases.
class Builder : public YAML::EventHandler {
 public:
  Node root;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(leaf(Node::Kind::null, mark), anchor); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    Node node = leaf(Node::Kind::scalar, mark);
    node.text = value;
    node.quoted = tag == "!";
    if (!node.quoted && (value == "~" || value == "null" || value == "Null" || value == "NULL")) node.kind = Node::Kind::null;
    add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refused{place_of(mark), "an alias to something that is not finished yet", "an anchor cannot hold itself"};
    grow(count(found->second), place_of(mark));
    add(Node(found->second), YAML::NullAnchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(leaf(Node::Kind::sequence, mark), anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(leaf(Node::Kind::map, mark), anchor);
  }
  void OnMapEnd() override {
    merge(open_.back());
    close();
  }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor;
    bool has_key = false;
    Node key;
    std::unordered_set<std::string> names;   // of its keys
  };

  Node leaf(Node::Kind kind, const YAML::Mark& mark) {
    Node node;
    node.kind = kind;
    node.place = place_of(mark);
    grow(1, node.place);
    return node;
  }

  void grow(std::size_t by, Place place) {
    nodes_ += by;
    if (nodes_ > most_nodes) throw Refused{place, fmt::format("more than {} values once aliases are written out", most_nodes), "long vocabularies go into a file: vocabulary: {file: countries.txt}"};
  }

  /// yaml-cpp recurses once a level, after it has told us: this bounds its stack too.
  void open(Node node, YAML::anchor_t anchor) {
    if (open_.size() >= most_depth) throw Refused{node.place, fmt::format("nested more than {} deep", most_depth), "no contract needs more than ten"};
    open_.push_back({std::move(node), anchor, false, {}, {}});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done.node), done.anchor);
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      grow(count(node), node.place);   // the copy that aliases are made from: anchors inside anchors would multiply it
      anchors_[anchor] = node;
    }
    if (open_.empty()) {
      root = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Node::Kind::sequence) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.has_key) {
      if (node.kind != Node::Kind::scalar) throw Refused{node.place, "a key that is no plain text", "keys are names"};
      if (node.text != "<<" && !parent.names.insert(node.text).second) throw Refused{node.place, fmt::format("key `{}` stands twice", node.text), "keep one of them"};
      parent.key = std::move(node);
      parent.has_key = true;
    } else {
      parent.node.members.push_back({std::move(parent.key), std::move(node)});
      parent.has_key = false;
    }
  }

  /// `<<: *base` or a list of them: their members unless the map has its own.
  void merge(Open& open) {
    Node& map = open.node;
    std::vector<Node> bases;
    for (auto& [key, value] : map.members) {
      if (key.text != "<<" || key.quoted) continue;
      if (value.kind == Node::Kind::sequence) bases.insert(bases.end(), value.items.begin(), value.items.end());
      else bases.push_back(value);
    }
    std::erase_if(map.members, [](const auto& member) { return member.key.text == "<<" && !member.key.quoted; });
    for (const Node& base : bases) {
      if (base.kind != Node::Kind::map) throw Refused{base.place, "`<<` merges maps only", "<<: *anchor, where the anchor is a map"};
      for (const auto& member : base.members)
        if (open.names.insert(member.key.text).second) map.members.push_back(member);
    }
  }

  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::size_t nodes_ = 0;
};

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (const auto& [name, value] : members)
    if (name.text == key) return &value;
  return nullptr;
}

Result<Node> parse(std::string_view text, const std::string& name) {
  const auto refuse = [&](Place place, std::string message, std::string help = {}) {
    return Error(std::vector<Failure>{{ErrorCode::invalid_yaml, name, place.line, place.column, std::move(message), std::move(help)}});
  };
  if (text.size() > most_bytes) return refuse({1, 1}, fmt::format("{} bytes; at most {} are read", text.size(), most_bytes), "long vocabularies go into a file: vocabulary: {file: countries.txt}");
  if (const auto zero = text.find('\0'); zero != std::string_view::npos) return refuse(place_at(text, zero), "a zero byte", "save the file as plain text in UTF-8");
  if (const auto valid = utf8_prefix(text); valid < text.size()) return refuse(place_at(text, valid), "a byte that is not UTF-8", "save the file as plain text in UTF-8");
  Builder builder;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return refuse({1, 1}, "the file is empty", "begin with featlib: 1");
    Builder second;
    if (parser.HandleNextDocument(second)) return refuse(second.root.place, "a second document", "one contract a file");
  } catch (const Refused& refused) {
    return refuse(refused.place, refused.message, refused.help);
  } catch (const YAML::Exception& error) {
    return refuse(place_of(error.mark), error.msg, "look just before for a bracket, quote, colon or indentation that is missing");
  } catch (const std::exception& error) {
    return refuse({1, 1}, error.what());
  }
  return std::move(builder.root);
}

}  // namespace featlib::yaml
