#include "spinney/engine/engine.h"

#include <condition_variable>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "spinney/cpu/count.h"

namespace spinney::engine {
namespace {

struct Lane {
  ModelStatus status;
  std::shared_ptr<const backend::Backend> backend;
  ModelOptions options;
};

struct Item {
  uint64_t id;
  std::shared_ptr<Lane> lane;
  Request request;
  std::vector<char> rows;
  AnswerShape shape;
  Finished finished;
  Error error{};
  bool running = false;
};

}  // namespace

class Engine::Impl {
 public:
  using Order = std::tuple<Priority, int64_t, uint64_t>;
  explicit Impl(EngineOptions o) : options(std::move(o)) {
    if (!options.clock) options.clock = &SteadyClock::instance();
    if (options.num_workers == 0) options.num_workers = cpu::usable_cpus();
  }

  int64_t now() const { return options.clock->now_ns(); }

  void deliver(std::vector<std::shared_ptr<Item>> items, std::unique_lock<std::mutex>& lock) {
    for (auto& item : items) item->finished.finished_ns = now();
    for (auto& item : items) {
      if (item->request.completion->may_block() && options.threads) {
        blocking.push_back(item);
        wake.notify_all();
        continue;
      }
      lock.unlock();
      item->request.completion->finish({&item->finished, 1});
      lock.lock();
    }
  }

  std::shared_ptr<Item> fail(uint64_t id, Code code, const char* message) {
    auto it = live.find(id);
    if (it == live.end()) return nullptr;
    auto item = it->second;
    live.erase(it);
    queue.erase({item->request.priority, item->request.deadline_ns, id});
    item->error = {code, message};
    item->finished.error = &item->error;
    return item;
  }

  int64_t expire(std::unique_lock<std::mutex>& lock) {
    std::vector<std::shared_ptr<Item>> gone;
    const int64_t t = now();
    int64_t next = kNever;
    std::vector<uint64_t> ids;
    for (auto& [id, item] : live)
      if (item->request.deadline_ns <= t)
        ids.push_back(id);
      else
        next = std::min(next, item->request.deadline_ns);
    for (uint64_t id : ids)
      gone.push_back(fail(id, Code::kExpired, "the request's deadline passed"));
    totals.expired += gone.size();
    if (!gone.empty()) deliver(std::move(gone), lock);
    return next;
  }

  bool run_batch(std::unique_lock<std::mutex>& lock) {
    expire(lock);
    if (queue.empty()) return false;
    std::vector<std::shared_ptr<Item>> batch;
    size_t rows = 0;
    for (auto it = queue.begin(); it != queue.end();) {
      auto& item = it->second;
      const Rows& r = item->request.rows;
      if (batch.empty() ||
          (item->lane == batch[0]->lane && item->request.kind == batch[0]->request.kind &&
           r.type == batch[0]->request.rows.type && r.width == batch[0]->request.rows.width &&
           rows + r.count <= item->lane->options.max_batch_size)) {
        rows += r.count;
        batch.push_back(item);
        it = queue.erase(it);
      } else {
        ++it;
      }
    }
    lock.unlock();
    std::vector<char> in, out(rows * batch[0]->shape.row_bytes());
    for (auto& item : batch) in.insert(in.end(), item->rows.begin(), item->rows.end());
    backend::BatchInput input;
    input.kind = batch[0]->request.kind;
    const Rows& first = batch[0]->request.rows;
    input.rows = {in.data(),
                  first.type,
                  rows,
                  first.width,
                  static_cast<ptrdiff_t>(first.width * size_of(first.type)),
                  static_cast<ptrdiff_t>(size_of(first.type))};
    backend::BatchOutput output{out.data(), nullptr};
    const int64_t started = now();
    Status status;
    try {
      status = batch[0]->lane->backend->score(input, output);
    } catch (const std::exception& e) {
      status = Error{Code::kInternal, e.what()};
    }
    size_t row = 0;
    lock.lock();
    std::vector<std::shared_ptr<Item>> done;
    std::vector<char> kept = out;
    for (auto& item : batch) {
      Finished& f = item->finished;
      const size_t n = item->request.rows.count;
      f.started_ns = started;
      f.batch_rows = rows;
      f.answer.rows = n;
      f.answer.shape = item->shape;
      f.answer.object = output.object;
      f.answer.object_row = row;
      item->rows.assign(out.begin() + static_cast<ptrdiff_t>(row * item->shape.row_bytes()),
                        out.begin() + static_cast<ptrdiff_t>((row + n) * item->shape.row_bytes()));
      f.answer.data = item->rows.data();
      row += n;
      if (!status.ok()) {
        item->error = status.error();
        f.error = &item->error;
      }
      if (live.erase(item->id)) done.push_back(item);
    }
    (status.ok() ? totals.answered : totals.failed) += done.size();
    batch[0]->lane->status.batches += 1;
    batch[0]->lane->status.batch_rows += rows;
    deliver(std::move(done), lock);
    if (live.empty()) wake.notify_all();
    return true;
  }

