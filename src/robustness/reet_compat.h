// Evaluation by the conventions of REET (reference package 0.1.2), so that its numbers can be
// reproduced: budgets over the whole batch, the last iterate, the first draw replaces the image.
// Use it for nothing else: results depend on the batch size. Thread-safe as far as the model is.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "model/image_classifier.h"
#include "robustness/attack.h"

namespace assay::robustness {

struct ReetSettings {
  std::string transform;  // as transforms/transform.h names it
  bool gradient = false;  // else search
  int steps = 10, draws = 10;
  double step = 0, budget = 0;  // of RMSprop and of the RMSE, in units of the parameters
  double noise = 0;             // initial uniform noise of that half width
};

// The evaluation defaults of the package for pixel, stain, mean (gradient), random_stain, hed,
// rotate, crop, zoom_in, zoom_out, blur, jpeg (search), values 0-255 counted in [0, 1].
const std::vector<ReetSettings>& ReetDefaults();

struct ReetResult {
  at::Tensor images;  // [B, C, H, W]
  at::Tensor logits;  // [B, K]
  ModelCalls calls;
};

// One batch. Loss: the logit of the label (the package takes what the model puts out).
ReetResult RunReet(const model::ImageClassifier& model, const at::Tensor& images,
                   const at::Tensor& labels, const ReetSettings& settings, uint64_t seed);

}  // namespace assay::robustness
