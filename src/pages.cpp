#include <featlib/core/pages.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace featlib::detail {

#ifdef __linux__

namespace {

constexpr std::size_t large = std::size_t{1} << 20;
constexpr std::size_t huge_page = std::size_t{1} << 21;

std::size_t in_pages(std::size_t bytes) { return (bytes + huge_page - 1) & ~(huge_page - 1); }

void* map_pages(std::size_t size) {
  // A page more than needed, so that a whole number of aligned pages lies inside; the rest goes back at once.
  void* const mapped = mmap(nullptr, size + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  const auto from = reinterpret_cast<std::uintptr_t>(mapped), aligned = in_pages(from);
  if (aligned != from) munmap(mapped, aligned - from);
  if (aligned != from + huge_page) munmap(reinterpret_cast<void*>(aligned + size), from + huge_page - aligned);
  void* const out = reinterpret_cast<void*>(aligned);
  madvise(out, size, MADV_HUGEPAGE);   // a wish: without it the pages are small and all else is the same
  return out;
}

/// Memory given back lately, for the next columns: a table is rarely computed once. The kernel may take its pages when it needs
/// some. Getting fresh ones costs a tenth of a replay, and more than all of it on a virtual machine whose host takes back what
/// is free. The smallest block that is enough is cut, neighbours are joined, so a replay also uses what it has itself let go.
class KeptBlocks {
 public:
  void* take(std::size_t size) {
    const std::lock_guard lock(mutex_);
    auto best = blocks_.end();
    for (auto block = blocks_.begin(); block != blocks_.end(); ++block)
      if (block->size >= size && (best == blocks_.end() || block->size <= best->size)) best = block;
    if (best == blocks_.end()) return nullptr;
    void* const out = best->memory;
    kept_ -= size;
    best->memory += size;
    best->size -= size;
    if (best->size == 0) blocks_.erase(best);
    return out;
  }

  void keep(void* memory, std::size_t size) noexcept {
    if (size > most) {
      munmap(memory, size);
      return;
    }
    madvise(memory, size, MADV_FREE);
    const std::lock_guard lock(mutex_);
    Block given{static_cast<std::byte*>(memory), size};
    for (auto block = blocks_.begin(); block != blocks_.end();) {
      const bool before = block->memory + block->size == given.memory, after = given.memory + given.size == block->memory;
      if (!before && !after) { ++block; continue; }
      given = {before ? block->memory : given.memory, given.size + block->size};
      block = blocks_.erase(block);
    }
    kept_ += size;
    try {
      blocks_.push_back(given);
    } catch (...) {
      munmap(given.memory, given.size);
      kept_ -= given.size;
      return;
    }
    for (; kept_ > most; blocks_.pop_front()) {
      munmap(blocks_.front().memory, blocks_.front().size);
      kept_ -= blocks_.front().size;
    }
  }

 private:
  static constexpr std::size_t most = std::size_t{1} << 30;
  struct Block {
    std::byte* memory;
    std::size_t size;
  };
  std::mutex mutex_;
  std::deque<Block> blocks_;           // oldest first
  std::size_t kept_ = 0;
};

KeptBlocks& kept_blocks() {
  static auto* const blocks = new KeptBlocks;   // outlives every column
  return *blocks;
}

}  // namespace

void* acquire_pages(std::size_t bytes) {
  if (bytes < large) return ::operator new(bytes);
  const std::size_t size = in_pages(bytes);
  if (void* const kept = kept_blocks().take(size)) return kept;
  return map_pages(size);
}

void release_pages(void* memory, std::size_t bytes) noexcept {
  if (bytes < large) ::operator delete(memory);
  else kept_blocks().keep(memory, in_pages(bytes));
}

#else

void* acquire_pages(std::size_t bytes) { return ::operator new(bytes); }
void release_pages(void* memory, std::size_t) noexcept { ::operator delete(memory); }

#endif

}  // namespace featlib::detail
