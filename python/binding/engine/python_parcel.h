// A Python object on its way through an engine's queue.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "spinney/request/parcel.h"

namespace spinney::binding {

// object: what the function that answers is given. rows: how many it counts for.
// kind: parcels of one kind may share a batch; below 0: it is answered alone.
// own: null, or a C-contiguous array of numbers or text that no other request and no caller has,
// and that with the kind is all that the answer depends on. It is compared with that of others, and
// overwritten with zeros when the parcel goes.
// Under the interpreter's lock; throws std::bad_alloc.
std::shared_ptr<const Parcel> make_python_parcel(PyObject* object, size_t rows, int64_t kind,
                                                 PyObject* own);

// The object of such a parcel, borrowed; null of any other.
PyObject* object_of(const Parcel& parcel);

}  // namespace spinney::binding
