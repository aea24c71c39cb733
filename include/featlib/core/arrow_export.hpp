/// Making Arrow: arrays over buffers somebody else keeps alive, and streams of them.
#pragma once

#include <featlib/core/arrow.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace featlib {

/// One column to export: a format and, per batch, its buffers or an imported array passed through.
struct ArrowColumn {
  std::string name;
  std::string format;                               ///< Arrow format string; empty: take it from `schema`
  const ArrowSchema* schema = nullptr;              ///< a column passed through from an imported table
};

/// One column of one batch.
struct ArrowPiece {
  std::int64_t length = 0;
  std::int64_t offset = 0;
  std::int64_t null_count = -1;
  std::vector<const void*> buffers;
  const ArrowArray* array = nullptr;                ///< passed through instead
  std::shared_ptr<const void> keep_alive;
};

/// Fills `out` with a stream of record batches; everything it points at is held by keep_alive until the consumer releases it.
void export_arrow_stream(std::vector<ArrowColumn> columns, std::vector<std::vector<ArrowPiece>> batches, std::vector<std::int64_t> lengths,
                         std::map<std::string, std::string> metadata, std::shared_ptr<const void> keep_alive, ArrowArrayStream* out);

/// A table of one batch from pieces: how foreign buffers (NumPy's) become a Table.
void make_arrow_batch(const std::vector<ArrowColumn>& columns, const std::vector<ArrowPiece>& pieces, std::int64_t length,
                      const std::map<std::string, std::string>& metadata, ArrowSchema* schema, ArrowArray* array);

}  // namespace featlib
