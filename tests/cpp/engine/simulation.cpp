#include "engine/simulation.h"

#include <cstring>
#include <stdexcept>
#include <utility>

#include "engine/failing_allocations.h"

namespace spinney::engine::testing_world {
namespace {

constexpr size_t kWidth = 3;
constexpr size_t kSteps = 60;
constexpr int kNested = 3;

class Memory {
 public:
  explicit Memory(bool fails) : before_(failing_per_mille()) {
    failing_per_mille() = fails ? 30 : 0;
  }
  ~Memory() { failing_per_mille() = before_; }

 private:
  uint32_t before_;
};

class Model final : public backend::Backend {
 public:
  Model(World& world, Version& version, bool idempotent, bool waits)
      : world_(world), version_(version), idempotent_(idempotent), waits_(waits) {}
  size_t width() const override { return kWidth; }
  Result<AnswerShape> answer(AnswerKind kind) const override {
    if (kind == AnswerKind::kProba) return unsupported("no probabilities");
    return AnswerShape{2, ElementType::kFloat64};
  }
  Status score(const backend::BatchInput& input, backend::BatchOutput& output) const override {
    return world_.score(version_, input, output);
  }
  void start(const backend::BatchInput& input, backend::BatchOutput& output,
             backend::Completer completer) const override {
    if (!version_.later) return Backend::start(input, output, std::move(completer));
    world_.start(version_, input, output, std::move(completer));
  }
  bool idempotent() const override { return idempotent_; }
  size_t concurrency() const override { return version_.concurrency; }
  bool takes(const Parcel&) const override { return true; }
  bool waits() const override { return waits_; }

