#include "model/image_graph.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>

namespace assay::model {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

std::string KindOf(const Node& node) { return node.kind().toQualString(); }

c10::optional<c10::IValue> ConstantOf(const Node& node, size_t input) {
  if (input >= node.inputs().size()) return c10::nullopt;
  return torch::jit::toIValue(node.input(input));
}

std::optional<at::Tensor> TensorOf(const Node& node, size_t input) {
  const auto value = ConstantOf(node, input);
  if (!value || !value->isTensor()) return std::nullopt;
  return value->toTensor();
}

std::optional<int64_t> IntOf(const Node& node, size_t input) {
  const auto value = ConstantOf(node, input);
  if (!value || !value->isInt()) return std::nullopt;
  return value->toInt();
}

// A list of two, or of one that stands for both; `if_empty` for none.
using Pair = std::array<int64_t, 2>;
std::optional<Pair> PairOf(const Node& node, size_t input, std::optional<Pair> if_empty = {}) {
  const auto value = ConstantOf(node, input);
  if (!value || !value->isIntList()) return std::nullopt;
  const std::vector<int64_t> list = value->toIntVector();
  if (list.empty()) return if_empty;
  return list.size() <= 2 ? std::optional(Pair{list.front(), list.back()}) : std::nullopt;
}

bool IsConvolution(const std::string& kind) {
  return kind == "aten::conv2d" || kind == "aten::_convolution" || kind == "aten::convolution";
}

// Absent: no layer whose weights are constants.
std::optional<GraphLayer> ReadConvolution(const Node& node, const std::string& kind) {
  const auto weight = TensorOf(node, 1);
  const bool general = kind != "aten::conv2d";  // with `transposed` and `output_padding` before
  const auto stride = PairOf(node, 3), padding = PairOf(node, 4), dilation = PairOf(node, 5);
  const auto groups = IntOf(node, general ? 8 : 6);
  if (!weight || weight->dim() != 4 || !stride || !padding || !dilation || !groups) return {};
  if (general) {
    const auto transposed = ConstantOf(node, 6);
    if (!transposed || !transposed->isBool() || transposed->toBool()) return {};
  }
  const auto bias = ConstantOf(node, 2);
  if (!bias || !(bias->isNone() || bias->isTensor())) return {};
  GraphLayer out{.about = {.convolution = true,
                           .units = weight->size(0),
                           .kernel = {weight->size(2), weight->size(3)},
                           .stride = *stride,
                           .padding = *padding,
                           .dilation = *dilation,
                           .groups = *groups},
                 .weight = *weight};
  out.bias = bias->isTensor() ? bias->toTensor() : at::zeros({weight->size(0)}, weight->options());
  return out;
}

std::optional<GraphLayer> ReadLinear(const Node& node, const std::string& kind) {
  if (kind == "aten::linear") {
    const auto weight = TensorOf(node, 1);
    const auto bias = ConstantOf(node, 2);
    if (!weight || weight->dim() != 2 || !bias || !(bias->isNone() || bias->isTensor())) return {};
    return GraphLayer{.about = {.units = weight->size(0)},
                      .weight = *weight,
                      .bias = bias->isTensor() ? bias->toTensor()
                                               : at::zeros({weight->size(0)}, weight->options())};
  }
  // addmm(bias, input, weight^T, beta = 1, alpha = 1)
  const auto bias = TensorOf(node, 0), weight = TensorOf(node, 2);
  const auto one = [&](size_t input) {
    const auto value = ConstantOf(node, input);
    return value && value->isScalar() && value->toScalar().toDouble() == 1;
  };
  if (!bias || !weight || weight->dim() != 2 || bias->dim() != 1 || !one(3) || !one(4)) return {};
  return GraphLayer{
      .about = {.units = weight->size(1)}, .weight = weight->t().contiguous(), .bias = *bias};
}

std::optional<GraphLayer> ReadLayer(const Node& node) {
  const std::string kind = KindOf(node);
  if (IsConvolution(kind)) return ReadConvolution(node, kind);
  if (kind == "aten::linear" || kind == "aten::addmm") return ReadLinear(node, kind);
  return std::nullopt;
}

struct Reach {
  PixelReach rows, columns;
};
constexpr Reach kWhole = {{.whole = true}, {.whole = true}};

PixelReach Union(const PixelReach& a, const PixelReach& b) {
  if (a.whole || b.whole || a.step != b.step) return {.whole = true};
  return {.step = a.step, .low = std::min(a.low, b.low), .high = std::max(a.high, b.high)};
}

// Location y of the output is location stride * y + offset of the input.
PixelReach Shifted(const PixelReach& in, int64_t stride, int64_t offset) {
  if (in.whole) return in;
  return {.step = in.step * stride,
          .low = in.low + in.step * offset,
          .high = in.high + in.step * offset};
}

// Operations that combine values at the same location only.
bool IsPointwise(const std::string& kind) {
  static const std::set<std::string> kinds = {
      "aten::relu",       "aten::relu_",       "aten::batch_norm", "aten::add",
      "aten::add_",       "aten::sub",         "aten::sub_",       "aten::mul",
      "aten::mul_",       "aten::div",         "aten::div_",       "aten::hardtanh",
      "aten::hardtanh_",  "aten::relu6",       "aten::relu6_",     "aten::dropout",
      "aten::sigmoid",    "aten::silu",        "aten::silu_",      "aten::gelu",
      "aten::leaky_relu", "aten::leaky_relu_", "aten::elu",        "aten::tanh",
      "aten::clamp",      "aten::to",          "aten::contiguous", "aten::detach",
      "aten::neg",        "aten::hardswish",   "aten::hardswish_", "prim::ListConstruct"};
  return kinds.contains(kind);
}

Reach ThroughPooling(const Node& node, const Reach& in, bool dilated) {
  const auto kernel = PairOf(node, 1), stride = PairOf(node, 2, kernel), padding = PairOf(node, 3);
  const auto dilation = dilated ? PairOf(node, 4) : std::optional(Pair{1, 1});
  if (!kernel || !stride || !padding || !dilation) return kWhole;
  return {Through(in.rows, (*kernel)[0], (*stride)[0], (*padding)[0], (*dilation)[0]),
          Through(in.columns, (*kernel)[1], (*stride)[1], (*padding)[1], (*dilation)[1])};
}

Reach ThroughSlice(const Node& node, const Reach& in) {  // self, dim, start, end, step
  const auto dim = IntOf(node, 1), step = IntOf(node, 4);
  const auto begin = ConstantOf(node, 2);
  if (!dim || !step || !begin || !(begin->isNone() || begin->isInt())) return kWhole;
  const int64_t start = begin->isInt() ? begin->toInt() : 0;
  if (*dim == 0 || *dim == 1) return in;
  if (start < 0) return kWhole;
  Reach out = in;
  PixelReach& axis = *dim == 2 || *dim == -2 ? out.rows : out.columns;
  axis = Shifted(axis, *step, start);
  return out;
}

Reach ThroughPadding(const Node& node, const Reach& in) {  // left, right, top, bottom, ...
  const auto pads = ConstantOf(node, 1);
  const auto mode = ConstantOf(node, 2);
  const bool constant = KindOf(node) == "aten::constant_pad_nd" ||
                        (mode && mode->isString() && mode->toStringRef() == "constant");
  if (!constant || !pads || !pads->isIntList()) return kWhole;
  const std::vector<int64_t> list = pads->toIntVector();
  Reach out = in;
  if (!list.empty()) out.columns = Shifted(in.columns, 1, -list[0]);
  if (list.size() > 2) out.rows = Shifted(in.rows, 1, -list[2]);
  return out;
}

Reach ReachOf(const Node& node, const std::vector<Reach>& inputs) {
  const std::string kind = KindOf(node);
  const Reach& first = inputs.front();
  if (IsPointwise(kind) || (kind == "aten::cat" && IntOf(node, 1) == 1)) {
    Reach out = first;
    for (const Reach& in : inputs) out = {Union(out.rows, in.rows), Union(out.columns, in.columns)};
    return out;
  }
  if (IsConvolution(kind)) {
    const auto layer = ReadConvolution(node, kind);
    if (!layer) return kWhole;
    const ImageLayer& about = layer->about;
    return {
        Through(first.rows, about.kernel[0], about.stride[0], about.padding[0], about.dilation[0]),
        Through(first.columns, about.kernel[1], about.stride[1], about.padding[1],
                about.dilation[1])};
  }
  if (kind == "aten::max_pool2d") return ThroughPooling(node, first, true);
  if (kind == "aten::avg_pool2d") return ThroughPooling(node, first, false);
  if (kind == "aten::slice") return ThroughSlice(node, first);
  if (kind == "aten::constant_pad_nd" || kind == "aten::pad") return ThroughPadding(node, first);
  return kWhole;
}

}  // namespace

