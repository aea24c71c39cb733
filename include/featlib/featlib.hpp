/// featlib: one definition of every feature, for training and for serving, to the same bits.
///
///     contract -> plan -> events -> window -> vector -> ensemble -> decision -> log -> monitor
///     what it     how to   what      point-    one row,   trees ->    score ->    what we   is it still
///     means       compute  happened  in-time   typed      margin      action      did       true?
///
/// A stage has one name, and that name opens a door in every folder. The Scorer stands on all of them.
#pragma once

#include <featlib/version.hpp>

#include <featlib/core/arithmetic.hpp>
#include <featlib/core/result.hpp>
#include <featlib/core/table.hpp>
#include <featlib/core/time.hpp>
#include <featlib/core/value.hpp>

#include <featlib/contract/contract.hpp>
#include <featlib/plan/plan.hpp>
#include <featlib/events/batch.hpp>
#include <featlib/window/read.hpp>
#include <featlib/vector/reference.hpp>
#include <featlib/vector/replay.hpp>
#include <featlib/vector/state.hpp>
#include <featlib/ensemble/ensemble.hpp>
#include <featlib/decision/policy.hpp>
#include <featlib/log/log.hpp>
#include <featlib/monitor/skew.hpp>

#include <featlib/bundle.hpp>
#include <featlib/scorer.hpp>
