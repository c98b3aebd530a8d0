/// The best of scored moves.
#pragma once

#include <cstdint>

namespace ag {

/// Keeps the best of what it is offered: ties go to the higher prior, then to the lowest action.
struct Best {
  int entry = 0;
  double score = -1e300;
  float prior = -1;
  std::uint16_t action = 0xffff;

  void offer(int i, double s, float p, std::uint16_t a) {
    if (s < score) return;
    if (s == score && (p < prior || (p == prior && a > action))) return;
    entry = i;
    score = s;
    prior = p;
    action = a;
  }
};

}  // namespace ag
