/// Playouts: incremental pattern keys and weights against fresh ones, determinism, and who may look at whose memory.
#include <vector>

#include "ag/batch.hpp"
#include "ag/rollout.hpp"
#include "ag/score.hpp"
#include "check.hpp"

using namespace ag;

namespace {

RolloutParameters some_parameters() {
  RolloutParameters p;
  p.response = 0.2f;
  p.save_atari = 1.5f;
  for (std::size_t i = 0; i < 8; ++i) p.neighbour[i] = 0.1f * static_cast<float>(i);
  p.nakade.resize(kNakadeWeights);
  for (std::size_t i = 0; i < p.nakade.size(); ++i) p.nakade[i] = static_cast<float>(i % 5) * 0.4f;
  for (std::uint32_t key = 0; key < 40000; ++key)
    if (canonical_key(key, 8) == key) {
      p.pattern3_keys.push_back(key);
      p.pattern3_weights.push_back(static_cast<float>(key % 13) * 0.3f - 1.5f);
    }
  for (std::uint64_t key = 0; key < 3000; ++key)
    for (std::uint64_t place = 0; place < 12; ++place) {
      const std::uint64_t k = key | place << kPattern12Bits;
      if (canonical_response(k) == k) p.response_keys.push_back(k);
    }
  std::sort(p.response_keys.begin(), p.response_keys.end());
  for (std::size_t i = 0; i < p.response_keys.size(); ++i) p.response_weights.push_back(static_cast<float>(i % 7) * 0.2f);
  return p;
}

/// Plays softmax moves; after each, a state built from scratch must weigh every move the same.
template <int Cap>
void check_incremental(int size, int games, const RolloutWeights& weights) {
  using G = Geometry<Cap>;
  for (int g = 0; g < games; ++g) {
    Position<Cap> position(size, Rules{KoRule::kSimple});
    RolloutState<Cap> state(PlayoutStart<Cap>(position), weights);
    Rng rng(5, static_cast<std::uint64_t>(g));
    for (int m = 0; m < 3 * size * size && position.consecutive_passes() < 2; ++m) {
      const Color c = position.to_play();
      const int cell = state.step(rng);
      if (cell) {
        CHECK(position.legality(cell, c) == Legality::kLegal);
        CHECK(!position.board().is_true_eye(cell, c));
        position.play(cell, c);
      } else {
        position.pass(c);
      }
      RolloutState<Cap> fresh(PlayoutStart<Cap>(position), weights);
      std::uint64_t incremental[G::kSpan], rebuilt[G::kSpan];
      state.move_weights(incremental);
      fresh.move_weights(rebuilt);
      position.board().tables().board.each([&](int b) {
        CHECK(incremental[b] == rebuilt[b]);
        CHECK(state.key3(b + G::kOrigin) == fresh.key3(b + G::kOrigin));
      });
    }
  }
}

void check_determinism(const RolloutWeights& weights) {
  for (const Policy policy : {Policy::kLight, Policy::kSoftmax}) {
    const AnyPosition start(9, 1, true, 0, 7.5, false, 0);
    std::vector<std::int16_t> one(200), two(200);
    std::vector<std::int32_t> length_one(200), length_two(200);
    run_playouts(start, policy, 200, 7, &weights, {}, 1, one.data(), length_one.data());
    run_playouts(start, policy, 200, 7, &weights, {}, 3, two.data(), length_two.data());
    CHECK(one == two);
    CHECK(length_one == length_two);
  }
}

}  // namespace

int main() {
  const RolloutWeights weights(some_parameters());
  check_incremental<9>(2, 20, weights);
  check_incremental<9>(5, 20, weights);
  check_incremental<9>(9, 6, weights);
  check_incremental<13>(13, 2, weights);
  check_incremental<19>(19, 1, weights);
  check_determinism(weights);
  std::puts("rollout: incremental weights equal rebuilt ones; threads do not change playouts");
}
