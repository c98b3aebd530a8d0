/// The eight symmetries of a square board, as docs/features.md numbers them.
#pragma once

#include <utility>

namespace ag {

/// Where symmetry 0..7 takes (row, column) of a board of `size`: bit 2 swaps both, then bit 0 turns rows round, bit 1 columns.
constexpr std::pair<int, int> turned(int symmetry, int size, int row, int column) {
  if (symmetry & 4) std::swap(row, column);
  if (symmetry & 1) row = size - 1 - row;
  if (symmetry & 2) column = size - 1 - column;
  return {row, column};
}

}  // namespace ag
