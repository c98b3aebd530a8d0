/// Pattern keys of the rollout and tree policies. The alphabet and the bit order are defined in docs/features.md.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "ag/board.hpp"

namespace ag {

constexpr std::uint8_t kCodeEmpty = 0, kCodeOff = 4;
constexpr int kPattern3Bits = 24, kPattern12Bits = 36;

/// Code of a stone of `c` as black sees it, for a chain with n liberties.
constexpr std::uint8_t stone_code(Color c, int n_liberties) {
  return static_cast<std::uint8_t>((n_liberties < 3 ? n_liberties : 3) + (c == BLACK ? 0 : 4));
}

/// The same pattern seen from the other side: 1..3 <-> 5..7 in every 3-bit field.
constexpr std::uint64_t swap_colors(std::uint64_t key) {
  constexpr std::uint64_t kLow = 0111111111111ULL;  // bit 0 of each of 12 fields
  const std::uint64_t stone = (key | (key >> 1)) & kLow;
  return key ^ (stone << 2);
}

/// Where each of the 12 places goes under each symmetry: image[kPlaceImage[s][i]] = pattern[i].
constexpr std::array<std::array<std::uint8_t, 12>, 8> make_place_images() {
  constexpr int kRow[12] = {-1, -1, -1, 0, 0, 1, 1, 1, -2, 0, 0, 2};
  constexpr int kCol[12] = {-1, 0, 1, -1, 1, -1, 0, 1, 0, -2, 2, 0};
  std::array<std::array<std::uint8_t, 12>, 8> images{};
  for (std::size_t s = 0; s < 8; ++s)
    for (std::size_t i = 0; i < 12; ++i) {
      int r = kRow[i], c = kCol[i];
      if (s & 4) {
        const int t = r;
        r = c;
        c = t;
      }
      if (s & 1) r = -r;
      if (s & 2) c = -c;
      for (std::size_t j = 0; j < 12; ++j)
        if (kRow[j] == r && kCol[j] == c) images[s][i] = static_cast<std::uint8_t>(j);
    }
  return images;
}
inline constexpr auto kPlaceImage = make_place_images();

/// A key of n places (8 or 12) under a symmetry.
constexpr std::uint64_t transform_key(std::uint64_t key, int n, std::size_t symmetry) {
  std::uint64_t image = 0;
  for (int i = 0; i < n; ++i)
    image |= ((key >> (3 * i)) & 7) << (3 * kPlaceImage[symmetry][static_cast<std::size_t>(i)]);
  return image;
}

constexpr std::uint64_t canonical_key(std::uint64_t key, int n) {
  std::uint64_t best = key;
  for (std::size_t s = 1; s < 8; ++s) best = std::min(best, transform_key(key, n, s));
  return best;
}

/// Response key: a 12-point key and, above it, the place of the move among the 12 points.
constexpr std::uint64_t transform_response(std::uint64_t key, std::size_t symmetry) {
  const std::uint64_t pattern = key & ((std::uint64_t{1} << kPattern12Bits) - 1);
  const std::size_t place = (key >> kPattern12Bits) % 12;
  return transform_key(pattern, 12, symmetry) | (static_cast<std::uint64_t>(kPlaceImage[symmetry][place]) << kPattern12Bits);
}

constexpr std::uint64_t canonical_response(std::uint64_t key) {
  std::uint64_t best = key;
  for (std::size_t s = 1; s < 8; ++s) best = std::min(best, transform_response(key, s));
  return best;
}

/// What the codes of the four neighbours of a point say about a black play there: will its chain have two liberties?
enum class Room : std::uint8_t { kNo, kYes, kUnsure };

constexpr int kRoomKeys = 1 << 12;

constexpr std::array<Room, kRoomKeys> make_room() {
  std::array<Room, kRoomKeys> table{};
  for (int key = 0; key < kRoomKeys; ++key) {
    int empty = 0;
    bool plenty = false, joins = false, captures = false;
    for (int i = 0; i < 4; ++i) {
      const int code = (key >> (3 * i)) & 7;
      empty += code == kCodeEmpty;
      plenty |= code == stone_code(BLACK, 3);    // at least two liberties beside this point
      joins |= code == stone_code(BLACK, 2);
      captures |= code == stone_code(WHITE, 1);  // leaves a liberty behind
    }
    table[static_cast<std::size_t>(key)] =
        plenty || empty + captures >= 2 ? Room::kYes : joins || captures ? Room::kUnsure : Room::kNo;
  }
  return table;
}
inline constexpr auto kRoom = make_room();

/// One of N, W, E, S in a 3x3 key has this code.
constexpr bool has_beside(std::uint64_t key, std::uint8_t code) {
  constexpr std::uint64_t kSides = 1 << 3 | 1 << 9 | 1 << 12 | 1 << 18;
  const std::uint64_t other = key ^ (kSides * code);  // a field of 0 where the code stands
  return ((other | other >> 1 | other >> 2) & kSides) != kSides;
}

/// The codes of N, W, E, S out of a 3x3 key.
constexpr std::uint32_t sides(std::uint64_t key) {
  return static_cast<std::uint32_t>(((key >> 3) & 7) | ((key >> 6) & 0770) | ((key >> 9) & 07000));
}

}  // namespace ag
