// Features that are no aggregates, once all aggregates stand: fields of the request, and expressions.
#pragma once

#include <featlib/vector/replay.hpp>

namespace featlib::replaying {

/// Fills the columns of Plan::derived(), and all columns of refused decisions.
void derive_all(const ReplayInput& input, const VectorBuilder& builder, int threads, FeatureTable& out);

}  // namespace featlib::replaying
