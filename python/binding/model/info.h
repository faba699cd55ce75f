// What a Model says about itself.
#pragma once

#include <nanobind/nanobind.h>

#include "binding/model/model.h"

namespace spinney::binding {

// Names in files need not be valid UTF-8; the bytes that are not are shown as "\xc3", so that
// different names stay different.
nanobind::object text(const std::string& value);
nanobind::dict info(const BoundModel& bound);
nanobind::dict source(const BoundModel& bound);
nanobind::list feature_names(const BoundModel& bound);
// What each column is, a dict for each.
nanobind::list columns(const BoundModel& bound);
// Feature number -> list of the categories that its column had in training, in code order.
nanobind::dict categories(const BoundModel& bound);
// An array, or a list of arrays if there are several targets; AttributeError if no classifier.
nanobind::object classes(const BoundModel& bound);
std::string repr(const BoundModel& bound);

}  // namespace spinney::binding
