#include "ag/pool.hpp"

#include <chrono>
#include <cmath>
#include <stdexcept>

#include "ag/pool_impl.hpp"

namespace ag {

namespace {

constexpr int kSlice = 64;  ///< rounds that a slot advances before others get their turn, and before time is looked at

template <class T>
[[noreturn]] void refuse(const std::string& what, T value) {
  throw std::invalid_argument(what + ", got " + std::to_string(value));
}

template <Game G>
G new_game(const PoolConfig& config, const AnyPosition* position, int max_moves) {
  if constexpr (std::is_same_v<G, TicTacToe>) {
    if (position) throw std::invalid_argument("position: tictactoe games start from the empty board");
    return TicTacToe{};
  } else {
    using P = typename G::Start;
    const int limit = max_moves ? max_moves : 2 * config.size * config.size;
    if (!position) return G(P(config.size, Rules{}), limit);
    if (position->size() != config.size)
      throw std::invalid_argument("position: its board has size " + std::to_string(position->size()) + ", this pool's " + std::to_string(config.size));
    return position->visit([&](const auto& p) -> G {
      if constexpr (std::is_same_v<std::decay_t<decltype(p)>, P>)
        return G(p, limit);
      else
        throw std::logic_error("a position of another capacity");
    });
  }
}

}  // namespace

template <Game G>
Pool<G>::Pool(const PoolConfig& config, int n_actions) : config_(config), n_actions_(n_actions), cache_(config.cache_bytes, n_actions) {
  context_.weights = config_.weights.get();
  context_.cache = config.cache_bytes ? &cache_ : nullptr;
  // With fewer games than threads the playouts of one game are spread over the threads; else each game's thread plays its own.
  context_.rollouts_elsewhere = config.slots < 2 * config.threads && (config.threads > 1 || !config.networks.empty());
  waiting_.resize(config.networks.size());
  const G empty = new_game<G>(config_, nullptr, 0);
  for (int symmetry = 0; symmetry < 8; ++symmetry)
    for (int a = 0; a < n_actions; ++a) symmetries_.push_back(static_cast<std::uint16_t>(empty.transformed(symmetry, a)));
  for (int i = 0; i < config.slots; ++i) slots_.push_back(std::make_unique<Slot>());
  if (context_.rollouts_elsewhere && !config.networks.empty())
    for (int i = 0; i < config.threads; ++i) helpers_.emplace_back([this] { help(); });
}

template <Game G>
Pool<G>::~Pool() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  for (std::thread& t : helpers_) t.join();
}

template <Game G>
typename Pool<G>::Slot& Pool<G>::slot_at(int slot) const {
  if (slot < 0 || slot >= config_.slots) refuse("slot must be 0.." + std::to_string(config_.slots - 1), slot);
  return *slots_[static_cast<std::size_t>(slot)];
}

template <Game G>
typename Pool<G>::Slot& Pool<G>::idle_slot(int slot) const {
  Slot& s = slot_at(slot);
  if (!s.idle) throw std::invalid_argument("slot " + std::to_string(slot) + " is busy: its search is not finished");
  if (!s.n_searches) throw std::invalid_argument("slot " + std::to_string(slot) + " has no game: call start() first");
  return s;
}

