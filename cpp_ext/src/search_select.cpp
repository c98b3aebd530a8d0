/// How a simulation chooses its way: PUCT and Gumbel, as docs/search.md defines them.
#include <algorithm>
#include <cmath>

#include "ag/best.hpp"
#include "ag/games.hpp"
#include "ag/search.hpp"

namespace ag {

template <Game G>
double Search<G>::q_of(const Edge& e, double virtual_loss) const {
  const double lost = virtual_loss * e.in_flight;
  const double lambda = engine_.params.rollout_weight;
  if (!rollouts_on()) {
    const double n = e.n_v + lost;
    return n > 0 ? (e.w_v - lost) / n : 0;
  }
  const double n_r = e.n_r + lost;
  if (n_r > 0 && e.n_v > 0) return (1 - lambda) * (e.w_v / e.n_v) + lambda * ((e.w_r - lost) / n_r);
  if (n_r > 0) return (e.w_r - lost) / n_r;
  return e.n_v > 0 ? e.w_v / e.n_v : 0;
}

template <Game G>
double Search<G>::exploration(double sum) const {
  const SearchParams& p = engine_.params;
  switch (p.puct_kind()) {
    case PuctKind::kAlphago: return p.c_puct * std::sqrt(sum);
    case PuctKind::kZero: return p.c_puct * std::sqrt(std::max(sum, 1.0));
    default: return (std::log((1 + sum + p.c_base) / p.c_base) + p.c_init) * std::sqrt(sum + 1);
  }
}

template <Game G>
int Search<G>::choose(const Node& n, const Edge& incoming, bool at_root) {
  const SearchParams& p = engine_.params;
  if (at_root && p.root_kind() == ChooserKind::kGumbel) return choose_gumbel_root(n);
  if (!at_root && p.interior_kind() == ChooserKind::kGumbel) return choose_gumbel_interior(n, incoming);
  return p.rave_on() && n.later ? choose_rave(n, incoming, at_root) : choose_puct(n, incoming, at_root);
}

template <Game G>
double Search<G>::first_play_urgency(const Node& n, const Edge& incoming, bool at_root) const {
  const SearchParams& p = engine_.params;
  if (p.fpu_kind() == FpuKind::kValue) return p.fpu_value;
  double mass = 0;
  for (int i = 0; i < n.n_edges; ++i)
    if (const Edge& e = tree_.edges(n)[i]; is_considered(e)) mass += static_cast<double>(e.prior);
  return mean_value(incoming) - (at_root ? p.fpu_root_reduction : p.fpu_reduction) * std::sqrt(mass);
}

template <Game G>
int Search<G>::choose_puct(const Node& n, const Edge& incoming, bool at_root) const {
  const SearchParams& p = engine_.params;
  const Edge* edges = tree_.edges(n);
  const double sum = n.sum_visits + p.virtual_loss * n.sum_in_flight;
  const double factor = exploration(sum);
  const double fpu = first_play_urgency(n, incoming, at_root);
  const double forced = at_root ? p.forced_playouts * sum : 0;
  Best best;
  for (int i = 0; i < n.n_edges; ++i) {
    const Edge& e = edges[i];
    const double count = this->count(e);
    double score = factor * static_cast<double>(e.prior) / (1 + count);
    score += is_considered(e) ? q_of(e, p.virtual_loss) : fpu;
    if (forced > 0 && count > 0 && count < std::sqrt(forced * static_cast<double>(e.prior))) score = 1e20;
    best.offer(i, score, e.prior, e.action);
  }
  if (n.n_edges < n.n_moves) {
    const float prior = tree_.priors(n)[n.n_edges];
    best.offer(n.n_edges, fpu + factor * static_cast<double>(prior), prior, tree_.moves(n)[n.n_edges]);
  }
  return best.entry;
}

template <Game G>
double Search<G>::max_count(const Node& n) const {
  double most = 0;
  for (int i = 0; i < n.n_edges; ++i) most = std::max(most, count(tree_.edges(n)[i]));
  return most;
}

template <Game G>
double Search<G>::sigma(double q, double max_count) const {
  return (engine_.params.gumbel_c_visit + max_count) * engine_.params.gumbel_c_scale * (q + 1) / 2;
}

template <Game G>
double Search<G>::mixed_value(const Node& n, const Edge& incoming) const {
  const double own = n.valued ? static_cast<double>(n.value) : mean_value(incoming);
  double mass = 0, weighted = 0;
  for (int i = 0; i < n.n_edges; ++i) {
    const Edge& e = tree_.edges(n)[i];
    if (!is_considered(e)) continue;
    mass += static_cast<double>(e.prior);
    weighted += static_cast<double>(e.prior) * q_of(e, engine_.params.virtual_loss);
  }
  if (mass <= 0) return own;
  const double sum = n.sum_visits + engine_.params.virtual_loss * n.sum_in_flight;
  return (own + sum * (weighted / mass)) / (1 + sum);
}

template <Game G>
int Search<G>::choose_gumbel_root(const Node& n) const {
  const double most = max_count(n);
  const double unvisited = sigma(mixed_value(n, root_edge_), most);
  const auto step = static_cast<std::size_t>(selected_);
  const double wanted = step < sequence_.size() ? sequence_[step] : 0;
  Best best, any;
  for (int i = 0; i < n.n_moves; ++i) {
    const bool tried = i < n.n_edges && is_considered(tree_.edges(n)[i]);
    const float prior = tree_.priors(n)[i];
    const std::uint16_t action = tree_.moves(n)[i];
    const double value = tried ? sigma(q_of(tree_.edges(n)[i], engine_.params.virtual_loss), most) : unvisited;
    const double score = gumbel_[action] + std::log(std::max(static_cast<double>(prior), 1e-30)) + value;
    const double visits = i < n.n_edges ? this->visits(tree_.edges(n)[i]) + tree_.edges(n)[i].in_flight : 0;
    if (visits == wanted) best.offer(i, score, prior, action);
    any.offer(i, score, prior, action);
  }
  return best.action == 0xffff ? any.entry : best.entry;
}

template <Game G>
int Search<G>::choose_gumbel_interior(const Node& n, const Edge& incoming) const {
  const double most = max_count(n);
  const double unvisited = sigma(mixed_value(n, incoming), most);
  double highest = unvisited;
  for (int i = 0; i < n.n_edges; ++i)
    if (is_considered(tree_.edges(n)[i])) highest = std::max(highest, sigma(q_of(tree_.edges(n)[i], engine_.params.virtual_loss), most));
  const auto weight = [&](int i) {
    const bool tried = i < n.n_edges && is_considered(tree_.edges(n)[i]);
    const double value = tried ? sigma(q_of(tree_.edges(n)[i], engine_.params.virtual_loss), most) : unvisited;
    return static_cast<double>(tree_.priors(n)[i]) * std::exp(value - highest);
  };
  double total = 0, rest = 0;
  for (int i = 0; i < n.n_edges; ++i) total += weight(i);
  for (int i = n.n_edges; i < n.n_moves; ++i) rest += static_cast<double>(tree_.priors(n)[i]);
  total += rest * std::exp(unvisited - highest);
  const double sum = n.sum_visits + engine_.params.virtual_loss * n.sum_in_flight;
  Best best;
  for (int i = 0; i < std::min<int>(n.n_moves, n.n_edges + 1); ++i) {
    const double visited = i < n.n_edges ? count(tree_.edges(n)[i]) : 0;
    best.offer(i, weight(i) / total - visited / (1 + sum), tree_.priors(n)[i], tree_.moves(n)[i]);
  }
  return best.entry;
}

#define AG_INSTANTIATE(G)                                                          \
  template double Search<G>::q_of(const Edge&, double) const;                      \
  template double Search<G>::exploration(double) const;                            \
  template double Search<G>::first_play_urgency(const Node&, const Edge&, bool) const; \
  template int Search<G>::choose(const Node&, const Edge&, bool);                  \
  template double Search<G>::max_count(const Node&) const;                         \
  template double Search<G>::sigma(double, double) const;                          \
  template double Search<G>::mixed_value(const Node&, const Edge&) const;
AG_FOR_EACH_GAME(AG_INSTANTIATE)

}  // namespace ag
