/// Go as the search sees it: a Position that ends after two passes or at a length limit, and is scored by area.
#pragma once

#include "ag/features.hpp"
#include "ag/game.hpp"
#include "ag/position.hpp"
#include "ag/rollout.hpp"

namespace ag {

template <int Cap>
class GoGame {
 public:
  using Start = Position<Cap>;
  using Mark = typename Position<Cap>::Mark;

  struct RolloutStart {
    PlayoutStart<Cap> start;
    double komi;  ///< points for white, handicap bonus included
  };

  GoGame(const Position<Cap>& position, int max_moves) : position_(position), max_moves_(max_moves) {}

  const Position<Cap>& position() const { return position_; }
  int n_actions() const { return position_.size() * position_.size() + 1; }
  int n_placed() const { return position_.size() * position_.size(); }
  int side() const { return position_.to_play() == BLACK ? 0 : 1; }
  int turn() const { return static_cast<int>(position_.history().turns().size()); }
  double scale() const { return position_.size(); }

  bool is_over() const { return position_.consecutive_passes() >= 2 || turn() >= max_moves_; }

  /// Tromp-Taylor area less komi and handicap bonus; stones alone under stone scoring. Territory rulesets are searched by area
  /// too: the two differ by a point at most once all dame are filled.
  Outcome outcome() const;

  int legal(std::uint16_t* out) const;
  bool is_legal(int action) const;
  void play(int action);
  Mark mark() const { return position_.mark(); }
  void rewind(const Mark& mark) { position_.rewind(mark); }

  /// Covers the stones and moves of the last eight turns, the moves that are legal now (so ko and superko bans), passes, prisoners, rules and komi.
  PositionKey key() const;

  int transformed(int symmetry, int action) const;
  template <class T>
  void write_planes(int feature_set, int symmetry, T* out) const {
    ag::write_planes(position_, static_cast<FeatureSet>(feature_set), symmetry, position_.size(), out);
  }
  void write_globals(float* out) const { ag::write_globals(position_, out); }

  RolloutStart rollout_start() const { return {PlayoutStart<Cap>(position_), position_.rules().komi + position_.rules().white_bonus}; }
  /// `actions`: where the playout's actions are appended, or nullptr.
  static Outcome rollout(const RolloutStart& start, RolloutKind kind, const RolloutWeights* weights, Rng rng, const Replies& replies,
                         Actions* actions);
  void learn_reply(int action, ReplyCache& replies) const;
  void priors(PriorKind kind, const RolloutWeights* weights, double* out) const;

 private:
  int cell_of(int action) const {
    return position_.board().tables().bit[static_cast<std::size_t>(action)] + Geometry<Cap>::kOrigin;
  }

  Position<Cap> position_;
  int max_moves_;
};

}  // namespace ag
