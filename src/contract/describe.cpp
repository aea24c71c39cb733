#include <featlib/contract/contract.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace featlib {
namespace {

std::string interval(const Feature& f) {
  const Aggregate& a = f.aggregate;
  std::string out;
  if (a.last) out += fmt::format("last {} of ", *a.last);
  const std::string_view bounds = to_string(a.bounds);
  const auto back = [](Duration d) { return d ? fmt::format("t-{}", format_duration(d)) : std::string("t"); };
  return out + fmt::format("{}{}, {}{}", a.window ? bounds[0] : '[', a.window ? back(a.offset + *a.window) : "retention", back(a.offset), bounds[1]);
}

}  // namespace

std::string Contract::describe() const {
  std::string out = fmt::format("{} {}\n{}\nowner {}\n", name(), version(), description(), owner());
  for (const Source& s : sources()) {
    const auto& field = [&](int f) -> const std::string& { return s.fields[static_cast<std::size_t>(f)].name; };
    out += fmt::format("\nsource {}\n  happened    {}\n  available   {}\n  retention   {}\n", s.name, field(s.event_time_field),
                       s.available_time_field >= 0 ? field(s.available_time_field)
                                                   : fmt::format("{}{}{}", field(s.event_time_field), s.delay ? " + " + format_duration(s.delay) : "", s.availability_assumed ? "   (assumed)" : ""),
                       s.retention ? format_duration(*s.retention) : "forever");
    if (s.dedup_field >= 0) out += fmt::format("  dedup       {}\n", field(s.dedup_field));
    for (const SourceEntity& link : s.entities) {
      std::string keys;
      for (const int f : link.key_fields) keys += (keys.empty() ? "" : ", ") + field(f);
      out += fmt::format("  entity      {} by {}{}\n", entities()[static_cast<std::size_t>(link.entity)].name, keys,
                         link.sequence_field >= 0 ? fmt::format(", ties by {}", field(link.sequence_field)) : "");
    }
    for (const int f : s.columns) {
      const Field& c = s.fields[static_cast<std::size_t>(f)];
      out += fmt::format("  {:<12}{}{}{}\n", c.name, to_string(c.type), c.type == Type::decimal ? fmt::format("({})", c.scale) : "",
                         c.available_after ? fmt::format(", known {} after", format_duration(*c.available_after)) : c.gated() ? ", known at " + c.available_at : "");
    }
  }
  out += "\nrequest\n";
  for (const Field& f : request()) out += fmt::format("  {:<12}{}\n", f.name, f.any_key ? "key" : to_string(f.type));
  std::size_t width = 8;
  for (const Feature& f : features()) width = std::max(width, f.name.size());
  out += "\nfeatures\n";
  for (const Feature& f : features()) {
    std::string what;
    if (f.kind == FeatureKind::request) what = "request." + request()[static_cast<std::size_t>(f.request_field)].name;
    else if (f.kind == FeatureKind::expression) what = f.expression->canonical();
    else {
      const Source& s = sources()[static_cast<std::size_t>(f.aggregate.source)];
      what = fmt::format("{}{} of {} by {} over {}{}", to_string(f.aggregate.kind), f.aggregate.argument ? "(" + f.aggregate.argument->canonical() + ")" : "()", s.name,
                         entities()[static_cast<std::size_t>(s.entities[static_cast<std::size_t>(f.aggregate.source_entity)].entity)].name, interval(f),
                         f.aggregate.include_request ? " with the request" : "");
      if (f.aggregate.where) what += " where " + f.aggregate.where->canonical();
    }
    if (f.min_rows > 0) what += fmt::format(", at least {} rows", f.min_rows);
    if (f.fallback) what += ", with a fallback";
    out += fmt::format("  {:<{}}  {:<9} {}\n", f.name, width, to_string(f.type), what);
  }
  out += fmt::format("\nfingerprints\n  semantic  {}\n  policy    {}\n  document  {}\n", fingerprint(FingerprintKind::semantic), fingerprint(FingerprintKind::policy),
                     fingerprint(FingerprintKind::document));
  return out;
}

}  // namespace featlib
