/// Training: the features of many decisions at once, each as serving would have given it at its own instant.
///
///     auto table = featlib::replay(contract, decisions, {{"transactions", transactions}}, options);
///
/// Rows are grouped by entity and put in order once; windows are two cursors that only move forward; counts and sums are
/// differences of exact prefix sums. A window in which some row is not visible yet is read row by row (window/read.hpp).
#pragma once

#include <featlib/vector/table.hpp>

#include <functional>
#include <map>
#include <string>

namespace featlib {

struct ReplayOptions {
  AsOf as_of;
  int threads = 0;                                   ///< 0: one a core
  std::map<std::string, Instant> complete_from;      ///< by source; rows known before it may be missing (default: none are)
  std::function<void(double)> progress;              ///< called with 0..1 from one thread
};

Result<FeatureTable> replay(const Contract& contract, const Table& decisions, const std::map<std::string, Table>& sources,
                            const ReplayOptions& options = {});

/// What replay and reference read before they compute: rows by source, requests, ids, reports.
struct ReplayInput {
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<TextPool> pool;
  EntityDirectory entities;
  std::vector<SourceBatch> sources;                  ///< by Contract::sources()
  Requests requests;
};
/// The computation alone: fills `out`, which has one row a request. Copies in input.sources are settled by it.
void replay_into(ReplayInput& input, const ReplayOptions& options, FeatureTable& out);

/// The sources alone, with a report of all that is wrong with them.
Result<ReplayInput> read_sources(const Contract& contract, const std::map<std::string, Table>& sources, const ReplayOptions& options);
Result<ReplayInput> read_input(const Contract& contract, const Table& decisions, const std::map<std::string, Table>& sources, const ReplayOptions& options);

}  // namespace featlib
