// The images of a run that an attack is still working on, and the best found so far for all of
// them. Images leave once fooled (early stop). Not thread-safe; one per run.
#pragma once

#include "robustness/attack_region.h"
#include "robustness/model_probe.h"

namespace assay::robustness {

// The images still attacked, [n] of the B of the input.
struct ActiveImages {
  at::Tensor rows;     // [n] int64, places in the input
  at::Tensor images;   // [n, C, H, W]
  at::Tensor labels;   // [n]
  at::Tensor targets;  // [n] or undefined
  Region region;
  std::vector<uint64_t> streams;  // [n]

  int64_t size() const { return rows.size(0); }
  ActiveImages Kept(const at::Tensor& keep) const;  // keep: [m] int64, places among the n
};
ActiveImages AllImages(const AttackInput& input, const ParameterSpace& space, Norm norm,
                       const at::Tensor& budget);

// The best state of every image: fooled before not fooled, then the larger loss; of states that
// fool and with `nearest`, the smaller distance.
class BestStates {
 public:
  BestStates(const AttackInput& input, bool nearest = false) : nearest_(nearest), input_(input) {}

  // state: of parameters [n, ...] at the active images. Takes the rows that are better (all of them
  // with `replace`). Returns which were taken: [n] bool.
  at::Tensor Offer(const ActiveImages& active, const at::Tensor& parameters,
                   const ProbeResult& state, bool replace = false);

  const at::Tensor& fooled() const { return fooled_; }          // [B] bool
  const at::Tensor& loss() const { return loss_; }              // [B] float64
  const at::Tensor& distance() const { return distance_; }      // [B] float64
  const at::Tensor& parameters() const { return parameters_; }  // [B, ...]
  const at::Tensor& images() const { return images_; }
  const at::Tensor& logits() const { return logits_; }

  // all: the region of all images.
  AttackResult Result(const Region& all, const ModelCalls& calls) const;

 private:
  bool nearest_;
  bool same_ = false;  // pixels: the parameters are the images, kept once
  AttackInput input_;
  at::Tensor parameters_, images_, logits_, loss_, fooled_, distance_;
};

// Places of the true values: [n] int64.
at::Tensor Places(const at::Tensor& mask);

}  // namespace assay::robustness
