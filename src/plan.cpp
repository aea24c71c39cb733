#include <featlib/plan/plan.hpp>

#include <algorithm>

namespace featlib {

Plan::Plan(Contract contract) : contract_(std::move(contract)), codes_(contract_.features().size()) {
  const auto& sources = contract_.sources();
  if (contract_.request_of() >= 0) {
    const Source& source = sources[static_cast<std::size_t>(contract_.request_of())];
    if (source.dedup_field >= 0) request_key_ = contract_.find_request(source.fields[static_cast<std::size_t>(source.dedup_field)].name);
  }
  for (const int f : contract_.evaluation_order()) {
    const Feature& feature = contract_.features()[static_cast<std::size_t>(f)];
    for (std::size_t code = 0; code < feature.vocabulary.size(); ++code)
      codes_[static_cast<std::size_t>(f)].emplace(feature.vocabulary[code], static_cast<std::int64_t>(code));
    if (feature.kind != FeatureKind::aggregate) {
      derived_.push_back(f);
      continue;
    }
    const Aggregate& a = feature.aggregate;
    const Source& source = sources[static_cast<std::size_t>(a.source)];
    auto timeline = std::find_if(timelines_.begin(), timelines_.end(),
                                 [&](const TimelineStep& t) { return t.source == a.source && t.source_entity == a.source_entity; });
    if (timeline == timelines_.end()) {
      TimelineStep step;
      step.source = a.source;
      step.source_entity = a.source_entity;
      const SourceEntity& link = source.entities[static_cast<std::size_t>(a.source_entity)];
      step.entity = link.entity;
      step.is_request_source = a.source == contract_.request_of();
      int sequence = step.is_request_source ? link.sequence_field : -1;
      for (std::size_t m = 0; m < source.members.size(); ++m) {
        if (source.members[m].source != contract_.request_of()) continue;
        step.request_member = static_cast<int>(m);
        sequence = sources[static_cast<std::size_t>(contract_.request_of())].entities[static_cast<std::size_t>(source.members[m].entities[static_cast<std::size_t>(a.source_entity)])].sequence_field;
      }
      if (sequence >= 0) step.request_sequence = contract_.find_request(sources[static_cast<std::size_t>(contract_.request_of())].fields[static_cast<std::size_t>(sequence)].name);
      timeline = timelines_.insert(timelines_.end(), std::move(step));
    }
    WindowStep step;
    step.feature = f;
    step.aggregate = &a;
    step.min_rows = feature.min_rows;
    step.span.head = a.offset;
    step.span.head_closed = head_closed(a.bounds);
    if (a.window) {
      step.span.tail = a.offset + *a.window;
      step.span.tail_closed = tail_closed(a.bounds);
    }
    step.span.bucket = a.bucket;
    step.span.origin = a.origin;
    step.span.gap = a.gap;
    if (a.include_request) {
      for (const int field : a.argument_fields) step.argument_request.push_back(contract_.find_request(source.fields[static_cast<std::size_t>(field)].name));
      for (const int field : a.where_fields) step.where_request.push_back(contract_.find_request(source.fields[static_cast<std::size_t>(field)].name));
    }
    timeline->windows.push_back(std::move(step));
  }
}

std::int64_t Plan::code_of(int feature, std::string_view value) const {
  const auto& codes = codes_[static_cast<std::size_t>(feature)];
  const auto found = codes.find(value);
  return found == codes.end() ? -1 : found->second;
}

}  // namespace featlib
