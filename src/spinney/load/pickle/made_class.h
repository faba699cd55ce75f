// Classes that a pickle describes itself, as cloudpickle and dill do with those of a notebook.
#pragma once

#include "spinney/load/pickle/record.h"

namespace spinney::load {

// The class that an instance's own class derives from, where neither it nor one between defines
// what could change an answer; nullptr if something does, or the class is not described.
const Value::Global* base_that_predicts(const Record& instance);

}  // namespace spinney::load
