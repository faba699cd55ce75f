// Flights: finds the unanswered request that an equal one may follow. Whole rows, or parcels, are
// compared.
#pragma once

#include <cstdint>
#include <memory>

#include "spinney/request/node.h"

namespace spinney::queue {

// Of a node's packed rows, or its parcel, and what it asks for; differs from process to process, so
// that nobody can aim at one chain.
uint64_t hash_of(const request::Node& node) noexcept;

class Flights {
 public:
  Flights() : buckets_(std::make_unique<request::Node*[]>(kBuckets)) {}
  // A leader that carries and asks for the same and has members to answer; else null.
  request::Node* find(const request::Node* node) const noexcept;
  void add(request::Node* leader) noexcept;
  void remove(request::Node* leader) noexcept;  // does nothing unless it is listed

 private:
  static constexpr size_t kBuckets = 4096;
  request::Node*& bucket_of(const request::Node* node) const noexcept {
    return buckets_[node->hash % kBuckets];
  }
  std::unique_ptr<request::Node*[]> buckets_;
};

}  // namespace spinney::queue
