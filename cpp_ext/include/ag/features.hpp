/// Input planes for networks, written straight into the caller's batch. docs/features.md defines every plane.
#pragma once

#include <cstdint>
#include <string_view>

#include "ag/position.hpp"

namespace ag {

enum class FeatureSet : int { kAlphago48, kAlphago49, kZero17, kRich, kRichFast };

constexpr int kGlobals = 7;

/// Number of planes of a set.
constexpr int n_planes(FeatureSet set) {
  switch (set) {
    case FeatureSet::kAlphago48: return 48;
    case FeatureSet::kAlphago49: return 49;
    case FeatureSet::kZero17: return 17;
    case FeatureSet::kRich: return 17;
    default: return 13;
  }
}

/// Throws std::invalid_argument for a name that is none.
FeatureSet feature_set_of(std::string_view name);

/// Writes [n_planes(set), width, width] values of T (float or uint8_t) at `out`, all of them, zeros included.
/// `width` >= the board's size; `symmetry` 0..7 as in docs/features.md.
template <int Cap, class T>
void write_planes(const Position<Cap>& position, FeatureSet set, int symmetry, int width, T* out);

/// Writes kGlobals values at `out`.
template <int Cap>
void write_globals(const Position<Cap>& position, float* out);

}  // namespace ag
