// Parcel: what a request carries where that is no rows of numbers: a frame, text, any object that
// only its back end looks into. Queue, batches and single flight see what is here and no more.
//
// A parcel must not change once it is submitted. It is kept until no batch reads it any more,
// whoever is answered, cancelled or replaced meanwhile, and destroyed without any lock held, on any
// thread; its destructor wipes what it holds. joins() and equals() are called under a lane's lock:
// they must be quick and must not wait.
#pragma once

#include <cstddef>
#include <cstdint>

namespace spinney {

class Parcel {
 public:
  virtual ~Parcel() = default;

  // Rows that it counts for in queues and batches: at least one, always the same. It is not cut.
  virtual size_t rows() const noexcept { return 1; }
  // Memory that it keeps.
  virtual size_t bytes() const noexcept = 0;

  // Whether hash() and equals() speak of all that an answer depends on. Only then may an equal
  // request share its answer. Use base/seeded_hash.h, so that nobody can aim at one hash.
  virtual bool comparable() const noexcept { return false; }
  virtual uint64_t hash() const noexcept { return 0; }
  virtual bool equals(const Parcel& /*other*/) const noexcept { return false; }

  // Parcels may share a batch where they join, which only those of one signature do. Joining is an
  // equivalence, but a parcel may join none, not even itself. Others are parcels of the same lane,
  // so of kinds that its back end takes.
  virtual uint64_t signature() const noexcept { return 0; }
  virtual bool joins(const Parcel& other) const noexcept {
    return signature() == other.signature();
  }
};

}  // namespace spinney
