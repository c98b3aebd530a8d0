/// One game's search: selection, evaluation by rounds, back-up, and what the root says. docs/search.md is the specification.
///
/// Thread safety: one thread at a time for everything but the results of requests: the evaluation of a simulation belongs to
/// whoever serves its request until `Round::pending` says that all are served.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "ag/eval_cache.hpp"
#include "ag/game.hpp"
#include "ag/tree.hpp"

namespace ag {

/// How one side searches: its parameters and which networks of the pool it asks (-1: none; the same for both: one network gives both).
struct EngineSetup {
  SearchParams params;
  int policy = -1;
  int value = -1;
};

/// What all searches of a pool share. `stop`: searches select nothing more.
struct SearchContext {
  const RolloutWeights* weights = nullptr;
  EvalCache* cache = nullptr;
  bool rollouts_elsewhere = false;  ///< rollouts become tasks for other threads instead of being played during selection
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> simulations{0}, rollouts{0}, evaluations{0}, cache_hits{0}, cache_lookups{0}, prunings{0};
};

/// Work for others: evaluate a leaf with a network, or (network kRolloutTask) play its rollout.
struct Request {
  static constexpr int kRolloutTask = -1;
  int slot = 0;
  std::uint8_t search = 0, round = 0;
  std::uint16_t simulation = 0;
  int network = 0;
  bool policy = false, value = false;  ///< which outputs are wanted
};

template <Game G>
struct Simulation {
  struct Step {
    Ref node;
    std::uint16_t edge;
  };
  std::vector<Step> path;  ///< from the root
  Ref leaf = 0;
  bool terminal = false;
  bool expand = false;       ///< the leaf gets its children when this is backed up
  bool new_priors = false;   ///< `evaluation.priors` go into the leaf
  bool has_value = false;    ///< a network's value, or the constant 0 that stands in for one, is backed up
  bool has_rollout = false;
  bool has_asked = false;    ///< about a position on its path, where networks are asked by visits
  Outcome outcome{};         ///< of the finished game, or of the rollout
  PositionKey key;
  int symmetry = 0;
  std::uint64_t visit = 0;  ///< the rollout's stream: how often the leaf's edge was visited before
  std::vector<std::uint16_t> moves;  ///< legal at the leaf, ascending
  std::vector<std::uint16_t> playout;  ///< the rollout's actions, where RAVE wants them
  Evaluation evaluation;
  std::unique_ptr<typename G::RolloutStart> rollout_start;
};

template <Game G>
struct Round {
  std::vector<Simulation<G>> simulations;  ///< the first n are in use
  int n = 0;
  std::atomic<int> pending{0};  ///< requests not served yet
};

/// Evaluations of a network that no simulation waits for, in the order in which they were asked: a ring.
template <Game G>
struct LateQueue {
  std::vector<Simulation<G>> entries;  ///< path, leaf and evaluation; what a rollout says is the round's
  std::unique_ptr<std::atomic<bool>[]> served;
  std::size_t first = 0, n = 0;
  std::size_t sent = 0;  ///< of the n: the network has been asked, or the cache knew

  void reset(std::size_t capacity) {
    first = n = sent = 0;
    if (entries.size() == capacity) return;
    entries.resize(capacity);
    served = std::make_unique<std::atomic<bool>[]>(capacity);
  }
  std::size_t at(std::size_t i) const { return (first + i) % entries.size(); }
  bool are_served(std::size_t count) const {
    for (std::size_t i = 0; i < count; ++i)
      if (!served[at(i)].load(std::memory_order_acquire)) return false;
    return true;
  }
};

/// What a search knows about the moves of a node. Arrays by legal move, ascending actions; values from the side to move.
struct NodeReport {
  int side = 0;
  std::uint64_t visits = 0;
  double value = 0;
  double score = 0;  ///< NaN when nothing predicts it
  std::vector<std::uint16_t> actions;
  std::vector<float> priors;
  std::vector<std::uint32_t> visit_counts, n_v, n_r;
  std::vector<double> w_v, w_r, q, lcb, lead, target;
};

/// Moves that a search leaves alone: one side may not play an action at plies below `until` (the root's moves are ply 0).
struct Ban {
  int side = 0;
  int action = 0;
  int until = 0;
};

/// Visit counts that sequential halving demands, one a simulation (mctx's table of considered visits; Danihelka et al. 2022).
std::vector<int> gumbel_sequence(int considered, int simulations);

template <Game G>
class Search {
 public:
  static constexpr int kMaxRounds = 4;