PixelReach Through(const PixelReach& input, int64_t kernel, int64_t stride, int64_t padding,
                   int64_t dilation) {
  if (input.whole) return input;
  return {.step = input.step * stride,
          .low = input.low - input.step * padding,
          .high = input.high + input.step * (dilation * (kernel - 1) - padding)};
}

std::vector<GraphLayer> FindLayers(const Graph& graph, const Value* images) {
  std::unordered_map<const Value*, Reach> known = {{images, {}}};
  std::vector<GraphLayer> layers;
  size_t position = 0;
  for (const Node* node : graph.nodes()) {
    std::vector<Reach> inputs;
    for (const Value* input : node->inputs()) {
      if (const auto found = known.find(input); found != known.end())
        inputs.push_back(found->second);
    }
    if (!inputs.empty()) {  // else it does not depend on the image
      const Reach reach = ReachOf(*node, inputs);
      for (const Value* output : node->outputs()) known[output] = reach;
      if (auto layer = ReadLayer(*node)) {
        layer->node = position;
        layer->about.rows = layer->about.convolution ? reach.rows : PixelReach{.whole = true};
        layer->about.columns = layer->about.convolution ? reach.columns : PixelReach{.whole = true};
        layers.push_back(std::move(*layer));
      }
    }
    ++position;
  }
  return layers;
}

std::vector<std::string> LayerNames(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node* node : graph.nodes()) {
    if (!ReadLayer(*node)) continue;
    std::string name = node->input(KindOf(*node) == "aten::addmm" ? 2 : 1)->debugName();
    const size_t end = name.rfind(".weight");
    const bool of_module = name.starts_with("self.") && end != std::string::npos && end > 5;
    names.push_back(of_module ? name.substr(5, end - 5) : "");
  }
  return names;
}

}  // namespace assay::model
