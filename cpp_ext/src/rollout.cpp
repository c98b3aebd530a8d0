#include "ag/rollout.hpp"

#include <array>
#include <bit>
#include <cstring>

#include "ag/flood.hpp"
#include "ag/score.hpp"

namespace ag {

namespace {

template <int Cap>
constexpr std::array<std::uint8_t, Geometry<Cap>::kCells> make_rows() {
  std::array<std::uint8_t, Geometry<Cap>::kCells> rows{};
  for (int i = 0; i < Geometry<Cap>::kCells; ++i)
    rows[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i / Geometry<Cap>::kStride);
  return rows;
}
template <int Cap>
constexpr auto kRowOf = make_rows<Cap>();

}  // namespace

template <int Cap>
RolloutState<Cap>::RolloutState(const PlayoutStart<Cap>& start, const RolloutWeights& weights)
    : weights_(&weights),
      row_of_(kRowOf<Cap>.data()),
      first_row_(2),
      board_(start.board),
      to_play_(start.to_play),
      passes_(start.consecutive_passes),
      last_cell_(start.last_cell),
      n_captured_(0) {
  start.last_removed.each([&](int b) { captured_[n_captured_++] = static_cast<std::uint16_t>(b + G::kOrigin); });
  std::memset(key_, 0, sizeof(key_));
  std::memset(weight_, 0, sizeof(weight_));
  std::memset(row_sum_, 0, sizeof(row_sum_));
  total_ = Both{0, 0};
  std::memset(empty_, 0, sizeof(empty_));
  std::memset(dirty_, 0, sizeof(dirty_));
  n_atari_[0] = n_atari_[1] = 0;
  in_atari_ = Set::none();
  for (int cell = 0; cell < G::kCells; ++cell) {
    const Color c = board_.at(cell);
    if (c == OFF) {
      code_[cell] = kCodeOff;
    } else if (c == EMPTY) {
      code_[cell] = kCodeEmpty;
      empty_[cell >> 6] |= std::uint64_t{1} << (cell & 63);
    } else {
      const int chain = board_.chain(cell);
      code_[cell] = stone_code(c, board_.n_liberties(chain));
      if (board_.n_liberties(chain) == 1) add_atari(chain, c);
    }
  }
  board_.tables().board.each([&](int b) {
    const int cell = b + G::kOrigin;
    std::uint32_t key = 0;
    for (int i = 0; i < 8; ++i) key |= static_cast<std::uint32_t>(code_[cell + G::kDir12[i]]) << (3 * i);
    key_[cell] = key;
  });
  std::memcpy(dirty_, empty_, sizeof(empty_));
  note_last_move();
  list_changes();
}

template <int Cap>
std::uint64_t RolloutState<Cap>::key12(int cell) const {
  std::uint64_t key = key_[cell];
  for (int i = 8; i < 12; ++i) key |= static_cast<std::uint64_t>(code_[cell + G::kDir12[i]]) << (3 * i);
  return key;
}

/// Changes the code of one point and with it the keys of its eight neighbours.
template <int Cap>
inline void RolloutState<Cap>::set_code(int cell, std::uint8_t code) {
  const std::uint32_t delta = static_cast<std::uint32_t>(code_[cell] ^ code);
  code_[cell] = code;
  for (int i = 0; i < 8; ++i) key_[cell + G::kDir12[i]] ^= delta << (3 * (7 - i));  // place 7 - i lies opposite to i
  constexpr std::uint64_t kSquare = 7 | std::uint64_t{7} << G::kStride | std::uint64_t{7} << (2 * G::kStride);
  const int corner = cell - G::kStride - 1;
  dirty_[corner >> 6] |= kSquare << (corner & 63);
  dirty_[(corner >> 6) + 1] |= (kSquare >> 1) >> (63 - (corner & 63));
}

template <int Cap>
inline void RolloutState<Cap>::add_atari(int chain, Color c) {
  atari_liberty_[chain] = static_cast<Index>(board_.liberties(chain).first() + G::kOrigin);
  if (in_atari_.test(chain)) return;
  in_atari_.set(chain);
  atari_place_[chain] = static_cast<Index>(n_atari_[c - 1]);
  atari_[c - 1][n_atari_[c - 1]++] = static_cast<Index>(chain);
}

template <int Cap>
inline void RolloutState<Cap>::remove_atari(int chain, Color c) {
  if (!in_atari_.take(chain)) return;
  const Index last = atari_[c - 1][--n_atari_[c - 1]];
  atari_[c - 1][atari_place_[chain]] = last;
  atari_place_[last] = atari_place_[chain];
}

/// Brings the codes of a chain up to date with its number of liberties.
template <int Cap>
inline void RolloutState<Cap>::update_chain(int chain) {
  const int first = chain + G::kOrigin;
  const Color c = board_.at(first);
  const int n = board_.n_liberties(chain);
  const std::uint8_t code = stone_code(c, n);
  if (code_[first] == code) return;
  if (n == 1)
    add_atari(chain, c);
  else
    remove_atari(chain, c);
  board_.each_stone(chain, [&](int s) {
    if (code_[s] != code) set_code(s, code);
  });
}

/// Lists the empty points whose key changed and asks the memory for their weights: the table is far larger than the caches,
/// so that the misses should overlap with each other and with other work.
template <int Cap>
inline void RolloutState<Cap>::list_changes() {
  int n = 0;
  for (int i = 0; i < kCellWords; ++i) {
    for (std::uint64_t m = dirty_[i] & empty_[i]; m; m &= m - 1) {
      const int cell = i * 64 + std::countr_zero(m);
      pending_[n++] = static_cast<Index>(cell);
      weights_->prefetch_base(key_[cell]);
    }
    dirty_[i] = 0;
  }
  n_pending_ = n;
}

/// Looks up anew the weights of the listed points.
template <int Cap>
inline void RolloutState<Cap>::apply_changes() {
  Both total = total_;
  for (int i = 0; i < n_pending_; ++i) {
    const int cell = pending_[i];
    const auto [black, white] = weights_->base(key_[cell]);
    const Both weight = {black, white};
    const Both change = weight - weight_[cell];
    weight_[cell] = weight;
    row_sum_[row_of_[cell]] += change;
    total += change;
  }
  total_ = total;
  n_pending_ = 0;
}

/// Notes what the side to move will look up about the last move, while there is other work to do.
template <int Cap>
inline void RolloutState<Cap>::note_last_move() {
  if (!last_cell_) return;
  last_key_ = to_play_ == BLACK ? key12(last_cell_) : swap_colors(key12(last_cell_));
  weights_->prefetch_responses(last_key_);
}

template <int Cap>
inline void RolloutState<Cap>::play(int cell) {
  const Color c = to_play_;
  const Color other = opponent(c);
  // Chains next to the move, before it: enemies lose a liberty, friends may be joined.
  int enemies[4], n_enemies = 0;
  unsigned friend_codes = 0;  // the liberty classes that the friends had
  for (const int d : G::kDir4) {
    const int q = cell + d;
    const int chain = board_.chain(q);
    enemies[n_enemies] = chain;
    n_enemies += board_.at(q) == other;
    const bool is_friend = board_.at(q) == c;
    friend_codes |= static_cast<unsigned>(is_friend) << code_[q];
    if (is_friend & in_atari_.test(chain)) remove_atari(chain, c);
  }

  struct Removed {
    std::uint16_t* cells;
    int n;
    void on_remove(int s) { cells[n++] = static_cast<std::uint16_t>(s); }
  } removed{captured_, 0};
  board_.place(cell, c, removed);
  n_captured_ = removed.n;

  empty_[cell >> 6] &= ~(std::uint64_t{1} << (cell & 63));
  row_sum_[row_of_[cell]] -= weight_[cell];
  total_ -= weight_[cell];
  weight_[cell] = Both{0, 0};

  // The chain that was played: walk it only when some part had another liberty class than the whole has now.
  const int chain = board_.chain(cell);
  const std::uint8_t code = stone_code(c, board_.n_liberties(chain));
  if (friend_codes & ~(1u << code)) {
    board_.each_stone(chain, [&](int s) {
      if (code_[s] != code) set_code(s, code);
    });
  } else {
    set_code(cell, code);
  }
  if (board_.n_liberties(chain) == 1) add_atari(chain, c);

  if (removed.n > 0) {
    for (int i = 0; i < n_enemies; ++i)
      if (board_.at(enemies[i] + G::kOrigin) == EMPTY) remove_atari(enemies[i], other);
    for (int i = 0; i < removed.n; ++i) {
      const int s = captured_[i];
      set_code(s, kCodeEmpty);
      empty_[s >> 6] |= std::uint64_t{1} << (s & 63);
    }
    for (int i = 0; i < removed.n; ++i)
      for (const int d : G::kDir4)
        if (board_.at(captured_[i] + d) == c) update_chain(board_.chain(captured_[i] + d));
  }
  for (int i = 0; i < n_enemies; ++i)
    if (board_.at(enemies[i] + G::kOrigin) == other) update_chain(enemies[i]);
  last_cell_ = cell;
  to_play_ = other;
  note_last_move();
  list_changes();
}

/// Multiplies the weight of a move for this turn only.
template <int Cap>
inline void RolloutState<Cap>::multiply(int cell, std::uint64_t factor) {
  const std::uint64_t base = weight_[cell][to_play_ - 1];
  if (base == 0) return;
  const int known = special_at(cell);
  if (known >= 0) {
    special_weight_[known] = RolloutWeights::scale(special_weight_[known], factor);
  } else {
    special_cell_[n_specials_] = static_cast<std::uint16_t>(cell);
    special_base_[n_specials_] = base;
    special_weight_[n_specials_++] = RolloutWeights::scale(base, factor);
  }
}

/// A play on `cell` would leave the mover's chain there two liberties or more.
template <int Cap>
inline bool RolloutState<Cap>::has_two_liberties_after(int cell) const {
  const Color c = to_play_;
  const std::uint64_t key = c == BLACK ? key_[cell] : swap_colors(key_[cell]);
  const Room room = kRoom[sides(key)];
  return room == Room::kUnsure ? count_two_liberties_after(cell) : room == Room::kYes;
}

/// The same, counted.
template <int Cap>
bool RolloutState<Cap>::count_two_liberties_after(int cell) const {
  const Color c = to_play_;
  Set liberties = Set::none();
  for (const int d : G::kDir4) {
    const int q = cell + d;
    if (board_.at(q) == EMPTY) liberties.set(q - G::kOrigin);
    if (board_.at(q) == c) liberties |= board_.liberties(board_.chain(q));
  }
  for (const int d : G::kDir4) {  // captured stones that touch what will be one chain
    const int q = cell + d;
    if (board_.at(q) != opponent(c) || board_.n_liberties(board_.chain(q)) != 1) continue;
    board_.each_stone(board_.chain(q), [&](int s) {
      bool touches = false;
      for (const int e : G::kDir4) {
        if (s + e == cell) touches = true;
        if (board_.at(s + e) != c) continue;
        for (const int f : G::kDir4)
          touches |= board_.at(cell + f) == c && board_.chain(cell + f) == board_.chain(s + e);
      }
      if (touches) liberties.set(s - G::kOrigin);
    });
  }
  liberties.reset(cell - G::kOrigin);
  return liberties.count() >= 2;
}

/// Collects the moves that save the chain, which has one liberty. (Some may be illegal: their weight is 0.)
template <int Cap>
inline void RolloutState<Cap>::collect_savers(int chain, Set& savers) const {
  const int liberty = atari_liberty_[chain];
  if (has_two_liberties_after(liberty)) savers.set(liberty - G::kOrigin);
  const Color enemy = opponent(to_play_);
  if (n_atari_[enemy - 1] == 0) return;
  board_.each_stone(chain, [&](int s) {
    if (!has_beside(key_[s], stone_code(enemy, 1))) return;
    for (const int d : G::kDir4) {
      if (board_.at(s + d) != enemy) continue;
      const int other = board_.chain(s + d);
      if (board_.n_liberties(other) != 1) continue;
      const int capture = board_.liberties(other).first() + G::kOrigin;
      if (capture != liberty) savers.set(capture - G::kOrigin);  // the old liberty stays, a captured stone gives another
    }
  });
}

/// Lists the points of the chains that the last move captured, each with the index of its nakade feature.
template <int Cap>
int RolloutState<Cap>::list_nakade(Vital* out) const {
  if (n_captured_ == 1) {  // by far the most frequent
    static const NakadeShape* const single = [] {
      const NakadeCell cell{0, 0};
      return find_nakade(&cell, 1);
    }();
    *out = {captured_[0], single->index[0]};
    return 1;
  }
  int found = 0;
  Set left = Set::none();
  for (int i = 0; i < n_captured_; ++i) left.set(captured_[i] - G::kOrigin);
  while (left.any()) {  // two captured chains never touch
    Set seed = Set::none();
    seed.set(left.first());
    const Set points = flood<Cap>(seed, left);
    left = left - points;
    if (points.count() > kMaxNakade) continue;
    NakadeCell cells[kMaxNakade];
    int bits[kMaxNakade], n = 0;
    points.each([&](int b) {
      bits[n] = b;
      cells[n++] = {static_cast<std::int16_t>(G::row_of_bit(b)), static_cast<std::int16_t>(G::col_of_bit(b))};
    });
    const NakadeShape* shape = find_nakade(cells, n);
    for (int i = 0; i < n; ++i)
      out[found++] = {static_cast<std::uint16_t>(bits[i] + G::kOrigin), shape->index[static_cast<std::size_t>(i)]};
  }
  return found;
}

/// Multiplies the weights of those points.
template <int Cap>
inline void RolloutState<Cap>::multiply_nakade() {
  Vital vital[G::kArea];
  const int n = list_nakade(vital);
  for (int i = 0; i < n; ++i) multiply(vital[i].cell, weights_->nakade(vital[i].index));
}

/// Finds the moves whose weight this turn is not their base weight: near the last move, out of atari, into a hole, ko.
template <int Cap>
inline void RolloutState<Cap>::gather_specials() {
  const int c = to_play_ - 1;
  Set savers = Set::none();
  if (n_atari_[c] > 0) {
    for (int i = 0; i < n_atari_[c]; ++i) collect_savers(atari_[c][i], savers);
  }
  apply_changes();

  n_specials_ = 0;
  for (int i = 0; i < kUsual; ++i) special_base_[i] = special_weight_[i] = 0;
  for (int i = 0; i < kUsual; ++i) special_cell_[i] = 0;
  if (last_cell_) {
    const std::uint64_t* responses = weights_->responses(last_key_);
    const auto& neighbour = weights_->neighbour();
    // No branches: stones and padding have weight 0, which stays 0.
    const auto add = [&](std::size_t place, std::uint64_t factor) {
      const int cell = last_cell_ + G::kDir12[place];
      special_cell_[place] = static_cast<std::uint16_t>(cell);
      special_base_[place] = weight_[cell][c];
      special_weight_[place] = RolloutWeights::scale(special_base_[place], factor);
    };
    for (std::size_t i = 0; i < 8; ++i) add(i, neighbour[i]);
    n_specials_ = 8;
    if (responses) {
      for (std::size_t i = 0; i < 8; ++i) special_weight_[i] = RolloutWeights::scale(special_weight_[i], responses[i]);
      for (std::size_t i = 8; i < 12; ++i) add(i, responses[i]);
      n_specials_ = 12;
    }
    if (n_captured_ > 0) multiply_nakade();
  }
  if (n_atari_[c] > 0) savers.each([&](int b) { multiply(b + G::kOrigin, weights_->save_atari()); });
  if (board_.ko() && board_.ko_color() == to_play_) multiply(board_.ko(), 0);
}

/// A cell drawn by base weights alone; the total must not be 0.
template <int Cap>
inline int RolloutState<Cap>::draw_base(Rng& rng) const {
  const int c = to_play_ - 1;
  // Both searches look at every entry: a loop that stopped at the right one would be mispredicted each time.
  const std::uint64_t left = rng.below(total_[c]);
  std::uint64_t sum = 0, before = 0;
  int row = first_row_;
  for (int r = first_row_; r < first_row_ + board_.size(); ++r) {
    sum += row_sum_[r][c];
    const bool passed = sum <= left;
    row += passed;
    before = passed ? sum : before;
  }
  const int first = row * G::kStride;
  sum = before;
  int cell = first;
  for (int i = first; i < first + board_.size(); ++i) {
    sum += weight_[i][c];
    cell += sum <= left;
  }
  return cell;
}

/// A cell drawn by the weights of this turn, 0 when there is no move.
///
/// First between the special moves and all others; then among the special ones, or among all by base weights until the draw
/// is not a special one. That is the policy's distribution, without touching the sums.
template <int Cap>
inline int RolloutState<Cap>::draw(Rng& rng) {
  const int c = to_play_ - 1;
  std::uint64_t special = 0, special_base = 0;
  for (int i = 0; i < kUsual; ++i) {
    special += special_weight_[i];
    special_base += special_base_[i];
  }
  for (int i = kUsual; i < n_specials_; ++i) {
    special += special_weight_[i];
    special_base += special_base_[i];
  }
  const std::uint64_t rest = total_[c] - special_base;
  if (special + rest == 0) return 0;
  std::uint64_t left = rng.below(special + rest);
  if (left < special) {
    int i = 0;
    while (left >= special_weight_[i]) left -= special_weight_[i++];
    return special_cell_[i];
  }
  for (int tries = 0; tries < 8; ++tries)
    if (const int cell = draw_base(rng); !is_special(cell)) return cell;
  left = rng.below(rest);  // nearly all the base weight is on special moves: walk over the others
  for (int cell = first_row_ * G::kStride;; ++cell) {
    const std::uint64_t weight = weight_[cell][c];
    if (weight == 0 || is_special(cell)) continue;
    if (left < weight) return cell;
    left -= weight;
  }
}

/// The tree's answer to the last move, where it can be played and its surroundings are the same; else 0.
template <int Cap>
int RolloutState<Cap>::known_reply(Rng& rng, const Replies& replies) const {
  if (!last_cell_ || rng.uniform() >= replies.probability) return 0;
  std::uint32_t wanted = 0;
  const int cell = replies.cache->find(to_play_, last_cell_, key_[last_cell_], wanted);
  if (!cell || weight_[cell][to_play_ - 1] == 0 || key_[cell] != wanted) return 0;
  return board_.ko() == cell && board_.ko_color() == to_play_ ? 0 : cell;
}

template <int Cap>
int RolloutState<Cap>::step(Rng& rng, const Replies& replies) {
  gather_specials();
  int cell = replies.cache ? known_reply(rng, replies) : 0;
  if (!cell) cell = draw(rng);
  if (cell) {
    passes_ = 0;
    play(cell);
  } else {
    ++passes_;
    board_.clear_ko();
    n_captured_ = 0;
    last_cell_ = 0;
    to_play_ = opponent(to_play_);
  }
  return cell;
}

template <int Cap>
PlayoutResult RolloutState<Cap>::finish(const PlayoutOptions& options, Rng rng, Actions* actions, const Replies& replies) {
  const SizeTables<Cap>& tables = board_.tables();
  const int limit = options.max_moves > 0 ? options.max_moves : 3 * tables.area;
  int moves = 0;
  int lead = board_.stones(BLACK).count() - board_.stones(WHITE).count();
  while (passes_ < 2 && moves < limit) {
    const int sign = to_play_ == BLACK ? 1 : -1;
    const int cell = step(rng, replies);
    ++moves;
    if (actions)
      actions->push_back(static_cast<std::uint16_t>(
          cell ? tables.action[static_cast<std::size_t>(cell - G::kOrigin)] : tables.area));
    if (cell) lead += sign * (1 + n_captured_);
    if (options.mercy > 0 && (lead >= options.mercy || lead <= -options.mercy)) break;
  }
  return {area_difference(board_), moves};
}

template <int Cap>
void RolloutState<Cap>::move_weights(std::uint64_t out[G::kSpan]) {
  gather_specials();
  const int c = to_play_ - 1;
  for (int b = 0; b < G::kSpan; ++b) out[b] = weight_[b + G::kOrigin][c];
  for (int i = 0; i < n_specials_; ++i)
    if (special_base_[i] != 0) out[special_cell_[i] - G::kOrigin] = special_weight_[i];  // 0 also in the padding
}

template class RolloutState<9>;
template class RolloutState<13>;
template class RolloutState<19>;

}  // namespace ag
