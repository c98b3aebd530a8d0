/// Rounds of simulations: descent, requests, back-up, memory.
#include "ag/search.hpp"

#include <algorithm>
#include <cmath>

#include "ag/games.hpp"

namespace ag {

template <Game G>
G Search<G>::make_empty() {
  return empty_game<G>();
}

template <Game G>
void Search<G>::reset(const G& game, const EngineSetup& engine, std::uint64_t seed, std::size_t limit) {
  game_ = game;
  engine_ = engine;
  seed_ = seed;
  tree_.reset(limit);
  tree_.count_later(engine.params.rave_on() ? game.n_actions() : 0);
  first_round_ = n_rounds_ = 0;
  const SearchParams& p = engine.params;
  // A round that begins when there is room for one more may ask once for every leaf.
  const int most = is_late() ? p.late_evaluations * p.late_groups + p.leaves_in_flight : 0;
  for (LateQueue<G>& queue : late_) queue.reset(static_cast<std::size_t>(most));
  if (engine.params.rollout_cache) replies_.clear();
  for (auto& by_action : banned_until_) by_action.clear();
  bans_hash_ = 0;
  new_root();
}

template <Game G>
void Search<G>::restrict(const std::vector<Ban>& bans) {
  for (const Ban& b : bans)
    if (b.side < 0 || b.side > 1 || b.action < 0 || b.action >= game_.n_actions() || b.until < 0)
      throw std::invalid_argument("a ban needs side 0 or 1, action 0.." + std::to_string(game_.n_actions() - 1) + " and plies from 0 on");
  if (bans.empty() && bans_hash_ == 0) return;
  for (auto& by_action : banned_until_) by_action.assign(bans.empty() ? 0 : static_cast<std::size_t>(game_.n_actions()), 0);
  bans_hash_ = 0;
  for (const Ban& ban : bans) {
    std::uint16_t& until = banned_until_[static_cast<std::size_t>(ban.side)][static_cast<std::size_t>(ban.action)];
    until = static_cast<std::uint16_t>(std::max<int>(until, std::min(ban.until, 0xffff)));
  }
  for (const auto& by_action : banned_until_)
    for (const std::uint16_t until : by_action) bans_hash_ = mix64(bans_hash_ + until + 1);
  new_root();
}

/// Takes banned moves out; true when there were any. All of them stay when none would be left.
template <Game G>
bool Search<G>::drop_banned(std::vector<std::uint16_t>& moves, std::size_t ply) const {
  if (bans_hash_ == 0) return false;
  const auto& until = banned_until_[static_cast<std::size_t>(game_.side())];
  const auto banned = [&](std::uint16_t a) { return until[a] > ply; };
  const auto n = std::count_if(moves.begin(), moves.end(), banned);
  if (n == 0 || n == static_cast<std::ptrdiff_t>(moves.size())) return false;
  moves.erase(std::remove_if(moves.begin(), moves.end(), banned), moves.end());
  return true;
}

template <Game G>
void Search<G>::new_root() {
  tree_.clear();
  tree_.ensure(sizeof(Node) + 8);
  root_ = tree_.add_node(game_.side(), game_.is_over());
  root_edge_ = {};
  root_prepared_ = false;
  asked_ = selected_ = 0;
  wants_root_ = false;
}

template <Game G>
void Search<G>::ask(std::int64_t simulations) {
  if (engine_.params.root_kind() == ChooserKind::kGumbel) {
    new_root();
    std::uint16_t moves[kMaxActions];
    const int considered = std::min(engine_.params.gumbel_considered, game_.legal(moves));
    sequence_ = gumbel_sequence(considered, static_cast<int>(simulations));
  }
  asked_ += simulations;
  wants_root_ = true;
}

template <Game G>
void Search<G>::play(int action) {
  Ref child = 0;
  Edge edge{};
  const Node& root = tree_.node(root_);
  if (engine_.params.reuse_tree && engine_.params.root_kind() == ChooserKind::kPuct && root.n_edges)
    for (int i = 0; i < root.n_edges; ++i)
      if (tree_.edges(root)[i].action == action) {
        edge = tree_.edges(root)[i];
        child = edge.child;
      }
  game_.play(action);
  if (bans_hash_ != 0) {
    restrict({});
    return;
  }
  if (!child) {
    new_root();
    return;
  }
  root_ = tree_.keep(child, 0);
  root_edge_ = edge;
  root_prepared_ = false;
  asked_ = selected_ = 0;
  wants_root_ = false;
}

template <Game G>
bool Search<G>::advance(std::vector<Request>& requests, int rounds) {
  for (;;) {
    if (LateQueue<G>* const queue = overdue()) {
      const auto count = static_cast<std::size_t>(engine_.params.late_evaluations);
      if (!queue->are_served(count)) return false;
      back_up_late(*queue, count);
      continue;
    }
    if (n_rounds_ < engine_.params.rounds_in_flight && select_round(requests)) continue;
    if (n_rounds_ == 0 && n_late() > 0) {
      send_late(0, requests);
      send_late(1, requests);
      for (LateQueue<G>& queue : late_)
        if (!queue.are_served(queue.n)) return false;
      for (LateQueue<G>& queue : late_) back_up_late(queue, queue.n);
      continue;
    }
    if (n_rounds_ == 0) return false;
    Round<G>& front = rounds_[static_cast<std::size_t>(first_round_)];
    if (front.pending.load(std::memory_order_acquire) > 0) return false;
    if (rounds-- == 0) return true;
    for (int i = 0; i < front.n; ++i) back_up(front.simulations[static_cast<std::size_t>(i)]);
    first_round_ = (first_round_ + 1) % kMaxRounds;
    --n_rounds_;
  }
}

template <Game G>
bool Search<G>::select_round(std::vector<Request>& requests) {
  if (!wants_more() || context_.stop.load(std::memory_order_relaxed) || waits_for_root(requests)) return false;
  const auto leaves = static_cast<std::size_t>(engine_.params.leaves_in_flight);
  // Rounds that wait still list the moves of their leaves, so every round in flight has its share.
  const std::size_t bytes = Tree::bytes_per_simulation(game_.n_actions(), engine_.params.rave_on()) * leaves * static_cast<std::size_t>(engine_.params.rounds_in_flight);
  if (!tree_.ensure(bytes)) {
    if (in_flight()) return false;
    prune();
    tree_.ensure(bytes);
  }
  if (tree_.node(root_).expanded && !root_prepared_) prepare_root();
  const int index = (first_round_ + n_rounds_) % kMaxRounds;
  Round<G>& round = rounds_[static_cast<std::size_t>(index)];
  if (round.simulations.size() < leaves) round.simulations.resize(leaves);
  round.n = 0;
  round.pending.store(0, std::memory_order_relaxed);
  ++n_rounds_;
  while (round.n < static_cast<int>(leaves) && wants_more()) {
    Simulation<G>& s = round.simulations[static_cast<std::size_t>(round.n)];
    if (!descend(s, round, requests)) break;
    ++round.n;
    if (s.path.empty()) break;  // the root's own evaluation comes before everything
    ++selected_;
  }
  if (round.n == 0) --n_rounds_;
  return round.n > 0;
}

template <Game G>
bool Search<G>::descend(Simulation<G>& s, Round<G>& round, std::vector<Request>& requests) {
  s.path.clear();
  s.has_asked = false;
  Ref ref = root_;
  const bool at_leaf_already = !tree_.node(root_).expanded;
  if (at_leaf_already) {
    if (tree_.node(root_).waiting) return false;
    s.leaf = root_;
    prepare_leaf(s, round, requests);
    return true;
  }
  const typename G::Mark mark = game_.mark();
  const Edge* incoming = &root_edge_;
  const bool by_visits = asks_by_visits();
  for (;;) {
    Node& n = tree_.node(ref);
    if (n.over || !n.expanded) break;
    if (by_visits && !s.has_asked && is_to_ask(n, visits(*incoming))) ask_late(s, ref, requests);
    if (engine_.params.rollout_cache) learn_reply(n);
    const int entry = choose(n, *incoming, ref == root_);
    const int index = entry < n.n_edges ? entry : tree_.add_edge(ref, entry);
    Edge& e = tree_.edges(n)[index];
    ++e.in_flight;
    ++n.sum_in_flight;
    s.path.push_back({ref, static_cast<std::uint16_t>(index)});
    game_.play(e.action);
    if (!e.child) e.child = tree_.add_node(game_.side(), game_.is_over());
    ref = e.child;
    incoming = &e;
  }
  s.leaf = ref;
  const bool taken = !tree_.node(ref).waiting || rollouts_on();
  taken ? prepare_leaf(s, round, requests) : take_back(s);
  game_.rewind(mark);
  return taken;
}

/// The most visited move here is the answer that rollouts may repeat.
template <Game G>
void Search<G>::learn_reply(const Node& n) {
  const Edge* best = nullptr;
  for (int i = 0; i < n.n_edges; ++i)
    if (const Edge& e = tree_.edges(n)[i]; visits(e) > 0 && (!best || visits(e) > visits(*best))) best = &e;
  if (best) game_.learn_reply(best->action, replies_);
}

template <Game G>
void Search<G>::take_back(Simulation<G>& s) {
  for (const Step& step : s.path) {
    Node& n = tree_.node(step.node);
    --tree_.edges(n)[step.edge].in_flight;
    --n.sum_in_flight;
  }
}

template <Game G>
void Search<G>::prepare_leaf(Simulation<G>& s, Round<G>& round, std::vector<Request>& requests) {
  const SearchParams& p = engine_.params;
  Node& n = tree_.node(s.leaf);
  const bool at_root = s.path.empty();
  const bool rollouts = rollouts_on();
  s.terminal = n.over;
  s.expand = s.new_priors = s.has_value = s.has_rollout = false;
  s.moves.clear();
  s.playout.clear();
  s.evaluation.has_policy = s.evaluation.has_value = false;
  bool cut = false;
  if (s.terminal) {
    s.outcome = game_.outcome();
    return;
  }
  const std::uint32_t before = at_root ? 0 : visits(tree_.edges(tree_.node(s.path.back().node))[s.path.back().edge]);
  const bool due = at_root || !rollouts || before >= static_cast<std::uint32_t>(p.expansion_threshold);
  bool value = engine_.value >= 0 && !n.asked;
  bool policy = false;
  if (is_joint()) {
    policy = value;  // one answer gives both; the priors wait in the node until they are due
    s.expand = due && (value || n.moves);
  } else {
    s.expand = due;
    policy = due && engine_.policy >= 0 && !n.waiting;
  }
  if ((s.expand || policy) && !n.moves) {
    s.moves.resize(static_cast<std::size_t>(game_.n_actions()));
    s.moves.resize(static_cast<std::size_t>(game_.legal(s.moves.data())));
    cut = drop_banned(s.moves, s.path.size());
    const bool placeholder = rollouts && engine_.policy >= 0 && !is_joint() && !at_root;
    if (engine_.policy < 0 || placeholder) {
      auto& priors = s.evaluation.priors;
      priors.resize(s.moves.size());
      if (p.prior_kind() == PriorKind::kUniform) {
        std::fill(priors.begin(), priors.end(), 1.0f / static_cast<float>(s.moves.size()));
      } else {
        double by_action[kMaxActions];
        game_.priors(p.prior_kind(), context_.weights, by_action);
        double sum = 0;
        for (const std::uint16_t a : s.moves) sum += by_action[a];
        for (std::size_t i = 0; i < priors.size(); ++i) priors[i] = static_cast<float>(by_action[s.moves[i]] / sum);
      }
      if (placeholder) {
        tree_.set_moves(s.leaf, s.moves.data(), priors.data(), static_cast<int>(s.moves.size()));
        n.expanded = 1;
        n.waiting = 1;  // for its policy; simulations go on below all the same
      } else {
        s.new_priors = true;
      }
    }
  } else if (s.expand && !is_joint()) {
    policy = false;  // expanded by an earlier simulation of this round
  }
  if (asks_by_visits() && !at_root) {
    policy = value = false;
    if (!s.has_asked && is_to_ask(n, before)) ask_late(s, s.leaf, requests);
  }
  if (policy || value) {
    s.key = game_.key();
    s.symmetry = p.symmetry_kind() == SymmetryKind::kRandom ? static_cast<int>(mix64(seed_ ^ s.key.a) & 7) : 0;
    if (cut) s.key.add(bans_hash_ ^ mix64(s.path.size()));  // a cached answer holds the priors of the moves that are left
  }
  if (policy) n.asked_policy = 1;
  if (value) n.asked = 1;
  if (is_late() && !at_root) {
    if (policy) request_late(s, 0, requests);
    if (value) request_late(s, 1, requests);
    policy = value = false;
  } else if (is_joint() && value) {
    request(s, round, engine_.policy, true, true, requests);
  } else {
    if (policy) request(s, round, engine_.policy, true, false, requests);
    if (value) request(s, round, engine_.value, false, true, requests);
  }
  if (policy) s.new_priors = true;
  s.has_value = value || (engine_.value < 0 && !rollouts);
  if (!rollouts || at_root) n.waiting = 1;
  s.has_rollout = rollouts && !at_root;
  if (s.has_rollout) {
    s.key = policy || value ? s.key : game_.key();
    // A leaf that is in flight already gets another playout: visits to come count too.
    const Edge& e = tree_.edges(tree_.node(s.path.back().node))[s.path.back().edge];
    s.visit = e.n_r + e.in_flight - 1u;
    if (context_.rollouts_elsewhere) {
      s.rollout_start = std::make_unique<typename G::RolloutStart>(game_.rollout_start());
      round.pending.fetch_add(1, std::memory_order_relaxed);
      Request r;
      r.slot = slot_;
      r.search = static_cast<std::uint8_t>(index_);
      r.round = static_cast<std::uint8_t>(&round - rounds_.data());
      r.simulation = static_cast<std::uint16_t>(round.n);
      r.network = Request::kRolloutTask;
      requests.push_back(r);
    } else {
      play_rollout(s, game_.rollout_start());
    }
  }
}

template <Game G>
void Search<G>::request(Simulation<G>& s, Round<G>& round, int network, bool policy, bool value, std::vector<Request>& requests) {
  if (find_cached(s, network, policy, value)) return;
  Request r;
  r.slot = slot_;
  r.search = static_cast<std::uint8_t>(index_);
  r.round = static_cast<std::uint8_t>(&round - rounds_.data());
  r.simulation = static_cast<std::uint16_t>(round.n);
  r.network = network;
  r.policy = policy;
  r.value = value;
  round.pending.fetch_add(1, std::memory_order_relaxed);
  requests.push_back(r);
}

template <Game G>
bool Search<G>::find_cached(Simulation<G>& s, int network, bool policy, bool value) const {
  PositionKey key = s.key;
  key.add(static_cast<std::uint64_t>(network) * 8 + static_cast<std::uint64_t>(s.symmetry));
  context_.cache_lookups.fetch_add(1, std::memory_order_relaxed);
  if (!context_.cache || !context_.cache->find(key, s.evaluation, policy, value)) return false;
  context_.cache_hits.fetch_add(1, std::memory_order_relaxed);
  return true;
}

template <Game G>
void Search<G>::play_rollout(Simulation<G>& s, const typename G::RolloutStart& start) const {
  const SearchParams& p = engine_.params;
  const Replies replies{p.rollout_cache ? &replies_ : nullptr, p.rollout_cache_probability};
  s.outcome = G::rollout(start, p.rollout_kind(), context_.weights, Rng(mix64(seed_ ^ s.key.a), s.visit), replies,
                         p.rave_on() ? &s.playout : nullptr);
  context_.rollouts.fetch_add(1, std::memory_order_relaxed);
}

template <Game G>
template <class T>
void Search<G>::write_inputs(const Request& r, int feature_set, T* planes, float* globals) {
  const Simulation<G>& s = simulation(r);
  if (s.path.empty()) {
    game_.write_planes(feature_set, s.symmetry, planes);
    game_.write_globals(globals);
    return;
  }
  const typename G::Mark mark = game_.mark();
  for (const Step& step : s.path) game_.play(tree_.edges(tree_.node(step.node))[step.edge].action);
  game_.write_planes(feature_set, s.symmetry, planes);
  game_.write_globals(globals);
  game_.rewind(mark);
}

template <Game G>
double Search<G>::score_utility(double score, double center) const {
  const SearchParams& p = engine_.params;
  const double unit = p.score_scale * game_.scale();
  const auto saturate = [&](double x) { return 2 / 3.14159265358979323846 * std::atan(x / unit); };
  return p.score_static * saturate(score) + p.score_dynamic * saturate(score - center);
}

template <Game G>
void Search<G>::back_up(Simulation<G>& s) {
  const SearchParams& p = engine_.params;
  const bool rollouts = rollouts_on();
  const Node& root = tree_.node(root_);
  Node& leaf = tree_.node(s.leaf);
  leaf.waiting = 0;

  const bool values = s.terminal ? engine_.value >= 0 || !rollouts : s.has_value;
  const bool plays = s.terminal ? rollouts : s.has_rollout;
  double value0 = 0, win0 = 0, result0 = 0, lead0 = std::nan("");
  if (s.terminal || s.has_rollout) {
    result0 = s.outcome.winner0 ? s.outcome.winner0 : p.draw_value;
    lead0 = s.outcome.score0;
  }
  // Scores count in the utility only where the network predicts them, which the root's own evaluation shows.
  const double root_score0 = (root.side == 0 ? 1.0 : -1.0) * static_cast<double>(root.score);
  if (s.terminal) {
    win0 = value0 = result0;
    if (std::isnan(root_score0) && !rollouts) lead0 = root_score0;  // a mean over finished games alone would mislead
    if (!std::isnan(root_score0)) value0 += score_utility(lead0, (1 - p.score_zero_weight) * root_score0);
  } else if (s.has_value) {
    take_value(s, value0, win0, lead0);
  }
  if (s.new_priors && (!leaf.moves || s.evaluation.has_policy)) take_priors(s);
  if (s.expand) leaf.expanded = 1;

  const auto add = [&](Edge& e, double sign) {
    if (values) {
      ++e.n_v;
      e.w_v += sign * value0;
      e.win += sign * win0;
    }
    if (plays) {
      ++e.n_r;
      e.w_r += sign * result0;
    }
    e.w2 += rollouts ? (plays ? result0 * result0 : 0) : value0 * value0;
    if (!std::isnan(lead0)) {
      ++e.n_lead;
      e.lead += sign * lead0;
    }
  };
  for (const Step& step : s.path) {
    Node& n = tree_.node(step.node);
    Edge& e = tree_.edges(n)[step.edge];
    add(e, n.side == 0 ? 1 : -1);
    --e.in_flight;
    --n.sum_in_flight;
    ++n.sum_visits;
  }
  add(root_edge_, root.side == 0 ? -1 : 1);
  if (plays && p.rave_on()) learn_later(s, result0);
  if (!s.path.empty()) context_.simulations.fetch_add(1, std::memory_order_relaxed);
}

template <Game G>
void Search<G>::take_value(Simulation<G>& s, double& value0, double& win0, double& lead0) {
  const SearchParams& p = engine_.params;
  const Node& root = tree_.node(root_);
  Node& leaf = tree_.node(s.leaf);
  const double side_sign = leaf.side == 0 ? 1 : -1;
  if (engine_.value >= 0) {
    const Evaluation& e = s.evaluation;
    win0 = side_sign * (static_cast<double>(e.win) - static_cast<double>(e.loss)) + p.draw_value * static_cast<double>(e.draw);
    value0 = win0;
    if (!std::isnan(e.score)) {
      lead0 = side_sign * static_cast<double>(e.score);
      const double base = s.leaf == root_ ? lead0 : (root.side == 0 ? 1.0 : -1.0) * static_cast<double>(root.score);
      value0 += score_utility(lead0, std::isnan(base) ? 0 : (1 - p.score_zero_weight) * base);
      leaf.score = e.score;
    }
  }
  leaf.value = static_cast<float>(side_sign * value0);
  leaf.valued = 1;
}

template <Game G>
void Search<G>::take_priors(Simulation<G>& s) {
  const double exponent = engine_.params.policy_exponent;
  auto& priors = s.evaluation.priors;
  if (s.evaluation.has_policy && exponent != 1) {
    double sum = 0;
    for (float& x : priors) sum += static_cast<double>(x = std::pow(x, static_cast<float>(exponent)));
    for (float& x : priors) x = static_cast<float>(static_cast<double>(x) / sum);
  }
  tree_.set_moves(s.leaf, s.moves.data(), priors.data(), static_cast<int>(s.moves.size()));
}

template <Game G>
void Search<G>::prune() {
  std::uint32_t min_visits = 2;
  while (tree_.bytes_to_keep(root_, min_visits) > tree_.limit() / 2 && min_visits < 0x80000000u) min_visits *= 2;
  root_ = tree_.keep(root_, min_visits);
  context_.prunings.fetch_add(1, std::memory_order_relaxed);
}

#define AG_INSTANTIATE(G)                                                                                     \
  template void Search<G>::reset(const G&, const EngineSetup&, std::uint64_t, std::size_t);                   \
  template void Search<G>::new_root();                                                                        \
  template void Search<G>::ask(std::int64_t);                                                                 \
  template void Search<G>::play(int);                                                                         \
  template void Search<G>::restrict(const std::vector<Ban>&);                                                 \
  template bool Search<G>::advance(std::vector<Request>&, int);                                               \
  template void Search<G>::play_rollout(Simulation<G>&, const typename G::RolloutStart&) const;               \
  template bool Search<G>::find_cached(Simulation<G>&, int, bool, bool) const;                                \
  template void Search<G>::take_value(Simulation<G>&, double&, double&, double&);                             \
  template void Search<G>::take_priors(Simulation<G>&);                                                       \
  template void Search<G>::write_inputs<float>(const Request&, int, float*, float*);                          \
  template void Search<G>::write_inputs<std::uint8_t>(const Request&, int, std::uint8_t*, float*);            \
  template G Search<G>::make_empty();
AG_FOR_EACH_GAME(AG_INSTANTIATE)

}  // namespace ag
