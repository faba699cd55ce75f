#include "binding/engine/kept_value.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "binding/interpreter/numpy_api.h"
#include "binding/model/model.h"

namespace spinney::binding {
namespace {

constexpr int kDimensionsMax = 8;

struct Head {
  int32_t type = 0, dimensions = 0;
  int64_t item_bytes = 0;
  std::array<npy_intp, kDimensionsMax> sizes{};
};

bool is_plain(PyArrayObject* array) {
  const int type = PyArray_TYPE(array);
  const bool known = PyTypeNum_ISNUMBER(type) || PyTypeNum_ISBOOL(type) || type == NPY_STRING ||
                     type == NPY_UNICODE;
  return known && PyArray_ISNOTSWAPPED(array) && PyArray_NDIM(array) <= kDimensionsMax;
}

}  // namespace

std::vector<char> kept_bytes(PyObject* answer) {
  std::vector<char> bytes;
  if (!PyArray_CheckExact(answer)) return bytes;
  auto* array = reinterpret_cast<PyArrayObject*>(answer);
  if (!is_plain(array)) return bytes;
  const Owned held(reinterpret_cast<PyObject*>(PyArray_GETCONTIGUOUS(array)));
  if (!held) {
    PyErr_Clear();
    return bytes;
  }
  auto* packed = reinterpret_cast<PyArrayObject*>(held.get());
  Head head;
  head.type = PyArray_TYPE(packed);
  head.dimensions = PyArray_NDIM(packed);
  head.item_bytes = PyArray_ITEMSIZE(packed);
  std::copy_n(PyArray_DIMS(packed), head.dimensions, head.sizes.begin());
  const auto size = static_cast<size_t>(PyArray_NBYTES(packed));
  bytes.resize(sizeof head + size);
  std::memcpy(bytes.data(), &head, sizeof head);
  if (size) std::memcpy(bytes.data() + sizeof head, PyArray_DATA(packed), size);
  return bytes;
}

PyObject* make_kept(const void* bytes, size_t size) {
  Head head;
  std::memcpy(&head, bytes, sizeof head);
  PyObject* array = PyArray_New(&PyArray_Type, head.dimensions, head.sizes.data(), head.type,
                                nullptr, nullptr, static_cast<int>(head.item_bytes), 0, nullptr);
  if (array && size > sizeof head)
    std::memcpy(PyArray_DATA(reinterpret_cast<PyArrayObject*>(array)),
                static_cast<const char*>(bytes) + sizeof head, size - sizeof head);
  return array;
}

}  // namespace spinney::binding
