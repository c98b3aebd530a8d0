#include "ag/rollout_features.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "ag/parallel.hpp"
#include "ag/score.hpp"

namespace ag {

namespace {

constexpr std::uint64_t kPatternMask = (std::uint64_t{1} << kPattern12Bits) - 1;
constexpr std::int64_t kChunk = 16;

template <class Key, class Canonical>
void check(const char* name, const std::vector<Key>& keys, Canonical&& canonical) {
  for (std::size_t i = 0; i < keys.size(); ++i)
    if ((i > 0 && keys[i] <= keys[i - 1]) || !canonical(keys[i]))
      throw std::invalid_argument(std::string(name) + "_keys[" + std::to_string(i) + "]: keys must be canonical and strictly ascending");
}

}  // namespace

RolloutFeatures::RolloutFeatures(std::vector<std::uint32_t> pattern3, std::vector<std::uint64_t> response, std::vector<std::uint64_t> pattern12)
    : n_(kPattern3 + static_cast<int>(pattern3.size() + response.size() + pattern12.size())),
      pattern3_(std::size_t{1} << kPattern3Bits),
      response_map_(response.size() * 8),
      pattern12_map_(pattern12.size() * 8) {
  check("pattern3", pattern3, [](std::uint64_t k) { return k >> kPattern3Bits == 0 && canonical_key(k, 8) == k; });
  check("response", response, [](std::uint64_t k) { return (k >> kPattern12Bits) < 12 && canonical_response(k) == k; });
  check("pattern12", pattern12, [](std::uint64_t k) { return k >> kPattern12Bits == 0 && canonical_key(k, 12) == k; });
  for (std::size_t key = 0; key < std::size_t{1} << kPattern3Bits; ++key) pattern3_[key] = -kPattern3;  // pattern3() makes it kNone
  for (std::size_t i = 0; i < pattern3.size(); ++i)
    for (std::size_t s = 0; s < 8; ++s) pattern3_[transform_key(pattern3[i], 8, s)] = static_cast<std::int32_t>(i) + 1;
  int next = kPattern3 + static_cast<int>(pattern3.size());
  for (const std::uint64_t key : response) {
    for (std::size_t s = 0; s < 8; ++s) {
      const std::uint64_t image = transform_response(key, s);
      std::uint32_t block = response_map_.find(image & kPatternMask);
      if (block == KeyMap::kMissing) {
        block = static_cast<std::uint32_t>(response_blocks_.size());
        response_blocks_.emplace_back().fill(kNone);
        response_map_.insert(image & kPatternMask, block);
      }
      response_blocks_[block][image >> kPattern12Bits] = next;
    }
    ++next;
  }
  for (const std::uint64_t key : pattern12) {
    for (std::size_t s = 0; s < 8; ++s) pattern12_map_.insert(transform_key(key, 12, s), static_cast<std::uint32_t>(next));
    ++next;
  }
}

template <int Cap>
void RolloutState<Cap>::list_features(const RolloutFeatures& features, MoveFeatures& out) {
  apply_changes();
  out.clear();
  const int c = to_play_ - 1;
  const int ko = board_.ko() && board_.ko_color() == to_play_ ? board_.ko() : 0;
  std::int16_t index[G::kCells];
  std::fill_n(index, G::kCells, std::int16_t{-1});
  for (int i = 0; i < kCellWords; ++i)
    for (std::uint64_t m = empty_[i]; m; m &= m - 1) {
      const int cell = i * 64 + std::countr_zero(m);
      if (weight_[cell][c] == 0 || cell == ko) continue;
      index[cell] = static_cast<std::int16_t>(out.cells.size());
      out.cells.push_back(static_cast<std::uint16_t>(cell));
      const std::uint64_t key = to_play_ == BLACK ? key_[cell] : swap_colors(key_[cell]);
      out.pattern3.push_back(features.pattern3(static_cast<std::uint32_t>(key)));
    }
  const auto add = [&](int cell, int feature) {
    if (feature != RolloutFeatures::kNone && index[cell] >= 0) out.extras.push_back({index[cell], feature});
  };
  if (last_cell_) {
    for (int i = 0; i < 8; ++i) add(last_cell_ + G::kDir12[i], RolloutFeatures::kNeighbour + i);
    if (const auto* responses = features.responses(last_key_))
      for (std::size_t i = 0; i < 12; ++i)
        if ((*responses)[i] != RolloutFeatures::kNone) {
          add(last_cell_ + G::kDir12[i], RolloutFeatures::kResponse);
          add(last_cell_ + G::kDir12[i], (*responses)[i]);
        }
    Vital vital[G::kArea];
    const int n = n_captured_ > 0 ? list_nakade(vital) : 0;
    for (int i = 0; i < n; ++i) add(vital[i].cell, RolloutFeatures::kNakade + vital[i].index);
  }
  Set savers = Set::none();
  for (int i = 0; i < n_atari_[c]; ++i) collect_savers(atari_[c][i], savers);
  savers.each([&](int b) { add(b + G::kOrigin, RolloutFeatures::kSaveAtari); });
}
template void RolloutState<9>::list_features(const RolloutFeatures&, MoveFeatures&);
template void RolloutState<13>::list_features(const RolloutFeatures&, MoveFeatures&);
template void RolloutState<19>::list_features(const RolloutFeatures&, MoveFeatures&);

namespace {

/// A file without patterns: what is playable does not depend on weights.
const RolloutWeights& plain_weights() {
  static const RolloutWeights weights = [] {
    RolloutParameters p;
    p.nakade.assign(kNakadeWeights, 0.0f);
    return RolloutWeights(p);
  }();
  return weights;
}

template <int Cap>
void add_position(const Position<Cap>& p, int played, const RolloutFeatures& features, bool tree, MoveFeatures& moves, FeatureBatch& out) {
  using G = Geometry<Cap>;
  RolloutState<Cap> state(PlayoutStart<Cap>(p), plain_weights());
  state.list_features(features, moves);
  const auto& tables = p.board().tables();
  const std::int64_t base = static_cast<std::int64_t>(out.pattern3.size());
  const int wanted = played < tables.area ? tables.bit[static_cast<std::size_t>(played)] + G::kOrigin : 0;
  std::int64_t chosen = -1;
  for (std::size_t i = 0; i < moves.cells.size(); ++i) {
    const int cell = moves.cells[i], bit = cell - G::kOrigin;
    if (cell == wanted) chosen = base + static_cast<std::int64_t>(i);
    if (!tree) continue;
    out.tree.push_back(liberties_after(p.board(), cell, p.to_play()) == 1 ? RolloutFeatures::kSelfAtari : RolloutFeatures::kNone);
    for (std::size_t k = 0; k < 2; ++k) {
      const int last = p.last_cell(k);
      out.tree.push_back(last ? RolloutFeatures::kDistance + static_cast<int>(k) * kDistances + distance_class<Cap>(last - G::kOrigin, bit)
                              : RolloutFeatures::kNone);
    }
    const std::uint64_t key = state.key12(cell);
    out.tree.push_back(features.pattern12(p.to_play() == BLACK ? key : swap_colors(key)));
  }
  out.pattern3.insert(out.pattern3.end(), moves.pattern3.begin(), moves.pattern3.end());
  for (const auto& [move, feature] : moves.extras) {
    out.extra_move.push_back(static_cast<std::int32_t>(base) + move);
    out.extra_feature.push_back(feature);
  }
  out.played.push_back(chosen);
  out.first.push_back(static_cast<std::int64_t>(out.pattern3.size()));
  out.extra_first.push_back(static_cast<std::int64_t>(out.extra_move.size()));
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from, T shift, std::size_t skip = 0) {
  for (std::size_t i = skip; i < from.size(); ++i) to.push_back(from[i] + shift);
}

}  // namespace

FeatureBatch read_features(const GameSet& games, const std::int64_t* positions, std::int64_t n, const RolloutFeatures& features, bool tree,
                           int threads) {
  games.check_positions(positions, n);
  std::vector<FeatureBatch> pieces(static_cast<std::size_t>((n + kChunk - 1) / kChunk));
  parallel_chunks(n, kChunk, threads, [&](std::int64_t first, std::int64_t last, int) {
    MoveFeatures moves;
    FeatureBatch& piece = pieces[static_cast<std::size_t>(first / kChunk)];
    for (std::int64_t i = first; i < last; ++i)
      games.visit(positions[i], [&](const auto& p, std::size_t) { add_position(p, games.move_at(positions[i]), features, tree, moves, piece); });
  });
  FeatureBatch out;
  for (const FeatureBatch& piece : pieces) {
    const auto base = static_cast<std::int64_t>(out.pattern3.size()), extra = static_cast<std::int64_t>(out.extra_move.size());
    append(out.first, piece.first, base, 1);
    append(out.extra_first, piece.extra_first, extra, 1);
    for (const std::int64_t k : piece.played) out.played.push_back(k < 0 ? -1 : k + base);
    append(out.pattern3, piece.pattern3, 0);
    append(out.tree, piece.tree, 0);
    append(out.extra_move, piece.extra_move, static_cast<std::int32_t>(base));
    append(out.extra_feature, piece.extra_feature, 0);
  }
  return out;
}

namespace {

using Counts = std::unordered_map<std::uint64_t, std::pair<std::int64_t, std::int64_t>>;

template <int Cap>
void count_position(const Position<Cap>& p, int played, PatternKind kind, const RolloutFeatures& none, MoveFeatures& moves, Counts& counts) {
  using G = Geometry<Cap>;
  RolloutState<Cap> state(PlayoutStart<Cap>(p), plain_weights());
  state.list_features(none, moves);
  const bool black = p.to_play() == BLACK;
  const auto& tables = p.board().tables();
  const int wanted = played < tables.area ? tables.bit[static_cast<std::size_t>(played)] + G::kOrigin : 0;
  const auto count = [&](std::uint64_t key, int cell) {
    auto& [seen, chosen] = counts[key];
    ++seen;
    chosen += cell == wanted;
  };
  if (kind == PatternKind::kResponse) {
    const int last = p.last_cell(0);
    if (!last) return;
    const std::uint64_t key = black ? state.key12(last) : swap_colors(state.key12(last));
    for (const std::uint16_t cell : moves.cells)
      for (std::size_t place = 0; place < 12; ++place)
        if (last + G::kDir12[place] == cell) count(canonical_response(key | static_cast<std::uint64_t>(place) << kPattern12Bits), cell);
    return;
  }
  for (const std::uint16_t cell : moves.cells) {
    const bool small = kind == PatternKind::kPattern3;
    const std::uint64_t key = small ? state.key3(cell) : state.key12(cell);
    count(canonical_key(black ? key : swap_colors(key), small ? 8 : 12), cell);
  }
}

}  // namespace

PatternCounts count_patterns(const GameSet& games, const std::int64_t* positions, std::int64_t n, PatternKind kind, int threads) {
  games.check_positions(positions, n);
  const RolloutFeatures none({}, {}, {});
  std::vector<Counts> found(static_cast<std::size_t>(threads));
  parallel_chunks(n, kChunk, threads, [&](std::int64_t first, std::int64_t last, int thread) {
    MoveFeatures moves;
    for (std::int64_t i = first; i < last; ++i)
      games.visit(positions[i], [&](const auto& p, std::size_t) {
        count_position(p, games.move_at(positions[i]), kind, none, moves, found[static_cast<std::size_t>(thread)]);
      });
  });
  Counts& all = found[0];
  for (std::size_t t = 1; t < found.size(); ++t)
    for (const auto& [key, counts] : found[t]) {
      auto& [seen, played] = all[key];
      seen += counts.first;
      played += counts.second;
    }
  PatternCounts out;
  for (const auto& entry : all) out.keys.push_back(entry.first);
  std::sort(out.keys.begin(), out.keys.end());
  for (const std::uint64_t key : out.keys) {
    out.seen.push_back(all[key].first);
    out.played.push_back(all[key].second);
  }
  return out;
}

namespace {

constexpr double kUnit = 4294967296.0;  ///< gradients are added up as integers of 2^-32: exact in any order

/// Adds coefficient * (features of the move played - their mean under the policy) to the gradient, for a whole playout.
template <int Cap>
void add_playout(RolloutState<Cap> state, Rng rng, const RolloutFeatures& features, double coefficient, int limit, MoveFeatures& moves,
                 std::vector<std::int64_t>& gradient) {
  using G = Geometry<Cap>;
  std::uint64_t weights[G::kSpan];
  std::vector<std::int64_t> shares;
  const auto add = [&](int feature, std::int64_t amount) {
    if (feature != RolloutFeatures::kNone) gradient[static_cast<std::size_t>(feature)] += amount;
  };
  for (int turn = 0; !state.is_over() && turn < limit; ++turn) {
    state.list_features(features, moves);
    state.move_weights(weights);
    double total = 0;
    for (const std::uint16_t cell : moves.cells) total += static_cast<double>(weights[cell - G::kOrigin]);
    const int played = state.step(rng);
    if (!played) continue;  // the only thing to do
    shares.resize(moves.cells.size());
    for (std::size_t i = 0; i < moves.cells.size(); ++i) {
      const double p = static_cast<double>(weights[moves.cells[i] - G::kOrigin]) / total;
      shares[i] = std::llround(coefficient * ((moves.cells[i] == played ? 1.0 : 0.0) - p) * kUnit);
      add(moves.pattern3[i], shares[i]);
    }
    for (const auto& [move, feature] : moves.extras) add(feature, shares[static_cast<std::size_t>(move)]);
  }
}

}  // namespace

Balance balance_step(const GameSet& games, const std::int64_t* positions, const float* targets, std::int64_t n, const RolloutWeights& weights,
                     const RolloutFeatures& features, int playouts, std::uint64_t seed, int threads) {
  games.check_positions(positions, n);
  if (playouts < 2) throw std::invalid_argument("playouts must be 2 or more, got " + std::to_string(playouts));
  Balance out;
  out.values.resize(static_cast<std::size_t>(n));
  std::vector<std::vector<std::int64_t>> sums(static_cast<std::size_t>(threads));
  parallel_chunks(n, 1, threads, [&](std::int64_t first, std::int64_t, int thread) {
    std::vector<std::int64_t>& gradient = sums[static_cast<std::size_t>(thread)];
    gradient.resize(static_cast<std::size_t>(features.size()));
    games.visit(positions[first], [&](const auto& p, std::size_t) {
      const PlayoutStart start(p);
      const RolloutState prepared(start, weights);
      const double komi = p.rules().komi + p.rules().white_bonus, m = playouts, sign = p.to_play() == BLACK ? 1 : -1;
      const std::uint64_t stream = mix64(seed + static_cast<std::uint64_t>(first));
      std::vector<double> z(static_cast<std::size_t>(playouts));
      double sum = 0;
      for (std::size_t i = 0; i < z.size(); ++i) {
        auto state = prepared;
        const double lead = sign * (state.finish({}, Rng(stream, i), nullptr).score - komi);
        z[i] = lead > 0 ? 1 : lead < 0 ? -1 : 0;
        sum += z[i];
      }
      out.values[static_cast<std::size_t>(first)] = static_cast<float>(sum / m);
      MoveFeatures moves;
      for (std::size_t i = 0; i < z.size(); ++i) {
        // The mean of the others is independent of this playout: as a value and as a baseline it leaves the gradient unbiased.
        const double others = (sum - z[i]) / (m - 1);
        const double coefficient = (static_cast<double>(targets[first]) - others) * (z[i] - others) / m;
        if (coefficient != 0) add_playout(prepared, Rng(stream, i), features, coefficient, 3 * p.board().tables().area, moves, gradient);
      }
    });
  });
  out.gradient.assign(static_cast<std::size_t>(features.size()), 0.0);
  for (std::size_t f = 0; f < out.gradient.size(); ++f) {
    std::int64_t total = 0;
    for (const auto& gradient : sums)
      if (!gradient.empty()) total += gradient[f];
    out.gradient[f] = static_cast<double>(total) / kUnit;
  }
  return out;
}

}  // namespace ag
