#include "training/optimizer.h"

#include <ATen/ATen.h>

#include <cmath>

#include "base/error.h"

namespace assay::training {
namespace {

bool UsesMuon(const std::string& name, const at::Tensor& parameter) {
  return parameter.dim() == 2 && name.starts_with("blocks.");
}

}  // namespace

at::Tensor Orthogonalize(const at::Tensor& matrices, bool bfloat16_products) {
  const bool tall = matrices.size(-2) > matrices.size(-1);
  at::Tensor x = tall ? matrices.transpose(-1, -2) : matrices;
  x = x / (x.norm(2, {-2, -1}, /*keepdim=*/true) + 1e-7);
  if (bfloat16_products) x = x.to(at::kBFloat16);
  for (int step = 0; step < 5; ++step) {
    const at::Tensor gram = at::matmul(x, x.transpose(-1, -2));
    x = 3.4445 * x + at::matmul(-4.7750 * gram + 2.0315 * at::matmul(gram, gram), x);
  }
  x = x.to(matrices.dtype());
  return tall ? x.transpose(-1, -2) : x;
}

Optimizer::Optimizer(std::vector<std::pair<std::string, at::Tensor*>> parameters,
                     OptimizerOptions options)
    : parameters_(std::move(parameters)), options_(options) {}

void Optimizer::Step(double scale) {
  const at::NoGradGuard guard;
  ++steps_;
  for (auto& [name, parameter] : parameters_) {
    if (!parameter->grad().defined()) continue;
    if (UsesMuon(name, *parameter)) {
      StepMuon(name, *parameter, scale);
    } else {
      StepAdam(name, *parameter, scale);
    }
    parameter->mutable_grad().reset();
  }
}

void Optimizer::StepMuon(const std::string& name, at::Tensor& parameter, double scale) {
  at::Tensor& momentum = first_[name];
  if (!momentum.defined()) momentum = at::zeros_like(parameter);
  const at::Tensor gradient = parameter.grad();
  momentum.mul_(options_.momentum).add_(gradient);
  at::Tensor update = gradient + options_.momentum * momentum;
  // Queries, keys and values are three matrices that share a tensor: each is orthogonalised by
  // itself.
  const bool fused = name.ends_with("qkv.weight") && parameter.size(0) == 3 * parameter.size(1);
  if (fused) update = update.view({3, parameter.size(1), parameter.size(1)});
  const double rows = static_cast<double>(update.size(-2)),
               columns = static_cast<double>(update.size(-1));
  update = Orthogonalize(update, options_.bfloat16_products).reshape(parameter.sizes());
  const double rate = options_.muon_rate * scale;
  parameter.mul_(1 - rate * options_.weight_decay);
  parameter.add_(update, -rate * std::sqrt(std::max(1.0, rows / columns)));
}

void Optimizer::StepAdam(const std::string& name, at::Tensor& parameter, double scale) {
  at::Tensor& first = first_[name];
  at::Tensor& second = second_[name];
  if (!first.defined()) {
    first = at::zeros_like(parameter);
    second = at::zeros_like(parameter);
  }
  const at::Tensor gradient = parameter.grad();
  first.mul_(options_.beta1).add_(gradient, 1 - options_.beta1);
  second.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
  const double correction1 = 1 - std::pow(options_.beta1, static_cast<double>(steps_));
  const double correction2 = 1 - std::pow(options_.beta2, static_cast<double>(steps_));
  const at::Tensor denominator = (second / correction2).sqrt_().add_(options_.epsilon);
  parameter.addcdiv_(first, denominator, -options_.adam_rate * scale / correction1);
}

std::map<std::string, at::Tensor> Optimizer::State() const {
  std::map<std::string, at::Tensor> out;
  for (const auto& [name, tensor] : first_) out["first." + name] = tensor;
  for (const auto& [name, tensor] : second_) out["second." + name] = tensor;
  return out;
}

void Optimizer::Restore(const std::map<std::string, at::Tensor>& state, int64_t steps_done) {
  steps_ = steps_done;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with("first.")) first_[name.substr(6)] = tensor;
    if (name.starts_with("second.")) second_[name.substr(7)] = tensor;
  }
}

}  // namespace assay::training
