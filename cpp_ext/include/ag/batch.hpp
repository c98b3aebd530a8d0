/// Many positions or playouts at once, on several threads; and the loops behind `alphago bench`.
#pragma once

#include <cstdint>
#include <vector>

#include "ag/any_position.hpp"

namespace ag {

/// Writes the planes of positions[i] at out + i * planes * width * width. `symmetry` may be null (all 0).
template <class T>
void write_batch(const std::vector<const AnyPosition*>& positions, FeatureSet set, const std::uint8_t* symmetry, int width,
                 int threads, T* out);

/// Playout i uses the random stream (seed, i) whatever thread it runs on.
void run_playouts(const AnyPosition& start, Policy policy, std::int64_t count, std::uint64_t seed, const RolloutWeights* weights,
                  const PlayoutOptions& options, int threads, std::int16_t* scores, std::int32_t* lengths);

struct BenchResult {
  std::int64_t items = 0;  ///< playouts, or positions written
  std::int64_t moves = 0;
  double seconds = 0;  ///< of the slowest thread
};

/// Throws std::invalid_argument unless 0 < seconds <= 3600.
void checked_seconds(double seconds);

BenchResult bench_playouts(const AnyPosition& start, Policy policy, double seconds, int threads, std::uint64_t seed,
                           const RolloutWeights* weights);

template <class T>
BenchResult bench_features(const std::vector<const AnyPosition*>& positions, FeatureSet set, double seconds, int threads);

}  // namespace ag
