#include "ag/game_set.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "ag/parallel.hpp"
#include "ag/symmetry.hpp"

namespace ag {

namespace {

[[noreturn]] void refuse(const std::string& text) { throw std::invalid_argument(text); }

template <class A>
void check_length(const char* name, const A& column, std::size_t wanted) {
  if (column.size() != wanted) refuse(std::string(name) + " has " + std::to_string(column.size()) + " entries, expected " + std::to_string(wanted));
}

/// Ascending offsets from 0 to `end`.
void check_offsets(const char* name, const std::vector<std::int64_t>& at, std::size_t entries, std::size_t end) {
  check_length(name, at, entries);
  if (at.front() != 0 || at.back() != static_cast<std::int64_t>(end) || !std::is_sorted(at.begin(), at.end()))
    refuse(std::string(name) + " must ascend from 0 to " + std::to_string(end));
}

template <class A>
void check_most(const char* name, const A& column, std::size_t first, std::size_t last, int most, std::size_t game) {
  for (std::size_t i = first; i < last; ++i)
    if (column[i] > most)
      refuse(std::string(name) + " of game " + std::to_string(game) + " holds " + std::to_string(column[i]) + ", expected 0 to " + std::to_string(most));
}

/// Where a symmetry of docs/features.md moves a point of a board of `size`, numbered on a board of `width`.
struct PointMap {
  int size, width, symmetry;
  int operator()(int action) const {
    if (action == size * size) return width * width;
    const auto [row, column] = turned(symmetry, size, action / size, action % size);
    return row * width + column;
  }
};

}  // namespace

GameSet::GameSet(GameColumns columns) : columns_(std::move(columns)) {
  const GameColumns& g = columns_;
  const std::size_t n = g.size.size(), m = g.moves.size();
  check_length("ko", g.ko, n);
  check_length("suicide", g.suicide, n);
  check_length("scoring", g.scoring, n);
  check_length("pass_stones", g.pass_stones, n);
  check_length("komi", g.komi, n);
  check_length("white_bonus", g.white_bonus, n);
  check_length("winner", g.winner, n);
  check_length("score", g.score, n);
  check_length("colors", g.colors, m);
  check_offsets("black_at", g.black_at, n + 1, g.black.size());
  check_offsets("white_at", g.white_at, n + 1, g.white.size());
  check_offsets("moves_at", g.moves_at, n + 1, m);
  check_offsets("ownership_at", g.ownership_at, n + 1, g.ownership.size());
  if (!g.root_value.empty()) check_length("root_value", g.root_value, m);
  check_length("visit_shares", g.visit_shares, g.visit_actions.size());
  if (!g.visits_at.empty()) check_offsets("visits_at", g.visits_at, m + 1, g.visit_actions.size());
  for (std::size_t i = 0; i < n; ++i) {
    const int size = g.size[i], area = size * size;
    if (size < kMinSize || size > kMaxSize) refuse("size of game " + std::to_string(i) + " is " + std::to_string(size));
    if (g.ko[i] > 2 || g.scoring[i] > 2) refuse("game " + std::to_string(i) + " has unknown rules");
    if (!(std::fabs(g.komi[i]) <= 1000) || !(std::fabs(g.white_bonus[i]) <= 1000)) refuse("komi of game " + std::to_string(i) + " is beyond 1000 points");
    const auto at = [](const std::vector<std::int64_t>& offsets, std::size_t k) { return static_cast<std::size_t>(offsets[k]); };
    check_most("black", g.black, at(g.black_at, i), at(g.black_at, i + 1), area - 1, i);
    check_most("white", g.white, at(g.white_at, i), at(g.white_at, i + 1), area - 1, i);
    check_most("moves", g.moves, at(g.moves_at, i), at(g.moves_at, i + 1), area, i);
    for (std::size_t k = at(g.moves_at, i); k < at(g.moves_at, i + 1); ++k) {
      if (g.colors[k] != BLACK && g.colors[k] != WHITE) refuse("colors of game " + std::to_string(i) + " hold " + std::to_string(g.colors[k]));
      if (!g.visits_at.empty()) check_most("visit_actions", g.visit_actions, at(g.visits_at, k), at(g.visits_at, k + 1), area, i);
    }
    const std::int64_t owned = g.ownership_at[i + 1] - g.ownership_at[i];
    if (owned != 0 && owned != area) refuse("ownership of game " + std::to_string(i) + " has " + std::to_string(owned) + " points");
    max_size_ = std::max(max_size_, size);
  }
}

std::size_t GameSet::bytes() const {
  const GameColumns& g = columns_;
  return g.size.size() * 48 + (g.moves.size() + g.black.size() + g.white.size() + g.visit_actions.size()) * 2 + g.colors.size() + g.ownership.size() +
         (g.root_value.size() + g.visit_shares.size()) * 4 + g.visits_at.size() * 8;
}

void GameSet::check_positions(const std::int64_t* positions, std::int64_t n) const {
  for (std::int64_t i = 0; i < n; ++i)
    if (positions[i] < 0 || positions[i] >= this->positions())
      refuse("position must be 0.." + std::to_string(this->positions() - 1) + ", got " + std::to_string(positions[i]));
}

std::size_t GameSet::game_of(std::int64_t position) const {
  const auto& at = columns_.moves_at;
  return static_cast<std::size_t>(std::upper_bound(at.begin(), at.end(), position) - at.begin() - 1);
}

template <int Cap>
Position<Cap> GameSet::replayed(std::size_t game, std::int64_t position) const {
  const GameColumns& g = columns_;
  const Rules rules{static_cast<KoRule>(g.ko[game]),  g.suicide[game] != 0, static_cast<Scoring>(g.scoring[game]), g.pass_stones[game] != 0,
                    static_cast<double>(g.komi[game]), static_cast<double>(g.white_bonus[game])};
  const int size = g.size[game], area = size * size;
  Position<Cap> p(size, rules);
  const auto& tables = p.board().tables();
  const auto cell_of = [&](int action) { return tables.bit[static_cast<std::size_t>(action)] + Geometry<Cap>::kOrigin; };
  if (g.black_at[game] != g.black_at[game + 1] || g.white_at[game] != g.white_at[game + 1]) {
    typename Position<Cap>::Set black = Position<Cap>::Set::none(), white = black;
    for (std::int64_t i = g.black_at[game]; i < g.black_at[game + 1]; ++i) black.set(tables.bit[g.black[static_cast<std::size_t>(i)]]);
    for (std::int64_t i = g.white_at[game]; i < g.white_at[game + 1]; ++i) white.set(tables.bit[g.white[static_cast<std::size_t>(i)]]);
    if (!p.setup(black, white)) refuse("game " + std::to_string(game) + ": the set-up stones cannot stand");
  }
  for (std::int64_t i = g.moves_at[game]; i < position; ++i) {
    const auto color = static_cast<Color>(g.colors[static_cast<std::size_t>(i)]);
    const int action = g.moves[static_cast<std::size_t>(i)];
    if (action == area) {
      p.pass(color);
      continue;
    }
    const int cell = cell_of(action);
    if (p.legality(cell, color) != Legality::kLegal)
      refuse("game " + std::to_string(game) + ": move " + std::to_string(i - g.moves_at[game] + 1) + " is illegal");
    p.play(cell, color);
  }
  p.set_to_play(static_cast<Color>(g.colors[static_cast<std::size_t>(position)]));
  return p;
}
template Position<9> GameSet::replayed(std::size_t, std::int64_t) const;
template Position<13> GameSet::replayed(std::size_t, std::int64_t) const;
template Position<19> GameSet::replayed(std::size_t, std::int64_t) const;

template <int Cap, class T>
void GameSet::write_one(const Position<Cap>& p, std::size_t game, std::int64_t position, int symmetry, FeatureSet set, int width,
                        std::int64_t row, const BatchOut<T>& out) const {
  const GameColumns& g = columns_;
  const auto& tables = p.board().tables();
  const int size = p.size(), area = size * size;
  const auto here = static_cast<std::size_t>(position);
  const Color mover = p.to_play();

  const auto wide = static_cast<std::int64_t>(width) * width;
  const PointMap turn{size, width, symmetry};
  if (out.planes) write_planes(p, set, symmetry, width, out.planes + row * n_planes(set) * wide);
  if (out.globals) write_globals(p, out.globals + row * kGlobals);
  if (out.move) out.move[row] = turn(g.moves[here]);
  if (out.reply) out.reply[row] = position + 1 < g.moves_at[game + 1] ? turn(g.moves[here + 1]) : -1;
  if (out.policy) {
    float* policy = out.policy + row * (wide + 1);
    std::fill_n(policy, wide + 1, 0.0f);
    const bool searched = !g.visits_at.empty() && g.visits_at[here] < g.visits_at[here + 1];
    if (searched)
      for (std::int64_t i = g.visits_at[here]; i < g.visits_at[here + 1]; ++i)
        policy[turn(g.visit_actions[static_cast<std::size_t>(i)])] = g.visit_shares[static_cast<std::size_t>(i)];
    else
      policy[turn(g.moves[here])] = 1;
  }
  if (out.legal) {
    std::uint8_t* legal = out.legal + row * (wide + 1);
    std::fill_n(legal, wide + 1, std::uint8_t{0});
    p.legal(mover).each([&](int bit) { legal[turn(tables.action[static_cast<std::size_t>(bit)])] = 1; });
    legal[wide] = 1;
  }
  const float sign = mover == BLACK ? 1.0f : -1.0f;
  if (out.outcome) {
    float* outcome = out.outcome + row * 3;
    const int winner = g.winner[game];
    outcome[0] = winner == mover ? 1.0f : 0.0f;
    outcome[1] = winner == 0 ? 1.0f : 0.0f;
    outcome[2] = winner > 0 && winner != mover ? 1.0f : 0.0f;
  }
  if (out.score) out.score[row] = sign * g.score[game];
  if (out.ownership) {
    float* ownership = out.ownership + row * wide;
    std::fill_n(ownership, wide, std::nanf(""));
    const std::int8_t* from = g.ownership.data() + g.ownership_at[game];
    if (g.ownership_at[game] != g.ownership_at[game + 1])
      for (int a = 0; a < area; ++a) ownership[turn(a)] = sign * static_cast<float>(from[a]);
  }
  if (out.root_value) out.root_value[row] = g.root_value.empty() ? std::nanf("") : g.root_value[here];
}

template <class T>
void GameSet::write(const std::int64_t* positions, const std::uint8_t* symmetry, std::int64_t n, FeatureSet set, int width, int threads,
                    const BatchOut<T>& out) const {
  if (width < kMinSize || width > kMaxSize) refuse("width must be 2..19, got " + std::to_string(width));
  check_positions(positions, n);
  for (std::int64_t i = 0; i < n; ++i) {
    if (symmetry && symmetry[i] > 7) refuse("symmetry must be 0..7, got " + std::to_string(symmetry[i]));
    if (const int size = columns_.size[game_of(positions[i])]; size > width)
      refuse("a game of " + std::to_string(size) + "x" + std::to_string(size) + " does not fit a batch of width " + std::to_string(width));
  }
  constexpr std::int64_t kChunk = 8;  // games differ in length: threads take small pieces
  parallel_chunks(n, kChunk, threads, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      const int turned = symmetry ? symmetry[i] : 0;
      visit(positions[i], [&](const auto& p, std::size_t game) { write_one(p, game, positions[i], turned, set, width, i, out); });
    }
  });
}

template void GameSet::write<float>(const std::int64_t*, const std::uint8_t*, std::int64_t, FeatureSet, int, int, const BatchOut<float>&) const;
template void GameSet::write<std::uint8_t>(const std::int64_t*, const std::uint8_t*, std::int64_t, FeatureSet, int, int, const BatchOut<std::uint8_t>&) const;

}  // namespace ag
