/// The Python face of learning rollout weights; see bindings.cpp.
#include "bindings_data.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <memory>

#include "ag/rollout_features.hpp"
#include "bindings_array.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace ag {
namespace {

template <class T>
using Array1 = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Positions = Array1<std::int64_t>;

template <class T>
std::vector<T> vector_of(const Array1<T>& a) {
  return std::vector<T>(a.data(), a.data() + a.shape(0));
}

void check_threads(int threads) {
  if (threads < 1 || threads > 1024) throw std::invalid_argument("threads must be 1..1024, got " + std::to_string(threads));
}

nb::dict read(const RolloutFeatures& features, const GameSet& games, Positions positions, bool tree, int threads) {
  check_threads(threads);
  FeatureBatch batch;
  {
    nb::gil_scoped_release release;
    batch = read_features(games, positions.data(), static_cast<std::int64_t>(positions.shape(0)), features, tree, threads);
  }
  const std::size_t n = batch.played.size(), moves = batch.pattern3.size(), extras = batch.extra_move.size();
  nb::dict d;
  d["first"] = array_of(std::move(batch.first), {n + 1});
  d["played"] = array_of(std::move(batch.played), {n});
  d["pattern3"] = array_of(std::move(batch.pattern3), {moves});
  d["tree"] = array_of(std::move(batch.tree), {tree ? moves : 0, static_cast<std::size_t>(kTreeColumns)});
  d["extra_first"] = array_of(std::move(batch.extra_first), {n + 1});
  d["extra_move"] = array_of(std::move(batch.extra_move), {extras});
  d["extra_feature"] = array_of(std::move(batch.extra_feature), {extras});
  return d;
}

nb::tuple count(const GameSet& games, Positions positions, const std::string& kind, int threads) {
  check_threads(threads);
  PatternKind which{};
  if (kind == "pattern3")
    which = PatternKind::kPattern3;
  else if (kind == "response")
    which = PatternKind::kResponse;
  else if (kind == "pattern12")
    which = PatternKind::kPattern12;
  else
    throw std::invalid_argument("unknown kind of pattern '" + kind + "': known are pattern3, response, pattern12");
  PatternCounts counts;
  {
    nb::gil_scoped_release release;
    counts = count_patterns(games, positions.data(), static_cast<std::int64_t>(positions.shape(0)), which, threads);
  }
  const std::size_t n = counts.keys.size();
  return nb::make_tuple(array_of(std::move(counts.keys), {n}), array_of(std::move(counts.seen), {n}), array_of(std::move(counts.played), {n}));
}

nb::tuple balance(const RolloutFeatures& features, const GameSet& games, Positions positions, Array1<float> targets,
                  const std::shared_ptr<RolloutWeights>& weights, int playouts, std::uint64_t seed, int threads) {
  check_threads(threads);
  if (targets.shape(0) != positions.shape(0)) throw std::invalid_argument("targets must have one entry for each position");
  Balance found;
  {
    nb::gil_scoped_release release;
    found = balance_step(games, positions.data(), targets.data(), static_cast<std::int64_t>(positions.shape(0)), *weights, features, playouts, seed,
                         threads);
  }
  const std::size_t n = found.gradient.size(), m = found.values.size();
  return nb::make_tuple(array_of(std::move(found.gradient), {n}), array_of(std::move(found.values), {m}));
}

}  // namespace

void bind_rollout(nb::module_& m) {
  nb::class_<RolloutFeatures>(m, "RolloutFeatures")
      .def("__init__",
           [](RolloutFeatures* self, Array1<std::uint32_t> pattern3, Array1<std::uint64_t> response, Array1<std::uint64_t> pattern12) {
             new (self) RolloutFeatures(vector_of(pattern3), vector_of(response), vector_of(pattern12));
           },
           "pattern3_keys"_a.noconvert(), "response_keys"_a.noconvert(), "pattern12_keys"_a.noconvert())
      .def("__len__", &RolloutFeatures::size)
      .def("read", &read, "games"_a, "positions"_a.noconvert(), "tree"_a, "threads"_a = 1)
      .def("balance", &balance, "games"_a, "positions"_a.noconvert(), "targets"_a.noconvert(), "weights"_a, "playouts"_a, "seed"_a = 0,
           "threads"_a = 1);
  m.def("count_patterns", &count, "games"_a, "positions"_a.noconvert(), "kind"_a, "threads"_a = 1);
}

}  // namespace ag
