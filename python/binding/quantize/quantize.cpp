#include "binding/quantize/quantize.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "binding/interpreter/errors.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/interpreter/numpy_api.h"
#include "binding/model/model.h"
#include "binding/model/result_memory.h"
#include "spinney/quantize/channels.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spinney::binding {
namespace {

using quantize::Affine;
using quantize::ChannelAffine;
using quantize::ChannelShape;
using quantize::Outside;
using quantize::Storage;

// From here on other Python threads may run meanwhile.
constexpr size_t kReleaseElements = 32768;

[[noreturn]] void refuse(const std::string& message) {
  raise(invalid_argument(message));
  throw nb::python_error();
}

// Runs f, without the interpreter's lock where n is large.
template <typename Function>
void run(size_t n, Function&& f) {
  if (n < kReleaseElements) return f();
  const Unlocked released;
  f();
}

PyArrayObject* carray(nb::handle object, int type, const char* what) {
  if (PyArray_Check(object.ptr())) {
    auto* array = reinterpret_cast<PyArrayObject*>(object.ptr());
    if (PyArray_TYPE(array) == type && PyArray_ISCARRAY_RO(array)) return array;
  }
  refuse(std::string(what) + " must be a C-contiguous, aligned array of the expected dtype");
}

size_t size(PyArrayObject* array) { return static_cast<size_t>(PyArray_SIZE(array)); }
const float* floats(PyArrayObject* array) { return static_cast<const float*>(PyArray_DATA(array)); }

PyArrayObject* codes_array(nb::handle object, Storage& storage) {
  if (PyArray_Check(object.ptr())) {
    auto* array = reinterpret_cast<PyArrayObject*>(object.ptr());
    bool known = PyArray_ISCARRAY_RO(array);
    switch (PyArray_TYPE(array)) {
      case NPY_INT8:
        storage = Storage::kInt8;
        break;
      case NPY_UINT8:
        storage = Storage::kUint8;
        break;
      case NPY_INT16:
        storage = Storage::kInt16;
        break;
      case NPY_UINT16:
        storage = Storage::kUint16;
        break;
      default:
        known = false;
    }
    if (known) return array;
  }
  refuse("codes must be a C-contiguous, aligned array of int8, uint8, int16 or uint16");
}

Storage storage_of(int number) {
  if (number < 0 || number > 3) refuse("storage is " + std::to_string(number) + "; give 0 to 3");
  return static_cast<Storage>(number);
}

// An array like another, of another type, to be written in full.
PyArrayObject* like(PyArrayObject* other, int type) {
  return reinterpret_cast<PyArrayObject*>(
      new_result(PyArray_NDIM(other), PyArray_DIMS(other), type));
}
PyArrayObject* codes_like(PyArrayObject* x, Storage storage) {
  static constexpr int kTypes[] = {NPY_INT8, NPY_UINT8, NPY_INT16, NPY_UINT16};
  return like(x, kTypes[static_cast<size_t>(storage)]);
}
void* data_of(const nb::object& array) {
  return PyArray_DATA(reinterpret_cast<PyArrayObject*>(array.ptr()));
}
nb::object own(PyArrayObject* array) { return nb::steal(reinterpret_cast<PyObject*>(array)); }

Affine checked(float scale, int zero, int low, int high, Storage storage) {
  const int bits = static_cast<int>(size_of(storage)) * 8;
  const quantize::CodeRange whole = quantize::code_range(storage, bits);
  if (!(scale > 0) || scale > 3.4028235e38f)
    refuse("scale is " + std::to_string(scale) + "; it must be positive and finite");
  if (low < whole.low || high > whole.high || low > zero || zero > high)
    refuse("zero_point is " + std::to_string(zero) + "; it must lie within the codes " +
           std::to_string(low) + " to " + std::to_string(high) + ", and these in the storage");
  return {scale, zero, low, high};
}

nb::tuple quantize_tensor(nb::handle x, int storage_number, int low, int high, float scale,
                          int zero) {
  PyArrayObject* in = carray(x, NPY_FLOAT, "x");
  const Storage storage = storage_of(storage_number);
  const Affine affine = checked(scale, zero, low, high, storage);
  const nb::object out = own(codes_like(in, storage));
  Outside outside;
  run(size(in), [&] {
    outside = quantize::kernels().quantize(floats(in), size(in), affine, storage, data_of(out));
  });
  return nb::make_tuple(out, outside.clipped, outside.nans, outside.infinities);
}

nb::tuple quantize_dynamic(nb::handle x, int storage_number, int low, int high, bool symmetric) {
  PyArrayObject* in = carray(x, NPY_FLOAT, "x");
  const Storage storage = storage_of(storage_number);
  checked(1, low, low, high, storage);
  const nb::object out = own(codes_like(in, storage));
  Affine affine;
  Outside outside;
  run(size(in), [&] {
    const quantize::Range range = quantize::kernels().range(floats(in), size(in));
    affine = quantize::affine_for(range.min, range.max, {low, high}, symmetric);
    outside = quantize::kernels().quantize(floats(in), size(in), affine, storage, data_of(out));
  });
  return nb::make_tuple(out, affine.scale, affine.zero, outside.nans, outside.infinities);
}

ChannelShape shape_of(PyArrayObject* array, int axis) {
  if (axis < 0 || axis >= PyArray_NDIM(array))
    refuse("channel_dim is " + std::to_string(axis) + " and the array has " +
           std::to_string(PyArray_NDIM(array)) + " dimensions");
  ChannelShape shape;
  for (int d = 0; d < PyArray_NDIM(array); ++d) {
    const auto n = static_cast<size_t>(PyArray_DIM(array, d));
    (d < axis ? shape.outer : d == axis ? shape.channels : shape.inner) *= n;
  }
  return shape;
}

ChannelAffine channel_affine(PyArrayObject* scales, PyArrayObject* zeros, size_t channels, int low,
                             int high, Storage storage) {
  if (size(scales) != channels || size(zeros) != channels)
    refuse("there are " + std::to_string(size(scales)) + " scales and " +
           std::to_string(size(zeros)) + " zero points for " + std::to_string(channels) +
           " channels");
  const ChannelAffine affine{floats(scales), static_cast<const int32_t*>(PyArray_DATA(zeros)), low,
                             high};
  for (size_t c = 0; c < channels; ++c)
    checked(affine.scales[c], affine.zeros[c], low, high, storage);
  return affine;
}

nb::tuple quantize_channels(nb::handle x, int storage_number, int low, int high, nb::handle scales,
                            nb::handle zeros, int axis) {
  PyArrayObject* in = carray(x, NPY_FLOAT, "x");
  const Storage storage = storage_of(storage_number);
  const ChannelShape shape = shape_of(in, axis);
  const ChannelAffine affine =
      channel_affine(carray(scales, NPY_FLOAT, "scales"), carray(zeros, NPY_INT32, "zeros"),
                     shape.channels, low, high, storage);
  const nb::object out = own(codes_like(in, storage));
  Outside outside;
  run(size(in), [&] {
    outside = quantize::quantize_channels(quantize::kernels(), floats(in), shape, affine, storage,
                                          data_of(out));
  });
  return nb::make_tuple(out, outside.clipped, outside.nans, outside.infinities);
}

// `out` as an array of float32 like the codes, or a new one for None.
nb::object floats_like(PyArrayObject* codes, nb::handle out) {
  if (out.is_none()) return own(like(codes, NPY_FLOAT));
  PyArrayObject* array = carray(out, NPY_FLOAT, "out");
  if (!PyArray_ISWRITEABLE(array) || !PyArray_SAMESHAPE(array, codes))
    refuse("out must be writable and have the shape of the codes");
  const char *from = PyArray_BYTES(codes), *to = PyArray_BYTES(array);
  if (from < to + PyArray_NBYTES(array) && to < from + PyArray_NBYTES(codes))
    refuse("out must not overlap the codes");
  return nb::borrow(out);
}

nb::object dequantize_tensor(nb::handle codes, float scale, int zero, nb::handle given) {
  Storage storage{};
  PyArrayObject* in = codes_array(codes, storage);
  const quantize::CodeRange whole =
      quantize::code_range(storage, static_cast<int>(size_of(storage)) * 8);
  const Affine affine = checked(scale, zero, whole.low, whole.high, storage);
  const nb::object out = floats_like(in, given);
  auto* to = static_cast<float*>(data_of(out));
  run(size(in),
      [&] { quantize::kernels().dequantize(PyArray_DATA(in), size(in), affine, storage, to); });
  return out;
}

nb::object dequantize_channels(nb::handle codes, nb::handle scales, nb::handle zeros, int axis,
                               nb::handle given) {
  Storage storage{};
  PyArrayObject* in = codes_array(codes, storage);
  const ChannelShape shape = shape_of(in, axis);
  const quantize::CodeRange whole =
      quantize::code_range(storage, static_cast<int>(size_of(storage)) * 8);
  const ChannelAffine affine =
      channel_affine(carray(scales, NPY_FLOAT, "scales"), carray(zeros, NPY_INT32, "zeros"),
                     shape.channels, whole.low, whole.high, storage);
  const nb::object out = floats_like(in, given);
  auto* to = static_cast<float*>(data_of(out));
  run(size(in), [&] {
    quantize::dequantize_channels(quantize::kernels(), PyArray_DATA(in), shape, affine, storage,
                                  to);
  });
  return out;
}

nb::tuple array_range(nb::handle x) {
  PyArrayObject* in = carray(x, NPY_FLOAT, "x");
  quantize::Range range;
  run(size(in), [&] { range = quantize::kernels().range(floats(in), size(in)); });
  return nb::make_tuple(range.min, range.max, range.nans, range.infinities);
}

nb::list channel_ranges(nb::handle x, int axis) {
  PyArrayObject* in = carray(x, NPY_FLOAT, "x");
  const ChannelShape shape = shape_of(in, axis);
  std::vector<quantize::Range> ranges;
  run(size(in), [&] { ranges = channel_ranges(quantize::kernels(), floats(in), shape); });
  nb::list list;
  for (const quantize::Range& range : ranges)
    list.append(nb::make_tuple(range.min, range.max, range.nans, range.infinities));
  return list;
}

// Parameters for the ranges of an array's channels, as arrays that Python keeps.
struct Fitted {
  nb::object scales, zeros;
  size_t nans = 0, infinities = 0;
};

Fitted fit_channels(PyArrayObject* in, const ChannelShape& shape, quantize::CodeRange codes,
                    bool symmetric) {
  std::vector<quantize::Range> ranges;
  run(size(in), [&] { ranges = channel_ranges(quantize::kernels(), floats(in), shape); });
  npy_intp channels = static_cast<npy_intp>(shape.channels);
  Fitted fitted{nb::steal(PyArray_SimpleNew(1, &channels, NPY_FLOAT)),
                nb::steal(PyArray_SimpleNew(1, &channels, NPY_INT32))};
  if (!fitted.scales.is_valid() || !fitted.zeros.is_valid()) throw nb::python_error();
  for (size_t c = 0; c < shape.channels; ++c) {
    const Affine affine = quantize::affine_for(ranges[c].min, ranges[c].max, codes, symmetric);
    static_cast<float*>(data_of(fitted.scales))[c] = affine.scale;
    static_cast<int32_t*>(data_of(fitted.zeros))[c] = affine.zero;
    fitted.nans += ranges[c].nans;
    fitted.infinities += ranges[c].infinities;
  }
  return fitted;
}

nb::tuple channel_parameters(nb::handle x, int axis, int low, int high, bool symmetric) {
  PyArrayObject* in = carray(x, NPY_FLOAT, "x");
  const Fitted fitted = fit_channels(in, shape_of(in, axis), {low, high}, symmetric);
  return nb::make_tuple(fitted.scales, fitted.zeros, fitted.nans, fitted.infinities);
}

nb::tuple quantize_channels_dynamic(nb::handle x, int axis, int storage_number, int low, int high,
                                    bool symmetric) {
  PyArrayObject* in = carray(x, NPY_FLOAT, "x");
  const Storage storage = storage_of(storage_number);
  checked(1, low, low, high, storage);
  const ChannelShape shape = shape_of(in, axis);
  const nb::object out = own(codes_like(in, storage));
  const Fitted fitted = fit_channels(in, shape, {low, high}, symmetric);
  const ChannelAffine affine{static_cast<const float*>(data_of(fitted.scales)),
                             static_cast<const int32_t*>(data_of(fitted.zeros)), low, high};
  run(size(in), [&] {
    quantize::quantize_channels(quantize::kernels(), floats(in), shape, affine, storage,
                                data_of(out));
  });
  return nb::make_tuple(out, fitted.scales, fitted.zeros, fitted.nans, fitted.infinities);
}

nb::tuple affine_parameters(float min, float max, int low, int high, bool symmetric) {
  if (!(low < high) || low < -32768 || high > 65535)
    refuse("codes " + std::to_string(low) + " to " + std::to_string(high) + " are no range");
  const Affine affine = quantize::affine_for(min, max, {low, high}, symmetric);
  return nb::make_tuple(affine.scale, affine.zero);
}

// The largest and the mean absolute difference of two arrays where both are finite.
nb::tuple array_difference(nb::handle a, nb::handle b) {
  PyArrayObject *x = carray(a, NPY_FLOAT, "a"), *y = carray(b, NPY_FLOAT, "b");
  if (size(x) != size(y)) refuse("the arrays differ in size");
  double largest = 0, sum = 0;
  size_t count = 0;
  run(size(x), [&] {
    for (size_t i = 0; i < size(x); ++i) {
      const double difference =
          std::fabs(static_cast<double>(floats(x)[i]) - static_cast<double>(floats(y)[i]));
      if (!std::isfinite(difference)) continue;
      largest = std::max(largest, difference);
      sum += difference;
      ++count;
    }
  });
  return nb::make_tuple(largest, count == 0 ? 0.0 : sum / static_cast<double>(count));
}

nb::tuple to_half(nb::handle x) {
  PyArrayObject* in = carray(x, NPY_FLOAT, "x");
  const nb::object out = own(like(in, NPY_HALF));
  auto* to = static_cast<uint16_t*>(data_of(out));
  Outside outside;
  run(size(in), [&] { outside = quantize::kernels().to_half(floats(in), size(in), to); });
  return nb::make_tuple(out, outside.clipped, outside.nans, outside.infinities);
}

nb::object from_half(nb::handle x, nb::handle given) {
  PyArrayObject* in = carray(x, NPY_HALF, "x");
  const nb::object out = floats_like(in, given);
  auto* to = static_cast<float*>(data_of(out));
  run(size(in), [&] {
    quantize::kernels().from_half(static_cast<const uint16_t*>(PyArray_DATA(in)), size(in), to);
  });
  return out;
}

}  // namespace

