#include "ag/ladder.hpp"

namespace ag {

template <int Cap>
typename Geometry<Cap>::Set LadderReader<Cap>::defences(int stone) const {
  const Color defender = board_.at(stone);
  const Color attacker = opponent(defender);
  const int chain = board_.chain(stone);
  Set moves = board_.liberties(chain);
  board_.each_stone(chain, [&](int s) {
    for (const int d : G::kDir4) {
      if (board_.at(s + d) != attacker) continue;
      const int enemy = board_.chain(s + d);
      if (board_.n_liberties(enemy) == 1) moves |= board_.liberties(enemy);
    }
  });
  return moves;
}

template <int Cap>
bool LadderReader<Cap>::attack(int stone, int depth) {
  const Color attacker = opponent(board_.at(stone));
  const int chain = board_.chain(stone);
  const int n = board_.n_liberties(chain);
  if (n > 2 || out_of_budget(depth)) return false;
  const Set liberties = board_.liberties(chain);
  if (n == 1) return board_.legality(liberties.first() + G::kOrigin, attacker, suicide_) == Legality::kLegal;
  bool caught = false;
  liberties.each([&](int b) {
    const int cell = b + G::kOrigin;
    if (caught || board_.legality(cell, attacker, suicide_) != Legality::kLegal) return;
    typename Board<Cap>::Undo undo;
    board_.place(cell, attacker, undo);
    ++nodes_;
    caught = !defend(stone, depth + 1);
    board_.undo(undo);
  });
  return caught;
}

template <int Cap>
bool LadderReader<Cap>::defend(int stone, int depth) {
  const Color defender = board_.at(stone);
  if (board_.n_liberties(board_.chain(stone)) > 1 || out_of_budget(depth)) return true;
  bool safe = false;
  defences(stone).each([&](int b) {
    const int cell = b + G::kOrigin;
    if (safe || board_.legality(cell, defender, suicide_) != Legality::kLegal) return;
    typename Board<Cap>::Undo undo;
    board_.place(cell, defender, undo);
    ++nodes_;
    if (!undo.suicide || board_.at(stone) == defender) safe = !attack(stone, depth + 1);
    board_.undo(undo);
  });
  return safe;
}

template <int Cap>
bool LadderReader<Cap>::is_captured(int stone) {
  nodes_ = 0;
  const int n = board_.n_liberties(board_.chain(stone));
  return n == 1 ? !defend(stone, 0) : n == 2 && attack(stone, 0);
}

template <int Cap>
typename Geometry<Cap>::Set LadderReader<Cap>::catching_moves(int stone) {
  const Color attacker = opponent(board_.at(stone));
  Set moves = Set::none();
  const Set liberties = board_.liberties(board_.chain(stone));
  liberties.each([&](int b) {
    const int cell = b + G::kOrigin;
    if (board_.legality(cell, attacker, suicide_) != Legality::kLegal) return;
    typename Board<Cap>::Undo undo;
    board_.place(cell, attacker, undo);
    nodes_ = 1;
    if (!defend(stone, 1)) moves.set(b);
    board_.undo(undo);
  });
  return moves;
}

template <int Cap>
typename Geometry<Cap>::Set LadderReader<Cap>::saving_moves(int stone) {
  const Color defender = board_.at(stone);
  Set moves = Set::none();
  defences(stone).each([&](int b) {
    const int cell = b + G::kOrigin;
    if (board_.legality(cell, defender, suicide_) != Legality::kLegal) return;
    typename Board<Cap>::Undo undo;
    board_.place(cell, defender, undo);
    nodes_ = 1;
    if (board_.at(stone) == defender && board_.n_liberties(board_.chain(stone)) > 1 && !attack(stone, 1)) moves.set(b);
    board_.undo(undo);
  });
  return moves;
}

template class LadderReader<9>;
template class LadderReader<13>;
template class LadderReader<19>;

}  // namespace ag
