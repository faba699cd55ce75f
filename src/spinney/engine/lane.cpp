#include "spinney/engine/lane.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "spinney/base/checked_size.h"

namespace spinney::engine {

using batch::Batch;

Lane::Lane(uint32_t id, std::string name, std::string version,
           std::shared_ptr<const backend::Backend> backend, const ModelOptions& options,
           Shared& shared, std::shared_ptr<LaneCount> count)
    : id_(id),
      name_(std::move(name)),
      version_(std::move(version)),
      backend_(std::move(backend)),
      options_(options),
      shared_(shared),
      count_(std::move(count)) {}

Lane::~Lane() {
  forget_answers();
  while (Batch* batch = all_batches_) {
    all_batches_ = batch->made_before;
    delete batch;
  }
}

namespace {

Status check_options(const ModelOptions& o) {
  const auto fault = [](const char* field, const char* rule) {
    return invalid_argument(std::string(field) + " " + rule);
  };
  if (o.max_batch_size == 0 || o.max_batch_size > (1 << 20))
    return fault("max_batch_size", "must be between 1 and 1,048,576 rows");
  if (o.min_batch_size == 0 || o.min_batch_size > o.max_batch_size)
    return fault("min_batch_size", "must be between 1 and max_batch_size");
  if (o.initial_batch_size > o.max_batch_size)
    return fault("initial_batch_size", "must not be more than max_batch_size");
  if (o.batch_timeout_ns < 0) return fault("batch_timeout_ns", "must not be negative");
  if (o.max_queue_rows == 0) return fault("max_queue_rows", "must be at least 1");
  if (o.max_request_rows == 0) return fault("max_request_rows", "must be at least 1");
  if (o.full_batches && !o.rest_waits) return fault("full_batches", "needs rest_waits");
  if (o.min_batch_interval_ns < 0) return fault("min_batch_interval_ns", "must not be negative");
  if (o.retry_delay_ns < 0) return fault("retry_delay_ns", "must not be negative");
  if (o.shed_target_ns < 0) return fault("shed_target_ns", "must not be negative (0: never)");
  if (o.shed_target_ns > 0 && o.shed_interval_ns < o.shed_target_ns)
    return fault("shed_interval_ns", "must be at least shed_target_ns");
  return {};
}

}  // namespace

Status Lane::prepare() {
  SPINNEY_TRY(check_options(options_));
  if (!options_.join_requests) options_.batch_timeout_ns = 0;  // there is nothing to wait for
  width_ = backend_->width();
  splits_ = backend_->splits();
  takes_rows_ = backend_->takes_rows();
  waits_ = backend_->waits();
  at_once_ = backend_->concurrency();
  if (waits_ && at_once_ == 0) at_once_ = shared_.workers;
  const bool keeps = options_.cache && shared_.cache;
  shares_ = (options_.single_flight || keeps) && backend_->idempotent();
  if (shares_ && keeps) cache_ = shared_.cache.get();
  SPINNEY_TRY(read_outputs());
  const double one = backend_->cost_ns(1);
  if (const double many = backend_->cost_ns(64); one > 0 && many > 0) {
    const double row = std::max(0.0, (many - one) / 63);
    fit_.assume(row, std::max(0.0, one - row));
  }
  SPINNEY_TRY(warm_up());
  publish_costs();
  return {};
}

Status Lane::read_outputs() {
  outputs_ = backend_->outputs();
  const auto fault = [&](std::initializer_list<std::string_view> words) {
    std::string text = "model \"" + name_ + "\" ";
    for (const std::string_view word : words) text += word;
    return invalid_argument(std::move(text));
  };
  if (outputs_.empty()) return fault({"gives no kind of answer"});
  if (outputs_.size() > kOutputsMax)
    return fault({"has ", std::to_string(outputs_.size()), " outputs; at most ",
                  std::to_string(kOutputsMax), " may be"});
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const std::string& name = outputs_[i].name;
    for (size_t j = 0; j < i; ++j)
      if (name.empty() || name == outputs_[j].name)
        return fault({"names two outputs \"", name, "\""});
    size_t kind = 0;
    while (kind < kAnswerKinds && output_of(static_cast<AnswerKind>(kind)) != name) ++kind;
    if (kind < kAnswerKinds)
      set_of_kind_[kind] = OutputSet{1} << i;
    else if (!backend_->scores_together())
      return fault(
          {"has an output \"", name, "\" that is no kind of answer, but is not scored together"});
  }
  return {};
}

void Lane::publish_costs() noexcept {
  if (!fit_.known()) return;
  row_ns_.store(fit_.row_ns(), std::memory_order_relaxed);
  batch_ns_.store(fit_.batch_ns(), std::memory_order_relaxed);
  rows_at_least_.store(fit_.rows_at_least(), std::memory_order_relaxed);
}

ModelStatus Lane::status() const {
  ModelStatus status;
  status.name = name_;
  status.version = version_;
  status.counted_as = options_.counted_as.empty() ? version_ : options_.counted_as;
  status.requests = count_->request_counts();
  status.runs = count_->run_counts();
  const observe::HistogramSnapshot batches = count_->batch_rows.read();
  status.batches = batches.count();
  status.batch_rows = batches.sum();
  status.queued_rows = queued_rows_.load();
  status.queued_rows_max = queued_rows_max_.load();
  status.cost_row_ns = row_ns_.load();
  status.cost_batch_ns = batch_ns_.load();
  status.bytes = backend_->bytes();
  status.replicas = backend_->replicas();
  status.cache_rests = judge_.rests();
  status.cache_resting = judge_.resting();
  const std::lock_guard lock(mutex_);
  status.batch_size = batch_cap();
  status.retry_at_ns = next_round_ns();
  return status;
}

}  // namespace spinney::engine
