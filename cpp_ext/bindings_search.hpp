/// What bindings.cpp needs of bindings_search.cpp.
#pragma once

#include <nanobind/nanobind.h>

namespace ag {

/// Adds the search to the module: parameters, engines, tickets, the pool.
void bind_search(nanobind::module_& m);

}  // namespace ag
