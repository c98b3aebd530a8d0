#include "ag/settled.hpp"

namespace ag {

template <int Cap>
Settled<Cap>::Settled(const Position<Cap>& position, const RolloutWeights& weights, int playouts, std::uint64_t seed)
    : board_(position.board()), playouts_(playouts) {
  PlayoutStart<Cap> start(position);
  start.consecutive_passes = 0;
  start.last_cell = 0;
  start.last_removed = {};
  for (const Color first : {BLACK, WHITE}) {
    start.to_play = first;
    const RolloutState<Cap> prepared(start, weights);
    for (int i = first == BLACK ? 0 : 1; i < playouts; i += 2) {
      RolloutState<Cap> state(prepared);
      state.finish({}, Rng(seed, static_cast<std::uint64_t>(i)), nullptr);
      const Ownership<Cap> owned = ag::area(state.board());
      owned.black.each([&](int bit) { ++sum_[static_cast<std::size_t>(bit)]; });
      owned.white.each([&](int bit) { --sum_[static_cast<std::size_t>(bit)]; });
    }
  }
}

template <int Cap>
Ownership<Cap> Settled<Cap>::area() const {
  typename G::Set dead{};
  for (const Color c : {BLACK, WHITE}) {
    const int sign = c == BLACK ? 1 : -1;
    const auto safe = pass_alive(board_, c);
    board_.stones(c).each([&](int bit) {
      if (board_.chain(bit + G::kOrigin) != bit || safe.test(bit)) return;  // a chain is numbered by one of its stones
      int total = 0;
      board_.each_stone(bit, [&](int cell) { total += sum_[static_cast<std::size_t>(cell - G::kOrigin)]; });
      if (sign * total < 0) board_.each_stone(bit, [&](int cell) { dead.set(cell - G::kOrigin); });
    });
  }
  const Ownership<Cap> land = territory(board_, dead, false);
  return {(board_.stones(BLACK) - dead) | land.black, (board_.stones(WHITE) - dead) | land.white};
}

template <int Cap>
int Settled<Cap>::score() const {
  const Ownership<Cap> owned = area();
  return owned.black.count() - owned.white.count();
}

template class Settled<9>;
template class Settled<13>;
template class Settled<19>;

}  // namespace ag
