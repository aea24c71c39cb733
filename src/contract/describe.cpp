#include <featlib/contract/contract.hpp>

#include "call.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace featlib {
namespace {

std::string back(Duration d) { return d ? fmt::format("t-{}", format_duration(d)) : std::string("t"); }

/// Which rows, seen from a decision at t.
std::string interval(const Aggregate& a) {
  const std::string_view bounds = to_string(a.bounds);
  const std::string rows = a.last ? fmt::format("last {} of ", *a.last) : "", head = back(a.offset);
  if (a.bucket) {
    const std::string which = *a.bucket == Bucket::current ? fmt::format("[its start, {}{}", head, bounds[1]) : fmt::format("before {}", head);
    return fmt::format("{}the {} {} bucket {}{}", rows, to_string(*a.bucket), format_duration(*a.window), which, a.origin ? " from " + format_instant(a.origin) : "");
  }
  if (a.gap) return fmt::format("{}the session to {}{} with gaps up to {}, from {}{} on", rows, head, bounds[1], format_duration(*a.gap), bounds[0], back(a.offset + *a.window));
  return rows + fmt::format("{}{}, {}{}", a.window ? bounds[0] : '[', a.window ? back(a.offset + *a.window) : "retention", head, bounds[1]);
}

std::string columns_of(const Source& s) {
  std::string out;
  for (const int f : s.columns) {
    const Field& c = s.fields[static_cast<std::size_t>(f)];
    out += fmt::format("  {:<11} {}{}{}\n", c.name, to_string(c.type), c.type == Type::decimal ? fmt::format("({})", c.scale) : "",
                       c.available_after ? fmt::format(", known {} after", format_duration(*c.available_after)) : c.gated() ? ", known at " + c.available_at : "");
  }
  return out;
}

std::string text_of_union(const Contract& contract, const Source& s) {
  std::string members, entities;
  for (const UnionMember& m : s.members) members += (members.empty() ? "" : ", ") + contract.sources()[static_cast<std::size_t>(m.source)].name;
  for (const SourceEntity& link : s.entities) entities += (entities.empty() ? "" : ", ") + contract.entities()[static_cast<std::size_t>(link.entity)].name;
  return fmt::format("\nsource {}\n  union of    {}\n  retention   {}\n  entity      {}\n{}", s.name, members, s.retention ? format_duration(*s.retention) : "forever", entities, columns_of(s));
}

std::string text_of(const Contract& contract, const Source& s) {
  if (s.is_union()) return text_of_union(contract, s);
  const auto field = [&](int f) -> const std::string& { return s.fields[static_cast<std::size_t>(f)].name; };
  std::string out = fmt::format("\nsource {}\n  happened    {}\n  available   {}\n  retention   {}\n", s.name, field(s.event_time_field),
                                s.available_time_field >= 0 ? field(s.available_time_field)
                                                            : fmt::format("{}{}{}", field(s.event_time_field), s.delay ? " + " + format_duration(s.delay) : "", s.availability_assumed ? "   (assumed)" : ""),
                                s.retention ? format_duration(*s.retention) : "forever");
  if (s.dedup_field >= 0) out += fmt::format("  dedup       {}\n", field(s.dedup_field));
  for (const SourceEntity& link : s.entities) {
    std::string keys;
    for (const int f : link.key_fields) keys += (keys.empty() ? "" : ", ") + field(f);
    out += fmt::format("  entity      {} by {}{}\n", contract.entities()[static_cast<std::size_t>(link.entity)].name, keys,
                       link.sequence_field >= 0 ? fmt::format(", ties by {}", field(link.sequence_field)) : "");
  }
  return out + columns_of(s);
}

std::string text_of(const Contract& contract, const Aggregate& a) {
  const Source& s = contract.sources()[static_cast<std::size_t>(a.source)];
  const Entity& by = contract.entities()[static_cast<std::size_t>(s.entities[static_cast<std::size_t>(a.source_entity)].entity)];
  return fmt::format("{}{} of {} by {} over {}{}{}", contract::to_text(a), a.keep_nulls ? " with nulls" : "", s.name, by.name, interval(a), a.include_request ? " with the request" : "",
                     a.where ? " where " + a.where->canonical() : "");
}

std::string text_of(const Contract& contract, const Feature& f) {
  std::string out = f.kind == FeatureKind::request     ? "request." + contract.request()[static_cast<std::size_t>(f.request_field)].name
                    : f.kind == FeatureKind::expression ? f.expression->canonical()
                                                        : text_of(contract, f.aggregate);
  if (f.min_rows > 0) out += fmt::format(", at least {} rows", f.min_rows);
  if (f.fallback) out += ", with a fallback";
  return out;
}

}  // namespace

std::string Contract::describe() const {
  std::string out = fmt::format("{} {}\n{}\nowner {}\n", name(), version(), description(), owner());
  for (const Source& s : sources()) out += text_of(*this, s);
  out += "\nrequest\n";
  for (const Field& f : request()) out += fmt::format("  {:<11} {}\n", f.name, f.any_key ? "key" : to_string(f.type));
  std::size_t width = 8;
  for (const Feature& f : features()) width = std::max(width, f.name.size());
  out += "\nfeatures\n";
  for (const Feature& f : features()) out += fmt::format("  {:<{}}  {:<9} {}\n", f.name, width, to_string(f.type), text_of(*this, f));
  out += fmt::format("\nfingerprints\n  semantic  {}\n  policy    {}\n  document  {}\n", fingerprint(FingerprintKind::semantic), fingerprint(FingerprintKind::policy),
                     fingerprint(FingerprintKind::document));
  return out;
}

}  // namespace featlib
