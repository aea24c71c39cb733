// From the order of entities back to the order of the table.
//
// Decisions of one entity lie far apart in the table, so each writes its values as one line of memory, past the caches;
// columns are made of the lines afterwards, in the order of the table. Writing to twelve columns at once took 1.6x the time
// (handbook, 2 threads).
#pragma once

#include <featlib/core/pages.hpp>
#include <featlib/vector/vector.hpp>

#include <span>

namespace featlib::replaying {

/// How lines are made of columns and columns of lines.
enum class Transposing { words, avx512 };
Transposing fastest_transposing() noexcept;

class Lines {
 public:
  Lines(std::size_t decisions, std::size_t windows, Transposing transposing = fastest_transposing());

  /// values[w][i] and statuses[w][i] are window w's of decision decisions[i].
  void write(std::span<const Row> decisions, const std::vector<PagedVector<std::uint64_t>>& values, const std::vector<PagedVector<Status>>& statuses) noexcept;

  /// Decisions [from, to) as columns, one a window.
  void copy(std::size_t from, std::size_t to, std::span<FeatureColumn* const> columns) const noexcept;

 private:
  Transposing transposing_;
  std::size_t windows_, stride_;       ///< words a decision: the values, then a byte a status
  PagedVector<std::uint64_t> words_;
  std::uint64_t* first_;               ///< the first line, aligned to one
};

}  // namespace featlib::replaying
