// One PGD step against one forward and backward of the model, at batches of 1, 8 and 64, on the
// shared IDC classifier. Goal: 1.1.
//   attack_bench [MODEL.pt]
#include <fmt/core.h>
#include <torch/csrc/autograd/autograd.h>

#include "bench/measured.h"
#include "robustness/attack.h"

namespace {

using assay::bench::BestSeconds;

double ForwardBackwardSeconds(const assay::model::ImageClassifier& model, const at::Tensor& images,
                              const at::Tensor& seed) {
  return BestSeconds(5, [&] {
    const at::Tensor leaf = images.detach().requires_grad_(true);
    torch::autograd::grad({model.Logits(leaf)}, {leaf}, {seed});
  });
}

double PgdSeconds(const assay::model::ImageClassifier& model, const at::Tensor& images,
                  const at::Tensor& labels, int steps) {
  assay::robustness::AttackOptions options;
  options.steps = steps;
  options.random_start = false;
  options.early_stop = false;
  const auto attack = assay::robustness::MakeAttack(options);
  return BestSeconds(3, [&] { attack->Run(model, {.images = images, .labels = labels}); });
}

}  // namespace

int main(int argc, char** argv) {
  assay::model::PrepareProcess(argv);
  assay::model::SetThreads(1);
  const std::string path =
      argc > 1 ? argv[1] : ASSAY_SOURCE_DIR "/../shared/models/idc_resnet18w16_aug.pt";
  if (!std::filesystem::exists(path)) {
    fmt::print("{} is not here: nothing measured\n", path);
    return 0;
  }
  const auto model = assay::model::LoadImageClassifier(path);
  const auto& spec = model->spec();
  fmt::print("{}, one thread, least of several runs\n", spec.name);
  for (const int64_t batch : {1, 8, 64}) {
    at::manual_seed(1);
    const at::Tensor images = at::rand({batch, spec.channels, spec.height, spec.width});
    const at::Tensor labels = model->Logits(images).argmax(1);
    const at::Tensor seed = at::randn({batch, model->classes()});
    const int few = batch == 1 ? 20 : 4;
    const double once = ForwardBackwardSeconds(*model, images, seed);
    const double step =
        (PgdSeconds(*model, images, labels, 2 * few) - PgdSeconds(*model, images, labels, few)) /
        few;
    fmt::print("batch {:3}: forward + backward {:8.2f} ms, PGD step {:8.2f} ms, ratio {:.3f}\n",
               batch, 1e3 * once, 1e3 * step, step / once);
  }
  return 0;
}
