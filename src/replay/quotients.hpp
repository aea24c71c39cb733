// Many exact sums rounded at once: sums[i] * 2^unit / counts[i], each to nearest, ties to even.
//
// Two doubles propose the result and bound their own error; the proposal stands where the bound proves it, everything else
// is divided in integers (core/exact.hpp). So speed depends on the machine, bits do not.
#pragma once

#include <featlib/core/exact.hpp>

#include <cstddef>
#include <cstdint>

namespace featlib::replaying {

/// How quotients are proposed. `integers` proposes none; tests hold the others against it.
enum class Proposal { integers, fma, avx512 };

/// The fastest that this machine can do.
Proposal fastest_proposal() noexcept;

/// `counts` may be null: sums alone. A count of 0 gives anything; a result beyond the double range is NaN. False where there is one.
bool round_quotients(const int128* sums, const std::uint32_t* counts, std::size_t n, int unit, double* out, Proposal proposal = fastest_proposal()) noexcept;

/// sums[i] / counts[i] for sums within 2^53, which one division rounds; a count of 0 gives anything.
void divide(const std::int64_t* sums, const std::uint32_t* counts, std::size_t n, double* out, Proposal proposal = fastest_proposal()) noexcept;

}  // namespace featlib::replaying
