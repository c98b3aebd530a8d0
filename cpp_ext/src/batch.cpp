#include "ag/batch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <thread>

namespace ag {

namespace {

/// Runs f(thread) on `threads` threads, the caller's among them, and waits for all.
template <class F>
void on_threads(int threads, F&& f) {
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back([&f, t] { f(t); });
  f(0);
  for (std::thread& t : others) t.join();
}

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

template <class T>
void write_batch(const std::vector<const AnyPosition*>& positions, FeatureSet set, const std::uint8_t* symmetry, int width,
                 int threads, T* out) {
  const std::size_t stride = static_cast<std::size_t>(n_planes(set)) * static_cast<std::size_t>(width * width);
  const auto n = static_cast<int>(positions.size());
  threads = std::max(1, std::min(threads, n));
  on_threads(threads, [&](int t) {
    for (int i = n * t / threads; i < n * (t + 1) / threads; ++i)
      positions[static_cast<std::size_t>(i)]->visit([&](const auto& p) {
        write_planes(p, set, symmetry ? symmetry[i] : 0, width, out + static_cast<std::size_t>(i) * stride);
      });
  });
}

void run_playouts(const AnyPosition& start, Policy policy, std::int64_t count, std::uint64_t seed, const RolloutWeights* weights,
                  const PlayoutOptions& options, int threads, std::int16_t* scores, std::int32_t* lengths) {
  start.visit([&](const auto& p) {
    const PlayoutStart from(p);
    const auto work = [&](auto&& play) {
      std::atomic<std::int64_t> next{0};
      on_threads(threads, [&](int) {
        constexpr std::int64_t kChunk = 16;
        for (std::int64_t i = next.fetch_add(kChunk); i < count; i = next.fetch_add(kChunk))
          for (std::int64_t k = i; k < std::min(count, i + kChunk); ++k) {
            const PlayoutResult r = play(Rng(seed, static_cast<std::uint64_t>(k)));
            scores[k] = static_cast<std::int16_t>(r.score);
            lengths[k] = r.moves;
          }
      });
    };
    if (policy == Policy::kLight) return work([&](Rng rng) { return light_playout(from, options, rng); });
    const RolloutState prepared(from, *weights);
    work([&](Rng rng) {
      auto playout = prepared;
      return playout.finish(options, rng, nullptr);
    });
  });
}

void checked_seconds(double seconds) {
  if (!(seconds > 0 && seconds <= 3600)) throw std::invalid_argument("seconds must be above 0 and at most 3600");
}

BenchResult bench_playouts(const AnyPosition& start, Policy policy, double seconds, int threads, std::uint64_t seed,
                           const RolloutWeights* weights) {
  constexpr std::int64_t kBlock = 64;
  std::vector<BenchResult> results(static_cast<std::size_t>(threads));
  on_threads(threads, [&](int t) {
    BenchResult& r = results[static_cast<std::size_t>(t)];
    std::int16_t scores[kBlock];
    std::int32_t lengths[kBlock];
    const auto begin = Clock::now();
    for (std::uint64_t block = 0; r.seconds < seconds; ++block) {
      const std::uint64_t stream = mix64(seed ^ mix64(block * 1024 + static_cast<std::uint64_t>(t)));
      run_playouts(start, policy, kBlock, stream, weights, {}, 1, scores, lengths);
      r.items += kBlock;
      for (const std::int32_t n : lengths) r.moves += n;
      r.seconds = since(begin);
    }
  });
  BenchResult total;
  for (const BenchResult& r : results) {
    total.items += r.items;
    total.moves += r.moves;
    total.seconds = std::max(total.seconds, r.seconds);
  }
  return total;
}

template <class T>
BenchResult bench_features(const std::vector<const AnyPosition*>& positions, FeatureSet set, double seconds, int threads) {
  int width = 0;
  for (const AnyPosition* p : positions) width = std::max(width, p->size());
  // A batch of 64 positions, as a learner or the search would ask for; symmetries in turn.
  constexpr std::size_t kBatch = 64;
  std::vector<BenchResult> results(static_cast<std::size_t>(threads));
  on_threads(threads, [&](int t) {
    BenchResult& r = results[static_cast<std::size_t>(t)];
    const std::size_t stride = static_cast<std::size_t>(n_planes(set)) * static_cast<std::size_t>(width * width);
    std::vector<T> out(kBatch * stride);
    std::size_t next = static_cast<std::size_t>(t) * positions.size() / static_cast<std::size_t>(threads);
    const auto begin = Clock::now();
    while (r.seconds < seconds) {
      for (std::size_t i = 0; i < kBatch; ++i, ++next)
        positions[next % positions.size()]->visit(
            [&](const auto& p) { write_planes(p, set, static_cast<int>(next & 7), width, out.data() + i * stride); });
      r.items += kBatch;
      r.seconds = since(begin);
    }
  });
  BenchResult total;
  for (const BenchResult& r : results) {
    total.items += r.items;
    total.seconds = std::max(total.seconds, r.seconds);
  }
  return total;
}

#define AG_INSTANTIATE(T)                                                                                                  \
  template void write_batch<T>(const std::vector<const AnyPosition*>&, FeatureSet, const std::uint8_t*, int, int, T*);     \
  template BenchResult bench_features<T>(const std::vector<const AnyPosition*>&, FeatureSet, double, int);
AG_INSTANTIATE(float)
AG_INSTANTIATE(std::uint8_t)

}  // namespace ag
