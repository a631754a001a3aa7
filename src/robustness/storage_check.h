// Whether perturbed images still fool once they are stored: 8-bit PNG and JPEG, written and read by
// OpenCV as any program would. Thread-safe.
#pragma once

#include "robustness/attack.h"

namespace assay::robustness {

// images: [B, 1 or 3, H, W] in [0, 1] -> the same after encoding each as PNG, or JPEG of the
// quality (1 to 100, OpenCV's defaults: 4:2:0 chroma), and decoding. Throws kUnsupported for other
// channel counts.
at::Tensor ThroughPng(const at::Tensor& images);
at::Tensor ThroughJpeg(const at::Tensor& images, int quality);

// Of images after storage, [B] bool each.
struct StoredSuccess {
  at::Tensor png, jpeg90, jpeg75;
  at::Tensor png_logits;  // [B, K]
};

// Whether the images (an attack's) still fool after storage. Runs the model three times.
StoredSuccess CheckStored(const model::ImageClassifier& model, const at::Tensor& images,
                          const at::Tensor& labels, const at::Tensor& targets = {});

}  // namespace assay::robustness
