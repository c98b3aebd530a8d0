/// A position of any size: picks the board capacity (9, 13 or 19) when it is made, speaks in actions, checks its arguments.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ag/features.hpp"
#include "ag/position.hpp"
#include "ag/rollout.hpp"

namespace ag {

enum class Policy { kLight, kSoftmax };

class AnyPosition {
 public:
  /// Throws std::invalid_argument naming the argument and its range.
  AnyPosition(int size, int ko, bool suicide, int scoring, double komi, bool pass_stones, double white_bonus);

  /// The very position that is given.
  template <int Cap>
  explicit AnyPosition(const Position<Cap>& position) : game_(position) {}

  /// Calls f with the Position<9>, <13> or <19> inside.
  template <class F>
  decltype(auto) visit(F&& f) const {
    return std::visit(std::forward<F>(f), game_);
  }
  template <class F>
  decltype(auto) visit(F&& f) {
    return std::visit(std::forward<F>(f), game_);
  }

  int size() const;
  int area_size() const { return size() * size(); }
  const Rules& rules() const;
  void set_komi(double komi);
  void set_white_bonus(double bonus);
  int to_play() const;
  void set_to_play(Color c);
  int move_count() const;
  int consecutive_passes() const;
  int ko_point() const;  ///< action, -1 when there is none for the side to move
  std::uint64_t hash() const;
  int captured(Color c) const;
  int passes_by(Color c) const;

  Legality legality(std::int64_t action, int color) const;
  /// Captured stones (>= 0), or minus the legality code and nothing done.
  int try_play(std::int64_t action, int color);
  bool undo();
  Legality setup(const std::vector<std::int64_t>& black, const std::vector<std::int64_t>& white,
                 const std::vector<std::int64_t>& empty);

  std::vector<std::pair<int, int>> moves() const;  ///< (colour, action)
  void stones(std::uint8_t* out) const;            ///< [area]
  std::vector<bool> legal_mask(int color) const;   ///< [area + 1]
  std::vector<int> liberty_points(std::int64_t action) const;
  std::vector<int> chain(std::int64_t action) const;
  bool is_eye(std::int64_t action, Color c) const;
  bool ladder_captured(std::int64_t action) const;
  std::pair<std::vector<bool>, std::vector<bool>> ladder_moves() const;  ///< capturing, escaping: [area] each
  std::vector<bool> pass_alive(Color c) const;                           ///< [area]
  void area(std::int8_t* out) const;                                     ///< [area]
  void territory(const bool* dead, bool strict_seki, std::int8_t* out) const;

  PlayoutResult playout(Policy policy, std::uint64_t seed, const RolloutWeights* weights, const PlayoutOptions& options,
                        Actions& actions) const;
  void rollout_probabilities(const RolloutWeights& weights, double* out) const;
  void tree_probabilities(const RolloutWeights& weights, double* out) const;
  void write_globals(float* out) const;

  /// A byte string that deserialize() turns into an equal position: the rules, the first position, and the turns.
  std::string serialize() const;
  /// Throws std::invalid_argument when the bytes are not such a string.
  static AnyPosition deserialize(const std::string& bytes);

 private:
  std::variant<Position<9>, Position<13>, Position<19>> game_;
};

}  // namespace ag
