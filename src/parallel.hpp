/// Work in pieces on a few threads. Every piece writes its own rows, so the result cannot depend on who did which.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace featlib {

/// 0 means one a core.
inline int thread_count(int asked) { return asked > 0 ? asked : std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

/// Runs `work(thread, piece)` for pieces 0..n-1; the caller's thread is number 0. The first exception is thrown on.
template <class Work>
void in_parallel(int threads, std::size_t pieces, Work&& work) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex failing;
  const auto run = [&](int thread) {
    try {
      for (std::size_t piece; (piece = next++) < pieces;) work(thread, piece);
    } catch (...) {
      const std::lock_guard lock(failing);
      failure = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  const auto most = std::min<std::size_t>(static_cast<std::size_t>(threads), pieces);
  for (std::size_t t = 1; t < most; ++t) others.emplace_back(run, static_cast<int>(t));
  run(0);
  for (std::thread& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
}

/// The same over rows, `work(thread, from, to)`.
template <class Work>
void over_rows(int threads, std::size_t rows, Work&& work) {
  constexpr std::size_t piece = 1 << 16;
  in_parallel(threads, (rows + piece - 1) / piece, [&](int thread, std::size_t p) { work(thread, p * piece, std::min(rows, (p + 1) * piece)); });
}

}  // namespace featlib
