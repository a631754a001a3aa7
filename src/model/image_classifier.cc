#include "model/image_classifier.h"

#include <torch/script.h>

#include "base/error.h"
#include "base/file.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using base::Fail;
namespace fs = std::filesystem;

class TorchScriptClassifier : public ImageClassifier {
 public:
  TorchScriptClassifier(torch::jit::Module module, ImageSpec spec) : module_(std::move(module)) {
    spec_ = std::move(spec);
    module_.eval();
    for (at::Tensor parameter : module_.parameters()) parameter.requires_grad_(false);
  }

  at::Tensor Logits(const at::Tensor& images) const override {
    return module_.forward({images}).toTensor();
  }

 private:
  mutable torch::jit::Module module_;
};

ImageSpec ReadSpec(const fs::path& path) {
  ImageSpec spec{.name = path.stem().string()};
  const fs::path sidecar = fs::path(path).replace_extension(".json");
  if (!fs::exists(sidecar)) return spec;
  const nlohmann::json json = base::ReadJson(sidecar);
  if (json.contains("class_names")) json.at("class_names").get_to(spec.class_names);
  return spec;
}

}  // namespace

std::unique_ptr<ImageClassifier> LoadImageClassifier(const fs::path& path,
                                                     const std::string& device) {
  if (!fs::exists(path)) Fail(ErrorKind::kNotFound, "{}: no such file", path.string());
  try {
    return std::make_unique<TorchScriptClassifier>(
        torch::jit::load(path.string(), at::Device(device)), ReadSpec(path));
  } catch (const c10::Error& error) {
    Fail(ErrorKind::kBadInput, "{}: cannot be read as TorchScript: {}", path.string(),
         error.what_without_backtrace());
  }
}

}  // namespace assay::model
