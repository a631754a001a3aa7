#include "model/torchscript_classifier.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/script.h>

#include <optional>

#include "base/error.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using base::Fail;
namespace fs = std::filesystem;

bool Detaches(const torch::jit::Block& block) {
  for (const torch::jit::Node* node : block.nodes()) {
    if (node->kind() == c10::aten::detach) return true;
    for (const torch::jit::Block* inner : node->blocks()) {
      if (Detaches(*inner)) return true;
    }
  }
  return false;
}

// Freezing takes detach for an operation without effect and drops it, which would give gradients to
// a module that has none.
bool Detaches(const torch::jit::Module& module) {
  const auto graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  return Detaches(*graph->block());
}

torch::jit::Module RearrangedForInference(torch::jit::Module frozen) {
  return torch::jit::optimize_for_inference(frozen);  // takes a reference
}

// One module in the forms that serve best.
struct Modules {
  torch::jit::Module module;  // gradients by the images
  // Without gradients: weights laid out for the processor once, convolutions and what follows them
  // as one. Batches of one image take half the time. Absent where it cannot be had.
  std::optional<torch::jit::Module> inference;
};

// Weights become constants of the graph (freezing), so that batch norms are folded into
// convolutions and no gradient is kept for them. Gradients by the images stay.
Modules ReadModule(const fs::path& file, const std::string& device) {
  try {
    torch::jit::Module module = torch::jit::load(file.string(), at::Device(device));
    module.eval();
    for (const auto& parameter : module.named_parameters()) {
      parameter.value.requires_grad_(false);
      if (!at::isfinite(parameter.value).all().item<bool>()) {
        Fail(ErrorKind::kBadInput, "{}: the weights '{}' are not all finite", file.string(),
             parameter.name);
      }
    }
    if (Detaches(module)) return {module, {}};
    Modules out{module, {}};
    try {
      out.module = torch::jit::freeze(module);
      if (at::Device(device).is_cpu())
        out.inference = RearrangedForInference(torch::jit::freeze(module));
    } catch (const std::exception&) {
      // It works as it is; some modules cannot be frozen or rearranged.
    }
    return out;
  } catch (const c10::Error& error) {
    Fail(ErrorKind::kBadInput, "{}: cannot be read as TorchScript: {}", file.string(),
         error.what_without_backtrace());
  }
}

class TorchScriptClassifier : public ImageClassifier {
 public:
  TorchScriptClassifier(Modules modules, WsinferConfig config)
      : module_(std::move(modules.module)), config_(std::move(config)) {
    spec_ = config_.spec;
    if (modules.inference) Adopt(std::move(*modules.inference));
  }

  at::Tensor Logits(const at::Tensor& images) const override {
    CheckImages(spec_, images);
    at::Tensor logits = Run(Prepared(images));
    CheckLogits(spec_, logits, images.size(0));
    return logits;
  }

 private:
  // Takes the rearranged module if it answers as the other does.
  void Adopt(torch::jit::Module inference) {
    const at::NoGradGuard no_gradients;
    const at::Tensor images = Prepared(ProbeImages(spec_));
    try {
      const at::Tensor expected = module_.forward({images}).toTensor();
      const at::Tensor found = inference.forward({images}).toTensor();
      if (expected.sizes() == found.sizes() && at::allclose(found, expected, 1e-4, 1e-4))
        inference_ = std::move(inference);
    } catch (const std::exception&) {
      // What the module itself does wrong, its users hear from Logits.
    }
  }

  at::Tensor Prepared(const at::Tensor& images) const {
    // Channels last: about a tenth faster at 64 images, and never slower (classifier_bench).
    return Transformed(images).contiguous(at::MemoryFormat::ChannelsLast);
  }

  // The interpreter throws several types, some only derived from std::exception.
  c10::IValue Forward(const at::Tensor& images) const {
    const bool gradients = at::GradMode::is_enabled() && images.requires_grad();
    std::string reason;
    try {
      if (inference_ && !gradients) {
        const at::NoGradGuard no_gradients;
        return inference_->forward({images});
      }
      return module_.forward({images});
    } catch (const c10::Error& error) {
      reason = error.what_without_backtrace();
    } catch (const std::exception& error) {
      reason = error.what();
    }
    Fail(ErrorKind::kBadInput, "{}: the module fails on images [{}]: {}", spec_.name,
         fmt::join(images.sizes().vec(), ", "), reason);
  }

  at::Tensor Run(const at::Tensor& images) const {
    const c10::IValue out = Forward(images);
    if (!out.isTensor()) {
      Fail(ErrorKind::kBadInput, "{}: the module returns {}; expected one tensor of logits",
           spec_.name, out.tagKind());
    }
    return out.toTensor();
  }

  // WSInfer's Resize works on 8-bit images with antialiasing; ours does not round to 8 bit, which
  // would stop gradients.
  at::Tensor Transformed(const at::Tensor& images) const {
    at::Tensor x = images;
    auto size = config_.resize;
    if (config_.resize_shorter) {
      const int64_t h = x.size(2), w = x.size(3), shorter = *config_.resize_shorter;
      size = h <= w ? std::pair{shorter, shorter * w / h} : std::pair{shorter * h / w, shorter};
    }
    if (size && (size->first != x.size(2) || size->second != x.size(3)))
      x = at::_upsample_bilinear2d_aa(x, {size->first, size->second}, /*align_corners=*/false);
    if (config_.mean.empty()) return x;
    const auto channels = static_cast<int64_t>(config_.mean.size());
    const auto row = [&](const std::vector<double>& values) {
      return at::tensor(values, x.options().requires_grad(false)).view({1, channels, 1, 1});
    };
    return (x - row(config_.mean)) / row(config_.std);
  }

  mutable torch::jit::Module module_;
  mutable std::optional<torch::jit::Module> inference_;
  WsinferConfig config_;
};

}  // namespace

std::unique_ptr<ImageClassifier> LoadTorchScript(const fs::path& file, ImageSpec spec) {
  WsinferConfig config;
  config.spec = std::move(spec);
  return LoadWsinfer(file, std::move(config));
}

std::unique_ptr<ImageClassifier> LoadWsinfer(const fs::path& file, WsinferConfig config) {
  auto modules = ReadModule(file, config.spec.device);
  return std::make_unique<TorchScriptClassifier>(std::move(modules), std::move(config));
}

}  // namespace assay::model
