/// Loops over independent items on several threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace ag {

/// Calls work(first, last, thread) for pieces of 0..n-1 of at most `chunk` items, on this thread and at most `threads` - 1 others.
/// `thread` is 0..threads-1. The first exception ends the loop and is thrown here.
template <class Work>
void parallel_chunks(std::int64_t n, std::int64_t chunk, int threads, Work&& work) {
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto run = [&](int thread) {
    try {
      for (std::int64_t first = next.fetch_add(chunk); first < n; first = next.fetch_add(chunk)) work(first, std::min(n, first + chunk), thread);
    } catch (...) {
      next = n;
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  const auto useful = static_cast<int>(std::min<std::int64_t>(threads, (n + chunk - 1) / chunk));
  others.reserve(static_cast<std::size_t>(std::max(0, useful - 1)));
  try {
    for (int t = 1; t < useful; ++t) others.emplace_back(run, t);
  } catch (const std::system_error&) {  // no more threads to be had: those that there are do all of it
  }
  run(0);
  for (std::thread& t : others) t.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace ag
