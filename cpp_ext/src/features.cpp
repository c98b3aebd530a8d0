#include "ag/features.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <string>

#include "ag/ladder.hpp"
#include "ag/score.hpp"
#include "ag/symmetry.hpp"

namespace ag {

namespace {

/// Where each bit of the board lands in a plane, for one board size, plane width and symmetry.
template <int Cap>
using PlaneMap = std::array<std::uint16_t, Geometry<Cap>::kSpan>;

template <int Cap>
PlaneMap<Cap> make_map(int size, int width, int symmetry) {
  PlaneMap<Cap> map{};
  for (int r = 0; r < size; ++r)
    for (int c = 0; c < size; ++c) {
      const auto [row, col] = turned(symmetry, size, r, c);
      map[static_cast<std::size_t>(r * Geometry<Cap>::kStride + c)] = static_cast<std::uint16_t>(row * width + col);
    }
  return map;
}

/// The maps of the board size and width that this thread used last.
template <int Cap>
const PlaneMap<Cap>& map_for(int size, int width, int symmetry) {
  thread_local std::array<PlaneMap<Cap>, 8> maps;
  thread_local int known_size = 0, known_width = 0;
  if (known_size != size || known_width != width) {
    for (int s = 0; s < 8; ++s) maps[static_cast<std::size_t>(s)] = make_map<Cap>(size, width, s);
    known_size = size;
    known_width = width;
  }
  return maps[static_cast<std::size_t>(symmetry)];
}

template <int Cap, class T>
class PlaneWriter {
 public:
  using G = Geometry<Cap>;
  using Set = typename G::Set;

  PlaneWriter(const Position<Cap>& position, int symmetry, int width, T* out)
      : position_(position),
        board_(position.board()),
        mover_(position.to_play()),
        other_(opponent(mover_)),
        map_(map_for<Cap>(position.size(), width, symmetry)),
        area_(static_cast<std::size_t>(width) * static_cast<std::size_t>(width)),
        out_(out) {}

  void alphago(bool colour_plane);
  void zero17();
  void rich(bool reading);

 private:
  void mark(int plane, int bit) { out_[static_cast<std::size_t>(plane) * area_ + map_[static_cast<std::size_t>(bit)]] = T{1}; }
  void mark(int plane, const Set& bits) {
    T* p = out_ + static_cast<std::size_t>(plane) * area_;
    bits.each([&](int b) { p[map_[static_cast<std::size_t>(b)]] = T{1}; });
  }
  /// One-hot of n over the 8 planes from `plane`: 1, ..., 7, 8 or more; nothing for 0.
  void mark_number(int plane, int bit, int n) {
    if (n > 0) mark(plane + std::min(n, 8) - 1, bit);
  }

  /// Calls f(chain number) for each chain that has its stones in the set.
  template <class F>
  void each_chain(const Set& stones, F&& f) const {
    stones.each([&](int b) {
      if (board_.chain(b + G::kOrigin) == b) f(b);  // a chain is numbered by one of its stones
    });
  }

  void after_move(int bit);
  void catching_moves(LadderReader<Cap>& reader, int plane, const Set& legal);

