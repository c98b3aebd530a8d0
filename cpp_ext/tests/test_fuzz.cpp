/// Random turns, set-ups, questions and stored bytes against everything that AnyPosition offers: nothing may crash, and
/// what is stored must come back equal. Meant to run under AddressSanitizer and UndefinedBehaviorSanitizer.
#include <stdexcept>
#include <string>
#include <vector>

#include "ag/any_position.hpp"
#include "check.hpp"

using namespace ag;

namespace {

void ask_everything(const AnyPosition& p, Rng& rng) {
  const auto area = static_cast<std::size_t>(p.area_size());
  std::vector<std::int8_t> own(area);
  p.area(own.data());
  auto dead = std::make_unique<bool[]>(area);
  for (std::size_t i = 0; i < area; ++i) dead[i] = rng.below(8) == 0;
  p.territory(dead.get(), rng.below(2) == 1, own.data());
  p.pass_alive(BLACK);
  p.pass_alive(WHITE);
  p.ladder_moves();
  const auto point = static_cast<std::int64_t>(rng.below(area));
  p.ladder_captured(point);
  p.chain(point);
  p.liberty_points(point);
  p.is_eye(point, BLACK);
  const int width = p.size() + static_cast<int>(rng.below(3));
  for (const FeatureSet set :
       {FeatureSet::kAlphago48, FeatureSet::kAlphago49, FeatureSet::kZero17, FeatureSet::kRich, FeatureSet::kRichFast}) {
    std::vector<float> out(static_cast<std::size_t>(n_planes(set) * width * width));
    p.visit([&](const auto& g) { write_planes(g, set, static_cast<int>(rng.below(8)), width, out.data()); });
  }
  Actions actions;
  p.playout(Policy::kLight, rng.next(), nullptr, {}, actions);
}

void random_game(std::uint64_t seed) {
  Rng rng(99, seed);
  const int size = 2 + static_cast<int>(rng.below(18));
  AnyPosition p(size, static_cast<int>(rng.below(3)), rng.below(2) == 1, static_cast<int>(rng.below(3)), 6.5, false, 0);
  const auto any_action = [&] { return static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(size * size + 3))) - 1; };
  for (int i = 0; i < 120; ++i) {
    const auto kind = rng.below(100);
    if (kind < 85) {
      p.try_play(any_action(), rng.below(10) ? p.to_play() : static_cast<int>(1 + rng.below(2)));
    } else if (kind < 90) {
      p.undo();
    } else if (kind < 93) {
      std::vector<std::int64_t> lists[3];
      for (auto& list : lists)
        for (std::uint64_t n = rng.below(6); n > 0; --n) list.push_back(any_action());
      p.setup(lists[0], lists[1], lists[2]);
    } else if (kind < 95) {
      ask_everything(p, rng);
    } else {
      const std::string bytes = p.serialize();
      const AnyPosition back = AnyPosition::deserialize(bytes);
      CHECK(back.serialize() == bytes);
      CHECK(back.hash() == p.hash());
      CHECK(back.legal_mask(BLACK) == p.legal_mask(BLACK));
      std::string damaged = bytes;
      for (std::uint64_t n = 1 + rng.below(4); n > 0; --n)
        damaged[rng.below(damaged.size())] = static_cast<char>(rng.next());
      if (rng.below(2)) damaged.resize(rng.below(damaged.size() + 1));
      try {
        AnyPosition::deserialize(damaged);
      } catch (const std::invalid_argument&) {
      }
    }
  }
}

}  // namespace

int main() {
  for (std::uint64_t seed = 0; seed < 400; ++seed) random_game(seed);
  Rng rng(1, 2);
  for (int i = 0; i < 2000; ++i) {
    std::string noise(rng.below(80), '\0');
    for (char& c : noise) c = static_cast<char>(rng.next());
    try {
      AnyPosition::deserialize(noise);
    } catch (const std::invalid_argument&) {
    }
  }
  std::puts("fuzz: no crash, stored positions come back equal");
}
