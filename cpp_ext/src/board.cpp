#include "ag/board.hpp"

#include <cstring>
#include <utility>

namespace ag {

template <int Cap>
const SizeTables<Cap>& SizeTables<Cap>::of(int size) {
  static const auto all = []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<SizeTables<Cap>, sizeof...(I)>{SizeTables<Cap>(static_cast<int>(I))...};
  }(std::make_index_sequence<Cap + 1>{});
  return all[static_cast<std::size_t>(size)];
}

template <int Cap>
Board<Cap>::Board(int size) {
  static_assert(std::is_trivially_copyable_v<Board<Cap>>);
  std::memset(static_cast<void*>(this), 0, sizeof(*this));
  std::memset(color_, OFF, sizeof(color_));
  for (int r = 0; r < size; ++r) std::memset(color_ + G::cell(r, 0), EMPTY, static_cast<std::size_t>(size));
  n_liberties_[kNobody] = 1;  // never reaches zero: its liberty set stays empty
  size_ = static_cast<std::uint8_t>(size);
}

/// Puts a captured chain back: the list and the numbers of its stones are as they were when it left the board.
template <int Cap>
void Board<Cap>::restore_chain(int chain, Color c) {
  const Color other = opponent(c);
  each_stone(chain, [&](int s) {
    const int b = s - G::kOrigin;
    color_[s] = c;
    stones_[c - 1].set(b);
    for (const int d : G::kDir4) {
      const int q = s + d;
      if (color_[q] != other) continue;
      const int id = chain_[q];
      n_liberties_[id] = static_cast<std::uint16_t>(n_liberties_[id] - liberties_[id].take(b));
    }
  });
}

template <int Cap>
void Board<Cap>::undo(const Undo& u) {
  const Color c = static_cast<Color>(u.color);
  const Color other = opponent(c);
  const int cell = u.cell;
  const int b = cell - G::kOrigin;
  if (u.suicide) restore_chain(u.chain, c);
  for (int i = u.n_dead - 1; i >= 0; --i) restore_chain(u.dead[i], other);

  if (u.n_own > 0) {
    const int anchor = u.chain + G::kOrigin;
    for (int i = u.n_absorbed - 1; i >= 0; --i) {
      const int o = u.absorbed[i];
      const int first = o + G::kOrigin;
      const Index t = next_[anchor];
      next_[anchor] = next_[first];
      next_[first] = t;
      each_stone(o, [&](int s) { chain_[s] = static_cast<Index>(o); });
    }
    next_[anchor] = next_[cell];
  }
  liberties_[u.chain] = u.libs;
  n_liberties_[u.chain] = u.n_liberties;
  n_stones_[u.chain] = u.n_stones;
  chain_[cell] = static_cast<Index>(u.old_chain);
  next_[cell] = static_cast<Index>(u.old_next);

  color_[cell] = EMPTY;
  stones_[c - 1].reset(b);
  for (const int d : G::kDir4) {
    const int q = cell + d;
    if (color_[q] != other) continue;
    const int id = chain_[q];
    n_liberties_[id] = static_cast<std::uint16_t>(n_liberties_[id] + liberties_[id].put(b));
  }
  hash_ = u.hash;
  ko_ = u.ko;
  ko_color_ = u.ko_color;
}

template struct SizeTables<9>;
template struct SizeTables<13>;
template struct SizeTables<19>;
template class Board<9>;
template class Board<13>;
template class Board<19>;

}  // namespace ag
