/// What bindings.cpp needs of bindings_data.cpp.
#pragma once

#include <nanobind/nanobind.h>

namespace ag {

/// Adds sets of recorded games to the module.
void bind_data(nanobind::module_& m);

}  // namespace ag
