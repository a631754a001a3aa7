#include "model/image_units.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <fmt/ranges.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/passes/frozen_conv_folding.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/passes/remove_mutation.h>
#include <torch/csrc/jit/runtime/interpreter.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/error.h"
#include "model/image_graph.h"
#include "model/image_network.h"

namespace assay::model {

using base::ErrorKind;
using base::Fail;
using torch::jit::Graph;

struct ImageUnits::Frozen {
  std::string file;
  at::Device device = at::kCPU;
  torch::jit::Module module;  // what remains of it; the first of two inputs
  std::shared_ptr<Graph> graph;
  std::vector<GraphLayer> layers;

  // Programs that compute the inputs and outputs of some layers and nothing else.
  std::mutex mutex;
  std::map<std::vector<int>, torch::jit::Code> programs;

  torch::jit::Code ProgramFor(const std::vector<int>& wanted) {
    const std::lock_guard lock(mutex);
    if (const auto found = programs.find(wanted); found != programs.end()) return found->second;
    const std::shared_ptr<Graph> part = graph->copy();
    while (!part->outputs().empty()) part->block()->eraseOutput(part->outputs().size() - 1);
    std::vector<torch::jit::Node*> nodes;
    for (torch::jit::Node* node : part->nodes()) nodes.push_back(node);
    for (const int layer : wanted) {
      const GraphLayer& about = layers[static_cast<size_t>(layer)];
      torch::jit::Node* node = nodes.at(about.node);
      const bool addmm = node->kind() == c10::Symbol::fromQualString("aten::addmm");
      part->registerOutput(node->input(addmm ? 1 : 0));
      part->registerOutput(node->output());
    }
    torch::jit::EliminateDeadCode(part);
    return programs.emplace(wanted, torch::jit::Code(part, "units")).first->second;
  }
};

ImageUnits::ImageUnits(std::unique_ptr<Frozen> frozen) : frozen_(std::move(frozen)) {}
ImageUnits::~ImageUnits() = default;
ImageUnits::ImageUnits(ImageUnits&&) noexcept = default;

namespace {

// A graph whose last input is the images; its first, if there are two, the module.
struct LoadedGraph {
  torch::jit::Module module;
  std::shared_ptr<Graph> graph;
};

LoadedGraph FrozenGraph(const std::filesystem::path& file, at::Device device) {
  torch::jit::Module module = torch::jit::load(file.string(), device);
  module.eval();
  LoadedGraph out{.module = torch::jit::freeze_module(module)};
  out.graph = out.module.get_method("forward").graph()->copy();
  torch::jit::Inline(*out.graph);
  if (out.graph->inputs().size() != 2) {
    Fail(ErrorKind::kUnsupported, "{}: forward takes {} arguments; expected the images alone",
         file.string(), static_cast<int>(out.graph->inputs().size()) - 1);
  }
  return out;
}

// The operations of a built-in network, as one run over generated images shows them.
LoadedGraph Traced(const std::filesystem::path& file, const std::string& device) {
  ImageNetwork network = LoadImageNetwork(file);
  network.To(device);
  const c10::NoGradGuard no_gradients;
  const at::Tensor images = at::rand({1, network.config().channels, 64, 64}).to(at::Device(device));
  network.Evaluate(images);  // folds the batch norms, which is no part of the graph
  const auto [state, outputs] = torch::jit::tracer::trace(
      {images},
      [&](torch::jit::Stack inputs) {
        return torch::jit::Stack{network.Evaluate(inputs[0].toTensor())};
      },
      [](const at::Tensor&) { return std::string(); }, /*strict=*/true, /*force_outplace=*/true);
  return {.module = torch::jit::Module("traced"), .graph = state->graph};
}

}  // namespace

ImageUnits ImageUnits::Load(const std::filesystem::path& file, const std::string& device) {
  if (!std::filesystem::exists(file)) Fail(ErrorKind::kNotFound, "{}: no such file", file.string());
  auto frozen = std::make_unique<Frozen>();
  frozen->file = file.string();
  frozen->device = at::Device(device);
  std::vector<std::string> names;
  try {
    LoadedGraph loaded = file.extension() == ".safetensors" ? Traced(file, device)
                                                            : FrozenGraph(file, frozen->device);
    frozen->module = std::move(loaded.module);
    frozen->graph = std::move(loaded.graph);
    torch::jit::ConstantPropagation(frozen->graph);  // lists of strides, in a trace
    // Outputs must not be overwritten by what follows them (relu_, add_).
    torch::jit::RemoveTensorMutation(frozen->graph);
    torch::jit::EliminateDeadCode(frozen->graph);
    names = LayerNames(*frozen->graph);
    torch::jit::FoldFrozenConvBatchnorm(frozen->graph);
    torch::jit::EliminateDeadCode(frozen->graph);
  } catch (const c10::Error& error) {
    Fail(ErrorKind::kBadInput, "{}: cannot be read as a TorchScript module: {}", file.string(),
         error.what_without_backtrace());
  }
  frozen->layers = FindLayers(*frozen->graph, frozen->graph->inputs().back());
  if (frozen->layers.empty()) {
    Fail(ErrorKind::kUnsupported,
         "{}: no convolution or linear layer with constant weights outside of branches and loops",
         file.string());
  }
  for (size_t i = 0; i < frozen->layers.size(); ++i) {
    ImageLayer& about = frozen->layers[i].about;
    if (names.size() == frozen->layers.size()) about.name = names[i];
    if (about.name.empty())
      about.name = (about.convolution ? "conv2d_" : "linear_") + std::to_string(i);
  }
  return ImageUnits(std::move(frozen));
}

std::vector<int> ImageUnits::Layers() const {
  std::vector<int> out;
  for (size_t i = 0; i < frozen_->layers.size(); ++i) out.push_back(static_cast<int>(i));
  return out;
}

const ImageLayer& ImageUnits::At(int layer) const {
  if (layer < 0 || static_cast<size_t>(layer) >= frozen_->layers.size()) {
    Fail(ErrorKind::kUsage, "layer {} does not exist; {} has layers 0 to {}", layer, frozen_->file,
         frozen_->layers.size() - 1);
  }
  return frozen_->layers[static_cast<size_t>(layer)].about;
}

at::Tensor ImageUnits::InputWeights(int layer) const {
  At(layer);
  return frozen_->layers[static_cast<size_t>(layer)].weight.flatten(1);
}

at::Tensor ImageUnits::InputBias(int layer) const {
  At(layer);
  return frozen_->layers[static_cast<size_t>(layer)].bias;
}

std::vector<LayerValues> ImageUnits::Run(const at::Tensor& images,
                                         const std::vector<int>& layers) const {
  const c10::InferenceMode guard;
  for (const int layer : layers) At(layer);
  torch::jit::Stack stack;
  if (frozen_->graph->inputs().size() == 2) stack.emplace_back(frozen_->module._ivalue());
  stack.emplace_back(images.to(frozen_->device));
  try {
    torch::jit::InterpreterState(frozen_->ProgramFor(layers)).run(stack);
  } catch (const std::exception& error) {
    const std::string text = error.what();
    Fail(ErrorKind::kBadInput, "{}: cannot run images of shape [{}]: {}", frozen_->file,
         fmt::join(images.sizes(), ", "), text.substr(0, text.find("Exception raised")));
  }
  const auto on_host = [](const c10::IValue& value) {
    return value.toTensor().to(at::kCPU, at::kFloat).contiguous();
  };
  std::vector<LayerValues> out;
  for (size_t i = 0; i < layers.size(); ++i)
    out.push_back({on_host(stack[2 * i]), on_host(stack[2 * i + 1])});
  return out;
}

at::Tensor ImageUnits::ByLocation(int layer, const at::Tensor& output) const {
  if (At(layer).convolution) return output.flatten(2).contiguous();
  if (output.dim() == 2) return output.unsqueeze(-1);
  return output.flatten(1, -2).transpose(1, 2).contiguous();
}

std::vector<float> ImageUnits::InputAt(int layer, const LayerValues& values, int64_t image,
                                       int64_t unit, int64_t location) const {
  const ImageLayer& about = At(layer);
  if (!about.convolution) {
    const int64_t width = values.input.size(-1);
    const at::Tensor of_image = values.input[image].reshape({-1, width});
    const float* data = of_image.data_ptr<float>() + location * width;
    return {data, data + width};
  }
  const int64_t height = values.input.size(2), width = values.input.size(3);
  const int64_t channels = values.input.size(1) / about.groups;
  const int64_t first = unit / (about.units / about.groups) * channels;
  const int64_t columns = values.output.size(3);
  const int64_t top = location / columns * about.stride[0] - about.padding[0],
                left = location % columns * about.stride[1] - about.padding[1];
  std::vector<float> out(static_cast<size_t>(channels * about.kernel[0] * about.kernel[1]), 0);
  auto at = out.begin();
  for (int64_t channel = 0; channel < channels; ++channel) {
    const float* plane = values.input.data_ptr<float>() +
                         (image * values.input.size(1) + first + channel) * height * width;
    for (int64_t ky = 0; ky < about.kernel[0]; ++ky) {
      const int64_t y = top + ky * about.dilation[0];
      for (int64_t kx = 0; kx < about.kernel[1]; ++kx, ++at) {
        const int64_t x = left + kx * about.dilation[1];
        if (y >= 0 && y < height && x >= 0 && x < width) *at = plane[y * width + x];
      }
    }
  }
  return out;
}

PixelBox ReachAt(const ImageLayer& layer, int64_t location, int64_t output_width, int64_t height,
                 int64_t width) {
  const auto range = [](const PixelReach& reach, int64_t at,
                        int64_t size) -> std::array<int64_t, 2> {
    if (reach.whole) return {0, size};
    return {reach.step * at + reach.low, reach.step * at + reach.high + 1};
  };
  const auto rows = range(layer.rows, location / output_width, height),
             columns = range(layer.columns, location % output_width, width);
  return {rows[0], columns[0], rows[1], columns[1]};
}

PixelBox SeenAt(const ImageLayer& layer, int64_t location, int64_t output_width, int64_t height,
                int64_t width) {
  PixelBox box = ReachAt(layer, location, output_width, height, width);
  const auto clip = [](int64_t& low, int64_t& high, int64_t size) {
    low = std::clamp<int64_t>(low, 0, size - 1);
    high = std::clamp<int64_t>(high, low + 1, size);
  };
  clip(box.top, box.bottom, height);
  clip(box.left, box.right, width);
  return box;
}

}  // namespace assay::model
