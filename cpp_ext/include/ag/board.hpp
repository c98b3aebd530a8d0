/// The Go board: chains with exact liberties, captures, simple ko. Nothing about turns, superko or score.
///
/// A Board is a trivially copyable value (about 2 KiB at capacity 9, 6 KiB at 13, 29 KiB at 19) and carries its Zobrist hash.
/// Each chain keeps the set of its liberties as one vector register: a merge is an OR, and the liberties after a move,
/// which AlphaGo's planes and the ladder reader ask for all the time, need no walk around the chain.
/// Thread safety: none needed, a Board belongs to whoever holds it.
#pragma once

#include <cstdint>
#include <type_traits>

#include "ag/geometry.hpp"

namespace ag {

/// What place() tells its caller while it works; this one listens to nothing.
struct NoObserver {
  void on_remove(int /*cell*/) {}
};

template <int Cap>
class Board {
 public:
  using G = Geometry<Cap>;
  using Set = typename G::Set;
  using Index = typename G::Index;

  /// What undo() needs to take one place() back.
  struct Undo {
    Set libs;
    std::uint64_t hash;
    std::uint16_t cell, chain, ko, n_liberties, n_stones;
    std::uint16_t old_chain, old_next;  ///< of the cell: it may belong to the list of a captured chain
    std::uint16_t absorbed[3], dead[4];
    std::uint8_t color, ko_color, n_own, n_absorbed, n_dead;
    bool suicide;
  };

  explicit Board(int size = Cap);

  int size() const { return size_; }
  const SizeTables<Cap>& tables() const { return SizeTables<Cap>::of(size_); }

  Color at(int cell) const { return static_cast<Color>(color_[cell]); }
  const Set& stones(Color c) const { return stones_[c - 1]; }
  Set empties() const { return tables().board - (stones_[0] | stones_[1]); }
  std::uint64_t hash() const { return hash_; }

  /// Cell that `ko_color()` may not play at once under simple ko; 0 when there is none.
  int ko() const { return ko_; }
  Color ko_color() const { return static_cast<Color>(ko_color_); }
  void clear_ko() { ko_ = 0; }

  /// Chain number of the stone on `cell` (only meaningful on a stone); two stones share it when they are connected.
  int chain(int cell) const { return chain_[cell]; }
  int n_liberties(int chain) const { return n_liberties_[chain]; }
  int n_stones(int chain) const { return n_stones_[chain]; }
  const Set& liberties(int chain) const { return liberties_[chain]; }

  /// Calls f(cell) for each stone of a chain.
  template <class F>
  void each_stone(int chain, F&& f) const {
    const int first = chain + G::kOrigin;
    int s = first;
    do {
      const int following = next_[s];  // f may change what is on s
      f(s);
      s = following;
    } while (s != first);
  }

  /// No liberty would be left after a play on the empty `cell`.
  bool is_suicide(int cell, Color c) const;

  /// The true-eye rule of docs/features.md.
  bool is_true_eye(int cell, Color c) const;

  /// Legal under simple ko; `suicide` allows multi-stone suicide (single-stone suicide is a pass in disguise and never legal).
  Legality legality(int cell, Color c, bool suicide) const;

  /// Puts a stone on `cell` for c, takes dead stones off and sets ko. The move must be legal.
  /// Returns the number of opponent stones captured. `observer.on_remove(cell)` is called for every stone that
  /// leaves the board, after the board was updated around it.
  template <class Observer>
  int place(int cell, Color c, Observer& observer, Undo* undo = nullptr);
  int place(int cell, Color c) {
    NoObserver nobody;
    return place(cell, c, nobody);
  }
  int place(int cell, Color c, Undo& undo) {
    NoObserver nobody;
    return place(cell, c, nobody, &undo);
  }

  /// Takes back the last place(), which must be the one that filled `undo`.
  void undo(const Undo& undo);

 private:
  static constexpr int kSlots = G::kSpan + 2;
  static constexpr int kNobody = G::kSpan;      ///< chain slot that absorbs branch-free updates: no liberties, count 1
  static constexpr int kNobodyElse = kNobody + 1;  ///< the same for captures, whose content is never read

