#include "binding/prepare/prepare.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <optional>
#include <span>

#include "binding/interpreter/errors.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/interpreter/numpy_api.h"
#include "spinney/plan/workers.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spinney::binding {
namespace {

using prepare::Output;
using prepare::Program;
using prepare::Statistics;

// Values that are transformed without giving other Python threads the lock: some microseconds.
constexpr size_t kHeldValues = 8192;
// Values of a part that a thread takes at a time.
constexpr size_t kPartValues = size_t{1} << 17;

[[noreturn]] void fail(const Error& error) {
  raise(error);
  throw nb::python_error();
}

template <typename T>
T checked(Result<T> result) {
  if (!result.ok()) fail(result.error());
  return std::move(result).value();
}

void checked(const Status& status) {
  if (!status.ok()) fail(status.error());
}

// Runs outside the interpreter's lock; out of memory is an error like others.
template <typename Function>
auto unlocked(Function&& function) {
  std::optional<decltype(function())> result;
  {
    const Unlocked released;
    try {
      result.emplace(function());
    } catch (const std::bad_alloc&) {
      result.emplace(too_large("there is not enough memory for the preprocessor's statistics"));
    }
  }
  return std::move(*result);
}

PyArrayObject* matrix(nb::handle x) {
  auto* array = reinterpret_cast<PyArrayObject*>(x.ptr());
  const bool fits = PyArray_Check(x.ptr()) && PyArray_NDIM(array) == 2 &&
                    (PyArray_TYPE(array) == NPY_FLOAT || PyArray_TYPE(array) == NPY_DOUBLE) &&
                    PyArray_ISNOTSWAPPED(array);
  if (!fits) fail(invalid_argument("expected a 2-D array of float32 or float64"));
  return array;
}

NumberType type_of(PyArrayObject* array) {
  return PyArray_TYPE(array) == NPY_FLOAT ? NumberType::kFloat32 : NumberType::kFloat64;
}

Rows rows_of(PyArrayObject* array) {
  return {PyArray_DATA(array),
          type_of(array),
          static_cast<size_t>(PyArray_DIM(array, 0)),
          static_cast<size_t>(PyArray_DIM(array, 1)),
          PyArray_STRIDE(array, 0),
          PyArray_STRIDE(array, 1)};
}

Output output_of(nb::handle out, const Rows& rows) {
  PyArrayObject* array = matrix(out);
  if (!PyArray_ISWRITEABLE(array)) fail(invalid_argument("the array to write to is read-only"));
  if (rows_of(array).count != rows.count || rows_of(array).width != rows.width)
    fail(invalid_argument("the array to write to does not have the shape of the rows"));
  return {PyArray_DATA(array), type_of(array), PyArray_STRIDE(array, 0), PyArray_STRIDE(array, 1)};
}

// PartFunction refers to the function only while run_parts() runs.
prepare::Parallel parallel_on(unsigned threads) {
  return [threads](size_t parts, const std::function<void(size_t)>& run) {
    plan::run_parts(parts, threads, plan::PartFunction(run));
  };
}

// Calls step(part of rows, first row) -> Status over all rows, on several threads if asked.
template <typename Step>
Status in_parts(const Rows& rows, unsigned threads, size_t chunk, Step&& step) {
  if (threads <= 1 && (chunk == 0 || chunk >= rows.count)) return step(rows, size_t{0});
  const size_t size = chunk > 0 ? chunk : std::max<size_t>(64, kPartValues / rows.width);
  const size_t parts = rows.count / size + (rows.count % size != 0);
  const auto run = [&](size_t part) {
    const size_t first = part * size;
    static_cast<void>(step(rows.slice(first, std::min(size, rows.count - first)), first));
  };
  plan::run_parts(parts, threads, plan::PartFunction(run));
  return {};
}

Status check_width(const Program& program, const Rows& rows) {
  if (rows.width == program.width()) return {};
  return program.transform(rows, {});  // says what is wrong
}

void apply(const BoundProgram& bound, nb::handle x, nb::handle out, unsigned threads, size_t chunk,
           bool forward) {
  const Program& program = *bound.program;
  const Rows rows = rows_of(matrix(x));
  const Output to = output_of(out, rows);
  checked(check_width(program, rows));
  const auto step = [&](const Rows& part, size_t first) {
    return forward ? program.transform(part, to.from_row(first))
                   : program.reverse(part, to.from_row(first));
  };
  if (rows.count * rows.width <= kHeldValues) return checked(step(rows, 0));
  checked(unlocked([&] { return in_parts(rows, threads, chunk, step); }));
}

void transform(const BoundProgram& bound, nb::handle x, nb::handle out, unsigned threads,
               size_t chunk) {
  apply(bound, x, out, threads, chunk, true);
}

void reverse(const BoundProgram& bound, nb::handle x, nb::handle out, unsigned threads,
             size_t chunk) {
  apply(bound, x, out, threads, chunk, false);
}

nb::object mark_outliers(const BoundProgram& bound, nb::handle x) {
  const Rows rows = rows_of(matrix(x));
  npy_intp size = static_cast<npy_intp>(rows.count);
  const nb::object marks = nb::steal(PyArray_SimpleNew(1, &size, NPY_BOOL));
  if (!marks.is_valid()) throw nb::python_error();
  auto* data = static_cast<uint8_t*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(marks.ptr())));
  checked(unlocked([&] { return bound.program->mark_outliers(rows, data); }));
  return marks;
}

