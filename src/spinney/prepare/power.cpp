#include "spinney/prepare/power.h"

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "spinney/prepare/curves.h"

namespace spinney::prepare {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The likelihood's part that does not depend on lambda.
double sum_of_logs(Normalization power, const Sample& sample) {
  double sum = 0;
  for (size_t i = 0; i < sample.values().size(); ++i) {
    const double x = sample.values()[i];
    const double log =
        power == Normalization::kBoxCox ? std::log(x) : std::copysign(std::log1p(std::abs(x)), x);
    sum += static_cast<double>(sample.weight(i)) * log;
  }
  return sum;
}

// Brent (1973), "Algorithms for minimization without derivatives", chapter 5.
template <typename Function>
class Minimum {
 public:
  Minimum(Function function, double low, double high)
      : f_(std::move(function)), a_(low), b_(high) {}

  double find() {
    x_ = w_ = v_ = a_ + kGolden * (b_ - a_);
    fx_ = fw_ = fv_ = f_(x_);
    for (int i = 0; i < 200; ++i) {
      const double middle = 0.5 * (a_ + b_);
      const double near = kPrecision * std::abs(x_) + 1e-11;
      if (std::abs(x_ - middle) <= 2 * near - 0.5 * (b_ - a_)) break;
      const double step = next_step(middle, near);
      keep(std::abs(step) >= near ? x_ + step : x_ + std::copysign(near, step));
    }
    return x_;
  }

 private:
  static constexpr double kGolden = 0.3819660112501051;
  static constexpr double kPrecision = 1.48e-8;

  // To the parabola's lowest point where that is trustworthy, else into the longer part.
  double next_step(double middle, double near) {
    double p = 0, q = 0, r = 0;
    if (std::abs(before_last_) > near) {
      r = (x_ - w_) * (fx_ - fv_);
      q = (x_ - v_) * (fx_ - fw_);
      p = (x_ - v_) * q - (x_ - w_) * r;
      q = 2 * (q - r);
      if (q > 0) p = -p;
      q = std::abs(q);
      r = std::exchange(before_last_, last_);
    }
    if (std::abs(p) < std::abs(0.5 * q * r) && p > q * (a_ - x_) && p < q * (b_ - x_)) {
      last_ = p / q;
      const double u = x_ + last_;
      if (u - a_ < 2 * near || b_ - u < 2 * near) last_ = std::copysign(near, middle - x_);
      return last_;
    }
    before_last_ = x_ < middle ? b_ - x_ : a_ - x_;
    return last_ = kGolden * before_last_;
  }

  void keep(double u) {
    const double fu = f_(u);
    if (fu <= fx_) {
      (u < x_ ? b_ : a_) = x_;
      v_ = std::exchange(w_, std::exchange(x_, u));
      fv_ = std::exchange(fw_, std::exchange(fx_, fu));
      return;
    }
    (u < x_ ? a_ : b_) = u;
    if (fu <= fw_ || w_ == x_) {
      v_ = std::exchange(w_, u);
      fv_ = std::exchange(fw_, fu);
    } else if (fu <= fv_ || v_ == x_ || v_ == w_) {
      v_ = u;
      fv_ = fu;
    }
  }

  Function f_;
  double a_, b_;
  double x_ = 0, w_ = 0, v_ = 0, fx_ = 0, fw_ = 0, fv_ = 0;
  double last_ = 0, before_last_ = 0;
};

// An interval that holds the minimum, grown from [-2, 2].
template <typename Function>
std::pair<double, double> bracket(const Function& f) {
  double low = -2, high = 2;
  double middle = f(0.0);
  for (int i = 0; i < 40 && f(low) < middle; ++i) {
    middle = f(low);
    low *= 2;
  }
  middle = f(0.0);
  for (int i = 0; i < 40 && f(high) < middle; ++i) {
    middle = f(high);
    high *= 2;
  }
  return {low, high};
}

}  // namespace

ColumnMoments power_moments(Normalization power, double lambda, const Sample& sample) {
  ColumnMoments result;
  double sum = 0;
  std::vector<double> values(sample.values().size());
  for (size_t i = 0; i < values.size(); ++i) {
    const double x = sample.values()[i];
    values[i] = power == Normalization::kBoxCox ? box_cox(x, lambda) : yeo_johnson(x, lambda);
    sum += static_cast<double>(sample.weight(i)) * values[i];
  }
  result.count = static_cast<double>(sample.total());
  result.mean = sum / result.count;
  double off = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double apart = values[i] - result.mean;
    const auto weight = static_cast<double>(sample.weight(i));
    off += weight * apart;
    result.m2 += weight * apart * apart;
  }
  result.m2 -= off * off / result.count;
  return result;
}

double fit_lambda(Normalization power, const Sample& sample) {
  const double logs = sum_of_logs(power, sample);
  const auto count = static_cast<double>(sample.total());
  const auto unlikelihood = [&](double lambda) {
    const double variance = power_moments(power, lambda, sample).variance();
    if (!(variance > 0) || std::isinf(variance)) return kInfinity;
    return count / 2 * std::log(variance) - (lambda - 1) * logs;
  };
  const auto [low, high] = bracket(unlikelihood);
  const double lambda = Minimum(unlikelihood, low, high).find();
  return std::isfinite(unlikelihood(lambda)) ? lambda : 1;
}

}  // namespace spinney::prepare
