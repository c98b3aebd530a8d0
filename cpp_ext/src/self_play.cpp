/// Games that play themselves: the move after each search, the record, resignation, the end.
#include "ag/pool_impl.hpp"

namespace ag {

template <Game G>
bool Pool<G>::is_lost(const Search<G>& search) const {
  const SearchParams& p = search.engine().params;
  if (p.resign_threshold <= -1) return false;
  return search.root_value() < p.resign_threshold && search.best_child_value() < p.resign_threshold;
}

template <Game G>
void Pool<G>::finish(Slot& slot, const char* ended, const Outcome& outcome) {
  slot.record.ended = ended;
  slot.record.outcome = outcome;
  games_.fetch_add(1, std::memory_order_relaxed);
  slot.idle = true;  // before anybody can see the record: who takes it may start the next game here
  const std::scoped_lock lock(mutex_);
  finished_.push_back(std::move(slot.record));
}

/// Plays the move of a finished search; false when the game is over.
template <Game G>
bool Pool<G>::play_move(Slot& slot) {
  Search<G>& search = active(slot);
  const SearchParams& p = search.engine().params;
  const int side = search.game().side();
  GameRecord& record = slot.record;
  record.simulations += search.simulations();

  int& below = slot.turns_below_threshold[side];
  below = is_lost(search) ? below + 1 : 0;
  if (below >= p.resign_turns && search.game().turn() >= p.resign_min_turn && !record.no_resign) {
    const int winner0 = side == 0 ? -1 : 1;
    finish(slot, "resign", {winner0, std::numeric_limits<float>::quiet_NaN()});
    return false;
  }

  const int action = search.choose_move();
  const NodeReport report = search.report(true);
  record.moves.push_back(static_cast<std::uint16_t>(action));
  record.colors.push_back(static_cast<std::uint8_t>(side + 1));
  record.root_value.push_back(static_cast<float>(report.value));
  for (std::size_t i = 0; i < report.actions.size(); ++i) {
    if (!report.visit_counts[i] && p.root_kind() == ChooserKind::kPuct) continue;  // Gumbel's target covers every legal move
    record.visit_actions.push_back(report.actions[i]);
    record.visit_counts.push_back(report.visit_counts[i]);
    record.target.push_back(static_cast<float>(report.target[i]));
  }
  record.visit_offsets.push_back(static_cast<std::int64_t>(record.visit_actions.size()));
  for (int i = 0; i < slot.n_searches; ++i) slot.searches[i]->play(action);
  moves_.fetch_add(1, std::memory_order_relaxed);

  const G& game = slot.searches[0]->game();
  if (game.is_over()) {
    bool by_passes = true;
    if constexpr (!std::is_same_v<G, TicTacToe>) by_passes = game.position().consecutive_passes() >= 2;
    finish(slot, by_passes ? "passes" : "max_moves", game.outcome());
    return false;
  }
  if (context_.stop) return false;
  Search<G>& next = active(slot);
  next.ask(next.engine().params.simulations);
  return true;
}

template <Game G>
std::vector<GameRecord> Pool<G>::finished() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(finished_, {});
}

#define AG_INSTANTIATE(G)                                            \
  template bool Pool<G>::is_lost(const Search<G>&) const;            \
  template void Pool<G>::finish(Slot&, const char*, const Outcome&); \
  template std::vector<GameRecord> Pool<G>::finished();              \
  template bool Pool<G>::play_move(Slot&);
AG_FOR_EACH_GAME(AG_INSTANTIATE)

}  // namespace ag
