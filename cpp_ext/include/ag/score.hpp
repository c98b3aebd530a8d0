/// Who owns what: Tromp-Taylor area, territory with given dead stones, Benson's unconditionally alive chains.
#pragma once

#include "ag/board.hpp"

namespace ag {

template <int Cap>
struct Ownership {
  typename Geometry<Cap>::Set black, white;  ///< disjoint; points in neither are neutral
};

/// Tromp-Taylor area: stones, and empty points from which only that colour is reached.
template <int Cap>
Ownership<Cap> area(const Board<Cap>& board);

/// Black's area minus white's, in points, without komi.
template <int Cap>
int area_difference(const Board<Cap>& board);

/// Territory: empty points, once the `dead` stones are lifted, from which only one colour is reached.
/// `strict_seki` applies article 8 of the Japanese rules to the letter: a chain next to a neutral point (dame) is in seki,
/// and what borders such a chain is nobody's territory. It is meant for boards whose dame are filled.
template <int Cap>
Ownership<Cap> territory(const Board<Cap>& board, const typename Geometry<Cap>::Set& dead, bool strict_seki);

/// Pass-alive area of colour c, as docs/features.md defines it (Benson, Information Sciences 10, 1976).
template <int Cap>
typename Geometry<Cap>::Set pass_alive(const Board<Cap>& board, Color c);

}  // namespace ag
