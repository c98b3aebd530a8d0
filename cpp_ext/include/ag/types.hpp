/// Words that every header shares: colours, legality codes, and the counter-based random numbers.
#pragma once

#include <cstdint>

namespace ag {

/// Stored in the mailbox. OFF has both colour bits set, so that "all four neighbours are mine or off the board" is one AND.
enum Color : std::uint8_t { EMPTY = 0, BLACK = 1, WHITE = 2, OFF = 3 };

constexpr Color opponent(Color c) { return static_cast<Color>(3 - c); }

/// Why a move is not legal. The order is the precedence in which reasons are reported, except that OCCUPIED follows OFF_BOARD.
enum class Legality : int { kLegal = 0, kOccupied = 1, kSuicide = 2, kKo = 3, kSuperko = 4, kOffBoard = 5 };

/// A bijective mixer of 64 bits (the finaliser of SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
constexpr std::uint64_t mix64(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  x ^= x >> 31;
  return x;
}

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

/// Counter-based generator: draw i of stream (seed, stream) is a function of those three numbers and of nothing else,
/// so results do not depend on the machine or on which thread plays which game.
class Rng {
 public:
  constexpr Rng(std::uint64_t seed, std::uint64_t stream) : state_(mix64(mix64(seed + kGolden) + stream * kGolden)) {}

  constexpr std::uint64_t next() { return mix64(state_ += kGolden); }

  /// Uniform in [0, n), n > 0. Bias below n / 2^64.
  std::uint64_t below(std::uint64_t n) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * n) >> 64);
  }

  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

}  // namespace ag
