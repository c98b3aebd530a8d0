/// Playouts: a position played to its end by a fast policy.
///
/// Both policies play under simple ko, never commit suicide and never fill their own true eye; when nothing else is left they
/// pass, and two passes end the game, as does the length limit. The result is Tromp-Taylor area.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "ag/patterns.hpp"
#include "ag/position.hpp"
#include "ag/reply_cache.hpp"
#include "ag/rollout_weights.hpp"

namespace ag {

struct PlayoutOptions {
  int max_moves = 0;  ///< 0: three times the board's area
  int mercy = 0;      ///< stop when one side is this many stones ahead; 0: never
};

struct PlayoutResult {
  int score;  ///< black's area minus white's, without komi
  int moves;  ///< actions played, passes included
};

class RolloutFeatures;
struct MoveFeatures;

/// Where a playout starts: the board, whose turn it is and what the last turn was.
template <int Cap>
struct PlayoutStart {
  Board<Cap> board;
  Color to_play;
  int consecutive_passes;
  int last_cell;                             ///< of the last turn; 0: pass or none
  typename Geometry<Cap>::Set last_removed;  ///< points where the last turn captured

  explicit PlayoutStart(const Position<Cap>& p)
      : board(p.board()),
        to_play(p.to_play()),
        consecutive_passes(p.consecutive_passes()),
        last_cell(p.last_cell(0)),
        last_removed(p.last_removed()) {}
};

/// Receives the actions of a playout when the caller wants them.
using Actions = std::vector<std::uint16_t>;

/// Uniformly random over the playable moves.
template <int Cap>
PlayoutResult light_playout(const PlayoutStart<Cap>& start, const PlayoutOptions& options, Rng rng, Actions* actions = nullptr);

/// The board of a softmax playout: pattern keys and move weights are kept up to date move by move.
///
/// Thread safety: one thread at a time; copying one that was prepared for a start position is how playouts begin.
template <int Cap>
class RolloutState {
 public:
  using G = Geometry<Cap>;
  using Set = typename G::Set;
  using Index = typename G::Index;

  RolloutState(const PlayoutStart<Cap>& start, const RolloutWeights& weights);

  /// Draws a move for the side to move by the rollout policy and plays it; 0 is a pass.
  int step(Rng& rng, const Replies& replies = {});

  /// Plays the playout to its end.
  PlayoutResult finish(const PlayoutOptions& options, Rng rng, Actions* actions, const Replies& replies = {});

  /// Weights of all moves of the side to move under the rollout policy, by bit; zero where it never plays.
  void move_weights(std::uint64_t out[G::kSpan]);

  /// The features that fire for each move of the side to move.
  void list_features(const RolloutFeatures& features, MoveFeatures& out);

  const Board<Cap>& board() const { return board_; }
  Color to_play() const { return to_play_; }
  bool is_over() const { return passes_ >= 2; }
  std::uint32_t key3(int cell) const { return key_[cell]; }
  std::uint64_t key12(int cell) const;  ///< from black's side

 private:
  void play(int cell);
  void set_code(int cell, std::uint8_t code);
  void update_chain(int chain);
  void list_changes();
  void apply_changes();
  void note_last_move();
  int draw(Rng& rng);
  int known_reply(Rng& rng, const Replies& replies) const;
  int draw_base(Rng& rng) const;
  bool is_special(int cell) const {
    bool found = false;
    for (int i = 0; i < kUsual; ++i) found |= special_cell_[i] == cell;  // one vector comparison; unused entries are 0
    for (int i = kUsual; i < n_specials_; ++i) found |= special_cell_[i] == cell;
    return found;
  }
  int special_at(int cell) const {
    for (int i = 0; i < n_specials_; ++i)
      if (special_cell_[i] == cell) return i;
    return -1;
  }
  void gather_specials();
  void multiply(int cell, std::uint64_t factor);
  void collect_savers(int chain, Set& savers) const;
  struct Vital {
    std::uint16_t cell, index;
  };
  int list_nakade(Vital* out) const;
  void multiply_nakade();
  bool has_two_liberties_after(int cell) const;
  bool count_two_liberties_after(int cell) const;
  void add_atari(int chain, Color c);
  void remove_atari(int chain, Color c);

  static constexpr int kRows = Cap + 4;
  static constexpr int kCellWords = (G::kCells + 63) / 64;
  static constexpr int kUsual = 16;  ///< special moves that are handled without counting them
  static constexpr int kMaxSpecials = G::kArea + kUsual;

  /// A number for black and one for white, side by side: most updates concern both.
  using Both = std::uint64_t __attribute__((vector_size(16)));

  // --- fixed for the length of a playout -------------------------------------------------------------
  const RolloutWeights* weights_;
  const std::uint8_t* row_of_;  ///< row in the padded board, by cell
  int first_row_;

  // --- what a move changes -----------------------------------------------------------------------------
  Board<Cap> board_;
  Both weight_[G::kCells];       ///< base weight of each move; 0 on stones
  Both row_sum_[kRows];
  Both total_;
  std::uint32_t key_[G::kCells];  ///< 3x3 keys from black's side
  std::uint8_t code_[G::kCells];  ///< pattern codes from black's side
  std::uint64_t empty_[kCellWords];      ///< bit set of the empty cells
  std::uint64_t dirty_[kCellWords + 1];  ///< cells whose key changed since list_changes()
  Index pending_[G::kArea];       ///< points whose weight is still to be looked up
  int n_pending_ = 0;
  Index atari_[2][G::kSpan];      ///< numbers of the chains of each colour that have one liberty
  int n_atari_[2];
  Index atari_place_[G::kSpan];   ///< where such a chain stands in that list
  Index atari_liberty_[G::kSpan];  ///< the cell of its liberty
  Set in_atari_;                  ///< the same chains as a set
  Color to_play_;
  int passes_;
  int last_cell_;                 ///< 0: pass or none
  std::uint64_t last_key_ = 0;    ///< its 12-point key from the side of to_play_
  int n_captured_;                ///< stones that the last move captured, in captured_
  std::uint16_t captured_[G::kArea];

  // --- while a move is being chosen: the moves whose weight is not their base weight now ----------------------
  int n_specials_ = 0;
  std::uint16_t special_cell_[kMaxSpecials];
  std::uint64_t special_base_[kMaxSpecials];
  std::uint64_t special_weight_[kMaxSpecials];
};

/// Liberties of the mover's chain after a play on `cell`.
template <int Cap>
int liberties_after(const Board<Cap>& board, int cell, Color c) {
  Board<Cap> after = board;
  after.place(cell, c);
  return after.n_liberties(after.chain(cell));
}

/// Manhattan distance between two points by bit, kDistances - 1 when it is that or more.
template <int Cap>
int distance_class(int a, int b) {
  using G = Geometry<Cap>;
  return std::min(std::abs(G::row_of_bit(a) - G::row_of_bit(b)) + std::abs(G::col_of_bit(a) - G::col_of_bit(b)), kDistances - 1);
}

/// The 3x3 key around a cell as RolloutState::key3() gives it, from the board alone.
template <int Cap>
std::uint32_t pattern_key3(const Board<Cap>& board, int cell);

/// Probabilities [area + 1] of the rollout policy, by action; the last is the pass, 1 when no move is left.
template <int Cap>
void rollout_probabilities(const Position<Cap>& position, const RolloutWeights& weights, double* out);

/// The same for the tree policy, which adds self-atari, distances to the last two moves, and 12-point patterns.
template <int Cap>
void tree_probabilities(const Position<Cap>& position, const RolloutWeights& weights, double* out);

}  // namespace ag
