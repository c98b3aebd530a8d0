#include "ag/score.hpp"

#include <array>

#include "ag/flood.hpp"

namespace ag {

namespace {

/// Splits the empty points into black's, white's and nobody's by which stones they reach.
template <int Cap>
Ownership<Cap> surrounded(const typename Geometry<Cap>::Set& black, const typename Geometry<Cap>::Set& white,
                          const typename Geometry<Cap>::Set& empty) {
  const auto from_black = flood<Cap>(grow<Cap>(black) & empty, empty);
  const auto from_white = flood<Cap>(grow<Cap>(white) & empty, empty);
  return {from_black - from_white, from_white - from_black};
}

}  // namespace

template <int Cap>
Ownership<Cap> area(const Board<Cap>& board) {
  auto own = surrounded<Cap>(board.stones(BLACK), board.stones(WHITE), board.empties());
  own.black |= board.stones(BLACK);
  own.white |= board.stones(WHITE);
  return own;
}

template <int Cap>
int area_difference(const Board<Cap>& board) {
  const auto own = area(board);
  return own.black.count() - own.white.count();
}

template <int Cap>
Ownership<Cap> territory(const Board<Cap>& board, const typename Geometry<Cap>::Set& dead, bool strict_seki) {
  using Set = typename Geometry<Cap>::Set;
  const Set black = board.stones(BLACK) - dead, white = board.stones(WHITE) - dead;
  const Set empty = board.tables().board - (black | white);
  auto own = surrounded<Cap>(black, white, empty);
  if (strict_seki) {
    const Set dame = empty - (own.black | own.white);
    const auto in_seki = [&](const Set& stones) { return flood<Cap>(grow<Cap>(dame) & stones, stones); };
    const auto lose = [&](Set& eyes, const Set& seki) { eyes = eyes - flood<Cap>(grow<Cap>(seki) & eyes, eyes); };
    lose(own.black, in_seki(black));
    lose(own.white, in_seki(white));
  }
  return own;
}

template <int Cap>
typename Geometry<Cap>::Set pass_alive(const Board<Cap>& board, Color c) {
  using G = Geometry<Cap>;
  using Set = typename G::Set;
  const Set stones = board.stones(c);
  const Set empty = board.empties();
  const Set rest = board.tables().board - stones;
  if (!stones.any() || !rest.any()) return Set::none();

  // Chains that could have two vital regions, and the regions that are vital to some chain. A region is vital to a chain
  // when it has an empty point and all its empty points are liberties of the chain; so one region is vital to at most four
  // chains, which all touch its first empty point.
  struct Region {
    Set points;
    std::array<int, 4> vital_to;
    int n_vital = 0;
    bool sound = true;
  };
  Region regions[G::kArea / 2 + 1];
  int n_regions = 0;
  std::uint16_t vital_count[G::kSpan];  // by chain number; only of chains in `alive`
  Set alive = Set::none();              // stones of chains still thought alive

  // An empty point that touches no stone of c spoils its whole region: fill such regions away at once. (Most of the board.)
  const Set open = empty - grow<Cap>(stones);
  Set left = rest - flood<Cap>(open, rest);
  while (left.any()) {
    Set seed = Set::none();
    seed.set(left.first());
    Region& region = regions[n_regions];
    region.points = flood<Cap>(seed, left);
    left = left - region.points;
    const Set inner = region.points & empty;
    region.n_vital = 0;
    region.sound = true;
    if (inner.any()) {
      const int cell = inner.first() + G::kOrigin;
      for (const int d : G::kDir4) {
        if (board.at(cell + d) != c) continue;
        const int chain = board.chain(cell + d);
        if ((inner - board.liberties(chain)).any()) continue;
        bool known = false;
        for (int i = 0; i < region.n_vital; ++i) known |= region.vital_to[static_cast<std::size_t>(i)] == chain;
        if (!known) region.vital_to[static_cast<std::size_t>(region.n_vital++)] = chain;
      }
    }
    n_regions += region.n_vital > 0;  // a region vital to nobody plays no part
  }
  if (n_regions == 0) return Set::none();

  for (int i = 0; i < n_regions; ++i)
    for (int k = 0; k < regions[i].n_vital; ++k) vital_count[regions[i].vital_to[static_cast<std::size_t>(k)]] = 0;
  for (int i = 0; i < n_regions; ++i)
    for (int k = 0; k < regions[i].n_vital; ++k) ++vital_count[regions[i].vital_to[static_cast<std::size_t>(k)]];

  int chains[4 * (G::kArea / 2 + 1)];
  int n_chains = 0;
  for (int i = 0; i < n_regions; ++i)
    for (int k = 0; k < regions[i].n_vital; ++k) {
      const int chain = regions[i].vital_to[static_cast<std::size_t>(k)];
      if (vital_count[chain] < 2 || alive.test(chain)) continue;
      chains[n_chains++] = chain;
      board.each_stone(chain, [&](int s) { alive.set(s - G::kOrigin); });
    }

  for (bool changed = true; changed;) {
    changed = false;
    const Set dropped = stones - alive;
    const Set touched = grow<Cap>(dropped);
    for (int i = 0; i < n_regions; ++i) {
      Region& region = regions[i];
      if (!region.sound || !(region.points & touched).any()) continue;
      region.sound = false;
      changed = true;
      for (int k = 0; k < region.n_vital; ++k) --vital_count[region.vital_to[static_cast<std::size_t>(k)]];
    }
    for (int i = 0; i < n_chains;) {
      if (vital_count[chains[i]] >= 2) {
        ++i;
        continue;
      }
      board.each_stone(chains[i], [&](int s) { alive.reset(s - G::kOrigin); });
      chains[i] = chains[--n_chains];
      changed = true;
    }
  }

  Set result = alive;
  if (alive.any())
    for (int i = 0; i < n_regions; ++i)
      if (regions[i].sound) result |= regions[i].points;
  return result;
}

#define AG_INSTANTIATE(N)                                                                   \
  template Ownership<N> area<N>(const Board<N>&);                                           \
  template int area_difference<N>(const Board<N>&);                                         \
  template Ownership<N> territory<N>(const Board<N>&, const Geometry<N>::Set&, bool);       \
  template Geometry<N>::Set pass_alive<N>(const Board<N>&, Color);
AG_INSTANTIATE(9)
AG_INSTANTIATE(13)
AG_INSTANTIATE(19)

}  // namespace ag
