// Result<T>: a value, or an Error that says what is at fault and what to do about it.
//
// Expected failures (a bad file, a wrong shape, an unsupported model) travel as Result, never as
// exceptions. The binding maps each Code to one Python exception, in one place.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace spinney {

enum class Code {
  kInvalidArgument,  // the caller's input does not fit: shape, dtype, option
  kNotFound,         // no such file
  kCorrupt,          // the file contradicts itself or its format
  kUnsupported,      // well formed, but there is no native path for it
  kTooLarge,         // a declared or real size is beyond a stated limit
  kIo,               // the operating system refused
  // What the engine answers to requests (engine/engine.h).
  kQueueFull,  // refused at once: the queue or the limit of concurrent requests is full
  kThrottled,  // refused or shed: requests wait for too long; a later try may succeed
  kExpired,    // the request's deadline passed, or cannot be met
  kCancelled,  // the caller cancelled it
  kShutDown,   // the engine stops, or the process forked
  kInternal,   // the model itself failed
};

struct Error {
  Code code;
  std::string message;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    assert(ok());
    return std::get<0>(state_);
  }
  const T& value() const& {
    assert(ok());
    return std::get<0>(state_);
  }
  T&& value() && {
    assert(ok());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const {
    assert(!ok());
    return std::get<1>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

// The Result of something that yields nothing but may fail.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    assert(!ok());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

inline Error invalid_argument(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}
inline Error corrupt(std::string message) { return {Code::kCorrupt, std::move(message)}; }
inline Error unsupported(std::string message) { return {Code::kUnsupported, std::move(message)}; }
inline Error too_large(std::string message) { return {Code::kTooLarge, std::move(message)}; }

}  // namespace spinney

// Evaluates a Status or Result and returns its error from the enclosing function, if there is one.
#define SPINNEY_TRY(expression)                          \
  do {                                                   \
    auto spinney_try_ = (expression);                    \
    if (!spinney_try_.ok()) return spinney_try_.error(); \
  } while (false)

#define SPINNEY_CONCAT_(a, b) a##b
#define SPINNEY_CONCAT(a, b) SPINNEY_CONCAT_(a, b)

// SPINNEY_ASSIGN(auto x, f()): x becomes f()'s value, or the enclosing function returns its error.
#define SPINNEY_ASSIGN(target, expression) \
  SPINNEY_ASSIGN_(SPINNEY_CONCAT(spinney_result_, __LINE__), target, expression)
#define SPINNEY_ASSIGN_(result, target, expression) \
  auto result = (expression);                       \
  if (!result.ok()) return result.error();          \
  target = std::move(result).value()
