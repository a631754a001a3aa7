// The optimiser of the default models: Muon for the matrices of the blocks, AdamW for everything
// else. Muon (Jordan et al. 2024) steps along the orthogonalised momentum; on small models it needs
// about half the tokens of AdamW, which decides what a CPU can train in an evening. Not
// thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace assay::training {

struct OptimizerOptions {
  double muon_rate = 0.02;  // peak step of the block matrices, spectral norm a step
  double adam_rate = 3e-3;  // peak step of embeddings, norms and biases
  double momentum = 0.95, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double weight_decay = 0.02;      // of the block matrices, times the step
  bool bfloat16_products = false;  // of the orthogonalisation, which tolerates it
};

class Optimizer {
 public:
  // The tensors are borrowed, updated in place, and must require gradients. Names are stable across
  // processes.
  Optimizer(std::vector<std::pair<std::string, at::Tensor*>> parameters, OptimizerOptions options);

  // One step from the gradients, which are cleared. `scale` multiplies both rates (the schedule).
  void Step(double scale);

  // Momenta and second moments, for checkpoints.
  std::map<std::string, at::Tensor> State() const;
  void Restore(const std::map<std::string, at::Tensor>& state, int64_t steps_done);

 private:
  void StepMuon(const std::string& name, at::Tensor& parameter, double scale);
  void StepAdam(const std::string& name, at::Tensor& parameter, double scale);

  std::vector<std::pair<std::string, at::Tensor*>> parameters_;
  OptimizerOptions options_;
  std::map<std::string, at::Tensor> first_, second_;
  int64_t steps_ = 0;
};

// The nearest semi-orthogonal matrix to each matrix [.., m, n], roughly: singular values end within
// about 0.7 to 1.2 (five Newton-Schulz steps with Muon's coefficients).
at::Tensor Orthogonalize(const at::Tensor& matrices, bool bfloat16_products = false);

}  // namespace assay::training
