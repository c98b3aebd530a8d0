/// Shapes of captured stones and their vital points: what the nakade feature of the rollout policy looks up.
#pragma once

#include <array>
#include <cstdint>

namespace ag {

constexpr int kMaxNakade = 7;          ///< largest shape that has indices
constexpr int kNakadeWeights = 8192;   ///< length of the weight array (Nature 529, Extended Data Table 4)

struct NakadeCell {
  std::int16_t row, col;
};

/// What is known of one connected shape, cell by cell in the order given.
struct NakadeShape {
  std::array<std::uint16_t, kMaxNakade> index;  ///< equal for cells that a symmetry of the board exchanges
  std::array<bool, kMaxNakade> vital;           ///< the point that decides between one eye and two
};

/// Looks a shape of 1 to kMaxNakade connected cells up; nullptr when it is none.
/// The entries are those of the shape's cells sorted by row, then column.
const NakadeShape* find_nakade(const NakadeCell* cells, int n);

}  // namespace ag
