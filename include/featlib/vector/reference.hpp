/// The definition. For every decision and feature: filter all rows by SEMANTICS sections 1-3, gather the multiset,
/// compute in rational arithmetic, round once. No state, no prefix sums, no sharing between decisions.
///
/// O(decisions x features x rows), and proud of it: every fast path must equal this bit for bit.
#pragma once

#include <featlib/vector/table.hpp>
#include <featlib/vector/replay.hpp>

namespace featlib {

/// Same arguments and result as replay(); `threads` and `progress` are ignored.
Result<FeatureTable> reference(const Contract& contract, const Table& decisions, const std::map<std::string, Table>& sources,
                               const ReplayOptions& options = {});

}  // namespace featlib