 private:
  World& world_;
  Version& version_;
  bool idempotent_;
  bool waits_;
};

}  // namespace

World::World(uint64_t seed, Planted planted) : seed_(seed), planted_(planted), random_(seed) {
  failing_state() = seed * 2 + 1;
  EngineOptions options;
  options.threads = false;
  options.num_workers = workers_ = 1 + below(3);
  options.clock = &clock_;
  if (chance(0.3)) options.max_concurrent_requests = 1 + below(20);
  options.cache_entries = chance(0.5) ? 1 + below(6) : 0;
  options.cache_ttl_ns = 2 * kMillisecond;
  engine_ = Engine::make(options).value();
  options_.max_batch_size = 1 + below(8);
  options_.min_batch_size = 1 + below(options_.max_batch_size);
  options_.batch_timeout_ns = chance(0.3) ? kMillisecond : 0;
  options_.max_queue_rows = 5 + below(60);
  options_.max_concurrent_requests = chance(0.2) ? 1 + below(20) : 0;
  options_.shed_target_ns = chance(0.5) ? kMillisecond : 0;
  options_.shed_interval_ns = 4 * kMillisecond;
  options_.refuse_too_late = chance(0.5);
  options_.single_flight = chance(0.7);
  options_.adaptive_batch_size = chance(0.5);
  options_.cache = chance(0.5);
  options_.warm_up = false;
  if (chance(0.4)) draw_pace();
  idempotent_ = chance(0.7);
  fails_ = chance(0.3);
  no_memory_ = chance(0.3);
  slow_ = chance(0.5) ? 0.3 : 0.05;
  load("a");
}

// Lanes that are paced by hand.
void World::draw_pace() {
  paced_ = true;
  options_.rest_waits = chance(0.7);
  options_.full_batches = options_.rest_waits && chance(0.5);
  options_.min_batch_interval_ns = chance(0.3) ? kMillisecond / 2 : 0;
  options_.max_batch_bytes = chance(0.3) ? 24 * (1 + below(6)) : 0;
  options_.max_queue_requests = chance(0.3) ? 1 + below(20) : 0;
  options_.deadline_until_run = chance(0.5);
  options_.halve_failed = chance(0.7);
  options_.max_retries = below(4);
  options_.retry_delay_ns = static_cast<int64_t>(below(3)) * kMillisecond;
}

void World::pace() {
  const std::string name = versions_.size() > 1 && chance(0.5) ? "b" : "a";
  const Status status = chance(0.5)
                            ? engine_->pause(name, chance(0.5))
                            : engine_->limit_batch(name, below(options_.max_batch_size + 1));
  if (!status.ok() && !stopped_ && versions_[name] > 0) fault("pace: " + status.error().message);
}

World::~World() {
  depth_ = kNested;
  engine_.reset();
  pending_.clear();  // which nobody hears of
}

void World::fault(const std::string& what) {
  const Memory plenty(false);
  if (faults_.size() < 2000) faults_ += "seed " + std::to_string(seed_) + ": " + what + "\n";
}

void World::load(const std::string& name) {
  const int number = ++versions_[name];
  loaded_.push_back(std::make_unique<Version>());
  Version& version = *loaded_.back();
  version.name = name + std::to_string(number);
  version.number = number;
  version.waits = chance(0.3);
  version.later = chance(0.25);
  version.concurrency = chance(version.waits ? 0.8 : 0.3) ? 1 : 0;
  auto model = std::make_shared<Model>(*this, version, idempotent_,
                                       version.waits && planted_ != Planted::kBlocking);
  Status status;
  {
    const Memory memory(no_memory_ && number > 1);
    status = engine_->load(name, "", model, options_);
  }
  if (status.ok()) waits_[name] = version.waits || version.later;
  if (status.ok()) return;
  --versions_[name];
  if (!stopped_ && !no_memory_) fault("load failed: " + status.error().message);
}

void World::submit() { submit_to(versions_.size() > 1 && chance(0.5) ? "b" : "a"); }

Asked& World::submit_to(const std::string& name) {
  auto asked = std::make_unique<Asked>();
  asked->number = asked_.size();
  const auto content = static_cast<double>(below(chance(0.5) ? 5 : 1000));
  const size_t count = chance(0.8) ? 1 : 1 + below(3 * options_.max_batch_size);
  asked->poisonous = static_cast<size_t>(content) % 10 == 7;
  for (size_t r = 0; r < count; ++r)
    for (const double value : {content, static_cast<double>(r), asked->poisonous ? 1.0 : 0.0}) {
      asked->floats.push_back(static_cast<float>(value));
      asked->doubles.push_back(value);
    }
  Request& request = asked->request;
  request.model = name;
  request.rows = chance(0.5) ? dense_rows(asked->floats.data(), count, kWidth)
                             : dense_rows(asked->doubles.data(), count, kWidth);
  request.kind = chance(0.7) ? AnswerKind::kValues : static_cast<AnswerKind>(below(kAnswerKinds));
  request.priority = static_cast<Priority>(below(kPriorities));
  if (chance(0.6))
    request.deadline_ns =
        clock_.now_ns() + static_cast<int64_t>(below(8)) * kMillisecond - kMillisecond / 2;
  request.deduplicate = chance(0.8);
  if (paced_ && chance(0.5))
    request.turn_ns = clock_.now_ns() + static_cast<int64_t>(below(4)) * kMillisecond;
  request.completion = this;
  request.context = asked.get();
  asked->version = name + std::to_string(versions_[name]);
  asked->content = content;
  asked->count = count;
  if (chance(0.3)) {
    const int flavour = static_cast<int>(below(SomeParcel::kLonely + 1));
    request.parcel =
        std::make_shared<SomeParcel>(content, count, asked->poisonous, flavour, chance(0.5));
    request.rows = {};
    asked->parcel = request.parcel;
    asked->by_parcel = true;
  }
  Asked* kept = asked.get();
  asked_.push_back(std::move(asked));
  Admission admission;
  {
    const Memory memory(no_memory_);
    admission = engine_->submit(request);
  }
  kept->request.model = {};
  kept->request.parcel.reset();
  // The copy is what counts: what the caller's memory holds from now on must not matter.
  std::fill(kept->floats.begin(), kept->floats.end(), -1.0f);
  std::fill(kept->doubles.begin(), kept->doubles.end(), -1.0);
  if (admission.ok()) {
    kept->admitted = true;
    kept->id = admission.id;
    return *kept;
  }
  if (kept->replies != 0) fault("a refused request was told as well");
  if (admission.error().message.empty()) fault("a refusal without a message");
  if (stopped_ != (admission.refusal == Refusal::kShutDown)) fault("kShutDown and stop disagree");
  return *kept;
}

void World::run_some(Work work) {
  const Work before = std::exchange(doing_, work);
  engine_->run_some(work);
  doing_ = before;
}

void World::stop() {
  stopped_ = true;
  const Work before = std::exchange(doing_, Work::kAny);
  engine_->stop(chance(0.5) ? 0 : kSecond);
  doing_ = before;
}

// While a batch waits somewhere, and no worker computes, a request for a model that computes is
// answered by workers alone.
void World::compute_meanwhile() {
  for (const auto& [name, waits] : waits_) {
    if (waits || stopped_) continue;
    const Asked& asked = submit_to(name);
    for (int i = 0; i < 400 && asked.admitted && asked.replies == 0; ++i) {
      (void)engine_->pause(name, false);
      run_some(Work::kComputing);
      engine_->tick();
      clock_.advance(100 * kMicrosecond);
    }
    if (asked.admitted && asked.replies == 0) fault("a batch that waits keeps others waiting");
    return;
  }
}

void World::cancel() {
  if (asked_.empty()) return;
  Asked& asked = *asked_[below(asked_.size())];
  const int before = asked.replies;
  if (!engine_->cancel(asked.id)) return;
  asked.cancel_said_yes = true;
  if (before != 0) fault("an answered request could be cancelled");
  if (asked.replies != 1 || asked.code != Code::kCancelled) fault("cancel() did not answer");
}

void World::finish(std::span<Finished> finished) noexcept {
  const Memory plenty(false);
  for (const Finished& f : finished) {
    auto& asked = *static_cast<Asked*>(f.context);
    if (++asked.replies > 1) fault("request " + std::to_string(asked.number) + " told twice");
    asked.ok = f.error == nullptr;
    if (f.error) {
      asked.code = f.error->code;
      const bool by_model = asked.code == Code::kInternal;
      if (by_model && !asked.poisonous && idempotent_ && !fails_ && !no_memory_ && !paced_)
        fault("a neighbour's poison failed request " + std::to_string(asked.number));
      continue;
    }
    if (asked.poisonous) fault("a poisonous request was answered");
    const auto* numbers = static_cast<const double*>(f.answer.data);
    if (f.answer.rows != asked.count) fault("another number of rows answered");
    const double version = std::strtod(asked.version.c_str() + 1, nullptr);
    for (size_t r = 0; r < f.answer.rows; ++r) {
      if (numbers[2 * r] != answer_of(asked.content, static_cast<double>(r), asked.request.kind))
        fault("request " + std::to_string(asked.number) + " got another row's answer");
      if (numbers[2 * r + 1] != version) fault("answered by a version it was not admitted to");
    }
  }
}

// What must hold when a batch begins.
std::vector<Seen> World::begin(Version& version, const backend::BatchInput& input) {
  const std::vector<Seen> rows = read(input);
  check_rows(input, rows);
  if (input.cancelled()) fault("a batch is cancelled before it begins");
  if (input.deadline_ns <= clock_.now_ns()) fault("a batch begins after its deadline");
  if (version.waits ? doing_ == Work::kComputing : doing_ == Work::kWaiting)
    fault("a batch was run by threads of the other kind");
  const size_t most = version.concurrency || !version.waits ? version.concurrency : workers_;
  if (++version.running > most && most != 0) fault("more batches at once than the model allows");
  if (rows.size() > options_.max_batch_size && input.items.size() != 1)
    fault("a batch beyond max_batch_size");
  return rows;
}

Status World::score(Version& version, const backend::BatchInput& input,
                    backend::BatchOutput& output) {
  const Memory plenty(false);
  const std::vector<Seen> rows = begin(version, input);
  computing_ += !version.waits;
  const Status status = answer(version, input, rows, output);
  clock_.advance(static_cast<int64_t>(rows.size()) * 20 * kMicrosecond);
  if (chance(slow_)) clock_.advance(static_cast<int64_t>(below(6)) * kMillisecond);
  if (++depth_ <= kNested) {
    while (chance(0.5)) step();
    if (version.waits && computing_ == 0 && chance(0.3)) compute_meanwhile();
  }
  --depth_;
  check_kept(input, rows);
  check_cancelled(version, input, rows);
  --version.running;
  computing_ -= !version.waits;
  if (fails_ && chance(0.1)) throw std::runtime_error("the model throws");
  if (fails_ && chance(0.05)) throw 7;
  return status;
}

void World::step() {
  const Memory memory(no_memory_);
  if (!pending_.empty() && chance(0.15)) {
    const Memory plenty(false);
    return complete_some();
  }
  switch (below(10)) {
    case 0:
    case 1:
    case 2:
    case 3: {
      const Memory plenty(false);
      return submit();
    }
    case 4: {
      const Memory plenty(false);
      return cancel();
    }
    case 5:
      clock_.advance(static_cast<int64_t>(below(1000)) * kMicrosecond);
      return;
    case 6:
      engine_->tick();
      return;
    default:
      break;
  }
  if (paced_ && chance(0.1)) {
    const Memory plenty(false);
    pace();
  } else if (chance(0.05)) {
    const Memory plenty(false);
    load(chance(0.7) ? "a" : "b");
  } else if (chance(0.004)) {
    stop();
  } else {
    run_some(chance(0.4) ? Work::kAny : chance(0.5) ? Work::kComputing : Work::kWaiting);
  }
}

void World::check_counts() {
  const RequestCounts counts = engine_->stats().requests;
  uint64_t admitted = 0, ok = 0, failed = 0;
  for (const auto& asked : asked_) {
    if (engine_->running(asked->id)) fault("an answered request still runs");
    if (asked->replies != (asked->admitted ? 1 : 0))
      fault("request " + std::to_string(asked->number) + " has " + std::to_string(asked->replies) +
            " replies");
    admitted += asked->admitted;
    ok += asked->ok;
    failed += asked->replies > 0 && !asked->ok;
  }
  if (counts.submitted != asked_.size()) fault("submitted is miscounted");
  if (counts.admitted != admitted || counts.answered != ok)
    fault("admitted or answered miscounted");
  if (counts.failed + counts.expired + counts.cancelled + counts.shed + counts.shut_down != failed)
    fault("failures are miscounted");
  uint64_t refused = 0;
  for (const uint64_t n : counts.refused) refused += n;
  if (refused + admitted != asked_.size()) fault("refusals are miscounted");
  if (engine_->stats().in_flight != 0) fault("requests are in flight at the end");
  for (const ModelStatus& model : engine_->models())
    if (model.queued_rows != 0)
      fault(std::to_string(model.queued_rows) + " rows are queued at the end");
  for (const ModelStatus& model : engine_->models()) {
    if (model.pending != 0) fault("requests are pending at the end");
    if (model.runs.executions + model.runs.failed != model.batches)
      fault("batches are neither answered nor failed");
    if (model.runs.executions == 0 && model.requests.answered > model.requests.from_cache)
      fault("requests were answered by no batch");
  }
}

std::string World::run() {
  const size_t steps = 1 + below(kSteps * 3);
  for (size_t i = 0; i < steps && faults_.empty(); ++i) step();
  no_memory_ = false;
  for (int i = 0; i < 5000 && engine_->stats().in_flight > 0; ++i) {
    clock_.advance(paced_ ? kMillisecond : 100 * kMicrosecond);
    for (const auto& [name, version] : versions_) (void)engine_->pause(name, false);
    engine_->tick();
    run_some(Work::kAny);
    complete_some();
  }
  check_counts();
  while (!pending_.empty() && planted_ != Planted::kForgotten) complete_some();
  engine_->stop(0);
  for (const auto& asked : asked_)
    if (!asked->parcel.expired()) fault("a parcel is kept after its request's end");
  return faults_;
}

}  // namespace spinney::engine::testing_world
