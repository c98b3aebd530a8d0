/// What superko and the history planes need, kept beside the board so that copying a board stays cheap.
///
/// Every whole-board position since the last set-up is kept as two bit sets: superko compares stones, not hashes,
/// and so is exact; hashes only say where to look.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ag/board.hpp"
#include "ag/rules.hpp"

namespace ag {

/// One play or pass. `cell` 0 is a pass.
struct Turn {
  std::uint16_t cell;
  std::uint8_t color;
  std::uint8_t to_play;  ///< whose turn it had been: not always the mover's
};

template <int Cap>
class History {
 public:
  using G = Geometry<Cap>;
  using Set = typename G::Set;

  struct Snapshot {
    Set stones[2];  ///< black, white
    std::uint8_t to_play;
  };

  /// Forgets everything and records `board` with `to_play` to move as the first position.
  void start(const Board<Cap>& board, Color to_play);

  /// Records a turn and the position after it. `removed`: points whose stones left the board in this turn.
  void push(Turn turn, const Board<Cap>& after, Color to_play, const Set& removed);

  /// Forgets the last turn. (Points that stones were ever removed from stay marked: that only costs a search.)
  void pop();

  /// The side to move at the first position changed by hand.
  void set_start_player(Color to_play) {
    if (turns_.empty() && !snapshots_.empty()) snapshots_[0].to_play = to_play;
  }

  const std::vector<Turn>& turns() const { return turns_; }
  /// Position after turn i (0: before the first turn).
  const Snapshot& snapshot(std::size_t i) const { return snapshots_[i]; }
  std::size_t n_snapshots() const { return snapshots_.size(); }
  /// Zobrist hash of the stones of snapshot i.
  std::uint64_t hash(std::size_t i) const { return hashes_[i]; }

  /// What rewind() needs to forget later turns.
  struct Mark {
    std::size_t n_turns;
    Set ever_removed;
    std::array<std::uint64_t, 32> seen;
  };
  Mark mark() const { return {turns_.size(), ever_removed_, seen_}; }
  void rewind(const Mark& mark) {
    turns_.resize(mark.n_turns);
    snapshots_.resize(mark.n_turns + 1);
    hashes_.resize(mark.n_turns + 1);
    ever_removed_ = mark.ever_removed;
    seen_ = mark.seen;
  }

  /// Points that a stone was ever removed from: only there can a play (no suicide) repeat a position.
  const Set& ever_removed() const { return ever_removed_; }

  /// A play on `cell` by c, legal otherwise, would recreate an earlier position that the rule forbids.
  bool repeats(const Board<Cap>& board, int cell, Color c, KoRule rule) const;

 private:
  std::vector<Turn> turns_;
  std::vector<Snapshot> snapshots_;
  std::vector<std::uint64_t> hashes_;  ///< of the stones of each snapshot
  Set ever_removed_;
  std::array<std::uint64_t, 32> seen_{};  ///< a filter of the hashes: a clear bit says that no snapshot has such a hash
  void note(std::uint64_t hash) {
    hashes_.push_back(hash);
    seen_[hash >> 6 & 31] |= std::uint64_t{1} << (hash & 63);
  }
};

}  // namespace ag