  const Position<Cap>& position_;
  const Board<Cap>& board_;
  const Color mover_, other_;
  const PlaneMap<Cap>& map_;
  const std::size_t area_;
  T* out_;
};

/// Planes 20-43 of AlphaGo for one legal move.
template <int Cap, class T>
void PlaneWriter<Cap, T>::after_move(int bit) {
  const int cell = bit + G::kOrigin;
  int captured = 0, own[4], n_own = 0, n_empty = 0;
  for (const int d : G::kDir4) {
    const int q = cell + d;
    const Color c = board_.at(q);
    n_empty += c == EMPTY;
    if (c == mover_) {
      const int chain = board_.chain(q);
      bool known = false;
      for (int i = 0; i < n_own; ++i) known |= own[i] == chain;
      if (!known) own[n_own++] = chain;
    } else if (c == other_ && board_.n_liberties(board_.chain(q)) == 1) {
      captured = 1;
    }
  }
  int liberties, stones = 1;
  if (captured || (n_empty == 0 && n_own > 0 && board_.is_suicide(cell, mover_))) {
    Board<Cap> after = board_;  // rare: captures and suicides change liberties all around
    captured = after.place(cell, mover_);
    const bool alive = after.at(cell) == mover_;
    liberties = alive ? after.n_liberties(after.chain(cell)) : 0;
    stones = alive ? after.n_stones(after.chain(cell)) : 0;
  } else if (n_own == 0) {
    liberties = n_empty;
  } else {
    Set all = board_.liberties(own[0]);
    stones += board_.n_stones(own[0]);
    for (int i = 1; i < n_own; ++i) {
      all |= board_.liberties(own[i]);
      stones += board_.n_stones(own[i]);
    }
    for (const int d : G::kDir4)
      if (board_.at(cell + d) == EMPTY) all.set(bit + d);
    all.reset(bit);
    liberties = all.count();
  }
  mark_number(20, bit, captured);
  if (liberties == 1) mark_number(28, bit, stones);
  mark_number(36, bit, liberties);
}

template <int Cap, class T>
void PlaneWriter<Cap, T>::catching_moves(LadderReader<Cap>& reader, int plane, const Set& legal) {
  each_chain(board_.stones(other_), [&](int chain) {
    if (board_.n_liberties(chain) == 2) mark(plane, reader.catching_moves(chain + G::kOrigin) & legal);
  });
}

template <int Cap, class T>
void PlaneWriter<Cap, T>::alphago(bool colour_plane) {
  std::memset(static_cast<void*>(out_), 0, sizeof(T) * area_ * (colour_plane ? 49 : 48));
  const Set& points = board_.tables().board;
  const Set stones = board_.stones(BLACK) | board_.stones(WHITE);
  mark(0, board_.stones(mover_));
  mark(1, board_.stones(other_));
  mark(2, points - stones);
  mark(3, points);

  Set old = stones;  // stones not yet seen among the last seven turns
  for (int age = 1; age <= 7; ++age) {
    const int cell = position_.last_cell(static_cast<std::size_t>(age - 1));
    if (cell && old.take(cell - G::kOrigin)) mark(3 + age, cell - G::kOrigin);
  }
  mark(11, old);

  each_chain(stones, [&](int chain) {
    const int plane = 12 + std::min(board_.n_liberties(chain), 8) - 1;
    board_.each_stone(chain, [&](int s) { mark(plane, s - G::kOrigin); });
  });

  const Set legal = position_.legal(mover_);
  legal.each([&](int b) {
    after_move(b);
    if (!board_.is_true_eye(b + G::kOrigin, mover_)) mark(46, b);
  });

  LadderReader<Cap> reader(board_, position_.rules().suicide);
  catching_moves(reader, 44, legal);
  each_chain(board_.stones(mover_), [&](int chain) {
    if (board_.n_liberties(chain) == 1) mark(45, reader.saving_moves(chain + G::kOrigin) & legal);
  });
  if (colour_plane && mover_ == BLACK) mark(48, points);
}

template <int Cap, class T>
void PlaneWriter<Cap, T>::zero17() {
  std::memset(static_cast<void*>(out_), 0, sizeof(T) * area_ * 17);
  const auto& history = position_.history();
  const std::size_t n = history.n_snapshots();
  for (std::size_t k = 0; k < 8 && k < n; ++k) {
    const auto& snapshot = history.snapshot(n - 1 - k);
    mark(static_cast<int>(2 * k), snapshot.stones[mover_ - 1]);
    mark(static_cast<int>(2 * k + 1), snapshot.stones[other_ - 1]);
  }
  if (mover_ == BLACK) mark(16, board_.tables().board);
}

template <int Cap, class T>
void PlaneWriter<Cap, T>::rich(bool reading) {
  std::memset(static_cast<void*>(out_), 0, sizeof(T) * area_ * (reading ? 17 : 13));
  const Set stones = board_.stones(BLACK) | board_.stones(WHITE);
  mark(0, board_.tables().board);
  mark(1, board_.stones(mover_));
  mark(2, board_.stones(other_));
  stones.each([&](int b) {
    const int n = board_.n_liberties(board_.chain(b + G::kOrigin));
    mark(2 + std::min(n, 3), b);
  });
  if (board_.ko() && board_.ko_color() == mover_) mark(6, board_.ko() - G::kOrigin);
  const Set empties = board_.empties();
  if (position_.rules().ko != KoRule::kSimple)
    empties.each([&](int b) {
      if (position_.legality(b + G::kOrigin, mover_) == Legality::kSuperko) mark(7, b);
    });
  for (int i = 0; i < 5; ++i)
    if (const int cell = position_.last_cell(static_cast<std::size_t>(i))) mark(8 + i, cell - G::kOrigin);
  if (!reading) return;

  LadderReader<Cap> reader(board_, position_.rules().suicide);
  each_chain(stones, [&](int chain) {
    const int n = board_.n_liberties(chain);
    if (n > 2) return;
    const int stone = chain + G::kOrigin;
    bool caught;
    if (n == 2 && board_.at(stone) == other_) {
      const Set moves = reader.catching_moves(stone);
      caught = moves.any();
      moves.each([&](int b) {
        if (position_.legality(b + G::kOrigin, mover_) == Legality::kLegal) mark(14, b);
      });
    } else {
      caught = reader.is_captured(stone);
    }
    if (caught) board_.each_stone(chain, [&](int s) { mark(13, s - G::kOrigin); });
  });
  mark(15, pass_alive(board_, mover_));
  mark(16, pass_alive(board_, other_));
}

}  // namespace

FeatureSet feature_set_of(std::string_view name) {
  if (name == "alphago48") return FeatureSet::kAlphago48;
  if (name == "alphago49") return FeatureSet::kAlphago49;
  if (name == "zero17") return FeatureSet::kZero17;
  if (name == "rich") return FeatureSet::kRich;
  if (name == "rich-fast") return FeatureSet::kRichFast;
  throw std::invalid_argument("unknown feature set '" + std::string(name) + "': known are alphago48, alphago49, zero17, rich, rich-fast");
}

template <int Cap, class T>
void write_planes(const Position<Cap>& position, FeatureSet set, int symmetry, int width, T* out) {
  PlaneWriter<Cap, T> writer(position, symmetry, width, out);
  switch (set) {
    case FeatureSet::kAlphago48: writer.alphago(false); break;
    case FeatureSet::kAlphago49: writer.alphago(true); break;
    case FeatureSet::kZero17: writer.zero17(); break;
    case FeatureSet::kRich: writer.rich(true); break;
    case FeatureSet::kRichFast: writer.rich(false); break;
  }
}

template <int Cap>
void write_globals(const Position<Cap>& position, float* out) {
  const Rules& rules = position.rules();
  const double komi = rules.komi + rules.white_bonus;
  const int passes = position.consecutive_passes();
  out[0] = static_cast<float>((position.to_play() == WHITE ? komi : -komi) / 20.0);
  out[1] = passes >= 1 ? 1.0f : 0.0f;
  out[2] = passes >= 2 ? 1.0f : 0.0f;
  out[3] = rules.ko == KoRule::kPositional ? 1.0f : 0.0f;
  out[4] = rules.ko == KoRule::kSituational ? 1.0f : 0.0f;
  out[5] = rules.suicide ? 1.0f : 0.0f;
  out[6] = rules.scoring == Scoring::kTerritory ? 1.0f : 0.0f;
}

#define AG_INSTANTIATE(N)                                                                            \
  template void write_planes<N, float>(const Position<N>&, FeatureSet, int, int, float*);            \
  template void write_planes<N, std::uint8_t>(const Position<N>&, FeatureSet, int, int, std::uint8_t*); \
  template void write_globals<N>(const Position<N>&, float*);
AG_INSTANTIATE(9)
AG_INSTANTIATE(13)
AG_INSTANTIATE(19)

}  // namespace ag
