#include "ag/position.hpp"

#include <optional>

namespace ag {

namespace {

/// A board with just these stones, or nothing when one of its chains would have no liberty.
template <int Cap>
std::optional<Board<Cap>> assemble(int size, const typename Geometry<Cap>::Set& black,
                                   const typename Geometry<Cap>::Set& white) {
  Board<Cap> board(size);
  bool sound = true;
  for (const Color c : {BLACK, WHITE}) {
    (c == BLACK ? black : white).each([&](int bit) {
      // Liberties only shrink while stones are added, so a capture on the way means a dead chain at the end.
      if (!sound) return;
      const int cell = bit + Geometry<Cap>::kOrigin;
      sound = board.place(cell, c) == 0 && board.at(cell) == c;
    });
  }
  board.clear_ko();
  if (!sound) return std::nullopt;
  return board;
}

}  // namespace

template <int Cap>
Position<Cap>::Position(int size, const Rules& rules) : board_(size), rules_(rules) {
  history_.start(board_, to_play_);
}

template <int Cap>
void Position<Cap>::set_to_play(Color c) {
  to_play_ = c;
  history_.set_start_player(c);
}

template <int Cap>
int Position<Cap>::consecutive_passes() const {
  int n = 0;
  for (auto t = history_.turns().rbegin(); t != history_.turns().rend() && t->cell == 0; ++t) ++n;
  return n;
}

template <int Cap>
int Position<Cap>::passes_by(Color c) const {
  int n = 0;
  for (const Turn& t : history_.turns()) n += t.cell == 0 && t.color == c;
  return n;
}

template <int Cap>
Legality Position<Cap>::legality(int cell, Color c) const {
  const Legality simple = board_.legality(cell, c, rules_.suicide);
  if (simple != Legality::kLegal) return simple;
  return history_.repeats(board_, cell, c, rules_.ko) ? Legality::kSuperko : Legality::kLegal;
}

template <int Cap>
typename Position<Cap>::Set Position<Cap>::legal(Color c) const {
  const Set empties = board_.empties();
  // A play next to an empty point is no suicide and no simple ko; only superko can forbid it.
  const Set near_empty = empties & (empties.template up<1>() | empties.template down<1>() | empties.template up<G::kStride>() |
                                    empties.template down<G::kStride>());
  Set result = empties;
  (empties - near_empty).each([&](int bit) {
    if (legality(bit + G::kOrigin, c) != Legality::kLegal) result.reset(bit);
  });
  if (rules_.ko != KoRule::kSimple)
    (near_empty & history_.ever_removed()).each([&](int bit) {
      if (history_.repeats(board_, bit + G::kOrigin, c, rules_.ko)) result.reset(bit);
    });
  return result;
}

template <int Cap>
int Position<Cap>::play(int cell, Color c) {
  struct Removed {
    Set set = Set::none();
    void on_remove(int s) { set.set(s - G::kOrigin); }
  } removed;
  const int captured = board_.place(cell, c, removed);
  captured_[opponent(c) - 1] += captured;
  if (captured == 0) captured_[c - 1] += removed.set.count();  // suicide
  const Turn turn{static_cast<std::uint16_t>(cell), c, to_play_};
  to_play_ = opponent(c);
  history_.push(turn, board_, to_play_, removed.set);
  return captured;
}

template <int Cap>
void Position<Cap>::pass(Color c) {
  board_.clear_ko();
  const Turn turn{0, c, to_play_};
  to_play_ = opponent(c);
  history_.push(turn, board_, to_play_, Set::none());
}

template <int Cap>
bool Position<Cap>::undo() {
  if (history_.turns().empty()) return false;
  const std::vector<Turn> turns = history_.turns();
  const auto start = history_.snapshot(0);
  board_ = *assemble<Cap>(size(), start.stones[0], start.stones[1]);
  history_.start(board_, static_cast<Color>(start.to_play));
  captured_[0] = captured_at_start_[0];
  captured_[1] = captured_at_start_[1];
  for (std::size_t i = 0; i + 1 < turns.size(); ++i) {
    const Color c = static_cast<Color>(turns[i].color);
    to_play_ = static_cast<Color>(turns[i].to_play);
    turns[i].cell ? static_cast<void>(play(turns[i].cell, c)) : pass(c);
  }
  to_play_ = static_cast<Color>(turns.back().to_play);
  return true;
}

template <int Cap>
bool Position<Cap>::setup(const Set& black, const Set& white) {
  const auto board = assemble<Cap>(size(), black, white);
  if (!board) return false;
  board_ = *board;
  captured_at_start_[0] = captured_[0];
  captured_at_start_[1] = captured_[1];
  history_.start(board_, to_play_);
  return true;
}

template <int Cap>
bool Position<Cap>::restart(const Set& black, const Set& white, Color to_play, int captured_black, int captured_white) {
  const int saved[2] = {captured_[0], captured_[1]};
  captured_[0] = captured_black;
  captured_[1] = captured_white;
  if (!setup(black, white)) {
    captured_[0] = saved[0];
    captured_[1] = saved[1];
    return false;
  }
  set_to_play(to_play);
  return true;
}

template <int Cap>
typename Position<Cap>::Set Position<Cap>::last_removed() const {
  const std::size_t n = history_.turns().size();
  if (n == 0) return Set::none();
  const int victim = opponent(static_cast<Color>(history_.turns().back().color)) - 1;
  return history_.snapshot(n - 1).stones[victim] - history_.snapshot(n).stones[victim];
}

template class Position<9>;
template class Position<13>;
template class Position<19>;

}  // namespace ag
