/// A game in progress: board, history, rules, whose turn it is. What Python calls `Board` and search calls its state.
#pragma once

#include <vector>

#include "ag/history.hpp"

namespace ag {

template <int Cap>
class Position {
 public:
  using G = Geometry<Cap>;
  using Set = typename G::Set;

  Position(int size, const Rules& rules);

  int size() const { return board_.size(); }
  const Board<Cap>& board() const { return board_; }
  const History<Cap>& history() const { return history_; }
  const Rules& rules() const { return rules_; }
  Rules& rules() { return rules_; }

  Color to_play() const { return to_play_; }
  void set_to_play(Color c);

  /// Passes at the end of the game so far.
  int consecutive_passes() const;
  int passes_by(Color c) const;
  int captured(Color c) const { return captured_[c - 1]; }

  /// Legal under this game's rules. `cell` is a cell on the board or in its padding; a pass needs no question.
  Legality legality(int cell, Color c) const;

  /// Bits of the plays that are legal for c.
  Set legal(Color c) const;

  /// Plays a legal move; returns the number of opponent stones captured.
  int play(int cell, Color c);
  void pass(Color c);

  /// Takes the last turn since the last set-up back, by playing the others again; false when there is none.
  bool undo();

  /// Makes the board hold just these stones, forgets turns and superko history. False, and nothing changed, when a chain
  /// would have no liberty.
  bool setup(const Set& black, const Set& white);

  /// As setup(), with the side to move and the stones taken off before: for reading a stored game.
  bool restart(const Set& black, const Set& white, Color to_play, int captured_black, int captured_white);

  /// Stones of c that had been taken off before the last set-up.
  int captured_at_start(Color c) const { return captured_at_start_[c - 1]; }

  /// Cell of the n-th last turn (0: the last one); 0 when it was a pass or there is none.
  int last_cell(std::size_t n) const {
    const auto& turns = history_.turns();
    return n < turns.size() ? turns[turns.size() - 1 - n].cell : 0;
  }

  /// Points where the last turn captured.
  Set last_removed() const;

  /// A point of this game that rewind() comes back to after more turns were played: how a search walks its tree.
  struct Mark {
    Board<Cap> board;
    typename History<Cap>::Mark history;
    int captured[2];
    Color to_play;
  };
  Mark mark() const { return {board_, history_.mark(), {captured_[0], captured_[1]}, to_play_}; }
  void rewind(const Mark& mark) {
    board_ = mark.board;
    history_.rewind(mark.history);
    captured_[0] = mark.captured[0];
    captured_[1] = mark.captured[1];
    to_play_ = mark.to_play;
  }

 private:
  Board<Cap> board_;
  History<Cap> history_;
  Rules rules_;
  Color to_play_ = BLACK;
  int captured_[2] = {0, 0};           ///< stones of black, of white, taken off so far
  int captured_at_start_[2] = {0, 0};  ///< the same at the last set-up, from where undo() plays again
};

}  // namespace ag
