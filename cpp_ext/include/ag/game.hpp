/// What a game must offer to be searched. The search is written against this concept and knows nothing of Go.
///
/// Two sides, 0 (moves first; black in Go) and 1. Actions are 0..n_actions()-1. Values that cross this interface are from
/// side 0's point of view and say so in their names.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ag/reply_cache.hpp"
#include "ag/search_params.hpp"
#include "ag/types.hpp"

namespace ag {

class RolloutWeights;

/// How a game ended.
struct Outcome {
  int winner0;   ///< 1 when side 0 won, -1 when side 1 won, 0 for a draw
  float score0;  ///< points of side 0 minus side 1, komi included; the winner's sign in games without points
};

/// 128 bits that stand for a position and everything of its past, rules and bans that a network can see.
struct PositionKey {
  std::uint64_t a = 0, b = 0;

  constexpr void add(std::uint64_t x) {
    a = mix64(a + x + kGolden);
    b = mix64((b ^ x) * 0xd6e8feb86659fd93ULL + 0x632be59bd9b4e019ULL);
  }
  friend bool operator==(const PositionKey&, const PositionKey&) = default;
};

template <class G>
concept Game = std::copy_constructible<G> && requires(G g, const G c, std::uint16_t* actions, float* planes, std::uint8_t* bytes,
                                                       double* priors, const RolloutWeights* weights, Rng rng,
                                                       std::vector<std::uint16_t>* played,
                                                       const typename G::Mark mark, const typename G::RolloutStart start, ReplyCache& replies) {
  { c.n_actions() } -> std::convertible_to<int>;
  { c.n_placed() } -> std::convertible_to<int>;      ///< actions below this stand for the same thing all game long (a point of the board)
  { c.side() } -> std::convertible_to<int>;          ///< to move: 0 or 1
  { c.turn() } -> std::convertible_to<int>;          ///< turns played since the start of the game
  { c.is_over() } -> std::convertible_to<bool>;
  { c.outcome() } -> std::same_as<Outcome>;          ///< of a game that is over
  { c.legal(actions) } -> std::convertible_to<int>;  ///< writes the legal actions, ascending; returns how many (at least one)
  { c.is_legal(0) } -> std::convertible_to<bool>;
  { g.play(0) };                                     ///< a legal action
  { c.mark() } -> std::same_as<typename G::Mark>;    ///< where rewind() comes back to, cheaply
  { g.rewind(mark) };
  { c.key() } -> std::same_as<PositionKey>;
  { c.scale() } -> std::convertible_to<double>;      ///< board size, the unit of score_scale
  { c.transformed(0, 0) } -> std::convertible_to<int>;  ///< where a symmetry (0..7) moves an action
  { c.write_planes(0, 0, planes) };                  ///< feature set, symmetry
  { c.write_planes(0, 0, bytes) };
  { c.write_globals(planes) };
  { c.rollout_start() } -> std::same_as<typename G::RolloutStart>;
  { G::rollout(start, RolloutKind::kLight, weights, rng, Replies{}, played) } -> std::same_as<Outcome>;
  { c.learn_reply(0, replies) };                     ///< the tree's answer here, for the rollouts
  { c.priors(PriorKind::kRollout, weights, priors) };  ///< [n_actions], sum 1, zero where a policy never plays
};

}  // namespace ag
