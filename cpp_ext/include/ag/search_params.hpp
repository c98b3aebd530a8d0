/// Every knob of the search, once. The list below makes this struct, the Python dataclass, the YAML keys and the table in docs/.
///
/// docs/search.md defines what each one does. Kinds: AG_FLOAT(name, default, min, max, doc), AG_INT (the same), AG_BOOL(name,
/// default, doc), AG_CHOICE(name, default index, "names, comma separated", doc).
#pragma once

#include <cstdint>

namespace ag {

// clang-format off
#define AG_SEARCH_PARAMS(AG_FLOAT, AG_INT, AG_BOOL, AG_CHOICE)                                                                                                                  \
  /* selection */                                                                                                                                                               \
  AG_CHOICE(puct, 2, "alphago,zero,alphazero", "PUCT formula: alphago (Nature 2016, on rollout counts), zero (Nature 2017), alphazero (Science 2018, c grows with the log of visits).") \
  AG_FLOAT(c_puct, 1.5, 0, 100, "Exploration constant of puct=alphago (paper: 5) and puct=zero (not published; minigo and Leela Zero use 0.8 to 2).")                           \
  AG_FLOAT(c_init, 1.25, 0, 100, "Exploration constant c_init of puct=alphazero (paper's pseudocode: 1.25).")                                                                   \
  AG_FLOAT(c_base, 19652, 1, 1e9, "Growth constant c_base of puct=alphazero (paper's pseudocode: 19652).")                                                                      \
  AG_CHOICE(fpu, 0, "parent,value", "First-play urgency: the parent's value less a reduction (KataGo), or the constant fpu_value (AlphaGo Zero).")                              \
  AG_FLOAT(fpu_reduction, 0.2, 0, 10, "fpu=parent: times sqrt(prior mass of the visited moves), below the root (KataGo: 0.2).")                                                 \
  AG_FLOAT(fpu_root_reduction, 0, 0, 10, "The same at the root (KataGo: 0 with noise).")                                                                                        \
  AG_FLOAT(fpu_value, 0, -1, 1, "fpu=value: value of an unvisited move (AlphaGo Zero as printed: 0; minigo: -1, a loss).")                                                      \
  AG_FLOAT(virtual_loss, 1, 0, 100, "Losses that a simulation in flight counts for (AlphaGo: 3).")                                                                              \
  AG_INT(leaves_in_flight, 1, 1, 1024, "Simulations selected before any of them is backed up; part of the result, not of the machine (AlphaGo Zero: 8).")                       \
  AG_INT(rounds_in_flight, 1, 1, 4, "Rounds of leaves that may wait for the network at once; above 1 the tree works on while the network does.")                               \
  AG_INT(late_evaluations, 0, 0, 256, "With rollouts and networks of their own for policy and value: simulations do not wait for networks, which answer so many positions at a time (0: they wait).")  \
  AG_INT(late_groups, 1, 1, 4, "Groups of late_evaluations that may wait for a network before simulations do; above 1 the tree works on while the network does.")             \
  /* priors */                                                                                                                                                                  \
  AG_CHOICE(prior, 0, "uniform,rollout,tree", "Priors where no policy network gives them: equal, the rollout policy, or AlphaGo's tree policy (Extended Data Table 4).")       \
  AG_FLOAT(policy_exponent, 1, 0.01, 10, "Priors of the policy network are raised to this power (AlphaGo: beta 0.67).")                                                         \
  AG_FLOAT(root_policy_temperature, 1, 0.05, 20, "Softens the priors at the root (KataGo: 1.1 to 1.25 in self-play).")                                                          \
  AG_FLOAT(noise_fraction, 0, 0, 1, "Share of Dirichlet noise in the root's priors (AlphaGo Zero: 0.25 in self-play, 0 in play).")                                              \
  AG_FLOAT(noise_total_alpha, 10.83, 0.001, 1e6, "Dirichlet alpha times the number of legal moves (AlphaGo Zero: 0.03 * 361).")                                                 \
  AG_CHOICE(symmetry, 0, "none,random", "Symmetry of a network evaluation: none (AlphaZero), or drawn from game seed and position (AlphaGo Zero).")                             \
  /* rollouts and expansion */                                                                                                                                                  \
  AG_CHOICE(rollouts, 0, "off,light,softmax", "A playout for every simulation: none, uniformly random moves, or the softmax rollout policy.")                                   \
  AG_FLOAT(rollout_weight, 0.5, 0, 1, "lambda: share of rollouts in Q where network values exist too (AlphaGo: 0.5).")                                                          \
  AG_INT(expansion_threshold, 0, 0, 1000000, "With rollouts: visits that an edge needs before its position gets children (AlphaGo: n_thr 40).")                                 \
  AG_INT(network_threshold, 0, 0, 1000000, "With late_evaluations: visits that an edge needs before networks are asked about its position (0, as AlphaGo: the value network when it is reached, the policy network when it gets children).") \
  AG_BOOL(rollout_cache, false, "Softmax rollouts answer as the tree did where the 3x3 surroundings of the last move and the answer match (AlphaGo's last-good-reply cache).")         \
  AG_FLOAT(rollout_cache_probability, 0.9, 0, 1, "Chance that a matching cache entry is played (AlphaGo: high, not published).")                                                \
  AG_FLOAT(rave, 0, 0, 1e9, "With rollouts: visits at which a move's own value counts as much as that of all simulations that played it later (RAVE, Gelly and Silver: 1000 to 3000; 0 is off).") \
  /* Gumbel */                                                                                                                                                                  \
  AG_CHOICE(root, 0, "puct,gumbel", "How the root chooses: as any node, or Gumbel with sequential halving (Danihelka et al., ICLR 2022).")                                      \
  AG_CHOICE(interior, 0, "puct,gumbel", "How other nodes choose: PUCT, or deterministically towards the improved policy (same paper).")                                         \
  AG_INT(gumbel_considered, 16, 1, 1000, "Moves that the Gumbel root samples (paper: 16).")                                                                                     \
  AG_FLOAT(gumbel_c_visit, 50, 0, 10000, "sigma(q) = (c_visit + max visits) * c_scale * q (paper: 50).")                                                                        \
  AG_FLOAT(gumbel_c_scale, 1, 0, 1000, "Same formula, q in [0, 1] (paper: 1 for board games).")                                                                                 \
  AG_FLOAT(gumbel_scale, 1, 0, 100, "Scale of the Gumbel noise; 0 for play without exploration (paper: 1 in training, 0 in evaluation).")                                       \
  /* root play */                                                                                                                                                               \
  AG_FLOAT(forced_playouts, 0, 0, 100, "k: a visited root move gets at least sqrt(k * P * visits), pruned from the policy target again (KataGo: 2; 0 is off).")                 \
  AG_CHOICE(move, 0, "visits,lcb", "The move at temperature 0: most visits (AlphaGo), or the best lower confidence bound (KataGo, Leela Zero).")                                \
  AG_FLOAT(lcb_stdevs, 5, 0, 100, "move=lcb: standard errors below the mean (KataGo: 5).")                                                                                      \
  AG_FLOAT(lcb_min_visit_fraction, 0.15, 0, 1, "move=lcb: share of the most visits that a move needs (KataGo: 0.15).")                                                          \
  AG_FLOAT(temperature, 0, 0, 100, "Temperature of the move for the first temperature_moves turns (AlphaGo Zero: 1 in self-play; 0 takes the best).")                           \
  AG_INT(temperature_moves, 30, 0, 100000, "Turns of the game with `temperature` (AlphaGo Zero: 30 on 19x19).")                                                                 \
  AG_FLOAT(temperature_final, 0, 0, 100, "Temperature after them (AlphaGo Zero: towards 0).")                                                                                   \
  AG_FLOAT(resign_threshold, -1, -1, 1, "Resigns when the root and its best move are worth less (AlphaGo: -0.8; -1 never resigns).")                                            \
  AG_INT(resign_turns, 1, 1, 1000, "Turns of this side in a row that must say so.")                                                                                             \
  AG_INT(resign_min_turn, 0, 0, 100000, "No resignation before this turn of the game.")                                                                                         \
  AG_FLOAT(resign_off_fraction, 0.1, 0, 1, "Share of autoplay games that are never resigned, to watch for false resignations (AlphaGo Zero: 0.1).")                             \
  /* utility */                                                                                                                                                                 \
  AG_FLOAT(draw_value, 0, -1, 1, "Value of a draw for black (AlphaZero: 0).")                                                                                                   \
  AG_FLOAT(score_static, 0, 0, 10, "Utility of the predicted score around zero (KataGo: 0.1 in play).")                                                                         \
  AG_FLOAT(score_dynamic, 0, 0, 10, "Utility of the predicted score around the root's (KataGo: 0.4 in self-play, 0.3 in play).")                                                \
  AG_FLOAT(score_zero_weight, 0.25, 0, 1, "How far the centre of score_dynamic is pulled to zero (KataGo: 0.25).")                                                              \
  AG_FLOAT(score_scale, 0.5, 0.01, 100, "Points, in board sizes, at which score utility is half way to saturation (KataGo: 0.5).")                                              \
  /* the search as a whole */                                                                                                                                                   \
  AG_INT(simulations, 32, 1, 100000000, "Simulations a move in autoplay games (AlphaGo Zero: 1600, AlphaZero: 800).")                                                           \
  AG_BOOL(reuse_tree, true, "Keep the subtree of the move played (AlphaGo and after).")
// clang-format on

enum class PuctKind : int { kAlphago, kZero, kAlphazero };
enum class FpuKind : int { kParent, kValue };
enum class PriorKind : int { kUniform, kRollout, kTree };
enum class SymmetryKind : int { kNone, kRandom };
enum class RolloutKind : int { kOff, kLight, kSoftmax };
enum class ChooserKind : int { kPuct, kGumbel };
enum class MoveKind : int { kVisits, kLcb };

struct SearchParams {
#define AG_FLOAT(name, value, min, max, doc) double name = value;
#define AG_INT(name, value, min, max, doc) int name = value;
#define AG_BOOL(name, value, doc) bool name = value;
#define AG_CHOICE(name, value, names, doc) int name = value;
  AG_SEARCH_PARAMS(AG_FLOAT, AG_INT, AG_BOOL, AG_CHOICE)
#undef AG_FLOAT
#undef AG_INT
#undef AG_BOOL
#undef AG_CHOICE

  PuctKind puct_kind() const { return static_cast<PuctKind>(puct); }
  FpuKind fpu_kind() const { return static_cast<FpuKind>(fpu); }
  PriorKind prior_kind() const { return static_cast<PriorKind>(prior); }
  SymmetryKind symmetry_kind() const { return static_cast<SymmetryKind>(symmetry); }
  RolloutKind rollout_kind() const { return static_cast<RolloutKind>(rollouts); }
  bool rave_on() const { return rave > 0 && rollout_kind() != RolloutKind::kOff; }
  ChooserKind root_kind() const { return static_cast<ChooserKind>(root); }
  ChooserKind interior_kind() const { return static_cast<ChooserKind>(interior); }
  MoveKind move_kind() const { return static_cast<MoveKind>(move); }
};

}  // namespace ag