template <Game G>
void Pool<G>::start(int slot, std::uint64_t seed, const std::vector<EngineSetup>& engines, const AnyPosition* position, bool autoplay,
                    int max_moves) {
  Slot& s = slot_at(slot);
  if (!s.idle) throw std::invalid_argument("slot " + std::to_string(slot) + " is busy: its game is not finished");
  if (engines.empty() || engines.size() > 2) refuse("engines: one for both colours, or black's and white's", engines.size());
  if (max_moves < 0 || max_moves > 1000000) refuse("max_moves must be 0..1000000", max_moves);
  const std::size_t limit = config_.memory_bytes / static_cast<std::size_t>(config_.slots) / engines.size();
  for (const EngineSetup& e : engines) {
    const int networks = static_cast<int>(config_.networks.size());
    for (const int index : {e.policy, e.value})
      if (index < -1 || index >= networks) refuse("an engine's network must be -1.." + std::to_string(networks - 1), index);
    const bool softmax = e.params.rollout_kind() == RolloutKind::kSoftmax || e.params.prior_kind() != PriorKind::kUniform;
    if (softmax && !config_.weights && config_.game == "go")
      throw std::invalid_argument("weights: softmax rollouts and rollout priors need rollout weights");
    const std::size_t least = 8 * Tree::bytes_per_simulation(n_actions_, e.params.rave_on()) * static_cast<std::size_t>(e.params.leaves_in_flight * e.params.rounds_in_flight);
    if (limit < least)
      throw std::invalid_argument("memory_mib: each tree gets " + std::to_string(limit >> 10) + " KiB, but one with these leaves in flight needs " +
                                  std::to_string((least >> 10) + 1) + " KiB");
  }
  const G game = new_game<G>(config_, position, max_moves);
  if (autoplay && game.is_over()) throw std::invalid_argument("position: the game is over");
  const std::scoped_lock lock(s.mutex);
  s.n_searches = static_cast<int>(engines.size());
  for (int i = 0; i < s.n_searches; ++i) {
    auto& search = s.searches[i];
    if (!search) search = std::make_unique<Search<G>>(context_, slot, i);
    search->reset(game, engines[static_cast<std::size_t>(i)], seed, limit);
  }
  s.autoplay = autoplay;
  s.turns_below_threshold[0] = s.turns_below_threshold[1] = 0;
  s.record = {};
  s.record.slot = slot;
  s.record.seed = seed;
  s.record.no_resign = Rng(mix64(seed ^ 0x72657369676eULL), 0).uniform() < engines[0].params.resign_off_fraction;
  if (!autoplay) return;
  context_.stop = false;
  active(s).ask(active(s).engine().params.simulations);
  s.idle = false;
  make_ready(slot);
}

template <Game G>
void Pool<G>::search(int slot, std::int64_t simulations) {
  Slot& s = idle_slot(slot);
  if (simulations < 0 || simulations > 100000000) refuse("simulations must be 0..100000000", simulations);
  if (s.autoplay) throw std::invalid_argument("slot " + std::to_string(slot) + " plays by itself");
  const std::scoped_lock lock(s.mutex);
  if (s.searches[0]->game().is_over()) throw std::invalid_argument("the game is over");
  context_.stop = false;
  active(s).ask(simulations);
  s.idle = false;
  make_ready(slot);
}

template <Game G>
void Pool<G>::play(int slot, int action) {
  Slot& s = idle_slot(slot);
  const std::scoped_lock lock(s.mutex);
  const G& game = s.searches[0]->game();
  if (game.is_over()) throw std::invalid_argument("the game is over");
  if (!game.is_legal(action)) refuse("action must be a legal move", action);
  for (int i = 0; i < s.n_searches; ++i) s.searches[i]->play(action);
}

template <Game G>
void Pool<G>::restrict(int slot, const std::vector<Ban>& bans) {
  Slot& s = idle_slot(slot);
  const std::scoped_lock lock(s.mutex);
  for (int i = 0; i < s.n_searches; ++i) s.searches[i]->restrict(bans);
}

template <Game G>
void Pool<G>::set_threshold(int slot, int visits) {
  Slot& s = slot_at(slot);
  if (visits < 1 || visits > 1000000) refuse("visits must be 1..1000000", visits);
  const std::scoped_lock lock(s.mutex);
  for (int i = 0; i < s.n_searches; ++i) s.searches[i]->set_threshold(visits);
}

template <Game G>
AnyPosition Pool<G>::position(int slot) {
  Slot& s = slot_at(slot);
  if (!s.n_searches) throw std::invalid_argument("slot " + std::to_string(slot) + " has no game: call start() first");
  const std::scoped_lock lock(s.mutex);
  if constexpr (std::is_same_v<G, TicTacToe>)
    throw std::invalid_argument("position: only Go has one");
  else
    return AnyPosition(s.searches[0]->game().position());
}

template <Game G>
NodeReport Pool<G>::root(int slot, bool target, int& move, std::uint64_t& simulations, std::uint64_t& nodes, std::uint64_t& bytes) {
  Slot& s = idle_slot(slot);
  const std::scoped_lock lock(s.mutex);
  const Search<G>& search = active(s);
  const SearchParams& p = search.engine().params;
  const bool resigns = search.game().turn() >= p.resign_min_turn && is_lost(search);
  move = resigns ? -1 : search.choose_move();
  simulations = static_cast<std::uint64_t>(search.simulations());
  nodes = search.tree().n_nodes();
  bytes = search.tree().bytes_held();
  return search.report(target);
}

template <Game G>
std::unique_ptr<NodeReport> Pool<G>::children(int slot, const std::vector<int>& path) {
  Slot& s = idle_slot(slot);
  const std::scoped_lock lock(s.mutex);
  return active(s).report_below(path);
}

