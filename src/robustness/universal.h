// Universal perturbations: one change of the pixels, made from training images, that flips the
// answers on images never seen (Moosavi-Dezfooli et al. 2017; for pathology arXiv 2106.08153).
// Thread-safe as far as the model is.
#pragma once

#include "robustness/attack.h"

namespace assay::robustness {

struct UniversalOptions {
  std::string norm = "linf";   // linf or l2, of the perturbation
  double epsilon = 8.0 / 255;  // its size
  std::string objective = "wrong-log-probability";
  int epochs = 10;    // passes over the training images
  int batch = 50;     // images a step
  double step = 0.1;  // first step, in units of epsilon; falls to a twentieth (cosine)
  int restarts = 1;   // independent starts; the one that flips most training images wins
  uint64_t seed = 0;
  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("norm", norm, "of the perturbation", base::OneOf({"linf", "l2"}));
    visit("epsilon", epsilon, "size of the perturbation", base::Between(0, 1e6));
    visit("objective", objective, "what is raised on average over images",
          base::OneOf({"wrong-log-probability", "margin", "cross-entropy"}));
    visit("epochs", epochs, "passes over the training images", base::Between(1, 1e6));
    visit("batch", batch, "training images a step", base::Between(1, 1e6));
    visit("step", step, "first step, in units of epsilon", base::Between(1e-6, 10));
    visit("restarts", restarts, "independent starts", base::Between(1, 1000));
    visit("seed", seed, "of the order of images and the starts");
  }
};

struct UniversalPerturbation {
  at::Tensor delta;  // [1, C, H, W] float32 within the ball; images + delta is clamped to [0, 1]
  double training_flips = 0;  // share of the training images that were right, with this delta
  ModelCalls calls;
};

// images: [N, C, H, W] in [0, 1], labels [N]: training images; those that the model gets wrong are
// left out. start: [1, C, H, W] or undefined (zeros for the first start, random after it).
// Projected gradient ascent over mini-batches with the sign (Linf) or normalised (L2) running mean
// of gradients. Throws kBadInput as attacks do, and when no training image is right.
UniversalPerturbation TrainUniversal(const model::ImageClassifier& model, const at::Tensor& images,
                                     const at::Tensor& labels, const UniversalOptions& options,
                                     const at::Tensor& start = {});

// What a perturbation does to images, among those that are right without it.
struct UniversalScore {
  int64_t images = 0, right = 0;  // all; right without the perturbation
  int64_t flipped = 0;            // of the right ones, wrong with it
  int64_t flipped_stored = 0;     // the same after storing the perturbed image as PNG
  double confidence = 0;          // mean probability of the (wrong) answer on flipped images
  std::vector<int64_t> right_by_class, flipped_by_class;  // [K]
  double FlipShare() const { return right ? double(flipped) / double(right) : 0; }
};
UniversalScore ScoreUniversal(const model::ImageClassifier& model, const at::Tensor& images,
                              const at::Tensor& labels, const at::Tensor& delta,
                              int64_t batch = 64);

// Controls of the same norm as delta: random signs (linf) or Gaussian noise (l2), and delta with
// its pixels moved to random places (the channels of a pixel together). Depend on seed and number
// alone.
at::Tensor RandomLike(const at::Tensor& delta, Norm norm, uint64_t seed, uint64_t number);
at::Tensor ShuffledPixels(const at::Tensor& delta, uint64_t seed, uint64_t number);

}  // namespace assay::robustness
