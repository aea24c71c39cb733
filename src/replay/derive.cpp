#include "replay/derive.hpp"

#include "expression/columns.hpp"
#include "parallel.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace featlib::replaying {
namespace {

using expressions::ColumnExpression;

/// One thread's work: a block of decisions after the other, feature by feature where all is plain, else row by row
/// (VectorBuilder::derive).
class Derivation {
 public:
  static constexpr std::size_t block = ColumnExpression::most_rows;

  Derivation(const ReplayInput& input, const VectorBuilder& builder, FeatureTable& out)
      : input_(input), contract_(input.plan->contract()), builder_(builder), out_(out), some_refused_(!input.requests.none_refused()), features_(contract_.features().size()), request_(contract_.request().size()),
        expressions_(features_.size()) {
    for (const int f : input.plan->derived()) {
      const Feature& feature = contract_.features()[static_cast<std::size_t>(f)];
      for (const FeatureInput& i : feature.inputs)
        if (i.kind == FeatureInput::Kind::feature) read_.push_back(i.index);
      if (feature.kind == FeatureKind::expression && !is_text(feature.type)) {
        ColumnExpression columns(*feature.expression);
        if (columns.usable()) expressions_[static_cast<std::size_t>(f)] = std::make_unique<ColumnExpression>(std::move(columns));
      }
    }
  }

  void run(std::size_t from, std::size_t to) {
    const auto refused = input_.requests.refused.begin();
    const bool any_refused = some_refused_ && std::any_of(refused + static_cast<std::ptrdiff_t>(from), refused + static_cast<std::ptrdiff_t>(to), [](Refusal r) { return r != Refusal::none; });
    for (const int f : input_.plan->derived()) {
      const Feature& feature = contract_.features()[static_cast<std::size_t>(f)];
      const bool done = !any_refused && (feature.kind == FeatureKind::request ? copy(f, feature, from, to) : evaluate(f, feature, from, to));
      if (!done)
        for (std::size_t d = from; d < to; ++d) derive(f, d);
    }
    if (!any_refused) return;
    for (std::size_t d = from; d < to; ++d)
      if (input_.requests.refused[d] != Refusal::none)
        for (std::size_t f = 0; f < features_.size(); ++f) out_.column(static_cast<int>(f)).set(d, VectorBuilder::refused());
  }

 private:
  /// A field of the request that every decision has, as it stands.
  bool copy(int f, const Feature& feature, std::size_t from, std::size_t to) {
    const auto field = static_cast<std::size_t>(feature.request_field);
    const SlotColumn& column = input_.requests.fields[field];
    if (!column.whole || is_text(feature.type) || contract_.request()[field].type == Type::decimal) return false;
    set(f, column.bits.data() + from, from, to);
    return true;
  }

  bool evaluate(int f, const Feature& feature, std::size_t from, std::size_t to) {
    ColumnExpression* const expression = expressions_[static_cast<std::size_t>(f)].get();
    if (!expression) return false;
    inputs_.clear();
    decimals_.resize(std::max(decimals_.size(), feature.inputs.size()));
    for (const FeatureInput& input : feature.inputs) {
      const std::uint64_t* const column = read(input, from, to);
      if (!column) return false;
      inputs_.push_back(column);
    }
    const std::uint64_t* const values = expression->evaluate(inputs_, to - from);
    return values && show(f, feature, values, from, to);
  }

