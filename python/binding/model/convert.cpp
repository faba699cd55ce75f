#include "binding/model/convert.h"

namespace spinney::binding {
namespace {

template <typename From, typename To>
void copy(PyArrayObject* array, size_t first, size_t count, To* out) {
  const npy_intp row_stride = PyArray_STRIDE(array, 0);
  const npy_intp column_stride = PyArray_STRIDE(array, 1);
  const npy_intp width = PyArray_DIM(array, 1);
  for (size_t r = 0; r < count; ++r) {
    const char* cell = PyArray_BYTES(array) + static_cast<npy_intp>(first + r) * row_stride;
    for (npy_intp c = 0; c < width; ++c, cell += column_stride)
      *out++ = static_cast<To>(*reinterpret_cast<const From*>(cell));
  }
}

template <typename To>
bool copy_to(PyArrayObject* array, size_t first, size_t count, To* out) {
  switch (PyArray_TYPE(array)) {
    case NPY_BOOL:
    case NPY_UBYTE:
      copy<npy_ubyte>(array, first, count, out);
      return true;
    case NPY_BYTE:
      copy<npy_byte>(array, first, count, out);
      return true;
    case NPY_SHORT:
      copy<npy_short>(array, first, count, out);
      return true;
    case NPY_USHORT:
      copy<npy_ushort>(array, first, count, out);
      return true;
    case NPY_INT:
      copy<npy_int>(array, first, count, out);
      return true;
    case NPY_UINT:
      copy<npy_uint>(array, first, count, out);
      return true;
    case NPY_LONG:
      copy<npy_long>(array, first, count, out);
      return true;
    case NPY_ULONG:
      copy<npy_ulong>(array, first, count, out);
      return true;
    case NPY_LONGLONG:
      copy<npy_longlong>(array, first, count, out);
      return true;
    case NPY_ULONGLONG:
      copy<npy_ulonglong>(array, first, count, out);
      return true;
    default:
      return false;
  }
}

}  // namespace

bool convert_integers(PyArrayObject* array, size_t first, size_t count, NumberType to, void* out) {
  if (!PyArray_ISBEHAVED_RO(array)) return false;
  return to == NumberType::kFloat32 ? copy_to(array, first, count, static_cast<float*>(out))
                                    : copy_to(array, first, count, static_cast<double*>(out));
}

}  // namespace spinney::binding
