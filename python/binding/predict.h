// The methods of Model that predict, as plain C methods: one row takes about a microsecond, in
// which a generic argument dispatcher would be a visible share.
#pragma once

#include <Python.h>

namespace spinney::binding {

// predict_raw, predict, predict_proba, predict_leaf and their aliases; ends with an empty entry.
extern PyMethodDef kPredictMethods[];

}  // namespace spinney::binding