  /// An input's values; nothing where some decision has none, or a text.
  const std::uint64_t* read(const FeatureInput& input, std::size_t from, std::size_t to) {
    const auto index = static_cast<std::size_t>(input.index);
    switch (input.kind) {
      case FeatureInput::Kind::as_of: return reinterpret_cast<const std::uint64_t*>(input_.requests.as_of.data() + from);
      case FeatureInput::Kind::request: {
        const SlotColumn& column = input_.requests.fields[index];
        const Field& field = contract_.request()[index];
        if (!column.whole || is_text(field.type)) return nullptr;
        if (field.type != Type::decimal) return column.bits.data() + from;
        auto& shown = decimals_[inputs_.size()];
        for (std::size_t d = from; d < to; ++d) shown[d - from] = std::bit_cast<std::uint64_t>(decimal_value(static_cast<std::int64_t>(column.bits[d]), field.scale));
        return shown.data();
      }
      case FeatureInput::Kind::feature: break;
    }
    // Whatever is not plainly ok is seen as null, or its fallback is asked for: row by row.
    const FeatureColumn& column = out_.column(input.index);
    const auto status = column.status.begin();
    const bool plain = std::all_of(status + static_cast<std::ptrdiff_t>(from), status + static_cast<std::ptrdiff_t>(to), [](Status s) { return s == status_of(Cause::ok); });
    return plain && contract_.features()[index].type != Type::string ? column.bits.data() + from : nullptr;
  }

  /// An expression's values as the feature shows them.
  bool show(int f, const Feature& feature, const std::uint64_t* values, std::size_t from, std::size_t to) {
    const bool real = feature.expression->type() == Type::float64;
    if (real == (feature.type == Type::float64)) {
      set(f, values, from, to);
      return true;
    }
    std::array<std::uint64_t, block> shown;
    for (std::size_t i = 0; i < to - from; ++i) {
      const double x = std::bit_cast<double>(values[i]);
      if (!real) {
        shown[i] = std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<std::int64_t>(values[i])));
      } else if (x > -0x1p53 && x < 0x1p53 && std::trunc(x) == x && (feature.type != Type::boolean || x == 0 || x == 1)) {
        shown[i] = static_cast<std::uint64_t>(static_cast<std::int64_t>(x));
      } else {
        return false;
      }
    }
    set(f, shown.data(), from, to);
    return true;
  }

  void set(int f, const std::uint64_t* values, std::size_t from, std::size_t to) {
    FeatureColumn& column = out_.column(f);
    std::copy_n(values, to - from, column.bits.data() + from);
    std::fill_n(column.status.data() + from, to - from, status_of(Cause::ok));
  }

  void derive(int f, std::size_t d) {
    if (input_.requests.refused[d] != Refusal::none) return;
    for (const int i : read_) features_[static_cast<std::size_t>(i)] = out_.column(i)[d];
    for (std::size_t r = 0; r < request_.size(); ++r) request_[r] = input_.requests.fields[r][static_cast<Row>(d)];
    out_.column(f).set(d, builder_.derive(f, request_, input_.requests.as_of[d], features_));
  }

  const ReplayInput& input_;
  const Contract& contract_;
  const VectorBuilder& builder_;
  FeatureTable& out_;
  bool some_refused_;
  std::vector<int> read_;              ///< features that some expression reads
  std::vector<FeatureValue> features_;
  std::vector<Slot> request_;
  std::vector<std::unique_ptr<ColumnExpression>> expressions_;   ///< by feature, where there is one
  std::vector<const std::uint64_t*> inputs_;
  std::vector<std::array<std::uint64_t, block>> decimals_;
};

}  // namespace

void derive_all(const ReplayInput& input, const VectorBuilder& builder, int threads, FeatureTable& out) {
  for (const int f : input.plan->derived()) out.begin_column(f);
  // Texts that expressions make are interned, by one thread.
  const bool makes_text = std::any_of(input.plan->derived().begin(), input.plan->derived().end(), [&](int f) {
    const Feature& feature = input.plan->contract().features()[static_cast<std::size_t>(f)];
    return feature.kind == FeatureKind::expression && feature.type == Type::string;
  });
  over_rows(makes_text ? 1 : threads, input.requests.size(), [&](int, std::size_t from, std::size_t to) {
    Derivation derivation(input, builder, out);
    for (std::size_t at = from; at < to; at += Derivation::block) derivation.run(at, std::min(to, at + Derivation::block));
  });
}

}  // namespace featlib::replaying
