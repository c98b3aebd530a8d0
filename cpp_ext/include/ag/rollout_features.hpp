/// The features of the rollout and tree policies as numbers, for those who learn the weights. docs/features.md defines them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ag/game_set.hpp"
#include "ag/rollout.hpp"

namespace ag {

/// Numbers every feature: the fixed ones first, then the patterns in the order of their keys.
class RolloutFeatures {
 public:
  static constexpr int kNone = -1;
  static constexpr int kResponse = 0, kSaveAtari = 1, kNeighbour = 2, kNakade = kNeighbour + 8, kSelfAtari = kNakade + kNakadeWeights,
                       kDistance = kSelfAtari + 1, kPattern3 = kDistance + 2 * kDistances;

  /// Keys as in RolloutParameters: canonical, ascending. Throws std::invalid_argument when they are not.
  RolloutFeatures(std::vector<std::uint32_t> pattern3, std::vector<std::uint64_t> response, std::vector<std::uint64_t> pattern12);

  int size() const { return n_; }

  /// Number of the feature, kNone for a pattern without one. Keys are the mover's, in any orientation.
  int pattern3(std::uint32_t key) const { return pattern3_[key] + (kPattern3 - 1); }
  int pattern12(std::uint64_t key) const {
    const std::uint32_t i = pattern12_map_.find(key);
    return i == KeyMap::kMissing ? kNone : static_cast<int>(i);
  }
  /// Those of the 12 moves around the previous one, kNone where there is none; nullptr: all of them.
  const std::array<std::int32_t, 12>* responses(std::uint64_t key12) const {
    const std::uint32_t i = response_map_.find(key12);
    return i == KeyMap::kMissing ? nullptr : &response_blocks_[i];
  }

 private:
  int n_;
  Table<std::int32_t> pattern3_;  ///< [2^24] by key: 1 + its number among the patterns; see the constructor for unknown ones
  KeyMap response_map_, pattern12_map_;
  std::vector<std::array<std::int32_t, 12>> response_blocks_;
};

/// The moves of one position and their features.
struct MoveFeatures {
  struct Extra {
    std::int32_t move, feature;
  };
  std::vector<std::uint16_t> cells;       ///< the moves: what the rollout policy may play
  std::vector<std::int32_t> pattern3;     ///< of each move; kNone where the vocabulary lacks it
  std::vector<Extra> extras;              ///< all other features of the rollout policy, as (index of the move, feature)

  void clear() { cells.clear(), pattern3.clear(), extras.clear(); }
};

constexpr int kTreeColumns = 4;  ///< self-atari, distance to the last and to the one before, 12-point pattern

/// The moves of many positions; position i has moves first[i] .. first[i + 1] - 1.
struct FeatureBatch {
  std::vector<std::int64_t> first{0}, extra_first{0};
  std::vector<std::int64_t> played;        ///< index of the move played among all moves of the batch; -1 when it is none of them
  std::vector<std::int32_t> pattern3;      ///< [moves]
  std::vector<std::int32_t> tree;          ///< [moves, kTreeColumns]; or empty
  std::vector<std::int32_t> extra_move;    ///< index among all moves of the batch
  std::vector<std::int32_t> extra_feature;
};

FeatureBatch read_features(const GameSet& games, const std::int64_t* positions, std::int64_t n, const RolloutFeatures& features, bool tree,
                           int threads);

/// How often canonical patterns were there for the mover, and how often the move that they stand for was played.
struct PatternCounts {
  std::vector<std::uint64_t> keys;
  std::vector<std::int64_t> seen, played;
};
enum class PatternKind { kPattern3, kResponse, kPattern12 };
PatternCounts count_patterns(const GameSet& games, const std::int64_t* positions, std::int64_t n, PatternKind kind, int threads);

/// One step of simulation balancing (Silver and Tesauro, ICML 2009): playouts from positions whose value is known, and the gradient that
/// brings the mean outcome of the playouts closer to it.
struct Balance {
  std::vector<double> gradient;  ///< [features.size()] of -1/2 sum over positions (target - mean outcome)^2; add it to climb
  std::vector<float> values;     ///< [n] mean outcomes, -1..1 for the side to move
};

/// `targets`: expected outcomes for the side to move, -1..1. `playouts` >= 2 from each position. The same call gives the same result whatever the
/// number of threads.
Balance balance_step(const GameSet& games, const std::int64_t* positions, const float* targets, std::int64_t n, const RolloutWeights& weights,
                     const RolloutFeatures& features, int playouts, std::uint64_t seed, int threads);

}  // namespace ag
