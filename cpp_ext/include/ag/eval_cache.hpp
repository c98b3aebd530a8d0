/// Network evaluations by position, bounded in memory and shared by all games of a pool.
///
/// A hit gives the very numbers that the network gave, so the cache changes how long a search takes and never its result.
/// Thread safety: all methods may be called at any time; each group of entries has its own lock.
#pragma once

#include <atomic>
#include <cstring>
#include <mutex>
#include <vector>

#include "ag/game.hpp"

namespace ag {

/// What a network says about one position, from the side to move.
struct Evaluation {
  bool has_policy = false, has_value = false;
  float win = 0, draw = 0, loss = 0;  ///< probabilities
  float score = 0;                    ///< points; NaN where the network has no such output
  std::vector<float> priors;          ///< over the legal moves, ascending actions
};

class EvalCache {
 public:
  /// `n_actions` bounds the moves of an entry. 0 bytes: nothing is kept.
  EvalCache(std::size_t bytes, int n_actions) : floats_(static_cast<std::size_t>(n_actions)) {
    const std::size_t entry = sizeof(Entry) + floats_ * sizeof(float);
    n_ = bytes / entry / kWays * kWays;
    if (n_ < kWays) n_ = 0;
    entries_.resize(n_);
    priors_.resize(n_ * floats_);
  }

  /// Fills in the outputs that are wanted; false when the entry lacks one of them.
  bool find(const PositionKey& key, Evaluation& out, bool policy, bool value) {
    if (!n_) return false;
    const std::size_t set = place(key);
    const std::scoped_lock lock(locks_[set % kLocks]);
    for (std::size_t i = set * kWays; i < set * kWays + kWays; ++i) {
      Entry& e = entries_[i];
      if (!e.used || !(e.key == key)) continue;
      if ((policy && !e.has_policy) || (value && !e.has_value)) return false;
      e.age = ++clock_[set % kLocks];
      if (value) {
        out.has_value = true;
        out.win = e.win;
        out.draw = e.draw;
        out.loss = e.loss;
        out.score = e.score;
      }
      if (policy) {
        out.has_policy = true;
        const float* p = priors_.data() + i * floats_;
        out.priors.assign(p, p + e.n_moves);
      }
      return true;
    }
    return false;
  }

  void store(const PositionKey& key, const Evaluation& evaluation) {
    if (!n_) return;
    const std::size_t set = place(key);
    const std::scoped_lock lock(locks_[set % kLocks]);
    std::size_t victim = set * kWays;
    for (std::size_t i = set * kWays; i < set * kWays + kWays; ++i) {
      if (!entries_[i].used || entries_[i].key == key) {
        victim = i;
        break;
      }
      if (entries_[i].age < entries_[victim].age) victim = i;
    }
    Entry& e = entries_[victim];
    e = {key,  ++clock_[set % kLocks], static_cast<std::uint16_t>(evaluation.priors.size()), true, evaluation.has_policy,
         evaluation.has_value, evaluation.win, evaluation.draw, evaluation.loss, evaluation.score};
    std::copy(evaluation.priors.begin(), evaluation.priors.end(), priors_.begin() + static_cast<std::ptrdiff_t>(victim * floats_));
  }

  std::size_t bytes() const { return n_ * (sizeof(Entry) + floats_ * sizeof(float)); }

 private:
  static constexpr std::size_t kWays = 4;
  static constexpr std::size_t kLocks = 64;

  struct Entry {
    PositionKey key;
    std::uint64_t age = 0;
    std::uint16_t n_moves = 0;
    bool used = false, has_policy = false, has_value = false;
    float win = 0, draw = 0, loss = 0, score = 0;
  };

  std::size_t place(const PositionKey& key) const { return static_cast<std::size_t>(key.b % (n_ / kWays)); }

  std::size_t floats_;
  std::size_t n_ = 0;
  std::vector<Entry> entries_;
  std::vector<float> priors_;
  std::mutex locks_[kLocks];
  std::uint64_t clock_[kLocks] = {};
};

}  // namespace ag
