/// What bindings.cpp needs of bindings_data.cpp and bindings_rollout.cpp.
#pragma once

#include <nanobind/nanobind.h>

namespace ag {

/// Adds sets of recorded games to the module.
void bind_data(nanobind::module_& m);

/// Adds the learning of rollout weights.
void bind_rollout(nanobind::module_& m);

}  // namespace ag
