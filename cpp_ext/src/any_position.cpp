#include "ag/any_position.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "ag/ladder.hpp"
#include "ag/score.hpp"

namespace ag {

namespace {

double checked_points(const char* name, double value) {
  if (!(std::fabs(value) <= 1000.0)) throw std::invalid_argument(std::string(name) + " must be a finite number within +-1000");
  return value;
}

Rules checked_rules(int ko, bool suicide, int scoring, double komi, bool pass_stones, double white_bonus) {
  if (ko < 0 || ko > 2) throw std::invalid_argument("ko must be 0 (simple), 1 (positional) or 2 (situational), got " + std::to_string(ko));
  if (scoring < 0 || scoring > 2)
    throw std::invalid_argument("scoring must be 0 (area), 1 (territory) or 2 (stones), got " + std::to_string(scoring));
  return {static_cast<KoRule>(ko), suicide,     static_cast<Scoring>(scoring), pass_stones, checked_points("komi", komi),
          checked_points("white_bonus", white_bonus)};
}

std::variant<Position<9>, Position<13>, Position<19>> make_game(int size, const Rules& rules) {
  if (size < kMinSize || size > kMaxSize) throw std::invalid_argument("board size must be 2..19, got " + std::to_string(size));
  if (size <= 9) return Position<9>(size, rules);
  if (size <= 13) return Position<13>(size, rules);
  return Position<19>(size, rules);
}

/// The capacity of a position, inside a generic lambda.
template <class P>
using GeometryOf = typename std::remove_cvref_t<P>::G;

/// Cell of an action on the board; throws for a pass or anything else.
template <class P>
int checked_cell(const P& p, std::int64_t action) {
  const int area = p.size() * p.size();
  if (action < 0 || action >= area)
    throw std::invalid_argument("point must be 0.." + std::to_string(area - 1) + ", got " + std::to_string(action));
  return p.board().tables().bit[static_cast<std::size_t>(action)] + GeometryOf<P>::kOrigin;
}

template <class P>
int action_of(const P& p, int bit) {
  return p.board().tables().action[static_cast<std::size_t>(bit)];
}

template <class P>
bool has_stone(const P& p, int cell) {
  return p.board().at(cell) == BLACK || p.board().at(cell) == WHITE;
}

template <class P>
std::vector<bool> mask_of(const P& p, const typename P::Set& bits) {
  std::vector<bool> mask(static_cast<std::size_t>(p.size() * p.size()));
  bits.each([&](int b) { mask[static_cast<std::size_t>(action_of(p, b))] = true; });
  return mask;
}

template <class P, class O>
void write_ownership(const P& p, const O& own, std::int8_t* out) {
  std::memset(out, 0, static_cast<std::size_t>(p.size() * p.size()));
  own.black.each([&](int b) { out[action_of(p, b)] = 1; });
  own.white.each([&](int b) { out[action_of(p, b)] = -1; });
}

}  // namespace

AnyPosition::AnyPosition(int size, int ko, bool suicide, int scoring, double komi, bool pass_stones, double white_bonus)
    : game_(make_game(size, checked_rules(ko, suicide, scoring, komi, pass_stones, white_bonus))) {}

int AnyPosition::size() const {
  return visit([](const auto& p) { return p.size(); });
}
const Rules& AnyPosition::rules() const {
  return visit([](const auto& p) -> const Rules& { return p.rules(); });
}
void AnyPosition::set_komi(double komi) {
  visit([&](auto& p) { p.rules().komi = checked_points("komi", komi); });
}
void AnyPosition::set_white_bonus(double bonus) {
  visit([&](auto& p) { p.rules().white_bonus = checked_points("white_bonus", bonus); });
}
int AnyPosition::to_play() const {
  return visit([](const auto& p) -> int { return p.to_play(); });
}
void AnyPosition::set_to_play(Color c) {
  visit([&](auto& p) { p.set_to_play(c); });
}
int AnyPosition::move_count() const {
  return visit([](const auto& p) { return static_cast<int>(p.history().turns().size()); });
}
int AnyPosition::consecutive_passes() const {
  return visit([](const auto& p) { return p.consecutive_passes(); });
}
int AnyPosition::ko_point() const {
  return visit([](const auto& p) {
    const int ko = p.board().ko();
    return ko && p.board().ko_color() == p.to_play() ? action_of(p, ko - GeometryOf<decltype(p)>::kOrigin) : -1;
  });
}
std::uint64_t AnyPosition::hash() const {
  return visit([](const auto& p) { return p.board().hash(); });
}
int AnyPosition::captured(Color c) const {
  return visit([&](const auto& p) { return p.captured(c); });
}
int AnyPosition::passes_by(Color c) const {
  return visit([&](const auto& p) { return p.passes_by(c); });
}

Legality AnyPosition::legality(std::int64_t action, int color) const {
  return visit([&](const auto& p) {
    const int area = p.size() * p.size();
    if (action == area) return Legality::kLegal;
    if (action < 0 || action > area) return Legality::kOffBoard;
    return p.legality(checked_cell(p, action), static_cast<Color>(color));
  });
}

int AnyPosition::try_play(std::int64_t action, int color) {
  const Legality legal = legality(action, color);
  if (legal != Legality::kLegal) return -static_cast<int>(legal);
  return visit([&](auto& p) {
    const Color c = static_cast<Color>(color);
    if (action == p.size() * p.size()) {
      p.pass(c);
      return 0;
    }
    return p.play(checked_cell(p, action), c);
  });
}

bool AnyPosition::undo() {
  return visit([](auto& p) { return p.undo(); });
}

Legality AnyPosition::setup(const std::vector<std::int64_t>& black, const std::vector<std::int64_t>& white,
                            const std::vector<std::int64_t>& empty) {
  return visit([&](auto& p) {
    const std::int64_t area = p.size() * p.size();
    auto stones_black = p.board().stones(BLACK), stones_white = p.board().stones(WHITE);
    for (const auto* list : {&empty, &black, &white})
      for (const std::int64_t a : *list) {
        if (a < 0 || a >= area) return Legality::kOffBoard;
        const int bit = p.board().tables().bit[static_cast<std::size_t>(a)];
        stones_black.reset(bit);
        stones_white.reset(bit);
        if (list == &black) stones_black.set(bit);
        if (list == &white) stones_white.set(bit);
      }
    return p.setup(stones_black, stones_white) ? Legality::kLegal : Legality::kSuicide;
  });
}

std::vector<std::pair<int, int>> AnyPosition::moves() const {
  return visit([](const auto& p) {
    std::vector<std::pair<int, int>> out;
    for (const Turn& t : p.history().turns())
      out.emplace_back(t.color, t.cell ? action_of(p, t.cell - GeometryOf<decltype(p)>::kOrigin) : p.size() * p.size());
    return out;
  });
}

void AnyPosition::stones(std::uint8_t* out) const {
  visit([&](const auto& p) {
    for (int a = 0; a < p.size() * p.size(); ++a) out[a] = p.board().at(checked_cell(p, a));
  });
}

std::vector<bool> AnyPosition::legal_mask(int color) const {
  return visit([&](const auto& p) {
    auto mask = mask_of(p, p.legal(static_cast<Color>(color)));
    mask.push_back(true);
    return mask;
  });
}

std::vector<int> AnyPosition::liberty_points(std::int64_t action) const {
  return visit([&](const auto& p) {
    std::vector<int> out;
    const int cell = checked_cell(p, action);
    if (has_stone(p, cell)) p.board().liberties(p.board().chain(cell)).each([&](int b) { out.push_back(action_of(p, b)); });
    return out;
  });
}

std::vector<int> AnyPosition::chain(std::int64_t action) const {
  return visit([&](const auto& p) {
    std::vector<int> out;
    const int cell = checked_cell(p, action);
    if (has_stone(p, cell))
      p.board().each_stone(p.board().chain(cell),
                           [&](int s) { out.push_back(action_of(p, s - GeometryOf<decltype(p)>::kOrigin)); });
    std::sort(out.begin(), out.end());
    return out;
  });
}

bool AnyPosition::is_eye(std::int64_t action, Color c) const {
  return visit([&](const auto& p) { return p.board().is_true_eye(checked_cell(p, action), c); });
}

bool AnyPosition::ladder_captured(std::int64_t action) const {
  return visit([&](const auto& p) {
    const int cell = checked_cell(p, action);
    if (!has_stone(p, cell)) return false;
    return LadderReader(p.board(), p.rules().suicide).is_captured(cell);
  });
}

std::pair<std::vector<bool>, std::vector<bool>> AnyPosition::ladder_moves() const {
  const auto n = static_cast<std::size_t>(size());
  std::vector<std::uint8_t> planes(48 * n * n);
  visit([&](const auto& p) { write_planes(p, FeatureSet::kAlphago48, 0, p.size(), planes.data()); });
  const auto plane = [&](std::size_t k) {
    const auto from = planes.begin() + static_cast<std::ptrdiff_t>(k * n * n);
    return std::vector<bool>(from, from + static_cast<std::ptrdiff_t>(n * n));
  };
  return {plane(44), plane(45)};
}

std::vector<bool> AnyPosition::pass_alive(Color c) const {
  return visit([&](const auto& p) { return mask_of(p, ag::pass_alive(p.board(), c)); });
}

void AnyPosition::area(std::int8_t* out) const {
  visit([&](const auto& p) { write_ownership(p, ag::area(p.board()), out); });
}

void AnyPosition::territory(const bool* dead, bool strict_seki, std::int8_t* out) const {
  visit([&](const auto& p) {
    auto lifted = std::remove_cvref_t<decltype(p)>::Set::none();
    for (int a = 0; a < p.size() * p.size(); ++a)
      if (dead[a]) lifted.set(p.board().tables().bit[static_cast<std::size_t>(a)]);
    write_ownership(p, ag::territory(p.board(), lifted, strict_seki), out);
  });
}

PlayoutResult AnyPosition::playout(Policy policy, std::uint64_t seed, const RolloutWeights* weights,
                                   const PlayoutOptions& options, Actions& actions) const {
  return visit([&](const auto& p) {
    const PlayoutStart start(p);
    const Rng rng(seed, 0);
    if (policy == Policy::kLight) return light_playout(start, options, rng, &actions);
    return RolloutState(start, *weights).finish(options, rng, &actions);
  });
}

void AnyPosition::rollout_probabilities(const RolloutWeights& weights, double* out) const {
  visit([&](const auto& p) { ag::rollout_probabilities(p, weights, out); });
}
void AnyPosition::tree_probabilities(const RolloutWeights& weights, double* out) const {
  visit([&](const auto& p) { ag::tree_probabilities(p, weights, out); });
}
void AnyPosition::write_globals(float* out) const {
  visit([&](const auto& p) { ag::write_globals(p, out); });
}

// ---------------------------------------------------------------------------------------------------
// Serialisation: a header, the first position point by point, the turns. Little-endian on every machine we build for.

namespace {

constexpr char kMagic[4] = {'A', 'G', 'P', '1'};

class Writer {
 public:
  template <class T>
  void put(T value) {
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    bytes.append(raw, sizeof(T));
  }
  std::string bytes;
};

class Reader {
 public:
  explicit Reader(const std::string& b) : bytes_(b) {}
  template <class T>
  T get() {
    if (bytes_.size() - at_ < sizeof(T)) throw std::invalid_argument("position bytes: truncated");
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  bool done() const { return at_ == bytes_.size(); }

 private:
  const std::string& bytes_;
  std::size_t at_ = 0;
};

[[noreturn]] void corrupt(const std::string& what) { throw std::invalid_argument("position bytes: " + what); }

}  // namespace

std::string AnyPosition::serialize() const {
  Writer w;
  for (const char c : kMagic) w.put(c);
  visit([&](const auto& p) {
    const Rules& r = p.rules();
    for (const int byte : {p.size(), static_cast<int>(r.ko), static_cast<int>(r.suicide), static_cast<int>(r.scoring),
                           static_cast<int>(r.pass_stones), static_cast<int>(p.to_play())})
      w.put(static_cast<std::uint8_t>(byte));
    w.put(r.komi);
    w.put(r.white_bonus);
    const auto& first = p.history().snapshot(0);
    w.put(first.to_play);
    w.put(static_cast<std::uint32_t>(p.captured_at_start(BLACK)));
    w.put(static_cast<std::uint32_t>(p.captured_at_start(WHITE)));
    for (int a = 0; a < p.size() * p.size(); ++a) {
      const int bit = p.board().tables().bit[static_cast<std::size_t>(a)];
      w.put(static_cast<std::uint8_t>(first.stones[0].test(bit) ? BLACK : first.stones[1].test(bit) ? WHITE : EMPTY));
    }
  });
  const auto turns = moves();
  w.put(static_cast<std::uint32_t>(turns.size()));
  for (std::size_t i = 0; i < turns.size(); ++i) {
    w.put(visit([i](const auto& p) { return p.history().turns()[i].to_play; }));
    w.put(static_cast<std::uint8_t>(turns[i].first));
    w.put(static_cast<std::uint16_t>(turns[i].second));
  }
  return w.bytes;
}

AnyPosition AnyPosition::deserialize(const std::string& bytes) {
  Reader r(bytes);
  for (const char c : kMagic)
    if (r.get<char>() != c) corrupt("not a stored position");
  std::uint8_t head[6];
  for (auto& byte : head) byte = r.get<std::uint8_t>();
  const auto komi = r.get<double>(), bonus = r.get<double>();
  if (head[2] > 1 || head[4] > 1) corrupt("a flag is neither 0 nor 1");
  AnyPosition result(head[0], head[1], head[2] != 0, head[3], komi, head[4] != 0, bonus);
  const auto first_player = r.get<std::uint8_t>();
  const auto captured_black = r.get<std::uint32_t>(), captured_white = r.get<std::uint32_t>();
  if (first_player < BLACK || first_player > WHITE || head[5] < BLACK || head[5] > WHITE) corrupt("no such colour");
  if (captured_black > 1000000 || captured_white > 1000000) corrupt("impossible number of captures");
  result.visit([&](auto& p) {
    using Set = typename std::remove_cvref_t<decltype(p)>::Set;
    Set stones[2] = {Set::none(), Set::none()};
    for (int a = 0; a < p.size() * p.size(); ++a) {
      const auto c = r.get<std::uint8_t>();
      if (c > WHITE) corrupt("no such colour");
      if (c != EMPTY) stones[c - 1].set(p.board().tables().bit[static_cast<std::size_t>(a)]);
    }
    if (!p.restart(stones[0], stones[1], static_cast<Color>(first_player), static_cast<int>(captured_black),
                   static_cast<int>(captured_white)))
      corrupt("a chain without liberties");
  });
  const auto n = r.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < n; ++i) {
    const auto turn = r.get<std::uint8_t>(), color = r.get<std::uint8_t>();
    const auto action = r.get<std::uint16_t>();
    if (turn < BLACK || turn > WHITE || color < BLACK || color > WHITE) corrupt("no such colour");
    result.set_to_play(static_cast<Color>(turn));
    if (result.try_play(action, color) < 0) corrupt("turn " + std::to_string(i) + " is not legal");
  }
  if (!r.done()) corrupt("more bytes than a position has");
  result.set_to_play(static_cast<Color>(head[5]));
  return result;
}

}  // namespace ag