  EngineOptions options;
  std::mutex mutex;
  std::condition_variable wake;
  std::map<Order, std::shared_ptr<Item>> queue;
  std::unordered_map<uint64_t, std::shared_ptr<Item>> live;
  std::deque<std::shared_ptr<Item>> blocking;
  std::vector<std::shared_ptr<Lane>> lanes;
  std::vector<std::thread> threads;
  RequestCounts totals;
  uint64_t next_id = 1;
  size_t limit = 0;
  bool draining = false, stopping = false;
};

Engine::Engine(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() { stop(kSecond); }

Result<std::unique_ptr<Engine>> Engine::make(EngineOptions options) {
  auto impl = std::make_shared<Impl>(std::move(options));
  if (impl->options.threads) {
    for (size_t i = 0; i < impl->options.num_workers; ++i)
      impl->threads.emplace_back([impl, i] {
        if (impl->options.on_worker_start) impl->options.on_worker_start(i);
        std::unique_lock lock(impl->mutex);
        while (!impl->stopping)
          if (!impl->run_batch(lock)) impl->wake.wait(lock);
      });
    impl->threads.emplace_back([impl] {
      std::unique_lock lock(impl->mutex);
      while (!impl->stopping) {
        impl->expire(lock);
        impl->wake.wait_for(lock, std::chrono::milliseconds(1));
      }
    });
    impl->threads.emplace_back([impl] {
      std::unique_lock lock(impl->mutex);
      while (!impl->stopping || !impl->blocking.empty()) {
        if (impl->blocking.empty()) {
          impl->wake.wait(lock);
          continue;
        }
        auto items = std::move(impl->blocking);
        impl->blocking.clear();
        lock.unlock();
        for (auto& item : items) item->request.completion->finish({&item->finished, 1});
        lock.lock();
      }
    });
  }
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Status Engine::load(const std::string& name, const std::string& version,
                    std::shared_ptr<const backend::Backend> backend, const ModelOptions& options) {
  if (!backend) return invalid_argument("load: the back end is null");
  if (options.max_batch_size == 0) return invalid_argument("max_batch_size is 0");
  std::lock_guard lock(impl_->mutex);
  auto lane = std::make_shared<Lane>();
  lane->status.name = name;
  lane->status.version = version;
  lane->backend = std::move(backend);
  lane->options = options;
  std::erase_if(impl_->lanes,
                [&](auto& l) { return l->status.name == name && l->status.version == version; });
  impl_->lanes.push_back(std::move(lane));
  return {};
}

Status Engine::unload(const std::string& name, const std::string& version) {
  std::lock_guard lock(impl_->mutex);
  if (std::erase_if(impl_->lanes, [&](auto& l) {
        return l->status.name == name && (version.empty() || l->status.version == version);
      }))
    return {};
  return Error{Code::kNotFound, "no model \"" + name + "\" of version \"" + version + "\""};
}

Admission Engine::submit(const Request& request) noexcept {
  std::lock_guard lock(impl_->mutex);
  impl_->totals.submitted += 1;
  const auto refuse = [&](Refusal refusal, size_t given = 0, size_t allowed = 0) {
    impl_->totals.refused[static_cast<size_t>(refusal)] += 1;
    return Admission{refusal, {}, 0, given, allowed};
  };
  std::shared_ptr<Lane> lane;
  for (auto& l : impl_->lanes)
    if ((request.model.empty() ? l->status.name == impl_->lanes[0]->status.name
                               : l->status.name == request.model) &&
        (request.version.empty() || l->status.version == request.version))
      lane = l;
  if (impl_->draining) return refuse(Refusal::kShutDown);
  if (!lane) return refuse(Refusal::kUnknownModel);
  if (!request.completion) return refuse(Refusal::kNoCompletion);
  const size_t width = lane->backend->width();
  if (width != 0 && request.rows.width != width)
    return refuse(Refusal::kWidth, request.rows.width, width);
  if (request.rows.count == 0 || request.rows.count > lane->options.max_request_rows)
    return refuse(Refusal::kNoRows, request.rows.count, lane->options.max_request_rows);
  auto shape = lane->backend->answer(request.kind);
  if (!shape.ok()) return refuse(Refusal::kKind, static_cast<size_t>(request.kind));
  if (request.deadline_ns <= impl_->now()) return refuse(Refusal::kExpired);
  const size_t limit = impl_->options.max_concurrent_requests;
  if (limit && impl_->live.size() >= limit)
    return refuse(Refusal::kConcurrency, impl_->live.size(), limit);
  if (impl_->queue.size() >= lane->options.max_queue_rows)
    return refuse(Refusal::kQueueFull, impl_->queue.size(), lane->options.max_queue_rows);
  auto item = std::make_shared<Item>();
  item->id = impl_->next_id++;
  item->lane = lane;
  item->request = request;
  item->shape = *shape;
  item->finished.context = request.context;
  item->finished.submitted_ns = impl_->now();
  const size_t element = size_of(request.rows.type);
  for (size_t r = 0; r < request.rows.count; ++r)
    for (size_t c = 0; c < request.rows.width; ++c) {
      const char* p = request.rows.row(r) + static_cast<ptrdiff_t>(c) * request.rows.column_stride;
      item->rows.insert(item->rows.end(), p, p + element);
    }
  impl_->live[item->id] = item;
  impl_->queue[{request.priority, request.deadline_ns, item->id}] = item;
  impl_->totals.admitted += 1;
  impl_->wake.notify_all();
  Admission admission;
  admission.id.value = item->id;
  return admission;
}

bool Engine::cancel(RequestId id) noexcept {
  std::unique_lock lock(impl_->mutex);
  auto item = impl_->fail(id.value, Code::kCancelled, "the request was cancelled");
  if (!item) return false;
  impl_->totals.cancelled += 1;
  impl_->deliver({item}, lock);
  return true;
}

int64_t Engine::now_ns() const noexcept { return impl_->now(); }

bool Engine::drain(int64_t timeout_ns) {
  std::unique_lock lock(impl_->mutex);
  impl_->draining = true;
  return impl_->wake.wait_for(lock, std::chrono::nanoseconds(timeout_ns),
                              [&] { return impl_->live.empty(); });
}

void Engine::resume() {
  std::lock_guard lock(impl_->mutex);
  impl_->draining = impl_->stopping;
}

void Engine::stop(int64_t timeout_ns) {
  drain(timeout_ns);
  std::unique_lock lock(impl_->mutex);
  while (!impl_->live.empty()) {
    auto item = impl_->fail(impl_->live.begin()->first, Code::kShutDown, "the engine was stopped");
    impl_->totals.shut_down += 1;
    impl_->deliver({item}, lock);
  }
  impl_->stopping = true;
  auto threads = std::move(impl_->threads);
  impl_->threads.clear();
  lock.unlock();
  impl_->wake.notify_all();
  for (auto& thread : threads) thread.join();
}

void Engine::limit_concurrency(size_t requests) noexcept { impl_->limit = requests; }

std::vector<ModelStatus> Engine::models() const {
  std::lock_guard lock(impl_->mutex);
  std::vector<ModelStatus> out;
  for (auto& lane : impl_->lanes) out.push_back(lane->status);
  return out;
}

EngineStats Engine::stats() const {
  std::lock_guard lock(impl_->mutex);
  return {impl_->totals, impl_->live.size(), impl_->options.num_workers};
}

void Engine::after_fork_in_child() {}

bool Engine::run_some() {
  std::unique_lock lock(impl_->mutex);
  return impl_->run_batch(lock);
}

int64_t Engine::tick() {
  std::unique_lock lock(impl_->mutex);
  return impl_->expire(lock);
}

}  // namespace spinney::engine
