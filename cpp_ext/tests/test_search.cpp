/// The search without Python: threads, tickets, memory, and a game that brute force solves. Run under every sanitizer.
#include <algorithm>
#include <cmath>
#include <thread>

#include "ag/go_game.hpp"
#include "ag/pool.hpp"
#include "ag/tictactoe.hpp"
#include "check.hpp"

using namespace ag;

namespace {

/// Value of a position for the side to move under best play: 1, 0 or -1.
int solve(TicTacToe game) {
  if (game.is_over()) return game.outcome().winner0 * (game.side() == 0 ? 1 : -1);
  std::uint16_t actions[9];
  const int n = game.legal(actions);
  int best = -1;
  for (int i = 0; i < n; ++i) {
    TicTacToe next = game;
    next.play(actions[i]);
    best = std::max(best, -solve(next));
  }
  return best;
}

std::uint64_t fingerprint(const NodeReport& r) {
  std::uint64_t h = 0;
  for (std::size_t i = 0; i < r.actions.size(); ++i) h = mix64(h + r.actions[i] * 7919u + r.visit_counts[i]);
  return h;
}

NodeReport root_of(AnyPool& pool, int slot) {
  int move = 0;
  std::uint64_t simulations = 0, nodes = 0, bytes = 0;
  return pool.root(slot, true, move, simulations, nodes, bytes);
}

int move_of(AnyPool& pool, int slot) {
  int move = 0;
  std::uint64_t simulations = 0, nodes = 0, bytes = 0;
  pool.root(slot, true, move, simulations, nodes, bytes);
  return move;
}

/// A network without weights: logits and values that depend on the inputs alone.
void evaluate(const std::vector<float>& planes, std::size_t rows, std::size_t width, int n_actions, std::vector<float>& policy, std::vector<float>& value) {
  for (std::size_t i = 0; i < rows; ++i) {
    std::uint64_t h = 1;
    for (std::size_t k = 0; k < width; ++k) h = h * 31 + static_cast<std::uint64_t>(planes[i * width + k] * 8) + k;
    for (int a = 0; a < n_actions; ++a)
      policy[i * static_cast<std::size_t>(n_actions) + static_cast<std::size_t>(a)] = static_cast<float>(mix64(h + static_cast<std::uint64_t>(a)) >> 40) * 0x1p-23f;
    value[i] = static_cast<float>(mix64(h ^ 99) >> 40) * 0x1p-23f - 1;
  }
}

/// Serves a pool's tickets from `workers` threads, each with batches of its own size, until all slots are idle.
void serve(AnyPool& pool, int slots, int workers, int planes) {
  std::vector<std::thread> threads;
  for (int w = 0; w < workers; ++w)
    threads.emplace_back([&, w] {
      const std::size_t batch = static_cast<std::size_t>(3 + 5 * w), width = static_cast<std::size_t>(planes) * 25;
      std::vector<float> in(batch * width), globals(batch * kGlobals), policy(batch * 26), value(batch);
      InputBuffer b{in.data(), true, globals.data(), static_cast<int>(batch), width};
      for (;;) {
        const auto ticket = pool.collect({b}, 1);
        if (ticket->requests.empty()) {
          bool idle = true;
          for (int s = 0; s < slots; ++s) idle &= pool.is_idle(s);
          if (idle) return;
          continue;
        }
        evaluate(in, ticket->requests.size(), width, 26, policy, value);
        pool.apply(*ticket, {policy.data(), value.data(), 1, nullptr});
      }
    });
  for (std::thread& t : threads) t.join();
}

void tictactoe_is_solved() {
  // Every position that is reached by playing the search's own moves against every reply.
  PoolConfig config;
  config.game = "tictactoe";
  const auto pool = make_pool(config);
  EngineSetup engine;
  engine.params.fpu = static_cast<int>(FpuKind::kParent);
  int positions = 0;
  const auto walk = [&](auto&& self, std::vector<int> moves, int searcher) -> void {
    TicTacToe game;
    for (const int m : moves) game.play(m);
    if (game.is_over()) {
      CHECK(game.outcome().winner0 * (searcher == 0 ? 1 : -1) >= 0);  // perfect play never loses
      return;
    }
    if (game.side() == searcher) {
      pool->start(0, 1, {engine}, nullptr, false, 0);
      for (const int m : moves) pool->play(0, m);
      pool->search(0, 3000);
      pool->run(0, 0);
      const int move = move_of(*pool, 0);
      TicTacToe next = game;
      next.play(move);
      CHECK(-solve(next) == solve(game));
      ++positions;
      moves.push_back(move);
      self(self, moves, searcher);
      return;
    }
    std::uint16_t actions[9];
    const int n = game.legal(actions);
    for (int i = 0; i < n; ++i) {
      auto longer = moves;
      longer.push_back(actions[i]);
      self(self, longer, searcher);
    }
  };
  walk(walk, {}, 0);
  walk(walk, {}, 1);
  CHECK(positions > 100);
}

void threads_do_not_matter() {
  // Rollouts: one game on one to four threads, alone and among others.
  std::vector<std::uint64_t> prints;
  for (const int threads : {1, 2, 4})
    for (const int slots : {1, 9}) {
      PoolConfig config;
      config.size = 5;
      config.slots = slots;
      config.threads = threads;
      const auto pool = make_pool(config);
      EngineSetup engine;
      engine.params.rollouts = static_cast<int>(RolloutKind::kLight);
      engine.params.leaves_in_flight = 6;
      engine.params.expansion_threshold = 2;
      for (int s = 0; s < slots; ++s) {
        pool->start(s, static_cast<std::uint64_t>(s), {engine}, nullptr, false, 0);
        pool->search(s, 400);
      }
      pool->run(0, 0);
      prints.push_back(fingerprint(root_of(*pool, 0)));
      CHECK(root_of(*pool, 0).visits == 400);
    }
  for (const std::uint64_t p : prints) CHECK(p == prints[0]);
}

void tickets_do_not_matter() {
  // A network with one, two and four threads serving tickets; several rounds in flight; with and without the cache.
  for (const int rounds : {1, 2}) {
    std::vector<std::uint64_t> prints;
    for (const int workers : {1, 2, 4})
      for (const std::size_t cache : {std::size_t{0}, std::size_t{1} << 20}) {
        PoolConfig config;
        config.size = 5;
        config.slots = 12;
        config.networks = {static_cast<int>(FeatureSet::kZero17)};
        config.cache_bytes = cache;
        const auto pool = make_pool(config);
        EngineSetup engine;
        engine.policy = engine.value = 0;
        engine.params.leaves_in_flight = 4;
        engine.params.rounds_in_flight = rounds;
        engine.params.symmetry = static_cast<int>(SymmetryKind::kRandom);
        engine.params.noise_fraction = 0.25;
        for (int s = 0; s < 12; ++s) {
          pool->start(s, static_cast<std::uint64_t>(s % 5), {engine}, nullptr, false, 0);
          pool->search(s, 300);
        }
        serve(*pool, 12, workers, 17);
        prints.push_back(fingerprint(root_of(*pool, 3)));
        CHECK(fingerprint(root_of(*pool, 8)) == prints.back());  // the same seed in another slot
      }
    for (const std::uint64_t p : prints) CHECK(p == prints[0]);
  }
}

void network_and_rollouts_together(int late) {
  // AlphaGo's mixture: rollouts on the pool's own threads while tickets are out, of one thread or of three.
  std::vector<std::uint64_t> prints;
  for (const int threads : {1, 3}) {
    PoolConfig config;
    config.size = 5;
    config.threads = threads;
    config.networks = {static_cast<int>(FeatureSet::kZero17), static_cast<int>(FeatureSet::kZero17)};
    const auto pool = make_pool(config);
    EngineSetup engine;
    engine.policy = 0;
    engine.value = 1;
    engine.params.puct = static_cast<int>(PuctKind::kAlphago);
    engine.params.c_puct = 5;
    engine.params.virtual_loss = 3;
    engine.params.rollouts = static_cast<int>(RolloutKind::kLight);
    engine.params.leaves_in_flight = 8;
    engine.params.rounds_in_flight = 2;
    engine.params.expansion_threshold = 3;
    engine.params.late_evaluations = late;
    engine.params.late_groups = 2;
    pool->start(0, 5, {engine}, nullptr, false, 0);
    pool->search(0, 600);
    const auto serve_both = [&] {
      const std::size_t batch = 4, width = 17 * 25;
      std::vector<float> in(2 * batch * width), globals(2 * batch * kGlobals), policy(batch * 26), value(batch);
      const InputBuffer first{in.data(), true, globals.data(), static_cast<int>(batch), width};
      const InputBuffer second{in.data() + batch * width, true, globals.data() + batch * kGlobals, static_cast<int>(batch), width};
      while (!pool->is_idle(0)) {
        const auto ticket = pool->collect({first, second}, 1);
        if (ticket->requests.empty()) continue;
        const std::size_t offset = ticket->network == 0 ? 0 : batch * width;
        evaluate(std::vector<float>(in.begin() + static_cast<std::ptrdiff_t>(offset), in.begin() + static_cast<std::ptrdiff_t>(offset + batch * width)),
                 ticket->requests.size(), width, 26, policy, value);
        pool->apply(*ticket, {policy.data(), value.data(), 1, nullptr});
      }
    };
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(serve_both);
    serve_both();
    for (std::thread& t : others) t.join();
    const NodeReport r = root_of(*pool, 0);
    std::uint64_t rollouts = 0, values = 0;
    for (std::size_t i = 0; i < r.n_r.size(); ++i) {
      rollouts += r.n_r[i];
      values += r.n_v[i];
    }
    CHECK(rollouts == 600);
    CHECK(values > 0 && values <= 600);
    prints.push_back(fingerprint(r));
  }
  CHECK(prints[0] == prints[1]);
}

void memory_stays_bounded() {
  PoolConfig config;
  config.size = 9;
  config.memory_bytes = std::size_t{3} << 20;
  const auto pool = make_pool(config);
  EngineSetup engine;
  pool->start(0, 1, {engine}, nullptr, false, 0);
  pool->search(0, 30000);
  pool->run(0, 0);
  for (const auto& [name, value] : pool->stats()) {
    if (name == "tree_bytes") CHECK(value <= config.memory_bytes);
    if (name == "prunings") CHECK(value > 0);
  }
  CHECK(root_of(*pool, 0).visits == 30000);
}

void games_play_themselves() {
  PoolConfig config;
  config.size = 5;
  config.slots = 6;
  config.threads = 3;
  const auto pool = make_pool(config);
  EngineSetup engine;
  engine.params.rollouts = static_cast<int>(RolloutKind::kLight);
  engine.params.simulations = 20;
  engine.params.temperature = 1;
  for (int s = 0; s < 6; ++s) pool->start(s, static_cast<std::uint64_t>(s), {engine, engine}, nullptr, true, 0);
  pool->run(0, 0);
  const auto games = pool->finished();
  CHECK(games.size() == 6);
  for (const GameRecord& g : games) {
    GoGame<9> replay(Position<9>(5, Rules{}), 50);
    for (const std::uint16_t m : g.moves) {
      CHECK(!replay.is_over() && replay.is_legal(m));
      replay.play(m);
    }
    CHECK(replay.is_over());
    CHECK(replay.outcome().score0 == g.outcome.score0);
    CHECK(g.visit_offsets.size() == g.moves.size() + 1);
  }
}

}  // namespace

int main() {
  tictactoe_is_solved();
  threads_do_not_matter();
  tickets_do_not_matter();
  for (const int late : {0, 1, 8}) network_and_rollouts_together(late);
  memory_stays_bounded();
  games_play_themselves();
  std::puts("search: all laws hold");
  return 0;
}
