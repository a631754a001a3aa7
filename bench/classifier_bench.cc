// What one forward, and one forward with the gradient of the images, of an image classifier cost,
// by batch and memory layout. ResNet-18 of width 16 on 50 x 50 pixels: built in, and as TorchScript
// where ../shared/models has it.
#include <ATen/ATen.h>
#include <fmt/core.h>

#include <filesystem>
#include <memory>

#include "bench/measured.h"
#include "model/image_classifier.h"
#include "model/image_network.h"

namespace {

using assay::bench::BestSeconds;
using assay::model::ImageClassifier;

void Measure(const char* name, const ImageClassifier& classifier) {
  for (const int64_t batch : {1, 8, 64}) {
    const at::Tensor plain = at::rand({batch, 3, 50, 50});
    for (const bool channels_last : {false, true}) {
      const at::Tensor images =
          channels_last ? plain.contiguous(at::MemoryFormat::ChannelsLast) : plain;
      const int repeats = batch == 64 ? 3 : 15;
      const double forward = BestSeconds(repeats, [&] { classifier.Logits(images); });
      const double both = BestSeconds(repeats, [&] {
        const at::Tensor leaf = images.detach().requires_grad_(true);
        classifier.Logits(leaf).sum().backward();
      });
      fmt::print(
          "{:<12} batch {:2}  {:<13}  forward {:7.2f} ms  with gradient {:7.2f} ms  "
          "{:6.0f} and {:5.0f} images/s\n",
          name, batch, channels_last ? "channels last" : "contiguous", 1e3 * forward, 1e3 * both,
          static_cast<double>(batch) / forward, static_cast<double>(batch) / both);
    }
  }
}

}  // namespace

int main(int, char** argv) {
  assay::model::PrepareProcess(argv);
  fmt::print("{} threads\n", assay::model::Threads());
  const auto network = std::make_shared<assay::model::ImageNetwork>(
      assay::model::ImageArchitecture("resnet18w16", 2), 1);
  Measure("built in", *assay::model::BuildClassifier(network, {.any_size = true}));
  const std::filesystem::path script =
      std::filesystem::path(ASSAY_SOURCE_DIR) / "../shared/models/idc_resnet18w16_aug.pt";
  if (std::filesystem::exists(script)) {
    Measure("TorchScript", *assay::model::LoadImageClassifier(script));
  } else {
    fmt::print("TorchScript: left out, there is no ../shared/models\n");
  }
  return 0;
}
