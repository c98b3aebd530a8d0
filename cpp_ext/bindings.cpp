/// The Python face of the core; the files bindings*.cpp alone know Python. alphago/_core.pyi documents what it offers.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>

#include "ag/any_position.hpp"
#include "ag/batch.hpp"
#include "ag/nakade.hpp"
#include "ag/patterns.hpp"
#include "bindings_data.hpp"
#include "bindings_search.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace ag {
namespace {

/// A new numpy array of the given shape that owns its memory.
template <class T>
nb::ndarray<nb::numpy, T> new_array(std::initializer_list<std::size_t> shape) {
  std::size_t n = 1;
  for (const std::size_t d : shape) n *= d;
  auto* data = new T[n]();
  nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return nb::ndarray<nb::numpy, T>(data, shape, owner);
}

nb::ndarray<nb::numpy, bool> square(const AnyPosition& p, const std::vector<bool>& mask) {
  const auto n = static_cast<std::size_t>(p.size());
  auto out = new_array<bool>({n, n});
  for (std::size_t i = 0; i < n * n; ++i) out.data()[i] = mask[i];
  return out;
}

template <class T>
using Array1 = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
std::vector<T> to_vector(const Array1<T>& a) {
  return std::vector<T>(a.data(), a.data() + a.shape(0));
}

std::shared_ptr<RolloutWeights> make_weights(float response, float save_atari, const Array1<float>& neighbour,
                                             const Array1<float>& nakade, const Array1<std::uint64_t>& response_keys,
                                             const Array1<float>& response_weights, const Array1<std::uint32_t>& pattern3_keys,
                                             const Array1<float>& pattern3_weights, float self_atari,
                                             const nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>& distance,
                                             const Array1<std::uint64_t>& pattern12_keys, const Array1<float>& pattern12_weights) {
  RolloutParameters p;
  p.response = response;
  p.save_atari = save_atari;
  p.self_atari = self_atari;
  if (neighbour.shape(0) != 8) throw std::invalid_argument("neighbour: expected 8 weights");
  std::copy_n(neighbour.data(), 8, p.neighbour.begin());
  if (distance.shape(0) != 2 || distance.shape(1) != kDistances) throw std::invalid_argument("distance: expected [2, 17] weights");
  for (std::size_t i = 0; i < 2; ++i) std::copy_n(distance.data() + i * kDistances, kDistances, p.distance[i].begin());
  p.nakade = to_vector(nakade);
  p.response_keys = to_vector(response_keys);
  p.response_weights = to_vector(response_weights);
  p.pattern3_keys = to_vector(pattern3_keys);
  p.pattern3_weights = to_vector(pattern3_weights);
  p.pattern12_keys = to_vector(pattern12_keys);
  p.pattern12_weights = to_vector(pattern12_weights);
  nb::gil_scoped_release release;
  return std::make_shared<RolloutWeights>(std::move(p));
}

const RolloutWeights* optional_weights(const std::shared_ptr<RolloutWeights>& w) { return w.get(); }

Color checked_color(int color) {
  if (color != BLACK && color != WHITE) throw std::invalid_argument("color must be 1 (black) or 2 (white), got " + std::to_string(color));
  return static_cast<Color>(color);
}

int color_or_mover(const AnyPosition& p, int color) { return color == 0 ? p.to_play() : checked_color(color); }

Policy checked_policy(const std::string& name, const std::shared_ptr<RolloutWeights>& weights) {
  if (name == "light") return Policy::kLight;
  if (name != "softmax") throw std::invalid_argument("unknown playout policy '" + name + "': known are light, softmax");
  if (!weights) throw std::invalid_argument("policy 'softmax' needs weights (alphago.nets.rollout.load_rollout_weights())");
  return Policy::kSoftmax;
}

PlayoutOptions checked_options(int max_moves, int mercy) {
  if (max_moves < 0) throw std::invalid_argument("max_moves must be 0 (three times the area) or more, got " + std::to_string(max_moves));
  if (mercy < 0) throw std::invalid_argument("mercy must be 0 (off) or more, got " + std::to_string(mercy));
  return {max_moves, mercy};
}

int checked_threads(int threads) {
  if (threads < 1 || threads > 1024) throw std::invalid_argument("threads must be 1..1024, got " + std::to_string(threads));
  return threads;
}

/// Python's None passes for a pointer: refuse it.
const std::vector<const AnyPosition*>& checked_positions(const std::vector<const AnyPosition*>& positions) {
  for (std::size_t i = 0; i < positions.size(); ++i)
    if (!positions[i]) throw std::invalid_argument("positions[" + std::to_string(i) + "] is None, not a Position");
  return positions;
}

using PlaneArray = nb::ndarray<nb::c_contig, nb::device::cpu>;

void write_planes_py(const std::vector<const AnyPosition*>& positions, const std::string& set_name, PlaneArray out,
                     std::optional<nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>> symmetries,
                     int threads) {
  checked_positions(positions);
  const FeatureSet set = feature_set_of(set_name);
  const auto planes = static_cast<std::size_t>(n_planes(set));
  if (out.ndim() != 4 || out.shape(0) != positions.size() || out.shape(1) != planes || out.shape(2) != out.shape(3))
    throw std::invalid_argument("out must have shape [" + std::to_string(positions.size()) + ", " + std::to_string(planes) +
                                ", S, S]");
  if (out.shape(2) > 64) throw std::invalid_argument("out: S must be at most 64, got " + std::to_string(out.shape(2)));
  const int width = static_cast<int>(out.shape(2));
  for (const AnyPosition* p : positions)
    if (p->size() > width)
      throw std::invalid_argument("out: S is " + std::to_string(width) + ", but a board has size " + std::to_string(p->size()));
  const std::uint8_t* symmetry = nullptr;
  if (symmetries) {
    if (symmetries->shape(0) != positions.size())
      throw std::invalid_argument("symmetries must have one entry for each of the " + std::to_string(positions.size()) + " positions");
    symmetry = symmetries->data();
    for (std::size_t i = 0; i < positions.size(); ++i)
      if (symmetry[i] > 7) throw std::invalid_argument("symmetries must be 0..7, got " + std::to_string(symmetry[i]));
  }
  checked_threads(threads);
  const bool is_float = out.dtype() == nb::dtype<float>();
  if (!is_float && out.dtype() != nb::dtype<std::uint8_t>()) throw std::invalid_argument("out must be float32 or uint8");
  void* data = out.data();
  nb::gil_scoped_release release;
  is_float ? write_batch(positions, set, symmetry, width, threads, static_cast<float*>(data))
           : write_batch(positions, set, symmetry, width, threads, static_cast<std::uint8_t*>(data));
}

std::uint64_t checked_key(std::uint64_t key, int bits) {
  if (key >> bits) throw std::invalid_argument("a key of this kind has " + std::to_string(bits) + " bits, got " + std::to_string(key));
  return key;
}

std::vector<NakadeCell> checked_shape(const std::vector<std::pair<int, int>>& cells) {
  std::vector<NakadeCell> shape;
  for (const auto& [r, c] : cells) {
    if (std::abs(r) > 1000 || std::abs(c) > 1000) throw std::invalid_argument("cell coordinates must be within +-1000");
    shape.push_back({static_cast<std::int16_t>(r), static_cast<std::int16_t>(c)});
  }
  if (!find_nakade(shape.data(), static_cast<int>(shape.size())))
    throw std::invalid_argument("expected 1 to 7 different, connected cells");
  return shape;
}

/// The entry of each cell, in the caller's order (the table keeps cells sorted by row, then column).
template <class T, class F>
std::vector<T> by_cell(const std::vector<NakadeCell>& shape, F&& entry) {
  std::vector<T> out;
  for (const NakadeCell& c : shape) {
    std::size_t rank = 0;
    for (const NakadeCell& o : shape) rank += std::pair(o.row, o.col) < std::pair(c.row, c.col);
    out.push_back(entry(*find_nakade(shape.data(), static_cast<int>(shape.size())), rank));
  }
  return out;
}

nb::dict build_info() {
  nb::dict d;
  d["compiler"] = AG_COMPILER;
  d["flags"] = AG_FLAGS;
  d["native"] = AG_IS_NATIVE ? "yes" : "no";
#if defined(__AVX512F__)
  d["simd"] = "avx512";
#elif defined(__AVX2__)
  d["simd"] = "avx2";
#elif defined(__SSE2__)
  d["simd"] = "sse2";
#elif defined(__ARM_NEON)
  d["simd"] = "neon";
#else
  d["simd"] = "none";
#endif
  return d;
}

}  // namespace

