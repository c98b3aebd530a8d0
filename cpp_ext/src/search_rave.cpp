/// Rapid action value estimation (Gelly and Silver 2007): what a move was worth whenever it was played later.
#include <array>
#include <cmath>

#include "ag/best.hpp"
#include "ag/games.hpp"
#include "ag/search.hpp"

namespace ag {

namespace {

constexpr double kFirstLater = 4;  ///< simulations that first-play urgency counts for before anything is known of a move

}  // namespace

/// PUCT whose Q is mixed with the value of the move played later: beta = m / (n + m + n m / rave), for n visits of the move and
/// m simulations that played it later (Silver 2009, the schedule of least squared error).
template <Game G>
int Search<G>::choose_rave(const Node& n, const Edge& incoming, bool at_root) const {
  const SearchParams& p = engine_.params;
  const double factor = exploration(n.sum_visits + p.virtual_loss * n.sum_in_flight);
  const double fpu = first_play_urgency(n, incoming, at_root);
  const std::uint16_t* moves = tree_.moves(n);
  const float* priors = tree_.priors(n);
  const Later* later = tree_.later(n);
  Best best;
  for (int i = 0; i < n.n_moves; ++i) {
    const Later& l = later[moves[i]];
    const double m = static_cast<double>(l.n) + kFirstLater;
    const double value = (static_cast<double>(l.w) + kFirstLater * fpu) / m;
    double q = value, visits = 0;
    if (i < n.n_edges) {
      const Edge& e = tree_.edges(n)[i];
      visits = count(e);
      if (visits > 0) {
        const double beta = m / (visits + m + visits * m / p.rave);
        q = beta * value + (1 - beta) * q_of(e, p.virtual_loss);
      }
    }
    best.offer(i, q + factor * static_cast<double>(priors[i]) / (1 + visits), priors[i], moves[i]);
  }
  return best.entry;
}

/// Every node on the way learns which points its side was the first to play on, there or later, and how the simulation ended.
template <Game G>
void Search<G>::learn_later(const Simulation<G>& s, double result0) {
  std::array<std::int8_t, kMaxActions> first;  // side + 1 of the first play; 0: nobody's
  const int n_placed = game_.n_placed();
  std::fill_n(first.begin(), game_.n_actions(), std::int8_t{0});
  int side = tree_.node(s.leaf).side ^ static_cast<int>(s.playout.size() & 1);
  for (auto a = s.playout.rbegin(); a != s.playout.rend(); ++a) {
    side ^= 1;
    first[*a] = static_cast<std::int8_t>(side + 1);
  }
  for (auto step = s.path.rbegin(); step != s.path.rend(); ++step) {
    const Node& n = tree_.node(step->node);
    first[tree_.edges(n)[step->edge].action] = static_cast<std::int8_t>(n.side + 1);
    if (!n.later) continue;
    Later* later = tree_.later(n);
    const auto mine = static_cast<std::int8_t>(n.side + 1);
    const auto result = static_cast<float>(n.side == 0 ? result0 : -result0);
    for (int a = 0; a < n_placed; ++a) {
      const float count = first[static_cast<std::size_t>(a)] == mine ? 1.0f : 0.0f;
      later[a].n += count;
      later[a].w += count * result;
    }
  }
}

#define AG_INSTANTIATE(G)                                                         \
  template int Search<G>::choose_rave(const Node&, const Edge&, bool) const;      \
  template void Search<G>::learn_later(const Simulation<G>&, double);
AG_FOR_EACH_GAME(AG_INSTANTIATE)

}  // namespace ag
