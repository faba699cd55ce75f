#include "spinney/request/request.h"

namespace spinney {

const char* name_of(AnswerKind kind) {
  constexpr const char* kNames[] = {"values", "probabilities", "classes", "raw scores"};
  return kNames[static_cast<size_t>(kind)];
}

std::string_view output_of(AnswerKind kind) {
  constexpr std::string_view kNames[] = {"values", "proba", "classes", "raw"};
  return kNames[static_cast<size_t>(kind)];
}

std::optional<Tensor> Answer::tensor(std::string_view name) const {
  for (size_t i = 0; i < tensors(); ++i)
    if (Tensor one = tensor(i); one.name == name) return one;
  return std::nullopt;
}

const char* name_of(Refusal refusal) {
  constexpr const char* kNames[] = {
      "none",       "unknown_model", "width",     "no_rows",   "kind",       "output",
      "input",      "no_completion", "expired",   "too_late",  "queue_full", "concurrency",
      "overloaded", "no_memory",     "shut_down", "throttled", "misfit"};
  static_assert(std::size(kNames) == kRefusals);
  return kNames[static_cast<size_t>(refusal)];
}

Code Admission::code() const {
  switch (refusal) {
    case Refusal::kUnknownModel:
      return Code::kNotFound;
    case Refusal::kExpired:
    case Refusal::kTooLate:
      return Code::kExpired;
    case Refusal::kQueueFull:
    case Refusal::kConcurrency:
      return Code::kQueueFull;
    case Refusal::kOverloaded:
    case Refusal::kThrottled:
      return Code::kThrottled;
    case Refusal::kNoMemory:
      return Code::kTooLarge;
    case Refusal::kShutDown:
      return Code::kShutDown;
    case Refusal::kKind:
    case Refusal::kOutput:
      return Code::kUnsupported;
    case Refusal::kInput:
      return allowed == 0 ? Code::kInvalidArgument : Code::kUnsupported;
    default:
      return Code::kInvalidArgument;
  }
}

Error Admission::error() const {
  const auto message = [&]() -> std::string {
    switch (refusal) {
      case Refusal::kUnknownModel:
        return "no model of this name and version is loaded";
      case Refusal::kWidth:
        return "the rows have " + std::to_string(given) +
               " columns, but the model was trained on " + std::to_string(allowed) + " features";
      case Refusal::kNoRows:
        return given == 0 ? "the request has no rows"
                          : "the request has " + std::to_string(given) + " rows; at most " +
                                std::to_string(allowed) + " are allowed (max_request_rows)";
      case Refusal::kKind:
        return std::string("the model gives no ") + name_of(static_cast<AnswerKind>(given)) +
               " for rows of this type";
      case Refusal::kOutput:
        return "the model has no output \"" + std::string(*name) + "\" (it has " +
               std::to_string(allowed) + ", which Engine::outputs() names)";
      case Refusal::kInput:
        return allowed == 0 ? "the request carries both rows and a parcel; give one of them"
               : given == 0
                   ? "the model takes parcels of its own kind, but the request carries rows"
                   : "the model takes rows, or parcels of another kind, but not this parcel";
      case Refusal::kNoCompletion:
        return "the request names no completion, so nobody would be told";
      case Refusal::kExpired:
        return "the request's deadline had passed when it was submitted";
      case Refusal::kTooLate:
        return "the request's deadline would pass before its turn; it was not queued";
      case Refusal::kQueueFull:
        return "the model's queue is full: " + std::to_string(given) + " wait, and more than " +
               std::to_string(allowed) + " may not (max_queue_rows, max_queue_requests)";
      case Refusal::kConcurrency:
        return "too many requests are in flight (" + std::to_string(allowed) +
               ", max_concurrent_requests)";
      case Refusal::kThrottled:
        return "throttled: no more than " + std::to_string(allowed) +
               " requests may be in flight for now";
      case Refusal::kOverloaded:
        return "overloaded: requests of this priority have been waiting for too long";
      case Refusal::kNoMemory:
        return "no memory for a copy of the request's rows";
      case Refusal::kShutDown:
        return "the engine is stopping or stopped, or this model is being unloaded";
      case Refusal::kMisfit:
        return "the rows are not such as the model takes";
      case Refusal::kNone:
        break;
    }
    return "admitted";
  }();
  return {code(), message};
}

}  // namespace spinney