  Search(SearchContext& context, int slot, int index) : context_(context), slot_(slot), index_(index) {}

  /// A new game. `seed` is the game's; `limit` the bytes this tree may hold.
  void reset(const G& game, const EngineSetup& engine, std::uint64_t seed, std::size_t limit);
  /// More simulations from the root.
  void ask(std::int64_t simulations);
  /// Plays a legal action; nothing may be in flight. Bans end with it.
  void play(int action);
  /// Replaces the bans; the tree is forgotten unless there were none and are none. A position whose moves are all banned keeps them.
  void restrict(const std::vector<Ban>& bans);
  /// From now on, in place of the network threshold where networks are asked by visits, else of the expansion threshold.
  void set_threshold(int visits) { (asks_by_visits() ? engine_.params.network_threshold : engine_.params.expansion_threshold) = visits; }

  const G& game() const { return game_; }
  const EngineSetup& engine() const { return engine_; }
  const Tree& tree() const { return tree_; }
  bool in_flight() const { return n_rounds_ > 0 || n_late() > 0; }
  bool is_done() const { return !in_flight() && !wants_more(); }
  std::int64_t simulations() const { return selected_; }

  /// Selects and backs up until it is done or something is pending; new requests are appended. True when it stopped after
  /// `rounds` rounds although it could go on.
  bool advance(std::vector<Request>& requests, int rounds);
  /// Forgets what was asked for and not yet selected.
  void cancel() {
    asked_ = selected_;
    wants_root_ = false;
  }

  Simulation<G>& simulation(const Request& r) {
    return r.round < kMaxRounds ? rounds_[r.round].simulations[r.simulation] : late_[r.round - kMaxRounds].entries[r.simulation];
  }
  /// One request is served; true when its round is complete, or it belongs to none.
  bool served(const Request& r) {
    if (r.round < kMaxRounds) return rounds_[r.round].pending.fetch_sub(1, std::memory_order_acq_rel) == 1;
    late_[r.round - kMaxRounds].served[r.simulation].store(true, std::memory_order_release);
    return true;
  }
  /// The leaf's planes in the caller's buffers.
  template <class T>
  void write_inputs(const Request& r, int feature_set, T* planes, float* globals);
  /// Plays the rollout of a request of kind kRolloutTask.
  void play_rollout(Simulation<G>& s) const {
    play_rollout(s, *s.rollout_start);
    s.rollout_start.reset();
  }

  NodeReport report(bool with_target) const { return report_at(root_, root_edge_, with_target, true); }
  /// Nothing when there is no expanded position at the end of the path.
  std::unique_ptr<NodeReport> report_below(const std::vector<int>& path) const;
  /// The move that the parameters choose; -1 resigns are not decided here.
  int choose_move() const;
  /// Mean value at the root and the best visited child's, side to move: what resignation looks at.
  double root_value() const;
  double best_child_value() const;

 private:
  using Step = typename Simulation<G>::Step;

  // --- search.cpp ---
  bool drop_banned(std::vector<std::uint16_t>& moves, std::size_t ply) const;
  bool wants_more() const {
    return !tree_.node(root_).over && (selected_ < asked_ || (wants_root_ && !is_root_known()));
  }
  void new_root();
  bool select_round(std::vector<Request>& requests);
  bool descend(Simulation<G>& s, Round<G>& round, std::vector<Request>& requests);
  void take_back(Simulation<G>& s);
  void play_rollout(Simulation<G>& s, const typename G::RolloutStart& start) const;
  void learn_reply(const Node& n);
  void prepare_leaf(Simulation<G>& s, Round<G>& round, std::vector<Request>& requests);
  void request(Simulation<G>& s, Round<G>& round, int network, bool policy, bool value, std::vector<Request>& requests);
  bool find_cached(Simulation<G>& s, int network, bool policy, bool value) const;
  void back_up(Simulation<G>& s);
  /// What a network's answer says of its leaf: taken into the node; value, win less loss and points for side 0.
  void take_value(Simulation<G>& s, double& value0, double& win0, double& lead0);
  void take_priors(Simulation<G>& s);
  void prune();
  double utility(const Evaluation& e, int side, double root_score0) const;
  double score_utility(double score, double center) const;
  bool rollouts_on() const { return engine_.params.rollout_kind() != RolloutKind::kOff; }
  std::uint32_t visits(const Edge& e) const { return rollouts_on() ? e.n_r : e.n_v; }
  double count(const Edge& e) const { return visits(e) + engine_.params.virtual_loss * e.in_flight; }
  bool is_considered(const Edge& e) const { return visits(e) > 0 || (e.in_flight > 0 && engine_.params.virtual_loss > 0); }
  bool is_joint() const { return engine_.policy >= 0 && engine_.policy == engine_.value; }
  bool is_late() const { return engine_.params.late_evaluations > 0 && rollouts_on() && !is_joint(); }
  std::size_t n_late() const { return late_[0].n + late_[1].n; }

