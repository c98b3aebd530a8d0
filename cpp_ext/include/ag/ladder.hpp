/// The ladder reader. docs/features.md defines what it answers.
#pragma once

#include "ag/board.hpp"

namespace ag {

/// Reads ladders on a scratch copy of one board; every move made is taken back before a call returns.
template <int Cap>
class LadderReader {
 public:
  using G = Geometry<Cap>;
  using Set = typename G::Set;

  LadderReader(const Board<Cap>& board, bool suicide)
      : board_(board), suicide_(suicide), max_depth_(2 * board.size() * board.size()) {}

  /// The chain with a stone on `stone` is caught: it has 1 liberty and its owner, to move, cannot save it; or it has 2 and
  /// its enemy, to move, catches it.
  bool is_captured(int stone);

  /// Liberties of the chain on `stone`, which has exactly two, where a move of its enemy catches it (simple ko only).
  Set catching_moves(int stone);

  /// Moves of its owner (simple ko only) that save the chain on `stone`, which has exactly one liberty.
  Set saving_moves(int stone);

 private:
  bool attack(int stone, int depth);
  bool defend(int stone, int depth);
  bool out_of_budget(int depth) const { return depth > max_depth_ || nodes_ > kMaxNodes; }
  /// The liberty of the chain, and those of enemy chains next to it that are in atari.
  Set defences(int stone) const;

  static constexpr int kMaxNodes = 2000;

  Board<Cap> board_;
  bool suicide_;
  int max_depth_;
  int nodes_ = 0;
};

}  // namespace ag
