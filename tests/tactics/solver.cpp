// An exhaustive solver of fights that are sealed off: it proves the answers of the test positions (README.md says how).
//
// Only the region of the fight is looked at. Every point around it is for ever black's or white's, which tactics/verify.py
// checks first (Benson 1976); a move out there changes no score and so counts as a pass, which lifts a ko ban. Within the
// region every legal move is tried: alpha-beta on the question "does black end with more than t points of area?", each state
// once. Shapes are unknown to it and nothing is estimated. It shares no line with the engine's own board.
//
// Repetition: a line that comes back to a state of its own (stones, side to move, ko ban, passes) is white's in one run and
// black's in another; only what both runs agree on is an answer, so it holds under simple ko and under superko alike.
//
// Input, one problem a line: size, rows top first joined by "/", side to move (1 black, 2 white), limit of states, and what
// to find out: "values", "pass" (the value of a pass alone), or a threshold t.
//   . X O   a point of the region: empty, black, white        b w   a point that is black's or white's for ever
// Output, one line a problem: "states N ACTION:ANSWER ..." for each legal move, size*size being a pass. An answer is the area
// (black - white) that best play after the move leads to or, with a threshold, 1 where black gets more than that, else 0.
// Or one word: "too-large", "repetition", "bad-input".

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

using Points = std::uint64_t;  // bit i: point i of the region
constexpr int kFree = 1 << 30;  // no repetition was needed

struct TooLarge {};
struct Disputed {};

struct State {
  std::array<Points, 2> stones{};
  int turn = 0;  // 0 black, 1 white
  int ko = -1;   // point that may not be retaken now
  int passes = 0;
  bool operator==(const State&) const = default;
};

struct Key {
  State state;
  int threshold;
  bool repeat_wins;
  bool operator==(const Key&) const = default;
};

struct KeyHash {
  std::size_t operator()(const Key& k) const {
    auto mix = [](std::uint64_t h, std::uint64_t x) { return (h ^ x) * 0x9E3779B97F4A7C15ull ^ ((h ^ x) >> 29); };
    std::uint64_t h = mix(0x243F6A8885A308D3ull, k.state.stones[0]);
    h = mix(h, k.state.stones[1]);
    h = mix(h, static_cast<std::uint64_t>(k.state.turn + 2 * k.state.passes + 8 * (k.state.ko + 1) +
                                          1024 * (k.threshold + 1000) + 4'000'000 * k.repeat_wins));
    return static_cast<std::size_t>(h ^ (h >> 31));
  }
};

class Problem {
 public:
  int size = 0;
  std::vector<int> action;  // of each point of the region
  State root;
  long limit = 0;
  std::string wanted;
  long states = 0;

  bool read(const std::string& line) {
    std::istringstream in(line);
    std::string rows;
    int turn = 0;
    if (!(in >> size >> rows >> turn >> limit >> wanted)) return false;
    if (wanted != "values" && wanted != "pass" && wanted.find_first_not_of("-0123456789") != std::string::npos) return false;
    std::string board;
    for (char c : rows)
      if (c != '/') board += c;
    if (static_cast<int>(board.size()) != size * size) return false;
    std::vector<int> index(board.size(), -1);
    for (int a = 0; a < size * size; ++a) {
      if (board[a] == 'b' || board[a] == 'w') {
        outside_[board[a] == 'w'] += 1;
        continue;
      }
      index[a] = static_cast<int>(action.size());
      if (board[a] != '.') root.stones[board[a] == 'O'] |= Points{1} << index[a];
      action.push_back(a);
    }
    if (action.size() > 64) return false;
    near_.assign(action.size(), 0);
    for (std::size_t i = 0; i < action.size(); ++i) {
      const int r = action[i] / size, c = action[i] % size;
      const int around[4][2] = {{r - 1, c}, {r + 1, c}, {r, c - 1}, {r, c + 1}};
      for (const auto& [y, x] : around) {
        if (y < 0 || y >= size || x < 0 || x >= size) continue;
        const int there = y * size + x;
        if (index[there] >= 0) near_[i] |= Points{1} << index[there];
        else wall_[board[there] == 'w'] |= Points{1} << i;
      }
    }
    all_ = action.size() == 64 ? ~Points{0} : (Points{1} << action.size()) - 1;
    root.turn = turn - 1;
    return true;
  }

  int answer(const State& state) {
    if (wanted == "values") return value(state);
    return wanted == "pass" ? value_from_below(state) : black_gets_more(state, std::stoi(wanted));
  }

