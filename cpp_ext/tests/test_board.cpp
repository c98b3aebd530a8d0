/// The incremental board against a recount from the stones alone, forwards and through undo().
#include <cstring>
#include <set>
#include <vector>

#include "ag/board.hpp"
#include "ag/types.hpp"
#include "check.hpp"

using namespace ag;

namespace {

/// Recounts chains, liberties and the hash from the colours of the cells.
template <int Cap>
void check_sound(const Board<Cap>& board) {
  using G = Geometry<Cap>;
  std::uint64_t hash = 0;
  std::set<int> seen;
  const auto& t = board.tables();
  for (int a = 0; a < t.area; ++a) {
    const int bit = t.bit[static_cast<std::size_t>(a)], cell = bit + G::kOrigin;
    const Color c = board.at(cell);
    CHECK(board.stones(BLACK).test(bit) == (c == BLACK));
    CHECK(board.stones(WHITE).test(bit) == (c == WHITE));
    CHECK(board.empties().test(bit) == (c == EMPTY));
    if (c == EMPTY) continue;
    hash ^= kZobrist<Cap>.of[c][bit];
    if (seen.count(cell)) continue;
    std::set<int> stones{cell}, liberties;
    std::vector<int> queue{cell};
    while (!queue.empty()) {
      const int s = queue.back();
      queue.pop_back();
      for (const int d : G::kDir4) {
        if (board.at(s + d) == EMPTY) liberties.insert(s + d - G::kOrigin);
        if (board.at(s + d) == c && stones.insert(s + d).second) queue.push_back(s + d);
      }
    }
    const int chain = board.chain(cell);
    std::set<int> listed, known;
    board.each_stone(chain, [&](int s) { CHECK(listed.insert(s).second); });
    board.liberties(chain).each([&](int b) { known.insert(b); });
    CHECK(listed == stones);
    CHECK(known == liberties);
    CHECK(board.n_liberties(chain) == static_cast<int>(liberties.size()));
    CHECK(board.n_stones(chain) == static_cast<int>(stones.size()));
    CHECK(!liberties.empty());
    for (const int s : stones) CHECK(board.chain(s) == chain);
    seen.insert(stones.begin(), stones.end());
  }
  CHECK(board.hash() == hash);
}

/// What undo() has to bring back, as far as anybody can see.
template <int Cap>
std::vector<int> observe(const Board<Cap>& board) {
  using G = Geometry<Cap>;
  std::vector<int> out{board.ko(), board.ko() ? board.ko_color() : 0, static_cast<int>(board.hash() & 0xffffff)};
  for (int cell = 0; cell < G::kCells; ++cell) {
    out.push_back(board.at(cell));
    if (board.at(cell) != BLACK && board.at(cell) != WHITE) continue;
    out.push_back(board.n_liberties(board.chain(cell)));
    out.push_back(board.n_stones(board.chain(cell)));
  }
  return out;
}

template <int Cap>
int random_legal(const Board<Cap>& board, Color c, bool suicide, Rng& rng) {
  const auto& t = board.tables();
  for (int tries = 0; tries < 40; ++tries) {
    const int cell = t.bit[rng.below(static_cast<std::uint64_t>(t.area))] + Geometry<Cap>::kOrigin;
    if (board.legality(cell, c, suicide) == Legality::kLegal) return cell;
  }
  return 0;
}

template <int Cap>
void random_games(int size, int games, int moves) {
  for (int g = 0; g < games; ++g) {
    Rng rng(static_cast<std::uint64_t>(size), static_cast<std::uint64_t>(g));
    const bool suicide = g % 2 == 0;
    Board<Cap> board(size);
    for (int m = 0; m < moves; ++m) {
      const Color c = rng.below(2) ? BLACK : WHITE;
      const int cell = random_legal(board, c, suicide, rng);
      if (!cell) continue;
      board.place(cell, c);
      check_sound(board);
      if (m % 7) continue;
      // A line of moves from here, then back: every step must look as it did.
      std::vector<typename Board<Cap>::Undo> undos;
      std::vector<std::vector<int>> seen;
      for (int k = 0; k < 40; ++k) {
        const Color d = rng.below(2) ? BLACK : WHITE;
        const int next = random_legal(board, d, suicide, rng);
        if (!next) break;
        seen.push_back(observe(board));
        undos.emplace_back();
        board.place(next, d, undos.back());
      }
      check_sound(board);
      while (!undos.empty()) {
        board.undo(undos.back());
        CHECK(observe(board) == seen.back());
        check_sound(board);
        undos.pop_back();
        seen.pop_back();
      }
    }
  }
}

}  // namespace

int main() {
  random_games<9>(2, 40, 40);
  random_games<9>(3, 40, 60);
  random_games<9>(5, 20, 120);
  random_games<9>(9, 6, 200);
  random_games<13>(10, 3, 250);
  random_games<13>(13, 3, 300);
  random_games<19>(14, 2, 300);
  random_games<19>(19, 2, 500);
  std::puts("board: incremental state equals a recount, forwards and back");
}
