/// The contract: what every feature means. Read from YAML or JSON (SEMANTICS section 6); always valid once built.
///
///     auto contract = featlib::Contract::load("card_risk.yaml").value();
///     contract.features()[0].name;
///     contract.fingerprint(featlib::FingerprintKind::semantic);
#pragma once

#include <featlib/contract/expression.hpp>
#include <featlib/core/result.hpp>
#include <featlib/core/time.hpp>
#include <featlib/core/value.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace featlib {

/// What NaN and infinity in a float column do: refuse the row, or read as null.
enum class NanPolicy : std::uint8_t { reject, null };

/// A physical column of a source, or a field of the request: name, type and how raw input becomes a value of it.
struct Field {
  std::string name;
  Type type = Type::int64;
  int scale = 0;                              ///< decimal digits behind the point; 0 but for decimal
  std::optional<TimeUnit> time_unit;          ///< timestamp from plain integers: declared unit
  std::string tz;                             ///< timestamp from naive datetimes: declared zone; empty when none
  bool floor = false;                         ///< finer time is floored, not an error
  bool round = false;                         ///< decimal from a double that is no exact multiple is rounded, not an error
  NanPolicy nan = NanPolicy::reject;
  bool any_year = false;
  std::optional<Duration> available_after;    ///< gated cell: known so long after the event
  std::string available_at;                   ///< gated cell: column holding the instant it is known; empty when none
  bool any_key = false;                       ///< undeclared key column: int64 or string, by the data
  std::string unit;
  std::string description;

  bool gated() const { return available_after.has_value() || !available_at.empty(); }
};

/// A thing features are about: a card, a terminal, a card at a merchant.
struct Entity {
  std::string name;
  std::vector<std::string> key;               ///< key columns in the request (and in sources, unless `keys` renames them)
  std::vector<Type> types;                    ///< int64, string or boolean, one a key column
  std::string description;
};

/// How a source's rows belong to an entity. Indices are into Source::fields.
struct SourceEntity {
  int entity = 0;                             ///< index into Contract::entities()
  std::vector<int> key_fields;
  int sequence_field = -1;                    ///< -1: this entity has no sequence here
};

/// A source whose rows are rows of a union. Indices are into the member's own fields and entities.
struct UnionMember {
  int source = 0;                             ///< index into Contract::sources()
  std::vector<int> fields;                    ///< by Source::fields of the union; -1: this member has no such sequence or dedup key
  std::vector<int> entities;                  ///< by Source::entities of the union
};

/// A stream of events. A union has no rows of its own: each row of a member is one of its rows, known when the member's is,
/// with the member's clocks and the columns, keys, sequences and dedup key mapped by UnionMember::fields.
struct Source {
  std::string name;
  std::vector<SourceEntity> entities;
  std::vector<Field> fields;                  ///< every physical column, once: clocks, keys, sequences, dedup, columns, available_at columns
  int event_time_field = 0;
  int available_time_field = -1;              ///< -1: event_time + delay
  Duration delay = 0;
  bool availability_assumed = false;          ///< neither available_time nor delay was declared
  int dedup_field = -1;
  std::optional<Duration> retention;          ///< nothing: forever
  std::vector<int> columns;                   ///< fields declared under `columns`, in file order
  std::vector<UnionMember> members;           ///< of a union, in the order of the file, which tells equal rows apart; else empty
  std::string description;

  bool is_union() const { return !members.empty(); }
  int find_field(std::string_view name) const;   ///< index or -1
};

enum class Bounds : std::uint8_t { closed_open, open_closed, closed_closed, open_open };   // [) (] [] ()
std::string_view to_string(Bounds bounds);
constexpr bool tail_closed(Bounds b) { return b == Bounds::closed_open || b == Bounds::closed_closed; }
constexpr bool head_closed(Bounds b) { return b == Bounds::open_closed || b == Bounds::closed_closed; }

/// What is computed of the rows. `median(x)` is a spelling of quantile(x, 0.5), `as_of(x)` of last(x) with nulls kept.
enum class AggregateKind : std::uint8_t {
  count, count_if, count_distinct,
  sum, mean, min, max, range, std, var, skew, kurtosis, quantile,
  first, last, lag, last_k,
  mode, top_k, share, seen_before, entropy,
  time_since_last, time_since_first, mean_gap,
  decay_sum, decay_mean, trend
};
std::string_view to_string(AggregateKind kind);

/// Where a quantile lies between two values: type 7 (linear), the nearer one (ties to the even index), or their mean.
enum class Interpolation : std::uint8_t { linear, lower, higher, nearest, midpoint };
std::string_view to_string(Interpolation interpolation);

/// A tumbling window: the bucket the decision stands in, or the one before it.
enum class Bucket : std::uint8_t { current, complete };
std::string_view to_string(Bucket bucket);

/// A value written in the contract, as a column of its type stores it: bool, int64, decimal (smallest units) and timestamp
/// (microseconds) are integers.
using Literal = std::variant<std::int64_t, double, std::string>;