// Another program whose centres and scales are these.
BoundProgram with_scales(const BoundProgram& bound, std::vector<double> center,
                         std::vector<double> scale) {
  prepare::Recipe recipe = bound.program->recipe();
  if (recipe.is_affine()) recipe.normalization = prepare::Normalization::kStandard;
  recipe.center = std::move(center);
  recipe.scale = std::move(scale);
  const Status status = recipe.check();
  if (!status.ok()) fail(invalid_argument(status.error().message));
  return {checked(Program::make(std::move(recipe)))};
}

// The whole of a transform for small packed arrays that need nothing else; None for all others.
PyObject* transform_small(PyObject* self, PyObject* x) {
  if (!PyArray_CheckExact(x)) Py_RETURN_NONE;
  auto* array = reinterpret_cast<PyArrayObject*>(x);
  const int type = PyArray_TYPE(array);
  if (PyArray_NDIM(array) != 2 || (type != NPY_FLOAT && type != NPY_DOUBLE) ||
      !PyArray_ISCARRAY_RO(array))
    Py_RETURN_NONE;
  BoundProgram& bound = *nb::inst_ptr<BoundProgram>(self);
  const Program& program = *bound.program;
  const auto count = static_cast<size_t>(PyArray_DIM(array, 0));
  if (static_cast<size_t>(PyArray_DIM(array, 1)) != program.width() ||
      count * program.width() > kHeldValues)
    Py_RETURN_NONE;
  PyObject* result = PyArray_SimpleNew(2, PyArray_DIMS(array), type);
  if (!result) return nullptr;
  void* out = PyArray_DATA(reinterpret_cast<PyArrayObject*>(result));
  const auto began = std::chrono::steady_clock::now();
  if (type == NPY_FLOAT)
    program.run_packed(static_cast<const float*>(PyArray_DATA(array)), count,
                       static_cast<float*>(out));
  else
    program.run_packed(static_cast<const double*>(PyArray_DATA(array)), count,
                       static_cast<double*>(out));
  bound.small.add(count, std::chrono::steady_clock::now() - began);
  return result;
}

PyMethodDef kProgramMethods[] = {
    {"transform_small", &transform_small, METH_O,
     "transform_small(x): x transformed, or None where transform() is needed: other layouts, more "
     "than some thousand values."},
    {nullptr, nullptr, 0, nullptr}};

nb::bytes bytes_of(const std::vector<char>& bytes) { return nb::bytes(bytes.data(), bytes.size()); }

