// A seeded world around an engine without threads: a clock that it moves, callers that submit and
// cancel, models that are slow or fail, reloads, lack of memory and a shutdown at any moment.
// Everything follows from the seed, so that a failure is seen again with SPINNEY_SEED=<seed>.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "spinney/engine/engine.h"

namespace spinney::engine::testing_world {

// What is wrong on purpose, to see that it is found.
enum class Planted {
  kNothing,
  kMixedRows,  // the model gives some rows of larger batches one another's answers
  kBlocking,   // models that wait don't say so, and hold up workers
  kForgotten,  // a batch that was begun is never completed
};

// A version of a model.
struct Version {
  std::string name;  // with its number
  double number = 0;
  bool waits = false;
  bool later = false;  // completes its batches later, in any order
  size_t concurrency = 0;
  size_t running = 0;  // batches at this moment
};

// The rows of one request as a parcel: its rows are those that dense ones would have. Only parcels
// of one flavour join.
class SomeParcel final : public Parcel {
 public:
  SomeParcel(double number, size_t count, bool is_poisonous, int flavour, bool comparable)
      : content(number),
        poisonous(is_poisonous),
        count_(count),
        flavour_(flavour),
        comparable_(comparable) {}
  size_t rows() const noexcept override { return count_; }
  size_t bytes() const noexcept override { return sizeof *this; }
  bool comparable() const noexcept override { return comparable_; }
  uint64_t hash() const noexcept override {
    return static_cast<uint64_t>(content) % 7;  // so that others collide
  }
  bool equals(const Parcel& other) const noexcept override {
    const auto& o = static_cast<const SomeParcel&>(other);
    return content == o.content && count_ == o.count_ && flavour_ == o.flavour_;
  }
  uint64_t signature() const noexcept override { return static_cast<uint64_t>(flavour_) * 4; }
  bool joins(const Parcel& other) const noexcept override {
    return flavour_ != kLonely && flavour_ == static_cast<const SomeParcel&>(other).flavour_;
  }
  static constexpr int kLonely = 2;
  const double content;
  const bool poisonous;

 private:
  const size_t count_;
  const int flavour_;
  const bool comparable_;
};

// The rows of content c are (c, row, poisonous); contents repeat, so that requests are equal.
inline double answer_of(double content, double row, AnswerKind kind) {
  return content * 1000 + row + 1e7 * static_cast<double>(kind);
}

// A row as a model sees it, whichever way it came.
struct Seen {
  double content = 0;
  double row = 0;
  bool poisonous = false;
};

// One caller's request, and what became of it.
struct Asked {
  uint64_t number = 0;
  Request request;
  std::vector<float> floats;
  std::vector<double> doubles;
  RequestId id;
  std::string version;  // that was current when it was submitted
  double content = 0;   // what its rows hold
  size_t count = 0;     // and how many there are
  bool admitted = false;
  int replies = 0;
  bool cancel_said_yes = false;
  bool poisonous = false;              // a row of it makes the model fail
  std::weak_ptr<const Parcel> parcel;  // if it came as one
  bool by_parcel = false;
  Code code{};
  bool ok = false;
};

class World : public Completion {
 public:
  explicit World(uint64_t seed, Planted planted = Planted::kNothing);
  ~World() override;
  // Runs to the end; the faults found, empty if none.
  std::string run();

  void finish(std::span<Finished> finished) noexcept override;
  // Called by the model while a batch runs: other things happen meanwhile.
  Status score(Version& version, const backend::BatchInput& input, backend::BatchOutput& output);
  // The same, to be completed by a later step.
  void start(Version& version, const backend::BatchInput& input, backend::BatchOutput& output,
             backend::Completer completer);

 private:
  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random_) < p; }
  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  void fault(const std::string& what);
  void step();
  void submit();
  Asked& submit_to(const std::string& name);
  void run_some(Work work);
  void compute_meanwhile();
  void stop();
  void cancel();
  void load(const std::string& name);
  void draw_pace();
  void pace();
  void check_counts();
  struct Pending {
    Version* version;
    const backend::BatchInput* input;
    backend::BatchOutput* output;
    backend::Completer completer;
  };
  void complete_some();
  void complete(Pending pending);
  std::vector<Seen> begin(Version& version, const backend::BatchInput& input);
  void check_cancelled(const Version& version, const backend::BatchInput& input,
                       const std::vector<Seen>& rows);
  std::vector<Seen> read(const backend::BatchInput& input);
  bool asks_for(const Asked& asked, const backend::BatchInput& input, const Seen& seen) const;
  void check_rows(const backend::BatchInput& input, const std::vector<Seen>& rows);
  void check_kept(const backend::BatchInput& input, const std::vector<Seen>& rows);
  Status answer(const Version& version, const backend::BatchInput& input,
                const std::vector<Seen>& rows, backend::BatchOutput& output);

  uint64_t seed_;
  Planted planted_;
  std::mt19937_64 random_;
  ManualClock clock_{kSecond};
  size_t workers_ = 0;
  Work doing_ = Work::kAny;  // what runs batches at this moment
  size_t computing_ = 0;     // batches at this moment of models that compute
  std::unique_ptr<Engine> engine_;
  ModelOptions options_;
  bool idempotent_ = true;
  bool paced_ = false;      // by hand, see draw_pace()
  bool fails_ = false;      // models throw or report errors now and then
  bool no_memory_ = false;  // allocations fail now and then
  double slow_ = 0;
  int depth_ = 0;
  bool stopped_ = false;
  std::map<std::string, int> versions_;           // name -> number of the current version
  std::map<std::string, bool> waits_;             // name -> of the current version
  std::vector<std::unique_ptr<Version>> loaded_;  // all that ever were
  std::vector<std::unique_ptr<Asked>> asked_;
  std::vector<Pending> pending_;
  std::string faults_;
};

}  // namespace spinney::engine::testing_world
