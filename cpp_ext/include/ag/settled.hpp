/// The end of a game as playouts see it: whose each point is, which points are still open, and the score without dead stones.
#pragma once

#include <array>
#include <cstdint>

#include "ag/position.hpp"
#include "ag/rollout.hpp"
#include "ag/score.hpp"

namespace ag {

template <int Cap>
class Settled {
 public:
  using G = Geometry<Cap>;

  /// Softmax playouts from the position, half of them with each colour to move; past passes and a ko do not count.
  Settled(const Position<Cap>& position, const RolloutWeights& weights, int playouts, std::uint64_t seed);

  /// Whether this is what the constructor would make of the position, given the same weights, playouts and seed.
  bool is_of(const Position<Cap>& position) const {
    const Board<Cap>& board = position.board();
    return board.stones(BLACK) == board_.stones(BLACK) && board.stones(WHITE) == board_.stones(WHITE) && board.ko() == board_.ko();
  }

  /// The mean owner of a point, by bit: -1..1, black positive.
  double owner(int bit) const { return static_cast<double>(sum_[static_cast<std::size_t>(bit)]) / playouts_; }

  /// The point goes to neither colour in three playouts of four.
  bool is_open(int bit) const { return owner(bit) < kOpen && owner(bit) > -kOpen; }

  /// Stones and land of either colour, once the chains are lifted that most playouts lose and that are not unconditionally
  /// alive. Quicker and coarser than `alphago.search.status`: a seki that playouts lose counts as dead.
  Ownership<Cap> area() const;

  /// Black's area minus white's, in points, without komi.
  int score() const;

 private:
  static constexpr double kOpen = 0.5;

  Board<Cap> board_;
  int playouts_;
  std::array<std::int32_t, G::kSpan> sum_{};
};

}  // namespace ag
