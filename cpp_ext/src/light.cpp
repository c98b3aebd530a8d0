#include "ag/rollout.hpp"
#include "ag/score.hpp"

namespace ag {

namespace {

/// The empty points in an array, for uniform draws; keeps itself up to date as the observer of Board::place().
template <int Cap>
class Empties {
 public:
  using G = Geometry<Cap>;
  using Index = typename G::Index;

  explicit Empties(const Board<Cap>& board) {
    board.empties().each([&](int b) { add(b + G::kOrigin); });
  }

  int count() const { return n_; }
  int at(int i) const { return cells_[i]; }

  void add(int cell) {
    cells_[n_] = static_cast<Index>(cell);
    place_[cell] = static_cast<Index>(n_++);
  }
  void remove(int cell) {
    const Index last = cells_[--n_];
    const Index i = place_[cell];
    cells_[i] = last;
    place_[last] = i;
  }
  void swap(int i, int j) {
    const Index a = cells_[i], b = cells_[j];
    cells_[i] = b;
    cells_[j] = a;
    place_[b] = static_cast<Index>(i);
    place_[a] = static_cast<Index>(j);
  }
  void on_remove(int cell) { add(cell); }

 private:
  int n_ = 0;
  Index cells_[G::kArea];
  Index place_[G::kCells];
};

/// Legal under simple ko, no suicide, no true eye of c's. `cell` is empty.
template <int Cap>
inline bool is_playable(const Board<Cap>& board, int cell, Color c) {
  using G = Geometry<Cap>;
  const unsigned n = board.at(cell - G::kStride), w = board.at(cell - 1), e = board.at(cell + 1), s = board.at(cell + G::kStride);
  if (n == EMPTY || w == EMPTY || e == EMPTY || s == EMPTY) return true;  // no eye, no suicide, and never the ko point
  if ((n & w & e & s & c) && board.is_true_eye(cell, c)) return false;
  if (cell == board.ko() && c == board.ko_color()) return false;
  return !board.is_suicide(cell, c);
}

}  // namespace

template <int Cap>
PlayoutResult light_playout(const PlayoutStart<Cap>& start, const PlayoutOptions& options, Rng rng, Actions* actions) {
  using G = Geometry<Cap>;
  Board<Cap> board = start.board;
  Empties<Cap> empties(board);
  Color c = start.to_play;
  const SizeTables<Cap>& tables = board.tables();
  const int limit = options.max_moves > 0 ? options.max_moves : 3 * tables.area;
  int passes = start.consecutive_passes, moves = 0;
  int lead = board.stones(BLACK).count() - board.stones(WHITE).count();
  while (passes < 2 && moves < limit) {
    int n = empties.count();
    int cell = 0;
    while (n > 0) {
      const int i = static_cast<int>(rng.below(static_cast<std::uint64_t>(n)));
      const int candidate = empties.at(i);
      if (is_playable(board, candidate, c)) {
        cell = candidate;
        break;
      }
      empties.swap(i, --n);  // set aside for this move, so that the draw stays uniform over the rest
    }
    ++moves;
    if (cell) {
      passes = 0;
      empties.remove(cell);
      const int captured = board.place(cell, c, empties);
      lead += c == BLACK ? 1 + captured : -1 - captured;
    } else {
      ++passes;
      board.clear_ko();
    }
    if (actions)
      actions->push_back(static_cast<std::uint16_t>(
          cell ? tables.action[static_cast<std::size_t>(cell - G::kOrigin)] : tables.area));
    c = opponent(c);
    if (options.mercy > 0 && (lead >= options.mercy || lead <= -options.mercy)) break;
  }
  return {area_difference(board), moves};
}

template PlayoutResult light_playout<9>(const PlayoutStart<9>&, const PlayoutOptions&, Rng, Actions*);
template PlayoutResult light_playout<13>(const PlayoutStart<13>&, const PlayoutOptions&, Rng, Actions*);
template PlayoutResult light_playout<19>(const PlayoutStart<19>&, const PlayoutOptions&, Rng, Actions*);

}  // namespace ag
