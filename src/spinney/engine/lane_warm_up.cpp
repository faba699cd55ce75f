// How a lane is made ready before it takes requests.
#include <algorithm>
#include <string>
#include <vector>

#include "spinney/base/checked_size.h"
#include "spinney/base/futex.h"
#include "spinney/engine/lane.h"

namespace spinney::engine {
namespace {

constexpr size_t kWarmUpBytesMax = size_t{64} << 20;

// A batch of nobody's, whose end the loading thread waits for. One that start() has thrown in has
// ended, unless somebody else has its completer: then it must not go before.
class Rehearsal final : public backend::Completer::Batch {
 public:
  ~Rehearsal() override { (void)wait(); }
  void completed(const Status& status) noexcept override {
    try {
      status_ = status;
    } catch (const std::bad_alloc&) {
      dropped_ = true;
    }
    end();
  }
  void dropped() noexcept override {
    dropped_ = true;
    end();
  }
  Status wait() {
    while (ended_.load(std::memory_order_acquire) == 0) futex_wait(ended_, 0);
    if (dropped_) return Error{Code::kInternal, "the back end did not complete the warm-up"};
    return status_;
  }

 private:
  void end() noexcept {
    ended_.store(1, std::memory_order_release);
    futex_wake(ended_);  // which needs the address alone
  }
  Status status_;
  bool dropped_ = false;
  std::atomic<uint32_t> ended_{0};
};

}  // namespace

// Dummy rows through every kernel that the plan may choose, so that the first request finds code,
// tables and scratch memory in place. The times are a first fit of the costs.
Status Lane::warm_up() {
  if (!options_.warm_up || !backend_->idempotent() || width_ == 0 || !takes_rows_) return {};
  const auto kind = static_cast<AnswerKind>(
      std::find_if(set_of_kind_.begin(), set_of_kind_.end(), [](OutputSet s) { return s != 0; }) -
      set_of_kind_.begin());
  if (static_cast<size_t>(kind) == kAnswerKinds) return {};
  const OutputLayout layout{outputs_.data(), set_of_kind_[static_cast<size_t>(kind)]};
  const AnswerShape shape = layout.shape();
  for (const size_t rows : backend_->warm_up_rows(options_.max_batch_size)) {
    // A file of a few bytes may claim billions of columns.
    const auto bytes = checked_product(
        rows, checked_sum(width_, shape.row_bytes()).value_or(kSizeMax), sizeof(float));
    if (!bytes || *bytes > kWarmUpBytesMax) continue;
    std::vector<float> zeros(rows * width_);
    std::vector<char> answers(rows * shape.row_bytes() + 1);
    std::vector<std::string> texts(layout.texts(rows));
    for (size_t i = 0; i < options_.warm_up_iterations; ++i) {
      backend::BatchInput input;
      input.rows = dense_rows(zeros.data(), rows, width_);
      input.kind = kind;
      input.outputs = layout.set;
      const backend::Place place{layout.first(), &outputs_[layout.first()], answers.data(),
                                 texts.data()};
      backend::BatchOutput output;
      output.places = {&place, 1};
      output.data = answers.data();
      const int64_t begin = shared_.clock->now_ns();
      try {
        Rehearsal rehearsal;
        backend_->start(input, output, backend::Completer(rehearsal));
        SPINNEY_TRY(rehearsal.wait());
      } catch (const std::exception& thrown) {
        return Error{Code::kInternal, "warm-up of model \"" + name_ + "\": " + thrown.what()};
      } catch (...) {
        return Error{Code::kInternal,
                     "warm-up of model \"" + name_ + "\": it threw something that is no exception"};
      }
      if (i > 0) fit_.add(rows, static_cast<double>(shared_.clock->now_ns() - begin));
    }
  }
  return {};
}

}  // namespace spinney::engine
