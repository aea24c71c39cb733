#include <featlib/vector/replay.hpp>

#include "events/read_column.hpp"
#include "parallel.hpp"
#include "replay/derive.hpp"
#include "replay/step.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace featlib {
namespace {

Result<ReplayInput> read_sources(const Contract& contract, const std::map<std::string, Table>& sources, const ReplayOptions& options, ReplayInput input, ColumnReader& reader) {
  std::vector<Failure> failures;
  for (const auto& [name, table] : sources)
    if (auto refused = contract.refuses_rows(name)) failures.push_back(std::move(*refused));
  for (const auto& [name, from] : options.complete_from)
    if (auto refused = contract.refuses_rows(name)) failures.push_back(std::move(*refused));
  for (std::size_t s = 0; s < contract.sources().size(); ++s) {
    const std::string& name = contract.sources()[s].name;
    if (contract.sources()[s].is_union()) {   // has no table: its rows are its members'
      input.sources.push_back({Rows(contract, static_cast<int>(s), *input.pool), {}, always});
      continue;
    }
    const auto found = sources.find(name);
    if (found == sources.end()) {
      failures.push_back({ErrorCode::missing_source, name, 0, 0, fmt::format("source `{}` was not given", name), "pass its table; one without rows is valid"});
      continue;
    }
    auto batch = read_rows(contract, static_cast<int>(s), found->second, reader, input.entities);
    const auto from = options.complete_from.find(name);
    if (batch && from != options.complete_from.end()) batch.value().complete_from = std::max(batch.value().complete_from, from->second);
    if (batch) input.sources.push_back(std::move(batch).value());
    else failures.insert(failures.end(), batch.error().failures().begin(), batch.error().failures().end());
  }
  if (!failures.empty()) return Error(std::move(failures));
  return input;
}

ReplayInput empty_input(const Contract& contract) {
  ReplayInput input;
  input.plan = std::make_shared<const Plan>(contract);
  input.pool = std::make_shared<TextPool>();
  input.entities = make_entity_directory(contract);
  return input;
}

}  // namespace

Result<ReplayInput> read_sources(const Contract& contract, const std::map<std::string, Table>& sources, const ReplayOptions& options) {
  ReplayInput input = empty_input(contract);
  ColumnReader reader(*input.pool, thread_count(options.threads));
  return read_sources(contract, sources, options, std::move(input), reader);
}

Result<ReplayInput> read_input(const Contract& contract, const Table& decisions, const std::map<std::string, Table>& sources, const ReplayOptions& options) {
  ReplayInput empty = empty_input(contract);
  ColumnReader reader(*empty.pool, thread_count(options.threads));
  auto input = read_sources(contract, sources, options, std::move(empty), reader);
  if (!input) return input;
  auto requests = read_requests(contract, decisions, options.as_of, reader);
  if (!requests) return requests.error();
  input.value().requests = std::move(requests).value();
  find_entities(contract, input.value().entities, input.value().sources, input.value().requests, reader.threads());
  return input;
}

Result<FeatureTable> replay(const Contract& contract, const Table& decisions, const std::map<std::string, Table>& sources, const ReplayOptions& options) {
  auto read = read_input(contract, decisions, sources, options);
  if (!read) return read.error();
  FeatureTable out(read.value().plan, decisions, read.value().pool);
  replay_into(read.value(), options, out);
  return out;
}

void replay_into(ReplayInput& input, const ReplayOptions& options, FeatureTable& out) {
  const Contract& contract = input.plan->contract();
  const VectorBuilder builder(*input.plan, *input.pool);
  const int threads = thread_count(options.threads);
  const auto& steps = input.plan->timelines();
  const double shares = static_cast<double>(steps.size()) + 1;

  std::vector<std::vector<bool>> counts;
  for (SourceBatch& batch : input.sources) {
    counts.push_back(settle_copies(batch.rows, batch.report, threads));
    settle_corrections(batch.rows, counts.back());
  }
  std::vector<replaying::PreparedSource> sources;
  for (std::size_t s = 0; s < input.sources.size(); ++s) {
    SourceBatch& batch = input.sources[s];
    if (batch.rows.source().is_union()) {
      unite(input.sources, counts, batch);
      counts[s].assign(batch.rows.size(), true);
    }
    const bool all_count = batch.report.duplicates == 0 && !batch.rows.corrected();
    sources.push_back({&batch, counts[s], all_count, replaying::same_values(batch.rows.known_at.dense(), batch.rows.event_time.dense(), threads), batch.complete_from, replaying::KeyIndex(batch.rows, threads)});
  }
  for (std::size_t t = 0; t < steps.size(); ++t) {
    replaying::StepOptions step_options{threads, {}};
    if (options.progress) step_options.progress = [&](double share) { options.progress((static_cast<double>(t) + share) / shares); };
    replaying::replay_step(input, steps[t], sources[static_cast<std::size_t>(steps[t].source)], builder, step_options, out);
  }

  replaying::derive_all(input, builder, threads, out);
  for (std::size_t s = 0; s < input.sources.size(); ++s)
    if (!contract.sources()[s].is_union()) out.reports[contract.sources()[s].name] = input.sources[s].report;
  RowReport& decided = out.reports["decisions"];
  decided.rows = static_cast<std::int64_t>(input.requests.size());
  decided.accepted = decided.rows;
  const bool none_refused = input.requests.none_refused();
  for (std::size_t d = 0; d < input.requests.size() && !none_refused; ++d) {
    if (input.requests.refused[d] == Refusal::none) continue;
    decided.refuse(static_cast<std::int64_t>(d), {}, input.requests.refused[d]);
    --decided.accepted;
  }
  if (options.progress) options.progress(1.0);
}

}  // namespace featlib
