// Dicts, lists and tuples that hold models: where these are, and what plain data lies beside one.
#pragma once

#include <string>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/load/pickle/record.h"
#include "spinney/model/plain_value.h"

namespace spinney::load {

struct ModelWithin {
  std::string path;           // "model", "models.0": keys and numbers on the way to it
  std::vector<size_t> steps;  // the same as places within each container
  const Record* record = nullptr;
};

using IsModel = bool (*)(const Record& record);

// Whether the value is a container that is looked into, and neither a model nor plain data.
bool holds_values(const Value& value);

// Every model that containers hold, in their order, containers within containers too.
Result<std::vector<ModelWithin>> models_within(const Value& root, IsModel is_model);

// Those that `member` means: a path; a path to a container of one model, or its ".*", all models in
// it; "*", all that there are. Empty: the only one. kInvalidArgument with all paths where it means
// none, or several without saying so.
Result<std::vector<ModelWithin>> choose_models(const std::vector<ModelWithin>& all,
                                               const std::string& member);

// What lies beside one model, in containers like the ones that it lies in, without those ways that
// lead to a model. Objects are named, not read; their paths come back in `unread`.
PlainValue beside_model(const Value& root, const std::vector<ModelWithin>& models,
                        std::vector<std::string>& unread);

}  // namespace spinney::load
