/// Networks that no simulation waits for: AlphaGo's queues (Nature 529, Methods, "Search algorithm", evaluation and backup).
#include <cmath>

#include "ag/games.hpp"
#include "ag/search.hpp"

namespace ag {

/// One of the networks that there are was not asked about the position.
template <Game G>
bool Search<G>::lacks_answer(const Node& n) const {
  return (engine_.policy >= 0 && n.expanded && !n.asked_policy) || (engine_.value >= 0 && !n.asked);
}

template <Game G>
bool Search<G>::is_to_ask(const Node& n, std::uint32_t visits) const {
  return visits >= static_cast<std::uint32_t>(engine_.params.network_threshold) && lacks_answer(n);
}

/// A tree that is kept may begin with a position that was expanded and never asked about: it waits for its answer like a root that is new.
template <Game G>
bool Search<G>::waits_for_root(std::vector<Request>& requests) {
  if (root_waits_ && n_late() > 0) return true;
  root_waits_ = tree_.node(root_).expanded && !is_root_known();
  if (!root_waits_) return false;
  Simulation<G> s;
  ask_late(s, root_, requests);
  return true;
}

/// The game is at the position, the simulation's path ends there.
template <Game G>
void Search<G>::ask_late(Simulation<G>& s, Ref ref, std::vector<Request>& requests) {
  Node& n = tree_.node(ref);
  s.has_asked = true;
  s.leaf = ref;
  s.moves.resize(static_cast<std::size_t>(game_.n_actions()));
  s.moves.resize(static_cast<std::size_t>(game_.legal(s.moves.data())));
  const bool cut = drop_banned(s.moves, s.path.size());
  s.key = game_.key();
  s.symmetry = engine_.params.symmetry_kind() == SymmetryKind::kRandom ? static_cast<int>(mix64(seed_ ^ s.key.a) & 7) : 0;
  if (cut) s.key.add(bans_hash_ ^ mix64(s.path.size()));
  if (engine_.policy >= 0 && n.expanded && !n.asked_policy) {
    n.asked_policy = 1;
    request_late(s, 0, requests);
  }
  if (engine_.value >= 0 && !n.asked) {
    n.asked = 1;
    request_late(s, 1, requests);
  }
}

/// A cached answer takes its place in the queue like any other, so that the cache does not change the tree.
template <Game G>
void Search<G>::request_late(const Simulation<G>& s, int index, std::vector<Request>& requests) {
  LateQueue<G>& queue = late_[static_cast<std::size_t>(index)];
  const std::size_t place = queue.at(queue.n++);
  Simulation<G>& late = queue.entries[place];
  const bool policy = index == 0;
  late.path = s.path;
  late.leaf = s.leaf;
  late.key = s.key;
  late.symmetry = s.symmetry;
  late.moves.clear();
  if (policy) late.moves = s.moves;
  late.evaluation.has_policy = late.evaluation.has_value = false;
  const int network = policy ? engine_.policy : engine_.value;
  const bool found = find_cached(late, network, policy, !policy);
  queue.served[place].store(found, std::memory_order_relaxed);
  if (queue.n % static_cast<std::size_t>(engine_.params.late_evaluations) == 0) send_late(index, requests);
}

/// Hands over what waits: a group at a time, since a network takes as long for one position as for a few.
template <Game G>
void Search<G>::send_late(int index, std::vector<Request>& requests) {
  LateQueue<G>& queue = late_[static_cast<std::size_t>(index)];
  Request r;
  r.slot = slot_;
  r.search = static_cast<std::uint8_t>(index_);
  r.round = static_cast<std::uint8_t>(kMaxRounds + index);
  r.policy = index == 0;
  r.value = !r.policy;
  r.network = r.policy ? engine_.policy : engine_.value;
  for (; queue.sent < queue.n; ++queue.sent) {
    const std::size_t place = queue.at(queue.sent);
    if (queue.served[place].load(std::memory_order_relaxed)) continue;  // by the cache
    r.simulation = static_cast<std::uint16_t>(place);
    requests.push_back(r);
  }
}

template <Game G>
LateQueue<G>* Search<G>::overdue() {
  const SearchParams& p = engine_.params;
  for (LateQueue<G>& queue : late_)
    if (queue.n > 0 && queue.n >= static_cast<std::size_t>(p.late_evaluations) * static_cast<std::size_t>(p.late_groups)) return &queue;
  return nullptr;
}

/// AlphaGo's second backward pass: values count as evaluations along the path that was gone when they were asked; visits are rollouts'.
template <Game G>
void Search<G>::back_up_late(LateQueue<G>& queue, std::size_t count) {
  for (; count > 0; --count) {
    Simulation<G>& s = queue.entries[queue.at(0)];
    if (s.evaluation.has_policy) take_priors(s);
    if (s.evaluation.has_value) {
      double value0 = 0, win0 = 0, lead0 = std::nan("");
      take_value(s, value0, win0, lead0);
      const auto add = [&](Edge& e, double sign) {
        ++e.n_v;
        e.w_v += sign * value0;
        e.win += sign * win0;
        if (std::isnan(lead0)) return;
        ++e.n_lead;
        e.lead += sign * lead0;
      };
      for (const Step& step : s.path) {
        const Node& n = tree_.node(step.node);
        add(tree_.edges(n)[step.edge], n.side == 0 ? 1 : -1);
      }
      add(root_edge_, tree_.node(root_).side == 0 ? -1 : 1);
    }
    queue.first = queue.at(1);
    --queue.n;
    --queue.sent;
  }
}

#define AG_INSTANTIATE(G)                                                                             \
  template bool Search<G>::lacks_answer(const Node&) const;                                           \
  template bool Search<G>::is_to_ask(const Node&, std::uint32_t) const;                               \
  template bool Search<G>::waits_for_root(std::vector<Request>&);                                     \
  template void Search<G>::ask_late(Simulation<G>&, Ref, std::vector<Request>&);                      \
  template void Search<G>::request_late(const Simulation<G>&, int, std::vector<Request>&);            \
  template void Search<G>::send_late(int, std::vector<Request>&);                                    \
  template LateQueue<G>* Search<G>::overdue();                                                        \
  template void Search<G>::back_up_late(LateQueue<G>&, std::size_t);
AG_FOR_EACH_GAME(AG_INSTANTIATE)

}  // namespace ag