void define_quantize(nb::module_& m) {
  m.def("quantize_tensor", &quantize_tensor, "x"_a, "storage"_a, "low"_a, "high"_a, "scale"_a,
        "zero"_a,
        "(codes, clipped, nans, infinities) with one scale; storage is int8, uint8, "
        "int16 or uint16, as 0 to 3.");
  m.def("quantize_dynamic", &quantize_dynamic, "x"_a, "storage"_a, "low"_a, "high"_a, "symmetric"_a,
        "(codes, scale, zero, nans, infinities), the scale made for x's range.");
  m.def("quantize_channels", &quantize_channels, "x"_a, "storage"_a, "low"_a, "high"_a, "scales"_a,
        "zeros"_a, "axis"_a, "(codes, clipped, nans, infinities) with a scale per channel.");
  m.def("dequantize_tensor", &dequantize_tensor, "codes"_a, "scale"_a, "zero"_a,
        "out"_a.none() = nb::none(), "float32 values of codes.");
  m.def("dequantize_channels", &dequantize_channels, "codes"_a, "scales"_a, "zeros"_a, "axis"_a,
        "out"_a.none() = nb::none(), "float32 values of codes with a scale per channel.");
  m.def("array_range", &array_range, "x"_a, "(min, max, nans, infinities) of the finite values.");
  m.def("channel_ranges", &channel_ranges, "x"_a, "axis"_a, "array_range of each channel.");
  m.def("channel_parameters", &channel_parameters, "x"_a, "axis"_a, "low"_a, "high"_a,
        "symmetric"_a, "(scales, zero_points, nans, infinities) for the channels' ranges.");
  m.def("quantize_channels_dynamic", &quantize_channels_dynamic, "x"_a, "axis"_a, "storage"_a,
        "low"_a, "high"_a, "symmetric"_a,
        "(codes, scales, zero_points, nans, infinities), scales made for the channels' ranges.");
  m.def("affine_parameters", &affine_parameters, "min"_a, "max"_a, "low"_a, "high"_a, "symmetric"_a,
        "(scale, zero_point) for values from min to max.");
  m.def("array_difference", &array_difference, "a"_a, "b"_a,
        "(largest, mean) absolute difference of the values that are finite in both.");
  m.def("to_half", &to_half, "x"_a,
        "(x in float16, ties to even, infinity beyond 65,504; 0, how many NaN, how many "
        "infinities).");
  m.def("from_half", &from_half, "x"_a, "out"_a.none() = nb::none(),
        "float16 values in float32, exactly.");
}

}  // namespace spinney::binding
