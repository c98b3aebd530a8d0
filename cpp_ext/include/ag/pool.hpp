/// Many games searched at once, and the one door between trees and networks: collect() a ticket, evaluate, apply().
///
/// Thread safety: every method may be called from any thread. A slot is advanced by one thread at a time; the pool's own lock guards
/// the queues and is held for moments.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ag/any_position.hpp"
#include "ag/search.hpp"

namespace ag {

struct PoolConfig {
  int size = 9;
  int slots = 1;
  std::vector<int> networks;  ///< the feature set of each
  int threads = 1;
  std::size_t memory_bytes = std::size_t{1} << 30;  ///< of all trees together
  std::size_t cache_bytes = std::size_t{64} << 20;
  std::shared_ptr<RolloutWeights> weights;
  std::string game = "go";
};

/// An autoplay game from start to end.
struct GameRecord {
  int slot = 0;
  std::uint64_t seed = 0;
  std::vector<std::uint16_t> moves;
  std::vector<std::uint8_t> colors;
  std::vector<float> root_value;  ///< side to move
  std::vector<std::int64_t> visit_offsets{0};
  std::vector<std::uint16_t> visit_actions;
  std::vector<std::uint32_t> visit_counts;
  std::vector<float> target;
  Outcome outcome{};
  std::string ended;
  bool no_resign = false;
  std::int64_t simulations = 0;
};

/// Positions handed out for evaluation.
struct Ticket {
  int network = -1;
  std::vector<Request> requests;
  bool applied = false;
  const void* pool = nullptr;
};

/// Where a network's inputs go: `planes` is float or uint8_t [batch, ...], `globals` [batch, kGlobals].
struct InputBuffer {
  void* planes = nullptr;
  bool is_float = true;
  float* globals = nullptr;
  int batch = 0;
  std::size_t row = 0;  ///< values of planes in one row
};

struct OutputBuffer {
  const float* policy = nullptr;  ///< [rows, n_actions] logits
  const float* value = nullptr;   ///< [rows, 3] win/draw/loss logits or [rows] in -1..1
  int value_width = 0;            ///< 3 or 1
  const float* score = nullptr;   ///< [rows]
};

class AnyPool {
 public:
  virtual ~AnyPool() = default;
  virtual int n_actions() const = 0;
  virtual void start(int slot, std::uint64_t seed, const std::vector<EngineSetup>& engines, const AnyPosition* position, bool autoplay,
                     int max_moves) = 0;
  virtual void search(int slot, std::int64_t simulations) = 0;
  virtual bool is_idle(int slot) const = 0;
  virtual void play(int slot, int action) = 0;
  /// Moves that the slot's searches leave alone until the next play() or restrict().
  virtual void restrict(int slot, const std::vector<Ban>& bans) = 0;
  /// Of the slot's searches, from now to the end of the game, while they think too: AlphaGo fits it to its networks' speed.
  virtual void set_threshold(int slot, int visits) = 0;
  virtual AnyPosition position(int slot) = 0;
  virtual NodeReport root(int slot, bool target, int& move, std::uint64_t& simulations, std::uint64_t& nodes, std::uint64_t& bytes) = 0;
  virtual std::unique_ptr<NodeReport> children(int slot, const std::vector<int>& path) = 0;
  virtual void stop() = 0;
  virtual std::vector<GameRecord> finished() = 0;
  virtual std::vector<std::pair<std::string, std::uint64_t>> stats() = 0;
  virtual std::shared_ptr<Ticket> collect(const std::vector<InputBuffer>& buffers, int min_rows) = 0;
  virtual void apply(Ticket& ticket, const OutputBuffer& out) = 0;
  virtual void run(double seconds, std::int64_t games) = 0;
};

/// Throws std::invalid_argument naming what is out of range.
std::unique_ptr<AnyPool> make_pool(const PoolConfig& config);

}  // namespace ag
