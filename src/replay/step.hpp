// One timeline step of a replay: its features for all decisions.
#pragma once

#include <featlib/vector/replay.hpp>

#include "replay/own_rows.hpp"

#include <functional>
#include <vector>

namespace featlib::replaying {

/// A source, made ready for the steps that read it.
struct PreparedSource {
  const SourceBatch* batch;
  std::vector<bool> counts;            ///< by row: no copy of another
  bool all_count;
  bool known_at_once;                  ///< every row became known when it happened
  Instant complete_from;
  KeyIndex keys;
};

struct StepOptions {
  int threads = 1;
  std::function<void(double)> progress;   ///< called with 0..1 from one thread
};

/// Fills the step's columns of `out`; rows of refused decisions are left for later.
void replay_step(const ReplayInput& input, const TimelineStep& step, const PreparedSource& source, const VectorBuilder& builder, const StepOptions& options,
                 FeatureTable& out);

}  // namespace featlib::replaying
