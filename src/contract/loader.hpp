/// Reads the tree of a contract into its data; collects every failure it can find before it gives up.
#pragma once

#include "call.hpp"
#include "data.hpp"
#include "reader.hpp"

#include <filesystem>
#include <initializer_list>
#include <memory>

namespace featlib::contract {

constexpr std::size_t most_inputs = 64;                 // of one expression: readers keep them on the stack
constexpr std::int64_t most_rows = 1'000'000'000;
constexpr std::int64_t default_half_lives = 64;         // the window of a decay: what is older weighs less than a rounding
constexpr std::int64_t most_half_lives = 1'000;         // the exact sum of a decay keeps 2^-1000

class Loader : private Reader {
 public:
  Loader(const Node& root, std::filesystem::path base, std::string name) : Reader(std::move(name)), root_(root), base_(std::move(base)) {}

  Result<std::shared_ptr<const Contract::Data>> load();

 private:
  // The file as a whole (loader.cpp)
  void header();
  void read_defaults();
  void model();
  void warn();

  // Columns, request fields and clocks (load_fields.cpp)
  Field field(const Node& key, const Node& node);
  std::optional<NanPolicy> nan(const Node& map);
  /// Index of a column in a source; added when nobody declared it.
  int place_field(Source& source, Field field, Place at);
  int time_field(Source& source, const Node& map, std::string_view key);

  // Entities, sources and the request (load_sources.cpp)
  void entity(const Node& key, const Node& node);
  void source(const Node& key, const Node& node);
  void entities_of(const Node& node, Source& out);
  void sequence_of(const Node& node, Source& out);
  void request();

  // Unions, made once every other source is read (load_union.cpp)
  void announce_union(const Node& key, const Node& node);
  void unite(int index, const Node& node);
  void members(const Node& given, Source& out);
  void union_retention(const Node& node, Source& out);

  // Features: what all kinds have (load_features.cpp)
  void feature(const Node& key, const Node& node);
  Checks checks(const Node& node);
  std::optional<Type> from_request(const Node& node, Feature& out, const std::string& from);
  void vocabulary(const Node& node, Feature& out);
  /// The output type: natural, or the declared one where that is possible; then what depends on it.
  void finish_type(const Node& node, Feature& feature, std::optional<Type> natural);
  void read_fallback(const Node& node, Feature& feature);

  // Features of the rows of a source: what they may read (load_aggregate.cpp)
  std::optional<Type> aggregate(const Node& node, Feature& out, const std::string& what);
  void by(const Node& node, const Source& source, Aggregate& a, const std::string& what);
  Bounds bounds(const Node& map, const std::string& given);
  void nulls(const Node& node, Aggregate& a);
  void ddof(const Node& node, Aggregate& a);
  void gated(const Node& node, const Source& source, const Aggregate& a, const std::string& what);
  void with_request(const Node& node, const Source& source, const Aggregate& a, const std::string& what);
  /// Parses and types a row expression; the fields it reads.
  std::optional<Expression> row_expression(const std::string& text, const Node& at, std::size_t offset, const Source& source, const Feature& feature, std::vector<int>& fields);

  // `mean(amount)`: the aggregate, its argument and its type (load_call.cpp)
  std::optional<Type> call(const Node& node, const Source& source, Feature& out);
  std::optional<Type> typed_argument(const Node& at, const Source& source, Aggregate& a, std::string_view argument);
  bool own_arguments(const Node& at, const Source& source, const Call& call, Aggregate& a);
  /// False, with a failure at an argument.
  bool refuse(const Node& at, const Argument& argument, std::string_view expected, std::string help = {});
  bool whole(const Node& at, const Argument& argument, std::int64_t least, std::int64_t most, std::int64_t& out);
  bool unit(const Node& at, const Argument& argument, Aggregate& a);
  bool quantile(const Node& at, const std::vector<Argument>& arguments, Aggregate& a);
  bool half_life(const Node& at, const Argument& argument, Aggregate& a);
  bool literal(const Node& at, const Argument& argument, Aggregate& a);
  /// With the request's field of the same name.
  bool compared(const Node& at, const Source& source, Aggregate& a);

  // Windows: sliding, buckets, sessions, lookups (load_window.cpp)
  void window(const Node& node, const Source& source, Aggregate& a, const std::string& what);
  void exclude(const Node& node, std::string_view key, std::initializer_list<std::string_view> others);
  std::optional<Duration> width(const Node& node, std::string_view key);
  void bucket(const Node& node, Aggregate& a, const std::string& what);
  void session(const Node& node, Aggregate& a, const std::string& what);
  void max_age(const Node& node, Aggregate& a);
  void default_window(const Node& node, Aggregate& a, const std::string& what);
  void within_retention(const Node& node, const Source& source, const Aggregate& a, const std::string& what);

  // Features of other features (load_expressions.cpp)
  std::optional<Type> parse_expression(const Node& node, Feature& out);
  void bind_expressions();
  void visit(int f, std::vector<int>& state, std::vector<int>& path);
  std::optional<Type> bind_feature(const Node& node, Feature& feature);
  static Variable variable(const Field& field);

  struct Pending {
    const Node* node;
    std::optional<Type> natural;
  };

  const Node& root_;
  std::filesystem::path base_;
  std::shared_ptr<Contract::Data> data_ = std::make_shared<Contract::Data>();
  std::vector<Pending> pending_;                        ///< by feature
  std::vector<std::pair<int, const Node*>> unions_;     ///< index into sources, and where it stands
  std::vector<Place> source_places_;                    ///< by source: its retention
  Bounds default_bounds_ = Bounds::closed_open;
  std::int64_t default_min_rows_ = 0;
  std::optional<double> default_model_missing_;
  NanPolicy default_nan_ = NanPolicy::reject;
  std::string default_tz_;
};

}  // namespace featlib::contract
