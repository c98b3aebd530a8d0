/// Games played by policies without search, many at a time: planes out, logits in, moves drawn and played.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "ag/any_position.hpp"
#include "ag/go_game.hpp"
#include "ag/rollout_weights.hpp"
#include "ag/settled.hpp"

namespace ag {

/// What a row of play() gives back.
struct DrawnMove {
  std::int32_t action;
  float log_prob;  ///< under the probabilities that it was drawn with, nats
};

/// Thread safety: different games may be used by different threads at a time.
class PolicyGames {
 public:
  /// With `settle`, games end as bots end theirs: where a pass is drawn while points are open, the likeliest of these is played
  /// in its place, and dead stones are lifted before the count; both as softmax playouts of these weights see it (ag/settled.hpp).
  /// Under territory and stone scoring, where a move at home costs a point, a pass stays a pass.
  /// Throws std::invalid_argument: no games, or a start where nothing can be played.
  PolicyGames(const AnyPosition& start, std::int64_t count, int max_moves, std::shared_ptr<const RolloutWeights> settle = nullptr);

  std::int64_t count() const { return count_; }
  int size() const { return start_.size(); }
  int n_actions() const { return start_.area_size() + 1; }

  /// Begins a game anew from the start position. Its draws are a function of the seed and of the number of the move alone.
  void begin(std::int64_t game, std::uint64_t seed);

  bool is_over(std::int64_t game) const;
  int to_play(std::int64_t game) const;
  int move_count(std::int64_t game) const;

  /// Area less komi and handicap bonus, for black: of the board as it stands, or without its dead stones.
  float score(std::int64_t game) const;

  /// Whose each point is in that count: [area], 1 black, -1 white, 0 nobody's.
  void owners(std::int64_t game, std::int8_t* out) const;

  AnyPosition position(std::int64_t game) const;

  /// Inputs of a game's position under a symmetry (0 to 7), row-major: planes [n_planes, size, size], globals [7].
  void write(std::int64_t game, FeatureSet set, int symmetry, float* planes, float* globals) const;

  /// Legal moves of the side to move: [n_actions], the pass last.
  void write_mask(std::int64_t game, std::uint8_t* mask) const;

  /// Draws from the softmax of logits / temperature over the legal moves, and plays; temperature 0 takes the largest logit, of
  /// equal ones the first. What is given back is what was drawn: a pass, too, where an open point is played in its place. Throws std::invalid_argument where the game is over or a legal move's logit is not finite.
  DrawnMove play(std::int64_t game, const float* logits, double temperature);

  /// Throws std::invalid_argument unless 0 <= game < count().
  void check(std::int64_t game) const;

 private:
  template <class F>
  decltype(auto) visit(std::int64_t game, F&& f) const {
    return std::visit([&](const auto& games) -> decltype(auto) { return f(games[static_cast<std::size_t>(game)]); }, games_);
  }
  template <class F>
  decltype(auto) visit(std::int64_t game, F&& f) {
    return std::visit([&](auto& games) -> decltype(auto) { return f(games[static_cast<std::size_t>(game)]); }, games_);
  }

  /// How a game's position is settled, kept until its stones change: a game ends by passes and a count of the same stones.
  template <int Cap>
  const Settled<Cap>& settled(std::int64_t game, const Position<Cap>& position) const;

  template <int Cap>
  std::uint16_t instead_of_passing(std::int64_t game, const GoGame<Cap>& g, const std::uint16_t* legal, int n, const float* logits) const;

  template <int Cap>
  using Kept = std::vector<std::shared_ptr<const Settled<Cap>>>;

  AnyPosition start_;
  std::int64_t count_;
  int max_moves_;
  std::shared_ptr<const RolloutWeights> settle_;
  std::vector<std::uint64_t> seeds_;
  std::variant<std::vector<GoGame<9>>, std::vector<GoGame<13>>, std::vector<GoGame<19>>> games_;
  mutable std::variant<Kept<9>, Kept<13>, Kept<19>> settled_;
};

}  // namespace ag
