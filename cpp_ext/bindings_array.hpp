/// NumPy arrays from vectors.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <initializer_list>
#include <utility>
#include <vector>

namespace ag {

/// A new array of one dimension with a copy of the values.
template <class T>
nanobind::ndarray<nanobind::numpy, T> array_of(const std::vector<T>& values) {
  auto* data = new T[values.size() + 1];
  std::copy(values.begin(), values.end(), data);
  nanobind::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return nanobind::ndarray<nanobind::numpy, T>(data, {values.size()}, owner);
}

/// An array of that shape which takes the values over.
template <class T>
nanobind::ndarray<nanobind::numpy, T> array_of(std::vector<T>&& values, std::initializer_list<std::size_t> shape) {
  auto* kept = new std::vector<T>(std::move(values));
  if (kept->capacity() == 0) kept->reserve(1);  // NumPy wants an address
  nanobind::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nanobind::ndarray<nanobind::numpy, T>(kept->data(), shape, owner);
}

}  // namespace ag
