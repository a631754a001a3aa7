#include "model/torchscript_classifier.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/script.h>

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

// Weights become constants of the graph (freezing), so that batch norms are folded into
// convolutions and no gradient is kept for them. Gradients by the images stay.
torch::jit::Module ReadModule(const fs::path& file, const std::string& device) {
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
    if (Detaches(module)) return module;
    try {
      return torch::jit::freeze(module);
    } catch (const std::exception&) {
      return module;  // it works as it is; some modules cannot be frozen
    }
  } catch (const c10::Error& error) {
    Fail(ErrorKind::kBadInput, "{}: cannot be read as TorchScript: {}", file.string(),
         error.what_without_backtrace());
  }
}

class TorchScriptClassifier : public ImageClassifier {
 public:
  TorchScriptClassifier(torch::jit::Module module, WsinferConfig config)
      : module_(std::move(module)), config_(std::move(config)) {
    spec_ = config_.spec;
  }

  at::Tensor Logits(const at::Tensor& images) const override {
    CheckImages(spec_, images);
    // Channels last: about a tenth faster at 64 images, and never slower (classifier_bench).
    at::Tensor logits = Run(Transformed(images).contiguous(at::MemoryFormat::ChannelsLast));
    CheckLogits(spec_, logits, images.size(0));
    return logits;
  }

 private:
  // The interpreter throws several types, some only derived from std::exception.
  c10::IValue Forward(const at::Tensor& images) const {
    std::string reason;
    try {
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
  WsinferConfig config_;
};

}  // namespace

std::unique_ptr<ImageClassifier> LoadTorchScript(const fs::path& file, ImageSpec spec) {
  WsinferConfig config;
  config.spec = std::move(spec);
  return LoadWsinfer(file, std::move(config));
}

std::unique_ptr<ImageClassifier> LoadWsinfer(const fs::path& file, WsinferConfig config) {
  auto module = ReadModule(file, config.spec.device);
  return std::make_unique<TorchScriptClassifier>(std::move(module), std::move(config));
}

}  // namespace assay::model
