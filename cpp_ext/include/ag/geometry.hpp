/// How points of a board of capacity Cap are laid out, and the tables that translate them.
///
/// Three numberings are in use:
///  - *action*: row * size + column, what Python and the networks see;
///  - *cell*:   index into the padded mailbox, neighbours at constant offsets;
///  - *bit*:    cell - kOrigin, index into Bits.
/// Two padding columns are shared by neighbouring rows: the 12-point diamond reaches two steps away.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "ag/bits.hpp"
#include "ag/types.hpp"

namespace ag {

constexpr int kMinSize = 2;
constexpr int kMaxSize = 19;

template <int Cap>
struct Geometry {
  static constexpr int kStride = Cap + 2;
  static constexpr int kOrigin = 2 * kStride;                      ///< cell of row 0, column 0
  static constexpr int kCells = (Cap + 4) * kStride;               ///< mailbox length
  static constexpr int kSpan = (Cap - 1) * kStride + Cap;          ///< bits in use
  static constexpr int kWords = Cap <= 9 ? 2 : Cap <= 13 ? 4 : 8;  ///< 128, 256, 512 bits
  static constexpr int kArea = Cap * Cap;
  static_assert(kSpan <= kWords * 64);

  using Set = Bits<kWords>;
  /// Smallest type that holds a cell, or a chain number (a bit, or one of two spare slots).
  using Index = std::conditional_t<(kCells < 256), std::uint8_t, std::uint16_t>;

  static constexpr int kDir4[4] = {-kStride, -1, 1, kStride};
  static constexpr int kDiagonal[4] = {-kStride - 1, -kStride + 1, kStride - 1, kStride + 1};
  /// The eight neighbours in pattern order NW N NE W E SW S SE, then the four points two steps away NN WW EE SS.
  static constexpr int kDir12[12] = {-kStride - 1, -kStride,    -kStride + 1, -1, 1, kStride - 1,
                                     kStride,      kStride + 1, -2 * kStride, -2, 2, 2 * kStride};

  static constexpr int cell(int row, int col) { return kOrigin + row * kStride + col; }
  static constexpr int row_of_bit(int bit) { return bit / kStride; }
  static constexpr int col_of_bit(int bit) { return bit % kStride; }
};

/// Tables that depend on the board's size as well.
template <int Cap>
struct SizeTables {
  using G = Geometry<Cap>;
  int size = 0;
  int area = 0;
  typename G::Set board;                            ///< bits of the points on the board
  std::array<std::uint16_t, G::kArea> bit{};        ///< action -> bit
  std::array<std::uint16_t, G::kSpan> action{};     ///< bit -> action (only for bits on the board)

  constexpr explicit SizeTables(int n) : size(n), area(n * n), board{} {
    for (int r = 0; r < n; ++r)
      for (int c = 0; c < n; ++c) {
        const int b = r * G::kStride + c;
        board.set(b);
        bit[static_cast<std::size_t>(r * n + c)] = static_cast<std::uint16_t>(b);
        action[static_cast<std::size_t>(b)] = static_cast<std::uint16_t>(r * n + c);
      }
  }

  /// The tables of boards of `size` (kMinSize <= size <= Cap); made once, shared by all threads.
  static const SizeTables& of(int size);
};

/// Zobrist numbers of stones: the same on every machine and for every build.
template <int Cap>
struct Zobrist {
  using G = Geometry<Cap>;
  std::uint64_t of[3][G::kSpan] = {};  ///< [colour][bit]; row EMPTY is zero

  constexpr Zobrist() {
    for (int c = BLACK; c <= WHITE; ++c)
      for (int b = 0; b < G::kSpan; ++b) {
        const int row = G::row_of_bit(b), col = G::col_of_bit(b);
        of[c][b] = mix64(mix64(static_cast<std::uint64_t>(c) * kGolden) + static_cast<std::uint64_t>(row * 32 + col + 1));
      }
  }
};

template <int Cap>
inline constexpr Zobrist<Cap> kZobrist{};

}  // namespace ag
