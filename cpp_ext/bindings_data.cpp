/// The Python face of recorded games; see bindings.cpp.
#include "bindings_data.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "ag/game_set.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace ag {
namespace {

/// The array under `name`, of exactly this type and one dimension, copied. Nothing is converted on the way.
template <class T>
std::vector<T> column(const nb::dict& columns, const char* name) {
  if (!columns.contains(name)) throw std::invalid_argument(std::string("column ") + name + " is missing");
  nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu> a;
  if (!nb::try_cast(columns[name], a, false))
    throw std::invalid_argument(std::string("column ") + name + " has another type: expected a contiguous array of one dimension, of " +
                                std::to_string(8 * sizeof(T)) + (std::is_floating_point_v<T> ? " bits, floating" : std::is_signed_v<T> ? " bits, signed" : " bits, unsigned"));
  return std::vector<T>(a.data(), a.data() + a.shape(0));
}

GameColumns columns_of(const nb::dict& d) {
  GameColumns g;
  g.size = column<std::uint8_t>(d, "size");
  g.ko = column<std::uint8_t>(d, "ko");
  g.suicide = column<std::uint8_t>(d, "suicide");
  g.scoring = column<std::uint8_t>(d, "scoring");
  g.pass_stones = column<std::uint8_t>(d, "pass_stones");
  g.komi = column<float>(d, "komi");
  g.white_bonus = column<float>(d, "white_bonus");
  g.black_at = column<std::int64_t>(d, "black_at");
  g.white_at = column<std::int64_t>(d, "white_at");
  g.moves_at = column<std::int64_t>(d, "moves_at");
  g.black = column<std::uint16_t>(d, "black");
  g.white = column<std::uint16_t>(d, "white");
  g.moves = column<std::uint16_t>(d, "moves");
  g.colors = column<std::uint8_t>(d, "colors");
  g.winner = column<std::int8_t>(d, "winner");
  g.score = column<float>(d, "score");
  g.ownership_at = column<std::int64_t>(d, "ownership_at");
  g.ownership = column<std::int8_t>(d, "ownership");
  g.root_value = column<float>(d, "root_value");
  g.visits_at = column<std::int64_t>(d, "visits_at");
  g.visit_actions = column<std::uint16_t>(d, "visit_actions");
  g.visit_shares = column<float>(d, "visit_shares");
  return g;
}

using Shape = std::vector<std::int64_t>;

/// The caller's array under `name`, or null; it must have this type and shape, so that nothing is written into a copy.
template <class T>
T* output(const nb::dict& out, const char* name, const Shape& shape) {
  if (!out.contains(name)) return nullptr;
  nb::ndarray<nb::c_contig, nb::device::cpu> a;
  bool fits = nb::try_cast(out[name], a, false) && a.dtype() == nb::dtype<T>() && a.ndim() == shape.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i) fits = static_cast<std::int64_t>(a.shape(i)) == shape[i];
  if (!fits) {
    std::string text;
    for (const std::int64_t s : shape) text += (text.empty() ? "" : ", ") + std::to_string(s);
    throw std::invalid_argument(std::string(name) + ": expected a writable contiguous array of shape [" + text + "]");
  }
  return static_cast<T*>(a.data());
}

constexpr const char* kOutputs[] = {"planes", "globals", "move", "reply", "policy", "legal", "outcome", "score", "ownership", "root_value"};

template <class T>
void write(const GameSet& set, const std::int64_t* positions, const std::uint8_t* symmetry, std::int64_t n, FeatureSet features, int width,
           int threads, const nb::dict& d) {
  const std::int64_t w = width, actions = w * w + 1;
  BatchOut<T> out;
  out.planes = output<T>(d, "planes", {n, n_planes(features), w, w});
  out.globals = output<float>(d, "globals", {n, kGlobals});
  out.move = output<std::int64_t>(d, "move", {n});
  out.reply = output<std::int64_t>(d, "reply", {n});
  out.policy = output<float>(d, "policy", {n, actions});
  out.legal = output<std::uint8_t>(d, "legal", {n, actions});
  out.outcome = output<float>(d, "outcome", {n, 3});
  out.score = output<float>(d, "score", {n});
  out.ownership = output<float>(d, "ownership", {n, w, w});
  out.root_value = output<float>(d, "root_value", {n});
  nb::gil_scoped_release release;
  set.write(positions, symmetry, n, features, width, threads, out);
}

using Positions = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Symmetries = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void write_py(const GameSet& set, Positions positions, std::optional<Symmetries> symmetries, const std::string& feature_set, int width,
              const nb::dict& out, int threads) {
  const FeatureSet features = feature_set_of(feature_set);
  const auto n = static_cast<std::int64_t>(positions.shape(0));
  if (symmetries && symmetries->shape(0) != positions.shape(0)) throw std::invalid_argument("symmetries must have one entry for each position");
  if (threads < 1 || threads > 1024) throw std::invalid_argument("threads must be 1..1024, got " + std::to_string(threads));
  if (width < kMinSize || width > kMaxSize) throw std::invalid_argument("width must be 2..19, got " + std::to_string(width));
  for (const auto [key, value] : out) {
    const auto name = nb::cast<std::string>(key);
    if (std::find(std::begin(kOutputs), std::end(kOutputs), name) == std::end(kOutputs)) throw std::invalid_argument("unknown output '" + name + "'");
  }
  bool bytes = false;
  if (out.contains("planes")) {
    nb::ndarray<> a;
    bytes = nb::try_cast(out["planes"], a, false) && a.dtype() == nb::dtype<std::uint8_t>();
  }
  const std::uint8_t* symmetry = symmetries ? symmetries->data() : nullptr;
  bytes ? write<std::uint8_t>(set, positions.data(), symmetry, n, features, width, threads, out)
        : write<float>(set, positions.data(), symmetry, n, features, width, threads, out);
}

}  // namespace

void bind_data(nb::module_& m) {
  nb::class_<GameSet>(m, "GameSet")
      .def("__init__", [](GameSet* self, const nb::dict& columns) { new (self) GameSet(columns_of(columns)); }, "columns"_a)
      .def_prop_ro("games", &GameSet::games)
      .def_prop_ro("positions", &GameSet::positions)
      .def_prop_ro("max_size", &GameSet::max_size)
      .def_prop_ro("nbytes", &GameSet::bytes)
      .def("write", &write_py, "positions"_a.noconvert(), "symmetries"_a.noconvert().none(), "feature_set"_a, "width"_a, "out"_a, "threads"_a = 1);
}

}  // namespace ag
