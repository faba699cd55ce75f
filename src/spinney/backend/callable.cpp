#include <algorithm>

#include "spinney/backend/backend.h"

namespace spinney::backend {
namespace {

class CallableBackend final : public Backend {
 public:
  CallableBackend(Callable callable, CallableOptions options)
      : callable_(std::move(callable)),
        options_(std::move(options)),
        outputs_(options_.outputs.empty() ? Backend::outputs() : options_.outputs) {}

  size_t width() const override { return options_.width; }
  size_t concurrency() const override { return options_.concurrency; }
  bool idempotent() const override { return options_.idempotent; }
  bool waits() const override { return options_.waits; }
  bool takes_rows() const override { return options_.takes_rows; }
  bool takes(const Parcel& parcel) const override {
    return options_.takes && options_.takes(parcel);
  }
  bool splits() const override {
    return std::all_of(outputs_.begin(), outputs_.end(),
                       [](const OutputSpec& one) { return one.shape.columns > 0; });
  }
  std::vector<OutputSpec> outputs() const override { return outputs_; }
  bool scores_together() const override { return !options_.outputs.empty(); }

  Result<AnswerShape> answer(AnswerKind kind) const override {
    for (const OutputSpec& one : options_.outputs)
      if (one.name == output_of(kind)) return one.shape;
    if (options_.outputs.empty() &&
        std::count(options_.kinds.begin(), options_.kinds.end(), kind) > 0)
      return options_.shape;
    return unsupported(std::string("this function gives no ") + name_of(kind));
  }
  Status score(const BatchInput& input, BatchOutput& output) const override {
    return callable_(input, output);
  }

 private:
  Callable callable_;
  CallableOptions options_;
  std::vector<OutputSpec> outputs_;
};

}  // namespace

std::shared_ptr<const Backend> make_callable(Callable callable, CallableOptions options) {
  return std::make_shared<CallableBackend>(std::move(callable), std::move(options));
}

}  // namespace spinney::backend