std::span<const char> span_of(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

BoundProgram program_from_bytes(nb::bytes data) {
  return {checked(Program::make(checked(prepare::read_recipe(span_of(data)))))};
}

std::pair<BoundProgram, BoundStatistics> fit(const nb::dict& options, nb::handle x,
                                             unsigned threads) {
  const prepare::Options read = prepare_options(options);
  const Rows rows = rows_of(matrix(x));
  prepare::Fitted fitted =
      checked(unlocked([&] { return prepare::fit(read, rows, parallel_on(threads)); }));
  Statistics statistics = Statistics::of(read, fitted);
  return {BoundProgram{checked(Program::make(std::move(fitted.recipe)))},
          BoundStatistics{std::move(statistics)}};
}

void update(BoundStatistics& bound, nb::handle x, unsigned threads) {
  const Rows rows = rows_of(matrix(x));
  checked(unlocked([&] { return bound.statistics.update(rows, parallel_on(threads)); }));
}

BoundProgram program_of(const BoundStatistics& bound) {
  return {checked(Program::make(checked(unlocked([&] { return bound.statistics.recipe(); }))))};
}

nb::bytes pack(const std::vector<std::pair<uint32_t, nb::bytes>>& parts) {
  std::vector<prepare::Part> read;
  for (const auto& [kind, data] : parts) {
    const auto span = span_of(data);
    read.push_back({kind, {span.begin(), span.end()}});
  }
  return bytes_of(prepare::write_file(read));
}

std::vector<std::pair<uint32_t, nb::bytes>> unpack(nb::bytes data) {
  std::vector<std::pair<uint32_t, nb::bytes>> parts;
  for (const auto& part : checked(prepare::read_file(span_of(data))))
    parts.emplace_back(part.kind, bytes_of(part.bytes));
  return parts;
}

}  // namespace

void define_prepare(nb::module_& m) {
  PyType_Slot slots[] = {{Py_tp_methods, kProgramMethods}, {0, nullptr}};
  nb::class_<BoundProgram>(m, "PrepareProgram", nb::type_slots(slots),
                           "Fitted steps of a DataPreprocessor, ready to run on rows.")
      .def_static("from_bytes", &program_from_bytes, "data"_a)
      .def("to_bytes",
           [](const BoundProgram& b) {
             return bytes_of(prepare::write_recipe(b.program->recipe()));
           })
      .def_prop_ro("width", [](const BoundProgram& b) { return b.program->width(); })
      .def_prop_ro("is_affine",
                   [](const BoundProgram& b) { return b.program->recipe().is_affine(); })
      .def("transform", &transform, "x"_a, "out"_a, "threads"_a, "chunk"_a)
      .def("reverse", &reverse, "x"_a, "out"_a, "threads"_a, "chunk"_a)
      .def("mark_outliers", &mark_outliers, "x"_a)
      .def("take_small_counts",
           [](BoundProgram& b) {
             const SmallCounts::Taken taken = b.small.take();
             return nb::make_tuple(taken.calls, taken.rows, taken.ns, taken.latest_ns);
           })
      .def("with_scales", &with_scales, "center"_a, "scale"_a)
      .def("recipe", [](const BoundProgram& b) { return recipe_dict(b.program->recipe()); });
  nb::class_<BoundStatistics>(m, "PrepareStatistics",
                              "What a DataPreprocessor has seen of every column.")
      .def_static(
          "make",
          [](const nb::dict& options, size_t width) {
            return BoundStatistics{checked(Statistics::make(prepare_options(options), width))};
          },
          "options"_a, "width"_a)
      .def_static(
          "from_bytes",
          [](nb::bytes data) {
            return BoundStatistics{checked(Statistics::from_bytes(span_of(data)))};
          },
          "data"_a)
      .def("to_bytes", [](const BoundStatistics& b) { return bytes_of(b.statistics.to_bytes()); })
      .def_prop_ro("rows", [](const BoundStatistics& b) { return b.statistics.rows(); })
      .def_prop_ro("width", [](const BoundStatistics& b) { return b.statistics.width(); })
      .def("update", &update, "x"_a, "threads"_a)
      .def(
          "merge",
          [](BoundStatistics& b, const BoundStatistics& other) {
            checked(b.statistics.merge(other.statistics));
          },
          "other"_a)
      .def("program", &program_of)
      .def("describe", [](const BoundStatistics& b) { return statistics_dict(b.statistics); });
  m.def("prepare_fit", &fit, "options"_a, "x"_a, "threads"_a);
  m.def("prepare_pack", &pack, "parts"_a);
  m.def("prepare_unpack", &unpack, "data"_a);
}

}  // namespace spinney::binding
