/// Counts the legal positions of a small board by trying every colouring (Tromp and Farneback, "Combinatorics of Go").
/// Run with 4 as an argument for the 43 million colourings of the 4x4 board (15 seconds).
#include <cstdlib>

#include "ag/position.hpp"
#include "check.hpp"

using namespace ag;

namespace {

long count_legal(int size) {
  Position<9> position(size, Rules{});
  const auto& t = SizeTables<9>::of(size);
  long colourings = 1, legal = 0;
  for (int i = 0; i < t.area; ++i) colourings *= 3;
  for (long n = 0; n < colourings; ++n) {
    auto black = Geometry<9>::Set::none(), white = black;
    long rest = n;
    for (std::size_t a = 0; a < static_cast<std::size_t>(t.area); ++a, rest /= 3) {
      if (rest % 3 == BLACK) black.set(t.bit[a]);
      if (rest % 3 == WHITE) white.set(t.bit[a]);
    }
    legal += position.setup(black, white);
  }
  return legal;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::atoi(argv[1]) == 4) {
    CHECK(count_legal(4) == 24318165);
    std::puts("legal positions: 4x4 24318165");
    return 0;
  }
  CHECK(count_legal(2) == 57);
  CHECK(count_legal(3) == 12675);
  std::puts("legal positions: 2x2 57, 3x3 12675");
}
