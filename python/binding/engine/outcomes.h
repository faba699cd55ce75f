// What predict gives of an answer: (True, result, metadata). Written here because it is most of
// what an engine adds to a prediction of one row.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>

namespace spinney::binding {

struct Outcomes;

// What is said of a prediction that succeeded.
struct Told {
  double took_s = 0;   // the model alone
  double total_s = 0;  // everything
  double scaling_s = 0, quantizing_s = 0;
  int64_t ended_ns = 0;
  bool cached = false;
};

// Keeps the times of one that a model computed. `outcomes`: an object of Python's class Outcomes,
// made ready. False with a Python error set.
bool record(PyObject* outcomes, const Told& told, Py_ssize_t rows);
// (True, result, metadata); more: a dict of what the metadata says besides, or None.
PyObject* make_success(PyObject* result, const Told& told, Py_ssize_t rows, PyObject* more);
// Rows of a result; -1 with a Python error set.
Py_ssize_t rows_of(PyObject* result);

void define_outcomes(nanobind::module_& module);

}  // namespace spinney::binding
