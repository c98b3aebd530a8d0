/// The pool for one game. Included by pool.cpp and self_play.cpp alone.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "ag/games.hpp"
#include "ag/pool.hpp"

namespace ag {

template <Game G>
class Pool final : public AnyPool {
 public:
  explicit Pool(const PoolConfig& config, int n_actions);
  ~Pool() override;

  int n_actions() const override { return n_actions_; }
  void start(int slot, std::uint64_t seed, const std::vector<EngineSetup>& engines, const AnyPosition* position, bool autoplay,
             int max_moves) override;
  void search(int slot, std::int64_t simulations) override;
  bool is_idle(int slot) const override { return slot_at(slot).idle; }
  void play(int slot, int action) override;
  void restrict(int slot, const std::vector<Ban>& bans) override;
  void set_threshold(int slot, int visits) override;
  AnyPosition position(int slot) override;
  NodeReport root(int slot, bool target, int& move, std::uint64_t& simulations, std::uint64_t& nodes, std::uint64_t& bytes) override;
  std::unique_ptr<NodeReport> children(int slot, const std::vector<int>& path) override;
  void stop() override;
  std::vector<GameRecord> finished() override;
  std::vector<std::pair<std::string, std::uint64_t>> stats() override;
  std::shared_ptr<Ticket> collect(const std::vector<InputBuffer>& buffers, int min_rows) override;
  void apply(Ticket& ticket, const OutputBuffer& out) override;
  void run(double seconds, std::int64_t games) override;

 private:
  struct Slot {
    // --- the game: guarded by `mutex` ---
    std::mutex mutex;
    std::unique_ptr<Search<G>> searches[2];  ///< the second only where each colour has its own engine
    int n_searches = 0;
    bool autoplay = false;
    int turns_below_threshold[2] = {0, 0};
    GameRecord record;
    std::atomic<bool> idle{true};
    // --- scheduling: guarded by the pool's mutex ---
    bool queued = false, running = false, again = false;
  };

  Slot& slot_at(int slot) const;
  /// A slot whose game was started and where nothing is under way; throws otherwise.
  Slot& idle_slot(int slot) const;
  Search<G>& active(Slot& slot) const { return *slot.searches[slot.n_searches == 2 ? slot.searches[0]->game().side() : 0]; }

  // --- pool.cpp: scheduling ---
  void make_ready(int slot);
  void make_ready_locked(int slot);
  bool process_ready(std::unique_lock<std::mutex>& lock, int most);
  bool process_task(std::unique_lock<std::mutex>& lock);
  bool step(Slot& slot, std::vector<Request>& requests);
  void store(const Request& r, const OutputBuffer& out, std::size_t row);
  void help();

  // --- self_play.cpp: games that play themselves ---
  bool is_lost(const Search<G>& search) const;  ///< root and best child are below the threshold of resignation
  bool play_move(Slot& slot);
  void finish(Slot& slot, const char* ended, const Outcome& outcome);

  // --- fixed ---
  const PoolConfig config_;
  const int n_actions_;
  std::vector<std::uint16_t> symmetries_;  ///< [8, n_actions]: where each symmetry moves an action
  EvalCache cache_;
  SearchContext context_;
  std::vector<std::unique_ptr<Slot>> slots_;

  // --- guarded by mutex_ ---
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<int> ready_;
  std::vector<std::deque<Request>> waiting_;  ///< by network
  std::deque<Request> tasks_;
  int busy_ = 0;         ///< slots and tasks that threads are working on
  int outstanding_ = 0;  ///< tickets handed out and not applied
  std::vector<GameRecord> finished_;
  bool closing_ = false;
  std::vector<std::thread> helpers_;  ///< run rollouts while networks are evaluated
  std::atomic<std::uint64_t> tickets_{0}, moves_{0}, games_{0};
};

}  // namespace ag
