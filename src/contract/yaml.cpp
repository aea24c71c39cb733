#include "yaml.hpp"

#include "../utf8.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>

namespace featlib::yaml {
namespace {

constexpr std::size_t most_bytes = 4 << 20;
constexpr std::size_t most_nodes = 200'000;   // aliases counted as often as they are used
constexpr std::size_t most_depth = 64;

Place place_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

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
    if (found == anchors_.end()) throw Refused{place_of(mark), "an alias to something that is not finished yet", {}};
    nodes_ += count(found->second);
    if (nodes_ > most_nodes) throw Refused{place_of(mark), fmt::format("more than {} values once aliases are written out", most_nodes), {}};
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
    merge(open_.back().node);
    close();
  }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor;
    bool has_key = false;
    Node key;
  };

  Node leaf(Node::Kind kind, const YAML::Mark& mark) {
    if (++nodes_ > most_nodes) throw Refused{place_of(mark), fmt::format("more than {} values", most_nodes), {}};
    Node node;
    node.kind = kind;
    node.place = place_of(mark);
    return node;
  }

  void open(Node node, YAML::anchor_t anchor) {
    if (open_.size() >= most_depth) throw Refused{node.place, fmt::format("nested more than {} deep", most_depth), {}};
    open_.push_back({std::move(node), anchor, false, {}});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done.node), done.anchor);
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
    if (open_.empty()) {
      root = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Node::Kind::sequence) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.has_key) {
      if (node.kind != Node::Kind::scalar) throw Refused{node.place, "a key that is no plain text", {}};
      if (node.text != "<<" && parent.node.find(node.text)) throw Refused{node.place, fmt::format("key `{}` stands twice", node.text), "keep one of them"};
      parent.key = std::move(node);
      parent.has_key = true;
    } else {
      parent.node.members.emplace_back(std::move(parent.key), std::move(node));
      parent.has_key = false;
    }
  }

  /// `<<: *base` or a list of them: their members unless the map has its own.
  void merge(Node& map) {
    std::vector<Node> bases;
    for (auto& [key, value] : map.members) {
      if (key.text != "<<" || key.quoted) continue;
      if (value.kind == Node::Kind::sequence) bases.insert(bases.end(), value.items.begin(), value.items.end());
      else bases.push_back(value);
    }
    std::erase_if(map.members, [](const auto& member) { return member.first.text == "<<" && !member.first.quoted; });
    for (const Node& base : bases) {
      if (base.kind != Node::Kind::map) throw Refused{base.place, "`<<` merges maps only", {}};
      for (const auto& member : base.members)
        if (!map.find(member.first.text)) map.members.push_back(member);
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
  if (text.size() > most_bytes) return refuse({1, 1}, fmt::format("{} bytes; at most {} are read", text.size(), most_bytes));
  if (const auto zero = text.find('\0'); zero != std::string_view::npos)
    return refuse({1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(zero), '\n')), 1}, "a zero byte");
  if (!is_utf8(text)) return refuse({1, 1}, "the file is not UTF-8");
  // yaml-cpp recurses once a nested bracket: count them before it does.
  std::size_t depth = 0;
  for (const char c : text) {
    depth += c == '[' || c == '{';
    if ((c == ']' || c == '}') && depth > 0) --depth;
    if (depth > 4 * most_depth) return refuse({1, 1}, "brackets nested too deep");
  }
  Builder builder;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return refuse({1, 1}, "the file is empty");
    Builder second;
    if (parser.HandleNextDocument(second)) return refuse(second.root.place, "a second document", "one contract a file");
  } catch (const Refused& refused) {
    return refuse(refused.place, refused.message, refused.help);
  } catch (const YAML::Exception& error) {
    return refuse(place_of(error.mark), error.msg);
  } catch (const std::exception& error) {
    return refuse({1, 1}, error.what());
  }
  return std::move(builder.root);
}

}  // namespace featlib::yaml