  template <class Observer>
  void remove_chain(int chain, Color c, Observer& observer);
  void restore_chain(int chain, Color c);
  void save_chain(int chain, Undo& u) const {
    u.libs = liberties_[chain];
    u.n_liberties = n_liberties_[chain];
    u.n_stones = n_stones_[chain];
  }

  // --- chains: indexed by chain number = bit of one of its stones -----------------------------------
  Set liberties_[kSlots];
  std::uint16_t n_liberties_[kSlots];
  std::uint16_t n_stones_[kSlots];

  // --- cells ----------------------------------------------------------------------------------------
  std::uint8_t color_[G::kCells];
  Index chain_[G::kCells];
  Index next_[G::kCells];  ///< circular list of the stones of a chain

  // --- the whole board --------------------------------------------------------------------------------
  Set stones_[2];
  std::uint64_t hash_;
  std::uint16_t ko_;
  std::uint8_t ko_color_;
  std::uint8_t size_;
};

// ---------------------------------------------------------------------------------------------------
// The hot path is inline: playouts spend two thirds of their time here.

template <int Cap>
inline bool Board<Cap>::is_suicide(int cell, Color c) const {
  for (const int d : G::kDir4) {
    const int q = cell + d;
    const int color = color_[q];
    if (color == EMPTY) return false;
    if (color == OFF) continue;
    const bool in_atari = n_liberties_[chain_[q]] == 1;
    if ((color == c) != in_atari) return false;  // a friend with another liberty, or an enemy that this takes
  }
  return true;
}

template <int Cap>
inline bool Board<Cap>::is_true_eye(int cell, Color c) const {
  unsigned all = OFF;
  for (const int d : G::kDir4) all &= color_[cell + d];
  if (!(all & c) || color_[cell] != EMPTY) return false;
  int enemies = 0, off = 0;
  for (const int d : G::kDiagonal) {
    enemies += color_[cell + d] == 3 - c;
    off |= color_[cell + d] == OFF;
  }
  return enemies + off < 2;
}

template <int Cap>
inline Legality Board<Cap>::legality(int cell, Color c, bool suicide) const {
  if (color_[cell] != EMPTY) return color_[cell] == OFF ? Legality::kOffBoard : Legality::kOccupied;
  if (cell == ko_ && c == ko_color_) return Legality::kKo;
  if (is_suicide(cell, c)) {
    bool alone = true;
    for (const int d : G::kDir4) alone &= color_[cell + d] != c;
    if (!suicide || alone) return Legality::kSuicide;
  }
  return Legality::kLegal;
}

template <int Cap>
template <class Observer>
inline void Board<Cap>::remove_chain(int chain, Color c, Observer& observer) {
  const Color other = opponent(c);
  const int first = chain + G::kOrigin;
  int s = first;
  do {
    const int b = s - G::kOrigin;
    color_[s] = EMPTY;
    stones_[c - 1].reset(b);
    hash_ ^= kZobrist<Cap>.of[c][b];
    for (const int d : G::kDir4) {
      const int q = s + d;
      const int slot = color_[q] == other ? chain_[q] : kNobodyElse;
      n_liberties_[slot] = static_cast<std::uint16_t>(n_liberties_[slot] + liberties_[slot].put(b));
    }
    observer.on_remove(s);
    s = next_[s];
  } while (s != first);
}

template <int Cap>
template <class Observer>
inline int Board<Cap>::place(int cell, Color c, Observer& observer, Undo* undo) {
  const Color other = opponent(c);
  const int b = cell - G::kOrigin;
  if (undo) {
    undo->hash = hash_;
    undo->ko = ko_;
    undo->ko_color = ko_color_;
    undo->cell = static_cast<std::uint16_t>(cell);
    undo->color = c;
    undo->old_chain = chain_[cell];
    undo->old_next = next_[cell];
    undo->n_absorbed = 0;
    undo->suicide = false;
  }
  color_[cell] = c;
  stones_[c - 1].set(b);
  hash_ ^= kZobrist<Cap>.of[c][b];
  ko_ = 0;

  // Branch-free look at the four neighbours: what is not an enemy works on the spare slot instead.
  int own[4], dead[4], n_own = 0, n_dead = 0, n_empty = 0;
  bool is_empty[4];
  for (int i = 0; i < 4; ++i) {
    const int q = cell + G::kDir4[i];
    const int color = color_[q];
    const int id = chain_[q];
    const int slot = color == other ? id : kNobody;
    const int was = liberties_[slot].take(b);
    const int left = n_liberties_[slot] - was;
    n_liberties_[slot] = static_cast<std::uint16_t>(left);
    dead[n_dead] = slot;
    n_dead += (left == 0) & was;
    own[n_own] = id;
    n_own += color == c;
    is_empty[i] = color == EMPTY;
    n_empty += color == EMPTY;
  }

  int chain;
  if (n_own == 0) {
    chain = b;
    if (undo) save_chain(b, *undo);  // the slot may hold what undo() of an earlier move needs
    chain_[cell] = static_cast<Index>(b);
    next_[cell] = static_cast<Index>(cell);
    Set& libs = liberties_[b];
    libs = Set::none();
    for (int i = 0; i < 4; ++i) libs.put(b + G::kDir4[i] * is_empty[i], is_empty[i]);
    n_liberties_[b] = static_cast<std::uint16_t>(n_empty);
    n_stones_[b] = 1;
  } else {
    chain = own[0];
    for (int i = 1; i < n_own; ++i)
      if (n_stones_[own[i]] > n_stones_[chain]) chain = own[i];  // relabel the smaller ones
    if (undo) save_chain(chain, *undo);
    const int anchor = chain + G::kOrigin;
    chain_[cell] = static_cast<Index>(chain);
    next_[cell] = next_[anchor];
    next_[anchor] = static_cast<Index>(cell);
    Set& libs = liberties_[chain];
    int n_libs = n_liberties_[chain] - libs.take(b);
    for (int i = 0; i < 4; ++i) n_libs += libs.put(b + G::kDir4[i] * is_empty[i], is_empty[i]);
    int n_stones = n_stones_[chain] + 1;
    if (n_own > 1) {
      bool merged = false;
      for (int i = 0; i < n_own; ++i) {
        const int o = own[i];
        if (chain_[o + G::kOrigin] == chain) continue;  // the chain itself, or absorbed a moment ago
        const int first = o + G::kOrigin;
        int s = first;
        do {
          chain_[s] = static_cast<Index>(chain);
          s = next_[s];
        } while (s != first);
        const Index t = next_[anchor];  // splice two circular lists: swapping again takes them apart
        next_[anchor] = next_[first];
        next_[first] = t;
        libs |= liberties_[o];
        n_stones += n_stones_[o];
        merged = true;
        if (undo) undo->absorbed[undo->n_absorbed++] = static_cast<std::uint16_t>(o);
      }
      if (merged) {
        libs.reset(b);
        n_libs = libs.count();
      }
    }
    n_liberties_[chain] = static_cast<std::uint16_t>(n_libs);
    n_stones_[chain] = static_cast<std::uint16_t>(n_stones);
  }

  int captured = 0;
  for (int i = 0; i < n_dead; ++i) {
    captured += n_stones_[dead[i]];
    remove_chain(dead[i], other, observer);
  }
  if (captured == 1 && n_stones_[chain] == 1 && n_liberties_[chain] == 1) {
    ko_ = static_cast<std::uint16_t>(dead[0] + G::kOrigin);
    ko_color_ = other;
  }
  if (undo) {
    undo->chain = static_cast<std::uint16_t>(chain);
    undo->n_own = static_cast<std::uint8_t>(n_own);
    undo->n_dead = static_cast<std::uint8_t>(n_dead);
    for (int i = 0; i < n_dead; ++i) undo->dead[i] = static_cast<std::uint16_t>(dead[i]);
  }
  if (n_liberties_[chain] == 0) [[unlikely]] {  // suicide, where the rules allow it
    if (undo) undo->suicide = true;
    remove_chain(chain, c, observer);
  }
  return captured;
}

}  // namespace ag
