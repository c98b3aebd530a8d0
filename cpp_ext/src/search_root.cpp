/// The root: noise, what a search reports, the policy target, the move.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ag/games.hpp"
#include "ag/search.hpp"

namespace ag {

namespace {

// Purposes of random numbers, so that no two of them share a stream.
constexpr std::uint64_t kDirichlet = 0x6469726963686c65ULL;
constexpr std::uint64_t kGumbel = 0x67756d62656c0000ULL;
constexpr std::uint64_t kMove = 0x6d6f766500000000ULL;

double normal(Rng& rng) {
  const double u = 1 - rng.uniform(), v = rng.uniform();
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * 3.14159265358979323846 * v);
}

/// Gamma(shape, 1); Marsaglia and Tsang, ACM Transactions on Mathematical Software 26 (2000).
double gamma(double shape, Rng& rng) {
  if (shape < 1) return gamma(shape + 1, rng) * std::pow(1 - rng.uniform(), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal(rng), v = std::pow(1 + c * x, 3);
    if (v <= 0) continue;
    if (std::log(1 - rng.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

}  // namespace

std::vector<int> gumbel_sequence(int considered, int simulations) {
  std::vector<int> sequence;
  if (considered <= 1) {
    sequence.resize(static_cast<std::size_t>(std::max(simulations, 0)));
    std::iota(sequence.begin(), sequence.end(), 0);
    return sequence;
  }
  const int phases = static_cast<int>(std::ceil(std::log2(considered)));
  std::vector<int> visits(static_cast<std::size_t>(considered), 0);
  int n = considered;
  while (static_cast<int>(sequence.size()) < simulations) {
    const int extra = std::max(1, simulations / (phases * n));
    for (int i = 0; i < extra; ++i)
      for (int j = 0; j < n; ++j) sequence.push_back(visits[static_cast<std::size_t>(j)]++);
    n = std::max(2, n / 2);
  }
  sequence.resize(static_cast<std::size_t>(simulations));
  return sequence;
}

template <Game G>
void Search<G>::prepare_root() {
  root_prepared_ = true;
  const SearchParams& p = engine_.params;
  const Node& n = tree_.node(root_);
  const auto turn = static_cast<std::uint64_t>(game_.turn());
  if (p.root_kind() == ChooserKind::kGumbel) {
    Rng rng(mix64(seed_ ^ kGumbel), turn);
    gumbel_.assign(static_cast<std::size_t>(game_.n_actions()), 0.0);
    for (double& g : gumbel_) g = -std::log(-std::log((1 - rng.uniform()) * (1 - 1e-16))) * p.gumbel_scale;
  }
  const bool noisy = p.noise_fraction > 0 && p.root_kind() == ChooserKind::kPuct;
  if (!noisy && p.root_policy_temperature == 1) return;

  std::vector<std::pair<std::uint16_t, float>> moves(n.n_moves);
  for (std::size_t i = 0; i < moves.size(); ++i) moves[i] = {tree_.moves(n)[i], tree_.priors(n)[i]};
  std::sort(moves.begin(), moves.end());
  std::vector<double> priors(moves.size()), noise(moves.size());
  double sum = 0;
  for (std::size_t i = 0; i < moves.size(); ++i) sum += priors[i] = std::pow(static_cast<double>(moves[i].second), 1 / p.root_policy_temperature);
  for (double& x : priors) x /= sum;
  if (noisy) {
    Rng rng(mix64(seed_ ^ kDirichlet), turn);
    double total = 0;
    for (double& x : noise) total += x = gamma(p.noise_total_alpha / static_cast<double>(moves.size()), rng);
    for (std::size_t i = 0; i < priors.size(); ++i)
      if (total > 0) priors[i] = (1 - p.noise_fraction) * priors[i] + p.noise_fraction * noise[i] / total;
  }
  std::vector<std::uint16_t> actions(moves.size());
  std::vector<float> values(moves.size());
  for (std::size_t i = 0; i < moves.size(); ++i) {
    actions[i] = moves[i].first;
    values[i] = static_cast<float>(priors[i]);
  }
  tree_.set_moves(root_, actions.data(), values.data(), static_cast<int>(actions.size()));
}

template <Game G>
NodeReport Search<G>::report_at(Ref ref, const Edge& incoming, bool with_target, bool at_root) const {
  const Node& n = tree_.node(ref);
  NodeReport r;
  r.side = n.side;
  r.visits = n.sum_visits;
  r.value = mean_value(incoming) + 0.0;
  r.score = incoming.n_lead ? -incoming.lead / incoming.n_lead : std::nan("");
  std::vector<int> order(n.n_moves);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) { return tree_.moves(n)[a] < tree_.moves(n)[b]; });
  for (const int i : order) {
    const Edge none{};
    const Edge& e = i < n.n_edges ? tree_.edges(n)[i] : none;
    const double visits = this->visits(e), q = visits > 0 ? q_of(e, 0) : std::nan("");
    r.actions.push_back(tree_.moves(n)[i]);
    r.priors.push_back(tree_.priors(n)[i]);
    r.visit_counts.push_back(this->visits(e));
    r.n_v.push_back(e.n_v);
    r.n_r.push_back(e.n_r);
    r.w_v.push_back(e.w_v);
    r.w_r.push_back(e.w_r);
    r.q.push_back(q);
    const double variance = visits > 0 ? std::max(0.0, e.w2 / visits - q * q + 1 / visits) : 0;
    r.lcb.push_back(visits > 0 ? q - engine_.params.lcb_stdevs * std::sqrt(variance / visits) : -1e9);
    r.lead.push_back(e.n_lead ? e.lead / e.n_lead : std::nan(""));
  }
  if (with_target) engine_.params.root_kind() == ChooserKind::kGumbel && at_root ? fill_gumbel_target(r, n, incoming) : fill_visit_target(r);
  return r;
}

template <Game G>
void Search<G>::fill_visit_target(NodeReport& r) const {
  const SearchParams& p = engine_.params;
  std::vector<double> weight(r.visit_counts.begin(), r.visit_counts.end());
  const double sum = static_cast<double>(r.visits);
  if (p.forced_playouts > 0 && sum > 0) {
    const auto best = static_cast<std::size_t>(std::max_element(weight.begin(), weight.end()) - weight.begin());
    const double factor = exploration(sum);
    const auto score = [&](std::size_t i, double count) { return r.q[i] + factor * static_cast<double>(r.priors[i]) / (1 + count); };
    const double limit = score(best, weight[best]);
    for (std::size_t i = 0; i < weight.size(); ++i) {
      if (i == best || weight[i] == 0) continue;
      double forced = std::ceil(std::sqrt(p.forced_playouts * static_cast<double>(r.priors[i]) * sum));
      for (; forced > 0 && weight[i] > 0 && score(i, weight[i] - 1) < limit; --forced) --weight[i];
      if (weight[i] <= 1) weight[i] = 0;
    }
  }
  double total = std::accumulate(weight.begin(), weight.end(), 0.0);
  if (total <= 0) {  // nothing was searched: the priors are all there is
    weight.assign(r.priors.begin(), r.priors.end());
    total = std::accumulate(weight.begin(), weight.end(), 0.0);
  }
  r.target.resize(weight.size());
  for (std::size_t i = 0; i < weight.size(); ++i) r.target[i] = total > 0 ? weight[i] / total : 0;
}

template <Game G>
void Search<G>::fill_gumbel_target(NodeReport& r, const Node& n, const Edge& incoming) const {
  const double most = max_count(n), unvisited = mixed_value(n, incoming);
  r.target.resize(r.actions.size());
  double highest = -1e300, total = 0;
  for (std::size_t i = 0; i < r.actions.size(); ++i) {
    const double q = r.visit_counts[i] ? r.q[i] : unvisited;
    r.target[i] = std::log(std::max(static_cast<double>(r.priors[i]), 1e-30)) + sigma(q, most);
    highest = std::max(highest, r.target[i]);
  }
  for (double& x : r.target) total += x = std::exp(x - highest);
  for (double& x : r.target) x /= total;
}

template <Game G>
std::unique_ptr<NodeReport> Search<G>::report_below(const std::vector<int>& path) const {
  Ref ref = root_;
  const Edge* incoming = &root_edge_;
  for (const int action : path) {
    const Node& n = tree_.node(ref);
    const Edge* found = nullptr;
    for (int i = 0; i < n.n_edges; ++i)
      if (tree_.edges(n)[i].action == action) found = &tree_.edges(n)[i];
    if (!found || !found->child) return nullptr;
    incoming = found;
    ref = found->child;
  }
  if (!tree_.node(ref).expanded) return nullptr;
  return std::make_unique<NodeReport>(report_at(ref, *incoming, false, path.empty()));
}

template <Game G>
int Search<G>::choose_move() const {
  const SearchParams& p = engine_.params;
  const Node& n = tree_.node(root_);
  if (!n.expanded) {
    std::uint16_t moves[kMaxActions];
    game_.legal(moves);
    return moves[0];
  }
  const NodeReport r = report_at(root_, root_edge_, false, true);
  const std::size_t count = r.actions.size();
  std::uint32_t most = *std::max_element(r.visit_counts.begin(), r.visit_counts.end());
  if (p.root_kind() == ChooserKind::kGumbel && !gumbel_.empty()) {
    const double max_count = this->max_count(n), unvisited = mixed_value(n, root_edge_);
    std::size_t best = 0;
    double best_score = -1e300;
    for (std::size_t i = 0; i < count; ++i) {
      if (r.visit_counts[i] != most) continue;
      const double q = r.visit_counts[i] ? r.q[i] : unvisited;
      const double score = gumbel_[r.actions[i]] + std::log(std::max(static_cast<double>(r.priors[i]), 1e-30)) + sigma(q, max_count);
      if (score > best_score) {
        best = i;
        best_score = score;
      }
    }
    return r.actions[best];
  }
  const double temperature = game_.turn() < p.temperature_moves ? p.temperature : p.temperature_final;
  if (temperature > 0) {
    std::vector<double> weight(count);
    double total = 0;
    for (std::size_t i = 0; i < count; ++i) {
      // Relative to the most visited move, so that small temperatures do not overflow; without visits the priors decide.
      const double share = most ? static_cast<double>(r.visit_counts[i]) / most : static_cast<double>(r.priors[i]);
      total += weight[i] = share > 0 ? std::pow(share, 1 / temperature) : 0;
    }
    Rng rng(mix64(seed_ ^ kMove), static_cast<std::uint64_t>(game_.turn()));
    double x = rng.uniform() * total;
    std::size_t last = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (weight[i] <= 0) continue;
      last = i;
      if ((x -= weight[i]) < 0) break;
    }
    return r.actions[last];
  }
  const bool by_lcb = p.move_kind() == MoveKind::kLcb && most > 0;
  std::size_t best = count;
  for (std::size_t i = 0; i < count; ++i) {
    if (by_lcb && (r.visit_counts[i] == 0 || r.visit_counts[i] < p.lcb_min_visit_fraction * most)) continue;
    const auto better = [&](std::size_t a, std::size_t b) {
      if (by_lcb && r.lcb[a] != r.lcb[b]) return r.lcb[a] > r.lcb[b];
      if (r.visit_counts[a] != r.visit_counts[b]) return r.visit_counts[a] > r.visit_counts[b];
      if (r.visit_counts[a] && r.q[a] != r.q[b]) return r.q[a] > r.q[b];
      return r.priors[a] > r.priors[b];
    };
    if (best == count || better(i, best)) best = i;
  }
  return r.actions[best];
}

template <Game G>
double Search<G>::root_value() const {
  return mean_value(root_edge_);
}

template <Game G>
double Search<G>::best_child_value() const {
  const Node& n = tree_.node(root_);
  const Edge* best = nullptr;
  for (int i = 0; i < n.n_edges; ++i)
    if (const Edge& e = tree_.edges(n)[i]; visits(e) > 0 && (!best || q_of(e, 0) > q_of(*best, 0))) best = &e;
  return best ? q_of(*best, 0) : root_value();
}

#define AG_INSTANTIATE(G)                                                                            \
  template void Search<G>::prepare_root();                                                           \
  template NodeReport Search<G>::report_at(Ref, const Edge&, bool, bool) const;                      \
  template std::unique_ptr<NodeReport> Search<G>::report_below(const std::vector<int>&) const;       \
  template int Search<G>::choose_move() const;                                                       \
  template double Search<G>::root_value() const;                                                     \
  template double Search<G>::best_child_value() const;
AG_FOR_EACH_GAME(AG_INSTANTIATE)

}  // namespace ag
