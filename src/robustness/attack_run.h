// An attack on any number of images, in batches, with what a report needs: the clean state, and
// whether successes survive storage.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "robustness/attack.h"
#include "robustness/storage_check.h"

namespace assay::robustness {

struct AttackRunResult {
  AttackResult result;         // of all images, in order
  at::Tensor clean_logits;     // [B, K]
  at::Tensor clean_fooled;     // [B] bool: wrong (or at the target) without any attack
  StoredSuccess stored;        // of the perturbed images
  StoredSuccess clean_stored;  // of the clean ones: what storage does by itself

  double seconds = 0;  // of the attack alone

  int64_t size() const { return clean_fooled.size(0); }
  // Over images that were right and are fooled; nothing without any.
  std::optional<double> MedianDistance() const;
};

// The attack alone. batch: images at a time, >= 1. Throws as Attack::Run.
AttackResult RunInBatches(const Attack& attack, const model::ImageClassifier& model,
                          const AttackInput& input, int64_t batch);

// With the clean state and with storage.
AttackRunResult RunAttackInBatches(const Attack& attack, const model::ImageClassifier& model,
                                   const AttackInput& input, int64_t batch);

// What `assay robust attack --out` writes: clean_logits, clean_loss (cross-entropy), and
// ATTACK_adv, ATTACK_logits, ATTACK_loss (cross-entropy), ATTACK_fooled, ATTACK_distance, the last
// with a leading dimension of steps for pgd (the state after each step; of the best so far unless
// options.last_iterate). With attacks by gradient also grad, d cross-entropy / d input of each
// image; with Linf also fgsm_adv and fgsm_logits at the same budget.
std::map<std::string, at::Tensor> AttackTensors(const AttackOptions& options,
                                                const model::ImageClassifier& model,
                                                const AttackInput& input,
                                                const AttackRunResult& run, int64_t batch);

}  // namespace assay::robustness