template <Game G>
void Pool<G>::stop() {
  context_.stop = true;
  changed_.notify_all();
}

template <Game G>
std::vector<std::pair<std::string, std::uint64_t>> Pool<G>::stats() {
  std::uint64_t bytes = 0;
  for (const auto& s : slots_) {
    const std::scoped_lock lock(s->mutex);
    for (const auto& search : s->searches)
      if (search) bytes += search->tree().bytes_held();
  }
  return {{"simulations", context_.simulations},     {"rollouts", context_.rollouts}, {"evaluations", context_.evaluations},
          {"cache_hits", context_.cache_hits},       {"cache_lookups", context_.cache_lookups}, {"tickets", tickets_},
          {"moves", moves_},                         {"games", games_},               {"tree_bytes", bytes},
          {"cache_bytes", cache_.bytes()},           {"prunings", context_.prunings}};
}

// --- scheduling ---------------------------------------------------------------------------------------------------

template <Game G>
void Pool<G>::make_ready_locked(int slot) {
  Slot& s = *slots_[static_cast<std::size_t>(slot)];
  if (s.running) {
    s.again = true;
  } else if (!s.queued) {
    s.queued = true;
    ready_.push_back(slot);
  }
}

template <Game G>
void Pool<G>::make_ready(int slot) {
  {
    const std::scoped_lock lock(mutex_);
    make_ready_locked(slot);
  }
  changed_.notify_one();
}

/// Advances a slot as far as it can go; true when it stopped only to let others go on.
template <Game G>
bool Pool<G>::step(Slot& slot, std::vector<Request>& requests) {
  const std::scoped_lock lock(slot.mutex);
  for (;;) {
    Search<G>& search = active(slot);
    if (search.advance(requests, kSlice)) return true;
    if (search.in_flight()) return false;
    if (context_.stop && !search.is_done()) {
      search.cancel();
      slot.idle = true;
      return false;
    }
    if (!search.is_done()) return true;
    if (!slot.autoplay || !play_move(slot)) {
      slot.idle = true;
      return false;
    }
  }
}

template <Game G>
bool Pool<G>::process_ready(std::unique_lock<std::mutex>& lock, int most) {
  if (ready_.empty()) return false;
  thread_local std::vector<int> taken;
  thread_local std::vector<char> more;
  thread_local std::vector<Request> requests;
  taken.clear();
  more.clear();
  requests.clear();
  for (; !ready_.empty() && static_cast<int>(taken.size()) < most; ready_.pop_front()) {
    Slot& s = *slots_[static_cast<std::size_t>(ready_.front())];
    s.queued = false;
    s.running = true;
    taken.push_back(ready_.front());
  }
  busy_ += static_cast<int>(taken.size());
  lock.unlock();
  for (const int slot : taken) more.push_back(step(*slots_[static_cast<std::size_t>(slot)], requests));
  lock.lock();
  busy_ -= static_cast<int>(taken.size());
  for (std::size_t i = 0; i < taken.size(); ++i) {
    Slot& s = *slots_[static_cast<std::size_t>(taken[i])];
    s.running = false;
    if (std::exchange(s.again, false) || more[i]) make_ready_locked(taken[i]);
  }
  for (const Request& r : requests) (r.network == Request::kRolloutTask ? tasks_ : waiting_[static_cast<std::size_t>(r.network)]).push_back(r);
  changed_.notify_all();
  return true;
}

template <Game G>
bool Pool<G>::process_task(std::unique_lock<std::mutex>& lock) {
  if (tasks_.empty()) return false;
  const Request r = tasks_.front();
  tasks_.pop_front();
  ++busy_;
  lock.unlock();
  Search<G>& search = *slots_[static_cast<std::size_t>(r.slot)]->searches[r.search];
  search.play_rollout(search.simulation(r));
  const bool complete = search.served(r);
  lock.lock();
  --busy_;
  if (complete) {
    make_ready_locked(r.slot);
    changed_.notify_all();
  }
  return true;
}

template <Game G>
void Pool<G>::help() {
  std::unique_lock lock(mutex_);
  while (!closing_)
    if (!process_task(lock)) changed_.wait(lock);
}

