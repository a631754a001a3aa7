// Tiny classifiers made in code, for tests.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include <string>

#include "base/error.h"
#include "model/image_classifier.h"

namespace assay::robustness {

inline at::Tensor Seeded(at::IntArrayRef shape, uint64_t seed, bool normal = true) {
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return normal ? at::randn(shape, generator) : at::rand(shape, generator);
}

// logits = gain * (images W' + bias).
class LinearClassifier : public model::ImageClassifier {
 public:
  LinearClassifier(at::Tensor weights, at::Tensor bias, double gain = 1)
      : weights_(std::move(weights)), bias_(std::move(bias)), gain_(gain) {
    spec_.name = "linear";
    for (int64_t k = 0; k < weights_.size(0); ++k)
      spec_.class_names.push_back(fmt::format("class {}", k));
  }
  at::Tensor Logits(const at::Tensor& images) const override {
    // A sum, not a matrix product: rows do not depend on how many there are.
    return ((images.flatten(1).unsqueeze(1) * weights_).sum(2) + bias_) * gain_;
  }
  const at::Tensor& weights() const { return weights_; }  // [K, D]

 private:
  at::Tensor weights_, bias_;
  double gain_;
};

// Two convolutions with ReLU, mean over the image, linear.
class SmallNetwork : public model::ImageClassifier {
 public:
  SmallNetwork(int64_t channels, int64_t classes, uint64_t seed)
      : first_(Seeded({8, channels, 3, 3}, seed) * 0.6),
        second_(Seeded({12, 8, 3, 3}, seed + 1) * 0.3),
        last_(Seeded({classes, 12}, seed + 2) * 3) {
    spec_.name = "small";
    spec_.class_names.resize(static_cast<size_t>(classes));
  }
  at::Tensor Logits(const at::Tensor& images) const override {
    const at::Tensor hidden = at::conv2d(images - 0.5, first_, {}, 1, 1).relu();
    return at::matmul(at::conv2d(hidden, second_, {}, 2, 1).relu().mean({2, 3}), last_.t());
  }

 private:
  at::Tensor first_, second_, last_;
};

// Answers without any gradient.
class StepClassifier : public model::ImageClassifier {
 public:
  explicit StepClassifier(double threshold) : threshold_(threshold) {
    spec_.name = "step";
    spec_.class_names = {"low", "high"};
  }
  at::Tensor Logits(const at::Tensor& images) const override {
    const at::Tensor high =
        (images.detach().flatten(1).mean(1) > threshold_).to(at::kFloat).unsqueeze(1);
    return at::cat({1 - high, high}, 1);
  }

 private:
  double threshold_;
};

// The classifier's own answers: what an attack has to change.
inline at::Tensor Answers(const model::ImageClassifier& model, const at::Tensor& images) {
  return model.Logits(images).argmax(1);
}

// The message of the base::Error that `action` throws.
template <typename Action>
std::string ErrorMessage(Action&& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error.what();
  }
  return "no error was thrown";
}

}  // namespace assay::robustness
