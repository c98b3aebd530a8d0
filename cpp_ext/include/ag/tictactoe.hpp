/// Noughts and crosses: small enough to be solved by brute force, and with draws. The search's tests are its reason to be.
#pragma once

#include <algorithm>
#include <array>

#include "ag/game.hpp"
#include "ag/symmetry.hpp"

namespace ag {

class TicTacToe {
 public:
  using Mark = std::array<std::uint16_t, 2>;

  struct RolloutStart {
    std::array<std::uint16_t, 2> stones;
    int side;
  };

  int n_actions() const { return 9; }
  int n_placed() const { return 9; }
  int side() const { return turn() & 1; }
  int turn() const { return __builtin_popcount(stones_[0] | stones_[1]); }
  double scale() const { return 3; }
  bool is_over() const { return has_line(stones_[0]) || has_line(stones_[1]) || turn() == 9; }
  Outcome outcome() const {
    const int winner = has_line(stones_[0]) ? 1 : has_line(stones_[1]) ? -1 : 0;
    return {winner, static_cast<float>(winner)};
  }
  int legal(std::uint16_t* out) const {
    int n = 0;
    for (int a = 0; a < 9; ++a)
      if (is_legal(a)) out[n++] = static_cast<std::uint16_t>(a);
    return n;
  }
  bool is_legal(int action) const { return action >= 0 && action < 9 && !((stones_[0] | stones_[1]) >> action & 1) && !is_over(); }
  void play(int action) {
    std::uint16_t& mine = stones_[static_cast<std::size_t>(side())];
    mine = static_cast<std::uint16_t>(mine | 1 << action);
  }
  Mark mark() const { return stones_; }
  void rewind(const Mark& mark) { stones_ = mark; }
  PositionKey key() const {
    PositionKey k;
    k.add(static_cast<std::uint64_t>(stones_[0]) << 16 | stones_[1]);
    return k;
  }
  int transformed(int symmetry, int action) const {
    const auto [row, column] = turned(symmetry, 3, action / 3, action % 3);
    return row * 3 + column;
  }
  /// Two planes [2, 3, 3]: the mover's marks and the opponent's. It has one feature set.
  template <class T>
  void write_planes(int /*feature_set*/, int symmetry, T* out) const {
    for (int plane = 0; plane < 2; ++plane)
      for (int a = 0; a < 9; ++a)
        out[plane * 9 + transformed(symmetry, a)] = static_cast<T>(stones_[static_cast<std::size_t>(plane ^ side())] >> a & 1);
  }
  void write_globals(float* out) const { std::fill_n(out, 7, 0.0f); }

  RolloutStart rollout_start() const { return {stones_, side()}; }
  static Outcome rollout(const RolloutStart& start, RolloutKind /*kind*/, const RolloutWeights* /*weights*/, Rng rng, const Replies& /*replies*/,
                         std::vector<std::uint16_t>* played) {
    TicTacToe game;
    game.stones_ = start.stones;
    while (!game.is_over()) {
      std::uint16_t actions[9];
      const int n = game.legal(actions);
      const std::uint16_t action = actions[rng.below(static_cast<std::uint64_t>(n))];
      if (played) played->push_back(action);
      game.play(action);
    }
    return game.outcome();
  }
  void learn_reply(int /*action*/, ReplyCache& /*replies*/) const {}
  void priors(PriorKind /*kind*/, const RolloutWeights* /*weights*/, double* out) const {
    std::uint16_t actions[9];
    const int n = legal(actions);
    std::fill_n(out, 9, 0.0);
    for (int i = 0; i < n; ++i) out[actions[i]] = 1.0 / n;
  }

 private:
  static bool has_line(std::uint16_t s) {
    for (const int line : {0007, 0070, 0700, 0111, 0222, 0444, 0421, 0124})
      if ((s & line) == line) return true;
    return false;
  }

  std::array<std::uint16_t, 2> stones_{0, 0};
};

static_assert(Game<TicTacToe>);

}  // namespace ag