template <Game G>
void Pool<G>::run(double seconds, std::int64_t games) {
  using Clock = std::chrono::steady_clock;
  if (!config_.networks.empty()) throw std::invalid_argument("run() is for pools without networks: collect() and apply() tickets instead");
  if (!(seconds >= 0 && seconds <= 1e9)) refuse("seconds must be 0 or more", seconds);
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  const std::uint64_t enough = games > 0 ? games_ + static_cast<std::uint64_t>(games) : ~std::uint64_t{0};
  const auto work = [&] {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (seconds > 0 && Clock::now() >= end) return;
      if (games_ >= enough) return;
      if (process_task(lock) || process_ready(lock, 1)) continue;
      if (busy_ == 0) return;
      changed_.wait_for(lock, std::chrono::milliseconds(20));
    }
  };
  std::vector<std::thread> others;
  for (int i = 1; i < config_.threads; ++i) others.emplace_back(work);
  work();
  changed_.notify_all();
  for (std::thread& t : others) t.join();
}

template <Game G>
std::shared_ptr<Ticket> Pool<G>::collect(const std::vector<InputBuffer>& buffers, int min_rows) {
  auto ticket = std::make_shared<Ticket>();
  ticket->pool = this;
  if (buffers.size() != config_.networks.size())
    throw std::invalid_argument("buffers: expected one pair for each of the " + std::to_string(config_.networks.size()) + " networks, got " +
                                std::to_string(buffers.size()));
  std::unique_lock lock(mutex_);
  bool waited = false;
  // Searches that need no network for long (finished games, cached positions) must not keep the caller from looking at its clock.
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(10);
  for (;;) {
    int fullest = -1;
    bool is_full = false;
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      const bool full = static_cast<int>(waiting_[i].size()) >= buffers[i].batch;
      if (waiting_[i].empty() || (is_full && !full)) continue;
      if (fullest < 0 || full > is_full || waiting_[i].size() > waiting_[static_cast<std::size_t>(fullest)].size()) {
        fullest = static_cast<int>(i);
        is_full = full;
      }
    }
    const bool late = std::chrono::steady_clock::now() >= end;
    if (!is_full && !late && process_ready(lock, 8)) continue;
    if (fullest >= 0) {
      auto& queue = waiting_[static_cast<std::size_t>(fullest)];
      if (static_cast<int>(queue.size()) >= min_rows || outstanding_ == 0) {
        const int rows = std::min<int>(static_cast<int>(queue.size()), buffers[static_cast<std::size_t>(fullest)].batch);
        ticket->network = fullest;
        ticket->requests.assign(queue.begin(), queue.begin() + rows);
        queue.erase(queue.begin(), queue.begin() + rows);
        ++outstanding_;
        break;
      }
    }
    if (late) return ticket;
    if (process_task(lock)) continue;
    // While no ticket is out, what threads are working on is all that can come: there is nothing better to do than to wait for it.
    if (outstanding_ == 0 && busy_ == 0) return ticket;
    if (waited && outstanding_ > 0) return ticket;
    changed_.wait_for(lock, std::chrono::milliseconds(2));
    waited = true;
  }
  lock.unlock();
  tickets_.fetch_add(1, std::memory_order_relaxed);
  const InputBuffer& b = buffers[static_cast<std::size_t>(ticket->network)];
  const int features = config_.networks[static_cast<std::size_t>(ticket->network)];
  for (std::size_t i = 0; i < ticket->requests.size(); ++i) {
    const Request& r = ticket->requests[i];
    Slot& s = *slots_[static_cast<std::size_t>(r.slot)];
    const std::scoped_lock slot_lock(s.mutex);
    float* globals = b.globals + i * kGlobals;
    if (b.is_float)
      s.searches[r.search]->write_inputs(r, features, static_cast<float*>(b.planes) + i * b.row, globals);
    else
      s.searches[r.search]->write_inputs(r, features, static_cast<std::uint8_t*>(b.planes) + i * b.row, globals);
  }
  return ticket;
}

