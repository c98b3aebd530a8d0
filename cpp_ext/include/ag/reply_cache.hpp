/// AlphaGo's rollout cache (Nature 2016, Methods): the tree's best answers, which rollouts repeat where the surroundings match.
///
/// A generalised last-good-reply: the context is the side to move, the last move and the 3x3 patterns (colours and liberties) around the last move and
/// around the answer. One entry a context, the newest one stays.
/// Thread safety: learn() by one thread while nobody reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ag/types.hpp"

namespace ag {

class ReplyCache {
 public:
  void clear() { entries_.assign(kSize, {}); }

  void learn(Color to_play, int last_cell, std::uint32_t key_at_last, int reply, std::uint32_t key_at_reply) {
    const std::uint64_t context = context_of(to_play, last_cell, key_at_last);
    entries_[context % kSize] = {context, key_at_reply, static_cast<std::uint16_t>(reply)};
  }

  /// The cell of the answer to the last move, 0 when there is none; `key_at_reply` is what must surround it now.
  int find(Color to_play, int last_cell, std::uint32_t key_at_last, std::uint32_t& key_at_reply) const {
    const std::uint64_t context = context_of(to_play, last_cell, key_at_last);
    const Entry& e = entries_[context % kSize];
    if (e.context != context) return 0;
    key_at_reply = e.key_at_reply;
    return e.reply;
  }

 private:
  static constexpr std::size_t kSize = 4096;

  struct Entry {
    std::uint64_t context = 0;
    std::uint32_t key_at_reply = 0;
    std::uint16_t reply = 0;
  };

  static std::uint64_t context_of(Color to_play, int last_cell, std::uint32_t key) {
    return mix64(static_cast<std::uint64_t>(key) << 32 | static_cast<std::uint64_t>(last_cell) << 2 | to_play) | 1;
  }

  std::vector<Entry> entries_;  ///< empty until clear(): most trees have no use for it
};

/// What a rollout is told about the cache.
struct Replies {
  const ReplyCache* cache = nullptr;
  double probability = 0;  ///< that a matching answer is played
};

}  // namespace ag
