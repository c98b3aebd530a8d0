#include "ag/rollout_weights.hpp"

#include <sys/mman.h>

#include <bit>
#include <cmath>
#include <limits>
#include <new>
#include <stdexcept>
#include <unordered_map>

#include "ag/patterns.hpp"

namespace ag {

namespace {

constexpr float kLimit = 10.0f;
constexpr std::size_t kTable3 = std::size_t{1} << kPattern3Bits;

std::uint64_t fixed(float log_weight) {
  return static_cast<std::uint64_t>(std::llround(std::exp(static_cast<double>(log_weight)) * RolloutWeights::kOne));
}

template <class Container>
bool in_range(const Container& values) {
  for (const float v : values)
    if (!(std::fabs(v) <= kLimit)) return false;  // NaN fails too
  return true;
}

template <class Keys, class Canonical>
std::string check_keys(const std::string& name, const Keys& keys, std::size_t n_weights, const std::vector<float>& weights,
                       Canonical&& canonical) {
  if (keys.size() != n_weights)
    return name + "_weights: " + std::to_string(n_weights) + " values for " + std::to_string(keys.size()) + " keys";
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i > 0 && keys[i] <= keys[i - 1]) return name + "_keys[" + std::to_string(i) + "]: keys must be strictly ascending";
    if (!canonical(keys[i]))
      return name + "_keys[" + std::to_string(i) + "]: " + std::to_string(keys[i]) + " is not a canonical key";
  }
  if (!in_range(weights)) return name + "_weights: every weight must be finite and within +-10";
  return {};
}

/// Legal and no true eye of the mover's: both can be read off the 3x3 key.
bool is_playable(std::uint64_t key) {
  const auto code = [key](int place) { return static_cast<int>((key >> (3 * place)) & 7); };
  constexpr int kSides[4] = {1, 3, 4, 6}, kCorners[4] = {0, 2, 5, 7};
  bool breathes = false, walled = true;
  for (const int i : kSides) {
    const int c = code(i);
    breathes |= c == kCodeEmpty || c == 2 || c == 3 || c == 5;  // empty, a friend with another liberty, an enemy in atari
    walled &= c >= 1 && c <= 4;
  }
  if (!breathes) return false;
  if (!walled) return true;
  int enemies = 0, off = 0;
  for (const int i : kCorners) enemies += code(i) > kCodeOff, off |= code(i) == kCodeOff;
  return enemies + off >= 2;
}

}  // namespace

std::string RolloutParameters::problem() const {
  if (!in_range(std::array{response, save_atari, self_atari}))
    return "response, save_atari, self_atari: must be finite and within +-10";
  if (!in_range(neighbour)) return "neighbour: every weight must be finite and within +-10";
  if (nakade.size() != static_cast<std::size_t>(kNakadeWeights))
    return "nakade: expected " + std::to_string(kNakadeWeights) + " weights, found " + std::to_string(nakade.size());
  if (!in_range(nakade)) return "nakade: every weight must be finite and within +-10";
  for (const auto& row : distance)
    if (!in_range(row)) return "distance: every weight must be finite and within +-10";
  std::string text = check_keys("response", response_keys, response_weights.size(), response_weights, [](std::uint64_t k) {
    return (k >> kPattern12Bits) < 12 && canonical_response(k) == k;
  });
  if (text.empty())
    text = check_keys("pattern3", pattern3_keys, pattern3_weights.size(), pattern3_weights,
                      [](std::uint64_t k) { return k < kTable3 && canonical_key(k, 8) == k; });
  if (text.empty())
    text = check_keys("pattern12", pattern12_keys, pattern12_weights.size(), pattern12_weights,
                      [](std::uint64_t k) { return (k >> kPattern12Bits) == 0 && canonical_key(k, 12) == k; });
  return text;
}

void* table_allocate(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return memory;
}

void table_release(void* p, std::size_t bytes) { munmap(p, bytes); }

