/// Flood fill on bit sets.
#pragma once

#include "ag/geometry.hpp"

namespace ag {

/// The set, and every point next to it. May hold padding bits: AND it with something on the board.
template <int Cap>
typename Geometry<Cap>::Set grow(const typename Geometry<Cap>::Set& s) {
  constexpr int kStride = Geometry<Cap>::kStride;
  return s | s.template up<1>() | s.template down<1>() | s.template up<kStride>() | s.template down<kStride>();
}

/// Everything in `inside` that is connected to `from` through `inside`. `from` must lie in `inside`.
template <int Cap>
typename Geometry<Cap>::Set flood(const typename Geometry<Cap>::Set& from, const typename Geometry<Cap>::Set& inside) {
  auto seed = from;
  for (;;) {
    const auto next = grow<Cap>(seed) & inside;
    if (next == seed) return seed;
    seed = next;
  }
}

}  // namespace ag
