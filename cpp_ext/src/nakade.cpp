#include "ag/nakade.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

namespace ag {

namespace {

using Cell = std::pair<int, int>;
using Shape = std::vector<Cell>;  // sorted, smallest row and column 0

Shape normal(Shape s) {
  int row = s[0].first, col = s[0].second;
  for (const Cell& c : s) row = std::min(row, c.first), col = std::min(col, c.second);
  for (Cell& c : s) c.first -= row, c.second -= col;
  std::sort(s.begin(), s.end());
  return s;
}

Cell turned(Cell c, int symmetry) {
  if (symmetry & 4) std::swap(c.first, c.second);
  if (symmetry & 1) c.first = -c.first;
  if (symmetry & 2) c.second = -c.second;
  return c;
}

/// Bit row * 7 + col for each cell of a normal shape: no two shapes of up to 7 cells share a key.
std::uint64_t key_of(const Shape& s) {
  std::uint64_t key = 0;
  for (const Cell& c : s) key |= std::uint64_t{1} << (c.first * kMaxNakade + c.second);
  return key;
}

/// The smallest image of (shape, cell) under the 8 symmetries: shape first, then the cell's place in it.
std::pair<Shape, int> canonical(const Shape& s, std::size_t cell) {
  std::pair<Shape, int> best;
  for (int t = 0; t < 8; ++t) {
    Shape image;
    for (const Cell& c : s) image.push_back(turned(c, t));
    const Cell moved = turned(s[cell], t);
    int row = image[0].first, col = image[0].second;
    for (const Cell& c : image) row = std::min(row, c.first), col = std::min(col, c.second);
    image = normal(image);
    const auto place = std::find(image.begin(), image.end(), Cell{moved.first - row, moved.second - col});
    std::pair<Shape, int> candidate{image, static_cast<int>(place - image.begin())};
    if (t == 0 || candidate < best) best = candidate;
  }
  return best;
}

int neighbours_in(const Shape& s, const Cell& c) {
  int n = 0;
  for (const Cell& o : s) n += std::abs(o.first - c.first) + std::abs(o.second - c.second) == 1;
  return n;
}

/// The vital cell of the killable eye spaces (straight and bent three, pyramid four, crossed and bulky five, rabbity six):
/// the only cell with the most neighbours inside the shape, provided that what is left without it cannot make two eyes,
/// which for these sizes means that every other cell touches it, or closes the one square of four that it belongs to.
bool is_vital(const Shape& s, std::size_t cell) {
  if (s.size() < 3 || s.size() > 6) return false;
  const int degree = neighbours_in(s, s[cell]);
  int rivals = 0, apart = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (i == cell) continue;
    rivals += neighbours_in(s, s[i]) >= degree;
    const int dr = std::abs(s[i].first - s[cell].first), dc = std::abs(s[i].second - s[cell].second);
    if (dr + dc == 1) continue;
    if (dr == 1 && dc == 1 && neighbours_in(s, s[i]) == 2) {
      ++apart;
      continue;
    }
    return false;
  }
  return rivals == 0 && apart <= 1;
}

std::unordered_map<std::uint64_t, NakadeShape> enumerate() {
  std::set<Shape> shapes = {{{0, 0}}};
  std::map<std::pair<Shape, int>, std::uint16_t> indices;
  std::unordered_map<std::uint64_t, NakadeShape> known;
  for (int n = 1; n <= kMaxNakade; ++n) {
    std::set<std::pair<Shape, int>> fresh;
    for (const Shape& s : shapes)
      for (std::size_t i = 0; i < s.size(); ++i) fresh.insert(canonical(s, i));
    for (const auto& f : fresh) {
      const auto next = static_cast<std::uint16_t>(indices.size());  // numbered by size, then by canonical form
      indices.emplace(f, next);
    }
    std::set<Shape> larger;
    for (const Shape& s : shapes) {
      NakadeShape entry{};
      for (std::size_t i = 0; i < s.size(); ++i) {
        entry.index[i] = indices.at(canonical(s, i));
        entry.vital[i] = is_vital(s, i);
      }
      known.emplace(key_of(s), entry);
      if (n == kMaxNakade) continue;
      for (const Cell& c : s)
        for (const Cell& d : {Cell{-1, 0}, Cell{1, 0}, Cell{0, -1}, Cell{0, 1}}) {
          const Cell grown{c.first + d.first, c.second + d.second};
          if (std::find(s.begin(), s.end(), grown) != s.end()) continue;
          Shape t = s;
          t.push_back(grown);
          larger.insert(normal(t));
        }
    }
    shapes = std::move(larger);
  }
  return known;
}

}  // namespace

const NakadeShape* find_nakade(const NakadeCell* cells, int n) {
  static const std::unordered_map<std::uint64_t, NakadeShape> known = enumerate();
  if (n < 1 || n > kMaxNakade) return nullptr;
  int row = cells[0].row, col = cells[0].col;
  for (int i = 1; i < n; ++i) row = std::min<int>(row, cells[i].row), col = std::min<int>(col, cells[i].col);
  std::uint64_t key = 0;
  for (int i = 0; i < n; ++i) {
    const int r = cells[i].row - row, c = cells[i].col - col;
    if (r >= kMaxNakade || c >= kMaxNakade) return nullptr;
    key |= std::uint64_t{1} << (r * kMaxNakade + c);
  }
  if (std::popcount(key) != n) return nullptr;  // a cell given twice
  const auto found = known.find(key);
  return found == known.end() ? nullptr : &found->second;
}

}  // namespace ag
