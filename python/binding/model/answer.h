// What the core computed, as the arrays that a model's own predict gives.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>

#include "binding/model/model.h"
#include "spinney/request/request.h"

namespace spinney::binding {

void* data_of(PyObject* array);
// An array of rows answers, not filled. All of these give nullptr with a Python error set.
PyObject* new_numbers(const AnswerShape& shape, size_t rows);

// Labels of rows x target_columns() class numbers.
PyObject* make_labels(const BoundModel& bound, const int32_t* classes, size_t rows);

// Probabilities as the estimator gives them: one array per target, as scikit-learn's multi-output
// classifiers have, or `all` itself. XGBoost's multi-label classifiers have one column per target,
// which stay together.
PyObject* split_targets(const BoundModel& bound, PyObject* all);

// What an engine's back end answered rows of that type: rows of its AnswerShape, contiguous.
PyObject* make_answer(const BoundModel& bound, AnswerKind kind, const void* data, size_t rows,
                      NumberType row_type);

}  // namespace spinney::binding