  // --- search_late.cpp ---
  bool asks_by_visits() const { return is_late() && engine_.params.network_threshold > 0; }
  bool lacks_answer(const Node& n) const;
  bool is_to_ask(const Node& n, std::uint32_t visits) const;
  bool is_root_known() const { return tree_.node(root_).expanded && !(asks_by_visits() && lacks_answer(tree_.node(root_))); }
  bool waits_for_root(std::vector<Request>& requests);
  void ask_late(Simulation<G>& s, Ref ref, std::vector<Request>& requests);
  void request_late(const Simulation<G>& s, int queue, std::vector<Request>& requests);
  void send_late(int queue, std::vector<Request>& requests);
  void back_up_late(LateQueue<G>& queue, std::size_t count);
  /// The queue whose oldest group simulations have to wait for; none: null.
  LateQueue<G>* overdue();

  // --- search_select.cpp ---
  double q_of(const Edge& e, double virtual_loss) const;
  double mean_value(const Edge& incoming) const { return -q_of(incoming, 0); }
  int choose(const Node& n, const Edge& incoming, bool at_root);
  int choose_puct(const Node& n, const Edge& incoming, bool at_root) const;
  double first_play_urgency(const Node& n, const Edge& incoming, bool at_root) const;
  int choose_gumbel_root(const Node& n) const;
  int choose_gumbel_interior(const Node& n, const Edge& incoming) const;
  double exploration(double sum) const;
  double mixed_value(const Node& n, const Edge& incoming) const;
  double sigma(double q, double max_count) const;
  double max_count(const Node& n) const;

  // --- search_rave.cpp ---
  int choose_rave(const Node& n, const Edge& incoming, bool at_root) const;
  void learn_later(const Simulation<G>& s, double result0);

  // --- search_root.cpp ---
  void prepare_root();
  NodeReport report_at(Ref ref, const Edge& incoming, bool with_target, bool at_root) const;
  void fill_visit_target(NodeReport& r) const;
  void fill_gumbel_target(NodeReport& r, const Node& n, const Edge& incoming) const;

  // --- fixed for the length of a game ---------------------------------------------------------------
  SearchContext& context_;
  const int slot_, index_;
  EngineSetup engine_;
  std::uint64_t seed_ = 0;

  // --- the tree ---------------------------------------------------------------------------------------
  G game_ = make_empty();  ///< at the root, except while a simulation descends
  Tree tree_;
  Ref root_ = 0;
  Edge root_edge_{};  ///< what leads to the root: from the point of view of the side that does not move there
  bool root_prepared_ = false;
  bool root_waits_ = false;  ///< for networks that a kept tree had not asked about it
  std::array<std::vector<std::uint16_t>, 2> banned_until_;  ///< by side and action; empty without bans
  std::uint64_t bans_hash_ = 0;                             ///< 0 without bans
  std::vector<double> gumbel_;  ///< noise by action
  std::vector<int> sequence_;   ///< counts of a Gumbel root
  std::int64_t asked_ = 0, selected_ = 0;
  ReplyCache replies_;          ///< only used with rollout_cache
  bool wants_root_ = false;  ///< the root is to be evaluated even if no simulation is asked for

  // --- in flight ----------------------------------------------------------------------------------------
  std::array<Round<G>, kMaxRounds> rounds_;
  int first_round_ = 0, n_rounds_ = 0;
  std::array<LateQueue<G>, 2> late_;  ///< of the policy and of the value network

  static G make_empty();
};

}  // namespace ag
