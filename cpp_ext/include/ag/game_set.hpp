/// Recorded games in memory, and batches of training examples at any of their positions, replayed and written by several threads.
///
/// Thread safety: write() may be called from several threads at once; nothing else changes a set once it is made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ag/features.hpp"
#include "ag/rules.hpp"

namespace ag {

/// The columns of a table of games (docs/data.md), a game after the other. Lists are concatenated; `..._at` say where each game's begin
/// and have one entry more than there are games.
struct GameColumns {
  std::vector<std::uint8_t> size, ko, suicide, scoring, pass_stones;
  std::vector<float> komi, white_bonus;
  std::vector<std::int64_t> black_at, white_at, moves_at;
  std::vector<std::uint16_t> black, white, moves;
  std::vector<std::uint8_t> colors;
  std::vector<std::int8_t> winner;  ///< 1 black, 2 white, 0 nobody, -1 not known
  std::vector<float> score;         ///< black - white; NaN where it was not counted
  std::vector<std::int64_t> ownership_at;
  std::vector<std::int8_t> ownership;  ///< [size * size] of the games that have it
  std::vector<float> root_value;       ///< [moves], NaN without a search; or empty
  std::vector<std::int64_t> visits_at;  ///< [moves + 1]; or empty
  std::vector<std::uint16_t> visit_actions;
  std::vector<float> visit_shares;  ///< the policy target, or visits over their sum
};

/// Where a batch is written; each pointer may be null. Boards smaller than `width` sit in the top left corner, and actions are numbered
/// on the wide board: row * width + column, the pass width * width. Everything is seen by the side to move, and turned by the symmetry.
template <class T>
struct BatchOut {
  T* planes = nullptr;              ///< [n, planes, width, width]
  float* globals = nullptr;         ///< [n, kGlobals]
  std::int64_t* move = nullptr;     ///< [n] what was played
  std::int64_t* reply = nullptr;    ///< [n] what was played next; -1 at the end of a game
  float* policy = nullptr;          ///< [n, width * width + 1] target: visits where there are any, else the move played
  std::uint8_t* legal = nullptr;    ///< [n, width * width + 1]
  float* outcome = nullptr;         ///< [n, 3] 1 for win, draw or loss; all 0 where it is not known
  float* score = nullptr;           ///< [n] points; NaN where it is not known
  float* ownership = nullptr;       ///< [n, width, width] +1, 0, -1; NaN where it is not known and off the board
  float* root_value = nullptr;      ///< [n] of the search before the move; NaN without one
};

class GameSet {
 public:
  /// Throws std::invalid_argument naming the column when lengths or values do not fit. Legality of the moves is not checked here.
  explicit GameSet(GameColumns columns);

  std::int64_t games() const { return static_cast<std::int64_t>(columns_.size.size()); }
  std::int64_t positions() const { return static_cast<std::int64_t>(columns_.moves.size()); }
  int max_size() const { return max_size_; }
  std::size_t bytes() const;

  /// Example i is the position before move positions[i], counted through all games, under symmetry[i] (0..7; null: none).
  /// Throws std::invalid_argument for a bad position or a game with an illegal move, naming the game's number.
  template <class T>
  void write(const std::int64_t* positions, const std::uint8_t* symmetry, std::int64_t n, FeatureSet set, int width, int threads,
             const BatchOut<T>& out) const;

  /// Throws std::invalid_argument when there is no such position.
  void check_positions(const std::int64_t* positions, std::int64_t n) const;

  std::size_t game_of(std::int64_t position) const;
  int size_of(std::size_t game) const { return columns_.size[game]; }
  int move_at(std::int64_t position) const { return columns_.moves[static_cast<std::size_t>(position)]; }

  /// The game before that move, its player to move. Throws std::invalid_argument for a game with an illegal move, naming its number.
  template <int Cap>
  Position<Cap> replayed(std::size_t game, std::int64_t position) const;

  /// f(that position, number of the game).
  template <class F>
  void visit(std::int64_t position, F&& f) const {
    const std::size_t game = game_of(position);
    const int size = size_of(game);
    if (size <= 9)
      f(replayed<9>(game, position), game);
    else if (size <= 13)
      f(replayed<13>(game, position), game);
    else
      f(replayed<19>(game, position), game);
  }

 private:
  template <int Cap, class T>
  void write_one(const Position<Cap>& p, std::size_t game, std::int64_t position, int symmetry, FeatureSet set, int width, std::int64_t row,
                 const BatchOut<T>& out) const;

  GameColumns columns_;
  int max_size_ = 0;
};

}  // namespace ag
