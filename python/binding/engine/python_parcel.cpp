#include "binding/engine/python_parcel.h"

#include <cstring>

#include "binding/interpreter/numpy_api.h"
#include "binding/interpreter/references.h"
#include "spinney/base/seeded_hash.h"
#include "spinney/base/wipe.h"

namespace spinney::binding {
namespace {

class PythonParcel final : public Parcel {
 public:
  PythonParcel(PyObject* object, size_t rows, int64_t kind, PyObject* own)
      : held_(new Reference), rows_(rows), kind_(kind) {
    Py_INCREF(object);
    held_->object = object;
    if (!own) return;
    Py_INCREF(own);
    held_->second = own;
    auto* array = reinterpret_cast<PyArrayObject*>(own);
    own_data_ = PyArray_DATA(array);
    own_bytes_ = static_cast<size_t>(PyArray_NBYTES(array));
  }
  ~PythonParcel() override { wipe(own_data_, own_bytes_); }

  PyObject* object() const { return held_->object; }
  size_t rows() const noexcept override { return rows_; }
  size_t bytes() const noexcept override { return sizeof *this + own_bytes_; }
  bool comparable() const noexcept override { return held_->second && kind_ >= 0; }
  uint64_t hash() const noexcept override {
    return seeded_hash(own_data_, own_bytes_) + static_cast<uint64_t>(kind_);
  }
  bool equals(const Parcel& other) const noexcept override {
    const auto& o = static_cast<const PythonParcel&>(other);
    return joins(o) && comparable() && o.comparable() && rows_ == o.rows_ &&
           own_bytes_ == o.own_bytes_ && std::memcmp(own_data_, o.own_data_, own_bytes_) == 0;
  }
  uint64_t signature() const noexcept override { return static_cast<uint64_t>(kind_); }
  bool joins(const Parcel& other) const noexcept override {
    return kind_ >= 0 && kind_ == static_cast<const PythonParcel&>(other).kind_;
  }

 private:
  AnyThread held_;
  size_t rows_;
  int64_t kind_;
  void* own_data_ = nullptr;
  size_t own_bytes_ = 0;
};

}  // namespace

std::shared_ptr<const Parcel> make_python_parcel(PyObject* object, size_t rows, int64_t kind,
                                                 PyObject* own) {
  return std::make_shared<PythonParcel>(object, rows, kind, own);
}

PyObject* object_of(const Parcel& parcel) {
  const auto* ours = dynamic_cast<const PythonParcel*>(&parcel);
  return ours ? ours->object() : nullptr;
}

}  // namespace spinney::binding
