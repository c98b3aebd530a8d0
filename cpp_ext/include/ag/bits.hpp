/// A fixed set of bits, one per point of a padded board: 128, 256 or 512 of them, so that one set is one vector register.
#pragma once

#include <bit>
#include <cstdint>

namespace ag {

template <int W>
struct alignas(W * 8) Bits {
  std::uint64_t w[W];

  static constexpr Bits none() { return Bits{}; }

  bool test(int b) const { return (w[b >> 6] >> (b & 63)) & 1; }
  void set(int b) { w[b >> 6] |= std::uint64_t{1} << (b & 63); }
  void reset(int b) { w[b >> 6] &= ~(std::uint64_t{1} << (b & 63)); }

  /// Clears bit b; returns 1 when it was set.
  int take(int b) {
    std::uint64_t& word = w[b >> 6];
    const int was = static_cast<int>((word >> (b & 63)) & 1);
    word &= ~(std::uint64_t{1} << (b & 63));
    return was;
  }

  /// Sets bit b when `on`; returns 1 when that changed it.
  int put(int b, bool on = true) {
    std::uint64_t& word = w[b >> 6];
    const std::uint64_t bit = static_cast<std::uint64_t>(on) << (b & 63);
    const int fresh = (bit & ~word) != 0;
    word |= bit;
    return fresh;
  }

  bool any() const {
    std::uint64_t x = 0;
    for (int i = 0; i < W; ++i) x |= w[i];
    return x != 0;
  }

  int count() const {
    int n = 0;
    for (int i = 0; i < W; ++i) n += std::popcount(w[i]);
    return n;
  }

  /// The lowest set bit; the set must not be empty.
  int first() const {
    for (int i = 0; i < W - 1; ++i)
      if (w[i]) return i * 64 + std::countr_zero(w[i]);
    return (W - 1) * 64 + std::countr_zero(w[W - 1]);
  }

  /// Calls f(bit) for every set bit, ascending.
  template <class F>
  void each(F&& f) const {
    for (int i = 0; i < W; ++i)
      for (std::uint64_t x = w[i]; x; x &= x - 1) f(i * 64 + std::countr_zero(x));
  }

  template <int K>
  Bits up() const {  // towards higher bits
    static_assert(K > 0 && K < 64);
    Bits r;
    r.w[0] = w[0] << K;
    for (int i = 1; i < W; ++i) r.w[i] = (w[i] << K) | (w[i - 1] >> (64 - K));
    return r;
  }

  template <int K>
  Bits down() const {  // towards lower bits
    static_assert(K > 0 && K < 64);
    Bits r;
    for (int i = 0; i < W - 1; ++i) r.w[i] = (w[i] >> K) | (w[i + 1] << (64 - K));
    r.w[W - 1] = w[W - 1] >> K;
    return r;
  }

  Bits& operator|=(const Bits& o) {
    for (int i = 0; i < W; ++i) w[i] |= o.w[i];
    return *this;
  }
  Bits& operator&=(const Bits& o) {
    for (int i = 0; i < W; ++i) w[i] &= o.w[i];
    return *this;
  }
  friend Bits operator|(const Bits& a, const Bits& b) {
    Bits r = a;
    return r |= b;
  }
  friend Bits operator&(const Bits& a, const Bits& b) {
    Bits r = a;
    return r &= b;
  }
  /// a without b.
  friend Bits operator-(const Bits& a, const Bits& b) {
    Bits r;
    for (int i = 0; i < W; ++i) r.w[i] = a.w[i] & ~b.w[i];
    return r;
  }
  friend bool operator==(const Bits& a, const Bits& b) {
    std::uint64_t x = 0;
    for (int i = 0; i < W; ++i) x |= a.w[i] ^ b.w[i];
    return x == 0;
  }
};

}  // namespace ag