KeyMap::KeyMap(std::size_t expected) {
  const std::size_t n = std::bit_ceil(expected * 2 + 2);
  slots_ = Table<Slot>(n);
  mask_ = n - 1;
  shift_ = 64 - std::countr_zero(n);
}

void KeyMap::insert(std::uint64_t key, std::uint32_t value) {
  std::size_t i = home(key);
  while (slots_[i].key != 0 && slots_[i].key != key + 1) i = (i + 1) & mask_;
  if (slots_[i].key == 0) slots_[i] = {key + 1, value};
}

std::uint16_t RolloutWeights::pack(std::uint64_t weight) {
  if (weight < 2048) weight = 2048;  // e^-10 is 12187: only a weight of 0 is 0
  int exponent = std::bit_width(weight) - 12;
  if (exponent > 0) {
    weight += std::uint64_t{1} << (exponent - 1);  // to nearest
    exponent = std::bit_width(weight) - 12;
  }
  return static_cast<std::uint16_t>((exponent << 11) | static_cast<int>((weight >> exponent) & 2047));
}

RolloutWeights::RolloutWeights(RolloutParameters parameters)
    : parameters_(std::move(parameters)),
      response_map_(parameters_.response_keys.size() * 8),
      pattern12_map_(parameters_.pattern12_keys.size() * 8) {
  if (const std::string text = parameters_.problem(); !text.empty()) throw std::invalid_argument(text);

  pattern3_ = Table<std::uint32_t>(kTable3);
  const std::uint16_t one = pack(kOne);
  const auto set = [this](std::uint64_t key, std::uint16_t weight) {  // `key` from the mover's side
    if (!is_playable(key)) return;
    const std::uint64_t swapped = swap_colors(key);
    pattern3_[key] = (pattern3_[key] & 0xffff0000u) | weight;
    pattern3_[swapped] = (pattern3_[swapped] & 0xffffu) | static_cast<std::uint32_t>(weight) << 16;
  };
  for (std::uint64_t key = 0; key < kTable3; ++key) set(key, one);
  for (std::size_t i = 0; i < parameters_.pattern3_keys.size(); ++i)
    for (std::size_t s = 0; s < 8; ++s)
      set(transform_key(parameters_.pattern3_keys[i], 8, s), pack(fixed(parameters_.pattern3_weights[i])));

  const std::uint64_t mask = (std::uint64_t{1} << kPattern12Bits) - 1;
  const std::size_t filter_bits = std::bit_ceil(std::max<std::size_t>(parameters_.response_keys.size() * 8 * 16, 64));
  response_filter_.assign(filter_bits / 64, 0);
  response_shift_ = 64 - std::countr_zero(filter_bits);
  for (std::size_t i = 0; i < parameters_.response_keys.size(); ++i) {
    const std::uint64_t factor = fixed(parameters_.response + parameters_.response_weights[i]);
    for (std::size_t s = 0; s < 8; ++s) {
      const std::uint64_t image = transform_response(parameters_.response_keys[i], s);
      std::uint32_t block = response_map_.find(image & mask);
      if (block == KeyMap::kMissing) {
        block = static_cast<std::uint32_t>(response_blocks_.size());
        response_blocks_.emplace_back().fill(kOne);
        response_map_.insert(image & mask, block);
        const std::uint64_t h = filter_bit(image & mask);
        response_filter_[h >> 6] |= std::uint64_t{1} << (h & 63);
      }
      response_blocks_[block][image >> kPattern12Bits] = factor;
    }
  }
  for (std::size_t i = 0; i < parameters_.pattern12_keys.size(); ++i)
    for (std::size_t s = 0; s < 8; ++s)
      pattern12_map_.insert(transform_key(parameters_.pattern12_keys[i], 12, s), static_cast<std::uint32_t>(i));

  for (std::size_t i = 0; i < 8; ++i) neighbour_[i] = fixed(parameters_.neighbour[i]);
  for (const float w : parameters_.nakade) nakade_.push_back(fixed(w));
  save_atari_ = fixed(parameters_.save_atari);
}

}  // namespace ag
