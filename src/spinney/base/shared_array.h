// SharedArray<T>: an immutable run of T that owns its memory or shares it, say with a mapped file.
//
// Copies are cheap and refer to the same elements. T must be trivially copyable, so that an array
// can be written to an artifact and mapped back as it is.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace spinney {

template <typename T>
class SharedArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  SharedArray() = default;
  SharedArray(std::vector<T> values) {
    auto owned = std::make_shared<const std::vector<T>>(std::move(values));
    view_ = std::span<const T>(owned->data(), owned->size());
    owner_ = std::move(owned);
  }
  SharedArray(std::shared_ptr<const void> owner, std::span<const T> view)
      : owner_(std::move(owner)), view_(view) {}

  const T* data() const { return view_.data(); }
  size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  const T& operator[](size_t i) const { return view_[i]; }
  const T* begin() const { return view_.data(); }
  const T* end() const { return view_.data() + view_.size(); }
  const T& back() const { return view_[view_.size() - 1]; }
  std::span<const T> span() const { return view_; }
  size_t bytes() const { return view_.size_bytes(); }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const T> view_;
};

}  // namespace spinney
