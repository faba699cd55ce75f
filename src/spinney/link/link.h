// The door of this room: raw scores become probabilities, values and class numbers (model/output.h
// says which). Every formula is its library's own, through the same libm.
#pragma once

#include <cstddef>
#include <cstdint>

#include "spinney/model/output.h"

namespace spinney::link {

// model/output.h has them; make_description() has checked what the functions below do not.
using spinney::probability_columns;
using spinney::value_columns;

// scores: rows x n_raw of score_type. values: rows x value_columns() of output.value_type.
void apply(const Output& output, NumberType score_type, const void* scores, size_t rows,
           size_t n_raw, void* values);

// values as apply() leaves them -> rows x probability_columns() of output.value_type.
void probabilities(const Output& output, const void* values, size_t rows, size_t n_raw,
                   void* probabilities);

// The class of each row and target, as an index into output.labels[target]: rows x labels.size().
void decide(const Output& output, NumberType score_type, const void* scores, const void* values,
            size_t rows, size_t n_raw, int32_t* classes);

}  // namespace spinney::link
