/// The Python face of the search; see bindings.cpp.
#include "bindings_search.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <sstream>

#include "ag/pool.hpp"
#include "bindings_array.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace ag {
namespace {

std::vector<std::string> split(const std::string& names) {
  std::vector<std::string> out;
  std::stringstream stream(names);
  for (std::string name; std::getline(stream, name, ',');) out.push_back(name);
  return out;
}

nb::list parameter_table() {
  nb::list rows;
#define AG_FLOAT(name, value, min, max, doc) \
  rows.append(nb::make_tuple(#name, "float", double{value}, nb::make_tuple(double{min}, double{max}), doc));
#define AG_INT(name, value, min, max, doc) rows.append(nb::make_tuple(#name, "int", value, nb::make_tuple(min, max), doc));
#define AG_BOOL(name, value, doc) rows.append(nb::make_tuple(#name, "bool", value, nb::make_tuple(), doc));
#define AG_CHOICE(name, value, names, doc)                                                  \
  {                                                                                         \
    nb::list choices;                                                                       \
    for (const std::string& c : split(names)) choices.append(c);                            \
    rows.append(nb::make_tuple(#name, "choice", split(names)[value], nb::tuple(choices), doc)); \
  }
  AG_SEARCH_PARAMS(AG_FLOAT, AG_INT, AG_BOOL, AG_CHOICE)
#undef AG_FLOAT
#undef AG_INT
#undef AG_BOOL
#undef AG_CHOICE
  return rows;
}

template <class T>
T checked_number(const char* name, nb::handle value, double min, double max) {
  T number{};
  if (nb::isinstance<nb::bool_>(value) || !nb::try_cast<T>(value, number) || !(static_cast<double>(number) >= min && static_cast<double>(number) <= max)) {
    std::ostringstream text;
    text << name << " must be " << (std::is_integral_v<T> ? "a whole number " : "a number ") << "from " << min << " to " << max << ", got "
         << nb::repr(value).c_str();
    throw std::invalid_argument(text.str());
  }
  return number;
}

int checked_choice(const char* name, nb::handle value, const std::string& names) {
  const std::vector<std::string> known = split(names);
  std::string text;
  if (nb::try_cast<std::string>(value, text))
    for (std::size_t i = 0; i < known.size(); ++i)
      if (known[i] == text) return static_cast<int>(i);
  throw std::invalid_argument(std::string(name) + " must be one of " + names + ", got " + nb::repr(value).c_str());
}

SearchParams params_of(const nb::dict& values) {
  SearchParams p;
  for (const auto& [key, value] : values) {
    const std::string k = nb::cast<std::string>(nb::str(key));
    bool known = false;
#define AG_FLOAT(name, fallback, min, max, doc) \
  if (k == #name) known = true, p.name = checked_number<double>(#name, value, min, max);
#define AG_INT(name, fallback, min, max, doc) \
  if (k == #name) known = true, p.name = static_cast<int>(checked_number<std::int64_t>(#name, value, min, max));
#define AG_BOOL(name, fallback, doc)                                                                                                  \
  if (k == #name) {                                                                                                                   \
    known = true;                                                                                                                     \
    if (!nb::isinstance<nb::bool_>(value)) throw std::invalid_argument(#name " must be true or false, got " + std::string(nb::repr(value).c_str())); \
    p.name = nb::cast<bool>(value);                                                                                                   \
  }
#define AG_CHOICE(name, fallback, names, doc) \
  if (k == #name) known = true, p.name = checked_choice(#name, value, names);
    AG_SEARCH_PARAMS(AG_FLOAT, AG_INT, AG_BOOL, AG_CHOICE)
#undef AG_FLOAT
#undef AG_INT
#undef AG_BOOL
#undef AG_CHOICE
    if (!known) throw std::invalid_argument("unknown search parameter '" + k + "'");
  }
  if (p.rollout_cache && p.rounds_in_flight > 1) throw std::invalid_argument("rollout_cache needs rounds_in_flight = 1");
  if (p.rollout_cache && p.rollout_kind() != RolloutKind::kSoftmax) throw std::invalid_argument("rollout_cache needs rollouts = softmax");
  if (p.root_kind() == ChooserKind::kGumbel && p.simulations > 1000000)
    throw std::invalid_argument("simulations must be at most 1000000 with root = gumbel");
  return p;
}

nb::dict params_dict(const SearchParams& p) {
  nb::dict d;
#define AG_FLOAT(name, value, min, max, doc) d[#name] = p.name;
#define AG_INT(name, value, min, max, doc) d[#name] = p.name;
#define AG_BOOL(name, value, doc) d[#name] = p.name;
#define AG_CHOICE(name, value, names, doc) d[#name] = split(names)[static_cast<std::size_t>(p.name)];
  AG_SEARCH_PARAMS(AG_FLOAT, AG_INT, AG_BOOL, AG_CHOICE)
#undef AG_FLOAT
#undef AG_INT
#undef AG_BOOL
#undef AG_CHOICE
  return d;
}

nb::dict report_dict(const NodeReport& r) {
  nb::dict d;
  d["to_play"] = r.side + 1;
  d["visits"] = r.visits;
  d["value"] = r.value;
  d["score"] = r.score;
  d["actions"] = array_of(r.actions);
  d["priors"] = array_of(r.priors);
  d["visit_counts"] = array_of(r.visit_counts);
  d["n_v"] = array_of(r.n_v);
  d["w_v"] = array_of(r.w_v);
  d["n_r"] = array_of(r.n_r);
  d["w_r"] = array_of(r.w_r);
  d["q"] = array_of(r.q);
  d["lcb"] = array_of(r.lcb);
  d["lead"] = array_of(r.lead);
  if (!r.target.empty()) d["target"] = array_of(r.target);
  return d;
}

nb::dict record_dict(const GameRecord& g, int size) {
  nb::dict d;
  d["slot"] = g.slot;
  d["seed"] = g.seed;
  d["size"] = size;
  d["moves"] = array_of(g.moves);
  d["colors"] = array_of(g.colors);
  d["root_value"] = array_of(g.root_value);
  d["visit_offsets"] = array_of(g.visit_offsets);
  d["visit_actions"] = array_of(g.visit_actions);
  d["visit_counts"] = array_of(g.visit_counts);
  d["target"] = array_of(g.target);
  d["winner"] = g.outcome.winner0 == 0 ? 0 : g.outcome.winner0 > 0 ? 1 : 2;
  d["score"] = static_cast<double>(g.outcome.score0);
  d["ended"] = g.ended;
  d["no_resign"] = g.no_resign;
  d["simulations"] = g.simulations;
  return d;
}

/// A pool with what Python wants to know about it.
struct PyPool {
  PoolConfig config;
  std::unique_ptr<AnyPool> pool;
  std::vector<std::size_t> planes;  ///< of each network
};

std::unique_ptr<PyPool> new_pool(int size, int slots, const std::vector<std::string>& networks, int threads, double memory_mib, double cache_mib,
                                 const std::shared_ptr<RolloutWeights>& weights, const std::string& game) {
  auto p = std::make_unique<PyPool>();
  p->config.size = game == "tictactoe" ? 3 : size;
  p->config.slots = slots;
  p->config.threads = threads;
  p->config.weights = weights;
  p->config.game = game;
  if (!(memory_mib >= 0.0625 && memory_mib <= 1e7)) throw std::invalid_argument("memory_mib must be 0.0625 to 1e7");
  if (!(cache_mib >= 0 && cache_mib <= 1e6)) throw std::invalid_argument("cache_mib must be 0 to 1e6");
  p->config.memory_bytes = static_cast<std::size_t>(memory_mib * 1048576);
  p->config.cache_bytes = static_cast<std::size_t>(cache_mib * 1048576);
  for (const std::string& name : networks) {
    if (game == "tictactoe") {
      p->config.networks.push_back(0);
      p->planes.push_back(2);
      continue;
    }
    const FeatureSet set = feature_set_of(name);
    p->config.networks.push_back(static_cast<int>(set));
    p->planes.push_back(static_cast<std::size_t>(n_planes(set)));
  }
  nb::gil_scoped_release release;
  p->pool = make_pool(p->config);
  return p;
}

using Planes = nb::ndarray<nb::c_contig, nb::device::cpu>;
using Globals = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

std::shared_ptr<Ticket> collect(PyPool& self, const std::vector<std::pair<Planes, Globals>>& buffers, int min_rows) {
  std::vector<InputBuffer> inputs;
  const auto size = static_cast<std::size_t>(self.config.size);
  for (std::size_t i = 0; i < buffers.size() && i < self.planes.size(); ++i) {
    const auto& [planes, globals] = buffers[i];
    const bool is_float = planes.dtype() == nb::dtype<float>();
    const std::string which = "buffers[" + std::to_string(i) + "]: ";
    if (!is_float && planes.dtype() != nb::dtype<std::uint8_t>()) throw std::invalid_argument(which + "planes must be float32 or uint8");
    if (planes.ndim() != 4 || planes.shape(0) < 1 || planes.shape(1) != self.planes[i] || planes.shape(2) != size || planes.shape(3) != size)
      throw std::invalid_argument(which + "planes must have shape [batch, " + std::to_string(self.planes[i]) + ", " + std::to_string(size) + ", " +
                                  std::to_string(size) + "]");
    if (globals.shape(0) != planes.shape(0) || globals.shape(1) != kGlobals)
      throw std::invalid_argument(which + "globals must be float32 of shape [batch, 7] with the batch of the planes");
    InputBuffer b;
    b.planes = planes.data();
    b.is_float = is_float;
    b.globals = globals.data();
    b.batch = static_cast<int>(planes.shape(0));
    b.row = self.planes[i] * size * size;
    inputs.push_back(b);
  }
  if (inputs.size() != buffers.size()) inputs.resize(buffers.size());
  nb::gil_scoped_release release;
  return self.pool->collect(inputs, min_rows);
}

using Outputs = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;

void apply(PyPool& self, Ticket& ticket, const std::optional<Outputs>& policy, const std::optional<Outputs>& value, const std::optional<Outputs>& score) {
  OutputBuffer out;
  const std::size_t rows = ticket.requests.size();
  const auto actions = static_cast<std::size_t>(self.pool->n_actions());
  if (policy) {
    if (policy->ndim() != 2 || policy->shape(0) < rows || policy->shape(1) != actions)
      throw std::invalid_argument("policy must have shape [at least " + std::to_string(rows) + ", " + std::to_string(actions) + "]");
    out.policy = policy->data();
  }
  if (value) {
    const bool one = value->ndim() == 1, three = value->ndim() == 2 && value->shape(1) == 3;
    if (!(one || three) || value->shape(0) < rows) throw std::invalid_argument("value must have shape [at least " + std::to_string(rows) + ", 3], or without the 3");
    out.value = value->data();
    out.value_width = three ? 3 : 1;
  }
  if (score) {
    if (score->ndim() != 1 || score->shape(0) < rows) throw std::invalid_argument("score must have shape [at least " + std::to_string(rows) + "]");
    out.score = score->data();
  }
  nb::gil_scoped_release release;
  self.pool->apply(ticket, out);
}

}  // namespace

void bind_search(nb::module_& m) {
  m.attr("SEARCH_PARAMS") = parameter_table();

  nb::class_<SearchParams>(m, "SearchParams")
      .def(nb::new_([](const nb::dict& values) { return params_of(values); }), "values"_a = nb::dict())
      .def("to_dict", &params_dict);

  nb::class_<EngineSetup>(m, "Engine")
      .def(nb::new_([](const SearchParams& params, int policy, int value) { return EngineSetup{params, policy, value}; }), "params"_a, "policy"_a = -1,
           "value"_a = -1);

  nb::class_<Ticket>(m, "Ticket")
      .def_prop_ro("network", [](const Ticket& t) { return t.network; })
      .def_prop_ro("rows", [](const Ticket& t) { return t.requests.size(); });

  nb::class_<PyPool>(m, "SearchPool")
      .def(nb::new_(&new_pool), "size"_a = 9, "slots"_a = 1, "networks"_a = nb::list(), "threads"_a = 1, "memory_mib"_a = 1024.0, "cache_mib"_a = 64.0,
           "weights"_a = nb::none(), "game"_a = "go")
      .def_prop_ro("size", [](const PyPool& p) { return p.config.size; })
      .def_prop_ro("n_slots", [](const PyPool& p) { return p.config.slots; })
      .def_prop_ro("n_actions", [](const PyPool& p) { return p.pool->n_actions(); })
      .def("start",
           [](PyPool& p, int slot, std::uint64_t seed, const std::vector<EngineSetup>& engines, const AnyPosition* position, bool autoplay, int max_moves) {
             nb::gil_scoped_release release;
             p.pool->start(slot, seed, engines, position, autoplay, max_moves);
           },
           "slot"_a, "seed"_a, "engines"_a, "position"_a = nb::none(), "autoplay"_a = false, "max_moves"_a = 0)
      .def("search", [](PyPool& p, int slot, std::int64_t n) { nb::gil_scoped_release r; p.pool->search(slot, n); }, "slot"_a, "simulations"_a)
      .def("is_idle", [](const PyPool& p, int slot) { return p.pool->is_idle(slot); }, "slot"_a)
      .def("play", [](PyPool& p, int slot, int action) { nb::gil_scoped_release r; p.pool->play(slot, action); }, "slot"_a, "action"_a)
      .def("restrict",
           [](PyPool& p, int slot, const std::vector<std::tuple<int, int, int>>& bans) {
             std::vector<Ban> list;
             for (const auto& [side, action, until] : bans) list.push_back({side, action, until});
             p.pool->restrict(slot, list);
           },
           "slot"_a, "bans"_a)
      .def("set_threshold", [](PyPool& p, int slot, int visits) { nb::gil_scoped_release r; p.pool->set_threshold(slot, visits); }, "slot"_a,
           "visits"_a)
      .def("position", [](PyPool& p, int slot) { return p.pool->position(slot); }, "slot"_a)
      .def("root",
           [](PyPool& p, int slot, bool target) {
             int move = 0;
             std::uint64_t simulations = 0, nodes = 0, bytes = 0;
             const NodeReport r = p.pool->root(slot, target, move, simulations, nodes, bytes);
             nb::dict d = report_dict(r);
             d["move"] = move;
             d["simulations"] = simulations;
             d["nodes"] = nodes;
             d["memory_bytes"] = bytes;
             return d;
           },
           "slot"_a, "target"_a = true)
      .def("children",
           [](PyPool& p, int slot, const std::vector<int>& path) -> nb::object {
             const auto r = p.pool->children(slot, path);
             return r ? nb::object(report_dict(*r)) : nb::none();
           },
           "slot"_a, "path"_a)
      .def("stop", [](PyPool& p) { p.pool->stop(); })
      .def("finished",
           [](PyPool& p) {
             nb::list out;
             for (const GameRecord& g : p.pool->finished()) out.append(record_dict(g, p.config.size));
             return out;
           })
      .def("stats",
           [](PyPool& p) {
             nb::dict d;
             for (const auto& [name, value] : p.pool->stats()) d[name.c_str()] = value;
             return d;
           })
      .def("collect", &collect, "buffers"_a, "min_rows"_a = 1)
      .def("apply", &apply, "ticket"_a, "policy"_a = nb::none(), "value"_a = nb::none(), "score"_a = nb::none())
      .def("run", [](PyPool& p, double seconds, std::int64_t games) { nb::gil_scoped_release r; p.pool->run(seconds, games); }, "seconds"_a = 0.0,
           "games"_a = 0);

  m.def("gumbel_sequence",
        [](int considered, int simulations) {
          if (considered < 1 || simulations < 0 || simulations > 10000000) throw std::invalid_argument("considered must be at least 1, simulations 0..10000000");
          return gumbel_sequence(considered, simulations);
        },
        "considered"_a, "simulations"_a);
}

}  // namespace ag
