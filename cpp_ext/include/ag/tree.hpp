/// The storage of one search tree: nodes, edges and move lists in one block of memory with a limit.
///
/// A node lists its legal moves with their priors; an edge exists only for a move that was tried. Entry i of the move list belongs to edge i,
/// and the entry after the last edge is the untried move with the highest prior (ties: the lowest action), so choosing costs one step for each
/// tried move and one for all the others together.
/// References are offsets: the block may move when it grows. Pointers hold until the next call that adds something.
/// Thread safety: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>
#include <utility>
#include <vector>

namespace ag {

using Ref = std::uint32_t;  ///< offset in units of 8 bytes; 0 is none

/// A move that was tried at a node. Sums are from the point of view of the side to move at that node.
struct Edge {
  std::uint16_t action;
  std::uint16_t in_flight;  ///< simulations that went down here and are not backed up yet
  float prior;
  std::uint32_t n_v;        ///< network evaluations (and finished games) below
  std::uint32_t n_r;        ///< rollouts (and finished games) below
  Ref child;                ///< 0: no position below yet, or pruned
  std::uint32_t n_lead;
  double w_v;   ///< sum of utilities
  double w_r;   ///< sum of rollout results
  double w2;    ///< sum of squares of the results that visits count
  double win;   ///< sum of win minus loss of network evaluations (and finished games)
  double lead;  ///< sum of scores in points, n_lead of them
};
static_assert(sizeof(Edge) == 64);

/// What simulations say about a move that were played through a node and made the move there or later (all moves as first).
struct Later {
  float n;  ///< simulations
  float w;  ///< sum of their results, from the point of view of the side to move at the node
};

struct Node {
  Ref moves;   ///< std::uint16_t[n_moves]; 0 while not listed
  Ref priors;  ///< float[n_moves]
  Ref edges;   ///< Edge[edge_capacity]
  Ref later;   ///< Later[n_actions] by action; 0 without RAVE
  std::uint16_t n_moves, n_edges, edge_capacity;
  std::uint8_t side;            ///< to move: 0 or 1
  std::uint8_t over : 1;        ///< the game has ended
  std::uint8_t expanded : 1;    ///< simulations go on below
  std::uint8_t waiting : 1;     ///< an evaluation is under way
  std::uint8_t valued : 1;      ///< `value` holds the network's own value
  std::uint8_t asked : 1;       ///< the value network was asked
  std::uint8_t asked_policy : 1;  ///< the policy network was, where no simulation waits for it
  std::uint32_t sum_visits;     ///< over the edges
  std::uint32_t sum_in_flight;  ///< over the edges
  float value;  ///< utility, side to move
  float score;  ///< points, side to move; NaN where no network predicts it
};
static_assert(sizeof(Node) == 36 || sizeof(Node) == 40);

class Tree {
 public:
  Tree() = default;
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() {
    std::free(block_);
    std::free(spare_);
  }

  /// Forgets everything. Half of `limit` bytes is for the tree, half for moving it when it is pruned.
  void reset(std::size_t limit) {
    limit_ = limit / 2 & ~std::size_t{7};
    clear();
  }
  void clear() {
    used_ = 8;
    n_nodes_ = 0;
  }

  /// Makes room for `bytes` more; false when the limit forbids it.
  bool ensure(std::size_t bytes);

  std::size_t limit() const { return limit_; }
  std::size_t bytes_used() const { return used_; }
  std::size_t bytes_held() const { return capacity_ + spare_capacity_; }
  std::uint64_t n_nodes() const { return n_nodes_; }

  Node& node(Ref r) { return *at<Node>(r); }
  const Node& node(Ref r) const { return *at<Node>(r); }
  Edge* edges(const Node& n) { return at<Edge>(n.edges); }
  const Edge* edges(const Node& n) const { return at<Edge>(n.edges); }
  std::uint16_t* moves(const Node& n) { return at<std::uint16_t>(n.moves); }
  const std::uint16_t* moves(const Node& n) const { return at<std::uint16_t>(n.moves); }
  float* priors(const Node& n) { return at<float>(n.priors); }
  const float* priors(const Node& n) const { return at<float>(n.priors); }

  Later* later(const Node& n) { return at<Later>(n.later); }
  const Later* later(const Node& n) const { return at<Later>(n.later); }

  /// From now on every node that gets moves also gets statistics of later moves, so many.
  void count_later(int n_actions) { n_later_ = static_cast<std::size_t>(n_actions); }

  Ref add_node(int side, bool over);
  /// Lists the moves of a node that has none, or gives the moves it has new priors. `priors` are by entry of `moves`, ascending actions.
  void set_moves(Ref node, const std::uint16_t* moves, const float* priors, int n);
  /// The edge of entry i >= n_edges, made now; returns its index.
  int add_edge(Ref node, int entry);

  /// Bytes that one simulation may add at most.
  static std::size_t bytes_per_simulation(int n_actions, bool with_later) {
    const auto n = static_cast<std::size_t>(n_actions);
    return sizeof(Node) + n * 6 + 32 + (n + 1) * sizeof(Edge) + (with_later ? n * sizeof(Later) : 0);
  }

  /// Keeps the subtree of `root` alone, in which positions with fewer than `min_visits` are forgotten; returns the new root.
  Ref keep(Ref root, std::uint32_t min_visits);
  /// Bytes that keep() would need.
  std::size_t bytes_to_keep(Ref root, std::uint32_t min_visits);

 private:
  template <class T>
  T* at(Ref r) {
    return reinterpret_cast<T*>(block_ + std::size_t{r} * 8);
  }
  template <class T>
  const T* at(Ref r) const {
    return reinterpret_cast<const T*>(block_ + std::size_t{r} * 8);
  }
  Ref allocate(std::size_t bytes) {
    const Ref r = static_cast<Ref>(used_ / 8);
    used_ += (bytes + 7) & ~std::size_t{7};
    return r;
  }
  void find_next(Node& n);
  static std::uint32_t visits(const Edge& e) { return e.n_r > e.n_v ? e.n_r : e.n_v; }

  char* block_ = nullptr;
  std::size_t capacity_ = 0, used_ = 8;
  char* spare_ = nullptr;  ///< where keep() builds the new tree
  std::size_t spare_capacity_ = 0;
  std::size_t limit_ = 0;
  std::size_t n_later_ = 0;
  std::uint64_t n_nodes_ = 0;
  std::vector<Ref> work_;
};

}  // namespace ag
