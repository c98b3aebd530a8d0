#include "ag/go_game.hpp"

#include <bit>
#include <utility>

#include "ag/score.hpp"
#include "ag/symmetry.hpp"

namespace ag {

namespace {

Outcome outcome_of(double score0) { return {score0 > 0 ? 1 : score0 < 0 ? -1 : 0, static_cast<float>(score0)}; }

}  // namespace

template <int Cap>
Outcome GoGame<Cap>::outcome() const {
  const Rules& rules = position_.rules();
  const Board<Cap>& board = position_.board();
  const int points = rules.scoring == Scoring::kStones ? board.stones(BLACK).count() - board.stones(WHITE).count() : area_difference(board);
  return outcome_of(points - rules.komi - rules.white_bonus);
}

template <int Cap>
int GoGame<Cap>::legal(std::uint16_t* out) const {
  const auto& action = position_.board().tables().action;
  int n = 0;
  position_.legal(position_.to_play()).each([&](int bit) { out[n++] = action[static_cast<std::size_t>(bit)]; });
  out[n++] = static_cast<std::uint16_t>(n_actions() - 1);
  return n;
}

template <int Cap>
bool GoGame<Cap>::is_legal(int action) const {
  if (action == n_actions() - 1) return true;
  return action >= 0 && action < n_actions() && position_.legality(cell_of(action), position_.to_play()) == Legality::kLegal;
}

template <int Cap>
void GoGame<Cap>::play(int action) {
  const Color c = position_.to_play();
  if (action == n_actions() - 1)
    position_.pass(c);
  else
    position_.play(cell_of(action), c);
}

template <int Cap>
PositionKey GoGame<Cap>::key() const {
  constexpr std::size_t kSeen = 8;  // AlphaGo's planes count eight turns back, AlphaGo Zero's show eight boards
  PositionKey key;
  const Rules& rules = position_.rules();
  const auto& history = position_.history();
  const std::size_t turns = history.turns().size();
  key.add(static_cast<std::uint64_t>(position_.size()) | static_cast<std::uint64_t>(position_.to_play()) << 8 |
          static_cast<std::uint64_t>(rules.ko) << 16 | static_cast<std::uint64_t>(rules.suicide) << 24 |
          static_cast<std::uint64_t>(rules.scoring) << 32 | static_cast<std::uint64_t>(rules.pass_stones) << 40);
  key.add(std::bit_cast<std::uint64_t>(rules.komi));
  key.add(std::bit_cast<std::uint64_t>(rules.white_bonus));
  key.add(static_cast<std::uint64_t>(position_.captured(BLACK)) << 32 | static_cast<std::uint64_t>(position_.captured(WHITE)));
  key.add(static_cast<std::uint64_t>(position_.passes_by(BLACK)) << 32 | static_cast<std::uint64_t>(position_.passes_by(WHITE)));
  const std::size_t seen = turns < kSeen ? turns : kSeen;
  key.add(static_cast<std::uint64_t>(seen) << 32 | static_cast<std::uint64_t>(position_.consecutive_passes()));
  for (std::size_t i = 0; i < seen; ++i) {
    const Turn& t = history.turns()[turns - 1 - i];
    key.add(static_cast<std::uint64_t>(t.cell) << 8 | t.color | static_cast<std::uint64_t>(t.to_play) << 4);
  }
  for (std::size_t i = 0; i <= seen; ++i) key.add(history.hash(turns - i));
  const auto legal = position_.legal(position_.to_play());
  for (const std::uint64_t w : legal.w) key.add(w);
  key.add(static_cast<std::uint64_t>(position_.board().ko()) << 2 | position_.board().ko_color());
  return key;
}

template <int Cap>
int GoGame<Cap>::transformed(int symmetry, int action) const {
  const int n = position_.size();
  if (action == n * n) return action;
  const auto [row, column] = turned(symmetry, n, action / n, action % n);
  return row * n + column;
}

template <int Cap>
Outcome GoGame<Cap>::rollout(const RolloutStart& start, RolloutKind kind, const RolloutWeights* weights, Rng rng, const Replies& replies,
                             Actions* actions) {
  const PlayoutResult result = kind == RolloutKind::kSoftmax ? RolloutState<Cap>(start.start, *weights).finish({}, rng, actions, replies)
                                                             : light_playout(start.start, {}, rng, actions);
  return outcome_of(result.score - start.komi);
}

template <int Cap>
void GoGame<Cap>::learn_reply(int action, ReplyCache& replies) const {
  const int last = position_.last_cell(0);
  if (!last || action == n_actions() - 1) return;
  const Board<Cap>& board = position_.board();
  const int cell = cell_of(action);
  replies.learn(position_.to_play(), last, pattern_key3(board, last), cell, pattern_key3(board, cell));
}

template <int Cap>
void GoGame<Cap>::priors(PriorKind kind, const RolloutWeights* weights, double* out) const {
  if (kind == PriorKind::kTree)
    tree_probabilities(position_, *weights, out);
  else
    rollout_probabilities(position_, *weights, out);
}

template class GoGame<9>;
template class GoGame<13>;
template class GoGame<19>;
static_assert(Game<GoGame<9>>);

}  // namespace ag
