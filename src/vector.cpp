#include <featlib/vector/vector.hpp>

#include <array>
#include <cmath>
#include <limits>

namespace featlib {
namespace {

/// An int64 that a double holds exactly, or nothing.
std::optional<std::int64_t> whole(double value) {
  if (!(value >= -0x1p63 && value < 0x1p63) || std::trunc(value) != value) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

/// A feature's value as another feature's expression reads it.
Cell to_cell(const Feature& feature, FeatureValue value, const TextPool& pool) {
  switch (feature.type) {
    case Type::float64: return Cell::of(value.real());
    case Type::string: return Cell::of(pool.view(static_cast<std::uint32_t>(value.bits)));
    default: return Cell::of(value.integer());
  }
}

/// A request slot as expressions read it: decimals in their unit.
Cell to_cell(const Field& field, Slot slot, const TextPool& pool) {
  if (slot.is_null()) return Cell::null();
  switch (field.type) {
    case Type::float64: return Cell::of(slot.real());
    case Type::decimal: return Cell::of(decimal_value(slot.integer(), field.scale));
    case Type::string: case Type::category: return Cell::of(pool.view(slot.text()));
    default: return Cell::of(slot.integer());
  }
}

std::uint64_t fallback_bits(const Feature& feature, TextPool& pool) {
  const Cell& cell = *feature.fallback;
  if (feature.type == Type::string) return pool.acquire(feature.fallback_text);
  if (feature.type == Type::float64) return std::bit_cast<std::uint64_t>(cell.kind == Cell::Kind::real ? cell.real + 0.0 : static_cast<double>(cell.integer));
  return static_cast<std::uint64_t>(cell.integer);
}

template <class Real>
void fill_model_row(const Contract& contract, std::span<const FeatureValue> features, std::span<Real> out) noexcept {
  std::size_t at = 0;
  for (const int f : contract.inputs()) {
    const Feature& feature = contract.features()[static_cast<std::size_t>(f)];
    const FeatureValue value = features[static_cast<std::size_t>(f)];
    double x = feature.model_missing.value_or(std::numeric_limits<double>::quiet_NaN());
    if (!value.is_null()) x = feature.type == Type::float64 ? value.real() : static_cast<double>(value.integer());
    out[at++] = static_cast<Real>(x);
  }
}

}  // namespace

VectorBuilder::VectorBuilder(const Plan& plan, TextPool& pool) : plan_(plan), pool_(pool) {
  for (const Feature& feature : plan.contract().features())
    shown_.push_back({feature.fallback ? fallback_bits(feature, pool) : 0, feature.fallback.has_value(), is_text(feature.type)});
}

FeatureValue VectorBuilder::missing(int feature, Cause cause) const {
  const Shown& shown = shown_[static_cast<std::size_t>(feature)];
  return {shown.fallback, status_of(cause, shown.has_fallback)};
}

FeatureValue VectorBuilder::finish_text(int feature, std::uint32_t text) const {
  if (plan_.contract().features()[static_cast<std::size_t>(feature)].type == Type::string) return {text, status_of(Cause::ok)};
  const std::int64_t code = plan_.code_of(feature, pool_.view(text));
  return {static_cast<std::uint64_t>(code), status_of(code < 0 ? Cause::unseen : Cause::ok)};
}

FeatureValue VectorBuilder::finish(int feature, Aggregated aggregated) const {
  if (aggregated.cause != Cause::ok) return missing(feature, aggregated.cause);
  if (shown_[static_cast<std::size_t>(feature)].is_text) return finish_text(feature, static_cast<std::uint32_t>(aggregated.bits));
  return {aggregated.bits, status_of(Cause::ok)};
}

Cell VectorBuilder::input(const FeatureInput& input, std::span<const Slot> request, Instant as_of, std::span<const FeatureValue> features) const {
  const Contract& contract = plan_.contract();
  const auto index = static_cast<std::size_t>(input.index);
  switch (input.kind) {
    case FeatureInput::Kind::as_of: return Cell::of(as_of);
    case FeatureInput::Kind::request: return to_cell(contract.request()[index], request[index], pool_);
    case FeatureInput::Kind::feature: break;
  }
  // A fallback is no observation: plain reads see the null behind it.
  if (features[index].is_null() || (is_fallback(features[index].status) && !input.with_fallback)) return Cell::null();
  return to_cell(contract.features()[index], features[index], pool_);
}

FeatureValue VectorBuilder::derive(int feature, std::span<const Slot> request, Instant as_of, std::span<const FeatureValue> features) const {
  const Contract& contract = plan_.contract();
  const Feature& spec = contract.features()[static_cast<std::size_t>(feature)];
  if (spec.kind == FeatureKind::request) {
    const Slot slot = request[static_cast<std::size_t>(spec.request_field)];
    if (slot.is_null()) return missing(feature, Cause::null);
    const Field& field = contract.request()[static_cast<std::size_t>(spec.request_field)];
    if (is_text(spec.type)) return finish_text(feature, slot.text());
    if (field.type == Type::decimal) return {std::bit_cast<std::uint64_t>(decimal_value(slot.integer(), field.scale)), status_of(Cause::ok)};
    return {slot.bits, status_of(Cause::ok)};
  }

  std::array<Cell, 64> cells;
  std::size_t n = 0;
  for (const FeatureInput& input : spec.inputs) cells[n++] = this->input(input, request, as_of, features);
  const Evaluated result = spec.expression->evaluate({cells.data(), n});
  if (result.value.is_null()) return missing(feature, result.cause == Cause::error ? Cause::error : Cause::null);
  const Status status = status_of(result.cause);
  switch (spec.type) {
    case Type::string: return {pool_.acquire(result.value.text), status};
    case Type::category: {
      const std::int64_t code = plan_.code_of(feature, result.value.text);
      return {static_cast<std::uint64_t>(code), code < 0 ? status_of(Cause::unseen) : status};
    }
    case Type::float64: {
      const double x = result.value.kind == Cell::Kind::real ? result.value.real : static_cast<double>(result.value.integer);
      return {std::bit_cast<std::uint64_t>(x), status};
    }
    default: {
      if (result.value.kind == Cell::Kind::integer) return {static_cast<std::uint64_t>(result.value.integer), status};
      const auto integer = whole(result.value.real);
      if (!integer || (spec.type == Type::boolean && *integer != 0 && *integer != 1)) return missing(feature, Cause::error);
      return {static_cast<std::uint64_t>(*integer), status};
    }
  }
}

void model_row(const Contract& contract, std::span<const FeatureValue> features, std::span<double> out) noexcept { fill_model_row(contract, features, out); }
void model_row(const Contract& contract, std::span<const FeatureValue> features, std::span<float> out) noexcept { fill_model_row(contract, features, out); }

}  // namespace featlib
