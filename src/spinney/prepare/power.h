// The power transforms' lambda by maximum likelihood, as scikit-learn's PowerTransformer fits it.
#pragma once

#include "spinney/prepare/options.h"
#include "spinney/prepare/sample.h"

namespace spinney::prepare {

// The lambda of kYeoJohnson or kBoxCox (all values positive) that makes the sample most like a
// normal distribution; 1 if no lambda does.
double fit_lambda(Normalization power, const Sample& sample);

// Moments of the transformed sample.
ColumnMoments power_moments(Normalization power, double lambda, const Sample& sample);

}  // namespace spinney::prepare
