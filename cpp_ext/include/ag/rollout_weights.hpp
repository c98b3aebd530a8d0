/// Weights of the rollout and tree policies, compiled into lookup tables. Immutable once made; shared by all threads.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ag/nakade.hpp"

namespace ag {

constexpr int kDistances = 17;  ///< 0, 1, ..., 15, 16 or more

/// Logarithms of the weights as a file holds them; docs/features.md says what each feature is.
struct RolloutParameters {
  float response = 0, save_atari = 0, self_atari = 0;
  std::array<float, 8> neighbour{};
  std::vector<float> nakade;  ///< kNakadeWeights
  std::vector<std::uint64_t> response_keys, pattern12_keys;
  std::vector<std::uint32_t> pattern3_keys;
  std::vector<float> response_weights, pattern3_weights, pattern12_weights;
  std::array<std::array<float, kDistances>, 2> distance{};

  /// Empty when everything is in order, else one line that names the array and what is wrong with it.
  std::string problem() const;
};

void* table_allocate(std::size_t bytes);  ///< throws std::bad_alloc
void table_release(void* p, std::size_t bytes);

/// Zero-filled memory for a table that is looked up at random: huge pages where the system has them, so that a look-up costs
/// one cache miss and not a walk through the page tables as well.
template <class T>
class Table {
 public:
  Table() = default;
  explicit Table(std::size_t n) : data_(static_cast<T*>(table_allocate(n * sizeof(T))), Free{n * sizeof(T)}) {}
  T& operator[](std::size_t i) { return data_.get()[i]; }
  const T& operator[](std::size_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    std::size_t bytes = 0;
    void operator()(T* p) const { table_release(p, bytes); }
  };
  std::unique_ptr<T, Free> data_;
};

/// Open-addressed map from a pattern key to a number.
class KeyMap {
 public:
  static constexpr std::uint32_t kMissing = ~std::uint32_t{0};

  explicit KeyMap(std::size_t expected);
  void insert(std::uint64_t key, std::uint32_t value);  ///< keeps the first value of a key

  std::uint32_t find(std::uint64_t key) const {
    for (std::size_t i = home(key);; i = (i + 1) & mask_) {
      if (slots_[i].key == key + 1) return slots_[i].value;
      if (slots_[i].key == 0) return kMissing;
    }
  }

 private:
  struct Slot {
    std::uint64_t key;  ///< plus one; 0: free
    std::uint32_t value;
  };
  std::size_t home(std::uint64_t key) const { return (key * 0x9e3779b97f4a7c15ULL) >> shift_; }

  Table<Slot> slots_;
  std::size_t mask_;
  int shift_;
};

class RolloutWeights {
 public:
  /// Weights are kept as integers, in units of 1 / kOne: sums of them are exact, so a playout does not depend on the
  /// order in which they were added up, nor on the machine.
  static constexpr int kOneBits = 28;
  static constexpr std::uint64_t kOne = std::uint64_t{1} << kOneBits;
  static constexpr std::uint64_t kMax = std::uint64_t{1} << 54;  ///< so that 361 of them add up within 64 bits

  /// Throws std::invalid_argument with parameters.problem().
  explicit RolloutWeights(RolloutParameters parameters);

  const RolloutParameters& parameters() const { return parameters_; }

  /// Weights of a move at a point with this 3x3 key (from black's side), for black and for white, as far as the key decides:
  /// 0 when it is the mover's own true eye or suicide, which the key tells; 1 for patterns that the file does not know.
  /// Kept to 12 significant bits, so that both fit one entry of a table that is looked up at random.
  struct Pair {
    std::uint64_t black, white;
  };
  Pair base(std::uint32_t key) const {
    const std::uint32_t both = pattern3_[key];
    return {expand(both & 0xffff), expand(both >> 16)};
  }

  /// Factors of the 12 moves around the previous one for its 12-point key: response and response pattern; nullptr: all 1.
  const std::uint64_t* responses(std::uint64_t key12) const {
    const std::uint64_t h = filter_bit(key12);
    if (!((response_filter_[h >> 6] >> (h & 63)) & 1)) return nullptr;
    const std::uint32_t i = response_map_.find(key12);
    return i == KeyMap::kMissing ? nullptr : response_blocks_[i].data();
  }

  /// Tell the memory which entries will be asked for soon.
  void prefetch_base(std::uint32_t key) const { __builtin_prefetch(&pattern3_[key]); }
  void prefetch_responses(std::uint64_t key12) const { __builtin_prefetch(&response_filter_[filter_bit(key12) >> 6]); }

  const std::array<std::uint64_t, 8>& neighbour() const { return neighbour_; }
  std::uint64_t save_atari() const { return save_atari_; }
  std::uint64_t nakade(int index) const { return nakade_[static_cast<std::size_t>(index)]; }

  /// Log weight of a 12-point key centred on a move (tree policy).
  float pattern12(std::uint64_t key12) const {
    const std::uint32_t i = pattern12_map_.find(key12);
    return i == KeyMap::kMissing ? 0.0f : parameters_.pattern12_weights[i];
  }

  /// weight * factor, kept within kMax.
  static std::uint64_t scale(std::uint64_t weight, std::uint64_t factor) {
    const auto product = (static_cast<unsigned __int128>(weight) * factor) >> kOneBits;
    return product > kMax ? kMax : static_cast<std::uint64_t>(product);
  }

 private:
  RolloutParameters parameters_;
  /// 5 bits of exponent, 11 of mantissa with its leading 1 left out: (2048 + m) << e; 0 stands for 0.
  static std::uint64_t expand(std::uint32_t packed) {
    return packed ? std::uint64_t{2048 + (packed & 2047)} << (packed >> 11) : 0;
  }
  std::uint64_t filter_bit(std::uint64_t key12) const { return (key12 * 0xd6e8feb86659fd93ULL) >> response_shift_; }
  static std::uint16_t pack(std::uint64_t weight);

  Table<std::uint32_t> pattern3_;  ///< [2^24] by key: black's weight, white's in the upper half
  std::vector<std::uint64_t> response_filter_;  ///< a bit is set for (the hash of) each known key: most look-ups miss
  int response_shift_ = 63;
  KeyMap response_map_, pattern12_map_;
  std::vector<std::array<std::uint64_t, 12>> response_blocks_;
  std::array<std::uint64_t, 8> neighbour_{};
  std::vector<std::uint64_t> nakade_;
  std::uint64_t save_atari_ = kOne;
};

}  // namespace ag