  // Area (black - white) with best play from here.
  int value(const State& state) {
    const int outside = outside_[0] - outside_[1], region = static_cast<int>(action.size());
    int low = outside - region, high = outside + region;
    while (low < high) {
      const int middle = low + (high - low) / 2;
      if (black_gets_more(state, middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // The same, asked point by point from what is worst for the side that passed: it has got little, and that is soon seen.
  int value_from_below(const State& state) {
    const int outside = outside_[0] - outside_[1], region = static_cast<int>(action.size());
    if (root.turn == 0) {
      int low = outside - region;
      while (low < outside + region && black_gets_more(state, low)) ++low;
      return low;
    }
    int high = outside + region;
    while (high > outside - region && !black_gets_more(state, high - 1)) --high;
    return high;
  }

  bool play(State& s, int point) const {  // false: not legal, and the state is spoilt
    const Points bit = Points{1} << point;
    if (((s.stones[0] | s.stones[1]) & bit) != 0 || s.ko == point) return false;
    const int own = s.turn, other = 1 - own;
    s.stones[own] |= bit;
    Points taken = 0;
    for (Points next = near_[point] & s.stones[other]; next != 0; next &= next - 1) {
      const Points start = next & -next;
      if ((taken & start) != 0) continue;
      const Points chain = flood(start, s.stones[other]);
      if (is_captured(chain, other, s)) taken |= chain;
    }
    s.stones[other] &= ~taken;
    const Points chain = flood(bit, s.stones[own]);
    if (is_captured(chain, own, s)) return false;
    s.ko = -1;
    if (std::popcount(taken) == 1 && chain == bit && (wall_[own] & bit) == 0 &&
        (near_[point] & ~(s.stones[0] | s.stones[1])) == taken)
      s.ko = std::countr_zero(taken);
    s.turn = other;
    s.passes = 0;
    return true;
  }

  static State passed(State s) {
    s.passes = s.ko >= 0 ? 0 : s.passes + 1;  // a player who lifts a ko ban would have played elsewhere: the game goes on
    s.ko = -1;
    s.turn = 1 - s.turn;
    return s;
  }

 private:
  bool black_gets_more(const State& state, int threshold) {
    bool answers[2] = {false, false};
    for (int run = 0; run < 2; ++run) {
      threshold_ = threshold;
      repeat_wins_ = run == 1;
      path_.clear();
      answers[run] = black_wins(state, 0).first;
      if (answers[0]) return true;  // black needs no repetition, and has no less when it is his
    }
    if (answers[0] != answers[1]) throw Disputed{};
    return false;
  }

  // The answer below a state, and the smallest depth of the line so far that it repeats.
  std::pair<bool, int> black_wins(const State& s, int depth) {
    if (s.passes == 2) return {area(s) > threshold_, kFree};
    for (std::size_t i = 0; i < path_.size(); ++i)
      if (path_[i] == s) return {repeat_wins_, static_cast<int>(i)};
    const Key key{s, threshold_, repeat_wins_};
    if (auto found = memo_.find(key); found != memo_.end()) return {found->second, kFree};
    if (++states > limit) throw TooLarge{};
    const Points black = settled(s, 0), white = settled(s, 1);
    const int points = size * size;
    if (2 * (outside_[0] + std::popcount(black)) - points > threshold_) return {true, kFree};
    if (points - 2 * (outside_[1] + std::popcount(white)) <= threshold_) return {false, kFree};
    std::array<int, 64> moves;
    int count = 0;
    for (Points left = all_ & ~(s.stones[0] | s.stones[1] | black | white); left != 0; left &= left - 1)
      moves[count++] = std::countr_zero(left);
    auto& credit = credit_[s.turn];
    std::sort(moves.begin(), moves.begin() + count, [&](int a, int b) { return credit[a] > credit[b]; });
    const bool wanted = s.turn == 0;
    bool result = !wanted;
    int lowest = kFree;
    path_.push_back(s);
    for (int i = 0; i <= count; ++i) {
      State next = s;
      if (i == count) next = passed(s);
      else if (!play(next, moves[i])) continue;
      const auto [below, reached] = black_wins(next, depth + 1);
      if (below == wanted) {
        result = wanted;
        lowest = reached;
        if (i < count) credit[moves[i]] += 1;
        break;
      }
      lowest = std::min(lowest, reached);
    }
    path_.pop_back();
    if (lowest >= depth) {  // nothing above this state was repeated: the answer is the state's own
      lowest = kFree;
      memo_.emplace(key, result);
    }
    return {result, lowest};
  }

  Points flood(Points from, Points within) const {
    Points all = from;
    for (Points front = from; front != 0;) {
      const Points more = neighbours(front) & within & ~all;
      all |= more;
      front = more;
    }
    return all;
  }

  Points neighbours(Points set) const {
    Points out = 0;
    for (; set != 0; set &= set - 1) out |= near_[std::countr_zero(set)];
    return out;
  }

  bool is_captured(Points chain, int color, const State& s) const {
    return (chain & wall_[color]) == 0 && (neighbours(chain) & ~(s.stones[0] | s.stones[1])) == 0;
  }

  int area(const State& s) const {
    int points[2] = {outside_[0] + std::popcount(s.stones[0]), outside_[1] + std::popcount(s.stones[1])};
    const Points empty = all_ & ~(s.stones[0] | s.stones[1]);
    for (Points left = empty; left != 0;) {
      const Points room = flood(left & -left, empty);
      left &= ~room;
      const Points border = neighbours(room);
      const bool black = (border & s.stones[0]) != 0 || (room & wall_[0]) != 0;
      const bool white = (border & s.stones[1]) != 0 || (room & wall_[1]) != 0;
      if (black != white) points[white] += std::popcount(room);
    }
    return points[0] - points[1];
  }

  // Stones of a colour that can never be taken: joined to the outside, or pass-alive (Benson).
  Points safe(const State& s, int color) const {
    const Points own = s.stones[color];
    const Points joined = flood(own & wall_[color], own);
    std::array<Points, 64> chains, rooms;
    int chain_count = 0, room_count = 0;
    for (Points left = own & ~joined; left != 0; left &= ~chains[chain_count - 1])
      chains[chain_count++] = flood(left & -left, own);
    if (chain_count == 0) return joined;
    for (Points left = all_ & ~own; left != 0; left &= ~rooms[room_count - 1])
      rooms[room_count++] = flood(left & -left, all_ & ~own);
    const Points empty = all_ & ~(s.stones[0] | s.stones[1]);
    for (bool changed = true; changed;) {
      changed = false;
      Points alive = joined;
      for (int i = 0; i < chain_count; ++i) alive |= chains[i];
      for (int i = 0; i < chain_count; ++i) {
        const Points liberties = neighbours(chains[i]);
        int vital = 0;
        for (int k = 0; k < room_count; ++k) {
          // A room is walled in by living chains of this colour alone: the other side's outside must not reach into it.
          const bool healthy = (neighbours(rooms[k]) & own & ~alive) == 0 && (rooms[k] & wall_[1 - color]) == 0;
          const Points inside = rooms[k] & empty;
          if (healthy && inside != 0 && (inside & ~liberties) == 0) ++vital;
        }
        if (vital < 2) {
          chains[i] = chains[--chain_count];
          changed = true;
          break;
        }
      }
    }
    Points alive = joined;
    for (int i = 0; i < chain_count; ++i) alive |= chains[i];
    return alive;
  }

  // Points that are a colour's at the end whatever is played: its safe stones, and each area that they enclose where the
  // other side has no room for two eyes. An eye is a point without a safe stone next to it, and two eyes are never
  // neighbours: at most two such points, side by side, are too few. Nor is there seki: the enclosing side can fill the rest.
  Points settled(const State& s, int color) const {
    const Points own = safe(s, color);
    const Points open = all_ & ~own;
    const Points far = open & ~neighbours(own) & ~wall_[color];
    Points out = own;
    for (Points left = open; left != 0;) {
      const Points area = flood(left & -left, open);
      left &= ~area;
      if ((area & wall_[1 - color]) != 0) continue;  // joined to the other side's outside
      const Points eyes = area & far;
      const int count = std::popcount(eyes);
      if (count <= 1 || (count == 2 && (neighbours(eyes) & eyes) != 0)) out |= area;
    }
    return out;
  }

  std::vector<Points> near_;
  std::array<Points, 2> wall_{};   // points next to black's, white's outside
  std::array<int, 2> outside_{};   // how many points those have
  Points all_ = 0;
  int threshold_ = 0;
  bool repeat_wins_ = false;
  std::vector<State> path_;
  std::unordered_map<Key, bool, KeyHash> memo_;
  std::array<std::array<long, 64>, 2> credit_{};
};

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    Problem problem;
    if (!problem.read(line)) {
      std::cout << "bad-input\n" << std::flush;
      continue;
    }
    std::ostringstream out;
    try {
      for (std::size_t i = 0; i < problem.action.size(); ++i) {
        State next = problem.root;
        if (problem.wanted != "pass" && problem.play(next, static_cast<int>(i))) out << ' ' << problem.action[i] << ':' << problem.answer(next);
      }
      State elsewhere = Problem::passed(problem.root);
      elsewhere.passes = 0;  // the first pass stands for a move elsewhere: the game does not end when the other side passes too
      out << ' ' << problem.size * problem.size << ':' << problem.answer(elsewhere);
      std::cout << "states " << problem.states << out.str() << '\n' << std::flush;
    } catch (const TooLarge&) {
      std::cout << "too-large\n" << std::flush;
    } catch (const Disputed&) {
      std::cout << "repetition\n" << std::flush;
    }
  }
}
