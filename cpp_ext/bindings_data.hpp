/// What bindings.cpp needs of bindings_data.cpp, bindings_rollout.cpp and bindings_policy.cpp.
#pragma once

#include <nanobind/nanobind.h>

namespace ag {

/// Adds sets of recorded games to the module.
void bind_data(nanobind::module_& m);

/// Adds the learning of rollout weights.
void bind_rollout(nanobind::module_& m);

/// Adds games that policies play without search.
void bind_policy(nanobind::module_& m);

}  // namespace ag
