#include "ag/history.hpp"

namespace ag {

template <int Cap>
void History<Cap>::start(const Board<Cap>& board, Color to_play) {
  turns_.clear();
  snapshots_.clear();
  hashes_.clear();
  ever_removed_ = Set::none();
  snapshots_.push_back({{board.stones(BLACK), board.stones(WHITE)}, to_play});
  seen_.fill(0);
  note(board.hash());
}

template <int Cap>
void History<Cap>::push(Turn turn, const Board<Cap>& after, Color to_play, const Set& removed) {
  turns_.push_back(turn);
  snapshots_.push_back({{after.stones(BLACK), after.stones(WHITE)}, to_play});
  note(after.hash());
  ever_removed_ |= removed;
}

template <int Cap>
void History<Cap>::pop() {
  turns_.pop_back();
  snapshots_.pop_back();
  hashes_.pop_back();
}

template <int Cap>
bool History<Cap>::repeats(const Board<Cap>& board, int cell, Color c, KoRule rule) const {
  if (rule == KoRule::kSimple) return false;
  const int bit = cell - G::kOrigin;
  const bool suicide = board.is_suicide(cell, c);
  // An earlier position that has a stone here was left by a removal here; a suicide leaves no stone here.
  if (!suicide && !ever_removed_.test(bit)) return false;

  const Color other = opponent(c);
  Set mine = board.stones(c), theirs = board.stones(other);
  std::uint64_t hash = board.hash();
  const auto lift = [&](int chain, Color color, Set& from) {
    board.each_stone(chain, [&](int s) {
      const int b = s - G::kOrigin;
      if (from.take(b)) hash ^= kZobrist<Cap>.of[color][b];
    });
  };
  if (suicide) {
    for (const int d : G::kDir4)
      if (board.at(cell + d) == c) lift(board.chain(cell + d), c, mine);
  } else {
    mine.set(bit);
    hash ^= kZobrist<Cap>.of[c][bit];
    for (const int d : G::kDir4)
      if (board.at(cell + d) == other && board.n_liberties(board.chain(cell + d)) == 1)
        lift(board.chain(cell + d), other, theirs);
  }
  if (!(seen_[hash >> 6 & 31] >> (hash & 63) & 1)) return false;
  const Set& black = c == BLACK ? mine : theirs;
  const Set& white = c == BLACK ? theirs : mine;
  for (std::size_t i = hashes_.size(); i-- > 0;) {
    if (hashes_[i] != hash) continue;
    const Snapshot& s = snapshots_[i];
    if (s.stones[0] == black && s.stones[1] == white && (rule == KoRule::kPositional || s.to_play == other)) return true;
  }
  return false;
}

template class History<9>;
template class History<13>;
template class History<19>;

}  // namespace ag