template <Game G>
void Pool<G>::store(const Request& r, const OutputBuffer& out, std::size_t row) {
  Search<G>& search = *slots_[static_cast<std::size_t>(r.slot)]->searches[r.search];
  Simulation<G>& s = search.simulation(r);
  Evaluation& e = s.evaluation;
  if (r.policy) {
    const float* logits = out.policy + row * static_cast<std::size_t>(n_actions_);
    const std::uint16_t* place = symmetries_.data() + static_cast<std::size_t>(s.symmetry) * static_cast<std::size_t>(n_actions_);
    e.priors.resize(s.moves.size());
    float highest = -3e38f;
    for (std::size_t i = 0; i < s.moves.size(); ++i) {
      e.priors[i] = logits[place[s.moves[i]]];
      highest = std::max(highest, e.priors[i]);
    }
    double sum = 0;
    for (float& x : e.priors) sum += static_cast<double>(x = std::exp(x - highest));
    const float scale = static_cast<float>(1 / sum);
    for (float& x : e.priors) x *= scale;
    e.has_policy = true;
  }
  if (r.value) {
    e.has_value = true;
    e.score = out.score ? out.score[row] : std::nanf("");
    if (out.value_width == 3) {
      const float* v = out.value + row * 3;
      const float highest = std::max({v[0], v[1], v[2]});
      const float w = std::exp(v[0] - highest), d = std::exp(v[1] - highest), l = std::exp(v[2] - highest), sum = w + d + l;
      e.win = w / sum;
      e.draw = d / sum;
      e.loss = l / sum;
    } else {
      const float v = std::clamp(out.value[row], -1.0f, 1.0f);
      e.win = (1 + v) / 2;
      e.draw = 0;
      e.loss = (1 - v) / 2;
    }
  }
  if (!context_.cache) return;
  PositionKey key = s.key;
  key.add(static_cast<std::uint64_t>(r.network) * 8 + static_cast<std::uint64_t>(s.symmetry));
  Evaluation kept;
  kept.has_policy = r.policy;
  kept.has_value = r.value;
  if (r.policy) kept.priors = e.priors;
  if (r.value) {
    kept.win = e.win;
    kept.draw = e.draw;
    kept.loss = e.loss;
    kept.score = e.score;
  }
  cache_.store(key, kept);
}

template <Game G>
void Pool<G>::apply(Ticket& ticket, const OutputBuffer& out) {
  if (ticket.pool != this) throw std::invalid_argument("ticket: it belongs to another pool");
  if (ticket.applied) throw std::invalid_argument("ticket: it was applied before");
  if (ticket.requests.empty()) {
    ticket.applied = true;
    return;
  }
  const std::size_t rows = ticket.requests.size();
  bool policy = false, value = false;
  for (const Request& r : ticket.requests) {
    policy |= r.policy;
    value |= r.value;
  }
  const auto check = [&](const float* data, std::size_t n, const char* name, bool needed) {
    if (!data && needed) throw std::invalid_argument(std::string(name) + ": this ticket needs it");
    for (std::size_t i = 0; data && i < n; ++i)
      if (!std::isfinite(data[i])) throw std::invalid_argument(std::string(name) + ": row " + std::to_string(i / (n / rows)) + " holds NaN or infinity");
  };
  check(policy ? out.policy : nullptr, rows * static_cast<std::size_t>(n_actions_), "policy", policy);
  check(value ? out.value : nullptr, rows * static_cast<std::size_t>(out.value_width), "value", value);
  for (std::size_t i = 0; value && out.value_width == 1 && i < rows; ++i)
    if (std::abs(out.value[i]) > 1.001f) throw std::invalid_argument("value: row " + std::to_string(i) + " is beyond -1..1");
  check(value ? out.score : nullptr, rows, "score", false);
  ticket.applied = true;
  for (std::size_t i = 0; i < rows; ++i) store(ticket.requests[i], out, i);
  context_.evaluations.fetch_add(rows, std::memory_order_relaxed);
  {
    const std::scoped_lock lock(mutex_);
    --outstanding_;
    for (const Request& r : ticket.requests)
      if (slots_[static_cast<std::size_t>(r.slot)]->searches[r.search]->served(r)) make_ready_locked(r.slot);
  }
  changed_.notify_all();
}

std::unique_ptr<AnyPool> make_pool(const PoolConfig& c) {
  if (c.slots < 1 || c.slots > 65536) refuse("slots must be 1..65536", c.slots);
  if (c.threads < 1 || c.threads > 256) refuse("threads must be 1..256", c.threads);
  if (c.networks.size() > 64) refuse("networks: at most 64", c.networks.size());
  if (c.game == "tictactoe") return std::make_unique<Pool<TicTacToe>>(c, 9);
  if (c.game != "go") throw std::invalid_argument("game must be go or tictactoe, got " + c.game);
  if (c.size < kMinSize || c.size > kMaxSize) refuse("size must be 2..19", c.size);
  const int actions = c.size * c.size + 1;
  if (c.size <= 9) return std::make_unique<Pool<GoGame<9>>>(c, actions);
  if (c.size <= 13) return std::make_unique<Pool<GoGame<13>>>(c, actions);
  return std::make_unique<Pool<GoGame<19>>>(c, actions);
}

}  // namespace ag
