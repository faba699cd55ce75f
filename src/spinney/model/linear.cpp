#include "spinney/model/linear.h"

#include <string>

namespace spinney {

Status check_linear(const Linear& parts) {
  if (parts.n_outputs == 0) return corrupt("the linear model has no outputs");
  const uint64_t expected = uint64_t{parts.n_features} * parts.n_outputs;
  if (parts.weights.size() != expected)
    return corrupt("the linear model holds " + std::to_string(parts.weights.size()) +
                   " weights for " + std::to_string(parts.n_outputs) + " outputs of " +
                   std::to_string(parts.n_features) + " features");
  if (parts.bias.size() != parts.n_outputs)
    return corrupt("the linear model holds " + std::to_string(parts.bias.size()) +
                   " intercepts for " + std::to_string(parts.n_outputs) + " outputs");
  if (parts.own_bias.size() != 0 && parts.own_bias.size() != parts.n_outputs)
    return corrupt("the linear model holds " + std::to_string(parts.own_bias.size()) +
                   " biases for " + std::to_string(parts.n_outputs) + " outputs");
  return {};
}

Result<Linear> make_linear(Linear parts) {
  SPINNEY_TRY(check_linear(parts));
  return parts;
}

}  // namespace spinney
