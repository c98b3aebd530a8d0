/// Move probabilities of the rollout and the tree policy at one position.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "ag/rollout.hpp"

namespace ag {

namespace {

/// Scales weights by action to probabilities; the pass takes everything when there is nothing else.
void normalize(double* out, int area) {
  double total = 0;
  for (int i = 0; i < area; ++i) total += out[i];
  out[area] = total > 0 ? 0.0 : 1.0;
  if (total > 0)
    for (int i = 0; i < area; ++i) out[i] /= total;
}

template <int Cap>
void rollout_weights(const SizeTables<Cap>& tables, RolloutState<Cap>& state, double* out) {
  std::uint64_t weights[Geometry<Cap>::kSpan];
  state.move_weights(weights);
  for (int a = 0; a < tables.area; ++a) out[a] = static_cast<double>(weights[tables.bit[static_cast<std::size_t>(a)]]);
}

}  // namespace

template <int Cap>
void rollout_probabilities(const Position<Cap>& position, const RolloutWeights& weights, double* out) {
  RolloutState<Cap> state(PlayoutStart<Cap>(position), weights);
  rollout_weights(position.board().tables(), state, out);
  normalize(out, position.board().tables().area);
}

template <int Cap>
void tree_probabilities(const Position<Cap>& position, const RolloutWeights& weights, double* out) {
  using G = Geometry<Cap>;
  const Board<Cap>& board = position.board();
  const SizeTables<Cap>& tables = board.tables();
  const RolloutParameters& p = weights.parameters();
  const Color mover = position.to_play();
  RolloutState<Cap> state(PlayoutStart<Cap>(position), weights);
  rollout_weights(tables, state, out);
  for (int a = 0; a < tables.area; ++a) {
    if (out[a] == 0) continue;
    const int bit = tables.bit[static_cast<std::size_t>(a)];
    const int cell = bit + G::kOrigin;
    double log_weight = 0;
    if (liberties_after(board, cell, mover) == 1) log_weight += static_cast<double>(p.self_atari);
    for (std::size_t i = 0; i < 2; ++i) {
      const int last = position.last_cell(i);
      if (!last) continue;
      log_weight += static_cast<double>(p.distance[i][static_cast<std::size_t>(distance_class<Cap>(last - G::kOrigin, bit))]);
    }
    std::uint64_t key = state.key12(cell);
    if (mover == WHITE) key = swap_colors(key);
    log_weight += static_cast<double>(weights.pattern12(key));
    out[a] *= std::exp(log_weight);
  }
  normalize(out, tables.area);
}

template <int Cap>
std::uint32_t pattern_key3(const Board<Cap>& board, int cell) {
  std::uint32_t key = 0;
  for (int i = 0; i < 8; ++i) {
    const int q = cell + Geometry<Cap>::kDir12[i];
    const Color c = board.at(q);
    const std::uint32_t code = c == OFF ? kCodeOff : c == EMPTY ? kCodeEmpty : stone_code(c, board.n_liberties(board.chain(q)));
    key |= code << (3 * i);
  }
  return key;
}
#define AG_INSTANTIATE(N)                                                                       \
  template std::uint32_t pattern_key3(const Board<N>&, int);                                    \
  template void rollout_probabilities<N>(const Position<N>&, const RolloutWeights&, double*);   \
  template void tree_probabilities<N>(const Position<N>&, const RolloutWeights&, double*);
AG_INSTANTIATE(9)
AG_INSTANTIATE(13)
AG_INSTANTIATE(19)

}  // namespace ag
