#include "spinney/prepare/recipe.h"

#include <cmath>
#include <string>

namespace spinney::prepare {
namespace {

Status check_length(const char* name, const std::vector<double>& values, size_t wanted) {
  if (values.size() == wanted) return {};
  return corrupt(std::string("the preprocessor's ") + name + " has " +
                 std::to_string(values.size()) + " numbers; expected " + std::to_string(wanted));
}

Status check_scales(const Recipe& recipe) {
  for (size_t c = 0; c < recipe.width(); ++c) {
    if (!std::isfinite(recipe.center[c]))
      return corrupt("the preprocessor's centre of column " + std::to_string(c) +
                     " is not a finite number");
    if (!std::isfinite(recipe.scale[c]) || recipe.scale[c] == 0)
      return corrupt("the preprocessor's scale of column " + std::to_string(c) +
                     " is not a finite number other than 0");
  }
  return {};
}

Status check_bounds(const Recipe& recipe) {
  for (size_t c = 0; c < recipe.low.size(); ++c)
    if (!(recipe.low[c] <= recipe.high[c]))
      return corrupt("the preprocessor's outlier bounds of column " + std::to_string(c) +
                     " are not in order");
  if (recipe.clip != Clip::kNone && !(recipe.clip_low <= recipe.clip_high))
    return corrupt("the preprocessor's clip bounds are not in order");
  return {};
}

Status check_quantiles(const Recipe& recipe) {
  const size_t n = recipe.quantile_count;
  for (size_t c = 0; n > 0 && c < recipe.width(); ++c) {
    const double* values = recipe.quantiles.data() + c * n;
    for (size_t i = 0; i < n; ++i)
      if (!std::isfinite(values[i]) || (i > 0 && values[i] < values[i - 1]))
        return corrupt("the preprocessor's quantiles of column " + std::to_string(c) +
                       " are not finite numbers in order");
  }
  return {};
}

Status check_power(const Recipe& recipe) {
  for (size_t c = 0; c < recipe.lambda.size(); ++c)
    if (!std::isfinite(recipe.lambda[c]))
      return corrupt("the preprocessor's lambda of column " + std::to_string(c) +
                     " is not a finite number");
  return {};
}

}  // namespace

Status Recipe::check() const {
  const size_t n = width();
  const bool power =
      normalization == Normalization::kYeoJohnson || normalization == Normalization::kBoxCox;
  const bool quantile = normalization == Normalization::kQuantile;
  if (n == 0 || n > kWidthMax)
    return corrupt("the preprocessor has " + std::to_string(n) + " columns; from 1 to " +
                   std::to_string(kWidthMax) + " are possible");
  if (quantile != (quantile_count > 0))
    return corrupt("the preprocessor's number of quantiles does not fit its normalization");
  SPINNEY_TRY(check_length("scale", scale, n));
  SPINNEY_TRY(check_length("fill for NaN", missing_fill, fills_missing ? n : 0));
  SPINNEY_TRY(check_length("fill for +infinity", positive_fill, fills_infinite ? n : 0));
  SPINNEY_TRY(check_length("fill for -infinity", negative_fill, fills_infinite ? n : 0));
  for (const auto* bounds : {&low, &high, &below, &above})
    SPINNEY_TRY(check_length("outlier bounds", *bounds, has_outliers ? n : 0));
  SPINNEY_TRY(check_length("lambdas", lambda, power ? n : 0));
  SPINNEY_TRY(check_length("quantiles", quantiles, n * quantile_count));
  if (!std::isfinite(offset)) return corrupt("the preprocessor's offset is not a finite number");
  SPINNEY_TRY(check_scales(*this));
  SPINNEY_TRY(check_bounds(*this));
  SPINNEY_TRY(check_power(*this));
  return check_quantiles(*this);
}

}  // namespace spinney::prepare