/// `from: source` + `aggregate: mean(amount)` with its window.
struct Aggregate {
  AggregateKind kind = AggregateKind::count;
  int source = 0;                             ///< index into Contract::sources()
  int source_entity = 0;                      ///< index into Source::entities
  std::optional<Expression> argument;         ///< bound; reads row columns. None for count() and time_since_last
  std::vector<int> argument_fields;           ///< Source::fields index of each input of `argument`
  std::optional<Expression> where;            ///< bound boolean
  std::vector<int> where_fields;
  Type argument_type = Type::int64;           ///< a bare decimal column keeps `decimal` and its scale; any other expression its own type
  int argument_scale = 0;
  bool argument_is_column = false;            ///< the argument is one bare column: argument_fields[0]

  // The window: sliding, tumbling (`bucket`), a session (`gap`), or none of these with `last` or `lifetime`.
  std::optional<Duration> window;             ///< sliding: its width; bucket: the bucket's; session: max_length. None: lifetime, or `last: n` over the retention
  Duration offset = 0;
  Bounds bounds = Bounds::closed_open;
  std::optional<std::int64_t> last;           ///< the last n rows
  bool lifetime = false;
  std::optional<Bucket> bucket;
  Instant origin = 0;                         ///< buckets begin at origin + n window
  std::optional<Duration> gap;                ///< session: the longest distance between its rows
  bool include_request = false;

  // The aggregate's own arguments.
  bool keep_nulls = false;                    ///< nulls: keep (first, last, lag, last_k)
  int ddof = 1;                               ///< std, var, skew, kurtosis
  std::int64_t k = 0;                         ///< lag, last_k, top_k
  std::int64_t p_numerator = 0;               ///< quantile: p as it was written, a decimal in [0, 1]
  std::int64_t p_denominator = 1;             ///< a power of ten
  Interpolation interpolation = Interpolation::linear;
  Duration half_life = 0;                     ///< decay_sum, decay_mean
  Duration time_unit = day;                   ///< time_since_last, time_since_first, mean_gap, trend
  std::optional<Literal> literal;             ///< share: the value looked for
  int compared_request = -1;                  ///< share without a literal, seen_before: index into Contract::request()
};

enum class FeatureKind : std::uint8_t { aggregate, request, expression };

/// A feature's reference to another value in an `expr`.
struct FeatureInput {
  enum class Kind : std::uint8_t { request, feature, as_of } kind;
  int index = 0;                              ///< into Contract::request() or Contract::features()
  bool with_fallback = false;
};

/// One output of the contract.
struct Feature {
  std::string name;
  FeatureKind kind = FeatureKind::aggregate;
  Aggregate aggregate;                        ///< kind aggregate
  int request_field = -1;                     ///< kind request: index into Contract::request()
  std::optional<Expression> expression;       ///< kind expression, bound
  std::vector<FeatureInput> inputs;           ///< kind expression, one an input of `expression`
  std::string tz = "UTC";                     ///< calendar functions

  Type type = Type::float64;                  ///< of the output: boolean, int64, float64, string, category, timestamp (decimal is shown as float64)
  bool type_declared = false;
  std::vector<std::string> vocabulary;        ///< category: code i is vocabulary[i]
  std::int64_t min_rows = 0;
  std::optional<Cell> fallback;               ///< of `type` (category: the code as integer)
  std::string fallback_text;                  ///< storage when fallback is a string
  std::optional<double> model_missing;
  std::optional<double> range_low, range_high;

  std::string description, owner, unit, reason;
  std::vector<std::string> tags;
  int line = 0;                               ///< where it stands in the file
};

enum class FingerprintKind { semantic, policy, document };

class Contract {
 public:
  static Result<Contract> load(const std::filesystem::path& path);
  /// `base` is where `vocabulary: {file: ...}` is looked up; `name` is shown in errors.
  static Result<Contract> parse(std::string_view text, const std::filesystem::path& base = {}, std::string name = "<text>");

  const std::string& name() const;
  const std::string& version() const;
  const std::string& owner() const;
  const std::string& description() const;
  const std::vector<Entity>& entities() const;
  const std::vector<Source>& sources() const;
  int request_of() const;                     ///< index into sources(), or -1
  /// The declared request fields; key columns, dedup and sequences of request_of are added behind them when not declared.
  const std::vector<Field>& request() const;
  const std::vector<Feature>& features() const;
  /// An order in which every feature comes after those it reads.
  const std::vector<int>& evaluation_order() const;
  /// The model's inputs: indices into features().
  const std::vector<int>& inputs() const;

  int find_source(std::string_view name) const;    ///< index or -1
  int find_feature(std::string_view name) const;
  int find_request(std::string_view name) const;
  /// Why no rows can be given under a name: no source has it, or a union, whose members have the rows. Nothing when they can.
  std::optional<Failure> refuses_rows(std::string_view source) const;
  /// Throws it for the index of a union.
  void require_rows(int source) const;

  /// Lower-case hex SHA-256 of the canonical resolved form.
  std::string fingerprint(FingerprintKind kind) const;
  /// Semantic fingerprint of one feature over its transitive closure.
  std::string feature_fingerprint(int feature) const;

  /// The resolved contract as JSON: defaults filled in, bounds written out, assumed availability marked, vocabularies inlined.
  /// Parsing it again gives the same fingerprints; a bundle stores it.
  std::string resolved_json() const;
  /// For people: `featlib show`.
  std::string describe() const;
  /// What is allowed but worth a look (`featlib lint`): assumed availability, missing descriptions, ...
  const std::vector<Failure>& warnings() const;

  struct Data;                                // src/contract/data.hpp

 private:
  explicit Contract(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  std::shared_ptr<const Data> data_;
};

}  // namespace featlib
