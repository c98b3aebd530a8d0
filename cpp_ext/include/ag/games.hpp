/// The games that the search is compiled for.
#pragma once

#include "ag/go_game.hpp"
#include "ag/tictactoe.hpp"

namespace ag {

/// Most actions that any of them has.
constexpr int kMaxActions = kMaxSize * kMaxSize + 1;

#define AG_FOR_EACH_GAME(F) F(GoGame<9>) F(GoGame<13>) F(GoGame<19>) F(TicTacToe)

/// A game to be overwritten.
template <class G>
G empty_game() {
  if constexpr (std::is_default_constructible_v<G>)
    return G{};
  else
    return G(typename G::Start(kMinSize, Rules{}), 0);
}

}  // namespace ag
