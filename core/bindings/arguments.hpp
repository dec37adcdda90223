// What the bindings share: arguments checked in the words that their plain-Python twins use
// (zipfit/system/arguments.py), so that both engines fail alike, and arrays for what goes back.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace zipfit {

inline nanobind::builtin_exception wrong_type(const char* name, const std::string& wanted, nanobind::handle value) {
  const auto found = nanobind::cast<std::string>(value.type().attr("__name__"));
  return nanobind::type_error((std::string(name) + " must be " + wanted + ", not " + found).c_str());
}

/// An integer in lowest..highest.
inline std::int64_t integer(nanobind::handle value, const char* name, std::int64_t lowest, std::int64_t highest) {
  const nanobind::object whole = nanobind::steal(PyNumber_Index(value.ptr()));
  if (!whole.is_valid()) throw nanobind::python_error();
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(whole.ptr(), &overflow);
  if (overflow != 0 || number < lowest || number > highest) {
    throw nanobind::value_error((std::string(name) + " must lie in " + std::to_string(lowest) + ".." +
                                 std::to_string(highest) + ", not " + nanobind::str(whole).c_str())
                                    .c_str());
  }
  return number;
}

/// A contiguous numpy array of this very type.
template <class T, int Dimensions>
auto array(nanobind::handle value, const char* name) {
  nanobind::ndarray<const T, nanobind::ndim<Dimensions>, nanobind::c_contig, nanobind::device::cpu> found;
  if (!nanobind::try_cast(value, found, false)) {
    const char* const kind = std::is_floating_point_v<T> ? "float" : std::is_unsigned_v<T> ? "uint" : "int";
    const std::string type = kind + std::to_string(8 * sizeof(T));
    throw wrong_type(name, "a contiguous array of " + type + " with " + std::to_string(Dimensions) + " dimensions",
                     value);
  }
  return found;
}

/// A numpy array that owns its memory.
template <class T, std::size_t Dimensions>
auto numpy(std::vector<T>&& values, const std::size_t (&shape)[Dimensions]) {
  auto kept = std::make_unique<std::vector<T>>(std::move(values));
  T* const data = kept->data();
  const nanobind::capsule owner(kept.release(), [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nanobind::ndarray<nanobind::numpy, T, nanobind::ndim<Dimensions>, nanobind::c_contig>(data, Dimensions, shape,
                                                                                               owner);
}

template <class T>
auto numpy(std::vector<T>&& values) {
  const std::size_t shape[] = {values.size()};
  return numpy(std::move(values), shape);
}

}  // namespace zipfit
