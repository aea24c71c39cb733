#include <featlib/core/pages.hpp>

#include <cstdint>
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

}  // namespace

void* acquire_pages(std::size_t bytes) {
  if (bytes < large) return ::operator new(bytes);
  // A page more than needed, so that a whole number of aligned pages lies inside; the rest goes back at once.
  const std::size_t size = in_pages(bytes);
  void* const mapped = mmap(nullptr, size + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  const auto from = reinterpret_cast<std::uintptr_t>(mapped), aligned = in_pages(from);
  if (aligned != from) munmap(mapped, aligned - from);
  if (aligned != from + huge_page) munmap(reinterpret_cast<void*>(aligned + size), from + huge_page - aligned);
  void* const out = reinterpret_cast<void*>(aligned);
  madvise(out, size, MADV_HUGEPAGE);   // a wish: without it the pages are small and all else is the same
  return out;
}

void release_pages(void* memory, std::size_t bytes) noexcept {
  if (bytes < large) ::operator delete(memory);
  else munmap(memory, in_pages(bytes));
}

#else

void* acquire_pages(std::size_t bytes) { return ::operator new(bytes); }
void release_pages(void* memory, std::size_t) noexcept { ::operator delete(memory); }

#endif

}  // namespace featlib::detail
