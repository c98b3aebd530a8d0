#include "ag/policy_games.hpp"

#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

namespace ag {

namespace {

constexpr int kMostActions = 19 * 19 + 1;
constexpr int kPlayouts = 32;  ///< that settle a position: under a millisecond on 9x9

}  // namespace

template <int Cap>
const Settled<Cap>& PolicyGames::settled(std::int64_t game, const Position<Cap>& position) const {
  auto& kept = std::get<Kept<Cap>>(settled_)[static_cast<std::size_t>(game)];
  if (!kept || !kept->is_of(position))
    kept = std::make_shared<const Settled<Cap>>(position, *settle_, kPlayouts, seeds_[static_cast<std::size_t>(game)]);
  return *kept;
}

/// The legal move of the largest logit on an open point that leaves its chain two liberties; the pass where there is none.
template <int Cap>
std::uint16_t PolicyGames::instead_of_passing(std::int64_t game, const GoGame<Cap>& g, const std::uint16_t* legal, int n,
                                              const float* logits) const {
  const Position<Cap>& position = g.position();
  const std::uint16_t pass = legal[n - 1];
  if (position.rules().scoring != Scoring::kArea) return pass;
  const Settled<Cap>& seen = settled(game, position);
  const auto& bits = position.board().tables().bit;
  std::uint16_t best = pass;
  for (int i = 0; i < n - 1; ++i) {
    const int bit = bits[legal[i]];
    if (!seen.is_open(bit) || (best != pass && logits[legal[i]] <= logits[best])) continue;
    Board<Cap> after = position.board();
    const int cell = bit + Geometry<Cap>::kOrigin;
    after.place(cell, position.to_play());
    if (after.at(cell) != EMPTY && after.n_liberties(after.chain(cell)) > 1) best = legal[i];
  }
  return best;
}

PolicyGames::PolicyGames(const AnyPosition& start, std::int64_t count, int max_moves, std::shared_ptr<const RolloutWeights> settle)
    : start_(start), count_(count), max_moves_(max_moves), settle_(std::move(settle)), seeds_(static_cast<std::size_t>(count > 0 ? count : 0)) {
  if (count < 1 || count > 1 << 20) throw std::invalid_argument("count must be 1..1048576, got " + std::to_string(count));
  if (max_moves < 1) throw std::invalid_argument("max_moves must be at least 1, got " + std::to_string(max_moves));
  start.visit([&]<int Cap>(const Position<Cap>& position) {
    const GoGame<Cap> game(position, max_moves);
    if (game.is_over()) throw std::invalid_argument("start: the game is over");
    games_ = std::vector<GoGame<Cap>>(static_cast<std::size_t>(count), game);
    settled_ = Kept<Cap>(static_cast<std::size_t>(count));
  });
}

void PolicyGames::begin(std::int64_t game, std::uint64_t seed) {
  seeds_[static_cast<std::size_t>(game)] = seed;
  start_.visit([&]<int Cap>(const Position<Cap>& position) {
    std::get<std::vector<GoGame<Cap>>>(games_)[static_cast<std::size_t>(game)] = GoGame<Cap>(position, max_moves_);
    std::get<Kept<Cap>>(settled_)[static_cast<std::size_t>(game)].reset();  // the seed is another
  });
}

bool PolicyGames::is_over(std::int64_t game) const {
  return visit(game, [](const auto& g) { return g.is_over(); });
}

int PolicyGames::to_play(std::int64_t game) const {
  return visit(game, [](const auto& g) { return static_cast<int>(g.position().to_play()); });
}

int PolicyGames::move_count(std::int64_t game) const {
  return visit(game, [](const auto& g) { return g.turn(); });
}

float PolicyGames::score(std::int64_t game) const {
  return visit(game, [&]<int Cap>(const GoGame<Cap>& g) {
    const Rules& rules = g.position().rules();
    if (!settle_ || rules.scoring != Scoring::kArea) return g.outcome().score0;
    return static_cast<float>(settled(game, g.position()).score() - rules.komi - rules.white_bonus);
  });
}

void PolicyGames::owners(std::int64_t game, std::int8_t* out) const {
  visit(game, [&]<int Cap>(const GoGame<Cap>& g) {
    const Position<Cap>& position = g.position();
    const bool settles = settle_ && position.rules().scoring == Scoring::kArea;
    const Ownership<Cap> owned = settles ? settled(game, position).area() : area(position.board());
    const auto& bits = position.board().tables().bit;
    for (int a = 0; a < start_.area_size(); ++a) out[a] = static_cast<std::int8_t>(owned.black.test(bits[a]) - owned.white.test(bits[a]));
  });
}

AnyPosition PolicyGames::position(std::int64_t game) const {
  return visit(game, [](const auto& g) { return AnyPosition(g.position()); });
}

void PolicyGames::write(std::int64_t game, FeatureSet set, int symmetry, float* planes, float* globals) const {
  visit(game, [&](const auto& g) {
    g.write_planes(static_cast<int>(set), symmetry, planes);
    g.write_globals(globals);
  });
}

void PolicyGames::write_mask(std::int64_t game, std::uint8_t* mask) const {
  visit(game, [&](const auto& g) {
    std::uint16_t legal[kMostActions];
    std::fill(mask, mask + n_actions(), std::uint8_t{0});
    const int n = g.legal(legal);
    for (int i = 0; i < n; ++i) mask[legal[i]] = 1;
  });
}

DrawnMove PolicyGames::play(std::int64_t game, const float* logits, double temperature) {
  return visit(game, [&](auto& g) {
    if (g.is_over()) throw std::invalid_argument("game " + std::to_string(game) + " is over");
    std::uint16_t legal[kMostActions];
    double p[kMostActions];
    const int n = g.legal(legal);
    int best = 0;
    for (int i = 0; i < n; ++i) {
      const float logit = logits[legal[i]];
      if (!std::isfinite(logit))
        throw std::invalid_argument("the logit of action " + std::to_string(legal[i]) + " is not finite");
      if (logit > logits[legal[best]]) best = i;
    }
    int chosen = best;
    double log_prob = 0;
    if (temperature > 0) {
      const double top = static_cast<double>(logits[legal[best]]);
      double total = 0;
      for (int i = 0; i < n; ++i) total += p[i] = std::exp((static_cast<double>(logits[legal[i]]) - top) / temperature);
      double left = Rng(seeds_[static_cast<std::size_t>(game)], static_cast<std::uint64_t>(g.turn())).uniform() * total;
      for (int i = 0; i < n; ++i) {
        if (p[i] == 0) continue;  // far below the best: not to be chosen by a rounding error either
        chosen = i;
        left -= p[i];
        if (left < 0) break;
      }
      log_prob = std::log(p[chosen] / total);
    }
    g.play(settle_ && chosen == n - 1 ? instead_of_passing(game, g, legal, n, logits) : legal[chosen]);
    return DrawnMove{legal[chosen], static_cast<float>(log_prob)};
  });
}

void PolicyGames::check(std::int64_t game) const {
  if (game < 0 || game >= count_)
    throw std::invalid_argument("games must be 0.." + std::to_string(count_ - 1) + ", got " + std::to_string(game));
}

}  // namespace ag
