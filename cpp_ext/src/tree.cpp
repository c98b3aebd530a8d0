#include "ag/tree.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ag {

bool Tree::ensure(std::size_t bytes) {
  const std::size_t wanted = used_ + bytes;
  if (wanted <= capacity_) return true;
  if (wanted > limit_) return false;
  const std::size_t capacity = std::min(limit_, std::max({wanted, capacity_ * 2, std::size_t{16384}}));
  auto* block = static_cast<char*>(std::realloc(block_, capacity));
  if (!block) throw std::bad_alloc();
  block_ = block;
  capacity_ = capacity;
  return true;
}

Ref Tree::add_node(int side, bool over) {
  const Ref r = allocate(sizeof(Node));
  ++n_nodes_;
  Node n{};
  n.side = static_cast<std::uint8_t>(side);
  n.over = over;
  n.score = std::numeric_limits<float>::quiet_NaN();
  node(r) = n;
  return r;
}

void Tree::find_next(Node& n) {
  const int first = n.n_edges, end = n.n_moves;
  if (first >= end) return;
  std::uint16_t* moves = this->moves(n);
  float* priors = this->priors(n);
  // Priors are not negative, so their bits compare as integers do: both loops become vector code.
  std::uint32_t best = 0;
  const auto* bits = reinterpret_cast<const std::uint32_t*>(priors);
  for (int i = first; i < end; ++i) best = std::max(best, bits[i]);
  std::uint32_t lowest = 0xffffffff;  // action and entry side by side: the lowest action among equals
  for (int i = first; i < end; ++i)
    lowest = std::min(lowest, bits[i] == best ? static_cast<std::uint32_t>(moves[i]) << 16 | static_cast<std::uint32_t>(i) : 0xffffffffu);
  const int entry = static_cast<int>(lowest & 0xffff);
  std::swap(moves[first], moves[entry]);
  std::swap(priors[first], priors[entry]);
}

void Tree::set_moves(Ref ref, const std::uint16_t* moves, const float* priors, int count) {
  const auto n = static_cast<std::size_t>(count);
  if (!node(ref).moves) {
    const Ref m = allocate(n * sizeof(std::uint16_t)), p = allocate(n * sizeof(float));
    const Ref later = n_later_ ? allocate(n_later_ * sizeof(Later)) : 0;
    Node& nd = node(ref);
    nd.later = later;
    if (later) std::fill_n(this->later(nd), n_later_, Later{});
    nd.moves = m;
    nd.priors = p;
    nd.n_moves = static_cast<std::uint16_t>(count);
    std::memcpy(this->moves(nd), moves, n * sizeof(std::uint16_t));
    std::memcpy(this->priors(nd), priors, n * sizeof(float));
  } else {
    Node& nd = node(ref);
    for (int i = 0; i < nd.n_moves; ++i) {
      const std::uint16_t action = this->moves(nd)[i];
      const float p = priors[std::lower_bound(moves, moves + count, action) - moves];
      this->priors(nd)[i] = p;
      if (i < nd.n_edges) edges(nd)[i].prior = p;
    }
  }
  find_next(node(ref));
}

int Tree::add_edge(Ref ref, int entry) {
  if (node(ref).n_edges == node(ref).edge_capacity) {
    const int capacity = std::min<int>(node(ref).n_moves, node(ref).edge_capacity ? node(ref).edge_capacity * 2 : 2);
    const Ref fresh = allocate(static_cast<std::size_t>(capacity) * sizeof(Edge));
    Node& n = node(ref);
    if (n.n_edges) std::memcpy(at<char>(fresh), edges(n), n.n_edges * sizeof(Edge));
    n.edges = fresh;
    n.edge_capacity = static_cast<std::uint16_t>(capacity);
  }
  Node& n = node(ref);
  const int index = n.n_edges++;
  if (entry != index) {
    std::swap(moves(n)[index], moves(n)[entry]);
    std::swap(priors(n)[index], priors(n)[entry]);
  }
  Edge e{};
  e.action = moves(n)[index];
  e.prior = priors(n)[index];
  edges(n)[index] = e;
  find_next(n);
  return index;
}

std::size_t Tree::bytes_to_keep(Ref root, std::uint32_t min_visits) {
  std::size_t bytes = 8;
  const auto rounded = [](std::size_t n) { return (n + 7) & ~std::size_t{7}; };
  work_.clear();
  work_.push_back(root);
  while (!work_.empty()) {
    const Node& n = node(work_.back());
    work_.pop_back();
    bytes += rounded(sizeof(Node));
    if (n.moves) bytes += rounded(n.n_moves * 2u) + rounded(n.n_moves * 4u) + n.n_edges * sizeof(Edge) + (n.later ? n_later_ * sizeof(Later) : 0);
    for (int i = 0; i < n.n_edges; ++i) {
      const Edge& e = edges(n)[i];
      if (e.child && visits(e) >= min_visits) work_.push_back(e.child);
    }
  }
  return bytes;
}

Ref Tree::keep(Ref root, std::uint32_t min_visits) {
  const std::size_t needed = bytes_to_keep(root, min_visits);
  if (needed > spare_capacity_) {
    const std::size_t capacity = std::min(limit_, std::max(needed, std::bit_ceil(needed)));
    std::free(spare_);
    spare_capacity_ = 0;
    spare_ = static_cast<char*>(std::malloc(capacity));
    if (!spare_) throw std::bad_alloc();
    spare_capacity_ = capacity;
  }
  // The old block becomes the spare one. Copies are made breadth first; `work_` holds copies whose children are still old.
  std::swap(block_, spare_);
  std::swap(capacity_, spare_capacity_);
  clear();
  const char* old = spare_;
  const auto copy = [&](Ref from) {
    Node n = *reinterpret_cast<const Node*>(old + std::size_t{from} * 8);
    const Ref to = allocate(sizeof(Node));
    ++n_nodes_;
    const auto copied = [&](Ref source, std::size_t bytes) {
      const Ref r = allocate(bytes);
      std::memcpy(at<char>(r), old + std::size_t{source} * 8, bytes);
      return r;
    };
    if (n.moves) {
      n.moves = copied(n.moves, n.n_moves * 2u);
      n.priors = copied(n.priors, n.n_moves * 4u);
      if (n.later) n.later = copied(n.later, n_later_ * sizeof(Later));
    }
    n.edges = n.n_edges ? copied(n.edges, n.n_edges * sizeof(Edge)) : 0;
    n.edge_capacity = n.n_edges;
    node(to) = n;
    work_.push_back(to);
    return to;
  };
  work_.clear();
  const Ref result = copy(root);
  for (std::size_t next = 0; next < work_.size(); ++next) {
    const Node n = node(work_[next]);
    for (int i = 0; i < n.n_edges; ++i) {
      Edge& e = edges(n)[i];
      e.child = e.child && visits(e) >= min_visits ? copy(e.child) : 0;
    }
  }
  return result;
}

}  // namespace ag