NB_MODULE(_core, m) {
  nb::set_leak_warnings(false);  // objects that live until the program ends, in a notebook or a module, are no one's mistake

  m.attr("MIN_SIZE") = kMinSize;
  m.attr("MAX_SIZE") = kMaxSize;
  m.attr("BUILD_INFO") = build_info();

  nb::class_<RolloutWeights>(m, "RolloutWeights")
      .def(nb::new_(&make_weights), "response"_a, "save_atari"_a, "neighbour"_a, "nakade"_a, "response_keys"_a,
           "response_weights"_a, "pattern3_keys"_a, "pattern3_weights"_a, "self_atari"_a, "distance"_a, "pattern12_keys"_a,
           "pattern12_weights"_a);

  nb::class_<AnyPosition>(m, "Position")
      .def(nb::init<int, int, bool, int, double, bool, double>(), "size"_a, "ko"_a = 1, "suicide"_a = true, "scoring"_a = 0,
           "komi"_a = 7.5, "pass_stones"_a = false, "white_bonus"_a = 0.0)
      .def(nb::init<const AnyPosition&>(), "position"_a)
      .def_prop_ro("size", &AnyPosition::size)
      .def_prop_ro("ko", [](const AnyPosition& p) { return static_cast<int>(p.rules().ko); })
      .def_prop_ro("suicide", [](const AnyPosition& p) { return p.rules().suicide; })
      .def_prop_ro("scoring", [](const AnyPosition& p) { return static_cast<int>(p.rules().scoring); })
      .def_prop_ro("pass_stones", [](const AnyPosition& p) { return p.rules().pass_stones; })
      .def_prop_rw("komi", [](const AnyPosition& p) { return p.rules().komi; }, &AnyPosition::set_komi)
      .def_prop_rw("white_bonus", [](const AnyPosition& p) { return p.rules().white_bonus; }, &AnyPosition::set_white_bonus)
      .def_prop_rw("to_play", &AnyPosition::to_play, [](AnyPosition& p, int c) { p.set_to_play(checked_color(c)); })
      .def_prop_ro("move_count", &AnyPosition::move_count)
      .def_prop_ro("consecutive_passes", &AnyPosition::consecutive_passes)
      .def_prop_ro("is_over", [](const AnyPosition& p) { return p.consecutive_passes() >= 2; })
      .def_prop_ro("ko_point", &AnyPosition::ko_point)
      .def_prop_ro("hash", &AnyPosition::hash)
      .def("captured", [](const AnyPosition& p, int c) { return p.captured(checked_color(c)); }, "color"_a)
      .def("passes_by", [](const AnyPosition& p, int c) { return p.passes_by(checked_color(c)); }, "color"_a)
      .def("copy", [](const AnyPosition& p) { return AnyPosition(p); })
      .def("legality",
           [](const AnyPosition& p, std::int64_t a, int c) { return static_cast<int>(p.legality(a, color_or_mover(p, c))); },
           "action"_a, "color"_a = 0)
      .def("try_play", [](AnyPosition& p, std::int64_t a, int c) { return p.try_play(a, color_or_mover(p, c)); }, "action"_a,
           "color"_a = 0)
      .def("undo", &AnyPosition::undo)
      .def("setup",
           [](AnyPosition& p, const std::vector<std::int64_t>& black, const std::vector<std::int64_t>& white,
              const std::vector<std::int64_t>& empty) { return static_cast<int>(p.setup(black, white, empty)); },
           "black"_a, "white"_a, "empty"_a)
      .def("moves", &AnyPosition::moves)
      .def("stones",
           [](const AnyPosition& p) {
             const auto n = static_cast<std::size_t>(p.size());
             auto out = new_array<std::uint8_t>({n, n});
             p.stones(out.data());
             return out;
           })
      .def("legal_mask",
           [](const AnyPosition& p, int c) {
             const auto mask = p.legal_mask(color_or_mover(p, c));
             auto out = new_array<bool>({mask.size()});
             std::copy(mask.begin(), mask.end(), out.data());
             return out;
           },
           "color"_a = 0)
      .def("liberties", [](const AnyPosition& p, std::int64_t a) { return p.liberty_points(a).size(); }, "action"_a)
      .def("liberty_points", &AnyPosition::liberty_points, "action"_a)
      .def("chain", &AnyPosition::chain, "action"_a)
      .def("is_eye", [](const AnyPosition& p, std::int64_t a, int c) { return p.is_eye(a, checked_color(c)); }, "action"_a, "color"_a)
      .def("ladder_captured", &AnyPosition::ladder_captured, "action"_a)
      .def("ladder_moves",
           [](const AnyPosition& p) {
             const auto [capture, escape] = p.ladder_moves();
             return nb::make_tuple(square(p, capture), square(p, escape));
           })
      .def("pass_alive", [](const AnyPosition& p, int c) { return square(p, p.pass_alive(checked_color(c))); }, "color"_a)
      .def("area",
           [](const AnyPosition& p) {
             const auto n = static_cast<std::size_t>(p.size());
             auto out = new_array<std::int8_t>({n, n});
             p.area(out.data());
             return out;
           })
      .def("territory",
           [](const AnyPosition& p, nb::ndarray<const bool, nb::ndim<2>, nb::c_contig, nb::device::cpu> dead, bool strict_seki) {
             const auto n = static_cast<std::size_t>(p.size());
             if (dead.shape(0) != n || dead.shape(1) != n)
               throw std::invalid_argument("dead must have shape [" + std::to_string(n) + ", " + std::to_string(n) + "]");
             auto out = new_array<std::int8_t>({n, n});
             p.territory(dead.data(), strict_seki, out.data());
             return out;
           },
           "dead"_a, "strict_seki"_a = false)
      .def("playout",
           [](const AnyPosition& p, const std::string& policy, std::uint64_t seed, const std::shared_ptr<RolloutWeights>& w,
              int max_moves, int mercy) {
             const Policy kind = checked_policy(policy, w);
             Actions actions;
             const PlayoutResult r = p.playout(kind, seed, optional_weights(w), checked_options(max_moves, mercy), actions);
             return std::pair(r.score, actions);
           },
           "policy"_a = "light", "seed"_a = 0, "weights"_a = nb::none(), "max_moves"_a = 0, "mercy"_a = 0)
      .def("playouts",
           [](const AnyPosition& p, const std::string& policy, std::int64_t count, std::uint64_t seed,
              const std::shared_ptr<RolloutWeights>& w, int max_moves, int mercy, int threads) {
             const Policy kind = checked_policy(policy, w);
             const PlayoutOptions options = checked_options(max_moves, mercy);
             checked_threads(threads);
             if (count < 0 || count > 1000000000) throw std::invalid_argument("count must be 0..1000000000, got " + std::to_string(count));
             auto scores = new_array<std::int16_t>({static_cast<std::size_t>(count)});
             auto lengths = new_array<std::int32_t>({static_cast<std::size_t>(count)});
             {
               nb::gil_scoped_release release;
               run_playouts(p, kind, count, seed, optional_weights(w), options, threads, scores.data(), lengths.data());
             }
             return nb::make_tuple(scores, lengths);
           },
           "policy"_a, "count"_a, "seed"_a = 0, "weights"_a = nb::none(), "max_moves"_a = 0, "mercy"_a = 0, "threads"_a = 1)
      .def("rollout_probabilities",
           [](const AnyPosition& p, const RolloutWeights& w) {
             auto out = new_array<double>({static_cast<std::size_t>(p.area_size()) + 1});
             p.rollout_probabilities(w, out.data());
             return out;
           },
           "weights"_a)
      .def("tree_probabilities",
           [](const AnyPosition& p, const RolloutWeights& w) {
             auto out = new_array<double>({static_cast<std::size_t>(p.area_size()) + 1});
             p.tree_probabilities(w, out.data());
             return out;
           },
           "weights"_a)
      .def("__getstate__",
           [](const AnyPosition& p) {
             const std::string state = p.serialize();
             return nb::bytes(state.data(), state.size());
           })
      .def("__setstate__", [](AnyPosition& p, const nb::bytes& state) {
        new (&p) AnyPosition(AnyPosition::deserialize(std::string(state.c_str(), state.size())));
      });

  m.def("canonical3", [](std::uint64_t key) { return canonical_key(checked_key(key, kPattern3Bits), 8); }, "key"_a);
  m.def("canonical12", [](std::uint64_t key) { return canonical_key(checked_key(key, kPattern12Bits), 12); }, "key"_a);
  m.def("canonical_response",
        [](std::uint64_t key) {
          if ((key >> kPattern12Bits) >= 12) throw std::invalid_argument("a response key needs a place of 0..11 in bits 36 and up");
          return canonical_response(key);
        },
        "key"_a);
  m.def("nakade_indices",
        [](const std::vector<std::pair<int, int>>& cells) {
          return by_cell<int>(checked_shape(cells), [](const NakadeShape& s, std::size_t i) { return s.index[i]; });
        },
        "cells"_a);
  m.def("nakade_vital",
        [](const std::vector<std::pair<int, int>>& cells) {
          return by_cell<bool>(checked_shape(cells), [](const NakadeShape& s, std::size_t i) { return s.vital[i]; });
        },
        "cells"_a);

  m.def("feature_planes", [](const std::string& name) { return n_planes(feature_set_of(name)); }, "feature_set"_a);
  m.def("write_planes", &write_planes_py, "positions"_a, "feature_set"_a, "out"_a.noconvert(), "symmetries"_a = nb::none(), "threads"_a = 1);
  m.def("write_globals",
        [](const std::vector<const AnyPosition*>& positions, nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu> out) {
          checked_positions(positions);
          if (out.shape(0) != positions.size() || out.shape(1) != kGlobals)
            throw std::invalid_argument("out must be float32 of shape [" + std::to_string(positions.size()) + ", 7]");
          for (std::size_t i = 0; i < positions.size(); ++i) positions[i]->write_globals(out.data() + i * kGlobals);
        },
        "positions"_a, "out"_a.noconvert());  // never into a converted copy

  m.def("bench_playouts",
        [](int size, const std::string& policy, double seconds, int threads, std::uint64_t seed, const std::shared_ptr<RolloutWeights>& w) {
          const Policy kind = checked_policy(policy, w);
          const AnyPosition start(size, 1, true, 0, 7.5, false, 0.0);
          checked_seconds(seconds);
          BenchResult r;
          {
            nb::gil_scoped_release release;
            r = bench_playouts(start, kind, seconds, checked_threads(threads), seed, optional_weights(w));
          }
          nb::dict d;
          d["playouts"] = static_cast<double>(r.items);
          d["moves"] = static_cast<double>(r.moves);
          d["seconds"] = r.seconds;
          return d;
        },
        "size"_a, "policy"_a, "seconds"_a, "threads"_a = 1, "seed"_a = 0, "weights"_a = nb::none());
  m.def("bench_features",
        [](const std::vector<const AnyPosition*>& positions, const std::string& set_name, const std::string& dtype, double seconds,
           int threads) {
          const FeatureSet set = feature_set_of(set_name);
          checked_positions(positions);
          if (positions.empty()) throw std::invalid_argument("positions must not be empty");
          if (dtype != "float32" && dtype != "uint8") throw std::invalid_argument("dtype must be float32 or uint8, got " + dtype);
          checked_seconds(seconds);
          BenchResult r;
          {
            nb::gil_scoped_release release;
            r = dtype == "uint8" ? bench_features<std::uint8_t>(positions, set, seconds, checked_threads(threads))
                                 : bench_features<float>(positions, set, seconds, checked_threads(threads));
          }
          nb::dict d;
          d["positions"] = static_cast<double>(r.items);
          d["seconds"] = r.seconds;
          return d;
        },
        "positions"_a, "feature_set"_a, "dtype"_a, "seconds"_a, "threads"_a = 1);

  bind_search(m);
  bind_data(m);
  bind_rollout(m);
  bind_policy(m);
}

}  // namespace ag
