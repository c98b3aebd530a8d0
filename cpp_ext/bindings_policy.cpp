/// The Python face of games that policies play without search; see bindings.cpp.
#include "bindings_data.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include "ag/policy_games.hpp"
#include "bindings_array.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace ag {
namespace {

using Numbers = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Seeds = nb::ndarray<const std::uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Planes = nb::ndarray<float, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using Rows = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Symmetries = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Logits = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

std::size_t checked(const PolicyGames& games, const Numbers& numbers) {
  for (std::size_t i = 0; i < numbers.shape(0); ++i) games.check(numbers.data()[i]);
  return numbers.shape(0);
}

void begin(PolicyGames& games, Numbers numbers, Seeds seeds) {
  const std::size_t n = checked(games, numbers);
  if (seeds.shape(0) != n) throw std::invalid_argument("seeds must have one entry for each of the " + std::to_string(n) + " games");
  for (std::size_t i = 0; i < n; ++i) games.begin(numbers.data()[i], seeds.data()[i]);
}

nb::object waiting(const PolicyGames& games, Numbers numbers, int color) {
  const std::size_t n = checked(games, numbers);
  if (color != BLACK && color != WHITE) throw std::invalid_argument("color must be 1 or 2, got " + std::to_string(color));
  std::vector<std::int64_t> found;
  for (std::size_t i = 0; i < n; ++i)
    if (const std::int64_t game = numbers.data()[i]; !games.is_over(game) && games.to_play(game) == color) found.push_back(game);
  return nb::cast(array_of(found));
}

void write(const PolicyGames& games, Numbers numbers, const std::string& feature_set, Planes planes, Rows globals,
           std::optional<Symmetries> symmetries) {
  const std::size_t n = checked(games, numbers);
  const FeatureSet set = feature_set_of(feature_set);
  const auto size = static_cast<std::size_t>(games.size()), channels = static_cast<std::size_t>(n_planes(set));
  if (planes.shape(0) < n || planes.shape(1) != channels || planes.shape(2) != size || planes.shape(3) != size)
    throw std::invalid_argument("planes must have shape [" + std::to_string(n) + " or more, " + std::to_string(channels) + ", " +
                                std::to_string(size) + ", " + std::to_string(size) + "]");
  if (globals.shape(0) < n || globals.shape(1) != kGlobals)
    throw std::invalid_argument("globals must have shape [" + std::to_string(n) + " or more, 7]");
  const std::uint8_t* symmetry = symmetries ? symmetries->data() : nullptr;
  if (symmetries && symmetries->shape(0) != n) throw std::invalid_argument("symmetries must have one entry for each of the " + std::to_string(n) + " games");
  for (std::size_t i = 0; symmetry && i < n; ++i)
    if (symmetry[i] > 7) throw std::invalid_argument("symmetries must be 0..7, got " + std::to_string(symmetry[i]));
  nb::gil_scoped_release release;
  for (std::size_t i = 0; i < n; ++i)
    games.write(numbers.data()[i], set, symmetry ? symmetry[i] : 0, planes.data() + i * channels * size * size, globals.data() + i * kGlobals);
}

nb::object masks(const PolicyGames& games, Numbers numbers) {
  const std::size_t n = checked(games, numbers), actions = static_cast<std::size_t>(games.n_actions());
  std::vector<std::uint8_t> out(n * actions);
  for (std::size_t i = 0; i < n; ++i) games.write_mask(numbers.data()[i], out.data() + i * actions);
  return nb::cast(array_of(std::move(out), {n, actions}));
}

nb::tuple play(PolicyGames& games, Numbers numbers, Logits logits, double temperature) {
  const std::size_t n = checked(games, numbers), actions = static_cast<std::size_t>(games.n_actions());
  if (logits.shape(0) < n || logits.shape(1) != actions)
    throw std::invalid_argument("logits must have shape [" + std::to_string(n) + " or more, " + std::to_string(actions) + "]");
  if (!(temperature >= 0 && temperature <= 1e6)) throw std::invalid_argument("temperature must be 0 to 1000000, got " + std::to_string(temperature));
  std::vector<std::int32_t> chosen(n);
  std::vector<float> log_probs(n);
  {
    nb::gil_scoped_release release;
    for (std::size_t i = 0; i < n; ++i) {
      const DrawnMove move = games.play(numbers.data()[i], logits.data() + i * actions, temperature);
      chosen[i] = move.action;
      log_probs[i] = move.log_prob;
    }
  }
  return nb::make_tuple(array_of(chosen), array_of(log_probs));
}

nb::object owners(const PolicyGames& games, Numbers numbers) {
  const std::size_t n = checked(games, numbers), area = static_cast<std::size_t>(games.n_actions() - 1);
  std::vector<std::int8_t> out(n * area);
  {
    nb::gil_scoped_release release;
    for (std::size_t i = 0; i < n; ++i) games.owners(numbers.data()[i], out.data() + i * area);
  }
  return nb::cast(array_of(std::move(out), {n, area}));
}

template <class T, class F>
nb::object each(const PolicyGames& games, const Numbers& numbers, F&& f) {
  const std::size_t n = checked(games, numbers);
  std::vector<T> out(n);
  {
    nb::gil_scoped_release release;  // a settled score takes playouts
    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<T>(f(numbers.data()[i]));
  }
  return nb::cast(array_of(out));
}

}  // namespace

void bind_policy(nb::module_& m) {
  nb::class_<PolicyGames>(m, "PolicyGames")
      .def(
          "__init__",
          [](PolicyGames* self, const AnyPosition& start, std::int64_t count, int max_moves, const std::shared_ptr<RolloutWeights>& settle) {
            new (self) PolicyGames(start, count, max_moves, settle);
          },
          "start"_a, "count"_a, "max_moves"_a, "settle"_a = nb::none())
      .def("__len__", [](const PolicyGames& g) { return static_cast<std::size_t>(g.count()); })
      .def("begin", &begin, "games"_a, "seeds"_a)
      .def("waiting", &waiting, "games"_a, "color"_a)
      .def("write", &write, "games"_a, "feature_set"_a, "planes"_a.noconvert(), "globals"_a.noconvert(),
           "symmetries"_a.noconvert() = nb::none())
      .def("masks", &masks, "games"_a)
      .def("play", &play, "games"_a, "logits"_a, "temperature"_a = 1.0)
      .def("scores", [](const PolicyGames& g, Numbers games) { return each<float>(g, games, [&](std::int64_t i) { return g.score(i); }); }, "games"_a)
      .def("owners", &owners, "games"_a)
      .def("lengths", [](const PolicyGames& g, Numbers games) { return each<std::int32_t>(g, games, [&](std::int64_t i) { return g.move_count(i); }); }, "games"_a)
      .def(
          "position",
          [](const PolicyGames& g, std::int64_t game) {
            g.check(game);
            return g.position(game);
          },
          "game"_a);
}

}  // namespace ag
